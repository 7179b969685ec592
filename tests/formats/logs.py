"""What the tests of logs share: writing a log, reading it, and showing what was read; values with odd parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tdlab.formats import FORMATS, LineProblem, Recording, TrajectorySet, read_trajectories
from tdlab.formats._conversations import Candidates, conversations_of
from tdlab.formats._values import Location
from tdlab.records import Trajectory

ODD = (None, 7, "", [], {}, [[]], {"type": []}, "\ud800")

Lines = list[dict[str, Any]]


def read_lines(folder: Path, lines: Lines, name: str = "log.jsonl") -> TrajectorySet:
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read_trajectories(folder / name)


def read_document(folder: Path, document: Any) -> TrajectorySet:
    (folder / "log.json").write_text(json.dumps(document, indent=1))
    return read_trajectories(folder / "log.json")


def calls(trajectory: Trajectory) -> list[tuple[str, Any]]:
    return [(call.name, call.arguments) for call in trajectory.calls()]


def shape(trajectory: Trajectory) -> list[str]:
    return [
        f"{message.role} {' '.join(call.name for call in message.tool_calls)}".strip()
        for message in trajectory.messages
    ]


def errors(trajectory: Trajectory) -> list[str | None]:
    return [message.tool_call_id for message in trajectory.messages if message.is_error]


def unpaired(trajectory: Trajectory) -> int:
    return sum(message.role == "tool" and message.tool_call_id is None for message in trajectory.messages)


def damaged(value: Any) -> Iterator[Any]:
    """Yield the value with each of its parts replaced by each odd value."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from ({**value, key: odd} for odd in (*ODD, *damaged(entry)))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from ([*value[:index], odd, *value[index + 1 :]] for odd in (*ODD, *damaged(entry)))


def read_value(value: Any) -> list[Recording | LineProblem]:
    formats = tuple(known for _, known in FORMATS.items())
    return list(conversations_of(value, Location("x", "x", 0, ""), Candidates(formats)))


def odd_results(parts: list[Recording | LineProblem]) -> tuple[int, int]:
    """Return how many results answer no call, and how many problems there are."""
    trajectories = [part.trajectory for part in parts if isinstance(part, Recording)]
    return sum(map(unpaired, trajectories)), sum(isinstance(part, LineProblem) for part in parts)

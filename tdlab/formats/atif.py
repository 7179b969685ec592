"""ATIF, Harbor's Agent Trajectory Interchange Format: one document a run, steps with calls and their observations.

Read: every published version (1.0 to 1.8), told by ``schema_version`` or by the steps. FromTemplate: 1.7. The shape::

    {"schema_version": "ATIF-v1.7", "session_id", "trajectory_id", "agent": {"name", "version", "model_name"?,
      "tool_definitions"?}, "steps": [{"step_id": 1.., "source": "system" | "user" | "agent", "message",
      "tool_calls"?: [{"tool_call_id", "function_name", "arguments"}],
      "observation"?: {"results": [{"source_call_id"?, "content"}]}}], "notes"?, "final_metrics"?, "extra"?,
      "subagent_trajectories"?}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tdlab._files import atomic_open
from tdlab.formats._json import text_of
from tdlab.formats.base import ConversationBuilder, Format, Item, Recording, Unreadable, name_of
from tdlab.formats.openai import EXTRA, listed_tools
from tdlab.formats.write import openai_record
from tdlab.records import Domains, Json, Message, Tool, Trajectory, canonical_json

__all__ = ["ATIF", "atif_record", "write_atif_jsonl"]

VERSION = "ATIF-v1.7"


def _unpack(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict) or not isinstance(value.get("steps"), list):
        return None
    version = value.get("schema_version")
    if not (isinstance(version, str) and version.upper().startswith("ATIF")):
        first = value["steps"][0] if value["steps"] else None
        if not (isinstance(value.get("agent"), dict) and isinstance(first, dict) and "source" in first):
            return None
    return _documents(value, "")


def _documents(value: dict[str, Any], where: str) -> Iterator[Item]:
    """A document and the trajectories of the subagents that it embeds."""
    waiting = [(value, where)]
    while waiting:
        document, place = waiting.pop()
        yield Item(place, document)
        inner = document.get("subagent_trajectories")
        if isinstance(inner, list):
            for number, one in reversed(list(enumerate(inner))):
                if isinstance(one, dict):
                    waiting.append((one, f"{place} subagent_trajectories[{number}]".strip()))


def _read(item: Item, fallback: str) -> Recording:
    """The agent's words, calls and observations. What the model thought (``reasoning_content``) was not said."""
    value = item.value
    steps = value.get("steps")
    if not isinstance(steps, list) or not steps:
        raise Unreadable("has no steps")
    talk = ConversationBuilder()
    for place, step in enumerate(steps):
        if not isinstance(step, dict) or step.get("source") not in ("system", "user", "agent"):
            found = step.get("source") if isinstance(step, dict) else type(step).__name__
            raise Unreadable(f"step {place} has the source {str(found)[:40]!r}")
        _say(talk, step, place)
        _observe(talk, step.get("observation"), place)
    if not talk.messages:
        raise Unreadable("has steps without words and calls")
    agent = value.get("agent")
    definitions = agent.get("tool_definitions") if isinstance(agent, dict) else None
    extra = value.get("extra")
    tools, names, domains, _ = listed_tools(definitions, extra.get(EXTRA) if isinstance(extra, dict) else None, talk)
    identities = (value.get(key) for key in ("trajectory_id", "session_id"))
    identity = next((one for one in identities if isinstance(one, str) and one), fallback)
    trajectory = Trajectory(id=identity, messages=tuple(talk.messages), tools=names)
    return Recording(trajectory, tools, ATIF.name, domains)


def _say(talk: ConversationBuilder, step: dict[str, Any], place: int) -> None:
    text = text_of(step.get("message"))
    raw = step.get("tool_calls")
    if step["source"] != "agent":
        if text or not step.get("observation"):
            talk.say("system" if step["source"] == "system" else "user", text)
        return
    if not raw:
        if text or not step.get("observation"):
            talk.say("assistant", text)
        return
    if not isinstance(raw, list) or not all(isinstance(call, dict) for call in raw):
        raise Unreadable(f"step {place} has tool_calls that are no list of objects")
    calls: list[tuple[str | None, str, Json]] = []
    for call in raw:
        given, extra = call.get("tool_call_id"), call.get("extra")
        arguments = call.get("arguments")
        if isinstance(extra, dict) and isinstance(extra.get("malformed"), str) and not arguments:
            arguments = extra["malformed"]
        calls.append(
            (given if isinstance(given, str) and given else None, name_of(call.get("function_name")), arguments)
        )
    talk.call(text, calls)


def _observe(talk: ConversationBuilder, observation: Json, place: int) -> None:
    if observation is None:
        return
    results = observation.get("results") if isinstance(observation, dict) else None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise Unreadable(f"step {place} has an observation without a list of results")
    for result in results:
        given, extra = result.get("source_call_id"), result.get("extra")
        flag = extra.get("is_error") if isinstance(extra, dict) else None
        talk.result(
            given if isinstance(given, str) and given else None,
            text_of(result.get("content")),
            failed=flag if isinstance(flag, bool) else None,
        )


ATIF = Format("atif", _unpack, _read)


# ------------------------------------------------------------------------------------------------------------- writing


def write_atif_jsonl(
    trajectories: Iterable[Trajectory],
    tools: Mapping[str, Tool],
    path: str | Path,
    *,
    services: Mapping[str, Domains] | None = None,
    agent: str = "tdlab",
    agent_version: str = "unknown",
) -> int:
    """Write one ATIF document a line and return how many; see `atif_record`. The file appears when it is complete.

    Harbor reads one document a file: split the lines where a tool wants that. StoreError where it cannot be written.
    """
    written = 0
    with atomic_open(path) as handle:
        for trajectory in trajectories:
            record = atif_record(trajectory, tools, services=services, agent=agent, agent_version=agent_version)
            text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
            handle.write(text.encode("utf-8", "backslashreplace") + b"\n")
            written += 1
    return written


def atif_record(
    trajectory: Trajectory,
    tools: Mapping[str, Tool],
    *,
    services: Mapping[str, Domains] | None = None,
    agent: str = "tdlab",
    agent_version: str = "unknown",
) -> dict[str, Json]:
    """One trajectory as an ATIF document; the same record gives the same value.

    Steps are numbered from 1. A result stands in the observation of the step that called, where ATIF wants it, also if
    other messages came between; one that answers no call stands, without an id, in a step of the system. The flag of an
    error and the text of malformed arguments are in ``extra``; with ``services`` so are tool keys, annotations and
    domains, and what is read back measures the same. StoreError where an argument holds what JSON cannot.
    """
    plain = openai_record(trajectory, tools, services=services)
    steps: list[dict[str, Json]] = []
    calling: dict[str, dict[str, Json]] = {}
    for message in trajectory.messages:
        if message.role == "tool":
            step = calling.get(message.tool_call_id or "")
            if step is None:
                step = {"step_id": len(steps) + 1, "source": "system", "message": ""}
                steps.append(step)
            step.setdefault("observation", {"results": []})["results"].append(_result(message, "tool_calls" in step))
            continue
        step = _step(message, len(steps) + 1)
        steps.append(step)
        calling.update((call.id, step) for call in message.tool_calls)
    about: dict[str, Json] = {"name": agent, "version": agent_version}
    if trajectory.teacher:
        about["model_name"] = trajectory.teacher
    if plain["tools"]:
        about["tool_definitions"] = plain["tools"]
    record: dict[str, Json] = {
        "schema_version": VERSION,
        "session_id": trajectory.id,
        "trajectory_id": trajectory.id,
        "agent": about,
        "steps": steps,
    }
    if services is not None:
        record["extra"] = {EXTRA: plain[EXTRA]}
    return record


def _step(message: Message, number: int) -> dict[str, Json]:
    source = {"assistant": "agent"}.get(message.role, message.role)
    step: dict[str, Json] = {"step_id": number, "source": source, "message": message.content}
    if message.tool_calls:
        step["tool_calls"] = [
            {
                "tool_call_id": call.id,
                "function_name": call.name,
                "arguments": json.loads(canonical_json(call.arguments)),
                **({} if call.malformed is None else {"extra": {"malformed": call.malformed}}),
            }
            for call in message.tool_calls
        ]
    return step


def _result(message: Message, known: bool) -> dict[str, Json]:
    found: dict[str, Json] = {"source_call_id": message.tool_call_id} if known else {}
    found["content"] = message.content
    found["extra"] = {"is_error": message.is_error}
    return found

"""Reading a trajectory file of any known format: told by its content, read part by part, broken parts reported."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydantic import ValidationError

from tdlab.errors import FormatError
from tdlab.records import Domains, Json, Service, Tool, Trajectory
from tdlab.store.formats._build import Format, LineProblem, Recording, Unreadable
from tdlab.store.formats._json import strict_loads
from tdlab.store.formats._mcp_bench import MCP_BENCH
from tdlab.store.formats._messages import is_message_list
from tdlab.store.formats._openai import OPENAI
from tdlab.store.formats._tau import TAU, TAU2
from tdlab.store.formats._toolbench import TOOLBENCH

__all__ = ["FORMATS", "TrajectorySet", "iter_trajectories", "read_trajectories"]

_KNOWN = (TAU2, TAU, MCP_BENCH, TOOLBENCH, OPENAI)
FORMATS = tuple(known.name for known in _KNOWN)
"""Names of the formats that are read, in the order in which they are tried. Parquet files hold ``openai`` rows."""

_BOM = b"\xef\xbb\xbf"
_MOST_LINE = 256 << 20
_MOST_DOCUMENT = 1 << 30
_MOST_PROBLEMS = 1000
_FILE_ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz", ".parquet")


@dataclass(frozen=True)
class TrajectorySet:
    """What a file, or a folder of files, holds.

    ``tools`` are the definitions by tool key, the first one where conversations disagree. ``domains`` maps every
    service that was offered or called to its domains. ``format`` is the format's name, several joined by " + ".
    ``problems`` are the parts that were left out; past a thousand, the last one counts the rest.
    """

    trajectories: tuple[Trajectory, ...]
    tools: dict[str, Tool] = field(default_factory=dict)
    domains: dict[str, Domains] = field(default_factory=dict)
    format: str = ""
    problems: tuple[LineProblem, ...] = ()


def read_trajectories(
    path: str | Path,
    *,
    format: str | None = None,
    classify: Callable[[Service], Domains] | None = None,
) -> TrajectorySet:
    """Read a file (plain or gzip, JSONL, JSON or Parquet) or every such file of a folder.

    The format is found out by content, conversation by conversation, unless ``format`` names one of `FORMATS`; what is
    broken or of no known format is reported in ``problems`` and the rest is read. ``classify`` gives the domains of a
    service (its tools with it, bare where the file defines none); without it, a service is its own domain, unless the
    file says better. Where a recording of an environment lists no tools (tau-bench, tau2-bench), each conversation is
    offered all that the environment's conversations called. Ids that occur twice get ``#2``, ``#3``, ... FormatError
    where nothing can be read at all.
    """
    trajectories: list[Trajectory] = []
    tools: dict[str, Tool] = {}
    told: dict[str, Domains] = {}
    names: dict[str, None] = {}
    problems: list[LineProblem] = []
    skipped = 0
    used: dict[str, int] = {}
    environments: list[str] = []
    for found in iter_trajectories(path, format=format):
        if isinstance(found, LineProblem):
            if len(problems) < _MOST_PROBLEMS:
                problems.append(found)
            else:
                skipped += 1
            continue
        trajectories.append(_renamed(found.trajectory, used))
        environments.append(found.environment)
        names.setdefault(found.format)
        for key, tool in found.tools.items():
            tools.setdefault(key, tool)
        for service, domains in found.domains.items():
            told.setdefault(service, domains)
    if skipped:
        problems.append(LineProblem(str(path), 0, "", f"{skipped} more parts were left out"))
    if not trajectories:
        raise _nothing(path, format, problems)
    trajectories = _offered(trajectories, environments)
    return TrajectorySet(
        tuple(trajectories),
        tools,
        _classified(trajectories, tools, told, classify),
        " + ".join(names),
        tuple(problems),
    )


def iter_trajectories(path: str | Path, *, format: str | None = None) -> Iterator[Recording | LineProblem]:
    """The conversations of a file or folder one by one, in order, and what could not be read; JSONL is streamed.

    Ids are as the file has them, so they may repeat. FormatError when the file cannot be opened, is no text, or is one
    broken JSON document.
    """
    known = _chosen(format)
    place = Path(path)
    if place.is_dir():
        for file in sorted(place.iterdir()):
            if file.is_file() and file.name.lower().endswith(_FILE_ENDINGS):
                try:
                    yield from _file(file, known)
                except FormatError as error:
                    yield LineProblem(str(file), 0, "", error.found)
        return
    yield from _file(place, known)


def _chosen(format: str | None) -> tuple[Format, ...]:
    if format is None:
        return _KNOWN
    chosen = tuple(known for known in _KNOWN if known.name == format)
    if not chosen:
        raise FormatError(
            f"a format {format!r}", expected="one of " + ", ".join(FORMATS), do="leave it out to detect it"
        )
    return chosen


class _Place(NamedTuple):
    path: str
    stem: str
    line: int
    where: str


def _file(path: Path, known: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    stem = path.name.partition(".")[0] or path.name
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
            if head == b"PAR1":
                from tdlab.store.formats._parquet import parquet_rows

                for number, row in enumerate(parquet_rows(path)):
                    yield from _value(row, _Place(str(path), stem, 0, f"row {number}"), known)
                return
            _refuse_encodings(path, head)
            with _Opened(handle) as stream:
                document, found = _document(path, stream)
            if found:
                yield from _value(document, _Place(str(path), stem, 0, ""), known)
                return
            with _Opened(handle) as stream:
                yield from _lines(path, stem, stream, known)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})",
            expected="a file of trajectories",
            do="check the path and that the file is whole",
        ) from None


def _refuse_encodings(path: Path, head: bytes) -> None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise FormatError(
            f"{path}: is UTF-16 text", expected="UTF-8", do="convert it, e.g. with iconv -f UTF-16 -t UTF-8"
        )


class _Opened:
    """The decompressed bytes of an open file from its start; the file itself stays open."""

    def __init__(self, handle: BinaryIO) -> None:
        handle.seek(0)
        packed = handle.read(2) == b"\x1f\x8b"
        handle.seek(0)
        self._stream: BinaryIO = gzip.GzipFile(fileobj=handle, mode="rb") if packed else handle  # type: ignore[assignment]
        self._packed = packed

    def __enter__(self) -> BinaryIO:
        return self._stream

    def __exit__(self, *error: object) -> None:
        if self._packed:
            self._stream.close()


def _document(path: Path, stream: BinaryIO) -> tuple[Json, bool]:
    """The value of a file that is one JSON document, and True; (None, False) for a file of lines."""
    first = b""
    while not first.strip():
        line = stream.readline(_MOST_LINE)
        if not line:
            return None, False
        first = line.removeprefix(_BOM)
    try:
        strict_loads(first.decode())
        return None, False
    except ValueError:
        pass
    rest = stream.read(_MOST_DOCUMENT)
    opens = first.decode("utf-8", "replace").lstrip()
    if not rest.strip() or not opens.startswith(("[", "{")):
        return None, False
    sure = opens.strip() in ("[", "{") or opens.startswith("[")
    if len(rest) == _MOST_DOCUMENT:
        if sure:
            raise FormatError(
                f"{path}: is one JSON document of over 1 GiB", expected="JSONL", do="write one object a line"
            )
        return None, False
    try:
        return strict_loads((first + rest).decode()), True
    except ValueError as error:
        if not sure:
            return None, False
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise FormatError(
            f"{path}: one JSON document that {reason}",
            expected="whole JSON, or JSONL",
            do="repair or fetch the file again",
        ) from None


def _lines(path: Path, stem: str, stream: BinaryIO, known: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    number = 0
    while True:
        try:
            raw = stream.readline(_MOST_LINE)
        except (OSError, EOFError, zlib.error) as error:
            yield LineProblem(str(path), number + 1, "", f"the compressed data breaks off ({error})")
            return
        if not raw:
            return
        number += 1
        raw = raw.removeprefix(_BOM).rstrip(b"\r\n")
        place = _Place(str(path), stem, number, "")
        if len(raw) == _MOST_LINE and not raw.endswith(b"\n"):
            while (more := stream.readline(_MOST_LINE)) and not more.endswith(b"\n"):
                pass
            yield _problem(place, f"is longer than {_MOST_LINE >> 20} MiB")
            continue
        if not raw.strip():
            continue
        try:
            value = strict_loads(raw.decode())
        except UnicodeDecodeError as error:
            yield _problem(place, f"is not UTF-8 text (byte {error.start})")
            continue
        except ValueError as error:
            yield _problem(place, str(error))
            continue
        yield from _value(value, place, known)


def _value(value: Json, place: _Place, known: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    """Whatever a decoded value holds: one conversation, a document of many, or a list of either."""
    if isinstance(value, list) and not is_message_list(value):
        for index, one in enumerate(value):
            yield from _one(one, place._replace(where=f"{place.where}[{index}]"), known)
        return
    yield from _one(value, place, known)


def _one(value: Json, place: _Place, known: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    for kind in known:
        items = kind.unpack(value)
        if items is None:
            continue
        for item in items:
            here = place._replace(where=f"{place.where} {item.where}".strip())
            spot = "-".join(str(part) for part in (here.stem, here.line or "", here.where) if part)
            try:
                yield kind.read(item, spot)
            except Unreadable as error:
                yield _problem(here, f"{kind.name}: {error}")
            except ValidationError as error:
                yield _problem(here, f"{kind.name}: {error.errors()[0]['msg']}")
            except RecursionError:
                yield _problem(here, f"{kind.name}: is nested too deeply")
        return
    yield _problem(place, f"is in no format that is known ({_shape(value)})")


def _shape(value: Json) -> str:
    if isinstance(value, dict):
        keys = ", ".join(json.dumps(key)[:40] for key in list(value)[:6])
        return f"an object with the keys {keys}" if keys else "an empty object"
    return f"a {type(value).__name__}"


def _problem(place: _Place, reason: str) -> LineProblem:
    return LineProblem(place.path, place.line, place.where, reason)


def _renamed(trajectory: Trajectory, used: dict[str, int]) -> Trajectory:
    identity = trajectory.id
    while identity in used:
        used[trajectory.id] += 1
        identity = f"{trajectory.id}#{used[trajectory.id]}"
    used[identity] = 1
    return trajectory if identity == trajectory.id else trajectory.model_copy(update={"id": identity})


def _offered(trajectories: list[Trajectory], environments: list[str]) -> list[Trajectory]:
    """Conversations of one environment saw the same tools: each is given all that any of them called."""
    shared: dict[str, dict[str, str]] = {}
    for trajectory, environment in zip(trajectories, environments, strict=True):
        if environment:
            shared.setdefault(environment, {}).update(trajectory.tools)
    ordered = {environment: dict(sorted(tools.items())) for environment, tools in shared.items()}
    return [
        trajectory.model_copy(update={"tools": ordered[environment]}) if environment else trajectory
        for trajectory, environment in zip(trajectories, environments, strict=True)
    ]


def _classified(
    trajectories: list[Trajectory],
    tools: dict[str, Tool],
    told: dict[str, Domains],
    classify: Callable[[Service], Domains] | None,
) -> dict[str, Domains]:
    members: dict[str, dict[str, Tool]] = {}
    for trajectory in trajectories:
        for key in trajectory.tools.values():
            tool = tools.get(key)
            if tool is None:
                service, _, name = key.rpartition("/")
                tool = Tool(service=service, name=name or key, input_schema={"type": "object"})
            if tool.service:
                members.setdefault(tool.service, {}).setdefault(key, tool)
    found: dict[str, Domains] = {}
    for service in sorted(members):
        if service in told:
            found[service] = told[service]
        elif classify is None:
            found[service] = {service: 1.0}
        else:
            offered = tuple(tool for _, tool in sorted(members[service].items()))
            found[service] = classify(Service(name=service, tools=offered))
    return found


def _nothing(path: str | Path, format: str | None, problems: list[LineProblem]) -> FormatError:
    reasons = "; ".join(str(problem) for problem in problems[:3]) or f"{path}: holds nothing"
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return FormatError(
        f"no trajectory could be read: {reasons}{more}",
        expected="conversations in "
        + (f"the format {format}" if format else "one of the formats " + ", ".join(FORMATS)),
        do='name the right file; OpenAI JSONL has one {"messages": [...]} a line',
    )

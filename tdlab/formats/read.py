"""Reading a trajectory file of any known format: told by its content, read part by part, broken parts reported."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from pydantic import ValidationError

from tdlab.errors import FormatError
from tdlab.formats._array import array_elements
from tdlab.formats.atif import ATIF
from tdlab.formats.base import Format, LineProblem, Recording, Unreadable
from tdlab.formats.bfcl import BFCL
from tdlab.formats.chat import HERMES, SHAREGPT, TOUCAN, TRL
from tdlab.formats.mcp_bench import MCP_BENCH
from tdlab.formats.messages import is_chat
from tdlab.formats.openai import OPENAI
from tdlab.formats.tau import TAU, TAU2
from tdlab.formats.toolbench import TOOLBENCH
from tdlab.records import Domains, Json, Service, Tool, Trajectory
from tdlab.registry import Registry
from tdlab.tools import read_json

__all__ = [
    "FORMATS",
    "TrajectorySet",
    "TrajectoryStream",
    "iter_trajectories",
    "read_trajectories",
    "scan_trajectories",
]

FORMATS: Registry[Format] = Registry(
    "tdlab.trajectory_formats",
    "trajectory format",
    valid=lambda name, value: (
        "" if isinstance(value, Format) and value.name == name else f"a tdlab.formats.Format whose name is {name!r}"
    ),
    error=FormatError,
)
"""The formats that are read, in the order in which they are tried. Parquet files hold ``openai`` rows."""

for _known in (TAU2, TAU, MCP_BENCH, TOOLBENCH, ATIF, BFCL, TOUCAN, HERMES, SHAREGPT, TRL, OPENAI):
    FORMATS.register(_known.name)(_known)

_BOM = b"\xef\xbb\xbf"
_MOST_LINE = 256 << 20
_MOST_DOCUMENT = 1 << 30
_LONG_LINE = 1 << 20
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
    gathered = _Gathered(path, format)
    told: list[tuple[Trajectory, str]] = [(found.trajectory, found.environment) for found in gathered.recordings()]
    trajectories = tuple(_offered(told, gathered.offers()))
    return TrajectorySet(
        trajectories,
        gathered.tools,
        gathered.domains(classify),
        " + ".join(gathered.formats),
        gathered.all_problems(),
    )


@dataclass(frozen=True)
class TrajectoryStream:
    """What a file, or a folder of files, holds, for files larger than memory: a `TrajectorySet` that is read again.

    ``trajectories`` can be counted and gone through any number of times, and reads the file each time; the other fields
    are those of `TrajectorySet`. What is held in memory are the tools, the ids and one conversation.
    """

    trajectories: Collection[Trajectory]
    tools: dict[str, Tool] = field(default_factory=dict)
    domains: dict[str, Domains] = field(default_factory=dict)
    format: str = ""
    problems: tuple[LineProblem, ...] = ()


def scan_trajectories(
    path: str | Path,
    *,
    format: str | None = None,
    classify: Callable[[Service], Domains] | None = None,
) -> TrajectoryStream:
    """As `read_trajectories`, with the same conversations, but none is kept: JSONL, arrays and Parquet are streamed.

    The file is read once here, for its tools and services, and once each time the trajectories are gone through. It
    must not change in between.
    """
    gathered = _Gathered(path, format)
    count = sum(1 for _ in gathered.recordings())
    return TrajectoryStream(
        _Again(path, format, count, gathered.offers()),
        gathered.tools,
        gathered.domains(classify),
        " + ".join(gathered.formats),
        gathered.all_problems(),
    )


@dataclass(frozen=True)
class _Again(Collection[Trajectory]):
    """The trajectories of a file, read anew each time."""

    path: str | Path
    format: str | None
    count: int
    offers: Mapping[str, dict[str, str]]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Trajectory]:
        used: dict[str, int] = {}
        for found in iter_trajectories(self.path, format=self.format):
            if isinstance(found, Recording):
                yield from _offered([(_renamed(found.trajectory, used), found.environment)], self.offers)

    def __contains__(self, wanted: object) -> bool:
        return any(found == wanted for found in self)


class _Gathered:
    """What all conversations of a file have in common, gathered while they go by."""

    def __init__(self, path: str | Path, format: str | None) -> None:
        self._path, self._format = path, format
        self.tools: dict[str, Tool] = {}
        self.formats: dict[str, None] = {}
        self._told: dict[str, Domains] = {}
        self._keys: dict[str, None] = {}
        self._shared: dict[str, dict[str, str]] = {}
        self._problems: list[LineProblem] = []
        self._skipped = 0

    def recordings(self) -> Iterator[Recording]:
        """Every conversation that can be read, ids made unique; FormatError where there is none."""
        used: dict[str, int] = {}
        for found in iter_trajectories(self._path, format=self._format):
            if isinstance(found, LineProblem):
                if len(self._problems) < _MOST_PROBLEMS:
                    self._problems.append(found)
                else:
                    self._skipped += 1
                continue
            self.formats.setdefault(found.format)
            for key, tool in found.tools.items():
                self.tools.setdefault(key, tool)
            for service, domains in found.domains.items():
                self._told.setdefault(service, domains)
            self._keys.update(dict.fromkeys(found.trajectory.tools.values()))
            if found.environment:
                self._shared.setdefault(found.environment, {}).update(found.trajectory.tools)
            yield replace(found, trajectory=_renamed(found.trajectory, used))
        if not used:
            raise _nothing(self._path, self._format, self._problems)

    def offers(self) -> dict[str, dict[str, str]]:
        """Conversations of one environment saw the same tools: environment -> all that any of them called."""
        return {environment: dict(sorted(tools.items())) for environment, tools in self._shared.items()}

    def all_problems(self) -> tuple[LineProblem, ...]:
        if self._skipped:
            return (*self._problems, LineProblem(str(self._path), 0, "", f"{self._skipped} more parts were left out"))
        return tuple(self._problems)

    def domains(self, classify: Callable[[Service], Domains] | None) -> dict[str, Domains]:
        """Every service that was offered or called, with its domains."""
        members: dict[str, dict[str, Tool]] = {}
        for key in self._keys:
            tool = self.tools.get(key)
            if tool is None:
                service, _, name = key.rpartition("/")
                tool = Tool(service=service, name=name or key, input_schema={"type": "object"})
            if tool.service:
                members.setdefault(tool.service, {}).setdefault(key, tool)
        found: dict[str, Domains] = {}
        for service in sorted(members):
            if service in self._told:
                found[service] = self._told[service]
            elif classify is None:
                found[service] = {service: 1.0}
            else:
                offered = tuple(tool for _, tool in sorted(members[service].items()))
                found[service] = classify(Service(name=service, tools=offered))
        return found


def _offered(told: Iterable[tuple[Trajectory, str]], offers: Mapping[str, dict[str, str]]) -> Iterator[Trajectory]:
    for trajectory, environment in told:
        yield trajectory.model_copy(update={"tools": offers[environment]}) if environment else trajectory


def iter_trajectories(path: str | Path, *, format: str | None = None) -> Iterator[Recording | LineProblem]:
    """The conversations of a file or folder one by one, in order, and what could not be read.

    JSONL, a JSON array and Parquet are streamed; another JSON document is read whole. Ids are as the file has them, so
    they may repeat. FormatError when the file cannot be opened, is no text, or is one broken JSON document.
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
    return tuple(known for _, known in FORMATS.items()) if format is None else (FORMATS[format],)


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
                from tdlab.formats.parquet import parquet_rows

                for number, row in enumerate(parquet_rows(path)):
                    yield from _value(row, _Place(str(path), stem, 0, f"row {number}"), known)
                return
            _refuse_encodings(path, head)
            if _is_long_array(handle):
                with _Opened(handle) as stream:
                    yield from _array(path, stem, stream, known)
                return
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
        self._stream = cast(BinaryIO, gzip.GzipFile(fileobj=handle, mode="rb")) if packed else handle
        self._packed = packed

    def __enter__(self) -> BinaryIO:
        return self._stream

    def __exit__(self, *error: object) -> None:
        if self._packed:
            self._stream.close()


def _is_object(line: bytes) -> bool:
    """Whether a line is a JSON object of its own: then a broken line before it does not make the file one document."""
    try:
        return isinstance(read_json(line.decode()), dict)
    except ValueError:
        return False


def _is_long_array(handle: BinaryIO) -> bool:
    """Whether a file is one JSON array over many lines, or one very long one, of more than one message's parts."""
    with _Opened(handle) as stream:
        first = _first_line(stream, _LONG_LINE)
    if not first.lstrip().startswith(b"["):
        return False
    try:
        read_json(first.decode())
        return False
    except ValueError:
        pass
    with _Opened(handle) as stream:
        element = next(array_elements(stream), None)
    if element is None or isinstance(element, ValueError):
        return False
    return not is_chat([element])


def _first_line(stream: BinaryIO, most: int) -> bytes:
    """The first line that is not blank, or its first ``most`` bytes; nothing where there is none."""
    while line := stream.readline(most):
        line = line.removeprefix(_BOM)
        if line.strip():
            return line
    return b""


def _array(path: Path, stem: str, stream: BinaryIO, known: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    for index, element in enumerate(array_elements(stream)):
        place = _Place(str(path), stem, 0, f"[{index}]")
        if isinstance(element, ValueError):
            yield _problem(place, str(element))
        else:
            yield from _one(element, place, known)


def _document(path: Path, stream: BinaryIO) -> tuple[Json, bool]:
    """The value of a file that is one JSON document, and True; (None, False) for a file of lines."""
    first = _first_line(stream, _MOST_LINE)
    if not first:
        return None, False
    try:
        read_json(first.decode())
        return None, False
    except ValueError:
        pass
    opens = first.decode("utf-8", "replace").lstrip()
    sure = opens.strip() in ("[", "{") or opens.startswith("[")
    second = b"" if sure else _first_line(stream, _MOST_LINE)
    if not opens.startswith(("[", "{")) or _is_object(second):
        return None, False
    rest = second + stream.read(_MOST_DOCUMENT)
    if not rest.strip():
        return None, False
    if len(rest) >= _MOST_DOCUMENT:
        if sure:
            raise FormatError(
                f"{path}: is one JSON document of over 1 GiB", expected="JSONL", do="write one object a line"
            )
        return None, False
    try:
        return read_json((first + rest).decode()), True
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
            value = read_json(raw.decode())
        except UnicodeDecodeError as error:
            yield _problem(place, f"is not UTF-8 text (byte {error.start})")
            continue
        except ValueError as error:
            yield _problem(place, str(error))
            continue
        yield from _value(value, place, known)


def _value(value: Json, place: _Place, known: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    """Whatever a decoded value holds: one conversation, a document of many, or a list of either."""
    if isinstance(value, list) and not is_chat(value):
        if not value:
            yield _problem(place, "is an empty list")
        for index, one in enumerate(value):
            yield from _one(one, place._replace(where=f"{place.where}[{index}]"), known)
        return
    yield from _one(value, place, known)


def _one(value: Json, place: _Place, known: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    for kind in known:
        items = kind.unpack(value)
        if items is None:
            continue
        empty = True
        for item in items:
            empty = False
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
        if empty:
            yield _problem(place, f"{kind.name}: holds no conversation")
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


def _nothing(path: str | Path, format: str | None, problems: list[LineProblem]) -> FormatError:
    reasons = "; ".join(str(problem) for problem in problems[:3]) or f"{path}: holds nothing"
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return FormatError(
        f"no trajectory could be read: {reasons}{more}",
        expected="conversations in "
        + (f"the format {format}" if format else "one of the formats " + ", ".join(FORMATS)),
        do='name the right file; OpenAI JSONL has one {"messages": [...]} a line',
    )

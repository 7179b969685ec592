"""Reading a trajectory file of any known format: detected by content, read part by part, broken parts reported."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
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
"""The formats that are read, in the order in which they are tried. Parquet files contain ``openai`` rows."""

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
    """The content of a file, or of a folder of files.

    ``tools`` are the definitions by tool key, the first one where conversations disagree. ``domains`` maps every
    service that was offered or called to its domains. ``format`` is the format's name, or several joined by " + ".
    ``problems`` are the parts that were skipped; after a thousand, the last one counts the rest.
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
    r"""Read a file (plain or gzip; JSONL, JSON or Parquet), or every such file of a folder.

    Broken parts and parts without a known format are reported in ``problems``, and the rest is read. Where a recording
    of an environment lists no tools (tau-bench, tau2-bench), each conversation is offered every tool that the
    environment's conversations called. Repeated ids get ``#2``, ``#3``, ...

    Args:
        path: A file or folder.
        format: The only format to accept, a name in `FORMATS`; by default, each conversation's format is detected.
        classify: A function that returns a service's domains, given its tools (bare ones where the file defines none);
            by default, a service is its own domain, unless the file states better ones.

    Returns:
        All conversations, and everything that they have in common.

    Raises:
        FormatError: Nothing can be read, or ``format`` is unknown.

    Example:
        >>> with open("chat.jsonl", "w") as file:
        ...     _ = file.write('{"messages": [{"role": "user", "content": "Hi"}]}\n{"broken": ')
        >>> conversations = read_trajectories("chat.jsonl")
        >>> conversations.format, len(conversations.trajectories), conversations.problems[0].line
        ('openai', 1, 2)
    """
    collector = _Collector(path, format)
    recordings: list[tuple[Trajectory, str]] = [
        (recording.trajectory, recording.environment) for recording in collector.recordings()
    ]
    trajectories = tuple(_with_offers(recordings, collector.offers()))
    return TrajectorySet(
        trajectories,
        collector.tools,
        collector.domains(classify),
        " + ".join(collector.formats),
        collector.all_problems(),
    )


@dataclass(frozen=True)
class TrajectoryStream:
    """The content of a file, or of a folder of files, larger than memory: a `TrajectorySet` that is read again on use.

    ``trajectories`` has a length and can be iterated any number of times; each iteration reads the file. ``recordings``
    are the same conversations, each with its own definitions of tools and the benchmark's reward. The other fields are
    those of `TrajectorySet`. Memory holds the tools, the ids and one conversation.
    """

    trajectories: Collection[Trajectory]
    tools: dict[str, Tool] = field(default_factory=dict)
    domains: dict[str, Domains] = field(default_factory=dict)
    format: str = ""
    problems: tuple[LineProblem, ...] = ()
    recordings: Collection[Recording] = ()


def scan_trajectories(
    path: str | Path,
    *,
    format: str | None = None,
    classify: Callable[[Service], Domains] | None = None,
) -> TrajectoryStream:
    """Read the same conversations as `read_trajectories`, but keep none: JSONL, arrays and Parquet are streamed.

    The file is read once now, for its tools and services, and once for each iteration over the trajectories. It must
    not change in between.

    Args:
        path: A file or folder.
        format: The only format to accept, a name in `FORMATS`; by default, each conversation's format is detected.
        classify: A function that returns a service's domains; see `read_trajectories`.

    Returns:
        The conversations to iterate over, and everything that they have in common.

    Raises:
        FormatError: Nothing can be read, or ``format`` is unknown.

    Example:
        >>> with open("chat.jsonl", "w") as file:
        ...     _ = file.write('{"messages": [{"role": "user", "content": "Hi"}]}')
        >>> stream = scan_trajectories("chat.jsonl")
        >>> len(stream.trajectories), [t.messages[0].content for t in stream.trajectories]
        (1, ['Hi'])
    """
    collector = _Collector(path, format)
    count = sum(1 for _ in collector.recordings())
    recordings = _Reread(path, format, count, collector.offers())
    return TrajectoryStream(
        _Trajectories(recordings),
        collector.tools,
        collector.domains(classify),
        " + ".join(collector.formats),
        collector.all_problems(),
        recordings,
    )


@dataclass(frozen=True)
class _Reread(Collection[Recording]):
    """The recordings of a file, read again at each iteration."""

    path: str | Path
    format: str | None
    count: int
    offers: Mapping[str, dict[str, str]]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Recording]:
        next_numbers: dict[str, int] = {}
        for part in iter_trajectories(self.path, format=self.format):
            if isinstance(part, Recording):
                unique = _with_unique_id(part.trajectory, next_numbers)
                for trajectory in _with_offers([(unique, part.environment)], self.offers):
                    yield replace(part, trajectory=trajectory)

    def __contains__(self, other: object) -> bool:
        return any(recording == other for recording in self)


@dataclass(frozen=True)
class _Trajectories(Collection[Trajectory]):
    """The trajectories of recordings."""

    recordings: _Reread

    def __len__(self) -> int:
        return len(self.recordings)

    def __iter__(self) -> Iterator[Trajectory]:
        return (recording.trajectory for recording in self.recordings)

    def __contains__(self, other: object) -> bool:
        return any(trajectory == other for trajectory in self)


class _Collector:
    """Everything that the conversations of a file have in common, collected while they are read."""

    def __init__(self, path: str | Path, format: str | None) -> None:
        self._path, self._format = path, format
        self.tools: dict[str, Tool] = {}
        self.formats: dict[str, None] = {}
        self._domains: dict[str, Domains] = {}
        self._offered_keys: dict[str, None] = {}
        self._environments: dict[str, dict[str, str]] = {}
        self._problems: list[LineProblem] = []
        self._skipped = 0

    def recordings(self) -> Iterator[Recording]:
        """Yield every readable conversation, with unique ids.

        Raises:
            FormatError: There is none.
        """
        next_numbers: dict[str, int] = {}
        for part in iter_trajectories(self._path, format=self._format):
            if isinstance(part, LineProblem):
                if len(self._problems) < _MOST_PROBLEMS:
                    self._problems.append(part)
                else:
                    self._skipped += 1
                continue
            self.formats.setdefault(part.format)
            for key, tool in part.tools.items():
                self.tools.setdefault(key, tool)
            for service, domains in part.domains.items():
                self._domains.setdefault(service, domains)
            self._offered_keys.update(dict.fromkeys(part.trajectory.tools.values()))
            if part.environment:
                self._environments.setdefault(part.environment, {}).update(part.trajectory.tools)
            yield replace(part, trajectory=_with_unique_id(part.trajectory, next_numbers))
        if not next_numbers:
            raise _nothing_read(self._path, self._format, self._problems)

    def offers(self) -> dict[str, dict[str, str]]:
        """Return the tools of each environment: all that any of its conversations called."""
        return {environment: dict(sorted(tools.items())) for environment, tools in self._environments.items()}

    def all_problems(self) -> tuple[LineProblem, ...]:
        if self._skipped:
            return (*self._problems, LineProblem(str(self._path), 0, "", f"{self._skipped} more parts were left out"))
        return tuple(self._problems)

    def domains(self, classify: Callable[[Service], Domains] | None) -> dict[str, Domains]:
        """Return the domains of every service that was offered or called."""
        members: dict[str, dict[str, Tool]] = {}
        for key in self._offered_keys:
            tool = self.tools.get(key)
            if tool is None:
                service, _, name = key.rpartition("/")
                tool = Tool(service=service, name=name or key, input_schema={"type": "object"})
            if tool.service:
                members.setdefault(tool.service, {}).setdefault(key, tool)
        domains: dict[str, Domains] = {}
        for service in sorted(members):
            if service in self._domains:
                domains[service] = self._domains[service]
            elif classify is None:
                domains[service] = {service: 1.0}
            else:
                offered = tuple(tool for _, tool in sorted(members[service].items()))
                domains[service] = classify(Service(name=service, tools=offered))
        return domains


def _with_offers(
    recordings: Iterable[tuple[Trajectory, str]], offers: Mapping[str, dict[str, str]]
) -> Iterator[Trajectory]:
    for trajectory, environment in recordings:
        yield trajectory.model_copy(update={"tools": offers[environment]}) if environment else trajectory


def iter_trajectories(path: str | Path, *, format: str | None = None) -> Iterator[Recording | LineProblem]:
    r"""Yield the conversations of a file or folder one by one, in order, and the parts that cannot be read.

    JSONL, a JSON array and Parquet are streamed; any other JSON document is read whole. Ids are as in the file, so they
    may repeat.

    Args:
        path: A file or folder.
        format: The only format to accept, a name in `FORMATS`; by default, each conversation's format is detected.

    Yields:
        A recording for each conversation, a problem for each unreadable part.

    Raises:
        FormatError: The file cannot be opened, is not text, or is one broken JSON document, or ``format`` is unknown.

    Example:
        >>> with open("chat.jsonl", "w") as file:
        ...     _ = file.write('{"messages": [{"role": "user", "content": "Hi"}]}\n{"broken": ')
        >>> [type(part).__name__ for part in iter_trajectories("chat.jsonl")]
        ['Recording', 'LineProblem']
    """
    formats = _accepted(format)
    source = Path(path)
    if source.is_dir():
        for file in sorted(source.iterdir()):
            if file.is_file() and file.name.lower().endswith(_FILE_ENDINGS):
                try:
                    yield from _file(file, formats)
                except FormatError as error:
                    yield LineProblem(str(file), 0, "", error.found)
        return
    yield from _file(source, formats)


def _accepted(format: str | None) -> tuple[Format, ...]:
    return tuple(known for _, known in FORMATS.items()) if format is None else (FORMATS[format],)


class _Location(NamedTuple):
    path: str
    stem: str
    line: int
    where: str


def _file(path: Path, formats: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    stem = path.name.partition(".")[0] or path.name
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
            if head == b"PAR1":
                from tdlab.formats.parquet import parquet_rows

                for number, row in enumerate(parquet_rows(path)):
                    yield from _value(row, _Location(str(path), stem, 0, f"row {number}"), formats)
                return
            _refuse_encodings(path, head)
            if _is_long_array(handle):
                with _Opened(handle) as stream:
                    yield from _array(path, stem, stream, formats)
                return
            with _Opened(handle) as stream:
                document, is_document = _document(path, stream)
            if is_document:
                yield from _value(document, _Location(str(path), stem, 0, ""), formats)
                return
            with _Opened(handle) as stream:
                yield from _lines(path, stem, stream, formats)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})",
            expected="a file of trajectories",
            do="check the path and that the file is complete",
        ) from None


def _refuse_encodings(path: Path, head: bytes) -> None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise FormatError(
            f"{path}: is UTF-16 text",
            expected="UTF-8",
            do=f"convert it: `iconv -f UTF-16 -t UTF-8 {quote(str(path))} > utf8.jsonl`",
        )


class _Opened:
    """The decompressed bytes of an open file from its start; leaving does not close the file."""

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
    """Return whether a line is a JSON object; then a broken line before it does not make the file one document."""
    try:
        return isinstance(read_json(line.decode()), dict)
    except ValueError:
        return False


def _is_long_array(handle: BinaryIO) -> bool:
    """Return whether a file is one JSON array over many lines, or one very long one, that is not itself a chat."""
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
    """Return the first line that is not blank, or its first ``most`` bytes; empty where there is none."""
    while line := stream.readline(most):
        line = line.removeprefix(_BOM)
        if line.strip():
            return line
    return b""


def _array(path: Path, stem: str, stream: BinaryIO, formats: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    for index, element in enumerate(array_elements(stream)):
        location = _Location(str(path), stem, 0, f"[{index}]")
        if isinstance(element, ValueError):
            yield _problem(location, str(element))
        else:
            yield from _conversations(element, location, formats)


def _document(path: Path, stream: BinaryIO) -> tuple[Json, bool]:
    """Return (value, True) for a file that is one JSON document, (None, False) for a file of lines."""
    first = _first_line(stream, _MOST_LINE)
    if not first:
        return None, False
    try:
        read_json(first.decode())
        return None, False
    except ValueError:
        pass
    start = first.decode("utf-8", "replace").lstrip()
    certain = start.strip() in ("[", "{") or start.startswith("[")
    second = b"" if certain else _first_line(stream, _MOST_LINE)
    if not start.startswith(("[", "{")) or _is_object(second):
        return None, False
    rest = second + stream.read(_MOST_DOCUMENT)
    if not rest.strip():
        return None, False
    if len(rest) >= _MOST_DOCUMENT:
        if certain:
            raise FormatError(
                f"{path}: is one JSON document of over 1 GiB", expected="JSONL", do="write one object per line"
            )
        return None, False
    try:
        return read_json((first + rest).decode()), True
    except ValueError as error:
        if not certain:
            return None, False
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise FormatError(
            f"{path}: one JSON document that {reason}",
            expected="complete JSON, or JSONL",
            do="download or write the file again",
        ) from None


def _lines(path: Path, stem: str, stream: BinaryIO, formats: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    number = 0
    while True:
        try:
            raw = stream.readline(_MOST_LINE)
        except (OSError, EOFError, zlib.error) as error:
            yield LineProblem(str(path), number + 1, "", f"the compressed data ends early ({error})")
            return
        if not raw:
            return
        number += 1
        raw = raw.removeprefix(_BOM).rstrip(b"\r\n")
        location = _Location(str(path), stem, number, "")
        if len(raw) == _MOST_LINE and not raw.endswith(b"\n"):
            while (more := stream.readline(_MOST_LINE)) and not more.endswith(b"\n"):
                pass
            yield _problem(location, f"is longer than {_MOST_LINE >> 20} MiB")
            continue
        if not raw.strip():
            continue
        try:
            value = read_json(raw.decode())
        except UnicodeDecodeError as error:
            yield _problem(location, f"is not UTF-8 text (byte {error.start})")
            continue
        except ValueError as error:
            yield _problem(location, str(error))
            continue
        yield from _value(value, location, formats)


def _value(value: Json, location: _Location, formats: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    """Yield the conversations of a decoded value: one conversation, a document of many, or a list of either."""
    if isinstance(value, list) and not is_chat(value):
        if not value:
            yield _problem(location, "is an empty list")
        for index, element in enumerate(value):
            yield from _conversations(element, location._replace(where=f"{location.where}[{index}]"), formats)
        return
    yield from _conversations(value, location, formats)


def _conversations(value: Json, location: _Location, formats: tuple[Format, ...]) -> Iterator[Recording | LineProblem]:
    for candidate in formats:
        items = candidate.unpack(value)
        if items is None:
            continue
        empty = True
        for item in items:
            empty = False
            item_location = location._replace(where=f"{location.where} {item.where}".strip())
            fallback_id = "-".join(
                str(part) for part in (item_location.stem, item_location.line or "", item_location.where) if part
            )
            try:
                yield candidate.read(item, fallback_id)
            except Unreadable as error:
                yield _problem(item_location, f"{candidate.name}: {error}")
            except ValidationError as error:
                yield _problem(item_location, f"{candidate.name}: {error.errors()[0]['msg']}")
            except RecursionError:
                yield _problem(item_location, f"{candidate.name}: is nested too deeply")
        if empty:
            yield _problem(location, f"{candidate.name}: contains no conversation")
        return
    yield _problem(location, f"has no known format ({_shape(value)})")


def _shape(value: Json) -> str:
    if isinstance(value, dict):
        keys = ", ".join(json.dumps(key)[:40] for key in list(value)[:6])
        return f"an object with the keys {keys}" if keys else "an empty object"
    return f"a {type(value).__name__}"


def _problem(location: _Location, reason: str) -> LineProblem:
    return LineProblem(location.path, location.line, location.where, reason)


def _with_unique_id(trajectory: Trajectory, next_numbers: dict[str, int]) -> Trajectory:
    unique = trajectory.id
    while unique in next_numbers:
        next_numbers[trajectory.id] += 1
        unique = f"{trajectory.id}#{next_numbers[trajectory.id]}"
    next_numbers[unique] = 1
    return trajectory if unique == trajectory.id else trajectory.model_copy(update={"id": unique})


def _nothing_read(path: str | Path, format: str | None, problems: list[LineProblem]) -> FormatError:
    reasons = "; ".join(str(problem) for problem in problems[:3]) or f"{path}: is empty"
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return FormatError(
        f"no trajectory could be read: {reasons}{more}",
        expected="conversations in "
        + (f"the format {format}" if format else "one of the formats " + ", ".join(FORMATS)),
        do='pass the right file; OpenAI JSONL has one {"messages": [...]} per line',
    )

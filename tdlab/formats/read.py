"""Reading a trajectory file of any known format: detected by content, read part by part, broken parts reported."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tdlab.errors import FormatError
from tdlab.formats._conversations import conversations_in
from tdlab.formats._services import services_in_names
from tdlab.formats._values import files_below
from tdlab.formats.atif import ATIF
from tdlab.formats.base import Format, LineProblem, Recording
from tdlab.formats.bfcl import BFCL
from tdlab.formats.chat import HERMES, SHAREGPT, TOUCAN, TRL
from tdlab.formats.claude_code import CLAUDE_CODE
from tdlab.formats.codex import CODEX
from tdlab.formats.exchange import EXCHANGE
from tdlab.formats.gemini import GEMINI
from tdlab.formats.mcp_bench import MCP_BENCH
from tdlab.formats.openai import ANTHROPIC, LANGCHAIN, OPENAI, VERCEL
from tdlab.formats.openhands import OPENHANDS
from tdlab.formats.responses import RESPONSES
from tdlab.formats.swe_agent import MINI_SWE_AGENT, SWE_AGENT
from tdlab.formats.tau import TAU, TAU2
from tdlab.formats.toolbench import TOOLBENCH
from tdlab.formats.xlam import XLAM
from tdlab.records import Domains, Service, Tool, Trajectory
from tdlab.registry import Registry

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

for _known in (
    TAU2, TAU, MCP_BENCH, TOOLBENCH, ATIF, BFCL, CLAUDE_CODE, CODEX, OPENHANDS, SWE_AGENT, MINI_SWE_AGENT, XLAM,
    EXCHANGE, GEMINI, RESPONSES, TOUCAN, HERMES, SHAREGPT, TRL, OPENAI, ANTHROPIC, VERCEL, LANGCHAIN,
):  # fmt: skip
    FORMATS.register(_known.name)(_known)

_MOST_PROBLEMS = 1000


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
    recordings = [(recording.trajectory, recording.environment) for recording in collector.recordings()]
    common = collector.common()
    return TrajectorySet(
        tuple(common.completed(trajectory, environment) for trajectory, environment in recordings),
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
    recordings = _Reread(path, format, count, collector.common())
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
    common: _Common

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Recording]:
        next_numbers: dict[str, int] = {}
        for part in iter_trajectories(self.path, format=self.format):
            if isinstance(part, Recording):
                unique = _with_unique_id(part.trajectory, next_numbers)
                yield replace(part, trajectory=self.common.completed(unique, part.environment))

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


@dataclass(frozen=True)
class _Common:
    """What only the whole file tells: the tools of each environment, and the services that names share."""

    offers: Mapping[str, dict[str, str]]
    services: Mapping[str, tuple[str, str]]

    def completed(self, trajectory: Trajectory, environment: str) -> Trajectory:
        """Return a trajectory with the tools that it was offered, under their keys."""
        if environment:
            return trajectory.model_copy(update={"tools": self.offers[environment]})
        if not self.services:
            return trajectory
        tools = {visible: self.key(visible, key) for visible, key in trajectory.tools.items()}
        return trajectory if tools == trajectory.tools else trajectory.model_copy(update={"tools": tools})

    def key(self, visible: str, key: str) -> str:
        """Return the key of a tool, with the service that its visible name tells if it has none so far."""
        if not key.startswith("/") or visible not in self.services:
            return key
        return "/".join(self.services[visible])


class _Collector:
    """Everything that the conversations of a file have in common, collected while they are read."""

    def __init__(self, path: str | Path, format: str | None) -> None:
        self._path, self._format = path, format
        self.tools: dict[str, Tool] = {}
        self.formats: dict[str, None] = {}
        self._domains: dict[str, Domains] = {}
        self._offered: dict[str, str] = {}
        self._keys: dict[str, None] = {}
        self._environments: dict[str, dict[str, str]] = {}
        self._problems: list[LineProblem] = []
        self._repeats: dict[tuple[str, str, str], int] = {}
        self._skipped = 0

    def recordings(self) -> Iterator[Recording]:
        """Yield every readable conversation, with unique ids.

        Raises:
            FormatError: There is none.
        """
        next_numbers: dict[str, int] = {}
        for part in iter_trajectories(self._path, format=self._format):
            if isinstance(part, LineProblem):
                self._add(part)
                continue
            self.formats.setdefault(part.format)
            for key, tool in part.tools.items():
                self.tools.setdefault(key, tool)
            for service, domains in part.domains.items():
                self._domains.setdefault(service, domains)
            for visible, key in part.trajectory.tools.items():
                if key.startswith("/"):
                    self._offered.setdefault(visible, key)
                else:
                    self._keys.setdefault(key)
            self._keys.update((call.reaches, None) for call in part.trajectory.calls() if call.reaches is not None)
            if part.environment:
                self._environments.setdefault(part.environment, {}).update(part.trajectory.tools)
            yield replace(part, trajectory=_with_unique_id(part.trajectory, next_numbers))
        if not next_numbers:
            raise _nothing_read(self._path, self._format, self._problems)

    def _add(self, problem: LineProblem) -> None:
        """Keep a problem; of equal ones about parts of conversations the first is kept, the others are counted."""
        kind = problem.path, problem.severity, problem.reason
        if problem.severity != "skipped" and kind in self._repeats:
            self._repeats[kind] += 1
        elif len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(problem)
            self._repeats.setdefault(kind, 0)
        else:
            self._skipped += 1

    def common(self) -> _Common:
        """Return what only the whole file tells, and give the tools that were collected their services."""
        environments = {name: dict(sorted(tools.items())) for name, tools in self._environments.items()}
        common = _Common(environments, services_in_names(self._offered))
        for visible, bare in self._offered.items():
            key = common.key(visible, bare)
            self._keys.setdefault(key)
            if key != bare and bare in self.tools:
                service, name = common.services[visible]
                tool = self.tools.pop(bare).model_copy(update={"service": service, "name": name})
                self.tools.setdefault(key, tool)
        self._offered = {}
        return common

    def all_problems(self) -> tuple[LineProblem, ...]:
        problems = []
        for problem in self._problems:
            repeats = self._repeats[problem.path, problem.severity, problem.reason]
            if repeats and problem.severity != "skipped":
                problem = replace(problem, reason=f"{problem.reason} (and {repeats} more like it)")
            problems.append(problem)
        if self._skipped:
            problems.append(LineProblem(str(self._path), 0, "", f"{self._skipped} more problems are not listed"))
        return tuple(problems)

    def domains(self, classify: Callable[[Service], Domains] | None) -> dict[str, Domains]:
        """Return the domains of every service that was offered or called."""
        members: dict[str, dict[str, Tool]] = {}
        for key in self._keys:
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
    if not source.is_dir():
        yield from conversations_in(source, formats)
        return
    for file in files_below(source):
        if isinstance(file, LineProblem):
            yield file
            continue
        try:
            yield from conversations_in(file, formats)
        except FormatError as error:
            yield LineProblem(str(file), 0, "", error.found)


def _accepted(format: str | None) -> tuple[Format, ...]:
    return tuple(known for _, known in FORMATS.items()) if format is None else (FORMATS[format],)


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

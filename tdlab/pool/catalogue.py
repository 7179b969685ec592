"""`ToolPool`: the services and tools that a run draws from, and the problems of the input they came from.

Every tool definition in the input is accounted for: it is in the pool, or an issue of severity ``error`` says why not.
``read == len(pool) + (number of error issues that name a tool)`` holds for every pool. A definition that is repeated
word for word counts once, and a note says how often it occurs.
"""

from __future__ import annotations

import difflib
import html
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from tdlab.errors import PoolError
from tdlab.pool.issues import Placement, PoolIssue
from tdlab.pool.quality import ToolQuality, grade_tool
from tdlab.pool.repeats import DistinctTools
from tdlab.records import Domains, Service, Tool, canonical_json, digest, heaviest
from tdlab.tools import schema_problem, shorten

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PoolIssue", "ToolPool"]

_HTML_ROWS = 12


class ToolPool:
    """An immutable collection of services and their tools, with the services sorted by name.

    Make one with `load`, `bundled`, `from_services` or `tdlab.pool.harvest`.

    Example:
        >>> pool = ToolPool.bundled()
        >>> pool
        <ToolPool: 538 tools of 72 services>
        >>> pool.tool("basalt_outfitters/get_order").required
        ('order_id',)
        >>> pool.subset(domains=["ecommerce-retail"]).services[0].name
        'basalt_outfitters'
    """

    __slots__ = ("_codes", "_fingerprint", "_issues", "_placements", "_quality", "_read", "_services", "_tools")

    _services: dict[str, Service]
    _tools: Mapping[str, Tool]
    _issues: tuple[PoolIssue, ...]
    _read: int
    _fingerprint: str | None
    _placements: Mapping[str, Placement]
    _codes: dict[tuple[str, str], set[str]] | None
    _quality: dict[str, ToolQuality]

    def __init__(self) -> None:
        raise TypeError("ToolPool() cannot be called: use ToolPool.load, .bundled or .from_services")

    # -------------------------------------------------------------------------------------------------------- creating

    @classmethod
    def load(
        cls,
        paths: str | Path | Iterable[str | Path],
        *,
        format: str | None = None,
        clean: bool = True,
        label: Callable[[Service], Domains] | None = None,
    ) -> ToolPool:
        """Read a pool from files and folders of tool definitions.

        The format is detected by content; `tdlab.pool.files.formats` lists the formats. Malformed parts become
        ``issues`` and the rest is kept. Services are sorted into business domains by their labels, and by their words
        where they have no label.

        Args:
            paths: A file or folder, or several; of a folder, all files with a known ending are read.
            format: The name of the only format to accept (a key of `tdlab.pool.POOL_FORMATS`).
            clean: Whether to fix scraped or badly exported definitions (`tdlab.pool.repair.services`).
            label: A function that returns the domains (weights that sum to 1) of a service without a label;
                `CachedLabeller` remembers its answers.

        Returns:
            The pool of all usable tools.

        Raises:
            PoolError: A path does not exist, a single file cannot be read, or no usable tool was found.

        Example:
            >>> import json
            >>> tool = {"name": "list_orders", "description": "List orders", "inputSchema": {"type": "object"}}
            >>> with open("shop.json", "w") as file:
            ...     json.dump({"tools": [tool]}, file)
            >>> ToolPool.load("shop.json")
            <ToolPool: 1 tools of 1 services; 0 errors, 0 fixed, 2 notes>
        """
        from tdlab.pool.files.readers import read_files

        reading = read_files(paths, format=format, clean=clean, label=label)
        pool = cls._assemble(reading.services, issues=reading.issues, placements=reading.placements)
        if not len(pool):
            raise reading.no_tools_error(pool.issues)
        return pool

    @classmethod
    def named(cls, names: str | Iterable[str]) -> ToolPool:
        """Return the pool of a run's config or of ``--pool``: files, folders and the bundled services together.

        Args:
            names: ``bundled`` or a path, or several.

        Returns:
            `bundled`, or what `load` reads, with the bundled services where they are named, too.

        Raises:
            PoolError: As for `load`.

        Example:
            >>> ToolPool.named("bundled") == ToolPool.named(["bundled"]) == ToolPool.bundled()
            True
        """
        every = [names] if isinstance(names, str) else list(names)
        paths = [name for name in every if name != "bundled"]
        if not paths:
            return cls.bundled() if every else cls.load([])
        loaded = cls.load(paths)
        if len(paths) == len(every):
            return loaded
        own = cls.bundled()
        given = {service.name: loaded._placements[service.name] for service in loaded.services}
        pool = cls.from_services(
            [*own.services, *loaded.services],
            issues=[*own.issues, *loaded.issues],
            read=own.read + loaded.read,
        )
        pool._placements = {name: given[name] for name in pool._services if name in given and name not in own._services}
        return pool

    @classmethod
    def bundled(cls) -> ToolPool:
        """Return the pool that ships with tdlab: invented services, each with dependencies between its tools."""
        from tdlab.pool.files.bundled import bundled_services

        services, issues = bundled_services()
        return cls._assemble(services, issues=issues)

    @classmethod
    def from_services(
        cls, services: Iterable[Service], *, issues: Iterable[PoolIssue] = (), read: int | None = None
    ) -> ToolPool:
        """Make a pool of these services; unusable tools are skipped with an issue each.

        A tool is skipped when its name is empty, or when `schema_problem` objects to its input schema. An output schema
        to which `schema_problem` objects is dropped. Two different services of one name are both kept, the later one as
        ``name#2``, and so are two different tools of one name. What is repeated word for word counts once.

        Args:
            services: The services, in any order.
            issues: Issues found earlier, to keep with the pool.
            read: The number of tool definitions in the input; by default, the given tools plus those that ``issues``
                skipped.

        Returns:
            The pool of all usable tools.
        """
        return cls._assemble([(service, "") for service in services], issues=issues, read=read, checked=False)

    @classmethod
    def _assemble(
        cls,
        located: Iterable[tuple[Service, str]],
        *,
        issues: Iterable[PoolIssue],
        read: int | None = None,
        checked: bool = True,
        placements: Sequence[Placement] = (),
    ) -> ToolPool:
        """Do the work of `from_services`, given the origin (file and line) of each service.

        ``placements`` say how each service's domains were determined, in the order of ``located``, which may be lazy
        and append to ``issues`` while it is consumed. ``checked`` says that the schemas have been checked already.
        """
        own_issues: list[PoolIssue] = []
        given_tools = 0
        kept: dict[str, Service] = {}
        given: dict[str, Service] = {}
        keys: set[str] = set()
        placed: dict[str, Placement] = {}
        for index, (service, where) in enumerate(located):
            name = service.name
            given_tools += len(service.tools)
            if name in given:
                if given[name] == service:
                    given_tools -= len(service.tools)
                    own_issues.append(
                        PoolIssue(
                            service=name, severity="note", code="repeated_service", where=where,
                            found="the whole service occurs twice, word for word; it counts once",
                        )
                    )  # fmt: skip
                    continue
                number = 2
                while f"{name}#{number}" in given:
                    number += 1
                name = f"{name}#{number}"
                own_issues.append(
                    PoolIssue(
                        service=name, severity="fixed", code="service_name_taken", where=where,
                        found=f"another service is named {shorten(service.name)!r}; "
                        f"this one is kept as {shorten(name)!r}",
                    )
                )  # fmt: skip
            given[name] = service
            tools, repeats, problems = _usable(service, name, keys, where, checked=checked)
            given_tools -= repeats
            own_issues.extend(problems)
            if tools:
                kept[name] = service.model_copy(update={"name": name, "tools": tools})
                if placements:
                    placed[name] = placements[index]
                keys.update(tool.key for tool in tools)
            else:
                own_issues.append(
                    PoolIssue(
                        service=name, severity="note", code="no_tools", where=where,
                        found="it has no usable tool; the service is left out",
                    )
                )  # fmt: skip
        earlier_issues = tuple(issues)
        if read is None:
            read = given_tools + sum(_skips_tool(issue) for issue in earlier_issues)
        return cls._of(kept.values(), (*earlier_issues, *own_issues), read, placed)

    @classmethod
    def _of(
        cls,
        services: Iterable[Service],
        issues: tuple[PoolIssue, ...],
        read: int,
        placements: Mapping[str, Placement] = MappingProxyType({}),
    ) -> ToolPool:
        pool = object.__new__(cls)
        ordered = sorted(services, key=lambda service: service.name)
        pool._services = {service.name: service for service in ordered}
        pool._tools = MappingProxyType({tool.key: tool for service in ordered for tool in service.tools})
        pool._issues = issues
        pool._read = read
        pool._fingerprint = None
        pool._placements = {name: placements[name] for name in pool._services if name in placements}
        pool._codes = None
        pool._quality = {}
        return pool

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (self.services, self._issues, self._read, dict(self._placements)))

    # --------------------------------------------------------------------------------------------------------- reading

    @property
    def services(self) -> tuple[Service, ...]:
        """Every service that has a usable tool, sorted by name."""
        return tuple(self._services.values())

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every usable tool by its key (``service/name``), service by service."""
        return self._tools

    @property
    def issues(self) -> tuple[PoolIssue, ...]:
        """What was skipped, fixed or noted in the input, in the order of reading."""
        return self._issues

    @property
    def read(self) -> int:
        """The number of tool definitions in the input, usable or not; one that is repeated counts once."""
        return self._read

    @property
    def fingerprint(self) -> str:
        """32 hex digits that identify the content, independent of the order of the files it came from."""
        if self._fingerprint is None:
            self._fingerprint = digest([canonical_json(service) for service in self.services], length=32)
        return self._fingerprint

    def service(self, name: str) -> Service:
        """Return the service of that name.

        Raises:
            PoolError: There is none; the message suggests close names.
        """
        try:
            return self._services[name]
        except KeyError:
            raise _missing("service", name, self._services) from None

    def tool(self, key: str) -> Tool:
        """Return the tool of that key (``service/name``).

        Raises:
            PoolError: There is none; the message suggests close keys.
        """
        try:
            return self._tools[key]
        except KeyError:
            raise _missing("tool", key, self._tools) from None

    def quality(self, key: str) -> ToolQuality:
        """Return how far the schema of the tool of that key can be trusted (`tdlab.pool.quality`).

        Raises:
            PoolError: There is no such tool.
        """
        quality = self._quality.get(key)
        if quality is None:
            tool = self.tool(key)
            if self._codes is None:
                self._codes = {}
                for issue in self._issues:
                    if issue.severity != "error" and issue.service is not None and issue.tool is not None:
                        self._codes.setdefault((issue.service, issue.tool), set()).add(issue.code)
            codes = self._codes.get((tool.service, tool.name), set())
            quality = self._quality[key] = grade_tool(tool, self._services[tool.service], codes)
        return quality

    def placement(self, name: str) -> Placement:
        """Return the domains of the service of that name, with a confidence and their origin.

        Raises:
            PoolError: There is no such service.
        """
        service = self.service(name)
        placement = self._placements.get(name)
        if placement is None:
            return Placement(domains=service.domains, confidence=1.0 if service.domains else 0.0, by="given")
        return placement

    def report(self, *, before: ToolPool | None = None) -> pd.DataFrame:
        """Return counts and shares of tools, by source and schema quality.

        Args:
            before: The same pool loaded with ``clean=False``, to compare with.

        Returns:
            One row for each source and schema quality and one for all; `tdlab.pool.summary.report` lists the columns.
        """
        from tdlab.pool.summary import report

        return report(self, before=before)

    def duplicates(self) -> pd.DataFrame:
        """Return the groups of (nearly) identical tools, one row for each tool; see `tdlab.pool.duplicates`."""
        from tdlab.pool.duplicates import duplicates_frame

        return duplicates_frame(self)

    def deduplicated(self, *, level: Literal["fork", "tool"] = "fork") -> ToolPool:
        """Return a pool in which one tool of each group of duplicates is left; see `tdlab.pool.duplicates`.

        Args:
            level: ``fork`` merges tools only between services that are copies of each other, so that no other service
                loses a tool that its own tools depend on; ``tool`` merges every group.

        Returns:
            The smaller pool; each removed tool is an ``error`` issue ``duplicate`` that names the tool that was kept
            instead.

        Raises:
            PoolError: ``level`` is neither of the two.
        """
        from tdlab.pool.duplicates import merge_duplicates

        services, issues = merge_duplicates(self, level=level)
        return self._of(services, issues, self._read, self._placements)

    def __len__(self) -> int:
        """Return the number of usable tools."""
        return len(self._tools)

    def __contains__(self, key: object) -> bool:
        """Return whether a tool has that key."""
        return key in self._tools

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ToolPool):
            return NotImplemented
        return self.services == other.services

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    # ------------------------------------------------------------------------------------------------------- selecting

    def subset(
        self,
        *,
        services: Collection[str] | None = None,
        tools: Collection[str] | None = None,
        domains: Collection[str] | None = None,
    ) -> ToolPool:
        """Return the pool of the tools that meet every given condition.

        Args:
            services: Names of services to keep.
            tools: Keys of tools to keep.
            domains: Taxonomy ids; a service is kept when its heaviest domain is one of them.

        Returns:
            The smaller pool, with those issues that are about its tools.

        Raises:
            PoolError: A name, key or domain does not occur in the pool.
        """
        for name in services or ():
            self.service(name)
        for key in tools or ():
            self.tool(key)
        if domains is not None:
            present = {heaviest(service.domains) for service in self.services}
            for domain in domains:
                if domain not in present:
                    raise _missing("service of the domain", domain, present)
        kept = []
        for service in self.services:
            if services is not None and service.name not in services:
                continue
            if domains is not None and heaviest(service.domains) not in domains:
                continue
            chosen = tuple(tool for tool in service.tools if tools is None or tool.key in tools)
            if chosen:
                kept.append(service.model_copy(update={"tools": chosen}))
        names = {service.name: {tool.name for tool in service.tools} for service in kept}
        issues = tuple(
            issue
            for issue in self._issues
            if issue.severity != "error"
            and issue.service in names
            and (issue.tool is None or issue.tool in names[issue.service])
        )
        return self._of(kept, issues, sum(len(service.tools) for service in kept), self._placements)

    def with_issues(self, issues: Iterable[PoolIssue]) -> ToolPool:
        """Return a pool of the same tools with more issues.

        Args:
            issues: The issues to add, in front of those that it has.

        Example:
            >>> pool = ToolPool.bundled().with_issues([PoolIssue(severity="note", code="ours", found="it is ours")])
            >>> pool.issues[0].code, pool == ToolPool.bundled()
            ('ours', True)
        """
        return self._of(self.services, (*issues, *self._issues), self._read, self._placements)

    # --------------------------------------------------------------------------------------------------------- viewing

    def to_frame(self, *, level: Literal["tool", "service"] = "tool") -> pd.DataFrame:
        """Return a DataFrame with one row for each tool (or service), in the pool's order.

        Tool columns: key, service, name, description, domain (the heaviest), category, source, license, schema_quality,
        parameters and required (counts), has_output, read_only, destructive, idempotent, open_world (true, false or
        missing), errors (count), grade and trust (`quality`), language (of the description). Service columns: service,
        title, description, domain, domains (a dict), domain_by and domain_confidence (`placement`), category, source,
        license, schema_quality, tools (count), trust (the mean over its tools).

        Raises:
            PoolError: ``level`` is neither ``tool`` nor ``service``.
        """
        from tdlab.pool.summary import to_frame

        return to_frame(self, level=level)

    def issues_frame(self) -> pd.DataFrame:
        """Return a DataFrame with one row for each issue: severity, code, service, tool, found, where."""
        import pandas as pd

        columns = ["severity", "code", "service", "tool", "found", "where"]
        return pd.DataFrame([{c: getattr(issue, c) for c in columns} for issue in self._issues], columns=columns)

    def __repr__(self) -> str:
        counts = dict.fromkeys(("error", "fixed", "note"), 0)
        for issue in self._issues:
            counts[issue.severity] += 1
        parts = [f"{len(self._tools):,} tools of {len(self._services):,} services"]
        if self._issues:
            parts.append(f"{counts['error']:,} errors, {counts['fixed']:,} fixed, {counts['note']:,} notes")
        return f"<ToolPool: {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("service", "domain", "tools", "description"))
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(text)}</td>"
                for text in (shorten(s.name), heaviest(s.domains), str(len(s.tools)), shorten(s.description))
            )
            + "</tr>"
            for s in self.services[:_HTML_ROWS]
        )
        more = len(self._services) - _HTML_ROWS
        last = f"<p>and {more:,} more services</p>" if more > 0 else ""
        return f"<p>{html.escape(repr(self)[1:-1])}</p><table><tr>{head}</tr>{rows}</table>{last}"


# ------------------------------------------------------------------------------------------------------------- helpers


def _usable(
    service: Service, name: str, taken: Collection[str], where: str, *, checked: bool
) -> tuple[tuple[Tool, ...], int, list[PoolIssue]]:
    """Return the tools of ``service`` that are usable under the service name ``name``.

    Also return the number of repeated definitions, and issues about the tools that are not as they were given.
    """
    tools = DistinctTools(lambda tool_name: f"{name}/{tool_name}" not in taken)
    issues: list[PoolIssue] = []
    repeats = 0

    def skip(tool: Tool, index: int, code: str, found: str) -> None:
        issues.append(
            PoolIssue(
                service=name, tool=tool.name or f"[{index}]", severity="error", code=code, found=found, where=where
            )
        )

    for index, tool in enumerate(service.tools):
        if not tool.name:
            skip(tool, index, "no_name", "the tool has no name")
            continue
        problem = None if checked else schema_problem(tool.input_schema)
        if problem is not None:
            skip(tool, index, "bad_input_schema", problem)
            continue
        problem = None if checked or tool.output_schema is None else schema_problem(tool.output_schema)
        if problem is not None:
            tool = tool.model_copy(update={"output_schema": None})
        kept = tools.add(tool if tool.service == name else tool.model_copy(update={"service": name}))
        if kept is None:
            repeats += 1
            continue
        if problem is not None:
            issues.append(
                PoolIssue(
                    service=name, tool=kept, severity="fixed", code="output_schema_dropped", where=where,
                    found=f"its output schema cannot be used and is dropped: {problem}",
                )
            )  # fmt: skip
        if kept != tool.name:
            issues.append(DistinctTools.renamed(name, tool.name, kept, where))
    issues.extend(tools.repeats(name, where))
    return tuple(tools.tools.values()), repeats, issues


def _skips_tool(issue: PoolIssue) -> bool:
    return issue.severity == "error" and issue.tool is not None


def _restore(
    services: tuple[Service, ...], issues: tuple[PoolIssue, ...], read: int, placements: Mapping[str, Placement]
) -> ToolPool:
    return ToolPool._of(services, issues, read, placements)


def _missing(kind: str, name: object, known: Iterable[str]) -> PoolError:
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5) if len(str(name)) <= 200 else []
    if close:
        do = "did you mean " + " or ".join(repr(shorten(match)) for match in close) + "?"
    else:
        do = "list them with ToolPool.to_frame()"
    return PoolError(f"the pool has no {kind} {shorten(str(name))!r}", expected=f"one of its {len(names):,}", do=do)

"""ToolPool: the services and tools that a run draws from, and what was wrong with the input they came from.

Nothing is lost in silence: every tool definition that was met is either in the pool or set aside by an issue of
severity ``error``. ``read == len(pool) + (number of error issues that name a tool)`` holds for every pool.
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
from tdlab.records import Domains, Service, Tool, canonical_json, digest, heaviest
from tdlab.tools import schema_problem, shorten

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PoolIssue", "ToolPool"]

_HTML_ROWS = 12


class ToolPool:
    """An immutable collection of services and their tools, services sorted by name.

    Make one with `load`, `bundled`, `from_services` or `tdlab.pool.harvest`.
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
        raise TypeError("ToolPool() makes no pool: use ToolPool.load, .bundled or .from_services")

    # ------------------------------------------------------------------------------------------------------ making one

    @classmethod
    def load(
        cls,
        paths: str | Path | Iterable[str | Path],
        *,
        format: str | None = None,
        clean: bool = True,
        label: Callable[[Service], Domains] | None = None,
    ) -> ToolPool:
        """Read files and folders of tool definitions; see `tdlab.pool.files.readers` for the formats.

        The format is told by content; ``format`` insists on one (a name in `tdlab.pool.POOL_FORMATS`).
        Malformed parts are reported in ``issues`` and the rest is kept; PoolError where a file cannot be read at all or
        where nothing usable is found. Scraped or badly exported definitions are cleaned (`tdlab.pool.repair.services`)
        unless ``clean`` is False. ``label`` places services that carry no label (`tdlab.pool.domains.CachedLabeller`
        remembers its answers); without it their text decides.
        """
        from tdlab.pool.files.readers import read_files

        found = read_files(paths, format=format, clean=clean, label=label)
        pool = cls._assemble(found.services, issues=found.issues, placements=found.placements)
        if not len(pool):
            raise found.empty(pool.issues)
        return pool

    @classmethod
    def bundled(cls) -> ToolPool:
        """The pool that comes with tdlab: invented services, each with its logical dependencies."""
        from tdlab.pool.files.bundled import bundled_services

        services, issues = bundled_services()
        return cls._assemble(services, issues=issues)

    @classmethod
    def from_services(
        cls, services: Iterable[Service], *, issues: Iterable[PoolIssue] = (), read: int | None = None
    ) -> ToolPool:
        """A pool of these services; tools that cannot be used are set aside with an issue.

        Set aside: a name that is empty or already taken in its service, an input schema that `schema_problem` objects
        to, a second copy of a whole service. An output schema that it objects to is left out. Two different services of
        one name are both kept, the later as ``name#2``.
        ``issues`` found earlier are passed on. ``read`` is the number of tool definitions met; by default the tools
        given and those that ``issues`` set aside.
        """
        return cls._assemble([(service, "") for service in services], issues=issues, read=read, checked=False)

    @classmethod
    def _assemble(
        cls,
        found: Iterable[tuple[Service, str]],
        *,
        issues: Iterable[PoolIssue],
        read: int | None = None,
        checked: bool = True,
        placements: Sequence[Placement] = (),
    ) -> ToolPool:
        """`from_services`, with the place (file and line) that each service comes from.

        ``placements`` say how each service's domains were found, in the order of ``found``, which may be lazy and add
        to ``issues`` while it runs. ``checked`` says that `intake` has seen the schemas.
        """
        known: list[PoolIssue] = []
        given_tools = 0
        kept: dict[str, Service] = {}
        given: dict[str, Service] = {}
        keys: set[str] = set()
        placed: dict[str, Placement] = {}
        for place, (service, where) in enumerate(found):
            name = service.name
            given_tools += len(service.tools)
            if name in given:
                if given[name] == service:
                    known.extend(
                        PoolIssue(
                            service=name, tool=tool.name, severity="error", code="repeated_service", where=where,
                            found="the whole service is here twice, word for word; the copy is set aside",
                        )
                        for tool in service.tools
                    )  # fmt: skip
                    continue
                number = 2
                while f"{name}#{number}" in given:
                    number += 1
                name = f"{name}#{number}"
                known.append(
                    PoolIssue(
                        service=name, severity="mended", code="service_name_taken", where=where,
                        found=f"another service is called {shorten(service.name)!r}; "
                        f"this one is kept as {shorten(name)!r}",
                    )
                )  # fmt: skip
            given[name] = service
            tools, problems = _usable(service, name, keys, where, checked=checked)
            known.extend(problems)
            if tools:
                kept[name] = service.model_copy(update={"name": name, "tools": tools})
                if placements:
                    placed[name] = placements[place]
                keys.update(tool.key for tool in tools)
            else:
                known.append(
                    PoolIssue(
                        service=name, severity="note", code="no_tools", where=where,
                        found="no usable tool; the service is left out",
                    )
                )  # fmt: skip
        earlier = tuple(issues)
        if read is None:
            read = given_tools + sum(_sets_aside(issue) for issue in earlier)
        return cls._of(kept.values(), (*earlier, *known), read, placed)

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

    # -------------------------------------------------------------------------------------------------- looking inside

    @property
    def services(self) -> tuple[Service, ...]:
        """Every service that has a usable tool, by name."""
        return tuple(self._services.values())

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every usable tool by its key (``service/name``), service by service."""
        return self._tools

    @property
    def issues(self) -> tuple[PoolIssue, ...]:
        """What was wrong, mended or worth knowing about the input, in the order it was met."""
        return self._issues

    @property
    def read(self) -> int:
        """Tool definitions met in the input, usable or not."""
        return self._read

    @property
    def fingerprint(self) -> str:
        """32 hex digits that name the content, whatever the order of the files it came from."""
        if self._fingerprint is None:
            self._fingerprint = digest([canonical_json(service) for service in self.services], length=32)
        return self._fingerprint

    def service(self, name: str) -> Service:
        """The service of that name; PoolError names close matches where there is none."""
        try:
            return self._services[name]
        except KeyError:
            raise _missing("service", name, self._services) from None

    def tool(self, key: str) -> Tool:
        """The tool of that key (``service/name``); PoolError names close matches where there is none."""
        try:
            return self._tools[key]
        except KeyError:
            raise _missing("tool", key, self._tools) from None

    def quality(self, key: str) -> ToolQuality:
        """How far the schema of the tool of that key can be trusted (`tdlab.pool.quality`); PoolError without one."""
        found = self._quality.get(key)
        if found is None:
            tool = self.tool(key)
            if self._codes is None:
                self._codes = {}
                for issue in self._issues:
                    if issue.severity != "error" and issue.service is not None and issue.tool is not None:
                        self._codes.setdefault((issue.service, issue.tool), set()).add(issue.code)
            codes = self._codes.get((tool.service, tool.name), set())
            found = self._quality[key] = grade_tool(tool, self._services[tool.service], codes)
        return found

    def placement(self, name: str) -> Placement:
        """The domains of the service of that name, with a confidence and what they are from; PoolError without one."""
        service = self.service(name)
        found = self._placements.get(name)
        if found is None:
            return Placement(domains=service.domains, confidence=1.0 if service.domains else 0.0, by="given")
        return found

    def report(self, *, before: ToolPool | None = None) -> pd.DataFrame:
        """The state of the pool by source and schema quality; see `tdlab.pool.summary.report`."""
        from tdlab.pool.summary import report

        return report(self, before=before)

    def duplicates(self) -> pd.DataFrame:
        """Groups of tools that are the same or nearly so, one row a tool; see `tdlab.pool.duplicates`."""
        from tdlab.pool.duplicates import duplicates_frame

        return duplicates_frame(self)

    def deduplicated(self, *, level: Literal["fork", "tool"] = "fork") -> ToolPool:
        """A pool in which one of each group of duplicates is left; see `tdlab.pool.duplicates`.

        ``fork`` folds tools only between services that are copies of each other, so that no other service loses a tool
        its own tools depend on; ``tool`` folds every group. Each folded tool is an ``error`` issue ``duplicate`` that
        names the tool it was folded into.
        """
        from tdlab.pool.duplicates import fold

        kept, issues = fold(self, level=level)
        return self._of(kept, issues, self._read, self._placements)

    def __len__(self) -> int:
        """Number of usable tools."""
        return len(self._tools)

    def __contains__(self, key: object) -> bool:
        """Whether there is a tool of that key."""
        return key in self._tools

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ToolPool):
            return NotImplemented
        return self.services == other.services

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    # ----------------------------------------------------------------------------------------------------- taking part

    def subset(
        self,
        *,
        services: Collection[str] | None = None,
        tools: Collection[str] | None = None,
        domains: Collection[str] | None = None,
    ) -> ToolPool:
        """The pool of the tools that meet every condition given.

        ``services`` are names, ``tools`` are keys, ``domains`` are taxonomy ids: a service counts when its heaviest
        domain is one of them. An unknown name is a PoolError. Of the issues, those about the tools kept stay.
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

    # --------------------------------------------------------------------------------------------------------- showing

    def to_frame(self, *, level: Literal["tool", "service"] = "tool") -> pd.DataFrame:
        """One row a tool (or service), in the pool's order.

        Tool columns: key, service, name, description, domain (the heaviest), category, source, license, schema_quality,
        parameters and required (counts), has_output, read_only, destructive, idempotent, open_world (true, false or
        missing), errors (count), grade and trust (`quality`), language (of the description). Service columns: service,
        title, description, domain, domains (a dict), domain_by and domain_confidence (`placement`), category, source,
        license, schema_quality, tools (count), trust (the mean of its tools').
        """
        from tdlab.pool.summary import to_frame

        return to_frame(self, level=level)

    def issues_frame(self) -> pd.DataFrame:
        """One row an issue: severity, code, service, tool, found, where."""
        import pandas as pd

        columns = ["severity", "code", "service", "tool", "found", "where"]
        return pd.DataFrame([{c: getattr(issue, c) for c in columns} for issue in self._issues], columns=columns)

    def __repr__(self) -> str:
        counts = dict.fromkeys(("error", "mended", "note"), 0)
        for issue in self._issues:
            counts[issue.severity] += 1
        parts = [f"{len(self._tools):,} tools of {len(self._services):,} services"]
        if self._issues:
            parts.append(f"{counts['error']:,} errors, {counts['mended']:,} mended, {counts['note']:,} notes")
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
) -> tuple[tuple[Tool, ...], list[PoolIssue]]:
    """The tools of ``service`` that can be used under the service name ``name``, and why the others cannot."""
    tools: dict[str, Tool] = {}
    issues: list[PoolIssue] = []

    def set_aside(tool: Tool, place: int, code: str, found: str) -> None:
        issues.append(
            PoolIssue(
                service=name, tool=tool.name or f"[{place}]", severity="error", code=code, found=found, where=where
            )
        )

    for place, tool in enumerate(service.tools):
        if not tool.name:
            set_aside(tool, place, "no_name", "the tool has no name")
            continue
        if tool.name in tools:
            set_aside(tool, place, "name_taken", f"another tool of the service is called {shorten(tool.name)!r}")
            continue
        if f"{name}/{tool.name}" in taken:
            set_aside(tool, place, "key_taken", f"another tool has the key {shorten(name + '/' + tool.name)!r}")
            continue
        problem = None if checked else schema_problem(tool.input_schema)
        if problem is not None:
            set_aside(tool, place, "bad_input_schema", problem)
            continue
        problem = None if checked or tool.output_schema is None else schema_problem(tool.output_schema)
        if problem is not None:
            issues.append(
                PoolIssue(
                    service=name, tool=tool.name, severity="mended", code="output_schema_dropped", where=where,
                    found=f"its output schema cannot be used and is left out: {problem}",
                )
            )  # fmt: skip
            tool = tool.model_copy(update={"output_schema": None})
        tools[tool.name] = tool if tool.service == name else tool.model_copy(update={"service": name})
    return tuple(tools.values()), issues


def _sets_aside(issue: PoolIssue) -> bool:
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

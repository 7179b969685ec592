"""Reading tool pools from files and folders, recognised by content rather than by name.

A file is cut into documents (`tdlab.pool.files.documents`); each document is recognised (`tdlab.pool.files.formats`)
and each tool is read (`tdlab.pool.files.definitions`). Malformed parts are reported and the rest is kept: a broken line
of a JSONL file, a tool without a name, a file in a folder that is not JSON. A single file that cannot be read at all is
a PoolError.

Tools that no document puts into a service belong to the one that they state themselves, or to their file. In a folder,
files that are one tool each make one service, named after the folder. Function docs with dotted names make a service of
each prefix, unless they show that they belong together (`tdlab.pool.files.namespaces`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

from tdlab._gc import rare_collection
from tdlab.errors import PoolError
from tdlab.pool.domains import place_services
from tdlab.pool.files.definitions import Definitions, Remark, read_service
from tdlab.pool.files.documents import Document, documents_of
from tdlab.pool.files.formats import POOL_FORMATS, recognise
from tdlab.pool.files.namespaces import split_by_namespace, stated_service
from tdlab.pool.files.paths import READ_IN_FOLDERS, PoolFile, files_of
from tdlab.pool.issues import Placement, PoolIssue
from tdlab.pool.repair.services import clean_service
from tdlab.pool.taxonomy import Taxonomy
from tdlab.records import Domains, Json, Service
from tdlab.tools import counted, shape_of

__all__ = ["Reading", "read_files"]

_REASONS = 5
_YAML_NAME = re.compile(r"\.ya?ml(?:\.gz)?$", re.IGNORECASE)


@dataclass
class _Loading:
    """The options of reading, and what has been read so far."""

    format: str | None
    taxonomy: Taxonomy
    clean: bool
    issues: list[PoolIssue] = field(default_factory=list)
    given: list[Domains | None] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)


class Reading(NamedTuple):
    """The content of files: each service with its location, the placements of services, and the issues of the input."""

    services: list[tuple[Service, str]]
    placements: list[Placement]
    issues: list[PoolIssue]
    files: list[Path]

    def no_tools_error(self, issues: Iterable[PoolIssue]) -> PoolError:
        """Return the error that there is no usable tool; ``issues`` say why."""
        reasons = [
            f"{issue.where}: {issue.found}" if issue.where else issue.found
            for issue in issues
            if issue.severity == "error" or issue.code == "no_tools"
        ]
        more = f"; and {len(reasons) - _REASONS} more" if len(reasons) > _REASONS else ""
        listed = "; ".join(reasons[:_REASONS]) + more
        return PoolError(
            f"{_listed(self.files)}: no usable tool ({listed or 'it is empty'})",
            expected=_known(None),
            do="check that this is the right file",
        )


def read_files(
    paths: str | Path | Iterable[str | Path],
    *,
    format: str | None = None,
    clean: bool = True,
    label: Callable[[Service], Domains] | None = None,
) -> Reading:
    """Read everything in these files and folders (folders in the order of their sorted file names).

    In a folder, files with the endings of `READ_IN_FOLDERS` are read, except hidden ones, and the others are listed in
    issues; a file that is named itself is read whatever its name. All services are placed in domains
    (`tdlab.pool.domains`).

    Args:
        paths: A file or folder, or several.
        format: The name of the only format to accept, a key of `POOL_FORMATS`.
        clean: Whether to fix each service (`tdlab.pool.repair.services`).
        label: A labeller for services whose domains no file states.

    Raises:
        PoolError: A path does not exist, there is no file to read, or a single file is not UTF-8 JSON or JSONL or is
            truncated.
    """
    if format is not None:
        POOL_FORMATS.check(format)
    named = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
    if not named:
        raise PoolError("no path was given", expected="files or folders of tools", do="pass at least one")
    files: list[PoolFile] = []
    loading = _Loading(format, Taxonomy.bundled(), clean)
    for path in named:
        inside, issues = files_of(path)
        files += inside
        loading.issues += issues
    if not files:
        raise PoolError(
            f"{_listed(named)}: contains no file to read",
            expected="files that end in " + ", ".join(READ_IN_FOLDERS),
            do="if the files have other endings, pass their own paths",
        )
    with rare_collection():
        located = list(_services(files, loading, alone=len(files) == 1))
    placements = place_services(
        [service for service, _ in located],
        taxonomy=loading.taxonomy,
        given=loading.given,
        labels=loading.labels,
        label=label,
    )
    services = [
        (s.model_copy(update={"domains": p.domains}), where) for (s, where), p in zip(located, placements, strict=True)
    ]
    return Reading(services, placements, loading.issues, named)


def _services(files: list[PoolFile], loading: _Loading, *, alone: bool) -> Iterator[tuple[Service, str]]:
    """Yield the services of all files, then those that several files of a folder make together."""
    together: dict[tuple[Path, str], _Loose] = {}
    parents = [file.path.parent for file in files]
    for file in files:
        try:
            documents = documents_of(file, expected=_known(None))
        except PoolError as error:
            if alone:
                raise
            words = str(error).replace("\n  ", "; ")
            loading.issues.append(_issue("error", "unreadable_file", words, file.shown))
            continue
        folder = file.path.parent
        loose = _Loose(file.shown)
        bare = yield from _file_services(documents, loading, loose, in_folder=file.in_folder)
        stated, loose = _by_stated_service(loose)
        for service, tools_of_service in stated.items():
            together.setdefault((folder, service), _Loose(file.shown)).extend(tools_of_service)
        if bare and len(loose.tools) == 1 and (file.in_folder or parents.count(folder) > 1):
            together.setdefault((folder, folder.resolve().name), _Loose(file.shown)).extend(loose)
            continue
        for name, tools in split_by_namespace(loose.tools).items():
            own = _Loose(file.shown, [loose.tools[i] for i in tools], [loose.places[i] for i in tools])
            if name is not None:
                together.setdefault((folder, name), _Loose(file.shown)).extend(own)
            elif own.tools:
                yield _add_service(replace(own.service(documents[0].stem), **loose.facts), loading, file.shown)
    for (_, name), loose in together.items():
        yield _add_service(loose.service(name), loading, loose.where)


@dataclass
class _Loose:
    """Tools that no document puts into a service, with the place of each."""

    where: str
    tools: list[Json] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    facts: dict[str, Json] = field(default_factory=dict)

    def extend(self, other: _Loose) -> None:
        self.tools += other.tools
        self.places += other.places

    def service(self, name: str) -> Definitions:
        return Definitions(name, self.tools, named=False, places=tuple(self.places))


def _by_stated_service(loose: _Loose) -> tuple[dict[str, _Loose], _Loose]:
    """Return the tools that say themselves whose they are, by service, and the others."""
    stated: dict[str, _Loose] = {}
    rest = replace(loose, tools=[], places=[])
    for raw, place in zip(loose.tools, loose.places, strict=True):
        name, tool = stated_service(raw)
        own = stated.setdefault(name, _Loose(loose.where)) if name else rest
        own.tools.append(tool)
        own.places.append(place)
    return stated, rest


def _file_services(
    documents: list[Document], loading: _Loading, loose: _Loose, *, in_folder: bool
) -> Generator[tuple[Service, str], None, bool]:
    """Yield the services that a file names, and collect its other tools; return whether it is one tool and no more."""
    repeated: dict[tuple[str, str, str], list[str]] = {}
    bare = True
    more = ""

    def report(severity: Literal["error", "fixed", "note"], code: str, words: str, where: str) -> None:
        repeated.setdefault((severity, code, words), []).append(where)

    for document in documents:
        if document.problem:
            report(document.severity, document.code, document.problem, document.where)
            continue
        recognised = recognise(document.content, stem=document.stem, format=loading.format)
        bare = bare and recognised.bare
        more = document.where if recognised.more else "" if recognised.services else more
        for problem in recognised.problems:
            if isinstance(problem, Remark):
                report("note", "format_note", problem, document.where)
            else:
                report("error", "malformed_part", problem, document.where)
        if recognised.format is None and in_folder and _YAML_NAME.search(document.where):
            # A folder's YAML files are settings of all kinds; those that describe an API are recognised.
            report("note", "skipped_file", f"YAML without tools: {_unrecognised(document, None)}", document.where)
        elif recognised.format is None:
            report("error", "unrecognised", _unrecognised(document, loading.format), document.where)
        for service in recognised.services:
            if service.named:
                yield _add_service(service, loading, document.where)
                continue
            loose.tools += service.tools
            loose.places += [document.where] * len(service.tools)
            if len(documents) == 1:
                loose.facts = {"title": service.title, "description": service.description, "license": service.license}
    if more:
        report(
            "note", "more_pages", "its last page of tools has a nextCursor: the server has more, not in the file", more
        )
    for (severity, code, words), places in repeated.items():
        more = f"; the same in {counted(len(places) - 1, 'other place')}, the last {places[-1]}" if places[1:] else ""
        loading.issues.append(_issue(severity, code, words + more, places[0]))  # type: ignore[arg-type]  # one of three
    return bare


def _add_service(definitions: Definitions, loading: _Loading, where: str) -> tuple[Service, str]:
    service, issues = read_service(definitions, taxonomy=None, where=where)
    loading.issues.extend(issues)
    if loading.clean:
        service, issues = clean_service(service, where=where)
        loading.issues.extend(issues)
    known = {*loading.taxonomy.ids, loading.taxonomy.unknown.id}
    domains = definitions.domains if definitions.domains and known.issuperset(definitions.domains) else None
    if domains is None and definitions.domain is not None and definitions.domain in loading.taxonomy:
        domains = {definitions.domain: 1.0}
    loading.given.append(domains)
    loading.labels.append(tuple(definitions.labels[1:]))
    return service, where


def _unrecognised(document: Document, format: str | None) -> str:
    content = document.content
    first = content[0] if isinstance(content, list) and content else content
    if isinstance(first, dict):
        if "mcpServers" in first:
            return "a client's list of MCP servers; get their tools with `tdlab harvest`"
        if "ground_truth" in first or "possible_answer" in first:
            return "answers of a benchmark (BFCL), without tool definitions; they are in the files of its questions"
        if "question" in first and "involved_classes" in first:
            return (
                "tasks of a benchmark (BFCL) that name classes and hold no tool definitions; "
                "those are in its folder multi_turn_func_doc"
            )
    if content in ([], {}):
        return "empty"
    words = (
        f"a list, the first of it {shape_of(first, 250)}"
        if isinstance(first, dict) and first is not content
        else (shape_of(content, 250))
    )
    return f"{words}, expected {_known(format)}"


def _issue(severity: Literal["error", "fixed", "note"], code: str, found: str, where: str) -> PoolIssue:
    return PoolIssue(severity=severity, code=code, found=found, where=where)


def _known(format: str | None) -> str:
    return f"the format {format}" if format else "tools in one of the formats " + ", ".join(POOL_FORMATS)


def _listed(paths: list[Path]) -> str:
    return ", ".join(map(str, paths[:3])) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")

"""Reading tool pools from files: JSON and JSON lines, gzipped or not, recognised by content rather than by name.

A file is read whole and cut into JSON documents; each document is recognised (`tdlab.pool.files.formats`) and each tool
is read (`tdlab.pool.files.definitions`). Malformed parts are reported and the rest is kept: a broken line of a JSONL
file, a tool without a name, a file in a folder that is not JSON. A single file that cannot be read at all is a
PoolError.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tdlab._gc import rare_collection
from tdlab.errors import PoolError
from tdlab.pool.domains import place_services
from tdlab.pool.files.definitions import Definitions, read_service
from tdlab.pool.files.formats import POOL_FORMATS, recognise
from tdlab.pool.issues import Placement, PoolIssue
from tdlab.pool.repair.services import clean_service
from tdlab.pool.taxonomy import Taxonomy
from tdlab.records import Domains, Json, Service
from tdlab.tools import JsonError, read_json

__all__ = ["Reading", "read_files"]

_GZIP = b"\x1f\x8b"
_LARGEST = 2 * 1024**3
_CHUNK = 1024 * 1024
_IN_FOLDERS = (".json", ".jsonl", ".ndjson", ".gz")
_ENDINGS = re.compile(r"\.(gz|jsonl|ndjson|json|txt)$", re.IGNORECASE)
_REASONS = 5


@dataclass
class _Document:
    """One JSON document, or one line that is not JSON (``problem``), with its location."""

    where: str
    stem: str
    content: Json = None
    problem: str = ""


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

    In a folder, files with the endings .json, .jsonl, .ndjson and .gz are read, except hidden ones; a file that is
    named itself is read whatever its name. All services are placed in domains (`tdlab.pool.domains`).

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
    files = [file for path in named for file in _files(path)]
    if not files:
        raise PoolError(
            f"{_listed(named)}: contains no file to read",
            expected="files that end in " + ", ".join(_IN_FOLDERS),
            do="if the files have other endings, pass their own paths",
        )
    loading = _Loading(format, Taxonomy.bundled(), clean)
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


def _services(files: list[tuple[Path, str]], loading: _Loading, *, alone: bool) -> Iterator[tuple[Service, str]]:
    for path, shown in files:
        try:
            documents = list(_documents(path, shown))
        except PoolError as error:
            if alone:
                raise
            loading.issues.append(_issue("unreadable_file", str(error).replace("\n  ", "; "), shown))
            continue
        yield from _file_services(documents, loading, shown)


def _file_services(documents: list[_Document], loading: _Loading, shown: str) -> Iterator[tuple[Service, str]]:
    """Yield the services of one file; all its tools without a service make one service, named after the file."""
    loose: list[Json] = []

    for document in documents:
        if document.problem:
            loading.issues.append(_issue("broken_line", document.problem, document.where))
            continue
        recognised = recognise(document.content, stem=document.stem, format=loading.format)

        loading.issues.extend(_issue("malformed_part", problem, document.where) for problem in recognised.problems)
        if recognised.format is None:
            loading.issues.append(_unrecognised(document, loading.format))
        for service in recognised.services:
            if len(documents) > 1 and service.name == document.stem and not service.title and not service.description:
                loose.extend(service.tools)
                continue
            yield _add_service(service, loading, document.where)
    if loose:
        yield _add_service(Definitions(documents[0].stem, loose), loading, shown)


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


def _unrecognised(document: _Document, format: str | None) -> PoolIssue:
    content = document.content
    if isinstance(content, dict) and "mcpServers" in content:
        words = "a client's list of MCP servers; get their tools with `tdlab harvest`"
    elif content in ([], {}):
        words = "empty"
    elif isinstance(content, dict):
        keys = ", ".join(sorted(map(str, content))[:8])
        words = f"an object with the keys {keys:.200}, expected {_known(format)}"
    else:
        words = f"{content!r:.80}, expected {_known(format)}"
    return _issue("unrecognised", words, document.where)


def _issue(code: str, found: str, where: str) -> PoolIssue:
    return PoolIssue(severity="error", code=code, found=found, where=where)


def _known(format: str | None) -> str:
    return f"the format {format}" if format else "tools in one of the formats " + ", ".join(POOL_FORMATS)


def _listed(paths: list[Path]) -> str:
    return ", ".join(map(str, paths[:3])) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


# --------------------------------------------------------------------------------------------------------------- files


def _files(path: Path) -> list[tuple[Path, str]]:
    """Return the files to read, with the name that issues use: relative to the folder that was passed."""
    if path.is_dir():
        files = []
        for folder, subfolders, names in os.walk(path, followlinks=False):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            for name in sorted(names):
                file = Path(folder, name)
                if not name.startswith(".") and name.lower().endswith(_IN_FOLDERS) and file.is_file():
                    files.append((file, file.relative_to(path).as_posix()))
        return sorted(files, key=lambda item: item[1])
    if not path.exists():
        raise PoolError(f"{path}: does not exist", expected="a file or folder of tools", do="check the path")
    if not path.is_file():
        raise PoolError(f"{path}: is not a regular file", expected="a file or folder of tools", do="check the path")
    return [(path, path.name)]


def _documents(path: Path, shown: str) -> Iterator[_Document]:
    content = _content(path)
    stem = shown.rpartition("/")[2]
    while _ENDINGS.search(stem):
        stem = _ENDINGS.sub("", stem)
    stem = stem or "pool"
    if not content.strip():
        raise PoolError(f"{path}: is empty", expected=_known(None), do="check that this is the right file")
    try:
        yield _Document(shown, stem, _parse(content))
        return
    except _NotJsonError as error:
        document_error = error
    lines = list(_lines(content))
    parsed: list[_Document] = []
    readable = 0
    for number, line in lines:
        where = f"{shown}:{number}"
        try:
            parsed.append(_Document(where, stem, _parse(line)))
            readable += isinstance(parsed[-1].content, (dict, list))
        except _NotJsonError as error:
            parsed.append(_Document(where, stem, problem=error.words(line_number=number)))
    starts_with_object = isinstance(parsed[0].content, dict) and bool(parsed[0].content)
    if len(lines) < 2 or not (starts_with_object or readable * 2 > len(lines)):
        raise PoolError(
            f"{path}: {document_error.words()}",
            expected="UTF-8 text: one JSON document, or one JSON object per line",
            do="correct the file at that line, or convert it to UTF-8",
        )
    yield from parsed


def _content(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it is gzipped.

    Raises:
        PoolError: The file cannot be read or unpacked, or is too large.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise PoolError(
            f"{path}: cannot be read ({error.strerror})",
            expected="a file that you may read",
            do="check the file's permissions",
        ) from None
    if len(raw) <= _LARGEST and raw.startswith(_GZIP):
        raw = _unpack(path, raw)
    if len(raw) > _LARGEST:
        raise PoolError(f"{path}: is larger than 2 GiB", expected="a smaller file", do="split it into several files")
    return raw


def _unpack(path: Path, raw: bytes) -> bytes:
    """Return the content of a gzip file of one or more members, or slightly more than the size limit of it."""
    content = bytearray()
    engine = zlib.decompressobj(wbits=31)
    try:
        for start in range(0, len(raw), _CHUNK):
            piece = raw[start : start + _CHUNK]
            while piece and len(content) <= _LARGEST:
                if engine.eof:
                    piece = piece.lstrip(b"\0")  # padding between members
                    if not piece:
                        break
                    engine = zlib.decompressobj(wbits=31)
                content += engine.decompress(piece, 16 * _CHUNK)
                piece = engine.unused_data if engine.eof else engine.unconsumed_tail
    except zlib.error as error:
        raise PoolError(
            f"{path}: is damaged gzip ({error})", expected="a complete gzip file", do="download or compress it again"
        ) from None
    if not engine.eof and len(content) <= _LARGEST:
        raise PoolError(
            f"{path}: is truncated gzip, with {len(content):,} bytes of content",
            expected="a complete gzip file",
            do="download or compress it again",
        )
    return bytes(content)


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, numbered from 1."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield number, line


class _NotJsonError(Exception):
    """Why some bytes are not JSON, and on which of their lines."""

    def __init__(self, reason: str, line: int | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line

    def words(self, *, line_number: int | None = None) -> str:
        line = self.line if line_number is None else line_number
        return self.reason if line is None else f"line {line}: {self.reason}"


def _parse(content: bytes) -> Json:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise _NotJsonError("it is UTF-16 text, expected UTF-8", 1) from None
        raise _NotJsonError(f"it is not UTF-8 (invalid byte 0x{content[error.start]:02x})", line) from None
    try:
        return read_json(text, strict=False)
    except JsonError as error:
        raise _NotJsonError(f"it {error.reason}", error.line) from None

"""The JSON documents of one file: one, one per line, or those of a YAML file; faults are problems where they are.

A file that is partly broken gives its good part: the lines that are JSON, and of one document what comes before the
fault (`tdlab.pool.files.salvage`). JSON with comments and JSON values one after the other are read, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tdlab.errors import PoolError
from tdlab.pool.files.formats import recognise
from tdlab.pool.files.paths import PoolFile, content_of
from tdlab.pool.files.salvage import salvage
from tdlab.pool.files.yaml_text import YamlError, read_yaml
from tdlab.records import Json
from tdlab.tools import JsonError, NestingError, read_commented_json, read_json

__all__ = ["Document", "documents_of", "stem_of"]

_ENDINGS = re.compile(r"\.(gz|jsonl|ndjson|json|txt|snap|yaml|yml)$", re.IGNORECASE)
_YAML_NAME = re.compile(r"\.ya?ml(\.gz)?$", re.IGNORECASE)
_YAML_TEXT = re.compile(r"(?:\s*#[^\n]*\n)*\s*(?:---|openapi\s*:|swagger\s*:)")
_NOT_BLANK = re.compile(r"\S")
_DECODER = json.JSONDecoder()
_DEEPEST = 150
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class Document:
    """One JSON document, or what is wrong at this place (``problem``), with its location.

    ``code`` and ``severity`` are those of the issue that the problem becomes.
    """

    where: str
    stem: str
    content: Json = None
    problem: str = ""
    code: str = "broken_line"
    severity: Literal["error", "fixed", "note"] = "error"


class _NotJsonError(Exception):
    """Why some bytes are not JSON, on which of their lines, and where in the text."""

    def __init__(self, reason: str, line: int | None, text: str | None = None, position: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.text = text
        self.position = position

    def words(self, *, line_number: int | None = None) -> str:
        line = self.line if line_number is None else line_number
        return self.reason if line is None else f"line {line}: {self.reason}"


def stem_of(shown: str) -> str:
    """Return a file's name without its folder and the endings of pool files; ``pool`` where nothing is left."""
    stem = shown.rpartition("/")[2]
    while _ENDINGS.search(stem):
        stem = _ENDINGS.sub("", stem)
    return stem or "pool"


def documents_of(file: PoolFile, *, expected: str) -> list[Document]:
    """Return the documents of a file, and its problems in their places.

    Args:
        file: The file.
        expected: What errors say that a pool file has.

    Raises:
        PoolError: The file cannot be read, is empty, or is neither JSON nor JSON lines nor YAML.
    """
    content, damage = content_of(file.path)
    stem = stem_of(file.shown)
    if not content.strip():
        raise PoolError(f"{file.path}: is empty", expected=expected, do="check that this is the right file")
    try:
        documents = list(_documents(file.path, file.shown, stem, content))
    except PoolError as error:
        if damage:
            raise PoolError(
                f"{file.path}: {damage}, which holds no whole definition",
                expected="a complete gzip file",
                do="download or compress it again",
            ) from None
        raise error
    if damage:
        words = f"it {damage}; what comes before the fault is kept"
        documents.append(Document(file.shown, stem, problem=words, code="damaged_file"))
    return documents


def _documents(path: Path, shown: str, stem: str, content: bytes) -> Iterator[Document]:
    try:
        yield Document(shown, stem, _parse(content))
        return
    except _NotJsonError as error:
        document_error = error
    text = document_error.text
    if text is not None and (_YAML_NAME.search(path.name) or _YAML_TEXT.match(text)):
        yield from _yaml(path, shown, stem, text)
        return
    if content.startswith(_UTF_16) and text is not None and text.lstrip()[:1] in ("{", "["):
        content = text.encode("utf-8", "replace")
    lines = list(_lines(content))
    parsed: list[Document] = []
    readable = 0
    complete = 0
    for number, line in lines:
        where = f"{shown}:{number}"
        complete += line[:1] in (b"{", b"[") and len(line.strip()) > 1
        try:
            parsed.append(Document(where, stem, _parse(line)))
            readable += isinstance(parsed[-1].content, (dict, list)) and bool(parsed[-1].content)
        except _NotJsonError as error:
            parsed.append(Document(where, stem, problem=error.words(line_number=number)))
    # A pretty-printed document has its lines indented; of JSON lines most begin with a bracket at the margin.
    are_lines = readable and (2 * readable > len(lines) or 2 * complete > len(lines))
    if len(lines) > 1 and (are_lines or (lines[0][1].strip() not in (b"[", b"{") and _any_tools(parsed))):
        yield from parsed
        return
    several = [] if text is None else _one_after_the_other(text)
    if len(several) > 1 and any(_has_tools(value, stem) for _, value in several):
        yield from (Document(f"{shown}:{line}", stem, value) for line, value in several)
        return
    if text is not None:
        try:
            value = read_commented_json(text, max_depth=_DEEPEST)
        except JsonError:
            pass  # the error is raised below
        else:
            if _has_tools(value, stem):
                yield Document(shown, stem, value)
                words = "it has comments, trailing commas or the like, which JSON has not"
                yield Document(shown, stem, problem=words, code="commented_json", severity="note")
                return
    if text is None and not content.startswith(_UTF_16):
        text = content.decode("utf-8-sig", "replace")
        try:
            value = read_json(text, strict=False)
        except JsonError:
            pass  # the error is raised below
        else:
            if _has_tools(value, stem):
                yield Document(shown, stem, value)
                words = f"{document_error.words()}; bytes like it are read as U+FFFD"
                yield Document(shown, stem, problem=words, code="encoding", severity="fixed")
                return
    rescued = None if text is None else salvage(text, document_error.position)
    if rescued is not None and _has_tools(rescued.value, stem):
        yield Document(shown, stem, rescued.value)
        words = f"{document_error.words()}; what could be read is kept"
        yield Document(shown, stem, problem="; ".join([words, *rescued.problems]), code="damaged_file")
        return
    raise PoolError(
        f"{path}: {document_error.words()}",
        expected="UTF-8 text: one JSON document, or one JSON object per line",
        do="correct the file at that line, or convert it to UTF-8",
    )


def _one_after_the_other(text: str) -> list[tuple[int, Json]]:
    """Return the values of a text that is several JSON values, with their lines; an empty list for any other text."""
    values: list[tuple[int, Json]] = []
    at, line, counted_to = 0, 1, 0
    while match := _NOT_BLANK.search(text, at):
        start = match.start()
        line += text.count("\n", counted_to, start)
        counted_to = start
        try:
            value, at = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            return []
        values.append((line, value))
    return values


def _has_tools(value: Json, stem: str) -> bool:
    return any(service.tools for service in recognise(value, stem=stem).services)


def _any_tools(documents: list[Document]) -> bool:
    return any(isinstance(found.content, dict) and _has_tools(found.content, found.stem) for found in documents)


def _yaml(path: Path, shown: str, stem: str, text: str) -> Iterator[Document]:
    try:
        values, remarks = read_yaml(text)
    except YamlError as error:
        line = "" if error.line is None else f"line {error.line}: "
        raise PoolError(
            f"{path}: {line}it {error.reason}", expected="YAML or JSON text", do="correct the file at that line"
        ) from None
    yield from (Document(shown, stem, value) for value in values)
    yield from (Document(shown, stem, problem=words, code="yaml_tag", severity="note") for words in remarks)


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, numbered from 1."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _parse(content: bytes) -> Json:
    try:
        text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        if content.startswith(_UTF_16):
            raise _NotJsonError("it is not UTF-16, as its first bytes say", 1) from None
        line = content.count(b"\n", 0, error.start) + 1
        raise _NotJsonError(f"it is not UTF-8 (invalid byte 0x{content[error.start]:02x})", line) from None
    try:
        return read_json(text, strict=False)
    except NestingError as error:
        raise _NotJsonError(f"it {error.reason}", error.line, text) from None
    except JsonError as error:
        raise _NotJsonError(f"it {error.reason}", error.line, text, _position(text, error)) from None


def _position(text: str, error: JsonError) -> int | None:
    """Return where in the text an error is, from the line and column that it names."""
    column = re.search(r"at column (\d+)", error.reason)
    if error.line is None or column is None:
        return None
    start = 0
    for _ in range(error.line - 1):
        start = text.index("\n", start) + 1
    return start + int(column[1]) - 1

"""The JSON values of a file of any layout, one by one: lines, a document, a long array, rows of a Parquet file.

A part that cannot be read is a `LineProblem` in its place. A value with NaN or an infinity, which are no JSON, is read
with null instead and reported: one odd number beside good messages does not lose them.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from shlex import quote
from typing import BinaryIO, NamedTuple, cast

from tdlab._gc import rare_collection
from tdlab.errors import FormatError
from tdlab.formats._array import Repaired, array_elements
from tdlab.formats._json import read_repaired
from tdlab.formats.base import LineProblem, Severity
from tdlab.records import Json
from tdlab.tools import STRICT_DECODER, read_json

__all__ = ["Location", "Value", "files_below", "problem_at", "values_in"]

_BOM = b"\xef\xbb\xbf"
_MOST_LINE = 256 << 20
_MOST_DOCUMENT = 1 << 30
_LONG_LINE = 1 << 20
_LONG_TEXT = 1 << 18
_ENDINGS = (".json", ".jsonl", ".ndjson", ".traj", ".snap", ".parquet")


class Location(NamedTuple):
    """The place of a value: its file, the file's stem, the line (0 in one document), the position in it."""

    path: str
    stem: str
    line: int
    where: str


class Value(NamedTuple):
    """A decoded value and its place; ``is_piece`` unless it is a whole document, that is, a line or an element."""

    content: Json
    location: Location
    is_piece: bool = True


def problem_at(location: Location, reason: str, severity: Severity = "skipped") -> LineProblem:
    """Return a problem at a place."""
    return LineProblem(location.path, location.line, location.where, reason, severity)


def files_below(folder: Path) -> Iterator[Path | LineProblem]:
    """Yield the trajectory files below a folder, sorted, and a problem for each file that is none by its ending."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if name.lower().removesuffix(".gz").endswith(_ENDINGS):
                yield path
            else:
                yield LineProblem(
                    str(path), 0, "", "is no trajectory file by its name (expected " + " ".join(_ENDINGS) + ")"
                )


def values_in(path: Path) -> Iterator[Value | LineProblem]:
    """Yield the values of a file.

    Raises:
        FormatError: The file cannot be opened, is not text, or is one broken JSON document.
    """
    stem = path.name.partition(".")[0] or path.name
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
            if head == b"PAR1":
                from tdlab.formats.parquet import parquet_rows

                for number, row in enumerate(parquet_rows(path)):
                    yield Value(row, Location(str(path), stem, 0, f"row {number}"))
                return
            _refuse_encodings(path, head)
            if _is_long_array(handle):
                with _Opened(handle) as stream:
                    yield from _array(path, stem, stream)
                return
            with _Opened(handle) as stream:
                documents = _document(path, stream)
            if documents is not None:
                for number, (content, repaired) in enumerate(documents):
                    location = Location(str(path), stem, 0, f"document {number}" if len(documents) > 1 else "")
                    if repaired:
                        yield problem_at(location, repaired, "fixed")
                    yield Value(content, location, is_piece=len(documents) > 1)
                return
            with _Opened(handle) as stream:
                yield from _lines(path, stem, stream)
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


def _decoded(raw: bytes) -> tuple[Json, str]:
    """Return the value of a JSON text and what had to be repaired; garbage is collected rarely in a long one."""
    with rare_collection() if len(raw) > _LONG_TEXT else nullcontext():
        return read_repaired(raw.decode())


def _is_object(line: bytes) -> bool:
    """Return whether a line is a JSON object; then a broken line before it does not make the file one document."""
    try:
        return isinstance(read_json(line.decode()), dict)
    except ValueError:
        return False


def _is_long_array(handle: BinaryIO) -> bool:
    """Return whether a file is one JSON array over many lines, or one very long one."""
    with _Opened(handle) as stream:
        first = _first_line(stream, _LONG_LINE)
    if not first.lstrip().startswith(b"["):
        return False
    try:
        _decoded(first)
        return False
    except ValueError:
        pass
    with _Opened(handle) as stream:
        element = next(array_elements(stream), None)
    return element is not None and not isinstance(element, ValueError)


def _first_line(stream: BinaryIO, most: int) -> bytes:
    """Return the first line that is not blank, or its first ``most`` bytes; empty where there is none."""
    while line := stream.readline(most):
        line = line.removeprefix(_BOM)
        if line.strip():
            return line
    return b""


def _array(path: Path, stem: str, stream: BinaryIO) -> Iterator[Value | LineProblem]:
    for index, element in enumerate(array_elements(stream)):
        location = Location(str(path), stem, 0, f"[{index}]")
        if isinstance(element, ValueError):
            yield problem_at(location, str(element))
        elif isinstance(element, Repaired):
            yield problem_at(location, element.repair, "fixed")
            yield Value(element.value, location)
        else:
            yield Value(element, location)


def _document(path: Path, stream: BinaryIO) -> list[tuple[Json, str]] | None:
    """Return the (value, repair) of each document of a file that is no JSONL; None for a file of lines."""
    first = _first_line(stream, _MOST_LINE)
    if not first:
        return None
    try:
        _decoded(first)
        return None
    except ValueError:
        pass
    start = first.decode("utf-8", "replace").lstrip()
    certain = start.strip() in ("[", "{") or start.startswith("[")
    second = b"" if certain else _first_line(stream, _MOST_LINE)
    if not start.startswith(("[", "{")) or _is_object(second):
        return None
    rest = second + stream.read(_MOST_DOCUMENT)
    if not rest.strip():
        return None
    if len(rest) >= _MOST_DOCUMENT:
        if certain:
            raise FormatError(
                f"{path}: is one JSON document of over 1 GiB", expected="JSONL", do="write one object per line"
            )
        return None
    try:
        return [_decoded(first + rest)]
    except ValueError as error:
        if not certain:
            return None
        several = _documents_in_a_row(first + rest)
        if several:
            return several
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise FormatError(
            f"{path}: one JSON document that {reason}",
            expected="complete JSON, or JSONL",
            do="download or write the file again",
        ) from None


def _documents_in_a_row(raw: bytes) -> list[tuple[Json, str]]:
    """Return the objects that follow each other without a list, as jq prints them; none if one is broken."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return []
    values: list[tuple[Json, str]] = []
    position = len(text) - len(text.lstrip())
    while position < len(text):
        try:
            value, position = STRICT_DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            return []
        values.append((value, ""))
        while position < len(text) and text[position].isspace():
            position += 1
    return values


def _lines(path: Path, stem: str, stream: BinaryIO) -> Iterator[Value | LineProblem]:
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
        location = Location(str(path), stem, number, "")
        if len(raw) == _MOST_LINE and not raw.endswith(b"\n"):
            while (more := stream.readline(_MOST_LINE)) and not more.endswith(b"\n"):
                pass
            yield problem_at(location, f"is longer than {_MOST_LINE >> 20} MiB")
            continue
        if not raw.strip():
            continue
        try:
            value, repaired = _decoded(raw)
        except UnicodeDecodeError as error:
            yield problem_at(location, f"is not UTF-8 text (byte {error.start})")
            continue
        except ValueError as error:
            yield problem_at(location, str(error))
            continue
        if repaired:
            yield problem_at(location, repaired, "fixed")
        yield Value(value, location)

"""The files of a pool: which ones of a folder are read, their content, unpacked, and what was skipped or cut."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tdlab.errors import PoolError
from tdlab.pool.issues import PoolIssue
from tdlab.tools import counted, shorten

__all__ = ["READ_IN_FOLDERS", "PoolFile", "content_of", "files_of"]

READ_IN_FOLDERS = (".json", ".jsonl", ".ndjson", ".snap", ".yaml", ".yml")
"""The endings of files that are read in a folder, also with ``.gz`` after them; a bare ``.gz`` is read, too."""

_GZIP = b"\x1f\x8b"
_PACKED = {
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"\xfd7zXZ\x00": "packed with xz",
    b"BZh": "packed with bzip2",
    b"PAR1": "a Parquet file",
}
_LARGEST = 2 * 1024**3
_CHUNK = 1024 * 1024
_SHOWN = 3


class PoolFile(NamedTuple):
    """A file to read, the name that issues use, and whether it is one of a folder."""

    path: Path
    shown: str
    in_folder: bool


def files_of(path: Path) -> tuple[list[PoolFile], list[PoolIssue]]:
    """Return the files to read, and a note for each kind of file that a folder has beside them.

    Names that issues use are relative to the folder. Hidden files and linked folders are not read.

    Raises:
        PoolError: The path does not exist, or is neither a folder nor a regular file.
    """
    if path.is_dir():
        return _in_folder(path)
    if not path.exists():
        raise PoolError(f"{path}: does not exist", expected="a file or folder of tools", do="check the path")
    if not path.is_file():
        raise PoolError(f"{path}: is not a regular file", expected="a file or folder of tools", do="check the path")
    return [PoolFile(path, path.name, False)], []


def _in_folder(root: Path) -> tuple[list[PoolFile], list[PoolIssue]]:
    files: list[PoolFile] = []
    skipped: dict[str, list[str]] = {}
    failures: list[OSError] = []
    for folder, subfolders, names in os.walk(root, followlinks=False, onerror=failures.append):
        inside = Path(folder).relative_to(root)
        for name in subfolders:
            if name.startswith("."):
                skipped.setdefault("hidden", []).append((inside / name).as_posix() + "/")
            elif Path(folder, name).is_symlink():
                skipped.setdefault("linked folder", []).append((inside / name).as_posix() + "/")
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            shown = (inside / name).as_posix()
            ending = path.suffix.lower()
            if name.startswith("."):
                skipped.setdefault("hidden", []).append(shown)
            elif ending not in (*READ_IN_FOLDERS, ".gz"):
                skipped.setdefault(f"ending {ending!r:.20}" if ending else "no ending", []).append(shown)
            elif not path.is_file():
                skipped.setdefault("not a regular file", []).append(shown)
            else:
                files.append(PoolFile(path, shown, True))
    issues = [_skipped(root, kind, names) for kind, names in sorted(skipped.items())]
    issues += [
        PoolIssue(
            severity="error",
            code="unreadable_file",
            where=str(error.filename),
            found=f"cannot be read ({error.strerror})",
        )
        for error in failures
    ]
    return sorted(files, key=lambda file: file.shown), issues


def _skipped(root: Path, kind: str, names: Iterable[str]) -> PoolIssue:
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN:,} more" if len(ordered) > _SHOWN else ""
    listed = ", ".join(shorten(name, 80) for name in ordered[:_SHOWN])
    return PoolIssue(
        severity="note", code="skipped_file", where=root.name or str(root),
        found=f"{counted(len(ordered), 'file')} not read ({kind}): {listed}{more}",
    )  # fmt: skip


def content_of(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a file, unpacked if it is gzipped, and what is wrong if only the first part could be read.

    Raises:
        PoolError: The file cannot be read, nothing can be unpacked, or it is too large.
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
    packed = next((words for start, words in _PACKED.items() if raw.startswith(start)), None)
    if packed is not None:
        raise PoolError(f"{path}: is {packed}", expected="JSON or YAML, or gzip of it", do="unpack or convert it")
    problem = ""
    if len(raw) <= _LARGEST and raw.startswith(_GZIP):
        raw, problem = _unpack(path, raw)
    if len(raw) > _LARGEST:
        raise PoolError(f"{path}: is larger than 2 GiB", expected="a smaller file", do="split it into several files")
    return raw, problem


def _unpack(path: Path, raw: bytes) -> tuple[bytes, str]:
    """Return the content of a gzip file of one or more members, or slightly more than the size limit of it.

    A file that is truncated or damaged gives what comes before the fault, and a sentence that says so.
    """
    content = bytearray()
    engine = zlib.decompressobj(wbits=31)
    problem = ""
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
        problem = f"is damaged gzip ({error})"
    else:
        if not engine.eof and len(content) <= _LARGEST:
            problem = f"is truncated gzip, with {len(content):,} bytes of content"
    if problem and not content.strip():
        raise PoolError(f"{path}: {problem}", expected="a complete gzip file", do="download or compress it again")
    return bytes(content), problem

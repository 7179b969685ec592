"""Files that are complete or absent: write beside the target, flush to disk, rename, flush the folder."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tdlab.errors import StoreError

__all__ = ["atomic_open", "atomic_write", "remove_leftovers", "sync_folder", "unwritable"]

_PREFIX = ".tdlab-"
_SUFFIX = ".tmp"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def unwritable(path: Path, error: OSError) -> StoreError:
    """Return the StoreError that says why ``path`` cannot be written and what to do about it."""
    if error.errno in _NO_SPACE:
        return StoreError(
            f"{path}: the disk is full ({error.strerror})",
            expected="free disk space; everything committed so far is kept",
            do="free some space, then re-run the same command to resume",
        )
    if error.errno == errno.EFBIG:
        return StoreError(
            f"{path}: the file would exceed the largest size allowed here ({error.strerror})",
            expected="a higher file-size limit; everything committed so far is kept",
            do="run `ulimit -f unlimited`, then re-run the same command to resume",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return StoreError(
            f"{path}: is not writable ({error.strerror})",
            expected="a folder that you may write to",
            do="choose another folder with --out, or change its permissions",
        )
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return StoreError(
            f"{path}: a file is in the way ({error.strerror})",
            expected="a folder, or a path where one can be created",
            do="choose another folder with --out",
        )
    return StoreError(
        f"{path}: cannot be written ({error.strerror or error})",
        expected="a folder that you may write to",
        do="check the path and the disk, then re-run the same command",
    )


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to disk, so that a rename in it survives a power cut.

    Raises:
        OSError: The folder cannot be opened or flushed.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have no fsync for folders
            raise
    finally:
        os.close(handle)


@contextmanager
def atomic_open(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file for writing that replaces ``path`` when the block ends without an error.

    Readers see the old content or the new one, never a part of either, even after a ``kill -9`` or a power cut. An
    error raised in the block is passed on and leaves ``path`` as it was.

    Args:
        path: The file to create or replace; its folder must exist.

    Yields:
        The open file.

    Raises:
        StoreError: The disk is full, or the folder cannot be written.

    Example:
        >>> with atomic_open("notes.txt") as file:
        ...     file.write(b"all or nothing")
        14
        >>> from pathlib import Path
        >>> Path("notes.txt").read_bytes()
        b'all or nothing'
    """
    target = Path(path)
    beside = target.parent / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise unwritable(target, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
        sync_folder(target.parent)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        with suppress(FileNotFoundError):  # it is there only if something went wrong
            os.unlink(beside)


def atomic_write(path: str | Path, content: bytes) -> None:
    """Replace the whole content of ``path``, or leave it as it was.

    Args:
        path: The file to create or replace; its folder must exist.
        content: The bytes to write.

    Raises:
        StoreError: The disk is full, or the folder cannot be written.

    Example:
        >>> atomic_write("notes.txt", b"done")
        >>> from pathlib import Path
        >>> Path("notes.txt").read_bytes()
        b'done'
    """
    with atomic_open(path) as file:
        file.write(content)


def remove_leftovers(folder: Path) -> None:
    """Delete the unfinished files of killed processes from ``folder``, whose lock the caller must hold."""
    for leftover in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(FileNotFoundError):
            leftover.unlink()

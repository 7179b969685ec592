"""Files that are either whole or not there: write beside, flush to the disk, rename, flush the folder."""

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
    """The StoreError that says why ``path`` cannot be written and what to do about it."""
    if error.errno in _NO_SPACE:
        return StoreError(
            f"{path}: the disk is full ({error.strerror})",
            expected="room to write; what was committed before is kept",
            do="free some space and give the same command again: it resumes",
        )
    if error.errno == errno.EFBIG:
        return StoreError(
            f"{path}: the file would pass the size that this machine allows ({error.strerror})",
            expected="room to write; what was committed before is kept",
            do="raise the limit (`ulimit -f unlimited`) and give the same command again: it resumes",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return StoreError(
            f"{path}: may not be written ({error.strerror})",
            expected="a folder that you may write to",
            do="choose another folder with --out, or change its permissions",
        )
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return StoreError(
            f"{path}: a file is where a folder should be ({error.strerror})",
            expected="a folder, or a path where one can be made",
            do="choose another folder with --out",
        )
    return StoreError(
        f"{path}: cannot be written ({error.strerror or error})",
        expected="a folder that you may write to",
        do="check the path and the disk, then give the same command again",
    )


def sync_folder(folder: Path) -> None:
    """Flush a folder's own entries, so that a rename in it outlives a power cut. OSError where that fails."""
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
    """A binary file to write, which becomes ``path`` when the block ends well and leaves no trace when it does not.

    Readers see the old content or the new, never a part; so does whoever comes after a ``kill -9`` or a power cut.
    StoreError when the disk is full or the folder cannot be written; an error raised in the block goes through.
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
    """Make ``content`` the whole content of ``path``, or leave what was there. StoreError where it cannot be done."""
    with atomic_open(path) as file:
        file.write(content)


def remove_leftovers(folder: Path) -> None:
    """Delete the unfinished files of a process that was killed. Only for whoever holds the lock of ``folder``."""
    for leftover in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(FileNotFoundError):
            leftover.unlink()

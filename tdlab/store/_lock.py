"""One writer per run directory: a kernel lock that disappears with its process, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
import time
import weakref
from pathlib import Path

from tdlab._files import unwritable
from tdlab.errors import RunLocked

__all__ = ["LOCK", "DirectoryLock", "is_locked"]

LOCK = "run.lock"


class DirectoryLock:
    """An exclusive ``flock`` on ``run.lock``, held until `release` or the end of this process.

    A forked child shares the lock's file description, so it closes its copy at once: worker processes that outlive a
    killed parent do not keep the directory locked. The lock also works between two stores of one process.
    """

    def __init__(self, folder: Path, *, patience_s: float = 0.5) -> None:
        """Take the lock.

        Raises:
            RunLocked: Another process, which the message names, still holds it after ``patience_s`` seconds.
        """
        path = folder / LOCK
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise unwritable(path, error) from error
        give_up = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                    os.close(handle)
                    raise unwritable(path, error) from error
                if time.monotonic() > give_up:
                    holder = os.pread(handle, 100, 0).decode("ascii", "replace").strip()
                    os.close(handle)
                    raise RunLocked(
                        f"{folder}: {holder or 'another process'} is using it",
                        expected="one process at a time",
                        do="wait until it ends, stop it, or choose another folder with --out",
                    ) from None
                time.sleep(0.02)  # a reader that checks whether the run is live holds the lock for an instant
        self._handle: int | None = handle
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()}\n".encode("ascii"), 0)
        except OSError as error:
            self.release()
            raise unwritable(path, error) from error
        myself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _close_copy(myself()))

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)

    def close_copy(self) -> None:
        """Close the inherited handle in a forked child, without unlocking the parent's."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def _close_copy(lock: DirectoryLock | None) -> None:
    if lock is not None:
        lock.close_copy()


def is_locked(folder: Path) -> bool:
    """Return whether a live process is using ``folder`` now."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # without a readable lock file there is no run to report
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False

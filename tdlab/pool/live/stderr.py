"""The last lines that a child process wrote to stderr, kept in bounded memory and off the terminal."""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
import time
from collections.abc import Iterator
from typing import TextIO

__all__ = ["StderrTail"]

_KEPT_BYTES = 65_536
_KEPT_LINES = 3
_LINGER_S = 0.5


class StderrTail:
    """A pipe for one process's stderr; a thread reads it to the end and keeps the last 64 KiB."""

    def __init__(self) -> None:
        self._kept = b""
        self._thread: threading.Thread | None = None
        self._give_up = float("inf")

    @contextlib.contextmanager
    def writer(self) -> Iterator[TextIO]:
        """Yield the file to pass to the process; once it is closed, reading stops within half a second."""
        read, write = os.pipe()
        self._thread = threading.Thread(target=self._read, args=(read,), name="tdlab-stderr", daemon=True)
        self._thread.start()
        try:
            with os.fdopen(write, "w", encoding="utf-8") as file:
                yield file
        finally:
            self._give_up = time.monotonic() + _LINGER_S

    def last(self) -> list[str]:
        """Return the last three lines as they were written; may wait a second.

        A line whose beginning is lost is left out where others follow it: half a secret could not be found in it.
        """
        if self._thread is not None:
            self._thread.join(2 * _LINGER_S)
        kept = self._kept
        if len(kept) >= _KEPT_BYTES:
            kept = kept.partition(b"\n")[2] or kept[_KEPT_BYTES // 2 :]
        lines = [line.strip() for line in kept.decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-_KEPT_LINES:]

    def _read(self, pipe: int) -> None:
        with contextlib.closing(selectors.DefaultSelector()) as selector:
            selector.register(pipe, selectors.EVENT_READ)
            try:
                while time.monotonic() < self._give_up:
                    if selector.select(timeout=0.1):
                        block = os.read(pipe, 65536)
                        if not block:
                            return
                        self._kept = (self._kept + block)[-_KEPT_BYTES:]
            finally:
                os.close(pipe)

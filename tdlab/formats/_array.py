"""A JSON array of any length, element by element: memory for one element, and a broken one does not break the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["array_elements"]

_CHUNK = 1 << 18
_MOST_ELEMENT = 256 << 20
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}"]', re.DOTALL)
_BETWEEN = re.compile(rb"[\s,]*+")
_BARE = re.compile(rb"[^,\]]*+")
_BOM = b"\xef\xbb\xbf"


def array_elements(stream: BinaryIO) -> Iterator[Json | ValueError]:
    """The elements of the array that ``stream`` holds, in order; a ValueError in the place of each that is broken.

    An array that breaks off, or has something else behind it, ends with a ValueError that says so. Elements are told
    by their brackets, so that one with a bracket too many or too few may take its neighbours with it. Nothing is
    yielded where the text is no array at all.
    """
    text = _Text(stream)
    text.skip(_BETWEEN)
    if not text.take(b"["):
        return
    while True:
        text.skip(_BETWEEN)
        if text.ended:
            yield ValueError("breaks off before the array is closed")
            return
        if text.take(b"]"):
            text.skip(_BETWEEN)
            if not text.ended:
                yield ValueError("goes on behind the array")
            return
        raw = text.element()
        if raw is None:
            yield ValueError("breaks off inside an element, or one is larger than 256 MiB")
            return
        try:
            yield read_json(raw.decode())
        except UnicodeDecodeError as error:
            yield ValueError(f"is not UTF-8 text (byte {error.start} of the element)")
        except ValueError as error:
            yield error


class _Text:
    """A window on a stream: what was not yet taken, read on as needed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._kept = b""
        self._at = 0
        self._fill()
        self._kept = self._kept.removeprefix(_BOM)

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._kept) and not self._fill()

    def skip(self, pattern: re.Pattern[bytes]) -> None:
        """Go past everything that ``pattern`` matches."""
        while not self.ended:
            found = pattern.match(self._kept, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._kept):
                return

    def take(self, mark: bytes) -> bool:
        """Whether ``mark``, one byte, stands next; then go past it."""
        if self.ended or self._kept[self._at : self._at + 1] != mark:
            return False
        self._at += 1
        return True

    def element(self) -> bytes | None:
        """The element that stands next; None where the stream ends inside it, or it is too large."""
        if self._kept[self._at : self._at + 1] not in (b"{", b"[", b'"'):
            return self._bare()
        depth = 0
        offset = 0
        while True:
            found = _TOKEN.search(self._kept, self._at + offset)
            token = found.group()[:1] if found else b""
            if found is None or found.group() == b'"':
                offset = (found.start() if found else len(self._kept)) - self._at
                if len(self._kept) - self._at > _MOST_ELEMENT or not self._fill():
                    return None
                continue
            offset = found.end() - self._at
            depth += (token in b"[{") - (token in b"]}")
            if depth <= 0:
                raw = self._kept[self._at : self._at + offset]
                self._at += offset
                return raw

    def _bare(self) -> bytes | None:
        while True:
            found = _BARE.match(self._kept, self._at)
            end = found.end() if found else self._at
            if end < len(self._kept):
                raw = self._kept[self._at : end].strip()
                self._at = end
                return raw
            if len(self._kept) - self._at > _MOST_ELEMENT or not self._fill():
                return None

    def _fill(self) -> bool:
        """Read on, at least as much as is held, so that a long element is searched few times."""
        more = self._stream.read(max(_CHUNK, len(self._kept) - self._at))
        self._kept = self._kept[self._at :] + more
        self._at = 0
        return bool(more)

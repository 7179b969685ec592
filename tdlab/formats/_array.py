"""A JSON array of any length, element by element: memory for one element, and a broken one does not spoil the rest."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from tdlab.formats._json import read_repaired
from tdlab.records import Json
from tdlab.tools import STRICT_DECODER

__all__ = ["Repaired", "array_elements"]


class Repaired(NamedTuple):
    """An element that is no JSON as it is, its value after the repair, and what was done."""

    value: Json
    repair: str


_CHUNK = 1 << 20
_MOST_ELEMENT = 256 << 20
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}"]', re.DOTALL)
_BETWEEN = re.compile(rb"[\s,]*+")
_BARE = re.compile(rb"[^,\]]*+")
_BETWEEN_TEXT = re.compile(r"[\s,]*+")
_SURROGATES = (b"\\ud", b"\\uD")
"""What the strict reader repairs, and so elements with them are left to it: escapes of half of a surrogate pair."""
_MOST_MISSES = 3
_BOM = b"\xef\xbb\xbf"


def array_elements(stream: BinaryIO) -> Iterator[Json | ValueError | Repaired]:
    """Yield the elements of the array in ``stream``, in order, with a ValueError in place of each broken one.

    An element that had to be repaired comes with what was done. An array that ends early, or is followed by something
    else, ends with a ValueError that says so. Elements are delimited by their brackets, so one with a bracket too many
    or too few may take its neighbours with it. Nothing is yielded if the text is not an array at all.
    """
    text = _Text(stream)
    text.skip(_BETWEEN)
    if not text.take(b"["):
        return
    misses = 0
    while True:
        sound = False
        for element in text.sound_elements():
            sound = True
            yield element
        text.skip(_BETWEEN)
        if text.ended:
            yield ValueError("ends before the array is closed")
            return
        if text.take(b"]"):
            text.skip(_BETWEEN)
            if not text.ended:
                yield ValueError("continues after the array")
            return
        misses = 0 if sound else misses + 1
        if misses <= _MOST_MISSES and text.grow():  # the element may only be cut by the window
            continue
        misses = 0
        raw = text.element()
        if raw is None:
            yield ValueError("ends inside an element, or one is larger than 256 MiB")
            return
        try:
            value, repair = read_repaired(raw.decode())
        except UnicodeDecodeError as error:
            yield ValueError(f"is not UTF-8 text (byte {error.start} of the element)")
        except ValueError as error:
            yield error
        else:
            yield Repaired(value, repair) if repair else value


class _Text:
    """A window on a stream: the bytes that were not taken yet, read on as needed."""

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

    def sound_elements(self) -> Iterator[Json]:
        """Yield the whole elements that are in the window and sound, at the decoder's own speed; others are left."""
        window = self._kept[self._at :]
        if any(escape in window for escape in _SURROGATES):
            return
        try:
            text, _ = codecs.utf_8_decode(window, "strict", False)
        except UnicodeDecodeError:
            return
        position = taken = 0
        while True:
            start = _BETWEEN_TEXT.match(text, position)
            position = start.end() if start else position
            if text[position : position + 1] != "{":
                break
            try:
                value, position = STRICT_DECODER.raw_decode(text, position)
            except (ValueError, RecursionError):
                break
            taken = position
            yield value
        self._at += len(text[:taken].encode())

    def grow(self) -> bool:
        """Read on, and return whether there was more."""
        return self._fill()

    def skip(self, pattern: re.Pattern[bytes]) -> None:
        """Skip everything that ``pattern`` matches."""
        while not self.ended:
            match = pattern.match(self._kept, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._kept):
                return

    def take(self, mark: bytes) -> bool:
        """Return whether the next byte is ``mark``, and skip it if so."""
        if self.ended or self._kept[self._at : self._at + 1] != mark:
            return False
        self._at += 1
        return True

    def element(self) -> bytes | None:
        """Return the next element; None where the stream ends inside it, or it is too large."""
        if self._kept[self._at : self._at + 1] not in (b"{", b"[", b'"'):
            return self._bare()
        depth = 0
        offset = 0
        while True:
            match = _TOKEN.search(self._kept, self._at + offset)
            token = match.group()[:1] if match else b""
            if match is None or match.group() == b'"':
                offset = (match.start() if match else len(self._kept)) - self._at
                if len(self._kept) - self._at > _MOST_ELEMENT or not self._fill():
                    return None
                continue
            offset = match.end() - self._at
            depth += (token in b"[{") - (token in b"]}")
            if depth <= 0:
                raw = self._kept[self._at : self._at + offset]
                self._at += offset
                return raw

    def _bare(self) -> bytes | None:
        while True:
            match = _BARE.match(self._kept, self._at)
            end = match.end() if match else self._at
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

"""Texts as words: lower case, without punctuation, each character of a script without spaces a word of its own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hashes", "Words", "hashes_of", "is_unspaced", "words_of"]

Hashes = NDArray[np.uint64]

# Han, kana and Thai are written without spaces; Korean has spaces, but its particles make equal words rare.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no information is lost modulo 2**64


class Words(NamedTuple):
    """The words of a text, and where each begins and ends in it."""

    text: str
    words: list[str]
    spans: list[tuple[int, int]]

    def excerpt(self, first: int, number: int) -> str:
        """Return the part of the text that holds ``number`` words from the word ``first`` on."""
        return self.text[self.spans[first][0] : self.spans[min(first + number, len(self.spans)) - 1][1]]


def words_of(text: str) -> Words:
    """Return the words of a text.

    Args:
        text: Any text.

    Returns:
        Its words in lower case, in their order.

    Example:
        >>> words_of("Book it, 今天!").words
        ['book', 'it', '今', '天']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    matches = list(_WORD.finditer(text))
    return Words(text, [match[0].casefold() for match in matches], [match.span() for match in matches])


def is_unspaced(words: Sequence[str]) -> bool:
    """Return whether more than half of the words are characters of a script without spaces."""
    return sum(len(word) == 1 and _IS_UNSPACED.match(word) is not None for word in words) * 2 > len(words)


def hashes_of(numbers: Hashes, length: int) -> Hashes:
    """Return a hash of each window of numbered words.

    Args:
        numbers: The numbers of the words, uint64, of shape (n,).
        length: The number of words of a window.

    Returns:
        The hashes, uint64, of shape (n - length + 1,), or (0,) for a shorter text.
    """
    count = len(numbers) - length + 1
    if count <= 0:
        return np.empty(0, dtype=np.uint64)
    mixed = _mixed(numbers)
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(length):
        hashes = hashes * _BASE + mixed[offset : offset + count]
    return hashes


def _mixed(numbers: Hashes) -> Hashes:
    """Spread small numbers over 64 bits (splitmix64), so that sums of products do not collide."""
    mixed = (numbers + np.uint64(1)) * _BASE
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))

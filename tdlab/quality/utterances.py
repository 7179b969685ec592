"""Diversity of what users say, after values are masked: self-BLEU and openers."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from tdlab.quality._conversation import Conversation, key_leaves

__all__ = ["MASK", "chao1_interval", "masked_words", "opener", "self_bleu", "values_of"]

MASK = "_"
"""The token that stands for a value."""

_ORDER = 4
_FLOOR = 0.1  # matches counted where there are none, so that one missing order does not make a score 0
_OPENING = 4

_MASKED = re.compile(
    r"\"[^\"\n]{1,200}\"|\u201c[^\u201d\n]{1,200}\u201d|\u2018[^\u2019\n]{1,200}\u2019"  # quoted
    r"|https?://\S+|[\w.+-]+@[\w-]+\.[\w.]+"  # addresses
    r"|#?\b(?=\w*\d)[\w:.,/+-]*\w"  # numbers, dates, times, identifiers
    r"|\b\w+_\w+\b"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
    r"|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b"
    r"|(?<![.!?:\n]\s)(?<!^)(?<!\n)\b(?!I\b|I'|OK\b)[A-Z][\w\u2019'-]*(?:\s+[A-Z][\w\u2019'-]*)*"  # names
)
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?|_+")
_SIGNAL = re.compile(r"###\w+###")  # with which the simulated users of tau-bench end a conversation


def values_of(conversation: Conversation) -> list[str]:
    """Return the texts among the arguments of a conversation's calls, longest first: they are values, not wording."""
    texts = {
        leaf.strip()
        for call in conversation.calls
        for _, leaf in key_leaves(call.call.arguments, most=200)
        if isinstance(leaf, str) and 3 <= len(leaf.strip()) <= 300
    }
    return sorted(texts, key=lambda text: (-len(text), text))


def masked_words(text: str, values: Sequence[str] = ()) -> list[str]:
    """Return the words of a text in lower case, with a `MASK` for each value.

    Values are numbers, dates, identifiers, names, addresses, quoted text, and the texts given.

    Args:
        text: What was said.
        values: Texts that are values in this conversation, longest first.

    Returns:
        Words and masks; neighbouring masks are one.

    Example:
        >>> masked_words("Book it for Ada Lovelace on 3 May, please")
        ['book', 'it', 'for', '_', 'on', '_', 'please']
    """
    for value in values:
        if value in text:
            text = _without(text, value)
    text = _SIGNAL.sub("", text)
    words: list[str] = []
    for word in _WORD.findall(_MASKED.sub(f" {MASK} ", text).lower()):
        if word[0] != MASK:
            words.append(word)
        elif not words or words[-1] != MASK:
            words.append(MASK)
    return words


def _without(text: str, value: str) -> str:
    """Return a text with a mask wherever a value stands in it as whole words."""
    pieces = text.split(value)
    masked = pieces[0]
    for piece in pieces[1:]:
        is_whole = not (masked[-1:].isalnum() and value[0].isalnum()) and not (
            piece[:1].isalnum() and value[-1].isalnum()
        )
        masked += (f" {MASK} " if is_whole else value) + piece
    return masked


def opener(words: Sequence[str]) -> tuple[str, ...]:
    """Return the first four words of a masked text.

    Args:
        words: What `masked_words` returned.

    Returns:
        At most four words.

    Example:
        >>> opener(["hi", "book", "_", "for", "me"])
        ('hi', 'book', '_', 'for')
    """
    return tuple(words[:_OPENING])


def self_bleu(texts: Sequence[Sequence[str]]) -> list[float]:
    """Return the BLEU-4 of each text against all others (Zhu et al. 2018, Texygen).

    Clipped counts need, for each n-gram, only its largest count in the other texts. So the largest and the second
    largest count of each n-gram are kept, and time is linear in the number of words. Orders without a match count 0.1
    matches, as in the first smoothing of Chen and Cherry (2014).

    Args:
        texts: Texts as words.

    Returns:
        A score in [0, 1] for each text that is not empty, in order; none for fewer than two texts.

    Example:
        >>> self_bleu(["a b c d e".split(), "a b c d e".split(), "v w x y z".split()])[0]
        1.0
    """
    kept = [list(text) for text in texts if text]
    if len(kept) < 2:
        return []
    counts = [[Counter(_ngrams(text, size)) for size in range(1, _ORDER + 1)] for text in kept]
    best: dict[tuple[str, ...], tuple[int, int, int]] = {}  # largest count, whose it is, second largest
    for index, orders in enumerate(counts):
        for grams in orders:
            for gram, count in grams.items():
                largest, owner, second = best.get(gram, (0, -1, 0))
                if count > largest:
                    best[gram] = (count, index, largest)
                elif count > second:
                    best[gram] = (largest, owner, count)
    lengths = sorted(len(text) for text in kept)
    scores = []
    for index, orders in enumerate(counts):
        logarithm = 0.0
        for grams in orders:
            total = sum(grams.values())
            matched = 0
            for gram, count in grams.items():
                largest, owner, second = best[gram]
                matched += min(count, second if owner == index else largest)
            if total:
                logarithm += math.log(max(matched, _FLOOR) / total) / _ORDER
            else:
                logarithm += math.log(_FLOOR) / _ORDER
        scores.append(min(1.0, math.exp(logarithm)) * _brevity(len(kept[index]), lengths))
    return scores


def _ngrams(text: list[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(text[start : start + size]) for start in range(len(text) - size + 1)]


def _brevity(length: int, lengths: list[int]) -> float:
    """Return the penalty of a text that is shorter than the closest of the others; ``lengths`` are sorted."""
    place = bisect_left(lengths, length)
    others = lengths[max(0, place - 1) : place] + lengths[place + 1 : place + 2]  # one entry at `place` is its own
    closest = min(others, key=lambda other: (abs(other - length), other))
    return 1.0 if length >= closest else math.exp(1 - closest / length)


def chao1_interval(counts: Sequence[int]) -> tuple[float, float]:
    """Return the 95 % interval of the share of distinct kinds among N things, over samples of the same size.

    The variance of the number of kinds is that of Colwell et al. (2012) at the size of the sample, with the number of
    kinds that exist estimated by Chao1.

    Args:
        counts: How often each kind occurs; at least one.

    Returns:
        Lower and upper end, in [0, 1].

    Example:
        >>> chao1_interval([1] * 50 + [2] * 25)
        (0.645, 0.855)
    """
    kinds, total = len(counts), sum(counts)
    once, twice = sum(count == 1 for count in counts), sum(count == 2 for count in counts)
    exist = kinds + once * (once - 1) / (2 * (twice + 1))
    spread = 1.959963984540054 * math.sqrt(kinds * (1 - kinds / exist))
    return max(0.0, (kinds - spread) / total), min(1.0, (kinds + spread) / total)

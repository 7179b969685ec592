"""Singular and plural of English nouns, by rule, for words in names and for nouns after a number.

A library of inflections was not used: names are full of words that are in no dictionary (``dns``, ``kubernetes``), and
every dataset depends on every answer.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["counted", "is_one_word", "is_plural", "keyword_form", "plural", "singular"]

_SHORTEST = 3
"""Fewest letters of a short form."""

_IRREGULAR = {
    "people": "person",
    "children": "child",
    "indices": "index",
    "matrices": "matrix",
    "vertices": "vertex",
    "analyses": "analysis",
    "statuses": "status",
    "data": "data",
    "news": "news",
    "series": "series",
    "media": "media",
    "movies": "movie",
    "cookies": "cookie",
    "aliases": "alias",
    "buses": "bus",
    "leaves": "leave",
    "axes": "axis",
    "criteria": "criterion",
    "lens": "lens",
    "kubernetes": "kubernetes",
    "sms": "sms",
    "dns": "dns",
    "https": "https",
    "aws": "aws",
}
_HARD_CH = ("epoch", "stomach", "monarch")  # ends that sound like k
_UNCHANGED = frozenset("news series species kubernetes redis https jenkins aws ios".split())


@lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """Return the singular of a noun.

    Args:
        word: A word in lower case.

    Returns:
        The singular; the word itself if it is not a plural.

    Example:
        >>> [singular(word) for word in ("orders", "people", "boxes", "sms")]
        ['order', 'person', 'box', 'sms']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3 or word.endswith(("ss", "us", "is", "os")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zzes")):
        return word[:-2]
    return word.removesuffix("s")


@lru_cache(maxsize=65536)
def keyword_form(word: str) -> str:
    """Return the form under which a word of a text counts as a keyword: in lower case, without a plural ending.

    It is cruder than `singular` on purpose: the keywords and learned weights of the taxonomy were made with it. With
    `singular` instead, 177 of 2,721 recorded services get other weights, and 6 another heaviest domain.

    Args:
        word: A word of a text, in any case.

    Returns:
        The word as keywords are written.

    Example:
        >>> [keyword_form(word) for word in ("Videos", "Boxes", "people")]
        ['video', 'box', 'people']
    """
    word = word.lower()
    if word in _UNCHANGED:
        return word
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and is_plural(word) else word


def is_plural(noun: str) -> bool:
    """Return whether a noun looks like a plural (``guests``, but not ``address``, ``status`` or ``analysis``)."""
    return noun.endswith("s") and not noun.endswith(("ss", "us", "is"))


def plural(noun: str) -> str:
    """Return the plural of a noun.

    Args:
        noun: The noun in the singular.

    Returns:
        Its plural; ``items`` for an empty noun.

    Example:
        >>> [plural(noun) for noun in ("order", "entry", "box", "day", "")]
        ['orders', 'entries', 'boxes', 'days', 'items']
    """
    if not noun:
        return "items"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    hissing = noun.endswith(("s", "x", "ch", "sh", "z")) and not noun.endswith(_HARD_CH)
    return noun + ("es" if hissing else "s")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless the number is 1.

    Args:
        number: The number of things.
        noun: The singular noun.

    Returns:
        Both, with a comma every three digits.

    Example:
        >>> counted(1, "generation"), counted(2000, "trajectory")
        ('1 generation', '2,000 trajectories')
    """
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def is_one_word(one: str, other: str) -> bool:
    """Return whether two words are one, or one is the short form of the other.

    Args:
        one: A word in lower case.
        other: Another.

    Returns:
        Whether they are.

    Example:
        >>> is_one_word("org", "organization"), is_one_word("config", "configuration"), is_one_word("card", "cart")
        (True, True, False)
    """
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) >= _SHORTEST and long.startswith(short))

"""Plans in words: labels for parameters, texts for values, phrases for goals, and whether a text mentions a value.

The planner states intents with it, the scripted teacher speaks with it, and verification reads values back with it, so
"the user said it" means the same everywhere. Descriptions are untrusted: they are cut to one short line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache

from tdlab.records import Json, Tool
from tdlab.tools.cache import cached_per_tool
from tdlab.tools.names import nature_of_name, split_words
from tdlab.tools.nouns import is_plural, singular

__all__ = [
    "LIMITS", "asks", "asks_for_yes", "contains_whole", "goal_phrase", "label", "leaves", "mentions", "past_tense",
    "say", "say_detail", "says_a_form_of", "says_no", "says_yes",
]  # fmt: skip

_THIRD_PERSON = re.compile(r"^([A-Za-z]+?)(ies|es|s)$")
_NUMBER = re.compile(
    r"(?<![\w.:/#])(?<!\w-)(?<!\d,)[-\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w:/#]|[-.,]\d|-\w)"
)
_SPELLED = dict(enumerate("zero one two three four five six seven eight nine ten eleven twelve".split()))
_LINKS = ("to", "for", "from", "in", "into", "on", "with", "at", "of", "off", "out", "up")
_MOST_PHRASE = 110
_ORDINALS = ("", "", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_SPACED = re.compile(r"[\s,;]")
_YES = re.compile(
    r"\b(yes|yeah|yep|true|on|enabled|included|wanted|please|sure|ok|okay|confirmed?|correct|right|go ahead|do it)\b"
)
_NO = re.compile(r"\b(no|not|false|off|disabled|without|never|none|nor|neither|don't|doesn't|isn't|aren't|won't)\b")
_WANTS_YES = re.compile(
    r"\b(?:shall i|should i|may i|go ahead|proceed|confirm|are you sure|is (?:that|this|it) (?:all )?"
    r"(?:right|ok|okay|correct|fine)|okay\?|ok\?|sound good|your approval)",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"[^.?!\n]*\?")
_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”|«[^»\n]*»')
_WHICH = re.compile(
    r"(?:and |so |then )?(?:for |at |on |to |from )?(?:what|which|when|who|whom|whose|where|why|how)\b", re.IGNORECASE
)
_ASKS_WHICH = re.compile(
    r"\b(?:what|which|when|who|whom|whose|where|why|how|or|another|else|instead|can you|could you|do you know"
    r"|anything)\b",
    re.IGNORECASE,
)
_WANTS_TO_KNOW = re.compile(
    r"\b(?:need(?: to know)?|(?:tell|give|send) me|let me know|please (?:say|name|choose|tell)|missing"
    r"|(?:once|when|as soon as) i (?:know|have))\b",
    re.IGNORECASE,
)
LIMITS = frozenset(("limit", "max_results", "page_size", "per_page", "top_k", "maxresults", "pagesize"))
"""Parameters that say how many rows a call returns."""
_ASIDE = re.compile(
    r"[;:(\u2014]| - |,\s+(?=(?:who|which|that|so|with|in|at|on|past|taking|including|either|up to|for|from|by|or|as"
    r"|where|when|if|to|once|after|before|unless|until|while|optionally|and (?:returns?|gets?)|\w+ing|\w+est)\b)"
)
_IRREGULAR = dict(
    pair.split(":")
    for pair in (
        "get:got find:found send:sent make:made set:set put:put take:took buy:bought sell:sold write:wrote read:read"
        " withdraw:withdrew undo:undid hold:held give:gave show:showed see:saw run:ran build:built pay:paid cut:cut"
        " leave:left freeze:froze choose:chose draw:drew let:let keep:kept lend:lent bring:brought begin:began"
        " forget:forgot split:split shut:shut tell:told teach:taught go:went do:did lay:laid break:broke"
        " think:thought win:won lead:led speak:spoke hide:hid bid:bid quit:quit reset:reset feed:fed"
        " spend:spent catch:caught meet:met rebuild:rebuilt rewrite:rewrote resend:resent cast:cast"
    ).split()
)
_DOUBLING = frozenset(
    "plan ship drop tag stop map submit cancel log pin ban cap chat clip crop drag flag grab pop rip scan skip slip"
    " swap trim wrap zip commit permit refer defer transfer admit label travel model signal program".split()
)


@lru_cache(maxsize=16384)
def label(parameter: str) -> str:
    """Return a parameter's name as a person would say it.

    Args:
        parameter: The name of a parameter or field.

    Returns:
        Its words; a trailing number becomes an ordinal.

    Example:
        >>> label("user_id"), label("unit_2")
        ('user id', 'second unit')
    """
    words = split_words(parameter)
    if len(words) > 1 and parameter.rpartition("_")[2].isdecimal() and words[-1].isdecimal():
        number = int(words[-1])
        if 2 <= number < len(_ORDINALS):
            return " ".join((_ORDINALS[number], *words[:-1]))
    return " ".join(words) or parameter


def say(value: Json) -> str:
    """Return a value as running text.

    Args:
        value: A JSON value.

    Returns:
        Numbers plain, lists with commas, strings in quotes if they contain spaces.

    Example:
        >>> say(["Graz", "New York", 3])
        'Graz, "New York", 3'
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'"{value}"' if not value or _SPACED.search(value) else value
    if isinstance(value, (int, float)):
        return json.dumps(value)
    if isinstance(value, list):
        return ", ".join(say(v) for v in value) if value else "an empty list"
    if isinstance(value, dict):
        return ", ".join(f"{label(k)} {say(v)}" for k, v in value.items()) if value else "nothing in it"
    return str(value)


def say_detail(name: str, value: Json) -> str:
    """Return one detail as the user states it.

    Args:
        name: The parameter's label.
        value: Its value.

    Returns:
        A clause such as ``the city is Lyon`` or ``at most 5 results``.

    Example:
        >>> say_detail("city", "Lyon"), say_detail("limit", 5)
        ('the city is Lyon', 'at most 5 results')
    """
    if isinstance(value, bool) or value is None:
        return f"{name}: {say(value)}"
    if name.replace(" ", "_") in LIMITS and isinstance(value, int):
        return f"at most {say(value)} result{'s' if value != 1 else ''}"
    several = is_plural(name) and value != 1
    if isinstance(value, list) and len(value) > 1:
        return f"the {name} {'are' if several else 'values are'} {_and([say(v) for v in value])}"
    if isinstance(value, dict) and value:
        return f"as for the {name}: {_and([f'{label(k)} {say(v)}' for k, v in value.items()])}"
    return f"the {name} {'are' if several else 'is'} {say(value)}"


def _and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def leaves(value: Json, name: str = "") -> Iterator[tuple[str, Json]]:
    """Yield every scalar in a value with the nearest name above it.

    Args:
        value: A JSON value.
        name: The name of the value itself.

    Yields:
        (name, scalar) pairs; an empty list or object counts as one scalar.

    Example:
        >>> list(leaves({"city": "Graz", "days": [1, 2]}))
        [('city', 'Graz'), ('days', 1), ('days', 2)]
    """
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, str(key))
    elif isinstance(value, list) and value:
        for inner in value:
            yield from leaves(inner, name)
    else:
        yield name, value


def mentions(text: str, name: str, value: Json) -> bool:
    """Return whether a text says a value; every check of grounding uses this test.

    A string counts if the text contains it as a whole, not inside a longer word or number. A number counts if an equal
    number stands alone (not inside a date, an identifier or a longer number), in digits or, up to twelve, in words. A
    boolean counts if the parameter is named and the words around it agree; a null or an empty value if the parameter is
    named.

    Args:
        text: The text.
        name: The parameter's name.
        value: A scalar.

    Returns:
        Whether the text says it.

    Example:
        >>> mentions("Three nights, breakfast not included", "nights", 3)
        True
        >>> mentions("Three nights, breakfast not included", "breakfast", True)
        False
    """
    if isinstance(value, bool):
        return _says_flag(text, name, value)
    if value is None or value in ("", [], {}):
        words = label(name)
        return bool(words) and words in text.lower()
    if isinstance(value, (int, float)):
        return value in _numbers(text) or _spells(text, value)
    if isinstance(value, str):
        return contains_whole(text, value)
    return False


_FEWEST_LETTERS = 3  # of a word that has forms


def contains_whole(text: str, value: str) -> bool:
    """Return whether a text contains a string that is not part of a longer word there.

    Args:
        text: The text.
        value: The string to look for, not empty.

    Returns:
        Whether it occurs as a whole.

    Example:
        >>> contains_whole("order A-12, please", "A-12"), contains_whole("order A-123", "A-12")
        (True, False)
    """
    position = text.find(value)
    while position >= 0:
        end = position + len(value)
        before, after = text[position - 1 : position], text[end : end + 1]
        if not (_joins(before) and _joins(value[0])) and not (_joins(after) and _joins(value[-1])):
            return True
        position = text.find(value, position + 1)
    return False


def says_a_form_of(text: str, word: str) -> bool:
    """Return whether a text says a word, or a regular form of it.

    Args:
        text: The text, in any case.
        word: One word of at least three letters; of anything else there are no forms.

    Returns:
        Whether it is said.

    Example:
        >>> says_a_form_of("We're selling.", "sell"), says_a_form_of("Seller", "sell")
        (True, False)
    """
    stem = word.casefold().removesuffix("e")
    if not word.isalpha() or len(word) < _FEWEST_LETTERS:
        return False
    return re.search(rf"\b{re.escape(stem)}(?:e|s|es|ed|d|ing)?\b", text.casefold()) is not None


def _joins(character: str) -> bool:
    """Return whether a character forms one word with its neighbour; characters of scripts without spaces never do."""
    return character.isascii() and (character.isalnum() or character == "_")


@lru_cache(maxsize=64)
def _numbers(text: str) -> frozenset[float]:
    return frozenset(float(number.replace(",", "").replace("\u2212", "-")) for number in _NUMBER.findall(text))


def _spells(text: str, value: float) -> bool:
    word = _SPELLED.get(int(value)) if value == value // 1 and 0 <= value <= 12 else None
    return word is not None and re.search(rf"\b{word}\b", text.lower()) is not None


def says_yes(text: str) -> bool:
    """Return whether a short answer contains a yes.

    Args:
        text: The answer.

    Returns:
        Whether it does, in any of the usual forms.

    Example:
        >>> says_yes("OK, go ahead"), says_yes("Later")
        (True, False)
    """
    return _YES.search(text.lower()) is not None


def asks_for_yes(text: str) -> bool:
    """Return whether a text asks for permission.

    Args:
        text: What an assistant said.

    Returns:
        Whether it is a question for a yes: one of the usual forms, or one that asks neither which nor what.

    Example:
        >>> asks_for_yes("Shall I go ahead?"), asks_for_yes("For which day?")
        (True, False)
    """
    questions = [part.strip(" \"'") for part in _QUESTION.findall(_QUOTED.sub("", text))]
    return any(
        not _WHICH.match(question) and (_WANTS_YES.search(question) or not _ASKS_WHICH.search(question))
        for question in questions
    )


def asks(text: str) -> bool:
    """Return whether a text asks for something, with a question mark or without one.

    Args:
        text: What an assistant said.

    Returns:
        Whether it waits for an answer.

    Example:
        >>> asks("For that I need to know the day."), asks("Booked.")
        (True, False)
    """
    own = _QUOTED.sub("", text)
    return "?" in own or _WANTS_TO_KNOW.search(own) is not None


def says_no(text: str) -> bool:
    """Return whether a short answer contains a no.

    Args:
        text: The answer.

    Returns:
        Whether it does, in any of the usual forms.

    Example:
        >>> says_no("I don't want that"), says_no("Later")
        (True, False)
    """
    return _NO.search(text.lower()) is not None


def _says_flag(text: str, name: str, value: bool) -> bool:
    """Return whether the flag's label occurs and the words around it in the same clause do not say the opposite."""
    words, lower = label(name), text.lower()
    position = lower.find(words) if words else -1
    while position >= 0:
        end = position + len(words)
        before = re.split(r"[,.;\n]", lower[max(0, position - 40) : position])[-1]
        after = re.split(r"[,.;\n]", lower[end : end + 40])[0]
        if _NO.search(after):
            means = False
        elif _YES.search(after):
            means = True
        else:
            means = not _NO.search(before)
        if means is value:
            return True
        position = lower.find(words, position + 1)
    return False


@lru_cache(maxsize=4096)
def past_tense(verb: str) -> str:
    """Return the past tense of an English verb.

    Args:
        verb: A verb in the infinitive, in lower case.

    Returns:
        Its past tense.

    Example:
        >>> past_tense("cancel"), past_tense("send"), past_tense("apply")
        ('cancelled', 'sent', 'applied')
    """
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb in _DOUBLING:
        return f"{verb}{verb[-1]}ed"
    if verb.endswith("e"):
        return f"{verb}d"
    if verb.endswith("y") and verb[-2:-1] not in tuple("aeiou"):
        return f"{verb[:-1]}ied"
    return f"{verb}ed"


@cached_per_tool
def goal_phrase(tool: Tool) -> str:
    """Return what a tool is for, as the end of "I need to ...".

    Args:
        tool: The tool.

    Returns:
        The start of its description if that is plain, else words from its name.

    Example:
        >>> from tdlab.records import Tool
        >>> goal_phrase(Tool(service="s", name="t", description="Sends an invoice to a customer.", input_schema={}))
        'send an invoice to a customer'
        >>> goal_phrase(Tool(service="s", name="cancel_order", input_schema={}))
        'cancel an order'
    """
    described = _from_description(tool.description, split_words(tool.name)[:1])
    if described is not None:
        return described
    words = split_words(tool.name)
    meaning = nature_of_name(tool.name)
    if meaning.verb and meaning.verb in words[:4]:
        rest = words[words.index(meaning.verb) + 1 :]
        link, rest = (rest[:1], rest[1:]) if rest[:1] and rest[0] in _LINKS else ((), rest)
        if (
            rest
            and meaning.operation != "list"
            and len(rest) <= 3
            and rest[-1] == singular(rest[-1])
            and "by" not in rest
        ):
            rest = ("an" if rest[0][0] in "aeiou" else "a", *rest)
        rest = (*link, *rest)
        return " ".join((meaning.verb, *rest)) if rest else meaning.verb
    return "use " + (" ".join(words) or "it")


def _from_description(description: str, names: tuple[str, ...]) -> str | None:
    first = re.split(r"(?<=[.!?])\s|\n", description.strip(), maxsplit=1)[0].strip().rstrip(".!? ")
    head = re.sub(r"\s+(?:and|or|but)$", "", _ASIDE.split(first, maxsplit=1)[0].strip())
    first = head if len(head.split()) >= 3 else first
    words = first.split()
    if len(words) < 2 or not first.isascii() or len(first) > _MOST_PHRASE:
        return None
    verb = words[0].lower() if words[0].lower() in names else _imperative(words[0])
    if verb is None or re.search(r"[`<>{}|\[\]]|https?:", first):
        return None
    return " ".join((verb, *words[1:]))


def _imperative(word: str) -> str | None:
    lower = word.lower()
    if not lower.isalpha():
        return None
    if nature_of_name(lower).verb == lower:
        return lower
    match = _THIRD_PERSON.match(lower)
    if match:
        for stem in (lower[:-1], lower[:-2], lower[:-3] + "y"):
            if nature_of_name(stem).verb == stem:
                return stem
    return None

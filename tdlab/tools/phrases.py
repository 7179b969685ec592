"""How plans are put into words: labels for parameters, texts for values, phrases for goals.

The planner states intents with it, the scripted teacher speaks with it, and verification reads values back with it, so
"the user said it" means the same everywhere. Descriptions are untrusted: they are cut to one short line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache

from tdlab.records import Json, Tool
from tdlab.tools.entities import per_tool
from tdlab.tools.names import nature_of_name, split_words
from tdlab.tools.nouns import is_plural, singular

__all__ = ["detail", "goal_phrase", "label", "leaves", "mentions", "past", "said_as", "say", "says_no", "says_yes"]

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
_LIMITS = frozenset(("limit", "max_results", "page_size", "per_page", "top_k", "maxresults", "pagesize"))
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
    """A parameter's name as a person would say it: ``user_id`` -> ``user id``, ``unit_2`` -> ``second unit``."""
    words = split_words(parameter)
    if len(words) > 1 and parameter.rpartition("_")[2].isdecimal() and words[-1].isdecimal():
        number = int(words[-1])
        if 2 <= number < len(_ORDINALS):
            return " ".join((_ORDINALS[number], *words[:-1]))
    return " ".join(words) or parameter


def say(value: Json) -> str:
    """A value in running text: numbers plain, lists with commas, strings in quotes where they hold spaces."""
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


def detail(name: str, value: Json) -> str:
    """One thing that the user tells, ``name`` being its label: ``the city is Lyon``, ``at most 5 results``."""
    if isinstance(value, bool) or value is None:
        return f"{name}: {say(value)}"
    if name.replace(" ", "_") in _LIMITS and isinstance(value, int):
        return f"at most {say(value)} result{'s' if value != 1 else ''}"
    several = is_plural(name) and value != 1
    if isinstance(value, list) and len(value) > 1:
        return f"the {name} {'are' if several else 'values are'} {_and([say(v) for v in value])}"
    if isinstance(value, dict) and value:
        return f"as for the {name}: {_and([f'{label(k)} {say(v)}' for k, v in value.items()])}"
    return f"the {name} {'are' if several else 'is'} {say(value)}"


def _and(things: list[str]) -> str:
    return things[0] if len(things) == 1 else ", ".join(things[:-1]) + " and " + things[-1]


def leaves(value: Json, name: str = "") -> Iterator[tuple[str, Json]]:
    """Every scalar in a value with the nearest name above it; an empty list or object counts as one leaf."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, str(key))
    elif isinstance(value, list) and value:
        for inner in value:
            yield from leaves(inner, name)
    else:
        yield name, value


def mentions(text: str, name: str, value: Json) -> bool:
    """Whether ``text`` says the scalar ``value`` (of the parameter ``name``): the test behind every grounding.

    A string counts as said when it stands in the text as a whole, not as a piece of a longer word or number; a number
    when an equal number stands there alone (not inside a date, an identifier or a longer number), in digits or, up to
    twelve, in words; a boolean when the parameter is named and what is said about it agrees; a null or an empty value
    when the parameter is named.
    """
    if isinstance(value, bool):
        return _says_flag(text, name, value)
    if value is None or value in ("", [], {}):
        words = label(name)
        return bool(words) and words in text.lower()
    if isinstance(value, (int, float)):
        return value in _numbers(text) or _spells(text, value)
    if isinstance(value, str):
        return said_as(text, value)
    return False


def said_as(text: str, value: str) -> bool:
    """Whether ``value`` stands in ``text`` and is no piece of a longer word there."""
    place = text.find(value)
    while place >= 0:
        end = place + len(value)
        before, after = text[place - 1 : place], text[end : end + 1]
        if not (_joins(before) and _joins(value[0])) and not (_joins(after) and _joins(value[-1])):
            return True
        place = text.find(value, place + 1)
    return False


def _joins(character: str) -> bool:
    """Whether a character makes one word with its neighbour; scripts without spaces never do."""
    return character.isascii() and (character.isalnum() or character == "_")


@lru_cache(maxsize=64)
def _numbers(text: str) -> frozenset[float]:
    return frozenset(float(found.replace(",", "").replace("\u2212", "-")) for found in _NUMBER.findall(text))


def _spells(text: str, value: float) -> bool:
    word = _SPELLED.get(int(value)) if value == value // 1 and 0 <= value <= 12 else None
    return word is not None and re.search(rf"\b{word}\b", text.lower()) is not None


def says_yes(text: str) -> bool:
    """Whether there is a yes in a short answer."""
    return _YES.search(text.lower()) is not None


def says_no(text: str) -> bool:
    """Whether there is a no in a short answer."""
    return _NO.search(text.lower()) is not None


def _says_flag(text: str, name: str, value: bool) -> bool:
    """A flag is said where its label stands and the words around it in the same clause do not say the opposite."""
    words, lower = label(name), text.lower()
    place = lower.find(words) if words else -1
    while place >= 0:
        end = place + len(words)
        before = re.split(r"[,.;\n]", lower[max(0, place - 40) : place])[-1]
        after = re.split(r"[,.;\n]", lower[end : end + 40])[0]
        if _NO.search(after):
            means = False
        elif _YES.search(after):
            means = True
        else:
            means = not _NO.search(before)
        if means is value:
            return True
        place = lower.find(words, place + 1)
    return False


@lru_cache(maxsize=4096)
def past(verb: str) -> str:
    """The past tense of an English verb: ``cancel`` -> ``cancelled``, ``send`` -> ``sent``."""
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb in _DOUBLING:
        return f"{verb}{verb[-1]}ed"
    if verb.endswith("e"):
        return f"{verb}d"
    if verb.endswith("y") and verb[-2:-1] not in tuple("aeiou"):
        return f"{verb[:-1]}ied"
    return f"{verb}ed"


@per_tool
def goal_phrase(tool: Tool) -> str:
    """What the tool is for, as the end of "I need to ...", from its description if plain, else from its name."""
    described = _from_description(tool.description, split_words(tool.name)[:1])
    if described is not None:
        return described
    words = split_words(tool.name)
    what = nature_of_name(tool.name)
    if what.verb and what.verb in words[:4]:
        rest = words[words.index(what.verb) + 1 :]
        link, rest = (rest[:1], rest[1:]) if rest[:1] and rest[0] in _LINKS else ((), rest)
        if rest and what.operation != "list" and len(rest) <= 3 and rest[-1] == singular(rest[-1]) and "by" not in rest:
            rest = ("an" if rest[0][0] in "aeiou" else "a", *rest)
        rest = (*link, *rest)
        return " ".join((what.verb, *rest)) if rest else what.verb
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

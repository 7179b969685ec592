"""How plans are put into words: labels for parameters, texts for values, phrases for goals.

The planner states intents with it, the scripted teacher speaks with it, and verification reads values back with it, so
"the user said it" means the same everywhere. Descriptions are untrusted: they are cut to one short line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tdlab.pool.naming import nature_of_name, singular, split_words
from tdlab.records import Json, Tool

__all__ = ["goal_phrase", "label", "leaves", "mentions", "say"]

_THIRD_PERSON = re.compile(r"^([A-Za-z]+?)(ies|es|s)$")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w])")
_MOST_PHRASE = 110


def label(parameter: str) -> str:
    """A parameter's name as a person would say it: ``customer_id`` -> ``customer id``."""
    return " ".join(split_words(parameter)) or parameter


def say(value: Json) -> str:
    """A value in running text: strings as they are (in quotes when they hold spaces), numbers plain, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'"{value}"' if not value or re.search(r"[\s,;]", value) else value
    if isinstance(value, (int, float)):
        return json.dumps(value)
    if isinstance(value, list):
        return ", ".join(say(v) for v in value) if value else "an empty list"
    if isinstance(value, dict):
        return ", ".join(f"{label(k)} {say(v)}" for k, v in value.items()) if value else "nothing in it"
    return str(value)


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

    Strings count as said when they stand in the text, between word boundaries if they are shorter than four characters;
    numbers when an equal number stands there; a boolean, a null or an empty value when the parameter itself is named.
    """
    if isinstance(value, bool) or value is None or value in ("", [], {}):
        words = label(name)
        return bool(words) and words in text.lower()
    if isinstance(value, (int, float)):
        return any(float(found) == float(value) for found in _NUMBER.findall(text))
    if isinstance(value, str):
        if len(value) >= 4:
            return value in text
        return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None
    return False


def goal_phrase(tool: Tool) -> str:
    """What the tool is for, as the end of "I need to ...": from its description if that is a plain sentence, else its name."""
    described = _from_description(tool.description, split_words(tool.name)[:1])
    if described is not None:
        return described
    words = split_words(tool.name)
    what = nature_of_name(tool.name)
    if what.verb and what.verb in words[:4]:
        rest = words[words.index(what.verb) + 1 :]
        if rest and what.operation != "list" and len(rest) <= 3 and rest[-1] == singular(rest[-1]) and "by" not in rest:
            rest = ("an" if rest[0][0] in "aeiou" else "a", *rest)
        return " ".join((what.verb, *rest)) if rest else what.verb
    return "use " + (" ".join(words) or "it")


def _from_description(description: str, names: tuple[str, ...]) -> str | None:
    first = re.split(r"(?<=[.!?])\s|\n", description.strip(), maxsplit=1)[0].strip().rstrip(".!? ")
    words = first.split()
    if not len(words) >= 2 or not first.isascii():
        return None
    if len(first) > _MOST_PHRASE:
        first = re.split(r"[,;:(\u2014]| - ", first, maxsplit=1)[0].strip()
        words = first.split()
        if len(first) > _MOST_PHRASE or len(words) < 2:
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

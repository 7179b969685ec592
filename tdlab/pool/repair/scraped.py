"""Parameters scraped from a web page: real parameters are told apart from words of sentences and forms.

A registry's page shows a tool as prose and as a form. Scraped as plain text, the form's buttons and the prose become
"parameters", each a bare string: ``Create, a, new, customer, id``, ``tags, Add, Item`` or ``dry_run, True, False``. A
name that the page marks as required is a parameter, and so is a name that no rule below explains. The rules, safest
first:

- ``True`` and ``False`` side by side are a switch: they are removed, and the parameter before them is a boolean;
- ``Add`` and ``Item`` side by side are a list's button: they are removed, and the parameter before them is an array;
- the name of another tool of the service is removed where the description was the header of that tool's page;
- words are prose and are removed if they occur in this order at the start of the description, or as a phrase in it that
  starts with a capital or contains a filler (*a, of, the*); names that parameters often have (``query``, ``id``) stay;
- without a description, a capitalised first word is removed together with the fillers after it and the words of the
  tool's name.

Nothing else is touched. Names that look like words and that no rule explains are reported as doubtful. Parameters that
a docstring declares (``Args:`` with one indented line for each) are read by `described_parameters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from tdlab.pool.repair.parameters import schema_of_parameters
from tdlab.pool.repair.types import json_type
from tdlab.records import Json
from tdlab.tools import split_words

__all__ = ["PageParameters", "described_parameters", "is_page_schema", "page_parameters"]

_FILLERS = frozenset("a an the of all to from with by for in on and or as at is are be this that your new its".split())
_COMMON = frozenset(
    "id ids name title type url uri key value values query keyword keywords search text content message body data date"
    " time from to subject status state page limit offset size count path file filename folder format language lang"
    " location city country address email phone user username password token symbol amount price currency filter"
    " filters"
    " sort order tags tag label labels description options params config mode model prompt input output code command"
    " database table schema sql project repo owner branch org channel region zone start end index level color width"
    " height max min from_ topic category categories source target domain domains host port version note comment task"
    " event events user_id account network chain wallet hash block days hours limit_ fields ids items urls names"
    " symbols"
    " parameters arguments metadata attributes properties settings image images video audio files documents context"
    " reason question answer alerts queries period range interval timezone timezones units unit".split()
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]{2,6}|[A-Z][a-z]+[A-Z]{2,4}|I|A")
_TOKENS = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_SECTION = re.compile(
    r"^(?P<indent>[ \t]*)\**(?:Args|Arguments|Parameters|Params|Inputs?)\**[ \t]*:?\**[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_ITEM = re.compile(
    r"^[-*•]?[ \t]*[`*]*(?P<name>[A-Za-z_][A-Za-z0-9_]{0,60})[`*]*[ \t]*:?[ \t]*"
    r"(?:[\[(](?P<type>[^()\[\]\n]{1,80}(?:\[[^\]\n]{0,60}\][^()\n]{0,40})?)[\])])?[ \t]*(?P<star>\*required\*)?"
    r"(?:[ \t]*(?P<colon>[:–—-]|\s-\s)[ \t]*(?P<words>.*))?$"
)
_TYPED_ITEM = re.compile(r"^[-*•][ \t]*[A-Za-z_]\w*[ \t]*\([a-z]+\)")
_NOT_NAMES = frozenset(
    "returns return raises raise yields example examples note notes none usage output important warning see todo"
    " the a an"
    " this if when for takes no".split()
)
_HIDDEN = frozenset("ctx context self cls".split())


class PageParameters(NamedTuple):
    """A schema scraped from a page, corrected.

    ``dropped`` lists removed names by the code of the reason, ``typed`` the types that the form shows, ``doubtful`` the
    names that look like words and stay.
    """

    schema: dict[str, Json]
    dropped: dict[str, list[str]]
    typed: dict[str, str]
    doubtful: list[str]


def is_page_schema(schema: dict[str, Json]) -> bool:
    """Return whether every parameter is a bare string, which only scraped pages have."""
    properties = schema.get("properties")
    return (
        isinstance(properties, dict) and bool(properties) and all(p == {"type": "string"} for p in properties.values())
    )


def page_parameters(
    schema: dict[str, Json], *, tool: str, description: str, tools: frozenset[str], headed: bool
) -> PageParameters:
    """Separate parameters from words in a schema for which `is_page_schema` holds.

    Args:
        schema: The scraped schema.
        tool: The tool's name.
        description: The tool's description.
        tools: The names of all tools of the service.
        headed: Whether the description was only a page's header, so that the tool's own words are unknown.
    """
    names = list(schema["properties"])
    marked = schema.get("required")
    required = set(marked) if isinstance(marked, list) else set()
    dropped: dict[str, list[str]] = {}
    typed: dict[str, str] = {}
    removed: set[str] = set()

    def drop(code: str, *which: str) -> None:
        removed.update(which)
        dropped.setdefault(code, []).extend(which)

    for first, second, kind in (("True", "False", "boolean"), ("Add", "Item", "array")):
        if first in names and second in names and not {first, second} & required:
            index = names.index(first)
            if names.index(second) == index + 1:
                drop("form_words", first, second)
                previous = names[index - 1] if index else ""
                if previous and previous not in removed and (previous in required or not _looks_like_word(previous)):
                    typed[previous] = kind
    if headed:
        drop("page_words", *(n for n in names if n in tools and n not in required and n != tool and n not in removed))
    _drop_sentences(names, required, removed, tool, "" if headed else description, drop)
    doubtful = _doubtful(names, required, removed, typed, tool, "" if headed else description)
    if not removed and not typed:
        return PageParameters(schema, {}, {}, doubtful)
    properties = {
        name: {"type": typed[name]} if name in typed else schema["properties"][name]
        for name in names
        if name not in removed
    }
    return PageParameters(
        {**schema, "properties": properties}, {k: v for k, v in dropped.items() if v}, typed, doubtful
    )


def _drop_sentences(
    names: list[str], required: set[str], removed: set[str], tool: str, description: str, drop: Callable[..., None]
) -> None:
    tokens = _TOKENS.findall(description)
    positions: dict[str, list[int]] = {}
    for index, token in enumerate(tokens):
        positions.setdefault(token, []).append(index)
    current = 0
    while current < len(names):
        name = names[current]
        if name in removed or name in required or not _WORD.fullmatch(name):
            current += 1
            continue
        run = _longest_phrase(names, current, required | removed, tokens, positions) if tokens else 0
        words = names[current : current + run]
        capital = name[0].isupper()
        starts_description = bool(run) and current == 0 and tokens[: len(words)] == words
        prose = capital and (run >= 2 or starts_description or (run == 1 and _only_capital(name, names, required)))
        if run >= 2 and not capital:
            prose = words[0] not in _COMMON and any(word in _FILLERS for word in words[1:])
        if prose:
            drop("sentence_words", *(w for i, w in enumerate(words) if _is_prose(w, i)))
            current += max(run, 1)
        elif not tokens and capital and current == 0:
            current += _drop_unseen(names, required, removed, tool, drop)
        else:
            current += 1


def _longest_phrase(
    names: list[str], start: int, kept: set[str], tokens: list[str], positions: dict[str, list[int]]
) -> int:
    """Return how many names from ``start`` on occur one after the other in the text, in the same case."""
    best = 0
    for position in positions.get(names[start], ())[:20]:
        length = 0
        while (
            start + length < len(names)
            and position + length < len(tokens)
            and names[start + length] == tokens[position + length]
            and names[start + length] not in kept
            and _WORD.fullmatch(names[start + length])
        ):
            length += 1
        best = max(best, length)
    return best


def _drop_unseen(names: list[str], required: set[str], removed: set[str], tool: str, drop: Callable[..., None]) -> int:
    """Drop the start of a sentence that is not in the text, and return how many names it spans.

    Its first word goes, with the fillers after it and the words of the tool's name.
    """
    name_words = set(split_words(tool))
    length = 1
    while length < len(names) and names[length] not in required and names[length] not in removed:
        word = names[length]
        if not _WORD.fullmatch(word):
            break
        length += 1
    words = names[:length]
    certain = [i for i, word in enumerate(words) if i and (word in _FILLERS or word.lower() in name_words)]
    if words[0].lower() not in name_words and not certain:
        return length
    last = max((i for i in certain if words[i] in _FILLERS), default=0)
    prose = [w for i, w in enumerate(words) if i == 0 or ((i <= last or i in certain) and _is_prose(w, i))]
    drop("sentence_words", *prose)
    return length


def _is_prose(word: str, i: int) -> bool:
    return i == 0 or word[0].isupper() or (word in _FILLERS and word not in ("from", "to")) or word not in _COMMON


def _only_capital(name: str, names: list[str], required: set[str]) -> bool:
    """Return whether a capitalised word is unlike the other parameters, which all start with a lower-case letter."""
    return not any(other != name and other[0].isupper() and not _WORD.fullmatch(other) for other in names) and not any(
        other[0].isupper() for other in required
    )


def _looks_like_word(name: str) -> bool:
    return bool(_WORD.fullmatch(name)) and (name[0].isupper() or name in _FILLERS)


def _doubtful(
    names: list[str], required: set[str], removed: set[str], typed: dict[str, str], tool: str, description: str
) -> list[str]:
    """Return the names that stay although they look like words.

    These are capitalised words and fillers. After removed words they are also words of the text or of the tool's name
    and, where no text is known, names that parameters rarely have.
    """
    text_words = {*_TOKENS.findall(description), *split_words(tool)}
    doubtful = []
    follows_removed = False
    for name in names:
        if name in removed:
            follows_removed = name not in ("True", "False", "Add", "Item")
            continue
        if name in required or name in typed or not _WORD.fullmatch(name):
            follows_removed = False
            continue
        if _looks_like_word(name) or (follows_removed and (name in text_words or not (description or name in _COMMON))):
            doubtful.append(name)
        follows_removed = follows_removed or _looks_like_word(name)
    return doubtful


# ---------------------------------------------------------------------------------------------------------- docstrings


def described_parameters(description: str) -> dict[str, Json] | None:
    """Return the object schema that a docstring's ``Args:`` section declares; None unless the section is plain.

    Plain means: after the heading, each parameter has a line of its own, as deep as the first, ``name (type): words``;
    deeper lines continue the words. A name is required only where the text says so; an unknown type is left out.
    """
    match = _SECTION.search(description)
    if match is None:
        return None
    entries: list[dict[str, Json]] = []
    depth: int | None = None
    heading = len(match["indent"].expandtabs(4))
    lines = description[match.end() :].split("\n")[1:]
    for index, line in enumerate(lines):
        if not line.strip():
            if entries and depth is not None and depth <= heading:
                if any(_TYPED_ITEM.match(later) for later in lines[index:]):
                    return None  # the list continues below a paragraph: reading half of it would lose parameters
                break
            continue
        indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
        depth = indent if depth is None else depth
        bulleted = line.strip()[:1] in "-*•"
        if indent < depth or (indent <= heading and not bulleted):
            break
        if indent > depth:
            if entries:
                entries[-1]["description"] = f"{entries[-1].get('description', '')} {line.strip()}".strip()
            continue
        item = _ITEM.match(line.strip())
        if item is None or item["name"].lower() in _NOT_NAMES or not (item["colon"] or item["type"]):
            return None
        entries.append(_entry(item))
    entries = [entry for entry in entries if entry["name"] not in _HIDDEN]
    if not entries or len({entry["name"] for entry in entries}) < len(entries):
        return None
    return schema_of_parameters(list(entries))[0]


def _entry(item: re.Match[str]) -> dict[str, Json]:
    words, type_text = (item["words"] or "").strip(), (item["type"] or "").strip()
    entry: dict[str, Json] = {"name": item["name"]}
    kind = json_type(re.split(r"[,;\[ ]", type_text)[0]) if type_text else None
    if isinstance(kind, str):
        entry["type"] = kind
    if words:
        entry["description"] = words
    if (
        item["star"]
        or re.search(r"\brequired\b", type_text, re.IGNORECASE)
        or re.search(r"\(required\)|\bRequired\.$", words)
    ):
        entry["required"] = True
    return entry

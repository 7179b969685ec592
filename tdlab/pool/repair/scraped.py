"""Parameters read off a web page: which of them are parameters, and which are words of a sentence or of a form.

A registry's page shows a tool as prose and as a form. Read as plain text, the form's buttons and the prose become
"parameters", each a bare string: ``Create, a, new, customer, id`` or ``tags, Add, Item`` or ``dry_run, True, False``.
What the page marked as required is a parameter; so is a name that no rule below explains. The rules, safest first:

- ``True`` and ``False`` side by side are a switch: they go, and the parameter before them is a boolean;
- ``Add`` and ``Item`` side by side are the button of a list: they go, and the parameter before them is an array;
- the name of another tool of the service goes where the description was the head of that tool's page;
- words that stand in this order at the head of the description, or as a phrase in it that begins with a capital or
  holds a small word (*a, of, the*), are prose and go, but for names that parameters often have (``query``, ``id``):
  these stay;
- without a description, a capitalised first word goes with the small words after it and the words of the tool's name.

Nothing else is touched; names that look like words and that no rule explains are reported as doubtful. Values that a
docstring declares (``Args:`` with one indented line a parameter) are read by `described_parameters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from tdlab.pool.repair.schemas import parameter_list, read_type
from tdlab.records import Json
from tdlab.tools import split_words

__all__ = ["PageParameters", "described_parameters", "is_page_schema", "page_parameters"]

_SMALL = frozenset("a an the of all to from with by for in on and or as at is are be this that your new its".split())
_OFTEN = frozenset(
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
_PLAIN = re.compile(r"[A-Z]?[a-z]+|[A-Z]{2,6}|[A-Z][a-z]+[A-Z]{2,4}|I|A")
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
    """A schema read off a page, put right: what went (with the reason's code), what was typed, what stays doubtful."""

    schema: dict[str, Json]
    dropped: dict[str, list[str]]
    typed: dict[str, str]
    doubtful: list[str]


def is_page_schema(schema: dict[str, Json]) -> bool:
    """Whether every parameter is a bare string, as only a page's text gives them."""
    properties = schema.get("properties")
    return (
        isinstance(properties, dict) and bool(properties) and all(p == {"type": "string"} for p in properties.values())
    )


def page_parameters(
    schema: dict[str, Json], *, tool: str, description: str, tools: frozenset[str], headed: bool
) -> PageParameters:
    """Tell parameters from words in a schema for which `is_page_schema` holds.

    ``tools`` are the names of the service's other tools; ``headed`` says that the description was a page's head, so
    that the tool's own words are not known.
    """
    names = list(schema["properties"])
    listed = schema.get("required")
    required = set(listed) if isinstance(listed, list) else set()
    dropped: dict[str, list[str]] = {}
    typed: dict[str, str] = {}
    gone: set[str] = set()

    def drop(code: str, *which: str) -> None:
        gone.update(which)
        dropped.setdefault(code, []).extend(which)

    for first, second, kind in (("True", "False", "boolean"), ("Add", "Item", "array")):
        if first in names and second in names and not {first, second} & required:
            place = names.index(first)
            if names.index(second) == place + 1:
                drop("form_words", first, second)
                before = names[place - 1] if place else ""
                if before and before not in gone and (before in required or not _like_a_word(before)):
                    typed[before] = kind
    if headed:
        drop("page_words", *(n for n in names if n in tools and n not in required and n != tool and n not in gone))
    _drop_sentences(names, required, gone, tool, "" if headed else description, drop)
    doubtful = _doubtful(names, required, gone, typed, tool, "" if headed else description)
    if not gone and not typed:
        return PageParameters(schema, {}, {}, doubtful)
    properties = {n: {"type": typed[n]} if n in typed else schema["properties"][n] for n in names if n not in gone}
    return PageParameters(
        {**schema, "properties": properties}, {k: v for k, v in dropped.items() if v}, typed, doubtful
    )


def _drop_sentences(
    names: list[str], required: set[str], gone: set[str], tool: str, description: str, drop: Callable[..., None]
) -> None:
    tokens = _TOKENS.findall(description)
    places: dict[str, list[int]] = {}
    for place, token in enumerate(tokens):
        places.setdefault(token, []).append(place)
    position = 0
    while position < len(names):
        name = names[position]
        if name in gone or name in required or not _PLAIN.fullmatch(name):
            position += 1
            continue
        run = _longest_phrase(names, position, required, gone, tokens, places) if tokens else 0
        words = names[position : position + run]
        capital = name[0].isupper()
        head = bool(run) and position == 0 and tokens[: len(words)] == words
        prose = capital and (run >= 2 or head or (run == 1 and _alone(name, names, required)))
        if run >= 2 and not capital:
            prose = words[0] not in _OFTEN and any(word in _SMALL for word in words[1:])
        if prose:
            drop("sentence_words", *(w for i, w in enumerate(words) if _is_prose(w, i)))
            position += max(run, 1)
        elif not tokens and capital and position == 0:
            position += _drop_unseen(names, required, gone, tool, drop)
        else:
            position += 1


def _longest_phrase(
    names: list[str], start: int, required: set[str], gone: set[str], tokens: list[str], places: dict[str, list[int]]
) -> int:
    """How many names from ``start`` stand one after the other in the text, in the same letter case."""
    best = 0
    for place in places.get(names[start], ())[:20]:
        length = 0
        while (
            start + length < len(names)
            and place + length < len(tokens)
            and names[start + length] == tokens[place + length]
            and names[start + length] not in required
            and names[start + length] not in gone
            and _PLAIN.fullmatch(names[start + length])
        ):
            length += 1
        best = max(best, length)
    return best


def _drop_unseen(names: list[str], required: set[str], gone: set[str], tool: str, drop: Callable[..., None]) -> int:
    """Drop the head of an unknown sentence: its first word, small words, and words of the tool's name up to there."""
    own = set(split_words(tool))
    length = 1
    while length < len(names) and names[length] not in required and names[length] not in gone:
        word = names[length]
        if not _PLAIN.fullmatch(word):
            break
        length += 1
    words = names[:length]
    certain = [i for i, word in enumerate(words) if i and (word in _SMALL or word.lower() in own)]
    if words[0].lower() not in own and not certain:
        return length
    last = max((i for i in certain if words[i] in _SMALL), default=0)
    kept = [w for i, w in enumerate(words) if i == 0 or ((i <= last or i in certain) and _is_prose(w, i))]
    drop("sentence_words", *kept)
    return length


def _is_prose(word: str, place: int) -> bool:
    return place == 0 or word[0].isupper() or (word in _SMALL and word not in ("from", "to")) or word not in _OFTEN


def _alone(name: str, names: list[str], required: set[str]) -> bool:
    """Whether a capitalised word is unlike the other parameters, which begin with a small letter or are not there."""
    return not any(other != name and other[0].isupper() and not _PLAIN.fullmatch(other) for other in names) and not any(
        other[0].isupper() for other in required
    )


def _like_a_word(name: str) -> bool:
    return bool(_PLAIN.fullmatch(name)) and (name[0].isupper() or name in _SMALL)


def _doubtful(
    names: list[str], required: set[str], gone: set[str], typed: dict[str, str], tool: str, description: str
) -> list[str]:
    """Names that stay although they look like words.

    Capitalised or small words; after dropped words also what the text or the tool's name says, and where no text is
    known, what parameters are not often called.
    """
    said = {*_TOKENS.findall(description), *split_words(tool)}
    found = []
    after = False
    for name in names:
        if name in gone:
            after = name not in ("True", "False", "Add", "Item")
            continue
        if name in required or name in typed or not _PLAIN.fullmatch(name):
            after = False
            continue
        if _like_a_word(name) or (after and (name in said or not (description or name in _OFTEN))):
            found.append(name)
        after = after or _like_a_word(name)
    return found


# ---------------------------------------------------------------------------------------------------------- docstrings


def described_parameters(description: str) -> dict[str, Json] | None:
    """The object schema that an ``Args:`` section of a docstring declares; None where there is none that is plain.

    Plain: after the heading each parameter on a line of its own, as deep as the first, ``name (type): words``; deeper
    lines go on with the words. A name is required only where the text says so; an unknown type is left out.
    """
    match = _SECTION.search(description)
    if match is None:
        return None
    entries: list[dict[str, Json]] = []
    depth: int | None = None
    heading = len(match["indent"].expandtabs(4))
    lines = description[match.end() :].split("\n")[1:]
    for place, line in enumerate(lines):
        if not line.strip():
            if entries and depth is not None and depth <= heading:
                if any(_TYPED_ITEM.match(later) for later in lines[place:]):
                    return None  # the list goes on below a paragraph
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
    return parameter_list(entries)


def _entry(item: re.Match[str]) -> dict[str, Json]:
    words, said = (item["words"] or "").strip(), (item["type"] or "").strip()
    entry: dict[str, Json] = {"name": item["name"]}
    kind = read_type(re.split(r"[,;\[ ]", said)[0]) if said else None
    if isinstance(kind, str):
        entry["type"] = kind
    if words:
        entry["description"] = words
    if (
        item["star"]
        or re.search(r"\brequired\b", said, re.IGNORECASE)
        or re.search(r"\(required\)|\bRequired\.$", words)
    ):
        entry["required"] = True
    return entry

"""Utterance templates: a small grammar for what users and assistants say.

==========================  ==========================================================================================
``{slot}``                  a value, in its own form or in the words that the pack gives for it
``{slot:form option}``      value in a named form (`tdlab.speech.FORMS`): ``{dining_date:on}``, ``{fee:cents EUR}``, or
                            ``{fee:cents currency}`` where the currency is a value too
``<a|b|c>``                 one of several
``[text]``                  left out half of the time, and always where it needs a value that is not there
``{each rows or 4}..{end}`` the text for each row of a list, joined with *or* (or *and*); at most 4, then "and 3 more"
``{if slot}a{else}b{end}``  ``a`` where the value is there and neither null, zero, false nor empty, else ``b``
==========================  ==========================================================================================

A template is first *expanded*, which settles every choice, and then *filled* with values. So a planner knows which
values an utterance will tell before anyone speaks.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache, partial
from typing import Any, NamedTuple

from tdlab.records import Json
from tdlab.speech.forms import FORMS, Habits, Saying, chosen, form_of, joined, sayings

__all__ = [
    "Part",
    "Slot",
    "Speaker",
    "expanded",
    "filled",
    "needed_slots",
    "parsed_template",
    "said_slots",
    "sayable",
    "slots_of",
    "spoken_slots",
    "unknown_slots",
    "value_sayings",
]

_SLOT = re.compile(r"\{([A-Za-z_][\w.]*)(?::([a-z_]+)(?: ([^{}]+))?)?\}")
_SENTENCE = re.compile(r"(^|[.?!] )([a-z][a-z'’]*)(?![\w@./:-]*[\w@/]|\()")  # an identifier or formula keeps its case
_IF = re.compile(r"\{if ([A-Za-z_]\w*)\}")
_EACH = re.compile(r"\{each ([A-Za-z_]\w*)(?: (and|or))?(?: (\d+))?\}")
_MOST_CHARACTERS = 4000  # of one template
_DEEPEST = 20  # brackets within brackets
_MOST_CHOICES = 100  # alternatives and optional parts of one template
_MOST_ROWS = 100  # of a list that is said
_LONGEST_END = 20  # characters of {slot:last 4}
_STEADY = frozenset({"cents", "money", "percent", "phone", "duration"})  # said in one way all through a conversation


class Slot(NamedTuple):
    """A place for a value: its name, the form it is said in (empty: the value's own), and the form's option."""

    name: str
    form: str = ""
    option: str = ""


class _Choice(NamedTuple):
    options: tuple[tuple[Any, ...], ...]


class _Optional(NamedTuple):
    parts: tuple[Any, ...]


class _Each(NamedTuple):
    name: str
    word: str
    most: int
    parts: tuple[Any, ...]


class _If(NamedTuple):
    name: str
    parts: tuple[Any, ...]
    otherwise: tuple[Any, ...]


Part = str | Slot | _Choice | _Optional | _Each | _If


class Speaker(NamedTuple):
    """Who speaks: habits, the world's moment, and the pack's words for values (slot, then value, then its words)."""

    habits: Habits
    now: str
    terms: Mapping[str, Mapping[str, Sequence[str]]]


@lru_cache(maxsize=8192)
def parsed_template(text: str) -> tuple[Part, ...]:
    """Parse a template.

    Args:
        text: The template.

    Returns:
        Its parts.

    Raises:
        ValueError: A bracket is not closed, a slot is not one, or it is too long or nested too deeply.

    Example:
        >>> parsed_template("For {party_size:people}[, please]")[1]
        Slot(name='party_size', form='people', option='')
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters, and at most {_MOST_CHARACTERS:,} can be said")
    if text.count("<") + text.count("[") > _MOST_CHOICES:
        raise ValueError(f"it has more than {_MOST_CHOICES} alternatives and optional parts")
    parts, rest = _parse(text, 0, "")
    if rest != len(text):
        raise ValueError(f"{text[rest]!r} at {rest} closes nothing")
    return parts


def slots_of(template: str | Sequence[Part]) -> frozenset[str]:
    """Return the names of all slots of a template, those of rows left out.

    Args:
        template: A template, or the parts of one.

    Returns:
        Slot names; a list that is gone through counts as a slot.

    Raises:
        ValueError: The template cannot be parsed.

    Example:
        >>> sorted(slots_of("{each sittings or 4}{starts_at:clock}{end} on {dining_date:day}[, {area}]"))
        ['area', 'dining_date', 'sittings']
    """
    return _slots_of_text(template) if isinstance(template, str) else frozenset(_names(template))


@lru_cache(maxsize=8192)
def _slots_of_text(template: str) -> frozenset[str]:
    return frozenset(_names(parsed_template(template)))


def needed_slots(template: str, values: Mapping[str, Json]) -> frozenset[str]:
    """Return the slots that a speaker has to know to say a template.

    Args:
        template: The template.
        values: How things are, which settles the conditions, whether or not the speaker knows.

    Returns:
        Slot names, without those in brackets; a condition that says nothing where it does not hold needs nothing then.

    Raises:
        ValueError: The template cannot be parsed.

    Example:
        >>> sorted(needed_slots("{n} seats[ in {hall}]{if note}, {note}{end}", {"n": 2, "hall": "East", "note": None}))
        ['n']
    """
    return frozenset(_needed(parsed_template(template), values))


def spoken_slots(parts: Sequence[Part], values: Mapping[str, Json]) -> frozenset[str]:
    """Return the slots whose values a text tells: not those that a condition only looks at.

    Args:
        parts: What `expanded` gave.
        values: What is so.

    Returns:
        Slot names.

    Example:
        >>> import random
        >>> values = {"title": "Dune", "author": "Herbert"}
        >>> parts = expanded("{title}{if author}, I forget by whom{end}", values, random.Random(1))
        >>> sorted(spoken_slots(parts, values))
        ['title']
    """
    return frozenset(_spoken(parts, values))


def sayable(template: str, values: Mapping[str, Json]) -> bool:
    """Return whether a template can be said: what it cannot leave out has a value.

    Args:
        template: The template.
        values: What is known.

    Returns:
        False where a slot, a list, or every one of several options lacks its value (or it is null).

    Raises:
        ValueError: The template cannot be parsed.

    Example:
        >>> sayable("A table[ in {city}]", {"city": None}), sayable("A table in {city}", {"city": None})
        (True, False)
    """
    return _sayable(parsed_template(template), values)


def expanded(template: str, values: Mapping[str, Json], rng: random.Random) -> tuple[Part, ...]:
    """Settle every choice of a template.

    Args:
        template: The template.
        values: What is known; a part in brackets whose values are not all among them (or are null) is left out.
        rng: Chooses.

    Returns:
        Text, slots, lists and conditions only.

    Raises:
        ValueError: The template cannot be parsed.

    Example:
        >>> import random
        >>> expanded("A table for {party_size}[ in {city}]", {"party_size": 2}, random.Random(1))
        ('A table for ', Slot(name='party_size', form='', option=''))
    """
    return tuple(_expand(parsed_template(template), values, rng))


def filled(parts: Sequence[Part], values: Mapping[str, Json], speaker: Speaker, rng: random.Random) -> str:
    """Put values into an expanded template.

    Args:
        parts: What `expanded` gave.
        values: A value for every slot.
        speaker: Who speaks.
        rng: Chooses among the forms that the speaker's habits allow.

    Returns:
        The utterance, its first letter a capital.

    Raises:
        KeyError: A slot has no value.
        ValueError: A form cannot say its value.

    Example:
        >>> import random
        >>> values, rng = {"n": 2, "day": "2026-03-14"}, random.Random(1)
        >>> speaker = Speaker(Habits("12", "day", "words"), "2026-03-13T09:00:00Z", terms={})
        >>> filled(expanded("a table for {n:count} {day:on}, please", values, rng), values, speaker, rng)
        'A table for two tomorrow, please'
    """
    text = _fill(parts, values, speaker, rng.randrange(1 << 30))
    text = re.sub(r" +", " ", text).strip()
    text = re.sub(r" ([,.;?!])(?!\w)", r"\1", text)  # but a file may be called .env
    return _SENTENCE.sub(lambda match: match.group(1) + match.group(2)[0].upper() + match.group(2)[1:], text)


def value_sayings(slot: Slot, value: Json, speaker: Speaker) -> tuple[Saying, ...]:
    """Return every way in which a slot's value may be said.

    Args:
        slot: The slot.
        value: Its value.
        speaker: Who speaks; the words of the speaker's pack come first.

    Returns:
        The ways, each with the habit that it belongs to.

    Example:
        >>> speaker = Speaker(Habits(), "2026-03-13T08:49:00Z", {"area": {"main_room": ["inside", "in the main room"]}})
        >>> [way.text for way in value_sayings(Slot("area"), "main_room", speaker)]
        ['inside', 'in the main room']
    """
    if words := _words_for(slot, value, speaker):
        return tuple(Saying(word) for word in words)
    return sayings(slot.form or form_of(value), value, speaker.now, slot.option)


def _words_for(slot: Slot, value: Json, speaker: Speaker) -> Sequence[str]:
    """The pack's words for a value, where the slot names no other form."""
    if slot.form not in ("", "words") or isinstance(value, (list, dict)):
        return ()
    terms = speaker.terms.get(slot.name.rpartition("__")[2], {})  # those of area are those of new__area too
    return terms.get(_key(value), ())


def _parse(text: str, at: int, closing: str, depth: int = 0, *, each: str = "") -> tuple[tuple[Part, ...], int]:
    """Parts up to a closing bracket, and where it stands; ``each`` is the list whose row this is."""
    if depth > _DEEPEST:
        raise ValueError(f"brackets are nested more than {_DEEPEST} deep")
    inside = partial(_parse, depth=depth + 1, each=each)
    parts: list[Part] = []
    literal = ""

    def flush() -> None:
        nonlocal literal
        if literal:
            parts.append(literal)
            literal = ""

    while at < len(text):
        character = text[at]
        if closing and (character == closing or (closing == ">" and character == "|")):
            break
        if character == "<":
            flush()
            options = []
            while True:
                option, at = inside(text, at + 1, ">")
                options.append(option)
                if at >= len(text):
                    raise ValueError("'<' is not closed")
                if text[at] == ">":
                    break
            if len(options) == 1:
                raise ValueError("'<' and '>' hold no alternatives; there is no '|' between them")
            parts.append(_Choice(tuple(options)))
            at += 1
        elif character == "[":
            flush()
            inner, at = inside(text, at + 1, "]")
            if at >= len(text):
                raise ValueError("'[' is not closed")
            parts.append(_Optional(inner))
            at += 1
        elif character == "{":
            flush()
            listed = _EACH.match(text, at)
            if listed:
                if each:
                    raise ValueError(f"{listed.group(0)} stands inside {{each {each}}}")
                most = _number(listed.group(3), 6, _MOST_ROWS, listed.group(0))
                inner, at = inside(text, listed.end(), "", each=listed.group(1))
                if not text.startswith("{end}", at):
                    raise ValueError(f"{listed.group(0)} has no {{end}}")
                parts.append(_Each(listed.group(1), listed.group(2) or "and", most, inner))
                at += len("{end}")
                continue
            if text.startswith(("{end}", "{else}"), at):
                break
            condition = _IF.match(text, at)
            if condition:
                inner, at = inside(text, condition.end(), "")
                otherwise: tuple[Part, ...] = ()
                if text.startswith("{else}", at):
                    otherwise, at = inside(text, at + len("{else}"), "")
                if not text.startswith("{end}", at):
                    raise ValueError(f"{condition.group(0)} has no {{end}}")
                parts.append(_If(condition.group(1), inner, otherwise))
                at += len("{end}")
                continue
            slot = _SLOT.match(text, at)
            if slot is None:
                raise ValueError(f"{text[at : at + 20]!r} is no slot")
            if slot.group(2) and slot.group(2) not in FORMS:
                raise ValueError(f"there is no form {slot.group(2)!r}; there are {', '.join(FORMS)}")
            if slot.group(2) == "last":
                _number(slot.group(3), 4, _LONGEST_END, slot.group(0))
            parts.append(Slot(slot.group(1), slot.group(2) or "", slot.group(3) or ""))
            at = slot.end()
        elif character in ">]}":
            break
        else:
            literal += character
            at += 1
    flush()
    return tuple(parts), at


def _number(text: str | None, default: int, most: int, where: str) -> int:
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= most:
        raise ValueError(f"{where} takes a number from 1 to {most}")
    return int(text)


def unknown_slots(template: str, known: Set[str], rows: Mapping[str, Set[str]]) -> tuple[str, ...]:
    """Return the slots of a template that name nothing, those of the rows of its lists among them.

    Args:
        template: The template.
        known: The names that there are.
        rows: The fields of the rows of each list; those of a list that is not here are not known, and not checked.

    Returns:
        Names, sorted.

    Raises:
        ValueError: The template cannot be parsed.

    Example:
        >>> unknown_slots("{each books}{title} {shelf}{end} in {town}", {"books"}, {"books": {"title"}})
        ('shelf', 'town')
    """
    parts = parsed_template(template)
    lists = [part for part, _ in said_slots(parts) if isinstance(part, _Each)]
    unknown = set(_names(parts)) - known
    for each in lists:
        if each.name in rows:
            unknown |= set(_names(each.parts)) - known - rows[each.name]
    return tuple(sorted(unknown))


def said_slots(parts: Sequence[Part], each: str = "") -> Iterator[tuple[Part, str]]:
    """Yield every slot and list of a template, wherever it stands, with the list (empty: none) whose row it is in.

    Args:
        parts: The parts of a template, parsed or expanded.
        each: The list in whose row they stand.

    Yields:
        Slots and lists; the slots of a list's rows come after it.

    Example:
        >>> [(part.name, each) for part, each in said_slots(parsed_template("{each books}{title}{end} in {town}"))]
        [('books', ''), ('title', 'books'), ('town', '')]
    """
    for part in parts:
        if isinstance(part, (Slot, _Each)):
            yield part, each
        if isinstance(part, _Each):
            yield from said_slots(part.parts, part.name)
        elif isinstance(part, _Optional):
            yield from said_slots(part.parts, each)
        elif isinstance(part, _Choice):
            for option in part.options:
                yield from said_slots(option, each)
        elif isinstance(part, _If):
            yield from said_slots(part.parts, each)
            yield from said_slots(part.otherwise, each)


def _names(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Slot):
            yield part.name
            if _holds_currency(part):
                yield part.option
        elif isinstance(part, _Choice):
            for option in part.options:
                yield from _names(option)
        elif isinstance(part, _Optional):
            yield from _names(part.parts)
        elif isinstance(part, _Each):
            yield part.name
        elif isinstance(part, _If):
            yield part.name
            yield from _names(part.parts)
            yield from _names(part.otherwise)


def _spoken(parts: Sequence[Part], values: Mapping[str, Json]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, _If):
            yield from _spoken(part.parts if values.get(part.name) else part.otherwise, values)
        else:
            yield from _names([part])


def _needed(parts: Sequence[Part], values: Mapping[str, Json]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, _If):
            side = part.parts if values.get(part.name) else part.otherwise
            if side:
                yield part.name
                yield from _needed(side, values)
        elif isinstance(part, _Choice):
            for option in part.options:
                yield from _needed(option, values)
        elif not isinstance(part, _Optional):
            yield from _names([part])


def _expand(parts: Sequence[Part], values: Mapping[str, Json], rng: random.Random) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, _Choice):
            possible = [option for option in part.options if _sayable(option, values)] or list(part.options)
            yield from _expand(rng.choice(possible), values, rng)
        elif isinstance(part, _Optional):
            if rng.random() < 0.5 and _known(part.parts, values):
                yield from _expand(part.parts, values, rng)
        elif isinstance(part, _Each):
            yield part._replace(parts=tuple(_expand(part.parts, _Anything(values), rng)))
        elif isinstance(part, _If):
            inner, otherwise = (tuple(_expand(side, values, rng)) for side in (part.parts, part.otherwise))
            yield _If(part.name, inner, otherwise)
        else:
            yield part


class _Anything(dict[str, Json]):
    """Values of rows are not known yet when a template is expanded: every name counts as known."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, True)


def _sayable(parts: Sequence[Part], values: Mapping[str, Json]) -> bool:
    for part in parts:
        if isinstance(part, _Choice):
            possible = any(_sayable(option, values) for option in part.options)
        elif isinstance(part, _If):
            possible = _sayable(part.parts if values.get(part.name) else part.otherwise, values)
        else:
            possible = isinstance(part, _Optional) or _known([part], values)
        if not possible:
            return False
    return True


def _known(parts: Sequence[Part], values: Mapping[str, Json]) -> bool:
    return all(values.get(name) is not None for name in _names(parts))


def _fill(parts: Sequence[Part], values: Mapping[str, Json], speaker: Speaker, manner: int) -> str:
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
        elif isinstance(part, Slot):
            said_as = part._replace(option=str(values[part.option])) if _holds_currency(part) else part
            value = values[part.name]
            steady = _words_for(said_as, value, speaker) or (said_as.form or form_of(value)) in _STEADY
            own = speaker.habits.wording if steady else manner
            text += chosen(value_sayings(said_as, value, speaker), speaker.habits, own)
        elif isinstance(part, _Each):
            rows = values[part.name]
            if not isinstance(rows, list):
                raise ValueError(f"{part.name} is no list")
            said = [_fill(part.parts, _row(values, row), speaker, manner).strip() for row in rows[: part.most]]
            if len(rows) > part.most:
                said.append(f"{len(rows) - part.most} more")
                text += joined(said)
            else:
                text += joined(said, part.word)
        elif isinstance(part, _If):
            text += _fill(part.parts if values.get(part.name) else part.otherwise, values, speaker, manner)
        else:
            raise ValueError("the template is not expanded")
    return text


def _row(values: Mapping[str, Json], row: Json) -> dict[str, Json]:
    return {**values, **row} if isinstance(row, dict) else {**values, "value": row}


def _holds_currency(slot: Slot) -> bool:
    """Whether the option of an amount names the value that holds its currency: ``{fee:money currency}``."""
    return slot.form in ("money", "cents") and slot.option.islower()


def _key(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

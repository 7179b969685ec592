"""Checking a pack's texts: that they can be read and said, name what there is, and belong to one frame."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tdlab.errors import PackError
from tdlab.records import Json
from tdlab.speech import Habits, Slot, Speaker, parsed_template, said_slots, slots_of, unknown_slots, value_sayings
from tdlab.tasks._names import Names
from tdlab.tasks.frames import Frame, TaskPack, Twist
from tdlab.tasks.search import bare

__all__ = ["hidden_characters", "readable", "unsayable", "utterances"]

_MOST_SHARED = 6  # words in a row that utterances of two frames may not share
_MOST_SHOWN = 120  # characters of a text in an error
_PLACEHOLDER = re.compile(r"\b(lorem|todo|foo|xxx|placeholder)\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]{3,}(?:_[a-z]+)*")  # as opposed to codes
_NAME = re.compile(r"[a-z_]\w*")
_INVISIBLE = frozenset("\u200b\u200e\u200f\u2028\u2029\u2060\ufeff")
_GRAMMAR = "{slot}, {slot:form option}, <a|b>, [optional], {if fact}a{else}b{end}, {each rows or 4}...{end}"

Path = tuple[str | int, ...]


class _Text(NamedTuple):
    """A text of ``tasks.yaml``: where it stands, and what it may name (None: it is no template)."""

    path: Path
    text: str
    known: frozenset[str] | None
    expected: str = "a fact of the frame or a field of a result"
    rows: bool = False  # whether the fields of the rows of any list can be said


def hidden_characters(tasks: TaskPack) -> Iterator[PackError]:
    """Characters that cannot be seen: controls, escapes, and what turns the direction of writing."""
    for path, text in _strings(tasks.pack.tasks.data, ()):
        hidden = next((one for one in text if _is_hidden(one)), None)
        if hidden is not None:
            yield tasks.error(
                "utterances",
                f"{_short(text)} holds the character U+{ord(hidden):04X}",
                *path,
                expected="characters that can be seen",
            )


def utterances(tasks: TaskPack, names: Names) -> Iterator[PackError]:
    """Texts that cannot be read or name what is not there, placeholders left in, words that two frames share."""
    for text in (*_of_pack(tasks, names), *(one for name in tasks.frames for one in _of_frame(tasks, names, name))):
        yield from _faults(tasks, text, names.rows)
        yield from _raw(tasks, names, text)
    yield from _untold(tasks)
    yield from _shared(tasks, names)


def unsayable(
    tasks: TaskPack, names: Names, name: str, samples: Mapping[str, Sequence[Json]], now: str
) -> Iterator[PackError]:
    """Forms of a frame's slots that cannot say its values: the clock of a town.

    ``samples`` are some values of each fact, rows among them.
    """
    speaker = Speaker(Habits(), now, tasks.terms)
    for path, text, known, _, _ in _of_frame(tasks, names, name):
        if known is None:
            continue
        for slot, each in said_slots(parsed_template(text)):
            if not isinstance(slot, Slot) or not slot.form:
                continue
            values = samples.get(slot.name, ())
            if each:
                rows = (row for rows in samples.get(each, ()) if isinstance(rows, list) for row in rows)
                found = [row.get(slot.name) if isinstance(row, dict) else row for row in rows]
                values = [value for value in found if value is not None] or values
            for value in values[:5]:
                try:
                    value_sayings(slot, value, speaker)
                except (ValueError, IndexError, OverflowError):
                    yield tasks.error(
                        "utterances",
                        f"{_short(text)}: the form {slot.form!r} of {slot.name} cannot say {_short(value)}",
                        *path,
                        expected="a form that fits the value",
                    )
                    break


def _faults(tasks: TaskPack, one: _Text, rows: Mapping[str, set[str]]) -> Iterator[PackError]:
    path, text, known, expected, _ = one
    if not text.strip():
        yield tasks.error("utterances", "an empty text", *path, expected="what is said")
        return
    if known is None:
        if re.search(r"[{}<>\[\]]", text):
            yield tasks.error(
                "utterances", f"{_short(text)} has brackets", *path, expected="plain words: this text is no template"
            )
        return
    try:
        unknown = unknown_slots(text, known, rows)
    except ValueError as error:
        yield tasks.error("utterances", f"{_short(text)}: {error}", *path, expected=_GRAMMAR)
        return
    for slot in unknown:
        yield tasks.error("utterances", f"{_short(text)} has the unknown slot {slot!r}", *path, expected=expected)
    if _PLACEHOLDER.search(text):
        yield tasks.error("utterances", f"{_short(text)} has placeholder text", *path, expected="what people say")


def _raw(tasks: TaskPack, names: Names, one: _Text) -> Iterator[PackError]:
    """Words of a fixed set of values that are said as they are: what a machine calls it is not what people call it."""
    if one.known is None or not readable(one.text):
        return
    for slot, _ in said_slots(parsed_template(one.text)):
        if not isinstance(slot, Slot) or slot.form not in ("", "text"):
            continue
        fact = bare(slot.name)
        values = names.enums.get(fact, set()) - {"true", "false"}
        if fact not in tasks.terms and fact not in names.free and any(map(_WORD.fullmatch, values)):
            yield tasks.error(
                "terms",
                f"{_short(one.text)} says {fact}, one of {', '.join(sorted(values)[:6])}, as it is",
                *one.path,
                expected=f"terms: {{{fact}: {{value: [words people use]}}}}",
            )


def readable(text: str) -> bool:
    """Return whether a template can be parsed."""
    try:
        slots_of(text)
    except ValueError:
        return False
    return True


def _untold(tasks: TaskPack) -> Iterator[PackError]:
    """Last replies that leave out what has to be said."""
    for name, frame in tasks.frames.items():
        for place, text in enumerate(frame.done):
            untold = sorted(frozenset(frame.tell) - slots_of(text)) if readable(text) else []
            if untold:
                yield tasks.error(
                    "utterances",
                    f"{_short(text)} does not say {', '.join(untold)}",
                    "frames", name, "done", place,
                    expected=f"everything under tell: {', '.join(frame.tell)}",
                )  # fmt: skip


def _shared(tasks: TaskPack, names: Names) -> Iterator[PackError]:
    seen: dict[tuple[str, ...], str] = {}
    for name in tasks.frames:
        own: set[tuple[str, ...]] = set()
        for path, text, known, _, _ in _of_frame(tasks, names, name):
            if known is None or "gives" in path or "takes" in path:
                continue
            found: set[str] = set()
            for variant in re.split(r"[<>|\[\]]|\{[^}]*\}", text[:10_000]):
                words = re.findall(r"[\w']+", variant.casefold())
                for place in range(len(words) - _MOST_SHARED + 1):
                    sequence = tuple(words[place : place + _MOST_SHARED])
                    if seen.get(sequence, name) != name and not found:
                        found.add(seen[sequence])
                        yield tasks.error(
                            "utterances",
                            f"{' '.join(sequence)!r} is said in {seen[sequence]} as well",
                            *path,
                            expected="words of its own in every frame",
                        )
                    own.add(sequence)
        seen |= dict.fromkeys(own, name)


# -- all texts


def _of_pack(tasks: TaskPack, names: Names) -> Iterator[_Text]:
    for key in ("roles", "policy"):
        for place, text in enumerate(getattr(tasks, key)):
            yield _Text((key, place), text, None)
    for fact, values in tasks.terms.items():
        for value, words in values.items():
            yield from (_Text(("terms", fact, value), word, None) for word in words)
    for fact, slot in tasks.slots.items():
        yield _Text(("slots", fact, "ask"), slot.ask, None)
        known = names.askable(fact)
        yield from (
            _Text(("slots", fact, "tell", place), text, known, f"{fact}, or a fact of a frame that has it")
            for place, text in enumerate(slot.tell)
        )
    for place, refusal in enumerate(tasks.beyond):
        path = ("beyond", place)
        yield _Text((*path, "wish"), refusal.wish, None)
        for key in ("say", "reply"):
            for number, text in enumerate(getattr(refusal, key)):
                yield _Text((*path, key, number), text, frozenset(), "no slots: this may open the conversation")


def _of_frame(tasks: TaskPack, names: Names, name: str) -> Iterator[_Text]:
    frame = tasks.frames[name]
    path: Path = ("frames", name)
    opening, known = names.opening(name), names.known(name)
    first = "a column of the target query, or a fact under user:"
    yield _Text((*path, "wish"), frame.wish, None)
    yield from (_Text((*path, "open", place), text, opening, first) for place, text in enumerate(frame.open))
    for key in ("confirm", "done"):
        yield from (_Text((*path, key, place), text, known) for place, text in enumerate(getattr(frame, key)))
    for listing, ways in frame.choose.items():
        row = known | names.rows.get(listing, set())
        for place, way in enumerate(ways):
            here: Path = (*path, "choose", listing, place)
            yield from (_Text((*here, "say", n), text, row) for n, text in enumerate(way.say))
            yield from (_Text((*here, "offer", n), text, known | {listing}) for n, text in enumerate(way.offer))
    for twist, trouble in frame.twists.items():
        yield from _of_twist(tasks, names, name, twist, trouble)
    for place, following in enumerate(frame.follows):
        both = known | following.carry.keys()
        if following.frame in tasks.frames:
            both |= names.opening(following.frame)
        for number, text in enumerate(following.say):
            yield _Text((*path, "follows", place, "say", number), text, both, "a fact of one of the two frames")
    yield from _of_handing_over(frame, path, opening, known)


def _of_handing_over(frame: Frame, path: Path, opening: frozenset[str], known: frozenset[str]) -> Iterator[_Text]:
    for kind, fields in frame.gives.items():
        for field, text in fields.items():
            if not _NAME.fullmatch(text):  # a name alone is a fact
                yield _Text((*path, "gives", kind, field), text, known)
    for kind, given in frame.takes.items():
        for number, text in enumerate(given.say):
            yield _Text((*path, "takes", kind, "say", number), text, opening | given.facts.keys())


def _of_twist(tasks: TaskPack, names: Names, name: str, twist: str, trouble: Twist) -> Iterator[_Text]:
    path: Path = ("frames", name, "twists", twist)
    known = names.known(name)
    first = "a column of the target query, or a fact under user:"
    opening = names.opening(name, twist)
    yield from (_Text((*path, "open", place), text, opening, first) for place, text in enumerate(trouble.open))
    for key in ("say", "reply"):
        yield from (_Text((*path, key, place), text, known) for place, text in enumerate(getattr(trouble, key)))
    for place, then in enumerate(trouble.then):
        both = known | names.facts(then.frame) if then.frame in tasks.frames else known
        for key in ("say", "reply", "back"):
            for number, text in enumerate(getattr(then, key)):
                yield _Text((*path, "then", place, key, number), text, both)


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield (*path, key), str(key)
            yield from _strings(part, (*path, key))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _strings(part, (*path, place))
    elif isinstance(value, str):
        yield path, value


def _is_hidden(character: str) -> bool:
    if character < "\x7f":
        return character < " " and character not in "\n\t"
    return (
        unicodedata.category(character) in ("Cc", "Cs")
        or unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        or character in _INVISIBLE
    )


def _short(value: object) -> str:
    """A value in an error, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...{text[0]}"

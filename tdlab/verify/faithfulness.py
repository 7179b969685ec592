"""Check that identifiers, addresses, quotations and numbers of the assistant's replies come from the conversation.

Free claims of a reply are left to a judge. An identifier, a date, an address or a quotation must occur in a message of
the user, in the arguments of a call or in a result. A number of three or more digits must occur too, or be the sum,
difference or product of two such numbers, or the sum of all numbers of one list, since people add up, or say how often
one number of the same reply goes into another. Smaller numbers count things and are accepted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from tdlab.records import Json, canonical_json
from tdlab.speech import times_in
from tdlab.tasks import stage_here
from tdlab.tools import leaves, preview
from tdlab.verify.code_grounding import NO_SOURCE
from tdlab.verify.context import CheckContext

__all__ = ["check_faithful"]

# Fixed by definition: how quotations, identifiers and numbers are written, and in which units people restate a number.
_QUOTED = re.compile(r'["“]([^"“”\n]{4,200})["”]')
_TOKEN = re.compile(r"[\w@][\w@./:+%#~&?=$,-]*[\w/=]|\d")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
_PHONE = re.compile(r"(?<![\w./])\+?\d[\d ()/-]{6,}\d(?![\w/])")
_TIME = re.compile(r"t(\d\d:\d\d)")  # of a moment, in texts of small letters
_TIME_SAID = re.compile(
    r"(?<![\d.])\d{1,2}(?:[:.]\d\d)? ?(?:[ap]\.?m\b\.?|o'clock)|(?<![\d.:])\d{1,2}:\d\d(?![\d.:])", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?…:] ")
_PUNCTUATION = ".,;:!?)…'\"”"
_SHORTEST = 5  # characters of an identifier
_SCALES = (1.0, 0.01, 100.0, 0.001, 1000.0)  # 16760 cents are said as 167.60, 1500 grams as 1.5 kilograms
_HOURS = 24
_DAY = _HOURS * 60  # minutes
_LONGEST = 20  # characters of a number
_LARGEST = 1e100  # larger numbers are compared as text only: their products would overflow


def check_faithful(context: CheckContext) -> str:
    """Check that every identifier, quotation and large number of the assistant comes from the conversation."""
    conversation = _Conversation(context)
    for position, message in enumerate(context.trajectory.messages):
        conversation.hear(position)
        if message.role == "assistant" and message.content:
            for text in conversation.unknown(message.content):
                return f"the assistant says {preview(text)}, {NO_SOURCE}"
    return ""


class _Quotable(NamedTuple):
    """Words that stand for codes (a state "in progress"), and the texts that calls were made with."""

    words: frozenset[str]
    drafts: str

    def __contains__(self, text: object) -> bool:
        if not isinstance(text, str):
            return False
        return text in self.words or all(part in self.drafts for part in _SENTENCE_END.split(text.rstrip(".…")))


class _Conversation:
    """The texts and numbers of the conversation up to some message."""

    def __init__(self, context: CheckContext) -> None:
        self._context = context
        self._config = context.config
        self._texts: list[str] = []
        self._numbers: set[float] = set()
        self._sums: set[float] = set()
        self._returned: dict[str, list[float]] = {}  # all numbers that results gave for a field
        script = context.blueprint.script
        for beat in script.beats if script is not None else ():
            if beat.speaker == "assistant":  # a figure that the pack works out, such as a deposit of two rents
                self._numbers.update(_figures(beat.text))

    def hear(self, position: int) -> None:
        """Add a message: the user's words, a result, or the arguments of calls."""
        message = self._context.trajectory.messages[position]
        if message.role in ("user", "system"):
            self._text(message.content)
        elif message.role == "tool":
            self._text(message.content)
            answer = self._context.answers.get(message.tool_call_id or "")
            self._value(answer)
            for name, leaf in leaves(answer):
                if isinstance(leaf, (int, float)) and not isinstance(leaf, bool) and abs(leaf) <= _LARGEST:
                    self._returned.setdefault(name, []).append(float(leaf))
            self._sums.update(math.fsum(numbers) for numbers in self._returned.values())
        for call in message.tool_calls:
            self._value(call.arguments)

    def unknown(self, text: str) -> Iterator[str]:
        """Yield what a text of the assistant says and the conversation does not."""
        for quotation in _QUOTED.findall(text):
            if not self._holds(quotation.rstrip("…").strip()) and quotation.casefold() not in self._own:
                yield quotation
        yield from self._unknown_times(text)
        for match in _TOKEN.findall(self._without_known(text)):
            token = match.strip(_PUNCTUATION)
            if _NUMBER.fullmatch(token):
                digits = token.replace(",", "")
                if not self._counts(digits) and not self._holds(token) and not _divides(digits, text):
                    yield token
            elif len(token) >= _SHORTEST and _identifies(token) and not self._holds(token):
                yield token

    def _unknown_times(self, text: str) -> Iterator[str]:
        """Yield the times of day in a text that were neither said nor returned, nor follow from one that was."""
        if self._context.blueprint.script is None or not _TIME_SAID.search(text):
            return
        known = "\n".join(self._texts)
        minutes = {_minutes(time) for time in (*times_in(known), *_TIME.findall(known))}
        minutes |= {int(n) * 60 for n in self._numbers if 0 <= n < _HOURS and n == int(n)}  # a backup at hour 5
        spans = {span for n in self._numbers if 0 < n < _DAY for span in (n, n * 60)}
        for match in _TIME_SAID.finditer(text):
            said = {_minutes(time) for time in times_in(match.group())}
            later = {(minute + sign * span) % _DAY for minute in minutes for span in spans for sign in (1, -1)}
            if said and not said & minutes and not said & later:
                yield match.group()

    def _without_known(self, text: str) -> str:
        """Leave out what a task on an executable world may say in other words: phone numbers and times of day."""
        if self._context.blueprint.script is None:
            return text
        known = "\n".join(self._texts)
        times = {*times_in(known), *_TIME.findall(known)}
        digits = re.sub(r"[^\d\n]", "", known)
        text = _TIME_SAID.sub(lambda match: "" if times & {*times_in(match.group())} else match.group(), text)
        return _PHONE.sub(lambda m: "" if re.sub(r"\D", "", m.group()).lstrip("0") in digits else m.group(), text)

    def _text(self, text: str) -> None:
        self._texts.append(text.lower())
        self._numbers.update(_figures(text))

    def _value(self, value: Json) -> None:
        numbers_of_name: dict[str, list[float]] = {}
        for name, leaf in leaves(value):
            if isinstance(leaf, str):
                self._texts.append(leaf.lower())
            elif isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
                self._texts.append(canonical_json(leaf))
                if abs(leaf) <= _LARGEST:
                    self._numbers.add(float(leaf))
                    numbers_of_name.setdefault(name, []).append(float(leaf))
        self._sums.update(math.fsum(numbers) for numbers in numbers_of_name.values())

    def _holds(self, text: str) -> bool:
        """Return whether a text was said or returned; a code may be written as people write it, PM2.5 for pm2_5."""
        lower = text.lower()
        if any(lower in text for text in self._texts) or lower in self._offered:
            return True
        words = re.findall(r"[^_\W]+", lower)
        code = re.compile(rf"\b{'_'.join(words)}\b")
        return bool(words) and any(code.search(text) for text in self._texts)

    def _counts(self, digits: str) -> bool:
        """Return whether a number is known, small, or follows from known ones; it may be rounded or in another unit."""
        magnitude = abs(float(digits))
        if magnitude < self._config.small_number:
            return True
        rounding = 0.5 * 10.0 ** -len(digits.partition(".")[2]) + 1e-9
        known = {abs(number) for number in self._numbers | self._sums}
        if any(abs(number * scale - magnitude) <= rounding for number in known for scale in _SCALES):
            return True
        numbers = sorted(self._numbers)
        return len(numbers) <= self._config.number_pairs and any(
            math.isclose(magnitude, abs(result), rel_tol=1e-9)
            or math.isclose(magnitude, abs(result) / 100, rel_tol=1e-9)
            for index, a in enumerate(numbers)
            for b in numbers[index:]
            for result in (a + b, a - b, a * b)
        )

    @cached_property
    def _own(self) -> _Quotable:
        """What the assistant of a script may quote beforehand: its drafts, and the packs' words for codes."""
        script = self._context.blueprint.script
        sent = (leaf for call in self._context.calls for _, leaf in leaves(call.call.arguments))
        if script is None:
            texts = sent if self._context.blueprint.story else ()
            return _Quotable(frozenset(), "\n".join(text for text in texts if isinstance(text, str)).casefold())
        packs = [stage_here().tasks(part.service) for part in script.parts]
        words = (w for tasks in packs for values in tasks.terms.values() for ws in values.values() for w in ws)
        drafted = (leaf for part in script.parts for _, leaf in leaves(part.facts))
        drafts = (leaf for leaf in (*sent, *drafted) if isinstance(leaf, str))
        return _Quotable(frozenset(word.casefold() for word in words), "\n".join(drafts).casefold())

    @cached_property
    def _offered(self) -> str:
        """The definitions of the offered tools, which the assistant sees too."""
        keys = self._context.trajectory.tools.values()
        return "\n".join(canonical_json(self._context.tools[key]).lower() for key in keys if key in self._context.tools)


def _minutes(time: str) -> int:
    """Return the minutes since midnight of a time such as 18:30."""
    hours, _, minutes = time.partition(":")
    return int(hours) * 60 + int(minutes)


def _divides(digits: str, text: str) -> bool:
    """Return whether a whole number is how often one number of the same text goes into another."""
    if not digits.isdecimal():
        return False
    numbers = {abs(float(n.replace(",", ""))) for n in _NUMBER.findall(text) if len(n) < _LONGEST} - {float(digits)}
    return any(int(a // b) == int(digits) for a in numbers for b in numbers if b > 1)


def _identifies(token: str) -> bool:
    """Return whether a token looks like an identifier, a date or an address rather than a word."""
    digits = any(map(str.isdecimal, token))  # not the raised ones of a unit
    return "@" in token or "://" in token or (digits and (any(map(str.isalpha, token)) or len(token) > _SHORTEST))


def _figures(text: str) -> Iterator[float]:
    return (float(n.replace(",", "")) for n in _NUMBER.findall(text) if len(n) < _LONGEST)

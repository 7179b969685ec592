"""Whether the assistant's words hold what the conversation holds: its identifiers, addresses, quotations and numbers.

What a reply *claims* in free words is for a judge to weigh. What can be compared is compared here: a thing that looks
like an identifier, a date, an address or a quotation has to stand in what the user said, what was called or what a call
returned; a number of three digits or more too, or to follow from two of those by a sum, a difference or a product, or
from all numbers of one list by a sum (people add up). Smaller numbers count things and are let through.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cached_property

from tdlab.records import Json, canonical_json
from tdlab.tools import leaves, show
from tdlab.verify.context import CheckContext

__all__ = ["check_faithful"]

# Fixed by definition: how quotations, identifiers and numbers are written, and in which units people restate a number.
_QUOTED = re.compile(r'["“]([^"“”\n]{4,200})["”]')
_TOKEN = re.compile(r"[\w@][\w@./:+%#~&?=$,-]*[\w/=]|\d")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
_PUNCTUATION = ".,;:!?)…'\"”"
_SHORTEST = 5  # characters of what counts as an identifier
_SCALES = (1.0, 0.01, 100.0, 0.001, 1000.0)  # cents and money, grams and kilograms
_LARGEST = 1e100  # numbers beyond it are known as they are written, but nothing is reckoned with them


def check_faithful(context: CheckContext) -> str:
    """Why a message of the assistant says what nobody said and no call returned; empty where none does."""
    known = _Known(context)
    for position, message in enumerate(context.trajectory.messages):
        known.hear(position)
        if message.role == "assistant" and message.content:
            for said in known.unknown(message.content):
                return f"the assistant says {show(said)}, which nobody said and no call returned"
    return ""


class _Known:
    """What stood in the conversation up to some point."""

    def __init__(self, context: CheckContext) -> None:
        self._context = context
        self._config = context.config
        self._texts: list[str] = []
        self._numbers: set[float] = set()
        self._sums: set[float] = set()

    def hear(self, position: int) -> None:
        """Take a message in: a user's words, a result, the arguments of calls."""
        message = self._context.trajectory.messages[position]
        if message.role in ("user", "system"):
            self._text(message.content)
        elif message.role == "tool":
            self._text(message.content)
            self._value(self._context.answers.get(message.tool_call_id or ""))
        for call in message.tool_calls:
            self._value(call.arguments)

    def unknown(self, text: str) -> Iterator[str]:
        """What in a text of the assistant cannot be found."""
        for quoted in _QUOTED.findall(text):
            if not self._holds(quoted.rstrip("…").strip()):
                yield quoted
        for found in _TOKEN.findall(text):
            token = found.strip(_PUNCTUATION)
            if _NUMBER.fullmatch(token):
                if not self._counts(token.replace(",", "")) and not self._holds(token):
                    yield token
            elif len(token) >= _SHORTEST and _identifies(token) and not self._holds(token):
                yield token

    def _text(self, text: str) -> None:
        self._texts.append(text.lower())
        self._numbers.update(float(n.replace(",", "")) for n in _NUMBER.findall(text) if len(n) < 20)

    def _value(self, value: Json) -> None:
        listed: dict[str, list[float]] = {}
        for name, leaf in leaves(value):
            if isinstance(leaf, str):
                self._texts.append(leaf.lower())
            elif isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
                self._texts.append(canonical_json(leaf))
                if abs(leaf) <= _LARGEST:
                    self._numbers.add(float(leaf))
                    listed.setdefault(name, []).append(float(leaf))
        self._sums.update(math.fsum(numbers) for numbers in listed.values())

    def _holds(self, text: str) -> bool:
        lower = text.lower()
        return any(lower in known for known in self._texts) or lower in self._offered

    def _counts(self, written: str) -> bool:
        """Whether a number is known, small, or follows from known ones; it may be rounded, and cents said as money."""
        size = abs(float(written))
        if size < self._config.small_number:
            return True
        rounding = 0.5 * 10.0 ** -len(written.partition(".")[2]) + 1e-9
        known = {abs(number) for number in self._numbers | self._sums}
        if any(abs(number * scale - size) <= rounding for number in known for scale in _SCALES):
            return True
        numbers = sorted(self._numbers)
        return len(numbers) <= self._config.number_pairs and any(
            math.isclose(size, abs(made), rel_tol=1e-9)
            for n, a in enumerate(numbers)
            for b in numbers[n:]
            for made in (a + b, a - b, a * b)
        )

    @cached_property
    def _offered(self) -> str:
        """What the tools on offer say of themselves, which the assistant sees."""
        keys = self._context.trajectory.tools.values()
        return "\n".join(canonical_json(self._context.tools[key]).lower() for key in keys if key in self._context.tools)


def _identifies(token: str) -> bool:
    """Whether a token looks like an identifier, a date or an address rather than a word."""
    digits = any(map(str.isdigit, token))
    return "@" in token or "://" in token or (digits and (any(map(str.isalpha, token)) or len(token) > _SHORTEST))

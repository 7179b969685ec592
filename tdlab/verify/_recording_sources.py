"""Check that identifiers, addresses, days and amounts in the calls of a recording come from the conversation.

Texts are the assistant's own (a query, a note, a program), and so are choices (a limit, a flag). What is checked is
what cannot be chosen freely: an identifier of something that exists, an address, a day or an amount of an act.
"""

from __future__ import annotations

import itertools
import re

from tdlab.records import CODE_TOOL, Json
from tdlab.tools import contains_whole, leaves, preview, printable, split_words
from tdlab.verify._recording_calls import NO_RESULTS, is_cut
from tdlab.verify.code_grounding import NO_SOURCE
from tdlab.verify.context import CheckedCall
from tdlab.verify.recording import Finding, RecordingContext, failed, not_known
from tdlab.verify.sources import Seen, fixed_by_schema, is_grounded, narrows

__all__ = ["check_sources"]

_NAMES_A_THING = frozenset("id ids uuid guid uid sku isbn iban number reference ref".split())
_ADDRESS = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+\.[A-Za-z]{2,}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_AMOUNTS = frozenset("amount price total cost refund payment fee balance".split())
_PIECE = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)")
_LONGEST = 120  # characters of an identifier
_SHORTEST = 4
_MOST_PAIRS = 150  # numbers of which sums and differences are taken
_NOW = re.compile(r"\b(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d))?")


def check_sources(context: RecordingContext) -> Finding | None:
    """Check that each identifier, address, day and amount of a call was said, returned, or follows from what was."""
    known = _Known(context)
    calls = iter(context.calls)
    checked = next(calls, None)
    unknown = None
    for position in range(len(context.messages)):
        known.hear(position)
        while checked is not None and checked.position == position:
            leaf = _without_source(context, checked, known)
            if leaf is not None:
                lack = _lack(context, position)
                if not lack:
                    name, value = leaf
                    where = f"{printable(checked.call.name, most=80)}.{printable(name, most=40)}"
                    return failed(f"{where} is {preview(value)}, {NO_SOURCE}", position)
                unknown = unknown or not_known(lack)
            known.use(checked)
            checked = next(calls, None)
    return unknown


def _lack(context: RecordingContext, position: int) -> str:
    """Return what the recording lacks of what could be the source of a value; empty if nothing."""
    before = context.messages[:position]
    if not any(message.role == "user" for message in before):
        return "the recording lacks what the user said"
    calls = [checked for checked in context.calls if checked.position < position]
    if not calls:
        return ""
    if not any(checked.result is not None for checked in calls):
        return NO_RESULTS
    if any(checked.result is None or is_cut(checked.result.content) for checked in calls):
        return "results are cut off"
    if any(not checked.result.content.strip() for checked in calls if checked.result is not None):
        return "results are empty"
    return ""


def _without_source(context: RecordingContext, checked: CheckedCall, known: _Known) -> tuple[str, Json] | None:
    """Return the first value of a call that has no source, with its name."""
    nature = context.nature(checked)
    if nature.effect == "code" or (checked.tool is not None and checked.tool.key == CODE_TOOL):
        return None
    acts = nature.effect in ("write", "delete")
    for parameter, value in checked.call.arguments.items():
        schema = checked.tool.parameters.get(parameter, {}) if checked.tool is not None else {}
        if fixed_by_schema(value, schema) or (isinstance(value, str) and value in (schema.get("enum") or ())):
            continue
        for name, leaf in leaves(value, parameter):
            creates = nature.operation == "create"
            if not _must_have_source(name or parameter, leaf, acts=acts, creates=creates, knows_today=bool(known.now)):
                continue
            if known.has(leaf) or (not acts and narrows(leaf, parameter, schema, known.heard, known.seen)):
                continue
            return name or parameter, leaf
    return None


def _must_have_source(name: str, value: Json, *, acts: bool, creates: bool, knows_today: bool) -> bool:
    """Return whether a value is one that the assistant cannot choose freely."""
    words = split_words(name)
    last = words[-1] if words else ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (last in _NAMES_A_THING and value >= 1000) or (acts and not _AMOUNTS.isdisjoint(words) and value >= 1)
    if not isinstance(value, str) or not _SHORTEST <= len(value) <= _LONGEST or any(map(str.isspace, value)):
        return False
    if _ADDRESS.fullmatch(value):
        return True
    if _DAY.fullmatch(value):
        return acts and knows_today
    if last in _NAMES_A_THING:
        # a new thing may get an identifier of the assistant's choice
        return not (creates and len(words) == 1) and any(map(str.isdecimal, value))
    return False


class _Known:
    """What was said and returned up to some message, and the moment of the conversation."""

    def __init__(self, context: RecordingContext) -> None:
        self._context = context
        self.heard: list[str] = [context.policy] if context.policy else []
        self.seen = Seen()
        self._texts: list[str] = [context.policy.casefold()]
        self._numbers: set[float] = set()
        now = _NOW.search(context.instructions)
        self.now = f"{now[1]}T{now[2] or '00:00'}:00Z" if now else ""

    def hear(self, position: int) -> None:
        """Add a message: what was said, or a result. What the assistant says alone is no source."""
        message = self._context.messages[position]
        if message.role == "assistant":
            return
        self._texts.append(message.content.casefold())
        if message.role == "tool":
            self.seen.add(self._context.answers.get(message.tool_call_id or "", message.content))
        else:
            self.heard.append(message.content)
        if len(self._numbers) < _MOST_PAIRS * 4:
            self._numbers.update(
                float(number.replace(",", "")) for number in _NUMBER.findall(message.content) if len(number) < 15
            )

    def use(self, checked: CheckedCall) -> None:
        """Add the arguments of a call that succeeded: whatever they rest on, they name something."""
        if checked.result is None or checked.result.is_error:
            return
        for _, leaf in leaves(checked.call.arguments):
            if isinstance(leaf, (str, int)) and not isinstance(leaf, bool):
                self._texts.append(str(leaf).casefold())

    def has(self, value: Json) -> bool:
        """Return whether a value was said or returned, or follows from values that were."""
        if isinstance(value, (int, float)):
            return self._has_number(value)
        text = str(value).casefold()
        if any(text in known for known in self._texts):
            return True
        pieces = [piece for piece in _PIECE.findall(text) if len(piece) > 1]
        if pieces and all(any(contains_whole(known, piece) for known in self._texts) for piece in pieces):
            return True
        flat = "".join(pieces)
        if len(flat) > _SHORTEST and any(flat in "".join(_PIECE.findall(known)) for known in self._texts):
            return True
        return is_grounded(value, self.heard, self.seen, self.now or "2000-01-01T00:00:00Z")

    def _has_number(self, value: float) -> bool:
        if is_grounded(value, self.heard, self.seen, self.now or "2000-01-01T00:00:00Z"):
            return True
        digits = f"{value:g}"
        if any(digits in known for known in self._texts):
            return True
        numbers = sorted(number for number in self._numbers if number > 0)
        if len(numbers) > _MOST_PAIRS:
            return True  # of so many numbers any other is a sum
        wanted = round(abs(float(value)), 2)
        pairs = itertools.combinations_with_replacement(numbers, 2)
        if any(round(one + other, 2) == wanted or round(abs(one - other), 2) == wanted for one, other in pairs):
            return True
        return (
            any(round(one * factor, 2) == wanted for one in numbers for factor in range(2, 13))
            or any(round(one / factor, 2) == wanted for one in numbers for factor in range(2, 13))
            or any(round(one * other, 2) == wanted for one, other in itertools.combinations(numbers, 2))
        )

"""Cumulative Action Complexity: what the successful calls of a trajectory add up to, with its components published.

Each successful call, a recovered one included, adds

    call + leaves * log2(1 + L) + bound * B + new_tool [new] + service_change [changed] + recovery [recovers]

with all weights 1 unless `CacWeights` says otherwise. L is the number of scalar values in its arguments. B is how many
of these the assistant had from an observation: strings of four characters and more, or numbers of three digits and
more, whose first appearance in the conversation is in a tool result (not in the user's or the system's words, and not
in an earlier call of the assistant's own). CAC has no unit and no ceiling. The paper names the measure; this formula
is ours.

Tools of no service (an agent runner's own) change none.

Loops gain nothing: a call that repeats an earlier successful one, same tool and same arguments, adds nothing and
leaves no trace in what follows (no change of service, no recovery, no new tool), and an error of a call that was made
before in the same words opens no recovery. A failed call adds nothing. A call whose result was not recorded counts as
successful. Not covered: a repeated call that returns something new (polling) adds nothing itself, though what it
returned may be bound later.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping

from pydantic import Field

from tdlab.diversity._calls import PlayedCall, played
from tdlab.records import Json, Record, Tool, Trajectory

__all__ = ["CacWeights", "Complexity", "cac", "cac_of", "scalars", "traced"]


class CacWeights(Record):
    """What each component of CAC counts; all are 1 in the definition."""

    call: float = Field(1.0, ge=0.0)
    leaves: float = Field(1.0, ge=0.0)
    bound: float = Field(1.0, ge=0.0)
    new_tool: float = Field(1.0, ge=0.0)
    service_change: float = Field(1.0, ge=0.0)
    recovery: float = Field(1.0, ge=0.0)


class Complexity(Record):
    """CAC (``value``) and its unweighted components: counts, but for ``leaves``, the sum of log2(1 + L)."""

    value: float
    calls: int
    leaves: float
    bound: int
    new_tools: int
    service_changes: int
    recoveries: int


def cac(trajectory: Trajectory, tools: Mapping[str, Tool], *, weights: CacWeights | None = None) -> Complexity:
    """CAC of a trajectory. ``tools`` maps tool keys to definitions and is needed for their services alone."""
    return cac_of(played(trajectory, tools), trajectory, weights=weights)


def cac_of(calls: list[PlayedCall], trajectory: Trajectory, *, weights: CacWeights | None = None) -> Complexity:
    """`cac` for calls that are already paired with their results."""
    return traced(calls, trajectory, weights=weights)[0]


def traced(
    calls: list[PlayedCall], trajectory: Trajectory, *, weights: CacWeights | None = None
) -> tuple[Complexity, tuple[tuple[str, str, str], ...]]:
    """CAC, and the (source tool, target tool, parameter) along which its bound values went, sorted, each once."""
    weight = weights or CacWeights()
    conversation = _Conversation(trajectory, calls)
    made: set[str] = set()
    succeeded: set[str] = set()
    broken: set[str] = set()
    known: set[str] = set()
    last: str | None = None
    counted = bound = new_tools = changes = recoveries = 0
    leaves: list[float] = []
    flows: set[tuple[str, str, str]] = set()
    for call in calls:
        words = _same_words(call)
        if call.failed:
            if words not in made:
                broken.add(call.key)
            made.add(words)
            continue
        made.add(words)
        if words in succeeded:
            continue
        succeeded.add(words)
        values = [(name, leaf) for name, value in call.call.arguments.items() for leaf in scalars(value)]
        counted += 1
        leaves.append(math.log2(1 + len(values)))
        for name, value in values:
            source = conversation.observed_first(value, call.message)
            if source is not None:
                bound += 1
                flows.add((source, call.key, name))
        new_tools += call.key not in known
        known.add(call.key)
        if call.service:
            changes += last is not None and call.service != last
            last = call.service
        if call.key in broken:
            recoveries += 1
            broken.remove(call.key)
    total = math.fsum(leaves)
    value = math.fsum(
        (
            weight.call * counted,
            weight.leaves * total,
            weight.bound * bound,
            weight.new_tool * new_tools,
            weight.service_change * changes,
            weight.recovery * recoveries,
        )
    )
    complexity = Complexity(
        value=value,
        calls=counted,
        leaves=total,
        bound=bound,
        new_tools=new_tools,
        service_changes=changes,
        recoveries=recoveries,
    )
    return complexity, tuple(sorted(flows))


def scalars(value: Json) -> Iterator[Json]:
    """Every value in ``value`` that is no list and no object, in order; an empty list or object has none."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting.extend(reversed(list(found.values())))
        elif isinstance(found, (list, tuple)):
            waiting.extend(reversed(found))
        else:
            yield found


def _same_words(call: PlayedCall) -> str:
    arguments = json.dumps(call.call.arguments, sort_keys=True, ensure_ascii=True, default=str)
    return f"{call.key}\n{call.call.malformed or ''}\n{arguments}"


_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_LONGEST_NUMBER = 400


def _spelling(value: Json) -> str | None:
    """How a value that is telling enough to be traced is written; None for the others."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        found = value.strip().casefold()
        if found.isdecimal():
            return found if len(found) >= 3 else None
        return found if len(found) >= 4 else None
    if isinstance(value, int):
        if value.bit_length() > 3 * _LONGEST_NUMBER:
            return None
        digits = str(value)
    elif isinstance(value, float) and math.isfinite(value):
        digits = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    else:
        return None
    return digits if sum(character.isdigit() for character in digits) >= 3 else None


class _Conversation:
    """Where values were first said: by user or system, by the assistant as an argument, or by a tool."""

    def __init__(self, trajectory: Trajectory, calls: list[PlayedCall]) -> None:
        self._messages = trajectory.messages
        good = {call.answered_at: call.key for call in calls if call.answered_at is not None and not call.failed}
        self._tool_of = good
        self._told = [i for i, m in enumerate(self._messages) if m.role in ("user", "system")]
        self._results = sorted(good)
        self._texts: dict[int, str] = {}
        self._argued: dict[str, int] = {}
        self._first_argued(calls)

    def _first_argued(self, calls: list[PlayedCall]) -> None:
        for call in calls:
            for value in scalars(call.call.arguments):
                spelling = _spelling(value)
                if spelling is not None:
                    self._argued.setdefault(spelling, call.message)

    def observed_first(self, value: Json, before: int) -> str | None:
        """The tool in whose result ``value``, an argument in message ``before``, was first seen; None: in none."""
        spelling = _spelling(value)
        if spelling is None:
            return None
        until = min(before, self._argued.get(spelling, before))
        seen = self._first(self._results, spelling, until)
        if seen is None or self._first(self._told, spelling, seen) is not None:
            return None
        return self._tool_of[seen]

    def _first(self, places: list[int], spelling: str, until: int) -> int | None:
        for place in places[: bisect_left(places, until)]:
            if _stands_in(spelling, self._text(place)):
                return place
        return None

    def _text(self, place: int) -> str:
        text = self._texts.get(place)
        if text is None:
            message = self._messages[place]
            text = _readable(message.content) if message.role == "tool" else _THOUSANDS.sub("", message.content)
            text = self._texts[place] = text.casefold()
        return text


def _readable(content: str) -> str:
    """The values of a JSON text, one a line, so that escapes hide nothing; other text as it is."""
    if content[:1] not in ("{", "[") and content.lstrip()[:1] not in ("{", "["):
        return content
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return content
    lines = []
    for scalar in scalars(value):
        if isinstance(scalar, str):
            lines.append(scalar)
        elif (spelling := _spelling(scalar)) is not None:
            lines.append(spelling)
    return "\n".join(lines)


def _stands_in(spelling: str, text: str) -> bool:
    """Whether ``spelling`` stands in ``text`` as a word of its own, not inside a longer word or number."""
    start = text.find(spelling)
    while start >= 0:
        end = start + len(spelling)
        before, after = text[max(0, start - 1) : start], text[end : end + 1]
        inside = (before.isalnum() and spelling[0].isalnum()) or (after.isalnum() and spelling[-1].isalnum())
        if not inside and not _part_of_decimal(spelling, text, start, end):
            return True
        start = text.find(spelling, start + 1)
    return False


def _part_of_decimal(spelling: str, text: str, start: int, end: int) -> bool:
    follows = spelling[-1].isdigit() and text[end : end + 1] == "." and text[end + 1 : end + 2].isdigit()
    leads = spelling[0].isdigit() and start >= 2 and text[start - 1] == "." and text[start - 2].isdigit()
    return follows or leads

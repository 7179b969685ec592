"""Cumulative Action Complexity (CAC): a sum over the successful calls of a trajectory, with its components.

Each successful call, also a recovered one, adds

    call + leaves * log2(1 + L) + bound * B + new_tool [new] + service_change [changed] + recovery [recovers]

where all weights are 1 unless `CacWeights` says otherwise. L is the number of scalar values in the arguments. B is the
number of those that the assistant took from an observation: strings of four or more characters, or numbers of three or
more digits, that appear first in a tool result (not in a message of the user or the system, and not in an earlier call
of the assistant). CAC has no unit and no ceiling. The paper names the measure; the formula is ours.

Tools without a service (such as a hand-over of the agent runner) do not count as a change of service.

Loops gain nothing. A call that repeats an earlier successful one, with the same tool and arguments, adds nothing and
has no effect on later calls (no change of service, no recovery, no new tool). An error of a call that was made before
with the same arguments allows no recovery. A failed call adds nothing. A call without a recorded result counts as
successful. Not covered: a repeated call that returns something new (polling) adds nothing itself, although its result
may be bound later.
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
    """Weights of the components of CAC; all are 1 in the definition."""

    # Fixed by definition for a run: CAC of two datasets can be compared only if both count the same. The least lengths
    # of traced values below are fixed for the same reason.

    call: float = Field(1.0, ge=0.0)
    leaves: float = Field(1.0, ge=0.0)
    bound: float = Field(1.0, ge=0.0)
    new_tool: float = Field(1.0, ge=0.0)
    service_change: float = Field(1.0, ge=0.0)
    recovery: float = Field(1.0, ge=0.0)


class Complexity(Record):
    """CAC (``value``) and its unweighted components: counts, except ``leaves``, the sum of log2(1 + L)."""

    value: float
    calls: int
    leaves: float
    bound: int
    new_tools: int
    service_changes: int
    recoveries: int


def cac(trajectory: Trajectory, tools: Mapping[str, Tool], *, weights: CacWeights | None = None) -> Complexity:
    """Compute the Cumulative Action Complexity of a trajectory (named in the paper; the formula is ours).

    Args:
        trajectory: The trajectory.
        tools: Definitions of tools by key; only their services are used.
        weights: Weights of the components; all 1 by default.

    Returns:
        CAC and its components.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     complexity = cac(next(run.store.accepted()).trajectory, {})
        >>> complexity.value > complexity.calls
        True
    """
    return cac_of(played(trajectory, tools), trajectory, weights=weights)


def cac_of(calls: list[PlayedCall], trajectory: Trajectory, *, weights: CacWeights | None = None) -> Complexity:
    """Compute `cac` from calls that are already paired with their results."""
    return traced(calls, trajectory, weights=weights)[0]


def traced(
    calls: list[PlayedCall], trajectory: Trajectory, *, weights: CacWeights | None = None
) -> tuple[Complexity, tuple[tuple[str, str, str], ...]]:
    """Compute CAC, and the sorted (source tool, target tool, parameter) triples along which bound values went."""
    weight = weights or CacWeights()
    conversation = _Conversation(trajectory, calls)
    attempted: set[str] = set()
    succeeded: set[str] = set()
    failed_tools: set[str] = set()
    called_tools: set[str] = set()
    last_service: str | None = None
    counted = bound = new_tools = service_changes = recoveries = 0
    leaves: list[float] = []
    flows: set[tuple[str, str, str]] = set()
    for call in calls:
        identity = _identity(call)
        if call.failed:
            if identity not in attempted:
                failed_tools.add(call.key)
            attempted.add(identity)
            continue
        attempted.add(identity)
        if identity in succeeded:
            continue
        succeeded.add(identity)
        values = [(name, leaf) for name, value in call.call.arguments.items() for leaf in scalars(value)]
        counted += 1
        leaves.append(math.log2(1 + len(values)))
        for name, value in values:
            source = conversation.observed_first(value, call.message)
            if source is not None:
                bound += 1
                flows.add((source, call.key, name))
        new_tools += call.key not in called_tools
        called_tools.add(call.key)
        if call.service:
            service_changes += last_service is not None and call.service != last_service
            last_service = call.service
        if call.key in failed_tools:
            recoveries += 1
            failed_tools.remove(call.key)
    leaf_sum = math.fsum(leaves)
    value = math.fsum(
        (
            weight.call * counted,
            weight.leaves * leaf_sum,
            weight.bound * bound,
            weight.new_tool * new_tools,
            weight.service_change * service_changes,
            weight.recovery * recoveries,
        )
    )
    complexity = Complexity(
        value=value,
        calls=counted,
        leaves=leaf_sum,
        bound=bound,
        new_tools=new_tools,
        service_changes=service_changes,
        recoveries=recoveries,
    )
    return complexity, tuple(sorted(flows))


def scalars(value: Json) -> Iterator[Json]:
    """Yield every value inside a JSON value that is neither a list nor an object.

    Args:
        value: A JSON value.

    Yields:
        The scalar values, in order; an empty list or object has none.

    Example:
        >>> list(scalars({"city": "Bern", "days": [1, 2]}))
        ['Bern', 1, 2]
    """
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
        else:
            yield item


def _identity(call: PlayedCall) -> str:
    """Return a text that is the same for calls with the same tool and arguments."""
    arguments = json.dumps(call.call.arguments, sort_keys=True, ensure_ascii=True, default=str)
    return f"{call.key}\n{call.call.malformed or ''}\n{arguments}"


_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_LONGEST_NUMBER = 400


def _spelling(value: Json) -> str | None:
    """Return how a value is spelt, or None if it is too common to be traced (short texts, small numbers, booleans)."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        text = value.strip().casefold()
        if text.isdecimal():
            return text if len(text) >= 3 else None
        return text if len(text) >= 4 else None
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
    """Find where values were first mentioned: by the user or system, in the assistant's arguments, or by a tool."""

    def __init__(self, trajectory: Trajectory, calls: list[PlayedCall]) -> None:
        self._messages = trajectory.messages
        tool_of_result = {
            call.answered_at: call.key for call in calls if call.answered_at is not None and not call.failed
        }
        self._tool_of_result = tool_of_result
        self._said_at = [i for i, m in enumerate(self._messages) if m.role in ("user", "system")]
        self._result_messages = sorted(tool_of_result)
        self._texts: dict[int, str] = {}
        self._argued_at: dict[str, int] = {}
        self._note_arguments(calls)

    def _note_arguments(self, calls: list[PlayedCall]) -> None:
        for call in calls:
            for value in scalars(call.call.arguments):
                spelling = _spelling(value)
                if spelling is not None:
                    self._argued_at.setdefault(spelling, call.message)

    def observed_first(self, value: Json, before: int) -> str | None:
        """Return the tool whose result first mentioned an argument of message ``before``; None if no result did."""
        spelling = _spelling(value)
        if spelling is None:
            return None
        limit = min(before, self._argued_at.get(spelling, before))
        first_result = self._first_mention(self._result_messages, spelling, limit)
        if first_result is None or self._first_mention(self._said_at, spelling, first_result) is not None:
            return None
        return self._tool_of_result[first_result]

    def _first_mention(self, positions: list[int], spelling: str, until: int) -> int | None:
        for position in positions[: bisect_left(positions, until)]:
            if _contains_word(spelling, self._text(position)):
                return position
        return None

    def _text(self, position: int) -> str:
        text = self._texts.get(position)
        if text is None:
            message = self._messages[position]
            text = _readable(message.content) if message.role == "tool" else _THOUSANDS.sub("", message.content)
            text = self._texts[position] = text.casefold()
        return text


def _readable(content: str) -> str:
    """Return the values of a JSON text, one per line, since escapes would hide them; other text unchanged."""
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


def _contains_word(spelling: str, text: str) -> bool:
    """Return whether ``spelling`` occurs in ``text`` outside a longer word or number."""
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

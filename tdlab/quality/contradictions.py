"""Contradictions in the world behind a conversation: what no consistent world could have answered.

Precision goes first: a kind is here only if recorded runs of real services and of tau-bench and tau2-bench show it in
few conversations. The kinds: ``range`` (an end before its start, a minimum above its maximum), ``duration`` (minutes or
nights that do not fit start and end), ``sum`` (a total that is not the sum of its lines), ``count`` (a count that is
not the number of rows, where all rows are there), ``currency`` (an object in one currency, its lines in another),
``capacity`` (more people than seats), ``answer`` (a result about something else than what was asked for), ``changed``
(two values of one field with no act in between), ``state`` (a state that goes backwards, an act on what has ended) and
``clock`` (a later act with an earlier time).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tdlab.quality._between_results import WorldSoFar, contradictions_with_arguments
from tdlab.quality._conversation import Conversation
from tdlab.quality._objects import objects_in
from tdlab.quality._one_object import contradictions_in_object
from tdlab.quality._outcome import Outcome
from tdlab.records import Tool, Trajectory

__all__ = ["KINDS", "Contradiction", "contradictions_of", "contradictory_worlds", "find_contradictions"]

KINDS = ("range", "duration", "sum", "count", "currency", "capacity", "answer", "changed", "state", "clock")


class Contradiction(NamedTuple):
    """A contradiction in the world behind a conversation: its kind, one of `KINDS`, and what contradicts what."""

    kind: str
    text: str


def find_contradictions(trajectory: Trajectory, tools: Mapping[str, Tool]) -> tuple[Contradiction, ...] | None:
    """Return the contradictions between and inside of the results of a conversation.

    Args:
        trajectory: The conversation.
        tools: Definitions of its tools by key; without them, the names of tools tell what they do.

    Returns:
        Every contradiction, in order; None if the conversation has no structured results.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> find_contradictions(Trajectory(id="t", messages=(Message(role="user", content="Hi"),)), {}) is None
        True
    """
    conversation = Conversation(trajectory, tools)
    if not _is_structured(conversation):
        return None
    return tuple(Contradiction(*pair) for pair in contradictions_of(conversation))


def _is_structured(conversation: Conversation) -> bool:
    return any(call.succeeded and isinstance(call.value, (dict, list)) for call in conversation.calls)


def contradictory_worlds(conversation: Conversation) -> Outcome | None:
    """Of the conversations with structured results, those with a contradiction between or inside of their results."""
    if not _is_structured(conversation):
        return None
    found = dict(contradictions_of(conversation))
    return Outcome([f"{kind}: {text}" for kind, text in found.items()][:1], 1)


def contradictions_of(conversation: Conversation) -> Iterator[tuple[str, str]]:
    """Yield the kind and the words of each contradiction of a conversation."""
    world = WorldSoFar(conversation)
    for call in conversation.calls:
        # a program or a tool of unknown effect may have changed anything (Toolathlon's terminals write files)
        if call.nature.effect == "code" or not call.nature.verb:
            world.may_have_changed(call)
        if not call.succeeded or not isinstance(call.value, (dict, list)) or call.nature.effect == "code":
            continue
        objects = list(objects_in(call))
        for found in objects:
            yield from contradictions_in_object(call, found)
        yield from contradictions_with_arguments(call, objects)
        yield from world.add(call, objects)

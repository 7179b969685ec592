"""Pair every call of a trajectory with its tool, service and outcome, for modes, complexity and domains."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from tdlab.records import CODE_TOOL, Message, Tool, ToolCall, Trajectory

__all__ = ["PlayedCall", "played", "service_of"]


class PlayedCall(NamedTuple):
    """A call with its tool, its message and its outcome.

    Attributes:
        call: The call.
        key: Key of its tool.
        service: Service of its tool; empty if it has none.
        tool: Definition of its tool, if known.
        message: Index of the message that makes it.
        answered_at: Index of the tool message that answers it; None if the recording has none.
        failed: Whether that message is an error. A call without a recorded result does not count as failed.
    """

    call: ToolCall
    key: str
    service: str
    tool: Tool | None
    message: int
    answered_at: int | None
    failed: bool


def service_of(key: str, tools: Mapping[str, Tool]) -> str:
    """Return the service of a tool: from its definition, or the part of its key before the last slash.

    tdlab's own code tool belongs to no service.
    """
    if key == CODE_TOOL:
        return ""
    tool = tools.get(key)
    if tool is not None:
        return tool.service
    return key.rpartition("/")[0]


def played(trajectory: Trajectory, tools: Mapping[str, Tool]) -> list[PlayedCall]:
    """Return all calls in order. A tool message answers the oldest open call with its id, in case ids are reused."""
    open_by_id: dict[str, deque[int]] = {}
    played_calls: list[PlayedCall] = []
    for index, message in enumerate(trajectory.messages):
        if message.role == "tool":
            open_calls = open_by_id.get(message.tool_call_id or "")
            if open_calls:
                call_index = open_calls.popleft()
                played_calls[call_index] = _answered(played_calls[call_index], index, message)
            continue
        for call in message.tool_calls:
            key = trajectory.key_of(call)
            open_by_id.setdefault(call.id, deque()).append(len(played_calls))
            played_calls.append(PlayedCall(call, key, service_of(key, tools), tools.get(key), index, None, False))
    return played_calls


def _answered(played_call: PlayedCall, index: int, message: Message) -> PlayedCall:
    return played_call._replace(answered_at=index, failed=message.is_error)

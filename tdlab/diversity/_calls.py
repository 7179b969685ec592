"""Every call of a trajectory with its tool, service and outcome: what modes, complexity and domains all read."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from tdlab.records import CODE_TOOL, Message, Tool, ToolCall, Trajectory

__all__ = ["PlayedCall", "played", "service_of", "tool_key"]


class PlayedCall(NamedTuple):
    """A call, the key and service of its tool, where it stands (message, place in the batch), and what came of it.

    ``answered_at`` is the index of the tool message that answers it, None where the recording has none. ``failed`` is
    True only when that message is an error: a call whose result was not recorded did not fail as far as is known.
    """

    call: ToolCall
    key: str
    service: str
    tool: Tool | None
    message: int
    answered_at: int | None
    failed: bool


def tool_key(trajectory: Trajectory, name: str) -> str:
    """The key of the tool that the model called by ``name``; the name itself where the trajectory has no key for it."""
    return trajectory.tools.get(name, name)


def service_of(key: str, tools: Mapping[str, Tool]) -> str:
    """The service of a tool key: its definition's, else what stands before the last slash, else nothing.

    tdlab's own code tool is an agent runner's and belongs to no service.
    """
    if key == CODE_TOOL:
        return ""
    tool = tools.get(key)
    if tool is not None:
        return tool.service
    return key.rpartition("/")[0]


def played(trajectory: Trajectory, tools: Mapping[str, Tool]) -> list[PlayedCall]:
    """All calls in order. A tool message answers the oldest open call of its id, so reused ids do no harm."""
    waiting: dict[str, deque[int]] = {}
    found: list[PlayedCall] = []
    for index, message in enumerate(trajectory.messages):
        if message.role == "tool":
            queue = waiting.get(message.tool_call_id or "")
            if queue:
                place = queue.popleft()
                found[place] = _answered(found[place], index, message)
            continue
        for call in message.tool_calls:
            key = tool_key(trajectory, call.name)
            waiting.setdefault(call.id, deque()).append(len(found))
            found.append(PlayedCall(call, key, service_of(key, tools), tools.get(key), index, None, False))
    return found


def _answered(played_call: PlayedCall, index: int, message: Message) -> PlayedCall:
    return played_call._replace(answered_at=index, failed=message.is_error)

"""What follows what: calls made again, and questions answered by a yes. For tdlab's trajectories and for recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from tdlab.records import Message
from tdlab.tools import says_no
from tdlab.verify.context import CheckedCall

__all__ = ["answered_yes", "repeated_call"]


def answered_yes(messages: Sequence[Message], *, asks: Callable[[str], bool]) -> bool:
    """Return whether the user answered one of the assistant's questions, and not by a no.

    Args:
        messages: The messages before the call in question.
        asks: Whether a text of the assistant asks for a yes.

    Returns:
        Whether there is such an answer.
    """
    return any(
        answer.role == "user"
        and question.role == "assistant"
        and asks(question.content)
        and not says_no(answer.content)
        for question, answer in pairwise(messages)
    )


def repeated_call(
    calls: Sequence[CheckedCall],
    messages: Sequence[Message],
    *,
    may_repeat: Callable[[CheckedCall], bool] = lambda _: False,
) -> tuple[CheckedCall, CheckedCall] | None:
    """Return the first call that is made twice at once, or made again as it was right after it failed.

    It may be made again once the user has spoken or another call was made.

    Args:
        calls: Every call, in order.
        messages: The messages that make them.
        may_repeat: Whether a call that failed may be made again, since its error passes by itself.

    Returns:
        The call and its repetition, or None.
    """
    spoken = [number for number, message in enumerate(messages) if message.role == "user"]
    last: CheckedCall | None = None
    for checked in calls:
        if last is not None and (checked.call.name, checked.call.arguments) == (last.call.name, last.call.arguments):
            asked = any(last.position < number < checked.position for number in spoken)
            if last.position == checked.position or (last.failed and not asked and not may_repeat(last)):
                return last, checked
        last = checked
    return None

"""Verify a recording of others: messages, perhaps definitions of tools, and no plan, world or receipts.

Each check has one of three results: passed, failed, or not known where the recording lacks what the check needs. A
recording is accepted when no check failed; what is not known is counted beside it, with the reason.

The findings were read by hand on the recorded runs of tau-bench, tau2-bench, mcp-bench, ToolBench and Toolathlon, and
rules of which fewer than nine in ten findings were right were left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from tdlab.config import VerifyConfig
from tdlab.records import Json, Message, Record, Tool, Trajectory
from tdlab.tools import JsonError, ToolNature, nature, nature_of_name, read_json
from tdlab.verify.context import CheckedCall

__all__ = [
    "CheckResult",
    "Finding",
    "RecordedCheck",
    "RecordingContext",
    "RecordingVerdict",
    "State",
    "failed",
    "not_known",
]

State = Literal["passed", "failed", "not_known"]


class Finding(NamedTuple):
    """What a check finds, other than that all is well.

    Attributes:
        state: Whether the recording fails the check, or whether the check could not run.
        reason: Why; of a check that could not run, what the recording lacks.
        message: The index of the message, of a failure that has one.
    """

    state: State
    reason: str
    message: int | None = None


def failed(reason: str, message: int | None = None) -> Finding:
    """Return a failure.

    Args:
        reason: Why the recording fails the check.
        message: The index of the message that shows it, if there is one.

    Returns:
        The finding.

    Example:
        >>> failed("the last reply is empty", 4).state
        'failed'
    """
    return Finding("failed", reason, message)


def not_known(reason: str) -> Finding:
    """Return that a check could not run.

    Args:
        reason: What the recording lacks, in the same words for every recording, since reports count them.

    Returns:
        The finding.

    Example:
        >>> not_known("the recording has no results").state
        'not_known'
    """
    return Finding("not_known", reason)


class CheckResult(Record):
    """The result of one check: ``message`` is the index of the message that fails it, where there is one."""

    name: str
    state: State
    reason: str = ""
    message: int | None = None


class RecordingVerdict(Record):
    """The verdict on a recording: accepted when no check failed.

    ``reward`` is the benchmark's own verdict, if recorded.
    """

    trajectory: str
    checks: tuple[CheckResult, ...]
    reward: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether no check failed."""
        return all(check.state != "failed" for check in self.checks)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.state == "failed")

    @property
    def unknown(self) -> tuple[CheckResult, ...]:
        """The checks that could not run."""
        return tuple(check for check in self.checks if check.state == "not_known")


@dataclass(frozen=True)
class RecordingContext:
    """What every check of a recording reads.

    Attributes:
        trajectory: The conversation.
        tools: The definitions of tools that the recording itself has, by key.
        policy: The assistant's instructions, where no message holds them.
        config: Thresholds.
    """

    trajectory: Trajectory
    tools: Mapping[str, Tool] = field(default_factory=dict)
    policy: str = ""
    config: VerifyConfig = field(default_factory=VerifyConfig)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages, in order."""
        return self.trajectory.messages

    @cached_property
    def calls(self) -> tuple[CheckedCall, ...]:
        """Every call, in order."""
        keys, results = self.trajectory.tools, self.trajectory.results()
        return tuple(
            CheckedCall(position, call, self.tools.get(keys.get(call.name, "")), results.get(call.id))
            for position, message in enumerate(self.messages)
            for call in message.tool_calls
        )

    @cached_property
    def answers(self) -> dict[str, Json]:
        """The decoded results by call id; a text that is not JSON is returned as it is."""
        return {call_id: _decoded(message.content) for call_id, message in self.trajectory.results().items()}

    @cached_property
    def instructions(self) -> str:
        """What the assistant was instructed with: the system messages and the policy."""
        return "\n".join((self.policy, *(m.content for m in self.messages if m.role == "system"))).strip()

    def nature(self, checked: CheckedCall) -> ToolNature:
        """Return what a call does, as far as its tool or the name of its tool tells."""
        if checked.tool is not None:
            return nature(checked.tool)
        key = self.trajectory.tools.get(checked.call.name, checked.call.name)
        return nature_of_name(key.rpartition("/")[2])

    def user_between(self, first: int, last: int) -> bool:
        """Return whether the user speaks after one message and before another."""
        return any(message.role == "user" for message in self.messages[first + 1 : last])

    def spoken(self) -> Iterator[tuple[int, Message]]:
        """Yield the assistant's messages with words, and their indices."""
        for index, message in enumerate(self.messages):
            if message.role == "assistant" and message.content.strip():
                yield index, message


RecordedCheck = Callable[[RecordingContext], Finding | None]
"""A check of a recording: None if it passes."""


_DEEPEST = 64  # levels of a result that are read as JSON


def _decoded(text: str) -> Json:
    """Return the JSON value of a result, or its text where it is no JSON."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return text
    try:
        return read_json(text, strict=False, max_depth=_DEEPEST)
    except JsonError:
        return text

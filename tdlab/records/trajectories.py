"""Records of what was played: messages, receipts, trajectories and verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, Self

from pydantic import Field

from tdlab.records.base import Json, Record

__all__ = ["Check", "Execution", "Message", "Reason", "Score", "ToolCall", "Trajectory", "Verdict"]


class ToolCall(Record):
    """A call in a message: ``name`` as offered to the model, ``arguments`` decoded.

    Where a recording's arguments are not a JSON object, ``arguments`` is empty and ``malformed`` keeps their text.
    Where the tool only calls others (``use_mcp_tool``), ``reaches`` is the key of the tool that the arguments name.
    """

    id: str
    name: str
    arguments: dict[str, Json] = Field(default_factory=dict)
    malformed: str | None = None
    reaches: str | None = Field(default=None, exclude_if=lambda key: key is None)


class Message(Record):
    """One chat message with a role of the OpenAI API. A ``tool`` message answers the call ``tool_call_id``.

    ``reasoning`` is what a model wrote before its answer, where it was kept.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    is_error: bool = False
    reasoning: str = Field(default="", exclude_if=lambda text: not text)


class Execution(Record):
    """The executor's own receipt for one call, kept apart from the conversation.

    ``executor`` is ``simulated:world``, ``simulated:guessed``, ``live:SERVER`` or ``sandbox``. ``result_sha256`` is
    the hex SHA-256 of the tool message's text as the executor returned it.
    """

    call_id: str
    tool: str
    executor: str
    ok: bool
    arguments_sha256: str
    result_sha256: str


class Trajectory(Record):
    """The recorded messages of one rollout, or one conversation read from a file.

    ``tools`` maps each name that the model saw to a tool key. ``steps`` maps a blueprint step to the ids of the calls
    made for it. ``state`` holds the changes to the simulated world: entity, then identifier, then the fields, or null
    for an entity that is gone. The last six fields are empty for conversations from other sources.
    """

    id: str
    messages: tuple[Message, ...]
    tools: dict[str, str] = Field(default_factory=dict)
    blueprint: str | None = None
    teacher: str = ""
    environment: str = ""
    executions: tuple[Execution, ...] = ()
    steps: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    state: dict[str, dict[str, Json]] = Field(default_factory=dict)

    @property
    def guessed(self) -> int:
        """The number of calls whose results are guesses: a schema says what they may be, and no rules what they are."""
        return sum(execution.executor.endswith(":guessed") for execution in self.executions)

    def calls(self) -> Iterator[ToolCall]:
        """Yield every tool call in order."""
        for message in self.messages:
            yield from message.tool_calls

    def key_of(self, call: ToolCall) -> str:
        """Return the key of the tool that a call reaches, or its name if it has no key."""
        return call.reaches or self.tools.get(call.name, call.name)

    def results(self) -> Mapping[str, Message]:
        """Return the tool messages by the id of the call that they answer."""
        return {m.tool_call_id: m for m in self.messages if m.role == "tool" and m.tool_call_id is not None}


class Check(Record):
    """One verification check: its name, whether it passed and, if not, the reason."""

    name: str
    passed: bool
    reason: str = ""


class Reason(NamedTuple):
    """Why something was rejected: the name of the failed check, and what it found; ``str`` gives ``check: text``.

    Example:
        >>> str(Reason("grounding", "city was never said")), Reason.parse("grounding: city was never said").check
        ('grounding: city was never said', 'grounding')
    """

    check: str
    text: str = ""

    def __str__(self) -> str:
        """Return one line, which `parse` reads."""
        return f"{self.check}: {self.text}" if self.text else self.check

    @classmethod
    def parse(cls, line: str) -> Self:
        """Return the reason in a line that ``str`` wrote."""
        check, _, text = line.partition(": ")
        return cls(check, text)


class Score(Record):
    """A judge's mark for one criterion of the rubric: 1 (bad) to 5 (good), with the reason given before it."""

    judge: str
    criterion: str
    score: int
    reason: str = ""


class Verdict(Record):
    """The result of verification: a trajectory is accepted when every check passed.

    ``scores`` are the marks of the committee's judges, where there is one.
    """

    trajectory: str
    checks: tuple[Check, ...]
    scores: tuple[Score, ...] = Field(default=(), exclude_if=lambda scores: not scores)

    @property
    def accepted(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """One reason for each check that failed."""
        return tuple(Reason(check.name, check.reason) for check in self.checks if not check.passed)

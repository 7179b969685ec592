"""The sessions of the LLM teacher's agents: requests that get a usable reply, or stop the rollout with a reason.

A reply that is empty, cut off or has arguments that are not JSON or nested too deep is requested again, at most twice.
A reply that breaks its schema or its rules is answered with the problem, at most twice. A reply that is still unusable
stops the rollout with a reason. No agent sees another's prompt; the user never sees tools or results, the assistant
never the plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from tdlab.config import TeacherConfig, TeacherRole
from tdlab.records import Blueprint, Json, Tool, canonical_json
from tdlab.rollout.llm.budget import Spending
from tdlab.rollout.llm.client import RequestRefused
from tdlab.rollout.llm.prompts import example_turns, prompt
from tdlab.rollout.llm.protocol import UNPARSABLE, ChatReply, ChatRequest, answer_of
from tdlab.rollout.llm.requests import MOCK_MODEL
from tdlab.rollout.views import RolloutStopped
from tdlab.tools import NestingError, compile_schema, read_json

__all__ = ["MAX_LINE", "MAX_TEXT", "OBJECT", "AgentSession", "ModelBackend", "fill_in", "one_line", "text_problem"]

_RETRIES = 2  # of an unusable reply, and repairs of a wrong one
MAX_LINE = 300  # characters of a reason or a name
MAX_TEXT = 4000  # characters of an intent or a message
_UNUSABLE = "That cannot be used: {problem}. Reply again, with this put right."
_MAX_CHARS_PER_TOKEN = 40  # a longer reply shows that the server ignores max_tokens
_MAX_DEPTH = 64  # levels of JSON in a reply; records that are deeper than about 250 cannot be saved

OBJECT: dict[str, Json] = {"type": "object", "additionalProperties": False}
"""The beginning of the schema of an object that has the listed properties and no others."""

_T = TypeVar("_T")


class ModelBackend(Protocol):
    """Answers requests from any thread, as `LiveBackend` and `DryRunBackend` do."""

    def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        """Return the reply to a request; raise RequestRefused, BudgetSpent or TeacherError if there is none."""
        ...


class AgentSession:
    """The backend, the settings and the spending of one rollout's agents.

    ``blueprint`` and ``tools`` are sent to the mock server only. ``advice`` is what user and assistant have to know of
    an earlier attempt; empty in the first one.
    """

    def __init__(
        self, backend: ModelBackend, config: TeacherConfig, blueprint: Blueprint, tools: Mapping[str, Tool]
    ) -> None:
        self.config = config
        self.spending = Spending()
        self.advice = ""
        self._backend = backend
        self.script(blueprint, tools)

    def script(self, blueprint: Blueprint, tools: Mapping[str, Tool]) -> None:
        """Set the blueprint that is played from now on."""
        self._rollout = blueprint.id
        self._script: dict[str, Json] | None = None
        models = {self.config.model_of(role) for role in self.config.roles}
        if MOCK_MODEL in {*models, *self.config.judges}:
            self._script = {
                "blueprint": blueprint.model_dump(mode="json"),
                "tools": {key: tool.model_dump(mode="json") for key, tool in tools.items()},
            }

    def plays(self, role: TeacherRole) -> bool:
        """Return whether a model plays the role."""
        return role in self.config.roles

    @property
    def plays_freely(self) -> bool:
        """True if models play all of a service without a pack, so that the plan is a suggestion only."""
        return {"user", "assistant", "environment"} <= set(self.config.roles)

    def reply(
        self,
        role: TeacherRole,
        messages: Sequence[dict[str, Json]],
        *,
        tools: tuple[dict[str, Json], ...] = (),
        schema: dict[str, Json] | None = None,
        model: str = "",
    ) -> ChatReply:
        """Return a usable reply; raise RolloutStopped with the reason if there is none."""
        problem, sampling = "", self.config.sampling(role)
        model = model or sampling.model
        request = ChatRequest(
            role=role, messages=tuple(messages), tools=tools, reply_schema=schema, rollout=self._rollout,
            script=None if self._script is None or model != MOCK_MODEL else {"role": role, **self._script},
            **sampling._replace(model=model)._asdict(),
        )  # fmt: skip
        for attempt in range(1 + _RETRIES):
            try:
                reply = self._backend.ask(request, attempt=attempt)
            except RequestRefused as refused:
                raise RolloutStopped(f"{role}: {refused}") from None
            self.spending.add(
                role, model, reply.input_tokens, reply.output_tokens, cached_input_tokens=reply.cached_input_tokens
            )
            if reply.refusal or reply.finish == "content_filter":
                why = one_line(reply.refusal or reply.text) or "filtered"
                raise RolloutStopped(f"{role}: the model refused: {why}")
            reply = answer_of(reply)
            problem = _problem(reply, sampling.max_tokens)
            if not problem:
                return reply
            noted = _with_note(messages, f"({_UNUSABLE.format(problem=problem)})")
            request = request.model_copy(update={"messages": noted})
        raise RolloutStopped(f"{role}: {problem}, {1 + _RETRIES} times")

    def written(self, role: TeacherRole, messages: Sequence[dict[str, Json]], check: Callable[[str], str]) -> str:
        """Return a text for which ``check`` returns no problem; problems are sent back, at most twice."""
        return self._corrected(role, messages, lambda text: (text, check(text)))

    def _corrected(
        self,
        role: TeacherRole,
        messages: Sequence[dict[str, Json]],
        read: Callable[[str], tuple[_T, str]],
        schema: dict[str, Json] | None = None,
        model: str = "",
    ) -> _T:
        """Return what ``read`` makes of a reply, once it finds no problem in it."""
        problems: list[str] = []
        for _ in range(1 + _RETRIES):
            asked = _with_note(messages, _UNUSABLE.format(problem="; ".join(problems))) if problems else messages
            reply = self.reply(role, asked, schema=schema, model=model)
            value, problem = read(reply.text)
            if not problem:
                return value
            problem = one_line(problem)
            problems = [*(earlier for earlier in problems if earlier != problem), problem]
        raise RolloutStopped(f"{role}: {problems[-1]}, {1 + _RETRIES} times")

    def structured(
        self,
        role: TeacherRole,
        material: Json,
        schema: dict[str, Json],
        check: Callable[[dict[str, Json]], str],
        *,
        model: str = "",
    ) -> dict[str, Json]:
        """Return a JSON object that fits ``schema`` and for which ``check`` returns no problem.

        ``model`` is another model than that of the role.
        """
        messages: list[dict[str, Json]] = [
            {"role": "system", "content": prompt(role)},
            *({"role": sender, "content": text} for sender, text in example_turns(role)),
            {"role": "user", "content": canonical_json(material)},
        ]

        def read(text: str) -> tuple[dict[str, Json], str]:
            value, problem = _object(text, schema)
            return value, problem or check(value)

        return self._corrected(role, messages, read, schema, model)


# --------------------------------------------------------------------------------------------------------------- shared


def _with_note(messages: Sequence[dict[str, Json]], note: str) -> tuple[dict[str, Json], ...]:
    """Add what is wrong with a reply, but not the reply, which a small model would repeat.

    The note is part of the last message if that is the user's: many chat templates refuse two of them in a row.
    """
    last = messages[-1]
    if last["role"] != "user":
        return (*messages, {"role": "user", "content": note})
    return (*messages[:-1], {**last, "content": f"{last['content']}\n\n{note}"})


def _problem(reply: ChatReply, max_tokens: int) -> str:
    """Say why a reply cannot be used; empty if it can."""
    if reply.finish == UNPARSABLE:
        return f"the server could not parse the reply: {one_line(reply.problem)}"
    if reply.finish == "length":
        return f"the reply was cut off at {max_tokens} tokens"
    if not reply.text.strip() and not reply.calls:
        return "the reply is empty"
    if len(reply.text) + sum(len(call.arguments) for call in reply.calls) > _MAX_CHARS_PER_TOKEN * max_tokens:
        return f"the reply is longer than {max_tokens} tokens can be"
    for call in reply.calls:
        try:
            arguments = read_json(call.arguments, max_depth=_MAX_DEPTH)
        except NestingError:
            return f"the arguments of {one_line(call.name)} are nested too deep"
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            return f"the arguments of {one_line(call.name)} are not a JSON object"
    return ""


def _object(text: str, schema: dict[str, Json]) -> tuple[dict[str, Json], str]:
    """Return the JSON object in a text, which may be in a code fence or amid prose, and its first problem, if any."""
    candidates = [text, *re.findall(r"```(?:json)?(.*?)```", text, re.DOTALL)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        candidates.append(text[start : end + 1])
    problem = "it is not a JSON object"
    for candidate in candidates:
        try:
            value: Any = read_json(candidate, max_depth=_MAX_DEPTH)
        except NestingError:
            problem = "it is nested too deep"
            continue
        except ValueError:
            continue
        if isinstance(value, dict):
            problems = compile_schema(schema).errors(value)
            if not problems:
                return value, ""
            problem = problems[0]
    return {}, problem


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """Fill in a prompt's ``{{name}}`` placeholders in one pass, so that a value cannot add a placeholder."""
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: one_line(values[mark.group(1)], max_chars=MAX_TEXT), text)


def text_problem(name: str, text: str, *, max_chars: int = MAX_LINE) -> str:
    """Say what is wrong with a text that should be one short printable line; empty if nothing is."""
    if not text.strip() or len(text) > max_chars or not text.isprintable():
        return f"{name} is empty, longer than {max_chars} characters or of several lines"
    return ""


def one_line(text: str, *, max_chars: int = MAX_LINE) -> str:
    """Return untrusted text as one printable line of limited length."""
    shown = " ".join(text.split())[:max_chars]
    return "".join(c if c.isprintable() else "\ufffd" for c in shown)

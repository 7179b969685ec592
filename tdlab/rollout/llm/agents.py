"""The agents of the LLM teacher: each sends a prompt and reads a reply, and sees only what its role may see.

A reply that is empty, cut off or has arguments that are not JSON is requested again, at most twice. A reply that breaks
its schema or its rules is answered with the problem, at most twice. A reply that is still unusable stops the rollout
with a reason. No agent sees another's prompt; the user never sees tools or results, the assistant never the plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tdlab.blueprints import named, violations
from tdlab.config import TeacherConfig, TeacherRole
from tdlab.formats import openai_message
from tdlab.records import Blueprint, FromUser, Json, Persona, Tool, Trajectory, canonical_json
from tdlab.rollout.llm.budget import Spending
from tdlab.rollout.llm.client import RequestRefused
from tdlab.rollout.llm.prompts import prompt
from tdlab.rollout.llm.protocol import UNPARSABLE, ChatReply, ChatRequest, answer_of
from tdlab.rollout.llm.requests import MOCK_MODEL
from tdlab.rollout.views import Request, RolloutStopped, UserView
from tdlab.tools import (
    compile_schema,
    contains_whole,
    goal_phrase,
    label,
    leaves,
    mentions,
    read_json,
    referenced_entity,
)

__all__ = ["AgentSession", "ModelBackend", "chat_tools", "inspect", "judge", "speak", "write"]

_RETRIES = 2  # of an unusable reply, and repairs of a wrong one
_MAX_LINE = 300  # characters of a reason or a name
_MAX_INTENT = 4000  # characters of an intent
_MAX_CHARS_PER_TOKEN = 40  # a longer reply shows that the server ignores max_tokens

_OBJECT: dict[str, Json] = {"type": "object", "additionalProperties": False}
USER_SCHEMA: dict[str, Json] = {
    **_OBJECT,
    "properties": {"kind": {"enum": ["request", "answer", "done"]}, "message": {"type": "string"}},
    "required": ["kind", "message"],
}
INSPECTOR_SCHEMA: dict[str, Json] = {
    **_OBJECT,
    "properties": {"follows": {"type": "boolean"}, "reason": {"type": "string"}},
    "required": ["follows", "reason"],
}
JUDGE_SCHEMA: dict[str, Json] = {
    **_OBJECT,
    "properties": {"accept": {"type": "boolean"}, "reason": {"type": "string"}},
    "required": ["accept", "reason"],
}


class ModelBackend(Protocol):
    """Answers requests from any thread, as `LiveBackend` and `DryRunBackend` do."""

    def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        """Return the reply to a request; raise RequestRefused, BudgetSpent or TeacherError if there is none."""
        ...


class AgentSession:
    """The backend, the settings and the spending of one rollout's agents.

    ``blueprint`` and ``tools`` are sent to the mock server only.
    """

    def __init__(
        self, backend: ModelBackend, config: TeacherConfig, blueprint: Blueprint, tools: Mapping[str, Tool]
    ) -> None:
        self.config = config
        self.spending = Spending()
        self._backend = backend
        self.script(blueprint, tools)

    def script(self, blueprint: Blueprint, tools: Mapping[str, Tool]) -> None:
        """Set the blueprint that is played from now on."""
        self._rollout = blueprint.id
        self._script: dict[str, Json] | None = None
        if any(self.config.model_of(role) == MOCK_MODEL for role in self.config.roles):
            self._script = {
                "blueprint": blueprint.model_dump(mode="json"),
                "tools": {key: tool.model_dump(mode="json") for key, tool in tools.items()},
            }

    def plays(self, role: TeacherRole) -> bool:
        """Return whether a model plays the role."""
        return role in self.config.roles

    def reply(
        self,
        role: TeacherRole,
        messages: Sequence[dict[str, Json]],
        *,
        tools: tuple[dict[str, Json], ...] = (),
        schema: dict[str, Json] | None = None,
    ) -> ChatReply:
        """Return a usable reply; raise RolloutStopped with the reason if there is none."""
        problem, sampling = "", self.config.sampling(role)
        model = sampling.model
        request = ChatRequest(
            role=role, messages=tuple(messages), tools=tools, reply_schema=schema, rollout=self._rollout,
            script=None if self._script is None or model != MOCK_MODEL else {"role": role, **self._script},
            **sampling._asdict(),
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
                raise RolloutStopped(f"{role}: the model refused: {_line(reply.refusal or reply.text) or 'filtered'}")
            reply = answer_of(reply)
            problem = _problem(reply, sampling.max_tokens)
            if not problem:
                return reply
        raise RolloutStopped(f"{role}: {problem}, {1 + _RETRIES} times")

    def structured(
        self,
        role: TeacherRole,
        material: Json,
        schema: dict[str, Json],
        check: Callable[[dict[str, Json]], str],
        values: Mapping[str, str] | None = None,
    ) -> dict[str, Json]:
        """Return a JSON object that fits ``schema`` and for which ``check`` returns no problem."""
        messages: list[dict[str, Json]] = [
            {"role": "system", "content": _fill_in(prompt(role), values or {})},
            {"role": "user", "content": canonical_json(material)},
        ]
        problem = ""
        for _ in range(1 + _RETRIES):
            reply = self.reply(role, messages, schema=schema)
            value, problem = _object(reply.text, schema)
            problem = problem or check(value)
            if not problem:
                return value
            messages += [
                {"role": "assistant", "content": reply.text},
                {
                    "role": "user",
                    "content": f"That cannot be used: {_line(problem)}. Reply again, with this put right.",
                },
            ]
        raise RolloutStopped(f"{role}: {_line(problem)}, {1 + _RETRIES} times")


# ------------------------------------------------------------------------------------------------- the blueprint writer


def write(session: AgentSession, blueprint: Blueprint, tools: Mapping[str, Tool], *, values: bool = True) -> Blueprint:
    """Let the model write a blueprint's intent, persona and, if ``values``, the user's values; return the result.

    The topology stays, and so do values that refer to the world. RolloutStopped if no reply gives a coherent plan.
    """
    slots = _free_slots(blueprint, tools) if values else {}
    material = {
        "intent": blueprint.intent,
        "persona": blueprint.persona.model_dump(mode="json"),
        "steps": [
            {"turn": s.turn, "does": [goal_phrase(tools[c.tool]) for c in s.calls] or [s.request or s.kind]}
            for s in blueprint.steps
        ],
        "slots": {slot: {"schema": schema, "value": value} for slot, (schema, value) in slots.items()},
    }
    schema: dict[str, Json] = {
        **_OBJECT,
        "properties": {
            "intent": {"type": "string"},
            "persona": {
                **_OBJECT,
                "properties": {
                    "name": {"type": "string"},
                    "role": {"type": "string"},
                    "style": {"enum": ["plain", "brief", "chatty", "formal"]},
                },
                "required": ["name", "role", "style"],
            },
            "values": {**_OBJECT, "properties": {slot: {} for slot in slots}, "required": list(slots)},
        },
        "required": ["intent", "persona", "values"],
    }
    blueprints: list[Blueprint] = []

    def check(value: dict[str, Json]) -> str:
        for name, text, most in (
            ("intent", value["intent"], _MAX_INTENT),
            *((name, value["persona"][name], _MAX_LINE) for name in ("name", "role")),
        ):
            if not text.strip() or len(text) > most or not text.isprintable():
                return f"{name} is empty, longer than {most} characters or of several lines"
        for slot, (_, before) in slots.items():
            for _, leaf in leaves(value["values"][slot]):
                if isinstance(leaf, str) and leaf != before and not (leaf.isprintable() and leaf.strip() == leaf):
                    return f"the value of {slot} has line breaks, or spaces around it"
        written = _rewritten(blueprint, value)
        problems = violations(written, tools)
        if problems:
            return "; ".join(f"{v.step}: {v.message}" for v in problems[:3])
        blueprints.append(written if written == blueprint else named(written))
        return ""

    session.structured("writer", material, schema, check)
    return blueprints[-1]


def _free_slots(blueprint: Blueprint, tools: Mapping[str, Tool]) -> dict[str, tuple[dict[str, Json], Json]]:
    """Return the slots whose value does not refer to anything that must exist, as slot -> (schema, value)."""
    existing = {canonical_json(seed.id) for seed in blueprint.world}
    existing |= {canonical_json(v) for seed in blueprint.world for v in seed.fields.values()}
    free: dict[str, tuple[dict[str, Json], Json]] = {}
    fixed: set[str] = set()
    for _, _, call in blueprint.calls():
        for parameter, binding in call.arguments.items():
            if not isinstance(binding, FromUser):
                continue
            schema = tools[call.tool].parameters.get(parameter, {})
            inner = [canonical_json(leaf) for _, leaf in leaves(binding.value)]
            if referenced_entity(parameter) is not None or existing & {canonical_json(binding.value), *inner}:
                fixed.add(binding.slot)
            elif isinstance(binding.value, (str, int, float)) and not isinstance(binding.value, bool):
                free.setdefault(binding.slot, (schema, binding.value))
    return {slot: entry for slot, entry in free.items() if slot not in fixed}


def _rewritten(blueprint: Blueprint, value: Mapping[str, Json]) -> Blueprint:
    values = value["values"]

    def replaced(node: Json) -> Json:
        if isinstance(node, dict):
            if node.get("kind") == "said" and node.get("slot") in values:
                return {**node, "value": values[node["slot"]]}
            return {key: replaced(inner) for key, inner in node.items()}
        return [replaced(inner) for inner in node] if isinstance(node, list) else node

    plain = blueprint.model_dump(mode="json")
    return Blueprint.model_validate(
        {
            **plain,
            "intent": value["intent"],
            "persona": Persona.model_validate(value["persona"]).model_dump(mode="json"),
            "steps": replaced(plain["steps"]),
            "promises": replaced(plain["promises"]),
        }
    )


# ---------------------------------------------------------------------------------------------------------- the user


def speak(
    session: AgentSession, view: UserView, intent: str, request: Request | None, *, note: str = ""
) -> dict[str, Json]:
    """Return the user's next message and its ``kind``. ``request`` is the request to state; None to answer.

    ``note`` is the inspector's objection to the previous message.
    """
    brief = view.brief
    now: dict[str, Json] = {"do": "answer the assistant"}
    if request is not None:
        now = {
            "do": "state this request",
            "goals": list(request.goals),
            "details": dict(request.details),
            "remarks": list(request.remarks),
        }
    if note:
        now["mind"] = note
    material = {
        "only_if_asked": dict(brief.withheld),
        "conversation": [{"who": "you" if m.role == "user" else "assistant", "says": m.content} for m in view.messages],
        "now": now,
    }

    def check(value: dict[str, Json]) -> str:
        text = value["message"]
        if value["kind"] == "done":
            return "" if request is None else "there is a request to state"
        if not text.strip():
            return "the message is empty"
        if request is None:
            return ""
        said = "\n".join([*(m.content for m in view.messages if m.role == "user"), text])
        for name, detail in request.details:
            for part, leaf in leaves(detail, name):
                if not mentions(said, part, leaf):
                    return f"the message does not say that the {label(part)} is {canonical_json(leaf)}"
        allowed = canonical_json([request, intent])
        for name, hidden in brief.withheld.items():
            if isinstance(hidden, str) and len(hidden) >= 5 and hidden not in allowed and contains_whole(text, hidden):
                return f"the message tells the {name}, which is told only if asked"
        return ""

    persona = brief.persona
    return session.structured(
        "user", material, USER_SCHEMA, check,
        {"name": persona.name, "role": persona.role, "style": persona.style, "intent": intent},
    )  # fmt: skip


def inspect(session: AgentSession, view: UserView, message: str, request: Request | None) -> str:
    """Return the inspector's objection to the user's message; empty if the message follows the plan."""
    material = {
        "request": None if request is None else {"goals": list(request.goals), "details": dict(request.details)},
        "only_if_asked": dict(view.brief.withheld),
        "conversation": [{"who": m.role, "says": m.content} for m in view.messages],
        "message": message,
    }
    verdict = session.structured("inspector", material, INSPECTOR_SCHEMA, lambda value: "")
    return "" if verdict["follows"] else _line(verdict["reason"]) or "the message leaves the plan"


def judge(session: AgentSession, trajectory: Trajectory, intent: str) -> str:
    """Return the judge's objection to a trajectory; empty if the judge accepts it."""
    material = {"wanted": intent, "messages": [openai_message(message) for message in trajectory.messages]}
    verdict = session.structured("judge", material, JUDGE_SCHEMA, lambda value: "")
    return "" if verdict["accept"] else _line(verdict["reason"]) or "no reason given"


# -------------------------------------------------------------------------------------------------------- the assistant


def chat_tools(tools: Mapping[str, Tool]) -> tuple[dict[str, Json], ...]:
    """Convert the offered tools, keyed by the name they are offered under, to the form of the chat API."""
    return tuple(
        {"type": "function", "function": {"name": n, "description": t.description, "parameters": t.input_schema}}
        for n, t in tools.items()
    )


# --------------------------------------------------------------------------------------------------------------- shared


def _problem(reply: ChatReply, max_tokens: int) -> str:
    """Say why a reply cannot be used; empty if it can."""
    if reply.finish == UNPARSABLE:
        return f"the server could not parse the reply: {_line(reply.problem)}"
    if reply.finish == "length":
        return f"the reply was cut off at {max_tokens} tokens"
    if not reply.text.strip() and not reply.calls:
        return "the reply is empty"
    if len(reply.text) + sum(len(call.arguments) for call in reply.calls) > _MAX_CHARS_PER_TOKEN * max_tokens:
        return f"the reply is longer than {max_tokens} tokens can be"
    for call in reply.calls:
        try:
            arguments = read_json(call.arguments)
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            return f"the arguments of {_line(call.name)} are not a JSON object"
    return ""


def _object(text: str, schema: dict[str, Json]) -> tuple[dict[str, Json], str]:
    """Return the JSON object in a text, which may be in a code fence or amid prose, and its first problem, if any."""
    candidates = [text, *re.findall(r"```(?:json)?\s*(.*?)```", text, re.DOTALL)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        candidates.append(text[start : end + 1])
    problem = "it is not a JSON object"
    for candidate in candidates:
        try:
            value: Any = read_json(candidate)
        except ValueError:
            continue
        if isinstance(value, dict):
            problems = compile_schema(schema).errors(value)
            if not problems:
                return value, ""
            problem = problems[0]
    return {}, problem


def _fill_in(text: str, values: Mapping[str, str]) -> str:
    """Fill in a prompt's ``{{name}}`` placeholders in one pass, so that a value cannot add a placeholder."""
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: _line(values[mark.group(1)], max_chars=_MAX_INTENT), text)


def _line(text: str, *, max_chars: int = _MAX_LINE) -> str:
    """Return untrusted text as one printable line of limited length."""
    shown = " ".join(text.split())[:max_chars]
    return "".join(c if c.isprintable() else "\ufffd" for c in shown)

"""The agents: each is text in, a structured reply out, and sees only what its role may see.

A reply that is empty, cut off or holds arguments that are not JSON is asked for again, twice at most; one that breaks
its schema or its rules is answered with what is wrong, twice at most. What is still of no use then stops the rollout
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
from tdlab.rollout.llm.client import MOCK_MODEL, RequestRefused
from tdlab.rollout.llm.prompts import prompt
from tdlab.rollout.llm.protocol import ChatReply, ChatRequest, strict_json
from tdlab.rollout.views import Request, RolloutStopped, UserView
from tdlab.tools import compile_schema, goal_phrase, label, leaves, mentions, reference, said_as

__all__ = ["AgentSession", "ModelBackend", "chat_tools", "inspect", "judge", "speak", "write"]

_AGAIN = 2  # how often a reply of no use is asked for again, and how often a wrong one may be repaired
_LINE = 300  # characters of a reason or a name
_INTENT = 4000  # characters of an intent
_PER_TOKEN = 40  # characters that a token has at most, where a server does not keep to the limit

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)
"""What a server that does not take a model's thoughts apart puts before its words."""

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
    """Who answers requests, from any thread; raises RequestRefused, BudgetSpent and TeacherError."""

    def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        """The reply to a request."""
        ...


class AgentSession:
    """What the agents of one rollout speak with: a backend, the config, and a tally of what they used.

    ``blueprint`` and ``tools`` go along to the rehearsal server, and nowhere else.
    """

    def __init__(
        self, backend: ModelBackend, config: TeacherConfig, blueprint: Blueprint, tools: Mapping[str, Tool]
    ) -> None:
        self.config = config
        self.spending = Spending()
        self._desk = backend
        self.script(blueprint, tools)

    def script(self, blueprint: Blueprint, tools: Mapping[str, Tool]) -> None:
        """The plan that is played from now on."""
        self._rollout = blueprint.id
        self._script: dict[str, Json] | None = None
        if MOCK_MODEL in (self.config.model, *self.config.models.values()):
            self._script = {
                "blueprint": blueprint.model_dump(mode="json"),
                "tools": {key: tool.model_dump(mode="json") for key, tool in tools.items()},
            }

    def plays(self, role: TeacherRole) -> bool:
        """Whether a model plays the role."""
        return role in self.config.roles

    def reply(
        self,
        role: TeacherRole,
        messages: Sequence[dict[str, Json]],
        *,
        tools: tuple[dict[str, Json], ...] = (),
        schema: dict[str, Json] | None = None,
    ) -> ChatReply:
        """A reply that can be used; RolloutStopped with the reason where there is none."""
        config, why = self.config, ""
        model = config.model_of(role)
        request = ChatRequest(
            role=role, model=model, messages=tuple(messages), tools=tools, reply_schema=schema,
            temperature=config.temperature, max_tokens=config.max_tokens, rollout=self._rollout,
            script=None if self._script is None or model != MOCK_MODEL else {"role": role, **self._script},
        )  # fmt: skip
        for attempt in range(1 + _AGAIN):
            try:
                reply = self._desk.ask(request, attempt=attempt)
            except RequestRefused as refused:
                raise RolloutStopped(f"{role}: {refused}") from None
            self.spending.add(role, model, reply.input_tokens, reply.output_tokens)
            if reply.refusal or reply.finish == "content_filter":
                raise RolloutStopped(f"{role}: the model refused: {_line(reply.refusal or reply.text) or 'filtered'}")
            reply = reply._replace(text=_THOUGHT.sub("", reply.text))
            why = _useless(reply, config.max_tokens)
            if not why:
                return reply
        raise RolloutStopped(f"{role}: {why}, {1 + _AGAIN} times")

    def structured(
        self,
        role: TeacherRole,
        material: Json,
        schema: dict[str, Json],
        check: Callable[[dict[str, Json]], str],
        filled: Mapping[str, str] | None = None,
    ) -> dict[str, Json]:
        """A JSON object that fits ``schema`` and passes ``check``, which says what is wrong, or nothing."""
        messages: list[dict[str, Json]] = [
            {"role": "system", "content": _filled(prompt(role), filled or {})},
            {"role": "user", "content": canonical_json(material)},
        ]
        problem = ""
        for _ in range(1 + _AGAIN):
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
        raise RolloutStopped(f"{role}: {_line(problem)}, {1 + _AGAIN} times")


# ------------------------------------------------------------------------------------------------- the blueprint writer


def write(session: AgentSession, blueprint: Blueprint, tools: Mapping[str, Tool], *, values: bool = True) -> Blueprint:
    """The blueprint with an intent, a persona and (where ``values``) values that the model wrote; topology stays.

    Values that name what is in the world stay too. RolloutStopped where no coherent plan came of it.
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
    made: list[Blueprint] = []

    def check(value: dict[str, Json]) -> str:
        for name, text, most in (
            ("intent", value["intent"], _INTENT),
            *((name, value["persona"][name], _LINE) for name in ("name", "role")),
        ):
            if not text.strip() or len(text) > most or not text.isprintable():
                return f"{name} is empty, longer than {most} characters or of several lines"
        for slot, (_, before) in slots.items():
            for _, leaf in leaves(value["values"][slot]):
                if isinstance(leaf, str) and leaf != before and not (leaf.isprintable() and leaf.strip() == leaf):
                    return f"the value of {slot} has line breaks, or spaces around it"
        written = _rewritten(blueprint, value)
        found = violations(written, tools)
        if found:
            return "; ".join(f"{v.step}: {v.message}" for v in found[:3])
        made.append(written if written == blueprint else named(written))
        return ""

    session.structured("writer", material, schema, check)
    return made[-1]


def _free_slots(blueprint: Blueprint, tools: Mapping[str, Tool]) -> dict[str, tuple[dict[str, Json], Json]]:
    """Slots whose value is the user's own to choose: it names nothing that has to exist. Slot -> (schema, value)."""
    taken = {canonical_json(seed.id) for seed in blueprint.world}
    taken |= {canonical_json(v) for seed in blueprint.world for v in seed.fields.values()}
    free: dict[str, tuple[dict[str, Json], Json]] = {}
    fixed: set[str] = set()
    for _, _, call in blueprint.calls():
        for parameter, binding in call.arguments.items():
            if not isinstance(binding, FromUser):
                continue
            schema = tools[call.tool].parameters.get(parameter, {})
            inner = [canonical_json(leaf) for _, leaf in leaves(binding.value)]
            if reference(parameter) is not None or taken & {canonical_json(binding.value), *inner}:
                fixed.add(binding.slot)
            elif isinstance(binding.value, (str, int, float)) and not isinstance(binding.value, bool):
                free.setdefault(binding.slot, (schema, binding.value))
    return {slot: found for slot, found in free.items() if slot not in fixed}


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
    """The user's next words: ``kind`` and ``message``. ``request`` is the one to state now, None to answer.

    ``note`` is what an inspector found wrong with the words before.
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
            if isinstance(hidden, str) and len(hidden) >= 5 and hidden not in allowed and said_as(text, hidden):
                return f"the message tells the {name}, which is told only if asked"
        return ""

    persona = brief.persona
    return session.structured(
        "user", material, USER_SCHEMA, check,
        {"name": persona.name, "role": persona.role, "style": persona.style, "intent": intent},
    )  # fmt: skip


def inspect(session: AgentSession, view: UserView, message: str, request: Request | None) -> str:
    """What the inspector holds against the user's message; empty where it follows the plan."""
    material = {
        "request": None if request is None else {"goals": list(request.goals), "details": dict(request.details)},
        "only_if_asked": dict(view.brief.withheld),
        "conversation": [{"who": m.role, "says": m.content} for m in view.messages],
        "message": message,
    }
    found = session.structured("inspector", material, INSPECTOR_SCHEMA, lambda value: "")
    return "" if found["follows"] else _line(found["reason"]) or "the message leaves the plan"


def judge(session: AgentSession, trajectory: Trajectory, intent: str) -> str:
    """What the judge holds against a trajectory; empty where it agrees."""
    material = {"wanted": intent, "messages": [openai_message(message) for message in trajectory.messages]}
    found = session.structured("judge", material, JUDGE_SCHEMA, lambda value: "")
    return "" if found["accept"] else _line(found["reason"]) or "no reason given"


# -------------------------------------------------------------------------------------------------------- the assistant


def chat_tools(tools: Mapping[str, Tool]) -> tuple[dict[str, Json], ...]:
    """The tools on offer, by the name they are offered under, in the form of the chat API."""
    return tuple(
        {"type": "function", "function": {"name": n, "description": t.description, "parameters": t.input_schema}}
        for n, t in tools.items()
    )


# --------------------------------------------------------------------------------------------------------------- inside


def _useless(reply: ChatReply, most: int) -> str:
    if reply.finish == "length":
        return f"the reply was cut off at {most} tokens"
    if not reply.text.strip() and not reply.calls:
        return "the reply is empty"
    if len(reply.text) + sum(len(call.arguments) for call in reply.calls) > _PER_TOKEN * most:
        return f"the reply is longer than {most} tokens can be"
    for call in reply.calls:
        try:
            arguments = strict_json(call.arguments)
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            return f"the arguments of {_line(call.name)} are not a JSON object"
    return ""


def _object(text: str, schema: dict[str, Json]) -> tuple[dict[str, Json], str]:
    """The JSON object in a text, which may stand in a fence or among words; and what is wrong with it."""
    candidates = [text, *re.findall(r"```(?:json)?\s*(.*?)```", text, re.DOTALL)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        candidates.append(text[start : end + 1])
    problem = "it is not a JSON object"
    for candidate in candidates:
        try:
            value: Any = strict_json(candidate)
        except ValueError:
            continue
        if isinstance(value, dict):
            problems = compile_schema(schema).errors(value)
            if not problems:
                return value, ""
            problem = problems[0]
    return {}, problem


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The prompt with its marks filled in one pass, so that a value cannot bring a mark of its own."""
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: _line(values[mark.group(1)], most=_INTENT), text)


def _line(text: str, *, most: int = _LINE) -> str:
    """Text from outside as one printable line of limited length."""
    shown = " ".join(text.split())[:most]
    return "".join(c if c.isprintable() else "\ufffd" for c in shown)

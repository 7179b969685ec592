"""The mock model: the scripted teacher as an OpenAI-compatible model, to try the LLM path without a key or any cost.

`MockModel` answers the body of a chat request; `MockServer` serves it over HTTP on this machine and can inject faults.
A request to the mock model carries the script in `tdlab_script` (blueprint and tools); everything else is read from the
messages, as a real server would. Replies depend on the request alone, so a restarted server gives the same replies.
Which rollouts are corrupted, and how, depends on the blueprint's id and the seed.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tdlab.config import TeacherRole
from tdlab.records import Blueprint, Json, Message, Tool, ToolCall, canonical_json, digest, rng_for
from tdlab.rollout.environments import Environment
from tdlab.rollout.llm.environment import entities_in
from tdlab.rollout.llm.mock_judge import judged
from tdlab.rollout.llm.prompts import example_turns
from tdlab.rollout.llm.protocol import estimate_tokens
from tdlab.rollout.llm.user import DIRECTION, STOP
from tdlab.rollout.replies import parsed
from tdlab.rollout.scripted import ScriptedTeacher
from tdlab.rollout.views import AssistantView, UserView, brief_of, describe, offered_names
from tdlab.rollout.worlds import SimulatedEnvironment

__all__ = ["CORRUPTIONS", "MockModel", "completion"]

CORRUPTIONS = (
    "wrong tool",
    "invented value",
    "arguments that are not JSON",
    "empty reply",
    "cut off",
    "refusal",
    "does nothing",
)
"""The faults that the assistant of a corrupted rollout may have, from its first tool call on."""

_IN_YOUR_WORDS = re.compile("\u00ab(.+?)\u00bb")
_MAX_CACHED_SCRIPTS = 256  # parsed scripts kept in memory; every request brings its own


class _Script(NamedTuple):
    blueprint: Blueprint
    tools: dict[str, Tool]


class MockModel:
    """Answer chat requests as the scripted teacher would.

    Args:
        corrupt: Share of rollouts whose assistant misbehaves, in [0, 1].
        seed: Seed of the choice of the corrupted rollouts and their faults.

    ``corrupted`` maps the ids of the blueprints corrupted so far to their fault, one of `CORRUPTIONS`.
    """

    def __init__(self, *, corrupt: float = 0.0, seed: int = 0) -> None:
        self.corrupted: dict[str, str] = {}
        self._corrupt = corrupt
        self._seed = seed
        self._scripts: OrderedDict[str, _Script] = OrderedDict()
        self._tools: OrderedDict[str, Tool] = OrderedDict()
        self._guard = threading.Lock()

    def respond(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """Return the body of the reply to a chat request. ValueError if the request carries no script."""
        payload = body.get("tdlab_script")
        if not isinstance(payload, Mapping) or not isinstance(body.get("messages"), list):
            raise ValueError("the mock model needs a script in the request: set teacher.model=mock")
        role, script = str(payload.get("role")), self._script(payload)
        roles: dict[str, Callable[[_Script, list[Json]], Json]] = {
            "proposer": self._proposer, "environment": self._environment,
            "committee": lambda script, messages: judged(_material("committee", messages)),
        }  # fmt: skip
        messages = list(body["messages"])
        if role == "assistant":
            message, finish = self._assistant(script, messages)
        elif role == "user":
            message, finish = {"role": "assistant", "content": self._user(script, messages)}, "stop"
        elif role in roles:
            message, finish = {"role": "assistant", "content": canonical_json(roles[role](script, messages))}, "stop"
        else:
            raise ValueError(f"the mock model has no role {role!r}")
        prompt = canonical_json([messages, body.get("tools"), body.get("response_format")])
        return completion(str(body.get("model")), message, finish=finish, prompt=prompt)

    # -- roles

    def _proposer(self, script: _Script, messages: list[Json]) -> Json:
        """Accept the task as it is."""
        material = _material("proposer", messages)
        persona = script.blueprint.persona
        return {
            "reason": "One person could want this.",
            "verdict": "accept",
            "keep": [wish["number"] for wish in material["wishes"]],
            "intent": f"You want to {script.blueprint.intent}.",
            "persona": {"role": persona.role or "customer", "style": persona.style},
            "values": dict(material["slots"]),
            **({"says": _requests(script)} if material.get("story") else {}),
        }

    def _user(self, script: _Script, messages: list[Json]) -> str:
        """Say the next line of the script, as far as the conversation has come."""
        spoken = [
            Message(role="user" if line["role"] == "assistant" else "assistant", content=line["content"])
            for line in messages[1:]
        ]
        heard, _, direction = spoken.pop().content.rpartition(DIRECTION)
        if spoken:
            spoken = [*spoken[1:], Message(role="assistant", content=heard)]
        brief = brief_of(script.blueprint, script.tools)
        teacher = ScriptedTeacher(script.blueprint, script.tools)
        requests_made = 0
        for index, line in enumerate(spoken):
            if line.role == "user":
                before = teacher.user(UserView(brief, requests_made, tuple(spoken[:index])))
                requests_made += before is not None and before.kind == "request"
        turn = teacher.user(UserView(brief, requests_made, tuple(spoken)))
        answers = direction.startswith("answer")
        if turn is None or (turn.kind == "request" and answers):
            return STOP
        quoted = _IN_YOUR_WORDS.findall(direction)
        return " ".join(quoted) if turn.kind == "request" and len(quoted) > 1 else turn.content

    def _assistant(self, script: _Script, messages: list[Json]) -> tuple[dict[str, Json], str]:
        blueprint, tools = script
        offered = {name: tools[key] for name, key in offered_names(blueprint.offered, tools).items()}
        teacher = ScriptedTeacher(blueprint, tools)
        history = tuple(_message(m) for m in messages if m["role"] != "system")
        for index, past in enumerate(history):
            if past.role == "assistant":
                teacher.assistant(AssistantView(offered, history[:index]))
        turn = teacher.assistant(AssistantView(offered, history))
        calls = [(call.name, canonical_json(call.arguments)) for call in turn.tool_calls]
        message: dict[str, Json] = {"role": "assistant", "content": turn.content}
        finish = "tool_calls" if calls else "stop"
        fault = self.fault_of(blueprint) if calls else ""
        if fault:
            calls, finish = _corrupt(fault, message, calls, finish)
        if calls:
            message["tool_calls"] = [
                {
                    "id": f"call_{digest(blueprint.id, len(history), n)}",
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
                for n, (name, arguments) in enumerate(calls)
            ]
        return message, finish

    def _environment(self, script: _Script, messages: list[Json]) -> Json:
        material = _material("environment", messages)
        world: Environment = SimulatedEnvironment(script.blueprint, script.tools)
        for past in material["history"]:
            world.call(script.tools[past["tool"]], past["arguments"], call_id="")
        before, now = world.changes(), material["call"]
        result = parsed(world.call(script.tools[now["tool"]], now["arguments"], call_id="").text)
        changed = {
            (entity, identity): fields
            for entity, rows in world.changes().items()
            for identity, fields in rows.items()
            if before.get(entity, {}).get(identity, before) != fields
        }
        for entity, identity, fields in entities_in(result):
            known = material["state"].get(entity, {}).get(identity) or {}
            if any(field in known and known[field] != value for field, value in fields.items()):
                changed[entity, identity] = {**(changed.get((entity, identity)) or {}), **fields}
        changes = [{"entity": e, "id": i, "fields": fields} for (e, i), fields in changed.items()]
        return {"reason": "As the simulated service does.", "changes": changes, "known": [], "result": result}

    def fault_of(self, blueprint: Blueprint) -> str:
        """Return how the rollout of a blueprint is corrupted; empty if it is not."""
        rng = rng_for("rehearsal", self._seed, blueprint.id)  # the label seeds the draw, so it keeps its first name
        if rng.random() >= self._corrupt:
            return ""
        return self.corrupted.setdefault(blueprint.id, rng.choice(CORRUPTIONS))

    # -- scripts

    def _script(self, payload: Mapping[str, Json]) -> _Script:
        plan = payload.get("blueprint")
        key = canonical_json(plan)
        with self._guard:
            script = self._scripts.get(key)
            if script is None:
                blueprint = Blueprint.model_validate(plan)
                tools = {name: self._tool(tool) for name, tool in dict(payload.get("tools") or {}).items()}
                script = self._scripts[key] = _Script(blueprint, tools)
            self._scripts.move_to_end(key)
            while len(self._scripts) > _MAX_CACHED_SCRIPTS:
                self._scripts.popitem(last=False)
        return script

    def _tool(self, plain: Json) -> Tool:
        key = canonical_json(plain)
        tool = self._tools.get(key)
        if tool is None:
            tool = self._tools[key] = Tool.model_validate(plain)
        self._tools.move_to_end(key)
        while len(self._tools) > 8 * _MAX_CACHED_SCRIPTS:
            self._tools.popitem(last=False)
        return tool


def _requests(script: _Script) -> list[str]:
    """Return what the scripted user says for each request, with what they would tell only if asked."""
    brief = brief_of(script.blueprint, script.tools)
    withheld = describe(tuple(brief.withheld.items()))
    return [
        " ".join((f"I need to {', then to '.join(r.goals)}: {describe(r.details)}", withheld, *r.remarks)).strip(" :")
        for r in brief.requests
    ]


def completion(model: str, message: dict[str, Json], *, finish: str = "stop", prompt: str = "") -> dict[str, Json]:
    """Return the body of a chat completion; token counts are estimates of ``prompt`` and ``message``."""
    written = str(message.get("content") or "") + "".join(
        call["function"]["name"] + call["function"]["arguments"] for call in message.get("tool_calls", ())
    )
    tokens = estimate_tokens(prompt), estimate_tokens(written)
    return {
        "id": "chatcmpl-" + digest(message, prompt),
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
    }


def _material(role: TeacherRole, messages: list[Json]) -> dict[str, Json]:
    """Return the task of a request, which stands behind the prompt and its example; notes may follow it."""
    material: dict[str, Json]
    material, _ = json.JSONDecoder().raw_decode(messages[1 + len(example_turns(role))]["content"])
    return material


def _message(plain: Mapping[str, Json]) -> Message:
    """Convert a message of the chat API; a tool result is an error if ``error`` is its only key."""
    content = plain.get("content") or ""
    result = parsed(content) if plain["role"] == "tool" else None
    calls = tuple(
        ToolCall(id=c["id"], name=c["function"]["name"], arguments=json.loads(c["function"]["arguments"]))
        for c in plain.get("tool_calls") or ()
    )
    return Message(
        role=plain["role"], content=content, tool_calls=calls, tool_call_id=plain.get("tool_call_id"),
        is_error=isinstance(result, dict) and set(result) == {"error"},
    )  # fmt: skip


def _corrupt(
    fault: str, message: dict[str, Json], calls: list[tuple[str, str]], finish: str
) -> tuple[list[tuple[str, str]], str]:
    """Apply one of the `CORRUPTIONS` to a turn with calls; a fault that does not apply becomes a wrong tool."""
    name, text = calls[0]
    arguments = json.loads(text)
    if fault == "invented value" and arguments:
        arguments[next(iter(arguments))] = "zz-invented-0451"
        return [(name, canonical_json(arguments)), *calls[1:]], finish
    if fault == "arguments that are not JSON":
        return [(name, text[:-1] + ", oops"), *calls[1:]], finish
    if fault == "empty reply":
        return [], "stop"
    if fault == "cut off":
        message["content"] = "I will now"
        return [], "length"
    if fault == "refusal":
        message["content"], message["refusal"] = None, "I cannot help with that."
        return [], "stop"
    if fault == "does nothing":
        message["content"] = "Done, all of it."
        return [], "stop"
    return [(f"{name[:50]}_that_is_not_there", text), *calls[1:]], finish

"""The rehearsal: an OpenAI-compatible endpoint answered by the scripted teacher, to walk the whole path for nothing.

`Responder` answers the body of a chat request; `MockServer` serves it over HTTP on this machine and can be told to
misbehave. A request to it carries the script (`tdlab_script`: blueprint and tools), since its model is an actor who has
read it; all else is read from the messages, as any server would. It holds no state of its own: the same request gets
the same reply, also after a restart. What it corrupts it corrupts for good, by the blueprint's id.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tdlab.records import Blueprint, Json, Message, Tool, ToolCall, canonical_json, digest, rng_for
from tdlab.rollout.environments import Environment
from tdlab.rollout.llm.protocol import estimate_tokens
from tdlab.rollout.replies import parsed
from tdlab.rollout.scripted import ScriptedTeacher
from tdlab.rollout.simulated import SimulatedEnvironment
from tdlab.rollout.views import AssistantView, UserView, brief_of, offered_names

__all__ = ["CORRUPTIONS", "Responder", "completion"]

CORRUPTIONS = (
    "wrong tool",
    "invented value",
    "arguments that are no JSON",
    "empty reply",
    "cut off",
    "refusal",
    "does nothing",
)
"""What the assistant of a corrupted rollout does, from its first call on."""

_KEPT = 256  # scripts held in memory; a request brings its own


class _Script(NamedTuple):
    blueprint: Blueprint
    tools: dict[str, Tool]


class Responder:
    """Answers chat requests as the scripted teacher would; ``corrupt`` is the share of rollouts that it spoils.

    ``corrupted`` maps the id of every blueprint that it spoilt to how; it grows with them.
    """

    def __init__(self, *, corrupt: float = 0.0, seed: int = 0) -> None:
        self.corrupted: dict[str, str] = {}
        self._corrupt = corrupt
        self._seed = seed
        self._scripts: OrderedDict[str, _Script] = OrderedDict()
        self._tools: OrderedDict[str, Tool] = OrderedDict()
        self._guard = threading.Lock()

    def respond(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """The body of the reply to a chat request; ValueError where it carries no script to play."""
        given = body.get("tdlab_script")
        if not isinstance(given, Mapping) or not isinstance(body.get("messages"), list):
            raise ValueError("the rehearsal plays tdlab's rollouts: the request carries no script")
        role, script = str(given.get("role")), self._script(given)
        roles: dict[str, Callable[[_Script, list[Json]], Json]] = {
            "writer": self._writer, "user": self._user, "environment": self._environment,
            "inspector": lambda script, messages: {"follows": True, "reason": ""},
            "judge": lambda script, messages: {"accept": True, "reason": ""},
        }  # fmt: skip
        messages = list(body["messages"])
        if role == "assistant":
            message, finish = self._assistant(script, messages)
        elif role in roles:
            message, finish = {"role": "assistant", "content": canonical_json(roles[role](script, messages))}, "stop"
        else:
            raise ValueError(f"the rehearsal plays no {role!r}")
        asked = canonical_json([messages, body.get("tools"), body.get("response_format")])
        return completion(str(body.get("model")), message, finish=finish, asked=asked)

    # -- roles

    def _writer(self, script: _Script, messages: list[Json]) -> Json:
        """What was planned, as it is."""
        material = json.loads(messages[1]["content"])
        return {
            "intent": script.blueprint.intent,
            "persona": script.blueprint.persona.model_dump(mode="json"),
            "values": {slot: found["value"] for slot, found in material["slots"].items()},
        }

    def _user(self, script: _Script, messages: list[Json]) -> Json:
        material = json.loads(messages[1]["content"])
        brief = brief_of(script.blueprint, script.tools)
        teacher = ScriptedTeacher(script.blueprint, script.tools)
        spoken = tuple(
            Message(role="user" if line["who"] == "you" else "assistant", content=line["says"])
            for line in material["conversation"]
        )
        made = 0
        for place, line in enumerate(spoken):
            if line.role == "user":
                before = teacher.user(UserView(brief, made, spoken[:place]))
                made += before is not None and before.kind == "request"
        turn = teacher.user(UserView(brief, made, spoken))
        if turn is None or ((turn.kind == "request") != (material["now"]["do"] == "state this request")):
            return {"kind": "done", "message": ""}
        return {"kind": turn.kind, "message": turn.content}

    def _assistant(self, script: _Script, messages: list[Json]) -> tuple[dict[str, Json], str]:
        blueprint, tools = script
        offered = {name: tools[key] for name, key in offered_names(blueprint.offered, tools).items()}
        teacher = ScriptedTeacher(blueprint, tools)
        history = tuple(_message(m) for m in messages if m["role"] != "system")
        for place, past in enumerate(history):
            if past.role == "assistant":
                teacher.assistant(AssistantView(offered, history[:place]))
        turn = teacher.assistant(AssistantView(offered, history))
        calls = [(call.name, canonical_json(call.arguments)) for call in turn.tool_calls]
        message: dict[str, Json] = {"role": "assistant", "content": turn.content}
        finish = "tool_calls" if calls else "stop"
        how = self._spoilt(blueprint) if calls else ""
        if how:
            calls, finish = _spoil(how, message, calls, finish)
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
        material = json.loads(messages[1]["content"])
        world: Environment = SimulatedEnvironment(script.blueprint, script.tools)
        for past in material["history"]:
            world.call(script.tools[past["tool"]], past["arguments"], call_id="")
        now = material["call"]
        return parsed(world.call(script.tools[now["tool"]], now["arguments"], call_id="").text)

    # -- inside

    def _spoilt(self, blueprint: Blueprint) -> str:
        """How the rollout of a blueprint is spoilt; empty for most."""
        rng = rng_for("rehearsal", self._seed, blueprint.id)
        if rng.random() >= self._corrupt:
            return ""
        return self.corrupted.setdefault(blueprint.id, rng.choice(CORRUPTIONS))

    def _script(self, given: Mapping[str, Json]) -> _Script:
        plan = given.get("blueprint")
        name = canonical_json(plan)
        with self._guard:
            kept = self._scripts.get(name)
            if kept is None:
                blueprint = Blueprint.model_validate(plan)
                tools = {key: self._tool(tool) for key, tool in dict(given.get("tools") or {}).items()}
                kept = self._scripts[name] = _Script(blueprint, tools)
            self._scripts.move_to_end(name)
            while len(self._scripts) > _KEPT:
                self._scripts.popitem(last=False)
        return kept

    def _tool(self, plain: Json) -> Tool:
        name = canonical_json(plain)
        kept = self._tools.get(name)
        if kept is None:
            kept = self._tools[name] = Tool.model_validate(plain)
        self._tools.move_to_end(name)
        while len(self._tools) > 8 * _KEPT:
            self._tools.popitem(last=False)
        return kept


def completion(model: str, message: dict[str, Json], *, finish: str = "stop", asked: str = "") -> dict[str, Json]:
    """The body of a chat completion; tokens are a quarter of the characters, as everywhere where nobody counts."""
    written = str(message.get("content") or "") + "".join(
        call["function"]["name"] + call["function"]["arguments"] for call in message.get("tool_calls", ())
    )
    tokens = estimate_tokens(asked), estimate_tokens(written)
    return {
        "id": "chatcmpl-" + digest(message, asked),
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
    }


def _message(plain: Mapping[str, Json]) -> Message:
    """A message of the chat API as a record; a tool's result is an error where it says so."""
    content = plain.get("content") or ""
    answer = parsed(content) if plain["role"] == "tool" else None
    calls = tuple(
        ToolCall(id=c["id"], name=c["function"]["name"], arguments=json.loads(c["function"]["arguments"]))
        for c in plain.get("tool_calls") or ()
    )
    return Message(
        role=plain["role"], content=content, tool_calls=calls, tool_call_id=plain.get("tool_call_id"),
        is_error=isinstance(answer, dict) and set(answer) == {"error"},
    )  # fmt: skip


def _spoil(
    how: str, message: dict[str, Json], calls: list[tuple[str, str]], finish: str
) -> tuple[list[tuple[str, str]], str]:
    """Make a turn with calls wrong in one of the `CORRUPTIONS`; one that does not apply is a wrong tool."""
    name, text = calls[0]
    arguments = json.loads(text)
    if how == "invented value" and arguments:
        arguments[next(iter(arguments))] = "zz-invented-0451"
        return [(name, canonical_json(arguments)), *calls[1:]], finish
    if how == "arguments that are no JSON":
        return [(name, text[:-1] + ", oops"), *calls[1:]], finish
    if how == "empty reply":
        return [], "stop"
    if how == "cut off":
        message["content"] = "I will now"
        return [], "length"
    if how == "refusal":
        message["content"], message["refusal"] = None, "I cannot help with that."
        return [], "stop"
    if how == "does nothing":
        message["content"] = "Done, all of it."
        return [], "stop"
    return [(f"{name[:50]}_that_is_not_there", text), *calls[1:]], finish

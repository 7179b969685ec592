"""The LLM teacher and environment, played by agents; and `LlmRollout`, one whole rollout.

Which request or answer the user makes is decided here from the conversation, so that a plan's turns stay in order; the
words are the model's. Call ids are counted anew, for a server's are random.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from tdlab.config import TeacherConfig
from tdlab.errors import SchemaError
from tdlab.formats import openai_message
from tdlab.records import Blueprint, Json, Tool, ToolCall, Trajectory, canonical_json, digest
from tdlab.rollout.code_environment import CodeRunner, CodingEnvironment
from tdlab.rollout.engine import Rollout, play
from tdlab.rollout.environments import Environment, ToolResult, failures_of, receipt
from tdlab.rollout.llm.agents import AgentSession, ModelBackend, chat_tools, inspect, judge, speak, write
from tdlab.rollout.llm.budget import Spending
from tdlab.rollout.llm.prompts import prompt
from tdlab.rollout.scripted import ScriptedTeacher
from tdlab.rollout.views import AssistantTurn, AssistantView, RolloutStopped, UserTurn, UserView, offered_names
from tdlab.tools import compile_schema, nature, reference

__all__ = ["LlmEnvironment", "LlmRollout", "LlmTeacher"]

_MOST_CALLS = 16  # in one message


class LlmTeacher:
    """Plays the user and the assistant of one blueprint with models; a role that no model plays is scripted."""

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool], session: AgentSession) -> None:
        self.name = f"llm:{session.config.model_of('assistant' if session.plays('assistant') else 'user')}"
        self._intent = blueprint.intent
        self._voice = session
        self._scripted = ScriptedTeacher(blueprint, tools)
        self._calls = 0

    def user(self, view: UserView) -> UserTurn | None:
        """The user's next message: an answer while the assistant asks, else the next request, else nothing."""
        if not self._voice.plays("user"):
            return self._scripted.user(view)
        left = view.brief.requests[view.requests_made :]
        asked = bool(view.messages) and "?" in view.messages[-1].content
        if asked:
            said = self._said(view, answering=True)
            if said is not None:
                return UserTurn(said, "answer")
        if not left:
            return None
        return UserTurn(self._said(view, answering=False) or "", "request")

    def _said(self, view: UserView, *, answering: bool) -> str | None:
        """The words, as the inspector lets them pass; None where an answer is not wanted after all."""
        request = None if answering else view.brief.requests[view.requests_made]
        note = ""
        for _ in range(2):
            said = speak(self._voice, view, self._intent, request, note=note)
            if answering and said["kind"] != "answer":
                return None
            note = inspect(self._voice, view, said["message"], request) if self._voice.plays("inspector") else ""
            if not note:
                return str(said["message"])
        raise RolloutStopped(f"inspector: {note}")

    def assistant(self, view: AssistantView) -> AssistantTurn:
        """The assistant's next turn: calls or words."""
        if not self._voice.plays("assistant"):
            return self._scripted.assistant(view)
        messages = [{"role": "system", "content": prompt("assistant")}, *map(openai_message, view.messages)]
        reply = self._voice.reply("assistant", messages, tools=chat_tools(view.tools))
        if len(reply.calls) > _MOST_CALLS:
            raise RolloutStopped(f"assistant: {len(reply.calls)} calls in one message")
        calls = []
        for call in reply.calls:
            self._calls += 1
            calls.append(ToolCall(id=f"call_{self._calls}", name=call.name, arguments=json.loads(call.arguments)))
        return AssistantTurn(reply.text, tuple(calls))


class LlmEnvironment:
    """Results that a model makes up, held to the output schema and to what it has shown before.

    Planned failures strike as planned. What the calls changed is known to the model alone, so `changes` is empty.
    """

    name = "llm"

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool], session: AgentSession) -> None:
        self._voice = session
        self._facts = [seed.model_dump(mode="json") for seed in blueprint.world]
        self._failures = failures_of(blueprint)
        self._count: dict[str, int] = {}
        self._history: list[dict[str, Json]] = []
        self._known: dict[tuple[str, str], dict[str, Json]] = {}

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call; RolloutStopped where the model gives no result that can be used."""
        count = self._count.get(tool.key, 0)
        self._count[tool.key] = count + 1
        failure = self._failures.get((tool.key, count))
        try:
            problems = compile_schema(tool.input_schema).errors(dict(arguments))
        except SchemaError as error:
            problems = (error.found,)
        if failure is not None:
            result: dict[str, Json] = {"error": {"code": failure.code, "message": failure.message}}
        elif problems:
            result = {"error": {"code": "invalid_arguments", "message": problems[0]}}
        else:
            result = self._result(tool, arguments)
        text, ok = canonical_json(result), "error" not in result
        self._history.append({"tool": tool.key, "arguments": dict(arguments), "result": result})
        if ok:
            self._learn(tool, arguments, result)
        return ToolResult(ok, text, receipt(call_id, tool, self.name, arguments, text, ok=ok))

    def changes(self) -> dict[str, dict[str, Json]]:
        """Nothing that is known for certain."""
        return {}

    def _result(self, tool: Tool, arguments: Mapping[str, Json]) -> dict[str, Json]:
        output = tool.output_schema or {"type": "object"}
        changes = nature(tool).effect in ("write", "delete")
        material = {
            "tool": {"key": tool.key, "description": tool.description, "output": output},
            "facts": self._facts,
            "history": self._history,
            "call": {"tool": tool.key, "arguments": dict(arguments)},
        }

        def check(result: dict[str, Json]) -> str:
            if set(result) == {"error"}:
                return ""
            try:
                problems = compile_schema(output).errors(result)
            except SchemaError as error:
                return error.found
            return problems[0] if problems else "" if changes else self._contradiction(result)

        return self._voice.structured("environment", material, {"type": "object"}, check)

    def _contradiction(self, result: Json) -> str:
        for (name, identity), shown in _entities(result):
            for field, value in self._known.get((name, identity), {}).items():
                if field in shown and shown[field] != value:
                    now = canonical_json(shown[field])
                    return f"{name} {identity} had {field} {canonical_json(value)} before and has {now} now"
        return ""

    def _learn(self, tool: Tool, arguments: Mapping[str, Json], result: Json) -> None:
        if nature(tool).effect in ("write", "delete"):
            self._known.clear()  # anything may have changed; what this call shows is known again
        for place, shown in _entities(result):
            self._known.setdefault(place, {}).update(shown)


def _entities(value: Json) -> list[tuple[tuple[str, str], dict[str, Json]]]:
    """Objects that bear one identifier: (field, identifier) and their other scalars."""
    found = []
    if isinstance(value, dict):
        own = [field for field, v in value.items() if isinstance(v, (str, int)) and reference(field) is not None]
        if len(own) == 1:
            rest = {f: v for f, v in value.items() if f != own[0] and isinstance(v, (str, int, float, bool))}
            found.append(((own[0], str(value[own[0]])), rest))
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found += _entities(inner)
    return found


class LlmRollout:
    """One rollout of one blueprint with models in it: `play` it, then `judge` it; ``spending`` tells what it used.

    ``blueprint`` is what was played: what the writer made of the one that was given.
    """

    def __init__(
        self, backend: ModelBackend, config: TeacherConfig, blueprint: Blueprint, tools: Mapping[str, Tool]
    ) -> None:
        self.blueprint = blueprint
        self._tools = tools
        self._voice = AgentSession(backend, config, blueprint, tools)

    @property
    def spending(self) -> Spending:
        """Calls and tokens by role and model, those of replies taken from the journal included."""
        return self._voice.spending

    def play(
        self,
        environment: Callable[[Blueprint, Mapping[str, Tool]], Environment],
        *,
        code: CodeRunner | None = None,
        values: bool = True,
    ) -> Rollout:
        """Write and play. What goes wrong with a model is a rollout that was stopped, with the reason.

        ``code`` runs the programs of a plan that has some: no model makes up what they print.
        ``values`` lets the writer choose what the user says; not where it has to exist on a real server.
        """
        session = self._voice
        try:
            if session.plays("writer"):
                self.blueprint = write(session, self.blueprint, self._tools, values=values)
                session.script(self.blueprint, self._tools)
        except RolloutStopped as stopped:
            nothing = Trajectory(
                id="", messages=(), tools=offered_names(self.blueprint.offered, self._tools),
                blueprint=self.blueprint.id, teacher=f"llm:{session.config.model_of('writer')}",
            )  # fmt: skip
            return Rollout(nothing.model_copy(update={"id": digest(nothing)}), str(stopped))
        stage: Environment = (
            LlmEnvironment(self.blueprint, self._tools, session)
            if session.plays("environment")
            else environment(self.blueprint, self._tools)
        )
        if code is not None:
            stage = CodingEnvironment(stage, code)
        return play(self.blueprint, self._tools, LlmTeacher(self.blueprint, self._tools, session), stage)

    def judge(self, trajectory: Trajectory) -> str | None:
        """What the judge holds against the trajectory, empty where it agrees; None where there is no judge."""
        if not self._voice.plays("judge"):
            return None
        try:
            return judge(self._voice, trajectory, self.blueprint.intent)
        except RolloutStopped as stopped:
            return str(stopped)

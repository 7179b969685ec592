"""The LLM teacher and environment, played by agents, and `LlmRollout`, one whole rollout.

The code decides from the conversation which request or answer comes next, so that the turns of a plan stay in order;
the model writes the words. Call ids are numbered here, because a server's ids are random.
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
from tdlab.tools import compile_schema, nature, referenced_entity

__all__ = ["LlmEnvironment", "LlmRollout", "LlmTeacher"]

_MAX_CALLS = 16  # in one message


class LlmTeacher:
    """Play the user and the assistant of one blueprint with models; a role without a model is scripted."""

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool], session: AgentSession) -> None:
        self.name = f"llm:{session.config.model_of('assistant' if session.plays('assistant') else 'user')}"
        self._intent = blueprint.intent
        self._session = session
        self._scripted = ScriptedTeacher(blueprint, tools)
        self._calls = 0

    def user(self, view: UserView) -> UserTurn | None:
        """Return the user's next message: an answer if the assistant asked, else the next request, else None."""
        if not self._session.plays("user"):
            return self._scripted.user(view)
        open_requests = view.brief.requests[view.requests_made :]
        asked = bool(view.messages) and "?" in view.messages[-1].content
        if asked:
            answer = self._message(view, answering=True)
            if answer is not None:
                return UserTurn(answer, "answer")
        if not open_requests:
            return None
        return UserTurn(self._message(view, answering=False) or "", "request")

    def _message(self, view: UserView, *, answering: bool) -> str | None:
        """Return a message that passes the inspector; None if the model finds that no answer is needed."""
        request = None if answering else view.brief.requests[view.requests_made]
        note = ""
        for _ in range(2):
            said = speak(self._session, view, self._intent, request, note=note)
            if answering and said["kind"] != "answer":
                return None
            note = inspect(self._session, view, said["message"], request) if self._session.plays("inspector") else ""
            if not note:
                return str(said["message"])
        raise RolloutStopped(f"inspector: {note}")

    def assistant(self, view: AssistantView) -> AssistantTurn:
        """Return the assistant's next turn: tool calls or a message."""
        if not self._session.plays("assistant"):
            return self._scripted.assistant(view)
        messages = [{"role": "system", "content": prompt("assistant")}, *map(openai_message, view.messages)]
        reply = self._session.reply("assistant", messages, tools=chat_tools(view.tools))
        if len(reply.calls) > _MAX_CALLS:
            raise RolloutStopped(f"assistant: {len(reply.calls)} calls in one message")
        calls = []
        for call in reply.calls:
            self._calls += 1
            calls.append(ToolCall(id=f"call_{self._calls}", name=call.name, arguments=json.loads(call.arguments)))
        return AssistantTurn(reply.text, tuple(calls))


class LlmEnvironment:
    """Execute calls with results that a model invents, checked against the output schema and earlier results.

    Planned failures happen as planned. `changes` is empty, since only the model knows the state of its world.
    """

    name = "llm"

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool], session: AgentSession) -> None:
        self._session = session
        self._facts = [seed.model_dump(mode="json") for seed in blueprint.world]
        self._failures = failures_of(blueprint)
        self._count: dict[str, int] = {}
        self._history: list[dict[str, Json]] = []
        self._known: dict[tuple[str, str], dict[str, Json]] = {}

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call; raise RolloutStopped if the model gives no usable result."""
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
        """Return nothing: what the calls changed is not known."""
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

        return self._session.structured("environment", material, {"type": "object"}, check)

    def _contradiction(self, result: Json) -> str:
        """Say which field of an entity differs from an earlier result; empty if none does."""
        for (name, identity), shown in _entities(result):
            for field, value in self._known.get((name, identity), {}).items():
                if field in shown and shown[field] != value:
                    now = canonical_json(shown[field])
                    return f"{name} {identity} had {field} {canonical_json(value)} before and has {now} now"
        return ""

    def _learn(self, tool: Tool, arguments: Mapping[str, Json], result: Json) -> None:
        if nature(tool).effect in ("write", "delete"):
            self._known.clear()  # the call may have changed anything; only its own result is known now
        for entity, shown in _entities(result):
            self._known.setdefault(entity, {}).update(shown)


def _entities(value: Json) -> list[tuple[tuple[str, str], dict[str, Json]]]:
    """Return the objects with exactly one identifier, as (field, identifier) and their other scalar fields."""
    entities = []
    if isinstance(value, dict):
        own = [
            field for field, v in value.items() if isinstance(v, (str, int)) and referenced_entity(field) is not None
        ]
        if len(own) == 1:
            rest = {f: v for f, v in value.items() if f != own[0] and isinstance(v, (str, int, float, bool))}
            entities.append(((own[0], str(value[own[0]])), rest))
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        entities += _entities(inner)
    return entities


class LlmRollout:
    """One rollout of one blueprint with models in it: `play` it, then `judge` it.

    ``blueprint`` is the blueprint that was played, as the writer changed it; ``spending`` counts calls and tokens.

    Args:
        backend: Answers the agents' requests.
        config: The teacher's settings: which roles are played by which models.
        blueprint: The plan.
        tools: Every tool that the blueprint offers, by key.

    Example:
        >>> from tdlab import ToolPool
        >>> from tdlab.blueprints import plan
        >>> from tdlab.clusters import mine
        >>> from tdlab.config import TeacherConfig
        >>> from tdlab.rollout import SimulatedEnvironment
        >>> pool, config = ToolPool.bundled(), TeacherConfig(model=MOCK_MODEL)
        >>> blueprint = plan(mine(pool).clusters[0], pool.tools, seed=1)
        >>> rollout = LlmRollout(DryRunBackend(config), config, blueprint, pool.tools)
        >>> rollout.play(SimulatedEnvironment).stopped
        ''
        >>> rollout.spending.calls > 2
        True
    """

    def __init__(
        self, backend: ModelBackend, config: TeacherConfig, blueprint: Blueprint, tools: Mapping[str, Tool]
    ) -> None:
        self.blueprint = blueprint
        self._tools = tools
        self._session = AgentSession(backend, config, blueprint, tools)

    @property
    def spending(self) -> Spending:
        """Calls and tokens by role and model, including replies from the journal."""
        return self._session.spending

    def play(
        self,
        environment: Callable[[Blueprint, Mapping[str, Tool]], Environment],
        *,
        code: CodeRunner | None = None,
        values: bool = True,
    ) -> Rollout:
        """Let the writer complete the blueprint, then play it.

        Args:
            environment: Makes the environment of a blueprint; not used if a model plays the environment.
            code: Runs the programs of a blueprint that has code steps; a model never invents their output.
            values: Whether the writer may choose the values that the user says. Pass False for a live server, where
                they must exist.

        Returns:
            The rollout; if a model's reply was unusable, a stopped one with the reason.
        """
        session = self._session
        try:
            if session.plays("writer"):
                self.blueprint = write(session, self.blueprint, self._tools, values=values)
                session.script(self.blueprint, self._tools)
        except RolloutStopped as stopped:
            empty = Trajectory(
                id="", messages=(), tools=offered_names(self.blueprint.offered, self._tools),
                blueprint=self.blueprint.id, teacher=f"llm:{session.config.model_of('writer')}",
            )  # fmt: skip
            return Rollout(empty.model_copy(update={"id": digest(empty)}), str(stopped))
        world: Environment = (
            LlmEnvironment(self.blueprint, self._tools, session)
            if session.plays("environment")
            else environment(self.blueprint, self._tools)
        )
        if code is not None:
            world = CodingEnvironment(world, code)
        return play(self.blueprint, self._tools, LlmTeacher(self.blueprint, self._tools, session), world)

    def judge(self, trajectory: Trajectory) -> str | None:
        """Return the judge's objection to a trajectory; empty if the judge accepts it, None without a judge."""
        if not self._session.plays("judge"):
            return None
        try:
            return judge(self._session, trajectory, self.blueprint.intent)
        except RolloutStopped as stopped:
            return str(stopped)

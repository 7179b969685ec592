"""The LLM teacher, and `LlmRollout`, one whole rollout: proposed, played, judged and, if need be, played once more.

The code decides what the user says next, so that the wishes of a task stay in order; the models write the words, and
the assistant goes its own way. Call ids are numbered here, because a server's ids are random.
"""

from __future__ import annotations

from collections.abc import Mapping

from tdlab.config import TeacherConfig
from tdlab.formats import openai_message
from tdlab.records import Blueprint, Json, Tool, ToolCall, Trajectory, digest
from tdlab.rollout.code_environment import CodeRunner, CodingEnvironment
from tdlab.rollout.engine import Rollout, play
from tdlab.rollout.environments import Environment, EnvironmentFactory
from tdlab.rollout.llm.budget import Spending
from tdlab.rollout.llm.committee import Judgement, judge
from tdlab.rollout.llm.environment import LlmEnvironment
from tdlab.rollout.llm.prompts import prompt
from tdlab.rollout.llm.proposer import propose
from tdlab.rollout.llm.session import AgentSession, ModelBackend
from tdlab.rollout.llm.user import ModelUser
from tdlab.rollout.scripted import ScriptedTeacher
from tdlab.rollout.views import AssistantTurn, AssistantView, RolloutStopped, UserTurn, UserView, offered_names
from tdlab.tools import read_json

__all__ = ["LlmRollout", "LlmTeacher"]

_MAX_CALLS = 16  # in one message
_ADVICE = (
    "An earlier attempt at this conversation was not good enough, by your doing or the other's: {reasons}. Do better,"
    " and do not speak of it. Whatever this says about the task, you know it only once this conversation has shown it."
)


class LlmTeacher:
    """Play the user and the assistant of one blueprint with models; a role without a model is scripted."""

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool], session: AgentSession) -> None:
        self.name = f"llm:{session.config.model_of('assistant' if session.plays('assistant') else 'user')}"
        self._session = session
        self._scripted = ScriptedTeacher(blueprint, tools)
        self._user = ModelUser(session, blueprint, follows_script=not session.plays("assistant"))
        self._calls = 0

    def user(self, view: UserView) -> UserTurn | None:
        """Return the user's next message: an answer if the assistant asked, else the next request, else None."""
        return self._user.speak(view) if self._session.plays("user") else self._scripted.user(view)

    def assistant(self, view: AssistantView) -> AssistantTurn:
        """Return the assistant's next turn: tool calls or a message."""
        session = self._session
        if not session.plays("assistant"):
            return self._scripted.assistant(view)
        messages = [openai_message(m.model_copy(update={"reasoning": ""})) for m in view.messages]
        recorded = [messages.pop(0)["content"]] if messages[0]["role"] == "system" else []
        system = "\n\n".join(text for text in (prompt("assistant").strip(), session.advice, *recorded) if text)
        reply = session.reply(
            "assistant", [{"role": "system", "content": system}, *messages], tools=_chat_tools(view.tools)
        )
        if len(reply.calls) > _MAX_CALLS:
            raise RolloutStopped(f"assistant: {len(reply.calls)} calls in one message")
        calls = []
        for call in reply.calls:
            self._calls += 1
            calls.append(ToolCall(id=f"call_{self._calls}", name=call.name, arguments=read_json(call.arguments)))
        reasoning = reply.reasoning if session.config.keep_reasoning else ""
        return AssistantTurn(reply.text, tuple(calls), reasoning)


def _chat_tools(tools: Mapping[str, Tool]) -> tuple[dict[str, Json], ...]:
    """Convert the offered tools, keyed by the name they are offered under, to the form of the chat API."""
    return tuple(
        {"type": "function", "function": {"name": n, "description": t.description, "parameters": t.input_schema}}
        for n, t in tools.items()
    )


class LlmRollout:
    """One rollout of one blueprint with models in it: `play` it, `judge` it, and play it again with the reasons.

    ``blueprint`` is the blueprint that was played, as the proposer changed it; ``tools`` are the tools that it offers,
    by key; ``spending`` counts calls and tokens.

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
        self.tools = tools
        self._session = AgentSession(backend, config, blueprint, tools)

    @property
    def spending(self) -> Spending:
        """Calls and tokens by role and model, including replies from the journal."""
        return self._session.spending

    def play(self, environment: EnvironmentFactory, *, code: CodeRunner | None = None, advice: str = "") -> Rollout:
        """Let the proposer write the story of the blueprint, then play it.

        Args:
            environment: Makes the environment of a blueprint. A model plays it instead where the blueprint has no
                script, the environment is not external and ``config.roles`` names the environment.
            code: Runs the programs of a blueprint that has code steps; a model never invents their output.
            advice: The committee's reasons against an earlier attempt. Then the blueprint is played as it is.

        Returns:
            The rollout; if a model's reply was unusable, a stopped one with the reason.
        """
        session = self._session
        session.advice = _ADVICE.format(reasons=advice.rstrip(".")) if advice else ""
        try:
            if session.plays("proposer") and not advice:
                self.blueprint = propose(session, self.blueprint, self.tools, values=not environment.external)
                session.script(self.blueprint, self.tools)
        except RolloutStopped as stopped:
            empty = Trajectory(
                id="", messages=(), tools=offered_names(self.blueprint.offered, self.tools),
                blueprint=self.blueprint.id, teacher=f"llm:{session.config.model_of('proposer')}",
            )  # fmt: skip
            return Rollout(empty.model_copy(update={"id": digest(empty)}), str(stopped))
        improvised = self.blueprint.script is None and not environment.external
        world: Environment = (
            LlmEnvironment(self.blueprint, self.tools, session)
            if improvised and session.plays("environment")
            else environment(self.blueprint, self.tools)
        )
        if code is not None:
            world = CodingEnvironment(world, code)
        return play(self.blueprint, self.tools, LlmTeacher(self.blueprint, self.tools, session), world)

    def judge(self, trajectory: Trajectory) -> Judgement | None:
        """Return the committee's judgement of a trajectory; None without a committee."""
        if not self._session.plays("committee"):
            return None
        try:
            return judge(
                self._session, trajectory, self.blueprint.intent, self.tools, self.blueprint.constraints
            )  # fmt: skip
        except RolloutStopped as stopped:
            return Judgement((), str(stopped))

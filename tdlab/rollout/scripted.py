"""The scripted teacher: offline, seeded, and the default. An actor who has read the script.

It knows which step comes next (the script), but no value: what the user says is spoken from the brief, and the
assistant reads every argument out of the conversation, from the user's messages and from tool results. If something
was not said or not returned, it cannot make the call and says so. Wordings vary with the blueprint's seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tdlab.blueprints.wording import goal_phrase, label, leaves, mentions, say
from tdlab.records import Blueprint, Call, Json, Literally, Observed, Said, Step, Tool, ToolCall, rng_for
from tdlab.rollout.views import AssistantTurn, AssistantView, UserTurn, UserView, describe, offered_names

__all__ = ["ScriptedTeacher"]

_OPENERS: dict[str, tuple[str, ...]] = {
    "plain": (
        "Hi, I'm {name}, {role}. I need to {goal}.",
        "Hello, {name} here. Please help me {goal}.",
        "I would like to {goal}.",
    ),
    "brief": ("Please {goal}.", "Need to {goal}.", "Task: {goal}."),
    "chatty": (
        "Hey there! {name} here, {role} by day. So I really need to {goal}, can you help?",
        "Good morning! It has been one of those days. I have to {goal}.",
    ),
    "formal": (
        "Good day. My name is {name} and I work as {role}. I kindly ask you to {goal}.",
        "Dear assistant, I would be grateful if you could {goal}.",
    ),
}
_NEXT: dict[str, tuple[str, ...]] = {
    "plain": ("Thanks. Now I also need to {goal}.", "Good. One more thing: please {goal}."),
    "brief": ("Next: {goal}.", "Also {goal}."),
    "chatty": (
        "Lovely, thank you! While you are at it, could you {goal}?",
        "Perfect! Oh, and I almost forgot: {goal}, please.",
    ),
    "formal": ("Thank you. I would further ask you to {goal}.", "Much appreciated. In addition, please {goal}."),
}
_DETAILS = (
    "For that, {details}.",
    "Here is what you need: {details}.",
    "Details: {details}.",
    "To be precise, {details}.",
)
_ANSWERS: dict[str, tuple[str, ...]] = {
    "plain": ("Sure: {details}.", "Yes, {details}."),
    "brief": ("{details}.", "OK, {details}."),
    "chatty": ("Oh, of course! So, {details}.", "Ah, I forgot to say: {details}."),
    "formal": ("Certainly: {details}.", "With pleasure, {details}."),
}
_AGREED = ("Yes, go ahead.", "Yes, please do.", "That is right, please continue.", "Confirmed.")
_ASKS = ("Could you tell me {things}?", "To go on I need {things}. Could you give me that?", "What is {things}?")
_CONFIRMS = ("This will {goal} ({details}). Shall I go ahead?", "Before I {goal} with {details}: shall I go ahead?")
_REFUSALS = (
    "I'm sorry, I can't do that: none of my tools can {goal}.",
    "I can't help with that one, since none of the tools I have can {goal}.",
)
_DONE = ("Done. {facts}", "That is done. {facts}", "All set. {facts}", "Here you are. {facts}")
_STUCK = "I can't go on: {what} is neither in what you told me nor in what the tools returned."


class ScriptedTeacher:
    """Plays one blueprint. ``tools`` maps tool keys to tools; the blueprint's seed chooses the wordings."""

    name = "scripted"

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool]) -> None:
        self._blueprint = blueprint
        self._tools = tools
        self._names = {key: name for name, key in offered_names(blueprint.offered, tools).items()}
        self._user_rng = rng_for(blueprint.seed, blueprint.id, "user words")
        self._rng = rng_for(blueprint.seed, blueprint.id, "assistant words")
        self._done: list[str] = []
        self._call_ids: dict[tuple[str, int], str] = {}
        self._calls = 0
        self._retried: set[str] = set()
        self._closed_turns: set[int] = set()
        self._stuck = False

    # -- the user

    def user(self, view: UserView) -> UserTurn | None:
        """Answer what the assistant asked, agree to what it wants to do, or come with the next request."""
        rng, brief = self._user_rng, view.brief
        if self._stuck:
            return None
        last = view.messages[-1].content if view.messages else ""
        if last.endswith("Shall I go ahead?") or last.endswith("shall I go ahead?"):
            return UserTurn(rng.choice(_AGREED), "answer")
        asked = [
            (name, value) for name, value in brief.withheld.items() if last.endswith("?") and f"the {name}" in last
        ]
        if asked:
            answer = rng.choice(_ANSWERS[brief.persona.style])
            return UserTurn(answer.format(details=describe(tuple(asked))), "answer")
        if view.requests_made >= len(brief.requests):
            return None
        request = brief.requests[view.requests_made]
        first = view.requests_made == 0
        opening = rng.choice((_OPENERS if first else _NEXT)[brief.persona.style])
        text = opening.format(name=brief.persona.name, role=_article(brief.persona.role), goal=request.goal)
        if request.details:
            text += " " + rng.choice(_DETAILS).format(details=describe(request.details))
        return UserTurn(text, "request")

    # -- the assistant

    def assistant(self, view: AssistantView) -> AssistantTurn:
        """The next step of the script, with values read from the conversation."""
        last = view.messages[-1]
        turn = self._turn()
        if last.role == "tool" and last.is_error and self._done:
            step = self._blueprint.step(self._done[-1])
            if step.failure is not None and step.id not in self._retried:
                self._retried.add(step.id)
                return self._carry_out(step, view)
            return self._give_up("I can't go on: " + _error_text(last.content))
        step = next((s for s in self._blueprint.steps if s.id not in self._done and s.turn == turn), None)  # type: ignore[assignment]
        if step is None:
            self._closed_turns.add(turn)
            return AssistantTurn(self._summary(view))
        self._done.append(step.id)
        if step.kind == "ask":
            things = _join([f"the {ask.label}" for ask in step.asks])
            return AssistantTurn(self._rng.choice(_ASKS).format(things=things))
        if step.kind == "confirm":
            return self._confirm(self._blueprint.step(str(step.about)), view)
        if step.kind == "refuse":
            self._closed_turns.add(turn)
            return AssistantTurn(self._rng.choice(_REFUSALS).format(goal=step.request))
        return self._carry_out(step, view)

    def _give_up(self, text: str) -> AssistantTurn:
        self._stuck = True
        return AssistantTurn(text)

    def _turn(self) -> int:
        open_turns = sorted({s.turn for s in self._blueprint.steps} - self._closed_turns)
        return open_turns[0] if open_turns else -1

    def _carry_out(self, step: Step, view: AssistantView) -> AssistantTurn:
        made = []
        for index, call in enumerate(step.calls):
            arguments = self._arguments(call, view)
            if isinstance(arguments, str):
                return self._give_up(_STUCK.format(what=f"the {arguments}"))
            self._calls += 1
            call_id = f"call_{self._calls}"
            self._call_ids[step.id, index] = call_id
            made.append(ToolCall(id=call_id, name=self._names[call.tool], arguments=arguments))
        return AssistantTurn("", tuple(made))

    def _arguments(self, call: Call, view: AssistantView) -> dict[str, Json] | str:
        """Argument values out of the conversation, or the label of the first that is not in it."""
        said = "\n".join(m.content for m in view.messages if m.role == "user")
        found: dict[str, Json] = {}
        for parameter, binding in call.arguments.items():
            if isinstance(binding, Literally):
                found[parameter] = binding.value
            elif isinstance(binding, Said):
                if not all(mentions(said, name, value) for name, value in leaves(binding.value, parameter)):
                    return label(parameter)
                found[parameter] = binding.value
            else:
                value = self._observed(binding, view)
                if value is None:
                    return label(parameter)
                found[parameter] = [value] if binding.as_list else value
        return found

    def _observed(self, binding: Observed, view: AssistantView) -> Json:
        call_id = self._call_ids.get((binding.step, binding.call))
        text = next((m.content for m in view.messages if m.tool_call_id == call_id and call_id), None)
        return value_at(text, binding.path) if text is not None else None

    def _confirm(self, step: Step, view: AssistantView) -> AssistantTurn:
        call = step.calls[0]
        arguments = self._arguments(call, view)
        if isinstance(arguments, str):
            return self._give_up(_STUCK.format(what=f"the {arguments}"))
        details = _join([f"{label(p)} {say(v)}" for p, v in arguments.items()]) or "no further details"
        text = self._rng.choice(_CONFIRMS).format(goal=goal_phrase(self._tools[call.tool]), details=details)
        return AssistantTurn(text)

    def _summary(self, view: AssistantView) -> str:
        """A reply that reports what the last results say, in at most six facts."""
        start = max((n for n, m in enumerate(view.messages) if m.role == "user"), default=0)
        facts: list[str] = []
        for message in reversed(view.messages[start:]):
            if message.role == "tool" and not message.is_error:
                for name, value in leaves(_parsed(message.content)):
                    if value not in (None, "", [], {}) and name and len(str(value)) <= 80:
                        facts.append(f"{label(name)}: {say(value)}")
                break
        text = "; ".join(dict.fromkeys(facts[:6]))
        return self._rng.choice(_DONE).format(facts=text + "." if text else "").strip()


def value_at(text: str, path: tuple[str | int, ...]) -> Json:
    """The scalar or list at ``path`` in a tool message that holds JSON; None where it is not there."""
    place: Any = _parsed(text)
    for part in path:
        if isinstance(part, int):
            place = place[part] if isinstance(place, list) and -len(place) <= part < len(place) else None
        else:
            place = place.get(part) if isinstance(place, dict) else None
    return place


def _parsed(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _error_text(text: str) -> str:
    message = value_at(text, ("error", "message"))
    return message if isinstance(message, str) else text[:200]


def _article(role: str) -> str:
    return role if role.startswith(("assistant to", "engineer on")) else ("an " if role[0] in "aeiou" else "a ") + role


def _join(things: list[str]) -> str:
    return things[0] if len(things) == 1 else ", ".join(things[:-1]) + " and " + things[-1] if things else ""

"""The scripted teacher: offline, seeded, and the default. An actor who has read the script.

It knows which step comes next (the script), but no value: what the user says is spoken from the brief, and the
assistant reads every argument out of the conversation, from the user's messages and from tool results. If something
was not said or not returned, it cannot make the call and says so. Wordings vary with the blueprint's seed.
"""

from __future__ import annotations

from collections.abc import Mapping

from tdlab.blueprints import written
from tdlab.records import (
    Beat,
    Blueprint,
    Call,
    Constant,
    FromResult,
    FromTemplate,
    FromUser,
    Json,
    Step,
    Tool,
    ToolCall,
    rng_for,
)
from tdlab.rollout.replies import report, value_at
from tdlab.rollout.views import (
    TEACHERS,
    AssistantTurn,
    AssistantView,
    Request,
    UserTurn,
    UserView,
    describe,
    goal_steps,
    offered_names,
)
from tdlab.tools import asks, asks_for_yes, goal_phrase, label, leaves, mentions, say

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
_ASKS = ("Could you tell me {things}?", "To go on I need to know {things}. Could you tell me?", "What {is_} {things}?")
_CONFIRMS = (
    "I am about to {goal}: {details}. Shall I go ahead?",
    "Before I {goal}, please check: {details}. Shall I go ahead?",
)
_PLAIN_CONFIRMS = ("I am about to {goal}. Shall I go ahead?", "I would now {goal}. Shall I go ahead?")
_REFUSALS = (
    "I'm sorry, I can't do that: none of my tools can {goal}.",
    "I can't help with that one, since none of the tools I have can {goal}.",
)
_DONE = ("Done. ", "That is done. ", "All set. ", "")
_FOUND = ("Here you are. ", "")
_DECIDES = ("agree", "adjust", "stop")  # purposes of lines that answer a question for a yes
_REACTS = ("adjust", "stop")  # purposes of lines that answer what the assistant reports
_SHORT = 90  # characters up to which two goals share a sentence
_NOTHING_LEFT = "There is nothing more that I can do here."
_STUCK = "I can't go on: {what} is neither in what you told me nor in what the tools returned."


@TEACHERS.register("scripted")
class ScriptedTeacher:
    """Write what user and assistant say from fixed phrases, offline.

    Args:
        blueprint: The plan; its seed chooses the phrases.
        tools: Every tool that the blueprint offers, by key.
    """

    name = "scripted"

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool]) -> None:
        self._blueprint = blueprint
        self._tools = tools
        self._names = {key: name for name, key in offered_names(blueprint.offered, tools).items()}
        self._user_rng = rng_for(blueprint.seed, blueprint.id, "user words")
        self._rng = rng_for(blueprint.seed, blueprint.id, "assistant words")
        self._done: list[str] = []
        self._call_ids: dict[tuple[str, int], str] = {}
        self._made: dict[str, ToolCall] = {}
        self._calls = 0
        self._retried: set[str] = set()
        self._closed_turns: set[int] = set()
        self._stuck = False
        beats = blueprint.script.beats if blueprint.script is not None else ()
        self._texts = {beat.text for beat in beats}
        self._turns = [beat for beat in beats if beat.speaker != "user"]
        self._said: set[int] = set()

    # -- the user

    def user(self, view: UserView) -> UserTurn | None:
        """Answer what the assistant asked, agree to what it wants to do, or come with the next request."""
        if view.brief.lines:
            return self._line(view)
        rng, brief = self._user_rng, view.brief
        if self._stuck:
            return None
        last = view.messages[-1].content if view.messages else ""
        if last.endswith("Shall I go ahead?"):
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
        openings = (_OPENERS if first else _NEXT)[brief.persona.style]
        turned = (view.requests_made + self._blueprint.seed) % len(openings)  # no opening twice in a row
        opening = rng.choice(openings) if first else openings[turned]
        return UserTurn(self._request(request, opening, view), "request")

    def _line(self, view: UserView) -> UserTurn | None:
        """Return the next line of the script or, where the assistant leaves the script, the one that answers it."""
        lines = view.brief.lines
        left = [number for number in range(len(lines)) if number not in self._said]
        last = view.messages[-1].content if view.messages else ""
        if left and lines[left[0]].cue != last:
            matter = max((lines[number].matter for number in self._said), default=-1)
            answers = [n for n in left if lines[n].matter == matter and not lines[n].opens]
            if asks_for_yes(last):
                chosen = [n for n in answers if lines[n].purpose in _DECIDES]
                if not chosen:
                    return UserTurn(self._user_rng.choice(_AGREED), "answer")
            elif asks(last):
                chosen = [n for n in answers if lines[n].purpose != "close"]
            else:
                chosen = [n for n in answers if lines[n].purpose in _REACTS and "?" not in lines[n].cue]
            left = chosen or [n for n in left if lines[n].opens and lines[n].matter > matter]
        elif not left and asks_for_yes(last) and last not in self._texts:
            return UserTurn(self._user_rng.choice(_AGREED), "answer")
        if not left:
            return None
        self._said.add(left[0])
        line = lines[left[0]]
        return UserTurn(line.text, "request" if line.opens else "answer")

    def _request(self, request: Request, opening: str, view: UserView) -> str:
        """The request in words: its first goal, then the others in their order, then the details."""
        if self._blueprint.story:
            return request.goals[0]
        persona = view.brief.persona
        goal, *others = request.goals
        if len(others) == 1 and len(goal) + len(others[0]) <= _SHORT:
            goal, others = f"{goal} and then {others[0]}", []
        text = opening.format(name=persona.name, role=_article(persona.role), goal=goal)
        if others:
            steps = [*others[:-1], f"finally {others[-1]}"] if len(others) > 1 else others
            text += f" After that I need to {', then '.join(steps)}."
        if request.details:
            text += " " + self._user_rng.choice(_DETAILS).format(details=describe(request.details))
        return " ".join((text, *request.remarks))

    # -- the assistant

    def assistant(self, view: AssistantView) -> AssistantTurn:
        """The next step of the script, with values read from the conversation."""
        if self._blueprint.script is not None:
            return self._played(self._turns.pop(0)) if self._turns else AssistantTurn(_NOTHING_LEFT)
        last = view.messages[-1]
        turn = self._turn()
        if last.role == "tool" and last.is_error and self._done:
            step = self._blueprint.step(self._done[-1])
            if step.failure is not None and step.id not in self._retried:
                self._retried.add(step.id)
                return self._carry_out(step, view)
            return self._give_up("I can't go on: " + _error_text(last.content))
        left = [s for s in self._blueprint.steps if s.id not in self._done and s.turn == turn]
        if not left:
            self._closed_turns.add(turn)
            return AssistantTurn(self._summary(turn, view))
        step = left[0]
        self._done.append(step.id)
        if step.kind == "ask":
            things = _join([f"the {ask.label}" for ask in step.asks])
            is_ = "are" if len(step.asks) > 1 or things.endswith("s") else "is"
            return AssistantTurn(self._rng.choice(_ASKS).format(things=things, is_=is_))
        if step.kind == "confirm":
            return self._confirm(self._blueprint.step(str(step.about)), view)
        if step.kind == "refuse":
            self._closed_turns.add(turn)
            return AssistantTurn(self._rng.choice(_REFUSALS).format(goal=step.request))
        return self._carry_out(step, view)

    def _played(self, beat: Beat) -> AssistantTurn:
        """Return the next turn of a script, whose values were taken from the conversation when it was written."""
        made = []
        for call in beat.calls:
            self._calls += 1
            made.append(ToolCall(id=f"call_{self._calls}", name=self._names[call.tool], arguments=call.arguments))
        return AssistantTurn(beat.text, tuple(made))

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
            self._made[call_id] = ToolCall(id=call_id, name=self._names[call.tool], arguments=arguments)
            made.append(self._made[call_id])
        return AssistantTurn("", tuple(made))

    def _arguments(self, call: Call, view: AssistantView) -> dict[str, Json] | str:
        """Argument values out of the conversation, or the label of the first that is not in it."""
        said = "\n".join(m.content for m in view.messages if m.role == "user")
        found: dict[str, Json] = {}
        for parameter, binding in call.arguments.items():
            if isinstance(binding, Constant):
                found[parameter] = binding.value
            elif isinstance(binding, FromUser):
                if not all(mentions(said, name, value) for name, value in leaves(binding.value, parameter)):
                    return label(parameter)
                found[parameter] = binding.value
            elif isinstance(binding, FromTemplate):
                values: dict[str, Json] = {}
                for name, source in binding.inputs.items():
                    value = source.value if isinstance(source, FromUser) else self._observed(source, view)
                    if value is None or (isinstance(source, FromUser) and not mentions(said, source.slot, value)):
                        return label(source.slot) if isinstance(source, FromUser) else f"{name} for the {parameter}"
                    values[name] = value
                found[parameter] = written(binding, values)
            else:
                value = self._observed(binding, view)
                if value is None:
                    return label(parameter)
                found[parameter] = [value] if binding.as_list else value
        return found

    def _observed(self, binding: FromResult, view: AssistantView) -> Json:
        call_id = self._call_ids.get((binding.step, binding.call))
        text = next((m.content for m in view.messages if m.tool_call_id == call_id and call_id), None)
        return value_at(text, binding.path) if text is not None else None

    def _confirm(self, step: Step, view: AssistantView) -> AssistantTurn:
        call = step.calls[0]
        arguments = self._arguments(call, view)
        if isinstance(arguments, str):
            return self._give_up(_STUCK.format(what=f"the {arguments}"))
        goal, details = (
            goal_phrase(self._tools[call.tool]),
            _join([f"{label(p)} {say(v)}" for p, v in arguments.items()]),
        )
        text = self._rng.choice(_CONFIRMS if details else _PLAIN_CONFIRMS).format(goal=goal, details=details)
        return AssistantTurn(text)

    def _told_by(self, step: Step, arguments: Mapping[str, Json]) -> str:
        """The argument in which the calls of a batch differ; their first, if any, where they differ in none."""
        ids = [self._call_ids.get((step.id, index)) for index in range(len(step.calls))]
        made = [self._made[call_id].arguments for call_id in ids if call_id is not None]
        return next((p for p, v in arguments.items() if any(m.get(p) != v for m in made)), next(iter(arguments), ""))

    def _summary(self, turn: int, view: AssistantView) -> str:
        """A reply that reports what each call that the user wanted has changed or found."""
        results = {m.tool_call_id: m for m in view.messages if m.role == "tool" and not m.is_error}
        parts: list[str] = []
        changed = False
        for step in goal_steps(self._blueprint, self._tools, turn):
            for index, call in enumerate(step.calls):
                call_id = self._call_ids.get((step.id, index))
                message = results.get(call_id)
                if message is None or call_id is None:
                    continue
                arguments = self._made[call_id].arguments
                told_by = self._told_by(step, arguments) if len(step.calls) > 1 else ""
                told = report(self._tools[call.tool], arguments, message.content, told_by=told_by)
                parts.append(told.text)
                changed = changed or told.changed
        opening = self._rng.choice(_DONE if changed or not parts else _FOUND)
        return (opening + " ".join(dict.fromkeys(parts))).strip() or _DONE[1].strip()


def _error_text(text: str) -> str:
    message = value_at(text, ("error", "message"))
    return message if isinstance(message, str) else text[:200]


def _article(role: str) -> str:
    return role if role.startswith(("assistant to", "engineer on")) else ("an " if role[0] in "aeiou" else "a ") + role


def _join(things: list[str]) -> str:
    return things[0] if len(things) == 1 else ", ".join(things[:-1]) + " and " + things[-1] if things else ""

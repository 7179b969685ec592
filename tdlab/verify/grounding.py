"""Check what was said: every argument comes from the conversation, and the user tells things in due order.

The checks also hold for texts of language models, so that nothing here looks for phrases of the scripted teacher. An
ask is a question of the assistant that names the subject, a confirmation is a question for permission and its answer,
a refusal is a reply that declines and calls nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tdlab.records import CODE_TOOL, FromUser, Json, Message, Step, canonical_json
from tdlab.tools import (
    asks_for_yes,
    contains_whole,
    goal_phrase,
    label,
    leaves,
    mentions,
    preview,
    say,
    says_a_form_of,
    says_no,
    says_yes,
    split_words,
)
from tdlab.verify.code_grounding import NO_SOURCE, ungrounded_code
from tdlab.verify.context import CheckContext, plain_number
from tdlab.verify.sources import fixed_by_schema

__all__ = ["asks_for", "check_disclosure", "check_grounding", "declines"]

# Fixed by definition: words that name no particular thing, ways to ask for permission and ways to decline.
# "booking id" is named by "booking": such words alone name nothing.
_GENERIC = frozenset("id ids name number code value date time type kind of the a an second third fourth text".split())
_DECLINES = re.compile(
    r"\b(can'?t|can’t|cannot|can not|unable|not able|won'?t|sorry|afraid|unfortunately|no tool|none of|not possible"
    r"|impossible|not supported|do(?:es)?n'?t (?:have|offer|support|include)|don’t have|do not have|not have|lack"
    r"|beyond|outside|not something|not available|no way)\b",
    re.IGNORECASE,
)


# ---------------------------------------------------------------------------------------------------------- grounding


def check_grounding(context: CheckContext) -> str:
    """Check that the user said every value of an argument, that a call returned it, or that the schema fixes it."""
    conversation = _Conversation(context.config.small_number)
    next_call = 0
    for message_index, message in enumerate(context.trajectory.messages):
        if message.role == "tool" and not message.is_error:
            conversation.see(context.answers.get(message.tool_call_id or ""))
        elif message.role != "tool":
            conversation.hear(message)
        while next_call < len(context.calls) and context.calls[next_call].position == message_index:
            checked = context.calls[next_call]
            next_call += 1
            for parameter, value in checked.call.arguments.items():
                if checked.tool is not None and checked.tool.key == CODE_TOOL:
                    unknown = ungrounded_code(parameter, value, checked.call.arguments, conversation.knows)
                    if unknown is not None:
                        return f"{checked.call.name}.{parameter} holds {preview(unknown)}, {NO_SOURCE}"
                    continue
                schema = checked.tool.parameters.get(parameter, {}) if checked.tool is not None else {}
                for name, leaf in _ungrounded(conversation, parameter, value, schema):
                    return f"{checked.call.name}.{name or parameter} is {preview(leaf)}, {NO_SOURCE}"
    return ""


def _ungrounded(
    conversation: _Conversation, parameter: str, value: Json, schema: Mapping[str, Json]
) -> Iterator[tuple[str, Json]]:
    """Yield the name and the value of each leaf of an argument that has no source."""
    if fixed_by_schema(value, schema):
        return
    options = schema.get("enum")
    for name, leaf in leaves(value, parameter):
        if conversation.said_by_user(name, leaf) or conversation.returned(name, leaf):
            continue
        if isinstance(options, list) and isinstance(leaf, str) and leaf in options and conversation.names_option(leaf):
            continue
        yield name, leaf


class _Conversation:
    """The words of the user and the results of calls up to some message."""

    def __init__(self, small_number: int) -> None:
        self._small_number = small_number
        self._user_text = ""
        self._names_of_value: dict[str, set[str]] = {}
        self._result_texts: list[str] = []
        self._open_question = ""
        self._answered_questions: list[tuple[str, str]] = []

    def hear(self, message: Message) -> None:
        """Add a message of the user or the assistant."""
        if message.role == "user":
            self._user_text += "\n" + message.content
            if self._open_question:
                self._answered_questions.append((self._open_question, message.content))
        self._open_question = message.content if message.role == "assistant" and "?" in message.content else ""

    def see(self, answer: Json) -> None:
        """Add the result of a call."""
        for name, value in leaves(answer):
            self._names_of_value.setdefault(canonical_json(plain_number(value)), set()).update(split_words(name))
            if isinstance(value, str):
                self._result_texts.append(value)

    def knows(self, name: str | None, value: Json) -> bool:
        """Return whether the user said the value or a result holds it; ``name`` is None for a value without a name."""
        nameless = name is None and canonical_json(plain_number(value)) in self._names_of_value
        return nameless or self.said_by_user(name or "", value) or self.returned(name or "", value)

    def said_by_user(self, name: str, value: Json) -> bool:
        """Return whether the user said the value, or answered yes or no to a question that names it."""
        if mentions(self._user_text, name, value):
            return True
        if not isinstance(value, bool):
            return False
        is_answer = says_yes if value else says_no
        return any(
            asks_for(question, label(name)) and is_answer(answer) for question, answer in self._answered_questions
        )

    def returned(self, name: str, value: Json) -> bool:
        """Return whether a result holds the value; a text may stand inside a longer one.

        Booleans, empty values and small numbers occur in most results by chance, so that their name must agree too.
        """
        names = self._names_of_value.get(canonical_json(plain_number(value)))
        if names is not None:
            is_common = isinstance(value, bool) or value is None or value in ("", [], {})
            is_small = isinstance(value, int) and not isinstance(value, bool) and abs(value) < self._small_number
            return not (is_common or is_small) or bool(names & set(split_words(name)))
        # Fixed: fewer than four characters occur inside longer texts by chance.
        return (
            isinstance(value, str)
            and len(value) >= 4
            and any(contains_whole(text, value) for text in self._result_texts)
        )

    def names_option(self, option: str) -> bool:
        """Return whether the user named an option of a schema's enum, in any spelling of its words."""
        option_words = " ".join(split_words(option))
        said = " ".join(split_words(self._user_text))
        return says_a_form_of(said, option_words) or (bool(option_words) and contains_whole(said, option_words))


# --------------------------------------------------------------------------------------------------------- disclosure


def asks_for(text: str, subject: str) -> bool:
    """Return whether ``text`` is a question that names every distinctive word of ``subject``, or all if none is.

    Words are compared by their first five letters, so that "cancellation" matches "cancelled".
    """
    if "?" not in text:
        return False
    words = split_words(subject)
    distinctive = [word for word in words if word not in _GENERIC] or list(words)
    stems = {word[:5] for word in split_words(text)}
    return all(word[:5] in stems for word in distinctive)


def declines(text: str) -> bool:
    """Return whether ``text`` says that something cannot be done."""
    return _DECLINES.search(text) is not None


def check_disclosure(context: CheckContext) -> str:
    """Check asks, confirmations and refusals of the plan: asked first, confirmed first, declined without a call."""
    for step in context.blueprint.steps:
        reason = ""
        if step.kind == "ask":
            reason = _check_ask(context, step)
        elif step.kind == "confirm":
            reason = _check_confirmation(context, step)
        elif step.kind == "refuse":
            reason = _check_refusal(context)
        if reason:
            return reason
    return ""


def _check_ask(context: CheckContext, step: Step) -> str:
    """Check that the assistant asks for what the user tells only if asked, before the user says it."""
    messages = context.trajectory.messages
    value_of_slot = {
        binding.slot: (parameter, binding.value)
        for _, _, call in context.blueprint.calls()
        for parameter, binding in call.arguments.items()
        if isinstance(binding, FromUser) and binding.when == "if_asked"
    }
    for ask in step.asks:
        question_at = next(
            (
                index
                for index, message in enumerate(messages)
                if message.role == "assistant"
                and not message.tool_calls
                and not asks_for_yes(message.content)  # a confirmation names the values that it asks consent for
                and asks_for(message.content, ask.label)
            ),
            None,
        )
        if question_at is None:
            return f"the assistant never asks for the {ask.label}"
        parameter, value = value_of_slot.get(ask.slot, ("", None))
        earlier = "\n".join(message.content for message in messages[:question_at] if message.role == "user")
        if (
            _is_distinctive(value, context.config.small_number)
            and mentions(earlier, parameter, value)
            and _said_beyond_allowed(context, earlier, parameter, value)
        ):
            return f"the user said the {ask.label} before being asked"
    return ""


def _is_distinctive(value: Json, small_number: int) -> bool:
    """Return whether a value is so specific that its occurrence in a text shows that the user gave it."""
    # Fixed: texts of four characters are too often English words.
    if isinstance(value, str):
        return len(value) >= 5
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) >= small_number


def _said_beyond_allowed(context: CheckContext, earlier: str, parameter: str, value: Json) -> bool:
    """Return whether ``earlier`` says the value more often than the goals and the values to say at once do."""
    at_once = [
        f"{label(binding.slot)} {say(binding.value)}"
        for _, _, call in context.blueprint.calls()
        for binding in call.sources()
        if isinstance(binding, FromUser) and binding.when == "at_once"
    ]
    goals = [goal_phrase(context.tools[key]) for key in context.blueprint.tools if key in context.tools]
    persona = context.blueprint.persona
    allowed = "\n".join((*at_once, *goals, persona.name, persona.role))
    if isinstance(value, str):
        return earlier.count(value) > allowed.count(value)
    return not mentions(allowed, parameter, value)


def _check_confirmation(context: CheckContext, step: Step) -> str:
    """Check that the user said yes to a question for permission before the step was executed."""
    messages = context.trajectory.messages
    inspector = context.followed[0]
    confirmed_step = context.blueprint.step(str(step.about))
    ids = {
        call_id
        for index in range(len(confirmed_step.calls))
        for call_id in inspector.calls_of(confirmed_step.id, index)
    }
    first_call = min((checked.position for checked in context.calls if checked.call.id in ids), default=0)
    questions = [
        number
        for number, message in enumerate(messages[:first_call])
        if message.role == "assistant" and asks_for_yes(message.content)
    ]
    answer = (
        next((message.content for message in messages[questions[-1] : first_call] if message.role == "user"), "")
        if questions
        else ""
    )
    is_refused = _OBJECTION.search(answer) or (says_no(answer) and not _YES_FIRST.match(answer))
    if is_refused or not says_yes(answer):
        return f"step {confirmed_step.id} was executed without a yes"
    return ""


_YES_FIRST = re.compile(r"\W*(yes|yeah|confirmed|correct|that is right)\b", re.IGNORECASE)
"""A yes that counts although a no follows it (``Yes, no problem``)."""
_OBJECTION = re.compile(
    r"\b(stop|wait|cancel that|hold on|do not|don['’]t|not yet|never mind|rather not|changed my mind)\b", re.IGNORECASE
)
"""Words that revoke a yes, anywhere in the answer (``Yes, wait, not yet``)."""


def _check_refusal(context: CheckContext) -> str:
    """Check that the last request of the user is declined and that no call follows it."""
    messages = context.trajectory.messages
    last_call = max((checked.position for checked in context.calls), default=-1)
    tail = messages[last_call + 1 :]
    request_at = next((index for index, message in enumerate(tail) if message.role == "user"), None)
    if request_at is None:
        return "the request that no tool can serve was not made, or was answered with calls"
    if not any(message.role == "assistant" and declines(message.content) for message in tail[request_at:]):
        return "the request that no tool can serve was not declined"
    return ""

"""Checks on what was said: that every argument comes from the conversation, and that things are told in their time.

They hold for words that a language model writes too, so nothing here looks for the scripted teacher's own phrases: an
ask is a question of the assistant that names the thing, a confirmation is a question for a yes and an answer, a refusal
is a reply that declines and calls nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tdlab.records import CODE_TOOL, FromUser, Json, Message, Step, canonical_json
from tdlab.tools import goal_phrase, label, leaves, mentions, said_as, say, says_no, says_yes, show, split_words
from tdlab.verify.code_grounding import ungrounded_code
from tdlab.verify.context import CheckContext

__all__ = ["asks_for", "asks_for_yes", "check_disclosure", "check_grounding", "declines"]

# Fixed by definition: words that name no particular thing, ways to ask for a yes and ways to decline.
_GENERIC = frozenset("id ids name number code value date time type kind of the a an second third fourth text".split())
_WANTS_YES = re.compile(
    r"\b(shall i|should i|may i|can i|do you want|would you like|go ahead|proceed|confirm|are you sure|is (?:that|this)"
    r" (?:all )?(?:right|ok|okay|correct|fine)|okay\?|ok\?|sound good|your approval)",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\b(can'?t|can’t|cannot|can not|unable|not able|won'?t|sorry|afraid|unfortunately|no tool|none of|not possible"
    r"|impossible|not supported|do(?:es)?n'?t (?:have|offer|support|include)|don’t have|do not have|not have|lack"
    r"|beyond|outside|not something|not available|no way)\b",
    re.IGNORECASE,
)


# ---------------------------------------------------------------------------------------------------------- grounding


def check_grounding(context: CheckContext) -> str:
    """Every argument's value was said by the user, returned by an earlier call, or is fixed by the schema."""
    heard = _Heard(context.config.small_number)
    place = 0
    for position, message in enumerate(context.trajectory.messages):
        if message.role == "tool" and not message.is_error:
            heard.result(context.answers.get(message.tool_call_id or ""))
        elif message.role != "tool":
            heard.words(message)
        while place < len(context.calls) and context.calls[place].position == position:
            made = context.calls[place]
            place += 1
            for parameter, value in made.call.arguments.items():
                if made.tool is not None and made.tool.key == CODE_TOOL:
                    found = ungrounded_code(parameter, value, made.call.arguments, heard.knows)
                    if found is not None:
                        return (
                            f"{made.call.name}.{parameter} holds {show(found)}, which nobody said and no call returned"
                        )
                    continue
                schema = made.tool.parameters.get(parameter, {}) if made.tool is not None else {}
                for name, leaf in _ungrounded(heard, parameter, value, schema):
                    return (
                        f"{made.call.name}.{name or parameter} is {show(leaf)}, which nobody said and no call returned"
                    )
    return ""


def _ungrounded(heard: _Heard, parameter: str, value: Json, schema: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    for word in ("default", "const"):
        if word in schema and canonical_json(schema[word]) == canonical_json(value):
            return
    options = schema.get("enum")
    for name, leaf in leaves(value, parameter):
        if heard.told(name, leaf) or heard.returned(name, leaf):
            continue
        if isinstance(options, list) and isinstance(leaf, str) and leaf in options and heard.chose(leaf):
            continue
        yield name, leaf


class _Heard:
    """What the conversation has said and shown up to some point."""

    def __init__(self, small_number: int) -> None:
        self._small_number = small_number
        self._said = ""
        self._values: dict[str, set[str]] = {}
        self._shown: list[str] = []
        self._question = ""
        self._answered: list[tuple[str, str]] = []

    def words(self, message: Message) -> None:
        """Hear a message of the user or the assistant."""
        if message.role == "user":
            self._said += "\n" + message.content
            if self._question:
                self._answered.append((self._question, message.content))
        self._question = message.content if message.role == "assistant" and "?" in message.content else ""

    def result(self, answer: Json) -> None:
        """See what a call returned."""
        for name, value in leaves(answer):
            self._values.setdefault(canonical_json(value), set()).update(split_words(name))
            if isinstance(value, str):
                self._shown.append(value)

    def knows(self, name: str | None, value: Json) -> bool:
        """Whether the user said the value or a result holds it; None for a value that stands without a name."""
        nameless = name is None and canonical_json(value) in self._values
        return nameless or self.told(name or "", value) or self.returned(name or "", value)

    def told(self, name: str, value: Json) -> bool:
        """Whether the user said the value, in words of their own or as a yes or no to a question that names it."""
        if mentions(self._said, name, value):
            return True
        if not isinstance(value, bool):
            return False
        means = says_yes if value else says_no
        return any(asks_for(question, label(name)) and means(answer) for question, answer in self._answered)

    def returned(self, name: str, value: Json) -> bool:
        """Whether a result holds the value: on its own, or (a text) inside a longer one."""
        names = self._values.get(canonical_json(value))
        if isinstance(value, float) and value.is_integer() and names is None:
            names = self._values.get(canonical_json(int(value)))
        if names is not None:
            common = isinstance(value, bool) or value is None or value in ("", [], {})
            small = isinstance(value, int) and not isinstance(value, bool) and abs(value) < self._small_number
            return not (common or small) or bool(names & set(split_words(name)))
        # Fixed: fewer than four characters stand inside longer texts by chance.
        return isinstance(value, str) and len(value) >= 4 and any(said_as(text, value) for text in self._shown)

    def chose(self, option: str) -> bool:
        """Whether the user named one of the options that a schema lists, however they write it."""
        wanted = " ".join(split_words(option))
        return bool(wanted) and said_as(" ".join(split_words(self._said)), wanted)


# --------------------------------------------------------------------------------------------------------- disclosure


def asks_for(text: str, thing: str) -> bool:
    """Whether ``text`` is a question that names ``thing``: each of its telling words, or all where none is telling."""
    if "?" not in text:
        return False
    words = split_words(thing)
    telling = [word for word in words if word not in _GENERIC] or list(words)
    spoken = {word[:5] for word in split_words(text)}
    return all(word[:5] in spoken for word in telling)


def asks_for_yes(text: str) -> bool:
    """Whether ``text`` asks for permission."""
    return "?" in text and _WANTS_YES.search(text) is not None


def declines(text: str) -> bool:
    """Whether ``text`` says that something cannot be done."""
    return _DECLINES.search(text) is not None


def check_disclosure(context: CheckContext) -> str:
    """What the user tells only if asked is asked for first, a yes comes before what needs one, no means no call."""
    for step in context.blueprint.steps:
        reason = ""
        if step.kind == "ask":
            reason = _asked(context, step)
        elif step.kind == "confirm":
            reason = _confirmed(context, step)
        elif step.kind == "refuse":
            reason = _refused(context)
        if reason:
            return reason
    return ""


def _asked(context: CheckContext, step: Step) -> str:
    messages = context.trajectory.messages
    bound = {
        b.slot: (parameter, b.value)
        for _, _, call in context.blueprint.calls()
        for parameter, b in call.arguments.items()
        if isinstance(b, FromUser) and b.when == "if_asked"
    }
    for ask in step.asks:
        asked = next(
            (
                n
                for n, m in enumerate(messages)
                if m.role == "assistant" and not m.tool_calls and asks_for(m.content, ask.label)
            ),
            None,
        )
        if asked is None:
            return f"the assistant never asks for the {ask.label}"
        parameter, value = bound.get(ask.slot, ("", None))
        earlier = "\n".join(m.content for m in messages[:asked] if m.role == "user")
        if (
            _telling(value, context.config.small_number)
            and mentions(earlier, parameter, value)
            and _told_more(context, earlier, parameter, value)
        ):
            return f"the user said the {ask.label} before being asked"
    return ""


def _telling(value: Json, small_number: int) -> bool:
    """Whether a value is so particular that its standing in a text means that it was told."""
    # Fixed: texts of four characters are words of English too often.
    if isinstance(value, str):
        return len(value) >= 5
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) >= small_number


def _told_more(context: CheckContext, earlier: str, parameter: str, value: Json) -> bool:
    """Whether ``earlier`` says the value more often than the goals and what may be said at once do."""
    said = [
        f"{label(b.slot)} {say(b.value)}"
        for _, _, call in context.blueprint.calls()
        for b in call.sources()
        if isinstance(b, FromUser) and b.when == "at_once"
    ]
    goals = [goal_phrase(context.tools[key]) for key in context.blueprint.tools if key in context.tools]
    persona = context.blueprint.persona
    allowed = "\n".join((*said, *goals, persona.name, persona.role))
    if isinstance(value, str):
        return earlier.count(value) > allowed.count(value)
    return not mentions(allowed, parameter, value)


def _confirmed(context: CheckContext, step: Step) -> str:
    messages = context.trajectory.messages
    inspector = context.followed[0]
    about = context.blueprint.step(str(step.about))
    ids = {call_id for index in range(len(about.calls)) for call_id in inspector.calls_of(about.id, index)}
    first = min((made.position for made in context.calls if made.call.id in ids), default=0)
    asked = [n for n, m in enumerate(messages[:first]) if m.role == "assistant" and asks_for_yes(m.content)]
    answer = next((m.content for m in messages[asked[-1] : first] if m.role == "user"), "") if asked else ""
    refused = _OBJECTION.search(answer) or (says_no(answer) and not _YES_FIRST.match(answer))
    if refused or not says_yes(answer):
        return f"step {about.id} was carried out without a yes"
    return ""


_YES_FIRST = re.compile(r"\W*(yes|yeah|confirmed|correct|that is right)\b", re.IGNORECASE)
"""A yes that stands, whatever no comes after it (``Yes, no problem``)."""
_OBJECTION = re.compile(
    r"\b(stop|wait|cancel that|hold on|do not|don['’]t|not yet|never mind|rather not|changed my mind)\b", re.IGNORECASE
)
"""Words that take a yes back, wherever they stand in the answer."""


def _refused(context: CheckContext) -> str:
    """The last thing that the user asks for is declined: after it nothing is called."""
    messages = context.trajectory.messages
    called = max((made.position for made in context.calls), default=-1)
    tail = messages[called + 1 :]
    asked = next((n for n, m in enumerate(tail) if m.role == "user"), None)
    if asked is None:
        return "the request that no tool can serve was not made, or was answered with calls"
    if not any(m.role == "assistant" and declines(m.content) for m in tail[asked:]):
        return "the request that no tool can serve was not declined"
    return ""

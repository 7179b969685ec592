"""Checks of tasks on executable worlds: judged by the outcome, not by equality with the plan.

The goals hold in the world after the calls were executed again, nothing else changed, every value of a call was said
or returned, what the user wanted to know was told, and what needs a yes had one. The script of the task is evidence:
it says what was wanted and what the best way changed, not in which order to go.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence

from tdlab.records import CODE_TOOL, Json, TaskScript, canonical_json
from tdlab.rollout import WorldEnvironment
from tdlab.speech import said, said_in
from tdlab.tasks import TaskPack, stage_here
from tdlab.tools import asks_for_yes, leaves, nature, preview
from tdlab.verify.code_grounding import NO_SOURCE
from tdlab.verify.context import CheckContext, CheckedCall
from tdlab.verify.repeats import answered_yes, repeated_call
from tdlab.verify.sources import (
    CLOCK_OF_MOMENT,
    COMPOSED,
    MOMENT,
    NUMBER,
    WORD,
    Seen,
    fixed_by_schema,
    is_grounded,
    known_numbers,
    narrows,
)

__all__ = [
    "agreed",
    "check_consent",
    "check_goals",
    "check_sources",
    "check_told",
    "check_tried_again",
]

_COUNTABLE = 12


def check_sources(context: CheckContext, script: TaskScript) -> str:
    """Check that the user said every value of an argument, or that a call returned it."""
    words = _Words(script)
    lines = {beat.text for beat in script.beats}
    own_words = any(m.role == "user" and m.content not in lines for m in context.trajectory.messages)
    heard: list[str] = []
    seen = Seen()
    next_call = 0
    for position, message in enumerate(context.trajectory.messages):
        if message.role == "tool":
            seen.add(context.answers.get(message.tool_call_id or ""))
        elif message.role == "user":
            heard.append(message.content)
        while next_call < len(context.calls) and context.calls[next_call].position == position:
            checked = context.calls[next_call]
            next_call += 1
            if checked.tool is None or checked.tool.key == CODE_TOOL:
                continue
            reads_only = nature(checked.tool).effect not in ("write", "delete")
            for parameter, value in checked.call.arguments.items():
                schema = checked.tool.parameters.get(parameter, {})
                if fixed_by_schema(value, schema):
                    continue
                if words.said_whole(parameter, value, heard):
                    continue
                chosen = isinstance(value, bool) or value in (schema.get("enum") or ())
                if own_words and chosen and words.used(parameter, value):
                    continue  # the wish's own value, which the user has put in words that no list has
                if reads_only and narrows(value, parameter, schema, heard, seen):
                    continue
                for name, leaf in leaves(value, parameter):
                    if not _sourced(leaf, name, heard, seen, words, script.now):
                        return f"{checked.name}: {parameter} is {preview(leaf)}, {NO_SOURCE}"
    return ""


class _Words:
    """What the packs say of values: the words for enums and booleans, and what follows from what."""

    def __init__(self, script: TaskScript) -> None:
        packs = [stage_here().tasks(service) for service in dict.fromkeys(part.service for part in script.parts)]
        self._terms = [tasks.terms for tasks in packs]
        self._implies = [tasks.implies for tasks in packs]
        self._told: dict[str, list[Json]] = {}
        self._used: list[tuple[str, Json]] = []
        self._composed: list[Json] = []
        self._whole: list[tuple[str, str]] = []
        for beat in script.beats:
            self._whole += [(fact.rpartition("__")[2], beat.text) for fact in beat.tells]
            for fact, value in beat.tells.items():
                self._told.setdefault(fact.rpartition("__")[2], []).append(value)
            for call in beat.calls:
                self._used += [
                    (parameter, leaf)
                    for parameter, argument in call.arguments.items()
                    for _, leaf in leaves(argument, parameter)
                ]
                self._composed += [call.arguments[p] for p, source in call.sources.items() if source.kind == "composed"]
        for part in script.parts:
            for fact, value in part.facts.items():
                self._told.setdefault(fact.rpartition("__")[2], []).append(value)

    def grounds(self, name: str, value: Json) -> Iterator[Json]:
        """Yield the facts from which a value follows: of a moment its day, of a phone number its country."""
        if (name, value) in self._used:
            for implies in self._implies:
                for fact, following in implies.items():
                    if name in following:
                        yield from self._told.get(fact, ())

    def said_whole(self, parameter: str, value: Json, heard: Sequence[str]) -> bool:
        """Return whether a list or object is the script's own, and the user said it in the script's words.

        "Between 9 and 12" are opening hours, "at the bottom left" is a corner in percent: the parts are not named.
        """
        if not isinstance(value, (list, dict)):
            return False
        if not all(self.used(parameter, leaf) for _, leaf in leaves(value, parameter)):
            return False
        facts = {parameter, *(fact for implies in self._implies for fact, all_ in implies.items() if parameter in all_)}
        return any(fact in facts and text in heard for fact, text in self._whole)

    def composed(self, value: Json) -> bool:
        """Return whether the script's assistant puts this text together."""
        return value in self._composed

    def used(self, name: str, value: Json) -> bool:
        """Return whether the script's own calls have this value."""
        return any(own == name and type(used) is type(value) and used == value for own, used in self._used)

    def of(self, name: str, value: Json) -> Sequence[str]:
        key = canonical_json(value) if isinstance(value, bool) else str(value)
        return [word for terms in self._terms for word in terms.get(name, {}).get(key, ())]


def _sourced(value: Json, name: str, heard: Sequence[str], seen: Seen, words: _Words, now: str) -> bool:
    if value is None or seen.has(value) or said_in(heard, value, now, words=words.of(name, value)):
        return True
    if any(seen.has(ground) or said_in(heard, ground, now) for ground in words.grounds(name, value)):
        return True
    if isinstance(value, bool) and not words.of(name, value):
        return words.used(name, value)  # a clause says it, in words that nothing lists
    if isinstance(value, str) and words.composed(value):
        return known_numbers(value, heard, seen, now)
    return is_grounded(value, heard, seen, now)


def check_goals(context: CheckContext, script: TaskScript) -> str:
    """Check that each goal comes to hold, and that the calls change what the script's calls change and nothing else."""
    replayed = context.replayed
    if replayed is None:
        return ""
    for number, part in enumerate(script.parts):
        if part.goal and part.fulfilled and replayed.not_reached is not None and number in replayed.not_reached:
            return f"in the end, this was not done: {part.wish}"
    scripted = [(c.tool, c.arguments) for beat in script.beats for c in beat.calls if c.tool != CODE_TOOL]
    if [(c.tool.key, c.call.arguments) for c in context.calls if c.tool and c.tool.key != CODE_TOOL] == scripted:
        return ""
    reference = WorldEnvironment(context.blueprint, context.tools)
    for number, (tool, arguments) in enumerate(scripted):
        reference.call(context.tools[tool], arguments, call_id=str(number))
    heard = [message.content for message in context.trajectory.messages if message.role == "user"]
    free = _FreeParts(script, heard, [reference.changes(), replayed.changes])
    return _difference(reference.changes(), replayed.changes, free)


class _FreeParts:
    """The parts of rows that depend on how a task is served: new identifiers, moments of the talk, composed words."""

    def __init__(
        self, script: TaskScript, heard: Sequence[str], changes: Sequence[Mapping[str, Mapping[str, Json]]]
    ) -> None:
        stated = {value for beat in script.beats for value in beat.tells.values() if isinstance(value, str)}
        self._heard = heard
        self._fixed = {value for value in stated if said_in(heard, value, script.now)}
        self._began = datetime.datetime.fromisoformat(script.now)
        only_here = [{str(key) for rows in change.values() for key in rows} for change in changes]
        self._new = only_here[0] ^ only_here[1]

    def masked(self, value: Json) -> Json:
        """Return a value with its free parts left out."""
        if isinstance(value, dict):
            return {name: self.masked(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.masked(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if value in self._fixed or value.rstrip(_END) in self._fixed:
            return value.rstrip(_END)
        if value in self._new:
            return "(new)"
        if MOMENT.fullmatch(value) and "T" in value:
            passed = datetime.datetime.fromisoformat(value) - self._began
            return "(now)" if datetime.timedelta(0) <= passed < _LONGEST_TALK else value
        if len(WORD.findall(value)) >= COMPOSED - 1:
            return " ".join(["(words)", *sorted(NUMBER.findall(value))])
        return value


_END = ".!?"
_LONGEST_TALK = datetime.timedelta(hours=1)


def _difference(
    wanted: Mapping[str, Mapping[str, Json]], done: Mapping[str, Mapping[str, Json]], free: _FreeParts
) -> str:
    for table in sorted({*wanted, *done}):
        missing = _rows(wanted.get(table, {}), free)
        for row in _rows(done.get(table, {}), free):
            if row in missing:
                missing.remove(row)
            else:
                return f"besides what was wanted, {table} now has {preview(row)}"
        if missing:
            return f"{table} should have been changed to {preview(missing[0])}"
    return ""


def _rows(changes: Mapping[str, Json], free: _FreeParts) -> list[str]:
    """Return rows as text, without what depends on how a task is served."""
    return [canonical_json(free.masked(row)) if row is not None else f"{key} is gone" for key, row in changes.items()]


def check_told(context: CheckContext, script: TaskScript) -> str:
    """Check that the assistant told the user every fact that they wanted to know."""
    texts = [m.content for m in context.trajectory.messages if m.role == "assistant" and m.content]
    answered = max((n for n, m in enumerate(context.trajectory.messages) if m.role == "tool"), default=-1)
    last = [m.content for m in context.trajectory.messages[answered + 1 :] if m.role == "assistant"]
    asked = [part for part in script.parts if part.fulfilled]
    words = _Words(script)
    replies = (beat.text for beat in script.beats if beat.purpose == "done")
    for part in script.parts:
        if not part.fulfilled or next(replies, "") in texts:
            continue  # given up, or answered in the pack's own reply, which its check has seen to say everything
        unsaid, stated, at_last = [], 0, 0
        for fact in part.tell:
            value = part.facts.get(fact)
            returned = list(_returned(context, fact))
            values = [value] if value is not None and value in returned else returned or [value]
            values = [one for one in values if one is not None and not _listed(context, fact, one)]
            values = [one for one in values if not isinstance(one, bool)]  # a clause says it, in many words
            if len(part.tell) > 1 and all(isinstance(one, int) and 0 <= one <= _COUNTABLE for one in values):
                continue  # a reply that lists the things says how many there are
            if values and not any(_tells(texts, one, script.now, words.of(fact, one)) for one in values):
                unsaid.append(f"the user was not told the {fact.replace('_', ' ')}, {preview(values[-1])}")
            else:
                stated += 1
                at_last += not values or any(_tells(last, one, script.now, words.of(fact, one)) for one in values)
        if unsaid and (len(unsaid) > stated or (part is asked[-1] and not at_last)):
            return unsaid[0]  # other words may leave out some of what the pack's own reply says, but not all of it
    return ""


def _listed(context: CheckContext, field: str, value: Json) -> bool:
    """Return whether a value is one of a few words that a tool declares for a field: people say it in many words."""
    for checked in context.calls:
        output = checked.tool.output_schema if checked.tool is not None else None
        declared = (output or {}).get("properties", {}).get(field, {})
        if isinstance(declared, Mapping) and value in (declared.get("enum") or ()):
            return True
    return False


def _tells(texts: Sequence[str], value: Json, now: str, words: Sequence[str]) -> bool:
    if isinstance(value, (list, dict)):
        forms = [form for _, leaf in leaves(value) if not isinstance(leaf, bool) for form in _forms(leaf)]
        return not forms or any(said(text, form, now) for text in texts for form in forms)
    ways = tuple(_forms(value)) if isinstance(value, str) and value[:10] == now[:10] else (value,)
    return any(said(text, form, now, words=words) for form in ways for text in texts) or not value


def _forms(value: Json) -> Iterator[Json]:
    """Yield a value, and of a moment its time: the day need not be said for each row, nor that it is today."""
    yield value
    if isinstance(value, str) and CLOCK_OF_MOMENT.search(value):
        yield value[11:16]


def _returned(context: CheckContext, field: str) -> Iterator[Json]:
    for answer in context.answers.values():
        if isinstance(answer, dict) and answer.get(field) is not None:
            yield answer[field]


def check_consent(context: CheckContext, script: TaskScript) -> str:
    """Check that the user agreed before each successful call that the policy makes depend on a yes."""
    needs_yes = {
        f"{part.service}/{tool}"
        for part in script.parts
        if _frame_confirms(stage_here().tasks(part.service), part.frame)
        for act in stage_here().tasks(part.service).frames[part.frame].act
        for tool in act
    }
    for checked in context.calls:
        if checked.tool is None or checked.failed or checked.tool.key not in needs_yes:
            continue
        if not agreed(context, checked):
            return f"{checked.name} was called without the user's yes"
    return ""


def _frame_confirms(tasks: TaskPack, frame: str) -> bool:
    return bool(tasks.frames[frame].confirm)


def agreed(context: CheckContext, checked: CheckedCall) -> bool:
    """Return whether a question for a yes was answered before a call, and not by a no."""
    script = context.blueprint.script
    planned = {beat.text for beat in script.beats if beat.purpose != "ask"} if script is not None else set()
    return answered_yes(
        context.trajectory.messages[: checked.position],
        asks=lambda asked: asks_for_yes(asked) or (asked in planned and "?" in asked),
    )


def check_tried_again(context: CheckContext) -> str:
    """Check that a call is not made twice at once, and that one that failed is not made again as it was.

    It may be made again once the user has spoken or another call was made.
    """
    repeat = repeated_call(context.calls, context.trajectory.messages)
    if repeat is None:
        return ""
    first, again = repeat
    at_once = first.position == again.position
    return f"{again.name} is made twice in one message" if at_once else f"{again.name} repeats a call that failed"

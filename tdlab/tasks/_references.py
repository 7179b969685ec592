"""Checking what a pack's frames refer to: tools, parameters, facts, lists, frames, kinds and domains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tdlab.errors import PackError
from tdlab.pool import Taxonomy
from tdlab.speech import slots_of
from tdlab.tasks._names import Names
from tdlab.tasks._utterances import readable
from tdlab.tasks.frames import Continuation, Following, Frame, TaskPack, Twist
from tdlab.tasks.search import bare
from tdlab.worlds import parameters_in

__all__ = ["FEWEST_FRAMES", "KINDS", "line_of", "references"]

FEWEST_FRAMES = 3
KINDS = {
    "event": ("title", "starts_at", "ends_at", "place"),
    "message": ("to", "subject", "text"),
    "note": ("title", "text"),
    "payment": ("payee", "amount", "currency"),
    "task": ("title", "due"),
}
"""What frames hand over to those of other services, and its fields."""

_FEWEST_OPENINGS = 5
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,79}")
_NO_NAMES = frozenset({"null", "true", "false", "yes", "no", "on", "off"})  # what YAML takes for something else
_PERSON = ("name", "phone", "email", "role")
_CHANGES = re.compile(r"\b(?:insert|update|delete|replace)\b", re.IGNORECASE)


class _Query(NamedTuple):
    path: tuple[str | int, ...]
    sql: str
    known: frozenset[str]


def line_of(tasks: TaskPack, tool: str) -> int:
    """Return the line of a tool's first statement in ``world.sql``."""
    program = tasks.pack.programs[tool]
    statements = [
        *(one for action in program.actions for one in action.statements),
        *(output.statement for output in program.outputs),
    ]
    return min((statement.line for statement in statements), default=0)


def references(tasks: TaskPack, names: Names) -> Iterator[PackError]:
    """What a pack names and does not have."""
    yield from _of_tools(tasks)
    yield from _of_names(tasks)
    yield from _of_words(tasks, names)
    if len(tasks.frames) < FEWEST_FRAMES:
        yield tasks.error("frames", f"{len(tasks.frames)} frames", "frames", expected=f"at least {FEWEST_FRAMES}")
    for name, frame in tasks.frames.items():
        yield from _of_acts(tasks, names, name, frame)
        yield from _of_facts(tasks, names, name, frame)
        yield from _of_choices(tasks, names, name, frame)
        for twist, trouble in frame.twists.items():
            yield from _of_twist(tasks, names, name, frame, twist, trouble)
        yield from _of_others(tasks, names, name, frame)
        yield from _of_queries(tasks, names, name, frame)
    for place in tasks.reach:
        tool, _, code = place.partition(" ")
        if tool not in tasks.pack.programs:
            yield tasks.error(
                "reached", f"there is no tool {tool!r}", "reach", place, expected=_one_of(tasks.pack.programs)
            )
        elif code not in {error.code for error in tasks.pack.programs[tool].tool.errors}:
            codes = [error.code for error in tasks.pack.programs[tool].tool.errors]
            yield tasks.error("reached", f"{tool} documents no error {code!r}", "reach", place, expected=_one_of(codes))


def _of_tools(tasks: TaskPack) -> Iterator[PackError]:
    for name, program in tasks.pack.programs.items():
        writes, says = bool(program.writes), program.tool.annotations.read_only
        if says and writes:
            found, expected = f"{name} says readOnlyHint and changes {', '.join(sorted(program.writes))}", "no --- do"
        elif says is False and not writes:
            found, expected = f"{name} does not say readOnlyHint and changes nothing", "a section --- do"
        else:
            continue
        file = tasks.pack.files["world.sql"]
        yield PackError(found, file=file, line=line_of(tasks, name), rule="reading", expected=expected)


def _of_names(tasks: TaskPack) -> Iterator[PackError]:
    """Names that are no plain words, or that YAML reads as something else."""
    places: list[tuple[str | int, ...]] = [
        (key, name) for key in ("lists", "frames", "slots", "terms", "implies") for name in _keys(tasks, key)
    ]
    places += [("frames", name, "twists", twist) for name, frame in tasks.frames.items() for twist in frame.twists]
    for path in places:
        name = str(path[-1])
        if not _NAME.fullmatch(name) or name in _NO_NAMES:
            yield tasks.error(
                "names", f"the name {name[:80]!r}", *path, expected="small letters, digits and _, no digit first"
            )


def _keys(tasks: TaskPack, key: str) -> Iterable[str]:
    part = tasks.pack.tasks.data.get(key)
    return part if isinstance(part, dict) else ()


def _of_words(tasks: TaskPack, names: Names) -> Iterator[PackError]:
    """Roles, words for values, and what follows from what."""
    if not tasks.roles:
        yield tasks.error("frames", "there are no roles", "roles", expected="who talks to the assistant, one or more")
    if not tasks.beyond:
        yield tasks.error("frames", "no wish goes beyond the service", "beyond", expected="2 or 3 wishes")
    for fact, values in tasks.terms.items():
        allowed = names.enums.get(fact)
        if allowed is None:
            continue
        one_of = allowed | names.constants.get(fact, set())
        for value in sorted(values.keys() - one_of) if fact not in names.free else ():
            yield tasks.error(
                "terms", f"{fact} is never {value!r}", "terms", fact, value, expected=_one_of(sorted(one_of))
            )
        for value in sorted(allowed - values.keys() - {"true", "false"}):  # of a switch, often one side is said
            yield tasks.error(
                "terms", f"{fact} has no words for {value!r}", "terms", fact, expected="words for each of its values"
            )
        for value in sorted(value for value, words in values.items() if not words):
            yield tasks.error("terms", f"{fact} {value} has no words", "terms", fact, value, expected="one or more")
    facts = names.all_facts() | names.fields | names.parameters
    there = facts | {bare(fact) for fact in facts}
    for fact in tasks.slots:
        if fact not in there:
            yield tasks.error("frames", f"no frame has the fact {fact!r}", "slots", fact, expected="a fact of a frame")
        if not tasks.slots[fact].tell:
            yield tasks.error(
                "utterances", f"no text says {fact!r}", "slots", fact, expected="tell: one or more answers"
            )
    for fact, others in tasks.implies.items():
        for one in (fact, *others):
            if one not in there:
                yield tasks.error(
                    "frames", f"no frame has the fact {one!r}", "implies", fact, expected="facts of a frame"
                )


def _of_acts(tasks: TaskPack, names: Names, name: str, frame: Frame) -> Iterator[PackError]:
    tools = tasks.pack.programs
    for place, act in enumerate(frame.act):
        path = ("frames", name, "act", place)
        if len(act) != 1:
            yield tasks.error(
                "frames", f"{len(act)} tools in one act", *path, expected="one tool: a list of acts has more"
            )
        for tool, arguments in act.items():
            if tool not in tools:
                yield tasks.error("frames", f"there is no tool {tool!r}", *path, expected=_one_of(tools))
                continue
            parameters = tools[tool].tool.parameters
            unknown = [parameter for parameter in arguments if parameter not in parameters]
            missing = [parameter for parameter in tools[tool].tool.required if parameter not in arguments]
            if unknown:
                found, expected = f"{tool} has no parameter {unknown[0]!r}", _one_of(parameters)
                yield tasks.error("frames", found, *path, expected=expected)
            elif missing:
                found, expected = f"{tool} needs {missing[0]!r}", _one_of(tools[tool].tool.required)
                yield tasks.error("frames", found, *path, expected=expected)
    if bool(frame.act) != bool(frame.goal):
        yield tasks.error(
            "goals",
            f"{name} has {'an act' if frame.act else 'a goal'} alone",
            "frames",
            name,
            expected="act and goal, or neither and tell",
        )
    if not frame.act and not frame.tell:
        yield tasks.error("frames", f"{name} neither acts nor tells", "frames", name, expected="act and goal, or tell")
    if len(frame.open) < _FEWEST_OPENINGS:
        yield tasks.error(
            "utterances",
            f"{name} has {len(frame.open)} openings",
            "frames",
            name,
            "open",
            expected=f"at least {_FEWEST_OPENINGS}",
        )


def _of_facts(tasks: TaskPack, names: Names, name: str, frame: Frame) -> Iterator[PackError]:
    """Facts that come from nowhere, and those that cannot be asked for."""
    path = ("frames", name)
    known = names.known(name)
    for fact, attribute in frame.user.items():
        if attribute not in _PERSON:
            yield tasks.error("frames", f"a user has no {attribute!r}", *path, "user", fact, expected=_one_of(_PERSON))
    lists = names.rows.keys()
    for key, facts in (("know", frame.know), ("tell", frame.tell), ("act", tuple(names.needed(frame)))):
        for fact in dict.fromkeys(facts):
            if fact not in known | lists:
                yield tasks.error(
                    "frames",
                    f"{name} has no fact {fact!r}",
                    *path,
                    key,
                    expected="a column of target, or a field of a result",
                )
    said = [slots_of(text) for text in frame.open if readable(text)]
    shown = {fact for fields in (names.fields, *names.rows.values()) for fact in fields}
    implied = {other for others in tasks.implies.values() for other in others}
    asked = shown | implied | tasks.slots.keys()
    for fact in dict.fromkeys(names.needed(frame, required=True)):
        if fact in names.opening(name) and bare(fact) not in asked and not all(fact in slots for slots in said):
            yield tasks.error(
                "frames",
                f"{name} needs {fact!r}, which not every opening tells and no result shows",
                *path,
                "act",
                expected=f"slots: {{{bare(fact)}: {{ask, tell}}}}",
            )


def _of_choices(tasks: TaskPack, names: Names, name: str, frame: Frame) -> Iterator[PackError]:
    for listing, ways in frame.choose.items():
        path = ("frames", name, "choose", listing)
        if listing not in names.rows:
            yield tasks.error(
                "frames", f"no tool returns a list {listing!r}", *path, expected=_one_of(sorted(names.rows))
            )
            continue
        for place, way in enumerate(ways):
            word, _, field = way.by.partition(" ")
            if way.by != "ask" and (word not in ("lowest", "highest", "same") or field not in names.rows[listing]):
                yield tasks.error(
                    "frames", f"by: {way.by[:80]}", *path, place,
                    expected=f"ask, or lowest, highest or same with a field of {listing}",
                )  # fmt: skip
            if not way.say:
                yield tasks.error(
                    "utterances", "no text says this choice", *path, place, expected="say: one or more texts"
                )
        asks = [way for way in ways if way.by == "ask"]
        if len(asks) != 1 or not asks[0].offer:
            yield tasks.error(
                "frames", f"{listing} has {len(asks)} ways by: ask" + (" without offer" if asks else ""), *path,
                expected="one way by: ask, with offer",
            )  # fmt: skip


def _of_twist(
    tasks: TaskPack, names: Names, name: str, frame: Frame, twist: str, trouble: Twist
) -> Iterator[PackError]:
    tools = tasks.pack.programs
    path = ("frames", name, "twists", twist)
    first, _, code = trouble.meets.partition(" ")
    if first in tools:
        codes = ["empty", *(error.code for error in tools[first].tool.errors)]
        if code not in codes:
            yield tasks.error("frames", f"{first} documents no error {code!r}", *path, expected=_one_of(codes))
    elif first not in ("policy", "change", "seen"):
        yield tasks.error(
            "frames",
            f"there is no tool {first!r}",
            *path,
            expected="TOOL CODE, TOOL empty, seen FACT, policy or change",
        )
    if trouble.happens is not None:
        here: tuple[str | int, ...] = (*path, "happens")
        if trouble.happens.before not in tools:
            found = f"there is no tool {trouble.happens.before!r}"
            yield tasks.error("frames", found, *here, expected=_one_of(tools))
        elif trouble.happens.before != first:
            yield tasks.error(
                "frames", f"it happens before {trouble.happens.before}", *here, expected=f"before: {first}"
            )
        if not _CHANGES.search(trouble.happens.sql):
            yield tasks.error("frames", "what happens changes nothing", *here, expected="INSERT, UPDATE or DELETE")
    if not trouble.then:
        yield tasks.error("frames", f"{twist} does not go on", *path, expected="then: one way to go on, or more")
    for place, then in enumerate(trouble.then):
        here = (*path, "then", place)
        if then.frame and then.frame not in tasks.frames:
            yield tasks.error("frames", f"there is no frame {then.frame!r}", *here, expected=_one_of(tasks.frames))
        if bool(then.change or then.happens) + bool(then.frame) + then.stop > 1:
            yield tasks.error(
                "frames", f"{twist} goes on in two ways at once", *here, expected="change, frame, happens or stop"
            )
        if then.happens and not _CHANGES.search(then.happens):
            yield tasks.error("frames", "what happens changes nothing", *here, expected="INSERT, UPDATE or DELETE")
        if (then.back or then.carry) and not then.frame:
            yield tasks.error("frames", f"{twist} comes back from nowhere", *here, expected="frame: the other frame")
        elif then.carry and then.frame in tasks.frames:
            yield from _carried(tasks, names, name, then, *here)
        if then.stop and not then.reply:
            yield tasks.error(
                "utterances", f"{twist} stops without a reply", *here, expected="reply: one or more texts"
            )
        if not then.say:
            yield tasks.error(
                "utterances", f"no text says how {twist} goes on", *here, expected="say: one or more texts"
            )


def _carried(
    tasks: TaskPack, names: Names, name: str, onward: Following | Continuation, *path: str | int
) -> Iterator[PackError]:
    """What another frame has of this one."""
    before = names.known(name) | names.all_facts()  # what was said earlier is still known
    for own, other in onward.carry.items():
        for fact, whose, facts in ((own, onward.frame, names.opening(onward.frame)), (other, name, before)):
            if fact not in facts:
                yield tasks.error(
                    "frames", f"{fact!r} is no fact of {whose}", *path, "carry", own,
                    expected=f"carry: {{fact of {onward.frame}: fact of {name}}}",
                )  # fmt: skip


def _of_others(tasks: TaskPack, names: Names, name: str, frame: Frame) -> Iterator[PackError]:
    """What follows in the same service, and what is handed over to others."""
    known = names.known(name)
    for place, following in enumerate(frame.follows):
        path: tuple[str | int, ...] = ("frames", name, "follows", place)
        if following.frame not in tasks.frames:
            yield tasks.error("frames", f"there is no frame {following.frame!r}", *path, expected=_one_of(tasks.frames))
            continue
        if following.when and following.when not in known:
            yield tasks.error(
                "frames", f"{following.when!r} is no fact of {name}", *path,
                expected="when: a column of the target query",
            )  # fmt: skip
        yield from _carried(tasks, names, name, following, *path)
    domains = Taxonomy.bundled().ids
    for kind, fields in frame.gives.items():
        yield from _of_kind(tasks, kind, fields, "frames", name, "gives", kind)
        for field, text in fields.items():
            if _NAME.fullmatch(text) and text not in known:
                yield tasks.error(
                    "frames", f"{text!r} is no fact of {name}", "frames", name, "gives", kind, field,
                    expected="a fact of the frame, a field of a result, or a template",
                )  # fmt: skip
    for kind, given in frame.takes.items():
        yield from _of_kind(tasks, kind, given.facts.values(), "frames", name, "takes", kind)
        for fact in given.facts:
            if fact not in names.opening(name):
                yield tasks.error(
                    "frames", f"{fact!r} is no fact of {name}", "frames", name, "takes", kind, "facts",
                    expected="a column of the target query",
                )  # fmt: skip
        for domain in given.domains:
            if domain not in domains:
                yield tasks.error(
                    "frames", f"there is no domain {domain!r}", "frames", name, "takes", kind, "domains",
                    expected=_one_of(domains),
                )  # fmt: skip


def _of_kind(tasks: TaskPack, kind: str, fields: Iterable[str], *path: str | int) -> Iterator[PackError]:
    if kind not in KINDS:
        yield tasks.error("frames", f"nothing of the kind {kind!r} is handed over", *path, expected=_one_of(KINDS))
        return
    for field in fields:
        if field not in KINDS[kind]:
            yield tasks.error("frames", f"{kind} has no field {field!r}", *path, expected=_one_of(KINDS[kind]))


def _of_queries(tasks: TaskPack, names: Names, name: str, frame: Frame) -> Iterator[PackError]:
    """Queries with parameters that are no facts."""
    path = ("frames", name)
    known = names.known(name)
    queries = [_Query((*path, "target"), frame.target, frozenset()), _Query((*path, "goal"), frame.goal, known)]
    for twist, trouble in frame.twists.items():
        here = (*path, "twists", twist)
        queries.append(_Query((*here, "target"), trouble.target, frozenset()))
        if trouble.happens is not None:
            queries.append(_Query((*here, "happens", "sql"), trouble.happens.sql, known))
        for place, then in enumerate(trouble.then):
            queries += [_Query((*here, "then", place, key), getattr(then, key), known) for key in ("change", "happens")]
    for query in queries:
        for parameter in sorted(parameters_in(query.sql) - query.known):
            yield tasks.error(
                "parameters", f"unknown parameter :{parameter}", *query.path,
                expected=f"a fact of {name}" if query.known else "no parameters in a target",
            )  # fmt: skip


def _one_of(words: Iterable[str]) -> str:
    known = list(words)
    shown = ", ".join(known[:40])
    return f"one of {shown}{', ...' if len(known) > 40 else ''}" if known else "none: there are none"

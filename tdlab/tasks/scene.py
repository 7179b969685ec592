"""Scenes: how a conversation goes, from a wish over questions and obstacles to its end."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from tdlab.errors import TaskError
from tdlab.records import Json, Source, TaskPart, TaskScript
from tdlab.speech import (
    agreement,
    closing,
    continuing,
    expanded,
    form_of,
    needed_slots,
    slots_of,
    welcome,
)
from tdlab.tasks.conversation import plain_facts
from tdlab.tasks.finding import FindingOut
from tdlab.tasks.frames import Continuation, Following, Frame, Given, TaskPack, Twist, meeting_of
from tdlab.tasks.search import bare
from tdlab.tasks.targets import Rows, targets_of, targets_with
from tdlab.tools import compile_schema
from tdlab.worlds import World

__all__ = ["Scene", "acts_of"]

_GOING_ON = 3  # times as often as users give up after an obstacle, they find another way, where there is one
_SECOND_THOUGHTS = 0.3  # share of follow-ons that undo what was done, of those that could
_BACKWARDS = re.compile(r"<?(?:also |and |then )*(?:that|this|it|they|those|these|then|so|now)\b", re.IGNORECASE)


class Scene(FindingOut):
    """A conversation that is played on the world while it is written."""

    # -- one wish

    def perform(self, name: str, facts: dict[str, Json], *, twist: str = "", lead: bool = False) -> None:
        """Play one frame from the user's first request to its end."""
        frame = self.tasks.frames[name]
        self._adopt(frame, facts)
        trouble = frame.twists[twist] if twist else None
        templates = trouble.open if trouble and trouble.open else frame.open
        possible = self._said_with(templates)
        if not possible:
            raise TaskError(f"no opening of {name} can be said of {self.facts}")
        if self.terse:
            possible.sort(key=lambda text: len(slots_of(text)))
            possible = possible[: 1 + len(possible) // 4]
        self._user("open", self.rng.choice(possible), lead=lead)
        self._pursue(name, frame, self._part(name, frame, twist), trouble)

    def wish_beyond(self, *, first: bool = False) -> None:
        """Let the user wish for something near the service that no tool can do, and the assistant say so."""
        if not self.tasks.beyond:
            raise TaskError(f"{self.tasks.pack.service.name} has no wish beyond it")
        refusal = self.rng.choice(self.tasks.beyond)
        text = self._worded(refusal.say, self.facts, self.user)
        self._say("user", "wish", text if first else continuing(text, self.rng, after=self._settled()))
        self._say("assistant", "refuse", self._worded(refusal.reply, self._known(), self.assistant))

    def follow_on(self) -> bool:
        """Let another wish follow from what was reached; False where none can."""
        last = self.parts[-1]
        if not last.fulfilled:
            return False
        frame = self.tasks.frames[last.frame]
        ways: list[Callable[[], None]] = [
            partial(self._follow, following)
            for following in frame.follows
            if not following.when or self.facts.get(following.when)
            if not self._destroys(following.frame) or self.rng.random() < _SECOND_THOUGHTS
        ]
        for kind, fields in frame.gives.items():
            for tasks, world in self.partners:
                takes = {
                    name: other.takes[kind]
                    for name, other in tasks.frames.items()
                    if kind in other.takes and other.takes[kind].suits(self.tasks.pack.service)
                }
                taken = {name: len(fields.keys() & set(given.facts.values())) for name, given in takes.items()}
                for name, given in takes.items():  # those that take most: what is given is not drawn again
                    if tasks is not self.tasks and taken[name] == max(taken.values()):
                        ways.append(partial(self._hand_over, fields, tasks, world, name, given))
        self.rng.shuffle(ways)
        for way in ways:
            kept = (
                dict(self.facts),
                dict(self.sources),
                list(self.beats),
                list(self.parts),
                list(self.results),
                dict(self.looked),
                dict(self.policy),
                dict(self.titles),
                set(self.listed),
            )
            here = (self.tasks, self.world)
            try:
                with ExitStack() as stack:
                    for _, world in (here, *self.partners):
                        stack.enter_context(world.attempt())
                    way()
                return True
            except TaskError:
                self.facts, self.sources, self.beats, self.parts, self.results, self.looked = kept[:6]
                self.enter(*here)
                self.policy, self.titles, self.listed = kept[6:]
        return False

    def _looked_at(self) -> set[str]:
        """The facts that the assistant has from looking, not from what it did."""
        by_act = [beat.purpose == "act" for beat in self.beats for _ in beat.calls]
        return {fact for fact, source in self.sources.items() if source.kind == "result" and not by_act[source.call]}

    def _destroys(self, name: str) -> bool:
        """Whether a frame takes away what there is, which people rarely do with what they have just got."""
        tools = self.tasks.pack.programs
        return any(tools[tool].tool.annotations.destructive for act in self.tasks.frames[name].act for tool in act)

    def _hand_over(self, fields: Mapping[str, str], tasks: TaskPack, world: World, name: str, given: Given) -> None:
        """Another service takes up what was reached here."""
        values: dict[str, tuple[Json, Source]] = {}
        writer = self.assistant._replace(now=_long_before(self.assistant.now))
        for field, said in fields.items():
            if said in self.facts:
                if said in self.sources:
                    values[field] = (self.facts[said], self.sources[said])
            elif needed_slots(said, self.facts) <= self.sources.keys():
                text = self._filled(expanded(said, self._known(), self.rng), self._known(), writer)
                if text:
                    values[field] = (text, Source(kind="composed"))
        if not all(field in values for field in given.facts.values()):
            raise TaskError(f"{name} takes more than is known")
        self.enter(tasks, world)
        # What was known there says nothing of what has the same name here; who the user is remains.
        self.sources = {fact: source for fact, source in self.sources.items() if self._says_who(fact, source)}
        frame = tasks.frames[name]
        targets = self._own(targets_of(tasks, world, name))
        if not targets:
            raise TaskError(f"this world has no target for {name}")
        drawn = self.rng.choice(targets)
        taken = {own: _in_its_unit(own, *values[field], drawn.get(own)) for own, field in given.facts.items()}
        _check_given(tasks, frame, {own: value for own, (value, _) in taken.items()})
        self._adopt(frame, drawn | {own: value for own, (value, _) in taken.items()})
        self.sources |= {own: source for own, (_, source) in taken.items()}
        self._user("open", self._pick(self._going_on(given.say)), lead=True)
        self._pursue(name, frame, self._part(name, frame, ""), None)

    def _follow(self, following: Following) -> None:
        frame = self._turn_to(following.frame, following.carry)
        self._user("open", self._pick(self._going_on(following.say)), lead=True)
        self._pursue(following.frame, frame, self._part(following.frame, frame, ""), None)

    def _going_on(self, texts: Sequence[str]) -> list[str]:
        """Those texts that can be said now; after a wish beyond the service, none that speaks of what was before."""
        possible = self._said_with(texts)
        return [text for text in possible if not _BACKWARDS.match(text)] if self._settled() == "refused" else possible

    def _turn_to(self, name: str, carry: Mapping[str, str]) -> Frame:
        """Make a target of another frame the task; what carries over is known of it."""
        frame = self.tasks.frames[name]
        carried = {own: self.facts[other] for own, other in carry.items() if other in self.facts}
        rows = self._own(targets_of(self.tasks, self.world, name, given=carried))
        if not rows:
            raise TaskError(f"no target of {name} carries on")
        facts = self.rng.choice(rows)
        sources = {own: self.sources[other] for own, other in carry.items() if other in self.sources}
        for fact in self._looked_at() & facts.keys():  # it was of another thing, or of another moment
            del self.sources[fact]
        for fact, value in facts.items():  # the same by chance is not known: it could be another value here
            if fact in self.sources and fact not in frame.user and any(row[fact] != value for row in rows):
                del self.sources[fact]
        self.facts |= {own: carried[own] for own in sources}
        self.sources |= sources
        self._adopt(frame, facts)
        return frame

    def end(self) -> TaskScript:
        """The user's last words, now and then, and the whole."""
        if self.beats[-1].purpose == "done" and self.rng.random() < 0.3:
            self._say("user", "close", closing(self.rng, after=self._settled()))
            self._say("assistant", "close", welcome(self.rng))
        return TaskScript(
            now=self.began, services=tuple(self.titles), parts=tuple(self.parts), beats=tuple(self.beats),
            policy=tuple(self.policy), name=self.person.name, role=self.person.role,
        )  # fmt: skip

    def _pursue(self, name: str, frame: Frame, part: TaskPart, trouble: Twist | None) -> None:
        kind = meeting_of(trouble)[0] if trouble is not None else ""
        if trouble is not None and kind == "policy":
            self._assistant("refuse", trouble.reply)
            self._adjust(name, frame, trouble, part)
        elif trouble is not None and kind in ("error", "empty", "seen"):
            made = self._meet(name, frame, trouble)
            self._adjust(name, frame, trouble, part, made)
        else:
            self._carry_through(name, frame, part, trouble)

    def _carry_through(
        self, name: str, frame: Frame, part: TaskPart, trouble: Twist | None = None, made: int = 0
    ) -> None:  # fmt: skip
        """Ask, look up, choose, confirm, act and report; the first acts may have been made already."""
        acts = self._due(acts_of(frame)[made:])
        needed = self._needs(frame, acts)
        unasked = frozenset(frame.know)
        if not acts:
            needed |= frozenset(frame.tell)
            unasked |= frozenset(frame.tell)
        if self._agreed_to(name):
            named = frozenset(self.agreed[1]) & frozenset(self.facts)  # to be known again, where it no longer is
            if not self._find(name, frame, needed | named, unasked=unasked | (named - needed)):
                raise TaskError(f"no way to {', '.join(sorted(needed - frozenset(self.sources)))} for {name}")
        elif confirm := self._find_and_word(name, frame, needed, unasked=unasked):
            self._assistant("confirm", (confirm,))
            if trouble is not None and meeting_of(trouble)[0] == "change":
                self._adjust(name, frame, trouble, part)
                return
            self._agree(name, confirm)
        for batch in _batches(frame, acts, self.facts):
            self._act(batch)
        part = part.model_copy(update={"facts": dict(self.facts)})
        line = self.tasks.pack.tasks.line("frames", name, "goal")
        if frame.goal and not self.world.query(frame.goal, self.facts, line=line):
            raise self.tasks.error(
                "goals", f"the goal does not hold after {name}", "frames", name, "goal",
                expected="a query that gives a row once the act was made",
            )  # fmt: skip
        self.parts.append(part)
        self.agreed = ("", {})
        self._reply(name, frame)

    def _due(self, acts: Sequence[tuple[str, dict[str, str]]]) -> list[tuple[str, dict[str, str]]]:
        """The acts without those that a required argument is null for: with no coupon, none is applied."""
        programs = self.tasks.pack.programs
        return [
            (tool, arguments)
            for tool, arguments in acts
            if all(self.facts.get(arguments[p], "") is not None for p in programs[tool].tool.required if p in arguments)
        ]

    def _needs(self, frame: Frame, acts: Sequence[tuple[str, Mapping[str, str]]]) -> frozenset[str]:
        """The facts that have to be known before some acts."""
        return frozenset(frame.know) | frozenset(
            fact for _, arguments in acts for fact in arguments.values() if self.facts.get(fact) is not None
        )

    def _agree(self, name: str, confirm: str) -> None:
        """The user says yes to what a confirmation says."""
        self._say("user", "agree", agreement(self.beats[-1].text, self.rng))
        self.agreed = (name, {slot: self.facts.get(slot) for slot in sorted(slots_of(confirm))})

    def _agreed_to(self, name: str) -> bool:
        """Whether the user said yes to this before an obstacle, and nothing of it has changed since then."""
        frame, said = self.agreed
        return frame == name and all(self.facts.get(slot) == value for slot, value in said.items())

    def _find_and_word(self, name: str, frame: Frame, needed: frozenset[str], *, unasked: frozenset[str]) -> str:
        """Find out what is needed; where the user has to confirm, with words that need no further question.

        What is ``unasked`` is for the assistant to look up.
        """
        confirms = list(frame.confirm)
        self.rng.shuffle(confirms)
        for confirm in confirms:
            wanted = needed_slots(confirm, self.facts)
            extra = frozenset(fact for fact in wanted - needed if not self._follows_from(fact) & needed)
            if wanted <= frozenset(self.facts) and self._find(name, frame, needed | wanted, unasked=unasked | extra):
                return confirm
        if not self._find(name, frame, needed, unasked=unasked):
            raise TaskError(f"no way to {', '.join(sorted(needed - frozenset(self.sources)))} for {name}")
        if confirms:
            raise self.tasks.error(
                "utterances",
                f"no confirmation of {name} can be worded with what tools return",
                "frames",
                name,
                "confirm",
                expected="a text whose slots are said, asked for, or found in results",
            )
        return ""

    def _follows_from(self, fact: str) -> frozenset[str]:
        """The facts that follow from another one."""
        return frozenset(fact[: -len(bare(fact))] + other for other in self.tasks.implies.get(bare(fact), ()))

    def _meet(self, name: str, frame: Frame, trouble: Twist) -> int:
        """Go as far as the obstacle, and report it; return how many acts were made before."""
        kind, tool, code = meeting_of(trouble)
        if kind == "seen":
            seen = frozenset({code})
            wordings = [seen | (needed_slots(reply, self.facts) & frozenset(self.facts)) for reply in trouble.reply]
            self.rng.shuffle(wordings)
            own = self._needs(frame, acts_of(frame)) - seen  # what the user may be asked for
            if not any(self._find(name, frame, wanted, unasked=wanted - own) for wanted in (*wordings, seen)):
                raise TaskError(f"no way to see {code} for {name}")
            if not self._shown(code):
                raise TaskError(f"{code} is taken for seen, and no result of {name} shows it")
            self._assistant("report", trouble.reply)
            return 0
        acts = acts_of(frame)
        made = next((place for place, (acted, _) in enumerate(acts) if acted == tool), None)
        if made is not None:
            # Who has to say yes says it to the whole; otherwise what comes later can wait.
            needed = self._needs(frame, self._due(acts if frame.confirm else acts[: made + 1]))
            if confirm := self._find_and_word(name, frame, needed, unasked=frozenset(frame.know)):
                self._assistant("confirm", (confirm,))
                self._agree(name, confirm)
            for batch in _batches(frame, self._due(acts[:made]), self.facts):
                self._act(batch)
            act = {parameter: fact for parameter, fact in acts[made][1].items() if self.facts.get(fact) is not None}
            happens = (trouble.happens.sql, plain_facts(self.facts)) if trouble.happens is not None else None
            line = self._line(name, trouble, "happens", "sql")
            self._calls("act", [(tool, act)], meets=code, happens=happens, line=line)
        else:
            program = self.tasks.pack.programs[tool].tool
            wanted = {*program.required, *(fact for fact in frame.know if fact in program.parameters)}
            needed = frozenset(fact for fact in self.facts if fact in wanted)
            if not self._find(name, frame, needed):
                raise TaskError(f"no way to the arguments of {tool} for {name}")
            reader = self._reader(frame)
            arguments = reader.arguments_for(program, frozenset(self.sources))
            if arguments is None:
                raise TaskError(f"{tool} lacks an argument for {name}")
            (value,) = self._calls("look", [(tool, arguments)], meets="" if kind == "empty" else code)
            if kind == "empty":
                key = self._key(tool, {p: self.facts[fact] for p, fact in arguments.items()})
                self.looked[key] = [(len(self.results) - 1, value)]
            if kind == "empty" and any(value[field] for field in value if isinstance(value[field], list)):
                raise TaskError(f"{tool} finds something for {self.facts}")
        self._assistant("report", trouble.reply)
        return made or 0

    def _shown(self, fact: str) -> bool:
        """Whether a result shows a fact, or one that it follows from."""
        shown = {known for known, source in self.sources.items() if source.kind == "result"}
        return fact in shown or any(bare(fact) in self.tasks.implies.get(bare(known), ()) for known in shown)

    def _adjust(self, name: str, frame: Frame, trouble: Twist, part: TaskPart, made: int = 0) -> None:
        """How it goes on: another wish (and back to the first), changed facts, the same all the same, or nothing."""
        lines = [self._line(name, trouble, "then", place, "change") for place in range(len(trouble.then))]
        ways = [then for then, line in zip(trouble.then, lines, strict=True) if self._possible(then, line)]
        if not ways:
            raise TaskError(f"no way to go on after {trouble.meets}")
        then = self.rng.choices(ways, weights=[1 if way.stop else _GOING_ON for way in ways])[0]
        if then.stop:
            self._user("stop", self._pick(self._said_with(then.say)))
            self._assistant("stop", then.reply)
            self.parts.append(part.model_copy(update={"fulfilled": False}))
            return
        if then.back:
            self._clear_the_way(name, frame, then, part, made)
            return
        if then.frame:
            self.parts.append(part.model_copy(update={"fulfilled": False}))
            if then.carry:
                other = self._turn_to(then.frame, then.carry)
            else:
                other = self.tasks.frames[then.frame]
                self._adopt(other, self.rng.choice(self._same(then.frame)))
            name, frame, part, made = then.frame, other, self._part(then.frame, other, ""), 0
        if then.happens:
            self._happen(name, trouble, then)
        if then.change:
            line = lines[trouble.then.index(then)]
            rows = Rows(self.tasks, *self.world.select(then.change, self.facts, line=line))
            if not rows:
                raise TaskError(f"nothing changes after what happened in {trouble.meets}")
            row = self.rng.choice(rows)
            for fact in row.keys() & self.sources.keys():
                if self.sources[fact].kind == "result":  # what is new has to be found out again, equal or not
                    del self.sources[fact]
            self._adopt(frame, row)
            part = part.model_copy(update={"facts": dict(self.facts)})
        self._user("adjust", self._pick(self._said_with(then.say)))
        self._carry_through(name, frame, part, made=made)

    def _happen(self, name: str, trouble: Twist, then: Continuation) -> None:
        """Something happens while the user speaks; what results have shown may no longer hold."""
        self.happened = (then.happens, plain_facts(self.facts))
        line = self._line(name, trouble, "then", trouble.then.index(then), "happens")
        self.world.happen(*self.happened, line=line)
        self.looked.clear()
        for fact in self._looked_at():
            del self.sources[fact]

    def _clear_the_way(self, name: str, frame: Frame, then: Continuation, part: TaskPart, made: int) -> None:
        """The user wants something else done first, so that the first wish can be fulfilled after it."""
        facts = {fact: value for fact, value in self.facts.items() if fact not in self.listed}
        sources = {fact: source for fact, source in self.sources.items() if fact in facts}
        agreed = self.agreed
        other = self._turn_to(then.frame, then.carry)
        self._user("adjust", self._pick(self._said_with(then.say)))
        self._carry_through(then.frame, other, self._part(then.frame, other, ""))
        now = self._as_it_is_now(name, facts, sources)
        self._adopt(frame, facts | now)
        self.sources |= {fact: source for fact, source in sources.items() if self.facts[fact] == facts[fact]}
        self.agreed = agreed
        self._user("adjust", self._pick(self._said_with(then.back)))
        self._carry_through(name, frame, part, made=made)

    def _as_it_is_now(self, name: str, facts: Mapping[str, Json], sources: Mapping[str, Source]) -> dict[str, Json]:
        """The target of before, as the world has it now; nothing where the frame's own query has it not."""
        given = {fact: facts[fact] for fact, source in sources.items() if source.kind == "user"}
        line = self.tasks.pack.tasks.line("frames", name, "target")
        rows = targets_with(self.tasks, self.world, self.tasks.frames[name].target, given, line=line)
        same = [row for row in rows if all(row[fact] == given[fact] for fact in row.keys() & given.keys())]
        return max(same, key=lambda row: sum(facts.get(fact) == value for fact, value in row.items()), default={})

    def _possible(self, then: Continuation, line: int) -> bool:
        if then.back or then.carry:
            carried = {own: self.facts.get(other) for own, other in then.carry.items()}
            return bool(self._own(targets_of(self.tasks, self.world, then.frame, given=carried)))
        if then.frame:
            return bool(self._same(then.frame))
        return not then.change or bool(then.happens) or bool(self.world.query(then.change, self.facts, line=line))

    def _line(self, name: str, trouble: Twist, *path: str | int) -> int:
        """The line of a part of a twist in ``tasks.yaml``."""
        twists = self.tasks.frames[name].twists
        twist = next((key for key, known in twists.items() if known is trouble), "")
        return self.tasks.pack.tasks.line("frames", name, "twists", twist, *path)

    def _same(self, name: str) -> list[dict[str, Json]]:
        """Targets of a frame that agree with all that was said and found."""
        known = {fact: self.facts.get(fact) for fact in self.sources}
        line = self.tasks.pack.tasks.line("frames", name, "target")
        rows = targets_with(self.tasks, self.world, self.tasks.frames[name].target, known, line=line)
        return [row for row in rows if all(row[k] == self.facts.get(k) for k in row.keys() & self.sources.keys())]

    def _reply(self, name: str, frame: Frame) -> None:
        known = self._known()
        texts = [text for text in frame.done if needed_slots(text, self.facts) <= known.keys()]
        whole = [text for text in texts if frozenset(frame.tell) <= slots_of(text)]
        if not whole:
            raise self.tasks.error(
                "utterances",
                f"no reply of {name} says {', '.join(frame.tell)} with what is known",
                "frames",
                name,
                "done",
                expected="a text whose slots are said, asked for, or found in results",
            )
        self._assistant("done", whole)


def acts_of(frame: Frame) -> list[tuple[str, dict[str, str]]]:
    """Return the acts of a frame: tool, and the fact of each parameter."""
    return [
        (tool, dict(arguments) if isinstance(arguments, dict) else {name: name for name in arguments})
        for act in frame.act
        for tool, arguments in act.items()
    ]


def _batches(
    frame: Frame, acts: Sequence[tuple[str, dict[str, str]]], facts: Mapping[str, Json]
) -> Iterator[list[tuple[str, dict[str, str]]]]:
    """Acts of one tool in a row that wait for nothing are made at once."""
    batch: list[tuple[str, dict[str, str]]] = []
    for tool, arguments in acts:
        given = {p: fact for p, fact in arguments.items() if fact not in facts or facts[fact] is not None}
        waits = frame.in_turn or any(fact not in facts for fact in arguments.values())
        if batch and (waits or batch[-1][0] != tool):
            yield batch
            batch = []
        batch.append((tool, given))
    if batch:
        yield batch


def _check_given(tasks: TaskPack, frame: Frame, given: Mapping[str, Json]) -> None:
    """A text that is given may be too short or too long for the tool that takes it."""
    for tool, arguments in acts_of(frame):
        schemas = tasks.pack.programs[tool].tool.parameters
        for parameter, fact in arguments.items():
            if fact in given and compile_schema(schemas[parameter]).errors(given[fact]):
                raise TaskError(f"{fact} does not fit {tool}")


def _long_before(now: str) -> str:
    """A moment seen from which every day is named in full: who reads a note later does not know its today."""
    return f"{datetime.date.fromisoformat(now[:10]) - datetime.timedelta(days=3000)}{now[10:]}"


def _in_its_unit(fact: str, value: Json, source: Source, drawn: Json) -> tuple[Json, Source]:
    """What another service gives, in the unit of the fact that takes it: cents of an amount, the day of a moment."""
    if isinstance(drawn, str) and form_of(drawn) == "day" and isinstance(value, str) and form_of(value) == "when":
        return value[:10], source
    if not fact.endswith(("_cents", "_minor")) or isinstance(value, bool) or not isinstance(value, (int, float)):
        return value, source
    return round(value * 100), Source(kind="composed")

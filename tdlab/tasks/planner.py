"""Planning: from a frame and a world to a script, goal first.

A scene plays the task on the world while it writes it down: every call of the script has been made, and every value
that is said or used stands in a message or a result before.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Literal, NamedTuple

from tdlab.errors import TaskError
from tdlab.records import Beat, Json, Purpose, ScriptCall, Source, TaskPart, TaskScript, canonical_json
from tdlab.speech import (
    Speaker,
    agreement,
    asking,
    closing,
    continuing,
    expanded,
    filled,
    habits_for,
    slots_of,
    welcome,
)
from tdlab.tasks.frames import Choosing, Continuation, Following, Frame, Given, TaskPack, Twist, meeting_of
from tdlab.tasks.search import Lookup, Reader, Route, allows, bare, fitting
from tdlab.worlds import World

__all__ = ["Person", "acts_of", "plan_task", "targets_of"]

_MOST_OFFERED = 6
_IN_THE_HEAD = 8  # rows that an assistant adds up without a program


class Person(NamedTuple):
    """Who speaks to the assistant."""

    name: str
    phone: str
    email: str
    role: str


def targets_of(
    tasks: TaskPack, world: World, frame: str, twist: str = "", *, given: Mapping[str, Json] | None = None
) -> list[dict[str, Json]]:
    """Return the targets that a world has for a frame: each row is a task that is possible.

    Args:
        tasks: The pack and its frames.
        world: One of its worlds.
        frame: The frame's name.
        twist: A twist of it, whose own target counts where it has one.
        given: Facts that the targets must have.

    Returns:
        Rows as fact to value, in an order that depends on their content alone.

    Raises:
        KeyError: There is no such frame or twist.
        PackError: The query of the target is wrong.

    Example:
        >>> stage = stage_here()
        >>> (world,) = stage.worlds(["saffron_gable"], seed=1)
        >>> rows = targets_of(stage.tasks("saffron_gable"), world, "cancel_booking")
        >>> sorted(rows[0])[:3]
        ['booking_id', 'cancel_hours', 'diner_name']
    """
    chosen = tasks.frames[frame]
    own = bool(twist and chosen.twists[twist].target)
    path = ("frames", frame, "twists", twist, "target") if own else ("frames", frame, "target")
    query = chosen.twists[twist].target if own else chosen.target
    line = tasks.pack.tasks.line(*path)
    if given is None and world.is_fresh:
        if path not in world.notes:  # a fresh world has the same targets every time
            world.notes[path] = _sorted(_typed(tasks, world.query(query, {}, line=line)))
        return list(world.notes[path])
    return [
        row
        for row in _targets_with(tasks, world, query, given or {}, line=line)
        if all(row.get(fact) == value for fact, value in (given or {}).items())
    ]


def _targets_with(
    tasks: TaskPack, world: World, query: str, known: Mapping[str, Json], *, line: int = 0
) -> list[dict[str, Json]]:
    """Rows of a target query that agree with what is known of their columns, as far as SQL can tell."""
    note = ("columns", query)
    if note not in world.notes:
        first = world.query(f"SELECT * FROM ({query.strip().rstrip(';')}) LIMIT 1", {}, line=line)  # noqa: S608
        if not first:
            return []
        world.notes[note] = frozenset(first[0])
    given = {
        fact: value
        for fact, value in known.items()
        if fact in world.notes[note] and isinstance(value, (str, int, float)) and not isinstance(value, bool)
    }
    where = " AND ".join(f'"{fact}" = :given_{fact}' for fact in given) or "true"
    # The query is the pack's own, and runs under the world's authorizer; the values are bound.
    among = f"SELECT * FROM ({query.strip().rstrip(';')}) WHERE {where}"  # noqa: S608
    bound = {f"given_{fact}": value for fact, value in given.items()}
    return _sorted(_typed(tasks, world.query(among, bound, line=line)))


def _sorted(rows: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def _typed(tasks: TaskPack, rows: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
    """Rows of SQL, which knows numbers and text alone, with booleans, lists and objects where tools take such."""
    schemas = [schema for program in tasks.pack.programs.values() for schema in program.tool.parameters.items()]
    booleans = {name for name, schema in schemas if schema.get("type") == "boolean"}
    structured = {name for name, schema in schemas if schema.get("type") in ("array", "object")}

    columns = list(rows[0]) if rows else []
    switches = [fact for fact in columns if bare(fact) in booleans]
    compound = [fact for fact in columns if bare(fact) in structured and fact not in switches]
    if not switches and not compound:
        return list(rows)

    def typed(row: dict[str, Json]) -> dict[str, Json]:
        flags = {fact: bool(row[fact]) for fact in switches if row[fact] is not None}
        texts = {fact: row[fact] for fact in compound if isinstance(row[fact], str) and row[fact][:1] in ("[", "{")}
        return row | flags | {fact: json.loads(text) for fact, text in texts.items()}

    return [typed(row) for row in rows]


def plan_task(
    tasks: TaskPack,
    world: World,
    frame: str,
    *,
    twist: str = "",
    seed: int | str = 0,
    target: Mapping[str, Json] | None = None,
    follow: int = 0,
    partners: Sequence[tuple[TaskPack, World]] = (),
    beyond: Literal["", "first", "later", "last"] = "",
    terse: bool = False,
    choice: Literal["", "rule", "ask"] = "",
) -> TaskScript:
    """Plan one task: draw a target, find the way to its goal, and write the conversation.

    Args:
        tasks: The pack and its frames.
        world: A world of the pack, at its start; it is left in the state after the task.
        frame: The frame's name.
        twist: The twist's name, or none.
        seed: What every choice depends on.
        target: The target, instead of one drawn.
        follow: How many frames may follow on the first, at most.
        partners: Other services, with worlds on the same clock, that may take up what this one gives.
        beyond: Where the user also has a wish that no tool of the service can fulfil.
        terse: Whether the user says little at once.
        choice: How the user chooses among several rows, where both ways are open.

    Returns:
        The task and its script. Playing the calls on the same world gives the same results.

    Raises:
        TaskError: The world has no target for it, or no way to the goal is found.
        PackError: The pack is wrong.

    Example:
        >>> stage = stage_here()
        >>> (world,) = stage.worlds(["saffron_gable"], seed=1)
        >>> script = plan_task(stage.tasks("saffron_gable"), world, "cancel_booking", seed=1)
        >>> [call.tool for beat in script.beats for call in beat.calls]
        ['saffron_gable/get_booking', 'saffron_gable/get_restaurant', 'saffron_gable/cancel_booking']
    """
    if frame not in tasks.frames:
        raise TaskError(f"there is no frame {frame!r}", expected=", ".join(tasks.frames))
    if twist and twist not in tasks.frames[frame].twists:
        raise TaskError(f"there is no twist {twist!r}", expected=", ".join(tasks.frames[frame].twists))
    rng = random.Random(f"{seed}/{frame}/{twist}")
    if target is None:
        targets = targets_of(tasks, world, frame, twist)
        if not targets:
            raise TaskError(f"this world has no target for {frame}" + (f" with {twist}" if twist else ""))
        target = rng.choice(targets)
    scene = _Scene(tasks, world, rng, target, partners, terse=terse, choice=choice)
    if beyond == "first":
        scene.wish_beyond(first=True)
    scene.perform(frame, dict(target), twist=twist, lead=beyond == "first")
    if beyond == "later":
        scene.wish_beyond()
    for _ in range(follow):
        if not scene.follow_on():
            break
    if beyond == "last":
        scene.wish_beyond()
    return scene.end()


class _Scene:
    """One conversation in the making."""

    def __init__(
        self, tasks: TaskPack, world: World, rng: random.Random, target: Mapping[str, Json],
        partners: Sequence[tuple[TaskPack, World]], *, terse: bool, choice: str,
    ) -> None:  # fmt: skip
        self.rng = rng
        self.terse, self.choice = terse, choice
        self.began = world.clock.now
        self.titles: dict[str, None] = {}
        self.partners = partners
        self.policy: dict[str, None] = {}
        self.habits = {side: habits_for(rng, side) for side in ("user", "assistant")}
        self.enter(tasks, world)
        drawn = world.query(
            "SELECT person(:n) AS name, phone(:n) AS phone", {"n": 9000 + rng.randrange(5000)}
        )[0]  # fmt: skip
        name = str(target.get("user_name") or drawn["name"])
        email = world.query("SELECT email(:name, 'example.com') AS email", {"name": name})[0]["email"]
        self.person = Person(
            name, str(target.get("user_phone") or drawn["phone"]), str(target.get("user_email") or email),
            rng.choice(tasks.roles),
        )  # fmt: skip
        self.facts: dict[str, Json] = {}
        self.sources: dict[str, Source] = {}
        self.beats: list[Beat] = []
        self.parts: list[TaskPart] = []
        self.results: list[dict[str, Json]] = []
        self.looked: dict[
            str, list[tuple[int, dict[str, Json]]]
        ] = {}  # what was looked up since the last act: call and result
        self.agreed: tuple[str, dict[str, Json]] = ("", {})  # the frame that the user said yes to, and to which facts

    def enter(self, tasks: TaskPack, world: World) -> None:
        """Speak of this service from now on."""
        self.tasks, self.world = tasks, world
        self.policy |= dict.fromkeys(tasks.policy)
        self.titles[tasks.pack.service.title or tasks.pack.service.name] = None
        self.user = Speaker(self.habits["user"], world.clock.now, tasks.terms)
        self.assistant = Speaker(self.habits["assistant"], world.clock.now, tasks.terms)

    # -- one wish

    def perform(self, name: str, facts: dict[str, Json], *, twist: str = "", lead: bool = False) -> None:
        """Play one frame from the user's first request to its end."""
        frame = self.tasks.frames[name]
        self._adopt(frame, facts)
        trouble = frame.twists[twist] if twist else None
        templates = trouble.open if trouble and trouble.open else frame.open
        possible = [text for text in templates if self._sayable(text)]
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
        self._say("user", "wish", text if first else continuing(text, self.rng, refused=self._disappointed()))
        self._say("assistant", "refuse", self._worded(refusal.reply, self._known(), self.assistant))

    def follow_on(self) -> bool:
        """Let another wish follow from what was reached; False where none can."""
        last = self.parts[-1]
        if not last.fulfilled:
            return False
        frame = self.tasks.frames[last.frame]
        ways: list[Callable[[], None]] = [partial(self._follow, following) for following in frame.follows]
        for kind, fields in frame.gives.items():
            for tasks, world in self.partners:
                for name, other in tasks.frames.items():
                    if kind in other.takes and tasks is not self.tasks:
                        ways.append(partial(self._hand_over, fields, tasks, world, name, other.takes[kind]))
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
                self.policy, self.titles = kept[6:]
        return False

    def _hand_over(self, fields: Mapping[str, str], tasks: TaskPack, world: World, name: str, given: Given) -> None:
        """Another service takes up what was reached here."""
        values: dict[str, tuple[Json, Source]] = {}
        for field, said in fields.items():
            if said in self.facts:
                if said in self.sources:
                    values[field] = (self.facts[said], self.sources[said])
            elif slots_of(said) <= self.sources.keys():
                text = filled(expanded(said, self._known(), self.rng), self._known(), self.assistant, self.rng)
                values[field] = (text, Source(kind="composed"))
        if not all(field in values for field in given.facts.values()):
            raise TaskError(f"{name} takes more than is known")
        self.enter(tasks, world)
        frame = tasks.frames[name]
        targets = self._own(targets_of(tasks, world, name))
        if not targets:
            raise TaskError(f"this world has no target for {name}")
        facts = self.rng.choice(targets) | {own: values[field][0] for own, field in given.facts.items()}
        self._adopt(frame, facts)
        self.sources |= {own: values[field][1] for own, field in given.facts.items()}
        self._user("open", self._pick([text for text in given.say if self._sayable(text)]), lead=True)
        self._pursue(name, frame, self._part(name, frame, ""), None)

    def _follow(self, following: Following) -> None:
        frame = self.tasks.frames[following.frame]
        carried = {own: self.facts[other] for own, other in following.carry.items() if other in self.facts}
        rows = self._own(targets_of(self.tasks, self.world, following.frame, given=carried))
        if not rows:
            raise TaskError(f"no target of {following.frame} carries on")
        facts = self.rng.choice(rows)
        for own, other in following.carry.items():
            if other in self.sources:
                self.sources[own], self.facts[own] = self.sources[other], self.facts[other]
        self._adopt(frame, facts)
        self._user("open", self._pick([text for text in following.say if self._sayable(text)]), lead=True)
        self._pursue(following.frame, frame, self._part(following.frame, frame, ""), None)

    def end(self) -> TaskScript:
        """The user's last words, now and then, and the whole."""
        if self.beats[-1].purpose == "done" and self.rng.random() < 0.3:
            self._say("user", "close", closing(self.rng))
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
            if not self._find(name, frame, needed, unasked=unasked):
                raise TaskError(f"no way to {', '.join(sorted(needed - frozenset(self.sources)))} for {name}")
        elif confirm := self._find_and_word(name, frame, needed, unasked=unasked):
            self._assistant("confirm", (confirm,))
            if trouble is not None and meeting_of(trouble)[0] == "change":
                self._adjust(name, frame, trouble, part)
                return
            self._agree(name, confirm)
        for batch in _batches(acts, self.facts):
            self._act(batch)
        part = part.model_copy(update={"facts": dict(self.facts)})
        if frame.goal and not self.world.query(frame.goal, self.facts):
            raise self.tasks.error("goals", f"the goal does not hold after {name}", "frames", name, "goal")
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
        self._say("user", "agree", agreement(self.rng))
        self.agreed = (name, {slot: self.facts.get(slot) for slot in sorted(slots_of(confirm))})

    def _agreed_to(self, name: str) -> bool:
        """Whether the user said yes to this before an obstacle, and has told what changed since then."""
        told = {fact for fact, source in self.sources.items() if source.kind == "user"}
        frame, said = self.agreed
        return frame == name and all(self.facts.get(slot) == value or slot in told for slot, value in said.items())

    def _find_and_word(self, name: str, frame: Frame, needed: frozenset[str], *, unasked: frozenset[str]) -> str:
        """Find out what is needed; where the user has to confirm, with words that need no further question.

        What is ``unasked`` is for the assistant to look up.
        """
        confirms = list(frame.confirm)
        self.rng.shuffle(confirms)
        for confirm in confirms:
            wanted = slots_of(confirm) & frozenset(self.facts)
            extra = frozenset(fact for fact in wanted - needed if not self._follows_from(fact) & needed)
            if slots_of(confirm) <= frozenset(self.facts) and self._find(
                name, frame, needed | wanted, unasked=unasked | extra
            ):
                return confirm
        if confirms:
            raise self.tasks.error(
                "utterances",
                f"no confirmation of {name} can be worded with what tools return",
                "frames",
                name,
                "confirm",
            )
        if not self._find(name, frame, needed, unasked=unasked):
            raise TaskError(f"no way to {', '.join(sorted(needed - frozenset(self.sources)))} for {name}")
        return ""

    def _follows_from(self, fact: str) -> frozenset[str]:
        """The facts that follow from another one."""
        return frozenset(fact[: -len(bare(fact))] + other for other in self.tasks.implies.get(bare(fact), ()))

    def _meet(self, name: str, frame: Frame, trouble: Twist) -> int:
        """Go as far as the obstacle, and report it; return how many acts were made before."""
        kind, tool, code = meeting_of(trouble)
        if kind == "seen":
            if not self._find(name, frame, frozenset({code}), unasked=frozenset({code})):
                raise TaskError(f"no way to see {code} for {name}")
            self._assistant("report", trouble.reply)
            return 0
        acts = acts_of(frame)
        made = next((place for place, (acted, _) in enumerate(acts) if acted == tool), None)
        if made is not None:
            needed = self._needs(frame, self._due(acts[: made + 1]))
            if confirm := self._find_and_word(name, frame, needed, unasked=frozenset(frame.know)):
                self._assistant("confirm", (confirm,))
                self._agree(name, confirm)
            for batch in _batches(self._due(acts[:made]), self.facts):
                self._act(batch)
            act = {parameter: fact for parameter, fact in acts[made][1].items() if self.facts.get(fact) is not None}
            happens = (trouble.happens.sql, _plain(self.facts)) if trouble.happens is not None else None
            self._calls("act", [(tool, act)], meets=code, happens=happens)
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

    def _adjust(self, name: str, frame: Frame, trouble: Twist, part: TaskPart, made: int = 0) -> None:
        """How it goes on: another wish, changed facts, the same all the same, or nothing."""
        ways = [then for then in trouble.then if self._possible(then)]
        if not ways:
            raise TaskError(f"no way to go on after {trouble.meets}")
        then = self.rng.choice(ways)
        if then.stop:
            self._user("stop", self._pick(then.say))
            self._assistant("stop", then.reply)
            self.parts.append(part.model_copy(update={"fulfilled": False}))
            return
        if then.frame:
            self.parts.append(part.model_copy(update={"fulfilled": False}))
            other = self.tasks.frames[then.frame]
            self._adopt(other, self.rng.choice(self._same(other)))
            name, frame, part, made = then.frame, other, self._part(then.frame, other, ""), 0
        elif then.change:
            row = self.rng.choice(_sorted(_typed(self.tasks, self.world.query(then.change, self.facts))))
            for fact in row.keys() & self.sources.keys():
                if self.sources[fact].kind == "result":  # what is new has to be found out again, equal or not
                    del self.sources[fact]
            self._adopt(frame, row)
            part = part.model_copy(update={"facts": dict(self.facts)})
        self._user("adjust", self._pick(then.say))
        self._carry_through(name, frame, part, made=made)

    def _possible(self, then: Continuation) -> bool:
        if then.frame:
            return bool(self._same(self.tasks.frames[then.frame]))
        return not then.change or bool(self.world.query(then.change, self.facts))

    def _same(self, frame: Frame) -> list[dict[str, Json]]:
        """Targets of a frame that agree with all that was said and found."""
        known = {fact: self.facts.get(fact) for fact in self.sources}
        rows = _targets_with(self.tasks, self.world, frame.target, known)
        return [row for row in rows if all(row[k] == self.facts.get(k) for k in row.keys() & self.sources.keys())]

    # -- finding out

    def _reader(self, frame: Frame) -> Reader:
        return Reader(
            self.world,
            list(self.tasks.pack.programs),
            self.facts,
            frozenset(frame.choose),
            frame.compute,
            self._lists(frame),
            self.tasks.implies,
        )

    def _lists(self, frame: Frame) -> frozenset[str]:
        """The lists that the user wants to hear: what is told and is a field of a result, not a fact."""
        fields = {field for program in self.tasks.pack.programs.values() for field in program.lists}
        return frozenset(name for name in frame.tell if name in fields and name not in self.facts)

    def _find(self, name: str, frame: Frame, needed: frozenset[str], *, unasked: frozenset[str] = frozenset()) -> bool:
        """Ask the user and call tools until everything that is needed is known; False where there is no way."""
        askable = frozenset(
            fact for fact in self.facts if bare(fact) in self.tasks.slots and self.facts[fact] is not None
        )
        reader = self._reader(frame)
        route = reader.route(needed, frozenset(self.sources), askable - unasked, self.rng)
        if route is None:
            return False
        asks = [fact for fact in dict.fromkeys(route.asks) if fact not in self.sources]
        used = {fact for lookup in route.lookups for fact in lookup.facts.values()}
        early = [fact for fact in asks if used & reader.closed(frozenset({fact}))]
        late = [fact for fact in asks if fact not in early]
        if early and late and self.rng.random() < 0.5:
            early, late = asks, []
        if early:
            self._ask(early)
        for group in self._groups(route, reader):
            unread = {self._looked_up(lookup): lookup for lookup in group}
            new = [lookup for key, lookup in unread.items() if key not in self.looked]
            first = len(self.results)
            pages = self._calls("look", [(lookup.tool, lookup.facts) for lookup in new]) if new else []
            for offset, lookup in enumerate(new):
                made = [(first + offset, pages[offset])]
                for _ in range(lookup.pages - 1):
                    (value,) = self._calls("look", [(lookup.tool, lookup.facts)], cursor=made[-1][1]["next_cursor"])
                    made.append((len(self.results) - 1, value))
                self.looked[self._looked_up(lookup)] = made
            for lookup in group:
                calls, values = zip(*self.looked[self._looked_up(lookup)], strict=True)
                self._choose(frame, lookup, values)
                self._note(frame, lookup, calls, values)
        if late:
            self._ask(late)
        return True

    def _looked_up(self, lookup: Lookup) -> str:
        """The call of a lookup as a key of what was looked up since the last act."""
        return self._key(lookup.tool, {p: self.facts[fact] for p, fact in lookup.facts.items()}, lookup.pages)

    def _key(self, tool: str, arguments: Mapping[str, Json], pages: int = 1) -> str:
        return canonical_json([self.tasks.pack.service.name, tool, dict(arguments), pages])

    def _groups(self, route: Route, reader: Reader) -> Iterator[list[Lookup]]:
        """The lookups, those at once that do not wait for one another, nor for what follows from one another."""
        group: list[Lookup] = []
        shown: set[str] = set()
        for lookup in route.lookups:
            waits = bool(shown & set(lookup.facts.values())) or lookup.pages > 1
            if group and (waits or self.rng.random() < 0.3):
                yield group
                group, shown = [], set()
            group.append(lookup)
            shown |= reader.closed(frozenset(lookup.shows))
            if lookup.pages > 1:
                yield group
                group, shown = [], set()
        if group:
            yield group

    def _note(self, frame: Frame, lookup: Lookup, calls: Sequence[int], values: Sequence[Mapping[str, Json]]) -> None:
        """Remember where each fact stands in the results."""
        for fact, found in lookup.shows.items():
            if found.path == (fact,) and fact in self._lists(frame):
                parts = [value.get(fact) for value in values]  # rows, or words alone
                self.facts[fact] = [row for part in parts if isinstance(part, list) for row in part]
            if found.page < 0:
                rows = [row for value in values for row in _rows(value.get(str(found.path[0])))]
                if len(rows) > _IN_THE_HEAD and frame.compute[fact].how != "count":
                    raise TaskError(f"{fact} is worked out from {len(rows)} rows, which takes a program")
            self.sources.setdefault(fact, Source(kind="result", call=calls[max(found.page, 0)], path=found.path))
        self._conclude()

    def _ask(self, facts: Sequence[str]) -> None:
        words = self.tasks.slots
        self._say("assistant", "ask", asking([words[bare(fact)].ask for fact in facts], self.rng))
        texts = []
        for fact in facts:
            template = self.rng.choice(words[bare(fact)].tell).replace(f"{{{bare(fact)}", f"{{{fact}")
            texts.append(filled(expanded(template, self.facts, self.rng), self.facts, self.user, self.rng))
        self._say("user", "tell", " ".join(texts), self._told(frozenset(facts)))

    def _choose(self, frame: Frame, lookup: Lookup, values: Sequence[Mapping[str, Json]]) -> None:
        """Where several rows agree with what is known, the user chooses."""
        for listing, (page, mine) in lookup.rows.items():
            # What is known of another thing, such as the old time, says nothing of these rows.
            things = ("", lookup.thing)
            names = {bare(fact): fact for thing in things for fact in self.facts if fact.rpartition("__")[0] == thing}
            told = {name: self.facts[fact] for name, fact in names.items() if fact in self.sources}
            alike = [row for value in values for row in _rows(value.get(listing)) if allows(row, told)]
            if len(alike) <= 1 or listing not in frame.choose:
                continue
            target = _rows(values[page].get(listing))[mine]
            if all(bare(fact) not in target or fact in self.sources for fact in lookup.shows):
                continue
            ways = [way for way in frame.choose[listing] if _selects(way, target, alike)]
            if not ways:
                raise TaskError(f"nobody can choose among the {len(alike)} {listing}")
            preferred = [way for way in ways if self.choice and (way.by == "ask") == (self.choice == "ask")]
            way = self.rng.choice(preferred or ways)
            offers = way.offer or next((other.offer for other in frame.choose[listing] if other.offer), ())
            self._assistant("offer", offers, {listing: alike})
            chosen = {**self.facts, **_plain(target)}
            parts = expanded(self._pick(way.say, chosen), chosen, self.rng)
            tells = {slot: chosen[slot] for slot in sorted(slots_of(parts))}
            self._say("user", "choose", filled(parts, chosen, self.user, self.rng), tells)

    # -- saying and calling

    def _act(self, batch: Sequence[tuple[str, dict[str, str]]]) -> None:
        values = self._calls("act", batch)
        for offset, value in enumerate(values):
            for field, found in value.items():
                if isinstance(found, dict):
                    continue
                self.facts[field] = found
                call = len(self.results) - len(values) + offset
                self.sources[field] = Source(kind="result", call=call, path=(field,))
        self._conclude()

    def _calls(
        self,
        purpose: Purpose,
        calls: Sequence[tuple[str, Mapping[str, str]]],
        *,
        meets: str = "",
        happens: tuple[str, dict[str, Json]] | None = None,
        cursor: Json = None,
    ) -> list[dict[str, Json]]:
        """Make calls at once; each is a tool and the fact of each parameter."""
        if purpose == "act":
            self.looked.clear()  # what was read before may no longer hold
        if happens is not None:
            self.world.happen(*happens)
        made, values = [], []
        for tool, facts in calls:
            schemas = self.tasks.pack.programs[tool].tool.parameters
            arguments = {p: fitting(self.facts[fact], schemas[p]) for p, fact in facts.items()}
            sources = {p: self.sources[fact] for p, fact in facts.items() if fact in self.sources}
            if cursor is not None:
                arguments["cursor"] = cursor
                sources["cursor"] = Source(kind="result", call=len(self.results) - 1, path=("next_cursor",))
            outcome = self.world.call(tool, arguments)
            if outcome.code != meets:
                raise TaskError(
                    f"{tool} gives {outcome.code or 'a result'}, not {meets or 'a result'}: {outcome.message}"
                )
            key = f"{self.tasks.pack.service.name}/{tool}"
            made.append(ScriptCall(tool=key, arguments=arguments, sources=sources, meets=meets))
            values.append(outcome.value)
            self.results.append(outcome.value)
        self.beats.append(Beat(speaker="calls", purpose=purpose, calls=tuple(made), happens=happens))
        return values

    def _reply(self, name: str, frame: Frame) -> None:
        known = self._known()
        texts = [text for text in frame.done if slots_of(text) <= known.keys()]
        whole = [text for text in texts if frozenset(frame.tell) <= slots_of(text)]
        if not whole:
            raise self.tasks.error(
                "utterances",
                f"no reply of {name} says {', '.join(frame.tell)} with what is known",
                "frames",
                name,
                "done",
            )
        self._assistant("done", whole)

    def _disappointed(self) -> bool:
        """Whether the last wish was not fulfilled, so that nobody says thanks for it."""
        return self.beats[-1].purpose in ("refuse", "stop", "report")

    def _user(self, purpose: Purpose, template: str, *, lead: bool = False) -> None:
        parts = expanded(template, self.facts, self.rng)
        text = filled(parts, self.facts, self.user, self.rng)
        if lead:
            text = continuing(text, self.rng, refused=self._disappointed())
        self._say("user", purpose, text, self._told(slots_of(parts)))

    def _assistant(self, purpose: Purpose, texts: Sequence[str], rows: Mapping[str, Json] | None = None) -> None:
        self._say("assistant", purpose, self._worded(texts, {**self._known(), **(rows or {})}, self.assistant))

    def _worded(self, texts: Sequence[str], values: Mapping[str, Json], speaker: Speaker) -> str:
        parts = expanded(self._pick(texts, values), values, self.rng)
        return filled(parts, values, speaker, self.rng)

    def _pick(self, texts: Sequence[str], values: Mapping[str, Json] | None = None) -> str:
        """One of the texts that can be said with these values (all facts by default)."""
        known = self.facts if values is None else values
        possible = [text for text in texts if slots_of(text) <= known.keys()]
        if not possible:
            raise TaskError(f"none of {list(texts)!r} can be said with {', '.join(sorted(known))}")
        return self.rng.choice(possible)

    def _say(self, speaker: str, purpose: Purpose, text: str, tells: Mapping[str, Json] | None = None) -> None:
        self.beats.append(Beat(speaker=speaker, purpose=purpose, text=text, tells=dict(tells or {})))

    def _sayable(self, text: str) -> bool:
        return all(self.facts.get(slot) is not None for slot in slots_of(text))

    def _told(self, slots: frozenset[str]) -> dict[str, Json]:
        told = {slot: self.facts[slot] for slot in sorted(slots) if self.facts.get(slot) is not None}
        for slot in told:
            self.sources[slot] = Source(kind="user", slot=slot)
        self._conclude()
        return told

    def _conclude(self) -> None:
        """What follows from what is known is known too."""
        for fact in list(self.sources):
            for other in self.tasks.implies.get(bare(fact), ()):
                implied = fact[: -len(bare(fact))] + other
                if implied in self.facts and implied not in self.sources:
                    self.sources[implied] = Source(kind="composed")

    def _known(self) -> dict[str, Json]:
        return {fact: self.facts[fact] for fact in self.sources if fact in self.facts}

    def _part(self, name: str, frame: Frame, twist: str) -> TaskPart:
        return TaskPart(
            service=self.tasks.pack.service.name, frame=name, twist=twist, wish=frame.wish, facts=dict(self.facts),
            goal=frame.goal, tell=frame.tell,
        )  # fmt: skip

    def _person_of(self, facts: Mapping[str, Json]) -> Person:
        """Who the user is, by the facts of a task; nobody becomes another person once they have said who they are."""
        name = facts.get("user_name")
        if name is None or name == self.person.name:
            return self.person
        if self._introduced():
            raise TaskError(f"this is {name}'s task, and the user is {self.person.name}")
        return self.person._replace(
            name=str(name),
            phone=str(facts.get("user_phone") or self.person.phone),
            email=str(facts.get("user_email") or self.person.email),
        )

    def _introduced(self) -> bool:
        said = {str(self.facts.get(fact)) for fact, source in self.sources.items() if source.kind == "user"}
        return bool(said & {self.person.name, self.person.phone, self.person.email})

    def _own(self, rows: list[dict[str, Json]]) -> list[dict[str, Json]]:
        """The targets that can be this user's."""
        if not self._introduced():
            return rows
        return [row for row in rows if row.get("user_name") in (None, self.person.name)]

    def _adopt(self, frame: Frame, facts: Mapping[str, Json]) -> None:
        """Make these the facts of the task; what was known of others is not known of them."""
        self.person = self._person_of(facts)
        own = {fact: getattr(self.person, attribute) for fact, attribute in frame.user.items()}
        for fact, value in {**own, **facts}.items():
            if fact in self.facts and self.facts[fact] != value:
                self.sources.pop(fact, None)
            self.facts[fact] = value


def acts_of(frame: Frame) -> list[tuple[str, dict[str, str]]]:
    """Return the acts of a frame: tool, and the fact of each parameter."""
    return [
        (tool, dict(arguments) if isinstance(arguments, dict) else {name: name for name in arguments})
        for act in frame.act
        for tool, arguments in act.items()
    ]


def _batches(
    acts: Sequence[tuple[str, dict[str, str]]], facts: Mapping[str, Json]
) -> Iterator[list[tuple[str, dict[str, str]]]]:
    """Acts of one tool in a row that wait for nothing are made at once."""
    batch: list[tuple[str, dict[str, str]]] = []
    for tool, arguments in acts:
        given = {p: fact for p, fact in arguments.items() if fact not in facts or facts[fact] is not None}
        waits = any(fact not in facts for fact in arguments.values())
        if batch and (waits or batch[-1][0] != tool):
            yield batch
            batch = []
        batch.append((tool, given))
    if batch:
        yield batch


def _selects(way: Choosing, target: Mapping[str, Json], rows: Sequence[Mapping[str, Json]]) -> bool:
    """Return whether a way of choosing picks the target and no other row."""
    if way.by == "ask":
        return len(rows) <= _MOST_OFFERED
    word, _, field = way.by.partition(" ")
    values = [row.get(field) for row in rows]
    mine = target.get(field)
    if any(value is None for value in values) or values.count(mine) != 1:
        return False
    if word == "same":
        return True
    return bool(mine == (min(values) if word == "lowest" else max(values)))  # type: ignore[type-var]


def _rows(value: Json) -> list[dict[str, Json]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _plain(values: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in values.items() if not isinstance(value, (dict, list))}

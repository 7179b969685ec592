"""Conversations in the making: what is known, what has been said and called, and by whom."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tdlab.errors import TaskError
from tdlab.records import CODE_TOOL, Beat, Json, Purpose, ScriptCall, Source, TaskPart, canonical_json
from tdlab.speech import (
    After,
    Part,
    Speaker,
    continuing,
    expanded,
    filled,
    habits_for,
    needed_slots,
    sayable,
    spoken_slots,
)
from tdlab.tasks.frames import Frame, TaskPack
from tdlab.tasks.search import Lookup, bare, fitting
from tdlab.worlds import World

__all__ = ["Conversation", "Person", "plain_facts"]


class Person(NamedTuple):
    """Who speaks to the assistant."""

    name: str
    phone: str
    email: str
    role: str


class Conversation:
    """One conversation in the making: its facts and their sources, its messages and calls."""

    def __init__(
        self, tasks: TaskPack, world: World, rng: random.Random, target: Mapping[str, Json],
        partners: Sequence[tuple[TaskPack, World]], *, terse: bool, choice: str, programs: bool,
    ) -> None:  # fmt: skip
        self.rng = rng
        self.terse, self.choice, self.programs = terse, choice, programs
        self.began = world.clock.now
        self.titles: dict[str, None] = {}
        self.partners = partners
        self.policy: dict[str, None] = {}
        wording = rng.randrange(1 << 30)
        self.habits = {side: habits_for(rng, side, wording) for side in ("user", "assistant")}
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
        self.listed: set[str] = set()  # lists that were read for this task: another one has its own
        self.named = False  # whether a task has said who the user is
        self.happened: tuple[str, dict[str, Json]] | None = None  # since the last calls
        self.agreed: tuple[str, dict[str, Json]] = ("", {})  # the frame that the user said yes to, and to which facts

    def enter(self, tasks: TaskPack, world: World) -> None:
        """Speak of this service from now on."""
        self.tasks, self.world = tasks, world
        self.policy |= dict.fromkeys(tasks.policy)
        self.titles[tasks.pack.service.title or tasks.pack.service.name] = None
        self.user = Speaker(self.habits["user"], world.clock.now, tasks.terms)
        self.assistant = Speaker(self.habits["assistant"], world.clock.now, tasks.terms)

    def _looked_up(self, lookup: Lookup) -> str:
        """The call of a lookup as a key of what was looked up since the last act."""
        return self._key(lookup.tool, {p: self.facts[fact] for p, fact in lookup.facts.items()}, lookup.pages)

    def _key(self, tool: str, arguments: Mapping[str, Json], pages: int = 1) -> str:
        return canonical_json([self.tasks.pack.service.name, tool, dict(arguments), pages])

    def _act(self, batch: Sequence[tuple[str, dict[str, str]]]) -> None:
        values = self._calls("act", batch)
        for offset, value in enumerate(values):
            for field, found in value.items():
                if isinstance(found, dict):
                    continue
                if isinstance(found, list) and field not in self.facts:
                    self.listed.add(field)
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
        line: int = 0,
        cursor: Json = None,
    ) -> list[dict[str, Json]]:
        """Make calls at once; each is a tool and the fact of each parameter. ``line`` is that of what happens."""
        if happens is not None:
            self.world.happen(*happens, line=line)
        happens, self.happened = happens or self.happened, None
        if happens is not None or (purpose == "act" and not meets):
            self.looked.clear()  # what was read before may no longer hold; a call that fails changes nothing
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

    def _run_program(self, code: str, printed: Mapping[str, Json]) -> int:
        """Run a program, which is known to print these values; return the number of the call."""
        self.beats.append(
            Beat(
                speaker="calls", purpose="look",
                calls=(ScriptCall(tool=CODE_TOOL, arguments={"language": "python", "code": code}),),
            )
        )  # fmt: skip
        self.results.append({"stdout": canonical_json(dict(printed))})
        return len(self.results) - 1

    def _settled(self) -> After:
        """What was just settled, on which depends how the user goes on."""
        purpose = self.beats[-1].purpose
        if purpose in ("refuse", "report"):
            return "refused"
        if purpose == "stop":
            return "stopped"
        since = itertools.takewhile(lambda beat: beat.purpose not in ("open", "wish"), reversed(self.beats))
        return "done" if any(beat.purpose == "act" for beat in since) else "answered"

    def _user(self, purpose: Purpose, template: str, *, lead: bool = False) -> None:
        parts = expanded(template, self.facts, self.rng)
        text = self._filled(parts, self.facts, self.user)
        if lead:
            text = continuing(text, self.rng, after=self._settled())
        self._say("user", purpose, text, self._told(spoken_slots(parts, self.facts)))

    def _assistant(self, purpose: Purpose, texts: Sequence[str], rows: Mapping[str, Json] | None = None) -> None:
        self._say("assistant", purpose, self._worded(texts, {**self._known(), **(rows or {})}, self.assistant))

    def _filled(self, parts: tuple[Part, ...], values: Mapping[str, Json], speaker: Speaker) -> str:
        try:
            return filled(parts, values, speaker, self.rng)
        except ValueError as error:  # a form that cannot say this value
            raise TaskError(f"a text cannot be said: {error}") from None

    def _worded(self, texts: Sequence[str], values: Mapping[str, Json], speaker: Speaker) -> str:
        parts = expanded(self._pick(texts, values), values, self.rng)
        return self._filled(parts, values, speaker)

    def _pick(self, texts: Sequence[str], values: Mapping[str, Json] | None = None) -> str:
        """One of the texts that can be said with these values (all facts by default)."""
        known = self.facts if values is None else values
        true = {**self.facts, **known}
        possible = [text for text in texts if needed_slots(text, true) <= known.keys()]
        if not possible:
            raise TaskError(f"none of {list(texts)!r} can be said with {', '.join(sorted(known))}")
        return self.rng.choice(possible)

    def _say(self, speaker: str, purpose: Purpose, text: str, tells: Mapping[str, Json] | None = None) -> None:
        self.beats.append(Beat(speaker=speaker, purpose=purpose, text=text, tells=dict(tells or {})))

    def _said_with(self, texts: Sequence[str]) -> list[str]:
        """Those of a user's texts that can be said now."""
        return [text for text in texts if sayable(text, self.facts)]

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
        """Who the user is, by the facts of a task; they stay who they said they are."""
        name = facts.get("user_name")
        if name is None or name == self.person.name:
            return self.person
        if self.named or self._introduced():
            raise TaskError(f"this is {name}'s task, and the user is {self.person.name}")
        return self.person._replace(
            name=str(name),
            phone=str(facts.get("user_phone") or self.person.phone),
            email=str(facts.get("user_email") or self.person.email),
        )

    def _introduced(self) -> bool:
        return any(self._says_who(fact, source) for fact, source in self.sources.items())

    def _says_who(self, fact: str, source: Source) -> bool:
        """Whether the user said with this fact who they are."""
        who = (self.person.name, self.person.phone, self.person.email)
        return source.kind == "user" and str(self.facts.get(fact)) in who

    def _own(self, rows: Sequence[dict[str, Json]]) -> Sequence[dict[str, Json]]:
        """The targets that can be this user's."""
        if not self.named and not self._introduced():
            return rows
        return [row for row in rows if row.get("user_name") in (None, self.person.name)]

    def _adopt(self, frame: Frame, facts: Mapping[str, Json]) -> None:
        """Make these the facts of the task; what was known of others is not known of them."""
        for fact in self.listed - facts.keys():
            self.facts.pop(fact, None)
            self.sources.pop(fact, None)
        self.listed.clear()
        self.person = self._person_of(facts)
        self.named = self.named or facts.get("user_name") is not None
        own = {fact: getattr(self.person, attribute) for fact, attribute in frame.user.items()}
        for fact, value in {**own, **facts}.items():
            if fact in self.facts and self.facts[fact] != value:
                self.sources.pop(fact, None)
            self.facts[fact] = value


def plain_facts(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return the values that are neither lists nor objects."""
    return {key: value for key, value in values.items() if not isinstance(value, (dict, list))}

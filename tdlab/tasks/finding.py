"""Finding out what a wish needs: questions to the user, lookups, choices, and programs for many rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tdlab.errors import TaskError
from tdlab.records import Json, Source
from tdlab.speech import asking, expanded, spoken_slots
from tdlab.tasks.conversation import Conversation, plain_facts
from tdlab.tasks.frames import Choosing, Frame
from tdlab.tasks.programs import program_for
from tdlab.tasks.search import Lookup, Reader, Route, allows, bare

__all__ = ["FindingOut"]

_MOST_OFFERED = 6
_IN_THE_HEAD = 8  # rows that an assistant adds up without a program
_COUNTED = 20  # rows among which it counts without one


class FindingOut(Conversation):
    """A conversation in which the assistant finds out what it needs."""

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
        """The lists that the user wants to hear: what is said in the end and is a field of a result, not a fact."""
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
        order = {slot: place for place, slot in enumerate(self.tasks.slots)}
        asks = [fact for fact in dict.fromkeys(route.asks) if fact not in self.sources]
        asks.sort(key=lambda fact: order[bare(fact)])
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
        self._work_out(frame, lookup, values)
        for fact, found in lookup.shows.items():
            if found.path == (fact,) and fact in self._lists(frame):
                parts = [value.get(fact) for value in values]  # rows, or words alone
                self.listed.add(fact)
                self.facts[fact] = [row for part in parts if isinstance(part, list) for row in part]
            self.sources.setdefault(fact, Source(kind="result", call=calls[max(found.page, 0)], path=found.path))
        self._conclude()

    def _work_out(self, frame: Frame, lookup: Lookup, values: Sequence[Mapping[str, Json]]) -> None:
        """Write a program for what takes too many rows for the head, one for each list."""
        worked = [fact for fact, found in lookup.shows.items() if found.page < 0 and fact not in self.sources]
        for listing in dict.fromkeys(frame.compute[fact].rows for fact in worked):
            rows = [row for value in values for row in _rows(value.get(listing))]
            facts = {fact: frame.compute[fact] for fact in worked if frame.compute[fact].rows == listing}
            counted = all(one.how == "count" for one in facts.values())
            if len(rows) <= (_COUNTED if counted else _IN_THE_HEAD) or (
                counted and not any(one.where for one in facts.values())
            ):
                continue
            if not self.programs:
                raise TaskError(f"{', '.join(facts)} takes a program, for there are {len(rows)} {listing}")
            call = self._run_program(program_for(facts, rows, self.facts), {fact: self.facts[fact] for fact in facts})
            self.sources |= {fact: Source(kind="result", call=call, path=("stdout", fact)) for fact in facts}

    def _ask(self, facts: Sequence[str]) -> None:
        words = self.tasks.slots
        first = not any(beat.speaker == "assistant" for beat in self.beats)
        self._say("assistant", "ask", asking([words[bare(fact)].ask for fact in facts], self.rng, first=first))
        texts = []
        for fact in facts:
            template = self.rng.choice(words[bare(fact)].tell).replace(f"{{{bare(fact)}", f"{{{fact}")
            texts.append(self._filled(expanded(template, self.facts, self.rng), self.facts, self.user))
        self._say("user", "tell", " ".join(texts), self._told(frozenset(facts)))

    def _choose(self, frame: Frame, lookup: Lookup, values: Sequence[Mapping[str, Json]]) -> None:
        """Where several rows agree with what is known, the user chooses."""
        for listing, (page, mine) in lookup.rows.items():
            # What is known of another thing, such as the old time, says nothing of these rows.
            things = ("", lookup.thing)
            names = {bare(fact): fact for thing in things for fact in self.facts if fact.rpartition("__")[0] == thing}
            given = {name: self.facts[fact] for name, fact in names.items() if fact in self.sources}
            alike = [row for value in values for row in _rows(value.get(listing)) if allows(row, given)]
            if len(alike) <= 1 or listing not in frame.choose:
                continue
            target = _rows(values[page].get(listing))[mine]
            if all(bare(fact) not in target or fact in self.sources for fact in lookup.shows):
                continue
            ways = [way for way in frame.choose[listing] if _selects(way, target, alike)]
            if not ways:
                raise TaskError(f"there is no way to choose among the {len(alike)} {listing}")
            preferred = [way for way in ways if self.choice and (way.by == "ask") == (self.choice == "ask")]
            way = self.rng.choice(preferred or ways)
            offers = way.offer or next((other.offer for other in frame.choose[listing] if other.offer), ())
            self._assistant("offer", offers, {listing: alike})
            chosen = {**self.facts, **plain_facts(target)}
            parts = expanded(self._pick(way.say, chosen), chosen, self.rng)
            tells = {slot: chosen[slot] for slot in sorted(spoken_slots(parts, chosen))}
            self._say("user", "choose", self._filled(parts, chosen, self.user), tells)


def _selects(way: Choosing, target: Mapping[str, Json], rows: Sequence[Mapping[str, Json]]) -> bool:
    """Return whether a way of choosing picks the target and no other row."""
    if way.by == "ask":
        return len(rows) <= _MOST_OFFERED
    word, _, field = way.by.partition(" ")
    values: list[Any] = [row.get(field) for row in rows]  # JSON; those of one column have one type
    mine = target.get(field)
    if any(value is None for value in values) or values.count(mine) != 1:
        return False
    if word == "same":
        return True
    return bool(mine == (min(values) if word == "lowest" else max(values)))


def _rows(value: Json) -> list[dict[str, Json]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []

"""Finding out what a task needs: a search over the tools that read, run on the world itself.

The facts of a task are what is true of its target. Some are known to the assistant because the user told them; others
have to be found in results. The search looks for the fewest calls (and questions to the user) after which everything
that is needed is known. Calls are tried on the world, so a path that is found is one that works.

A fact ``second__booking_id`` is the ``booking_id`` of another thing, called *second*: tools take and return it under
its bare name, and the facts of one call all belong to one thing, or to the task as a whole.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import NamedTuple

from tdlab.records import Json, Tool, canonical_json
from tdlab.tasks.frames import Computation
from tdlab.tasks.programs import worked_out
from tdlab.worlds import Outcome, World

__all__ = ["Found", "Lookup", "Reader", "Route", "agrees", "allows", "bare", "fitting"]

Path = tuple[str | int, ...]

_MOST_STATES = 400
_MOST_PAGES = 6
_ASKING = 0.7  # asking the user costs less than a call, as one question can hold several values
_PAGING = frozenset({"limit", "cursor"})


class Found(NamedTuple):
    """Where a fact stands: the page of the lookup (0 for the first) and the path in that page's result."""

    page: int
    path: Path


class Lookup(NamedTuple):
    """A call of a tool that reads, with as many further pages as it takes.

    ``thing`` is what it is made for (empty: the task as a whole), ``facts`` maps its parameters to facts, ``shows`` the
    facts that its results show to where they stand, and ``rows`` each list that holds the target to the page and row.
    """

    tool: str
    thing: str
    facts: dict[str, str]
    pages: int
    shows: dict[str, Found]
    rows: dict[str, tuple[int, int]]


class Route(NamedTuple):
    """What to ask the user and which calls to make, in order, so that all that is needed is known."""

    asks: tuple[str, ...]
    lookups: tuple[Lookup, ...]
    cost: float


@lru_cache(maxsize=4096)
def bare(fact: str) -> str:
    """Return the name under which tools know a fact: ``booking_id`` for ``second__booking_id``."""
    return fact.rpartition("__")[2]


class Reader:
    """Searches one world for facts.

    Args:
        world: The world, in the state in which the calls will be made.
        tools: The names of the tools that may be called.
        facts: All facts of the task by name.
        choosable: The lists (result fields) among whose rows the user can choose.
        compute: Facts that are worked out from all rows of a list, with how.
        lists: Lists (result fields) that the user wants to hear; each counts as a fact of its name.
        implies: Facts (bare names) that follow from another one: the date from the moment.
    """

    def __init__(
        self,
        world: World,
        tools: Sequence[str],
        facts: Mapping[str, Json],
        choosable: frozenset[str],
        compute: Mapping[str, Computation] | None = None,
        lists: frozenset[str] = frozenset(),
        implies: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._world = world
        self._facts = facts
        self._choosable = choosable
        self._compute = compute or {}
        self._lists = lists
        self._implies = implies or {}
        self._whole = lists | frozenset(computation.rows for computation in self._compute.values())
        self._tools: list[Tool] = [
            world.pack.programs[name].tool for name in tools if not world.pack.programs[name].writes
        ]
        things = sorted({fact.rpartition("__")[0] for fact in facts})
        self._names = {thing: self._names_of(thing) for thing in things}
        self._results: dict[str, Outcome] = {}

    def route(
        self, needed: frozenset[str], known: frozenset[str], askable: frozenset[str], rng: random.Random
    ) -> Route | None:
        """Return the cheapest route to everything that is needed.

        Args:
            needed: Facts that the assistant must know at the end.
            known: Facts that it knows.
            askable: Facts that the user can tell when asked.
            rng: Chooses among routes of equal cost.

        Returns:
            A route, or None where none is found.
        """
        order = itertools.count()
        queue: list[tuple[float, float, int, frozenset[str], tuple[str, ...], tuple[Lookup, ...]]] = [
            (0.0, rng.random(), next(order), self.closed(known), (), ())
        ]
        seen: set[frozenset[str]] = set()
        while queue and len(seen) < _MOST_STATES:
            cost, _, _, have, asks, lookups = heapq.heappop(queue)
            if needed <= have:
                return Route(asks, lookups, cost)
            if have in seen:
                continue
            seen.add(have)
            missing = self._to_ask(needed - have, askable)
            if missing <= askable:
                price = cost + (0.0 if asks else _ASKING) + 0.05 * len(missing)
                entry = (
                    price,
                    rng.random(),
                    next(order),
                    self.closed(have | missing),
                    (*asks, *sorted(missing)),
                    lookups,
                )
                heapq.heappush(queue, entry)
            for tool in self._tools:
                for lookup, asked in self._lookups(tool, have, askable):
                    same = [made for made in lookups if lookup.tool == made.tool and lookup.facts == made.facts]
                    if any(lookup.thing == made.thing for made in same):
                        continue
                    new = self.closed(have | frozenset(asked) | frozenset(lookup.shows))
                    if new == have | frozenset(asked):
                        continue
                    pages = 0 if same else lookup.pages  # one result may be read for two things
                    price = cost + pages + (_ASKING if asked and not asks else 0) + 0.05 * len(asked)
                    entry = (price, rng.random(), next(order), new, (*asks, *asked), (*lookups, lookup))
                    heapq.heappush(queue, entry)
        return None

    def closed(self, known: frozenset[str]) -> frozenset[str]:
        """Return what is known, and what follows from it."""
        implied = {
            fact[: -len(bare(fact))] + other for fact in known for other in self._implies.get(bare(fact), ())
        } & self._facts.keys()
        return known | frozenset(implied)

    def _to_ask(self, missing: Set[str], askable: frozenset[str]) -> frozenset[str]:
        """What to ask for so that these facts are known: themselves, or what they follow from."""
        return frozenset(
            fact if fact in askable else next((a for a in sorted(askable) if fact in self.closed(frozenset({a}))), fact)
            for fact in missing
        )

    def arguments_for(self, tool: Tool, have: frozenset[str], thing: str = "") -> dict[str, str] | None:
        """Return the facts that fill a tool's parameters; None where a required one is not known."""
        names = self._names.get(thing, {})
        chosen = {
            parameter: names[parameter]
            for parameter in tool.parameters
            if parameter in names and names[parameter] in have and parameter not in _PAGING
            and self._facts[names[parameter]] is not None
        }  # fmt: skip
        return chosen if all(parameter in chosen for parameter in tool.required) else None

    def _names_of(self, thing: str) -> dict[str, str]:
        """Bare name to fact, of a thing and of the task as a whole."""
        own = {bare(fact): fact for fact in self._facts if fact.rpartition("__")[0] == thing}
        common = {fact: fact for fact in self._facts if "__" not in fact}
        return {**common, **own}

    def _lookups(
        self, tool: Tool, have: frozenset[str], askable: frozenset[str]
    ) -> Iterator[tuple[Lookup, tuple[str, ...]]]:
        for thing, names in self._names.items():
            wanted = [names.get(parameter) for parameter in (*tool.required, *self._against_default(tool, names))]
            if None in wanted:
                continue
            missing = self._to_ask({fact for fact in wanted if fact is not None and fact not in have}, askable)
            for asked in (missing, *({fact} for fact in self._narrowing(tool, names, have) if not missing)):
                if not asked <= askable:
                    continue
                known = self.closed(have | asked)
                arguments = self.arguments_for(tool, known, thing)
                if arguments is None:
                    continue
                lookup = self._read(tool, arguments, thing, known)
                if lookup is not None:
                    yield lookup, tuple(sorted(asked))

    def _narrowing(self, tool: Tool, names: Mapping[str, str], have: frozenset[str]) -> Iterator[str]:
        """Facts that could narrow a search in which nothing has to be given: one of them is worth asking for."""
        if not tool.required:
            optional = (names[parameter] for parameter in tool.parameters if parameter in names)
            yield from sorted({fact for fact in optional if fact not in have and self._facts[fact] is not None})

    def _against_default(self, tool: Tool, names: Mapping[str, str]) -> list[str]:
        """Optional parameters whose default is not what the task is about: they have to be given."""
        return [
            parameter
            for parameter, schema in tool.parameters.items()
            if parameter in names
            and "default" in schema
            and parameter not in {*tool.required, *_PAGING}
            and self._facts[names[parameter]] not in (None, schema["default"])
        ]

    def _read(self, tool: Tool, arguments: dict[str, str], thing: str, known: frozenset[str]) -> Lookup | None:
        """The lookup that calls a tool until the target's row is there; None where it fails or shows nothing new."""
        values = {p: fitting(self._facts[fact], tool.parameters[p]) for p, fact in arguments.items()}
        shows: dict[str, Found] = {}
        rows: dict[str, tuple[int, int]] = {}
        collected: dict[str, list[Json]] = {}
        page = 0
        cursor: Json = None
        while page < _MOST_PAGES:
            outcome = self._look(tool.name, values if cursor is None else {**values, "cursor": cursor})
            if not outcome.ok:
                return None
            self._take(outcome.value, thing, known, page, shows, rows)
            for listing in self._whole & outcome.value.keys():
                listed = outcome.value[listing]
                collected.setdefault(listing, []).extend(listed if isinstance(listed, list) else [])
            page += 1
            cursor = outcome.value.get("next_cursor")
            more = cursor is not None and "cursor" in tool.parameters
            if not more or (rows and not self._whole & outcome.value.keys()):
                break
        for fact, computation in self._compute.items():
            listed = collected.get(computation.rows)
            if fact in known or listed is None:
                continue
            if worked_out(computation, listed, self._facts) == self._facts.get(fact):
                shows[fact] = Found(-1, (computation.rows,))
        for listing in self._lists & collected.keys() - known:
            shows[listing] = Found(0, (listing,))
        return Lookup(tool.name, thing, arguments, page, shows, rows) if shows else None

    def _take(
        self, value: Mapping[str, Json], thing: str, known: frozenset[str], page: int, shows: dict[str, Found],
        rows: dict[str, tuple[int, int]],
    ) -> None:  # fmt: skip
        """Note the facts that one page shows.

        A row counts where it is the only one that agrees with what is known, or where the user can choose among rows.
        """
        names = self._names[thing]

        def note(key: str, found: Json, path: Path) -> None:
            fact = names.get(key)
            if fact is not None and fact not in known and self._facts[fact] == found:
                shows.setdefault(fact, Found(page, path))

        for name, part in value.items():
            if isinstance(part, list) and part and isinstance(part[0], dict):
                true = {key: self._facts[fact] for key, fact in names.items()}
                mine = [index for index, row in enumerate(part) if agrees(row, true)]
                if len(mine) != 1:
                    continue
                told = {key: self._facts[fact] for key, fact in names.items() if fact in known}
                if sum(allows(row, told) for row in part) > 1 and name not in self._choosable:
                    continue
                rows.setdefault(name, (page, mine[0]))
                for key, inner in part[mine[0]].items():
                    note(key, inner, (name, mine[0], key))
            elif isinstance(part, dict):
                for key, inner in part.items():
                    note(key, inner, (name, key))
            else:
                note(name, part, (name,))

    def _look(self, tool: str, arguments: Mapping[str, Json]) -> Outcome:
        key = canonical_json([tool, dict(arguments)])
        if key not in self._results:
            self._results[key] = self._world.look(tool, arguments)
        return self._results[key]


def fitting(value: Json, schema: Json) -> Json:
    """Return one value as a list of one where a parameter is a list, else the value."""
    is_list = isinstance(schema, dict) and schema.get("type") == "array"
    return [value] if is_list and not isinstance(value, list) else value


def allows(row: Json, facts: Mapping[str, Json]) -> bool:
    """Return whether a row contradicts none of the facts (bare names)."""
    return isinstance(row, dict) and all(row[key] == value for key, value in facts.items() if key in row)


def agrees(row: Json, facts: Mapping[str, Json]) -> bool:
    """Return whether a row contradicts none of the facts (bare names) and shares at least one of them."""
    if not isinstance(row, dict):
        return False
    shared = [key for key in row if key in facts]
    return bool(shared) and all(row[key] == facts[key] for key in shared)

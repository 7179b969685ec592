"""Drafts: unfinished plans, to which the planner and the mutation operators add goals one by one.

A draft knows the possible sources of each argument: the cluster's dependencies say which results fill which parameters,
and the user says the rest. People do not know identifiers by heart, so the plan searches if a search finds one.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from tdlab.blueprints.validation import schema_for_some
from tdlab.config import BlueprintConfig
from tdlab.errors import BlueprintError
from tdlab.records import (
    Binding,
    Blueprint,
    BusinessCluster,
    Call,
    Constant,
    Dependency,
    FromResult,
    FromTemplate,
    FromUser,
    Json,
    SeedEntity,
    Step,
    Tool,
)
from tdlab.tools import (
    CompiledSchema,
    cached_per_tool,
    compile_schema,
    make_identifier,
    make_value,
    ordered_pairs,
    output_fit,
    returned_schema,
    roles,
    schema_at,
    split_words,
)

__all__ = ["BlueprintDraft", "Facts", "Feed", "is_paging", "replace_said", "shows_or_finds"]

Facts = Mapping[str, Mapping[str, list[Json]]]
"""Values that exist in the real world: service -> parameter -> values."""

# Fixed by definition: parameters that page through results, and words whose values are the same for every tool.
_PAGING = frozenset("cursor page offset page_token pagetoken next_token after before starting_after".split())
_SHARED = frozenset(
    "limit size page currency country language lang locale timezone tz unit units system format email phone city date"
    " address location latitude longitude".split()
)
# Fixed by definition, as the words above are: what a person says of dates.
_LONGEST_STAY = 30  # days between two dates that a person says together


class Feed(NamedTuple):
    """A dependency that can be used: its output fits the parameter, as it is or as the one item of a list."""

    edge: Dependency
    as_list: bool


class _Memory:
    """What is said in a plan: by topic, so that nothing is said twice; the slots; the kinds of what was deleted."""

    def __init__(self, calls: Sequence[tuple[Tool, Call]]) -> None:
        self.said: dict[tuple[str, str], FromUser] = {}
        self.slots: set[str] = set()
        self.gone: set[str] = {roles(tool).own for tool, _ in calls if _removes(tool)}
        for tool, call in calls:
            self.slots.update(source.slot for source in call.sources() if isinstance(source, FromUser))
            for parameter, binding in call.arguments.items():
                if isinstance(binding, FromUser):
                    self.remember(tool, parameter, binding)

    def remember(self, tool: Tool, parameter: str, said: FromUser, *, again: bool = False) -> None:
        topic = _topic(tool, parameter)
        gone = roles(tool).references.get(parameter) in self.gone and not again
        if topic is None or gone or isinstance(said.value, (list, dict)):
            return
        if again or topic not in self.said:
            self.said[topic] = said


class BlueprintDraft:
    """The steps of an unfinished plan, and what the user says in it; internal to this package.

    `add_goal` and `tell` extend it, and `freeze` (in the planner) turns it into a blueprint.
    """

    def __init__(
        self,
        cluster: BusinessCluster,
        tools: Mapping[str, Tool],
        rng: random.Random,
        config: BlueprintConfig,
        *,
        facts: Facts | None = None,
        base: Blueprint | None = None,
    ) -> None:
        self.cluster = cluster
        self.tools = tools
        self.rng = rng
        self.config = config
        self.facts = facts or {}
        self.feeds = _feeds(cluster, tools)
        self.steps: list[Step] = list(base.steps) if base else []
        self.world: list[SeedEntity] = list(base.world) if base else []
        self._base = tuple(self.steps)

    @cached_property
    def _memory(self) -> _Memory:
        """What the plan that the draft continues says; half of the operators never ask."""
        return _Memory([(self.tools[call.tool], call) for step in self._base for call in step.calls])

    @property
    def said(self) -> dict[tuple[str, str], FromUser]:
        """What the user says, by its topic."""
        return self._memory.said

    @property
    def slots(self) -> set[str]:
        """The names of all that the user says."""
        return self._memory.slots

    @property
    def gone(self) -> set[str]:
        """The kinds of entities of which one was deleted."""
        return self._memory.gone

    def next_id(self) -> str:
        """An id that no step of the draft has."""
        taken = {step.id for step in self.steps}
        number = len(self.steps) + 1
        while f"s{number}" in taken:
            number += 1
        return f"s{number}"

    def made_by(self, tool: str) -> str | None:
        """The first single-call step that calls ``tool``, if there is one."""
        return next((s.id for s in self.steps if s.kind == "call" and s.calls[0].tool == tool), None)

    def asked_in(self, arguments: Mapping[str, Binding]) -> tuple[str, ...]:
        """Ids of the steps in which the assistant asks for what ``arguments`` use and the user tells only if asked."""
        slots = {b.slot for b in arguments.values() if isinstance(b, FromUser) and b.when == "if_asked"}
        return tuple(step.id for step in self.steps if any(ask.slot in slots for ask in step.asks))

    def add_goal(self, tool_key: str, *, turn: int, depth: int = 0, open_goals: tuple[str, ...] = ()) -> str:
        """Add a call of a tool and, before it, the producers that it needs; returns the id of its step."""
        tool = self.tools[tool_key]
        chosen = [*tool.required, *self._optional(tool)]
        arguments: dict[str, Binding] = {}
        before = frozenset(self.slots)
        for parameter in chosen:
            arguments[parameter] = self._bind(tool, parameter, turn, depth, (*open_goals, tool_key))
        self._put_in_order(tool, arguments, before)
        self._repair(tool, arguments)
        call = Call(tool=tool_key, arguments=arguments)
        step = Step(id=self.next_id(), kind="call", calls=(call,), after=self.asked_in(arguments), turn=turn)
        self.steps.append(step)
        if _removes(tool):
            self.gone.add(roles(tool).own)
        return step.id

    def tell(self, tool: Tool, parameter: str, *, fresh: bool = False) -> FromUser:
        """A binding to what the user says for a parameter; the same reference is said only once, unless ``fresh``."""
        known = tuple(self.facts.get(tool.service, {}).get(parameter, ()))
        entity = roles(tool).references.get(parameter)
        topic = _topic(tool, parameter)
        if topic is not None and not fresh and not known and topic in self.said and entity not in self.gone:
            return self.said[topic]
        value = self._value(tool, parameter, entity, known)
        said = FromUser(slot=self._slot(tool, parameter), value=value)
        self._memory.remember(tool, parameter, said, again=True)
        for identifier in (value if isinstance(value, list) else [value]) if entity is not None else ():
            if isinstance(identifier, (str, int)) and not isinstance(identifier, bool):
                self.world.append(SeedEntity(entity=str(entity), id=identifier))
        return said

    def _value(self, tool: Tool, parameter: str, entity: str | None, known: tuple[Json, ...]) -> Json:
        schema = tool.parameters[parameter]
        compiled = _for_some(tool)
        problem = ""
        for _ in range(6):
            if entity is not None and not known and schema.get("type") not in ("array", "object"):
                value = make_identifier(self.rng, entity, schema, root=tool.input_schema)
            else:
                value = make_value(self.rng, _asked_as(tool, parameter), schema, root=tool.input_schema, known=known)
            errors = compiled.errors({parameter: value})
            if not errors:
                return value
            problem = errors[0]
        raise BlueprintError(
            f"no value was found for {tool.key}.{parameter}: {problem}", expected="a value that fits its schema"
        )

    def _optional(self, tool: Tool) -> list[str]:
        wanted = []
        for parameter in tool.parameters:
            if parameter in tool.required or is_paging(parameter):
                continue
            linked = any(self.made_by(feed.edge.source) for feed in self.feeds.get((tool.key, parameter), ()))
            if linked or self.rng.random() < self.config.optional_share:
                wanted.append(parameter)
        return wanted[: self.config.max_optional]

    def _bind(self, tool: Tool, parameter: str, turn: int, depth: int, open_goals: tuple[str, ...]) -> Binding:
        entity = roles(tool).references.get(parameter)
        feeds = [
            feed
            for feed in self.feeds.get((tool.key, parameter), ())
            if feed.edge.source not in open_goals and (entity or "") not in self.gone
        ]
        made_here = self._just_made(tool, parameter, entity) if entity and entity not in self.gone else None
        if made_here is not None:
            return made_here
        ready = [feed for feed in feeds if self.made_by(feed.edge.source)]
        if ready:
            best = max(ready, key=self._freshness)
            return _observed(best, str(self.made_by(best.edge.source)))
        known = entity is None and _topic(tool, parameter) in self.said
        if not known and depth < self.config.max_depth and len(self.steps) + depth + 1 < self.config.max_steps:
            free = [
                f for f in feeds if not self._asks_for_ids(f.edge.source, open_goals, self.config.max_depth - depth)
            ]
            # An identifier is looked up where a look-up needs none itself. Other values people mostly know.
            config = self.config
            if entity is not None:
                share = config.look_up_id if free else config.look_up_id_by_id
            else:
                share = config.look_up_value if free else config.look_up_value_by_id
            if feeds and self.rng.random() < share:
                feed = self.rng.choices(free or feeds, weights=[f.edge.score for f in free or feeds])[0]
                made = self.add_goal(feed.edge.source, turn=turn, depth=depth + 1, open_goals=open_goals)
                return _observed(feed, made)
        return self.tell(tool, parameter)

    def _just_made(self, tool: Tool, parameter: str, entity: str) -> FromResult | None:
        """The identifier of the entity of that kind that the plan created last: it is what is meant."""
        for step in reversed(self.steps):
            source = self.tools[step.calls[0].tool] if step.kind == "call" else None
            if source is None or roles(source).nature.operation != "create" or source is tool:
                continue
            for field, issued in roles(source).issued.items():
                schema = schema_at(returned_schema(source), (field,))
                if issued != entity or field in source.parameters or schema is None:
                    continue
                fit = output_fit(schema, tool.parameters[parameter])
                if fit is not None:
                    return FromResult(step=step.id, path=(field,), as_list=fit == "list")
        return None

    def _freshness(self, feed: Feed) -> tuple[bool, float, str]:
        """What was just created is what is meant; otherwise the surest dependency."""
        created = roles(self.tools[feed.edge.source]).nature.operation == "create"
        return created, feed.edge.score, feed.edge.source

    def _asks_for_ids(self, key: str, open_goals: tuple[str, ...], left: int) -> bool:
        """Whether a call of ``key`` would need an identifier that no look-up gives and that was not said before."""
        tool = self.tools[key]
        for parameter in tool.required:
            if parameter not in roles(tool).references or _topic(tool, parameter) in self.said:
                continue
            sources = [f.edge.source for f in self.feeds.get((key, parameter), ())]
            if any(self.made_by(source) for source in sources):
                continue
            further = (*open_goals, key)
            if left <= 1 or not any(
                source not in further and not self._asks_for_ids(source, further, left - 1) for source in sources
            ):
                return True
        return False

    def _put_in_order(self, tool: Tool, arguments: dict[str, Binding], before: frozenset[str]) -> None:
        """Let a range that the user says start before it ends, and a range of days be a stay rather than a season.

        Only what is said here for the first time may change: slots in ``before`` or of a step were said with a value
        already.
        """
        pairs = tuple(ordered_pairs(arguments))
        before = before.union(*map(_slots_of, self.steps)) if pairs else before
        for first, last in pairs:
            low, high = arguments[first], arguments[last]
            if not (isinstance(low, FromUser) and isinstance(high, FromUser)) or first in roles(tool).references:
                continue
            if type(low.value) is not type(high.value) or not isinstance(low.value, (str, int, float)):
                continue
            wanted: tuple[Json, Json] = (low.value, high.value)
            if low.slot not in before and high.slot not in before and low.value > high.value:
                wanted = high.value, low.value
            days = _span(*wanted)
            if days is not None and high.slot not in before and not 0 < days <= _LONGEST_STAY:
                wanted = wanted[0], _later(wanted[0], self.rng.randint(2, 14))
            elif days is not None and days <= 0 and low.slot not in before:
                wanted = _later(wanted[1], -self.rng.randint(2, 14)), wanted[1]
            if wanted == (low.value, high.value) or not self._may_be(
                tool, arguments, {first: wanted[0], last: wanted[1]}
            ):
                continue
            for parameter, said, value in ((first, low, wanted[0]), (last, high, wanted[1])):
                changed = said.model_copy(update={"value": value})
                arguments[parameter] = changed
                self._memory.remember(tool, parameter, changed, again=True)

    def _may_be(self, tool: Tool, arguments: Mapping[str, Binding], changed: Mapping[str, Json]) -> bool:
        """Whether the schema allows the changed values, alone and, where all values are known, together."""
        if not _for_some(tool).is_valid(dict(changed)):
            return False
        known = {p: b.value for p, b in arguments.items() if isinstance(b, (FromUser, Constant))}
        return len(known) < len(arguments) or compile_schema(tool.input_schema).is_valid({**known, **changed})

    def _repair(self, tool: Tool, arguments: dict[str, Binding]) -> None:
        """Add what one of several alternatives requires, or drop optional arguments that do not go together."""
        for word in ("anyOf", "oneOf"):
            branches = [b for b in tool.input_schema.get(word) or () if isinstance(b, Mapping)]
            needed = [[p for p in b.get("required") or () if p in tool.parameters] for b in branches]
            if needed and not any(set(wanted) <= set(arguments) for wanted in needed):
                for parameter in min(needed, key=len):
                    if parameter not in arguments:
                        arguments[parameter] = self.tell(tool, parameter)
        known = {p: b.value for p, b in arguments.items() if isinstance(b, (FromUser, Constant))}
        if len(known) < len(arguments) or compile_schema(tool.input_schema).is_valid(known):
            return
        for parameter in [p for p in arguments if p not in tool.required]:
            del arguments[parameter]

    def _slot(self, tool: Tool, parameter: str) -> str:
        """A name for what is said: the parameter's, with the entity in front or a number where that is taken."""
        slot, number, entity = parameter, 2, roles(tool).own
        if slot in self.slots and entity and entity not in parameter and entity.isidentifier():
            slot = f"{entity}_{parameter}"
        stem = slot
        while slot in self.slots:
            slot, number = f"{stem}_{number}", number + 1
        self.slots.add(slot)
        return slot


def _slots_of(step: Step) -> set[str]:
    return {b.slot for call in step.calls for b in call.sources() if isinstance(b, FromUser)}


def _span(first: Json, last: Json) -> int | None:
    """The days from one date to another, both as ISO text; None where they are no dates."""
    try:
        return (datetime.date.fromisoformat(last[:10]) - datetime.date.fromisoformat(first[:10])).days
    except (TypeError, ValueError):
        return None


def _later(day: str, days: int) -> str:
    """An ISO date or moment, so many days later."""
    moved = datetime.date.fromisoformat(day[:10]) + datetime.timedelta(days=days)
    return moved.isoformat() + day[10:]


def replace_said(binding: Binding, slots: Mapping[str, FromUser]) -> Binding:
    """Return a binding with the user's values replaced by ``slots``, also inside a template."""
    if isinstance(binding, FromTemplate):
        inputs = {name: replace_said(source, slots) for name, source in binding.inputs.items()}
        return binding.model_copy(update={"inputs": inputs})
    return slots.get(binding.slot, binding) if isinstance(binding, FromUser) else binding


def is_paging(parameter: str) -> bool:
    """Whether an optional parameter only pages through results, which no person asks for."""
    return parameter.lower() in _PAGING


def shows_or_finds(tool: Tool) -> bool:
    """Whether a call changes nothing."""
    return roles(tool).nature.effect in ("read", "search", "compute")


_KEPT: dict[tuple[int, int], tuple[BusinessCluster, Mapping[str, Tool], dict[tuple[str, str], tuple[Feed, ...]]]] = {}


def _feeds(cluster: BusinessCluster, tools: Mapping[str, Tool]) -> dict[tuple[str, str], tuple[Feed, ...]]:
    """Usable dependencies by (target, parameter); remembered by identity, as a run drafts a cluster many times."""
    place = (id(cluster), id(tools))
    kept = _KEPT.get(place)
    if kept is not None and kept[0] is cluster and kept[1] is tools:
        return kept[2]
    found: dict[tuple[str, str], list[Feed]] = {}
    for edge in cluster.dependencies:
        source, target = tools.get(edge.source), tools.get(edge.target)
        if source is None or target is None or source is target or edge.parameter not in target.parameters:
            continue
        schema = schema_at(returned_schema(source), edge.path)
        fit = output_fit(schema, target.parameters[edge.parameter]) if schema is not None else None
        if fit is not None and _worth_calling(source, target, edge):
            found.setdefault((edge.target, edge.parameter), []).append(Feed(edge, fit == "list"))
    made = {key: tuple(feeds) for key, feeds in found.items()}
    if len(_KEPT) >= 4096:
        _KEPT.clear()
    _KEPT[place] = (cluster, tools, made)
    return made


def _worth_calling(source: Tool, target: Tool, edge: Dependency) -> bool:
    """Whether someone would call ``source`` to get the value.

    Nobody cancels an order to learn its number, what a call only repeats of its own arguments is no news, and nobody
    looks into another order for what a new one is to be made of.
    """
    part, made = roles(source), roles(target)
    what = part.nature
    echoed = bool(edge.path) and edge.path[-1] in source.parameters and what.operation != "list"
    new = {entity for field, entity in made.issued.items() if field not in target.parameters}
    if made.nature.operation == "create":
        new.add(made.own)
    copied = part.own in new and what.operation != "create"
    return what.effect != "delete" and not (echoed and what.operation != "create") and not copied


def _observed(feed: Feed, step: str) -> FromResult:
    return FromResult(step=step, path=feed.edge.path, as_list=feed.as_list)


def _for_some(tool: Tool) -> CompiledSchema:
    """The input schema of a tool, for any of its arguments."""
    return schema_for_some(tool, frozenset(tool.input_schema.get("required") or ()))


def _removes(tool: Tool) -> bool:
    return roles(tool).nature.operation == "delete"


@cached_per_tool
def _asked_as(tool: Tool, parameter: str) -> str:
    """The name under which a value is made: a free query asks for a name where the tool lists what has one."""
    listed = roles(tool).listed
    if listed is None or split_words(parameter)[-1:] not in (("query",), ("q",), ("search",), ("keyword",)):
        return parameter
    item = schema_at(returned_schema(tool), (listed[0], 0)) or {}
    return next((field for field in item.get("properties", {}) if split_words(field)[-1:] == ("name",)), parameter)


@cached_per_tool
def _topic(tool: Tool, parameter: str) -> tuple[str, str] | None:
    """What two parameters have in common that a person would say only once: an entity, a date, a city, a language."""
    schema = tool.parameters.get(parameter, {})
    shape = f"{schema.get('type')}|{schema.get('pattern')}|{schema.get('format')}"
    entity = roles(tool).references.get(parameter)
    if entity is not None:
        return entity, shape
    if roles(tool).nature.operation in ("update", "act"):
        return None  # a change is to something else than what was said before
    if {"enum", "format"} & schema.keys() or set(split_words(parameter)) & _SHARED:
        bounds = f"{schema.get('enum')}|{schema.get('minimum')}|{schema.get('maximum')}"
        return f"{tool.service}.{parameter}", f"{shape}|{bounds}"
    return None

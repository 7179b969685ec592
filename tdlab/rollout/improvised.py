"""The improvised environment: a small world that any MCP schema can drive.

It keeps entities by type and identifier: what was created can be read, found, updated and deleted, and is gone after
that; an identifier that nobody issued is an error. What a schema asks for and the world does not know yet is invented
once, from the world's seed, the entity and the field, and stays the same whichever tool shows it. Reading changes
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from tdlab.errors import BlueprintError, SandboxUnavailable, SchemaError
from tdlab.records import CODE_TOOL, Blueprint, Json, Tool, canonical_json, rng_for
from tdlab.rollout._simulated_search import (
    bounds_of,
    matches,
    narrowed,
    page_of,
    paging_fields,
    told_of,
    within,
    words_of_query,
)
from tdlab.rollout._simulated_values import DRAWS, fits, is_scalar
from tdlab.rollout.environments import ToolResult, failures_of, receipt
from tdlab.tools import (
    Roles,
    cached_per_tool,
    compile_schema,
    issued_ids,
    ordered_pairs,
    outcome_of_field,
    past_tense,
    referenced_entity,
    returned_schema,
    roles,
    singular,
    split_words,
)

__all__ = ["ImprovisedEnvironment"]

Fields = dict[str, Json]

_LISTED = (2, 4)  # how many entities a first search finds
_LIST_ITEMS = 3  # how many items an invented list has at most, where its schema leaves it open
_EVERYWHERE = frozenset("currency currency_code timezone time_zone unit_system".split())
_STATE_WORDS = frozenset(("status", "state"))


class ImprovisedEnvironment:
    """A simulated world for one rollout: the blueprint's ``world`` exists in it, its planned failures happen.

    Everything else is drawn from the blueprint's seed when it is first needed.

    Args:
        blueprint: The plan; its seed is the seed of the world.
        tools: Every tool that the blueprint offers, by key.
        name: The name of the environment in receipts, where ``:guessed`` follows it: what no schema says is a guess.
    """

    replayable = True
    external = False

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool], *, name: str = "simulated") -> None:
        self.name = name
        self._executor = f"{name}:guessed"
        self._seed = blueprint.seed
        self._tools = tools
        self._failures = failures_of(blueprint)
        self._count: dict[str, int] = {}
        self._records: dict[str, dict[str, Fields]] = {}
        """What is there: entity, identifier as text, the fields that were set. Two names may share one record."""
        self._shown: dict[tuple[str, str], Fields] = {}
        """What was invented for an entity and shown; no change of the world."""
        self._identities: dict[tuple[str, str], Json] = {}
        self._touched: dict[str, dict[str, None]] = {}
        self._lost: dict[str, list[Fields]] = {}
        self._found: dict[tuple[str, str], list[str]] = {}
        self._created: set[str] = set()
        self._asked: Mapping[str, Json] = {}
        self._removed: set[str] = set()
        self._doomed = {roles(t).own for k in blueprint.tools if (t := tools.get(k)) and _deletes(t)}
        """Kinds of which the plan deletes one: what the user will speak of later is not to be met before."""
        self._foretold = {(seed.entity, str(seed.id)) for seed in blueprint.world}
        self._made = 0
        for seed in blueprint.world:
            self._know(seed.entity, seed.id, dict(seed.fields))

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call; invalid arguments and unknown identifiers give error results."""
        if tool.key == CODE_TOOL:
            raise SandboxUnavailable(
                "a program is to run in a simulated environment",
                expected="a sandbox; the output of code is never invented",
                do="wrap the environment in tdlab.rollout.CodingEnvironment",
            )
        count = self._count.get(tool.key, 0)
        self._count[tool.key] = count + 1
        failure = self._failures.get((tool.key, count))
        if failure is not None:
            return self._error(call_id, tool, arguments, failure.code, failure.message)
        try:
            problems = compile_schema(tool.input_schema).errors(dict(arguments))
            if problems:
                return self._error(call_id, tool, arguments, "invalid_arguments", problems[0])
            missing = self._missing(tool, arguments)
            if missing is not None:
                entity, what = missing
                message = _not_found(tool, entity, what, arguments)
                return self._error(call_id, tool, arguments, f"{entity}_not_found", message)
            output = self._carry_out(tool, arguments)
        except (BlueprintError, SchemaError) as error:
            return self._error(call_id, tool, arguments, "not_simulated", error.found)
        text = canonical_json(output)
        return ToolResult(True, text, receipt(call_id, tool, self._executor, arguments, text, ok=True))

    def changes(self) -> dict[str, dict[str, Json]]:
        """Return what the calls created, changed or deleted: entity -> identifier -> fields; None if deleted."""
        return {
            entity: {i: self._copy(entity, i) for i in touched} for entity, touched in sorted(self._touched.items())
        }

    def _copy(self, entity: str, name: str) -> Fields | None:
        record = self._records.get(entity, {}).get(name)
        return None if record is None else dict(record)

    # -- carrying out

    def _carry_out(self, tool: Tool, arguments: Mapping[str, Json]) -> Fields:
        part, schema = roles(tool), returned_schema(tool)
        what = part.nature
        self._asked = arguments
        writes = what.effect in ("write", "delete")
        if what.operation == "list" and part.listed is not None and not writes:
            return self._search(part, part.listed, tool, arguments, schema)
        several = arguments.get(part.own_list) if part.own_list else None
        own = arguments.get(part.own_parameter) if part.own_parameter else None
        if isinstance(several, list) and several and writes:
            return self._change_all(part, schema, tool, several, arguments)
        if own is not None and is_scalar(own):
            output = self._one(tool, schema, own, arguments)
        elif (known := self._by_handle(part, arguments)) is not None and what.operation != "create":
            output = self._one(tool, schema, known, arguments)
        elif writes and what.operation == "delete":
            output = self._remove_matching(part, schema, tool, arguments)
        elif writes:
            output = self._create(part, schema, tool, arguments)
        else:
            place = canonical_json([tool.key, dict(arguments)])
            output = self._fill(schema, part.own, place, dict(arguments), (), self._only(part))
        self._learn(output, part.own)
        return output

    def _begin(self, tool: Tool, schema: Mapping[str, Json]) -> Fields:
        """Identifiers of what an act on one entity begins: the render of a timeline, the scan of an asset."""
        begun: Fields = {}
        for field in _begins(tool):
            self._made += 1
            entity = roles(tool).issued[field]
            begun[field] = DRAWS.draw(
                (self._seed, "new", entity, self._made), field, entity, schema["properties"][field]
            )
            self._created.add(str(begun[field]))
        return begun

    def _one(self, tool: Tool, schema: Mapping[str, Json], own: Json, arguments: Mapping[str, Json]) -> Fields:
        """Read, change or remove the one entity that is named."""
        part = roles(tool)
        record = self._record(part.own, own)
        if part.nature.effect not in ("write", "delete"):
            return self._fill(schema, part.own, own, dict(arguments), (), record)
        removes = part.nature.operation == "delete"
        if not removes:
            record.update({p: v for p, v in arguments.items() if p != part.own_parameter})
            record.update(_left_behind(schema, part.nature.verb, arguments))
        begun = self._begin(tool, schema)
        output = self._fill(schema, part.own, own, {**arguments, **begun}, (), record)
        for field, identity in begun.items():
            self._know(part.issued[field], identity, {**arguments, **_scalars(output)})
            self._touched.setdefault(part.issued[field], {})[str(identity)] = None
        self._touched.setdefault(part.own, {})[str(own)] = None
        if removes:
            self._remove(part.own, str(own))
        else:
            record.update({f: v for f, v in _scalars(output).items() if f not in record})
        return output

    def _create(self, part: Roles, schema: Mapping[str, Json], tool: Tool, arguments: Mapping[str, Json]) -> Fields:
        """Make a new entity; where nothing identifies one, the tool is about the only one of its kind."""
        self._made += 1
        properties = schema.get("properties", {})
        field = next((f for f, e in part.issued.items() if e == part.own and f not in arguments), None)
        own = next((p for p, e in part.references.items() if e == part.own and is_scalar(arguments.get(p))), None)
        handle = arguments.get(part.handle) if part.handle else None
        if own is not None and arguments.get(own) is not None:
            identity: Json = arguments[own]
        elif part.nature.operation == "update" and field is not None:
            identity = DRAWS.draw((self._seed, "only", part.own), field, part.own, properties[field])
        elif field is not None:
            identity = DRAWS.draw((self._seed, "new", part.own, self._made), field, part.own, properties[field])
        elif handle is not None:
            identity = handle
        elif part.nature.operation == "update":
            identity = "current"
        else:
            identity = DRAWS.draw((self._seed, "new", part.own, self._made), "id", part.own or "record", {})
        self._created.add(str(identity))
        self._removed.discard(str(identity))
        record = self._record(part.own, identity)
        record.update({**arguments, **_left_behind(schema, part.nature.verb, arguments)})
        if field is not None:
            record[field] = identity
        output = self._fill(schema, part.own, identity, {}, (), record)
        record.update({f: v for f, v in _scalars(output).items() if f not in record})
        self._touched.setdefault(part.own, {})[str(identity)] = None
        return output

    def _change_all(
        self, part: Roles, schema: Mapping[str, Json], tool: Tool, several: list[Json], arguments: Mapping[str, Json]
    ) -> Fields:
        """Change or remove each of the entities that are named in a list."""
        left = _left_behind(schema, part.nature.verb, arguments)
        for identifier in several:
            self._touched.setdefault(part.own, {})[str(identifier)] = None
            if part.nature.operation == "delete":
                self._remove(part.own, str(identifier))
            else:
                given = {p: v for p, v in arguments.items() if p != part.own_list}
                self._record(part.own, identifier).update({**given, **left})
        return self._fill(schema, part.own, canonical_json([tool.key, several]), dict(arguments), (), {})

    def _remove_matching(
        self, part: Roles, schema: Mapping[str, Json], tool: Tool, arguments: Mapping[str, Json]
    ) -> Fields:
        """Remove what fits the arguments: a file at a path, or everything where there are none."""
        given = {p: v for p, v in arguments.items() if is_scalar(v)}
        for name, record in list(self._records.get(part.own, {}).items()):
            if all(record.get(p, v) == v for p, v in given.items()):
                self._touched.setdefault(part.own, {})[name] = None
                self._remove(part.own, name)
        if part.handle in given:
            self._lost.setdefault(part.own, []).append(given)
        return self._fill(schema, part.own, canonical_json([tool.key, given]), dict(arguments), (), {})

    def _search(
        self, part: Roles, listed: tuple[str, str, str], tool: Tool, arguments: Mapping[str, Json],
        schema: Mapping[str, Json],
    ) -> Fields:  # fmt: skip
        """List what fits the arguments; what nobody searched for before is invented now."""
        field, entity, id_field = listed
        items = schema["properties"][field]["items"]
        filters = told_of(arguments)
        query, bounds = words_of_query(arguments), bounds_of(arguments)
        key = canonical_json([filters, query, bounds] if bounds else [filters, query])
        if (entity, key) not in self._found:
            self._found[entity, key] = self._populate((entity, id_field, items), key, filters, query, arguments)
        new, touched = self._found[entity, key], self._touched.get(entity, {})
        found = []
        for name, record in list(self._records.get(entity, {}).items()):
            if query and name not in new and name not in touched:
                continue
            identity = self._identities[entity, name]
            shown = self._fill(items, entity, identity, {id_field: identity}, (), record)
            known = {**record, **shown}
            # What a new entity was never told about itself speaks against it only where it is a reference.
            doubt = [p for p, v in filters.items() if (known[p] != v if p in known else p in part.references)]
            told = all(p in known for p in filters) or name in touched
            if not doubt and (name in new or (told and matches(query, known) and within(known, bounds))):
                found.append(shown)
        page = page_of(arguments, len(found), schema["properties"][field].get("maxItems"))
        if isinstance(page, str):
            raise BlueprintError(page)
        shown_page = found[page.first : page.last]
        given = {**arguments, field: shown_page, **paging_fields(schema, page, len(found))}
        place = canonical_json([tool.key, dict(arguments)])
        output = self._fill(schema, entity, place, given, (), {})
        self._learn(output, entity)
        return output

    def _populate(
        self, kind: tuple[str, str, Mapping[str, Json]], key: str, filters: Fields, query: str,
        arguments: Mapping[str, Json],
    ) -> list[str]:  # fmt: skip
        """Entities that a first search finds; what it asks for is true of them."""
        entity, id_field, items = kind
        if id_field in filters:  # the one that is named, and no other
            self._know(entity, filters[id_field], dict(filters))
            return [str(filters[id_field])]
        place = (self._seed, "population", entity, key)
        names = []
        for n in range(rng_for(*place).randint(*_LISTED)):
            identity = DRAWS.draw((*place, n), id_field, entity, items["properties"][id_field])
            if str(identity) in self._records.get(entity, {}):
                continue
            self._know(entity, identity, dict(filters))
            names.append(str(identity))
            asked_for = narrowed(items, arguments, query, n, place, filters)
            self._shown.setdefault((entity, str(identity)), {}).update(asked_for)
        return names

    # -- showing

    def _fill(
        self,
        schema: Mapping[str, Json],
        entity: str,
        identity: Json,
        given: Mapping[str, Json],
        path: tuple[str, ...],
        record: Mapping[str, Json],
    ) -> Fields:
        """An object that fits ``schema``: what the world knows as it is, what is given, the rest invented once."""
        properties = schema.get("properties")
        shown = self._shown.setdefault((entity, str(identity)), {}) if not path else {}
        made: Fields = {}
        invented: set[str] = set()
        for field, inner in properties.items() if isinstance(properties, dict) else ():
            inner = inner if isinstance(inner, dict) else {}
            if "const" in inner:
                made[field] = inner["const"]
            elif field in given and fits(given[field], inner):
                made[field] = given[field]
            elif field in record and fits(record[field], inner):
                made[field] = record[field]
            elif field in shown and fits(shown[field], inner):
                made[field] = shown[field]
            elif (settled := _went_well(field, inner)) is not None:
                made[field] = settled[0]
            else:
                made[field] = self._invent(inner, entity, identity, field, (*path, field))
                invented.add(field)
        if not isinstance(properties, dict):
            return made
        for first, last in ordered_pairs(invented) if len(invented) > 1 else ():
            low, high = made[first], made[last]
            if type(low) is not type(high) or not isinstance(low, (str, int, float)) or not low > high:
                continue
            if fits(high, properties[first]) and fits(low, properties[last]):
                made[first], made[last] = high, low
        shown.update({field: made[field] for field in invented if is_scalar(made[field])})
        return made

    def _invent(
        self, schema: Mapping[str, Json], entity: str, identity: Json, field: str, path: tuple[str, ...]
    ) -> Json:
        named = referenced_entity(field, entity)
        if named is not None and named == entity and fits(identity, schema) and not str(identity).startswith("["):
            return identity
        kind = schema.get("type")
        if named is not None and kind not in ("array", "object"):
            for place, known in self._identities.items():
                if (
                    place[0] == named
                    and fits(known, schema)
                    and not (named in self._doomed and place in self._foretold)
                ):
                    return known
        if kind == "object" and isinstance(schema.get("properties"), dict):
            return self._fill(schema, entity, identity, {}, path, {})
        if kind == "array":
            return self._invent_list(schema, entity, identity, field, path)
        if field in _EVERYWHERE:
            return DRAWS.draw((self._seed, field), field, None, schema)
        return DRAWS.draw((self._seed, entity, str(identity), path), field, named, schema)

    def _invent_list(
        self, schema: Mapping[str, Json], entity: str, identity: Json, field: str, path: tuple[str, ...]
    ) -> list[Json]:
        items = schema.get("items")
        items = items if isinstance(items, dict) else {}
        fewest = max(_whole(schema.get("minItems"), 1), 1)
        if fewest > 1000:
            raise BlueprintError(f"the output {field!r} is to hold {fewest} items", expected="at most 1000")
        most = min(_whole(schema.get("maxItems"), _LIST_ITEMS), max(_LIST_ITEMS, fewest))
        length = rng_for(self._seed, entity, str(identity), path, "length").randint(min(fewest, most), most)
        words = split_words(field)
        inner = "_".join((*words[:-1], singular(words[-1]))) if words else entity
        made: list[Json] = list(self._children(items, inner, entity, identity)) if not path[1:] else []
        if made and str(identity) in self._created:
            return made[: max(most, fewest)]
        length = max(length - len(made), 0)
        for n in range(max(length, 0)):
            place = f"{identity}/{field}/{n}"
            if isinstance(items.get("properties"), dict) and items.get("type", "object") == "object":
                given = self._item_identity(items, inner, place)
                given |= narrowed(items, self._asked, "", n, (self._seed, place), given, series=not given)
                value: Json = self._fill(items, inner, place, given, path, {})
            else:
                named = referenced_entity(field, entity) if items.get("type") in ("string", "integer", None) else None
                key = (self._seed, entity, str(identity), path, n)
                value = DRAWS.draw(key, singular(words[-1]) if words else field, named, items)
            if not schema.get("uniqueItems") or value not in made:
                made.append(value)
        return made

    def _children(self, items: Mapping[str, Json], inner: str, entity: str, identity: Json) -> Iterator[Json]:
        """What the calls created inside an entity: records of the listed kind that name it."""
        if not isinstance(items.get("properties"), dict):
            return
        kind = next((e for f in items["properties"] if (e := referenced_entity(f, inner)) and e.endswith(inner)), None)
        for name in self._touched.get(kind or "", {}):
            record = self._records[kind or ""].get(name)
            if record is not None and any(
                referenced_entity(f, "") == entity and v == identity for f, v in record.items()
            ):
                yield self._fill(items, inner, self._identities[kind or "", name], {}, (), record)

    def _item_identity(self, items: Mapping[str, Json], entity: str, place: str) -> Fields:
        """Identifiers of a listed item's own, so that two items of one list are two entities."""
        named = {f: e for f in items["properties"] if (e := referenced_entity(f, entity)) is not None}
        own = next((f for f, e in named.items() if e.split("_")[-1] == entity.split("_")[-1]), None)
        if own is None or not isinstance(items["properties"][own], dict):
            return {}
        return {own: DRAWS.draw((self._seed, "item", place), own, named[own], items["properties"][own])}

    # -- the entities

    def _learn(self, output: Fields, entity: str) -> None:
        """Every identifier in a result is one that the world has issued; what was removed stays so."""
        for other, identifier in issued_ids(output, entity):
            if str(identifier) not in self._removed:
                self._know(other, identifier, {})

    def _know(self, entity: str, identity: Json, fields: Fields) -> None:
        self._record(entity, identity).update(fields)

    def _record(self, entity: str, identity: Json) -> Fields:
        """The record of an entity, shared with the one under another name of the same kind where there is one."""
        named, name = self._records.setdefault(entity, {}), str(identity)
        if name not in named:
            alike = next((known[name] for known in self._alike(entity) if name in known), None)
            named[name] = {} if alike is None else alike
            self._identities[entity, name] = identity
        return named[name]

    def _remove(self, entity: str, name: str) -> None:
        record = self._records.get(entity, {}).get(name)
        for kind, named in self._records.items():
            if name in named and named[name] is record:
                del named[name]
                self._identities.pop((kind, name), None)
        self._removed.add(name)
        self._lost.setdefault(entity, []).append(record or {})

    def _alike(self, entity: str) -> Iterator[dict[str, Fields]]:
        """The records of every kind with the same head noun (a ``home_team`` is a ``team``)."""
        head = entity.split("_")[-1]
        return (known for other, known in self._records.items() if known and other.split("_")[-1] == head)

    def _only(self, part: Roles) -> Mapping[str, Json]:
        """The record of a thing that there is one of, like the settings, where a tool names none."""
        named = self._records.get(part.own, {})
        return next(iter(named.values())) if len(named) == 1 and not part.references else {}

    def _by_handle(self, part: Roles, arguments: Mapping[str, Json]) -> Json | None:
        """The identity of the entity that a path, a title or the like names; None where none is known by it."""
        value = arguments.get(part.handle) if part.handle else None
        if value is None:
            return None
        for name, record in self._records.get(part.own, {}).items():
            identity = self._identities[part.own, name]
            if record.get(str(part.handle)) == value or identity == value:
                return identity
        return None

    def _missing(self, tool: Tool, arguments: Mapping[str, Json]) -> tuple[str, Json] | None:
        """The first reference in the arguments to an entity that is not there."""
        part, guessed = roles(tool), tool.output_inferred or tool.output_schema is None
        for parameter, entity in part.references.items():
            if parameter not in arguments:
                continue
            if part.nature.operation == "create" and entity == part.own and parameter not in tool.required:
                continue
            value = arguments[parameter]
            for identifier in value if isinstance(value, list) else [value]:
                if isinstance(identifier, (str, int)) and not self._exists(entity, str(identifier), guessed=guessed):
                    return entity, identifier
        if part.handle and part.nature.operation != "create" and self._by_handle(part, arguments) is None:
            value = arguments.get(part.handle)
            if any(lost.get(part.handle) == value for lost in self._lost.get(part.own, ())):
                return part.own, value
        return None

    def _exists(self, entity: str, name: str, *, guessed: bool) -> bool:
        """Whether an entity is there, under its own type or one of the same kind.

        Where a tool's output is a guess, so are the names of its entities: any identifier that was issued counts.
        """
        if name in self._records.get(entity, {}):
            return True
        alike = [] if guessed else list(self._alike(entity))
        # Where the world knows nothing of that name, an identifier that it issued under another one is taken for it.
        return name not in self._removed and any(name in known for known in alike or self._records.values())

    def _error(self, call_id: str, tool: Tool, arguments: Mapping[str, Json], code: str, message: str) -> ToolResult:
        text = canonical_json({"error": {"code": code, "message": message}})
        return ToolResult(False, text, receipt(call_id, tool, self._executor, arguments, text, ok=False))


def _scalars(output: Mapping[str, Json]) -> Fields:
    return {field: value for field, value in output.items() if is_scalar(value)}


@cached_per_tool
def _begins(tool: Tool) -> tuple[str, ...]:
    """Output fields with the identifier of another entity that the tool's name says it begins (``start_render``)."""
    part = roles(tool)
    if part.nature.operation != "act" or part.nature.effect != "write":
        return ()
    named = {word[:4] for word in split_words(tool.name)}
    return tuple(
        field
        for field, entity in part.issued.items()
        if entity != part.own and field not in tool.parameters and named & {word[:4] for word in split_words(entity)}
    )


def _deletes(tool: Tool) -> bool:
    return roles(tool).nature.operation == "delete"


def _left_behind(schema: Mapping[str, Json], verb: str, arguments: Mapping[str, Json]) -> Fields:
    """The state in which a tool leaves its entity: what its output schema fixes, else what is asked for or its verb."""
    properties = schema.get("properties")
    left: Fields = {}
    for field, inner in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(inner, dict):
            continue
        if "const" in inner:
            left[field] = inner["const"]
        elif verb and field not in arguments and field.split("_")[-1] in _STATE_WORDS and inner.get("type") == "string":
            done, options = past_tense(verb), inner.get("enum")
            if isinstance(options, list):
                stem = done[: max(4, len(done) - 3)]
                chosen = next((o for o in options if isinstance(o, str) and o.lower().startswith(stem)), None)
                left |= {} if chosen is None else {field: chosen}
            elif field in _STATE_WORDS and fits(done, inner):
                left[field] = done
    return left


def _not_found(tool: Tool, entity: str, identifier: Json, arguments: Mapping[str, Json]) -> str:
    """The tool's own words for an entity that is not there, where it documents any."""
    for error in tool.errors:
        if "not_found" in error.code and entity.split("_")[-1] in error.code:
            text = error.message
            for name, value in arguments.items():
                text = text.replace("{" + name + "}", value if isinstance(value, str) else json.dumps(value))
            return text
    return f"There is no {entity.replace('_', ' ')} {identifier!r}."


def _whole(value: Json, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _went_well(field: str, schema: Mapping[str, Json]) -> tuple[Json] | None:
    """What a field that tells of the call itself holds when the call went well; None for any other field."""
    about = outcome_of_field(field)
    if about is None:
        return None
    choices: tuple[Json, ...] = (True,) if about == "went well" else (None, "", [], False)
    return next(((value,) for value in choices if fits(value, schema)), None)

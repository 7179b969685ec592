"""What a program could be good for in a plan: ideas for code steps over what earlier steps return.

Each family is a kind of work that people do with a few lines of code: pick the best of a list (and go on with it),
add up, group, filter, rank, convert, validate, compare, measure a span of time, hold against a limit. An idea is the
request in words and the call of the code tool, whose program is a template over values that earlier steps return or
the user says. Field names come from untrusted schemas, so only plain identifiers are written into a program.
"""

from __future__ import annotations

import builtins
import keyword
import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from tdlab.blueprints.code_templates import (
    ADDITIVE,
    CONVERSIONS,
    aggregate_python,
    aggregate_sql,
    compare_python,
    convert_python,
    convert_rows_python,
    converted,
    filter_python,
    group_bash,
    group_python,
    group_sql,
    interval_python,
    limit_python,
    measure,
    pick_python,
    rank_bash,
    rank_python,
    validate_python,
)
from tdlab.blueprints.drafts import BlueprintDraft, shows_or_finds
from tdlab.records import CODE_TOOL, Binding, Call, Constant, FromResult, FromTemplate, FromUser, Json, Step, Tool
from tdlab.tools import goal_phrase, label, make_value, ordered_pairs, referenced_entity, returned_schema, split_words

__all__ = ["FAMILIES", "Idea", "Table", "follow_choice", "ideas"]

# Fixed by definition: names that a program can use, and what a name says of its values.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_TAKEN = frozenset(
    "json row rows value values best name count total counts problems seen first last result records statistics date"
    " datetime defaultdict entry usable passing ranked summary lowest highest"
    " abort action add after all alter always analyze and as asc attach autoincrement before begin between by cascade"
    " case cast check collate column commit conflict constraint create cross current current_date current_time"
    " current_timestamp database default deferrable deferred delete desc detach distinct do drop each else end escape"
    " except exclude exclusive exists explain fail filter following for foreign from full generated glob group groups"
    " having if ignore immediate in index indexed initially inner insert instead intersect into is isnull join key left"
    " like limit match materialized natural no not nothing notnull null nulls of offset on or order others outer over"
    " partition plan pragma preceding primary query raise range recursive references regexp reindex release rename"
    " replace restrict returning right rollback row rows savepoint select set table temp temporary then ties to"
    " transaction trigger"
    " unbounded union unique update using vacuum view virtual when where window with without".split()
)
"""Names that a variable, a table or a column of a program cannot have: those of the templates, SQLite's keywords."""
_NO_MEASURE = frozenset("number year version rank place door tier grade latitude longitude week id code utc".split())
_GROUPING = frozenset("status state kind type category currency city phase priority severity role stage level".split())
_NAMING = ("name", "title", "subject", "headline", "label", "ticker")
_DATED = re.compile(r"(?:^|_)(?:date|at|on|time)$")
_MOST_COLUMNS = 6  # fixed: people do not copy a wider table into a program by hand
_LIMITS_SAID = {"least": "minimum", "most": "maximum"}


class Idea(NamedTuple):
    """A use for code: the step that it is about, the request as the end of "I need to ...", the call.

    ``picks`` says that later steps go on with the one that the program picks. ``then`` is the request where it comes
    after the result is known.
    """

    source: Step
    request: str
    then: str
    call: Call
    picks: bool = False


class Table(NamedTuple):
    """A list of objects that a step returns: what names an object, and its fields by what can be done with them."""

    step: Step
    tool: Tool
    field: str
    key: str
    numbers: tuple[str, ...]
    groups: tuple[str, ...]
    dates: tuple[str, ...]
    plain: tuple[str, ...]
    properties: Mapping[str, Mapping[str, Json]]

    @property
    def noun(self) -> str:
        """How one speaks of the objects: ``flights``."""
        return label(self.field)

    @property
    def variable(self) -> str:
        """A name for the list in a program."""
        return self.field if _free(self.field) and self.field.islower() else "records"

    def rows(
        self, template: str, *fields: str, form: str = "python", returns: dict[str, Json] | None = None
    ) -> FromTemplate:
        """A text over the objects, of which only ``fields`` are written."""
        return FromTemplate.model_validate(
            {
                "form": form,
                "template": template,
                "inputs": {"rows": FromResult(step=self.step.id, path=(self.field,))},
                "fields": {"rows": tuple(dict.fromkeys(fields))},
                "returns": returns or {},
            }
        )


def ideas(draft: BlueprintDraft) -> dict[str, list[Idea]]:
    """Everything that code could do in the plan so far, by family; families without an idea are left out."""
    found = {name: list(family(draft)) for name, family in FAMILIES.items()}
    return {name: some for name, some in found.items() if some}


def follow_choice(steps: list[Step]) -> list[Step]:
    """The steps, those after a program that picks going on with what it picked instead of the first of the list."""
    for place, code in enumerate(steps):
        written = code.calls[0].arguments.get("code") if code.kind == "code" and code.about else None
        if not isinstance(written, FromTemplate):
            continue
        rows = written.inputs["rows"]
        known = set(written.returns.get("properties", {}))
        changed: set[str] = set()
        for later in range(place + 1, len(steps)):
            step = steps[later]
            calls = tuple(_going_on(call, rows, code, known) for call in step.calls)
            if calls != step.calls:
                changed.add(step.id)
                steps[later] = step.model_copy(update={"calls": calls})
        for later in range(place + 1, len(steps)):
            step = steps[later]
            if step.kind == "confirm" and step.about in changed and code.id not in step.after:
                steps[later] = step.model_copy(update={"after": (*step.after, code.id)})
    return steps


def _going_on(call: Call, rows: Binding, code: Step, known: set[str]) -> Call:
    arguments = {
        parameter: binding.model_copy(update={"step": code.id, "call": 0, "path": ("stdout", binding.path[2])})
        if isinstance(rows, FromResult)
        and isinstance(binding, FromResult)
        and (binding.step, binding.call, binding.path[:2]) == (rows.step, 0, (*rows.path, 0))
        and len(binding.path) == 3
        and binding.path[2] in known
        else binding
        for parameter, binding in call.arguments.items()
    }
    return call if arguments == call.arguments else call.model_copy(update={"arguments": arguments})


# ------------------------------------------------------------------------------------------------------- the families


def _pick(draft: BlueprintDraft) -> Iterator[Idea]:
    """Take the best of a list, and go on with it."""
    order = {step.id: place for place, step in enumerate(draft.steps)}
    for table in _tables(draft):
        wanted: dict[str, None] = {}
        for step in draft.steps[order[table.step.id] + 1 :]:
            for call in step.calls:
                for binding in call.arguments.values():
                    if isinstance(binding, FromResult) and (binding.step, binding.path[:2]) == (
                        table.step.id,
                        (table.field, 0),
                    ):
                        wanted[str(binding.path[2]) if len(binding.path) == 3 else ""] = None
        if not wanted or not set(wanted) <= set(table.plain):
            continue
        fields = list(dict.fromkeys((*wanted, *table.plain)))[:_MOST_COLUMNS]
        for by in (*table.numbers, *table.dates):
            columns = (*fields, by)
            for word, function in _extremes(by, dated=by in table.dates):
                request = f"choose the one of the {table.noun} with the {word} {measure(by)}"
                returns: dict[str, Json] = {
                    "type": "object",
                    "properties": {field: table.properties[field] for field in dict.fromkeys(columns)},
                }
                program = table.rows(pick_python(table.variable, by, function), *columns, returns=returns)
                yield Idea(table.step, request, request, _python_call(program), picks=True)


def _aggregate(draft: BlueprintDraft) -> Iterator[Idea]:
    """Count, add up, average."""
    for table in _tables(draft):
        for number in table.numbers:
            adds = bool(set(split_words(number)) & ADDITIVE)
            what = f"{'add up' if adds else 'average'} the {measure(number)} of the {table.noun}"
            python = aggregate_python(table.variable, number, adds=adds)
            query = aggregate_sql(table.variable, table.key, number, adds=adds)
            yield _idea(draft, table, what, _python_call(table.rows(python, table.key, number, returns=_object())))
            yield _idea(draft, table, what, _sql_call(table.rows(query, table.key, number, form="sql")))


def _group(draft: BlueprintDraft) -> Iterator[Idea]:
    """Count by status, category, city."""
    for table in _tables(draft):
        for group in table.groups:
            if group == table.key:
                continue
            what = f"count the {table.noun} by {label(group)}"
            python = group_python(table.variable, group)
            query = group_sql(table.variable, table.key, group)
            lines = table.rows("«rows»", table.key, group, form="lines")
            yield _idea(draft, table, what, _python_call(table.rows(python, table.key, group, returns=_object())))
            yield _idea(draft, table, what, _sql_call(table.rows(query, table.key, group, form="sql")))
            yield _idea(draft, table, what, _bash_call(group_bash(), lines))


def _filter(draft: BlueprintDraft) -> Iterator[Idea]:
    """Keep what passes a limit that the user names."""
    for table in _tables(draft):
        for number in table.numbers:
            for side in ("least", "most"):
                said = _limit(draft, table.properties[number], number, side)
                if said is None:
                    continue
                what = f"list which of the {table.noun} have a {measure(number)} of at {side} the {label(said.slot)}"
                program = table.rows(
                    filter_python(table.variable, table.key, number, said.slot, side=side), table.key, number,
                    returns=_object(),
                )  # fmt: skip
                program = program.model_copy(update={"inputs": {**program.inputs, "limit": said}})
                yield _idea(draft, table, what, _python_call(program))


def _rank(draft: BlueprintDraft) -> Iterator[Idea]:
    """Put a list in order."""
    for table in _tables(draft):
        for number in table.numbers:
            if number == table.key:
                continue
            what = f"rank the {table.noun} by {measure(number)}, highest first"
            python = rank_python(table.variable, table.key, number)
            lines = table.rows("«rows»", table.key, number, form="lines")
            yield _idea(draft, table, what, _python_call(table.rows(python, table.key, number, returns=_object())))
            yield _idea(draft, table, what, _bash_call(rank_bash(), lines))


def _convert(draft: BlueprintDraft) -> Iterator[Idea]:
    """The same in another unit."""
    for table in _tables(draft):
        for number in table.numbers:
            unit = (split_words(number) or ("",))[-1]
            if unit in CONVERSIONS and _free(converted(number)):
                what = f"convert the {measure(number)} of the {table.noun} to {CONVERSIONS[unit].unit}"
                template = convert_rows_python(table.variable, table.key, number)
                yield _idea(
                    draft, table, what, _python_call(table.rows(template, table.key, number, returns=_object()))
                )
    for step, tool, field, _ in _scalars(draft):
        unit = (split_words(field) or ("",))[-1]
        if unit in CONVERSIONS and _free(converted(field)):
            what = f"convert the {measure(field)} to {CONVERSIONS[unit].unit}"
            program = FromTemplate(
                form="python", template=convert_python(field), returns=_object(),
                inputs={"value": FromResult(step=step.id, path=(field,))},
            )  # fmt: skip
            yield _after(draft, step, tool, what, _python_call(program))


def _validate(draft: BlueprintDraft) -> Iterator[Idea]:
    """Check a list for entries that cannot be right."""
    for table in _tables(draft):
        if not table.numbers and not table.dates:
            continue
        numbers, dates = table.numbers[:2], table.dates[:2]
        what = f"check the {table.noun} for duplicates, missing values and impossible entries"
        template = validate_python(table.variable, table.key, numbers, dates)
        program = table.rows(template, table.key, *numbers, *dates, returns=_object())
        yield _idea(draft, table, what, _python_call(program))


def _compare(draft: BlueprintDraft) -> Iterator[Idea]:
    """Hold the results of a batch of calls against each other."""
    for step in draft.steps:
        if step.kind != "parallel" or not _known(tool := draft.tools[step.calls[0].tool]):
            continue
        pivots = [
            parameter
            for parameter, binding in step.calls[0].arguments.items()
            if isinstance(binding, FromUser)
            and len({str(getattr(c.arguments[parameter], "value", None)) for c in step.calls}) == len(step.calls)
        ]
        for field, _ in _numbers_of(tool) if pivots else ():
            inputs: dict[str, FromUser | FromResult] = {}
            for index, call in enumerate(step.calls):
                said = call.arguments[pivots[0]]
                if isinstance(said, FromUser):
                    inputs[f"name_{index}"] = said
                    inputs[f"value_{index}"] = FromResult(step=step.id, call=index, path=(field,))
            program = FromTemplate(
                form="python", template=compare_python(field, len(step.calls)), inputs=inputs, returns=_object()
            )
            what = f"tell which {label(pivots[0])} has the highest {measure(field)} and how far they are apart"
            yield _after(draft, step, tool, what, _python_call(program))


def _interval(draft: BlueprintDraft) -> Iterator[Idea]:
    """The days between two dates."""
    for step in draft.steps:
        if step.kind != "call" or not _known(tool := draft.tools[step.calls[0].tool]):
            continue
        dates = [field for field, schema in _fields(tool) if _is_date(field, schema)]
        for first, last in ordered_pairs(dates):
            program = FromTemplate(
                form="python", template=interval_python(first, last), returns=_object(),
                inputs={
                    "first": FromResult(step=step.id, path=(first,)), "last": FromResult(step=step.id, path=(last,))
                },
            )  # fmt: skip
            what = f"work out how many days lie between {label(first)} and {label(last)}"
            yield _after(draft, step, tool, what, _python_call(program))


def _limits(draft: BlueprintDraft) -> Iterator[Idea]:
    """Hold a figure against a limit that the user names."""
    for step, tool, field, schema in _scalars(draft):
        said = _limit(draft, schema, field, "most")
        if said is None:
            continue
        program = FromTemplate(
            form="python", template=limit_python(field, said.slot), returns=_object(),
            inputs={"value": FromResult(step=step.id, path=(field,)), "limit": said},
        )  # fmt: skip
        what = f"work out whether the {measure(field)} stays within the {label(said.slot)} and by how much"
        yield _after(draft, step, tool, what, _python_call(program))


FAMILIES: dict[str, Callable[[BlueprintDraft], Iterator[Idea]]] = {
    "pick": _pick,
    "aggregate": _aggregate,
    "group": _group,
    "filter": _filter,
    "rank": _rank,
    "convert": _convert,
    "validate": _validate,
    "compare": _compare,
    "interval": _interval,
    "limit": _limits,
}
"""Every family by name: what it finds to do in a draft."""


# ------------------------------------------------------------------------------------------------------------ helpers


def _idea(draft: BlueprintDraft, table: Table, what: str, call: Call) -> Idea:
    return _after(draft, table.step, table.tool, what, call)


def _after(draft: BlueprintDraft, step: Step, tool: Tool, what: str, call: Call) -> Idea:
    return Idea(step, f"{goal_phrase(tool)} and {what}", what, call)


def _python_call(program: FromTemplate) -> Call:
    return _call("python", program)


def _sql_call(program: FromTemplate) -> Call:
    return _call("sql", program)


def _bash_call(program: str, lines: FromTemplate) -> Call:
    return _call("bash", Constant(value=program), stdin=lines)


def _call(language: str, code: Binding, **more: Binding) -> Call:
    return Call(tool=CODE_TOOL, arguments={"language": Constant(value=language), "code": code, **more})


def _object() -> dict[str, Json]:
    return {"type": "object"}


def _limit(draft: BlueprintDraft, schema: Mapping[str, Json], field: str, side: str) -> FromUser | None:
    """What the user sets as a limit for a field; None where its name is taken for something else already."""
    slot = f"{_LIMITS_SAID[side]}_{field}"
    if slot in draft.slots:
        return None
    bare = {key: schema[key] for key in ("type", "minimum", "maximum") if key in schema}
    value = make_value(random.Random(f"{draft.rng.random()}"), field, bare)
    return FromUser(slot=slot, value=value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _extremes(field: str, *, dated: bool) -> tuple[tuple[str, str], ...]:
    return (("earliest", "min"), ("latest", "max")) if dated else (("lowest", "min"), ("highest", "max"))


def _tables(draft: BlueprintDraft) -> Iterator[Table]:
    for step in draft.steps:
        if step.kind == "call" and _known(tool := draft.tools[step.calls[0].tool]):
            for field, schema in returned_schema(tool).get("properties", {}).items():
                table = _table(step, tool, field, schema)
                if table is not None:
                    yield table


def _table(step: Step, tool: Tool, field: str, schema: Json) -> Table | None:
    items = schema.get("items") if isinstance(schema, dict) and schema.get("type") == "array" else None
    properties = items.get("properties") if isinstance(items, dict) else None
    if not isinstance(properties, dict) or not _PLAIN.fullmatch(field):
        return None
    usable = {f: s for f, s in properties.items() if isinstance(s, dict) and _free(f)}
    plain = tuple(f for f, s in usable.items() if s.get("type") in ("string", "integer", "number"))
    named = [f for f in plain if (split_words(f) or ("",))[-1] in _NAMING and usable[f].get("type") == "string"]
    known = [f for f in plain if referenced_entity(f, field) is not None]
    if not (named or known):
        return None
    return Table(
        step=step, tool=tool, field=field, key=(named or known)[0], plain=plain, properties=usable,
        numbers=tuple(f for f in plain if _is_measure(f, usable[f])),
        groups=tuple(f for f in plain if _is_group(f, usable[f])),
        dates=tuple(f for f in plain if _is_date(f, usable[f])),
    )  # fmt: skip


def _scalars(draft: BlueprintDraft) -> Iterator[tuple[Step, Tool, str, Mapping[str, Json]]]:
    """Every figure that a reading call returns at the top of its answer."""
    for step in draft.steps:
        if step.kind == "call" and _known(tool := draft.tools[step.calls[0].tool]):
            for field, schema in _numbers_of(tool):
                yield step, tool, field, schema


def _numbers_of(tool: Tool) -> list[tuple[str, Mapping[str, Json]]]:
    return [(f, s) for f, s in _fields(tool) if f not in tool.parameters and _is_measure(f, s)]


def _known(tool: Tool) -> bool:
    """Whether a call changes nothing and the tool says what it returns: no program is written over a guess."""
    return shows_or_finds(tool) and tool.output_schema is not None


def _fields(tool: Tool) -> list[tuple[str, Mapping[str, Json]]]:
    """The required fields of an answer that a program can name."""
    output = returned_schema(tool)
    required = output.get("required") or ()
    properties = output.get("properties") or {}
    return [(f, s) for f, s in properties.items() if isinstance(s, dict) and f in required and _free(f)]


def _free(name: str) -> bool:
    """Whether a name can be used in a Python program and in an SQL statement as it is."""
    return (
        _PLAIN.fullmatch(name) is not None
        and not keyword.iskeyword(name)
        and not hasattr(builtins, name)
        and name.lower() not in _TAKEN
    )


def _is_measure(field: str, schema: Mapping[str, Json]) -> bool:
    words = set(split_words(field))
    return schema.get("type") in ("integer", "number") and referenced_entity(field) is None and not words & _NO_MEASURE


def _is_group(field: str, schema: Mapping[str, Json]) -> bool:
    words = split_words(field) or ("",)
    return schema.get("type") == "string" and ("enum" in schema or words[-1] in _GROUPING)


def _is_date(field: str, schema: Mapping[str, Json]) -> bool:
    known = schema.get("format") in ("date", "date-time")
    return schema.get("type") == "string" and (known or ("format" not in schema and bool(_DATED.search(field))))

"""Planned code steps: every family, coherent and readable, and no untrusted text becomes code."""

from __future__ import annotations

import ast
import random
import sqlite3
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.blueprints import breed, fresh_values, mutate, plan, violations
from tdlab.blueprints.code_ideas import FAMILIES, ideas
from tdlab.blueprints.templates import could_be, follow, gaps_of, written
from tdlab.errors import MutationRefused
from tdlab.evolution.predict import predict
from tdlab.records import CODE_TOOL, Blueprint, Constant, FromResult, FromTemplate, FromUser, Step, Tool
from tdlab.rollout.views import brief_of
from tdlab.sandbox import RUN_CODE
from tests.blueprints.coding import coded_blueprints, shop, tools

MANY = 120


def programs(blueprint: Blueprint) -> list[Step]:
    return [step for step in blueprint.steps if step.kind == "code"]


def test_the_code_tool_is_the_one_that_blueprints_plan() -> None:
    assert RUN_CODE.key == CODE_TOOL


def test_every_family_finds_something_to_do() -> None:
    found: Counter[str] = Counter()
    for seed in range(150):
        room = shop(seed)
        base = breed(plan(room.cluster, room.tools, seed=seed), ["parallelise"], room, seed=seed).blueprint
        found.update(list(ideas(room.draft(base, random.Random(seed)))))
    assert set(found) == set(FAMILIES), f"nothing was found for {set(FAMILIES) - set(found)}"


def test_plans_with_code_are_coherent_and_repeat() -> None:
    kinds: Counter[str] = Counter()
    for seed, blueprint in coded_blueprints(MANY):
        assert violations(blueprint, tools()) == ()
        assert CODE_TOOL in blueprint.offered
        for step in programs(blueprint):
            arguments = step.calls[0].arguments
            language = arguments["language"]
            assert isinstance(language, Constant)
            kinds[str(language.value)] += 1
            assert step.needs(), "a program over nothing"
            for binding in arguments.values():
                assert not isinstance(binding, FromTemplate) or set(gaps_of(binding)) == set(binding.inputs)
        assert "code" in predict(blueprint, tools()).signature
        room = shop(seed)
        base = plan(room.cluster, room.tools, seed=seed)
        assert breed(base, ["add_code_step"], room, seed=seed) == breed(base, ["add_code_step"], room, seed=seed)
    assert set(kinds) == {"python", "bash", "sql"}, kinds


def test_what_a_program_picks_is_what_the_plan_goes_on_with() -> None:
    picking = 0
    for _, blueprint in coded_blueprints(MANY):
        for step in programs(blueprint):
            if step.about is None:
                continue
            picking += 1
            (rows,) = step.calls[0].arguments["code"].inputs.values()
            later = [s for s in blueprint.steps[blueprint.steps.index(step) + 1 :] if s.kind != "code"]
            bound = [b for s in later for call in s.calls for b in call.arguments.values() if isinstance(b, FromResult)]
            assert any((b.step, b.path[0]) == (step.id, "stdout") for b in bound), "nothing goes on with the choice"
            assert not any((b.step, b.path[:2]) == (rows.step, (*rows.path, 0)) for b in bound), "the first is taken"
            brief = brief_of(blueprint, tools())
            told = [*(g for r in brief.requests for g in r.goals), *(m for r in brief.requests for m in r.remarks)]
            assert any(step.request[1:] in text for text in told), "the user does not say how to choose"
    assert picking >= 10


def test_a_user_with_other_values_says_them_into_the_program_too() -> None:
    checked = 0
    for seed, blueprint in coded_blueprints(MANY):
        again = fresh_values(blueprint, shop(seed), seed=seed)
        assert violations(again, tools()) == ()
        said: dict[str, set[str]] = {}
        for _, _, call in again.calls():
            for source in call.sources():
                if isinstance(source, FromUser):
                    said.setdefault(source.slot, set()).add(repr((source.value, source.when)))
                    checked += 1
        assert all(len(values) == 1 for values in said.values()), said
    assert checked > 100


def test_there_are_at_most_two_programs_in_a_plan() -> None:
    refused = 0
    for seed, blueprint in coded_blueprints(40):
        room = shop(seed)
        bred = breed(blueprint, ["add_code_step"] * 3, room, seed=seed)
        assert len(programs(bred.blueprint)) <= 2
        if len(programs(bred.blueprint)) == 2:
            with pytest.raises(MutationRefused, match="2 programs"):
                mutate(bred.blueprint, "add_code_step", room, seed=seed)
            refused += 1
    assert refused >= 10


# ------------------------------------------------------------------------------------------------- values are no code

texts = st.text(max_size=30).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)) | st.sampled_from(
    ["«value»", '"', "'", "\\", "a'); drop table x; --", '"""', "${x}", "`id`", "\n# done", "\u2028"]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
rows = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.none() | st.integers(0, 10**9) | texts), max_size=4
)


@given(values)
def test_a_value_in_python_is_that_value(value: object) -> None:
    binding = FromTemplate(
        form="python", template="x = «value»\n", inputs={"value": FromResult(step="s1", path=("a",))}
    )
    text = written(binding, {"value": value})
    (assigned,) = ast.parse(text).body
    assert isinstance(assigned, ast.Assign)
    assert ast.literal_eval(assigned.value) == value
    assert could_be(binding, text)


@given(rows)
@settings(max_examples=60)
def test_rows_in_sql_are_those_rows(found: list[dict[str, object]]) -> None:
    binding = FromTemplate(
        form="sql", template="insert into t (a, b) values\n«rows»;", fields={"rows": ("a", "b")},
        inputs={"rows": FromResult(step="s1", path=("list",))},
    )  # fmt: skip
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table t (a, b)")
        connection.execute(written(binding, {"rows": found}))
        kept = connection.execute("select a, b from t").fetchall()
    connection.close()
    wanted = [
        tuple(v.replace("\x00", "") if isinstance(v, str) else v for v in (row.get("a"), row.get("b"))) for row in found
    ]
    assert kept == (wanted or [(None, None)])


@given(rows)
def test_rows_in_lines_keep_their_columns(found: list[dict[str, object]]) -> None:
    binding = FromTemplate(
        form="lines",
        template="«rows»",
        fields={"rows": ("a", "b")},
        inputs={"rows": FromResult(step="s1", path=("x",))},
    )
    lines = written(binding, {"rows": found}).split("\n")
    assert lines.pop() == ""
    assert [line.count("\t") for line in lines] == [1] * len(found)


def test_a_path_goes_on_inside_printed_json() -> None:
    answer = {"stdout": '{"best": {"id": "f7"}, "n": [1, 2]}\n', "status": "ok"}
    assert follow(answer, ("stdout", "best", "id")) == "f7"
    assert follow(answer, ("stdout", "n", 1)) == 2
    assert follow(answer, ("status", "x")) is None
    assert follow({"stdout": "[" * 100_000}, ("stdout", 0)) is None


def test_untrusted_field_names_never_become_code() -> None:
    """A list with hostile field names is not used, or only by its plain fields."""
    hostile = [
        "import os",
        'x"]; print(1); y["',
        "a-b",
        "class",
        "drop",
        "transaction",
        "«rows»",
        "naïve",
        "x\ny",
        "print",
    ]
    figures = [*hostile, "ok_count"]
    properties = {name: {"type": "integer"} for name in figures} | {
        "name": {"type": "string"},
        "row_id": {"type": "string"},
    }
    output = {
        "type": "object", "required": ["entries", *figures],
        "properties": {
            "entries": {"type": "array", "items": {"type": "object", "properties": properties}},
            **{name: {"type": "integer"} for name in figures},
        },
    }  # fmt: skip
    tool = Tool(service="desk", name="list_entries", input_schema={"type": "object"}, output_schema=output)
    room = shop(0)
    cluster = room.cluster.model_copy(update={"tools": (tool.key,), "dependencies": ()})
    room = room._replace(cluster=cluster, tools={tool.key: tool, CODE_TOOL: RUN_CODE}, partner=None, distractors=())
    base = plan(cluster, room.tools, seed=0)
    found = ideas(room.draft(base, random.Random(0)))
    assert found, "the plain field ok_count can be worked on"
    sample = dict.fromkeys(figures, 3) | {"name": "a", "row_id": "r1"}
    for idea in (idea for some in found.values() for idea in some):
        for binding in idea.call.arguments.values():
            if not isinstance(binding, FromTemplate):
                continue
            used = {field for fields in binding.fields.values() for field in fields}
            assert used <= {"ok_count", "name", "row_id"}
            assert not any(f'"{name}"' in binding.template for name in hostile)
            if binding.form == "python":
                ast.parse(
                    written(binding, {name: [sample] if binding.fields.get(name) else 3 for name in binding.inputs})
                )

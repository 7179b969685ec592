"""Programs that work something out over rows: what they print is what the computation comes to."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.errors import TaskError
from tdlab.records import CODE_TOOL, Json, Recipe
from tdlab.tasks import Computation, program_for, stage_here, worked_out

NUMBERS = st.one_of(
    st.none(), st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 2))
)
WORDS = st.sampled_from(
    ["a", "b", 'quote "', "back\\slash", "line\nbreak", "«rows»", "{x}", "été 茶", "'); raise SystemExit #"]
)
ROWS = st.lists(st.fixed_dictionaries({"amount": NUMBERS, "tax": NUMBERS, "kind": WORDS}), min_size=1, max_size=30)
COMPUTATIONS = {
    "how_many": Computation(rows="bills", how="count", where={"kind": "kind"}),
    "total": Computation(rows="bills", how="sum", of="amount"),
    "some": Computation(rows="bills", how="sum", of="amount", where={"kind": "kind"}),
    "average": Computation(rows="bills", how="mean", of="amount"),
    "least": Computation(rows="bills", how="min", of="amount"),
    "most": Computation(rows="bills", how="max", of="amount"),
    "where_most": Computation(rows="bills", how="top", of="amount", by="kind"),
    "other_average": Computation(rows="bills", how="mean", of="tax"),
    "where_most_tax": Computation(rows="bills", how="top", of="tax", by="kind"),
    "of_a_kind": Computation(rows="bills", how="mean", of="amount", where={"kind": "kind"}),
}


def printed(code: str) -> dict[str, Json]:
    """What a program prints, run without a sandbox, since it is our own."""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, Json] = json.loads(done.stdout)
    return found


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, kind=WORDS)
def test_a_program_prints_what_the_computation_comes_to(rows: list[dict[str, Json]], kind: str) -> None:
    facts: dict[str, Json] = {"kind": kind}
    expected = {fact: worked_out(one, rows, facts) for fact, one in COMPUTATIONS.items()}
    asked = {fact: one for fact, one in COMPUTATIONS.items() if expected[fact] is not None}
    assert printed(program_for(asked, rows, facts)) == {fact: expected[fact] for fact in asked}


@pytest.mark.parametrize("name", ["print", "class", "row", "x = 1; import os", "früh", ""])
def test_the_name_of_a_list_is_never_code(name: str) -> None:
    code = program_for({"total": Computation(rows=name, how="sum", of='a"]b')}, [{'a"]b': 2}, {'a"]b': 3}], {})
    assert printed(code) == {"total": 5}
    assert "import os" not in code


def test_a_tie_has_no_top() -> None:
    top = Computation(rows="bills", how="top", of="amount", by="kind")
    assert worked_out(top, [{"kind": "a", "amount": 2}, {"kind": "b", "amount": 2}], {}) is None
    assert worked_out(top, [{"kind": "a", "amount": 2}, {"kind": "b", "amount": 3}], {}) == "b"


def test_many_rows_are_worked_out_by_a_program_and_only_where_programs_run() -> None:
    recipe = Recipe(service="umbel_wattage", frame="compare_weeks", world=3, seed=5, programs=True)
    script = stage_here().script(recipe)
    calls = [call for beat in script.beats for call in beat.calls]
    assert [call.tool for call in calls] == ["umbel_wattage/list_consumption", CODE_TOOL]
    (part,) = script.parts
    assert printed(calls[1].arguments["code"]) == {fact: part.facts[fact] for fact in part.tell}
    with pytest.raises(TaskError, match="takes a program"):
        stage_here().script(recipe.model_copy(update={"programs": False}))

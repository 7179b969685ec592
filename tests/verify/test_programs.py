"""Test how data are found in programs of every language, without evaluating any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.verify.code_grounding import data_in, ungrounded_code

PYTHON = """
import json
limit = 250
flights = [
    {"flight_id": "f1", "price_cents": 120},
    {"flight_id": "f2", "price_cents": 300},
]
note: str = "for Lyon"
more = json.loads('{"city": "Porto"}')
best = min(flights, key=lambda row: row["price_cents"] * 1.19)
print(best, 9999)
"""
SQL = """
create table t (name text, cents real);
insert into t (name, cents) values
  ('O''Hara', 12.5),
  ('x;y', null),
  ('z', -7);
select count(*) from t where cents > 1000;
"""


def test_python_data_are_the_literals_at_the_top() -> None:
    assert list(data_in("code", PYTHON, "python")) == [
        ("limit", 250),
        ("flight_id", "f1"),
        ("price_cents", 120),
        ("flight_id", "f2"),
        ("price_cents", 300),
        ("note", "for Lyon"),
        ("city", "Porto"),
    ]


def test_sql_data_are_the_inserted_rows() -> None:
    found = list(data_in("code", SQL, "sql"))
    assert found[:2] == [("name", "O'Hara"), ("cents", 12.5)]
    assert ("cents", -7) in found
    assert ("name", "x;y") in found
    assert 1000 not in [value for _, value in found]


def test_standard_input_and_files_are_data() -> None:
    assert list(data_in("stdin", "a\t1\nb\t2.5\n", "bash")) == [
        (None, "a"), (None, 1), (None, "b"), (None, 2.5), (None, ""),
    ]  # fmt: skip
    assert list(data_in("stdin", '{"city": "Lyon"}', "python")) == [("city", "Lyon")]
    assert list(data_in("files", {"x.csv": "7"}, "python")) == [("", 7)]


def test_the_first_unknown_value_is_named() -> None:
    known = {"f1", "f2", 120, 250, "for Lyon", "Porto"}
    assert ungrounded_code("code", PYTHON, {"language": "python"}, lambda _, value: value in known) == 300
    assert ungrounded_code("code", PYTHON, {"language": "python"}, lambda _, value: value in known | {300}) is None


@pytest.mark.parametrize("code", ["x = (", "x = " + "[" * 3000, "x = 1\x00", "x = __import__('os').getpid()", "\ud800"])
def test_what_is_no_program_has_no_data(code: str) -> None:
    assert list(data_in("code", code, "python")) == []


@given(st.text(max_size=200), st.sampled_from(["python", "sql", "bash", ""]), st.sampled_from(["code", "stdin"]))
def test_nothing_breaks_it(text: str, language: str, parameter: str) -> None:
    list(data_in(parameter, text, language))

"""Pools and clients' files with the traits of public formats and bug reports, each with the right value.

The inputs in ``tests/cases`` were written by someone who had not seen the readers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pool.cases import config_differences, pool_differences

FOLDER = Path(__file__).resolve().parents[1] / "cases"
CASES = [json.loads(line) for line in (FOLDER / "expected.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", [case for case in CASES if case["id"].startswith("P")], ids=lambda case: case["id"])
def test_a_pool_is_read_right(case: dict[str, Any]) -> None:
    assert not pool_differences(FOLDER, case), case["trait"]


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case["id"].startswith("S") and not case["expect"].get("live")],
    ids=lambda case: case["id"],
)
def test_a_clients_file_is_read_right(case: dict[str, Any]) -> None:
    assert not config_differences(FOLDER, case), case["trait"]

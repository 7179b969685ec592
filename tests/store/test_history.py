"""Records of decisions: typed in the program, and in the run directory the JSON that it always held."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tdlab.records import Check, Reason, Verdict
from tdlab.store import DraftRecord, GaugeRecord, GenerationRecord, Lineage

GAUGES = {
    "domain": 0.9, "mode": 0.5, "cac": 12.5, "steer_domain": 0.0, "steer_mode": 0.25, "steer_cac": 1.0,
    "whole": {"domain": 0.9, "mode": 0.5, "cac": 12.5}, "window": {"domain": 0.95, "mode": 0.6, "cac": 13.0},
}  # fmt: skip
LINEAGE = {
    "seed": 7, "cluster": "c", "aim": "travel", "aim_share": 0.1, "fresh": False,
    "drafts": [{"base": None, "ordered": ["extend"], "partner": "d", "merit": 1.5}], "chosen": 0, "applied": ["extend"],
    "refused": {"bridge": "no partner"}, "gain": {"domain": 0.5, "mode": 0.25, "cac": 3.0, "weighed": 0.75},
    "steer": {"domain": 0.0, "mode": 0.25, "cac": 1.0}, "bar": 0.05, "duplicate_of": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (GaugeRecord, GAUGES),
        (GaugeRecord, {**GAUGES, "surprise": 2.0, "steer_surprise": 0.5}),
        (
            GenerationRecord,
            {
                "strategy": "evolved", "tried": 3, "accepted": 2, "rejected": {"gain": 1}, "before": GAUGES,
                "operators": {"extend": 0.15}, "drafts": 4, "after": GAUGES, "total": 2, "partial": True,
            },
        ),
        (Lineage, LINEAGE),
        (Lineage, {**LINEAGE, "gain": None, "steer": None, "bar": None, "drafts": [], "duplicate_of": "t"}),
        (Lineage, {**LINEAGE, "spent": [{"role": "user", "calls": 2}]}),
    ],
    ids=["gauges", "another gauge", "generation", "lineage", "no gain", "spent"],
)  # fmt: skip
def test_what_was_stored_is_read_and_written_again(kind: type[BaseModel], stored: dict[str, Any]) -> None:
    record = kind.model_validate(json.loads(json.dumps(stored)))
    written = record.model_dump()
    assert json.loads(json.dumps(written)) == stored
    if "spent" not in stored and "surprise" not in stored:
        assert json.dumps(written) == json.dumps(stored), "the order of keys too"
    assert kind.model_validate(written) == record


def test_gauges_and_gains_go_by_name() -> None:
    gauges = GaugeRecord.model_validate(GAUGES)
    assert (gauges.values["cac"], gauges.strengths["mode"], gauges.window["domain"]) == (12.5, 0.25, 0.95)
    lineage = Lineage.model_validate(LINEAGE)
    assert lineage.gain == {"domain": 0.5, "mode": 0.25, "cac": 3.0}
    assert lineage.weighed == 0.75
    assert lineage.draft.merit == 1.5
    assert Lineage(chosen=3).draft == DraftRecord()


def test_a_generation_that_is_whole_says_nothing_of_it() -> None:
    assert "partial" not in GenerationRecord().model_dump()


@pytest.mark.parametrize("kind", [GenerationRecord, Lineage])
def test_an_unknown_key_is_refused(kind: type[BaseModel]) -> None:
    with pytest.raises(ValidationError, match="moves"):
        kind.model_validate({"moves": 1})


@pytest.mark.parametrize("line", ["gain: 0.1 is below the bar", "schema: $.a: found 1", "no reason given", "a:b", ""])
def test_a_reason_is_a_line(line: str) -> None:
    assert str(Reason.parse(line)) == line


def test_the_reasons_of_a_verdict_name_the_checks_that_failed() -> None:
    checks = (Check(name="schema", passed=True), Check(name="grounding", passed=False, reason="x: y"))
    (reason,) = Verdict(trajectory="t", checks=checks).reasons
    assert (reason.check, reason.text, str(reason)) == ("grounding", "x: y", "grounding: x: y")
    assert Reason.parse(str(reason)) == reason

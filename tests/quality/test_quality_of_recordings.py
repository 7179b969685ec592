"""Test the measures on recorded conversations of other projects, if their folder exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdlab.formats import read_trajectories
from tdlab.pool import ToolPool
from tdlab.quality import QualityReport, measure_quality
from tdlab.records import Tool

SOURCES = {
    "tau-bench": "tau-bench/gpt-4o-airline.json.gz",
    "tau2-bench": "tau2-toolorchestra",
    "mcp-bench": "mcp-bench-sonnet46",
    "toolbench": "toolbench-gpt35cot",
}


@pytest.fixture(scope="module")
def reports(shared: Path) -> dict[str, QualityReport]:
    pool = ToolPool.load(shared / "data" / "formats" / "tau2_tools.jsonl")
    definitions: dict[str, Tool] = {
        f"{tool.service.removeprefix('tau2-')}/{tool.name}": tool for tool in pool.tools.values()
    }
    found = {}
    for name, path in SOURCES.items():
        read = read_trajectories(shared / "data" / "trajectories" / path)
        tools = definitions if name.startswith("tau") else read.tools
        found[name] = measure_quality(read.trajectories, tools)
    return found


def share(report: QualityReport, name: str) -> float:
    value = report.measures[name].value
    assert value is not None, name
    return value


def test_people_say_a_third_of_the_values_behind_their_label(reports: dict[str, QualityReport]) -> None:
    assert 0.28 <= share(reports["tau-bench"], "values_behind_label") <= 0.38
    assert 0.20 <= share(reports["tau2-bench"], "values_behind_label") <= 0.30


@pytest.mark.parametrize("name", ["tau-bench", "tau2-bench"])
def test_recorded_conversations_show_few_faults(reports: dict[str, QualityReport], name: str) -> None:
    most = {
        "descriptions_quoted": 0.01,
        "replies_dumping_parameters": 0.12,
        "take_the_first": 0.0,
        "placeholder_text": 0.0,
        "first_item_picks": 0.75,
        "contradictory_worlds": 0.04,
        "results_without_information": 0.01,
        "created_and_destroyed": 0.01,
        "requests_sharing_no_service": 0.0,
        "idle_calls": 0.02,
        "two_roles_one_entity": 0.0,
        "identical_retries": 0.09,
        "wrong_refusals": 0.0,
        "self_bleu": 0.5,
    }
    over = {measure: share(reports[name], measure) for measure in most}
    assert {measure: value for measure, value in over.items() if value > most[measure]} == {}


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_contradictions_are_rare_wherever_services_were_real(reports: dict[str, QualityReport], name: str) -> None:
    assert reports[name].measures["contradictory_worlds"].value in (None, pytest.approx(0, abs=0.04))


def test_what_a_recording_lacks_is_not_known(reports: dict[str, QualityReport]) -> None:
    for report in reports.values():
        assert report.measures["guessed_results"].value is None


def test_errors_are_mostly_handled(reports: dict[str, QualityReport]) -> None:
    for name in ("tau-bench", "tau2-bench"):
        occurring = share(reports[name], "conversations_with_error")
        assert 0.8 * occurring <= share(reports[name], "conversations_with_handled_error") <= occurring

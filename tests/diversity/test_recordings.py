"""Test recorded conversations of other projects, if their folder exists: all four sources are read and compared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tdlab.diversity import DiversityReport, compare, measure, profile, profile_table
from tdlab.formats import TrajectorySet, export_trajectories, read_trajectories
from tdlab.records import Domains, Message, Service, Trajectory

SOURCES = {
    "tau-bench": "tau-bench/gpt-4o-airline.json.gz",
    "tau2-bench": "tau2-toolorchestra",
    "mcp-bench": "mcp-bench-sonnet46",
    "toolbench": "toolbench-gpt35cot",
}


@pytest.fixture(scope="module")
def recorded(shared: Path) -> dict[str, TrajectorySet]:
    folder = shared / "data" / "trajectories"
    return {name: read_trajectories(folder / path) for name, path in SOURCES.items()}


@pytest.fixture(scope="module")
def reports(recorded: dict[str, TrajectorySet]) -> dict[str, DiversityReport]:
    return compare(recorded, replicates=200)


def test_all_four_sources_are_read_whole(recorded: dict[str, TrajectorySet]) -> None:
    read = {
        name: (found.format, len(found.trajectories), sum(p.severity == "skipped" for p in found.problems))
        for name, found in recorded.items()
    }
    assert read == {
        "tau-bench": ("tau-bench", 200, 0),
        "tau2-bench": ("tau2-bench", 164, 0),
        "mcp-bench": ("mcp-bench", 28, 0),
        "toolbench": ("toolbench", 200, 0),
    }


def test_calls_tools_services_and_errors_are_those_of_the_files(recorded: dict[str, TrajectorySet]) -> None:
    def calls(name: str) -> int:
        return sum(1 for told in recorded[name].trajectories for _ in told.calls())

    def errors(name: str) -> int:
        return sum(message.is_error for told in recorded[name].trajectories for message in told.messages)

    assert {name: calls(name) for name in recorded} == {
        "tau-bench": 1164,
        "tau2-bench": 1454,
        "mcp-bench": 630,
        "toolbench": 748,
    }
    assert (errors("tau-bench"), errors("mcp-bench")) == (73, 9)
    assert sorted(recorded["tau2-bench"].domains) == ["airline", "retail"]
    assert len({told.tools[c.name] for told in recorded["tau-bench"].trajectories for c in told.calls()}) == 14
    assert all(
        c.malformed is None for name in ("tau-bench", "tau2-bench", "mcp-bench") for c in every_call(recorded[name])
    )
    assert len(recorded["mcp-bench"].domains) == 11
    assert "" not in recorded["mcp-bench"].domains, "the runner's own hand-over belongs to no service"


def every_call(found: TrajectorySet) -> list[object]:
    return [call for told in found.trajectories for call in told.calls()]


def test_every_result_answers_a_call_and_every_id_is_unique(recorded: dict[str, TrajectorySet]) -> None:
    for name, found in recorded.items():
        ids = [told.id for told in found.trajectories]
        assert len(set(ids)) == len(ids), name
        for told in found.trajectories:
            made = Counter(call.id for call in told.calls())
            answers = [message.tool_call_id for message in told.messages if message.role == "tool"]
            assert all(count == 1 for count in made.values()), f"{name} {told.id}"
            assert set(answers) <= set(made), f"{name} {told.id}"


def test_tool_sequences_sit_near_their_ceiling_and_so_say_little(reports: dict[str, DiversityReport]) -> None:
    """The paper's H_mode is near log2 N for any set, also for recorded data."""
    shares = {name: report.tool_sequence.normalised for name, report in reports.items()}
    assert shares["mcp-bench"] == 1.0
    assert shares["toolbench"] > 0.98
    assert 0.85 < shares["tau2-bench"] < 0.93, "traps: 7.12 of 8.03 bits on 261 tau2 tasks, a share of 0.887"
    assert all(report.trigrams.normalised < 0.8 for report in reports.values()), "(c) is not capped by N"


def test_numbers_come_with_what_makes_them_fair(reports: dict[str, DiversityReport]) -> None:
    for name, report in reports.items():
        for metric in (report.domain, report.tool_sequence, report.signature, report.trigrams):
            assert metric.low <= metric.value <= metric.high <= max(metric.ceiling, metric.value), name
            assert metric.rarefied_to == 28, "the smallest set sets the common N"
            assert metric.rarefied is not None
            assert metric.rarefied <= metric.value + 1e-9, name
    assert reports["mcp-bench"].signature.rarefied == reports["mcp-bench"].signature.value
    order = sorted(reports, key=lambda name: reports[name].cac.mean)
    assert order == ["toolbench", "tau-bench", "tau2-bench", "mcp-bench"]
    assert reports["tau-bench"].domain.value == 0.0, "one airline"


def test_the_table_holds_all_of_them(reports: dict[str, DiversityReport]) -> None:
    table = profile_table(reports)
    assert table.shape[0] == 4 * 5
    assert table[table["metric"] == "signature"].set_index("dataset")["n"].to_dict() == {
        "tau-bench": 200,
        "tau2-bench": 164,
        "mcp-bench": 28,
        "toolbench": 200,
    }


def test_a_taxonomy_handed_in_is_used(shared: Path) -> None:
    def classify(service: Service) -> Domains:
        return {"travel": 1.0} if service.name == "airline" else {"other": 1.0}

    found = read_trajectories(shared / "data" / "trajectories" / SOURCES["tau2-bench"], classify=classify)
    report = profile(found, categories=25, replicates=20)
    assert report.domain.k == 2
    assert measure(found, categories=25).domain_counts() == {"other": 114.0, "travel": 50.0}


def test_recordings_survive_our_own_format(recorded: dict[str, TrajectorySet], tmp_path: Path) -> None:
    """Written as OpenAI JSONL with services and read again, each recording has the same diversity."""
    for name, found in recorded.items():
        export_trajectories(found.trajectories, found.tools, tmp_path / name, format="openai", services=found.domains)
        again = read_trajectories(tmp_path / name)
        assert not [problem for problem in again.problems if problem.severity == "skipped"]
        assert [messages(t) for t in again.trajectories] == [messages(t) for t in found.trajectories], name
        assert profile(again, replicates=5) == profile(found, replicates=5), name


def messages(told: Trajectory) -> tuple[Message, ...]:
    return told.messages

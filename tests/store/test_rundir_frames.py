"""A run as DataFrames: one row for each record that the method names, and records by a short id."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tdlab.errors import RunNotFound, StoreError
from tdlab.store import Candidate, Generation, Run, RunStore, atomic_write, open_run
from tests.store import rundir_child as parts


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with RunStore.create_or_resume(tmp_path / "<run>", **parts.OPENING) as store:
        parts.put_mining(store)
        for number in range(3):
            parts.commit(store, number)
    with open_run(tmp_path / "<run>") as opened:
        yield opened


def test_trajectories_has_a_row_for_each_accepted_one(run: Run) -> None:
    frame = run.trajectories()
    accepted = [c for n in range(3) for c in parts.candidates(n) if c.accepted]
    assert list(frame["trajectory"]) == [c.trajectory.id for c in accepted if c.trajectory]
    row = frame.set_index("trajectory").loc["t00003"]
    assert (row["turns"], row["messages"], row["calls"], row["tools"], row["services"], row["errors"]) == (
        1,
        5,
        1,
        1,
        1,
        0,
    )
    assert (row["generation"], row["position"], row["blueprint"], row["steps"]) == (0, 3, "b00003", 1)
    assert (row["mutations"], row["parent"]) == ("extend+branch", "b00002")
    assert (row["cac"], row["mode"]) == (1.5, "r-w")
    assert "list" not in frame


def test_messages_and_calls_have_a_row_each(run: Run) -> None:
    messages, calls = run.messages(), run.calls()
    assert len(messages) == 5 * 12
    assert list(messages["role"][:5]) == ["system", "user", "assistant", "tool", "assistant"]
    assert list(messages["message"][:5]) == [0, 1, 2, 3, 4]
    assert len(calls) == 12
    first = calls.iloc[0]
    assert (first["tool"], first["service"], first["name"], first["step"]) == ("shop/find", "shop", "find", "s1")
    assert (first["ok"], first["executor"], first["result"]) == (True, "simulated", '{"id": 1}')
    assert first["arguments"] == '{"z": 1, "query": "héllo", "a": [1, {"y": null, "b": 2.5}]}'


def test_generations_and_rejections_and_clusters(run: Run) -> None:
    generations = run.generations()
    assert list(generations["generation"]) == [0, 1, 2]
    assert list(generations["after.h_dom"]) == [0.0, 1 / 3, 2 / 3]
    rejections = run.rejections()
    assert len(rejections) == 3 * 2 * 2, "one row a reason"
    assert list(rejections["check"][:2]) == ["grounding", "plan"]
    assert rejections["reason"][0] == "'z' <came> from nowhere"
    clusters = run.clusters()
    assert list(clusters["cluster"]) == ["k0", "k1"]
    assert list(clusters["domain"]) == ["retail", "retail"]
    assert clusters["trajectories"].sum() == 12


@pytest.mark.parametrize("name", ["trajectories", "messages", "calls", "generations", "rejections", "clusters"])
def test_an_empty_run_gives_empty_frames_with_the_columns(tmp_path: Path, run: Run, name: str) -> None:
    RunStore.create_or_resume(tmp_path / "empty", **parts.OPENING).close()
    with open_run(tmp_path / "empty") as empty:
        frame = getattr(empty, name)()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 0
    full = getattr(run, name)()
    assert list(frame.columns) == list(full.columns[: len(frame.columns)])


def test_text_that_is_no_utf8_shows_as_a_replacement(tmp_path: Path) -> None:
    odd = parts.trajectory(0).model_copy(update={"id": "t", "environment": "half \ud83d"})
    with RunStore.create_or_resume(tmp_path, **parts.OPENING) as store:
        store.commit_generation(
            Generation(number=0), [Candidate(generation=0, position=0, accepted=True, trajectory=odd)]
        )
    with open_run(tmp_path) as run:
        assert list(run.trajectories()["environment"]) == ["half \ufffd"]


def test_single_records_are_found_by_a_unique_prefix(run: Run) -> None:
    assert run.trajectory("t00003") == parts.trajectory(3)
    assert run.trajectory("t00016").id == "t00016"
    assert run.blueprint("b00007") == parts.blueprint(7)
    assert run.cluster("k0").id == "k0"
    assert run.trajectory("t0000" + "5").id == "t00005", "a rejected one that was kept can be looked at"


def test_an_id_that_is_not_there_names_what_is_close(run: Run) -> None:
    with pytest.raises(RunNotFound, match="no trajectory 't0003'") as caught:
        run.trajectory("t0003")
    assert "t00003" in caught.value.expected
    with pytest.raises(RunNotFound, match=r"ids start with 't0000': t00000, t00001"):
        run.trajectory("t0000")
    with pytest.raises(RunNotFound, match="no cluster ''"):
        run.cluster("")
    with pytest.raises(RunNotFound, match="no blueprint"):
        run.blueprint("x' OR 1=1 --")


def test_metrics_are_read_once_written(run: Run) -> None:
    with pytest.raises(RunNotFound, match=r"metrics\.json"):
        run.metrics()
    atomic_write(run.path / "metrics.json", b'{"h_dom": 2.5}')
    assert run.metrics() == {"h_dom": 2.5}
    for broken in (b"{", b"\xff", b"[1]"):
        atomic_write(run.path / "metrics.json", broken)
        with pytest.raises(StoreError, match=r"metrics\.json"):
            run.metrics()


def test_a_run_shows_itself_escaped(run: Run) -> None:
    assert "&lt;run&gt;" in run._repr_html_()
    assert "<run>" not in run._repr_html_()
    assert "12 accepted, 6 rejected" in repr(run)
    assert run.status == "interrupted"
    assert run.config == parts.CONFIG


def test_status_names_what_became_of_the_run(tmp_path: Path) -> None:
    with RunStore.create_or_resume(tmp_path, **parts.OPENING) as store, open_run(tmp_path) as run:
        assert run.status == "running"
        store.mark_stopped("patience is out")
        assert run.status == "stopped: patience is out"
        store.mark_complete({})
        assert run.status == "complete"

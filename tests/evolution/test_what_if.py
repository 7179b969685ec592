"""Test what-ifs: a run's own settings reproduce its decisions; with other settings the guarantees hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tdlab
from tdlab.config import EvolutionConfig
from tdlab.errors import ConfigError
from tdlab.evolution import MODE_KINDS, CachedCandidates, cached_candidates, what_if
from tests.jobs import small_pool

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tdlab.Run]:
    """Make a run of the random control, which gives the candidates, and an evolved one whose bar rejects some."""
    folder = tmp_path_factory.mktemp("replay")
    jobs = {
        "random": {"evolution__strategy": "random", "target": 90},
        "barred": {"evolution__min_gain": 0.05, "target": 40, "evolution__window": 16},
    }
    return {
        name: tdlab.run(
            tdlab.RunConfig().with_values(evolution__batch=8, **values),
            out=folder / name,
            pool=small_pool(),
            progress=False,
        )
        for name, values in jobs.items()
    }


@pytest.fixture(scope="module")
def drawn(runs: dict[str, tdlab.Run]) -> CachedCandidates:
    return cached_candidates(runs["random"])


@pytest.mark.parametrize("name", ["random", "barred"])
def test_a_runs_own_settings_give_its_own_decisions_and_gauges(runs: dict[str, tdlab.Run], name: str) -> None:
    run = runs[name]
    again = what_if(cached_candidates(run), run.config.evolution, target=run.config.target, redraw=False)
    assert again.stopped == "target"
    assert again.kept == list(run.trajectories()["trajectory"])
    recorded = run.generations()
    assert list(again.generations["accepted"]) == list(recorded["accepted"])
    for gauge in ("domain", "mode", "cac"):
        assert list(again.generations[gauge]) == pytest.approx(list(recorded[f"after.whole.{gauge}"]), abs=1e-6)
        steer = again.generations[f"steer_{gauge}"]
        assert list(steer) == pytest.approx(list(recorded[f"before.steer_{gauge}"]), abs=1e-6)
    reasons = run.store.rejection_reasons()
    outcomes = again.candidates["outcome"].value_counts()
    assert outcomes.get("below the bar", 0) == reasons.get("gain", 0)
    assert outcomes.get("near-duplicate", 0) == reasons.get("near_duplicate", 0)
    if name == "barred":
        assert reasons["gain"] > 0, "nothing was kept out: the test says nothing"


thresholds = st.floats(0.0, 1.0)


@settings(max_examples=25)
@given(
    domain=thresholds, mode=thresholds, cac=st.floats(0.0, 80.0), strength=st.floats(0.0, 4.0),
    target=st.integers(1, 120), budget=st.none() | st.integers(1, 120), gain=st.none() | st.floats(-1.0, 1.0),
    patience=st.none() | st.integers(1, 5), redraw=st.booleans(),
)  # fmt: skip
def test_whatever_is_turned_the_promises_hold(
    drawn: CachedCandidates,
    domain: float,
    mode: float,
    cac: float,
    strength: float,
    target: int,
    budget: int | None,
    gain: float | None,
    patience: int | None,
    redraw: bool,
) -> None:
    evolution = EvolutionConfig(
        batch=8, domain_threshold=domain, mode_threshold=mode, complexity_threshold=cac, strength=strength,
        budget=budget, min_gain=gain, patience=patience,
    )  # fmt: skip
    found = what_if(drawn, evolution, target=target, redraw=redraw)
    again = what_if(drawn, evolution, target=target, redraw=redraw)
    assert found.kept == again.kept
    assert found.stopped == again.stopped
    frame, generations = found.candidates, found.generations
    assert len(frame) == len(drawn)
    assert set(frame["outcome"]) <= {"kept", "not verified", "near-duplicate", "below the bar", "not tried"}
    assert len(found.kept) == generations["total"].iloc[-1] == generations["accepted"].sum() <= target
    tried = generations["tried"].sum()
    assert tried == (frame["outcome"] != "not tried").sum()
    assert budget is None or tried <= budget
    assert (found.stopped == "target") == (len(found.kept) == target)
    assert generations[["domain", "mode"]].stack().between(0.0, 1.0).all()
    verified = {one.features.id: one.verified for one in drawn.entries}
    assert all(verified[name] for name in found.kept)
    assert len(set(found.kept)) == len(found.kept)


def test_a_threshold_does_what_it_is_for(drawn: CachedCandidates) -> None:
    """With a third of the candidates kept, a gauge that steers is higher than without steering, over twenty seeds."""
    off = EvolutionConfig(batch=8, domain_threshold=0.0, mode_threshold=0.0, complexity_threshold=0.0)

    def reached(evolution: EvolutionConfig, gauge: str) -> float:
        return sum(what_if(drawn, evolution, target=30, seed=n).generations[gauge].iloc[-1] for n in range(20)) / 20

    for name, gauge, value in (
        ("domain_threshold", "domain", 1.0),
        ("mode_threshold", "mode", 1.0),
        ("complexity_threshold", "cac", 80.0),
    ):
        assert reached(off.model_copy(update={name: value}), gauge) > reached(off, gauge), name


def test_frames_say_what_was_offered(runs: dict[str, tdlab.Run], drawn: CachedCandidates) -> None:
    frame = what_if(drawn, EvolutionConfig(), target=5).candidates
    features = [f for _, _, f in runs["random"].store.features() if f]
    assert list(frame["candidate"]) == [f["id"] for f in features]
    assert list(frame["cac"]) == [f["complexity"]["value"] for f in features]
    for kinds, one in zip(frame["kinds"], features, strict=True):
        letters = {letter.partition("-")[0] for letter in one["signature"]}
        assert set(kinds) == ((set(MODE_KINDS) & letters) or {"plain"})


def test_runs_without_candidates_are_explained(tmp_path: Path) -> None:
    config = tdlab.RunConfig(target=1).with_values(evolution__batch=1, blueprints__max_steps=1)
    with tdlab.run(config, out=tmp_path / "run", pool=small_pool(), progress=False) as run:
        rest = [c for c in run.store.candidates() if c.features]
        if rest:
            assert len(cached_candidates(run)) == len(rest)
    with pytest.raises(ConfigError, match="the runs have no candidates"):
        cached_candidates()

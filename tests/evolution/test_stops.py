"""Test stops before the target (budget, plateau of the gauges, nothing accepted) and their reasons."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import tdlab
from tdlab.config import EvolutionConfig
from tdlab.errors import RunNotFound
from tdlab.evolution.steering import Plateau, rarity
from tests.jobs import hashes, small_pool

pytestmark = pytest.mark.usefixtures("no_figures")

shares = st.floats(0.0, 1.0)
gauges = st.fixed_dictionaries({"domain": shares, "mode": shares, "cac": st.floats(0.0, 60.0)})


def watched(config: EvolutionConfig, past: list[dict[str, float]]) -> str:
    plateau = Plateau(config)
    said = ""
    for whole in past:
        plateau.note(whole)
        said = plateau.reached()
    return said


@given(gauges, st.integers(1, 20))
def test_gauges_that_stand_still_are_flat_after_patience_generations_and_not_before(
    whole: dict[str, float], patience: int
) -> None:
    config = EvolutionConfig(patience=patience)
    below = (
        whole["domain"] < config.domain_threshold
        or whole["mode"] < config.mode_threshold
        or whole["cac"] < config.complexity_threshold
    )
    assert watched(config, [whole] * patience) == ""
    said = watched(config, [whole] * (patience + 1))
    assert bool(said) == below, "with every threshold met there is nothing to wait for"
    if said:
        assert said.startswith(f"plateau: in {patience} generation" + "s" * (patience > 1) + " no gauge")


@given(st.lists(gauges, min_size=6, max_size=6))
def test_a_gauge_below_its_threshold_that_moves_keeps_a_run_going(past: list[dict[str, float]]) -> None:
    config = EvolutionConfig(patience=5, flat=0.01, domain_threshold=0.0, mode_threshold=1.0, complexity_threshold=0.0)
    modes = [whole["mode"] for whole in past]
    flat = max(modes) - min(modes) <= 0.01 and modes[-1] < 1.0
    assert bool(watched(config, past)) == flat


@pytest.mark.parametrize("values", [{"patience": None}, {"strategy": "random"}, {"strategy": "quantity"}])
def test_without_patience_and_for_the_controls_there_is_no_plateau(values: dict[str, object]) -> None:
    config = EvolutionConfig.model_validate({"patience": 1, **values})
    assert watched(config, [{"domain": 0.1, "mode": 0.1, "cac": 1.0}] * 50) == ""


def job(**values: object) -> tdlab.RunConfig:
    return tdlab.RunConfig(target=200).with_values(**{"evolution__batch": 4, **values})


def test_a_budget_counts_what_was_tried_and_resuming_does_not_add_to_it(tmp_path: Path) -> None:
    config = job(evolution__budget=10)
    with tdlab.run(config, out=tmp_path / "run", pool=small_pool(), progress=False) as run:
        counts = run.counts()
        assert counts.candidates == 10
        assert run.status == f"stopped: budget: 10 offspring were tried and {counts.accepted} of them kept"
    before = hashes(tmp_path / "run")
    with tdlab.run(config, out=tmp_path / "run", pool=small_pool(), progress=False) as again:
        assert again.counts().candidates == 10
    assert hashes(tmp_path / "run") == before


def test_flat_gauges_end_a_run_with_their_values(tmp_path: Path) -> None:
    """A tolerance as wide as the range makes any gauge flat, so that patience alone decides when to stop."""
    config = job(evolution__patience=3, evolution__flat=1.0, evolution__complexity_threshold=500.0)
    with tdlab.run(config, out=tmp_path / "run", pool=small_pool(), progress=False) as run:
        assert run.counts().generations == 4
        assert run.status.startswith("stopped: plateau: in 3 generations no gauge below its threshold moved")
        assert " of 500" in run.status


def test_the_rarest_domain_has_a_weight_however_steep_the_draw() -> None:
    """Use the least smoothing and the highest strength that a config allows."""
    steepest = EvolutionConfig(smoothing=1e-9, strength=10.0)
    assert math.inf > rarity(0.0, steepest) > rarity(1.0, steepest) > rarity(1e6, steepest) > 0.0
    with pytest.raises(ValidationError, match="smoothing"):
        EvolutionConfig(smoothing=1e-300)


def test_plans_alone_are_never_mutated(tmp_path: Path) -> None:
    config = job(target=12, evolution__strategy="planned")
    with tdlab.run(config, out=tmp_path / "run", pool=small_pool(), progress=False) as run:
        assert set(run.trajectories()["mutations"]) == {""}
        assert run.trajectories()["parent"].isna().all()
        for candidate in run.store.candidates():
            assert candidate.lineage.aim is None


def test_a_lineage_leads_from_the_youngest_to_a_plan(tmp_path: Path) -> None:
    with tdlab.run(job(target=40), out=tmp_path / "run", pool=small_pool(), progress=False) as run:
        longest = 0
        for name in run.trajectories()["trajectory"]:
            line = run.lineage(name)
            assert line[0].trajectory is not None
            assert line[0].trajectory.id == name
            generations = [candidate.generation for candidate in line]
            assert generations == sorted(generations, reverse=True)
            assert len(set(generations)) == len(generations)
            for younger, older in itertools.pairwise(line):
                assert older.accepted
                assert older.blueprint is not None
                assert younger.lineage.draft.base == older.blueprint.id
            assert line[-1].lineage.draft.base is None
            longest = max(longest, len(line))
        assert longest > 1, "no trajectory has an ancestor: the test says nothing"
        assert line[0].blueprint is not None
        assert [c.position for c in run.lineage(line[0].blueprint.id)] == [c.position for c in line]
        with pytest.raises(RunNotFound, match="no generation 99"):
            run.generation(99)
        with pytest.raises(RunNotFound, match="no generation -1"):
            run.generation(-1)
        with pytest.raises(RunNotFound, match="no trajectory"):
            run.lineage("'; DROP TABLE candidates; --")

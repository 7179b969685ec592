"""Test the strength of verification: the right check catches each known corruption; clean trajectories pass."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tdlab.records import Reason
from tdlab.verify import CHECKS, NearDuplicates, verify
from tests.blueprints.bundled import OPERATORS, Played, played
from tests.verify.faults import FAULTS, Fault

WANTED, MOST = 8, 24  # corrupted trajectories tried per fault, at least and at most
CLEAN = 200


@pytest.fixture(scope="module")
def clean() -> list[Played]:
    """Return trajectories of completed rollouts; together they used every mutation operator."""
    made = [played(seed) for seed in range(CLEAN)]
    made += [played(1000 + n, name) for name in OPERATORS for n in range(6)]
    return made


def test_clean_trajectories_raise_no_false_alarm(clean: list[Played]) -> None:
    alarms = Counter(reason for made in clean for reason in made.verdict.reasons)
    assert not alarms, (
        f"{sum(alarms.values())} of {len(clean)} clean trajectories were rejected: {alarms.most_common(5)}"
    )
    assert len(clean) >= 200


def test_clean_trajectories_take_every_kind_of_step(clean: list[Played]) -> None:
    kinds = Counter(step.kind for made in clean for step in made.blueprint.steps)
    failures = sum(step.failure is not None for made in clean for step in made.blueprint.steps)
    assert set(kinds) == {"call", "parallel", "ask", "confirm", "refuse"}
    assert failures > 10, f"only {failures} injected failures among {len(clean)} trajectories"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_caught_by_the_check_that_is_there_for_it(fault: Fault, clean: list[Played]) -> None:
    tried = 0
    for made in clean:
        if tried >= MOST:
            break
        corrupted = fault.apply(made.trajectory, made.blueprint, made.tools)
        if corrupted is None or corrupted == made.trajectory:
            continue
        tried += 1
        verdict = verify(corrupted, made.blueprint, made.tools)
        failed = {check.name for check in verdict.checks if not check.passed}
        assert failed, f"{fault.name} in blueprint {made.blueprint.id} passed every check"
        assert failed & fault.caught_by, f"{fault.name}: {sorted(failed)} failed, not one of {sorted(fault.caught_by)}"
        assert all(check.reason for check in verdict.checks if not check.passed), "a failed check gave no reason"
    assert tried >= WANTED, f"{fault.name} applied to only {tried} of {len(clean)} trajectories"


def test_the_faults_cover_every_check() -> None:
    assert len(FAULTS) >= 18
    guarded = {check for fault in FAULTS for check in fault.caught_by}
    assert guarded == set(CHECKS) - {"code"}, f"no fault is there for {set(CHECKS) - guarded}"


def test_the_check_of_code_has_its_faults_where_the_jails_are() -> None:
    text = (Path(__file__).parents[1] / "sandbox" / "test_code_steps.py").read_text(encoding="utf-8")
    assert 'fault("code"' in text


def test_a_stopped_rollout_does_not_count(clean: list[Played]) -> None:
    made = clean[0]
    verdict = verify(made.trajectory, made.blueprint, made.tools, stopped="the server went away")
    assert verdict.reasons == (Reason("completed", "the server went away"),)


def test_a_near_duplicate_is_caught_and_a_different_trajectory_is_not(clean: list[Played]) -> None:
    kept = NearDuplicates(threshold=0.9)
    first = clean[0].trajectory
    kept.add(first)
    reworded = first.model_copy(
        update={"messages": (*first.messages[:-1], first.messages[-1].model_copy(update={"content": "All done."}))}
    )
    found = kept.check(reworded)
    assert not found.passed
    assert first.id in found.reason
    other = next(made.trajectory for made in clean if made.blueprint.cluster != clean[0].blueprint.cluster)
    assert kept.check(other).passed, kept.check(other).reason
    assert len(kept) == 1

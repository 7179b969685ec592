"""Test near-duplicates: hashing finds the same pairs as comparing with every member."""

from __future__ import annotations

import random

import pytest

from tdlab.records import Message, Trajectory
from tdlab.verify import NearDuplicates

WORDS = 60


def conversation(number: int, words: list[str]) -> Trajectory:
    return Trajectory(id=f"t{number}", messages=(Message(role="user", content=" ".join(words)),))


def altered(words: list[str], changes: int, rng: random.Random) -> list[str]:
    places = set(rng.sample(range(len(words)), k=changes))
    return [f"other{rng.getrandbits(30)}" if n in places else word for n, word in enumerate(words)]


def pairs(threshold: float) -> list[tuple[Trajectory, Trajectory]]:
    """Return pairs of conversations whose estimated similarity is at the threshold or slightly above it."""
    rng = random.Random(f"pairs {threshold}")
    sketches = NearDuplicates(threshold=threshold)
    found: list[tuple[Trajectory, Trajectory]] = []
    while len(found) < 150:
        words = [f"word{rng.getrandbits(30)}" for _ in range(WORDS)]
        changed = altered(words, max(1, round(WORDS * (1 - threshold) / (1 + threshold) / 2)), rng)
        one, other = conversation(2 * len(found), words), conversation(2 * len(found) + 1, changed)
        if threshold <= sketches.sketch(one).jaccard(sketches.sketch(other)) <= threshold + 0.05:
            found.append((one, other))
    return found


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9])
def test_pairs_at_the_threshold_are_found(threshold: float) -> None:
    missed = 0
    for one, other in pairs(threshold):
        kept = NearDuplicates(threshold=threshold)
        kept.add(one)
        missed += kept.check(other).passed
    assert missed <= 2, f"{missed} of 150 pairs at similarity {threshold} were missed"


def test_what_is_below_the_threshold_stays() -> None:
    rng = random.Random(5)
    kept = NearDuplicates(threshold=0.9)
    for number in range(40):
        one = conversation(number, [f"word{rng.getrandbits(30)}" for _ in range(WORDS)])
        assert kept.check(one).passed
        kept.add(one)
    assert len(kept) == 40


def test_the_reason_names_the_member_and_the_similarity() -> None:
    kept = NearDuplicates(threshold=0.9)
    words = [f"word{n}" for n in range(WORDS)]
    kept.add(conversation(0, words))
    check = kept.check(conversation(1, words))
    assert (check.passed, check.reason) == (False, "similarity 1.00 with t0")


def test_one_keeps_all_but_equal_ones() -> None:
    kept = NearDuplicates(threshold=1.0)
    words = [f"word{n}" for n in range(WORDS)]
    kept.add(conversation(0, words))
    assert not kept.check(conversation(1, words)).passed
    assert kept.check(conversation(2, altered(words, 8, random.Random(1)))).passed

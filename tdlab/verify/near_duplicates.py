"""Near-duplicates: no two trajectories of a set may say nearly the same. The only door to ``datasketch``.

A trajectory is the set of its features: each call with its position, each argument with its value, and the words of
each user message in pairs. Two are near-duplicates when the MinHash estimate of the Jaccard similarity of these sets
reaches a threshold; the estimate's standard error is about 1 / sqrt(permutations).
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from tdlab.records import Check, Trajectory, canonical_json
from tdlab.tools import leaves

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

__all__ = ["NearDuplicates", "features_of"]

# Fixed by definition of the estimate that `verify.near_duplicate` is a threshold of: another number of hashes has
# another error, and would need another threshold.
_PERMUTATIONS = 128
_BELOW = 0.15  # similarity below the threshold at which the hashing is set to find pairs
_WORD = re.compile(r"\w+")


def features_of(trajectory: Trajectory) -> frozenset[str]:
    """The features that near-duplication compares."""
    found: set[str] = set()
    for place, call in enumerate(trajectory.calls()):
        tool = trajectory.tools.get(call.name, call.name)
        found.add(f"call {place} {tool}")
        for parameter, value in call.arguments.items():
            found |= {f"value {tool} {parameter} {name} {canonical_json(leaf)}" for name, leaf in leaves(value)}
    for message in trajectory.messages:
        if message.role == "user":
            words = _WORD.findall(message.content.lower())
            found |= {f"words {a} {b}" for a, b in itertools.pairwise(words)}
    return frozenset(found)


class NearDuplicates:
    """The set so far, by MinHash with locality-sensitive hashing: a look-up costs the same however large the set.

    ``threshold`` is the similarity in [0.1, 1] at which two count as the same; 1 rejects sets whose 128 hashes all
    agree: equal ones, and some that differ in a hundredth of their features. The hashing looks a good way below the
    threshold and what it finds is then compared, so that of the pairs at the threshold it misses at most 1 in 40 (at
    0.9, 1 in 8,000).
    """

    def __init__(self, *, threshold: float) -> None:
        self._threshold = threshold
        self._index: MinHashLSH | None = None
        self._empty: MinHash | None = None
        self._hashes: dict[str, MinHash] = {}

    def __len__(self) -> int:
        return len(self._hashes)

    def sketch(self, trajectory: Trajectory) -> MinHash:
        """The MinHash of a trajectory: fixed permutations, so it is the same in every process."""
        from datasketch import MinHash

        if self._empty is None:
            self._empty = MinHash(num_perm=_PERMUTATIONS, seed=1)
        made = self._empty.copy()
        made.update_batch([feature.encode("utf-8", "surrogatepass") for feature in sorted(features_of(trajectory))])
        return made

    def nearest(self, trajectory: Trajectory, sketch: MinHash | None = None) -> tuple[str, float] | None:
        """The id and similarity of the closest member at or above the threshold, or None."""
        sketch = sketch if sketch is not None else self.sketch(trajectory)
        found = [(sketch.jaccard(self._hashes[key]), key) for key in sorted(self._lsh().query(sketch))]
        best = max(found, default=None)
        return (best[1], best[0]) if best is not None and best[0] >= self._threshold else None

    def check(self, trajectory: Trajectory, sketch: MinHash | None = None) -> Check:
        """The verification check against the set so far."""
        found = self.nearest(trajectory, sketch)
        reason = f"is {found[1]:.2f} similar to {found[0]}" if found else ""
        return Check(name="near_duplicate", passed=found is None, reason=reason)

    def add(self, trajectory: Trajectory, sketch: MinHash | None = None) -> None:
        """Take a trajectory into the set."""
        sketch = sketch if sketch is not None else self.sketch(trajectory)
        if trajectory.id not in self._hashes:
            self._hashes[trajectory.id] = sketch
            self._lsh().insert(trajectory.id, sketch)

    def _lsh(self) -> MinHashLSH:
        if self._index is None:
            from datasketch import MinHashLSH

            self._index = MinHashLSH(
                threshold=max(0.1, self._threshold - _BELOW), num_perm=_PERMUTATIONS, weights=(0.1, 0.9)
            )
        return self._index

"""Find near-duplicates among trajectories. The only importer of ``datasketch``.

A trajectory is compared by a set of features: each call with its position, each argument with its value, and pairs of
adjacent words of each user message. Two trajectories are near-duplicates if the MinHash estimate of the Jaccard
similarity of their sets reaches a threshold (Broder, *On the resemblance and containment of documents*, 1997). The
standard error of the estimate is about 1 / sqrt(permutations).
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from tdlab.records import Check, Trajectory, canonical_json
from tdlab.tools import leaves

if TYPE_CHECKING:
    from datasketch import MinHash, MinHashLSH

__all__ = ["NearDuplicates", "SimilarSets", "features_of"]

# Fixed by definition of the estimate that `verify.near_duplicate` is a threshold of: another number of hashes has
# another error, and would need another threshold.
_PERMUTATIONS = 128
_SEARCH_MARGIN = 0.15  # hashing looks this far below the threshold, so that it misses few pairs
_WORD = re.compile(r"\w+")


def features_of(trajectory: Trajectory) -> frozenset[str]:
    """Return the features by which near-duplicates are compared.

    Args:
        trajectory: The trajectory.

    Returns:
        Texts that describe calls, values of arguments, and pairs of words of user messages.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> sorted(features_of(Trajectory(id="t", messages=(Message(role="user", content="Book a room"),))))
        ['words a room', 'words book a']
    """
    features: set[str] = set()
    for position, call in enumerate(trajectory.calls()):
        tool = trajectory.key_of(call)
        features.add(f"call {position} {tool}")
        for parameter, value in call.arguments.items():
            features |= {f"value {tool} {parameter} {name} {canonical_json(leaf)}" for name, leaf in leaves(value)}
    for message in trajectory.messages:
        if message.role == "user":
            words = _WORD.findall(message.content.lower())
            features |= {f"words {a} {b}" for a, b in itertools.pairwise(words)}
    return frozenset(features)


class SimilarSets:
    """A growing collection of sets of features that finds similar ones by MinHash and locality-sensitive hashing.

    A look-up takes about the same time at any size of the collection. Hashing searches below the threshold and the
    candidates are then compared, so that at most 1 in 40 pairs at the threshold is missed (1 in 8,000 at 0.9).

    Args:
        threshold: Estimated Jaccard similarity, in [0.1, 1], from which two sets are similar. At 1 all 128 hashes must
            agree, as for equal sets and for some that differ in 1 % of their features.

    Example:
        >>> members = SimilarSets(threshold=0.5)
        >>> members.add("a", frozenset({"one", "two", "three"}))
        >>> members.nearest(frozenset({"one", "two", "three"}))
        ('a', 1.0)
    """

    def __init__(self, *, threshold: float) -> None:
        self._threshold = threshold
        self._index: MinHashLSH | None = None
        self._empty: MinHash | None = None
        self._hashes: dict[str, MinHash] = {}

    def __len__(self) -> int:
        return len(self._hashes)

    def sketch(self, features: frozenset[str]) -> MinHash:
        """Return the MinHash of a set. Permutations are fixed, so that it is the same in every process."""
        from datasketch import MinHash

        if self._empty is None:
            self._empty = MinHash(num_perm=_PERMUTATIONS, seed=1)
        hashes = self._empty.copy()
        hashes.update_batch([feature.encode("utf-8", "surrogatepass") for feature in sorted(features)])
        return hashes

    def similar(self, features: frozenset[str], sketch: MinHash | None = None) -> list[tuple[str, float]]:
        """Return the keys and similarities of all members at or above the threshold, by key."""
        sketch = sketch if sketch is not None else self.sketch(features)
        matches = [(key, sketch.jaccard(self._hashes[key])) for key in sorted(self._lsh().query(sketch))]
        return [(key, similarity) for key, similarity in matches if similarity >= self._threshold]

    def nearest(self, features: frozenset[str], sketch: MinHash | None = None) -> tuple[str, float] | None:
        """Return the key and similarity of the most similar member at or above the threshold, or None."""
        return max(self.similar(features, sketch), key=lambda match: (match[1], match[0]), default=None)

    def add(self, key: str, features: frozenset[str], sketch: MinHash | None = None) -> None:
        """Add a set under a key, unless the key is there."""
        if key not in self._hashes:
            self._hashes[key] = sketch if sketch is not None else self.sketch(features)
            self._lsh().insert(key, self._hashes[key])

    def _lsh(self) -> MinHashLSH:
        if self._index is None:
            from datasketch import MinHashLSH

            self._index = MinHashLSH(
                threshold=max(0.1, self._threshold - _SEARCH_MARGIN), num_perm=_PERMUTATIONS, weights=(0.1, 0.9)
            )
        return self._index


class NearDuplicates:
    """A growing set of trajectories that finds near-duplicates, by `features_of` and `SimilarSets`.

    Args:
        threshold: Estimated Jaccard similarity, in [0.1, 1], from which two trajectories are near-duplicates.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> members = NearDuplicates(threshold=0.9)
        >>> members.add(Trajectory(id="a", messages=(Message(role="user", content="Book a room"),)))
        >>> members.nearest(Trajectory(id="b", messages=(Message(role="user", content="Book a room"),)))
        ('a', 1.0)
    """

    def __init__(self, *, threshold: float) -> None:
        self._sets = SimilarSets(threshold=threshold)

    def __len__(self) -> int:
        return len(self._sets)

    def sketch(self, trajectory: Trajectory) -> MinHash:
        """Return the MinHash of a trajectory. Permutations are fixed, so that it is the same in every process."""
        return self._sets.sketch(features_of(trajectory))

    def nearest(self, trajectory: Trajectory, sketch: MinHash | None = None) -> tuple[str, float] | None:
        """Return the id and similarity of the most similar member at or above the threshold, or None."""
        return self._sets.nearest(frozenset() if sketch is not None else features_of(trajectory), sketch)

    def check(self, trajectory: Trajectory, sketch: MinHash | None = None) -> Check:
        """Return the verification check of a trajectory against the set so far."""
        closest = self.nearest(trajectory, sketch)
        reason = f"similarity {closest[1]:.2f} with {closest[0]}" if closest else ""
        return Check(name="near_duplicate", passed=closest is None, reason=reason)

    def add(self, trajectory: Trajectory, sketch: MinHash | None = None) -> None:
        """Add a trajectory to the set."""
        self._sets.add(trajectory.id, frozenset() if sketch is not None else features_of(trajectory), sketch)

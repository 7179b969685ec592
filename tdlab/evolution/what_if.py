"""Show what other settings of evolution would keep of existing candidates. Nothing is generated.

`cached_candidates` reads the candidates of a run, kept or not, with their measured features and verdicts. `what_if`
steers over them with any settings, by the formulas of a real run (`tdlab.evolution.steering`), in a fraction of a
second. An order aims at a domain by the same draw, takes as many of the remaining candidates there as there would be
drafts, and tries the one with the most merit. Decisions, gauges and stops are those of a run.

There are three limits. Operators are not applied, so that only existing candidates can be chosen. Merits come from
measured features, where a run has predictions. A recorded near-duplicate counts as one while the trajectory that it
repeats is in the set. Steering has more choice if there are many candidates for each that is kept: use runs of the
``random`` control, or several runs together.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tdlab.config import EvolutionConfig
from tdlab.diversity import Features
from tdlab.errors import ConfigError
from tdlab.evolution.gauges import GAUGES
from tdlab.evolution.steering import (
    Gauges,
    GaugeSet,
    Plateau,
    budget_spent,
    number_of_drafts,
    ran_dry,
    rarity,
    weigh,
)
from tdlab.records import heaviest, rng_for
from tdlab.store import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MODE_KINDS", "CachedCandidate", "CachedCandidates", "WhatIf", "cached_candidates", "what_if"]

MODE_KINDS = ("plain", "ask", "confirm", "parallel", "code", "recover", "refuse")
"""The kinds of reasoning mode, the columns of the map; ``plain`` is a mode with none of the others."""

_OUTCOMES = ("kept", "not verified", "near-duplicate", "below the bar", "not tried")


class CachedCandidate(NamedTuple):
    """A candidate: its features, heaviest domain, kinds of reasoning, what verification found, number of faults."""

    features: Features
    heaviest: str
    kinds: tuple[str, ...]
    verified: bool
    duplicate_of: str | None
    faults: int


@dataclass(frozen=True)
class CachedCandidates:
    """Candidates in the order in which they were tried; made by `cached_candidates`.

    Attributes:
        categories: Number of domains that could be reached.
        entries: The candidates.
    """

    categories: int
    entries: tuple[CachedCandidate, ...] = field(repr=False)
    _measured: dict[str, list[Any]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.entries)

    def measured(self, gauge: str) -> list[Any]:
        """Return what a gauge measures of each candidate; it is measured once."""
        if gauge not in self._measured:
            self._measured[gauge] = [GAUGES[gauge].measure(entry.features) for entry in self.entries]
        return self._measured[gauge]


class WhatIf(NamedTuple):
    """The result of a what-if; made by `what_if`.

    Attributes:
        generations: One row per generation: ``generation``, ``tried``, ``accepted``, ``total`` (size of the set after
            it); each gauge by its name, such as ``domain`` (of the whole set after it), and with ``steer_`` before its
            name (the strength with which it was ordered).
        candidates: One row per candidate, in the recorded order: ``candidate`` (id), ``outcome`` (kept, not verified,
            near-duplicate, below the bar, not tried), ``domain`` (the heaviest), ``kinds`` (of `MODE_KINDS`), ``cac``.
        stopped: Why it ended: ``target`` or a sentence.
        evolution: The settings.
    """

    generations: pd.DataFrame
    candidates: pd.DataFrame
    stopped: str
    evolution: EvolutionConfig

    @property
    def kept(self) -> list[str]:
        """Ids of the candidates that would be kept, in the recorded order."""
        frame = self.candidates
        return [str(name) for name in frame[frame["outcome"] == "kept"]["candidate"]]


def cached_candidates(*runs: Run) -> CachedCandidates:
    """Read the candidates of one run, or of several runs over the same pool, for `what_if`.

    Candidates without a blueprint were never played and are left out.

    Args:
        *runs: The runs.

    Returns:
        The candidates, in the recorded order.

    Raises:
        ConfigError: The runs have no candidate.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     len(cached_candidates(run)) >= 12
        True
    """
    played: list[tuple[Features, bool, str | None, int]] = []
    reachable: set[str] = set()
    for run in runs:
        reachable |= {domain for cluster in run.store.clusters() for domain in cluster.domains}
        for candidate in run.store.candidates(bodies=False):
            if candidate.features and candidate.verdict is not None:
                features = Features.model_validate(candidate.features)
                lineage = candidate.lineage
                played.append((features, candidate.verdict.accepted, lineage.duplicate_of, len(lineage.faults)))
    if not played:
        raise ConfigError(
            "the runs have no candidates",
            expected="at least one played candidate",
            do="make some with `tdlab run --strategy random -n 100 --out runs/candidates`",
        )
    return _cached(played, categories=len(reachable))


def _cached(played: Iterable[tuple[Features, bool, str | None, int]], *, categories: int) -> CachedCandidates:
    domains: set[str] = set()
    entries = []
    for features, verified, duplicate_of, faults in played:
        domains |= features.domains.keys()
        letters = {letter.partition("-")[0] for letter in features.signature}
        kinds = tuple(kind for kind in MODE_KINDS if kind in letters) or ("plain",)
        entries.append(CachedCandidate(features, heaviest(features.domains), kinds, verified, duplicate_of, faults))
    return CachedCandidates(max(categories, len(domains)), tuple(entries))


def what_if(
    candidates: CachedCandidates,
    evolution: EvolutionConfig,
    *,
    target: int,
    seed: int = 0,
    redraw: bool = True,
) -> WhatIf:
    """Show which of the existing candidates other settings of evolution would keep. Nothing is generated.

    Args:
        candidates: The candidates, from `cached_candidates`.
        evolution: The settings.
        target: Stop when this many candidates are kept.
        seed: Seed of the draws.
        redraw: Whether steering also chooses the next candidates. Otherwise they come in the recorded order and
            steering only decides; the settings of their own run then reproduce its decisions.

    Returns:
        The result; it depends on the arguments only.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     result = what_if(cached_candidates(run), run.config.evolution, target=5)
        >>> result.stopped, len(result.kept)
        ('target', 5)
    """
    state = _State(candidates, evolution)
    plateau = Plateau(evolution)
    offers = _Remaining(candidates, evolution, seed) if redraw else None
    outcomes = [_OUTCOMES[4]] * len(candidates)
    kept: set[str] = set()
    rows: list[tuple[float, ...]] = []
    tried = dry = 0
    stopped = ""
    while not stopped:
        before = state.gauges.read()
        batch = evolution.batch if evolution.budget is None else min(evolution.batch, evolution.budget - tried)
        kept_before = len(kept)
        if offers is not None:
            indices = offers.draw(batch, before, state)
        else:
            indices = list(range(tried, min(tried + batch, len(candidates))))
        tried_now = 0
        for index in indices:
            if len(kept) >= target:
                break
            outcomes[index] = _decide(candidates.entries[index], index, state, kept)
            tried_now += 1
        tried += tried_now
        dry = 0 if len(kept) > kept_before else dry + 1
        after = {name: reading.value for name, reading in state.gauges.whole.items()}
        plateau.note(after)
        counts = (len(rows), tried_now, len(kept) - kept_before, len(kept))
        rows.append((*counts, *after.values(), *before.strengths.values()))
        if len(kept) >= target:
            stopped = "target"
        elif evolution.budget is not None and tried >= evolution.budget:
            stopped = budget_spent(tried, len(kept))
        elif tried >= len(candidates):
            stopped = f"exhausted: all {tried} candidates were tried and {len(kept)} of them kept"
        elif dry >= evolution.dry:
            stopped = ran_dry(dry)
        else:
            stopped = plateau.reached()
    return WhatIf(*_frames(candidates, list(evolution.thresholds), rows, outcomes), stopped, evolution)


def _decide(candidate: CachedCandidate, index: int, state: _State, kept: set[str]) -> str:
    """Decide on a candidate as the controller does, and count it if it is kept."""
    if not candidate.verified:
        return _OUTCOMES[1]
    if candidate.features.id in kept or (candidate.duplicate_of is not None and candidate.duplicate_of in kept):
        return _OUTCOMES[2]
    evolution, measured = state.evolution, state.measured(index)
    faulty = evolution.most_faults is not None and candidate.faults > evolution.most_faults
    bar = evolution.min_gain if kept else None
    if faulty or bar is not None:
        gauges = state.gauges.read()
        short = bar is not None and weigh(state.gauges.gain(measured), gauges, evolution) < bar
        if gauges.steers and (faulty or short):
            return _OUTCOMES[3]
    state.gauges.add(measured)
    state.domains.update(candidate.features.domains)
    kept.add(candidate.features.id)
    return _OUTCOMES[0]


class _State:
    """The kept set: its gauges, and the mass of each domain."""

    def __init__(self, candidates: CachedCandidates, evolution: EvolutionConfig) -> None:
        self.evolution = evolution
        self.gauges = GaugeSet(evolution, domains=candidates.categories)
        self.domains: Counter[str] = Counter()
        self._measured = {name: candidates.measured(name) for name in evolution.thresholds}

    def measured(self, index: int) -> dict[str, Any]:
        """Return what each gauge measures of a candidate."""
        return {name: values[index] for name, values in self._measured.items()}


class _Remaining:
    """The candidates that were not tried yet, by their heaviest domain."""

    def __init__(self, candidates: CachedCandidates, evolution: EvolutionConfig, seed: int) -> None:
        self._entries = candidates.entries
        self._evolution = evolution
        self._rng: random.Random = rng_for("replay", seed)  # the name of the stream; another name draws otherwise
        self._by_domain: dict[str, list[int]] = {}
        for index, candidate in enumerate(self._entries):
            self._by_domain.setdefault(candidate.heaviest, []).append(index)

    def draw(self, batch: int, gauges: Gauges, state: _State) -> list[int]:
        """Draw the candidates of a generation from the state of the set at its start, as a run does."""
        expected: dict[str, float] = {}
        indices: list[int] = []
        drafts = number_of_drafts(gauges, self._evolution)
        set_state = state.gauges.state(gauges)
        rng = self._rng
        while self._by_domain and len(indices) < batch:
            domains = list(self._by_domain)
            if rng.random() < gauges.strengths["domain"]:
                weights = [
                    rarity(state.domains[domain_name] + expected.get(domain_name, 0.0), self._evolution)
                    for domain_name in domains
                ]
            else:
                weights = [float(len(self._by_domain[domain_name])) for domain_name in domains]
            domain = rng.choices(domains, weights)[0]
            remaining = self._by_domain[domain]
            positions = [rng.randrange(len(remaining)) for _ in range(min(drafts, len(remaining)))]
            best = max(positions, key=lambda position: set_state.merit(state.measured(remaining[position])))
            remaining[best], remaining[-1] = remaining[-1], remaining[best]
            index = remaining.pop()
            if not remaining:
                del self._by_domain[domain]
            for name, mass in self._entries[index].features.domains.items():
                expected[name] = expected.get(name, 0.0) + mass
            indices.append(index)
        return indices


def _frames(
    candidates: CachedCandidates, gauges: list[str], rows: list[tuple[float, ...]], outcomes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    count_columns = ["generation", "tried", "accepted", "total"]
    generations = pd.DataFrame(rows, columns=[*count_columns, *gauges, *(f"steer_{name}" for name in gauges)])
    frame = pd.DataFrame(
        {
            "candidate": [candidate.features.id for candidate in candidates.entries],
            "outcome": outcomes,
            "domain": [candidate.heaviest for candidate in candidates.entries],
            "kinds": [candidate.kinds for candidate in candidates.entries],
            "cac": [candidate.features.cac for candidate in candidates.entries],
        }
    )
    return generations.astype(dict.fromkeys(count_columns, "int64")), frame

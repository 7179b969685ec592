"""WhatIf: what other thresholds would keep of candidates that are there already. Nothing is generated.

`cached_candidates` reads what a run has stored: the measured features of every candidate, kept or not, and what
verification found. `what_if` steers over them with any settings, by the formulas of a real run (`steering`), in a
fraction of a second: an order aims at a domain by the same draw, takes as many of the candidates left there as there
would be drafts, and tries the one with the most merit; decisions, gauges and stops are those of a run.

What it does not show: operators are not applied anew, so a replay chooses among what was made and cannot make what was
not; merits are of measured features where a run has forecasts; a recorded near-duplicate is one as long as the
trajectory that it was told to repeat is in the set. The more candidates there are for each that is kept, the more
steering has to choose from: runs of the ``random`` control, or several together, serve best.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tdlab.config import EvolutionConfig
from tdlab.diversity import ONE, POSSIBLE_TRIGRAMS, Features, Gain, Tally, counted_masses, whole_masses
from tdlab.errors import ConfigError
from tdlab.evolution.steering import (
    Gauges,
    Plateau,
    budget_spent,
    number_of_drafts,
    ran_dry,
    rarity,
    read_gauges,
    weigh,
)
from tdlab.records import heaviest, rng_for
from tdlab.store import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MODE_KINDS", "CachedCandidates", "CodedCandidate", "WhatIf", "cached_candidates", "what_if"]

MODE_KINDS = ("plain", "ask", "confirm", "parallel", "code", "recover", "refuse")
"""The kinds of reasoning that the map may have a column for; ``plain`` is a mode with none of the others."""

_OUTCOMES = ("kept", "not verified", "near-duplicate", "below the bar", "not tried")


class CodedCandidate(NamedTuple):
    """A candidate: its domains and trigrams with their masses, its heaviest domain, the id of its signature."""

    id: str
    heaviest: str
    domains: tuple[tuple[str, int], ...]
    trigrams: tuple[tuple[int, int], ...]
    signature: int
    cac: float
    verified: bool
    duplicate_of: str | None
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class CachedCandidates:
    """Candidates to replay on, in the order in which they were tried; made by `cached_candidates`.

    ``categories`` is the number of domains that could be reached.
    """

    categories: int
    entries: tuple[CodedCandidate, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.entries)


class WhatIf(NamedTuple):
    """What a replay came to.

    ``generations`` has a row a generation: ``generation``, ``tried``, ``accepted``, ``total`` (in the set after it),
    ``domain``, ``mode``, ``cac`` (gauges of the whole set after it), ``steer_domain``, ``steer_mode``, ``steer_cac``
    (strengths it was ordered with). ``candidates`` has a row a candidate, in the order recorded: ``candidate``,
    ``outcome`` (kept, not verified, near-duplicate, below the bar, not tried), ``domain`` (the heaviest), ``kinds`` (of
    `MODE_KINDS`), ``cac``. ``stopped`` says why it ended: ``target`` or a sentence.
    """

    generations: pd.DataFrame
    candidates: pd.DataFrame
    stopped: str
    evolution: EvolutionConfig

    @property
    def kept(self) -> list[str]:
        """Ids of the candidates that the set would hold, in the order recorded."""
        frame = self.candidates
        return [str(name) for name in frame[frame["outcome"] == "kept"]["candidate"]]


def cached_candidates(*runs: Run) -> CachedCandidates:
    """The candidates of one run, or of several over the same pool, ready to be replayed.

    Candidates for which no blueprint could be made have nothing to replay and are left out. ConfigError where there
    are none.
    """
    seen: list[tuple[Features, bool, str | None]] = []
    reachable: set[str] = set()
    for run in runs:
        reachable |= {domain for cluster in run.store.clusters() for domain in cluster.domains}
        for candidate in run.store.candidates(bodies=False):
            if candidate.features and candidate.verdict is not None:
                features = Features.model_validate(candidate.features)
                seen.append((features, candidate.verdict.accepted, candidate.lineage.get("duplicate_of")))
    if not seen:
        raise ConfigError(
            "there is no candidate to replay", expected="a run that has tried some", do="make one with `tdlab run`"
        )
    return _coded(seen, categories=len(reachable))


def _coded(seen: Iterable[tuple[Features, bool, str | None]], *, categories: int) -> CachedCandidates:
    names: set[str] = set()
    grams: dict[tuple[str, ...], int] = {}
    modes: dict[tuple[str, ...], int] = {}
    entries = []
    for features, verified, duplicate_of in seen:
        names |= features.domains.keys()
        letters = {letter.partition("-")[0] for letter in features.signature}
        entries.append(
            CodedCandidate(
                id=features.id,
                heaviest=heaviest(features.domains),
                domains=whole_masses(features.domains),
                trigrams=tuple(
                    (grams.setdefault(g, len(grams)), n) for g, n in counted_masses(Counter(features.trigrams))
                ),
                signature=modes.setdefault(features.signature, len(modes)),
                cac=features.cac,
                verified=verified,
                duplicate_of=duplicate_of,
                kinds=tuple(kind for kind in MODE_KINDS if kind in letters) or ("plain",),
            )
        )
    return CachedCandidates(max(categories, len(names)), tuple(entries))


def what_if(
    candidates: CachedCandidates,
    evolution: EvolutionConfig,
    *,
    target: int,
    seed: int = 0,
    redraw: bool = True,
) -> WhatIf:
    """Steer over ``candidates`` with the settings of ``evolution`` until ``target`` are kept or there is a stop.

    With ``redraw`` False the candidates are offered in the order recorded and steering only decides: with the settings
    of the run they come from, the decisions are then the run's own. Pure: the same arguments give the same result.
    """
    state = _State(candidates, evolution)
    plateau = Plateau(evolution)
    offers = _Offers(candidates, evolution, seed) if redraw else None
    outcomes = [_OUTCOMES[4]] * len(candidates)
    kept: set[str] = set()
    rows: list[tuple[float, ...]] = []
    tried = dry = 0
    stopped = ""
    while not stopped:
        before = state.gauges()
        batch = evolution.batch if evolution.budget is None else min(evolution.batch, evolution.budget - tried)
        began = len(kept)
        if offers is not None:
            places = offers.draw(batch, before, state)
        else:
            places = list(range(tried, min(tried + batch, len(candidates))))
        number = 0
        for place in places:
            if len(kept) >= target:
                break
            outcomes[place] = _decide(candidates.entries[place], state, kept)
            number += 1
        tried += number
        dry = 0 if len(kept) > began else dry + 1
        after = state.whole()
        plateau.note({"domain": after[0], "mode": after[1], "cac": after[2]})
        steers = (before.steer_domain, before.steer_mode, before.steer_cac)
        rows.append((len(rows), number, len(kept) - began, len(kept), *after, *steers))
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
    return WhatIf(*_frames(candidates, rows, outcomes), stopped, evolution)


def _decide(one: CodedCandidate, state: _State, kept: set[str]) -> str:
    """The controller's decision on a candidate; one that is kept is counted."""
    if not one.verified:
        return _OUTCOMES[1]
    if one.id in kept or (one.duplicate_of is not None and one.duplicate_of in kept):
        return _OUTCOMES[2]
    bar = state.evolution.min_gain
    if bar is not None and state.size:
        gauges = state.gauges()
        if gauges.steers and weigh(state.gain(one), gauges, state.evolution) < bar:
            return _OUTCOMES[3]
    state.add(one)
    kept.add(one.id)
    return _OUTCOMES[0]


class _State:
    """The set and its sliding window, as far as gauges and gains need them."""

    def __init__(self, candidates: CachedCandidates, evolution: EvolutionConfig) -> None:
        self.evolution = evolution
        self.size = 0
        self._cac = self._window_cac = 0.0
        self._categories = candidates.categories
        self._domain, self._window_domain = Tally(), Tally()
        self._grams, self._window_grams = Tally(), Tally()
        self._modes = Tally()
        self._recent: deque[CodedCandidate] = deque()

    def add(self, one: CodedCandidate) -> None:
        self.size += 1
        self._cac += one.cac
        self._domain.add(one.domains)
        self._grams.add(one.trigrams)
        self._modes.add(((one.signature, ONE),))
        self._recent.append(one)
        self._slide(one, 1)
        if len(self._recent) > self.evolution.window:
            self._slide(self._recent.popleft(), -1)

    def _slide(self, one: CodedCandidate, sign: int) -> None:
        for tally, masses in ((self._window_domain, one.domains), (self._window_grams, one.trigrams)):
            tally.add(masses) if sign > 0 else tally.remove(masses)
        self._window_cac += sign * one.cac

    def whole(self) -> tuple[float, float, float]:
        """The gauges of the whole set: domain, mode, mean CAC."""
        return self._domain.share(self._categories), self._grams.share(POSSIBLE_TRIGRAMS), self.mean_cac

    @property
    def mean_cac(self) -> float:
        return self._cac / self.size if self.size else 0.0

    def gauges(self) -> Gauges:
        window_cac = self._window_cac / len(self._recent) if self._recent else 0.0
        return read_gauges(
            self.evolution,
            domain=min(tally.share(self._categories) for tally in (self._domain, self._window_domain)),
            mode=min(tally.share(POSSIBLE_TRIGRAMS) for tally in (self._grams, self._window_grams)),
            cac=min(self.mean_cac, window_cac),
        )

    def gain(self, one: CodedCandidate) -> Gain:
        scale = self.size + 1
        return Gain(
            domain=scale * self._domain.gain(one.domains),
            mode=scale * self._grams.gain(one.trigrams),
            cac=one.cac - self.mean_cac,
        )

    def merit(self, one: CodedCandidate, gauges: Gauges) -> float:
        """What a set_state would say of it: see `tdlab.evolution.predict.SetState`."""
        if not self.size:
            mode = 0.0
        else:
            both = self._grams.gain(one.trigrams) + self._modes.gain(((one.signature, ONE),))
            mode = (self.size + 1) * both
        complexity = (one.cac - self.mean_cac) / (self.evolution.complexity_threshold or 1.0)
        return gauges.steer_mode * mode + gauges.steer_cac * complexity

    def count(self, domain: str) -> float:
        return self._domain.masses.get(domain, 0) / ONE


class _Offers:
    """The candidates that are left, by the domain they are most about, in an order drawn once from the seed."""

    def __init__(self, candidates: CachedCandidates, evolution: EvolutionConfig, seed: int) -> None:
        self._entries = candidates.entries
        self._evolution = evolution
        self._rng: random.Random = rng_for("replay", seed)
        self._left: dict[str, list[int]] = {}
        for place, one in enumerate(self._entries):
            self._left.setdefault(one.heaviest, []).append(place)

    def draw(self, batch: int, gauges: Gauges, state: _State) -> list[int]:
        """The places of a generation's candidates; the set is as it was at the generation's start, as in a run."""
        expected: dict[str, float] = {}
        drawn: list[int] = []
        drafts = number_of_drafts(gauges, self._evolution)
        rng = self._rng
        while self._left and len(drawn) < batch:
            domains = list(self._left)
            if rng.random() < gauges.steer_domain:
                weights = [rarity(state.count(d) + expected.get(d, 0.0), self._evolution) for d in domains]
            else:
                weights = [float(len(self._left[d])) for d in domains]
            domain = rng.choices(domains, weights)[0]
            left = self._left[domain]
            among = [rng.randrange(len(left)) for _ in range(min(drafts, len(left)))]
            best = max(among, key=lambda n: state.merit(self._entries[left[n]], gauges))
            left[best], left[-1] = left[-1], left[best]
            place = left.pop()
            if not left:
                del self._left[domain]
            for name, mass in self._entries[place].domains:
                expected[name] = expected.get(name, 0.0) + mass / ONE
            drawn.append(place)
        return drawn


def _frames(
    candidates: CachedCandidates, rows: list[tuple[float, ...]], outcomes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    columns = ["generation", "tried", "accepted", "total", "domain", "mode", "cac"]
    generations = pd.DataFrame(rows, columns=[*columns, "steer_domain", "steer_mode", "steer_cac"])
    whole = ["generation", "tried", "accepted", "total"]
    frame = pd.DataFrame(
        {
            "candidate": [one.id for one in candidates.entries],
            "outcome": outcomes,
            "domain": [one.heaviest for one in candidates.entries],
            "kinds": [one.kinds for one in candidates.entries],
            "cac": [one.cac for one in candidates.entries],
        }
    )
    return generations.astype(dict.fromkeys(whole, "int64")), frame

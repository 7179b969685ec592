"""The controller: reads the gauges, orders offspring, decides which of them enter the set (paper: innovation 3).

Three gauges over a sliding window and over the whole set: domain entropy and steering mode entropy, both as shares of
their ceilings, and mean CAC. A gauge below its threshold turns on its family of moves in proportion to the shortfall:
rare domains are drawn with probability proportional to (count + a)^(-b), operators whose mode letters are rare are
preferred, and more operators are applied. The formulas are this project's own; the paper names the gauges only.

Every draw comes from the run's seed, the generation and the position, never from what happened to be computed first.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

from tdlab.blueprints import MUTATIONS
from tdlab.config import EvolutionConfig, RunConfig
from tdlab.diversity import DiversityMeter, Features
from tdlab.evolution.studio import Offspring, Order
from tdlab.records import Blueprint, BusinessCluster, Check, Json, rng_for
from tdlab.verify import NearDuplicates

__all__ = ["Controller", "Decision", "Gauges"]

_FULL_AT = 0.2  # the shortfall, as a share of the threshold, at which a family of moves is fully on
_PARENT_SHARE = 0.5  # how often an offspring starts from an accepted parent instead of a new plan
_FLOOR = 0.2  # weight that every operator keeps, so that none is ever forgotten
_PARENTS_KEPT = 64  # parents kept for each cluster


class Gauges(NamedTuple):
    """The three gauges and how strongly each steers, all in [0, 1] but ``cac``, which is a mean CAC."""

    domain: float
    mode: float
    cac: float
    steer_domain: float
    steer_mode: float
    steer_cac: float


class Decision(NamedTuple):
    """What became of an offspring: accepted or why not, with the marginal gain that was weighed."""

    accepted: bool
    reasons: tuple[str, ...]
    gain: float | None = None


class Controller:
    """Steers one run. ``clusters`` and ``distractors`` (tool keys) are what orders draw on; ``categories`` is the number
    of domains that can be reached, for the ceiling of H_dom.
    """

    def __init__(
        self,
        config: RunConfig,
        clusters: Sequence[BusinessCluster],
        *,
        distractors: Sequence[str],
        categories: int,
        mutations: Sequence[str],
    ) -> None:
        self._config = config
        self._evolution: EvolutionConfig = config.evolution
        self._clusters = list(clusters)
        self._named = {cluster.id: cluster for cluster in clusters}
        self._distractors = list(distractors)
        self._mutations = [name for name in mutations if name in MUTATIONS]
        self._all = DiversityMeter(domain_categories=categories)
        self._window = DiversityMeter(domain_categories=categories)
        self._recent: deque[Features] = deque()
        self._duplicates = NearDuplicates(threshold=config.verify.near_duplicate)
        self._letters: Counter[str] = Counter()
        self._uses: Counter[str] = Counter()
        self._parents: dict[str, list[Blueprint]] = {}
        self._by_domain: dict[str, list[tuple[str, float]]] = {}
        for cluster in self._clusters:
            for domain, mass in cluster.domains.items():
                self._by_domain.setdefault(domain, []).append((cluster.id, mass))
        self._domains = sorted(self._by_domain)

    @property
    def meter(self) -> DiversityMeter:
        """The measures of the whole set so far."""
        return self._all

    def __len__(self) -> int:
        return len(self._all)

    # -- the gauges

    def gauges(self) -> Gauges:
        """The gauges now: each the lower of window and whole set, with the strength it steers at."""
        domain = min(self._all.normalised_domain(), self._window.normalised_domain())
        mode = min(self._all.normalised_mode(), self._window.normalised_mode())
        cac = min(self._all.mean_cac(), self._window.mean_cac())
        steering = self._evolution.strategy == "evolved"

        def strength(value: float, threshold: float) -> float:
            shortfall = max(0.0, threshold - value) / threshold if threshold > 0 else 0.0
            return min(1.0, shortfall / _FULL_AT) if steering else 0.0

        return Gauges(
            domain, mode, cac,
            strength(domain, self._evolution.domain_threshold),
            strength(mode, self._evolution.mode_threshold),
            strength(cac, self._evolution.complexity_threshold),
        )  # fmt: skip

    # -- ordering

    def orders(self, generation: int) -> list[Order]:
        """The orders of a generation, from the state of the set alone."""
        batch = range(self._evolution.batch)
        if self._evolution.strategy == "quantity":
            return [self._repeat(generation, position) for position in batch]
        gauges = self.gauges()
        expected = Counter(self._all.domain_counts())
        used = self._uses.copy()
        return [self._order(generation, position, gauges, expected, used) for position in batch]

    def _order(
        self, generation: int, position: int, gauges: Gauges, expected: Counter[str], used: Counter[str]
    ) -> Order:
        rng = rng_for(self._config.seed, "order", generation, position)
        aim = None
        if self._domains and rng.random() < gauges.steer_domain:
            a, b = self._evolution.smoothing, self._evolution.strength
            aim = rng.choices(self._domains, weights=[(expected[d] + a) ** -b for d in self._domains])[0]
            choices = self._by_domain[aim]
            weights = [mass / (1.0 + used[cluster]) for cluster, mass in choices]
            cluster = rng.choices([name for name, _ in choices], weights=weights)[0]
        else:
            cluster = rng.choice(self._clusters).id
        used[cluster] += 1
        for domain, mass in self._named[cluster].domains.items():
            expected[domain] += mass  # type: ignore[assignment]  # a Counter of masses
        parents = self._parents.get(cluster, [])
        base = rng.choice(parents) if parents and rng.random() < _PARENT_SHARE else None
        partner = rng.choice(self._clusters).id
        return Order(
            generation=generation,
            position=position,
            seed=rng.getrandbits(63),
            cluster=cluster,
            base=base,
            mutations=self._choose(rng, gauges),
            partner=partner if partner != cluster else None,
            distractors=tuple(rng.sample(self._distractors, k=min(len(self._distractors), 6))),
            aim=aim,
        )

    def _choose(self, rng: random.Random, gauges: Gauges) -> tuple[str, ...]:
        most = self._evolution.max_mutations
        number = rng.randint(0, most)
        number = min(most, number + sum(rng.random() < gauges.steer_cac for _ in range(2)))
        weights = [self._weight(name, gauges) for name in self._mutations]
        left = dict(zip(self._mutations, weights, strict=True))
        chosen: list[str] = []
        for _ in range(min(number, len(left))):
            name = rng.choices(list(left), weights=list(left.values()))[0]
            chosen.append(name)
            if MUTATIONS[name].family == "mode":
                del left[name]
        return tuple(chosen)

    def _weight(self, name: str, gauges: Gauges) -> float:
        operator = MUTATIONS[name]
        if operator.family == "mode":
            total = max(1, len(self._all))
            counts = [self._count_of(letter) / total for letter in operator.letters]
            rarity = 1.0 - min(1.0, min(counts, default=1.0))
            return _FLOOR + gauges.steer_mode * rarity
        strength = gauges.steer_cac if operator.family == "complexity" else gauges.steer_domain
        return _FLOOR + strength

    def _count_of(self, letter: str) -> int:
        return sum(n for name, n in self._letters.items() if name == letter or name.startswith(f"{letter}-"))

    def _repeat(self, generation: int, position: int) -> Order:
        """The quantity control: the first blueprints of a few clusters, new values each time."""
        seeds = self._clusters[: self._evolution.quantity_seeds]
        number = generation * self._evolution.batch + position
        cluster = seeds[number % len(seeds)]
        return Order(
            generation=generation,
            position=position,
            seed=rng_for(self._config.seed, "repeat", number).getrandbits(63),
            cluster=cluster.id,
            plan_seed=rng_for(self._config.seed, "first", cluster.id).getrandbits(63),
            fresh=number >= len(seeds),
        )

    # -- deciding

    def consider(self, offspring: Offspring) -> Decision:
        """Whether an offspring enters the set; if so it is counted at once. Call in order of position."""
        if offspring.blueprint is None or offspring.verdict is None:
            return Decision(False, (f"blueprint: {offspring.failure}",))
        if not offspring.verdict.accepted:
            return Decision(False, offspring.verdict.reasons)
        assert offspring.trajectory is not None and offspring.features is not None  # a verdict has both
        check: Check = self._duplicates.check(offspring.trajectory, offspring.sketch)
        if not check.passed:
            return Decision(False, (f"{check.name}: {check.reason}",))
        gain = self.gain(offspring.features)
        bar = self._evolution.min_gain
        if self._evolution.strategy == "evolved" and bar is not None and gain < bar:
            return Decision(False, (f"gain: {gain:.4f} is below the bar of {bar:.4f}",), gain)
        self.admit(offspring.blueprint, offspring.features)
        self._duplicates.add(offspring.trajectory, offspring.sketch)
        return Decision(True, (), gain)

    def gain(self, features: Features) -> float:
        """The marginal gain: what the offspring does to each gauge, weighted by how strongly that gauge steers."""
        if not len(self._all):
            return 0.0
        gauges, gain = self.gauges(), self._all.gain(features)
        scale = self._evolution.complexity_threshold or 1.0
        return gauges.steer_domain * gain.domain + gauges.steer_mode * gain.mode + gauges.steer_cac * gain.cac / scale

    def admit(self, blueprint: Blueprint, features: Features) -> None:
        """Count an accepted trajectory; also used to rebuild the state of a resumed run."""
        self._all.add(features)
        self._window.add(features)
        self._recent.append(features)
        if len(self._recent) > self._evolution.window:
            self._window.remove(self._recent.popleft())
        self._letters.update(set(features.signature))
        self._uses[blueprint.cluster] += 1
        parents = self._parents.setdefault(blueprint.cluster, [])
        if len(parents) < _PARENTS_KEPT and len(blueprint.steps) < self._config.blueprints.max_steps:
            parents.append(blueprint)

    def recall(self, offspring: Offspring) -> None:
        """Take back into the set what an earlier session accepted."""
        assert offspring.blueprint is not None and offspring.trajectory is not None and offspring.features is not None
        self.admit(offspring.blueprint, offspring.features)
        self._duplicates.add(offspring.trajectory, offspring.sketch)

    def record(self) -> dict[str, Json]:
        """The gauges as JSON, for the generation's record."""
        return {name: round(value, 6) for name, value in self.gauges()._asdict().items()}

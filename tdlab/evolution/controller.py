"""The controller: read the gauges, order offspring, and decide which offspring enter the set (paper: innovation 3).

tdlab has three gauges: domain entropy and steering mode entropy, both as shares of their ceilings, and mean CAC. Each
is taken over a sliding window and over the whole set. A gauge below its threshold turns on its family of moves in
proportion to the shortfall:

- *domain*: orders aim at a domain drawn with probability proportional to (count + a)^(-b), and bridges are preferred;
- *mode*: more operators are applied, operators with rare letters are preferred, and of several drafts the one is played
  that adds most to the entropies of trigrams and of whole signatures;
- *CAC*: more operators are applied, and operators and drafts that raise the mean are preferred.

A plug-in's gauge does what CAC does, for the family of operators that it names.

The paper names the gauges only; the formulas are ours. Every draw depends on the run's seed, the generation and the
position only, never on the order of computation.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tdlab.blueprints import MUTATIONS
from tdlab.config import EvolutionConfig, RunConfig
from tdlab.diversity import DiversityMeter, Features
from tdlab.evolution.gauges import SetState
from tdlab.evolution.producer import DraftPlan, Offspring, Order
from tdlab.evolution.steering import Gauges, GaugeSet, number_of_drafts, rarity, weigh
from tdlab.evolution.strategies import STRATEGIES
from tdlab.records import Blueprint, BusinessCluster, Reason, Trajectory, rng_for
from tdlab.store import GaugeRecord
from tdlab.verify import NearDuplicates

__all__ = ["Controller", "Decision", "Gauges"]


class Decision(NamedTuple):
    """The decision on an offspring. The fields about the gain are None if it was not computed.

    Attributes:
        accepted: Whether it enters the set.
        reasons: Why it does not.
        gain: Its marginal gain, by gauge.
        weighed: The gain weighed by the strengths of the gauges.
        bar: The least weighed gain of an accepted offspring; None without a bar.
        gauges: The gauges at that moment.
        duplicate_of: The id of the trajectory that it nearly repeats.
    """

    accepted: bool
    reasons: tuple[Reason, ...] = ()
    gain: Mapping[str, float] | None = None
    weighed: float | None = None
    bar: float | None = None
    gauges: Gauges | None = None
    duplicate_of: str | None = None


class Controller:
    """Steers one run: orders offspring and decides on them.

    Args:
        config: The config of the run.
        clusters: The clusters that orders are drawn from.
        distractors: Keys of the tools that may be offered in addition.
        categories: Number of domains that can be reached, for the ceiling of H_dom.
        mutations: Names of the operators that may be ordered.
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
        self._strategy = STRATEGIES[config.evolution.strategy]
        self._evolution: EvolutionConfig = config.evolution
        self._clusters = list(clusters)
        self._cluster_by_id = {cluster.id: cluster for cluster in clusters}
        self._distractors = list(distractors)
        self._mutations = [name for name in mutations if name in MUTATIONS]
        self._set = DiversityMeter(domain_categories=categories)
        self._gauges = GaugeSet(config.evolution, domains=categories)
        self._duplicates = NearDuplicates(threshold=config.verify.near_duplicate)
        self._letters: Counter[str] = Counter()
        self._cluster_uses: Counter[str] = Counter()
        self._parents: dict[str, list[Blueprint]] = {}
        self._clusters_of_domain: dict[str, list[tuple[str, float]]] = {}
        for cluster in self._clusters:
            for domain, mass in cluster.domains.items():
                self._clusters_of_domain.setdefault(domain, []).append((cluster.id, mass))
        self._domains = sorted(self._clusters_of_domain)

    @property
    def meter(self) -> DiversityMeter:
        """The meter of the whole set."""
        return self._set

    @property
    def config(self) -> RunConfig:
        """The config of the run."""
        return self._config

    @property
    def clusters(self) -> tuple[BusinessCluster, ...]:
        """The clusters that orders are drawn from."""
        return tuple(self._clusters)

    def __len__(self) -> int:
        return len(self._set)

    # -------------------------------------------------------------------------------------------------------- gauges

    def gauges(self) -> Gauges:
        """Return the gauges with the strength at which each steers; the controls do not steer."""
        return self._gauges.read()

    def record(self) -> GaugeRecord:
        """Return the gauges for a generation's record, with their values over the window and over the whole set."""
        gauges = self.gauges()
        return GaugeRecord(
            values=_rounded(gauges.values),
            strengths=_rounded(gauges.strengths),
            whole=_rounded({name: reading.value for name, reading in self._gauges.whole.items()}),
            window=_rounded({name: reading.value for name, reading in self._gauges.window.items()}),
        )

    def plan_record(self) -> tuple[dict[str, float], int]:
        """Return the weight of each operator and the number of drafts of the next orders."""
        if not self._strategy.mutates:
            return {}, 1
        gauges = self.gauges()
        return _rounded(self._weights(gauges)), number_of_drafts(gauges, self._evolution)

    # ------------------------------------------------------------------------------------------------------ ordering

    def orders(self, generation: int) -> list[Order]:
        """Return the orders of a generation, as the strategy draws them."""
        return self._strategy.orders(self, generation)

    def draw(self, generation: int) -> list[Order]:
        """Draw the orders of a generation from the state of the set, by the gauges that steer."""
        gauges = self.gauges()
        set_state = self._set_state(gauges)
        weights = self._weights(gauges)
        domain_counts = self._set.domain_counts()
        uses = self._cluster_uses.copy()
        return [
            self._order(generation, position, gauges, set_state, weights, domain_counts, uses)
            for position in range(self._evolution.batch)
        ]

    def _order(
        self,
        generation: int,
        position: int,
        gauges: Gauges,
        set_state: SetState | None,
        weights: Mapping[str, float],
        domain_counts: dict[str, float],
        uses: Counter[str],
    ) -> Order:
        rng = rng_for(self._config.seed, "order", generation, position)
        aim, aim_share = None, None
        if self._domains and rng.random() < gauges.strengths["domain"]:
            aim, aim_share = self._aim(rng, domain_counts)
            choices = self._clusters_of_domain[aim]
            choice_weights = [mass / (1.0 + uses[cluster]) for cluster, mass in choices]
            cluster = rng.choices([name for name, _ in choices], weights=choice_weights)[0]
        else:
            cluster = rng.choice(self._clusters).id
        uses[cluster] += 1
        for domain, mass in self._cluster_by_id[cluster].domains.items():
            domain_counts[domain] = domain_counts.get(domain, 0.0) + mass
        return Order(
            generation=generation,
            position=position,
            seed=rng.getrandbits(62),
            cluster=cluster,
            drafts=tuple(
                self._draft(rng, cluster, gauges, weights) for _ in range(number_of_drafts(gauges, self._evolution))
            ),
            set_state=set_state,
            distractors=tuple(
                rng.sample(self._distractors, k=min(len(self._distractors), self._evolution.distractors))
            ),
            aim=aim,
            aim_share=aim_share,
        )

    def _aim(self, rng: random.Random, expected: Mapping[str, float]) -> tuple[str, float]:
        """Draw a domain with probability proportional to (count + a)^(-b); return it with its probability."""
        weights = [rarity(expected.get(domain, 0.0), self._evolution) for domain in self._domains]
        index = rng.choices(range(len(weights)), weights=weights)[0]
        return self._domains[index], weights[index] / sum(weights)

    def _draft(self, rng: random.Random, cluster: str, gauges: Gauges, weights: Mapping[str, float]) -> DraftPlan:
        config = self._evolution
        if not self._strategy.mutates:
            return DraftPlan()
        parents = self._parents.get(cluster, [])
        base = rng.choice(parents) if parents and rng.random() < config.parent_share else None
        most = config.max_mutations
        strength = max(value for name, value in gauges.strengths.items() if name != "domain")
        count = rng.randint(0, most) + sum(rng.random() < strength for _ in range(config.extra_mutations))
        remaining_weights = dict(weights)
        chosen: list[str] = []
        for _ in range(min(count, most)):
            if not remaining_weights:
                break
            name = rng.choices(list(remaining_weights), weights=list(remaining_weights.values()))[0]
            chosen.append(name)
            if MUTATIONS[name].family == "mode":
                del remaining_weights[name]
        partner = rng.choice(self._clusters).id
        return DraftPlan(base, tuple(chosen), partner if partner != cluster else None)

    def _weights(self, gauges: Gauges) -> dict[str, float]:
        """Return the weight of each operator: a floor, and more if the gauge of its family steers."""
        floor, total = self._evolution.mutation_floor, max(1, len(self._set))
        strengths = {family: gauges.strength_of(family) for family in {MUTATIONS[n].family for n in self._mutations}}
        weights: dict[str, float] = {}
        for name in self._mutations:
            operator = MUTATIONS[name]
            weight = strengths[operator.family]
            if operator.family == "mode":
                rarity = 1.0 - min((self._count_of(letter) / total for letter in operator.letters), default=1.0)
                weight = self._evolution.mode_weight * weight * max(0.0, rarity)
            weights[name] = floor + weight
        return weights

    def _count_of(self, letter: str) -> int:
        """Return the number of trajectories with a letter; ``parallel`` is a batch of any size."""
        return sum(n for name, n in self._letters.items() if name.partition("-")[0] == letter)

    def _set_state(self, gauges: Gauges) -> SetState | None:
        if number_of_drafts(gauges, self._evolution) < 2:
            return None
        return self._gauges.state(gauges)

    # ------------------------------------------------------------------------------------------------------ deciding

    def consider(self, offspring: Offspring) -> Decision:
        """Decide whether an offspring enters the set, and count it if it does. Call in order of position."""
        blueprint, trajectory, features = offspring.blueprint, offspring.trajectory, offspring.features
        if blueprint is None or trajectory is None or features is None or offspring.verdict is None:
            return Decision(False, (Reason("blueprint", offspring.failure),))
        if not offspring.verdict.accepted:
            return Decision(False, offspring.verdict.reasons)
        duplicate_check = self._duplicates.check(trajectory, offspring.sketch)
        if not duplicate_check.passed:
            nearest_member = self._duplicates.nearest(trajectory, offspring.sketch)
            return Decision(
                False,
                (Reason(duplicate_check.name, duplicate_check.reason),),
                duplicate_of=nearest_member[0] if nearest_member else None,
            )
        gauges, gain = self.gauges(), self._gauges.gain(self._gauges.measure(features))
        weighed = weigh(gain, gauges, self._evolution)
        most = self._evolution.most_faults
        if gauges.steers and most is not None and len(offspring.faults) > most:
            why = Reason("quality", ", ".join(name.replace("_", " ") for name in offspring.faults))
            return Decision(False, (why,), gain, weighed, None, gauges)
        bar = self._evolution.min_gain if gauges.steers and len(self._set) else None
        if bar is not None and weighed < bar:
            why = Reason("gain", f"{weighed:.4f} is below the bar of {bar:.4f}")
            return Decision(False, (why,), gain, weighed, bar, gauges)
        self.admit(blueprint, features)
        self._duplicates.add(trajectory, offspring.sketch)
        return Decision(True, (), gain, weighed, bar, gauges)

    def admit(self, blueprint: Blueprint, features: Features) -> None:
        """Count an accepted trajectory; also used to rebuild the state of a resumed run."""
        self._set.add(features)
        self._gauges.add(self._gauges.measure(features))
        self._letters.update(set(features.signature))
        self._cluster_uses[blueprint.cluster] += 1
        parents = self._parents.setdefault(blueprint.cluster, [])
        if len(parents) < self._evolution.max_parents and len(blueprint.steps) < self._config.blueprints.max_steps:
            parents.append(blueprint)

    def recall(self, blueprint: Blueprint, trajectory: Trajectory, features: Features) -> None:
        """Restore a trajectory that an earlier session accepted."""
        self.admit(blueprint, features)
        self._duplicates.add(trajectory)


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 9) for name, value in values.items()}

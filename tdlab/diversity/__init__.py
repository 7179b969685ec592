"""How diverse a set of trajectories is, stated fairly: entropies, reasoning modes, complexity (the paper's gauges).

Three metrics, from the paper's names and our definitions:

- *Domain entropy* H_dom: bits over business domains; a trajectory's mass of 1 is split over the domains of its calls.
- *Reasoning-mode entropy* H_mode, in three variants: (a) ``tool_sequence``, the collapsed tool names, comparable with
  the paper and capped by log2 N; (b) ``signature``, the headline: the collapsed letters of a fixed, tool-agnostic
  alphabet; (c) ``trigrams`` of (b) with start and end marks, for steering.
- *Cumulative Action Complexity* (CAC): what the successful calls add up to; loops gain nothing.

Usable alone: `featurise` a trajectory once, `add` its features to a `DiversityMeter`, ask for gauges, for the `gain`
of a candidate, or for the `report`. Every entropy comes with N, K, its ceiling, Miller-Madow and Chao-Shen estimates, a
bootstrap interval and its value rarefied to a common N; `compare` puts several sets at equal N. The functions on plain
counts (`entropy`, `summarise`, ...) know nothing of trajectories.

What is not covered: the letters for text (ask, confirm, refuse) know English; a call whose result was not recorded
counts as successful; nothing here looks at the meaning of words.
"""

from __future__ import annotations

from tdlab.diversity._profile import compare, measure, profile
from tdlab.diversity.complexity import CacWeights, Complexity, cac
from tdlab.diversity.domains import UNKNOWN_DOMAIN, domain_mass
from tdlab.diversity.entropy import (
    Counts,
    EntropySummary,
    SplitCounts,
    bootstrap_interval,
    ceiling,
    chao_shen,
    coverage,
    entropy,
    hill_number,
    miller_madow,
    rarefied_entropy,
    summarise,
)
from tdlab.diversity.metrics import DiversityMeter, Features, Gain, ModeVariant, featurise
from tdlab.diversity.modes import (
    ALPHABET,
    MODE_VERSION,
    POSSIBLE_TRIGRAMS,
    signature,
    tool_sequence,
    trigrams,
    utterance,
)
from tdlab.diversity.report import CacSummary, Coverage, DiversityReport, HillNumbers, profile_table

__all__ = [
    "ALPHABET",
    "MODE_VERSION",
    "POSSIBLE_TRIGRAMS",
    "UNKNOWN_DOMAIN",
    "CacSummary",
    "CacWeights",
    "Complexity",
    "Counts",
    "Coverage",
    "DiversityMeter",
    "DiversityReport",
    "EntropySummary",
    "Features",
    "Gain",
    "HillNumbers",
    "ModeVariant",
    "SplitCounts",
    "bootstrap_interval",
    "cac",
    "ceiling",
    "chao_shen",
    "compare",
    "coverage",
    "domain_mass",
    "entropy",
    "featurise",
    "hill_number",
    "measure",
    "miller_madow",
    "profile",
    "profile_table",
    "rarefied_entropy",
    "signature",
    "summarise",
    "tool_sequence",
    "trigrams",
    "utterance",
]

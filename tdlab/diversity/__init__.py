"""How diverse a set of trajectories is, stated fairly: entropies, reasoning modes, complexity (the paper's gauges).

Three metrics, from the paper's names and our definitions:

- *Domain entropy* H_dom: bits over business domains; a trajectory's mass of 1 is split over the domains of its calls.
- *Reasoning-mode entropy* H_mode, in three variants: (a) ``tool_sequence``, the collapsed tool names, comparable with
  the paper and capped by log2 N; (b) ``signature``, the headline: the collapsed letters of a fixed, tool-agnostic
  alphabet; (c) ``trigrams`` of (b) with start and end marks, for steering.
- *Cumulative Action Complexity* (CAC): what the successful calls add up to; loops gain nothing.

Usable alone: `featurise` a trajectory once, `add` its features to a `DiversityMeter`, ask for gauges, for the `gain`
of a candidate, or for the `report`. Every entropy comes with N, K, its ceiling, Miller-Madow and Chao-Shen estimates, a
bootstrap interval and its value rarefied to a common N; `compare` puts several sets at equal N and at equal sample
coverage, and `comparison_frame` makes one tidy table of that. The functions on plain counts (`entropy`, `summarise`,
`at_coverage`, ...) and on embeddings (`vendi_score`) know nothing of trajectories.

What is not covered: the letters for text (ask, confirm, refuse) know English; a call whose result was not recorded
counts as successful; nothing here looks at the meaning of words.
"""

from __future__ import annotations

from tdlab.diversity._profile import compare, measure, profile
from tdlab.diversity.complexity import CacWeights, Complexity, cac, scalars
from tdlab.diversity.domains import UNKNOWN_DOMAIN, domain_mass, taxonomy_domains
from tdlab.diversity.entropy import (
    Counts,
    EntropySummary,
    Prepared,
    SplitCounts,
    bootstrap_interval,
    ceiling,
    chao_shen,
    coverage,
    entropy,
    hill_number,
    miller_madow,
    prepare,
    rarefied_entropy,
    summarise,
)
from tdlab.diversity.equal_coverage import CoverageEstimate, at_coverage, common_coverage, sample_coverage
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
from tdlab.diversity.report import (
    CacSummary,
    Coverage,
    DiversityReport,
    HillNumbers,
    comparison_frame,
    profile_table,
)
from tdlab.diversity.vendi import rarefied_vendi, vendi_score, vendi_score_of_kernel

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
    "CoverageEstimate",
    "DiversityMeter",
    "DiversityReport",
    "EntropySummary",
    "Features",
    "Gain",
    "HillNumbers",
    "ModeVariant",
    "Prepared",
    "SplitCounts",
    "at_coverage",
    "bootstrap_interval",
    "cac",
    "ceiling",
    "chao_shen",
    "common_coverage",
    "compare",
    "comparison_frame",
    "coverage",
    "domain_mass",
    "entropy",
    "featurise",
    "hill_number",
    "measure",
    "miller_madow",
    "prepare",
    "profile",
    "profile_table",
    "rarefied_entropy",
    "rarefied_vendi",
    "sample_coverage",
    "scalars",
    "signature",
    "summarise",
    "taxonomy_domains",
    "tool_sequence",
    "trigrams",
    "utterance",
    "vendi_score",
    "vendi_score_of_kernel",
]

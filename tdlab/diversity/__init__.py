"""Measure how diverse a set of trajectories is: entropies, reasoning modes and complexity (the paper's gauges).

The paper names three metrics; the definitions are ours:

- *Domain entropy* H_dom: bits over business domains; a trajectory's mass of 1 is split over the domains of its calls.
- *Reasoning-mode entropy* H_mode, in three variants: (a) ``tool_sequence``, the collapsed tool names, comparable with
  the paper and limited by log2 N; (b) ``signature``, the headline: the collapsed letters of a fixed alphabet that does
  not depend on tools; (c) ``trigrams`` of (b) with start and end marks, for steering.
- *Cumulative Action Complexity* (CAC): a sum over the successful calls; loops gain nothing.

The package can be used alone: `featurise` a trajectory once, add its features to a `DiversityMeter`, and read the
gauges, the gain of a candidate, or the report. Every entropy comes with N, K, its ceiling, the Miller-Madow and
Chao-Shen estimates, a bootstrap interval and its value rarefied to a common N. `compare` reports several sets at equal
N and at equal sample coverage; `comparison_frame` tabulates that. The functions on counts (`entropy`, `summarise`,
`at_coverage`, ...) and on embeddings (`vendi_score`) do not depend on trajectories.

Not covered: the letters for text (ask, confirm, refuse) know English only; a call without a recorded result counts as
successful; the meaning of words is not looked at.
"""

from __future__ import annotations

from tdlab.diversity._profile import compare, measure, profile
from tdlab.diversity._tally import ONE, Tally, counted_masses, whole_masses
from tdlab.diversity.complexity import CacWeights, Complexity, cac, scalars
from tdlab.diversity.counts import Counts, PreparedCounts, SplitCounts, prepare_counts
from tdlab.diversity.domains import UNKNOWN_DOMAIN, domain_mass, taxonomy_domains
from tdlab.diversity.entropy import (
    EntropySummary,
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
    "ONE",
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
    "PreparedCounts",
    "SplitCounts",
    "Tally",
    "at_coverage",
    "bootstrap_interval",
    "cac",
    "ceiling",
    "chao_shen",
    "common_coverage",
    "compare",
    "comparison_frame",
    "counted_masses",
    "coverage",
    "domain_mass",
    "entropy",
    "featurise",
    "hill_number",
    "measure",
    "miller_madow",
    "prepare_counts",
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
    "whole_masses",
]

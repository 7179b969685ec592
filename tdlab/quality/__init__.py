"""Measure whether trajectories are worth training on: contradictions, copied labels, dumped fields, blind retries, ...

`measure_quality` reads any trajectories and the definitions of their tools, and no blueprints, so that recorded and
synthetic sets compare. Each measure is a share or a value with its N, a 95 % interval and examples; what cannot be
determined (no tool definitions, no results, no service names) is None, never 0. `quality_table` tabulates reports.

The definitions are ours. They are set so that the recorded runs of tau-bench and tau2-bench in which people would find
nothing show next to nothing: precision goes before recall, so a share is a lower bound of the fault. On these runs,
about a quarter to a third of the values that users say stand behind their own label, fewer than one user message in
two hundred quotes a description, 6 % of the conversations have a reply that dumps fields, and none contradicts itself.

A share over calls or messages has a Wilson interval at the effective number of observations, since those of one
conversation resemble each other (`clustered_interval`). Self-BLEU grows with the number of texts, so it is taken in
groups of 100 messages of a random sample of at most 300; sets with fewer messages have lower values.

Modules: `wording` (what users and replies copy), `choices` (picks, retries, idle calls), `contradictions` (worlds),
`refusals`, `utterances` (self-BLEU, openers), `measure` and `report`.

Not covered: the rules on words know English only; what a result means is not looked at, only its fields.
"""

from __future__ import annotations

from tdlab.quality.contradictions import Contradiction, find_contradictions
from tdlab.quality.measure import FAULTS, MEASURES, faults_of, measure_quality
from tdlab.quality.report import (
    Measure,
    QualityExample,
    QualityReport,
    clustered_interval,
    quality_table,
    wilson_interval,
)
from tdlab.quality.utterances import chao1_interval, masked_words, opener, self_bleu

__all__ = [
    "FAULTS",
    "MEASURES",
    "Contradiction",
    "Measure",
    "QualityExample",
    "QualityReport",
    "chao1_interval",
    "clustered_interval",
    "faults_of",
    "find_contradictions",
    "masked_words",
    "measure_quality",
    "opener",
    "quality_table",
    "self_bleu",
    "wilson_interval",
]

"""How far a dataset overlaps with benchmarks: shared word sequences, near-duplicate tasks, tools and identifiers.

A trajectory is contaminated if its user's words share a sequence of 13 words with a task, after Brown et al.
(*Language Models are Few-Shot Learners*, 2020, appendix C), or are a near-duplicate of one (Jaccard similarity of words
and pairs of words, by MinHash). As there, texts are lower-cased and read without punctuation, a shorter task counts
where it occurs whole, and sequences that many tasks share are boilerplate. Ours are: only what users say is compared,
so that system prompts, tool descriptions and results never count; a character of a script without spaces is half a
word, so that 26 of them make a sequence.

Shared identifiers, definitions and names of tools are found too. They show that both come from one environment, which
is no contamination of tasks: they decide only where `ContaminationRules.deciding` names them.

Modules: `words` (texts as numbered words), `benchmark` (the index of the tasks), `overlap` (one trajectory against the
index) and `report`.
"""

from __future__ import annotations

from tdlab.contamination.benchmark import Benchmark, ContaminationRules
from tdlab.contamination.overlap import KINDS, Match, Overlap, find_overlap
from tdlab.contamination.report import BenchmarkSize, ContaminationReport, OverlapExample, OverlapTally

__all__ = [
    "KINDS",
    "Benchmark",
    "BenchmarkSize",
    "ContaminationReport",
    "ContaminationRules",
    "Match",
    "Overlap",
    "OverlapExample",
    "OverlapTally",
    "find_overlap",
]

"""The run directory: what a run has made, safe on the disk, resumable, and readable as DataFrames.

One folder holds one run. Its ``run.sqlite`` is the truth and is written in transactions only; the other files in it
(``config.yaml``, ``dataset.jsonl``, ``dataset.parquet``, ``metrics.json``, the figures) are derived from it and are
replaced whole. `RunStore` is the writer's side: `RunStore.create_or_resume` takes the one lock a directory has, and
`RunStore.commit_generation` stores a generation completely or not at all. `open_run` is the reader's side: a `Run`
gives frames at the grain one asks for, also while the run goes on in another process. Trajectory file formats are
read and written by ``tdlab.formats``.
"""

from __future__ import annotations

from tdlab._files import atomic_open, atomic_write
from tdlab.store.reply_cache import PaidCalls, ReplyJournal
from tdlab.store.run import Run, open_run
from tdlab.store.run_store import Candidate, Counts, Generation, RunState, RunStore

__all__ = [
    "Candidate",
    "Counts",
    "Generation",
    "PaidCalls",
    "ReplyJournal",
    "Run",
    "RunState",
    "RunStore",
    "atomic_open",
    "atomic_write",
    "open_run",
]

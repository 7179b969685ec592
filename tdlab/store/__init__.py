"""The run directory: everything that a run has made, crash-safe, resumable, and readable as DataFrames.

One folder holds one run. Its ``run.sqlite`` is the source of truth and is written in transactions only. The other files
in it (``config.yaml``, ``dataset.jsonl``, ``dataset.parquet``, ``metrics.json``, the figures) are derived from it and
are replaced whole. `RunStore` is the writer's side: `RunStore.create_or_resume` takes the directory's only lock, and
`RunStore.commit_generation` stores a generation completely or not at all. `open_run` is the reader's side: a `Run`
returns DataFrames at the grain that one asks for, even while another process continues the run. `tdlab.formats` reads
and writes trajectory files.

Modules, low to high: `_codec` (records as JSON text), `history` (records of decisions), `_rows` (records as table
rows), `_database` (the SQLite file), `_lock`, `_connection` (transactions and pages), `_run_directory` (the folder),
`run_store` (`RunStore`), `run` (`Run`) and `reply_cache` (paid replies of language models, shared by runs).
"""

from __future__ import annotations

from tdlab._files import atomic_open, atomic_write
from tdlab.store.history import DraftRecord, GaugeRecord, GenerationRecord, Lineage
from tdlab.store.reply_cache import PaidCalls, ReplyJournal
from tdlab.store.run import Run, open_run
from tdlab.store.run_store import Candidate, Counts, Generation, RunState, RunStore

__all__ = [
    "Candidate",
    "Counts",
    "DraftRecord",
    "GaugeRecord",
    "Generation",
    "GenerationRecord",
    "Lineage",
    "PaidCalls",
    "ReplyJournal",
    "Run",
    "RunState",
    "RunStore",
    "atomic_open",
    "atomic_write",
    "open_run",
]

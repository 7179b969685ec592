"""The work behind the commands: make a run, compare runs, check recorded code; with progress, and resumable."""

from __future__ import annotations

from tdlab.jobs.ablate import Ablation, ablate
from tdlab.jobs.files import export
from tdlab.jobs.mining_record import IssueCount, MiningRecord, issue_counts
from tdlab.jobs.packs import write_service_pack
from tdlab.jobs.progress import Reporter
from tdlab.jobs.recheck import Checked, CheckReport, check_run, recorded_programs, replay_programs
from tdlab.jobs.run import estimate, run

__all__ = [
    "Ablation",
    "CheckReport",
    "Checked",
    "IssueCount",
    "MiningRecord",
    "Reporter",
    "ablate",
    "check_run",
    "estimate",
    "export",
    "issue_counts",
    "recorded_programs",
    "replay_programs",
    "run",
    "write_service_pack",
]

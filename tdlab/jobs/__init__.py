"""The work behind the commands: make a run, compare runs, check recorded code; with progress, and resumable."""

from __future__ import annotations

from tdlab.jobs.ablate import Ablation, ablate
from tdlab.jobs.contamination import compare_with_benchmark, read_benchmark, tasks_of
from tdlab.jobs.export import export, is_run
from tdlab.jobs.mining_record import IssueCount, MiningRecord, issue_counts
from tdlab.jobs.packs import write_service_pack
from tdlab.jobs.progress import Reporter
from tdlab.jobs.publish import PublishReport, publish
from tdlab.jobs.recheck import Checked, CheckReport, check_run, recorded_programs, replay_programs
from tdlab.jobs.run import estimate, run
from tdlab.jobs.scan import SCAN_LIMITS, Finding, scan_text, scan_tool, scan_trajectory
from tdlab.jobs.verify_files import WORLD_CHECKS, verdicts_on, verify_recordings

__all__ = [
    "SCAN_LIMITS",
    "WORLD_CHECKS",
    "Ablation",
    "CheckReport",
    "Checked",
    "Finding",
    "IssueCount",
    "MiningRecord",
    "PublishReport",
    "Reporter",
    "ablate",
    "check_run",
    "compare_with_benchmark",
    "estimate",
    "export",
    "is_run",
    "issue_counts",
    "publish",
    "read_benchmark",
    "recorded_programs",
    "replay_programs",
    "run",
    "scan_text",
    "scan_tool",
    "scan_trajectory",
    "tasks_of",
    "verdicts_on",
    "verify_recordings",
    "write_service_pack",
]

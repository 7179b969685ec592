"""The work behind the commands: make a run, compare runs, check recorded code; with progress, and resumable."""

from __future__ import annotations

from tdlab.jobs.ablate import Ablation, ablate
from tdlab.jobs.export import export
from tdlab.jobs.mining_record import IssueCount, MiningRecord
from tdlab.jobs.packs import write_service_pack
from tdlab.jobs.progress import Reporter
from tdlab.jobs.publish import PublishReport, publish
from tdlab.jobs.recheck import Checked, CheckReport, check_run, recorded_programs, replay_programs
from tdlab.jobs.run import estimate, run
from tdlab.jobs.scan import SCAN_LIMITS, Finding, scan_text, scan_tool, scan_trajectory

__all__ = [
    "SCAN_LIMITS",
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
    "estimate",
    "export",
    "publish",
    "recorded_programs",
    "replay_programs",
    "run",
    "scan_text",
    "scan_tool",
    "scan_trajectory",
    "write_service_pack",
]

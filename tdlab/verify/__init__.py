"""Decide whether a trajectory is accepted.

`verify` runs every check on one trajectory of a run and returns a `Verdict` with a reason for each failure.
`NearDuplicates` compares a trajectory with the set that it would join.

`verify_recording` checks a conversation that others recorded, without a plan, a world or receipts. Each of its checks
passes, fails or is not known; `VerdictTally` counts them over a file and compares them with a benchmark's rewards.
"""

from __future__ import annotations

from tdlab.verify.checks import CHECKS, CheckFunction, verify
from tdlab.verify.context import CheckContext
from tdlab.verify.near_duplicates import NearDuplicates, SimilarSets, features_of
from tdlab.verify.recorded import RECORDED_CHECKS, verify_recording
from tdlab.verify.recording import (
    CheckResult,
    Finding,
    RecordedCheck,
    RecordingContext,
    RecordingVerdict,
    State,
    failed,
    not_known,
)
from tdlab.verify.report import (
    Agreement,
    CheckCount,
    FlaggedPrecision,
    VerdictExample,
    VerdictTally,
    VerificationReport,
)

__all__ = [
    "CHECKS", "RECORDED_CHECKS", "Agreement", "CheckContext", "CheckCount", "CheckFunction", "CheckResult",
    "Finding", "FlaggedPrecision", "NearDuplicates", "RecordedCheck", "RecordingContext", "RecordingVerdict",
    "SimilarSets", "State", "VerdictExample", "VerdictTally", "VerificationReport", "failed", "features_of",
    "not_known", "verify", "verify_recording",
]  # fmt: skip

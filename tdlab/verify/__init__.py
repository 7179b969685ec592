"""Decide whether a trajectory is accepted.

`verify` runs every check on one trajectory and returns a `Verdict` with a reason for each failure. `NearDuplicates`
compares a trajectory with the set that it would join.
"""

from __future__ import annotations

from tdlab.verify.checks import CHECKS, CheckFunction, verify
from tdlab.verify.context import CheckContext
from tdlab.verify.near_duplicates import NearDuplicates, features_of

__all__ = ["CHECKS", "CheckContext", "CheckFunction", "NearDuplicates", "features_of", "verify"]

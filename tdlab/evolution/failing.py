"""Stopping early where a teacher that costs something makes nothing of use."""

from __future__ import annotations

import sys
from collections import Counter, deque

from tdlab.config import TeacherConfig
from tdlab.evolution.producer import Offspring
from tdlab.tools import shorten

__all__ = ["FailingTeacher"]


class FailingTeacher:
    """Watch the last rollouts of a teacher that costs something, and report when too many of them failed.

    A rollout failed that stopped or that verification rejects. What the steering rejects, and plans that could not be
    made, say nothing of the teacher. Neither do rollouts of saved replies only: an earlier session paid for them, and
    the server may have been corrected since. So a run that was stopped for failing starts with an empty window.

    Args:
        config: ``failing_window`` and ``failing_share`` count; see `TeacherConfig`.
    """

    def __init__(self, config: TeacherConfig) -> None:
        self._window = config.failing_window
        self._share = config.failing_share
        self._reasons: deque[str] = deque(maxlen=self._window)  # of the last rollouts; empty for one that went well
        self._went_well = self._window is None

    @property
    def room(self) -> int:
        """How many more rollouts may be begun: as many as the window lacks, until one went well."""
        return sys.maxsize if self._went_well or self._window is None else max(self._window - len(self._reasons), 1)

    def note(self, offspring: Offspring) -> str:
        """Note how a rollout went, and return why the run should stop: an empty string while it should go on."""
        verdict = offspring.verdict
        if offspring.blueprint is None or verdict is None or self._window is None or offspring.replayed:
            return ""
        first = verdict.reasons[0] if verdict.reasons else None
        self._reasons.append("" if verdict.accepted or first is None else str(first))
        self._went_well = self._went_well or verdict.accepted
        failed = [reason for reason in self._reasons if reason]
        if len(self._reasons) < self._window or len(failed) < self._share * self._window:
            return ""
        reason, count = Counter(failed).most_common(1)[0]
        return (
            f"failing: {len(failed)} of the last {self._window} rollouts failed; {count} of them with "
            f"{shorten(reason, 200)} (teacher.failing_window)"
        )

"""Verify the recordings of a file: the checks of `tdlab.verify`, and the contradictions that `tdlab.quality` finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from tdlab.formats import Recording
from tdlab.quality import Contradiction, find_contradictions
from tdlab.verify import (
    Finding,
    RecordedCheck,
    RecordingContext,
    RecordingVerdict,
    VerdictTally,
    VerificationReport,
    failed,
    not_known,
    verify_recording,
)

__all__ = ["WORLD_CHECKS", "verdicts_on", "verify_recordings"]

_ECHO = "answer"  # the kind of contradiction between what was asked for and what was returned
_NO_STRUCTURE = "no result is structured"


def verdicts_on(recordings: Iterable[Recording]) -> Iterator[RecordingVerdict]:
    """Yield the verdict on each recording, by every check that it has the information for.

    Args:
        recordings: Recordings, such as the ``recordings`` of `scan_trajectories`.

    Yields:
        One verdict for each, in order.

    Example:
        >>> from tdlab.formats import scan_trajectories
        >>> stream = scan_trajectories("runs/first/dataset.jsonl")
        >>> sum(verdict.accepted for verdict in verdicts_on(stream.recordings))
        12
    """
    for recording in recordings:
        yield verify_recording(
            recording.trajectory,
            recording.tools,
            policy=recording.policy,
            reward=recording.reward,
            checks=WORLD_CHECKS,
        )


def verify_recordings(
    recordings: Iterable[Recording], *, on_verdict: Callable[[RecordingVerdict], None] | None = None
) -> VerificationReport:
    """Verify recordings one by one and count their verdicts; memory stays flat.

    Args:
        recordings: Recordings, such as the ``recordings`` of `scan_trajectories`.
        on_verdict: Called with each verdict, such as to write it to a file.

    Returns:
        The counts by check, with reasons, and how the verdicts line up with recorded rewards.

    Example:
        >>> from tdlab.formats import scan_trajectories
        >>> stream = scan_trajectories("runs/first/dataset.jsonl")
        >>> verify_recordings(stream.recordings).trajectories
        12
    """
    tally = VerdictTally()
    for verdict in verdicts_on(recordings):
        tally.add(verdict)
        if on_verdict is not None:
            on_verdict(verdict)
    return tally.report()


def _check_echo(context: RecordingContext) -> Finding | None:
    """Check that a result about one thing is about the thing that was asked for."""
    return _first(context, lambda contradiction: contradiction.kind == _ECHO)


def _check_world(context: RecordingContext) -> Finding | None:
    """Check that results do not contradict themselves or each other."""
    return _first(context, lambda contradiction: contradiction.kind != _ECHO)


def _first(context: RecordingContext, counts: Callable[[Contradiction], bool]) -> Finding | None:
    contradictions = find_contradictions(context.trajectory, context.tools)
    if contradictions is None:
        return not_known(_NO_STRUCTURE) if context.calls else None
    return next((failed(f"{c.kind}: {c.text}") for c in contradictions if counts(c)), None)


WORLD_CHECKS: Mapping[str, RecordedCheck] = {"echo": _check_echo, "world": _check_world}
"""The checks of results against calls and against each other, by name."""

"""Run every check on a recording of others."""

from __future__ import annotations

from collections.abc import Mapping

from tdlab.config import VerifyConfig
from tdlab.records import Tool, Trajectory
from tdlab.verify._recording_calls import (
    check_arguments,
    check_guesses,
    check_offer,
    check_results,
    check_retries,
    check_schema,
)
from tdlab.verify._recording_sources import check_sources
from tdlab.verify._recording_words import check_consent, check_ending, check_errors_reported, check_roles
from tdlab.verify.recording import CheckResult, RecordedCheck, RecordingContext, RecordingVerdict

__all__ = ["RECORDED_CHECKS", "verify_recording"]

RECORDED_CHECKS: Mapping[str, RecordedCheck] = {
    "arguments": check_arguments,
    "offer": check_offer,
    "schema": check_schema,
    "results": check_results,
    "roles": check_roles,
    "ending": check_ending,
    "grounding": check_sources,
    "retries": check_retries,
    "errors_reported": check_errors_reported,
    "consent": check_consent,
    "guesses": check_guesses,
}
"""The checks of recordings by name, in the order in which they run."""


def verify_recording(
    trajectory: Trajectory,
    tools: Mapping[str, Tool] | None = None,
    *,
    policy: str = "",
    reward: float | None = None,
    checks: Mapping[str, RecordedCheck] = {},
    config: VerifyConfig | None = None,
) -> RecordingVerdict:
    """Check a conversation that has no plan, world or receipts, as far as its information goes.

    Args:
        trajectory: The conversation.
        tools: The definitions of tools that the recording has, by key.
        policy: The assistant's instructions, where no message holds them.
        reward: The benchmark's own verdict, to be kept beside this one.
        checks: More checks, by name; they run after `RECORDED_CHECKS`.
        config: Thresholds; by default ``VerifyConfig()``.

    Returns:
        The verdict: each check with its state and reason.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> talk = (Message(role="user", content="Hi"), Message(role="assistant", content="Good morning."))
        >>> verify_recording(Trajectory(id="t", messages=talk)).accepted
        True
    """
    context = RecordingContext(trajectory, tools or {}, policy, config or VerifyConfig())
    results: list[CheckResult] = []
    for name, check in (*RECORDED_CHECKS.items(), *checks.items()):
        finding = check(context)
        if finding is None:
            result = CheckResult(name=name, state="passed")
        else:
            result = CheckResult(name=name, state=finding.state, reason=finding.reason, message=finding.message)
        results.append(result)
    return RecordingVerdict(trajectory=trajectory.id, checks=tuple(results), reward=reward)

"""The agents' prompts: files with a version in their name, so that a changed prompt is a new file.

A prompt is part of each request's key, so replies to an older version are never reused for a newer one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tdlab.config import TeacherRole

__all__ = ["VERSIONS", "prompt"]

VERSIONS: dict[TeacherRole, str] = {
    "author": "author.v1",
    "proposer": "proposer.v2",
    "user": "user.v2",
    "assistant": "assistant.v2",
    "environment": "environment.v2",
    "committee": "committee.v2",
}
"""The current prompt of each role."""


@cache
def prompt(role: TeacherRole) -> str:
    """Read the prompt of a role.

    Args:
        role: A role that a model can play, such as ``"user"``.

    Returns:
        The text of the system message, with placeholders such as ``{{intent}}``.

    Example:
        >>> prompt("committee").splitlines()[0][:28]
        'You are one of several judge'
    """
    return Path(__file__).with_name(f"{VERSIONS[role]}.md").read_text(encoding="utf-8")

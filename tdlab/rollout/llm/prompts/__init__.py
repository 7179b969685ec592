"""The agents' prompts: files with a version in their name, so that a changed prompt is another file.

A prompt is part of each request's content, so replies to an older version are never taken for those to a newer one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tdlab.config import TeacherRole

__all__ = ["VERSIONS", "prompt"]

VERSIONS: dict[TeacherRole, str] = {
    "writer": "writer.v1",
    "user": "user.v1",
    "assistant": "assistant.v1",
    "environment": "environment.v1",
    "inspector": "inspector.v1",
    "judge": "judge.v1",
}
"""The prompt that each role has now."""


@cache
def prompt(role: TeacherRole) -> str:
    """The text of a role's prompt; ``{{name}}`` marks what is filled in."""
    return Path(__file__).with_name(f"{VERSIONS[role]}.md").read_text(encoding="utf-8")

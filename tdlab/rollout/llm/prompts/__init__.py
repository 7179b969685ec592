"""The agents' prompts: files with a version in their name, so that a changed prompt is a new file.

A prompt is part of each request's key, so replies to an older version are never reused for a newer one.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from tdlab.config import TeacherRole

__all__ = ["VERSIONS", "example_turns", "prompt"]

_EXAMPLE = re.compile(r"^--- (task|reply)\n", re.MULTILINE)

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
    return _EXAMPLE.split(_text(role), maxsplit=1)[0].rstrip() + "\n"


@cache
def example_turns(role: TeacherRole) -> tuple[tuple[str, str], ...]:
    """Read the worked example of a prompt, which is sent as turns before the task itself.

    A small model that finds the example in its instructions repeats it instead of doing the task.

    Args:
        role: A role that a model can play.

    Returns:
        The sender, ``"user"`` or ``"assistant"``, and the text of each turn; empty if the example is in the prompt.

    Example:
        >>> [sender for sender, _ in example_turns("proposer")]
        ['user', 'assistant']
    """
    _, *parts = _EXAMPLE.split(_text(role))
    senders = {"task": "user", "reply": "assistant"}
    return tuple(
        (senders[kind], text.strip()) for kind, text in zip(parts[::2], parts[1::2], strict=True)
    )  # fmt: skip


def _text(role: TeacherRole) -> str:
    return Path(__file__).with_name(f"{VERSIONS[role]}.md").read_text(encoding="utf-8")

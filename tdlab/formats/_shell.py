"""Outputs of commands: the text that the command printed, and whether it failed by its exit code."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from tdlab.formats._json import text_of
from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["Output", "exit_code_in", "shell_output"]

_HEADER = re.compile(
    r"\A(?:Chunk ID: .*\n|Wall time: .*\n)*(?:Exit code: (-?\d+)\n|Process exited with code (-?\d+)\n)", re.IGNORECASE
)
_RETURNCODE = re.compile(r"<returncode>\s*(-?\d+)\s*</returncode>|<exit_code>\s*(-?\d+)\s*</exit_code>")


class Output(NamedTuple):
    """The output of a command: its content, and whether it failed; None where no exit code says so."""

    content: Json
    failed: bool | None


def shell_output(content: Json) -> Output:
    """Return the output of a command as an agent's harness recorded it.

    Known forms: ``{"output": ..., "metadata": {"exit_code": 1}}`` as a value or JSON text (Codex), a text under the
    line "Exit code: 1" (Codex), a list of ``{"stdout", "stderr", "outcome"}`` (the Responses API's shell). Any other
    content is returned as it is.
    """
    if isinstance(content, str):
        header = _HEADER.match(content)
        if header is not None:
            return Output(content, int(header[1] or header[2]) != 0)
        if not content.lstrip().startswith('{"') or not ('"metadata"' in content or "\\u" in content):
            return Output(content, None)
        try:
            value = read_json(content)
        except ValueError:
            return Output(content, None)
    else:
        value = content
    if isinstance(value, dict) and set(value) == {"output", "metadata"} and isinstance(value["metadata"], dict):
        code = value["metadata"].get("exit_code")
        if isinstance(code, int):
            return Output(value["output"], code != 0)
    if isinstance(value, list) and value and all(isinstance(entry, dict) and "stdout" in entry for entry in value):
        texts = [text_of(entry.get(key)) for entry in value for key in ("stdout", "stderr") if entry.get(key)]
        outcomes = [_outcome_failed(entry.get("outcome")) for entry in value]
        failed = None if all(outcome is None for outcome in outcomes) else any(outcomes)
        return Output("\n".join(texts), failed)
    return Output(content, None)


def _outcome_failed(outcome: Any) -> bool | None:
    if not isinstance(outcome, dict):
        return None
    code = outcome.get("exit_code")
    return code != 0 if isinstance(code, int) else outcome.get("type") == "timeout" or None


def exit_code_in(text: str) -> int | None:
    """Return the exit code that a text states in a tag (``<returncode>``); None where there is none."""
    match = _RETURNCODE.search(text[:400])
    return None if match is None else int(match[1] or match[2])

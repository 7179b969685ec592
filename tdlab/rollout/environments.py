"""The interface of every environment, the results of calls, and their receipts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from tdlab.records import Blueprint, Execution, Failure, Json, Tool, canonical_json

__all__ = ["Environment", "ToolResult", "failures_of", "receipt", "sha256_of"]


class ToolResult(NamedTuple):
    """The result of a call: whether it succeeded, the text of the tool message, and the executor's receipt."""

    ok: bool
    text: str
    execution: Execution


class Environment(Protocol):
    """Executes the calls of one rollout and holds its state. ``name`` goes into the trajectory."""

    name: str

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call. A failure of the tool is a result with ``ok`` false, never an exception."""
        ...

    def changes(self) -> dict[str, dict[str, Json]]:
        """Return what the calls changed: entity -> identifier (as text) -> fields; None for a deleted entity."""
        ...


def receipt(
    call_id: str, tool: Tool, executor: str, arguments: Mapping[str, Json], text: str, *, ok: bool
) -> Execution:
    """Return the receipt of one call: digests of its arguments and result, and the executor's name."""
    return Execution(
        call_id=call_id,
        tool=tool.key,
        executor=executor,
        ok=ok,
        arguments_sha256=sha256_of(canonical_json(dict(arguments))),
        result_sha256=sha256_of(text),
    )


def failures_of(blueprint: Blueprint) -> dict[tuple[str, int], Failure]:
    """Return the planned failures: (tool key, number of earlier calls of that tool) -> failure."""
    counts: dict[str, int] = {}
    failures: dict[tuple[str, int], Failure] = {}
    for step, _, call in blueprint.calls():
        count = counts.get(call.tool, 0)
        if step.failure is not None:
            failures[call.tool, count] = step.failure
            count += 1  # the retry
        counts[call.tool] = count + 1
    return failures


def sha256_of(text: str) -> str:
    """Return the SHA-256 of a text, which may contain lone surrogates.

    Args:
        text: Any text; its digest is that of its UTF-8.

    Returns:
        64 hex digits.

    Example:
        >>> sha256_of("")[:16]
        'e3b0c44298fc1c14'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

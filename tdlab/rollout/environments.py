"""What executes a call: the interface of every environment, its results and its receipts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from tdlab.records import Blueprint, Execution, Failure, Json, Tool, canonical_json

__all__ = ["Environment", "ToolResult", "failures_of", "receipt", "sha256_of"]


class ToolResult(NamedTuple):
    """What a call gave: whether it went well, the text for the conversation, and the executor's receipt."""

    ok: bool
    text: str
    execution: Execution


class Environment(Protocol):
    """Executes calls and holds state. One environment serves one rollout."""

    name: str

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call. A tool's own failure is a result with ``ok`` false, never an exception."""
        ...

    def changes(self) -> dict[str, dict[str, Json]]:
        """What the calls changed: entity, identifier (as text), fields; null for an entity that is gone."""
        ...


def receipt(
    call_id: str, tool: Tool, executor: str, arguments: Mapping[str, Json], text: str, *, ok: bool
) -> Execution:
    """The receipt that an executor leaves for one call."""
    return Execution(
        call_id=call_id,
        tool=tool.key,
        executor=executor,
        ok=ok,
        arguments_sha256=sha256_of(canonical_json(dict(arguments))),
        result_sha256=sha256_of(text),
    )


def failures_of(blueprint: Blueprint) -> dict[tuple[str, int], Failure]:
    """Where failures are injected: (tool key, how many calls of that tool came before) -> failure."""
    seen: dict[str, int] = {}
    planned: dict[tuple[str, int], Failure] = {}
    for step, _, call in blueprint.calls():
        count = seen.get(call.tool, 0)
        if step.failure is not None:
            planned[call.tool, count] = step.failure
            count += 1  # the retry
        seen[call.tool] = count + 1
    return planned


def sha256_of(text: str) -> str:
    """The hex SHA-256 of a text, lone surrogates included."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

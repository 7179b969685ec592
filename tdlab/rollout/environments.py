"""The interface of every environment, the results of calls, and their receipts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from tdlab.records import Blueprint, Execution, Failure, Json, Tool, canonical_json
from tdlab.registry import Registry

__all__ = [
    "ENVIRONMENTS",
    "Environment",
    "EnvironmentFactory",
    "ToolResult",
    "failures_of",
    "receipt",
    "sha256_of",
]


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


class EnvironmentFactory(Protocol):
    """Make the environment of one rollout: usually the class of the environment itself.

    Attributes:
        name: The name of the environment, in trajectories and receipts.
        replayable: Whether the same calls give the same results in a second environment. Then verification executes
            them again, and compares the end state with what the blueprint promises.
        external: Whether values exist outside tdlab. Then none are invented, no failure is injected, and only what a
            tool declares to return is passed on to other tools.
    """

    name: str
    replayable: bool
    external: bool

    def __call__(self, blueprint: Blueprint, tools: Mapping[str, Tool], /) -> Environment:
        """Return an environment for a blueprint; ``tools`` holds every tool that it offers, by key."""
        ...


ENVIRONMENTS: Registry[EnvironmentFactory] = Registry(
    "tdlab.environments",
    "environment",
    setting="rollout.environment",
    valid=lambda name, value: (
        ""
        if callable(value) and getattr(value, "name", "") == name and {"replayable", "external"} <= set(dir(value))
        else f"a class with the attributes name = {name!r}, replayable and external"
    ),
)
"""The environments that can execute calls."""


def receipt(
    call_id: str, tool: Tool, executor: str, arguments: Mapping[str, Json], text: str, *, ok: bool
) -> Execution:
    """Return the receipt of one call: digests of its arguments and result, and the executor's name.

    Args:
        call_id: The id of the call.
        tool: The tool that was called.
        executor: The environment's name, alone or with a colon and more behind it.
        arguments: The arguments as they were executed.
        text: The result as it goes into the conversation.
        ok: Whether the call succeeded.

    Returns:
        The receipt, which verification compares with the conversation.

    Example:
        >>> from tdlab.records import Tool
        >>> tool = Tool(service="clock", name="now", input_schema={"type": "object"})
        >>> receipt("call_1", tool, "simulated", {}, "nine", ok=True).tool
        'clock/now'
    """
    return Execution(
        call_id=call_id,
        tool=tool.key,
        executor=executor,
        ok=ok,
        arguments_sha256=sha256_of(canonical_json(dict(arguments))),
        result_sha256=sha256_of(text),
    )


def failures_of(blueprint: Blueprint) -> dict[tuple[str, int], Failure]:
    """Return the failures that a blueprint plans.

    Args:
        blueprint: The plan.

    Returns:
        (Tool key, number of earlier calls of that tool in the rollout) -> the failure of that call.

    Example:
        >>> from tdlab.clusters import mine
        >>> from tdlab.blueprints import plan
        >>> from tdlab.pool import ToolPool
        >>> pool = ToolPool.bundled().subset(services=["hearthwren_rooms"])
        >>> failures_of(plan(mine(pool).clusters[0], pool.tools, seed=1))
        {}
    """
    counts: dict[str, int] = {}
    failures: dict[tuple[str, int], Failure] = {}
    for step, _, call in blueprint.calls():
        count = counts.get(call.tool, 0)
        if step.failure is not None and step.failure.recovery == "retry":
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

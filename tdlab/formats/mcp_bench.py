"""mcp-bench results: runs of an agent over real MCP servers, each call with its arguments and its response."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from tdlab.formats._parts import RawCall, RawResult
from tdlab.formats.base import ConversationBuilder, Format, Item, Recording, Unreadable, name_of
from tdlab.records import Json, Trajectory

__all__ = ["MCP_BENCH"]

_RUNNER_NOTE = "__intent"
"""A note that this runner adds to arguments and removes before it calls the tool."""


def _unpack(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("execution_results"), list):
        return iter([Item("", value)])
    if not isinstance(value.get("task_run_results"), dict):
        return None
    return (
        Item(f"{model}[{index}]", run if isinstance(run, dict) else {}, {"model": model})
        for model, runs in value["task_run_results"].items()
        for index, run in enumerate(runs if isinstance(runs, list) else [])
    )


def _read(item: Item, fallback: str) -> Recording:
    """Read a run: the calls of one round are one assistant message, and the service is the server.

    The runner's own tools have no service. The task's text is often not in the file; then the conversation starts with
    the first calls and the user says nothing. The solution is the closing reply.
    """
    results = item.value.get("execution_results")
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise Unreadable("has no execution_results")
    builder = ConversationBuilder()
    task = item.value.get("task_description", item.value.get("task"))
    if isinstance(task, str) and task:
        builder.say("user", task)
    names: dict[str, str] = {}
    for number, (_, batch) in enumerate(groupby(results, key=lambda result: result.get("round"))):
        _round(list(batch), number, builder, names)
    solution = item.value.get("solution")
    if isinstance(solution, str) and solution:
        builder.say("assistant", solution)
    if not builder.messages:
        raise Unreadable("has no calls and no solution")
    recorded_id = item.value.get("task_id")
    return Recording(
        Trajectory(
            id=recorded_id if isinstance(recorded_id, str) and recorded_id else fallback,
            messages=tuple(builder.messages),
            tools=names,
        ),
        {},
        MCP_BENCH.name,
        notes=builder.notes,
    )


def _round(batch: list[dict[str, Any]], number: int, builder: ConversationBuilder, names: dict[str, str]) -> None:
    calls: list[RawCall] = []
    ids = []
    for index, result in enumerate(batch):
        visible = name_of(result.get("tool"))
        server = result.get("server")
        service = server if isinstance(server, str) else ""
        names[visible] = f"{service}/{visible.partition('__')[2] or visible}" if service else f"/{visible}"
        call_id = result.get("call_id")
        ids.append(call_id if isinstance(call_id, str) and call_id else f"round{number}_{index}")
        arguments = result.get("parameters")
        if isinstance(arguments, dict):
            arguments = {name: value for name, value in arguments.items() if name != _RUNNER_NOTE}
        calls.append(RawCall(ids[-1], visible, arguments))
    builder.call("", calls)
    for call_id, result in zip(ids, batch, strict=True):
        response = result.get("response")
        failed = result.get("success") is False or (isinstance(response, dict) and response.get("isError") is True)
        builder.answer(RawResult(call_id, _response(response), failed))


def _response(response: Json) -> Json:
    """Return what the tool returned; the runner's own tools wrap it in one key."""
    if isinstance(response, dict) and len(response) == 1:
        return next((response[key] for key in ("output", "result") if key in response), response)
    return response


MCP_BENCH = Format("mcp-bench", _unpack, _read, keys=frozenset({"execution_results", "task_run_results"}))

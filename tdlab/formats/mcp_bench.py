"""mcp-bench results: runs of an agent over real MCP servers, every call with its arguments and its response."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from tdlab.formats._json import json_text, text_of
from tdlab.formats.base import ConversationBuilder, Format, Item, Recording, Unreadable, name_of
from tdlab.records import Json, Trajectory

__all__ = ["MCP_BENCH"]

_NOT_THE_TOOLS = "__intent"
"""A note that this runner adds to arguments and takes off again before it calls the tool."""


def _unpack(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("execution_results"), list):
        return iter([Item("", value)])
    if not isinstance(value.get("task_run_results"), dict):
        return None
    return (
        Item(f"{model}[{place}]", run if isinstance(run, dict) else {}, {"model": model})
        for model, runs in value["task_run_results"].items()
        for place, run in enumerate(runs if isinstance(runs, list) else [])
    )


def _read(item: Item, fallback: str) -> Recording:
    """Calls of one round are one assistant message. The service is the server; the runner's own tools have none.

    The task's text is not in the file, so that the conversation opens with the first calls and nothing counts as said
    by the user. The solution is the closing reply.
    """
    results = item.value.get("execution_results")
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise Unreadable("has no execution_results")
    talk = ConversationBuilder()
    task = item.value.get("task_description", item.value.get("task"))
    if isinstance(task, str) and task:
        talk.say("user", task)
    names: dict[str, str] = {}
    for number, (_, batch) in enumerate(groupby(results, key=lambda result: result.get("round"))):
        _round(list(batch), number, talk, names)
    solution = item.value.get("solution")
    if isinstance(solution, str) and solution:
        talk.say("assistant", solution)
    if not talk.messages:
        raise Unreadable("has no calls and no solution")
    given = item.value.get("task_id")
    return Recording(
        Trajectory(
            id=given if isinstance(given, str) and given else fallback, messages=tuple(talk.messages), tools=names
        ),
        {},
        MCP_BENCH.name,
    )


def _round(batch: list[dict[str, Any]], number: int, talk: ConversationBuilder, names: dict[str, str]) -> None:
    calls: list[tuple[str | None, str, Json]] = []
    ids = []
    for place, result in enumerate(batch):
        visible = name_of(result.get("tool"))
        server = result.get("server")
        service = server if isinstance(server, str) else ""
        names[visible] = f"{service}/{visible.partition('__')[2] or visible}" if service else f"/{visible}"
        given = result.get("call_id")
        ids.append(given if isinstance(given, str) and given else f"round{number}_{place}")
        arguments = result.get("parameters")
        if isinstance(arguments, dict):
            arguments = {name: value for name, value in arguments.items() if name != _NOT_THE_TOOLS}
        calls.append((ids[-1], visible, arguments))
    talk.call("", calls)
    for call_id, result in zip(ids, batch, strict=True):
        response = result.get("response")
        failed = result.get("success") is False or (isinstance(response, dict) and response.get("isError") is True)
        talk.result(call_id, _response(response), failed=failed)


def _response(response: Json) -> str:
    if isinstance(response, dict):
        if isinstance(response.get("content"), list):
            return text_of(response["content"])
        for key in ("output", "result"):
            if key in response and len(response) == 1:
                return text_of(response[key])
    return response if isinstance(response, str) else json_text(response)


MCP_BENCH = Format("mcp-bench", _unpack, _read)

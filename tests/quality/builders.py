"""Build short conversations for the tests of this folder."""

from __future__ import annotations

import json
from typing import Any

from tdlab.quality import Measure, measure_quality
from tdlab.records import Execution, Message, Tool, ToolCall, Trajectory

Turn = str | list[tuple[Any, ...]]


def tool(key: str, description: str = "", **parameters: str) -> Tool:
    """Build a tool; ``parameters`` maps names to their descriptions."""
    service, _, name = key.rpartition("/")
    properties = {parameter: {"type": "string", "description": text} for parameter, text in parameters.items()}
    schema = {"type": "object", "properties": properties}
    return Tool(service=service, name=name, description=description, input_schema=schema)


def talk(
    *turns: Turn, id: str = "t", service: str = "shop", offered: tuple[str, ...] = (), executors: tuple[str, ...] = ()
) -> Trajectory:
    """Build a trajectory. Text turns start with ``u:``, ``a:`` or ``s:``; a list is one assistant message of calls.

    A call is ``(name, arguments, result)``: an Exception is an error, None leaves no result, and a name with a slash
    names its service.
    """
    messages: list[Message] = []
    names = {name.rpartition("/")[2]: name if "/" in name else f"{service}/{name}" for name in offered}
    roles = {"u": "user", "a": "assistant", "s": "system"}
    number = 0
    for turn in turns:
        if isinstance(turn, str):
            messages.append(Message(role=roles[turn[0]], content=turn[2:]))
            continue
        calls, answers = [], []
        for name, arguments, result in turn:
            number += 1
            plain = name.rpartition("/")[2]
            names[plain] = name if "/" in name else f"{service}/{name}".removeprefix("/")
            calls.append(ToolCall(id=f"c{number}", name=plain, arguments=arguments))
            if result is not None:
                failed = isinstance(result, Exception)
                text = str(result) if failed or isinstance(result, str) else json.dumps(result)
                answers.append(Message(role="tool", content=text, tool_call_id=f"c{number}", is_error=failed))
        messages.append(Message(role="assistant", tool_calls=tuple(calls)))
        messages.extend(answers)
    executions = tuple(
        Execution(call_id=f"c{index}", tool="t", executor=executor, ok=True, arguments_sha256="", result_sha256="")
        for index, executor in enumerate(executors, start=1)
    )
    return Trajectory(id=id, messages=tuple(messages), tools=names, executions=executions)


def measured(name: str, *trajectories: Trajectory, tools: tuple[Tool, ...] = ()) -> Measure:
    """Return one measure of a set."""
    return measure_quality(trajectories, {tool.key: tool for tool in tools}).measures[name]


def found(name: str, *turns: Turn, tools: tuple[Tool, ...] = (), **options: Any) -> tuple[int | None, int]:
    """Return how often a measure finds its fault in one conversation, and in how many places it looked."""
    measure = measured(name, talk(*turns, **options), tools=tools)
    return measure.count, measure.n

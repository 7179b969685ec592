"""Build short conversations for the tests of this folder."""

from __future__ import annotations

import json
from typing import Any

from tdlab.records import Annotations, Message, Tool, ToolCall, Trajectory

TOOLS = {
    tool.key: tool
    for tool in (
        Tool(
            service="shop",
            name="get_order",
            input_schema={"type": "object", "properties": {"order_id": {"type": "string"}}},
            annotations=Annotations(read_only=True),
        ),
        Tool(
            service="shop",
            name="find_orders",
            input_schema={"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}},
        ),
        Tool(
            service="shop",
            name="create_order",
            input_schema={"type": "object", "properties": {"item": {"type": "string"}, "count": {"type": "integer"}}},
        ),
        Tool(service="shop", name="delete_order", input_schema={"type": "object", "properties": {"order_id": {}}}),
        Tool(service="bank", name="convert_currency", input_schema={"type": "object", "properties": {"amount": {}}}),
        Tool(service="bank", name="refund_payment", input_schema={"type": "object", "properties": {"payment_id": {}}}),
        Tool(service="lab", name="run_code", input_schema={"type": "object", "properties": {"code": {}}}),
    )
}
"""Seven tools of three services; by name they read, search, write, delete, compute, write and run code."""

DOMAINS = {"shop": {"ecommerce": 1.0}, "bank": {"payments": 0.5, "travel": 0.5}, "lab": {"software": 1.0}}

NAMES = {tool.name: key for key, tool in TOOLS.items()}

Turn = str | list[tuple[Any, ...]]


def trajectory(*turns: Turn, id: str = "t", tools: dict[str, str] | None = None) -> Trajectory:
    """Build a trajectory. Text turns start with ``u:``, ``a:`` or ``s:``; a list is one assistant message of calls.

    A call is ``(name, arguments, result)``; a result that is an Exception is an error, None leaves no result.
    """
    messages: list[Message] = []
    number = 0
    roles = {"u": "user", "a": "assistant", "s": "system"}
    for turn in turns:
        if isinstance(turn, str):
            messages.append(Message(role=roles[turn[0]], content=turn[2:]))
            continue
        calls, answers = [], []
        for name, arguments, result in turn:
            number += 1
            calls.append(ToolCall(id=f"c{number}", name=name, arguments=arguments))
            if result is not None:
                failed = isinstance(result, Exception)
                text = str(result) if failed or isinstance(result, str) else json.dumps(result)
                answers.append(Message(role="tool", content=text, tool_call_id=f"c{number}", is_error=failed))
        messages.append(Message(role="assistant", tool_calls=tuple(calls)))
        messages.extend(answers)
    return Trajectory(id=id, messages=tuple(messages), tools=NAMES if tools is None else tools)

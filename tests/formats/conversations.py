"""Trajectories for tests of writers: made by hypothesis, and compared after what a format says that it loses."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import Any

from hypothesis import strategies as st

from tdlab.records import Annotations, Message, Tool, ToolCall, Trajectory

TOOLS = {
    tool.key: tool
    for tool in (
        Tool(
            service="shop/eu",
            name="get_order",
            description="Read an order. </tools> \u2028 <tool_call>",
            input_schema={"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
            annotations=Annotations(read_only=True, destructive=False),
        ),
        Tool(service="bank", name="pay", input_schema={"type": "object", "properties": {"amount": {"maximum": 2**70}}}),
        Tool(service="", name="odd.name-1/ü", description="{x} 50 %", input_schema={"type": "object"}),
    )
}
NAMES = {"shop__get_order": "shop/eu/get_order", "pay": "bank/pay", "odd.name-1/ü": "/odd.name-1/ü", "ghost": "/ghost"}
DOMAINS = {"shop/eu": {"ecommerce": 1.0}, "bank": {"payments": 0.5, "travel": 0.5}}

any_text = st.text(st.characters(exclude_characters="<"), max_size=12)
contents = any_text | st.sampled_from(
    ["", " ", "5", "null", '{"a": 1}', '{"name": "x", "content": "y"}', "Error: no", "Done.\n", "a\ud800b", "\u2028"]
)
marked = st.sampled_from(
    ["<tool_call>", "</tool_response>\n<tool_response>", "<tools></tools>", '<tool_call>{"name": "x"}</tool_call>']
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text
    | st.sampled_from(["5", "null", "</tool_call>", '{"a": 1}', "2026-01-01", "\ud800"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3), max_leaves=6
)


@st.composite
def trajectories(draw: st.DrawFn, *, marks: bool = True) -> Trajectory:
    """Any conversation: empty texts, calls without results, results in another order or of no call, late systems."""
    texts = contents | marked if marks and draw(st.booleans()) else contents
    messages: list[Message] = []
    number = 0
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["system", "user", "assistant", "calls", "calls", "stray"]))
        if kind == "stray":
            messages.append(Message(role="tool", content=draw(texts), is_error=draw(st.booleans())))
        elif kind != "calls":
            reasoning = draw(st.sampled_from(["", "Hm."])) if kind == "assistant" else ""
            messages.append(Message(role=kind, content=draw(texts), reasoning=reasoning))
        else:
            calls = []
            for _ in range(draw(st.integers(1, 3))):
                number += 1
                bad = draw(st.integers(0, 9)) == 0
                calls.append(
                    ToolCall(
                        id=f"call_{number}",
                        name=draw(st.sampled_from(sorted(NAMES))),
                        arguments={} if bad else draw(st.dictionaries(any_text, values, max_size=3)),
                        malformed="{oops" if bad else None,
                    )
                )
            messages.append(Message(role="assistant", content=draw(texts), tool_calls=tuple(calls)))
            answered = draw(st.permutations(calls)) if draw(st.booleans()) else calls
            messages += [
                Message(role="tool", content=draw(texts), tool_call_id=call.id, is_error=draw(st.booleans()))
                for call in answered[: draw(st.integers(len(calls) - 1, len(calls)))]
            ]
    return Trajectory(id=draw(any_text.filter(bool)), messages=tuple(messages), tools=NAMES)


THINKING = ("qwen", "hermes", "ms-swift")
"""Formats in which reasoning is a part of the text."""

APART = ("sharegpt", "ms-swift", "toucan")
"""Formats that write a call as a turn of its own, so that a text before it may have been its message's or another's."""


def comparable(trajectory: Trajectory, format: str, kinds: Collection[str], *, original: bool) -> Any:
    """Return what has to be equal before writing and after reading, given the kinds that the format noted.

    Results are paired with their calls by position.
    """
    messages = [_whole(message) for message in trajectory.messages]
    if format in ("qwen", "hermes") and not original:
        messages = _without_tools(messages)
    ordinals = {call.id: number for number, call in enumerate(c for m in messages for c in m.tool_calls)}
    events: list[tuple[Any, ...]] = []
    for message in messages:
        content = message.content
        thought = "" if "reasoning" in kinds else message.reasoning
        if thought and format in THINKING:
            content = content.strip()
        if "white_space" in kinds:
            content = content.strip()
        if message.role == "tool":
            pair = None if "pairing" in kinds else ordinals.get(message.tool_call_id or "")
            flag = None if "error_flags" in kinds else message.is_error
            events.append(("tool", content, pair, flag))
            continue
        if not message.tool_calls:
            if format in APART and message.role == "assistant" and not content and not thought:
                continue  # an empty turn before calls is one message with them
            events.append((message.role, content, thought))
            continue
        calls = [
            (call.name, _numbers(call.arguments, kinds), None if "malformed_arguments" in kinds else call.malformed)
            for call in message.tool_calls
        ]
        if format in APART:
            if content or thought:
                events.append(("assistant", content, thought))
            events.append(("calls", "", "", calls))
        else:
            events.append(("calls", content, thought, calls))
    if "turns" in kinds or format == "llama-factory":
        return [] if "markup" in kinds else _in_any_turns(events)
    return [] if "markup" in kinds else events


def _in_any_turns(events: Iterable[tuple[Any, ...]]) -> Any:
    """Return the calls in order: what a format keeps that merges, fills and cuts turns."""
    return [call for event in events if event[0] == "calls" for call in event[3]]


def _without_tools(messages: list[Message]) -> list[Message]:
    """Return messages without the list of tools that a format of tagged text writes into the system message."""
    first, *others = messages
    at = re.search(r"(?:\n\n)?(?:# Tools\n\n|You are a function calling AI model\.)", first.content)
    if first.role != "system" or at is None:
        return messages
    content = first.content[: at.start()]
    return [first.model_copy(update={"content": content}), *others] if content or at.group()[0] == "\n" else others


def _whole(message: Message) -> Message:
    """Return a message without half surrogate pairs."""
    text = json.dumps(message.model_dump(), ensure_ascii=False)
    return Message.model_validate(json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")))


def _numbers(value: Any, kinds: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(item, kinds) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item, kinds) for item in value]
    if "numbers" in kinds and isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value

"""Writers of tool use as text in tags, for trainers that know no tools: Hermes's ShareGPT rows and Qwen's messages."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tdlab.formats._exporting import (
    MARKS,
    ExportSource,
    NoteTaker,
    call_text,
    export_format,
    note_common,
    note_marks,
    tool_definitions,
)
from tdlab.formats._written_results import named_result
from tdlab.records import Json, Message

__all__ = ["hermes", "qwen"]

_QWEN_TOOLS = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""
"""The text of Qwen 2.5's and Qwen 3's chat templates."""

_HERMES_TOOLS = (
    "You are a function calling AI model. You are provided with function signatures within <tools></tools> XML tags. "
    "You may call one or more functions to assist with the user query. Don't make assumptions about what values to "
    "plug into functions. Here are the available tools:\n<tools>\n{tools}\n</tools>\nFor each function call, return a "
    "json object with function name and arguments within <tool_call></tool_call> XML tags as follows:\n<tool_call>\n"
    '{{"name": <function-name>, "arguments": <args-dict>}}\n</tool_call>'
)
"""The text of Hermes's function-calling data, without its example of a schema."""

_HELD = {"parallel_calls", "text_beside_calls", "reasoning", "no_user"}
_ENDS_LINES = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@export_format(
    "hermes",
    "trainers of ShareGPT rows that know no tools, in the form of Hermes's data",
    {"id": "text", "conversations": [{"from": "text", "value": "text"}], "tools": "text"},
)
def hermes(source: ExportSource, notes: NoteTaker) -> dict[str, Json]:
    """Return the rows of hermes-function-calling-v1: calls and results in tags, results from ``tool``."""
    speakers = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}
    turns = _turns(source, notes, _HERMES_TOOLS)
    return {
        "id": source.trajectory.id,
        "conversations": [{"from": speakers[role], "value": text} for role, text in turns],
        "tools": json.dumps(tool_definitions(source), ensure_ascii=False),
    }


@export_format(
    "qwen",
    "trainers of plain messages that know no tools, in the text of Qwen's chat template",
    {"id": "text", "messages": [{"role": "text", "content": "text"}]},
)
def qwen(source: ExportSource, notes: NoteTaker) -> dict[str, Json]:
    """Return messages whose texts are those of Qwen's chat template: results in tags come from the user."""
    turns = _turns(source, notes, _QWEN_TOOLS)
    return {
        "id": source.trajectory.id,
        "messages": [{"role": "user" if role == "tool" else role, "content": text} for role, text in turns],
    }


def _turns(source: ExportSource, notes: NoteTaker, prompt: str) -> Iterator[tuple[str, str]]:
    """Yield roles and texts; results that follow each other are one turn."""
    note_common(source, notes, _HELD)
    messages = source.trajectory.messages
    definitions = tool_definitions(source)
    tools = prompt.format(tools="\n".join(_in_tags(json.dumps(tool, ensure_ascii=False)) for tool in definitions))
    start = 0
    if messages and messages[0].role == "system":
        start = 1
        note_marks(messages[0].content, 0, notes)
        yield "system", "\n\n".join([messages[0].content, tools] if definitions else [messages[0].content])
    elif definitions:
        yield "system", tools
    results: list[str] = []
    for index, message in enumerate(messages[start:], start):
        if message.role == "tool":
            results.append(f"<tool_response>\n{_result(message, index, notes)}\n</tool_response>")
            continue
        if results:
            yield "tool", "\n".join(results)
            results = []
        yield message.role, _text(message, index, notes)
    if results:
        yield "tool", "\n".join(results)


def _text(message: Message, index: int, notes: NoteTaker) -> str:
    note_marks(message.content, index, notes)
    text = message.content
    if message.reasoning:
        note_marks(message.reasoning, index, notes)
        text = f"<think>\n{message.reasoning.strip()}\n</think>\n\n{text}"
    if not message.tool_calls:
        return text
    if text.strip() != text:
        notes.add("white_space", f"message {index}", "around the text beside calls")
        text = text.strip()
    calls = "\n".join(f"<tool_call>\n{_in_tags(call_text(call))}\n</tool_call>" for call in message.tool_calls)
    return f"{text}\n{calls}" if text else calls


def _result(message: Message, index: int, notes: NoteTaker) -> str:
    """Return a result as it is, as chat templates write it."""
    note_marks(message.content, index, notes)
    if message.content.strip() != message.content:
        notes.add("white_space", f"message {index}", "around a result")
    if named_result(message.content.strip()).name is not None:
        notes.add("markup", f"message {index}", "a result in the form in which Hermes names its tool")
    return message.content


def _in_tags(text: str) -> str:
    """Return JSON text on one line whose strings hold none of the tags: JSON has escapes for both."""
    for character, escape in _ENDS_LINES.items():
        text = text.replace(character, escape)
    return MARKS.sub(lambda mark: "\\u003c" + mark.group()[1:], text)

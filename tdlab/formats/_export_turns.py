"""Writers of calls as turns of their own: ShareGPT, LLaMA-Factory, ms-swift, and Toucan's rows."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tdlab.formats._exporting import (
    ExportSource,
    NoteTaker,
    call_text,
    export_format,
    note_common,
    note_marks,
    tool_definitions,
)
from tdlab.records import Json, Message, canonical_json

__all__ = ["llama_factory", "ms_swift", "sharegpt", "toucan"]

_HELD = {"parallel_calls", "no_user"}


def _tools_text(source: ExportSource) -> str:
    return json.dumps(tool_definitions(source), ensure_ascii=False)


def _note_turns(source: ExportSource, notes: NoteTaker) -> None:
    """Note texts with tags, and messages with calls that follow one another: as turns they look like parallel calls."""
    before: Message | None = None
    for index, message in enumerate(source.trajectory.messages):
        note_marks(message.content, index, notes)
        if before is not None and before.tool_calls and message.tool_calls and not message.content:
            notes.add("turns", f"message {index}", "follows other calls without a result between")
        before = message


@export_format(
    "sharegpt",
    "trainers of ShareGPT rows with function_call and observation turns",
    {"id": "text", "conversations": [{"from": "text", "value": "text"}], "tools": "text"},
)
def sharegpt(source: ExportSource, notes: NoteTaker) -> dict[str, Json]:
    """Return ShareGPT rows: one turn for each call, of ``function_call``, and for each result, of ``observation``."""
    note_common(source, notes, _HELD)
    _note_turns(source, notes)
    speakers = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
    turns = []
    for message in source.trajectory.messages:
        if message.content or not message.tool_calls:
            turns.append({"from": speakers[message.role], "value": message.content})
        turns += [{"from": "function_call", "value": call_text(call)} for call in message.tool_calls]
    return {"id": source.trajectory.id, "conversations": turns, "tools": _tools_text(source)}


@export_format(
    "ms-swift",
    "ms-swift, with any of its agent templates",
    {"id": "text", "messages": [{"role": "text", "content": "text"}], "tools": "text"},
)
def ms_swift(source: ExportSource, notes: NoteTaker) -> dict[str, Json]:
    """Return ms-swift's messages: ``tool_call`` and ``tool_response`` turns; it joins text and calls that touch."""
    note_common(source, notes, {*_HELD, "reasoning"})
    _note_turns(source, notes)
    roles = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool_response"}
    turns = []
    for message in source.trajectory.messages:
        text = message.content
        if message.reasoning:
            text = f"<think>\n{message.reasoning.strip()}\n</think>\n\n{text}"
        if text or not message.tool_calls:
            turns.append({"role": roles[message.role], "content": text})
        turns += [{"role": "tool_call", "content": call_text(call)} for call in message.tool_calls]
    return {"id": source.trajectory.id, "messages": turns, "tools": _tools_text(source)}


@export_format(
    "toucan",
    "tools that read Toucan's published rows",
    {"uuid": "text", "messages": "text", "tools": "text", "target_tools": "text"},
)
def toucan(source: ExportSource, notes: NoteTaker) -> dict[str, Json]:
    """Return Toucan's rows: messages as JSON text, one ``function_call`` a message with arguments as JSON text."""
    note_common(source, notes, {*_HELD, "text_beside_calls", "malformed_arguments"})
    _note_turns(source, notes)
    names: dict[str, str] = {}
    messages: list[dict[str, Json]] = []
    for message in source.trajectory.messages:
        if message.role == "tool":
            result: dict[str, Json] = {"role": "function", "content": message.content}
            if message.tool_call_id in names:
                result["name"] = names[message.tool_call_id]
            messages.append(result)
        elif not message.tool_calls:
            messages.append({"role": message.role, "content": message.content})
        for number, call in enumerate(message.tool_calls):
            arguments = canonical_json(call.arguments) if call.malformed is None else call.malformed
            messages.append(
                {
                    "role": "assistant",
                    "content": "" if number else message.content,
                    "function_call": {"name": call.name, "arguments": arguments},
                }
            )
            names[call.id] = call.name
    return {
        "uuid": source.trajectory.id,
        "messages": json.dumps(messages, ensure_ascii=False),
        "tools": _tools_text(source),
        "target_tools": ",".join(dict.fromkeys(call.name for call in source.trajectory.calls())),
    }


# ------------------------------------------------------------------------------------------------------- LLaMA-Factory

_NEXT_RESULT = "\n</tool_response>\n<tool_response>\n"
"""What LLaMA-Factory puts between the results of parallel calls."""


@dataclass
class _Turn:
    speaker: str
    text: str = ""
    calls: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        return self.speaker in ("human", "observation")

    def value(self) -> str:
        if self.speaker != "function_call":
            return self.text
        return self.calls[0] if len(self.calls) == 1 else "[" + ", ".join(self.calls) + "]"


@export_format(
    "llama-factory",
    "LLaMA-Factory, as formatting: sharegpt with the columns messages, system and tools",
    {"id": "text", "conversations": [{"from": "text", "value": "text"}], "system": "text", "tools": "text"},
)
def llama_factory(source: ExportSource, notes: NoteTaker) -> dict[str, Json] | None:
    """Return rows that LLaMA-Factory accepts: it skips a row in which the two sides do not take turns.

    Parallel calls are a list in one ``function_call``, and their results one ``observation``.
    """
    note_common(source, notes, {"parallel_calls", "no_user", "system_messages", "text_beside_calls"})
    system: list[str] = []
    turns: list[_Turn] = []
    for index, message in enumerate(source.trajectory.messages):
        where = f"message {index}"
        note_marks(message.content, index, notes)
        if message.role == "system":
            system.append(message.content)
            if index:
                notes.add("system_messages", where, "moved to the start")
            continue
        if message.tool_calls:
            if message.content:
                notes.add("text_beside_calls", where, "left out")
            turn = _Turn("function_call", calls=tuple(call_text(call) for call in message.tool_calls))
        else:
            speaker = {"user": "human", "assistant": "gpt", "tool": "observation"}[message.role]
            turn = _Turn(speaker, message.content)
        _take_turns(turns, turn, where, notes)
    while turns and turns[-1].asks:
        notes.add("turns", f"last {turns[-1].speaker}", "left out: no answer follows")
        turns.pop()
    if not turns:
        notes.add("left_out")
        return None
    return {
        "id": source.trajectory.id,
        "conversations": [{"from": turn.speaker, "value": turn.value()} for turn in turns],
        "system": "\n\n".join(system),
        "tools": _tools_text(source),
    }


def _take_turns(turns: list[_Turn], turn: _Turn, where: str, notes: NoteTaker) -> None:
    """Add a turn so that the sides alternate."""
    before = turns[-1] if turns else None
    if before is None:
        if not turn.asks:
            notes.add("turns", where, "an empty human turn is put before it")
            turns.append(_Turn("human"))
    elif before.asks and turn.asks:
        if before.speaker == turn.speaker == "observation":
            if any(text.strip() != text for text in (before.text, turn.text)):
                notes.add("white_space", where, "around results that are joined")
            before.text += _NEXT_RESULT + turn.text
        else:
            notes.add("turns", where, f"joined to the {before.speaker} turn before it")
            before.text += "\n\n" + turn.text
        return
    elif not before.asks and not turn.asks:
        if before.speaker == turn.speaker == "function_call":
            notes.add("turns", where, "joined to the calls before it")
            before.calls += turn.calls
            return
        if before.speaker == turn.speaker:
            notes.add("turns", where, "joined to the gpt turn before it")
            before.text += "\n\n" + turn.text
            return
        if before.speaker == "gpt":
            notes.add("text_beside_calls", where, "the text before its calls is left out")
            turns[-1] = turn
            return
        notes.add("turns", where, "an empty observation is put before it")
        turns.append(_Turn("observation"))
    turns.append(turn)

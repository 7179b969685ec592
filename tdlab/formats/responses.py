"""OpenAI's Responses API: records of ``{"input", "output"}``, lists of items, and files of one item a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tdlab.formats._json import list_of, text_of
from tdlab.formats._roles import role_named
from tdlab.formats._shell import shell_output
from tdlab.formats._transcript import Transcript, shown
from tdlab.formats.base import Format, Item, Recording
from tdlab.records import Json

__all__ = ["RESPONSES", "is_item", "take_items", "take_record"]

_OUTPUTS = {
    "function_call_output", "custom_tool_call_output", "local_shell_call_output", "shell_call_output",
    "apply_patch_call_output", "computer_call_output", "tool_search_output",
}  # fmt: skip
_BUILT_IN = {
    "web_search_call", "file_search_call", "code_interpreter_call", "computer_call", "local_shell_call", "shell_call",
    "apply_patch_call", "image_generation_call", "tool_search_call",
}  # fmt: skip
_OTHER = {"mcp_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "item_reference", "compaction"}
_KINDS = _OUTPUTS | _BUILT_IN | _OTHER
_BOOKKEEPING = {
    "type", "id", "call_id", "status", "results", "outputs", "output", "result", "error", "created_by", "action",
    "pending_safety_checks", "internal_chat_message_metadata_passthrough", "container_id",
}  # fmt: skip
"""Keys of a built-in call that are none of its arguments."""
_PARTS = {"input_text", "output_text"}


def is_item(value: Json) -> bool:
    """Return whether this is an item that no other API has; its plain messages may be any API's."""
    if not isinstance(value, dict) or "payload" in value:
        return False
    kind = value.get("type")
    if isinstance(kind, str):
        if kind in _KINDS:
            return True
        if kind in ("function_call", "custom_tool_call"):
            return "call_id" in value
        if kind == "reasoning":
            return "summary" in value or "encrypted_content" in value
    content = value.get("content")
    return isinstance(content, list) and any(isinstance(part, dict) and _kind(part) in _PARTS for part in content)


def _kind(item: dict[str, Any]) -> str:
    kind = item.get("type")
    return kind if isinstance(kind, str) else ""


def _has_items(listed: list[Any]) -> bool:
    for entry in listed:  # of most lists, no entry has a type or parts
        if isinstance(entry, dict) and ("type" in entry or isinstance(entry.get("content"), list)) and is_item(entry):
            return True
    return False


def _unpack(value: Json) -> Iterator[Item] | None:
    if isinstance(value, list):
        return iter([Item("", {"input": value})]) if _has_items(value) else None
    if not isinstance(value, dict) or "request" in value:
        return None
    if is_item(value) and "input" not in value and "output" not in value:
        return iter([Item("", {"input": [value]})])
    given, made = list_of(value.get("input")), list_of(value.get("output"))
    if _has_items(given) or _has_items(made) or (value.get("object") == "response" and made):
        return iter([Item("", value)])
    for key in ("items", "messages"):
        listed = value.get(key)
        if isinstance(listed, list) and _has_items(listed[:50]):
            return iter([Item("", {**value, "input": listed, "output": []})])
    return None


def _read(item: Item, fallback: str) -> Recording:
    """Read the input and then the output: calls in a row are one turn, and summaries of reasoning are thoughts.

    A built-in call (``web_search_call``) is a call of the tool that its type names; what it returned is its result
    where the record has it.
    """
    value = item.value
    log = Transcript()
    record = take_record(log, value)
    return log.recording(record, fallback, RESPONSES.name)


def take_record(log: Transcript, value: dict[str, Any]) -> dict[str, Any]:
    """Add the instructions, the input and the output of a record; return what stands beside them."""
    if text_of(value.get("instructions")).strip():
        log.say("system", value["instructions"])
    for key in ("input", "output"):
        content = value.get(key)
        listed = list_of(content)
        if listed:
            take_items(log, listed)
        elif isinstance(content, str) and content:
            log.say("user" if key == "input" else "assistant", content)
    error = value.get("error")
    if error:
        log.note("noted", f"the response failed: {shown(error)}")
    return {key: value[key] for key in ("id", "tools") if value.get(key)}


def take_items(log: Transcript, items: list[Any]) -> None:
    """Add items. What a built-in call returned follows the other calls of its turn."""
    waiting: list[tuple[Json, Json, bool | None]] = []
    for item in items:
        if not isinstance(item, dict):
            log.note("skipped", f"an item is {shown(item)}, not an object")
            continue
        kind = _kind(item)
        if kind in ("function_call", "custom_tool_call"):
            _take_call(log, item)
        elif kind == "mcp_call":
            _take_mcp_call(log, item, waiting)
        elif kind in _BUILT_IN:
            _take_built_in(log, item, waiting)
        else:
            _flush(log, waiting)
            _take_other(log, item)
    _flush(log, waiting)


def _flush(log: Transcript, waiting: list[tuple[Json, Json, bool | None]]) -> None:
    for call_id, content, failed in waiting:
        log.answer(call_id, content, failed=failed)
    waiting.clear()


def _take_other(log: Transcript, item: dict[str, Any]) -> None:
    """Add an item that is no call."""
    kind = _kind(item)
    if kind in _OUTPUTS:
        output = shell_output(item.get("output", item.get("content", item.get("tools"))))
        failed = True if item.get("status") in ("failed", "error") else output.failed
        log.answer(item.get("call_id"), output.content, failed=failed)
    elif kind == "reasoning":
        log.think(text_of(item.get("content")) or text_of(item.get("summary")))
    elif kind == "mcp_list_tools":
        label = item.get("server_label")
        for tool in list_of(item.get("tools")):
            if isinstance(tool, dict):
                log.definitions.append(tool)
                if isinstance(label, str) and isinstance(tool.get("name"), str):
                    log.services.setdefault(tool["name"], label)
        if item.get("error"):
            log.note("noted", f"the tools of the server {shown(label)} could not be listed: {shown(item['error'])}")
    elif role_named(item.get("role")) is not None and kind in ("", "message"):
        log.messages.append({key: item[key] for key in item if key not in ("type", "status", "id", "phase")})
    elif kind == "mcp_approval_request":
        log.note("noted", f"a call of {shown(item.get('name'))} waited for approval; it counts if it was run")
    elif kind not in ("mcp_approval_response", "ghost_snapshot"):
        log.leave_out(item.get("type"))


def _take_call(log: Transcript, item: dict[str, Any]) -> None:
    arguments = item.get("arguments")
    if item["type"] == "custom_tool_call":  # one free text
        arguments = {"input": item.get("input")}
    namespace = item.get("namespace")
    log.call(item.get("call_id") or item.get("id"), item.get("name"), arguments, service=namespace)


def _take_mcp_call(log: Transcript, item: dict[str, Any], waiting: list[tuple[Json, Json, bool | None]]) -> None:
    """Add a call that the API made itself, with its output or error."""
    call_id = item.get("id") or item.get("call_id")
    if not log.call(call_id, item.get("name"), item.get("arguments"), service=item.get("server_label")):
        return
    error, output = item.get("error"), item.get("output")
    if error:
        inner = error.get("message", error.get("content", error)) if isinstance(error, dict) else error
        waiting.append((call_id, inner, True))
    elif output is not None:
        waiting.append((call_id, output, None))


def _take_built_in(log: Transcript, item: dict[str, Any], waiting: list[tuple[Json, Json, bool | None]]) -> None:
    """Add a built-in call: its action, or its own keys, are the arguments."""
    call_id = item.get("call_id") or item.get("id")
    action = item.get("action")
    arguments = {key: entry for key, entry in item.items() if key not in _BOOKKEEPING and entry is not None}
    if isinstance(action, dict):
        arguments |= {key: entry for key, entry in action.items() if entry is not None}
    log.call(call_id, str(item["type"]).removesuffix("_call"), arguments)
    returned = next((item[key] for key in ("results", "outputs", "output") if item.get(key)), None)
    if item["type"] == "image_generation_call" and item.get("result"):
        returned = "[image]"  # base64
    failed = True if item.get("status") == "failed" else None
    if (
        isinstance(returned, list)
        and returned
        and all(isinstance(entry, dict) and "logs" in entry for entry in returned)
    ):
        returned = "\n".join(text_of(entry["logs"]) for entry in returned)
    if returned is not None or failed:
        waiting.append((call_id, returned, failed))


RESPONSES = Format(
    "responses", _unpack, _read, is_item, frozenset({"type", "content", "input", "output", "items", "messages"})
)

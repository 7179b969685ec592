"""OpenAI's Codex: rollout logs in envelopes, the older ones of bare items, and the events of ``codex exec --json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tdlab.formats._json import text_of
from tdlab.formats._transcript import Transcript, shown
from tdlab.formats.base import Format, Item, Recording
from tdlab.formats.responses import is_item, take_items
from tdlab.records import Json

__all__ = ["CODEX"]

_ENVELOPES = {"session_meta", "response_item", "event_msg", "turn_context", "compacted", "session_state"}
_EXEC = ("thread.", "turn.", "item.")
_SCAFFOLD = ("<environment_context>", "<user_instructions>", "# AGENTS.md instructions", "<permissions instructions>")
"""How texts begin that the program sends in the user's name."""


def _is_event(value: Json) -> bool:
    if not isinstance(value, dict):
        return False
    kind = value.get("type")
    if not isinstance(kind, str):
        return value.get("record_type") == "state" or _is_old_meta(value)
    if kind in _ENVELOPES:
        return "payload" in value
    if kind.startswith(_EXEC):
        return "item" in value or "thread_id" in value or kind.startswith("turn.")
    return value.get("record_type") == "state"


def _is_old_meta(value: dict[str, Any]) -> bool:
    return "type" not in value and "messages" not in value and {"id", "timestamp", "instructions"} <= set(value)


def _unpack(value: Json) -> Iterator[Item] | None:
    events = [value] if _is_event(value) else value
    if not isinstance(events, list) or not any(_is_event(event) for event in events[:20]):
        return None
    return _sessions(iter(events))


def _sessions(events: Iterator[Json]) -> Iterator[Item]:
    """Yield the sessions of a file, each one when the next begins.

    One that was forked begins with the heads of both, and is one session.
    """
    current: list[dict[str, Any]] = []
    identity, has_items = "", False
    for event in events:
        if not isinstance(event, dict):
            continue
        own = _identity(event)
        if own and has_items and own != identity:
            yield Item(identity, {"events": current}, {"id": identity})
            current, has_items, identity = [], False, ""
        identity = identity or own
        has_items |= event.get("type") in ("response_item", "item.completed") or is_item(event)
        current.append(event)
    yield Item(identity, {"events": current}, {"id": identity})


def _identity(event: dict[str, Any]) -> str:
    payload = event.get("payload")
    if event.get("type") == "session_meta" and isinstance(payload, dict):
        return str(payload.get("id") or "")
    if event.get("type") == "thread.started":
        return str(event.get("thread_id") or "")
    return str(event["id"]) if _is_old_meta(event) else ""


def _read(item: Item, fallback: str) -> Recording:
    """Read the items of a session; a command that ended with another exit code than 0 failed.

    The events that repeat the items for display are left out.
    """
    log = Transcript()
    items: list[Any] = []
    definitions: list[Json] = []
    for event in item.value["events"]:
        kind, payload = str(event.get("type")), event.get("payload")
        inner = payload if isinstance(payload, dict) else {}
        if kind == "session_meta" or _is_old_meta(event):
            head = inner or event
            text = text_of(head.get("base_instructions") or head.get("instructions"))
            if text and not log.messages:
                log.say("system", text)
            listed = head.get("dynamic_tools")
            definitions += listed if isinstance(listed, list) else []
        elif kind == "response_item":
            if isinstance(payload, dict):
                items.append(_plain(payload))
            else:
                log.note("skipped", f"a response_item holds {shown(payload)}, not an object")
        elif kind == "compacted":
            log.note("noted", "the context was compacted; the history before it is read as it was")
        elif kind == "item.completed" and isinstance(event.get("item"), dict):
            take_items(log, items)
            items = []
            _take_exec(log, event["item"])
        elif is_item(event) or kind == "message":
            items.append(_plain(event))
        elif not (kind in _ENVELOPES or event.get("record_type") == "state" or kind.startswith(_EXEC)):
            log.leave_out(kind)
    take_items(log, items)
    log.definitions += definitions
    return log.recording({"id": item.context["id"]}, fallback, CODEX.name)


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item; a text that the program sent in the user's name is the system's."""
    if item.get("type") == "message" and item.get("role") == "user" and _is_scaffold(item.get("content")):
        return {**item, "role": "system"}
    return item


def _is_scaffold(content: Json) -> bool:
    return text_of(content).lstrip().startswith(_SCAFFOLD)


def _take_exec(log: Transcript, item: dict[str, Any]) -> None:
    """Add an item of ``codex exec --json``, which holds a call and its result."""
    kind, call_id = item.get("type", item.get("item_type")), item.get("id")
    failed = True if item.get("status") in ("failed", "declined") else None
    if kind in ("agent_message", "assistant_message"):
        log.say("assistant", item.get("text"))
    elif kind == "user_message":
        log.say("user", item.get("text"))
    elif kind == "reasoning":
        log.think(text_of(item.get("text")))
    elif kind == "command_execution":
        code = item.get("exit_code")
        log.call(call_id, "shell", {"command": item.get("command")})
        log.answer(call_id, item.get("aggregated_output"), failed=code != 0 if isinstance(code, int) else failed)
    elif kind == "mcp_tool_call":
        if log.call(call_id, item.get("tool"), item.get("arguments"), service=item.get("server")):
            error, result = item.get("error"), item.get("result")
            if error:
                log.answer(call_id, error.get("message", error) if isinstance(error, dict) else error, failed=True)
            elif result is not None:
                log.answer(call_id, result, failed=failed)
    elif kind == "file_change":
        log.call(call_id, "apply_patch", {"changes": item.get("changes")})
        log.answer(call_id, item.get("status"), failed=bool(failed))
    elif kind == "web_search":
        log.call(call_id, "web_search", {"query": item.get("query")})
    elif kind == "error":
        log.note("noted", f"the session reports an error: {shown(item.get('message'))}")
    elif kind != "todo_list":
        log.leave_out(kind)


CODEX = Format("codex", _unpack, _read, _is_event, frozenset({"type", "record_type", "instructions"}), _sessions)

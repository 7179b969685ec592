"""Google's Gemini API: ``{"contents": [{"role", "parts"}]}`` in camel or snake case, and sessions of the Gemini CLI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tdlab.formats._json import list_of, text_of
from tdlab.formats._transcript import Transcript, shown
from tdlab.formats.base import Format, Item, Recording
from tdlab.records import Json

__all__ = ["GEMINI", "is_contents", "take_contents"]

_CODE = ("executableCode", "executable_code")
_CODE_RESULT = ("codeExecutionResult", "code_execution_result")
_FILES = ("inlineData", "inline_data", "fileData", "file_data")
_CALL = ("functionCall", "function_call")
_SPECIAL = frozenset((*_CODE, *_CODE_RESULT, *_FILES))
_PLAIN = (*_CALL, "functionResponse", "function_response")
_CODE_TOOL = "code_execution"


def is_contents(value: Json) -> bool:
    """Return whether this is a list of Gemini's contents, judging by its first entries."""
    return isinstance(value, list) and any(isinstance(entry, dict) and "parts" in entry for entry in value[:3])


def _unpack(value: Json) -> Iterator[Item] | None:
    if isinstance(value, list):
        return iter([Item("", {"contents": value})]) if _is_gemini_list(value) else None
    if not isinstance(value, dict):
        return None
    contents = value.get("contents")
    if is_contents(contents) or (isinstance(contents, dict) and "parts" in contents):
        return iter([Item("", value)])
    if isinstance(contents, str) and contents and ("model" in value or "config" in value):
        return iter([Item("", value)])
    if _is_gemini_list(value.get("history")):
        return iter([Item("", {**value, "contents": value["history"]})])
    return iter([Item("", value)]) if _is_cli_session(value) else None


def _is_gemini_list(value: Json) -> bool:
    """Return whether this is a bare list of contents; other APIs have parts too, but with a type each."""
    if not is_contents(value) or not isinstance(value, list):
        return False
    entries = [entry for entry in value if isinstance(entry, dict)]
    parts = [part for entry in entries for part in list_of(entry.get("parts")) if isinstance(part, dict)]
    return any(entry.get("role") == "model" for entry in entries) and not any("type" in part for part in parts)


def _is_cli_session(value: dict[str, Any]) -> bool:
    listed = value.get("messages")
    if not isinstance(listed, list):
        return False
    alike = [entry for entry in listed if isinstance(entry, dict) and "role" not in entry]
    return any(entry.get("type") == "gemini" for entry in alike)


def _read(item: Item, fallback: str) -> Recording:
    """Read the contents; a part that was thought is no text, and code that the API ran is a call."""
    value = item.value
    log = Transcript()
    if "contents" not in value:
        _take_cli_session(log, value["messages"])
        return log.recording({"id": value.get("sessionId")}, fallback, GEMINI.name)
    config = value.get("config")
    record = {**(config if isinstance(config, dict) else {}), **value}
    take_contents(log, value["contents"])
    beside = ("id", "key", "tools", "systemInstruction", "system_instruction")
    return log.recording({key: record[key] for key in beside if record.get(key)}, fallback, GEMINI.name)


def take_contents(log: Transcript, contents: Json) -> None:
    """Add the messages of contents: a list, one content, or a text."""
    if isinstance(contents, str):
        log.say("user", contents)
        return
    for content in contents if isinstance(contents, list) else [contents]:
        if isinstance(content, str):
            log.say("user", content)
        elif isinstance(content, dict):
            _take_content(log, content)
        else:
            log.note("skipped", f"a content is {shown(content)}, not an object")


def _take_content(log: Transcript, content: dict[str, Any]) -> None:
    raw = content.get("parts", content.get("text"))
    parts = [raw] if isinstance(raw, (dict, str)) else list_of(raw)
    role = content.get("role")
    if isinstance(role, str) and role and not [part for part in parts if not _is_plain(part)]:
        log.messages.append({"role": role, "parts": parts})
        return
    if not isinstance(role, str) or not role:
        role = "model" if any(isinstance(part, dict) and part.get(key) for part in parts for key in _CALL) else "user"
    current: list[Json] = []
    for part in parts:
        current.append(_plain_part(part))
        if isinstance(part, dict) and any(part.get(key) for key in _CODE_RESULT):  # what follows was said later
            log.messages.append({"role": role, "parts": current})
            current = []
    if current or not parts:
        log.messages.append({"role": role, "parts": current})


def _is_plain(part: Json) -> bool:
    """Return whether a part is as the reader of messages knows it: a text, or a call or a result with something in it.

    Most are, and a message of such parts alone is taken as it is.
    """
    if not isinstance(part, dict) or not _SPECIAL.isdisjoint(part):
        return False
    return isinstance(part.get("text"), str) or any(part.get(key) for key in _PLAIN)


def _plain_part(part: Json) -> Json:
    """Return a part in the form that the reader of messages knows: code as a call, a file by its type."""
    if not isinstance(part, dict):
        return part
    for key in _CODE:
        if isinstance(part.get(key), dict):
            return {"functionCall": {"name": _CODE_TOOL, "args": part[key]}}
    for key in _CODE_RESULT:
        inner = part.get(key)
        if isinstance(inner, dict):
            failed = inner.get("outcome") not in (None, "OUTCOME_OK", "OUTCOME_UNSPECIFIED")
            return {"functionResponse": {"name": _CODE_TOOL, "output": inner.get("output", ""), "is_error": failed}}
    for key in _FILES:
        inner = part.get(key)
        if isinstance(inner, dict):
            return {"text": f"[{inner.get('mimeType', inner.get('mime_type')) or key}]"}
    if isinstance(part.get("text"), str) or any(part.get(key) for key in ("functionCall", "function_call")):
        return part
    if any(part.get(key) for key in ("functionResponse", "function_response")):
        return part
    return {key: entry for key, entry in part.items() if entry is not None} or {"text": ""}


def _take_cli_session(log: Transcript, messages: list[Any]) -> None:
    """Add the messages of a session of the Gemini CLI, which keeps each call with its result."""
    for message in messages:
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "user":
            log.say("user", message.get("content"))
        elif kind == "gemini":
            for thought in list_of(message.get("thoughts")):
                if isinstance(thought, dict):
                    log.think(" ".join(text_of(thought.get(key)) for key in ("subject", "description")))
            calls = [call for call in list_of(message.get("toolCalls")) if isinstance(call, dict)]
            if text_of(message.get("content")) or not calls:
                log.say("assistant", message.get("content"))
            made = [call for call in calls if log.call(call.get("id"), call.get("name"), call.get("args"))]
            for call in made:
                _answer_cli_call(log, call)
        elif kind not in ("info", "error", "warning"):
            log.leave_out(kind)


def _answer_cli_call(log: Transcript, call: dict[str, Any]) -> None:
    result = call.get("result")
    if isinstance(result, list) and result and isinstance(result[0], dict) and "functionResponse" in result[0]:
        result = result[0]["functionResponse"].get("response")
    if isinstance(result, dict) and len(result) == 1:
        result = next(iter(result.values()))
    if result is None:
        result = call.get("resultDisplay")
    if result is not None:
        failed = True if call.get("status") in ("error", "cancelled") else None
        log.answer(call.get("id"), result, failed=failed, name=call.get("name"))


GEMINI = Format("gemini", _unpack, _read, keys=frozenset({"contents", "history", "messages"}))

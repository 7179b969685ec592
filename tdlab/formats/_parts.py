"""What one message holds: text, thoughts, calls and results, in the parts and keys of any chat API.

Read here: OpenAI's ``tool_calls`` and ``function_call``; Anthropic's blocks; the items of OpenAI's Responses API;
Gemini's parts in both spellings; Bedrock's ``toolUse``; the Vercel AI SDK's parts and ``toolInvocations``; LangChain's
``additional_kwargs`` and ``invalid_tool_calls``. A part that names a call and yields none becomes a note.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tdlab.formats._json import json_text, text_of
from tdlab.records import Json

__all__ = ["Parts", "RawCall", "RawResult", "call_of", "parts_of", "result_message", "steps_of"]

_NAME = ("name", "toolName", "tool_name", "function_name", "tool")
_ARGUMENTS = (
    "arguments", "args", "input", "parameters", "params", "kwargs", "rawInput", "tool_input", "tool_args",
    "arguments_json",
)  # fmt: skip
_ID = ("call_id", "tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "callId", "id")
_IDS = frozenset(_ID)
_TEXT_TYPES = {"text", "input_text", "output_text", "summary_text", "refusal"}
_THOUGHT_TYPES = {"thinking", "reasoning", "redacted_thinking", "redacted-reasoning", "thought", "reasoning_text"}
_CALL_TYPES = {
    "tool_use", "server_tool_use", "mcp_tool_use", "tool-call", "tool_call", "toolcall", "function_call",
    "functioncall", "custom_tool_call", "mcp_call", "function",
}  # fmt: skip
_RESULT_TYPES = {
    "tool_result", "mcp_tool_result", "tool-result", "toolresult", "function_call_output", "custom_tool_call_output",
    "function_response", "functionresponse", "tool_response", "web_search_tool_result", "code_execution_tool_result",
    "bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "web_fetch_tool_result",
}  # fmt: skip
_CALL_KEYS = ("functionCall", "function_call", "toolUse", "tool_use", "toolCall", "tool_call")
_RESULT_KEYS = ("functionResponse", "function_response", "toolResult", "tool_result")
_HOLDERS = frozenset((*_CALL_KEYS, *_RESULT_KEYS))
_CALL_LISTS = ("tool_calls", "toolCalls", "function_calls")
_RESULT_CONTENT = ("content", "output", "result", "response", "text", "tool_result")


class RawCall(NamedTuple):
    """A call as recorded: its id or None, its name, its arguments in whatever form, the server if it is stated."""

    id: str | None
    name: str
    arguments: Json
    service: str | None = None


class RawResult(NamedTuple):
    """A result as recorded: the id that it answers, its content, the error flag if there is one, the tool's name."""

    id: str | None
    content: Json
    failed: bool | None = None
    name: str | None = None


@dataclass(slots=True)
class Parts:
    """The parts of one message, each kind in its order; ``notes`` are the parts that could not be read."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[RawCall] = field(default_factory=list)
    results: list[RawResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text, one part a line."""
        return "\n".join(self.texts)


def parts_of(message: dict[str, Any]) -> Parts:
    """Return everything that a message says, thinks, calls and answers."""
    parts = Parts()
    content = message.get("content") if "content" in message else message.get("value")
    if isinstance(content, str) and "parts" not in message:
        parts.texts.append(content)
        _take_beside(message, parts)
        return parts
    content = message.get("content", message.get("value", message.get("parts", message.get("text"))))
    if content is None and isinstance(message.get("parts"), list):
        content = message["parts"]
    _take_content(content, parts)
    if isinstance(message.get("parts"), list) and content is not message["parts"]:
        beside = Parts()  # the AI SDK keeps the text in ``content`` and, once more, in ``parts``
        _take_content(message["parts"], beside)
        parts.calls += beside.calls
        parts.results += beside.results
        parts.thoughts += beside.thoughts
        parts.notes += beside.notes
        parts.texts = parts.texts or beside.texts
    _take_beside(message, parts)
    return parts


_STEP_START = "step-start"
"""The part by which the AI SDK divides a message into the model's answers."""


def steps_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of an assistant's message: the API may have run tools in it, and the model gone on after that.

    A step ends at the AI SDK's mark, before a text that follows a result, and before a call that follows a result of
    its own part.
    """
    key = "parts" if isinstance(message.get("parts"), list) else "content"
    listed = message.get(key)
    if not isinstance(listed, list) or len(listed) < 2:
        return [message]
    steps: list[list[Json]] = [[]]
    last = ""
    for part in listed:
        kind = _effect_of(part)
        marked = isinstance(part, dict) and part.get("type") == _STEP_START
        if steps[-1] and (marked or (last and kind == "said") or (last == "result" and kind in ("call", "both"))):
            steps.append([])
            last = ""
        if not marked:
            steps[-1].append(part)
        last = kind if kind in ("result", "both") else last
    steps = [step for step in steps if step]
    if len(steps) < 2:
        return [message]
    said = message.get("content")
    if key == "parts" and isinstance(said, str) and not any(_effect_of(part) == "said" for part in listed):
        return [message]  # the text stands beside the parts alone
    first = {**message, key: steps[0]}
    if key == "parts":  # these repeat all of them
        first.pop("content", None)
        first.pop("toolInvocations", None)
    return [first, *({"role": "assistant", key: step} for step in steps[1:])]


def _effect_of(part: Json) -> str:
    """Return whether a part was said or thought, is a call, a result or both; empty for any other."""
    if isinstance(part, str):
        return "said"
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        return ""
    if kind in _TEXT_TYPES or kind in _THOUGHT_TYPES:
        return "said"
    if kind in _RESULT_TYPES:
        return "result"
    if kind in ("tool-invocation", "dynamic-tool") or (kind.startswith("tool-") and "state" in part):
        inner = part.get("toolInvocation", part)
        ended = isinstance(inner, dict) and any(inner.get(key) is not None for key in ("result", "output", "errorText"))
        return "both" if ended else "call"
    return "call" if kind in _CALL_TYPES else ""


_BESIDE = {
    "reasoning_content", "reasoning", "thinking", "toolInvocations", "function_call", "additional_kwargs",
    "invalid_tool_calls", "refusal", *_CALL_LISTS,
}  # fmt: skip


def _take_beside(message: dict[str, Any], parts: Parts) -> None:
    """Add the thoughts and the calls that stand beside the content."""
    if _BESIDE.isdisjoint(message):
        return
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal and not any(parts.texts):
        parts.texts = [refusal]
    for key in ("reasoning_content", "reasoning", "thinking"):
        thought = message.get(key)
        if isinstance(thought, str) and thought.strip() and thought.strip() not in parts.thoughts:
            parts.thoughts.append(thought.strip())
            break
    _take_call_keys(message, parts)


def _take_call_keys(message: dict[str, Any], parts: Parts) -> None:
    """Add the calls that stand beside the content."""
    beside: Any = message.get("additional_kwargs")
    beside = beside if isinstance(beside, dict) else {}
    for key in _CALL_LISTS:
        listed = message.get(key) or beside.get(key)
        if listed:
            _take_calls(listed, parts, key)
            break
    else:
        single = message.get("function_call") or beside.get("function_call")
        if single:
            _take_calls([single], parts, "function_call")
    _take_calls(message.get("invalid_tool_calls") or [], parts, "invalid_tool_calls")
    invocations = message.get("toolInvocations")
    if isinstance(invocations, list) and not parts.calls:
        for invocation in invocations:
            _take_invocation(invocation, parts)


def _take_calls(listed: Json, parts: Parts, key: str) -> None:
    if isinstance(listed, dict):
        listed = [listed]
    if not listed:
        return
    if not isinstance(listed, list):
        parts.notes.append(f"its {key} are {_shown(listed)}, not a list of calls")
        return
    known = {call.id for call in parts.calls if call.id}
    for entry in listed:
        call = call_of(entry)
        if call is None:
            parts.notes.append(f"its {key} hold {_shown(entry)}, which names no tool")
        elif call.id is None or call.id not in known:  # LangChain keeps Anthropic's blocks beside its own calls
            parts.calls.append(call)


def call_of(entry: Json) -> RawCall | None:
    """Return a call in any API's shape, nested in ``function`` or flat; None for anything that names no tool."""
    if not isinstance(entry, dict):
        return None
    inner: Any = entry.get("function", entry)
    if inner is not entry and isinstance(inner, dict) and "arguments" in inner:  # OpenAI's own shape, most of all files
        name, call_id = inner.get("name"), entry.get("id")
        if isinstance(name, str) and name and isinstance(call_id, str) and call_id:
            return RawCall(call_id, name, inner["arguments"])
    if inner is entry and "arguments" in entry:  # {"name", "arguments"}
        name = entry.get("name")
        if isinstance(name, str) and name:
            return RawCall(_id_in(entry), name, entry["arguments"])
    if isinstance(inner, str):  # {"function": "name", "arguments": ...}
        inner = {**entry, "name": inner}
    if not isinstance(inner, dict):
        return None
    name = inner.get("name")
    if not isinstance(name, str) or not name:
        name = next((inner[key] for key in _NAME if isinstance(inner.get(key), str) and inner[key]), None)
        if name is None:
            return None
    arguments = _value_of(inner, _ARGUMENTS)
    if arguments is None and inner is not entry:
        arguments = _value_of(entry, _ARGUMENTS)
    return RawCall(_id_in(entry) or _id_in(inner), name, arguments)


def _id_in(entry: dict[str, Any]) -> str | None:
    if _IDS.isdisjoint(entry):
        return None
    for key in _ID:
        value = entry.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def _take_content(content: Json, parts: Parts) -> None:
    if content is None:
        return
    if isinstance(content, list) and not [part for part in content if not isinstance(part, (str, dict))]:
        for part in content:
            if isinstance(part, str):
                parts.texts.append(part)
            else:
                _take_part(part, parts)
        return
    if isinstance(content, dict):
        if isinstance(content.get("parts"), list):  # ChatGPT's exports
            _take_content(content["parts"], parts)
            return
        _take_part(content, parts)
        return
    parts.texts.append(text_of(content))


def _take_part(part: dict[str, Any], parts: Parts) -> None:
    kind = part.get("type")
    kind = kind.lower() if isinstance(kind, str) else ""
    if kind in _THOUGHT_TYPES or (part.get("thought") is True and _HOLDERS.isdisjoint(part)):
        _take_thought(part, parts)
    elif kind in _TEXT_TYPES or (not kind and _HOLDERS.isdisjoint(part)):
        _take_text(part, parts)
    elif kind in _CALL_TYPES or (not kind and _inner(part, _CALL_KEYS) is not part):
        _take_call(part, kind, parts)
    elif kind in _RESULT_TYPES or (not kind and _inner(part, _RESULT_KEYS) is not part):
        parts.results.append(_result_of(part))
    elif kind == "tool-invocation":
        _take_invocation(part.get("toolInvocation", part), parts)
    elif kind == "dynamic-tool" or (kind.startswith("tool-") and ("toolCallId" in part or "state" in part)):
        name = part.get("toolName") or str(part["type"])[len("tool-") :]
        _take_invocation({**part, "toolName": name}, parts)
    elif not kind:
        _take_text(part, parts)
    elif kind == _STEP_START:
        return
    elif isinstance(part.get("text"), str) and "tool" not in kind and "call" not in kind:
        parts.texts.append(part["text"])
    else:
        parts.texts.append(f"[{part['type']}]")
        if "tool" in kind or "call" in kind or "function" in kind:
            parts.notes.append(f"a part of the type {str(part['type'])[:40]!r} is not known; it may be a call")


def _take_text(part: dict[str, Any], parts: Parts) -> None:
    text = part.get("text", part.get("refusal"))
    parts.texts.append(text if isinstance(text, str) else json_text(part))


def _inner(part: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the object under the first of the keys that has one; the part itself where none has."""
    for key in keys:
        if key in part and isinstance(part[key], dict):
            inner: dict[str, Any] = part[key]
            return inner
    return part


def _value_of(holder: dict[str, Any], keys: tuple[str, ...]) -> Json:
    """Return the value of the first of the keys that has one; None where none has."""
    for key in keys:
        if key in holder and holder[key] is not None:
            return holder[key]
    return None


def _text_of(holder: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """Return the text under the first of the keys that has one; None where none has."""
    for key in keys:
        if key in holder and isinstance(holder[key], str):
            text: str = holder[key]
            return text
    return None


def _take_thought(part: dict[str, Any], parts: Parts) -> None:
    text = next((part[key] for key in ("thinking", "text", "reasoning", "data") if isinstance(part.get(key), str)), "")
    if not text and isinstance(part.get("summary"), list):
        text = text_of(part["summary"])
    if text.strip() and part.get("type") not in ("redacted_thinking", "redacted-reasoning"):
        parts.thoughts.append(text.strip())


def _take_call(part: dict[str, Any], kind: str, parts: Parts) -> None:
    inner = _inner(part, _CALL_KEYS)
    call = call_of(inner)
    if call is None:
        parts.notes.append(f"a part of the type {kind or 'functionCall'!r} names no tool")
        return
    call = call if call.id is not None or inner is part else call._replace(id=_id_in(part))
    server = _text_of(part, ("server_name", "server_label"))
    call = call._replace(service=server) if server and "mcp" in kind else call
    parts.calls.append(call)
    output = _value_of(inner, ("output", "result"))
    if output is not None or isinstance(inner.get("error"), (str, dict)):  # a call that keeps its own result
        error = inner.get("error") or None
        parts.results.append(
            RawResult(call.id, error if output is None else output, True if error else None, call.name)
        )


def _result_of(part: dict[str, Any]) -> RawResult:
    inner = _inner(part, _RESULT_KEYS)
    content = _value_of(inner, _RESULT_CONTENT)
    if isinstance(content, dict) and set(content) <= {"type", "value"} and "value" in content:  # AI SDK 5
        failed = str(content.get("type", "")).startswith("error") or None
        content = content["value"]
    else:
        failed = _is_server_error(content) or None
    if isinstance(content, list):  # Bedrock's {"json": ...} and {"text": ...}
        content = [entry["json"] if isinstance(entry, dict) and set(entry) == {"json"} else entry for entry in content]
        content = content[0] if len(content) == 1 and not _is_text_part(content[0]) else content
    name = _text_of(inner, ("name", "toolName", "tool_name"))
    return RawResult(_id_in(inner) or _id_in(part), content, _flag_of(inner) if failed is None else failed, name)


def _is_server_error(content: Json) -> bool:
    """Return whether this is the error of a tool that Anthropic's API ran itself."""
    kind = content.get("type") if isinstance(content, dict) else None
    return isinstance(kind, str) and kind.endswith("_tool_result_error")


def _is_text_part(entry: Json) -> bool:
    return isinstance(entry, dict) and ("type" in entry or "text" in entry)


_FLAGS = frozenset(("is_error", "isError", "error", "status"))


def _flag_of(result: dict[str, Any]) -> bool | None:
    """Return whether a result is flagged as an error; None without a flag."""
    if _FLAGS.isdisjoint(result):
        return None
    for key in ("is_error", "isError", "error"):
        flag = result.get(key)
        if isinstance(flag, bool):
            return flag
        if isinstance(flag, (str, dict)) and flag:
            return True
    status = result.get("status")
    if status in ("error", "failed", "failure"):
        return True
    if status in ("success", "completed", "ok"):
        return False
    return None


def _take_invocation(invocation: Json, parts: Parts) -> None:
    """Add a call of the Vercel AI SDK, with its result if there is one."""
    call = call_of(invocation)
    if call is None or not isinstance(invocation, dict):
        parts.notes.append(f"a tool invocation is {_shown(invocation)}, which names no tool")
        return
    parts.calls.append(call)
    error = invocation.get("errorText")
    for key in ("result", "output"):
        if invocation.get(key) is not None:
            parts.results.append(RawResult(call.id, invocation[key], None, call.name))
            return
    if isinstance(error, str):
        parts.results.append(RawResult(call.id, error, True, call.name))


_UNCOMMON = _FLAGS | {"name", "tool_name", "toolName", "function", "call_id"}


def result_message(message: dict[str, Any]) -> RawResult:
    """Return the result that a message of a tool is as a whole."""
    content = message.get("content", message.get("value", message.get("output", message.get("text"))))
    call_id = message.get("tool_call_id")
    if content and isinstance(call_id, str) and call_id and _UNCOMMON.isdisjoint(message):
        return RawResult(call_id, content)
    error = message.get("error")
    if content in (None, "") and isinstance(error, (str, dict)):
        content = error.get("message", error) if isinstance(error, dict) else error
    name = _text_of(message, ("name", "tool_name", "toolName", "function"))
    return RawResult(_id_in(message), content, _flag_of(message), name or None)


def _shown(value: Json) -> str:
    return repr(value)[:60]

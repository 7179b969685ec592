"""Logged exchanges with a model: a request and its response, as proxies, gateways and tracers write them.

Known are pairs of the chat APIs of OpenAI, Anthropic, Google, Ollama and Bedrock, as values or as JSON texts, under the
names that LiteLLM, Helicone, Langfuse, mitmproxy, HAR, OpenAI's stored completions and batches, Bedrock's invocation
logs and OpenTelemetry use.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

from tdlab.formats._json import json_text, list_of, object_of, text_of
from tdlab.formats._parts import RawCall, parts_of, result_message
from tdlab.formats._roles import role_of, unwrapped
from tdlab.formats._spool import Place, Spool
from tdlab.formats._streams import streamed_response
from tdlab.formats._transcript import Transcript, shown
from tdlab.formats.base import Format, Item, Recording
from tdlab.formats.gemini import is_contents, take_contents
from tdlab.formats.messages import is_message, is_message_list
from tdlab.formats.responses import is_item, take_record
from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["EXCHANGE"]

_PAIRS = (
    ("request", "response"), ("request_body", "response_body"), ("requestBody", "responseBody"), ("req", "resp"),
    ("req", "res"), ("input", "output"), ("gen_ai.input.messages", "gen_ai.output.messages"),
    ("llm.input_messages", "llm.output_messages"), ("inputs", "outputs"),
)  # fmt: skip
_BODIES = (
    "body",
    "body_raw",
    "json",
    "content",
    "text",
    "data",
    "postData",
    "inputBodyJson",
    "outputBodyJson",
    "payload",
    "params",
)
_MOST_WRAPPERS = 4
_SYSTEMS = ("system", "systemInstruction", "system_instruction", "gen_ai.system_instructions")
_IDS = ("trace_id", "traceId", "request_id", "custom_id", "conversation_id", "session_id", "sessionId", "id", "key")


class _Exchange(NamedTuple):
    """A request and its response, unwrapped; None for one that is not there or cannot be read."""

    value: dict[str, Any]
    request: dict[str, Any] | None
    response: Json


def _decoded(value: Json) -> Json:
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return read_json(value)
        except ValueError:
            return value
    return value


def _request_in(value: Json) -> dict[str, Any] | None:
    """Return the request in a wrapper of headers, bodies and JSON texts; None where there is none."""
    value = _decoded(value)
    for _ in range(_MOST_WRAPPERS):
        if is_message_list(value):
            return {"messages": value}
        if not isinstance(value, dict):
            return None
        if is_message_list(_decoded(value.get("messages"))) or is_contents(value.get("contents")):
            return {**value, "messages": _decoded(value.get("messages"))}
        if isinstance(value.get("contents"), str):
            return value
        if isinstance(value.get("input"), (str, list)) and ("model" in value or "instructions" in value):
            return value
        inner = next(
            (value[key] for key in _BODIES if isinstance(value.get(key), (dict, str, list)) and value[key]), None
        )
        value = _decoded(inner)
    return None


def _is_response(value: Json) -> bool:
    if not isinstance(value, dict):
        return is_message_list(value)
    return (
        isinstance(value.get("choices"), list)
        or isinstance(value.get("candidates"), list)
        or (isinstance(value.get("output"), list) and value.get("object") == "response")
        or is_message(value)
        or is_message(value.get("message"))
        or (isinstance(value.get("output"), dict) and is_message(value["output"].get("message")))
        or is_message_list(value.get("messages"))
    )


def _response_in(value: Json) -> Json:
    """Return the response in a wrapper; what is there, if no API's response is found."""
    outer = value = _decoded(value)
    for _ in range(_MOST_WRAPPERS):
        if _is_response(value):
            return value
        if not isinstance(value, dict):
            whole = streamed_response(value)
            return value if whole is None else whole
        if value.get("error"):
            return {"error": value["error"]}
        inner = next(
            (value[key] for key in _BODIES if isinstance(value.get(key), (dict, str, list)) and value[key]), None
        )
        if inner is None:
            break
        outer = value = _decoded(inner)
    return outer


def _has_items(*lists: Json) -> bool:
    """Return whether lists hold items of the Responses API, whose records are another format."""
    return any(is_item(entry) for listed in lists for entry in list_of(listed))


def _exchange(value: Json) -> _Exchange | None:
    """Return the exchange that a value logs; None for any other value."""
    if not isinstance(value, dict):
        return None
    spread = value.get("attributes")
    holder = {**value, **spread} if isinstance(spread, dict) else value
    for asked, answered in _PAIRS:
        if asked not in holder or (asked == "input" and _has_items(holder["input"], holder.get("output"))):
            continue
        request = _request_in(holder[asked])
        response = _response_in(holder.get(answered))
        if request is None and asked == "request" and _is_response(response):
            request = _request_in(holder.get("request_body", holder.get("body")))
        if request is None:
            continue
        if answered in holder or asked == "request_body" or asked == "request":
            beside = {key: holder[key] for key in _SYSTEMS if holder.get(key)}
            tools = holder.get("tools") or holder.get("gen_ai.tool.definitions")
            return _Exchange(value, {**({"tools": tools} if tools else {}), **beside, **request}, response)
    answered_beside = "response" in value or "choices" in value
    if answered_beside and is_message_list(_decoded(value.get("messages"))):  # LiteLLM, stored completions
        response = _response_in(value.get("response")) if "response" in value else value if "choices" in value else None
        if _is_response(response):
            parameters = object_of(value.get("model_parameters") or value.get("optional_params"))
            request = {**parameters, **value, "messages": _decoded(value["messages"])}
            return _Exchange(value, request, response)
    if "custom_id" in value:  # a batch's input or output
        request = _request_in(value.get("body"))
        response = _response_in(value.get("response"))
        if request is not None or _is_response(response):
            return _Exchange(value, request, response)
    return None


def _is_exchange(value: Json) -> bool:
    return _exchange(value) is not None


def _unpack(value: Json) -> Iterator[Item] | None:
    if isinstance(value, dict):
        archive = value.get("log")
        entries = archive.get("entries") if isinstance(archive, dict) else None
        if isinstance(entries, list) and any(_is_exchange(entry) for entry in entries):
            return _joined(iter(entries))
        return _joined(iter([value])) if _is_exchange(value) else None
    if not isinstance(value, list) or not any(_is_exchange(entry) for entry in value[:20]):
        return None
    return _joined(iter(value))


class _Kept(NamedTuple):
    """An exchange that no later one continues so far: its position, its place in the spool, how many it continues."""

    where: str
    place: Place
    merged: int


def _joined(values: Iterator[Any]) -> Iterator[Item]:
    """Yield the exchanges; of successive ones of one conversation only the last, which holds the others' messages.

    An exchange continues another if its request begins with exactly the other's messages and the answer to them. Any
    exchange may continue any earlier one, so that all are yielded at the end; until then they wait on disk.
    """
    kept: dict[int, _Kept] = {}
    ends: dict[bytes, int] = {}  # the state of a conversation after an exchange, to the exchange's number
    first = list(islice(values, 2))
    with Spool() as spool:
        for number, value in enumerate(chain(first, values)):
            exchange = _exchange(value)
            where = f"[{number}]" if len(first) > 1 else ""
            if exchange is None:
                kept[number] = _Kept(where, spool.add((value, None, None)), -1)
                continue
            log = Transcript()
            record = _take(log, exchange)
            prefixes = _prefixes(record, log.messages)
            earlier = next((ends.pop(prefix) for prefix in reversed(prefixes[:-1]) if prefix in ends), None)
            merged = 0
            if earlier is not None:
                merged = kept.pop(earlier).merged + 1
            about = {key: value[key] for key in _IDS if key in value}
            kept[number] = _Kept(where, spool.add((about, exchange.request, exchange.response)), merged)
            if prefixes:
                ends[prefixes[-1]] = number
        for where, place, merged in kept.values():
            held = spool.get(place)
            context = {"unknown": held[0]} if merged < 0 else {"exchange": _Exchange(*held), "merged": merged}
            yield Item(where, {}, context)


def _prefixes(record: dict[str, Any], messages: list[Json]) -> list[bytes]:
    """Return the state of a conversation after each of its messages, as digests of what they say, call and answer."""
    system = next((record[key] for key in _SYSTEMS if record.get(key)), "")
    digest = hashlib.blake2b(text_of(system).encode("utf-8", "surrogatepass"), digest_size=16)
    states = []
    for raw in messages:
        message = unwrapped(raw)
        digest = digest.copy()
        digest.update(_image(_essence(message)))
        states.append(digest.digest())
    return states


def _image(value: Json) -> bytes:
    """Return bytes that are equal for equal values alone."""
    try:
        return marshal.dumps(value, 2)
    except ValueError:  # is nested too deeply for it
        return json_text(value).encode("utf-8", "surrogatepass")


def _essence(message: Json) -> Json:
    """Return what a message says, calls and answers, without the keys that only one side of an exchange has."""
    if isinstance(message, RawCall):
        return ["call", "", [[message.id, message.name, _decoded(message.arguments)]], []]
    if not isinstance(message, dict):
        return message
    role = role_of(message)
    if role == "tool":
        result = result_message(message)
        return ["tool", result.id, text_of(result.content)]
    if isinstance(message.get("content"), str) and not message.get("tool_calls") and not message.get("function_call"):
        return [role, message["content"].strip(), [], []]
    parts = parts_of(message)
    calls = [[call.id, call.name, _decoded(call.arguments)] for call in parts.calls]
    results = [[result.id, text_of(result.content)] for result in parts.results]
    return [role, parts.text.strip(), calls, results]


def _take(log: Transcript, exchange: _Exchange) -> dict[str, Any]:
    """Add the messages of an exchange; return what stands beside them."""
    request = exchange.request
    record: dict[str, Any] = {}
    if request is None:
        log.note("noted", "the request is not in the log: the conversation is its response alone")
    elif is_contents(request.get("contents")) or isinstance(request.get("contents"), str):
        take_contents(log, request["contents"])
    elif is_message_list(request.get("messages")):
        log.messages += [_plain(message) for message in request["messages"]]
    else:
        take_record(log, {key: entry for key, entry in request.items() if key != "output"})
    if request is not None:
        record = {key: request[key] for key in ("tools", "functions", *_SYSTEMS) if request.get(key)}
        configured = request.get("toolConfig")
        if "tools" not in record and isinstance(configured, dict):
            record["tools"] = list_of(configured.get("tools"))
        otel = record.pop("gen_ai.system_instructions", None)
        if otel is not None:
            record["system"] = "\n".join(
                text_of(part.get("content")) for part in list_of(otel) if isinstance(part, dict)
            )
    _take_response(log, exchange.response)
    identity = next((exchange.value[key] for key in _IDS if isinstance(exchange.value.get(key), (str, int))), None)
    return {**record, "id": identity}


def _take_response(log: Transcript, response: Json) -> None:
    """Add the response as the last message."""
    if isinstance(response, dict):
        if response.get("error") and not _is_response(response):
            log.note("noted", f"the response is an error: {shown(response['error'])}")
            return
        choices = response.get("choices", response.get("candidates"))
        if isinstance(choices, list):
            if len(choices) > 1:
                log.note("noted", f"the response has {len(choices)} choices; the first is read")
            first = choices[0] if choices and isinstance(choices[0], dict) else {}
            message = first.get("message", first.get("content"))
            if isinstance(message, dict) and "parts" in message and "contents" not in message:
                take_contents(log, {"role": "model", **message})
            elif isinstance(message, dict):
                log.messages.append({"role": "assistant", **_plain(message)})
            elif isinstance(first.get("text"), str):
                log.say("assistant", first["text"])
            elif choices:
                log.note("skipped", f"a choice of the response holds no message: {shown(first)}")
            return
        if response.get("object") == "response":
            take_record(log, {"output": response.get("output"), "error": response.get("error")})
            return
        output = response.get("output")
        for message in (response, response.get("message"), output.get("message") if isinstance(output, dict) else None):
            if is_message(message) and isinstance(message, dict):
                kept = {key: message[key] for key in message if key not in ("id", "type", "usage", "model")}
                log.messages.append(_plain(kept))
                return
        response = response.get("messages", response)
    if is_message_list(response) and isinstance(response, list):
        log.messages += [_plain(message) for message in response]
    elif isinstance(response, str) and response.lstrip().startswith(("data:", "event:")):
        log.note("skipped", "the response is a stream of events of no API that is known")
    elif isinstance(response, str) and response:
        log.say("assistant", response)
    elif response is not None and response != {}:
        log.note("skipped", f"the response is of no API that is known: {shown(response)}")


def _plain(message: Json) -> Json:
    """Return a message with the parts of OpenTelemetry's semantic conventions in a form that is known."""
    parts = message.get("parts") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(parts, list):
        return message
    return {**message, "parts": [_plain_part(part) for part in parts]}


def _plain_part(part: Json) -> Json:
    if not isinstance(part, dict):
        return part
    if part.get("type") in ("text", "reasoning") and "content" in part:
        return {"type": part["type"], "text": part["content"]}
    if part.get("type") == "tool_call_response":
        return {
            "type": "tool_result",
            "tool_use_id": part.get("id"),
            "content": part.get("response", part.get("result")),
        }
    return part


def _read(item: Item, fallback: str) -> Recording:
    """Read the messages of the request, and the response as the last one."""
    log = Transcript()
    exchange = item.context.get("exchange")
    if exchange is None:
        log.note("skipped", f"is no exchange of an API that is known: {shown(item.context.get('unknown'))}")
        return log.recording({}, fallback, EXCHANGE.name)
    record = _take(log, exchange)
    merged = item.context["merged"]
    if merged:
        log.note("noted", f"{merged} earlier requests of this conversation are parts of it and are not read again")
    return log.recording(record, fallback, EXCHANGE.name)


EXCHANGE = Format(
    "exchange",
    _unpack,
    _read,
    _is_exchange,
    frozenset({"log", "attributes", "response", "choices", "custom_id", *(asked for asked, _ in _PAIRS)}),
    _joined,
)

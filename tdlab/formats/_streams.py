"""Responses that were streamed: the events of any chat API, put together to the response that they are pieces of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tdlab.formats._json import list_of
from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["streamed_response"]


def streamed_response(value: Json) -> dict[str, Any] | None:
    """Return the response that was streamed as server-sent events (a text) or as a list of chunks.

    Known are the streams of OpenAI's Chat Completions and Responses, of Anthropic's Messages and of Gemini.

    Args:
        value: The text of the stream, or its decoded chunks.

    Returns:
        The response in its API's own form; None for anything else.

    Example:
        >>> chunks = [{"choices": [{"delta": {"content": text}}]} for text in ("H", "i")]
        >>> streamed_response(chunks)["choices"][0]["message"]["content"]
        'Hi'
    """
    if isinstance(value, str):
        chunks = list(_events(value)) if value.lstrip().startswith(("data:", "event:", ":")) else []
    else:
        chunks = [chunk for chunk in value if isinstance(chunk, dict)] if isinstance(value, list) else []
    if any(isinstance(chunk.get("response"), dict) and chunk.get("type") == "response.completed" for chunk in chunks):
        last = next(chunk["response"] for chunk in reversed(chunks) if chunk.get("type") == "response.completed")
        return {"object": "response", **last}
    if any(chunk.get("type") == "content_block_start" for chunk in chunks):
        return _anthropic(chunks)
    if any(_deltas(chunk) for chunk in chunks):
        return _openai(chunks)
    if any(isinstance(chunk.get("candidates"), list) for chunk in chunks):
        return _gemini(chunks)
    return None


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if not line.startswith("data:"):
            continue
        try:
            event = read_json(line.removeprefix("data:").strip())
        except ValueError:
            continue  # "[DONE]", or an event that was cut
        if isinstance(event, dict):
            yield event


def _deltas(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the deltas of a chunk's first choice."""
    choices = [choice for choice in list_of(chunk.get("choices")) if isinstance(choice, dict)]
    return [choice["delta"] for choice in choices if isinstance(choice.get("delta"), dict) and not choice.get("index")]


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _openai(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    content, reasoning = "", ""
    calls: dict[str, dict[str, Any]] = {}
    for chunk in chunks:
        for delta in _deltas(chunk):
            content += _text(delta.get("content"))
            reasoning += _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
            for piece in list_of(delta.get("tool_calls")):
                if not isinstance(piece, dict):
                    continue
                call = calls.setdefault(
                    str(piece.get("index", len(calls))), {"function": {"name": "", "arguments": ""}}
                )
                call["id"] = piece.get("id") or call.get("id")
                function = piece.get("function")
                for key in ("name", "arguments"):
                    call["function"][key] += _text(function.get(key)) if isinstance(function, dict) else ""
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if reasoning:
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = list(calls.values())
    return {"choices": [{"message": message}]}


def _anthropic(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    blocks: dict[str, dict[str, Any]] = {}
    for chunk in chunks:
        index, start, delta = str(chunk.get("index")), chunk.get("content_block"), chunk.get("delta")
        if chunk.get("type") == "content_block_start" and isinstance(start, dict):
            blocks[index] = dict(start)
        elif chunk.get("type") == "content_block_delta" and isinstance(delta, dict) and index in blocks:
            block = blocks[index]
            for key in ("text", "thinking"):
                if isinstance(delta.get(key), str):
                    block[key] = _text(block.get(key)) + delta[key]
            if isinstance(delta.get("partial_json"), str):  # a call's input begins as an empty object
                block["input"] = _text(block.get("input")) + delta["partial_json"]
    return {"type": "message", "role": "assistant", "content": list(blocks.values())}


def _gemini(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    parts: list[Json] = []
    for chunk in chunks:
        for candidate in list_of(chunk.get("candidates"))[:1]:
            content = candidate.get("content") if isinstance(candidate, dict) else None
            parts += list_of(content.get("parts")) if isinstance(content, dict) else []
    texts = [
        part for part in parts if isinstance(part, dict) and set(part) == {"text"} and isinstance(part["text"], str)
    ]
    if len(texts) == len(parts):  # one text in pieces
        parts = [{"text": "".join(part["text"] for part in texts)}]
    return {"candidates": [{"content": {"role": "model", "parts": parts}}]}

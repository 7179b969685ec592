"""The protocol: a chat request, its key in the journal, and a reply parsed from an untrusted body.

The key of a request is a digest of its content: model, messages, tools, schema and sampling. Other settings (the
server's address, the API key, timeouts, the way to ask for structured output) do not change the key, so that saved
replies can be reused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from tdlab.config import TeacherRole
from tdlab.records import Json, canonical_json, digest

__all__ = [
    "ChatReply",
    "ChatRequest",
    "RequestedCall",
    "Unusable",
    "estimate_tokens",
    "reply_from_body",
    "reply_from_text",
    "without",
]

_CHARS_PER_TOKEN = 4  # for estimates
_KEY_MARK = "[key]"
_MAX_NAME = 256  # characters of a tool's name


class Unusable(Exception):
    """A body that is not a reply; the message says why."""


class ChatRequest(BaseModel):
    """One request of one agent.

    Args:
        role: The role that asks.
        model: The model to call.
        messages: Chat messages, in the form of the chat API.
        tools: Tools in the form of the chat API.
        reply_schema: The JSON Schema of the reply's text; None for free text.
        temperature: Sampling temperature; None for the server's default.
        max_tokens: Most tokens in the reply.
        rollout: Id of the blueprint; part of the key if there is a ``script``, which the reply then depends on.
        script: The blueprint and its tools, for the mock model only.

    Example:
        >>> request = ChatRequest(role="user", model="small", messages=({"role": "user", "content": "Hello"},))
        >>> request.size, len(request.key)
        (9, 40)
    """

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    role: TeacherRole
    model: str
    messages: tuple[dict[str, Json], ...]
    tools: tuple[dict[str, Json], ...] = ()
    reply_schema: dict[str, Json] | None = None
    temperature: float | None = None
    max_tokens: int = 2048
    rollout: str = ""
    script: dict[str, Json] | None = None

    @cached_property
    def key(self) -> str:
        """A digest of the request's content: 40 hex digits."""
        return digest(
            "chat-1", self.model, self.messages, self.tools, self.reply_schema, self.temperature, self.max_tokens,
            self.rollout if self.script is not None else "", length=40,
        )  # fmt: skip

    @cached_property
    def size(self) -> int:
        """The estimated number of input tokens."""
        parts: list[object] = [self.messages, self.tools, self.reply_schema]
        return sum(estimate_tokens(canonical_json(part)) for part in parts if part)


class RequestedCall(NamedTuple):
    """A tool call as the model wrote it; ``arguments`` is unparsed text that should be a JSON object."""

    name: str
    arguments: str


class ChatReply(NamedTuple):
    """A reply: text, tool calls, finish reason, refusal and tokens.

    ``counted`` is False if the tokens are estimated, because the server did not count them.
    """

    text: str
    calls: tuple[RequestedCall, ...] = ()
    finish: str = "stop"
    refusal: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    counted: bool = True

    def to_text(self) -> str:
        """Return the reply as JSON for the journal; in ASCII, so that any reply can be stored."""
        return json.dumps(self, separators=(",", ":"))


def reply_from_text(text: str) -> ChatReply:
    """Parse the text that `ChatReply.to_text` returned."""
    content, calls, *rest = json.loads(text)
    return ChatReply(content, tuple(RequestedCall(*call) for call in calls), *rest)


def without(secret: str, reply: ChatReply) -> ChatReply:
    """Return the reply with ``[key]`` in place of ``secret``, which JSON in the reply may spell with escapes."""

    def clean(text: str) -> str:
        text = text.replace(secret, _KEY_MARK)
        if "\\" not in text:
            return text
        try:
            value = json.loads(text)
            replaced = _replaced(value, secret)
        except (ValueError, RecursionError):
            return text
        return text if replaced == value else json.dumps(replaced)

    return reply._replace(
        text=clean(reply.text), refusal=clean(reply.refusal), finish=clean(reply.finish),
        calls=tuple(RequestedCall(clean(call.name), clean(call.arguments)) for call in reply.calls),
    )  # fmt: skip


def _replaced(value: Json, secret: str) -> Json:
    if isinstance(value, str):
        return value.replace(secret, _KEY_MARK)
    if isinstance(value, list):
        return [_replaced(inner, secret) for inner in value]
    if isinstance(value, dict):
        return {name.replace(secret, _KEY_MARK): _replaced(inner, secret) for name, inner in value.items()}
    return value


def estimate_tokens(text: str) -> int:
    """Estimate the number of tokens in a text: one for every four characters.

    Used for estimates, and where a server does not count the tokens.

    Args:
        text: Any text.

    Returns:
        The number of tokens, rounded up.

    Example:
        >>> estimate_tokens("How many tokens?")
        4
    """
    return math.ceil(len(text) / _CHARS_PER_TOKEN)


def reply_from_body(body: bytes, request: ChatRequest) -> ChatReply:
    """Parse the body of a response, checking the type of every part; raise Unusable if it is not a reply."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Unusable("the body is not JSON") from None
    choices = content.get("choices") if isinstance(content, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise Unusable("the body is not a chat completion")
    text = _text(message.get("content"))
    calls = []
    tool_calls = message.get("tool_calls")
    for call in tool_calls if isinstance(tool_calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            arguments = function.get("arguments")
            # some servers send the arguments as an object instead of its text
            written = (
                arguments if isinstance(arguments, str) else json.dumps(arguments if arguments is not None else {})
            )
            calls.append(RequestedCall(_valid(str(function.get("name") or "")[:_MAX_NAME]), _valid(written) or "{}"))
    usage = content.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    output = text + "".join(call.name + call.arguments for call in calls)
    # a server that counts 0 tokens for text that is not empty does not count: estimate instead
    counts = [_count(usage.get("prompt_tokens")) or None, _count(usage.get("completion_tokens"))]
    counts[1] = counts[1] or (None if output else counts[1])
    return ChatReply(
        text=text,
        calls=tuple(calls),
        finish=_valid(str(choice.get("finish_reason") or "stop")[:_MAX_NAME]),
        refusal=_text(message.get("refusal")),
        input_tokens=request.size if counts[0] is None else counts[0],
        output_tokens=estimate_tokens(output) if counts[1] is None else counts[1],
        counted=None not in counts,
    )


def _text(content: Json) -> str:
    """Return text content: a string, or the joined texts of a list of parts; empty for anything else."""
    if isinstance(content, str):
        return _valid(content)
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return _valid("".join(part for part in parts if isinstance(part, str)))
    return ""


def _valid(text: str) -> str:
    """Return text in valid Unicode: half a surrogate pair becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40 else None

"""What goes over the wire: a chat request, its name in the journal, and a reply read out of an untrusted body.

A request is named by its content: model, messages, tools, schema and sampling. What is not part of it (the server's
address, a key, a time-out, how structured output is asked for) does not change the name, so a reply serves again.
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
    "strict_json",
    "without",
]

_PER_TOKEN = 4  # characters that a token stands for, where nobody counts them
_MARK = "[key]"
_MOST_NAME = 256  # characters of a tool's name


class Unusable(Exception):
    """A body that holds no reply; the text says why."""


class ChatRequest(BaseModel):
    """One request of one agent.

    ``reply_schema`` is the JSON Schema that the reply's text must fit, None for free text. ``script`` is sent to the
    rehearsal server only; its reply depends on it, so there ``rollout``, the id of the script's blueprint, is part of
    the request's name.
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
        """40 hex digits that name the request's content."""
        return digest(
            "chat-1", self.model, self.messages, self.tools, self.reply_schema, self.temperature, self.max_tokens,
            self.rollout if self.script is not None else "", length=40,
        )  # fmt: skip

    @cached_property
    def size(self) -> int:
        """Estimated input tokens."""
        parts: list[object] = [self.messages, self.tools, self.reply_schema]
        return sum(estimate_tokens(canonical_json(part)) for part in parts if part)


class RequestedCall(NamedTuple):
    """A tool call as the model wrote it: ``arguments`` is text that should be a JSON object."""

    name: str
    arguments: str


class ChatReply(NamedTuple):
    """A reply: its text, its calls, why it ended, its tokens (``counted`` False where they are estimated)."""

    text: str
    calls: tuple[RequestedCall, ...] = ()
    finish: str = "stop"
    refusal: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    counted: bool = True

    def to_text(self) -> str:
        """The JSON text for the journal: plain ASCII, so that nothing in a reply can fail to be stored."""
        return json.dumps(self, separators=(",", ":"))


def reply_from_text(text: str) -> ChatReply:
    """The reply that `ChatReply.to_text` wrote."""
    said, calls, *rest = json.loads(text)
    return ChatReply(said, tuple(RequestedCall(*call) for call in calls), *rest)


def without(secret: str, reply: ChatReply) -> ChatReply:
    """The reply with ``[key]`` where ``secret`` stood, also where JSON in it spells it with escapes."""

    def clean(text: str) -> str:
        text = text.replace(secret, _MARK)
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
        return value.replace(secret, _MARK)
    if isinstance(value, list):
        return [_replaced(inner, secret) for inner in value]
    if isinstance(value, dict):
        return {name.replace(secret, _MARK): _replaced(inner, secret) for name, inner in value.items()}
    return value


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is: a quarter of its characters, rounded up. Real counts come from the server."""
    return math.ceil(len(text) / _PER_TOKEN)


def reply_from_body(body: bytes, request: ChatRequest) -> ChatReply:
    """The reply in a response's body; Unusable with the reason where there is none.

    Nothing is taken on trust: every part is looked at before it is used.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Unusable("the body is not JSON") from None
    choices = content.get("choices") if isinstance(content, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise Unusable("the body is no chat completion")
    text = _text(message.get("content"))
    calls = []
    listed = message.get("tool_calls")
    for call in listed if isinstance(listed, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            given = function.get("arguments")
            written = given if isinstance(given, str) else json.dumps(given if given is not None else {})
            calls.append(RequestedCall(_whole(str(function.get("name") or "")[:_MOST_NAME]), _whole(written) or "{}"))
    spent = content.get("usage")
    spent = spent if isinstance(spent, dict) else {}
    written_out = text + "".join(call.name + call.arguments for call in calls)
    # no request is empty: a server that counts nothing where there is something does not count
    counts = [_count(spent.get("prompt_tokens")) or None, _count(spent.get("completion_tokens"))]
    counts[1] = counts[1] or (None if written_out else counts[1])
    return ChatReply(
        text=text,
        calls=tuple(calls),
        finish=_whole(str(choice.get("finish_reason") or "stop")[:_MOST_NAME]),
        refusal=_text(message.get("refusal")),
        input_tokens=request.size if counts[0] is None else counts[0],
        output_tokens=estimate_tokens(written_out) if counts[1] is None else counts[1],
        counted=None not in counts,
    )


def _text(content: Json) -> str:
    """Text content: a string, or the texts of a list of parts; anything else is no text."""
    if isinstance(content, str):
        return _whole(content)
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return _whole("".join(part for part in parts if isinstance(part, str)))
    return ""


def _whole(text: str) -> str:
    """Text that can be sent on: half of a surrogate pair becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def strict_json(text: str) -> Json:
    """The value of a JSON text; ValueError for what is none, NaN, infinities and bottomless nesting included."""
    try:
        value = json.loads(text)
        canonical_json(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40 else None

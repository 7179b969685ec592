"""The protocol: a chat request, its key in the journal, and a reply parsed from an untrusted body.

The key of a request is a digest of its content: model, messages, tools, schema and sampling. Other settings (the
server's address, the API key, timeouts, the way to ask for structured output) do not change the key, so that saved
replies can be reused.

A model's reasoning before its answer is kept apart from the text: from the reply's own field, or from ``<think>`` tags.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from tdlab.config import TeacherRole
from tdlab.records import Json, canonical_json, digest

__all__ = [
    "UNPARSABLE",
    "ChatReply",
    "ChatRequest",
    "RequestedCall",
    "Unusable",
    "answer_of",
    "estimate_tokens",
    "most_bytes",
    "reply_from_body",
    "reply_from_text",
    "split_reasoning",
    "without",
]

_CHARS_PER_TOKEN = 4  # for estimates
_KEY_MARK = "[key]"
_MAX_NAME = 256  # characters of a tool's name
_MAX_BODY_BYTES = 1024 * 1024  # of a body beside its tokens, of which each takes at most `_MAX_BYTES_PER_TOKEN`
_MAX_BYTES_PER_TOKEN = 256  # text takes 3 to 6, in escapes and twice for reasoning up to 40
_MAX_COUNT = 20_000_000  # tokens; no context is longer, so a larger count is an error of the server

UNPARSABLE = "unparsable"
"""The finish reason of a reply whose output the server could not parse; `ChatReply.problem` is the server's message."""


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
        top_p: Share of probability that is sampled from; None for the server's default.
        seed: Seed of the sampling; None to send none.
        extra_body: Further keys of the request's body.
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
    top_p: float | None = None
    seed: int | None = None
    extra_body: dict[str, Json] | None = None
    max_tokens: int = 2048
    rollout: str = ""
    script: dict[str, Json] | None = None

    @cached_property
    def key(self) -> str:
        """A digest of the request's content: 40 hex digits."""
        return digest(
            "chat-2", self.model, self.messages, self.tools, self.reply_schema, self.temperature, self.top_p,
            self.seed, self.extra_body or {}, self.max_tokens, self.rollout if self.script is not None else "",
            length=40,
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
    """A reply to a request.

    Attributes:
        text: The answer, without the reasoning.
        calls: The tool calls.
        finish: The server's finish reason, or `UNPARSABLE`; such a reply has neither text nor calls.
        refusal: Why the model refuses; empty if it does not.
        input_tokens: Tokens of the request, cached ones included.
        output_tokens: Tokens of the reply, reasoning included.
        counted: False if tokens are estimated, because the server did not count them.
        reasoning: What the model wrote before its answer; empty if the server does not show it.
        cached_input_tokens: Input tokens that the server read from its cache.
        reasoning_tokens: Output tokens of the reasoning; 0 if the server does not count them.
        problem: The server's message on a reply with the finish reason `UNPARSABLE`.
    """

    text: str
    calls: tuple[RequestedCall, ...] = ()
    finish: str = "stop"
    refusal: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    counted: bool = True
    reasoning: str = ""
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    problem: str = ""

    def to_text(self) -> str:
        """Return the reply as JSON for the journal; in ASCII, so that any reply can be stored."""
        return json.dumps(self, separators=(",", ":"))


_FIELDS_BEFORE_REASONING = 7
"""The fields of a saved reply of an earlier version, whose text includes the reasoning."""


def reply_from_text(text: str) -> ChatReply:
    """Parse the text that `ChatReply.to_text` returned, in this version or an earlier one."""
    content, calls, *rest = json.loads(text)
    reply = ChatReply(content, tuple(RequestedCall(*call) for call in calls), *rest)
    return answer_of(reply) if len(rest) + 2 <= _FIELDS_BEFORE_REASONING else reply


def answer_of(reply: ChatReply) -> ChatReply:
    """Return the reply with its reasoning apart; one where it already is stays as it is."""
    if reply.reasoning:
        return reply
    reasoning, text = split_reasoning(reply.text)
    return reply._replace(text=text, reasoning=reasoning) if reasoning or text != reply.text else reply


_OPEN, _CLOSE = "<think>", "</think>"


def split_reasoning(text: str) -> tuple[str, str]:
    """Split a model's text into its reasoning and its answer.

    Reasoning stands at the start in ``<think>`` tags, once or several times. If a tag is not closed, all that follows
    it is reasoning. A ``</think>`` without an opening tag before it ends reasoning that began in the prompt. A
    ``<think>`` amid the text is part of the answer.

    Args:
        text: What the model wrote.

    Returns:
        The reasoning, without tags, and the answer.

    Example:
        >>> split_reasoning("<think>Greet them.</think> Hello")
        ('Greet them.', 'Hello')
        >>> split_reasoning("Write <think> first.")
        ('', 'Write <think> first.')
    """
    if _OPEN not in text and _CLOSE not in text:
        return "", text
    thoughts: list[str] = []
    rest = text.lstrip()
    began_in_prompt = False
    while True:
        if rest.startswith(_OPEN):
            thought, closed, after = rest[len(_OPEN) :].partition(_CLOSE)
        elif (began_in_prompt or not thoughts) and not _is_json(rest):
            thought, closed, after = rest.partition(_CLOSE)
            if not closed or _OPEN in thought:
                break
            began_in_prompt = True
        else:
            break
        thoughts.append(thought.strip())
        rest = after.lstrip()
        if not closed:
            rest = ""
            break
    return ("\n\n".join(filter(None, thoughts)), rest) if thoughts else ("", text)


def _is_json(text: str) -> bool:
    """Return whether a text is one JSON object, in which a tag is only mentioned."""
    if not text.startswith("{"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def without(secret: str, reply: ChatReply) -> ChatReply:
    """Return the reply with ``[key]`` in place of ``secret``, which JSON in the reply may spell with escapes."""

    def clean(text: str) -> str:
        text = text.replace(secret, _KEY_MARK)
        return _spellings(secret).sub(_KEY_MARK, text) if "\\" in text else text

    return reply._replace(
        text=clean(reply.text), refusal=clean(reply.refusal), finish=clean(reply.finish),
        reasoning=clean(reply.reasoning), problem=clean(reply.problem),
        calls=tuple(RequestedCall(clean(call.name), clean(call.arguments)) for call in reply.calls),
    )  # fmt: skip


@cache
def _spellings(secret: str) -> re.Pattern[str]:
    """Return a pattern of an ASCII text as JSON may spell it."""

    def spelled(character: str) -> str:
        escaped = rf"|\\{re.escape(character)}" if character in '"\\/' else ""
        return rf"(?:{re.escape(character)}|\\u(?i:{ord(character):04x}){escaped})"

    return re.compile("".join(map(spelled, secret)))


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


def most_bytes(request: ChatRequest) -> int | None:
    """Return the size from which a body cannot be an honest reply; None if there is no telling.

    A body takes up to thirty times its size when it is parsed. Some servers repeat the prompt in it. Log-probabilities,
    which ``extra_body`` may ask for, take hundreds of bytes for every token.
    """
    if any("logprob" in name for name in request.extra_body or ()):
        return None
    return _MAX_BODY_BYTES + _MAX_BYTES_PER_TOKEN * (request.max_tokens + request.size)


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
    written = _text(message.get("content"))
    reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    thoughts, text = split_reasoning(written)
    calls = []
    tool_calls = message.get("tool_calls")
    for call in tool_calls if isinstance(tool_calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            arguments = function.get("arguments")
            # some servers send the arguments as an object instead of its text
            said = arguments if isinstance(arguments, str) else json.dumps(arguments if arguments is not None else {})
            calls.append(RequestedCall(_valid(str(function.get("name") or "")[:_MAX_NAME]), _valid(said) or "{}"))
    usage = _mapping(content.get("usage"))
    output = reasoning + written + "".join(call.name + call.arguments for call in calls)
    # a server that counts 0 tokens for text that is not empty does not count: estimate instead
    counts = [_count(usage.get("prompt_tokens")) or None, _count(usage.get("completion_tokens"))]
    counts[1] = counts[1] or (None if output else counts[1])
    input_tokens = request.size if counts[0] is None else counts[0]
    output_tokens = estimate_tokens(output) if counts[1] is None else counts[1]
    thought_tokens = _count(_mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
    return ChatReply(
        text=text,
        calls=tuple(calls),
        finish=_valid(str(choice.get("finish_reason") or "stop")[:_MAX_NAME]),
        refusal=_text(message.get("refusal")),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        counted=None not in counts,
        reasoning="\n\n".join(filter(None, (reasoning, thoughts))),
        cached_input_tokens=0 if counts[0] is None else _cached(usage, input_tokens),
        reasoning_tokens=thought_tokens if thought_tokens <= output_tokens else 0,
    )


def _cached(usage: Mapping[str, Json], input_tokens: int) -> int:
    """Return the number of input tokens that were read from the server's cache, which three dialects report."""
    for count in (
        _mapping(usage.get("prompt_tokens_details")).get("cached_tokens"),
        usage.get("prompt_cache_hit_tokens"),
        usage.get("cache_read_input_tokens"),
    ):
        cached = _count(count)
        if cached:
            return cached if cached <= input_tokens else 0
    return 0


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


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
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT else None

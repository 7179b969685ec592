"""Failures of a call, and what a server's error message means: servers share no codes, so the words decide."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from tdlab.errors import TeacherError
from tdlab.rollout.llm._transport import BodyError
from tdlab.rollout.llm.protocol import ChatRequest

__all__ = [
    "Failure",
    "body_of",
    "cause_of",
    "context_in",
    "drops_tools",
    "exceeds_context",
    "is_unknown",
    "is_unparsable",
    "schema_failure",
    "too_long",
    "unreachable",
]

_UNSUPPORTED = r"un(?:supported|known|recogni[sz]ed|expected|available)|not (?:supported|permitted|allowed)|extra[ _]"
_NEAR = 80  # characters between a parameter's name and the words that it is unsupported
_SHOWN = 4000  # characters of a message that are read; a server may repeat the whole request after them

_UNPARSABLE = re.compile(
    r"failed to parse (?:the )?(?:input|output|tool[ _-]?call|function[ _-]?call|model|generated)"  # llama.cpp
    r"|unexpected empty grammar stack|invalid diff:"  # llama.cpp
    r"|tool[ _-]?(?:call[ _-]?)?pars(?:er|ing)\b.{0,60}(?:error|fail|exception|invalid)"  # vLLM, SGLang
    r"|(?:error|fail\w*|exception|unable).{0,60}\btool[ _-]?(?:call[ _-]?)?pars(?:er|ing)"
    r"|(?:error|fail\w*|unable|could not).{0,40}(?:extract|pars)\w*.{0,20}(?:tool|function)[ _-]?calls?"
    r"|tool_use_failed|json_validate_failed|failed_generation",  # Groq
    re.IGNORECASE | re.DOTALL,
)
_NO_TOOLS = re.compile(
    r"--enable-auto-tool-choice|--tool-call-parser|--jinja|does not support (?:tools?|functions?)\b|support tool use",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"context[ _](?:length|size|window)[^.]{0,60}exceed|exceed\w*[^.]{0,60}\bcontext|exceed_context_size"
    r"|maximum context length is|maximum (?:model|sequence|input) length|max_model_len|(?:prompt|input) is too long",
    re.IGNORECASE,
)
_CONTEXT_SIZE = re.compile(
    r"(?:context length is|context (?:size|window|length) (?:of|is)|n_ctx\W{1,4}|max_model_len\W{1,4}|"
    r"context (?:size|window|length) \()\s*(\d[\d,]*)",
    re.IGNORECASE,
)
_BAD_SCHEMA = re.compile(
    r"invalid[ _](?:json[ _])?schema|schema conversion|(?:unrecognized|unsupported|invalid)[ _](?:json[ _])?schema"
    r"|grammar|\bpatterns?\b|\bregex|resolving ref|features? (?:that (?:is|are) )?(?:not supported|unsupported)"
    r"|too (?:complex|large|deep|many)|keyword|compil|nesting|\$ref\b|additionalProperties",
    re.IGNORECASE,
)
_NO_SCHEMA = re.compile(
    rf"\b(?:response_format|json_schema|structured outputs?)\b.{{0,{_NEAR}}}"
    rf"(?:{_UNSUPPORTED}|must be|only|not enabled|does ?n.t support)"
    rf"|(?:{_UNSUPPORTED}|must be|does not support|not enabled).{{0,{_NEAR}}}"
    r"\b(?:response_format|json_schema|structured outputs?)\b",
    re.IGNORECASE | re.DOTALL,
)


class Failure(Exception):
    """An attempt that failed and may be retried: its kind, a message, and the server's ``Retry-After`` in seconds."""

    def __init__(self, kind: str, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.wait_s = wait_s


def is_unparsable(message: str) -> bool:
    """Return whether the server could not parse what the model wrote.

    Example:
        >>> is_unparsable("Failed to parse input at pos 12: <tool_call>"), is_unparsable("overloaded")
        (True, False)
    """
    return bool(_UNPARSABLE.search(message[:_SHOWN]))


def drops_tools(message: str) -> bool:
    """Return whether the server, or the model on it, takes no tools."""
    return bool(_NO_TOOLS.search(message[:_SHOWN]))


def exceeds_context(message: str) -> bool:
    """Return whether the request is longer than the model's context.

    Example:
        >>> exceeds_context("This model's maximum context length is 4096 tokens. However, you requested 5000")
        True
    """
    return bool(_CONTEXT.search(message[:_SHOWN]))


def context_in(message: str) -> int | None:
    """Return the context length that a message states, in tokens; None if it states none.

    Example:
        >>> context_in("the request exceeds the available context size (4,096 tokens)")
        4096
    """
    stated = _CONTEXT_SIZE.search(message[:_SHOWN])
    return int(stated[1].replace(",", "")[:9]) if stated else None


def schema_failure(message: str) -> Literal["", "schema", "support"]:
    """Say what a server objects to: this schema, schemas at all (``support``), or something else (empty).

    Example:
        >>> schema_failure("JSON schema conversion failed: Pattern must start with '^'")
        'schema'
        >>> schema_failure("This response_format type is unavailable now")
        'support'
    """
    message = message[:_SHOWN]
    if _BAD_SCHEMA.search(message):
        return "schema"
    if _NO_SCHEMA.search(message):
        return "support"
    return "schema" if re.search("response_format|schema", message, re.IGNORECASE) else ""


def is_unknown(parameter: str, message: str) -> bool:
    """Return whether an error says that a parameter is unsupported.

    A server that only names it, as in "max_tokens is too large", knows it.
    """
    name = rf"\b{parameter}\b"
    return bool(
        re.search(
            rf"(?:{_UNSUPPORTED}).{{0,{_NEAR}}}{name}|{name}.{{0,{_NEAR}}}(?:{_UNSUPPORTED})",
            message[:_SHOWN],
            re.IGNORECASE | re.DOTALL,
        )
    )


def too_long(request: ChatRequest, context: int | None) -> str:
    """Say that a request does not fit into the model's context, by its estimated size."""
    needed = f"needs about {request.size + request.max_tokens:,} tokens, "
    return needed + (f"the model's context is {context:,}" if context else "more than the model's context")


def unreachable(address: str, error: BaseException, clean: Callable[[str], str]) -> TeacherError:
    """Return the error of a server that cannot be used at all, or answers with a body that is not read."""
    if isinstance(error.__cause__ or error, BodyError):
        return TeacherError(
            f"{address}: {error}",
            expected="a body as plain JSON, as the request asks for it",
            do="turn off compression in the server or in the proxy before it, or correct teacher.base_url",
        )
    return TeacherError(
        f"{address}: cannot be reached: {clean(cause_of(error))}",
        expected="an OpenAI-compatible server at that address",
        do="start the server, or correct teacher.base_url or OPENAI_BASE_URL;"
        " `tdlab mock-server` serves a mock model on this machine",
    )


def body_of(error: Any) -> str:
    """Return the text of the response that an error of ``openai`` holds."""
    try:
        return str(error.response.text)
    except (UnicodeError, RuntimeError):
        return ""


def cause_of(error: BaseException) -> str:
    """Return the message of the innermost cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__

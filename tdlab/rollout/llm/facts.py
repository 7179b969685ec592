"""What a server says about itself, for free: its models, their context lengths, and whether it passes on tools.

``GET /models`` is part of the API; vLLM adds ``max_model_len`` to a model and llama.cpp ``meta``. ``GET /props`` is
llama.cpp's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import anyio

from tdlab.errors import TeacherError
from tdlab.records import Json
from tdlab.registry import did_you_mean
from tdlab.rollout.llm._transport import BodyError

__all__ = ["ServerFacts", "obstacle", "read_facts"]

_MAX_NAMED = 8  # models that an error names
_MAX_BYTES = 4 * 1024 * 1024  # of a body that is parsed, which takes up to thirty times as much memory


class ServerFacts(NamedTuple):
    """What a server says about itself; None: it does not say.

    Attributes:
        status: The HTTP status of ``GET /models``.
        message: The body, if the status is an error.
        models: The models that it lists.
        contexts: Model -> its context length in tokens.
        context: The context length of every model.
        tools: Whether the model's chat template has tools; if not, the server drops them.
    """

    status: int = 0
    message: str = ""
    models: tuple[str, ...] | None = None
    contexts: Mapping[str, int] = {}
    context: int | None = None
    tools: bool | None = None

    def lists(self, model: str) -> bool | None:
        """Return whether a model is among those listed, also without its tag or prefix; None without a list."""
        if not self.models:
            return None
        base = model.partition(":")[0]
        return any(
            name in (model, base, f"{model}:latest") or name.endswith(f"/{model}") or
            ("*" in name and fnmatchcase(model, name))
            for name in self.models
        )  # fmt: skip

    def context_of(self, model: str) -> int | None:
        """Return the context length of a model; the only model that a server has answers to any name."""
        if self.context is not None:
            return self.context
        if len(self.contexts) == 1 and self.models is not None and len(self.models) == 1:
            return next(iter(self.contexts.values()))
        return self.contexts.get(model)


def obstacle(
    facts: ServerFacts,
    address: str,
    model: str,
    *,
    needs_tools: bool,
    max_tokens: int,
    clean: Callable[[str], str],
) -> TeacherError | None:
    """Say why a model on a server cannot play a role, as far as the server tells; None if nothing is known.

    The only model of a server may have any name, since llama.cpp answers to every one.

    Args:
        facts: What the server says about itself.
        address: The base URL.
        model: The model.
        needs_tools: Whether the role calls tools.
        max_tokens: Most tokens of a reply.
        clean: Removes the key from a server's text.
    """
    models = facts.models or ()
    if facts.lists(model) is False and len(models) > 1:
        named = clean(", ".join(models[:_MAX_NAMED])) + (
            f" and {len(models) - _MAX_NAMED} more" * (len(models) > _MAX_NAMED)
        )
        meant = did_you_mean(model, [clean(name) for name in models])
        return TeacherError(
            f"{address}: has no model {model!r}",
            expected=f"one of {named}",
            do=f"set teacher.model, or teacher.by_role.ROLE.model; {meant}".rstrip("; "),
        )
    if needs_tools and facts.tools is False:
        return TeacherError(
            f"{address}: drops the tools of a request, so {model!r} cannot play the assistant",
            expected="a model whose chat template has tools",
            do="start llama-server with --jinja and a model or --chat-template-file that has tools, or set another"
            " teacher.by_role.assistant.model",
        )
    context = facts.context_of(model)
    if context is not None and max_tokens >= context:
        return TeacherError(
            f"{address}: the context of {model!r} is {context:,} tokens, and a reply may take {max_tokens:,}",
            expected="room for a request and its reply",
            do="lower teacher.max_tokens, or start the server with a longer context",
        )
    return None


async def read_facts(http: Any, address: str, headers: Mapping[str, str], *, limit_s: float) -> ServerFacts:
    """Ask a server about itself.

    Args:
        http: An ``httpx2.AsyncClient``.
        address: The base URL.
        headers: Headers with the key.
        limit_s: Time limit of each of the two requests, in seconds.

    Returns:
        What it says.

    Raises:
        TimeoutError: If it does not answer in time.
        httpx2.HTTPError: If it cannot be reached.
        BodyError: If it sends a compressed body, or one that is too long.
    """
    with anyio.fail_after(limit_s):
        listed = await http.get(f"{address}/models", headers=headers)
    if listed.status_code != 200:
        return ServerFacts(listed.status_code, _text(listed))
    models, contexts = _models(listed)
    facts = ServerFacts(200, "", models, contexts)
    if models is not None and len(models) > 1:
        return facts  # /props is about one model
    root = address.removesuffix("/v1")
    props: Any = None
    try:
        with anyio.move_on_after(limit_s):
            props = _object(await http.get(f"{root}/props", headers=headers))
    except Exception as error:
        if not _is_http(error):
            raise
    caps = _get(props, "chat_template_caps")
    tools = _get(caps, "supports_tools")
    context = _count(_get(_get(props, "default_generation_settings"), "n_ctx"))
    return facts._replace(tools=tools if isinstance(tools, bool) else None, context=context)


def _models(response: Any) -> tuple[tuple[str, ...] | None, dict[str, int]]:
    content = _object(response)
    entries = _get(content, "data")
    if not isinstance(entries, list) or _get(content, "has_more") is True:
        return None, {}
    names, contexts = [], {}
    for entry in entries:
        name = _get(entry, "id")
        if not isinstance(name, str):
            continue
        names.append(name)
        meta = _get(entry, "meta")
        for value in (_get(entry, "max_model_len"), _get(meta, "n_ctx"), _get(meta, "n_ctx_train")):
            if (count := _count(value)) is not None:
                contexts[name] = count
                break
    return tuple(dict.fromkeys(names)), contexts


def _object(response: Any) -> Json:
    if response.status_code != 200 or len(response.content) > _MAX_BYTES:
        return None
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _text(response: Any) -> str:
    try:
        return str(response.text)
    except (UnicodeError, LookupError):
        return ""


def _is_http(error: Exception) -> bool:
    import httpx2

    return isinstance(error, (httpx2.HTTPError, httpx2.InvalidURL, BodyError))


def _get(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None

"""Find out what the servers of a config can do, before a run: for free, and with a few tiny calls on request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import anyio.from_thread

from tdlab.config import TeacherConfig, TeacherRole
from tdlab.records import Json
from tdlab.rollout.llm._account import Key, role_addresses
from tdlab.rollout.llm._logs import hidden_in_logs
from tdlab.rollout.llm._transport import BodyError, http_client
from tdlab.rollout.llm.facts import obstacle, read_facts
from tdlab.rollout.llm.refusals import cause_of, is_unknown
from tdlab.tools import JsonError, read_json

__all__ = ["Probe", "probe"]

_MAX_TOKENS = 32  # of a reply to a paid call
_MAX_BYTES = 1024 * 1024  # of its body
_MAX_DEPTH = 64  # of its JSON
_TOOL: dict[str, Json] = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "Return the current time.",
        "parameters": {"type": "object", "properties": {}},
    },
}
_SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


class Probe(NamedTuple):
    """What one model on one server can do; None: not known.

    Attributes:
        address: The base URL.
        model: The model.
        roles: The roles of the config that it plays there.
        error: Why it cannot play one of its roles; empty if nothing speaks against it.
        listed: Whether the server lists the model.
        models: The models that the server lists.
        context: The context length in tokens.
        takes_tools: Whether the chat template has tools.
        honours_schema: Whether the reply to a request in JSON-schema mode fits the schema.
        calls_tools: Whether the model calls a tool that it is asked to call.
        honours_tool_choice: Whether the model calls the tool that ``tool_choice`` names.
        reports_usage: Whether a reply comes with its tokens.
        accepts_seed: Whether a request may have a seed.
        accepts_top_p: Whether a request may have ``top_p``.
    """

    address: str
    model: str
    roles: tuple[TeacherRole, ...]
    error: str = ""
    listed: bool | None = None
    models: tuple[str, ...] = ()
    context: int | None = None
    takes_tools: bool | None = None
    honours_schema: bool | None = None
    calls_tools: bool | None = None
    honours_tool_choice: bool | None = None
    reports_usage: bool | None = None
    accepts_seed: bool | None = None
    accepts_top_p: bool | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What will not work as usual, though the roles can be played: one sentence each."""
        notes = []
        if not self.error and self.listed is False:
            notes.append(f"the server lists {', '.join(self.models)}; it may answer to {self.model!r} all the same")
        if self.honours_schema is False:
            notes.append("JSON-schema mode is not honoured: replies that do not fit are asked for again")
        if self.honours_tool_choice is False:
            notes.append("tool_choice is not honoured")
        if self.reports_usage is False:
            notes.append("tokens are not reported: costs are estimated")
        if self.accepts_seed is False:
            notes.append("seeds are rejected: none is sent")
        if self.accepts_top_p is False:
            notes.append("top_p is rejected: unset teacher.top_p")
        return tuple(notes)


def probe(config: TeacherConfig, *, paid: bool = False, api_key: str | None = None) -> tuple[Probe, ...]:
    """Find out what each model of a config can do on each of its servers.

    Args:
        config: The models, roles and addresses.
        paid: Whether to make four or five calls per model and server too, of at most 32 tokens each.
        api_key: The API key; ``OPENAI_API_KEY`` by default.

    Returns:
        One `Probe` for each address and model, in the order of the roles. A server that cannot be reached is one with
        an ``error``.

    Raises:
        ConfigError: If an address or the key is invalid.

    Example:
        >>> from tdlab.config import TeacherConfig
        >>> with MockServer() as server:
        ...     (found,) = probe(TeacherConfig(model="mock", base_url=server.base_url))
        >>> found.listed, found.takes_tools, found.honours_schema
        (True, True, None)
    """
    key, addresses = Key(api_key), role_addresses(config)
    roles: dict[tuple[str, str], list[TeacherRole]] = {}
    most: dict[tuple[str, str], int] = {}
    for role in config.roles:
        sampling = config.sampling(role)
        for address in addresses[role]:
            pair = address, sampling.model
            roles.setdefault(pair, []).append(role)
            most[pair] = max(most.get(pair, 0), sampling.max_tokens)

    async def work() -> list[Probe]:
        return await asyncio.gather(
            *(
                _probe(config, key, Probe(*pair, tuple(of_pair)), max_tokens=most[pair], paid=paid)
                for pair, of_pair in roles.items()
            )
        )

    with hidden_in_logs(key.secret), anyio.from_thread.start_blocking_portal() as portal:
        return tuple(portal.call(work))


async def _probe(config: TeacherConfig, key: Key, probe: Probe, *, max_tokens: int, paid: bool) -> Probe:
    """Fill in a probe that has an address, a model and roles only."""
    import httpx2

    limit = 2 * config.connect_timeout_s
    async with http_client(
        probe.address, timeout_s=config.timeout_s, connect_timeout_s=config.connect_timeout_s
    ) as http:
        try:
            facts = await read_facts(http, probe.address, key.headers, limit_s=limit)
        except TimeoutError:
            return probe._replace(error=f"cannot be reached: no answer within {limit:g} s")
        except BodyError as error:
            return probe._replace(error=str(error))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return probe._replace(error=f"cannot be reached: {key.clean(cause_of(error))}")
        if facts.status in (401, 403):
            return probe._replace(error=f"HTTP {facts.status}: {key.clean(facts.message)}")
        problem = obstacle(
            facts, probe.address, probe.model, needs_tools="assistant" in probe.roles, max_tokens=max_tokens,
            clean=key.clean,
        )  # fmt: skip
        probe = probe._replace(
            error="" if problem is None else f"{problem.found.removeprefix(f'{probe.address}: ')}; {problem.do}",
            listed=facts.lists(probe.model),
            models=tuple(key.clean(name) for name in facts.models or ()),
            context=facts.context_of(probe.model),
            takes_tools=facts.tools,
        )
        if paid and not probe.error:
            extra_body = config.sampling(probe.roles[0]).extra_body
            probe = await _Calls(http, key, probe, extra_body).made()
    return probe


class _Calls:
    """The paid calls of a probe. A call that fails leaves what it was made for unknown."""

    def __init__(self, http: Any, key: Key, probe: Probe, extra_body: Mapping[str, Json]) -> None:
        self._http = http
        self._key = key
        self._probe = probe
        self._extra_body = extra_body
        self._limit_name = "max_completion_tokens" if "api.openai.com" in probe.address else "max_tokens"

    async def made(self) -> Probe:
        """Make the calls and return the probe with what they say."""
        probe = self._probe
        status, reply = await self._ask("Answer yes.")
        if status in (400, 422) and is_unknown(self._limit_name, str(reply)):
            names = {"max_tokens", "max_completion_tokens"}
            (self._limit_name,) = names - {self._limit_name}
            status, reply = await self._ask("Answer yes.")
        if status != 200:
            text = reply if isinstance(reply, str) else json.dumps(reply)
            return probe._replace(error=f"HTTP {status}: {self._key.clean(text)}" if status else self._key.clean(text))
        usage = _get(reply, "usage")
        probe = probe._replace(reports_usage=bool(_get(usage, "prompt_tokens") and _get(usage, "completion_tokens")))
        seed, top_p = await self._accepts("seed", 1), await self._accepts("top_p", 0.9)
        named = {"type": "function", "function": {"name": "get_time"}}
        schema = {"type": "json_schema", "json_schema": {"name": "probe", "schema": _SCHEMA}}
        calls = await self._calls_tool("What time is it? Call get_time.", tools=[_TOOL])
        chosen = await self._calls_tool("Say hello.", tools=[_TOOL], tool_choice=named)
        probe = probe._replace(
            honours_schema=await self._fits("Name a colour.", response_format=schema),
            calls_tools=calls,
            honours_tool_choice=chosen,
            accepts_seed=seed,
            accepts_top_p=top_p,
        )
        if calls is False and chosen is not True and "assistant" in probe.roles:
            probe = probe._replace(error="calls no tools, so it cannot play the assistant")
        return probe

    async def _ask(self, text: str, **more: Json) -> tuple[int, Json]:
        """Make one call; return its status and body, or 0 and a message."""
        import httpx2

        messages = [{"role": "user", "content": text}]
        body = {**self._extra_body, "model": self._probe.model, "messages": messages}
        try:
            response = await self._http.post(
                f"{self._probe.address}/chat/completions",
                headers=self._key.headers,
                json={**body, self._limit_name: _MAX_TOKENS, **more},
            )
        except (httpx2.HTTPError, BodyError) as error:
            return 0, f"a call failed: {cause_of(error)}"
        status = int(response.status_code)
        if len(response.content) > _MAX_BYTES:
            return 0, "the reply is too long"
        try:
            return status, read_json(response.text, strict=False, max_depth=_MAX_DEPTH)
        except JsonError:
            return (0, "the reply is not JSON") if status == 200 else (status, response.text)

    async def _accepts(self, name: str, value: Json) -> bool | None:
        status, reply = await self._ask("Answer yes.", **{name: value})
        if status == 200:
            return True
        return False if status in (400, 422) and is_unknown(name, json.dumps(reply)) else None

    async def _calls_tool(self, text: str, **more: Json) -> bool | None:
        status, reply = await self._ask(text, **more)
        if status in (400, 422):
            return False
        message, finish = _message(reply)
        calls = _get(message, "tool_calls")
        if calls and isinstance(calls, list):
            return bool(_get(_get(calls[0], "function"), "name") == "get_time")
        return False if status == 200 and message is not None and finish != "length" else None

    async def _fits(self, text: str, **more: Json) -> bool | None:
        status, reply = await self._ask(text, **more)
        if status in (400, 422):
            return False
        message, finish = _message(reply)
        if status != 200 or message is None or finish == "length":
            return None
        try:
            value = read_json(str(_get(message, "content")), max_depth=_MAX_DEPTH)
        except JsonError:
            return False
        return isinstance(value, dict) and value.keys() == {"ok"} and isinstance(value["ok"], bool)


def _message(reply: Json) -> tuple[Mapping[str, Json] | None, str]:
    """Return the message of a completion, and its finish reason."""
    choices = _get(reply, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = _get(choice, "message")
    return (message if isinstance(message, dict) else None), str(_get(choice, "finish_reason"))


def _get(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None

"""The chat client, the only importer of ``openai``: calls servers, retries, and saves every reply that was paid for.

A call that fails temporarily (429, 5xx, a cut connection, a timeout, a malformed body) is retried with backoff, on
another server if there is one. A request that can never succeed raises `RequestRefused`; so does one that does not fit
into the model's context. A reply that the server could not parse is a reply of its own kind. Servers that cannot be
used at all raise TeacherError within seconds. Replies are saved to disk before use. The API key is read from the
environment, sent in one header, and removed from every text that the server returns and from the libraries' logs. A key
of fewer than 8 characters counts as a placeholder and is removed from errors only, since replies contain such words.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, NamedTuple, Self

import anyio

from tdlab.config import TeacherConfig
from tdlab.errors import TeacherError
from tdlab.rollout.llm._account import Key, role_addresses
from tdlab.rollout.llm._logs import hidden_in_logs
from tdlab.rollout.llm._transport import BodyError, http_client, limited_body
from tdlab.rollout.llm.budget import Budget, Prices
from tdlab.rollout.llm.facts import obstacle, read_facts
from tdlab.rollout.llm.protocol import (
    UNPARSABLE,
    ChatReply,
    ChatRequest,
    Unusable,
    most_bytes,
    reply_from_body,
    reply_from_text,
    without,
)
from tdlab.rollout.llm.rate_limit import Dismissed, backoff, retry_after
from tdlab.rollout.llm.refusals import (
    Failure,
    body_of,
    cause_of,
    context_in,
    drops_tools,
    exceeds_context,
    is_unknown,
    is_unparsable,
    schema_failure,
    too_long,
    unreachable,
)
from tdlab.rollout.llm.requests import request_body
from tdlab.rollout.llm.servers import Server, choose, fitting
from tdlab.store import ReplyJournal

__all__ = ["ChatClient", "RequestRefused", "Traffic"]

_log = logging.getLogger(__name__)
_OMITTED_HEADERS = (
    "Lang",
    "Package-Version",
    "OS",
    "Arch",
    "Runtime",
    "Runtime-Version",
    "Async",
    "Retry-Count",
    "Read-Timeout",
)
"""Headers (``X-Stainless-...``) in which the library describes this machine; they take a tenth of a call's CPU time."""
_POLL_S = 0.25  # how often a waiting retry checks whether the client was closed
_MAX_REFUSED = 10  # refusals in a row with no reply in between: the fault is in the settings, not in the requests
_ADAPTED = ("no schema", "no limit", "no seed")
"""Failures after which the same server gets the request in another form, without a wait."""


class RequestRefused(Exception):
    """The server rejects this request, or failed on it too often; only the rollout of the request is rejected."""


class Traffic(NamedTuple):
    """The calls of this session: answered, replayed from the journal, failures by kind, in flight, current limit."""

    answered: int
    replayed: int
    failures: dict[str, int]
    in_flight: int
    limit: int


class ChatClient:
    """A client of one or several OpenAI-compatible servers; an async context manager.

    `ask` may be called from many tasks of one event loop.

    Args:
        config: The servers' addresses, the models, the limits on concurrency, retries, time and spending.
        journal: Where replies are saved and looked up; None to save nothing.
        owner: The run's name in the journal; what that run has already paid counts against the budget.
        api_key: The API key; ``OPENAI_API_KEY`` by default.

    Raises:
        ConfigError: If the address, the key, the price table or the budget is invalid.

    Example:
        >>> import anyio
        >>> from tdlab.config import TeacherConfig
        >>> async def main(base_url: str) -> None:
        ...     async with ChatClient(TeacherConfig(model=MOCK_MODEL, base_url=base_url)) as client:
        ...         await client.check()
        ...         print(client.traffic.answered, client.traffic.limit)
        >>> with MockServer() as server:
        ...     anyio.run(main, server.base_url)
        0 32
    """

    def __init__(
        self,
        config: TeacherConfig,
        *,
        journal: ReplyJournal | None = None,
        owner: str = "",
        api_key: str | None = None,
    ) -> None:
        self.config = config
        self.prices = Prices.load(config.prices)
        self.budget = Budget(config, self.prices, models={config.model_of(role) for role in config.roles})
        self._addresses = role_addresses(config)
        self._servers: dict[str, Server] = {}
        self._journal = journal
        self._owner = owner
        self._key = Key(api_key)
        self._servers_of = {
            role: tuple(self._servers.setdefault(address, Server(address, config.concurrency)) for address in addresses)
            for role, addresses in self._addresses.items()
        }
        self._pending: dict[str, asyncio.Future[ChatReply]] = {}
        self._failures: Counter[str] = Counter()
        self._answered = 0
        self._answered_at = 0.0
        self._replayed = 0
        self._closed_because = ""
        self._fatal: TeacherError | None = None
        self._refused = 0
        self._longest: dict[tuple[str, str], int] = {}
        self._to_check: asyncio.Task[None] | None = None
        self._checks = False
        self._response: Any = None
        self._never_sent: tuple[type[Exception], ...] = ()
        self._stack = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        import httpx2
        from openai import AsyncOpenAI, Omit

        config = self.config
        headers: dict[str, Any] = {"Accept-Encoding": "identity"}
        headers |= {f"X-Stainless-{name}": Omit() for name in _OMITTED_HEADERS}
        for server in self._servers.values():
            server.http = http_client(
                server.address, timeout_s=config.timeout_s, connect_timeout_s=config.connect_timeout_s
            )
            server.openai = AsyncOpenAI(
                api_key=self._key.sent, base_url=server.address, max_retries=0, http_client=server.http,
                default_headers=headers,
            )  # fmt: skip
        self._response = httpx2.Response
        self._never_sent = (httpx2.ConnectTimeout, httpx2.PoolTimeout)
        if self._journal is not None and self._owner:
            for paid in self._journal.paid(self._owner):
                self.budget.spent.add(
                    paid.role, paid.model, paid.input_tokens, paid.output_tokens, calls=paid.calls,
                    cached_input_tokens=paid.cached_input_tokens,
                )  # fmt: skip
        self._stack.enter_context(hidden_in_logs(self._key.secret))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._to_check is not None:
            self._to_check.cancel()
        with self._stack:
            for server in self._servers.values():
                if server.openai is not None:
                    await server.openai.close()
                    server.openai = None

    @property
    def traffic(self) -> Traffic:
        """The number of calls, replayed replies and failures so far."""
        limiters = [server.limiter for server in self._servers.values()]
        return Traffic(
            self._answered, self._replayed, dict(self._failures), sum(limiter.active for limiter in limiters),
            sum(int(limiter.limit) for limiter in limiters),
        )  # fmt: skip

    def close(self, why: str) -> None:
        """Finish the calls in flight; every later `ask` raises TeacherError with the message ``why``.

        Call it in the client's event loop. Calls that wait for their turn or for a retry end at once.
        """
        self._closed_because = why
        self._end_waits()

    def _end_waits(self) -> None:
        for server in self._servers.values():
            server.limiter.open()

    async def check_when_needed(self) -> None:
        """`check` now where no reply is saved, else before the first call: what is saved needs no server."""
        if self._journal is None or not len(self._journal):
            await self.check()
        else:
            self._checks = True

    async def check(self) -> None:
        """Check the servers without a cost; raise TeacherError within seconds if they cannot be used.

        A server has to be reached and to accept the key. Where it lists its models, those of the config have to be
        among them; where it tells that it drops tools, its model cannot play the assistant. A server that tells nothing
        passes. Of several servers for a role, one has to be reached.
        """
        roles = {role: self._servers_of[role] for role in self.config.roles}
        servers = {server.address: server for of_role in roles.values() for server in of_role}
        failed: dict[str, TeacherError] = {}
        await asyncio.gather(*(self._look(server, failed) for server in servers.values()))
        for role, of_role in roles.items():
            if all(server.address in failed for server in of_role):
                raise failed[of_role[0].address]
            sampling = self.config.sampling(role)
            for server in of_role:
                facts = server.facts
                if facts.status in (401, 403):
                    raise self._denied(server, facts.status, facts.message)
                error = obstacle(
                    facts, server.address, sampling.model, needs_tools=role == "assistant",
                    max_tokens=sampling.max_tokens, clean=self._key.clean,
                )  # fmt: skip
                if error is not None:
                    raise error
                if facts.lists(sampling.model) is False:
                    listed = self._key.clean(", ".join(facts.models or ()))
                    _log.warning("%s: lists no model %r but %s", server.address, sampling.model, listed)
        for address, error in failed.items():
            servers[address].failed(connecting=True)
            _log.warning("%s; other servers take its calls", error.found)

    async def _look(self, server: Server, failed: dict[str, TeacherError]) -> None:
        """Read what a server says about itself."""
        import httpx2

        self._client(server)
        limit = 2 * self.config.connect_timeout_s
        try:
            server.facts = await read_facts(server.http, server.address, self._key.headers, limit_s=limit)
        except TimeoutError:
            error: Exception = TimeoutError(f"no answer within {limit:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, BodyError) as caught:
            error = caught
        else:
            return
        failed[server.address] = unreachable(server.address, error, self._key.clean)

    async def ask(
        self, request: ChatRequest, *, attempt: int = 0, on_send: Callable[[], None] = lambda: None
    ) -> ChatReply:
        """Return the reply to a request: from the journal, from an identical call in flight, or from the server.

        Args:
            request: The request.
            attempt: A number other than 0 asks for another reply, after an earlier one could not be used; see
                `tdlab.rollout.llm.requests.request_body`.
            on_send: Called if no reply is saved, before the request is sent.

        Returns:
            The reply, as it is saved in the journal. If the server could not parse what the model wrote, its ``finish``
            is `UNPARSABLE` and it has no text.

        Raises:
            RequestRefused: If the server rejects this request, or it does not fit into the model's context.
            BudgetSpent: If the run's budget is spent.
            TeacherError: If the server cannot be used, or the client was closed.
        """
        key = f"{request.key}/{attempt}"
        pending = self._pending.get(key)
        if pending is not None:
            self._replayed += 1
            return await asyncio.shield(pending)
        saved = self._journal.get(key) if self._journal is not None else None
        if saved is not None:
            self._replayed += 1
            return reply_from_text(saved)
        async with self._sharing(key) as promise:
            await self._checked()
            on_send()
            reply = await self._call_with_retries(request, attempt)
            reply = await self._save(key, request, reply)
            promise.set_result(reply)
        return reply

    async def _checked(self) -> None:
        """Wait for the check that was put off; all calls wait for the same one."""
        if not self._checks:
            return
        if self._to_check is None:
            self._to_check = asyncio.create_task(self.check())
        await asyncio.shield(self._to_check)

    # -- one call

    @contextlib.asynccontextmanager
    async def _sharing(self, key: str) -> AsyncIterator[asyncio.Future[ChatReply]]:
        """Let identical requests wait for this call, and fail if it fails."""
        promise: asyncio.Future[ChatReply] = asyncio.get_running_loop().create_future()
        self._pending[key] = promise
        try:
            yield promise
        except BaseException as error:
            if isinstance(error, Exception):
                promise.set_exception(error)
                promise.exception()  # mark it as retrieved: it is raised here, and there may be no other waiter
            else:
                promise.cancel()
            raise
        finally:
            del self._pending[key]

    async def _save(self, key: str, request: ChatRequest, reply: ChatReply) -> ChatReply:
        """Save a reply in the journal; return the saved one, which is another process's if that was first."""
        self.budget.charge(
            request.role, request.model, reply.input_tokens, reply.output_tokens,
            cached_input_tokens=reply.cached_input_tokens,
        )  # fmt: skip
        if self._key.secret:
            reply = without(self._key.secret, reply)
        if self._journal is None:
            return reply
        text = reply.to_text()
        saved = await self._written(
            self._journal.put(
                key, text, owner=self._owner, role=request.role, model=request.model,
                input_tokens=reply.input_tokens, output_tokens=reply.output_tokens,
                cached_input_tokens=reply.cached_input_tokens,
            )
        )  # fmt: skip
        return reply if saved == text else reply_from_text(saved)

    async def _written(self, done: Future[str]) -> str:
        """Wait until the journal is written, even if cancelled, so that no reply that was paid for is lost."""
        waiting = asyncio.wrap_future(done)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            done.result(timeout=60.0)
            raise

    async def _call_with_retries(self, request: ChatRequest, attempt: int) -> ChatReply:
        answered, tries, started = self._answered, 0, time.monotonic()
        servers, context = fitting(self._servers_of[request.role], request)
        if not servers:
            raise RequestRefused(too_long(request, context))
        avoid: set[Server] = set()
        while True:
            server = choose(servers, avoid)
            try:
                async with server.limiter:
                    self._raise_if_over()
                    reply = await self._attempt(server, request, attempt)
                    server.limiter.succeeded()
                    server.answered()
                    self._answered += 1
                    self._answered_at = time.monotonic()
                    self._refused = 0
                    return reply
            except Dismissed:
                continue
            except Failure as failure:
                tries += 1
                self._failures[failure.kind] += 1
                _log.warning("attempt %d of %d failed: %s", tries, self.config.tries, failure)
                adapted = failure.kind in _ADAPTED
                others = not adapted and self._note_failure(server, failure, servers, avoid)
                wait = 0.0 if adapted or others else max(backoff(tries), failure.wait_s or 0.0)
                self._lose_patience(server, failure, wait, since=max(started, self._answered_at))
                if failure.kind == "429" and self._fatal is None:
                    server.limiter.throttled(failure.wait_s if failure.wait_s is not None else backoff(tries))
                if others and (failure.kind == "429" or server.is_left_out):
                    server.limiter.dismiss()
                if failure.kind == "connection" and not self._answered and tries >= 3 and not others:
                    self._fatal = unreachable(server.address, failure, self._key.clean)
                if self._fatal is None and tries >= self.config.tries:
                    if self._answered > answered:
                        raise RequestRefused(f"the server failed {tries} times, last: {failure}") from None
                    seconds = time.monotonic() - started
                    self._fatal = TeacherError(
                        f"{server.address}: the server failed {tries} times in {seconds:.0f} s, last: {failure}",
                        expected="a server that replies",
                        do="check the server, then re-run the same command to resume; finished work is kept",
                    )
                if self._fatal is not None:
                    self._end_waits()  # those that wait for their turn end too
                    raise self._fatal from None
            _log.info("next attempt in %.1f s", wait)
            await self._wait_to_retry(wait)

    def _note_failure(self, server: Server, failure: Failure, servers: list[Server], avoid: set[Server]) -> bool:
        """Note that a server failed; return whether the call can go to another one at once."""
        if failure.kind == "429":
            server.answered()
        else:
            server.failed(connecting=failure.kind == "connection")
        avoid.add(server)
        others = any(other not in avoid and not other.is_left_out for other in servers)
        if not others:
            avoid.clear()
        return others

    def _lose_patience(self, server: Server, failure: Failure, wait: float, *, since: float) -> None:
        """Give up a server that has not answered, or asks not to be called, for longer than the run's patience."""
        patience = self.config.patience_s
        silent = time.monotonic() - since + wait
        if self._fatal is None and silent > patience:
            asked = (
                f"asks to wait {failure.wait_s:,.0f} s" if failure.wait_s == wait else f"no answer in {silent:.0f} s"
            )
            self._fatal = TeacherError(
                f"{server.address}: {asked}, last: {failure}",
                expected=f"an answer within teacher.patience_s, {patience:g} s",
                do="re-run the same command later to resume, or raise teacher.patience_s; finished work is kept",
            )

    async def _wait_to_retry(self, seconds: float) -> None:
        """Wait for the next attempt, or until there will be none."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._closed_because and self._fatal is None:
            await asyncio.sleep(min(left, _POLL_S))

    def _raise_if_over(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        if self._closed_because:
            raise TeacherError(self._closed_because)
        self.budget.check()

    async def _attempt(self, server: Server, request: ChatRequest, attempt: int) -> ChatReply:
        """Make one call; raise `Failure` if it may be retried."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        structured = server.takes_schema(request)
        limit_name, with_seed = server.limit_name, request.model not in server.without_seed
        body = request_body(
            request, attempt=attempt, structured=structured, limit_name=limit_name, with_seed=with_seed
        )  # fmt: skip
        _log.debug("asking %s for the %s, %d calls in flight", request.model, request.role, server.limiter.active)
        client = self._client(server)
        try:
            with anyio.fail_after(self.config.timeout_s), limited_body(most_bytes(request)):
                response = await client.post("/chat/completions", cast_to=self._response, body=body)
        except UnicodeEncodeError:
            raise RequestRefused("the request contains text that is not valid Unicode") from None
        except (APITimeoutError, TimeoutError) as error:
            if not isinstance(error.__cause__, self._never_sent):
                server.limiter.shrink()
                await self._charge_lost(request, self._likely_output(request))
            raise Failure("timeout", f"no reply within {self.config.timeout_s:g} s") from None
        except APIStatusError as error:
            text = body_of(error)
            if (error.status_code in (400, 422) or error.status_code >= 500) and is_unparsable(text):
                _log.warning("%s: the reply of %s could not be parsed", server.address, request.model)
                return ChatReply(
                    "", finish=UNPARSABLE, input_tokens=request.size, counted=False, problem=self._key.clean(text),
                    output_tokens=min(len(text) // 4, request.max_tokens),
                )  # fmt: skip
            raise self._status(server, error, text, request, body, structured=structured) from None
        except APIConnectionError as error:
            raise Failure("connection", self._key.clean(cause_of(error))) from None
        except BodyError as error:
            await self._charge_lost(request, self._likely_output(request))
            raise Failure("connection", str(error)) from error
        except Exception as error:  # noqa: BLE001 - hostile bytes raise any type in the libraries (seen: AssertionError)
            await self._charge_lost(request, self._likely_output(request))
            raise Failure("garbage", f"a reply that raises {type(error).__name__}") from None
        try:
            reply = reply_from_body(response.content, request)
        except Unusable as error:
            await self._charge_lost(request, min(len(response.content) // 4, request.max_tokens))
            raise Failure("garbage", str(error)) from None
        if structured:
            server.took_schema(request)
        key = request.role, request.model
        self._longest[key] = max(self._longest.get(key, 0), reply.output_tokens)
        return reply

    def _likely_output(self, request: ChatRequest) -> int:
        """Estimate the output tokens of a call that timed out, about which the server says nothing.

        It is twice the longest reply so far of the same role and model, at most ``max_tokens``; before the first reply,
        ``max_tokens``.
        """
        longest = self._longest.get((request.role, request.model))
        return request.max_tokens if longest is None else min(2 * longest, request.max_tokens)

    async def _charge_lost(self, request: ChatRequest, output_tokens: int) -> None:
        """Charge what a server may bill for a call without a usable reply, so that the budget holds in any case."""
        self.budget.charge(request.role, request.model, request.size, output_tokens)
        if self._journal is not None:
            await self._written(
                self._journal.charge(
                    owner=self._owner, role=request.role, model=request.model, input_tokens=request.size,
                    output_tokens=output_tokens,
                )
            )  # fmt: skip

    def _status(
        self, server: Server, error: Any, text: str, request: ChatRequest, body: dict[str, Any], *, structured: bool
    ) -> Exception:
        """Return the exception for an error status; ``body`` was sent, and ``text`` is the server's message."""
        code, address, message = int(error.status_code), server.address, self._key.clean(text)
        wait = retry_after({k.lower(): v for k, v in error.response.headers.items()}, now=time.time())
        if code == 402 or (code == 429 and "insufficient_quota" in text):
            self._fatal = TeacherError(
                f"{address}: the account has no quota left: HTTP {code}: {message}",
                do="top up the account, then re-run the same command to resume; finished work is kept",
            )
            return self._fatal
        if code in (400, 413, 422, 500) and exceeds_context(text):
            return RequestRefused(f"{too_long(request, context_in(text))}: HTTP {code}: {message}")
        if request.tools and code in (400, 404, 422, 500, 501) and drops_tools(text):
            self._fatal = TeacherError(
                f"{address}: takes no tools for model {request.model!r}: HTTP {code}: {message}",
                expected="a server and a model that call tools",
                do="start vLLM with --enable-auto-tool-choice and --tool-call-parser, llama-server with --jinja, or set"
                " another teacher.by_role.assistant.model",
            )
            return self._fatal
        objection = schema_failure(text) if structured and code in (400, 422, 500, 501) else ""
        if objection:
            server.rejects_schema(request, all_of_them=objection == "support")
            rejected = "JSON Schema" if objection == "support" else "this schema"
            return Failure("no schema", f"the server rejects {rejected}, which goes into the prompt: {message}")
        if code in (408, 409, 425, 429) or code >= 500:
            return Failure(str(code), f"HTTP {code}: {message}", wait)
        if code in (401, 403):
            self._fatal = self._denied(server, code, text)
            return self._fatal
        if code in (404, 405) or 300 <= code < 400:
            self._fatal = TeacherError(
                f"{address}: HTTP {code} for model {request.model!r}: {message}",
                expected="the address before /chat/completions (often it ends in /v1), and a model of that server",
                do="check teacher.base_url and teacher.model",
            )
            return self._fatal
        adapted = self._adapt(server, text, request, body)
        if adapted is not None:
            return adapted
        self._refused += 1
        if self._refused >= _MAX_REFUSED:
            self._fatal = self._fatal or TeacherError(
                f"{address}: refused {self._refused} requests in a row, last: HTTP {code}: {message}",
                expected="requests that the server accepts",
                do="check teacher.model and the sampling (temperature, top_p, max_tokens, extra_body) against the"
                " server's message",
            )
            return self._fatal
        return RequestRefused(f"HTTP {code}: {message}")

    def _adapt(self, server: Server, text: str, request: ChatRequest, body: dict[str, Any]) -> Failure | None:
        """Note that the server does not know a parameter of the body that it got, and leave it out from now on."""
        # OpenAI's newer models know only max_completion_tokens, most other servers only max_tokens
        name = next(name for name in ("max_tokens", "max_completion_tokens") if name in body)
        if is_unknown(name, text):
            server.limits_refused.add(name)
            other = "max_tokens" if name == "max_completion_tokens" else "max_completion_tokens"
            if other not in server.limits_refused:
                server.limit_name = other
                return Failure("no limit", f"the server does not know {name}: {self._key.clean(text)}")
        if "seed" in body and is_unknown("seed", text):
            server.without_seed.add(request.model)
            return Failure("no seed", f"the server takes no seed: {self._key.clean(text)}")
        return None

    def _client(self, server: Server) -> Any:
        if server.openai is None:
            raise TeacherError("the client is not open", do="call it inside `async with ChatClient(...)`")
        return server.openai

    def _denied(self, server: Server, code: int, body: str) -> TeacherError:
        return TeacherError(
            f"{server.address}: HTTP {code}: {self._key.clean(body)}",
            expected="a key that the server accepts" if self._key else "a key in OPENAI_API_KEY, which is not set",
            do="export OPENAI_API_KEY=KEY with a key of this server",
        )

"""The chat client, the only importer of ``openai``: calls a server, retries, and saves every reply that was paid for.

A call that fails temporarily (429, 5xx, a cut connection, a timeout, a malformed body) is retried with backoff. A
request that can never succeed raises `RequestRefused`. A server that cannot be used at all raises TeacherError within
seconds. Replies are saved to disk before use. The API key is read from the environment, sent in one header, and removed
from every text that the server returns. A key of fewer than 8 characters counts as a placeholder and is removed from
errors only, since replies contain such words by chance.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import anyio

from tdlab.config import TeacherConfig, address_problem
from tdlab.errors import ConfigError, TeacherError
from tdlab.records import Json
from tdlab.rollout.llm._transport import guarded_transport
from tdlab.rollout.llm.budget import Budget, Prices
from tdlab.rollout.llm.protocol import ChatReply, ChatRequest, Unusable, reply_from_body, reply_from_text, without
from tdlab.rollout.llm.rate_limit import AdaptiveLimiter, backoff, retry_after
from tdlab.store import ReplyJournal
from tdlab.tools import shorten

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["MOCK_MODEL", "ChatClient", "RequestRefused", "Traffic"]

MOCK_MODEL = "mock"
"""The model that `tdlab mock-server` serves. It answers from the script, so each request to it carries the script."""

_log = logging.getLogger(__name__)
_MAX_REPLY_BYTES = 16 * 1024 * 1024
_MAX_SHOWN = 300  # characters of a server's message that are quoted in an error
_SECRET = re.compile(r"\b(?:sk|pk|key)-[A-Za-z0-9_*.\-]{6,}")
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
_NO_KEY = "none"  # sent to a server that needs no key
_MIN_SECRET = 8  # characters; a shorter key ("EMPTY", "none", "1") is a word that replies may contain by chance
_POLL_S = 0.25  # how often a waiting retry checks whether the client was closed
_MAX_REFUSED = 10  # refusals in a row with no reply in between: the fault is in the settings, not in the requests
_UNSUPPORTED = r"un(?:supported|known|recogni[sz]ed|expected)|not (?:supported|permitted|allowed)|extra[ _]"
_NEAR = 80  # characters between a parameter's name and the words that it is unsupported


class RequestRefused(Exception):
    """The server rejects this request, or failed on it too often; only the rollout of the request is rejected."""


class Traffic(NamedTuple):
    """The calls of this session: answered, replayed from the journal, failures by kind, in flight, current limit."""

    answered: int
    replayed: int
    failures: dict[str, int]
    in_flight: int
    limit: int


class _Failure(Exception):
    """An attempt that failed and may be retried: its kind, a message, and the server's ``Retry-After`` in seconds."""

    def __init__(self, kind: str, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.wait_s = wait_s


class ChatClient:
    """A client of one OpenAI-compatible server; an async context manager.

    `ask` may be called from many tasks of one event loop.

    Args:
        config: The server's address, the models, the limits on concurrency, retries, time and spending.
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
        self.address = _address(config)
        self._journal = journal
        self._owner = owner
        self._key = _key(api_key)
        self._limiter = AdaptiveLimiter(config.concurrency)
        self._pending: dict[str, asyncio.Future[ChatReply]] = {}
        self._failures: Counter[str] = Counter()
        self._answered = 0
        self._answered_at = 0.0
        self._replayed = 0
        self._closed_because = ""
        self._fatal: TeacherError | None = None
        self._refused = 0
        self._no_schema: set[str] = set()
        self._limits_refused: set[str] = set()
        self._limit_name = "max_completion_tokens" if "api.openai.com" in self.address else "max_tokens"
        self._to_check: asyncio.Task[None] | None = None
        self._checks = False
        self._openai: AsyncOpenAI | None = None
        self._response: Any = None
        self._never_sent: tuple[type[Exception], ...] = ()

    async def __aenter__(self) -> Self:
        import httpx2
        from openai import AsyncOpenAI, Omit

        config = self.config
        http = httpx2.AsyncClient(
            transport=guarded_transport(self.address, max_bytes=_MAX_REPLY_BYTES),
            timeout=httpx2.Timeout(config.timeout_s, connect=config.connect_timeout_s, pool=None),
            headers={"Accept-Encoding": "identity"},
            follow_redirects=False,
        )
        headers: dict[str, Any] = {"Accept-Encoding": "identity"}
        headers |= {f"X-Stainless-{name}": Omit() for name in _OMITTED_HEADERS}
        self._openai = AsyncOpenAI(
            api_key=self._key or _NO_KEY, base_url=self.address, max_retries=0, http_client=http,
            default_headers=headers,
        )  # fmt: skip
        self._response = httpx2.Response
        self._never_sent = (httpx2.ConnectTimeout, httpx2.PoolTimeout)
        if self._journal is not None and self._owner:
            for paid in self._journal.paid(self._owner):
                self.budget.spent.add(
                    paid.role, paid.model, paid.input_tokens, paid.output_tokens, calls=paid.calls
                )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._to_check is not None:
            self._to_check.cancel()
        if self._openai is not None:
            await self._openai.close()
            self._openai = None

    @property
    def traffic(self) -> Traffic:
        """The number of calls, replayed replies and failures so far."""
        limiter = self._limiter
        return Traffic(self._answered, self._replayed, dict(self._failures), limiter.active, int(limiter.limit))

    def close(self, why: str) -> None:
        """Finish the calls in flight; every later `ask` raises TeacherError with the message ``why``.

        Call it in the client's event loop. Calls that wait for their turn or for a retry end at once.
        """
        self._closed_because = why
        self._limiter.open()

    async def check_when_needed(self) -> None:
        """`check` now where no reply is saved, else before the first call: what is saved needs no server."""
        if self._journal is None or not len(self._journal):
            await self.check()
        else:
            self._checks = True

    async def check(self) -> None:
        """Check that the server can be reached and accepts the key; raise TeacherError within seconds if not.

        A server without a list of models passes too.
        """
        client, limit = self._client(), self.config.connect_timeout_s
        from openai import APIConnectionError, APIStatusError, OpenAIError

        try:
            with anyio.fail_after(2 * limit):
                await client.get("/models", cast_to=self._response)
        except APIStatusError as error:
            if error.status_code in (401, 403):
                raise self._denied(error.status_code, _body_of(error)) from None
        except TimeoutError:
            raise self._unreachable(TimeoutError(f"no answer within {2 * limit:g} s")) from None
        except APIConnectionError as error:
            raise self._unreachable(error) from None
        except OpenAIError as error:
            raise TeacherError(self._clean(str(error)), do="check teacher.base_url") from None

    async def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        """Return the reply to a request: from the journal, from an identical call in flight, or from the server.

        Args:
            request: The request.
            attempt: A number other than 0 asks for another reply, after an earlier one could not be used.

        Returns:
            The reply, as it is saved in the journal.

        Raises:
            RequestRefused: If the server rejects this request.
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
            reply = await self._call_with_retries(request)
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
        self.budget.charge(request.role, request.model, reply.input_tokens, reply.output_tokens)
        if len(self._key) >= _MIN_SECRET:
            reply = without(self._key, reply)
        if self._journal is None:
            return reply
        text = reply.to_text()
        saved = await self._written(
            self._journal.put(
                key, text, owner=self._owner, role=request.role, model=request.model,
                input_tokens=reply.input_tokens, output_tokens=reply.output_tokens,
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

    async def _call_with_retries(self, request: ChatRequest) -> ChatReply:
        answered, tries, started = self._answered, 0, time.monotonic()
        while True:
            try:
                async with self._limiter:
                    self._raise_if_over()
                    reply = await self._attempt(request)
                    self._limiter.succeeded()
                    self._answered += 1
                    self._answered_at = time.monotonic()
                    self._refused = 0
                    return reply
            except _Failure as failure:
                tries += 1
                self._failures[failure.kind] += 1
                _log.warning("attempt %d of %d failed: %s", tries, self.config.tries, failure)
                wait = backoff(tries)
                wait = max(wait, failure.wait_s or 0.0)
                self._lose_patience(failure, wait, since=max(started, self._answered_at))
                if failure.kind == "429" and self._fatal is None:
                    self._limiter.throttled(failure.wait_s if failure.wait_s is not None else wait)
                if failure.kind == "connection" and not self._answered and tries >= 3:
                    self._fatal = self._unreachable(failure)
                if self._fatal is None and tries >= self.config.tries:
                    if self._answered > answered:
                        raise RequestRefused(f"the server failed {tries} times, last: {failure}") from None
                    seconds = time.monotonic() - started
                    self._fatal = TeacherError(
                        f"{self.address}: the server failed {tries} times in {seconds:.0f} s, last: {failure}",
                        expected="a server that replies",
                        do="check the server, then re-run the same command to resume; finished work is kept",
                    )
                if self._fatal is not None:
                    self._limiter.open()  # those that wait for their turn end too
                    raise self._fatal from None
            _log.info("next attempt in %.1f s", wait)
            await self._wait_to_retry(wait)

    def _lose_patience(self, failure: _Failure, wait: float, *, since: float) -> None:
        """Give up a server that has not answered, or asks not to be called, for longer than the run's patience."""
        patience = self.config.patience_s
        silent = time.monotonic() - since + wait
        if self._fatal is None and silent > patience:
            asked = (
                f"asks to wait {failure.wait_s:,.0f} s" if failure.wait_s == wait else f"no answer in {silent:.0f} s"
            )
            self._fatal = TeacherError(
                f"{self.address}: {asked}, last: {failure}",
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

    async def _attempt(self, request: ChatRequest) -> ChatReply:
        """Make one call; raise `_Failure` if it may be retried."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        structured = request.reply_schema is not None and request.model not in self._no_schema
        limit_name = self._limit_name
        body = _body(request, structured=structured, limit_name=limit_name)
        _log.debug("asking %s for the %s, %d calls in flight", request.model, request.role, self._limiter.active)
        try:
            with anyio.fail_after(self.config.timeout_s):
                response = await self._client().post("/chat/completions", cast_to=self._response, body=body)
        except UnicodeEncodeError:
            raise RequestRefused("the request contains text that is not valid Unicode") from None
        except (APITimeoutError, TimeoutError) as error:
            if not isinstance(error.__cause__, self._never_sent):
                await self._charge_lost(request, request.max_tokens)
            raise _Failure("timeout", f"no reply within {self.config.timeout_s:g} s") from None
        except APIStatusError as error:
            raise self._status(error, request, structured=structured, limit_name=limit_name) from None
        except APIConnectionError as error:
            raise _Failure("connection", self._clean(_cause(error))) from None
        try:
            return reply_from_body(response.content, request)
        except Unusable as error:
            await self._charge_lost(request, min(len(response.content) // 4, request.max_tokens))
            raise _Failure("garbage", str(error)) from None

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

    def _status(self, error: Any, request: ChatRequest, *, structured: bool, limit_name: str) -> Exception:
        """Return the exception for an error status."""
        code = int(error.status_code)
        body = _body_of(error)
        wait = retry_after({k.lower(): v for k, v in error.response.headers.items()}, now=time.time())
        if code == 402 or (code == 429 and "insufficient_quota" in body):
            self._fatal = TeacherError(
                f"{self.address}: the account has no quota left: HTTP {code}: {self._clean(body)}",
                do="top up the account, then re-run the same command to resume; finished work is kept",
            )
            return self._fatal
        if code in (408, 409, 425, 429) or code >= 500:
            return _Failure(str(code), f"HTTP {code}: {self._clean(body)}", wait)
        if code in (401, 403):
            self._fatal = self._denied(code, body)
            return self._fatal
        if code in (404, 405) or 300 <= code < 400:
            self._fatal = TeacherError(
                f"{self.address}: HTTP {code} for model {request.model!r}: {self._clean(body)}",
                expected="the address before /chat/completions (often it ends in /v1), and a model of that server",
                do="check teacher.base_url and teacher.model",
            )
            return self._fatal
        # some servers reject structured output: from then on the model's schema goes into its prompts
        if structured and ("response_format" in body or "json_schema" in body or "schema" in body):
            self._no_schema.add(request.model)
            return _Failure("no schema", "the server rejects JSON Schema; the schema goes into the prompt instead")
        # OpenAI's newer models know only max_completion_tokens, most other servers only max_tokens
        if _unknown(limit_name, body):
            self._limits_refused.add(limit_name)
            other = "max_tokens" if limit_name == "max_completion_tokens" else "max_completion_tokens"
            if other not in self._limits_refused:
                self._limit_name = other
                return _Failure("no limit", f"the server does not know {limit_name}: {self._clean(body)}")
        self._refused += 1
        if self._refused >= _MAX_REFUSED:
            self._fatal = self._fatal or TeacherError(
                f"{self.address}: refused {self._refused} requests in a row, last: HTTP {code}: {self._clean(body)}",
                expected="requests that the server accepts",
                do="check teacher.model, teacher.temperature and teacher.max_tokens against the server's message",
            )
            return self._fatal
        return RequestRefused(f"HTTP {code}: {self._clean(body)}")

    def _client(self) -> AsyncOpenAI:
        if self._openai is None:
            raise TeacherError("the client is not open", do="call it inside `async with ChatClient(...)`")
        return self._openai

    def _clean(self, text: str) -> str:
        """Return a server's message as one short line without the API key."""
        if len(self._key) >= _MIN_SECRET:
            text = text.replace(self._key, "[key]")
        elif self._key:
            text = re.sub(rf"(?<!\w){re.escape(self._key)}(?!\w)", "[key]", text)
        shown = shorten(" ".join(_SECRET.sub("[key]", text).split()), _MAX_SHOWN)
        return "".join(c if c.isprintable() else "\ufffd" for c in shown) or "(no message)"

    def _denied(self, code: int, body: str) -> TeacherError:
        return TeacherError(
            f"{self.address}: HTTP {code}: {self._clean(body)}",
            expected="a key that the server accepts" if self._key else "a key in OPENAI_API_KEY, which is not set",
            do="export OPENAI_API_KEY=KEY with a key of this server",
        )

    def _unreachable(self, error: BaseException) -> TeacherError:
        return TeacherError(
            f"{self.address}: cannot be reached: {self._clean(_cause(error))}",
            expected="an OpenAI-compatible server at that address",
            do="start the server, or correct teacher.base_url or OPENAI_BASE_URL;"
            " `tdlab mock-server` serves a mock model on this machine",
        )


def _address(config: TeacherConfig) -> str:
    """Return the server's address. ConfigError, which does not show it, if it is invalid or contains a secret."""
    if config.base_url is not None:
        return config.base_url
    address = os.environ.get("OPENAI_BASE_URL", "").strip()
    problem = address_problem(address) if address else ""
    if problem:
        raise ConfigError(
            f"OPENAI_BASE_URL {problem}",
            expected="an address such as http://127.0.0.1:8000/v1",
            do="correct OPENAI_BASE_URL, or set teacher.base_url",
        )
    return address or "https://api.openai.com/v1"


def _key(api_key: str | None) -> str:
    """Return the API key, stripped. ConfigError, which does not show it, if it cannot be sent in a header."""
    key = (api_key if api_key is not None else os.environ.get("OPENAI_API_KEY", "")).strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(
            "the key for the teacher's server contains a space, a line break or another invalid character",
            expected="the key alone, without quotation marks or a second line",
            do="correct OPENAI_API_KEY or the argument `api_key`",
        )
    return key


def _unknown(parameter: str, body: str) -> bool:
    """Return whether an error says that a parameter is unsupported.

    A server that only names it, as in "max_tokens is too large", knows it.
    """
    name = rf"\b{parameter}\b"
    return bool(
        re.search(
            rf"(?:{_UNSUPPORTED}).{{0,{_NEAR}}}{name}|{name}.{{0,{_NEAR}}}(?:{_UNSUPPORTED})",
            body,
            re.IGNORECASE | re.DOTALL,
        )
    )


def _body(request: ChatRequest, *, structured: bool, limit_name: str) -> dict[str, Json]:
    messages = list(request.messages)
    if request.reply_schema is not None and not structured:
        from tdlab.records import canonical_json

        rule = "Reply with one JSON object and nothing else. Its JSON Schema: " + canonical_json(request.reply_schema)
        messages = [{"role": "system", "content": f"{messages[0]['content']}\n\n{rule}"}, *messages[1:]]
    body: dict[str, Json] = {"model": request.model, "messages": messages, limit_name: request.max_tokens}
    if request.tools:
        body["tools"] = list(request.tools)
    if structured and request.reply_schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": request.role, "schema": request.reply_schema},
        }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.script is not None and request.model == MOCK_MODEL:
        body["tdlab_script"] = request.script
    return body


def _body_of(error: Any) -> str:
    try:
        return str(error.response.text)
    except (UnicodeError, RuntimeError):
        return ""


def _cause(error: BaseException) -> str:
    """Return the message of the innermost cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__

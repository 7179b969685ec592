"""The client: the one door to ``openai``. It asks a server, journals what was paid for, and survives what goes wrong.

A call that fails for a moment (429, 5xx, a cut connection, a time-out, a body that is no reply) is made again with
back-off; one that can never succeed is `RequestRefused`; a server that cannot be used at all is TeacherError, within
seconds. A reply is on the disk before it is used. The key is read from the environment, goes into one header, and is
taken out of every text that comes back (a key of fewer than 8 characters is a placeholder: it is taken out of errors
only, since replies hold such words by chance).
"""

from __future__ import annotations

import asyncio
import contextlib
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

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["MOCK_MODEL", "ChatClient", "RequestRefused", "Traffic"]

MOCK_MODEL = "mock"
"""The model that `tdlab mock-server` serves. It answers from the script, so each request to it carries the script."""

_MOST_BYTES = 16 * 1024 * 1024  # of one reply
_SHOWN = 300  # characters of what a server says
_SECRET = re.compile(r"\b(?:sk|pk|key)-[A-Za-z0-9_*.\-]{6,}")
_UNSENT = (
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
"""What the library would tell of this machine in every call, at a tenth of a call's price."""
_NO_KEY = "none"  # what is sent to a server that wants no key
_SHORTEST_SECRET = 8  # characters; a shorter key ("EMPTY", "none", "1") is a word that replies may hold by chance
_LOOK_S = 0.25  # between looks whether a wait is still worth while
_MOST_REFUSED = 10  # requests refused in a row, none answered in between: then it is not the requests
_UNSUPPORTED = r"un(?:supported|known|recogni[sz]ed|expected)|not (?:supported|permitted|allowed)|extra[ _]"
_NEAR = 80  # characters between a parameter and the words that it is not known


class RequestRefused(Exception):
    """The server will never answer this request, or has failed on it too often; the text says why. It is data."""


class Traffic(NamedTuple):
    """What went over the wire in this session: calls answered, replies taken from the journal, failures by kind."""

    answered: int
    replayed: int
    failures: dict[str, int]
    in_flight: int
    limit: int


class _Failure(Exception):
    """A try that failed and may be repeated: its kind, what happened, how long the server wants to be left alone."""

    def __init__(self, kind: str, found: str, wait_s: float | None = None) -> None:
        super().__init__(found)
        self.kind = kind
        self.wait_s = wait_s


class ChatClient:
    """An async context manager over one OpenAI-compatible server; `ask` may be called from many tasks of one loop.

    ``journal`` keeps the replies (None: nothing is kept); ``owner`` names the run in it, and what that run has paid
    for already counts against the budget. ``api_key`` is taken from ``OPENAI_API_KEY`` where it is None.
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
        self._gate = AdaptiveLimiter(config.concurrency)
        self._flying: dict[str, asyncio.Future[ChatReply]] = {}
        self._failures: Counter[str] = Counter()
        self._answered = 0
        self._replayed = 0
        self._closing = ""
        self._broken: TeacherError | None = None
        self._refused = 0
        self._no_schema: set[str] = set()
        self._limits_refused: set[str] = set()
        self._limit_name = "max_completion_tokens" if "api.openai.com" in self.address else "max_tokens"
        self._openai: AsyncOpenAI | None = None
        self._response: Any = None
        self._unconnected: tuple[type[Exception], ...] = ()

    async def __aenter__(self) -> Self:
        import httpx2
        from openai import AsyncOpenAI, Omit

        config = self.config
        http = httpx2.AsyncClient(
            transport=guarded_transport(self.address, most_bytes=_MOST_BYTES),
            timeout=httpx2.Timeout(config.timeout_s, connect=config.connect_timeout_s, pool=None),
            headers={"Accept-Encoding": "identity"},
            follow_redirects=False,
        )
        headers: dict[str, Any] = {"Accept-Encoding": "identity"}
        headers |= {f"X-Stainless-{name}": Omit() for name in _UNSENT}
        self._openai = AsyncOpenAI(
            api_key=self._key or _NO_KEY, base_url=self.address, max_retries=0, http_client=http,
            default_headers=headers,
        )  # fmt: skip
        self._response = httpx2.Response
        self._unconnected = (httpx2.ConnectTimeout, httpx2.PoolTimeout)
        if self._journal is not None and self._owner:
            for paid in self._journal.paid(self._owner):
                self.budget.spent.add(
                    paid.role, paid.model, paid.input_tokens, paid.output_tokens, calls=paid.calls
                )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._openai is not None:
            await self._openai.close()
            self._openai = None

    @property
    def traffic(self) -> Traffic:
        """What went over the wire so far."""
        gate = self._gate
        return Traffic(self._answered, self._replayed, dict(self._failures), gate.active, int(gate.limit))

    def close(self, why: str) -> None:
        """Let the calls in flight come home, and answer every further `ask` with TeacherError saying ``why``.

        To be called in the loop; calls that wait for their turn or for another try end now.
        """
        self._closing = why
        self._gate.open()

    async def check(self) -> None:
        """See whether the server is there and takes the key; TeacherError, within seconds, where not.

        A server that has no list of models is as good as one that has.
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
            raise TeacherError(self._clean(str(error)), do="see the documentation of the server") from None

    async def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        """The reply to a request: from the journal, from a call for the same that is in flight, or paid for now.

        ``attempt`` asks anew where an earlier reply to the same request was of no use. Raises RequestRefused,
        BudgetSpent, TeacherError.
        """
        key = f"{request.key}/{attempt}"
        flying = self._flying.get(key)
        if flying is not None:
            self._replayed += 1
            return await asyncio.shield(flying)
        kept = self._journal.get(key) if self._journal is not None else None
        if kept is not None:
            self._replayed += 1
            return reply_from_text(kept)
        async with self._sharing(key) as promise:
            reply = await self._pay(request)
            reply = await self._keep(key, request, reply)
            promise.set_result(reply)
        return reply

    # -- inside

    @contextlib.asynccontextmanager
    async def _sharing(self, key: str) -> AsyncIterator[asyncio.Future[ChatReply]]:
        """Who asks for the same meanwhile waits for this call, and fails with it."""
        promise: asyncio.Future[ChatReply] = asyncio.get_running_loop().create_future()
        self._flying[key] = promise
        try:
            yield promise
        except BaseException as error:
            if isinstance(error, Exception):
                promise.set_exception(error)
                promise.exception()  # it is raised here; nobody else may be waiting
            else:
                promise.cancel()
            raise
        finally:
            del self._flying[key]

    async def _keep(self, key: str, request: ChatRequest, reply: ChatReply) -> ChatReply:
        """The reply that stands in the journal, on the disk; this one, unless another process was first."""
        self.budget.charge(request.role, request.model, reply.input_tokens, reply.output_tokens)
        if len(self._key) >= _SHORTEST_SECRET:
            reply = without(self._key, reply)
        if self._journal is None:
            return reply
        text = reply.to_text()
        standing = await self._noted(
            self._journal.put(
                key, text, owner=self._owner, role=request.role, model=request.model,
                input_tokens=reply.input_tokens, output_tokens=reply.output_tokens,
            )
        )  # fmt: skip
        return reply if standing == text else reply_from_text(standing)

    async def _noted(self, done: Future[str]) -> str:
        """Wait for the disk, also when cancelled: what was paid for is not lost."""
        waiting = asyncio.wrap_future(done)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            done.result(timeout=60.0)
            raise

    async def _pay(self, request: ChatRequest) -> ChatReply:
        answered, tries, first = self._answered, 0, time.monotonic()
        while True:
            try:
                async with self._gate:
                    self._may_go_on()
                    reply = await self._try(request)
                    self._gate.succeeded()
                    self._answered += 1
                    self._refused = 0
                    return reply
            except _Failure as failure:
                tries += 1
                self._failures[failure.kind] += 1
                wait = backoff(tries)
                if failure.kind == "429":
                    self._gate.throttled(failure.wait_s if failure.wait_s is not None else wait)
                    wait = max(wait, failure.wait_s or 0.0)
                elif failure.wait_s is not None:
                    wait = max(wait, failure.wait_s)
                if failure.kind == "connection" and not self._answered and tries >= 3:
                    self._broken = self._unreachable(failure)
                if self._broken is None and tries >= self.config.tries:
                    if self._answered > answered:
                        raise RequestRefused(f"the server failed {tries} times, last: {failure}") from None
                    took = time.monotonic() - first
                    self._broken = TeacherError(
                        f"{self.address}: the server failed {tries} times in {took:.0f} s, last: {failure}",
                        expected="replies",
                        do="what was made is kept; see to the server and give the same command again: it goes on",
                    )
                if self._broken is not None:
                    raise self._broken from None
            await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        """Wait for the next try, or until there will be none."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._closing and self._broken is None:
            await asyncio.sleep(min(left, _LOOK_S))

    def _may_go_on(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self._closing:
            raise TeacherError(self._closing)
        self.budget.check()

    async def _try(self, request: ChatRequest) -> ChatReply:
        """One call; `_Failure` for what may be repeated."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        structured = request.reply_schema is not None and request.model not in self._no_schema
        limit_name = self._limit_name
        body = _body(request, structured=structured, limit_name=limit_name)
        try:
            with anyio.fail_after(self.config.timeout_s):
                response = await self._client().post("/chat/completions", cast_to=self._response, body=body)
        except UnicodeEncodeError:
            raise RequestRefused("the request holds text that is no Unicode") from None
        except (APITimeoutError, TimeoutError) as error:
            if not isinstance(error.__cause__, self._unconnected):
                await self._lost(request, request.max_tokens)
            raise _Failure("timeout", f"no reply within {self.config.timeout_s:g} s") from None
        except APIStatusError as error:
            raise self._status(error, request, structured=structured, limit_name=limit_name) from None
        except APIConnectionError as error:
            raise _Failure("connection", self._clean(_cause(error))) from None
        try:
            return reply_from_body(response.content, request)
        except Unusable as error:
            await self._lost(request, min(len(response.content) // 4, request.max_tokens))
            raise _Failure("garbage", str(error)) from None

    async def _lost(self, request: ChatRequest, output_tokens: int) -> None:
        """Count what a server may bill for a call that brought no reply: a budget is kept, whatever the server does."""
        self.budget.charge(request.role, request.model, request.size, output_tokens)
        if self._journal is not None:
            await self._noted(
                self._journal.charge(
                    owner=self._owner, role=request.role, model=request.model, input_tokens=request.size,
                    output_tokens=output_tokens,
                )
            )  # fmt: skip

    def _status(self, error: Any, request: ChatRequest, *, structured: bool, limit_name: str) -> Exception:
        """What an error status means."""
        code = int(error.status_code)
        said = _body_of(error)
        wait = retry_after({k.lower(): v for k, v in error.response.headers.items()}, now=time.time())
        if code == 402 or (code == 429 and "insufficient_quota" in said):
            self._broken = TeacherError(
                f"{self.address}: the account has no quota left: HTTP {code}: {self._clean(said)}",
                do="what was made is kept; see to the account and give the same command again: it goes on",
            )
            return self._broken
        if code in (408, 409, 425, 429) or code >= 500:
            return _Failure(str(code), f"HTTP {code}: {self._clean(said)}", wait)
        if code in (401, 403):
            self._broken = self._denied(code, said)
            return self._broken
        if code in (404, 405) or 300 <= code < 400:
            self._broken = TeacherError(
                f"{self.address}: HTTP {code} for model {request.model!r}: {self._clean(said)}",
                expected="an address that ends where /chat/completions begins (often in /v1), and a model that it has",
                do="check teacher.base_url and teacher.model",
            )
            return self._broken
        if structured and ("response_format" in said or "json_schema" in said or "schema" in said):
            self._no_schema.add(request.model)
            return _Failure("no schema", "the server takes no JSON Schema: the schema goes into the prompt")
        if _unknown(limit_name, said):
            self._limits_refused.add(limit_name)
            other = "max_tokens" if limit_name == "max_completion_tokens" else "max_completion_tokens"
            if other not in self._limits_refused:
                self._limit_name = other
                return _Failure("no limit", f"the server does not know {limit_name}: {self._clean(said)}")
        self._refused += 1
        if self._refused >= _MOST_REFUSED:
            self._broken = self._broken or TeacherError(
                f"{self.address}: refused {self._refused} requests in a row, last: HTTP {code}: {self._clean(said)}",
                expected="requests that the server takes",
                do="check teacher.model, teacher.temperature and teacher.max_tokens against what the server says",
            )
            return self._broken
        return RequestRefused(f"HTTP {code}: {self._clean(said)}")

    def _client(self) -> AsyncOpenAI:
        if self._openai is None:
            raise TeacherError("the client is not open", expected="use inside `async with ChatClient(...)`")
        return self._openai

    def _clean(self, text: str) -> str:
        """A server's words on one short line, without the key."""
        if len(self._key) >= _SHORTEST_SECRET:
            text = text.replace(self._key, "[key]")
        elif self._key:
            text = re.sub(rf"(?<!\w){re.escape(self._key)}(?!\w)", "[key]", text)
        text = " ".join(_SECRET.sub("[key]", text).split())
        shown = text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
        return "".join(c if c.isprintable() else "\ufffd" for c in shown) or "no words"

    def _denied(self, code: int, said: str) -> TeacherError:
        return TeacherError(
            f"{self.address}: HTTP {code}: {self._clean(said)}",
            expected="a key that the server takes" if self._key else "a key in OPENAI_API_KEY, which is not set",
            do="export OPENAI_API_KEY, and check that it belongs to this server",
        )

    def _unreachable(self, error: BaseException) -> TeacherError:
        return TeacherError(
            f"{self.address}: cannot be reached: {self._clean(_cause(error))}",
            expected="an OpenAI-compatible server at that address",
            do="check that it runs, teacher.base_url or OPENAI_BASE_URL, and the network;"
            " `tdlab mock-server` serves one on this machine",
        )


def _address(config: TeacherConfig) -> str:
    """The server's address; ConfigError, which does not show it, where it is none or holds a secret."""
    if config.base_url is not None:
        return config.base_url
    address = os.environ.get("OPENAI_BASE_URL", "").strip()
    problem = address_problem(address) if address else ""
    if problem:
        raise ConfigError(
            f"OPENAI_BASE_URL {problem}",
            expected="an address such as http://127.0.0.1:8000/v1",
            do="export another one, or set teacher.base_url",
        )
    return address or "https://api.openai.com/v1"


def _key(given: str | None) -> str:
    """The key, without space around it; ConfigError, which does not show it, where no header can hold it."""
    key = (given if given is not None else os.environ.get("OPENAI_API_KEY", "")).strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(
            "the key for the teacher's server holds a space, a line break or a character that no key has",
            expected="the key alone, without quotation marks or a second line",
            do="export OPENAI_API_KEY anew, or give another `api_key`",
        )
    return key


def _unknown(parameter: str, said: str) -> bool:
    """Whether a server says that it does not know a parameter; that it names it is not enough."""
    name = rf"\b{parameter}\b"
    return bool(
        re.search(
            rf"(?:{_UNSUPPORTED}).{{0,{_NEAR}}}{name}|{name}.{{0,{_NEAR}}}(?:{_UNSUPPORTED})",
            said,
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
    """The innermost cause of an error, in words."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__

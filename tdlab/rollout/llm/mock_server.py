"""The mock server: the mock model over HTTP on the loopback address, with switches to inject faults.

It implements the part of HTTP/1.1 that a chat endpoint needs, on plain asyncio, so that it can also break the protocol:
cut the connection, send garbage, never stop sending. It is not hardened for use on a network.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

import anyio.from_thread
from anyio.abc import TaskStatus
from pydantic import BaseModel, ConfigDict, Field

from tdlab.errors import TeacherError
from tdlab.records import Json, canonical_json
from tdlab.rollout.llm.mock_model import MockModel, completion
from tdlab.rollout.llm.protocol import estimate_tokens
from tdlab.rollout.llm.requests import MOCK_MODEL

__all__ = ["Misbehaviour", "MockServer", "serve_mock"]

Share = Field(default=0.0, ge=0.0, le=1.0)
_MAX_REQUEST_BYTES = 32 * 1024 * 1024
_MAX_PLAIN = 32  # most tokens of a reply to a request without a script
_GARBAGE = b'{"choices": [{"message": {"content": "it breaks off he'
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
            429: "Too Many Requests", 500: "Internal Server Error"}  # fmt: skip


class Misbehaviour(BaseModel):
    """The faults that a mock server injects.

    The rates are shares of the calls, in [0, 1]. A fault is drawn for each call, before the request is read, so a retry
    may succeed.

    Args:
        latency_s: Seconds to wait before each reply.
        rate_429: Share of calls answered with HTTP 429.
        rate_500: Share of calls answered with HTTP 500.
        rate_cut: Share of calls whose connection is cut.
        rate_malformed: Share of calls answered with incomplete JSON.
        rate_endless: Share of calls whose reply never ends.
        rate_unparsable: Share of calls answered with HTTP 500 because the reply cannot be parsed, as by llama.cpp.
        corrupt: Share of rollouts whose assistant misbehaves, on every retry too.
        retry_after_s: Seconds in the ``Retry-After`` header of a 429.
        no_schema: Whether to reject requests with a JSON Schema, as servers without structured output do.
        no_tools: Whether to drop the tools of a request, as llama.cpp does if the chat template has none.
        models: The models that are listed; with several, a request for another one is answered with 404.
        context: The context length in tokens; a longer request is answered with 400. None for no limit.
        unknown: Parameters of a request that are rejected, such as ``seed``.
        key: The only API key that is accepted; empty to accept any.
        seed: Seed of all draws.

    Raises:
        pydantic.ValidationError: For a value outside its range.

    Example:
        >>> Misbehaviour(rate_429=0.02, corrupt=0.2).retry_after_s
        0.05
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_s: float = Field(default=0.0, ge=0.0, le=600.0)
    rate_429: float = Share
    rate_500: float = Share
    rate_cut: float = Share
    rate_malformed: float = Share
    rate_endless: float = Share
    rate_unparsable: float = Share
    corrupt: float = Share
    retry_after_s: float = Field(default=0.05, ge=0.0, le=600.0)
    no_schema: bool = False
    no_tools: bool = False
    models: tuple[str, ...] = (MOCK_MODEL,)
    context: int | None = Field(default=None, ge=1)
    unknown: tuple[str, ...] = ()
    key: str = ""
    seed: int = 0


class _Server:
    """The connections of one server; ``answer`` maps the body of a chat request to the body of the reply."""

    def __init__(self, misbehaviour: Misbehaviour, answer: Callable[[Mapping[str, Json]], dict[str, Json]]) -> None:
        self.counts: Counter[str] = Counter()
        self.corrupted: dict[str, str] = {}
        self.in_flight = 0
        self.most_in_flight = 0
        self._faults = misbehaviour
        self._answer = answer
        self._rng = random.Random(misbehaviour.seed)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side closes it."""
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            self.counts["broken"] += 1  # the client disconnected, or sent something that is not HTTP
        except asyncio.CancelledError:
            pass  # the server is shutting down
        finally:
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether to keep the connection open."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        size = int(headers.get("content-length") or 0)
        if not 0 <= size <= _MAX_REQUEST_BYTES:
            raise ValueError("the request is too long")
        body = await reader.readexactly(size)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._reply(writer, method, path.partition("?")[0], headers, body)
        finally:
            self.in_flight -= 1

    async def _reply(
        self, writer: asyncio.StreamWriter, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> bool:
        faults = self._faults
        if faults.key and headers.get("authorization") != f"Bearer {faults.key}":
            wrong = headers.get("authorization", "").removeprefix("Bearer ")
            return await _send(writer, 401, _error(f"Incorrect API key provided: {wrong}"))
        if path == "/v1/models":
            return await _send(writer, 200, json.dumps(_model_list(faults)).encode())
        if path == "/props":
            return await _send(writer, 200, json.dumps(_props(faults)).encode())
        if path != "/v1/chat/completions" or method != "POST":
            return await _send(writer, 404, _error(f"there is nothing at {path}"))
        self.counts["calls"] += 1
        if faults.latency_s:
            await asyncio.sleep(faults.latency_s)
        kind = self._draw_outcome()
        self.counts[kind] += 1
        if kind == "cut":
            writer.transport.abort()
            return False
        if kind == "429":
            return await _send(writer, 429, _error("slow down"), f"Retry-After: {faults.retry_after_s:g}\r\n")
        if kind == "500":
            return await _send(writer, 500, _error("something broke"))
        if kind == "unparsable":
            return await _send(writer, 500, _error("Failed to parse input at pos 17: <tool_call>"))
        if kind == "malformed":
            return await _send(writer, 200, _GARBAGE)
        if kind == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
        try:
            request = json.loads(body)
            status, problem = _refusal(faults, request)
            if problem:
                return await _send(writer, status, _error(problem))
            if faults.no_tools:
                request.pop("tools", None)
            reply = json.dumps(self._answer(request)).encode()
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            self.counts["refused"] += 1
            return await _send(writer, 400, _error(f"{type(error).__name__}: {error}"))
        return await _send(writer, 200, reply)

    def _draw_outcome(self) -> str:
        """Draw what happens to a call: ``answered``, or a fault."""
        faults, draw = self._faults, self._rng.random()
        for kind, share in (
            ("429", faults.rate_429), ("500", faults.rate_500), ("cut", faults.rate_cut),
            ("malformed", faults.rate_malformed), ("endless", faults.rate_endless),
            ("unparsable", faults.rate_unparsable),
        ):  # fmt: skip
            if draw < share:
                return kind
            draw -= share
        return "answered"


def _model_list(faults: Misbehaviour) -> dict[str, Json]:
    """Return the body of ``GET /v1/models``, with the context length as vLLM has it."""
    more = {} if faults.context is None else {"max_model_len": faults.context}
    models = [{"id": name, "object": "model", "owned_by": "tdlab", **more} for name in faults.models]
    return {"object": "list", "data": models}


def _props(faults: Misbehaviour) -> dict[str, Json]:
    """Return the body of llama.cpp's ``GET /props``."""
    settings = {} if faults.context is None else {"n_ctx": faults.context}
    return {
        "default_generation_settings": settings,
        "chat_template_caps": {"supports_tools": not faults.no_tools},
    }


def _refusal(faults: Misbehaviour, request: Mapping[str, Json]) -> tuple[int, str]:
    """Return the status and message with which the server rejects a request; an empty message if it does not."""
    if faults.no_schema and "response_format" in request:
        return 400, "response_format is not supported"
    for name in faults.unknown:
        if name in request:
            return 400, f"Unrecognized request argument supplied: {name}"
    if len(faults.models) > 1 and request.get("model") not in faults.models:
        return 404, f"The model `{request.get('model')}` does not exist."
    if faults.context is not None:
        asked = estimate_tokens(canonical_json([request.get("messages"), request.get("tools")]))
        needed = asked + (request.get("max_tokens") or request.get("max_completion_tokens") or 0)
        if needed > faults.context:
            return 400, f"request ({needed} tokens) exceeds the available context size ({faults.context} tokens)"
    return 200, ""


def _plain(request: Mapping[str, Json]) -> dict[str, Json]:
    """Answer a short request without a script, such as those of `tdlab probe`: do what its parameters ask for."""
    message: dict[str, Json] = {"role": "assistant", "content": "Yes."}
    tools, choice, finish = request.get("tools"), request.get("tool_choice"), "stop"
    if tools and choice != "none":
        name = choice["function"]["name"] if isinstance(choice, dict) else tools[0]["function"]["name"]
        call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
        message, finish = {"role": "assistant", "content": "", "tool_calls": [call]}, "tool_calls"
    elif "response_format" in request:
        properties = request["response_format"]["json_schema"]["schema"]["properties"]
        values = {name: True if schema.get("type") == "boolean" else "" for name, schema in properties.items()}
        message["content"] = canonical_json(values)
    return completion(str(request.get("model")), message, finish=finish, prompt=canonical_json(request["messages"]))


def _respond(model: MockModel, request: Mapping[str, Json]) -> dict[str, Json]:
    if "tdlab_script" not in request and request.get("max_tokens", _MAX_PLAIN + 1) <= _MAX_PLAIN:
        return _plain(request)
    return model.respond(request)


async def _send(writer: asyncio.StreamWriter, status: int, body: bytes, headers: str = "") -> bool:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{headers}\r\n"
    )
    writer.write(head.encode("latin-1") + body)
    await writer.drain()
    return True


def _error(text: str) -> bytes:
    return json.dumps({"error": {"message": text, "type": "mock", "code": None}}).encode()


async def serve_mock(
    misbehaviour: Misbehaviour | None = None,
    *,
    port: int = 0,
    answer: Callable[[Mapping[str, Json]], dict[str, Json]] | None = None,
    started: Callable[[str, _Server], None] | None = None,
) -> None:
    """Serve the mock model on 127.0.0.1 until cancelled.

    Args:
        misbehaviour: The faults to inject; none by default.
        port: TCP port; 0 takes a free one.
        answer: A function to use instead of the mock model: body of a chat request to body of the reply.
        started: Called once, with the base URL and the server, when the server accepts connections.

    Raises:
        TeacherError: If the port is taken.

    Example:
        >>> import anyio
        >>> async def main() -> None:
        ...     async with anyio.create_task_group() as group:
        ...         def started(base_url, server):
        ...             print(base_url.rpartition("/")[2])
        ...             group.cancel_scope.cancel()
        ...         await serve_mock(started=started)
        >>> anyio.run(main)
        v1
    """
    faults = misbehaviour or Misbehaviour()
    model = MockModel(corrupt=faults.corrupt, seed=faults.seed)
    state = _Server(faults, answer or partial(_respond, model))
    state.corrupted = model.corrupted
    try:
        server = await asyncio.start_server(state.connected, "127.0.0.1", port, limit=1 << 20, backlog=1024)
    except OSError as error:
        raise TeacherError(
            f"cannot listen on port {port}: {error.strerror}", expected="a free port", do="choose another with --port"
        ) from None
    async with server:
        if started is not None:
            started(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", state)
        await server.serve_forever()


class MockServer:
    """Run a mock server in a thread of this process; a context manager that works inside a running event loop too.

    ``base_url`` is its address while it runs.

    Args:
        misbehaviour: The faults to inject; none by default.
        port: TCP port on 127.0.0.1; 0 takes a free one.
        answer: A function to use instead of the mock model: body of a chat request to body of the reply.

    Raises:
        TeacherError: On entry, if the port is taken.

    Example:
        >>> with MockServer() as server:
        ...     server.base_url.startswith("http://127.0.0.1:"), server.counts
        (True, {})
    """

    def __init__(
        self,
        misbehaviour: Misbehaviour | None = None,
        *,
        port: int = 0,
        answer: Callable[[Mapping[str, Json]], dict[str, Json]] | None = None,
    ) -> None:
        self.base_url = ""
        self._misbehaviour = misbehaviour
        self._port = port
        self._answer = answer
        self._stack = ExitStack()
        self._state: _Server | None = None

    def __enter__(self) -> Self:
        portal = self._stack.enter_context(anyio.from_thread.start_blocking_portal())

        async def serve(*, task_status: TaskStatus[None]) -> None:
            def started(address: str, state: _Server) -> None:
                self.base_url, self._state = address, state
                task_status.started()

            await serve_mock(self._misbehaviour, port=self._port, answer=self._answer, started=started)

        try:
            task, _ = portal.start_task(serve)
        except BaseException:
            self._stack.close()
            raise
        self._stack.callback(task.cancel)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def counts(self) -> dict[str, int]:
        """Number of calls so far by outcome: ``calls`` in all, ``answered``, ``429``, ``cut`` and so on."""
        return dict(self._state.counts) if self._state is not None else {}

    @property
    def most_in_flight(self) -> int:
        """The highest number of simultaneous calls so far."""
        return self._state.most_in_flight if self._state is not None else 0

    @property
    def corrupted(self) -> dict[str, str]:
        """The faults of the rollouts corrupted so far, by blueprint id."""
        return dict(self._state.corrupted) if self._state is not None else {}

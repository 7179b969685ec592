"""The rehearsal over HTTP: a small server on the loopback address, with switches for everything that goes wrong.

It speaks as much HTTP/1.1 as a chat endpoint needs, on plain asyncio, so that it can also break the rules: cut the
connection, answer with garbage, never stop sending. Nothing here is meant to face a network.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import anyio.from_thread
from anyio.abc import TaskStatus
from pydantic import BaseModel, ConfigDict, Field

from tdlab.errors import TeacherError
from tdlab.records import Json
from tdlab.rollout.llm.client import MOCK_MODEL
from tdlab.rollout.llm.mock_model import Responder

__all__ = ["Misbehaviour", "MockServer", "serve_mock"]

Share = Field(default=0.0, ge=0.0, le=1.0)
_MOST_BYTES = 32 * 1024 * 1024  # of one request
_GARBAGE = b'{"choices": [{"message": {"content": "it breaks off he'
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
            429: "Too Many Requests", 500: "Internal Server Error"}  # fmt: skip


class Misbehaviour(BaseModel):
    """What the server does wrong: shares of the calls, drawn anew for each call from ``seed``.

    ``latency_s`` is slept before each reply, ``retry_after_s`` is what a 429 asks for. ``rate_429`` and the other rates
    strike before the request is looked at, so a call that is made again may go well. ``corrupt`` is the share of the
    rollouts whose assistant is spoilt for good. ``no_schema`` refuses JSON Schema as servers without it do. With
    ``key`` set, any other key is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_s: float = Field(default=0.0, ge=0.0, le=600.0)
    rate_429: float = Share
    rate_500: float = Share
    rate_cut: float = Share
    rate_malformed: float = Share
    rate_endless: float = Share
    corrupt: float = Share
    retry_after_s: float = Field(default=0.05, ge=0.0, le=600.0)
    no_schema: bool = False
    key: str = ""
    seed: int = 0


class _Server:
    """Connections of one server; ``answer`` turns the body of a chat request into that of the reply."""

    def __init__(self, misbehaviour: Misbehaviour, answer: Callable[[Mapping[str, Json]], dict[str, Json]]) -> None:
        self.counts: Counter[str] = Counter()
        self.corrupted: dict[str, str] = {}
        self.in_flight = 0
        self.most_in_flight = 0
        self._how = misbehaviour
        self._answer = answer
        self._rng = random.Random(misbehaviour.seed)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive until a side closes it."""
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            self.counts["broken"] += 1  # the other side left, or speaks no HTTP
        except asyncio.CancelledError:
            pass  # the server ends
        finally:
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; whether the connection goes on."""
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
        if not 0 <= size <= _MOST_BYTES:
            raise ValueError("too long")
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
        how = self._how
        if how.key and headers.get("authorization") != f"Bearer {how.key}":
            wrong = headers.get("authorization", "").removeprefix("Bearer ")
            return await _send(writer, 401, _error(f"Incorrect API key provided: {wrong}"))
        if path == "/v1/models":
            models = {"object": "list", "data": [{"id": MOCK_MODEL, "object": "model", "owned_by": "tdlab"}]}
            return await _send(writer, 200, json.dumps(models).encode())
        if path != "/v1/chat/completions" or method != "POST":
            return await _send(writer, 404, _error(f"there is nothing at {path}"))
        self.counts["calls"] += 1
        if how.latency_s:
            await asyncio.sleep(how.latency_s)
        kind = self._drawn()
        self.counts[kind] += 1
        if kind == "cut":
            writer.transport.abort()
            return False
        if kind == "429":
            return await _send(writer, 429, _error("slow down"), f"Retry-After: {how.retry_after_s:g}\r\n")
        if kind == "500":
            return await _send(writer, 500, _error("something broke"))
        if kind == "malformed":
            return await _send(writer, 200, _GARBAGE)
        if kind == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
        try:
            asked = json.loads(body)
            if how.no_schema and "response_format" in asked:
                return await _send(writer, 400, _error("response_format is not supported"))
            answered = json.dumps(self._answer(asked)).encode()
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            self.counts["refused"] += 1
            return await _send(writer, 400, _error(f"{type(error).__name__}: {error}"))
        return await _send(writer, 200, answered)

    def _drawn(self) -> str:
        """What happens to a call: ``answered``, or a failure."""
        how, place = self._how, self._rng.random()
        for kind, share in (
            ("429", how.rate_429), ("500", how.rate_500), ("cut", how.rate_cut), ("malformed", how.rate_malformed),
            ("endless", how.rate_endless),
        ):  # fmt: skip
            if place < share:
                return kind
            place -= share
        return "answered"


async def _send(writer: asyncio.StreamWriter, status: int, body: bytes, more: str = "") -> bool:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{more}\r\n"
    )
    writer.write(head.encode("latin-1") + body)
    await writer.drain()
    return True


def _error(text: str) -> bytes:
    return json.dumps({"error": {"message": text, "type": "rehearsal", "code": None}}).encode()


async def serve_mock(
    misbehaviour: Misbehaviour | None = None,
    *,
    port: int = 0,
    answer: Callable[[Mapping[str, Json]], dict[str, Json]] | None = None,
    started: Callable[[str, _Server], None] | None = None,
) -> None:
    """Serve on 127.0.0.1 until cancelled. ``started`` is told the address; port 0 takes a free one.

    ``answer`` stands in for the `Responder`. TeacherError where the port is taken.
    """
    how = misbehaviour or Misbehaviour()
    responder = Responder(corrupt=how.corrupt, seed=how.seed)
    state = _Server(how, answer or responder.respond)
    state.corrupted = responder.corrupted
    try:
        server = await asyncio.start_server(state.connected, "127.0.0.1", port, limit=1 << 20, backlog=1024)
    except OSError as error:
        raise TeacherError(
            f"port {port} cannot be had ({error.strerror})", expected="a free port", do="choose another with --port"
        ) from None
    async with server:
        if started is not None:
            started(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", state)
        await server.serve_forever()


class MockServer:
    """A context manager: the rehearsal in a thread of this process, inside or outside a running event loop.

    ``base_url`` is its address, ``counts`` tallies what became of the calls, ``corrupted`` maps blueprint ids to how
    they were spoilt.
    """

    def __init__(
        self,
        misbehaviour: Misbehaviour | None = None,
        *,
        port: int = 0,
        answer: Callable[[Mapping[str, Json]], dict[str, Json]] | None = None,
    ) -> None:
        self.base_url = ""
        self._how = misbehaviour
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

            await serve_mock(self._how, port=self._port, answer=self._answer, started=started)

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
        """What became of the calls so far."""
        return dict(self._state.counts) if self._state is not None else {}

    @property
    def most_in_flight(self) -> int:
        """The most calls that were in flight at once."""
        return self._state.most_in_flight if self._state is not None else 0

    @property
    def corrupted(self) -> dict[str, str]:
        """Blueprint id to how its rollout was spoilt."""
        return dict(self._state.corrupted) if self._state is not None else {}

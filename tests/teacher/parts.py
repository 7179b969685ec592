"""Shared by the tests of the LLM teacher: a small run on the mock server, requests, a backend with fixed replies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import anyio
import anyio.from_thread

import tdlab
from tdlab.config import RunConfig, TeacherConfig
from tdlab.rollout.llm import ChatClient, ChatReply, ChatRequest
from tdlab.rollout.llm.mock_model import completion
from tdlab.store import Run
from tests.jobs import small_pool


def teacher(base_url: str | list[str], **values: Any) -> TeacherConfig:
    return TeacherConfig.model_validate(
        {"model": "m", "base_url": base_url, "concurrency": 8, "connect_timeout_s": 20.0, **values}
    )


def request(text: str = "hello", **values: Any) -> ChatRequest:
    return ChatRequest.model_validate(
        {"role": "user", "model": "m", "messages": ({"role": "user", "content": text},), **values}
    )


def echo(body: Any) -> dict[str, Any]:
    """Return a server's reply: the last message in capitals."""
    return completion("m", {"role": "assistant", "content": body["messages"][-1]["content"].upper()}, prompt="asked")


def in_loop(work: Callable[[], Any]) -> Any:
    """Run an async function in an event loop of another thread, as the backend does."""
    with anyio.from_thread.start_blocking_portal() as portal:
        return portal.call(work)


def said(text: Any, **more: Any) -> dict[str, Any]:
    """Return a server's reply with a text, and more keys in its message."""
    return {"choices": [{"message": {"role": "assistant", "content": text, **more}, "finish_reason": "stop"}]}


def asked(config: TeacherConfig, requests: Iterable[ChatRequest], **options: Any) -> tuple[list[Any], ChatClient]:
    """Return the replies, or the exceptions, to requests that are all sent at once."""
    wanted = list(requests)
    found: list[Any] = [None] * len(wanted)
    client = ChatClient(config, **options)

    async def work() -> None:
        async def one(place: int) -> None:
            try:
                found[place] = await client.ask(wanted[place])
            except Exception as error:  # noqa: BLE001 - the tests look at it
                found[place] = error

        async with client, anyio.create_task_group() as group:
            for place in range(len(wanted)):
                group.start_soon(one, place)

    in_loop(work)
    return found, client


def config(base_url: str | list[str], *, target: int = 8, **values: Any) -> RunConfig:
    return RunConfig(target=target).with_values(
        rollout__teacher="llm",
        rollout__guessed="keep",
        teacher__model="mock",
        teacher__base_url=base_url,
        evolution__batch=8,
        **values,
    )


def run_on_mock(settings: RunConfig, out: Path, **options: Any) -> Run:
    return tdlab.run(settings, out=out, pool=small_pool(), progress=False, **options)


@contextmanager
def raw_server(
    reply: Callable[[dict[str, Any], str], tuple[int, Any]],
    *,
    pages: Mapping[str, Any] | None = None,
    port: int = 0,
) -> Iterator[str]:
    """Serve ``reply``, which maps a chat request and its key to a status and a body; yield the server's address.

    A body that is no text is sent as JSON. GET requests find ``pages``: path -> body.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            page = (pages or {}).get(self.path)
            self._say(404 if page is None else 200, "" if page is None else page)

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._say(*reply(asked, self.headers["Authorization"].removeprefix("Bearer ")))

        def _say(self, status: int, body: Any) -> None:
            sent = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *words: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class ModelBackend:
    """Answer with the given texts in turn, and record the requests."""

    def __init__(self, *replies: str | ChatReply) -> None:
        self.replies = [
            r if isinstance(r, ChatReply) else ChatReply(r, input_tokens=10, output_tokens=2) for r in replies
        ]
        self.asked: list[ChatRequest] = []
        self.attempts: list[int] = []

    def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        self.asked.append(request)
        self.attempts.append(attempt)
        return self.replies.pop(0)

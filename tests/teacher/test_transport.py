"""The HTTP transport: connections are used again only when they are clean, and a response can do no harm."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tdlab.errors import TeacherError
from tdlab.rollout.llm import ChatReply, LiveBackend, RequestedCall, RequestRefused
from tdlab.rollout.llm.session import _object, _problem
from tests.clock import slower
from tests.teacher.parts import request, said, teacher

KEY = "sk-test-0123456789abcdef"
READ = 64 * 1024
"""The bytes that httpcore2 takes from a connection at once."""


def response(body: object, status: int = 200, *lines: str) -> bytes:
    """Return a response that keeps the connection open."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(sent)}", *lines, "", ""]
    return "\r\n".join(head).encode() + sent


@contextmanager
def serving(answer: Callable[[bytes], bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Answer each request with bytes; yield the address, and the first request on each connection."""
    firsts: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            place = len(firsts)
            firsts.append(b"")
            while data := connection.recv(1 << 20):
                while (head := data.partition(b"\r\n\r\n"))[1] == b"" or len(head[2]) < length_of(head[0]):
                    data += connection.recv(1 << 20)
                firsts[place] = firsts[place] or data
                is_get = data.startswith(b"GET")
                connection.sendall(response({"data": []}) if is_get else answer(data))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1", firsts
        listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def client(body: object, *lines: str, status: int = 200, key: str = "", **settings: object) -> Iterator[LiveBackend]:
    """Open a client of a server that answers every call with this body."""
    with (
        serving(lambda asked: response(body, status, *lines)) as (address, _),
        LiveBackend(teacher(address, **settings), api_key=key) as backend,
    ):
        yield backend


def length_of(head: bytes) -> int:
    lines = dict(line.lower().partition(b": ")[::2] for line in head.split(b"\r\n")[1:])
    return int(lines.get(b"content-length", 0))


def test_a_clean_connection_is_used_again() -> None:
    """It fails if httpcore2 or anyio are built differently: then every call opens a connection, which is slow."""
    with serving(lambda asked: response(said("fine"))) as (address, firsts):
        with LiveBackend(teacher(address, concurrency=1)) as backend:
            assert [backend.ask(request(f"{n}")).text for n in range(5)] == ["fine"] * 5
        assert len(firsts) == 1


@pytest.mark.parametrize("size", [0, READ - 1, READ, READ + 1, 2 * READ, 4 * READ])
def test_what_follows_a_response_answers_no_other_request(size: int) -> None:
    """At a size of ``READ``, the rest waits in the socket's queue and not in the parser."""

    def answer(asked: bytes) -> bytes:
        own = said(json.loads(asked.partition(b"\r\n\r\n")[2])["messages"][-1]["content"])
        padding = max(size - len(response({**own, "pad": ""})), 0)
        first = response({**own, "pad": " " * padding})
        return first + response(said("smuggled"))

    with serving(answer) as (address, firsts):
        with LiveBackend(teacher(address, concurrency=1)) as backend:
            assert [backend.ask(request(f"{n}")).text for n in range(4)] == ["0", "1", "2", "3"]
        assert len(firsts) == 4


def test_cookies_are_not_sent_back() -> None:
    seen = []

    def answer(asked: bytes) -> bytes:
        seen.append(asked.partition(b"\r\n\r\n")[0].lower())
        return response(said("fine"), 200, "Set-Cookie: id=1; Path=/", "Set-Cookie: other=2; Max-Age=9999")

    with serving(answer) as (address, _), LiveBackend(teacher(address, concurrency=1)) as backend:
        for n in range(3):
            backend.ask(request(f"{n}"))
    assert len(seen) == 3
    assert not any(b"cookie" in head for head in seen)


@pytest.mark.parametrize("charset", ["idna", "zlib_codec", "hex", "utf-7", "undefined", "unicode_escape", "\xff", '"'])
def test_a_charset_does_not_choose_the_codec(charset: str) -> None:
    refused = {"error": {"message": "caf\u00e9 " + "a" * 20_000}}
    body = json.dumps(refused, ensure_ascii=False).encode()
    line = f"Content-Type: text/plain; charset={charset}"
    with client(body, line, status=400) as backend, pytest.raises(RequestRefused, match="caf\u00e9"):
        backend.ask(request())


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_compressed_body_is_reported_as_what_it_is(status: int) -> None:
    packed = gzip.compress(json.dumps(said("fine")).encode())
    with client(packed, "Content-Encoding: gzip", status=status) as backend, pytest.raises(TeacherError) as caught:
        backend.ask(request())
    assert "the body is compressed" in caught.value.found
    assert "cannot be reached" not in caught.value.found
    assert "turn off compression" in caught.value.do


def test_the_body_of_an_error_is_read_in_part() -> None:
    large = b'{"error": {"message": "too much", "extra": [' + b"{}," * 4_000_000 + b"{}]}}"
    with client(large, status=422) as backend, pytest.raises(RequestRefused, match="too much"):
        backend.ask(request())


def test_max_tokens_bounds_the_body() -> None:
    long = said("word " * 800_000)
    with client(long, tries=2) as backend, pytest.raises(TeacherError, match="longer than"):
        backend.ask(request(max_tokens=100))
    with client(long, tries=2) as backend:
        assert len(backend.ask(request(max_tokens=50_000)).text) == 4_000_000
        probabilities = request(max_tokens=100, extra_body={"logprobs": True, "top_logprobs": 20})
        assert len(backend.ask(probabilities).text) == 4_000_000


def test_the_libraries_log_no_key_while_a_client_is_open(caplog: pytest.LogCaptureFixture) -> None:
    loggers = [logging.getLogger(name) for name in ("httpcore2.http11", "httpx2", "openai._base_client")]
    before = [(logger.level, list(logger.filters)) for logger in loggers]
    caplog.set_level(logging.DEBUG)
    with client(said("fine"), f"X-Echo: {KEY}", key=KEY) as backend:
        backend.ask(request())
    assert "[key]" in caplog.text
    assert KEY not in caplog.text
    assert [(logger.level, list(logger.filters)) for logger in loggers] == before


@pytest.mark.parametrize("depth", [70, 300, 900, 100_000])
def test_json_that_is_nested_too_deep_is_unusable(depth: int) -> None:
    nested = '{"a":' * depth + "1" + "}" * depth
    assert "nested too deep" in _problem(ChatReply("", (RequestedCall("find", nested),)), 100_000)
    assert _object(nested, {"type": "object"}) == ({}, "it is nested too deep")


def test_a_fence_that_is_not_closed_takes_no_time() -> None:
    began = time.process_time()
    assert _object("```" + " " * 80_000 + "x", {"type": "object"})[1] == "it is not a JSON object"
    assert time.process_time() - began < 2 * slower()

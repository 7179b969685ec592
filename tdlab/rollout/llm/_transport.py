"""The HTTP transport of the ``openai`` client: one connection for each call in flight, and responses made harmless.

httpx's connection pool scans all its connections on every call, which takes a third of the CPU time at 64 connections.
Here each connection has a pool of its own, and the most recently used one is used next.

A connection on which more arrived than one response is closed, since the rest would answer the next request. A response
loses its cookies and its charset: the body is UTF-8, as JSON has to be, and a server can name a codec that fails.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio

from tdlab.errors import ConfigError

if TYPE_CHECKING:
    import httpx2

__all__ = ["BodyError", "guarded_transport", "http_client", "limited_body"]

_MAX_REPLY_BYTES = 16 * 1024 * 1024
_UNMAPPED = (ssl.SSLError, anyio.EndOfStream)  # of a connection, which httpx2 does not make errors of its own
_MAX_ERROR_BYTES = 1024 * 1024  # of an error's body, which ``openai`` parses; the rest is not read


_LIMIT: ContextVar[int | None] = ContextVar("most bytes of a body", default=None)


class BodyError(Exception):
    """The server answered with a body that is not read; the message says why."""


@contextmanager
def limited_body(most: int | None) -> Iterator[None]:
    """Set the most bytes that the bodies of this task's requests may have; None for the transport's own limit."""
    token = _LIMIT.set(most)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def http_client(address: str, *, timeout_s: float, connect_timeout_s: float) -> httpx2.AsyncClient:
    """Return an HTTP client for the server at ``address``, which follows no redirects; see `guarded_transport`."""
    import httpx2

    return httpx2.AsyncClient(
        transport=guarded_transport(address, max_bytes=_MAX_REPLY_BYTES),
        timeout=httpx2.Timeout(timeout_s, connect=connect_timeout_s, pool=None),
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,
    )


def guarded_transport(address: str, *, max_bytes: int) -> httpx2.AsyncBaseTransport:
    """Return a transport to the server at ``address``, through the proxy named in the environment, if any.

    A body that is longer than ``max_bytes`` or compressed raises BodyError; the client never asks for compression. The
    body of an error is cut off after a megabyte. ConfigError if the proxy cannot be used; the error does not show the
    proxy's address.
    """
    import httpx2

    settings: dict[str, Any] = {
        "verify": httpx2.create_ssl_context(),
        "proxy": _proxy_for(address),
        "limits": httpx2.Limits(max_connections=1, max_keepalive_connections=1),
    }

    class Stream(httpx2.AsyncByteStream):
        def __init__(self, response: httpx2.Response, connection: httpx2.AsyncHTTPTransport, done: Callable[[], None]):
            self._inner: Any = response.stream
            self._network = response.extensions.get("network_stream")
            self._is_error = response.status_code >= 400
            self._connection = connection
            self._done = done
            self._is_closed = False
            self._most = min(max_bytes, _LIMIT.get() or max_bytes)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            try:
                async with aclosing(self._inner.__aiter__()) as chunks:
                    async for chunk in chunks:
                        size += len(chunk)
                        if self._is_error and size > _MAX_ERROR_BYTES:
                            yield chunk[: len(chunk) - (size - _MAX_ERROR_BYTES)]
                            return
                        if size > self._most:
                            raise BodyError(f"the body is longer than {self._most:,} bytes")
                        yield chunk
            except _UNMAPPED as error:
                raise httpx2.ReadError(str(error) or "the connection was closed") from error

        async def aclose(self) -> None:
            if self._is_closed:  # another call may have the connection
                return
            self._is_closed = True
            is_clean = not _has_unread_bytes(self._inner, self._network)
            try:
                await self._inner.aclose()
                if not is_clean:
                    await self._connection.aclose()  # which connects again for the next request
            finally:
                self._done()

    class Transport(httpx2.AsyncBaseTransport):
        def __init__(self) -> None:
            try:
                self._connections = [httpx2.AsyncHTTPTransport(**settings)]
            except (
                ValueError,
                httpx2.InvalidURL,
                ImportError,
            ):  # the message contains the proxy's address, which may include a password
                raise ConfigError(
                    "the proxy in the environment cannot be used for the teacher's server",
                    expected="an address such as http://proxy:3128 in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY",
                    do="correct that variable, or add the server's host to NO_PROXY",
                ) from None
            self._idle = [*self._connections]

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if not self._idle:
                self._idle.append(httpx2.AsyncHTTPTransport(**settings))
                self._connections.append(self._idle[-1])
            connection = self._idle.pop()
            returned = False

            def done() -> None:
                nonlocal returned
                if not returned:
                    returned = True
                    self._idle.append(connection)

            try:
                try:
                    response = await connection.handle_async_request(request)
                except _UNMAPPED as error:
                    raise httpx2.ReadError(str(error) or "the connection was closed") from error
                response.stream = Stream(response, connection, done)
                headers = response.headers
                for name in ("set-cookie", "set-cookie2"):
                    if name in headers:
                        del headers[name]
                content_type = headers.get("content-type", "")
                if ";" in content_type:
                    headers["content-type"] = content_type.partition(";")[0]
                if headers.get("content-encoding", "identity").lower() != "identity":
                    await response.aclose()
                    raise BodyError("the body is compressed although the request did not allow it")
            except BaseException:
                done()
                raise
            return response

        async def aclose(self) -> None:
            for connection in self._connections:
                await connection.aclose()

    return Transport()


def _has_unread_bytes(stream: Any, network: Any) -> bool:
    """Return whether more has arrived than the response whose body was read.

    The bytes wait in the HTTP parser, in a TLS layer, or in the socket's queue; the pool itself looks at the socket. No
    public interface tells of them. True if the libraries are not built as expected: each call then opens a connection.
    """
    try:
        if stream._httpcore_stream._stream._connection._h11_state.trailing_data[0]:
            return True
        layer = network._stream
        while not hasattr(layer, "_protocol"):
            if layer._read_bio.pending or layer._ssl_object.pending():
                return True
            layer = layer.transport_stream
        return bool(layer._protocol.read_queue)
    except AttributeError:
        return True


def _proxy_for(address: str) -> str | None:
    """Return the proxy that the environment names for an address; None for the loopback address."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    if is_local or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"

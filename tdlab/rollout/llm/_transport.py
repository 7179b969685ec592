"""The HTTP transport of the ``openai`` client: one connection for each call in flight, and a limit on reply size.

httpx's connection pool scans all its connections on every call, which takes a third of the CPU time at 64 connections.
Here each connection has a pool of its own, and the most recently used one is used next.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from tdlab.errors import ConfigError

if TYPE_CHECKING:
    import httpx2

__all__ = ["guarded_transport", "http_client"]

_MAX_REPLY_BYTES = 16 * 1024 * 1024


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

    A body that is longer than ``max_bytes`` or compressed is a connection error; the client never asks for compression.
    ConfigError if the proxy cannot be used; the error does not show the proxy's address.
    """
    import httpx2

    settings: dict[str, Any] = {
        "verify": httpx2.create_ssl_context(),
        "proxy": _proxy_for(address),
        "limits": httpx2.Limits(max_connections=1, max_keepalive_connections=1),
    }

    class Stream(httpx2.AsyncByteStream):
        def __init__(self, inner: Any, done: Callable[[], None]) -> None:
            self._inner = inner
            self._done = done

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in self._inner:
                size += len(chunk)
                if size > max_bytes:
                    raise httpx2.ReadError(f"the body is longer than {max_bytes:,} bytes")
                yield chunk

        async def aclose(self) -> None:
            try:
                await self._inner.aclose()
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
                response = await connection.handle_async_request(request)
                response.stream = Stream(response.stream, done)
                if response.headers.get("content-encoding", "identity").lower() != "identity":
                    await response.aclose()
                    raise httpx2.ReadError("the body is compressed although the request did not allow it")
            except BaseException:
                done()
                raise
            return response

        async def aclose(self) -> None:
            for connection in self._connections:
                await connection.aclose()

    return Transport()


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

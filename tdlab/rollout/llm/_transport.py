"""The transport under the ``openai`` client: one connection for a call in flight, and bodies that end.

httpx's pool looks at every connection it has on every call, which at 64 connections is a third of the work. Here each
connection is a pool of one, and the one that was used last is used next.
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

__all__ = ["guarded_transport"]


def guarded_transport(address: str, *, most_bytes: int) -> httpx2.AsyncBaseTransport:
    """A transport to the server at ``address``, through the proxy that the environment names for it, if any.

    A body longer than ``most_bytes`` is an error of the connection, as is one that is compressed, since none is asked
    for. ConfigError, which does not show it, where the proxy is none that can be used.
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
                if size > most_bytes:
                    raise httpx2.ReadError(f"the body is longer than {most_bytes:,} bytes")
                yield chunk

        async def aclose(self) -> None:
            try:
                await self._inner.aclose()
            finally:
                self._done()

    class Transport(httpx2.AsyncBaseTransport):
        def __init__(self) -> None:
            try:
                self._all = [httpx2.AsyncHTTPTransport(**settings)]
            except (
                ValueError,
                httpx2.InvalidURL,
                ImportError,
            ):  # what it says holds the proxy's address, with a password
                raise ConfigError(
                    "the proxy that the environment names for the teacher's server cannot be used",
                    expected="an address such as http://proxy:3128 in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY",
                    do="export another one, or name the server's host in NO_PROXY",
                ) from None
            self._idle = [*self._all]

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if not self._idle:
                self._idle.append(httpx2.AsyncHTTPTransport(**settings))
                self._all.append(self._idle[-1])
            line = self._idle.pop()
            given_back = False

            def done() -> None:
                nonlocal given_back
                if not given_back:
                    given_back = True
                    self._idle.append(line)

            try:
                response = await line.handle_async_request(request)
                response.stream = Stream(response.stream, done)
                if response.headers.get("content-encoding", "identity").lower() != "identity":
                    await response.aclose()
                    raise httpx2.ReadError("the body is compressed, which was not asked for")
            except BaseException:
                done()
                raise
            return response

        async def aclose(self) -> None:
            for line in self._all:
                await line.aclose()

    return Transport()


def _proxy_for(address: str) -> str | None:
    """The proxy of the environment for an address; none for this machine."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    if near or proxy_bypass(host):
        return None
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"

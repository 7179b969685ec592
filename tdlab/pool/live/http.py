"""The HTTP client of live servers: bounded answers, the reasons of refusals, no secret in a logged address."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from tdlab.pool.live.config import ServerSpec

__all__ = ["HttpRefusal", "bare_url", "http_client"]

_READ = 4096


class HttpRefusal:
    """The last answer of a server, if it was an HTTP error."""

    def __init__(self, *, authorized: bool) -> None:
        self._authorized = authorized
        self._status = self._challenge = self._advice = self._body = ""

    def clear(self) -> None:
        """Forget it: the server gave another answer."""
        self._status = ""

    def words(self, shown: Callable[[str], str]) -> str:
        """Return the error in words, empty if there is none; ``shown`` makes a text of the server fit to be shown."""
        if not self._status:
            return ""
        challenge = f", WWW-Authenticate: {shown(self._challenge)}" if self._challenge else ""
        body = f" ({shown(self._body)})" if self._body.strip() else ""
        return shown(self._status) + challenge + body + self._advice

    def note(self, response: httpx2.Response, body: str) -> None:
        """Keep the status, the challenge and the first words of an answer."""
        code = response.status_code
        self._status = f"HTTP {code} {response.reason_phrase}".rstrip()
        self._challenge = response.headers.get("www-authenticate", "")[:_READ]
        self._body = body[:_READ]
        self._advice = ""
        if code in (401, 403, 407):
            self._advice = (
                "; it refuses the Authorization header of its entry: check the token"
                if self._authorized
                else '; it wants authorization: add "headers": {"Authorization": "Bearer ${TOKEN}"} to its entry, and '
                "set the environment variable TOKEN"
            )
        elif code in (404, 405):
            self._advice = "; no streamable HTTP endpoint is at this address: check the path of its url"
        elif code == 429:
            self._advice = f"; try again later{_after(response)}"


def _after(response: httpx2.Response) -> str:
    seconds = response.headers.get("retry-after", "")
    return f", in {seconds} s" if seconds.isdigit() and len(seconds) < 8 else ""


def bare_url(url: str) -> str:
    """Return an address without user info, query and fragment, as it may be logged.

    Args:
        url: The address.

    Example:
        >>> bare_url("https://me:secret@example.com:1/mcp?key=secret#x")
        'https://example.com:1/mcp'
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def http_client(spec: ServerSpec, *, timeout_s: float, message_bytes: int, refusal: HttpRefusal) -> httpx2.AsyncClient:
    """Return a client for the server at `bare_url` of ``spec.url``.

    Query and user info are added on the way out, below everything that logs addresses.

    Args:
        spec: The server.
        timeout_s: Seconds to connect and to write; reading has no limit of its own.
        message_bytes: Most bytes of one answer, unpacked.
        refusal: Learns of HTTP errors.
    """
    headers = {"accept-encoding": "identity", **spec.headers}
    parts = urlsplit(spec.url)
    if parts.username is not None and not any(name.lower() == "authorization" for name in headers):
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + b64encode(pair.encode("utf-8")).decode("ascii")

    async def examine(response: httpx2.Response) -> None:
        is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        if not is_stream:
            packing = response.headers.get("content-encoding", "identity").lower()
            if packing != "identity":
                del response.headers["content-encoding"]
            response.stream = _Bounded(response.stream, message_bytes, packing)
        if response.request.method != "POST":
            return
        if response.status_code < 400:
            refusal.clear()
            return
        kind = response.headers.get("content-type", "").lower()
        length = response.headers.get("content-length", "")
        short = length.isdigit() and len(length) < 6 and int(length) <= _READ
        if short and (kind.startswith("text/plain") or "json" in kind):
            await response.aread()
            refusal.note(response, response.text)
        else:
            refusal.note(response, "")

    return httpx2.AsyncClient(
        headers=headers,
        timeout=httpx2.Timeout(timeout_s, read=None),
        transport=_Addressed(spec.url) if parts.query else None,
        event_hooks={"response": [examine]},
    )


class _Addressed(httpx2.AsyncHTTPTransport):
    """Adds the query of the server's address to each request; it uses the proxy that the environment names."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        proxies = {} if proxy_bypass(parts.hostname or "") else getproxies()
        super().__init__(proxy=proxies.get(parts.scheme) or proxies.get("all"))
        self._query = parts.query

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        query = request.url.query.decode()
        if self._query not in query:
            url = request.url.copy_with(query="&".join(filter(None, [query, self._query])).encode())
            request = httpx2.Request(
                request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
            )
        return await super().handle_async_request(request)


class _Bounded(httpx2.AsyncByteStream):
    """The body of an answer, unpacked, up to a number of bytes."""

    def __init__(self, inner: Any, limit: int, packing: str) -> None:
        self._inner = inner
        self._limit = limit
        self._packing = packing

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._limit
        if self._packing not in ("identity", "gzip", "x-gzip", "deflate"):
            raise httpx2.StreamError(f"the answer is packed as {self._packing[:20]!r}, which was not asked for")
        unpacked = None if self._packing == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 32)
        async for chunk in self._inner:
            try:
                content = chunk if unpacked is None else unpacked.decompress(chunk, left + 1)
            except zlib.error:
                raise httpx2.StreamError("the answer is packed and cannot be unpacked") from None
            left -= len(content)
            if left < 0:
                raise httpx2.StreamError(
                    f"the answer has more than the {self._limit:,} bytes that are read at once; it was not read"
                )
            yield content

    async def aclose(self) -> None:
        await self._inner.aclose()

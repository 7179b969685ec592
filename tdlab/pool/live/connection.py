"""One session with an MCP server: connecting, listing its tools page by page, calling them.

Servers are untrusted: what they send is data within bounds, and every failure becomes a result or a reason, without the
secrets of the server's entry.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio

from tdlab.pool.live.config import ServerSpec
from tdlab.pool.live.http import HttpRefusal, bare_url, http_client
from tdlab.pool.live.limits import Listing, LiveLimits, cut_text
from tdlab.pool.live.secrets import REDACTED, Redactor
from tdlab.pool.live.stderr import StderrTail
from tdlab.pool.live.stdio import Ending, stdio_transport
from tdlab.pool.repair.schemas import replace_surrogates
from tdlab.records import Json, Record, canonical_json
from tdlab.tools import shorten

if TYPE_CHECKING:
    from mcp import Client

__all__ = ["Connection", "LiveResult", "Session", "connect"]

_log = logging.getLogger(__name__)
_SHOWN = 400
_LONGEST_LINE = 65_536
_MOST_CURSOR = 8192
_STAND_INS = {"Server returned an error response", "Not Found", "Session terminated"}
"""What the SDK says in place of an HTTP error that holds no MCP message."""
_CLIENT_VERSION = "1"


class LiveResult(Record):
    """A server's answer to a call.

    ``text`` joins its text content; other content is named: ``[image/png, 123 bytes]``. ``structured`` is its
    structured content, if any. A result beyond the limit is cut, its text ends with a mark, and ``structured`` is None.
    ``ok`` is False for an error of the tool, the protocol or the connection; ``text`` then says which. ``ended`` means
    that the server stopped before it answered, ``lost`` that it could not be restarted either and is given up.
    """

    ok: bool
    text: str
    structured: Json | None = None
    ended: bool = False
    lost: bool = False


class _Tap:
    """A transport's read stream, passed on unchanged; it keeps the newest raw ``tools`` page and counts invalid lines.

    The SDK rejects a whole page for one malformed tool; with the raw page the other tools can be read all the same.
    """

    def __init__(self) -> None:
        self.inner: Any = None
        self.ended = False
        self.page: dict[str, Json] | None = None
        self.garbage = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def receive(self) -> Any:
        """Return the next item of the stream."""
        try:
            item = await self.inner.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            self.ended = True
            raise
        self.garbage += isinstance(item, Exception)
        result = getattr(getattr(item, "message", None), "result", None)
        if isinstance(result, dict) and "tools" in result:
            self.page = result
        return item

    async def aclose(self) -> None:
        """Close the stream."""
        self.ended = True
        await self.inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Session:
    """What is known of one attempt to use a server, whatever becomes of it: how to word its failure."""

    def __init__(self, spec: ServerSpec, limits: LiveLimits | None = None) -> None:
        self.spec = spec
        self.limits = limits or LiveLimits()
        self.tap = _Tap()
        self.tail = StderrTail()
        self.ending = Ending()
        self.refusal = HttpRefusal(authorized=any(name.lower() == "authorization" for name in spec.headers))
        self.redactor = Redactor(spec)

    def reason(self, error: BaseException | str) -> str:
        """Return why the server failed, with all that it said about it, for people; may wait a second for stderr."""
        words = error if isinstance(error, str) else _reason_of(error)
        refused = self.refused(error)
        parts = [refused or self.redactor.message(words)]
        if self.ending.words:
            parts.append(self.ending.words)
        if self.tap.garbage:
            stray = self._shown(self.ending.lines)
            parts.append(f"{self.tap.garbage:,} of its lines were not MCP messages" + (f": {stray}" if stray else ""))
        lines = self._shown(self.tail.last())
        if lines:
            parts.append(f"its last lines on stderr: {lines}")
        return "; ".join(parts)

    def _shown(self, lines: Iterable[str]) -> str:
        return " | ".join(_middle_out(self.redactor.message(line, most=_LONGEST_LINE)) for line in lines)

    def refused(self, error: BaseException | str) -> str:
        """Return the HTTP error behind an error that says no more than that there was one; else an empty text."""
        known = isinstance(error, str) or _is_stand_in(error)
        return self.refusal.words(lambda text: self.redactor.message(text, most=_SHOWN)) if known else ""


class Connection:
    """An open session with one server: the task that opened it must close it, any task of its loop may call."""

    def __init__(self, client: Client, session: Session) -> None:
        self._name = session.spec.name
        self._client = client
        self.session = session
        self._tap = session.tap
        self.stop = anyio.Event()

    @property
    def ended(self) -> bool:
        """Whether the server has closed its side."""
        return self._tap.ended

    @property
    def about(self) -> dict[str, str]:
        """The server's own ``title`` and ``description``, empty where it gives none."""
        info = self._client.server_info
        title = (info.title or info.name) if info is not None else ""
        description = getattr(info, "description", None) or self._client.instructions or ""
        data = self.session.redactor.data
        return {"title": data(title)[:_SHOWN], "description": " ".join(data(description).split())[:_SHOWN]}

    async def list_tools(self, listing: Listing) -> None:
        """Add the raw definitions of every page of ``tools/list``, and the problems with the pages, to ``listing``."""
        from pydantic import ValidationError

        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(listing.limits.pages):
            self._tap.page = None
            try:
                page = await self._client.list_tools(cursor=cursor, cache_mode="bypass")
                raw: Json = self._tap.page or page.model_dump(mode="json", by_alias=True)
            except ValidationError:
                if self._tap.page is None:
                    raise
                raw = self._tap.page
            listed = raw.get("tools")
            if not isinstance(listed, list):
                listing.report("malformed_part", f"a page's tools are a {type(listed).__name__}, expected a list")
                listed = []
            if not listing.add(self.session.redactor.data_json(listed)):
                listing.whole = True
                return
            cursor = raw.get("nextCursor")
            _log.debug(
                "%s: %d tools listed, %s",
                self._name, len(listing.definitions), "more to come" if cursor else "the last page",
            )  # fmt: skip
            if not isinstance(cursor, str) or not cursor:
                listing.whole = True
                return
            if cursor in seen or len(cursor) > _MOST_CURSOR:
                words = "refers back to an earlier one" if cursor in seen else "has a cursor of enormous length"
                listing.report("malformed_part", f"a page {words}; reading stopped there")
                listing.whole = True
                return
            seen.add(cursor)
        listing.report("malformed_part", f"more than {listing.limits.pages:,} pages; reading stopped there")
        listing.whole = True

    async def call(self, name: str, arguments: dict[str, Json], timeout_s: float) -> LiveResult:
        """Make one ``tools/call``; every failure is reported in the result, which is bounded and holds no secret."""
        result = await self._call(name, arguments, timeout_s)
        redactor, limit = self.session.redactor, self.session.limits.result_bytes
        text = redactor.data(replace_surrogates(result.text))
        if REDACTED in text and REDACTED not in result.text:
            _log.warning("%s: a secret of its entry was taken out of a result of %s", self._name, shorten(name, 80))
        structured = None if result.structured is None else redactor.data_json(result.structured)
        if structured is not None:
            whole = replace_surrogates(canonical_json(structured))
            if len(whole.encode("utf-8")) > limit:
                text, structured = whole, None
            elif not text:
                text = whole
        shown = cut_text(text, limit)
        if shown is not text:
            _log.warning("%s: a result of %s was cut to %d bytes", self._name, shorten(name, 80), limit)
        return result.model_copy(update={"text": shown, "structured": structured})

    async def _call(self, name: str, arguments: dict[str, Json], timeout_s: float) -> LiveResult:
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED, CallToolRequest, CallToolRequestParams, CallToolResult
        from pydantic import ValidationError

        try:
            with anyio.fail_after(timeout_s):
                result = await self._client.session.send_request(
                    CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments)), CallToolResult
                )
        except TimeoutError:
            return LiveResult(ok=False, text=f"no answer within {timeout_s:g} s", ended=self.ended)
        except MCPError as error:
            gone = error.code == CONNECTION_CLOSED or "session terminated" in error.message.lower()
            self._tap.ended = self._tap.ended or gone
            words = self.session.refused(error) or ("the server ended before it answered" if gone else error.message)
            return LiveResult(ok=False, text=words, ended=gone)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream):
            self._tap.ended = True
            return LiveResult(ok=False, text="the server ended before it answered", ended=True)
        except ValidationError as error:
            return LiveResult(ok=False, text=f"the answer is not a valid MCP result ({error.error_count()} errors)")
        except Exception as error:  # noqa: BLE001 - an untrusted answer must not end the run; the result reports it
            return LiveResult(ok=False, text=_reason_of(error), ended=self.ended)
        text = "\n".join(_content(part) for part in result.content)
        return LiveResult(ok=not result.is_error, text=text, structured=result.structured_content)


@contextlib.asynccontextmanager
async def connect(session: Session, timeout_s: float) -> AsyncIterator[Connection]:
    """Open a session with its server; leaving or cancelling stops the server within a few seconds."""
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp_types import Implementation

    logging.getLogger("mcp").addHandler(_QUIET)
    spec, message_bytes = session.spec, session.limits.message_bytes

    @contextlib.asynccontextmanager
    async def transport() -> AsyncIterator[Any]:
        if spec.transport == "stdio":
            with session.tail.writer() as errlog:
                async with stdio_transport(spec, errlog, message_bytes=message_bytes, ending=session.ending) as (
                    read,
                    write,
                ):
                    session.tap.inner = read
                    yield session.tap, write
            return
        http = http_client(spec, timeout_s=timeout_s, message_bytes=message_bytes, refusal=session.refusal)
        async with (
            http,
            streamable_http_client(bare_url(spec.url), http_client=http, max_sse_event_size=message_bytes) as streams,
        ):
            session.tap.inner = streams[0]
            yield session.tap, streams[1]

    about = Implementation(name="tdlab", version=_CLIENT_VERSION)
    async with Client(transport(), cache=None, client_info=about) as client:
        yield Connection(client, session)


_QUIET = logging.NullHandler()  # without a handler, Python prints the SDK's log of invalid lines to the terminal


def _content(part: Any) -> str:
    """Return the text of one part of a result, or its type and size."""
    if part.type == "text":
        return str(part.text)
    if part.type in ("image", "audio"):
        return f"[{part.mime_type}, {_decoded_size(part.data)} bytes]"
    if part.type == "resource_link":
        return f"[resource {part.uri}]"
    resource: Any = getattr(part, "resource", None)
    if getattr(resource, "text", None) is not None:
        return str(resource.text)
    if getattr(resource, "blob", None) is not None:
        return f"[{resource.mime_type or 'application/octet-stream'}, {_decoded_size(resource.blob)} bytes]"
    return f"[{part.type}]"


def _decoded_size(base64_text: str) -> int:
    text = base64_text.rstrip("\r\n")
    return len(text) * 3 // 4 - (len(text) - len(text.rstrip("=")))


def _middle_out(line: str) -> str:
    """Return the beginning and the end of a long line: the first names the error, the last is what led to it."""
    half = _SHOWN // 2
    return line if len(line) <= _SHOWN else f"{line[:half]} … {line[-half:]}"


def _leaves(error: BaseException) -> list[BaseException]:
    """Return the innermost causes of an error; groups of errors are taken apart."""
    leaves: list[BaseException] = []
    stack = [error]
    while stack:
        node = stack.pop()
        if isinstance(node, BaseExceptionGroup):
            stack.extend(reversed(node.exceptions))
        else:
            leaves.append(node)
    return leaves


def _is_stand_in(error: BaseException) -> bool:
    """Return whether an error says only what the SDK says in place of an HTTP error."""
    return all(getattr(leaf, "message", None) in _STAND_INS for leaf in _leaves(error))


def _reason_of(error: BaseException) -> str:
    """Return the innermost causes of an error in words."""
    words = []
    for leaf in _leaves(error):
        if getattr(leaf, "message", None) == "Connection closed":  # the SDK's word for it
            words.append("the server ended before it answered")
        elif isinstance(leaf, FileNotFoundError):
            words.append(f"{leaf.filename!r} does not exist")
        elif isinstance(leaf, PermissionError) and leaf.filename:
            words.append(f"{leaf.filename!r} cannot be run ({leaf.strerror})")
        else:
            text = " ".join(str(leaf).split())
            words.append(text if isinstance(leaf, TimeoutError) and text else f"{type(leaf).__name__}: {text}")
    return replace_surrogates("; ".join(dict.fromkeys(words)))

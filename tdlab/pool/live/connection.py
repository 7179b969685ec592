"""One session with an MCP server: connecting, listing its tools page by page, calling them.

Servers are untrusted: what they send is data, and every failure becomes a result or a reason. In `tdlab.pool`, only
this module imports ``mcp``.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio

from tdlab.pool.live.config import ServerSpec
from tdlab.pool.live.stderr import StderrTail
from tdlab.pool.repair.schemas import replace_surrogates
from tdlab.records import Json, Record, canonical_json

if TYPE_CHECKING:
    from mcp import Client

__all__ = ["Connection", "LiveResult", "Tap", "connect", "reason_of"]

_log = logging.getLogger(__name__)
_MOST_PAGES = 1000
_SHOWN = 400
_CLIENT_VERSION = "1"


class LiveResult(Record):
    """A server's answer to a call.

    ``text`` joins its text content; other content is named: ``[image/png, 123 bytes]``. ``structured`` is its
    structured content, if any. ``ok`` is False for an error of the tool, the protocol or the connection; ``text`` then
    says which. ``ended`` is True where the server stopped before it answered, ``lost`` where it could not be restarted
    either and is given up.
    """

    ok: bool
    text: str
    structured: Json | None = None
    ended: bool = False
    lost: bool = False


class Tap:
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


class Connection:
    """An open session with one server: the task that opened it must close it, any task of its loop may call."""

    def __init__(self, name: str, client: Client, tap: Tap) -> None:
        self._name = name
        self._client = client
        self._tap = tap
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
        return {"title": title, "description": " ".join(description.split())[:_SHOWN]}

    async def tools(self) -> tuple[list[Json], list[str]]:
        """Return the raw definitions of every page of ``tools/list``, and the problems with the pages."""
        from pydantic import ValidationError

        definitions: list[Json] = []
        problems: list[str] = []
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            self._tap.page = None
            try:
                page = await self._client.list_tools(cursor=cursor, cache_mode="bypass")
                raw: Json = self._tap.page or page.model_dump(mode="json", by_alias=True)
            except ValidationError:
                if self._tap.page is None:
                    raise
                raw = self._tap.page
            listed = raw.get("tools")
            if isinstance(listed, list):
                definitions.extend(listed)
            else:
                problems.append(f"a page's tools are a {type(listed).__name__}, expected a list")
            cursor = raw.get("nextCursor")
            _log.debug(
                "%s: %d tools listed, %s", self._name, len(definitions), "more to come" if cursor else "the last page"
            )
            if not isinstance(cursor, str) or not cursor:
                return definitions, problems
            if cursor in seen:
                problems.append("a page refers back to an earlier one; reading stopped there")
                return definitions, problems
            seen.add(cursor)
        problems.append(f"more than {_MOST_PAGES} pages; reading stopped there")
        return definitions, problems

    async def call(self, name: str, arguments: dict[str, Json], timeout_s: float) -> LiveResult:
        """Make one ``tools/call``; every failure is reported in the result."""
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
            words = "the server ended before it answered" if gone else replace_surrogates(error.message)
            return LiveResult(ok=False, text=words, ended=gone)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream):
            self._tap.ended = True
            return LiveResult(ok=False, text="the server ended before it answered", ended=True)
        except ValidationError as error:
            return LiveResult(ok=False, text=f"the answer is not a valid MCP result ({error.error_count()} errors)")
        except Exception as error:  # noqa: BLE001 - an untrusted answer must not end the run; the result reports it
            return LiveResult(ok=False, text=reason_of(error), ended=self.ended)
        text = "\n".join(_content(part) for part in result.content)
        structured = result.structured_content
        if not text and structured is not None:
            text = canonical_json(structured)
        return LiveResult(ok=not result.is_error, text=replace_surrogates(text), structured=structured)


@contextlib.asynccontextmanager
async def connect(spec: ServerSpec, tap: Tap, tail: StderrTail, timeout_s: float) -> AsyncIterator[Connection]:
    """Open a session with the server of ``spec``; leaving or cancelling stops the server within a few seconds."""
    from mcp import Client, StdioServerParameters, stdio_client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared._httpx_utils import create_mcp_http_client
    from mcp_types import Implementation

    logging.getLogger("mcp").addHandler(_QUIET)

    @contextlib.asynccontextmanager
    async def transport() -> AsyncIterator[Any]:
        if spec.transport == "stdio":
            parameters = StdioServerParameters(
                command=spec.command,
                args=list(spec.args),
                env=dict(spec.env),
                cwd=spec.cwd,
                encoding_error_handler="replace",
            )
            with tail.writer() as errlog:
                async with stdio_client(parameters, errlog=errlog) as (read, write):
                    tap.inner = read
                    yield tap, write
            return
        http = create_mcp_http_client(headers=dict(spec.headers))
        http.timeout = (timeout_s, None, timeout_s, timeout_s)  # connect, read, write, pool: calls have their own limit
        async with http, streamable_http_client(spec.url, http_client=http) as (read, write):
            tap.inner = read
            yield tap, write

    about = Implementation(name="tdlab", version=_CLIENT_VERSION)
    async with Client(transport(), cache=None, client_info=about) as client:
        yield Connection(spec.name, client, tap)


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


def reason_of(error: BaseException) -> str:
    """Return the innermost causes of an error in words; groups of errors are taken apart."""
    leaves: list[BaseException] = []
    stack = [error]
    while stack:
        node = stack.pop()
        if isinstance(node, BaseExceptionGroup):
            stack.extend(reversed(node.exceptions))
        else:
            leaves.append(node)
    words = []
    for leaf in leaves:
        if isinstance(leaf, FileNotFoundError):
            words.append(f"{leaf.filename!r:.120} does not exist")
        else:
            text = " ".join(str(leaf).split())
            words.append(
                text[:_SHOWN] if isinstance(leaf, TimeoutError) and text else f"{type(leaf).__name__}: {text[:_SHOWN]}"
            )
    return replace_surrogates("; ".join(dict.fromkeys(words)))

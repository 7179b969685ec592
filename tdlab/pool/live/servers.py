"""Live MCP servers: list their tools and call them, over stdio or streamable HTTP.

Servers are untrusted. Each has a time limit and is stopped with it. Its stderr does not reach the terminal; where it
fails, the last lines of stderr are part of the reason. A malformed tool definition is reported as in a file, and the
server's other tools are kept. Output schemas are not enforced here, as the SDK would with a pattern matcher that can
hang; verification does it (`tdlab.tools.schema`).

In `tdlab.pool`, only this module imports ``mcp``.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.abc import TaskStatus

from tdlab.errors import HarvestError, PoolError
from tdlab.pool.catalogue import ToolPool
from tdlab.pool.files.definitions import Definitions, read_service
from tdlab.pool.issues import PoolIssue
from tdlab.pool.live.config import ServerSpec, read_mcp_config
from tdlab.pool.live.stderr import StderrTail
from tdlab.pool.repair.schemas import replace_surrogates
from tdlab.pool.taxonomy import Taxonomy
from tdlab.records import Json, Record, Service, canonical_json

if TYPE_CHECKING:
    from mcp import Client

__all__ = [
    "Harvest",
    "HarvestProgress",
    "LiveResult",
    "LiveServers",
    "ServerSpec",
    "harvest",
    "harvest_sync",
    "read_mcp_config",
]

_log = logging.getLogger(__name__)
_MOST_PAGES = 1000
_SHOWN = 400
_CONNECT_TRIES = 2
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


class HarvestProgress(Protocol):
    """A function to call whenever one server has been harvested or has failed."""

    def __call__(self, done: int, total: int, server: str, reason: str | None) -> None:
        """Report that ``done`` of ``total`` servers are finished; ``server`` is the last, ``reason`` its failure."""


@dataclass(frozen=True)
class Harvest:
    """The tools of the servers that answered, and the reasons why others failed, by server name."""

    pool: ToolPool
    failures: dict[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------------------------------------------------- connecting


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
        self.ended = True
        await self.inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Connection:
    """An open session with one server: the task that opened it must close it, any task of its loop may call."""

    def __init__(self, name: str, client: Client, tap: _Tap) -> None:
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
            _log.debug("%s: %d tools listed, %s", self._name, len(definitions), "more to come" if cursor else "the last page")
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
            return LiveResult(ok=False, text=_reason(error), ended=self.ended)
        text = "\n".join(_content(part) for part in result.content)
        structured = result.structured_content
        if not text and structured is not None:
            text = canonical_json(structured)
        return LiveResult(ok=not result.is_error, text=replace_surrogates(text), structured=structured)


@contextlib.asynccontextmanager
async def _connect(spec: ServerSpec, tap: _Tap, tail: StderrTail, timeout_s: float) -> AsyncIterator[_Connection]:
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
        yield _Connection(spec.name, client, tap)


_QUIET = logging.NullHandler()  # without a handler, Python prints the SDK's log of invalid lines to the terminal


# ---------------------------------------------------------------------------------------------------------- harvesting


async def harvest(
    specs: Mapping[str, ServerSpec],
    *,
    timeout_s: float = 30.0,
    concurrency: int = 4,
    on_progress: HarvestProgress | None = None,
) -> Harvest:
    """Connect to every server and list its tools.

    Args:
        specs: The servers by name; the names become those of the services.
        timeout_s: Time limit for connecting to one server and listing its tools, in seconds; stopping a server that
            resists takes a few seconds more.
        concurrency: How many servers to harvest at the same time.
        on_progress: Called after each server.

    Returns:
        The pool, and the reasons of the servers that failed.

    Raises:
        HarvestError: No server has a usable tool.

    Example:
        >>> import anyio
        >>> missing = ServerSpec(name="clock", transport="stdio", command="no-such-server")
        >>> try:
        ...     anyio.run(harvest, {"clock": missing})
        ... except Exception as error:
        ...     print(error.found)
        no server has a usable tool; clock: 'no-such-server' does not exist
    """
    if not specs:
        raise HarvestError("no server was given", expected="at least one", do="add one to the mcpServers file")
    limiter = anyio.Semaphore(max(1, concurrency))
    taxonomy = Taxonomy.bundled()
    harvested: dict[str, tuple[Service, list[PoolIssue]]] = {}
    failures: dict[str, str] = {}
    done = 0

    async def harvest_one(name: str, spec: ServerSpec) -> None:
        nonlocal done
        async with limiter:
            _log.info("%s: connecting over %s, at most %g s", name, spec.transport, timeout_s)
            outcome = await _list_tools(spec, timeout_s)
        if isinstance(outcome, str):
            _log.warning("%s: failed: %s", name, outcome)
            failures[name] = outcome
        else:
            definitions, problems = outcome
            _log.info("%s: %d tools", name, len(definitions.tools))
            service, issues = read_service(definitions, taxonomy=taxonomy, where="")
            page_issues = [
                PoolIssue(service=name, severity="error", code="malformed_part", found=words) for words in problems
            ]
            harvested[name] = (service, [*page_issues, *issues])
        done += 1
        if on_progress is not None:
            on_progress(done, len(specs), name, failures.get(name))

    async with anyio.create_task_group() as group:
        for name, spec in specs.items():
            group.start_soon(harvest_one, name, spec)

    ordered = [harvested[name] for name in specs if name in harvested]
    issues = [issue for _, of_service in ordered for issue in of_service]
    pool = ToolPool._assemble([(service, "") for service, _ in ordered], issues=issues)
    failures = {name: failures[name] for name in specs if name in failures}
    if not len(pool):
        reasons = [f"{name}: {reason}" for name, reason in failures.items()]
        reasons += [f"{name}: it answered without a usable tool" for name in specs if name in harvested]
        raise HarvestError(
            "no server has a usable tool; " + "; ".join(reasons),
            expected="at least one server that answers",
            do="run the entry's command by hand to see its errors, or raise timeout_s (--timeout)",
        )
    return Harvest(pool, failures)


def harvest_sync(
    path: str | Path,
    *,
    timeout_s: float = 30.0,
    concurrency: int = 4,
    on_progress: HarvestProgress | None = None,
) -> Harvest:
    """Do what `harvest` does for the servers of an ``mcpServers`` file, with or without a running event loop.

    Args:
        path: The JSON file of an MCP client; see `read_mcp_config`.
        timeout_s: Time limit for connecting to one server and listing its tools, in seconds.
        concurrency: How many servers to harvest at the same time.
        on_progress: Called after each server, from another thread.

    Returns:
        The pool, and the reasons of the servers that failed.

    Raises:
        PoolError: The file cannot be read or has invalid entries.
        HarvestError: No server has a usable tool.

    Example:
        >>> with open("mcp.json", "w") as file:
        ...     file.write('{"mcpServers": {"clock": {"command": "no-such-server"}}}')
        56
        >>> try:
        ...     harvest_sync("mcp.json")
        ... except Exception as error:
        ...     print(error.found)
        no server has a usable tool; clock: 'no-such-server' does not exist
    """
    specs = read_mcp_config(path)
    with anyio.from_thread.start_blocking_portal() as portal:
        future: Future[Harvest] = portal.start_task_soon(
            lambda: harvest(specs, timeout_s=timeout_s, concurrency=concurrency, on_progress=on_progress)
        )
        return future.result()


async def _list_tools(spec: ServerSpec, timeout_s: float) -> tuple[Definitions, list[str]] | str:
    """Return a server's definitions and the problems with them, or the reason why there are none."""
    tap, tail = _Tap(), StderrTail()
    outcome: tuple[Definitions, list[str]] | None = None
    reason = f"no answer within {timeout_s:g} s"
    try:
        with anyio.move_on_after(timeout_s):
            async with _connect(spec, tap, tail, timeout_s) as connection:
                tools, problems = await connection.tools()
                about = connection.about
                outcome = (
                    Definitions(
                        spec.name,
                        tools,
                        title=about["title"],
                        description=about["description"],
                        source="live",
                        quality="live",
                    ),
                    problems,
                )
    except Exception as error:  # noqa: BLE001 - one server's failure, of whatever kind, must not end the others
        reason = _reason(error)
    if outcome is not None:
        return outcome
    if tap.garbage:
        reason += f"; {tap.garbage:,} of its lines were not MCP messages"
    stderr = await anyio.to_thread.run_sync(tail.last)
    return reason + (f"; its last lines on stderr: {stderr}" if stderr else "")


# ------------------------------------------------------------------------------------------------------------- calling


class LiveServers:
    """Servers to call from synchronous code, inside or outside a running event loop and from any thread.

    A context manager over ``specs``. A server is started at the first call to it and stopped on leaving. If it stops
    earlier, the next call restarts it in its initial state; after two failed attempts it is given up. A call in flight
    when its server stops is an error, since it may have had its effect. Only a ``repeatable`` call is made once more.

    Example:
        >>> clock = ServerSpec(name="clock", transport="stdio", command="no-such-server")
        >>> with LiveServers({"clock": clock}) as servers:
        ...     servers.call("clock", "now", {}).text
        "the server cannot be reached: 'no-such-server' does not exist"
    """

    def __init__(self, specs: Mapping[str, ServerSpec], *, connect_timeout_s: float = 30.0) -> None:
        self._specs = dict(specs)
        self._connect_timeout_s = connect_timeout_s
        self._locks = {name: threading.Lock() for name in self._specs}
        self._open: dict[str, tuple[_Connection, Future[None]]] = {}
        self._failed: dict[str, tuple[int, str]] = {}
        self._stack = contextlib.ExitStack()
        self._portal: anyio.from_thread.BlockingPortal | None = None

    @classmethod
    def from_config(cls, path: str | Path, *, connect_timeout_s: float = 30.0) -> Self:
        """Return the servers of an ``mcpServers`` file."""
        return cls(read_mcp_config(path), connect_timeout_s=connect_timeout_s)

    def __enter__(self) -> Self:
        self._portal = self._stack.enter_context(anyio.from_thread.start_blocking_portal())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        portal, self._portal = self._portal, None
        if portal is not None:
            for connection, _ in self._open.values():
                portal.start_task_soon(_set, connection.stop)
            for _, task in self._open.values():
                with contextlib.suppress(Exception):  # how a server stops no longer matters
                    task.result()
            self._open.clear()
        self._stack.__exit__(kind, value, trace)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the servers, in the given order."""
        return tuple(self._specs)

    def call(
        self,
        service: str,
        tool_name: str,
        arguments: Mapping[str, Json],
        *,
        timeout_s: float = 30.0,
        repeatable: bool = False,
    ) -> LiveResult:
        """Call a tool; every failure of the server is a result with ``ok`` False.

        Args:
            service: The server's name.
            tool_name: The tool's name on that server.
            arguments: The tool's arguments.
            timeout_s: Time limit of the call, in seconds.
            repeatable: Whether the call may be made once more if its server stops before it answers.

        Raises:
            PoolError: There is no server of that name, or the context manager has not been entered.
        """
        if service not in self._specs:
            raise PoolError(
                f"no server is named {service!r:.80}",
                expected="one of " + ", ".join(self._specs),
                do="use the same mcpServers file for harvesting and calling",
            )
        portal = self._portal
        if portal is None:
            raise PoolError(
                "the servers are not running",
                expected="a call inside `with LiveServers(...) as servers:`",
                do="enter the context manager first",
            )
        result = LiveResult(ok=False, text="")
        for _ in range(2 if repeatable else 1):
            connection = self._connection(service, portal)
            if isinstance(connection, str):
                lost = self._failed[service][0] >= _CONNECT_TRIES
                return LiveResult(ok=False, text=connection, ended=True, lost=lost)
            _log.debug("%s: calling %s, at most %g s", service, tool_name, timeout_s)
            result = portal.call(connection.call, tool_name, dict(arguments), timeout_s)
            if not result.ok:
                _log.info("%s: %s failed: %s", service, tool_name, result.text)
            if not result.ended:
                break
        return result

    def _connection(self, service: str, portal: anyio.from_thread.BlockingPortal) -> _Connection | str:
        """Return the open connection, opened now if there is none, or the reason why it cannot be opened."""
        with self._locks[service]:
            opened = self._open.get(service)
            if opened is not None and not opened[0].ended:
                return opened[0]
            if opened is not None:
                portal.call(_set, opened[0].stop)
                del self._open[service]
            tries, reason = self._failed.get(service, (0, ""))
            if tries >= _CONNECT_TRIES:
                return reason
            _log.info("%s: starting, at most %g s", service, self._connect_timeout_s)
            tail = StderrTail()
            connection: _Connection
            try:
                task, connection = portal.start_task(self._serve, self._specs[service], tail)
            except Exception as error:  # noqa: BLE001 - the result of the call reports it
                stderr = tail.last()
                reason = f"the server cannot be reached: {_reason(error)}" + (
                    f"; its last lines on stderr: {stderr}" if stderr else ""
                )
                self._failed[service] = (tries + 1, reason)
                _log.warning("%s: %s", service, reason)
                return reason
            self._failed.pop(service, None)
            self._open[service] = (connection, task)
            return connection

    async def _serve(self, spec: ServerSpec, tail: StderrTail, *, task_status: TaskStatus[_Connection]) -> None:
        """Hold one connection open, in a task of its own, until its ``stop`` event is set."""
        limit = self._connect_timeout_s
        with anyio.CancelScope(deadline=anyio.current_time() + limit) as scope:
            async with _connect(spec, _Tap(), tail, limit) as connection:
                scope.deadline = math.inf
                task_status.started(connection)
                await connection.stop.wait()
                scope.deadline = anyio.current_time() + limit  # for closing the connection
        if scope.cancelled_caught:
            raise TimeoutError(f"no answer within {limit:g} s")


# ------------------------------------------------------------------------------------------------------------- helpers


async def _set(event: anyio.Event) -> None:
    event.set()


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


def _reason(error: BaseException) -> str:
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

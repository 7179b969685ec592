"""Live MCP servers: harvest their tools and call them, over stdio or streamable HTTP.

Each server has a time limit and is stopped with it. Its stderr does not reach the terminal; where it fails, the last
lines of stderr are part of the reason. A malformed tool definition is reported as in a file, and the server's other
tools are kept. Output schemas are not enforced here, as the SDK would with a pattern matcher that can hang;
verification does it (`tdlab.tools.schema`).
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio.abc import TaskStatus

from tdlab.errors import HarvestError, PoolError
from tdlab.pool.catalogue import ToolPool
from tdlab.pool.files.definitions import Definitions, read_service
from tdlab.pool.issues import PoolIssue
from tdlab.pool.live.config import McpConfig, ServerSpec, read_mcp_config
from tdlab.pool.live.connection import Connection, LiveResult, Session, connect
from tdlab.pool.live.limits import Listing, LiveLimits
from tdlab.pool.live.secrets import Redactor
from tdlab.pool.taxonomy import Taxonomy
from tdlab.records import Json, Service

__all__ = [
    "Harvest",
    "HarvestProgress",
    "LiveResult",
    "LiveServers",
    "harvest",
    "harvest_sync",
]

_log = logging.getLogger(__name__)
_CONNECT_TRIES = 2
_REASONS = 3


class HarvestProgress(Protocol):
    """A function to call whenever one server has been harvested or has failed."""

    def __call__(self, done: int, total: int, server: str, reason: str | None) -> None:
        """Report that ``done`` of ``total`` servers are finished; ``server`` is the last, ``reason`` its failure."""


@dataclass(frozen=True)
class Harvest:
    """The tools of the servers that answered, and the reasons why others failed, by server name.

    ``servers`` are those that answered, as `LiveServers` takes them. ``disabled`` names those that the client's file
    switches off.
    """

    pool: ToolPool
    failures: dict[str, str] = field(default_factory=dict)
    servers: dict[str, ServerSpec] = field(default_factory=dict)
    disabled: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------------------------- harvesting


async def harvest(
    specs: Mapping[str, ServerSpec],
    *,
    timeout_s: float = 30.0,
    concurrency: int = 4,
    limits: LiveLimits | None = None,
    on_progress: HarvestProgress | None = None,
) -> Harvest:
    """Connect to every server and list its tools.

    Args:
        specs: The servers by name; the names become those of the services. The invalid entries of a `McpConfig` are
            among the failures.
        timeout_s: Time limit for connecting to one server and listing its tools, in seconds; stopping a server that
            resists takes a few seconds more.
        concurrency: How many servers to harvest at the same time.
        limits: Bounds on what a server may list.
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
        raise HarvestError("no server was given", expected="at least one", do="add one to the client's file")
    limiter = anyio.Semaphore(max(1, concurrency))
    taxonomy = Taxonomy.bundled()
    harvested: dict[str, tuple[Service, list[PoolIssue]]] = {}
    failures: dict[str, str] = {}
    done = 0

    async def harvest_one(name: str, spec: ServerSpec) -> None:
        nonlocal done
        async with limiter:
            _log.info("%s: connecting over %s, at most %g s", name, spec.transport, timeout_s)
            outcome = await _list_tools(spec, timeout_s, limits or LiveLimits())
        if isinstance(outcome, str):
            _log.warning("%s: failed: %s", name, outcome)
            failures[name] = outcome
        else:
            definitions, page_issues = outcome
            _log.info("%s: %d tools", name, len(definitions.tools))
            service, issues = read_service(definitions, taxonomy=taxonomy, where="")
            harvested[name] = (service, [*page_issues, *issues])
        done += 1
        if on_progress is not None:
            on_progress(done, len(specs), name, failures.get(name))

    async with anyio.create_task_group() as group:
        for name, spec in specs.items():
            group.start_soon(harvest_one, name, spec)

    ordered = [harvested[name] for name in specs if name in harvested]
    failures = {name: failures[name] for name in specs if name in failures}
    failures |= specs.failures if isinstance(specs, McpConfig) else {}
    issues = [
        PoolIssue(service=name, severity="error", code="server_failed", found=reason)
        for name, reason in failures.items()
    ]
    issues += [issue for _, of_service in ordered for issue in of_service]
    pool = ToolPool._assemble([(service, "") for service, _ in ordered], issues=issues)
    if not len(pool):
        reasons = [f"{name}: {reason}" for name, reason in failures.items()]
        for service, of_service in ordered:
            errors = [issue.found for issue in of_service if issue.severity == "error"][:_REASONS]
            reasons.append("; ".join([f"{service.name}: it answered without a usable tool", *errors]))
        raise HarvestError(
            "no server has a usable tool; " + "; ".join(reasons),
            expected="at least one server that answers",
            do="correct what the reasons name; raise timeout_s (--timeout); run an entry's command by hand to see more",
        )
    answered = {name: spec for name, spec in specs.items() if name in harvested}
    return Harvest(pool, failures, answered, specs.disabled if isinstance(specs, McpConfig) else ())


def harvest_sync(
    servers: str | Path | McpConfig,
    *,
    timeout_s: float = 30.0,
    concurrency: int = 4,
    limits: LiveLimits | None = None,
    on_progress: HarvestProgress | None = None,
) -> Harvest:
    """Do what `harvest` does for the servers of an MCP client's file, with or without a running event loop.

    Args:
        servers: The file of an MCP client, or what `read_mcp_config` made of it.
        timeout_s: Time limit for connecting to one server and listing its tools, in seconds.
        concurrency: How many servers to harvest at the same time.
        limits: Bounds on what a server may list.
        on_progress: Called after each server, from another thread.

    Returns:
        The pool, and the reasons of the servers that failed.

    Raises:
        PoolError: The file cannot be read, or has no valid entry.
        HarvestError: No server has a usable tool.

    Example:
        >>> with open("mcp.json", "w") as file:
        ...     _ = file.write('{"mcpServers": {"clock": {"command": "no-such-server"}}}')
        >>> try:
        ...     harvest_sync("mcp.json")
        ... except Exception as error:
        ...     print(error.found)
        no server has a usable tool; clock: 'no-such-server' does not exist
    """
    specs = servers if isinstance(servers, McpConfig) else read_mcp_config(servers)
    with anyio.from_thread.start_blocking_portal() as portal:
        future: Future[Harvest] = portal.start_task_soon(
            lambda: harvest(specs, timeout_s=timeout_s, concurrency=concurrency, limits=limits, on_progress=on_progress)
        )
        return future.result()


async def _list_tools(
    spec: ServerSpec, timeout_s: float, limits: LiveLimits
) -> tuple[Definitions, list[PoolIssue]] | str:
    """Return a server's definitions and the problems with them, or the reason why there are none."""
    session = Session(spec, limits)
    listing = Listing(spec.name, limits)
    about = {"title": "", "description": ""}
    failure: BaseException | str = f"no answer within {timeout_s:g} s"
    try:
        with anyio.move_on_after(timeout_s):
            async with connect(session, timeout_s) as connection:
                about = connection.about
                await connection.list_tools(listing)
    except Exception as error:  # noqa: BLE001 - one server's failure, of whatever kind, must not end the others
        failure = error
    if not listing.whole:
        reason = await anyio.to_thread.run_sync(session.reason, failure)
        if not listing.definitions:
            return reason
        listing.report("listing_incomplete", f"the tools of its other pages are missing: {reason}")
    definitions = Definitions(
        spec.name,
        _let_through(listing, spec),
        title=about["title"],
        description=about["description"],
        source="live",
        quality="live",
    )
    return definitions, listing.issues


def _let_through(listing: Listing, spec: ServerSpec) -> list[Json]:
    """Return the definitions that the client's file lets through; the others are reported."""
    if spec.only_tools is None and not spec.without_tools:
        return listing.definitions
    kept: list[Json] = []
    out: list[str] = []
    for raw in listing.definitions:
        name = raw.get("name") if isinstance(raw, dict) else None
        if isinstance(name, str) and (
            name in spec.without_tools or (spec.only_tools is not None and name not in spec.only_tools)
        ):
            out.append(name)
        else:
            kept.append(raw)
    if out:
        some = ", ".join(out[:5]) + (", ..." if len(out) > 5 else "")
        listing.report("switched_off", f"the client's file leaves out {len(out):,} of its tools: {some}")
    return kept


# ------------------------------------------------------------------------------------------------------------- calling


class LiveServers:
    """Servers to call from synchronous code, inside or outside a running event loop and from any thread.

    A context manager over ``specs``. A server is started at the first call to it and stopped on leaving. If it stops
    earlier, the next call restarts it in its initial state; after two failed attempts it is given up. A call in flight
    when its server stops is an error, since it may have had its effect. Only a ``repeatable`` call is made once more.
    ``limits`` bound what a server may return.

    Example:
        >>> clock = ServerSpec(name="clock", transport="stdio", command="no-such-server")
        >>> with LiveServers({"clock": clock}) as servers:
        ...     servers.call("clock", "now", {}).text
        "the server cannot be reached: 'no-such-server' does not exist"
    """

    def __init__(
        self, specs: Mapping[str, ServerSpec], *, connect_timeout_s: float = 30.0, limits: LiveLimits | None = None
    ) -> None:
        self._specs = dict(specs)
        self._limits = limits or LiveLimits()
        self._redactors = {name: Redactor(spec) for name, spec in self._specs.items()}
        self._connect_timeout_s = connect_timeout_s
        self._locks = {name: threading.Lock() for name in self._specs}
        self._open: dict[str, tuple[Connection, Future[None]]] = {}
        self._failed: dict[str, tuple[int, str]] = {}
        self._stack = contextlib.ExitStack()
        self._portal: anyio.from_thread.BlockingPortal | None = None

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
                do="use the same client's file for harvesting and calling",
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
                _log.info("%s: %s failed: %s", service, tool_name, self._redactors[service].message(result.text))
            if not result.ended:
                break
            result = self._ended(service, connection, result)
        return result

    def _ended(self, service: str, connection: Connection, result: LiveResult) -> LiveResult:
        """Close the connection of a server that ended during a call, and add its last words to the result."""
        with self._locks[service]:
            opened = self._open.get(service)
            if opened is not None and opened[0] is connection and self._portal is not None:
                del self._open[service]
                self._portal.call(_set, connection.stop)
                with contextlib.suppress(Exception):  # the call's own result says what went wrong
                    opened[1].result()
        reason = connection.session.reason(result.text)
        _log.warning("%s: %s", service, reason)
        return result.model_copy(update={"text": reason})

    def _connection(self, service: str, portal: anyio.from_thread.BlockingPortal) -> Connection | str:
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
            session = Session(self._specs[service], self._limits)
            connection: Connection
            try:
                task, connection = portal.start_task(self._serve, session)
            except Exception as error:  # noqa: BLE001 - the result of the call reports it
                reason = f"the server cannot be reached: {session.reason(error)}"
                self._failed[service] = (tries + 1, reason)
                _log.warning("%s: %s", service, reason)
                return reason
            self._failed.pop(service, None)
            self._open[service] = (connection, task)
            return connection

    async def _serve(self, session: Session, *, task_status: TaskStatus[Connection]) -> None:
        """Hold one connection open, in a task of its own, until its ``stop`` event is set."""
        limit = self._connect_timeout_s
        with anyio.CancelScope(deadline=anyio.current_time() + limit) as scope:
            async with connect(session, limit) as connection:
                scope.deadline = math.inf
                task_status.started(connection)
                await connection.stop.wait()
                scope.deadline = anyio.current_time() + limit  # for closing the connection
        if scope.cancelled_caught:
            raise TimeoutError(f"no answer within {limit:g} s")


async def _set(event: anyio.Event) -> None:
    event.set()

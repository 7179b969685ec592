"""The stdio transport: messages as lines of a child process, each of bounded length.

The SDK's own transport keeps a line of any length in memory, and does not say how its process ended.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, TextIO

import anyio
from anyio.abc import Process

from tdlab.pool.live.config import ServerSpec

__all__ = ["Ending", "stdio_transport"]

_PATIENCE_S = 2.0
_POLL_S = 0.01
_HEAD = 4096
_KEPT_LINES = 3
_LONGEST_KEPT = 65_536
_ID = re.compile(rb'"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)')


class Ending:
    """How a server's process ended, and the last lines that it printed where messages belong.

    ``words`` is empty while it runs, and where it was stopped by its client.
    """

    def __init__(self) -> None:
        self.words = ""
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)


@contextlib.asynccontextmanager
async def stdio_transport(
    spec: ServerSpec, errlog: TextIO, *, message_bytes: int, ending: Ending
) -> AsyncIterator[tuple[Any, Any]]:
    """Start a server and yield the streams of its messages; leaving stops it and everything that it started.

    Args:
        spec: The server.
        errlog: Gets the server's stderr.
        message_bytes: Most bytes of one message. A longer one is passed over, and answers its call with an error.
        ending: Gets lines that are no messages, and says afterwards how the process ended.

    Raises:
        OSError: The process cannot be started.
    """
    from mcp.client.stdio import get_default_environment

    process = await anyio.open_process(
        [spec.command, *spec.args],
        env=get_default_environment() | spec.env,
        stderr=errlog,
        cwd=spec.cwd,
        start_new_session=True,
    )
    to_client, from_server = anyio.create_memory_object_stream[Any](0)
    to_server, from_client = anyio.create_memory_object_stream[Any](0)
    lines = _Lines(process, message_bytes, ending)
    stopping = False
    ended_itself = False

    async def read() -> None:
        nonlocal ended_itself
        try:
            async with to_client:
                async for item in lines.messages():
                    await to_client.send(item)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the session is gone; what the server still writes is read below, so that it can end
        ended_itself = not stopping and lines.at_end
        with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            while process.stdout is not None and not lines.at_end:
                await process.stdout.receive()

    async def write() -> None:
        try:
            async with from_client:
                async for item in from_client:
                    await lines.send(item.message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await to_client.aclose()  # the server reads no more: a waiting call must learn of it

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        group.start_soon(write)
        try:
            yield from_server, to_server
        finally:
            with anyio.CancelScope(shield=True):
                from_server.close()
                to_server.close()
                stopping = True
                await _stop(process)
                if ended_itself and process.returncode is not None:
                    ending.words = _words(process.returncode)
            group.cancel_scope.cancel()


class _Lines:
    """The messages of one process, read and written a line each."""

    def __init__(self, process: Process, limit: int, ending: Ending) -> None:
        self._process = process
        self._limit = limit
        self._ending = ending
        self._waiting: dict[str | int, None] = {}
        self.at_end = False

    async def send(self, message: Any) -> None:
        from mcp_types import JSONRPCRequest

        if isinstance(message, JSONRPCRequest):
            self._waiting[message.id] = None
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        await self._process.stdin.send((text + "\n").encode("utf-8", "replace"))

    async def messages(self) -> AsyncIterator[Any]:
        """Yield every message, an exception for a line that is none, and an error for every call left unanswered."""
        buffer = bytearray()
        skipped = 0
        head = b""
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        while True:
            try:
                chunk = await self._process.stdout.receive(65_536)
            except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
                break
            buffer += chunk
            lines = buffer.split(b"\n") if b"\n" in chunk else [buffer]
            buffer = lines.pop()
            for line in map(bytes, lines):
                if skipped or len(line) > self._limit:
                    head = head or line[:_HEAD]
                    for item in self._too_long(head, line[-_HEAD:], skipped + len(line)):
                        yield item
                    skipped, head = 0, b""
                else:
                    yield self._message(line)
            if len(buffer) > self._limit:
                head = head or bytes(buffer[:_HEAD])
                skipped += len(buffer) - _HEAD
                del buffer[:-_HEAD]
        if buffer.strip() and not skipped:
            yield self._message(bytes(buffer))  # the last line of a server that ended has no line break
        self.at_end = True

    def _message(self, line: bytes) -> Any:
        from mcp.shared.message import SessionMessage
        from mcp_types import JSONRPCError, JSONRPCResponse, jsonrpc_message_adapter

        try:
            message = jsonrpc_message_adapter.validate_json(line.decode("utf-8", "replace"), by_name=False)
        except ValueError:
            if line.strip() and len(line) <= _LONGEST_KEPT:  # half of a longer one might begin or end in a secret
                self._ending.lines.append(line.decode("utf-8", "replace").strip())
            return ValueError("a line that is no MCP message")
        if isinstance(message, (JSONRPCResponse, JSONRPCError)):
            self._waiting.pop(message.id, None)  # type: ignore[arg-type] # an error without an id answers no call
        return SessionMessage(message)

    def _too_long(self, head: bytes, tail: bytes, size: int) -> list[Any]:
        """Return errors for the calls that a line answers which is too long to read: one, if its id can be seen."""
        from mcp.shared.message import SessionMessage
        from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError

        words = f"the answer has {size:,} bytes, more than the {self._limit:,} that are read at once; it was not read"
        seen = {match[1].strip(b'"').decode("utf-8", "replace") for match in _ID.finditer(head + b" " + tail)}
        named = [key for key in self._waiting if str(key) in seen]
        answered = named if len(named) == 1 else list(self._waiting)
        for key in answered:
            del self._waiting[key]
        error = ErrorData(code=INTERNAL_ERROR, message=words)
        return [SessionMessage(JSONRPCError(jsonrpc="2.0", id=key, error=error)) for key in answered]


async def _stop(process: Process) -> None:
    """Close the process's input, wait, then end it and its group."""
    if process.stdin is not None:
        with contextlib.suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdin.aclose()
    await _wait(process)
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)  # its group outlives the process where it left children
        except (ProcessLookupError, PermissionError):
            break
        if await _wait(process) and not _group_lives(process.pid):
            break
    if process.stdout is not None:
        with contextlib.suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            await process.stdout.aclose()
    # Nothing public closes asyncio's own transport, which warns when it is collected with a pipe still open.
    transport = getattr(getattr(process, "_process", None), "_transport", None)
    if transport is not None:
        with contextlib.suppress(PermissionError):
            transport.close()


async def _wait(process: Process) -> bool:
    """Return whether the process ended in time; ``Process.wait`` would also wait for pipes that a child holds open."""
    with anyio.move_on_after(_PATIENCE_S):
        while process.returncode is None:
            await anyio.sleep(_POLL_S)
    return process.returncode is not None


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _words(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return f"its process was ended by signal {name}"

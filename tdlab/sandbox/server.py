"""The code tool for other agents: an MCP server over stdio that offers ``run_code``, each call in the sandbox.

``mcp`` has two importers: this module for the server, and `tdlab.pool.live` for clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tdlab.sandbox.jobs import Limits
from tdlab.sandbox.pool import Sandbox, open_sandbox
from tdlab.sandbox.tool import RUN_CODE, run_code

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

__all__ = ["mcp_server", "serve"]

_VERSION = "1"


def mcp_server(sandbox: Sandbox, *, databases: Mapping[str, bytes] | None = None) -> Server[Any]:
    """Return an MCP server with one tool, `RUN_CODE`; its calls wait for a free worker of the sandbox."""
    import mcp_types as types
    from mcp.server.lowlevel import Server

    hints = RUN_CODE.annotations
    tool = types.Tool(
        name=RUN_CODE.name,
        description=RUN_CODE.description,
        input_schema=RUN_CODE.input_schema,
        output_schema=RUN_CODE.output_schema,
        annotations=types.ToolAnnotations(
            title=hints.title,
            read_only_hint=hints.read_only,
            destructive_hint=hints.destructive,
            idempotent_hint=hints.idempotent,
            open_world_hint=hints.open_world,
        ),
    )

    async def on_list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool])

    async def on_call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        if params.name != RUN_CODE.name:
            text = f"there is no tool {params.name[:80]!r}, only {RUN_CODE.name}"
            return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
        output = await run_code(sandbox, params.arguments or {}, databases=databases)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=output.text)],
            structured_content=output.model_dump(mode="json"),
            is_error=not output.ok,
        )

    names = ", ".join(sorted(databases or {}))
    return Server(
        "tdlab-sandbox",
        version=_VERSION,
        instructions=f"Databases for SQL: {names}." if names else None,
        on_list_tools=on_list_tools,
        on_call_tool=on_call_tool,
    )


async def serve(
    *,
    backend: str = "auto",
    limits: Limits | None = None,
    workers: int = 2,
    databases: Mapping[str, bytes] | None = None,
    options: dict[str, Any] | None = None,
) -> None:
    """Serve ``run_code`` over MCP, on this process's stdin and stdout, until the client disconnects.

    Args:
        backend: A name in `BACKENDS`, or ``auto`` for the first one that works on this machine.
        limits: The limits of programs.
        workers: How many programs may run at once.
        databases: SQLite files for SQL programs, by the name that clients use.
        options: Options of the backend, as for `open_sandbox`.

    Raises:
        SandboxUnavailable: If no backend works on this machine.
        ConfigError: For an unknown backend, or fewer than one worker.

    Example:
        >>> import anyio
        >>> from functools import partial
        >>> anyio.run(partial(serve, backend="docker", options={"base_url": "unix:///no/such.sock"}))
        Traceback (most recent call last):
        tdlab.errors.SandboxUnavailable: no docker engine answers (...
    """
    from mcp.server.stdio import stdio_server

    async with open_sandbox(backend, limits=limits, workers=workers, options=options) as sandbox:
        server = mcp_server(sandbox, databases=databases)
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

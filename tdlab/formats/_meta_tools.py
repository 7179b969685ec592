"""Tools that call other tools: the server and the tool that such a call reaches are in its arguments."""

from __future__ import annotations

from typing import Any

from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["reached_tool"]

_SERVER = (
    "server",
    "server_name",
    "serverName",
    "mcp_server",
    "mcp_server_name",
    "service",
    "service_name",
    "server_id",
)
_SERVERS = frozenset(_SERVER)
_TOOL = ("tool", "tool_name", "toolName", "mcp_tool", "mcp_tool_name", "name", "tool_slug", "function_name")
_INNER = (
    "arguments", "args", "params", "parameters", "input", "tool_input", "tool_args", "toolArgs", "tool_arguments",
    "arguments_json", "kwargs",
)  # fmt: skip


def reached_tool(arguments: dict[str, Json]) -> tuple[str, str] | None:
    """Return (server, tool) if these are the arguments of a meta-tool (``use_mcp_tool``, ``execute_tool``, ...).

    They are if they name a server and a tool, and hold nothing else but that tool's own arguments.
    """
    if _SERVERS.isdisjoint(arguments):
        return None
    server = next((key for key in _SERVER if isinstance(arguments.get(key), str) and arguments[key]), None)
    tool = next((key for key in _TOOL if isinstance(arguments.get(key), str) and arguments[key]), None)
    inner = next((key for key in _INNER if key in arguments), None)
    if server is None or tool is None or inner is None or not _is_object(arguments[inner]):
        return None
    return str(arguments[server]), str(arguments[tool])


def _is_object(value: Any) -> bool:
    if isinstance(value, str):
        try:
            value = read_json(value)
        except ValueError:
            return False
    return value is None or isinstance(value, dict)

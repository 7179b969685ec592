"""Whose a loose tool is: by what it says itself, or by the dots in the names of a file.

A row of a table of tools has a member for its server, and clients show tools as ``mcp__server__tool``.

``weather.get`` and ``loan.quote`` in one file are of two services, too. A benchmark's file offers functions of many
libraries, and its only word about where each is from is the name's prefix. But a server may use dots inside itself:
``issues.list`` and ``labels.list`` of one forge. Tools stay together where they show that: a parameter that nearly all
of them take (``owner``, ``repo``), or, in the answer of one MCP server, any parameter that two prefixes share.
"""

from __future__ import annotations

import re
from collections import Counter

from tdlab.pool.files.bodies import input_of, tool_body
from tdlab.records import Json
from tdlab.tools import service_in_name

__all__ = ["split_by_namespace", "stated_service"]

_SERVERS = ("server", "server_name", "serverName", "mcp_server", "mcp_server_name", "service", "service_name")

_DOTTED = re.compile(r"([A-Za-z_][\w-]*)\.[\w.:/-]+")
_SHARE = 0.8
_FEWEST = 3


def stated_service(tool: Json) -> tuple[str, Json]:
    """Return the service that a tool states, and the tool under its own name; an empty service where it states none.

    Args:
        tool: A loose tool, as written.

    Example:
        >>> stated_service({"name": "mcp__mail__send", "parameters": {}})
        ('mail', {'name': 'send', 'parameters': {}})
        >>> stated_service({"server": {"name": "mail"}, "name": "send"})[0]
        'mail'
    """
    if not isinstance(tool, dict):
        return "", tool
    stated = [tool.get(key) for key in _SERVERS]
    names = [value.get("name") if isinstance(value, dict) else value for value in stated]
    service = next((name for name in names if isinstance(name, str) and name.strip()), "")
    body = tool_body(tool)
    visible = body.get("name")
    if service or not isinstance(visible, str):
        return service, tool
    service, name = service_in_name(visible)
    if not service:
        return "", tool
    if body is tool:
        return service, {**tool, "name": name}
    holder = next(key for key, value in tool.items() if value is body)
    return service, {**tool, holder: {**body, "name": name}}


def split_by_namespace(tools: list[Json]) -> dict[str | None, list[int]]:
    """Return the positions of the tools of each service; the key None is for those that stay with the file.

    Args:
        tools: Loose tools of one file, as written.

    Example:
        >>> tools = [{"name": "weather.get", "parameters": {}}, {"name": "loan.rate", "parameters": {}}, {"name": "x"}]
        >>> split_by_namespace(tools)
        {'weather': [0], 'loan': [1], None: [2]}
    """
    prefixes = [_prefix(tool) for tool in tools]
    groups: dict[str | None, list[int]] = {}
    if _belong_together(tools, prefixes):
        return {None: list(range(len(tools)))}
    for index, prefix in enumerate(prefixes):
        groups.setdefault(prefix, []).append(index)
    return groups


def _prefix(tool: Json) -> str | None:
    name = tool_body(tool).get("name") if isinstance(tool, dict) else None
    match = _DOTTED.fullmatch(name) if isinstance(name, str) else None
    return None if match is None else match[1]


def _belong_together(tools: list[Json], prefixes: list[str | None]) -> bool:
    dotted = [(prefix, tool) for prefix, tool in zip(prefixes, tools, strict=True) if prefix is not None]
    if not dotted:
        return True
    from_server = all(isinstance(tool, dict) and "inputSchema" in tool for tool in tools)
    if from_server and (len(dotted) < len(tools) or len({prefix for prefix, _ in dotted}) == 1):
        return True  # one server that uses dots inside itself
    taken = [(prefix, _parameters(tool)) for prefix, tool in dotted]
    counts = Counter(name for _, names in taken for name in names)
    several = len({prefix for prefix, _ in dotted}) > 1 and _FEWEST <= len(dotted) == len(tools)
    if several and any(count >= _SHARE * len(dotted) for count in counts.values()):
        return True
    if not from_server:
        return False
    users: dict[str, set[str | None]] = {}
    for prefix, names in taken:
        for name in names:
            users.setdefault(name, set()).add(prefix)
    return any(len(prefixed) > 1 for prefixed in users.values())


def _parameters(tool: Json) -> set[str]:
    schema, _ = input_of(tool_body(tool))
    if isinstance(schema, list):
        return {entry["name"] for entry in schema if isinstance(entry, dict) and isinstance(entry.get("name"), str)}
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return set(properties) if isinstance(properties, dict) else set()

"""The known formats of tool pools: how each lays out services, and how to recognise it by content.

===========  ==============================================================================================
``bundled``  tdlab's own service files: ``server``, ``title``, ``domain``, ``tools``
``pool``     one service per object: ``server`` and ``tools`` (also one per line)
``toucan``   TheAgentArk/Toucan server files: ``metadata`` and ``labels``
``mcpbench`` mcp-bench's ``servers_info``: ``servers``, by name, each with ``tools`` by name
``mcpm``     mcpm.sh registry manifests: ``name`` and ``installations``, with or without ``tools``
``mcp``      the result of MCP ``tools/list``: ``{"tools": [...]}``, in a JSON-RPC response or a bare list
``docker``   docker/mcp-registry ``tools.json``: a bare list, parameters listed under ``arguments``
``openai``   OpenAI ``tools``: ``{"type": "function", ...}``, nested or flat; also ``{"tools": [...]}``
``bfcl``     BFCL: a function doc with ``parameters``, or a test entry with ``function``
===========  ==============================================================================================

Other packages add a `PoolFormat` in the entry-point group ``tdlab.pool_formats``; theirs are tried last. Where a format
names no service, the file's name is used. Nothing is judged here: tools are passed on unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tdlab.errors import PoolError
from tdlab.pool.files.definitions import Definitions
from tdlab.records import Json
from tdlab.registry import Registry

__all__ = ["POOL_FORMATS", "PoolFormat", "Recognised", "recognise"]


@dataclass(frozen=True)
class Recognised:
    """The content of a document: the format's name (None: unknown), its services, and problems with the other parts."""

    format: str | None
    services: list[Definitions] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


_Content = tuple[list[Definitions], list[str]] | None


@dataclass(frozen=True)
class PoolFormat:
    """How files of one format are read.

    Attributes:
        read: Takes a decoded JSON document and the file's name without its ending; returns the services in it and the
            problems with other parts, or None if the document has another format.
        services: Whether a document describes services with their own names; else it contains the tools of one service.
    """

    read: Callable[[Json, str], _Content]
    services: bool = True


POOL_FORMATS: Registry[PoolFormat] = Registry(
    "tdlab.pool_formats",
    "pool format",
    valid=lambda name, value: "" if isinstance(value, PoolFormat) else "a tdlab.pool.PoolFormat",
    error=PoolError,
)
"""The formats of tool pools, in the order in which they are tried."""


def recognise(document: Json, *, stem: str, format: str | None = None) -> Recognised:
    """Return the services in one JSON document.

    Args:
        document: The decoded document.
        stem: The name of services that have none of their own.
        format: The only format to accept; by default, the first one that fits.
    """
    if format is None and isinstance(document, list):
        return _mixed_list(document, stem)
    for name, reader in POOL_FORMATS.items():
        if format is not None and name != format:
            continue
        content = reader.read(document, stem)
        if content is not None:
            return Recognised(name, *content)
    return Recognised(None)


def _mixed_list(documents: list[Json], stem: str) -> Recognised:
    """Read a bare list of tools, services or both; anything else is passed on as a tool, to be reported."""
    loose: list[Json] = []
    services: list[Definitions] = []
    problems: list[str] = []
    formats: list[str] = []
    for document in documents:
        recognised = Recognised(None) if not isinstance(document, dict) else recognise(document, stem=stem)
        if recognised.format is not None and POOL_FORMATS[recognised.format].services:
            services.extend(recognised.services)
            problems.extend(recognised.problems)
            formats.append(str(recognised.format))
        else:
            loose.append(document)
            formats.append(recognised.format or "")
    known_formats = [name for name in formats if name]
    if not known_formats:
        return Recognised(None)
    if loose:
        services.append(Definitions(stem, _flatten(loose, stem)))
    return Recognised(known_formats[0], services, problems)


def _flatten(loose: list[Json], stem: str) -> list[Json]:
    """Return the tools one by one: an entry of a benchmark may contain several."""
    tools: list[Json] = []
    for document in loose:
        recognised = recognise(document, stem=stem) if isinstance(document, dict) else Recognised(None)
        if recognised.format is None:
            tools.append(document)
        else:
            tools.extend(tool for service in recognised.services for tool in service.tools)
    return tools


# ------------------------------------------------------------------------------------------------------------ services


def _bundled(document: Json, stem: str) -> _Content:
    if not (isinstance(document, dict) and _named(document, "server") and "title" in document and "domain" in document):
        return None
    tools, problems = _tools(document.get("tools"))
    domain = document["domain"] if isinstance(document["domain"], str) else None
    service = Definitions(
        document["server"],
        tools,
        title=document["title"],
        description=document.get("description"),
        domain=domain,
        source=document.get("source", ""),
        license=document.get("license", ""),
        quality=document.get("schema_quality", "published"),
    )
    return [service], problems


def _pool(document: Json, stem: str) -> _Content:
    if not (isinstance(document, dict) and "tools" in document and "server" in document):
        return None
    if not _named(document, "server"):
        tools, problems = _tools(document["tools"])
        problems.append(f"the service's name is {document['server']!r:.80}, expected a string; the file's name is used")
        return [Definitions(stem, tools, description=document.get("description"))], problems
    tools, problems = _tools(document["tools"])
    service = Definitions(
        document["server"],
        tools,
        title=document.get("title", ""),
        description=document.get("description"),
        labels=_labels(document.get("category")),
        domains=_domains(document.get("domains")),
        source=document.get("source"),
        license=document.get("license"),
        quality=document.get("schema_quality"),
    )
    return [service], problems


def _domains(value: Json) -> dict[str, float] | None:
    """Return a distribution over domains from a pool file; None for anything else."""
    if not isinstance(value, dict) or not value:
        return None
    if not all(
        isinstance(share, (int, float)) and not isinstance(share, bool) and share > 0 for share in value.values()
    ):
        return None
    return {name: float(share) for name, share in value.items()}


def _toucan(document: Json, stem: str) -> _Content:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict):
        return None
    crawled, remote = metadata.get("server_info_crawled"), metadata.get("remote_server_response")
    if not isinstance(crawled, dict) and not isinstance(remote, dict):
        return None
    crawled = crawled if isinstance(crawled, dict) else {}
    remote = remote if isinstance(remote, dict) else {}
    live = bool(remote.get("tools"))
    tools, problems = _tools(remote["tools"] if live else crawled.get("tools"))
    labels = document.get("labels")
    labels = labels if isinstance(labels, dict) else {}
    names = (crawled.get("author"), metadata.get("server_name"), crawled.get("name"))
    service = Definitions(
        next((name for name in names if isinstance(name, str) and name.strip()), stem),
        tools,
        title=metadata.get("server_name"),
        description=crawled.get("overview"),
        labels=_labels(labels.get("primary_label"), labels.get("secondary_labels")),
        source="TheAgentArk/Toucan",
        license=crawled.get("license"),
        quality="published" if live else "scraped",
    )
    return [service], problems


def _mcpbench(document: Json, stem: str) -> _Content:
    servers = document.get("servers") if isinstance(document, dict) else None
    if not isinstance(servers, dict) or not any(isinstance(s, dict) and "tools" in s for s in servers.values()):
        return None
    services: list[Definitions] = []
    problems: list[str] = []
    for name, server in servers.items():
        if not isinstance(server, dict):
            problems.append(f"the server {name!r:.80} is not a JSON object")
            continue
        tools, tool_problems = _tools(server.get("tools"))
        problems.extend(f"the server {name!r:.80}: {doubt}" for doubt in tool_problems)
        services.append(
            Definitions(name, tools, description=server.get("description"), source="mcp-bench", quality="live")
        )
    return services, problems


def _mcpm(document: Json, stem: str) -> _Content:
    if not (isinstance(document, dict) and _named(document, "name") and "server" not in document):
        return None
    if not (
        "installations" in document or ("tools" in document and ("repository" in document or "categories" in document))
    ):
        return None
    tools, problems = _tools(document.get("tools", []))
    service = Definitions(
        document["name"],
        tools,
        title=document.get("display_name"),
        description=document.get("description"),
        labels=_labels(document.get("categories"), document.get("tags")),
        source="mcpm.sh",
        license=document.get("license"),
    )
    return [service], problems


# --------------------------------------------------------------------------------------------------------- loose tools


def _mcp(document: Json, stem: str) -> _Content:
    if isinstance(document, list):
        return _loose(document, stem) if any(_has(tool, "inputSchema", "input_schema") for tool in document) else None
    if not isinstance(document, dict):
        return None
    if "jsonrpc" in document and "error" in document and "result" not in document:
        return [], [f"a JSON-RPC error instead of a result: {document['error']!r:.200}"]
    result = document.get("result")
    body = result if isinstance(result, dict) and "tools" in result else document
    if "tools" in body:
        tools, problems = _tools(body["tools"])
        if any(_is_openai(tool) for tool in tools):
            return None
        info = document.get("serverInfo", body.get("serverInfo"))
        info = info if isinstance(info, dict) else {}
        names = (document.get("server"), info.get("name"), document.get("name"))
        name = next((name for name in names if isinstance(name, str) and name.strip()), stem)
        return [Definitions(name, tools, title=info.get("title"), description=document.get("description"))], problems
    if _has(document, "inputSchema", "input_schema"):
        return _loose([document], stem)
    return None


def _docker(document: Json, stem: str) -> _Content:
    if isinstance(document, list):
        known = any(_has(tool, "arguments", "inputSchema") and "name" in tool for tool in document)
        return _loose(document, stem) if known else None
    if _has(document, "arguments") and _named(document, "name"):
        return _loose([document], stem)
    return None


def _openai(document: Json, stem: str) -> _Content:
    if isinstance(document, dict) and "tools" in document:
        tools, problems = _tools(document["tools"])
        if not any(_is_openai(tool) for tool in tools):
            return None
        return [Definitions(stem, tools)], problems
    if isinstance(document, dict) and isinstance(document.get("functions"), list):
        return _loose(document["functions"], stem)
    if _is_openai(document):
        return _loose([document], stem)
    if isinstance(document, list) and any(_is_openai(tool) for tool in document):
        return _loose(document, stem)
    return None


def _bfcl(document: Json, stem: str) -> _Content:
    if isinstance(document, list):
        return _loose(document, stem) if any(_has(tool, "parameters") for tool in document) else None
    if not isinstance(document, dict):
        return None
    functions = document.get("function")
    if isinstance(functions, dict) and document.get("type") != "function":
        functions = [functions]
    if isinstance(functions, list):
        return _loose(functions, stem)
    if _named(document, "name") and "parameters" in document:
        return _loose([document], stem)
    return None


for _name, _read, _services in (
    ("bundled", _bundled, True),
    ("pool", _pool, True),
    ("toucan", _toucan, True),
    ("mcpbench", _mcpbench, True),
    ("mcpm", _mcpm, True),
    ("openai", _openai, False),
    ("mcp", _mcp, False),
    ("docker", _docker, False),
    ("bfcl", _bfcl, False),
):
    POOL_FORMATS.register(_name)(PoolFormat(_read, services=_services))


# ------------------------------------------------------------------------------------------------------------- helpers


def _tools(raw: Json) -> tuple[list[Json], list[str]]:
    """Return the tools of a list or of a map from name to tool, and the problem where it is neither."""
    if isinstance(raw, list):
        return raw, []
    if isinstance(raw, dict):
        return [
            {"name": name, **tool} if isinstance(tool, dict) and "function" not in tool else tool
            for name, tool in raw.items()
        ], []
    return [], [f"its tools are {raw!r:.80}, expected a list"]


def _loose(tools: list[Json], stem: str) -> _Content:
    return [Definitions(stem, tools)], []


def _named(document: dict[str, Json], key: str) -> bool:
    return isinstance(document.get(key), str) and bool(document[key].strip())


def _has(tool: Json, *keys: str) -> bool:
    return isinstance(tool, dict) and any(key in tool for key in keys)


def _is_openai(tool: Json) -> bool:
    return isinstance(tool, dict) and tool.get("type") == "function" and _has(tool, "function", "name")


def _labels(*raw: Json) -> tuple[str, ...]:
    """Return every string among categories that may be a string, a list of strings or nothing."""
    return tuple(
        label
        for category in raw
        for label in (category if isinstance(category, list) else [category])
        if isinstance(label, str) and label
    )

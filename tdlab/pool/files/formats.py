"""The known formats of tool pools: how each lays out services, and how to recognise it by content.

=============  ========================================================================================================
``bundled``    tdlab's own service files: ``server``, ``title``, ``domain``, ``tools``
``pool``       one service per object: ``server`` and ``tools`` (also one per line)
``toucan``     TheAgentArk/Toucan server files: ``metadata`` and ``labels``
``mcpbench``   mcp-bench's ``servers_info``: ``servers``, by name, each with ``tools`` by name
``mcpm``       mcpm.sh registry manifests: ``name`` and ``installations``, with or without ``tools``
``openapi``    OpenAPI 3.0 and 3.1, Swagger 2.0 (JSON or YAML): one tool per operation
``mcp``        the result of MCP ``tools/list``: ``{"tools": [...]}``, in a JSON-RPC response, a bare list or one tool
``docker``     docker/mcp-registry ``tools.json``: a bare list, parameters listed under ``arguments``
``openai``     OpenAI ``tools``: ``{"type": "function", ...}``, nested or flat; also ``{"tools": [...]}``
``anthropic``  Anthropic ``tools``: ``input_schema``
``gemini``     Gemini ``functionDeclarations`` (both spellings), alone or under ``tools``; upper-case types
``bedrock``    Bedrock ``toolConfig``: ``{"toolSpec": {"inputSchema": {"json": {...}}}}``
``vercel``     Vercel AI SDK: ``{"type": "function", "inputSchema": ...}``, or a map from name to tool
``langchain``  LangChain: ``args_schema`` or ``args``
``bfcl``       BFCL: a function doc with ``parameters``, or a test entry with ``function``
=============  ========================================================================================================

Tools of all notations may be in one list, one per line, in a map by name, and in lists and maps of servers in any
nesting (`tdlab.pool.files.layout`): what holds tools is a service. Other packages add a `PoolFormat` in the entry-point
group ``tdlab.pool_formats``; theirs are tried last. Where a file names no service, a tool may say whose it is (by a
member such as ``server_name``, or as ``mcp__mail__send``), and function docs with dotted names (``weather.get``) make a
service of each prefix; else the file's name is used. Nothing is judged here: tools are passed on unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tdlab.errors import PoolError
from tdlab.pool.files.definitions import Definitions
from tdlab.pool.files.layout import holds_tools, read_layout, tool_list
from tdlab.pool.files.openapi import read_openapi
from tdlab.records import Json
from tdlab.registry import Registry

__all__ = ["POOL_FORMATS", "PoolFormat", "Recognised", "recognise"]


@dataclass(frozen=True)
class Recognised:
    """The content of a document: the format's name (None: unknown), its services, and problems with the other parts.

    ``bare`` says that the document is one tool without anything around it, ``more`` that its last page of tools names a
    next one.
    """

    format: str | None
    services: list[Definitions] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bare: bool = False
    more: bool = False


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
    if format is not None:
        content = POOL_FORMATS[format].read(document, stem)
        return Recognised(None) if content is None else Recognised(format, *content)
    names = [name for name, reader in POOL_FORMATS.items() if reader.services]
    used: list[str] = []

    def known(value: dict[str, Json]) -> tuple[list[Definitions], list[str]] | None:
        for name in names:
            content = POOL_FORMATS[name].read(value, stem)
            if content is not None:
                used.append(name)
                return content
        return None

    layout = read_layout(document, known)
    if not layout.is_empty:
        kinds = [kind for kind in (*used, *layout.kinds) if kind]
        found = layout.all_services(stem)
        return Recognised(kinds[0] if kinds else "mcp", found, layout.problems, layout.bare, layout.more)
    for name, reader in POOL_FORMATS.items():
        content = None if name in _OWN else reader.read(document, stem)
        if content is not None:
            return Recognised(name, *content)
    return Recognised(None)


# ------------------------------------------------------------------------------------------------------------ services


def _bundled(document: Json, stem: str) -> _Content:
    if not (isinstance(document, dict) and _named(document, "server") and "title" in document and "domain" in document):
        return None
    tools, problems = tool_list(document.get("tools"))
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
    if isinstance(document["server"], dict):
        return None  # facts of a server, or how to start it
    if isinstance(document["tools"], dict) and any(holds_tools(inner) for inner in document["tools"].values()):
        return None  # the members are servers
    if not _named(document, "server"):
        tools, problems = tool_list(document["tools"])
        problems.append(f"the service's name is {document['server']!r:.80}, expected a string; the file's name is used")
        return [Definitions(stem, tools, description=document.get("description"), named=False)], problems
    tools, problems = tool_list(document["tools"])
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
    tools, problems = tool_list(remote["tools"] if live else crawled.get("tools"))
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
    if not isinstance(servers, dict) or "summary" not in document:
        return None
    if not any(isinstance(server, dict) and "tools" in server for server in servers.values()):
        return None
    services: list[Definitions] = []
    problems: list[str] = []
    for name, server in servers.items():
        if not isinstance(server, dict):
            problems.append(f"the server {name!r:.80} is not a JSON object")
            continue
        tools, tool_problems = tool_list(server.get("tools"))
        problems.extend(f"the server {name!r:.80}: {doubt}" for doubt in tool_problems)
        services.append(
            Definitions(name, tools, description=server.get("description"), source="mcp-bench", quality="live")
        )
    return services, problems


def _mcpm(document: Json, stem: str) -> _Content:
    if not (isinstance(document, dict) and _named(document, "name") and "server" not in document):
        return None
    if "installations" not in document:
        return None
    tools, problems = tool_list(document.get("tools", []))
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


def _loose(document: Json, stem: str, *, notations: tuple[str, ...]) -> _Content:
    layout = read_layout(document, lambda value: None)
    if not set(notations) & set(layout.kinds) and not (layout.problems and "mcp" in notations):
        return None
    return layout.all_services(stem), layout.problems


_SERVICE_FORMATS = {
    "bundled": _bundled,
    "pool": _pool,
    "toucan": _toucan,
    "mcpbench": _mcpbench,
    "mcpm": _mcpm,
    "openapi": read_openapi,
}
_NOTATIONS = {
    "openai": ("openai", "vercel"),
    "mcp": ("mcp", "anthropic", "vercel"),
    "docker": ("docker", "mcp"),
    "anthropic": ("anthropic",),
    "gemini": ("gemini",),
    "bedrock": ("bedrock",),
    "vercel": ("vercel", "mcp"),
    "langchain": ("langchain",),
    "bfcl": ("bfcl",),
}
_OWN = frozenset((*_SERVICE_FORMATS, *_NOTATIONS))
for _name, _read in _SERVICE_FORMATS.items():
    POOL_FORMATS.register(_name)(PoolFormat(_read))
for _name, _kinds in _NOTATIONS.items():
    POOL_FORMATS.register(_name)(PoolFormat(partial(_loose, notations=_kinds), services=False))


# ------------------------------------------------------------------------------------------------------------- helpers


def _named(document: dict[str, Json], key: str) -> bool:
    return isinstance(document.get(key), str) and bool(document[key].strip())


def _labels(*raw: Json) -> tuple[str, ...]:
    """Return every string among categories that may be a string, a list of strings or nothing."""
    return tuple(
        label
        for category in raw
        for label in (category if isinstance(category, list) else [category])
        if isinstance(label, str) and label
    )

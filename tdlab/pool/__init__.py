"""The tools that a run draws from: a catalogue of services, readers for public file formats, and live MCP servers.

`ToolPool` holds services with their tools and accounts for every tool definition in its input. Make one from the
bundled services, from files, or from running servers::

    pool = ToolPool.bundled()                  # invented services that ship with tdlab
    pool = ToolPool.load("tools.jsonl.gz")     # any known format (`tdlab.pool.files.formats`), detected by content
    pool = ToolPool.load(["api.yaml", "tools/"])  # several files and folders, OpenAPI among them
    pool = harvest_sync("mcp.json").pool       # the servers in an MCP client's file

    pool.issues_frame()                        # what was skipped, fixed or noted
    pool.report()                              # the same by source, with the share of usable schemas
    pool.quality("service/tool")               # how far one tool's schema can be trusted
    pool.duplicates(); pool.deduplicated()     # copied services and near-duplicate tools

Modules, low to high: `quality` (grades of schemas), `issues` (the records about a pool's input), `taxonomy` (the list
of business domains), `domains` (the domains of each service), `repeats` (tools of one name), `repair/` (fixes to texts
and schemas), `duplicates`, `summary` (DataFrames), `files/` (reading and writing pool files), `catalogue` (`ToolPool`)
and `live/` (MCP servers; the only importer of ``mcp``, together with the sandbox's server).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tdlab.pool.catalogue import ToolPool
from tdlab.pool.domains import CachedLabeller
from tdlab.pool.files.bundled import read_service_file
from tdlab.pool.files.data import data_file
from tdlab.pool.files.definitions import Definitions
from tdlab.pool.files.formats import POOL_FORMATS, PoolFormat
from tdlab.pool.files.writers import tool_document, write_pool
from tdlab.pool.issues import Placement, PoolIssue
from tdlab.pool.live.config import McpConfig, ServerSpec, read_mcp_config
from tdlab.pool.live.limits import LiveLimits, cut_bytes
from tdlab.pool.live.placeholders import AskInput, ConfigInput
from tdlab.pool.quality import GRADES, ToolQuality
from tdlab.pool.taxonomy import Domain, Taxonomy

if TYPE_CHECKING:
    from tdlab.pool.live.servers import Harvest, HarvestProgress, LiveResult, LiveServers, harvest, harvest_sync

__all__ = [
    "GRADES",
    "POOL_FORMATS",
    "AskInput",
    "CachedLabeller",
    "ConfigInput",
    "Definitions",
    "Domain",
    "Harvest",
    "HarvestProgress",
    "LiveLimits",
    "LiveResult",
    "LiveServers",
    "McpConfig",
    "Placement",
    "PoolFormat",
    "PoolIssue",
    "ServerSpec",
    "Taxonomy",
    "ToolPool",
    "ToolQuality",
    "cut_bytes",
    "data_file",
    "harvest",
    "harvest_sync",
    "read_mcp_config",
    "read_service_file",
    "tool_document",
    "write_pool",
]

_LATER = frozenset({"Harvest", "HarvestProgress", "LiveResult", "LiveServers", "harvest", "harvest_sync"})


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module("tdlab.pool.live.servers"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

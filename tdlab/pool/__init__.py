"""The tools: a catalogue of services, readers for every public format, and the live harvest over MCP.

`ToolPool` holds services and their tools and accounts for every definition it met. Get one from the bundled data, from
files, or from servers that run::

    pool = ToolPool.bundled()                                              # invented services
    pool = ToolPool.load("mcp_pool.jsonl.gz")              # any public format, told by content
    pool = harvest_sync("mcp.json").pool                   # the servers of an MCP client's file
    pool.issues_frame()                                    # what was set aside, mended or is worth knowing

    pool.report()                              # by source: what was mended, how many schemas are of use
    pool.quality(key)                          # how far one tool's schema can be trusted, to weigh it by
    pool.duplicates(); pool.deduplicated()     # forks and repeated tools

Modules, low to high: `schema` (the only importer of ``jsonschema_rs``), `naming` (verb, entity and effect of a tool),
`language`, `quality` (how far a schema can be trusted), `findings` (what is said of a pool), `data` (where the data
that travels with tdlab is), `taxonomy` and `domains` (business domains: the fixed list, and what a pool's labels
teach), `mending` and `intake` (one definition), `prose`, `scraped` and `cleaning` (what web pages left behind),
`duplicates`, `summary` (frames), `formats`, `readers` and `bundled` (files), `catalogue` (the pool that stands on all
these), `writers`, `server_config` and `live` (MCP servers; the only importer of ``mcp``).
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
from tdlab.pool.files.writers import write_pool
from tdlab.pool.issues import Placement, PoolIssue
from tdlab.pool.live.config import ServerSpec, read_mcp_config
from tdlab.pool.quality import GRADES, ToolQuality
from tdlab.pool.taxonomy import Domain, Taxonomy

if TYPE_CHECKING:
    from tdlab.pool.live.servers import Harvest, HarvestProgress, LiveResult, LiveServers, harvest, harvest_sync

__all__ = [
    "GRADES",
    "POOL_FORMATS",
    "CachedLabeller",
    "Definitions",
    "Domain",
    "Harvest",
    "HarvestProgress",
    "LiveResult",
    "LiveServers",
    "Placement",
    "PoolFormat",
    "PoolIssue",
    "ServerSpec",
    "Taxonomy",
    "ToolPool",
    "ToolQuality",
    "data_file",
    "harvest",
    "harvest_sync",
    "read_mcp_config",
    "read_service_file",
    "write_pool",
]

_LATER = frozenset({"Harvest", "HarvestProgress", "LiveResult", "LiveServers", "harvest", "harvest_sync"})


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module("tdlab.pool.live.servers"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

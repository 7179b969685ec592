"""Writing a pool to a file: one JSON line per service, in the format that `ToolPool.load` reads.

What is written is what was read: ``ToolPool.load(path)`` of a loaded, harvested or bundled pool has the same
fingerprint.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tdlab.errors import PoolError
from tdlab.pool.catalogue import ToolPool
from tdlab.pool.taxonomy import Taxonomy
from tdlab.records import Annotations, Json, Service, Tool
from tdlab.store import atomic_open

__all__ = ["tool_document", "write_pool"]

_HINTS = {
    "read_only": "readOnlyHint",
    "destructive": "destructiveHint",
    "idempotent": "idempotentHint",
    "open_world": "openWorldHint",
}


def write_pool(pool: ToolPool, path: str | Path) -> int:
    """Write ``pool`` as JSON lines; the file is complete or absent, with the same bytes for the same pool.

    Inferred output schemas are left out: they are guesses of tdlab, not statements of a server.

    Args:
        pool: The pool to write.
        path: The file to create or replace; it is gzipped if the name ends in ``.gz``.

    Returns:
        The number of tools written.

    Raises:
        PoolError: A service has a domain that is not in the taxonomy.
        StoreError: The file cannot be written.

    Example:
        >>> write_pool(ToolPool.bundled(), "pool.jsonl.gz")
        538
        >>> ToolPool.load("pool.jsonl.gz").fingerprint == ToolPool.bundled().fingerprint
        True
    """
    taxonomy = Taxonomy.bundled()
    lines = "".join(_line(_service(service, taxonomy)) for service in pool.services)
    content = lines.encode("utf-8")
    if Path(path).suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    with atomic_open(path) as file:
        file.write(content)
    return len(pool)


def _line(document: dict[str, Json]) -> str:
    """Return one line of JSON; text that is not valid UTF-8 (half a surrogate pair) is escaped."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, separators=(",", ":"))
    return text + "\n"


def _service(service: Service, taxonomy: Taxonomy) -> dict[str, Json]:
    document: dict[str, Json] = {"server": service.name, "description": service.description}
    document["category"] = service.category
    unknown = sorted(set(service.domains) - {*taxonomy.ids, taxonomy.unknown.id})
    if unknown:
        raise PoolError(
            f"the service {service.name!r} has domains that are not in the taxonomy: {', '.join(unknown)}",
            expected="ids of tdlab.Taxonomy.bundled()",
            do="give the service domains of the taxonomy, or none",
        )
    if service.domains:
        document["domains"] = dict(service.domains)
    if service.title:
        document["title"] = service.title
    document["source"] = service.source
    document["license"] = service.license
    document["schema_quality"] = service.schema_quality
    document["tools"] = [tool_document(tool) for tool in service.tools]
    return document


def tool_document(tool: Tool) -> dict[str, Json]:
    """Return the definition of a tool as MCP's ``tools/list`` gives it; an inferred output schema is left out.

    Args:
        tool: The tool.

    Returns:
        A value that JSON can represent; documented errors are in ``_meta``.

    Example:
        >>> from tdlab.records import Tool
        >>> sorted(tool_document(Tool(service="clock", name="now", input_schema={"type": "object"})))
        ['description', 'inputSchema', 'name']
    """
    document: dict[str, Json] = {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": tool.input_schema,
    }
    if tool.output_schema is not None and not tool.output_inferred:
        document["outputSchema"] = tool.output_schema
    if annotations := _annotations(tool.annotations):
        document["annotations"] = annotations
    if tool.errors:
        document["_meta"] = {"tdlab/errors": [{"code": e.code, "message": e.message} for e in tool.errors]}
    return document


def _annotations(annotations: Annotations) -> dict[str, Json]:
    hints: dict[str, Json] = {} if annotations.title is None else {"title": annotations.title}
    for ours, theirs in _HINTS.items():
        value = getattr(annotations, ours)
        if value is not None:
            hints[theirs] = value
    return hints

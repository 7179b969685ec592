"""Live MCP servers: client configuration, harvest and calls; the only importer of ``mcp``."""

from __future__ import annotations

__all__: list[str] = []

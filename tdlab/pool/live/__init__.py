"""Live MCP servers: the client's configuration file, harvesting tools, calling them.

The face is `tdlab.pool`. Modules, low to high: `config` (the ``mcpServers`` file), `stderr` (a server's last error
lines) and `servers` (connections; it imports ``mcp``).
"""

from __future__ import annotations

__all__: list[str] = []

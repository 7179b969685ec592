"""Live MCP servers: the client's configuration file, harvesting tools, calling them.

The face is `tdlab.pool`. Modules, low to high: `config` (the ``mcpServers`` file), `stderr` (a server's last error
lines), `connection` (one session; it imports ``mcp``) and `servers` (harvest and calls).
"""

from __future__ import annotations

__all__: list[str] = []

"""Live MCP servers: the client's configuration file, harvesting tools, calling them.

The face is `tdlab.pool`. Modules, low to high: `placeholders` (``${VAR}`` and the like), `documents` (the clients' file
formats), `config` (their entries), `secrets` (what no message may show), `limits` (bounds on what a server returns),
`stderr` (a server's last error lines), `stdio` and `http` (the transports), `connection` (one session) and `servers`
(harvest and calls).

The SDK's stdio transport is not used: it keeps a line of any length in memory, and does not say how its process ended.
"""

from __future__ import annotations

__all__: list[str] = []

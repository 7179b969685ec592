"""Pool files: reading every known format, writing, and the services that ship with tdlab.

The face is `tdlab.pool`. Modules, low to high: `data` (finds tdlab's own data), `definitions` (one tool or service),
`formats` (the layout of each format), `readers` (files and folders), `bundled` (the services that ship with tdlab) and
`writers`.
"""

from __future__ import annotations

__all__: list[str] = []

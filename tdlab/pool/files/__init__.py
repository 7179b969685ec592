"""Pool files: reading every known format, writing, and the services that ship with tdlab.

The face is `tdlab.pool`. Modules, low to high: `data` (finds tdlab's own data), `bodies` (the parts of a tool in each
notation), `definitions` (one tool or service), `layout` (tools and servers in any nesting), `openapi` (APIs), `formats`
(the table of formats), `paths` (files, folders, gzip), `yaml_text` and `salvage` (YAML; broken JSON), `documents` (the
documents of one file), `namespaces` (whose a tool is), `readers` (all of it), `bundled` (the services that ship with
tdlab) and `writers`.
"""

from __future__ import annotations

__all__: list[str] = []

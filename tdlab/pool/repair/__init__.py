"""Repair of tool definitions: schemas, descriptions, and the traces that web pages left in them.

The face is `tdlab.pool`. Modules, low to high: `types` (type names of other languages), `parameters` (lists of
parameters), `schemas` (invalid JSON Schemas), `roots` (parameters below the root, lost references), `language` (the
language of a text), `descriptions` (texts), `scraped` (parameters scraped from web pages) and `services` (all of it for
one service).
"""

from __future__ import annotations

__all__: list[str] = []

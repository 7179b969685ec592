"""Repair of tool definitions: schemas, descriptions, and the traces that web pages left in them.

The face is `tdlab.pool`. Modules, low to high: `schemas` (invalid JSON Schemas), `descriptions` (texts), `language`
(the language of a text), `scraped` (parameters scraped from web pages) and `services` (all of it for one service).
"""

from __future__ import annotations

__all__: list[str] = []

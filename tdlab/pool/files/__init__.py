"""Pool files: readers for every public format, the bundled services, and writers."""

from __future__ import annotations

__all__: list[str] = []

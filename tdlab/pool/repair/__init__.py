"""Repair of tool definitions: schemas, descriptions, service names, and what web pages left in them."""

from __future__ import annotations

__all__: list[str] = []

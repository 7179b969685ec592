"""Values in reasons: as JSON, cut to one short line."""

from __future__ import annotations

import json

from tdlab.records import Json

__all__ = ["show"]


def show(value: Json) -> str:
    """A value as JSON in at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."

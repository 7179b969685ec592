"""Write the content of a pool file that a test makes up, and load it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tdlab.pool import ToolPool


def load(folder: Path, content: bytes | str | Any, name: str = "pool.json") -> ToolPool:
    """Return the pool of a file: bytes and text as they are, anything else as JSON."""
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return ToolPool.load(path)

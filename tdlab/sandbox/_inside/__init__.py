"""What runs inside a jail, on the Python found there: standard library only, Python 3.9 or newer, and sent as source.

Nothing in this folder is imported by tdlab, save as text: `source` reads a module's text.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

__all__ = ["source"]


@cache
def source(name: str) -> str:
    """The text of one module of this folder, by its name without ``.py``."""
    return (resources.files(__name__) / f"{name}.py").read_text(encoding="utf-8")

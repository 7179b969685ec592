"""What runs inside a jail, on the Python found there: standard library only, Python 3.9 or newer, and sent as source.

Nothing in this folder is imported by tdlab, save as text: `source` gives the text of a program, made of its modules one
after the other.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

__all__ = ["source"]

_BEFORE = {"supervisor": ("channel", "usage", "files")}
_FUTURE = "from __future__ import annotations\n"


@cache
def source(name: str) -> str:
    """The text of a program of this folder, by its module's name, with the modules it needs before it."""
    parts = []
    for module in (*_BEFORE.get(name, ()), name):
        text = (resources.files(__name__) / f"{module}.py").read_text(encoding="utf-8")
        parts += [line for line in text.splitlines(keepends=True) if not line.startswith(("from tdlab.", _FUTURE))]
        parts.append("\n")
    return _FUTURE + "".join(parts)

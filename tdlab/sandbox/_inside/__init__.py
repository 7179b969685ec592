"""The code that runs inside the sandbox, on the Python found there: standard library only, Python 3.9 or newer.

tdlab does not import these modules. It sends their source, which `source` joins to one program.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

__all__ = ["source"]

_BEFORE = {"supervisor": ("channel", "usage", "files")}
_FUTURE = "from __future__ import annotations\n"


@cache
def source(name: str) -> str:
    """Return the source of a program in this folder, by its module's name, after the modules that it needs."""
    parts = []
    for module in (*_BEFORE.get(name, ()), name):
        text = (resources.files(__name__) / f"{module}.py").read_text(encoding="utf-8")
        parts += [line for line in text.splitlines(keepends=True) if not line.startswith(("from tdlab.", _FUTURE))]
        parts.append("\n")
    return _FUTURE + "".join(parts)

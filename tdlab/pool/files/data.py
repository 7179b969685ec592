"""Where the data that travels with tdlab is: in an installed wheel beside the package's modules, else in the checkout.

The wheel holds the folder ``data`` of the source as ``tdlab/data``.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from tdlab.errors import PoolError

__all__ = ["data_file"]


def data_file(*parts: str) -> Traversable:
    """A file or folder of tdlab's data, such as ``data_file("services")``; PoolError where the data is missing."""
    package = resources.files("tdlab")
    for root in (package / "data", Path(str(package)).parent / "data"):
        found = root.joinpath(*parts)
        if found.is_file() or found.is_dir():
            return found
    raise PoolError(
        f"the data that comes with tdlab is missing ({'/'.join(parts)})",
        expected="the folder tdlab/data of an installed wheel, or data/ of a source checkout",
        do="install tdlab again",
    )

"""The location of tdlab's own data: ``tdlab/data`` in an installed wheel, ``data`` in a source checkout."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from tdlab.errors import PoolError

__all__ = ["data_file"]


def data_file(*parts: str) -> Traversable:
    """Return a file or folder of the data that ships with tdlab.

    Args:
        parts: The names of the path below the data folder.

    Returns:
        The file or folder.

    Raises:
        PoolError: The data is missing.

    Example:
        >>> data_file("services").is_dir()
        True
    """
    package = resources.files("tdlab")
    for root in (package / "data", Path(str(package)).parent / "data"):
        path = root.joinpath(*parts)
        if path.is_file() or path.is_dir():
            return path
    raise PoolError(
        f"the data that ships with tdlab is missing ({'/'.join(parts)})",
        expected="the folder tdlab/data of an installed wheel, or data/ of a source checkout",
        do="run `pip install --force-reinstall tdlab`",
    )

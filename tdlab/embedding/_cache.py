"""The cache of computed arrays: a folder of files, each named by the hash of everything it depends on."""

from __future__ import annotations

import os
from pathlib import Path

from tdlab.errors import StoreError

__all__ = ["folder_of"]


def folder_of(cache: str | Path | bool, name: str) -> Path | None:
    """Return the folder ``name`` of a cache, and create it if necessary.

    ``cache`` is a folder, True for the user's cache folder, or False for no cache; then the result is None.
    """
    if cache is False:
        return None
    user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tdlab"
    folder = (user_cache if cache is True else Path(cache)) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be created ({error.strerror or error})",
            expected="a writable folder",
            do="pass another folder as cache, or cache=False",
        ) from error
    return folder

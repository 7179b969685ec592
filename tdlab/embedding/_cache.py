"""Where what was computed is kept: a folder of files named by the hash of what they depend on."""

from __future__ import annotations

import os
from pathlib import Path

from tdlab.errors import StoreError

__all__ = ["folder_of"]


def folder_of(cache: str | Path | bool, name: str) -> Path | None:
    """The folder ``name`` of a cache, made if need be. True is the user's cache folder, False is none (None)."""
    if cache is False:
        return None
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tdlab"
    folder = (own if cache is True else Path(cache)) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be made ({error.strerror or error})",
            expected="a folder that can be written",
            do="give another cache, or cache=False",
        ) from error
    return folder

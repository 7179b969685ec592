"""Garbage collection while many records are created.

Records are trees without cycles, so reference counting frees them. Python's cyclic collector examines them again and
again all the same, which takes a seventh of a run's time. `rare_collection` makes it run rarely within a block.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["rare_collection"]

_RARE = (50_000, 20, 100)  # allocations before a collection of generation 0, and collections before generations 1, 2


@contextmanager
def rare_collection() -> Iterator[None]:
    """Collect garbage rarely until the block ends. A threshold that the user set higher, or to 0 (off), is kept."""
    before = gc.get_threshold()
    gc.set_threshold(*(0 if not own else max(own, rare) for own, rare in zip(before, _RARE, strict=True)))
    try:
        yield
    finally:
        gc.set_threshold(*before)

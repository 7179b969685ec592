"""Garbage collection while many records are made.

Records are trees, not cycles: reference counting frees them. Python's collector looks them all through again and again,
which takes a seventh of a run's time. `rare_collection` lets it come seldom, and leaves things as they were.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["rare_collection"]

_SELDOM = (50_000, 20, 100)  # allocations before the young are looked through, and collections before the older are


@contextmanager
def rare_collection() -> Iterator[None]:
    """Collect garbage seldom until the block ends. What the user has set counts where it is rarer, or is off."""
    before = gc.get_threshold()
    gc.set_threshold(*(0 if not kept else max(kept, seldom) for kept, seldom in zip(before, _SELDOM, strict=True)))
    try:
        yield
    finally:
        gc.set_threshold(*before)

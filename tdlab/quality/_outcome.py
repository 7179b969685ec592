"""What one measure finds in one conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Outcome"]


class Outcome(NamedTuple):
    """The places that count, each as a short text, and how many places there are to measure over."""

    hits: Sequence[str]
    n: int

"""What every record has: one canonical JSON form, identity by content, and the base class."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["CODE_TOOL", "Domains", "Json", "Record", "canonical_json", "digest", "heaviest", "rng_for"]

Json = Any
"""Any JSON value: None, bool, int, float, str, list, dict with string keys."""

CODE_TOOL = "tdlab/run_code"
"""The key of the code tool, which `tdlab.sandbox.RUN_CODE` defines and nothing but a sandbox executes."""

Domains = dict[str, float]
"""A distribution over the ids of the taxonomy's domains; the values sum to 1."""


def heaviest(domains: Mapping[str, float]) -> str:
    """Return the domain with the most weight; of equal ones, the first by name.

    Args:
        domains: Weights by domain id, such as those of a service or cluster.

    Returns:
        The domain's id, or an empty string where there is none.

    Example:
        >>> heaviest({"travel": 0.4, "food": 0.4, "sports": 0.2})
        'food'
    """
    return min(domains, key=lambda domain: (-domains[domain], domain), default="")


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, non-ASCII text as it is.

    Args:
        value: A record or any JSON value.

    Returns:
        The same text for equal values, on any machine.

    Raises:
        ValueError: The value holds NaN or an infinity.
        TypeError: The value holds something that JSON has no form for.

    Example:
        >>> canonical_json({"b": 1, "a": [True, None]})
        '{"a":[true,null],"b":1}'
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(*parts: object, length: int = 16) -> str:
    """Return the hex SHA-256 of the canonical JSON of ``parts``.

    Args:
        *parts: Records or JSON values; their order counts.
        length: How many hex digits to return, at most 64; each holds 4 bits.

    Returns:
        The first ``length`` digits.

    Raises:
        ValueError: A part holds NaN or an infinity.
        TypeError: A part holds something that JSON has no form for.

    Example:
        >>> digest("blueprint", {"seed": 7})
        '3d0c3a6b89bf4ae3'
    """
    text = canonical_json([p.model_dump(mode="json") if isinstance(p, BaseModel) else p for p in parts])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def rng_for(*parts: object) -> random.Random:
    """Return a random generator that depends on ``parts`` alone; tdlab derives all its seeds this way.

    Args:
        *parts: Records or JSON values that name the purpose, such as a seed, a word and an index.

    Returns:
        A generator in its initial state.

    Raises:
        ValueError: A part holds NaN or an infinity.
        TypeError: A part holds something that JSON has no form for.

    Example:
        >>> rng_for(7, "persona").random() == rng_for(7, "persona").random()
        True
    """
    return random.Random(int(digest(*parts, length=32), 16))


class Record(BaseModel):
    """Base class of all records: frozen, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

"""Whether an output can fill a parameter, by their schemas: type, pattern, format, enum and bounds."""

from __future__ import annotations

from collections.abc import Mapping

from tdlab.records import Json

__all__ = ["kinds_fit"]


def kinds_fit(source: Mapping[str, Json], target: Mapping[str, Json]) -> str | None:
    """How an output field can fill a parameter: ``same``, ``list`` (one value in a list), or None.

    The target must allow every value that the source can take, as far as type, pattern, format, enum and bounds say.
    """
    have, want = _kinds(source), _kinds(target) - {"null"}
    if "null" in have:
        return None  # what may be missing is nothing to plan with
    if not want or (have and have <= want) or (have == {"integer"} and "number" in want):
        return "same" if _within(source, target) else None
    if "array" in want and have and not have & {"array", "object"}:
        items = target.get("items")
        inner = items if isinstance(items, dict) else {}
        allowed = _kinds(inner)
        fits = (not allowed or have <= allowed) and target.get("minItems", 1) <= 1 and target.get("maxItems", 1) >= 1
        return "list" if fits and _within(source, inner) else None
    return None


def _within(source: Mapping[str, Json], target: Mapping[str, Json]) -> bool:
    if "const" in source:
        return "enum" not in target or source["const"] in target["enum"]
    if "enum" in target or "const" in target:
        return isinstance(source.get("enum"), list) and set(map(str, source["enum"])) <= set(
            map(str, target.get("enum", ()))
        )
    for word in ("pattern", "format", "multipleOf"):
        if word in target and source.get(word) != target[word]:
            return False
    for word, larger in (
        ("minimum", True),
        ("minLength", True),
        ("minItems", True),
        ("maximum", False),
        ("maxLength", False),
        ("maxItems", False),
    ):
        limit = target.get(word)
        if limit is None or (word == "minLength" and limit <= 1) or ("pattern" in target and word.endswith("Length")):
            continue
        have = source.get(word)
        if have is None or (have < limit if larger else have > limit):
            return False
    return True


def _kinds(schema: Mapping[str, Json]) -> set[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return {k for k in kind if isinstance(k, str)}
    for word in ("anyOf", "oneOf"):
        if isinstance(schema.get(word), list):
            return {k for branch in schema[word] if isinstance(branch, dict) for k in _kinds(branch)}
    return set()

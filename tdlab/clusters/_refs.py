"""Local references of a JSON Schema written out, so that what reads it need not follow any; nothing is ever fetched."""

from __future__ import annotations

from typing import Any

__all__ = ["inlined"]


def inlined(schema: dict[str, Any], *, max_nodes: int = 5000) -> dict[str, Any]:
    """The schema with every ``#/...`` reference replaced by its target.

    A reference that is remote, missing or recursive becomes ``{}`` (any value); so does what lies beyond ``max_nodes``.
    """
    budget = [max_nodes]

    def walk(value: Any, open_refs: tuple[str, ...]) -> Any:
        budget[0] -= 1
        if budget[0] < 0 or len(open_refs) > 20:
            return {}
        if isinstance(value, list):
            return [walk(part, open_refs) for part in value]
        if not isinstance(value, dict):
            return value
        target = value.get("$ref")
        if isinstance(target, str):
            if target in open_refs or not target.startswith("#/"):
                return {}
            found = _find(schema, target)
            return walk(found, (*open_refs, target)) if isinstance(found, dict) else {}
        return {
            key: walk(part, open_refs)
            for key, part in value.items()
            if key not in ("$defs", "definitions", "$dynamicRef")
        }

    result = walk(schema, ())
    return result if isinstance(result, dict) else {}


def _find(schema: dict[str, Any], pointer: str) -> Any:
    place: Any = schema
    for part in pointer[2:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(place, dict) or part not in place:
            return None
        place = place[part]
    return place

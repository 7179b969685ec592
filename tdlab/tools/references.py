"""References in JSON Schemas: the target of a ``$ref`` inside its own schema. Nothing is ever fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from urllib.parse import unquote

from tdlab.records import Json

__all__ = ["References", "inlined", "objects_in", "refers"]

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_NAMED = frozenset(("properties", "patternProperties", "dependentSchemas"))
_DATA = frozenset(("const", "default", "enum", "example", "examples"))
_DROPPED = frozenset(("$defs", "definitions", "$dynamicRef"))
_MOST_OPEN = 20
_DEEPEST = 80


class References:
    """The targets of one schema's references.

    Args:
        root: The whole schema; it must not change while this object is in use.

    Example:
        >>> references = References({"$defs": {"a b": {"anyOf": [{"type": "string"}]}}})
        >>> references.target("#/$defs/a%20b/anyOf/0")
        {'type': 'string'}
        >>> references.target("https://example.com/schema.json") is None
        True
    """

    def __init__(self, root: Mapping[str, Json]) -> None:
        self.root = root

    def target(self, reference: str) -> Json | None:
        """Return the target of a reference.

        Args:
            reference: ``#``, a JSON Pointer after ``#`` (RFC 6901: percent-encoding, ``~0``, ``~1``, list indices), an
                anchor after ``#``, or the ``$id`` of a part of the schema.

        Returns:
            The subschema; ``None`` if the reference has no target, or one in another document.
        """
        base, _, fragment = reference.partition("#")
        pointer = unquote(fragment)
        node: Json = self._named.get(base) if base else self.root
        if pointer and not pointer.startswith("/"):
            return self._named.get(f"{base}#{pointer}")
        for token in pointer.split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            if isinstance(node, Mapping):
                node = node.get(key)
            elif isinstance(node, list) and _INDEX.fullmatch(key) and int(key) < len(node):
                node = node[int(key)]
            else:
                return None
        return node

    @cached_property
    def _named(self) -> dict[str, Json]:
        named: dict[str, Json] = {}
        for node in objects_in(self.root):
            for word, prefix in (("$anchor", "#"), ("$dynamicAnchor", "#"), ("$id", "")):
                if isinstance(node.get(word), str):
                    named.setdefault(prefix + node[word], node)
        return named


def objects_in(schema: Json) -> Iterator[Mapping[str, Json]]:
    """Yield every JSON object in a schema, including the schema itself, without recursion.

    Args:
        schema: A schema, or any JSON value.

    Returns:
        The objects, the outermost first.

    Example:
        >>> [part.get("type") for part in objects_in({"type": "array", "items": {"type": "string"}})]
        ['array', 'string']
    """
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, Mapping):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def refers(schema: Json) -> bool:
    """Return whether a schema contains any reference."""
    return any("$ref" in node or "$dynamicRef" in node for node in objects_in(schema))


def inlined(schema: Mapping[str, Json], *, max_nodes: int = 5000) -> dict[str, Json]:
    """Return a schema with every reference replaced by its target, so that each part can be used alone.

    Args:
        schema: The whole schema.
        max_nodes: The most values in the result; the rest becomes ``{}``.

    Returns:
        A copy without definitions. A reference without a target, into another document or back into itself becomes
        ``{}`` (any value), and so do parts that lie too deep. Keywords beside a reference are kept.

    Example:
        >>> inlined({"properties": {"at": {"$ref": "#/$defs/day"}}, "$defs": {"day": {"format": "date"}}})
        {'properties': {'at': {'format': 'date'}}}
    """
    references = References(schema)
    left = max_nodes

    def walk(value: Json, open_references: tuple[str, ...], depth: int, *, names: bool = False) -> Json:
        nonlocal left
        left -= 1
        if left < 0 or depth > _DEEPEST:
            return {}
        if isinstance(value, list):
            return [walk(item, open_references, depth + 1) for item in value]
        if not isinstance(value, Mapping):
            return value
        reference = None if names else value.get("$ref")
        if isinstance(reference, str):
            target = references.target(reference)
            if not isinstance(target, Mapping) or reference in open_references or len(open_references) >= _MOST_OPEN:
                target = {}
            merged = {**target, **{key: item for key, item in value.items() if key != "$ref"}}
            return walk(merged, (*open_references, reference), depth + 1)
        return {
            key: item
            if key in _DATA and not names
            else walk(item, open_references, depth + 1, names=key in _NAMED and not names)
            for key, item in value.items()
            if names or key not in _DROPPED
        }

    result = walk(schema, (), 0)
    return result if isinstance(result, dict) else {}

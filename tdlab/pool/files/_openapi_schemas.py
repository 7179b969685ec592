"""Schemas of an OpenAPI document as JSON Schemas that stand alone."""

from __future__ import annotations

from tdlab.pool.files.definitions import Remark
from tdlab.records import Json
from tdlab.tools import References, objects_in, shorten

__all__ = ["Schemas"]

_SMALL = 300  # objects in a schema with its references resolved; a larger one stays a reference
# The most definitions of one schema: those of some APIs all refer to each other, and what a call takes matters more
# than everything that its result may hold.
_MOST_DEFINITIONS = {"readOnly": 100, "writeOnly": 25}
_DEEPEST = 60
_SHOWN = 5
_LONGEST_CHAIN = 40
_ONLY_OPENAPI = frozenset(("discriminator", "xml", "externalDocs", "nullable"))
_MAPS = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))
_LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_SINGLE = frozenset(
    ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else", "additionalItems")
)
_LIMITS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


class Schemas:
    """Converts the schemas of one document, and collects what is wrong with its references.

    `start`, then any number of `convert` and `fields`, then `finish` make one schema with its definitions.

    Args:
        document: The whole document.
    """

    def __init__(self, document: dict[str, Json]) -> None:
        self._problems: dict[str, str] = {}
        self._references = References(document)
        self._sizes: dict[str, int] = {}
        self._small: dict[tuple[str, str], Json] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._targets: dict[str, tuple[str, str]] = {}
        self._definitions: dict[str, tuple[Json, list[str]]] = {}
        self._used: dict[str, None] = {}
        self._cut: set[str] = set()

    def report(self) -> list[str]:
        """Return the problems met so far, and what became of schemas that are cyclic or too large."""
        remarks = []
        for names, words in (
            (sorted({reference for reference, _ in self._names}), "cyclic or large: kept as references into $defs"),
            (sorted(self._cut), "read as any value in some schemas that refer to too many others"),
        ):
            if names:
                more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
                remarks.append(Remark(f"{', '.join(shorten(name, 80) for name in names[:_SHOWN])}{more}: {words}"))
        return [*self._problems.values(), *remarks]

    # ------------------------------------------------------------------------------------------------- references

    def resolve(self, value: Json, where: str) -> Json:
        """Return a part with its own references followed; None, and a problem, where they lead nowhere."""
        seen: list[str] = []
        while isinstance(value, dict) and isinstance(value.get("$ref"), str):
            reference = value["$ref"]
            if reference in seen:
                self._report(reference, f"{where}: {shorten(reference, 120)!r} refers to itself: left out")
                return None
            seen.append(reference)
            target = self._target(reference, where)
            if target is None:
                return None
            extra = {key: inner for key, inner in value.items() if key in ("summary", "description")}
            value = {**target, **extra} if isinstance(target, dict) else target
        return value

    def _target(self, reference: str, where: str) -> Json | None:
        if not reference.startswith("#"):
            words = f"{where}: {shorten(reference, 120)!r} is in another document, which is never fetched: left out"
            self._report(reference, words)
            return None
        target = self._references.target(reference)
        if target is None:
            self._report(reference, f"{where}: {shorten(reference, 120)!r} has no target: left out")
        return target

    def _report(self, key: str, words: str) -> None:
        self._problems.setdefault(key, words)

    def _measure(self, reference: str, depth: int) -> int:
        """Return the objects in a reference's target with everything resolved; more than `_SMALL` if it is cyclic.

        A chain longer than the longest allowed counts as large, so that no recursion goes deeper than that.
        """
        if reference in self._sizes:
            return self._sizes[reference]
        if depth > _LONGEST_CHAIN:
            return _SMALL + 1
        self._sizes[reference] = _SMALL + 1  # for those that come back here: a cycle
        target = self._references.target(reference) if reference.startswith("#") else {}
        size = 0
        for node in objects_in(target):
            size += 1
            if isinstance(node.get("$ref"), str):
                size += self._measure(node["$ref"], depth + 1)
            if size > _SMALL:
                size = _SMALL + 1
                break
        self._sizes[reference] = size
        return size

    # ------------------------------------------------------------------------------------------------- conversion

    def start(self) -> None:
        """Begin the schema of another tool."""
        self._used = {}

    def finish(self, schema: dict[str, Json]) -> dict[str, Json]:
        """Return the schema with the definitions that its parts refer to, the nearest first."""
        if not self._used:
            return schema
        definitions: dict[str, Json] = {}
        queue = list(self._used)
        most = _MOST_DEFINITIONS[self._targets[queue[0]][1]]
        for name in queue:  # grows while it is gone through
            if len(definitions) >= most:
                definitions[name] = {}
                self._cut.add(name)
                continue
            converted, inner = self._definition(name)
            definitions[name] = converted
            if len(queue) <= 2 * most:
                queue += [other for other in inner if other not in queue]
            else:
                definitions |= {other: {} for other in inner if other not in queue}
                self._cut.update(other for other in inner if other not in queue)
        return {**schema, "$defs": definitions}

    def _definition(self, name: str) -> tuple[Json, list[str]]:
        """Return the schema of a definition, converted once for all tools, and the definitions that it refers to."""
        if name not in self._definitions:
            reference, hidden = self._targets[name]
            outer, self._used = self._used, {}
            self._definitions[name] = self.convert(self._references.target(reference), hidden), list(self._used)
            self._used = outer
        return self._definitions[name]

    def convert(self, schema: Json, hidden: str, depth: int = 0) -> Json:
        """Return the JSON Schema of an OpenAPI schema.

        Args:
            schema: The schema as written.
            hidden: ``readOnly`` for input, ``writeOnly`` for output: properties with it are left out.
            depth: The number of schemas around this one.
        """
        if not isinstance(schema, dict):
            return schema
        if depth > _DEEPEST:
            self._report("deep", f"schemas nested deeper than {_DEEPEST} levels are read as any value")
            return {}
        if isinstance(schema.get("$ref"), str):
            return self._convert_reference(schema, hidden, depth)
        result: dict[str, Json] = {}
        left_out: list[str] = []
        for key, value in schema.items():
            if key in _ONLY_OPENAPI or key.startswith("x-"):
                continue
            if key in _MAPS and isinstance(value, dict):
                left_out = (
                    [name for name, inner in value.items() if isinstance(inner, dict) and inner.get(hidden) is True]
                    if key == "properties"
                    else []
                )
                result[key] = {
                    name: self.convert(inner, hidden, depth + 1)
                    for name, inner in value.items()
                    if name not in left_out
                }
            elif key in _LISTS and isinstance(value, list):
                result[key] = [self.convert(inner, hidden, depth + 1) for inner in value]
            elif key in _SINGLE:
                result[key] = self.convert(value, hidden, depth + 1)
            elif key == "example":
                result.setdefault("examples", [value])
            elif key == "type" and value == "file":
                result |= {"type": "string", "format": "binary"}
            else:
                result[key] = value
        if left_out and isinstance(result.get("required"), list):
            result["required"] = [name for name in result["required"] if name not in left_out]
        for word, plain in _LIMITS:  # of draft 4, in OpenAPI 3.0
            if isinstance(result.get(word), bool) and result.pop(word) and plain in result:
                result[word] = result.pop(plain)
        return _nullable(result) if schema.get("nullable") is True else result

    def _convert_reference(self, schema: dict[str, Json], hidden: str, depth: int) -> Json:
        reference = schema["$ref"]
        beside = {key: value for key, value in schema.items() if key in ("description", "default", "deprecated")}
        if self._target(reference, "a schema") is None:
            return beside
        if self._measure(reference, 0) <= _SMALL:
            small = self._small.get((reference, hidden))
            if small is None:
                small = self._small[reference, hidden] = self.convert(
                    self._references.target(reference), hidden, depth + 1
                )
            merged = {**small, **beside} if isinstance(small, dict) and beside else small
        else:
            merged = {"$ref": f"#/$defs/{self._name(reference, hidden)}", **beside}
        if schema.get("nullable") is True and isinstance(merged, dict):
            return _nullable(merged)
        return merged

    def _name(self, reference: str, hidden: str) -> str:
        """Return the name of the definition for a reference's target, the same in all tools."""
        name = self._names.get((reference, hidden))
        if name is None:
            last = reference.rsplit("/", 1)[-1]
            name = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in last) or "schema"
            while name in self._targets:
                name += "_"
            self._names[reference, hidden] = name
            self._targets[name] = (reference, hidden)
        self._used[name] = None
        return name

    # ----------------------------------------------------------------------------------------------------- objects

    def fields(self, schema: Json, hidden: str) -> tuple[dict[str, Json], list[str]] | None:
        """Return the properties of an object schema and its required names; None for any other schema.

        ``allOf`` is followed, since that is how one schema extends another.
        """
        return self._fields(schema, hidden, 0)

    def _fields(self, schema: Json, hidden: str, depth: int) -> tuple[dict[str, Json], list[str]] | None:
        schema = self.resolve(schema, "a body") if depth < _LONGEST_CHAIN else None
        if not isinstance(schema, dict) or any(key in schema for key in ("oneOf", "anyOf", "not", "if")):
            return None
        kind = schema.get("type", "object")
        if kind != "object" and not (isinstance(kind, list) and "object" in kind):
            return None
        properties: dict[str, Json] = {}
        required: list[str] = []
        for part in schema["allOf"] if isinstance(schema.get("allOf"), list) else []:
            inner = self._fields(part, hidden, depth + 1)
            if inner is None:
                return None
            properties |= inner[0]
            required += inner[1]
        own = schema.get("properties")
        own = own if isinstance(own, dict) else {}
        shown = {n: p for n, p in own.items() if not (isinstance(p, dict) and p.get(hidden) is True)}
        properties |= {name: self.convert(inner, hidden, 1) for name, inner in shown.items()}
        names = schema.get("required")
        required += [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
        return properties, [name for name in dict.fromkeys(required) if name in properties]

    def is_object(self, schema: Json, depth: int = 0) -> bool:
        """Return whether every value of a schema is an object."""
        schema = self.resolve(schema, "a response") if depth < _LONGEST_CHAIN else None
        if not isinstance(schema, dict):
            return False
        if "type" in schema:
            return bool(schema["type"] == "object")
        if isinstance(schema.get("allOf"), list):
            return any(self.is_object(part, depth + 1) for part in schema["allOf"][:_LONGEST_CHAIN])
        return "properties" in schema


def _nullable(schema: dict[str, Json]) -> dict[str, Json]:
    """Return the schema with null allowed, as ``nullable: true`` of OpenAPI 3.0 means."""
    kind = schema.get("type")
    if isinstance(kind, str):
        schema = {**schema, "type": [kind, "null"]}
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
        return schema
    if isinstance(kind, list):
        return schema if "null" in kind else {**schema, "type": [*kind, "null"]}
    around = ("description", "default", "title", "deprecated")
    outer: dict[str, Json] = {key: value for key, value in schema.items() if key in around}
    inner = {key: value for key, value in schema.items() if key not in outer}
    return {**outer, "anyOf": [inner, {"type": "null"}]} if inner else schema

"""JSON Schema, compiled once and used often: whether a value is valid, and if not, why.

Schemas are untrusted, so none of them can reach out or hang. No ``$ref`` is ever fetched. A pattern runs in a
linear-time engine or, where it needs look-around or back-references, with a fixed budget of backtracking steps.
References that multiply without end are refused. No result depends on the clock. ``format`` is asserted even in drafts
that only annotate with it, because a tool that wants a date cannot use anything else.

This is the only module that imports ``jsonschema_rs``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache

import jsonschema_rs
from jsonschema_rs import ValidationErrorKind as Kind

from tdlab.errors import SchemaError
from tdlab.records import Json
from tdlab.tools.references import References, objects_in
from tdlab.tools.text import preview, shorten

__all__ = ["BACKTRACK_LIMIT", "DEPTH_LIMIT", "CompiledSchema", "compile_schema", "schema_problem"]

BACKTRACK_LIMIT = 100_000
"""The most backtracking steps of one pattern on one string, about 5 ms; beyond that the value is invalid."""

DEPTH_LIMIT = 200
"""The most levels of nesting in a value; a deeper one is invalid under every schema."""

_REFERENCE_LIMIT = 10_000
"""The most subschemas that one part of a value may be checked against, with all references followed."""

_ENCODER = json.JSONEncoder(allow_nan=False)
_CACHE_SIZE = 4096
_SHOWN_TEXT = 300
_SHOWN_ERRORS = 50
_MASK = "the value"
_REFERENCES = ('"$ref"', '"$dynamicRef"', '"$recursiveRef"')
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE = ("not", "if", "then", "else")
_LIMITS: Mapping[type, str] = {
    Kind.Minimum: "{} or more",
    Kind.Maximum: "{} or less",
    Kind.ExclusiveMinimum: "more than {}",
    Kind.ExclusiveMaximum: "less than {}",
    Kind.MinLength: "{} characters or more",
    Kind.MaxLength: "{} characters or fewer",
    Kind.MinItems: "{} items or more",
    Kind.MaxItems: "{} items or fewer",
    Kind.MinProperties: "{} properties or more",
    Kind.MaxProperties: "{} properties or fewer",
}


class CompiledSchema:
    """A schema ready for validation, made by `compile_schema`; immutable, and can be pickled.

    Example:
        >>> compiled = compile_schema({"type": "object", "properties": {"n": {"type": "integer"}}})
        >>> compiled.is_valid({"n": 1}), compiled.errors({"n": "one"})
        (True, ('$.n: found "one", expected integer',))
    """

    __slots__ = ("_text", "_validator")

    def __init__(self, text: str, validator: jsonschema_rs.Validator) -> None:
        self._text = text
        self._validator = validator

    def __reduce__(self) -> tuple[object, ...]:
        return (_from_text, (self._text,))

    def __repr__(self) -> str:
        return f"CompiledSchema({shorten(self._text)})"

    def is_valid(self, value: Json) -> bool:
        """Return whether ``value`` is valid; anything but a JSON value of at most `DEPTH_LIMIT` levels is not."""
        if _too_deep(value):
            return False
        try:
            return self._validator.is_valid(value)
        except ValueError:
            return False

    def errors(self, value: Json) -> tuple[str, ...]:
        """Return the reasons why ``value`` is invalid, sorted by path; empty if it is valid.

        Each reads ``path: found VALUE, expected WHAT``, with values cut to 80 characters. At most 50 are listed, and
        one more then gives the number of the others.
        """
        if _too_deep(value):
            return (f"$: found a value nested deeper than {DEPTH_LIMIT} levels, expected a shallower one",)
        try:
            if self._validator.is_valid(value):  # takes half the time of listing no errors
                return ()
            errors = list(self._validator.iter_errors(value))
        except ValueError as error:
            return (f"$: found what is no JSON value ({shorten(str(error), _SHOWN_TEXT)}), expected JSON",)
        lines = sorted({_explain(error) for error in errors})
        if len(lines) > _SHOWN_ERRORS:
            lines = [*lines[:_SHOWN_ERRORS], f"$: and {len(lines) - _SHOWN_ERRORS} more errors"]
        return tuple(lines)


def compile_schema(schema: dict[str, Json]) -> CompiledSchema:
    """Return the compiled form of a schema, from a cache keyed by content; any thread and process may call it.

    The draft is the one named in ``$schema``, else 2020-12.

    Args:
        schema: The schema. It must not be changed in place afterwards, since the cache also remembers objects.

    Returns:
        The compiled schema.

    Raises:
        SchemaError: The schema is invalid, refers to another document, or is too large to check.

    Example:
        >>> compile_schema({"type": "string", "format": "date"}).is_valid("2026-02-30")
        False
    """
    compiled = _cached(schema)
    if isinstance(compiled, str):
        raise SchemaError(
            f"the schema cannot be used: {compiled}",
            expected="a JSON Schema (draft 4 to 2020-12) whose references stay inside it",
            do="correct the schema, or leave the tool out",
        )
    return compiled


def schema_problem(schema: Json) -> str | None:
    """Return why ``schema`` cannot be the input or output schema of a tool; ``None`` if it can.

    It must be an object, be valid in its draft, keep its references inside itself, contain only patterns that compile,
    and allow an object at its root (a missing ``type`` allows one).

    Args:
        schema: Any JSON value.

    Returns:
        A reason that completes the sentence "The schema cannot be used: ...", or None.

    Example:
        >>> schema_problem({"type": "object"}), schema_problem({"type": "array"})
        (None, "the type of its root is 'array', expected 'object'")
    """
    if not isinstance(schema, dict):
        return f"found {preview(schema)}, expected a JSON object"
    kind = schema.get("type", "object")
    if isinstance(kind, str) and kind in {"array", "boolean", "integer", "null", "number", "string"}:
        return f"the type of its root is {kind!r}, expected 'object'"
    if isinstance(kind, list) and "object" not in kind:
        return f"the type of its root is {preview(kind)}, expected 'object'"
    compiled = _cached(schema)
    return compiled if isinstance(compiled, str) else None


# ----------------------------------------------------------------------------------------------------------- compiling


def _cached(schema: dict[str, Json]) -> CompiledSchema | str:
    """Look the schema up by identity first, since a pool's schemas are used again and again and never change."""
    seen = _SEEN.get(id(schema))
    if seen is not None and seen[0] is schema:
        return seen[1]
    compiled = _by_content(schema)
    if len(_SEEN) >= _CACHE_SIZE:
        _SEEN.clear()
    _SEEN[id(schema)] = (schema, compiled)  # holds the schema, so that its id is not given to another
    return compiled


_SEEN: dict[int, tuple[dict[str, Json], CompiledSchema | str]] = {}


def _by_content(schema: dict[str, Json]) -> CompiledSchema | str:
    try:
        text = _ENCODER.encode(schema)
    except RecursionError:
        return "it is nested too deeply"
    except (TypeError, ValueError) as error:
        return f"it is not a JSON value ({shorten(str(error), _SHOWN_TEXT)})"
    return _compile(text)


@lru_cache(maxsize=_CACHE_SIZE)
def _compile(text: str) -> CompiledSchema | str:
    """Return the compiled schema, or the reason why there is none; the key is the schema's JSON text."""
    try:
        schema = json.loads(text)
        if any(word in text for word in _REFERENCES) and _multiplies(schema):
            return f"its references expand to more than {_REFERENCE_LIMIT:,} checks of one value"
        validator = jsonschema_rs.validator_for(
            schema,
            validate_formats=True,
            offline=True,
            mask=_MASK,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACK_LIMIT),
        )
    except jsonschema_rs.ValidationError as error:
        return _explain_schema(error)
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        if "recursion limit" in str(error).lower():
            return "it is nested too deeply"
        return f"it is not a JSON value ({shorten(str(error), _SHOWN_TEXT)})"
    return CompiledSchema(text, validator)


def _from_text(text: str) -> CompiledSchema:
    return compile_schema(json.loads(text))


def _multiplies(schema: dict[str, Json]) -> bool:
    """Whether some spot would be checked against more than the limit of subschemas (``a: [b, b], b: [c, c], ...``)."""
    references = References(schema)
    nodes = list(objects_in(schema))
    costs: dict[int, int] = {}
    for start in nodes:
        stack = [start]
        while stack:  # post-order, without recursion: reference chains may be long
            node = stack[-1]
            if id(node) in costs and costs[id(node)] > 0:
                stack.pop()
                continue
            children = [c for c in _in_place(node, references) if isinstance(c, dict)]
            if id(node) not in costs:
                costs[id(node)] = 0  # open: a cycle back to here counts once
                stack.extend(c for c in children if id(c) not in costs)
                continue
            costs[id(node)] = 1 + sum(max(costs.get(id(c), 1), 1) for c in children)
            if costs[id(node)] > _REFERENCE_LIMIT:
                return True
            stack.pop()
    return False


def _in_place(node: Mapping[str, Json], references: References) -> Iterator[Json]:
    """Subschemas that are checked against the very value that ``node`` is checked against."""
    for word in ("$ref", "$dynamicRef", "$recursiveRef"):
        if isinstance(node.get(word), str):
            yield references.target(node[word])
    for word in _IN_PLACE_LISTS:
        if isinstance(node.get(word), list):
            yield from node[word]
    for word in _IN_PLACE:
        yield node.get(word)
    if isinstance(node.get("dependentSchemas"), dict):
        yield from node["dependentSchemas"].values()


# ---------------------------------------------------------------------------------------------------------- explaining


_NESTED = (dict, list, tuple)


def _too_deep(value: Json) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, _NESTED) else ()
    level = [child for child in inner if isinstance(child, _NESTED)]
    for _ in range(DEPTH_LIMIT - 1):
        if not level:
            return False
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, _NESTED)
        ]
    return bool(level)


def _explain_schema(error: jsonschema_rs.ValidationError) -> str:
    kind = error.kind
    if isinstance(kind, Kind.Referencing):
        message = str(error.message)
        if message.startswith("Unknown meta-schema"):
            return f"its $schema names an unknown draft ({shorten(message, _SHOWN_TEXT)})"
        if "not present in a registry" in message:
            address = message.partition("'")[2].partition("'")[0]
            return f"its $ref {shorten(address)!r} leads to another document, which is never fetched"
        return f"its $ref cannot be resolved ({shorten(message, _SHOWN_TEXT)})"
    path = _path(error.instance_path)
    if isinstance(kind, Kind.Format) and kind.format == "regex":
        return f"{path}: found the pattern {preview(error.instance)}, expected one that can be compiled"
    return f"invalid JSON Schema at {_explain(error)}"


def _explain(error: jsonschema_rs.ValidationError) -> str:
    return f"{_path(error.instance_path)}: {_problem(error)}"


def _problem(error: jsonschema_rs.ValidationError) -> str:
    kind = error.kind
    value = preview(error.instance)
    match kind:
        case Kind.Required():
            return f"found no property {kind.property!r}, expected the property {kind.property!r}"
        case Kind.AdditionalProperties() | Kind.UnevaluatedProperties():
            names = shorten(", ".join(repr(str(name)) for name in sorted(map(str, kind.unexpected))), _SHOWN_TEXT)
            return f"found the properties {names}, expected none but those that are declared"
        case Kind.Type():
            return f"found {value}, expected {' or '.join(kind.types)}"
        case Kind.Enum():
            return f"found {value}, expected one of {shorten(', '.join(preview(o) for o in kind.options), _SHOWN_TEXT)}"
        case Kind.Constant():
            return f"found {value}, expected {preview(kind.expected_value)}"
        case Kind.Pattern():
            return f"found {value}, expected a match of {shorten(kind.pattern, _SHOWN_TEXT)!r}"
        case Kind.Format():
            return f"found {value}, expected the format {shorten(kind.format, _SHOWN_TEXT)!r}"
        case Kind.BacktrackLimitExceeded() | Kind.RegexEngineFailure():
            return (
                f"found {value}, expected a match of a pattern, but the pattern gave up after "
                f"{BACKTRACK_LIMIT:,} steps of backtracking"
            )
        case Kind.AnyOf() | Kind.OneOfNotValid():
            branches = [_problem(branch[0]).partition("expected ")[2] for branch in kind.context if branch]
            known = list(dict.fromkeys(text for text in branches if text))
            return f"found {value}, expected {shorten('; or '.join(known) or 'one of the alternatives', _SHOWN_TEXT)}"
        case Kind.FalseSchema() if error.schema_path[-1:] == ["additionalProperties"]:
            return f"found a property of the value {value}, expected none but those that are declared"
        case Kind.FalseSchema():
            return f"found {value}, expected nothing here"
        case Kind.Not():
            return f"found {value}, expected what does not fit {preview(kind.schema)}"
        case Kind.UniqueItems():
            return f"found {value}, expected no item twice"
        case Kind.MultipleOf():
            return f"found {value}, expected a multiple of {kind.multiple_of}"
    for limited, words in _LIMITS.items():
        if isinstance(kind, limited):
            return f"found {value}, expected {words.format(getattr(kind, 'limit', '?'))}"
    return f"found {value}, expected otherwise ({shorten(str(error.message), _SHOWN_TEXT)})"


def _path(parts: list[str | int]) -> str:
    """``$.name[0]``; names that are not plain words are quoted."""
    text = "$"
    for key in parts:
        if isinstance(key, int):
            text += f"[{key}]"
        elif key.isidentifier():
            text += f".{key}"
        else:
            text += f"[{preview(key)}]"
    return text

"""Values for arguments: what a person would plausibly say for a parameter, within its JSON Schema.

`make_value` is deterministic in its random generator. It uses the schema first (const, enum, examples, format, pattern,
bounds), then examples in the prose, then the words of the parameter's name (`lexicon`). Schemas are data: nothing in
one is evaluated, and a pattern is only expanded (`patterns`), never matched.
"""

from __future__ import annotations

import functools
import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping

from tdlab.errors import BlueprintError
from tdlab.records import Json
from tdlab.tools.lexicon import described, formatted, number_range, worded
from tdlab.tools.names import split_words
from tdlab.tools.nouns import singular
from tdlab.tools.patterns import matching
from tdlab.tools.references import References
from tdlab.tools.schema import compile_schema

__all__ = ["make_identifier", "make_value", "ordered_pairs"]

_MAX_DEPTH = 8
_MAX_PARTS = 20_000
_MAX_ITEMS = 1000
_MAX_LENGTH = 20_000
_IDENTIFYING = frozenset(("id", "ids", "ref", "number", "no", "sku", "hash"))
_CHOSEN = frozenset(("key", "slug"))
"""Names of identifiers that people choose and that consist of words."""
_FIELDS: dict[str, dict[str, Json]] = {
    "title": {"type": "string"},
    "category": {"type": "string"},
    "quantity": {"type": "integer", "minimum": 1, "maximum": 40},
    "note": {"type": "string"},
    "email": {"type": "string", "format": "email"},
}
"""Fields of an object whose schema leaves them open."""
_COUNTED = frozenset(
    "nb num count rounds limit quantity qty guests seats people items page pages size top offset no msec rows max min"
    " days nights retries".split()
)
"""Words for things that come in whole numbers even where a schema says only ``number``."""
_LIMITS = (3, 5, 10, 15, 20, 25, 50)
_ORDERED = (
    ("start", "end"), ("min", "max"), ("minimum", "maximum"), ("from", "to"), ("check_in", "check_out"),
    ("arrival", "departure"), ("created", "updated"), ("created", "closed"), ("low", "high"), ("starts", "ends"),
    ("since", "until"), ("after", "before"), ("first", "last"), ("earliest", "latest"), ("in", "out"),
)  # fmt: skip


def make_identifier(
    rng: random.Random, entity: str, schema: Mapping[str, Json], *, root: Mapping[str, Json] | None = None
) -> Json:
    """Return a random identifier of an entity that fits ``schema``.

    Args:
        rng: The only source of randomness.
        entity: The entity in snake_case.
        schema: The JSON Schema of the identifier.
        root: The schema that references look into; by default ``schema`` itself.

    Returns:
        A string or a number.

    Raises:
        BlueprintError: The schema has no value that a person could say; see `make_value`.

    Example:
        >>> import random
        >>> make_identifier(random.Random(1), "order", {"type": "string"})
        'ord_2265b1f5'
    """
    if any(key in schema for key in ("pattern", "format", "enum", "const", "anyOf", "oneOf", "allOf", "$ref")):
        return make_value(rng, f"{entity}_id", schema, root=root)
    kind = _type_of(schema)
    if kind in ("integer", "number"):
        if not {"minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"} & schema.keys():
            return rng.randint(10_000, 999_999)
        return _number(rng, ("id",), schema, integral=True)
    prefix = "".join(word[0] for word in entity.split("_") if word) if entity.count("_") else entity[:3]
    text = f"{prefix or 'id'}_{rng.getrandbits(32):08x}"
    return _fit_length(text, schema, rng)


def make_value(
    rng: random.Random,
    name: str,
    schema: Mapping[str, Json],
    *,
    root: Mapping[str, Json] | None = None,
    known: tuple[Json, ...] = (),
) -> Json:
    """Return a random value for a parameter that should fit its schema; rare combinations of keywords may be missed.

    Args:
        rng: The only source of randomness.
        name: The parameter's name; its words suggest the value.
        schema: The parameter's JSON Schema.
        root: The schema that references look into; by default ``schema`` itself.
        known: Values that exist in the real world; if there are any, one of them is returned.

    Returns:
        A JSON value, which the caller validates.

    Raises:
        BlueprintError: No value can be made (endless recursion, a reference without a target, a pattern too large to
            expand).

    Example:
        >>> import random
        >>> schema = {"anyOf": [{"type": "integer", "minimum": 3, "maximum": 3}]}
        >>> make_value(random.Random(1), "count", {"$ref": "#/anyOf/0"}, root=schema)
        3
    """
    if known:
        return rng.choice(known)
    return _ValueMaker(rng, References(schema if root is None else root)).value(name, schema, 0)


def ordered_pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of names of which the first value should not exceed the second.

    Args:
        names: The names of parameters or fields.

    Yields:
        Pairs such as ``start_date`` and ``end_date``.

    Example:
        >>> list(ordered_pairs(["end_date", "city", "start_date"]))
        [('start_date', 'end_date')]
    """
    yield from _pairs_in(frozenset(names))


@functools.lru_cache(maxsize=4096)
def _pairs_in(names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, other)
        for name in sorted(names)
        for low, high in _ORDERED
        if low in name and (other := re.sub(rf"(?<![a-z]){low}(?![a-z])", high, name)) != name and other in names
    )


def _is(value: Json, kind: str) -> bool:
    types: dict[str, type | tuple[type, ...]] = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}
    return isinstance(value, types.get(kind, type(None))) and (kind == "boolean" or not isinstance(value, bool))


def _type_of(schema: Mapping[str, Json]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


class _ValueMaker:
    """One value under construction: the targets of its references, and the number of parts that it may still have."""

    def __init__(self, rng: random.Random, references: References) -> None:
        self.rng = rng
        self.references = references
        self.left = _MAX_PARTS

    def value(self, name: str, schema: Json, depth: int) -> Json:
        """Return a value for ``name``; a schema that is not an object allows anything."""
        rng = self.rng
        self.left -= 1
        if depth > _MAX_DEPTH:
            raise BlueprintError(
                f"the schema of {name!r} nests deeper than {_MAX_DEPTH} levels", expected="a finite value"
            )
        if self.left < 0:
            raise BlueprintError(
                f"the schema of {name!r} wants more than {_MAX_PARTS} parts", expected="a smaller value"
            )
        schema = self.resolve(schema if isinstance(schema, Mapping) else {}, name)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return rng.choice([v for v in schema["enum"] if v is not None] or [None])
        kind = _type_of(schema)
        examples = schema.get("examples")
        if isinstance(examples, list) and kind not in ("object", "array"):
            fitting = [example for example in examples if _is(example, kind)]
            if fitting:
                return rng.choice(fitting)
        if kind == "object":
            return self.object(schema, depth)
        if kind == "array":
            return self.array(name, schema, depth)
        if kind == "boolean":
            return rng.random() < 0.5
        words = split_words(name)
        if kind in ("integer", "number"):
            return _number(rng, words, schema, integral=kind == "integer")
        return None if kind == "null" else _string(rng, words, schema)

    def resolve(self, schema: Mapping[str, Json], name: str) -> Mapping[str, Json]:
        """Return the schema with its references followed and one branch of each combinator chosen."""
        for _ in range(16):
            if isinstance(schema.get("$ref"), str):
                target = self.references.target(schema["$ref"])
                if not isinstance(target, Mapping):
                    raise BlueprintError(f"the schema of {name!r} refers to {schema['$ref']!r}, which is not in it")
                schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
                continue
            branches = schema.get("anyOf") or schema.get("oneOf")
            if isinstance(branches, list) and branches:
                usable = [b for b in branches if isinstance(b, dict) and b.get("type") != "null" and "not" not in b]
                rest = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}
                schema = {**rest, **(usable[0] if usable else {"type": "null"})}
                continue
            if isinstance(schema.get("allOf"), list):
                merged: dict[str, Json] = {k: v for k, v in schema.items() if k != "allOf"}
                for branch in schema["allOf"]:
                    if isinstance(branch, dict):
                        branch = self.resolve(branch, name)
                        properties = {**merged.get("properties", {}), **branch.get("properties", {})}
                        required = [*merged.get("required", []), *branch.get("required", [])]
                        merged |= branch
                        if properties:
                            merged["properties"], merged["required"] = properties, required
                schema = merged
                continue
            return schema
        raise BlueprintError(f"the schema of {name!r} refers to itself without an end")

    def object(self, schema: Mapping[str, Json], depth: int) -> dict[str, Json]:
        """Return an object with the required fields and, if it is the whole value, some of the others."""
        rng = self.rng
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        required = [r for r in schema.get("required") or [] if isinstance(r, str)]
        chosen = [name for name in properties if name in required or (depth == 0 and rng.random() < 0.3)]
        fields = {
            name: self.value(name, properties.get(name), depth + 1) for name in dict.fromkeys((*chosen, *required))
        }
        fewest = schema.get("minProperties", 0)
        for name in properties:
            if len(fields) >= fewest:
                break
            if name not in fields and isinstance(properties[name], dict):
                fields[name] = self.value(name, properties[name], depth + 1)
        if not fields and schema.get("maxProperties", 1) >= 1:
            usable = [name for name in properties if isinstance(properties[name], dict)]
            if usable and depth == 0:
                name = rng.choice(usable)
                fields[name] = self.value(name, properties[name], depth + 1)
            elif not properties and depth < 2:
                fields = self.free(schema, depth)
        return fields

    def free(self, schema: Mapping[str, Json], depth: int) -> dict[str, Json]:
        """Return a small object if the schema leaves its fields open, an empty one if it restricts their names."""
        kind = schema.get("additionalProperties", True)
        if kind is False or {"patternProperties", "propertyNames"} & schema.keys():
            return {}
        field_schema = kind if isinstance(kind, dict) else {}
        least, most = int(schema.get("minProperties", 0)), int(schema.get("maxProperties", 2))
        fields = self.rng.sample(sorted(_FIELDS), k=max(min(most, 2), min(least, len(_FIELDS))))
        return {name: self.value(name, field_schema or _FIELDS[name], depth + 1) for name in fields}

    def array(self, name: str, schema: Mapping[str, Json], depth: int) -> list[Json]:
        """Return a list: first the items that the schema describes one by one (a tuple), then others of one kind."""
        items = schema.get("items")
        prefix = items if isinstance(items, list) else schema.get("prefixItems")
        prefix = prefix if isinstance(prefix, list) else []
        fewest = max(int(schema.get("minItems", 1)), 1, len(prefix))
        if fewest > _MAX_ITEMS:
            raise BlueprintError(
                f"the schema of {name!r} wants {fewest} items", expected=f"at most {_MAX_ITEMS} for a value a user says"
            )
        most = min(int(schema.get("maxItems", max(2, fewest))), max(2, fewest))
        if most < 1:
            return []
        wanted = min(fewest, most) if prefix else self.rng.randint(fewest, max(fewest, most))
        word = singular(split_words(name)[-1]) if split_words(name) else name
        values: list[Json] = [self.value(word, item, depth + 1) for item in prefix[:wanted]]
        for _ in range(3 * wanted + 20):
            if len(values) >= wanted:
                break
            value = self.value(word, items, depth + 1)
            if value not in values or not schema.get("uniqueItems"):
                values.append(value)
        return values


def _number(rng: random.Random, words: tuple[str, ...], schema: Mapping[str, Json], *, integral: bool) -> int | float:
    low, high = _bounds(schema, integral=integral)
    if words and words[-1] == "limit":
        usual = [n for n in _LIMITS if (low is None or n >= low) and (high is None or n <= high)]
        if usual and "multipleOf" not in schema:
            return rng.choice(usual)
    guess = number_range(words, integral=integral)
    bottom = low if low is not None else guess[0] if high is None else min(guess[0], high)
    top = high if high is not None else max(guess[1], bottom + (guess[1] - guess[0]))
    inner_low, inner_high = max(bottom, guess[0]), min(top, guess[1])
    if inner_low > inner_high:
        inner_low, inner_high = bottom, min(top, bottom + 1000)
    step = _finite(schema.get("multipleOf"))
    if step is not None and step > 0:
        first = math.ceil(inner_low / step)
        last = max(first, math.floor(inner_high / step))
        value: float = rng.randint(first, last) * step
        return int(value) if integral or float(value).is_integer() else round(value, 10)
    if integral or (_COUNTED & set(words) and math.floor(inner_high) >= math.ceil(inner_low)):
        first = math.ceil(inner_low)
        return rng.randint(first, max(first, math.floor(inner_high)))
    value = round(rng.uniform(inner_low, inner_high), 2 if inner_high - inner_low < 1000 else 0)
    return min(max(value, inner_low), inner_high)


def _bounds(schema: Mapping[str, Json], *, integral: bool) -> tuple[int | float | None, int | float | None]:
    """Return the least and the largest allowed number; an exclusive bound is moved inwards a little."""
    low, high = _finite(schema.get("minimum")), _finite(schema.get("maximum"))
    above, below = _finite(schema.get("exclusiveMinimum")), _finite(schema.get("exclusiveMaximum"))
    if above is not None:
        above = math.floor(above) + 1 if integral else above + max(abs(above) * 1e-6, 1e-6)
        low = above if low is None else max(low, above)
    if below is not None:
        below = math.ceil(below) - 1 if integral else below - max(abs(below) * 1e-6, 1e-6)
        high = below if high is None else min(high, below)
    return low, high


def _finite(value: Json) -> int | float | None:
    """Return a number that arithmetic can use; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300:
        return None
    return value


def _string(rng: random.Random, words: tuple[str, ...], schema: Mapping[str, Json]) -> str:
    form, pattern = schema.get("format"), schema.get("pattern")
    text = formatted(rng, form, words) if isinstance(form, str) else None
    if text is not None:
        return text
    guess = described(rng, schema, words)
    if not isinstance(pattern, str):
        return guess if guess is not None else _fit_length(worded(rng, words), schema, rng)
    if not words or words[-1] not in _IDENTIFYING:
        if guess is None:
            guess = worded(rng, (*words[:-1], "name") if words and words[-1] in _CHOSEN else words)
        compiled = compile_schema(schema if isinstance(schema, dict) else dict(schema))
        slug = re.sub(r"[^a-z0-9]+", "-", guess.lower()).strip("-")
        for text in (guess, slug, slug.replace("-", "_")):
            if compiled.is_valid(text):
                return text
    return matching(rng, pattern, schema)


def _fit_length(text: str, schema: Mapping[str, Json], rng: random.Random) -> str:
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if not isinstance(low, int) or low > _MAX_LENGTH:
        raise BlueprintError(f"a text of {low} characters is wanted", expected="one that a person could say")
    while len(text) < low:
        text += " " + worded(rng, ("note",))
    if isinstance(high, int) and len(text) > high:
        text = text[:high].strip() or text[:high]
        if len(text) < low:
            text = text.ljust(low, "x")
    return text

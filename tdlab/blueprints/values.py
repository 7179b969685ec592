"""Values for arguments: what a person would plausibly say for a parameter, held to its JSON Schema.

`make_value` is deterministic in its random generator. It looks at the schema first (const, enum, examples, format,
pattern, bounds), then at examples in the prose, then at the words of the parameter's name. It is the only door to
``faker`` and ``rstr``. Schemas are data: a pattern is compiled by the schema library, never by ``re``, before it is used.
"""

from __future__ import annotations

import datetime
import functools
import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tdlab.errors import BlueprintError
from tdlab.pool.naming import singular, split_words
from tdlab.pool.schema import compile_schema
from tdlab.records import Json

if TYPE_CHECKING:
    from faker import Faker

__all__ = ["make_identifier", "make_person", "make_value", "ordered_pairs"]

_MAX_DEPTH = 6
_MAX_PATTERN = 200  # a longer pattern, or one with a larger repeat, is not expanded
_IDENTIFYING = frozenset(("id", "ids", "key", "ref", "number", "no", "sku", "hash", "slug"))
_EPOCH = datetime.date(2026, 3, 2)
_PROSE_EXAMPLE = re.compile(
    r"(?:e\.?\s?g\.?,?|for example,?|such as|example:|examples:|like)\s*((?:['\"`][^'\"`\n]{1,60}['\"`](?:\s*(?:,|or|and)\s*)?)+)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"['\"`]([^'\"`\n]{1,60})['\"`]")
_TIMEZONES = (
    "Europe/Lisbon",
    "America/Chicago",
    "Asia/Tokyo",
    "Africa/Nairobi",
    "Australia/Sydney",
    "America/Sao_Paulo",
)
_CURRENCIES = ("EUR", "USD", "GBP", "JPY", "CHF", "SEK", "BRL", "INR")
_COUNTRIES = ("DE", "US", "FR", "JP", "BR", "IN", "KE", "CA", "PL", "AU")
_LANGUAGES = ("en", "de", "fr", "es", "ja", "pt", "sv")
_TICKERS = ("ACME", "GLBX", "NORD", "HELI", "ZENT", "ORBT", "KITE", "MOSS")
_TOPICS = (
    "quarterly planning", "supplier audit", "spring launch", "warehouse move", "budget review", "site survey",
    "customer interviews", "release checklist", "safety training", "energy report", "market entry", "hiring round",
    "archive clean-up", "route change", "press briefing", "patient follow-up", "course outline", "recipe test",
    "lease renewal", "sensor calibration", "match schedule", "grant proposal", "model comparison", "rent review",
)  # fmt: skip
_PEOPLE = frozenset(
    "full first last middle given family guest client tenant contact applicant customer person patient student user host"
    " owner author inspector employee candidate attendee recipient sender speaker teacher driver passenger player buyer"
    " seller subscriber member instructor signer contractor holder".split()
)
_ORDERED = (("start", "end"), ("min", "max"), ("minimum", "maximum"), ("from", "to"), ("check_in", "check_out"), ("arrival", "departure"),
            ("created", "updated"), ("created", "closed"), ("low", "high"), ("starts", "ends"), ("since", "until"), ("after", "before"))  # fmt: skip
_SENTENCES = (
    "Please keep the original wording.", "This replaces the earlier draft.", "Agreed with the team on Monday.",
    "Handle before the end of the week.", "The numbers were checked twice.", "Ask for a receipt on arrival.",
    "Nothing else needs to change.", "Keep it short and factual.", "The client asked for this in writing.",
    "It should be visible to everyone involved.", "Use the new address from now on.", "Counted on site this morning.",
)  # fmt: skip


@functools.cache
def _faker() -> Faker:
    from faker import Faker

    return Faker("en_US")


def make_person(rng: random.Random) -> str:
    """A person's full name."""
    return str(_with_rng(rng).name_nonbinary())


def make_identifier(
    rng: random.Random, entity: str, schema: Mapping[str, Json], *, root: Mapping[str, Json] | None = None
) -> Json:
    """An identifier for an entity that fits ``schema`` (its pattern, format, type and bounds); ``root`` as in `make_value`."""
    if any(key in schema for key in ("pattern", "format", "enum", "const", "anyOf", "oneOf", "allOf", "$ref")):
        return make_value(rng, f"{entity}_id", schema, root=root)
    kind = _type_of(schema)
    if kind in ("integer", "number"):
        return _number(rng, ("id",), {"minimum": 1000, "maximum": 999999, **schema}, integral=True)
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
    depth: int = 0,
) -> Json:
    """A value for the parameter ``name`` that means to fit ``schema``.

    ``root`` is the schema that local ``$ref`` look into; ``known`` are values that exist in the real world and win over
    invention. The caller validates: rare combinations of keywords may be missed. BlueprintError where nothing can be
    made (a bottomless recursion, a pattern too large to expand).
    """
    root = schema if root is None else root
    if known:
        return rng.choice(known)
    if depth > _MAX_DEPTH:
        raise BlueprintError(f"the schema of {name!r} nests deeper than {_MAX_DEPTH} levels", expected="a finite value")
    schema = _resolve(schema, root, name)
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
    words = split_words(name)
    if kind == "object":
        return _object(rng, schema, root, depth)
    if kind == "array":
        return _array(rng, name, schema, root, depth)
    if kind == "boolean":
        return rng.random() < 0.5
    if kind in ("integer", "number"):
        return _number(rng, words, schema, integral=kind == "integer")
    if kind == "null":
        return None
    return _string(rng, words, schema)


def ordered_pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of names of which the first should not exceed the second: ``start_date`` and ``end_date``, ``min_x`` and ``max_x``."""
    yield from _pairs_in(frozenset(names))


@functools.lru_cache(maxsize=4096)
def _pairs_in(names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, other)
        for name in sorted(names)
        for low, high in _ORDERED
        if (other := re.sub(rf"(?<![a-z]){low}(?![a-z])", high, name)) != name and other in names
    )


def _with_rng(rng: random.Random) -> Faker:
    fake = _faker()
    fake.random = rng  # type: ignore[attr-defined]  # faker sets it by a proxy
    return fake


def _is(value: Json, kind: str) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}
    return isinstance(value, kinds.get(kind, type(None))) and (kind == "boolean" or not isinstance(value, bool))


def _type_of(schema: Mapping[str, Json]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _resolve(schema: Mapping[str, Json], root: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    """Follow local references and choose one branch of the combinators."""
    for _ in range(16):
        if isinstance(schema.get("$ref"), str):
            place: Any = root
            for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                place = place.get(key) if isinstance(place, Mapping) else None
            if not isinstance(place, Mapping):
                raise BlueprintError(f"the schema of {name!r} refers to {schema['$ref']!r}, which is not in it")
            schema = {**place, **{k: v for k, v in schema.items() if k != "$ref"}}
            continue
        branches = schema.get("anyOf") or schema.get("oneOf")
        if isinstance(branches, list) and branches:
            usable = [b for b in branches if isinstance(b, Mapping) and b.get("type") != "null" and "not" not in b]
            rest = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}
            schema = {**rest, **(usable[0] if usable else {"type": "null"})}
            continue
        if isinstance(schema.get("allOf"), list):
            merged: dict[str, Json] = {k: v for k, v in schema.items() if k != "allOf"}
            for part in schema["allOf"]:
                if isinstance(part, Mapping):
                    part = _resolve(part, root, name)
                    properties = {**merged.get("properties", {}), **part.get("properties", {})}
                    required = [*merged.get("required", []), *part.get("required", [])]
                    merged |= part
                    if properties:
                        merged["properties"], merged["required"] = properties, required
            schema = merged
            continue
        return schema
    raise BlueprintError(f"the schema of {name!r} refers to itself without an end")


def _object(rng: random.Random, schema: Mapping[str, Json], root: Mapping[str, Json], depth: int) -> dict[str, Json]:
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    required = [r for r in schema.get("required") or [] if isinstance(r, str)]
    chosen = [name for name in properties if name in required or (depth == 0 and rng.random() < 0.3)]
    made = {
        name: make_value(
            rng, name, properties[name] if isinstance(properties[name], Mapping) else {}, root=root, depth=depth + 1
        )
        for name in chosen
    }
    for name in required:
        if name not in made:
            made[name] = make_value(rng, name, {}, root=root, depth=depth + 1)
    fewest = schema.get("minProperties", 0)
    for name in properties:
        if len(made) >= fewest:
            break
        if name not in made and isinstance(properties[name], Mapping):
            made[name] = make_value(rng, name, properties[name], root=root, depth=depth + 1)
    return made


def _array(
    rng: random.Random, name: str, schema: Mapping[str, Json], root: Mapping[str, Json], depth: int
) -> list[Json]:
    items = schema.get("items")
    items = items if isinstance(items, Mapping) else {}
    fewest = max(int(schema.get("minItems", 1)), 1)
    if fewest > 1000:
        raise BlueprintError(
            f"the schema of {name!r} wants {fewest} items", expected="at most 1000 for a value a user says"
        )
    most = min(int(schema.get("maxItems", max(2, fewest))), max(2, fewest))
    if most < 1:
        return []
    word = singular(split_words(name)[-1]) if split_words(name) else name
    made: list[Json] = []
    for _ in range(40):
        if len(made) >= rng.randint(fewest, max(fewest, most)):
            break
        value = make_value(rng, word, items, root=root, depth=depth + 1)
        if value not in made or not schema.get("uniqueItems"):
            made.append(value)
    return made


def _number(rng: random.Random, words: tuple[str, ...], schema: Mapping[str, Json], *, integral: bool) -> int | float:
    low, high = schema.get("minimum"), schema.get("maximum")
    step = schema.get("multipleOf")
    if isinstance(schema.get("exclusiveMinimum"), (int, float)) and not isinstance(
        schema.get("exclusiveMinimum"), bool
    ):
        low = schema["exclusiveMinimum"] + (1 if integral else max(abs(schema["exclusiveMinimum"]) * 1e-6, 1e-6))
    if isinstance(schema.get("exclusiveMaximum"), (int, float)) and not isinstance(
        schema.get("exclusiveMaximum"), bool
    ):
        high = schema["exclusiveMaximum"] - (1 if integral else max(abs(schema["exclusiveMaximum"]) * 1e-6, 1e-6))
    has = set(words)
    if {"lat", "latitude"} & has:
        guess: tuple[float, float] = (-60, 65)
    elif {"lon", "lng", "longitude"} & has:
        guess = (-120, 140)
    elif "year" in has:
        guess = (2019, 2026)
    elif {"timestamp", "epoch"} & has:
        guess = (1_760_000_000, 1_770_000_000)
    elif {"limit", "count", "page", "per", "size", "top", "offset", "quantity", "qty", "guests", "days"} & has:
        guess = (2, 20)
    elif {"price", "amount", "cost", "total", "budget", "fee", "cents"} & has:
        guess = (12, 4800)
    elif {"port"} & has:
        guess = (1024, 9999)
    elif {"percent", "percentage", "ratio", "rate", "probability", "threshold", "temperature"} & has and not integral:
        guess = (0.05, 0.95)
    else:
        guess = (1, 500)
    bottom = (
        float(low)
        if isinstance(low, (int, float))
        else min(guess[0], float(high) if isinstance(high, (int, float)) else guess[0])
    )
    top = float(high) if isinstance(high, (int, float)) else max(guess[1], bottom + (guess[1] - guess[0]))
    inner_low, inner_high = max(bottom, guess[0]), min(top, guess[1])
    if inner_low > inner_high:
        inner_low, inner_high = bottom, min(top, bottom + 1000)
    if isinstance(step, (int, float)) and step > 0:
        first = math.ceil(inner_low / step)
        last = max(first, math.floor(inner_high / step))
        value: float = rng.randint(first, last) * step
        return int(value) if integral or float(value).is_integer() else round(value, 10)
    if integral:
        return rng.randint(math.ceil(inner_low), max(math.ceil(inner_low), math.floor(inner_high)))
    value = round(rng.uniform(inner_low, inner_high), 2)
    return min(max(value, inner_low), inner_high)


def _string(rng: random.Random, words: tuple[str, ...], schema: Mapping[str, Json]) -> str:
    made = _formatted(rng, schema)
    if made is not None:
        return made
    described = _described(rng, schema, words)
    if isinstance(schema.get("pattern"), str):
        if not words or words[-1] not in _IDENTIFYING:
            guess = described if described is not None else _named(rng, words)
            compiled = compile_schema(schema if isinstance(schema, dict) else dict(schema))
            slug = re.sub(r"[^a-z0-9]+", "-", guess.lower()).strip("-")
            for text in (guess, slug, slug.replace("-", "_")):
                if compiled.is_valid(text):
                    return text
        return _matching(rng, schema["pattern"], schema)
    return described if described is not None else _fit_length(_named(rng, words), schema, rng)


def _day(rng: random.Random) -> str:
    return (_EPOCH + datetime.timedelta(days=rng.randint(0, 300))).isoformat()


def _clock(rng: random.Random) -> str:
    return f"{rng.randint(7, 19):02d}:{rng.choice((0, 15, 30, 45)):02d}:00"


def _formatted(rng: random.Random, schema: Mapping[str, Json]) -> str | None:
    match schema.get("format"):
        case None:
            return None
        case "date":
            return _day(rng)
        case "date-time":
            return f"{_day(rng)}T{_clock(rng)}Z"
        case "time":
            return f"{_clock(rng)}Z"
        case "duration":
            return f"PT{rng.randint(5, 180)}M"
        case "email" | "idn-email":
            return str(_with_rng(rng).user_name()) + "@example." + rng.choice(("com", "org", "net"))
        case "uri" | "url" | "iri" | "uri-reference":
            return f"https://www.example.{rng.choice(('com', 'org', 'net'))}/{rng.choice(_TOPICS).replace(' ', '-')}"
        case "uuid":
            bits = f"{rng.getrandbits(128):032x}"
            return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"
        case "ipv4":
            return f"192.0.2.{rng.randint(1, 254)}"
        case "ipv6":
            return f"2001:db8::{rng.randint(1, 9999):x}"
        case "hostname":
            return f"{rng.choice(('app', 'db', 'mail', 'cache'))}-{rng.randint(1, 40)}.example.com"
        case _:
            return None


def _described(rng: random.Random, schema: Mapping[str, Json], words: tuple[str, ...]) -> str | None:
    """An example that the description itself gives, when it is short and looks like a value."""
    text = schema.get("description")
    if not isinstance(text, str) or (
        words and words[-1] in ("id", "ids", "name", "title", "query", "text", "note", "email")
    ):
        return None
    found = [value for group in _PROSE_EXAMPLE.findall(text[:600]) for value in _QUOTED.findall(group)]
    fits = [v for v in found if v.strip() == v and _length_fits(v, schema) and "{" not in v and "<" not in v]
    return rng.choice(fits) if fits else None


def _matching(rng: random.Random, pattern: str, schema: Mapping[str, Json]) -> str:
    if _too_large(pattern):
        raise BlueprintError(
            f"the pattern {pattern[:60]!r} is too large to make a value for", expected="a short pattern"
        )
    import rstr

    try:
        for _ in range(8):
            made = str(rstr.Rstr(rng).xeger(pattern))
            if _length_fits(made, schema) and len(made) <= 4000:
                return made
    except (re.error, KeyError, ValueError, RecursionError, NotImplementedError, IndexError) as error:
        raise BlueprintError(f"no value can be made for the pattern {pattern[:60]!r} ({error})") from None
    raise BlueprintError(f"no value for the pattern {pattern[:60]!r} keeps to the length bounds")


@functools.lru_cache(maxsize=4096)
def _too_large(pattern: str) -> bool:
    repeats = [int(n) for n in re.findall(r"\{\d*,?(\d+)\}", pattern)]
    return len(pattern) > _MAX_PATTERN or any(n > 1000 for n in repeats)


def _length_fits(text: str, schema: Mapping[str, Json]) -> bool:
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    return len(text) >= low and (high is None or len(text) <= high)


def _fit_length(text: str, schema: Mapping[str, Json], rng: random.Random) -> str:
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if not isinstance(low, int) or low > 20_000:
        raise BlueprintError(f"a text of {low} characters is wanted", expected="one that a person could say")
    while len(text) < low:
        text += " " + rng.choice(_SENTENCES)
    if isinstance(high, int) and len(text) > high:
        text = text[:high].strip() or text[:high]
        if len(text) < low:
            text = text.ljust(low, "x")
    return text


def _named(rng: random.Random, words: tuple[str, ...]) -> str:
    """A text by the meaning of the parameter's words; the last words count most."""
    fake = _with_rng(rng)
    if words and words[-1] in ("name", "names") and len(words) > 1:
        if _PEOPLE & set(words):
            return str(fake.name_nonbinary())
        if {"company", "organization", "organisation", "vendor", "supplier", "merchant", "firm", "employer"} & set(
            words
        ):
            return str(fake.company())
    for word in reversed(words):
        match word:
            case "email" | "recipient" | "attendee" | "cc":
                return str(fake.user_name()) + "@example.com"
            case "phone" | "mobile" | "tel":
                return f"+1-555-{rng.randint(100, 999)}-{rng.randint(1000, 9999)}"
            case "city" | "location" | "destination" | "origin" | "place" | "town":
                return str(fake.city())
            case "address" | "street":
                return str(fake.street_address())
            case "country":
                return rng.choice(_COUNTRIES)
            case "state" | "region" | "province":
                return str(fake.state())
            case "zip" | "postcode" | "postal":
                return str(fake.postcode())
            case "currency":
                return rng.choice(_CURRENCIES)
            case "ticker" | "symbol":
                return rng.choice(_TICKERS)
            case "timezone" | "tz":
                return rng.choice(_TIMEZONES)
            case "language" | "lang" | "locale":
                return rng.choice(_LANGUAGES)
            case "date" | "day" | "since" | "until" | "deadline" | "due":
                return _day(rng)
            case "time":
                return f"{rng.randint(7, 19):02d}:{rng.choice((0, 15, 30, 45)):02d}"
            case "timestamp" | "datetime":
                return f"{_day(rng)}T{rng.randint(7, 19):02d}:00:00Z"
            case "url" | "uri" | "link" | "website" | "endpoint":
                return f"https://www.example.com/{rng.choice(_TOPICS).replace(' ', '-')}"
            case "domain" | "host" | "hostname":
                return f"{rng.choice(('north', 'harbor', 'maple', 'delta'))}{rng.randint(1, 99)}.example.com"
            case "path" | "file" | "filename" | "filepath" | "folder" | "directory":
                return f"/data/{rng.choice(_TOPICS).replace(' ', '_')}.{rng.choice(('csv', 'txt', 'json', 'pdf'))}"
            case "repository" | "repo":
                return f"{fake.user_name()}/{rng.choice(_TOPICS).replace(' ', '-')}"
            case "branch":
                return f"feature/{rng.choice(_TOPICS).replace(' ', '-')}"
            case "color" | "colour":
                return f"#{rng.getrandbits(24):06x}"
            case "id" | "uuid" | "guid" | "key" | "ref" | "uid":
                stem = "_".join(words[:-1])[:3] or "id"
                return f"{stem}_{rng.getrandbits(32):08x}"
            case "number" | "no" | "code" | "sku" | "slug" | "hash":
                return f"{(words[0][:2] or 'no').upper()}-{rng.randint(10000, 99999)}"
            case "user" | "owner" | "author" | "assignee" | "customer" | "person" | "username" | "artist" | "player":
                return str(fake.name_nonbinary())
            case "company" | "organization" | "organisation" | "org" | "vendor" | "supplier" | "merchant":
                return str(fake.company())
            case "name" | "title" | "subject" | "topic" | "label" | "project" | "query" | "keyword" | "q" | "search":
                return f"{rng.choice(_TOPICS)} {rng.randint(2, 99)}"
            case "tag" | "category" | "type" | "kind" | "status":
                return rng.choice(("standard", "internal", "priority", "external", "seasonal"))
            case (
                "description"
                | "note"
                | "notes"
                | "message"
                | "text"
                | "content"
                | "body"
                | "comment"
                | "reason"
                | "prompt"
            ):
                return f"{rng.choice(_TOPICS).capitalize()}: {rng.choice(_SENTENCES)}"
            case "expression" | "formula":
                return f"{rng.randint(2, 90)} * {rng.randint(2, 90)} + {rng.randint(2, 90)}"
            case _:
                continue
    return f"{rng.choice(_TOPICS)} {rng.randint(2, 99)}"

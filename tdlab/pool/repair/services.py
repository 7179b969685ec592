"""Cleaning of a service: what web pages, wrong encodings and careless exports left in it is fixed where that is safe.

It runs in `ToolPool.load` after a service is read, changes nothing else, and is deterministic. Each repair is an issue
of severity ``fixed``, each observation without a repair a ``note``. The codes:

=========================  ======  =====================================================================================
``page_header``            fixed   the description was the header of a registry's page, not the tool's: emptied
``page_title``             fixed   the service had no title; the page's header has one
``page_boilerplate``       note    page words in a description that says more: left
``placeholder``            fixed   a description that says that there is none: emptied
``name_prefix``            fixed   the description started with the tool's own name: removed
``name_only``              note    the description is the tool's name and nothing else
``encoding``               fixed   wrongly decoded UTF-8, control or invisible characters
``whitespace``             fixed   line ends, a docstring's indentation, trailing blanks, runs of empty lines
``html_entity``            fixed   character references (note where the text is about them)
``html_tag``               fixed   links and page tags (note where other tags stay)
``markdown_link``          fixed   links and badges (note where the text is about links)
``form_words``             fixed   ``True, False`` and ``Add, Item``: a form's buttons scraped as parameters
``sentence_words``         fixed   words of a sentence scraped as parameters
``page_words``             fixed   names of other tools scraped as parameters
``typed_by_form``          fixed   a bare string that the form shows to be a boolean or an array
``doubtful_parameter``     note    looks like a word of a sentence, but no rule is certain
``types_unknown``          note    every parameter is an undescribed string, as on scraped pages
``type_contradicted``      note    a default, an enum or the description indicates another type
``example_type``           fixed   examples of numbers, booleans, lists or objects were written as strings
``described_parameters``   fixed   no schema, but a docstring declares the parameters: taken from there
``undescribed_parameters`` note    no schema, and the description mentions parameters in a way that is not plain
``no_schema``              note    the source has no schema (the input schema is an empty placeholder)
``other_language``         note    the description is in another language than English
=========================  ======  =====================================================================================

Limits: parameter descriptions are read but not rewritten; names are never changed; prose is not judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal

from tdlab.pool.issues import PoolIssue
from tdlab.pool.repair.descriptions import clean_prose, page_header
from tdlab.pool.repair.language import LANGUAGES, language
from tdlab.pool.repair.scraped import described_parameters, is_page_schema, page_parameters
from tdlab.records import Json, Service, Tool
from tdlab.tools import nature_of_name, shorten, split_words

__all__ = ["clean_service"]

_PLACEHOLDERS = frozenset(
    "description not available|no description|no description available|no description provided|not found|n/a|none|null"
    "|undefined|todo|tbd|tool description not accessible via automated extraction".split("|")
)
_PAGE_WORDS = re.compile(r"\b(Deploy Server|Claim Server|Try in Playground|Skip to (?:main )?content)\b")
_MENTIONS_PARAMETERS = re.compile(r"\b(?:Args|Arguments|Parameters|Params|Inputs?)\b\**\s*:", re.IGNORECASE)
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
_ARRAY_TEXT = re.compile(r"(?:an? )?(?:array|json array|comma[- ]free list) of\b|list\[", re.IGNORECASE)
_BOOLEAN_TEXT = re.compile(
    r"(?:whether (?:to|or not to)\b|if (?:true|set to true)\b|\(?bool(?:ean)?\)?[ :,.])", re.IGNORECASE
)
_NUMBER_TEXT = re.compile(
    r"(?:\(?(?:integer|int|float)\)?[ :,.]|(?:the )?(?:max(?:imum)?|min(?:imum)?|total)? ?number of\b)", re.IGNORECASE
)
_FEWEST_EMPTY = 3


class _Issues:
    """The issues of one service, collected while it is cleaned."""

    def __init__(self, service: str, where: str) -> None:
        self.service, self.where = service, where
        self.issues: list[PoolIssue] = []

    def fixed(self, tool: str | None, code: str, words: str) -> None:
        self._add(tool, "fixed", code, words)

    def note(self, tool: str | None, code: str, words: str) -> None:
        self._add(tool, "note", code, words)

    def _add(self, tool: str | None, severity: Literal["fixed", "note"], code: str, words: str) -> None:
        self.issues.append(
            PoolIssue(
                service=self.service, tool=tool, severity=severity, code=code, where=self.where,
                found=shorten(words, 300),
            )
        )  # fmt: skip


def clean_service(service: Service, *, where: str = "") -> tuple[Service, list[PoolIssue]]:
    """Return ``service`` with the certain defects of its texts and schemas fixed, and the issues found."""
    issues = _Issues(service.name, where)
    names = frozenset(tool.name for tool in service.tools)
    scraped = service.schema_quality == "scraped"
    no_schema = service.schema_quality in ("none", "scraped") or _all_empty(service)
    title = ""
    tools = []
    changed = False
    for tool in service.tools:
        facts: dict[str, Json] = {}
        is_header, page_title = page_header(tool.description, service=service.name, tools=names)
        title = title or page_title
        description = _description(tool, is_header, issues)
        if description != tool.description:
            facts["description"] = description
        schema = _schema(tool, description, is_header, issues, others=names, scraped=scraped, no_schema=no_schema)
        if schema is not tool.input_schema:
            facts["input_schema"] = schema
        tools.append(tool.model_copy(update=facts) if facts else tool)
        changed = changed or bool(facts)
    update: dict[str, Json] = {"tools": tuple(tools)} if changed else {}
    for field in ("title", "description"):
        text: str = getattr(service, field)
        fixed_text, fixes, doubts = clean_prose(text, service=True)
        for code in fixes:
            issues.fixed(None, code, f"in the service's {field}: {_difference(text, fixed_text)}")
        for code in doubts:
            issues.note(None, code, f"in the service's {field}, left as it is")
        if _is_placeholder(fixed_text, service.name):
            issues.fixed(None, "placeholder", f"the service's {field} is {text!r}: emptied")
            fixed_text = ""
        if fixed_text != text:
            update[field] = fixed_text
    if title and not service.title:
        update["title"] = title
        issues.fixed(None, "page_title", f"the service's title {title!r} is in the header of its page")
    return (service.model_copy(update=update) if update else service), issues.issues


# --------------------------------------------------------------------------------------------------------------- texts


def _description(tool: Tool, is_header: bool, issues: _Issues) -> str:
    text = tool.description
    if is_header:
        issues.fixed(tool.name, "page_header", f"its description is the header of a page: {text!r}; emptied")
        return ""
    if _is_placeholder(text, tool.name):
        issues.fixed(tool.name, "placeholder", f"its description is {text!r}: emptied")
        return ""
    text, fixes, doubts = clean_prose(text)
    for code in fixes:
        issues.fixed(tool.name, code, f"in its description: {_difference(tool.description, text)}")
    for code in doubts:
        issues.note(tool.name, code, "in its description, left as it is")
    name = tool.name
    if text.startswith(name) and len(name) > 3 and len(text) > len(name):
        rest = text[len(name) :]
        match = re.match(r"(?:\(\))?\s*(?::|\s[-–—]\s)\s*(?=\S+\s+\S)", rest)
        if match and rest[match.end() :].strip():
            issues.fixed(tool.name, "name_prefix", f"its description started with its name: {text[: len(name) + 20]!r}")
            text = rest[match.end() :]
    if 0 < len(text) <= len(name) + 20 and split_words(text) == split_words(name):
        issues.note(tool.name, "name_only", f"its description is its name: {text!r}")
    if _PAGE_WORDS.search(text):
        issues.note(tool.name, "page_boilerplate", f"page words in its description: {text[:120]!r}; left")
    if text:
        code = language(text)
        if code not in ("en", ""):
            issues.note(
                tool.name, "other_language", f"its description is in another language: {LANGUAGES[code]} ({code})"
            )
    return text


def _is_placeholder(text: str, name: str) -> bool:
    """Return whether a text only says that there is none; "Todo" and "None" may be what a thing of that name is."""
    plain = text.strip().rstrip(".").lower()
    return plain in _PLACEHOLDERS and plain not in name.lower()


def _difference(before: str, after: str) -> str:
    """Return a short excerpt of two texts, before and after, where they begin to differ."""
    position = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    start = max(0, position - 20)
    return f"{before[start : position + 40]!r} became {after[start : position + 40]!r}"


# ------------------------------------------------------------------------------------------------------------- schemas


def _schema(
    tool: Tool,
    description: str,
    is_header: bool,
    issues: _Issues,
    *,
    others: frozenset[str],
    scraped: bool,
    no_schema: bool,
) -> dict[str, Json]:
    schema = tool.input_schema
    properties = _properties(schema)
    if not properties:
        return _empty_schema(tool, description, issues) if no_schema and _says_nothing(schema) else schema
    if scraped and is_page_schema(schema):
        page = page_parameters(schema, tool=tool.name, description=description, tools=others, headed=is_header)
        words = {
            "form_words": "buttons of a form, not parameters",
            "sentence_words": "words of a sentence, not parameters",
            "page_words": "names of other tools, not parameters",
        }
        for code, dropped in page.dropped.items():
            issues.fixed(tool.name, code, f"{', '.join(dropped)}: {words[code]}; removed")
        for name, kind in page.typed.items():
            issues.fixed(tool.name, "typed_by_form", f"{name}: the form shows {kind}, not string")
        for name in page.doubtful:
            issues.note(tool.name, "doubtful_parameter", f"{name}: may be a word of a sentence; left")
        schema = page.schema
        if not schema["properties"]:
            return _empty_schema(tool.model_copy(update={"input_schema": schema}), description, issues)
        if is_page_schema(schema):
            issues.note(tool.name, "types_unknown", "every parameter is an undescribed string; the types are unknown")
        return schema
    return _check_types(tool, schema, issues)


def _empty_schema(tool: Tool, description: str, issues: _Issues) -> dict[str, Json]:
    schema = described_parameters(description)
    if schema is not None:
        names = ", ".join(schema["properties"])
        issues.fixed(tool.name, "described_parameters", f"no schema; its description declares {names}")
        return schema
    issues.note(tool.name, "no_schema", "its source has no schema; its parameters are unknown")
    if _MENTIONS_PARAMETERS.search(description):
        issues.note(tool.name, "undescribed_parameters", "its description mentions parameters, its schema has none")
    return tool.input_schema


def _check_types(tool: Tool, schema: dict[str, Json], issues: _Issues) -> dict[str, Json]:
    fixed: dict[str, Json] = {}
    for name, entry in _properties(schema).items():
        if not isinstance(entry, dict):
            continue
        kind = entry.get("type")
        if not isinstance(kind, str) or kind not in _TYPES:
            continue
        if kind != "string" and isinstance(entry.get("examples"), list):
            examples = _examples(entry["examples"], kind)
            if examples is not None:
                fixed[name] = {**entry, "examples": examples}
        for contradiction in _contradictions(entry, kind):
            issues.note(tool.name, "type_contradicted", f"{name}: declared {kind}, but {contradiction}")
    if not fixed:
        return schema
    issues.fixed(tool.name, "example_type", f"examples of {', '.join(fixed)} were written as strings")
    return {**schema, "properties": {**schema["properties"], **fixed}}


def _contradictions(entry: dict[str, Json], kind: str) -> Iterator[str]:
    default = entry.get("default")
    if default is not None and not _fits(default, kind):
        yield f"its default is {default!r:.60}"
    values = entry.get("enum")
    if isinstance(values, list) and values and not any(v is None or _fits(v, kind) for v in values):
        yield f"its values are {values!r:.60}"
    description = entry.get("description")
    if kind == "string" and "enum" not in entry and isinstance(description, str):
        for pattern, other in ((_ARRAY_TEXT, "array"), (_BOOLEAN_TEXT, "boolean"), (_NUMBER_TEXT, "number")):
            if pattern.match(description):
                yield f"its description mentions a {other}: {description[:60]!r}"
                break


def _fits(value: Json, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _examples(values: list[Json], kind: str) -> list[Json] | None:
    """Return the examples with strings read as JSON of the declared type; None where that changes nothing or fails."""
    typed: list[Json] = []
    for value in values:
        if isinstance(value, str):
            text = value.lower() if kind == "boolean" else value
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                return None
        if not _fits(value, kind):
            return None
        typed.append(value)
    return typed if typed != values or any(type(a) is not type(b) for a, b in zip(typed, values, strict=True)) else None


def _properties(schema: dict[str, Json]) -> dict[str, Json]:
    """Return the declared parameters.

    They are read from the schema because a copied tool would keep the cached ``Tool.parameters`` of the original.
    """
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _says_nothing(schema: dict[str, Json]) -> bool:
    return not set(schema) - {
        "type",
        "properties",
        "required",
        "$schema",
        "additionalProperties",
        "title",
        "description",
    }


def _all_empty(service: Service) -> bool:
    """Return whether a service's schemas are all empty although most of its tools must have parameters."""
    if len(service.tools) < _FEWEST_EMPTY or any(_properties(tool.input_schema) for tool in service.tools):
        return False
    needing = sum(nature_of_name(t.name).operation in ("create", "update", "delete", "act") for t in service.tools)
    mentioning = sum(bool(_MENTIONS_PARAMETERS.search(t.description)) for t in service.tools)
    return 3 * max(needing, mentioning) >= len(service.tools)

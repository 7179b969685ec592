"""The cleaning step: what web pages, encodings and careless exports left in a service, mended where that is certain.

It runs in `ToolPool.load` after a service is read, changes nothing else, and gives the same result for the same
service. Each repair is an issue of severity ``mended``, each thing that was only seen a ``note``; the codes:

=========================  ======  =====================================================================================
``page_header``            mended  the description was the head of a registry's page, not the tool's: emptied
``page_title``             mended  the service had no title; the page's head has one
``page_boilerplate``       note    page words stand in a description that says more: left
``placeholder``            mended  a description that says that there is none: emptied
``name_prefix``            mended  the description began with the tool's own name: taken off
``name_only``              note    the description is the tool's name and nothing else
``encoding``               mended  mis-decoded UTF-8, control or invisible characters
``whitespace``             mended  line ends, a docstring's indentation, trailing blanks, runs of empty lines
``html_entity``            mended  character references (note where the text speaks of them)
``html_tag``               mended  links and page tags (note where other tags stay)
``markdown_link``          mended  links and badges (note where the text is about links)
``form_words``             mended  ``True, False`` and ``Add, Item``: a form's buttons read as parameters
``sentence_words``         mended  words of a sentence read as parameters
``page_words``             mended  names of other tools read as parameters
``typed_by_form``          mended  a bare string that the form shows to be a boolean or an array
``doubtful_parameter``     note    looks like a word of a sentence; no rule is sure
``types_unknown``          note    every parameter is an undescribed string, as pages give them
``type_contradicted``      note    a default, an enum or the description speaks of another type
``example_type``           mended  examples of numbers, booleans, lists or objects were written as strings
``described_parameters``   mended  no schema, but a docstring declares the parameters: taken from there
``undescribed_parameters`` note    no schema, and the description speaks of parameters in a way that is not plain
``no_schema``              note    the source gives no schema (the input schema is an empty stand-in)
``other_language``         note    the description is in another language than English
=========================  ======  =====================================================================================

What is *not* covered: parameter descriptions are read and not rewritten; names are never changed; prose is not judged.
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
_SPEAKS_OF_PARAMETERS = re.compile(r"\b(?:Args|Arguments|Parameters|Params|Inputs?)\b\**\s*:", re.IGNORECASE)
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
_SAYS_ARRAY = re.compile(r"(?:an? )?(?:array|json array|comma[- ]free list) of\b|list\[", re.IGNORECASE)
_SAYS_BOOLEAN = re.compile(
    r"(?:whether (?:to|or not to)\b|if (?:true|set to true)\b|\(?bool(?:ean)?\)?[ :,.])", re.IGNORECASE
)
_SAYS_NUMBER = re.compile(
    r"(?:\(?(?:integer|int|float)\)?[ :,.]|(?:the )?(?:max(?:imum)?|min(?:imum)?|total)? ?number of\b)", re.IGNORECASE
)
_FEWEST_EMPTY = 3


class _Issues:
    """The issues of one service, as they are found."""

    def __init__(self, service: str, where: str) -> None:
        self.service, self.where = service, where
        self.found: list[PoolIssue] = []

    def mended(self, tool: str | None, code: str, words: str) -> None:
        self._add(tool, "mended", code, words)

    def note(self, tool: str | None, code: str, words: str) -> None:
        self._add(tool, "note", code, words)

    def _add(self, tool: str | None, severity: Literal["mended", "note"], code: str, words: str) -> None:
        self.found.append(
            PoolIssue(
                service=self.service, tool=tool, severity=severity, code=code, where=self.where,
                found=shorten(words, 300),
            )
        )  # fmt: skip


def clean_service(service: Service, *, where: str = "") -> tuple[Service, list[PoolIssue]]:
    """``service`` with what is certainly wrong in its texts and schemas mended, and what was mended or only seen."""
    issues = _Issues(service.name, where)
    names = frozenset(tool.name for tool in service.tools)
    pages = service.schema_quality == "scraped"
    stand_in = service.schema_quality in ("none", "scraped") or _all_empty(service)
    title = ""
    tools = []
    changed = False
    for tool in service.tools:
        facts: dict[str, Json] = {}
        headed, found = page_header(tool.description, service=service.name, tools=names)
        title = title or found
        description = _description(tool, headed, issues)
        if description != tool.description:
            facts["description"] = description
        schema = _schema(tool, description, headed, issues, others=names, pages=pages, stand_in=stand_in)
        if schema is not tool.input_schema:
            facts["input_schema"] = schema
        tools.append(tool.model_copy(update=facts) if facts else tool)
        changed = changed or bool(facts)
    update: dict[str, Json] = {"tools": tuple(tools)} if changed else {}
    for field in ("title", "description"):
        text: str = getattr(service, field)
        mended, done, left = clean_prose(text, service=True)
        for code in done:
            issues.mended(None, code, f"in the service's {field}: {_around(text, mended)}")
        for code in left:
            issues.note(None, code, f"in the service's {field}, left as it is")
        if mended.strip().rstrip(".").lower() in _PLACEHOLDERS:
            issues.mended(None, "placeholder", f"the service's {field} is {text!r}: emptied")
            mended = ""
        if mended != text:
            update[field] = mended
    if title and not service.title:
        update["title"] = title
        issues.mended(None, "page_title", f"the service's title {title!r} stands in the head of its page")
    return (service.model_copy(update=update) if update else service), issues.found


# --------------------------------------------------------------------------------------------------------------- texts


def _description(tool: Tool, headed: bool, issues: _Issues) -> str:
    text = tool.description
    if headed:
        issues.mended(tool.name, "page_header", f"its description is the head of a page: {text!r}; emptied")
        return ""
    if text.strip().rstrip(".").lower() in _PLACEHOLDERS:
        issues.mended(tool.name, "placeholder", f"its description is {text!r}: emptied")
        return ""
    text, done, left = clean_prose(text)
    for code in done:
        issues.mended(tool.name, code, f"in its description: {_around(tool.description, text)}")
    for code in left:
        issues.note(tool.name, code, "in its description, left as it is")
    own = tool.name
    if text.startswith(own) and len(own) > 3 and len(text) > len(own):
        after = text[len(own) :]
        match = re.match(r"(?:\(\))?\s*(?::|\s[-–—]\s)\s*(?=\S+\s+\S)", after)
        if match and after[match.end() :].strip():
            issues.mended(tool.name, "name_prefix", f"its description began with its name: {text[: len(own) + 20]!r}")
            text = after[match.end() :]
    if 0 < len(text) <= len(own) + 20 and split_words(text) == split_words(own):
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


def _around(before: str, after: str) -> str:
    """The place where two texts begin to differ, before and after, short."""
    place = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    start = max(0, place - 20)
    return f"{before[start : place + 40]!r} became {after[start : place + 40]!r}"


# ------------------------------------------------------------------------------------------------------------- schemas


def _schema(
    tool: Tool, description: str, headed: bool, issues: _Issues, *, others: frozenset[str], pages: bool, stand_in: bool
) -> dict[str, Json]:
    schema = tool.input_schema
    properties = _properties(schema)
    if not properties:
        return _empty_schema(tool, description, issues) if stand_in and _says_nothing(schema) else schema
    if pages and is_page_schema(schema):
        read = page_parameters(schema, tool=tool.name, description=description, tools=others, headed=headed)
        words = {
            "form_words": "buttons of a form, no parameters",
            "sentence_words": "words of a sentence, no parameters",
            "page_words": "names of other tools, no parameters",
        }
        for code, gone in read.dropped.items():
            issues.mended(tool.name, code, f"{', '.join(gone)}: {words[code]}; taken out")
        for name, kind in read.typed.items():
            issues.mended(tool.name, "typed_by_form", f"{name}: the form shows {kind}, not string")
        for name in read.doubtful:
            issues.note(tool.name, "doubtful_parameter", f"{name}: may be a word of a sentence; left")
        schema = read.schema
        if not schema["properties"]:
            return _empty_schema(tool.model_copy(update={"input_schema": schema}), description, issues)
        if is_page_schema(schema):
            issues.note(tool.name, "types_unknown", "every parameter is an undescribed string; the types are not known")
        return schema
    return _contradictions(tool, schema, issues)


def _empty_schema(tool: Tool, description: str, issues: _Issues) -> dict[str, Json]:
    found = described_parameters(description)
    if found is not None:
        names = ", ".join(found["properties"])
        issues.mended(tool.name, "described_parameters", f"no schema; its description declares {names}")
        return found
    issues.note(tool.name, "no_schema", "its source gives no schema; what it takes is not known")
    if _SPEAKS_OF_PARAMETERS.search(description):
        issues.note(tool.name, "undescribed_parameters", "its description speaks of parameters, its schema has none")
    return tool.input_schema


def _contradictions(tool: Tool, schema: dict[str, Json], issues: _Issues) -> dict[str, Json]:
    mended: dict[str, Json] = {}
    for name, entry in _properties(schema).items():
        if not isinstance(entry, dict):
            continue
        kind = entry.get("type")
        if not isinstance(kind, str) or kind not in _TYPES:
            continue
        if kind != "string" and isinstance(entry.get("examples"), list):
            examples = _examples(entry["examples"], kind)
            if examples is not None:
                mended[name] = {**entry, "examples": examples}
        for why in _against(entry, kind):
            issues.note(tool.name, "type_contradicted", f"{name}: declared {kind}, but {why}")
    if not mended:
        return schema
    issues.mended(tool.name, "example_type", f"examples of {', '.join(mended)} were written as strings")
    return {**schema, "properties": {**schema["properties"], **mended}}


def _against(entry: dict[str, Json], kind: str) -> Iterator[str]:
    default = entry.get("default")
    if default is not None and not _fits(default, kind):
        yield f"its default is {default!r:.60}"
    values = entry.get("enum")
    if isinstance(values, list) and values and not any(v is None or _fits(v, kind) for v in values):
        yield f"its values are {values!r:.60}"
    words = entry.get("description")
    if kind == "string" and "enum" not in entry and isinstance(words, str):
        for pattern, other in ((_SAYS_ARRAY, "array"), (_SAYS_BOOLEAN, "boolean"), (_SAYS_NUMBER, "number")):
            if pattern.match(words):
                yield f"its description speaks of a {other}: {words[:60]!r}"
                break


def _fits(value: Json, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _examples(values: list[Json], kind: str) -> list[Json] | None:
    """The examples with strings read as JSON of the declared type; None where nothing or not everything can be."""
    read: list[Json] = []
    for value in values:
        if isinstance(value, str):
            text = value.lower() if kind == "boolean" else value
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                return None
        if not _fits(value, kind):
            return None
        read.append(value)
    return read if read != values or any(type(a) is not type(b) for a, b in zip(read, values, strict=True)) else None


def _properties(schema: dict[str, Json]) -> dict[str, Json]:
    """The declared parameters, from the schema: a copy of a tool would keep what ``Tool.parameters`` remembers."""
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
    """Whether no tool of a service has a parameter although most tools' verbs cannot do without one."""
    if len(service.tools) < _FEWEST_EMPTY or any(_properties(tool.input_schema) for tool in service.tools):
        return False
    needing = sum(nature_of_name(t.name).operation in ("create", "update", "delete", "act") for t in service.tools)
    speaking = sum(bool(_SPEAKS_OF_PARAMETERS.search(t.description)) for t in service.tools)
    return 3 * max(needing, speaking) >= len(service.tools)

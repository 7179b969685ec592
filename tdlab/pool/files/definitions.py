"""From a definition as some file or server gives it to a `Tool` and a `Service`, with every doubt written down.

The formats differ in how they lay services out (`tdlab.pool.files.formats`); a single tool is nearly the same in all
of them, and is read here: ``inputSchema``, ``input_schema``, ``parameters`` or a list of ``arguments``;
``outputSchema``, ``output_schema`` or ``response``; MCP annotations; OpenAI's wrapping
``{"type": "function", "function": {...}}``.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tdlab.pool.issues import PoolIssue
from tdlab.pool.repair.schemas import clean_text, mend_schema
from tdlab.pool.taxonomy import Taxonomy
from tdlab.records import Annotations, Domains, Json, Service, Tool, ToolError
from tdlab.tools import schema_problem, shorten

__all__ = ["Definitions", "read_service", "read_tool"]

Quality = Literal["live", "published", "scraped", "none", "bundled"]

_INPUT = ("inputSchema", "input_schema", "parameters", "arguments", "input")
_OUTPUT = ("outputSchema", "output_schema", "response", "returns")
_HINTS = {
    "readOnlyHint": "read_only",
    "destructiveHint": "destructive",
    "idempotentHint": "idempotent",
    "openWorldHint": "open_world",
}
_ERRORS = "tdlab/errors"
_NO_DESCRIPTION = {"description not available", "no description", "no description available", "no description provided"}
_FOREIGN_SHARE = 0.3
_SHOWN = 120


@dataclass(frozen=True)
class Definitions:
    """One service as found: its facts, still unchecked, and its tools as they stood in the file.

    ``domain`` is a taxonomy id that the file itself gives, ``domains`` a whole distribution. ``labels`` are
    categories of whatever scheme, best first.
    """

    name: str
    tools: list[Json] = field(default_factory=list)
    title: Json = ""
    description: Json = ""
    domain: str | None = None
    domains: Domains | None = None
    labels: tuple[str, ...] = ()
    source: Json = ""
    license: Json = ""
    quality: Json = "published"


def read_service(found: Definitions, *, taxonomy: Taxonomy | None, where: str) -> tuple[Service, list[PoolIssue]]:
    """The service with those of its tools that can be used; and what was set aside, mended or noted.

    It is classified by ``taxonomy`` (its own domain, label or keywords), or left without domains where that is None.
    """
    name = clean_text(found.name)
    tools: list[Tool] = []
    issues: list[PoolIssue] = []
    for place, raw in enumerate(found.tools):
        tool, doubts = read_tool(raw, service=name, place=place, where=where)
        issues.extend(doubts)
        if tool is not None:
            tools.append(tool)
    qualities: dict[str, Quality] = {"live": "live", "scraped": "scraped", "none": "none", "bundled": "bundled"}
    service = Service(
        name=name,
        title=_text(found.title),
        description=_text(found.description),
        category=clean_text(found.labels[0]) if found.labels else None,
        source=_text(found.source),
        license=_text(found.license),
        schema_quality=qualities.get(str(found.quality), "published"),
        tools=tuple(tools),
    )
    if taxonomy is None:
        return service, issues
    domains: Domains
    if found.domain is not None and found.domain in taxonomy:
        domains = {found.domain: 1.0}
    else:
        domains = taxonomy.classify(service, labels=found.labels)
    return service.model_copy(update={"domains": domains}), issues


def read_tool(raw: Json, *, service: str, place: int, where: str) -> tuple[Tool | None, list[PoolIssue]]:
    """One tool, or None where it has to be set aside; and why, or what was mended or is worth knowing.

    ``place`` is its position in the service, which stands for the name where there is none.
    """
    issues: list[PoolIssue] = []
    label = f"[{place}]"

    def report(severity: Literal["error", "mended", "note"], code: str, words: str) -> None:
        issues.append(
            PoolIssue(
                service=service, tool=label, severity=severity, code=code, where=where,
                found=shorten(words, 600),
            )
        )  # fmt: skip

    if not isinstance(raw, dict):
        report("error", "not_an_object", f"the tool is {_shown(raw)}, expected a JSON object")
        return None, issues
    body = raw
    if isinstance(raw.get("function"), dict):
        body = raw["function"]
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        kind = raw.get("type")
        built_in = isinstance(kind, str) and kind != "function" and name is None
        words = (
            f"a built-in tool of type {_shown(kind)}, which has no schema"
            if built_in
            else f"its name is {_shown(name)}"
        )
        report("error", "no_name", f"{words}, expected a non-empty text")
        return None, issues
    name = label = clean_text(name)

    description = body.get("description", body.get("desc"))
    if description is not None and not isinstance(description, str):
        report("mended", "bad_description", f"its description is {_shown(description)}, left out")
        description = None
    description = clean_text(description or "")

    source = next((key for key in _INPUT if key in body), None)
    schema, usable = _schema(body[source] if source is not None else None, report)
    if not usable:
        return None, issues
    output = next((body[key] for key in _OUTPUT if isinstance(body.get(key), dict) and body[key]), None)
    if output is not None:
        output = _output(output, report)

    if not description.strip() or description.strip().rstrip(".").lower() in _NO_DESCRIPTION:
        report("note", "no_description", "it has no description")
    elif _is_foreign(description):
        report("note", "non_latin_description", "its description is not written in the Latin alphabet")
    if not schema.get("properties") and not _has_more(schema):
        report("note", "no_parameters", "its input schema declares no parameter")
    meta = body.get("_meta")
    tool = Tool(
        service=service,
        name=name,
        description=description,
        input_schema=schema,
        output_schema=output,
        annotations=_annotations(body),
        errors=_errors(meta) if isinstance(meta, dict) else (),
    )
    return tool, issues


# ------------------------------------------------------------------------------------------------------------- helpers


class _Report(Protocol):
    def __call__(self, severity: Literal["error", "mended", "note"], code: str, words: str) -> None: ...


def _schema(raw: Json, report: _Report) -> tuple[dict[str, Json], bool]:
    """The input schema, repaired where that is safe, and whether it can be used."""
    problem = schema_problem(raw)
    if problem is None and raw.get("type") == "object":
        return raw, True
    mended, done = mend_schema(raw)
    after = schema_problem(mended)
    if after is not None:
        report("error", "bad_input_schema", f"its input schema cannot be used: {problem or after}")
        return {}, False
    if done:
        report("mended", "input_schema_mended", "; ".join(done))
    return mended, True


def _output(raw: dict[str, Json], report: _Report) -> dict[str, Json] | None:
    problem = schema_problem(raw)
    if problem is None and raw.get("type") == "object":
        return raw
    mended, done = mend_schema(raw)
    after = schema_problem(mended)
    if after is not None:
        report(
            "mended", "output_schema_dropped", f"its output schema cannot be used and is left out: {problem or after}"
        )
        return None
    if done:
        report("mended", "output_schema_mended", "; ".join(done))
    return dict(mended)


def _annotations(body: dict[str, Json]) -> Annotations:
    raw = body.get("annotations")
    raw = raw if isinstance(raw, dict) else {}
    title = raw.get("title") or body.get("title")
    hints = {ours: raw[theirs] for theirs, ours in _HINTS.items() if isinstance(raw.get(theirs), bool)}
    return Annotations(title=clean_text(title) if isinstance(title, str) and title else None, **hints)


def _errors(meta: dict[str, Json]) -> tuple[ToolError, ...]:
    listed = meta.get(_ERRORS)
    if not isinstance(listed, list):
        return ()
    return tuple(
        ToolError(code=clean_text(entry["code"]), message=clean_text(entry["message"]))
        for entry in listed
        if isinstance(entry, dict) and isinstance(entry.get("code"), str) and isinstance(entry.get("message"), str)
    )


def _has_more(schema: dict[str, Json]) -> bool:
    """Whether the schema may get parameters from elsewhere than its own ``properties``."""
    return any(word in schema for word in ("$ref", "allOf", "anyOf", "oneOf", "patternProperties", "if"))


def _is_foreign(text: str) -> bool:
    if text.isascii():
        return False
    letters = [letter for letter in text if letter.isalpha()]
    foreign = sum(
        1 for letter in letters if ord(letter) > 0x24F and not unicodedata.name(letter, "").startswith("LATIN")
    )
    return foreign > _FOREIGN_SHARE * len(letters)


def _text(value: Json) -> str:
    return clean_text(value) if isinstance(value, str) else ""


def _shown(value: Json) -> str:
    return shorten(repr(value), _SHOWN)

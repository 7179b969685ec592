"""From a tool or service definition in a file or from a server to a `Tool` or `Service`, with every doubt as an issue.

File formats differ in how they lay services out (`tdlab.pool.files.formats`). A single tool is read here whatever its
notation (`tdlab.pool.files.bodies`): its input schema, ``outputSchema``, ``output_schema`` or ``response``, and the
annotations of MCP. Built-in tools of a model's API are set aside.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tdlab.pool.files.bodies import built_in, input_of, tool_body
from tdlab.pool.issues import PoolIssue
from tdlab.pool.repair.roots import declare_parameters, drop_lost_references
from tdlab.pool.repair.schemas import fix_schema, replace_surrogates
from tdlab.pool.repeats import DistinctTools
from tdlab.pool.taxonomy import Taxonomy
from tdlab.records import Annotations, Domains, Json, Service, Tool, ToolError
from tdlab.tools import schema_problem, shape_of, shorten

__all__ = ["Definitions", "Remark", "read_service", "read_tool"]

Quality = Literal["live", "published", "scraped", "none", "bundled"]

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


class Remark(str):
    """What a reader of a format says about a part that it could read all the same; a plain text is a problem."""

    __slots__ = ()


@dataclass(frozen=True)
class Definitions:
    """One service as it is in a file: its facts, still unchecked, and its raw tools.

    ``domain`` is a taxonomy id that the file itself states, ``domains`` a whole distribution. ``labels`` are categories
    of any scheme, best first. ``named`` is false where the file names no service, so that ``name`` is the file's.
    ``places`` say where each tool comes from, if it is not the same place for all.
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
    named: bool = True
    places: Sequence[str] = ()


def read_service(definitions: Definitions, *, taxonomy: Taxonomy | None, where: str) -> tuple[Service, list[PoolIssue]]:
    """Return the service with its usable tools, and the issues of the others.

    Args:
        definitions: The service as found.
        taxonomy: The list of domains to classify the service by; None leaves it without domains.
        where: The file and line, for issues.
    """
    name = replace_surrogates(definitions.name)
    tools = DistinctTools()
    issues: list[PoolIssue] = []
    if name != definitions.name:
        issues.append(
            PoolIssue(
                service=name, severity="fixed", code="half_surrogate", where=where,
                found="half of a surrogate pair in the service's name: replaced by U+FFFD",
            )
        )  # fmt: skip
    for index, raw in enumerate(definitions.tools):
        place = definitions.places[index] if definitions.places else where
        tool, tool_issues = read_tool(raw, service=name, index=index, where=place)
        if tool is None:
            issues.extend(tool_issues)
            continue
        kept = tools.add(tool)
        if kept is None:
            continue
        if kept != tool.name:
            tool_issues = [issue.model_copy(update={"tool": kept}) for issue in tool_issues]
            issues.append(DistinctTools.renamed(name, tool.name, kept, place))
        issues.extend(tool_issues)
    issues.extend(tools.repeats(name, where))
    qualities: dict[str, Quality] = {"live": "live", "scraped": "scraped", "none": "none", "bundled": "bundled"}
    service = Service(
        name=name,
        title=_text(definitions.title),
        description=_text(definitions.description),
        category=replace_surrogates(definitions.labels[0]) if definitions.labels else None,
        source=_text(definitions.source),
        license=_text(definitions.license),
        schema_quality=qualities.get(str(definitions.quality), "published"),
        tools=tuple(tools.tools.values()),
    )
    if taxonomy is None:
        return service, issues
    domains: Domains
    if definitions.domain is not None and definitions.domain in taxonomy:
        domains = {definitions.domain: 1.0}
    else:
        domains = taxonomy.classify(service, labels=definitions.labels)
    return service.model_copy(update={"domains": domains}), issues


def read_tool(raw: Json, *, service: str, index: int, where: str) -> tuple[Tool | None, list[PoolIssue]]:
    """Return one tool (None if it must be skipped), and its issues.

    Args:
        raw: The definition as found.
        service: The name of its service.
        index: The tool's position in the service, which replaces a missing name in issues.
        where: The file and line, for issues.
    """
    issues: list[PoolIssue] = []
    label = f"[{index}]"

    def report(severity: Literal["error", "fixed", "note"], code: str, words: str) -> None:
        issues.append(
            PoolIssue(
                service=service, tool=label, severity=severity, code=code, where=where,
                found=shorten(words, 600),
            )
        )  # fmt: skip

    if not isinstance(raw, dict):
        report("error", "not_an_object", f"the tool is {_shown(raw)}, expected a JSON object")
        return None, issues
    body = tool_body(raw)
    name = body.get("name")
    reason = built_in(raw)
    if reason is not None:
        label = replace_surrogates(name) if isinstance(name, str) and name.strip() else label
        report("error", "built_in_tool", reason)
        return None, issues
    if not isinstance(name, str) or not name.strip():
        report("error", "no_name", f"its name is {_shown(name)}, expected a non-empty string")
        return None, issues
    label = replace_surrogates(name)
    if label != name:
        report("fixed", "half_surrogate", "half of a surrogate pair in its name: replaced by U+FFFD")
    name = label

    description = body.get("description", body.get("desc"))
    if description is not None and not isinstance(description, str):
        report("fixed", "bad_description", f"its description is {_shown(description)}, dropped")
        description = None
    written = description or ""
    description = replace_surrogates(written)
    if description != written:
        report("fixed", "half_surrogate", "half of a surrogate pair in its description: replaced by U+FFFD")

    raw_schema, words = input_of(body)
    if words:
        report("fixed", "schema_in_text", words)
    schema, usable = _schema(raw_schema, report)
    if not usable:
        return None, issues
    output = next((body[key] for key in _OUTPUT if isinstance(body.get(key), dict) and body[key]), None)
    if output is not None:
        output = _output(output, report)

    if not description.strip() or description.strip().rstrip(".").lower() in _NO_DESCRIPTION:
        report("note", "no_description", "it has no description")
    elif _is_foreign(description):
        report("note", "non_latin_description", "its description is not in the Latin alphabet")
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
    def __call__(self, severity: Literal["error", "fixed", "note"], code: str, words: str) -> None: ...


def _schema(raw: Json, report: _Report) -> tuple[dict[str, Json], bool]:
    """Return the input schema, fixed where that is safe, and whether it is usable."""
    fixed, fixes, remaining = _fixed(raw)
    if remaining is not None:
        report("error", "bad_input_schema", f"its input schema cannot be used: {remaining}")
        return {}, False
    fixed, declared = declare_parameters(fixed)
    if fixes or declared:
        report("fixed", "input_schema_fixed", "; ".join([*fixes, *declared]))
    return fixed, True


def _fixed(raw: Json) -> tuple[dict[str, Json], tuple[str, ...], str | None]:
    """Return a schema, fixed where it has to be, a sentence for each fix, and why it is still unusable."""
    problem = schema_problem(raw)
    if problem is None and raw.get("type") == "object":
        return raw, (), None
    fixed, fixes = fix_schema(raw)
    problem = schema_problem(fixed)
    if problem is not None and isinstance(fixed, dict):
        fixed, lost = drop_lost_references(fixed)
        if lost:
            fixes, problem = (*fixes, *lost), schema_problem(fixed)
    return fixed, fixes, problem


def _output(raw: dict[str, Json], report: _Report) -> dict[str, Json] | None:
    fixed, fixes, remaining = _fixed(raw)
    if remaining is not None:
        report("fixed", "output_schema_dropped", f"its output schema cannot be used and is dropped: {remaining}")
        return None
    if fixes:
        report("fixed", "output_schema_fixed", "; ".join(fixes))
    return fixed


def _annotations(body: dict[str, Json]) -> Annotations:
    raw = body.get("annotations")
    raw = raw if isinstance(raw, dict) else {}
    title = raw.get("title") or body.get("title")
    hints = {ours: raw[theirs] for theirs, ours in _HINTS.items() if isinstance(raw.get(theirs), bool)}
    return Annotations(title=replace_surrogates(title) if isinstance(title, str) and title else None, **hints)


def _errors(meta: dict[str, Json]) -> tuple[ToolError, ...]:
    listed = meta.get(_ERRORS)
    if not isinstance(listed, list):
        return ()
    return tuple(
        ToolError(code=replace_surrogates(entry["code"]), message=replace_surrogates(entry["message"]))
        for entry in listed
        if isinstance(entry, dict) and isinstance(entry.get("code"), str) and isinstance(entry.get("message"), str)
    )


def _has_more(schema: dict[str, Json]) -> bool:
    """Return whether the schema may get parameters from elsewhere than its own ``properties``."""
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
    return replace_surrogates(value) if isinstance(value, str) else ""


def _shown(value: Json) -> str:
    return shape_of(value, _SHOWN)

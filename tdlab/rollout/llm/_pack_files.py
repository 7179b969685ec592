"""The files of a pack as a model replies with them: an allow-list of names, and definitions that stay the pool's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tdlab.errors import PackError
from tdlab.pool import Taxonomy, tool_document
from tdlab.records import Json, Service, canonical_json, digest, heaviest
from tdlab.tools import preview, read_json
from tdlab.worlds import FILES, read_pack_tools

__all__ = ["REPLY", "REPLY_SCHEMA", "TOOLS", "PackReply", "pool_tools", "read_reply", "tool_digests", "with_additions"]

TOOLS, WORLD, TASKS = FILES
REPLY = "reply"
"""What errors call the reply itself, where it is about none of its files."""

_TEXT: dict[str, Json] = {"type": "string"}
REPLY_SCHEMA: dict[str, Json] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "reasons": _TEXT,
        "files": {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(FILES, _TEXT)},
    },
    "required": ["reasons", "files"],
}
"""The JSON Schema of a reply."""

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)
_FENCED = re.compile(r"\A\s*```(?:json)?\s*(.*?)```\s*\Z", re.DOTALL)
_ERRORS = "tdlab/errors"
_KEYS = frozenset({"name", "description", "inputSchema", "outputSchema", "annotations", "_meta"})
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_MOST_MESSAGE = 500  # characters of an error's message


class PackReply(NamedTuple):
    """A reply: the reasons, and the text of each file by name."""

    reasons: str
    files: dict[str, str]


def read_reply(text: str) -> PackReply:
    """Read a reply; raise PackError if it is none, or has a file that no pack has."""
    text = _THOUGHT.sub("", text)
    start, end = text.find("{"), text.rfind("}")
    fenced = _FENCED.search(text)
    for candidate in (text, fenced.group(1) if fenced else "", text[start : end + 1] if 0 <= start < end else ""):
        try:
            value: Any = read_json(candidate)
        except ValueError:
            continue
        if isinstance(value, dict):
            return _reply_of(value)
    raise PackError(
        "it is not one JSON object" if text.strip() else "it is empty", file=REPLY, rule="reply",
        expected='{"reasons": "...", "files": {"world.sql": "...", "tasks.yaml": "..."}} and nothing else',
    )  # fmt: skip


def _reply_of(value: Mapping[str, Json]) -> PackReply:
    files, reasons = value.get("files"), value.get("reasons", "")
    if not isinstance(files, dict) or not isinstance(reasons, str):
        raise PackError(
            '"files" is not an object' if not isinstance(files, dict) else '"reasons" is not a text', file=REPLY,
            rule="reply", expected='{"reasons": "...", "files": {"world.sql": "...", "tasks.yaml": "..."}}',
        )  # fmt: skip
    for name, content in files.items():
        if name not in FILES:
            raise PackError(
                f"there is a file {preview(name)}", file=REPLY, rule="reply", expected=f"only {', '.join(FILES)}"
            )
        if not isinstance(content, str):
            raise PackError(f"it is {preview(content)}", file=name, rule="reply", expected="the text of the file")
    return PackReply(reasons, dict(files))


# ------------------------------------------------------------------------------------------------ the tool definitions


def pool_tools(service: Service) -> dict[str, Json]:
    """Return the definitions of a service as the ``tools.json`` of a pack; raise PackError if no pack can have them."""
    heavy = heaviest(service.domains) if service.domains else ""
    document: dict[str, Json] = {
        "server": service.name,
        "title": service.title or service.name,
        "description": service.description,
        "domain": heavy if heavy in Taxonomy.bundled().ids else None,
        "tools": [tool_document(tool) for tool in service.tools],
    }
    where = f"the pool's {service.name[:80]}"
    if not service.tools:
        raise PackError("the service has no tool", file=where, rule="tools", expected="at least one")
    for tool in service.tools:
        if tool.output_schema is not None and not tool.output_inferred and not tool.output_schema.get("properties"):
            raise PackError(
                f"{tool.name} declares an output schema without properties", file=where, rule="tools",
                expected="an object with properties, or no output schema at all",
                do="correct the definition in the pool's file; without an output schema the model writes one",
            )  # fmt: skip
    try:
        read_pack_tools(json.dumps(document), file=where)
    except PackError as error:
        raise PackError(
            error.message, file=where, rule=error.rule,
            expected=error.expected, do="correct the definition or the name in the pool's file",
        ) from None  # fmt: skip
    return document


def tool_digests(service: Service) -> dict[str, str]:
    """Return a digest of each tool's definition, by name."""
    return {str(entry["name"]): digest("tool", entry) for entry in map(tool_document, service.tools)}


def with_additions(document: Mapping[str, Any], text: str | None) -> tuple[dict[str, Json], list[PackError]]:
    """Add to the pool's definitions what a model's ``tools.json`` may add; what it may not is an error.

    Args:
        document: What `pool_tools` returned.
        text: The model's ``tools.json``; None if it wrote none.

    Returns:
        The definitions with the additions, and what is wrong with these.
    """
    errors: list[PackError] = []
    added: dict[str, dict[str, Json]] = {}
    definitions = {tool["name"]: tool for tool in document["tools"]}
    if text is not None:
        for found, expected in _read_additions(document, definitions, text, added):
            errors.append(_wrong(found, expected))
    tools = [_merged(tool, added.get(name, {})) for name, tool in definitions.items()]
    for tool in tools:
        if "outputSchema" not in tool and not errors:
            errors.append(_wrong(f"{tool['name']} has no output schema", f"outputSchema of {tool['name']}, an object"))
    return {**document, "tools": tools}, errors


def _read_additions(
    document: Mapping[str, Any], definitions: Mapping[str, Any], text: str, added: dict[str, dict[str, Json]]
) -> Iterator[tuple[str, str]]:
    """Fill ``added`` with what each tool gets; yield what is wrong, and what would be right."""
    try:
        whole: Any = read_json(text)
    except ValueError as error:
        yield f"not JSON: {error}", 'JSON: {"tools": [{"name": ..., ...}]}'
        return
    listed = whole.get("tools") if isinstance(whole, dict) else whole
    if not isinstance(listed, list):
        yield 'there is no list "tools"', '{"tools": [{"name": ..., ...}]}'
        return
    for key in (key for key in (whole if isinstance(whole, dict) else ()) if key != "tools"):
        if key not in document or canonical_json(whole[key]) != canonical_json(document[key]):
            yield f"the key {preview(key)} is not the pool's", 'only "tools"'
    for entry in listed:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name not in definitions:
            yield f"the pool has no tool {preview(name)}", "one of " + ", ".join(definitions)
        elif name in added:
            yield f"{name} is here twice", "each tool once"
        else:
            added[name] = entry
            yield from _faults(name, entry, definitions[name])


def _faults(name: str, entry: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the additions to one tool."""
    for key in sorted(entry.keys() - _KEYS):
        yield f"{name} has the key {preview(key)}", "outputSchema, annotations and _meta alone may be added"
    for key in ("description", "inputSchema", "outputSchema"):
        fixed = key in own or key == "inputSchema"
        if key in entry and fixed and canonical_json(entry[key]) != canonical_json(own.get(key)):
            yield f"the {key} of {name} is changed", f"the {key} that the pool has; leave the key out"
        elif key in entry and not fixed and not (isinstance(entry[key], dict) and entry[key].get("properties")):
            yield f"the {key} of {name} has no properties", 'an object: {"type": "object", "properties": {...}}'
    hints = entry.get("annotations", {})
    known = own.get("annotations", {})
    if not isinstance(hints, dict):
        yield f"the annotations of {name} are no object", '{"readOnlyHint": true}'
        hints = {}
    for key, value in hints.items():
        if key in known and known[key] is not value and known[key] != value:
            yield f"{key} of {name} is changed", f"{json.dumps(known[key])}, as the pool has it"
        elif key not in known and (key != "readOnlyHint" or not isinstance(value, bool)):
            yield f"{name} has the annotation {preview(key)}", "readOnlyHint alone may be added: true or false"
    meta = entry.get("_meta", {})
    errors = meta.get(_ERRORS, []) if isinstance(meta, dict) else None
    if not isinstance(meta, dict) or meta.keys() - {_ERRORS} or not isinstance(errors, list):
        yield f"the _meta of {name}", f'{{"{_ERRORS}": [{{"code": "...", "message": "..."}}]}}'
        return
    documented = {error["code"]: error["message"] for error in own.get("_meta", {}).get(_ERRORS, [])}
    for error in errors:
        code, message = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, None)
        if not isinstance(code, str) or not isinstance(message, str) or len(error) != 2:
            yield f"an error of {name} is {preview(error)}", '{"code": "...", "message": "..."}'
        elif code not in documented and not (
            _CODE.fullmatch(code) and 0 < len(message) <= _MOST_MESSAGE and message.isprintable()
        ):
            yield (
                f"an error of {name} has the code {preview(code)} and a message of {len(message)} characters",
                f"a code of letters, digits and _, and one line of at most {_MOST_MESSAGE} characters",
            )
        elif documented.get(code, message) != message:
            yield f"the message of the error {code} of {name} is changed", "the message that the pool has"


def _merged(own: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Json]:
    """Return a definition with additions; where these are wrong they are left out, and the pack is refused anyway."""
    merged = dict(own)
    if "outputSchema" not in own and isinstance(entry.get("outputSchema"), dict):
        merged["outputSchema"] = entry["outputSchema"]
    hints = entry.get("annotations")
    if isinstance(hints, dict) and "readOnlyHint" in hints:
        merged["annotations"] = {"readOnlyHint": hints["readOnlyHint"], **own.get("annotations", {})}
    meta = entry.get("_meta")
    errors = meta.get(_ERRORS) if isinstance(meta, dict) else None
    if isinstance(errors, list) and errors:
        listed = own.get("_meta", {}).get(_ERRORS, [])
        known = {error["code"] for error in listed}
        more = [error for error in errors if isinstance(error, dict) and error.get("code") not in known]
        if listed or more:
            merged["_meta"] = {_ERRORS: [*listed, *more]}
    return merged


def _wrong(found: str, expected: str) -> PackError:
    return PackError(found, file=TOOLS, rule="tools", expected=expected)

"""The bundled services: their number, schemas and logic. Each test names every file that breaks its rule."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tdlab.errors import PoolError
from tdlab.pool import Taxonomy, ToolPool
from tdlab.pool.files.bundled import data_file
from tdlab.tools.schema import compile_schema, schema_problem

FOLDER = Path(str(data_file("services")))
FILES = {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.rglob("*.json"))}
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
READS = ("get", "list", "search", "find", "estimate", "quote")


def place_of(path: Path) -> tuple[str, str]:
    """Return the domain and service that a file should hold: a service with a pack has a folder of its own."""
    own = path.name == "tools.json"
    return (path.parent.parent.name, path.parent.name) if own else (path.parent.name, path.stem)


PACKED = {place_of(path)[1] for path in FILES if path.name == "tools.json"}
"""Services whose errors may speak of what their world knows, and not of parameters alone."""


def tools() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return ``(service/tool, tool, service)`` for every tool."""
    for service in FILES.values():
        for tool in service["tools"]:
            yield f"{service['server']}/{tool['name']}", tool, service


def properties(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(schema.get("properties", {}))


def returned(tool: dict[str, Any]) -> set[str]:
    """Return the names of the fields that a tool returns, in lists too."""
    found: set[str] = set()
    stack = [tool["outputSchema"]]
    while stack:
        schema = stack.pop()
        found |= set(properties(schema))
        stack += properties(schema).values()
        if isinstance(schema.get("items"), dict):
            stack.append(schema["items"])
    return found


def inner(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every property at any depth, by name."""
    for name, value in properties(schema).items():
        yield name, value
        yield from inner(value)
        if isinstance(value.get("items"), dict):
            yield name, value["items"]
            yield from inner(value["items"])


def fail(faults: list[str]) -> None:
    if faults:
        pytest.fail(f"{len(faults)} faults:\n  " + "\n  ".join(faults[:40]), pytrace=False)


def test_there_is_enough() -> None:
    pool = ToolPool.bundled()
    domains = {max(s.domains, key=lambda d: s.domains[d]) for s in pool.services}
    assert len(pool.services) >= 60
    assert len(pool) >= 480
    assert len(domains) >= 20
    assert pool.issues == ()
    assert pool.read == len(pool) == sum(len(service["tools"]) for service in FILES.values())
    assert {s.schema_quality for s in pool.services} == {"bundled"}


def test_every_service_is_where_it_says() -> None:
    taxonomy = Taxonomy.bundled()
    faults = []
    for path, service in FILES.items():
        if list(service) != ["server", "title", "description", "domain", "tools"]:
            faults.append(f"{path.name}: keys {list(service)}")
        elif (service["domain"], service["server"]) != place_of(path):
            faults.append(f"{path.name}: is {service['server']} of {service['domain']}")
        elif service["domain"] not in taxonomy.ids:
            faults.append(f"{path.name}: {service['domain']} is not in the taxonomy")
        elif not service["title"] or not service["description"] or not 7 <= len(service["tools"]) <= 10:
            faults.append(f"{path.name}: title, description or number of tools")
        elif not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", service["server"]):
            faults.append(f"{path.name}: {service['server']} is not snake_case")
    names = [service["server"] for service in FILES.values()]
    faults += [f"two services are called {name}" for name in {n for n in names if names.count(n) > 1}]
    fail(faults)


def test_every_domain_has_two_services() -> None:
    taxonomy = Taxonomy.bundled()
    counts = {domain: sum(s["domain"] == domain for s in FILES.values()) for domain in taxonomy.ids}
    fail([f"{domain} has {count}" for domain, count in counts.items() if count < 2])


def test_every_tool_has_the_shape_of_tools_list() -> None:
    faults = []
    for key, tool, service in tools():
        if list(tool) != ["name", "description", "inputSchema", "outputSchema", "annotations", "_meta"]:
            faults.append(f"{key}: keys {list(tool)}")
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", tool["name"]):
            faults.append(f"{key}: the name is not snake_case")
        if not tool["description"].strip():
            faults.append(f"{key}: no description")
        if sum(other["name"] == tool["name"] for other in service["tools"]) > 1:
            faults.append(f"{key}: named twice")
        if any(not isinstance(tool["annotations"].get(hint), bool) for hint in HINTS):
            faults.append(f"{key}: annotations {tool['annotations']}")
    fail(faults)


def test_every_schema_is_valid_in_two_validators() -> None:
    faults = []
    other = jsonschema.Draft7Validator(jsonschema.Draft7Validator.META_SCHEMA)
    for key, tool, _ in tools():
        for word in ("inputSchema", "outputSchema"):
            schema = tool[word]
            problem = schema_problem(schema)
            if problem is not None:
                faults.append(f"{key} {word}: {problem}")
            if not other.is_valid(schema):
                faults.append(f"{key} {word}: is no schema to another validator")
            if schema.get("type") != "object" or "$ref" in json.dumps(schema):
                faults.append(f"{key} {word}: no plain object schema")
            for name in schema.get("required", []):
                if name not in properties(schema):
                    faults.append(f"{key} {word}: requires {name}, which is not declared")
    fail(faults)


def test_every_parameter_is_described_and_bounded() -> None:
    faults = []
    for key, tool, _ in tools():
        for name, schema in properties(tool["inputSchema"]).items():
            if not schema.get("description"):
                faults.append(f"{key}.{name}: no description")
            if name == "id":
                faults.append(f"{key}.{name}: a bare id")
        for name, schema in inner(tool["inputSchema"]):
            if schema.get("type") in ("integer", "number") and "enum" not in schema:
                if not {"minimum", "maximum"} <= set(schema):
                    faults.append(f"{key}.{name}: a number without bounds")
            elif schema.get("type") == "array" and not {"minItems", "maxItems"} <= set(schema):
                faults.append(f"{key}.{name}: a list without bounds")
            if "default" in schema and not compile_schema(schema).is_valid(schema["default"]):
                faults.append(f"{key}.{name}: the default {schema['default']!r} does not fit")
            if "type" not in schema and "enum" not in schema and "const" not in schema:
                faults.append(f"{key}.{name}: no type")
    fail(faults)


def test_every_output_field_has_a_type() -> None:
    fail(
        [
            f"{key} returns {name} without a type"
            for key, tool, _ in tools()
            for name, schema in inner(tool["outputSchema"])
            if not {"type", "const", "enum"} & set(schema)
        ]
    )


def test_an_identifier_looks_the_same_wherever_it_is_in_its_service() -> None:
    faults = []
    for service in FILES.values():
        patterns: dict[str, dict[str, str]] = {}
        for tool in service["tools"]:
            for word in ("inputSchema", "outputSchema"):
                for name, schema in inner(tool[word]):
                    if name.endswith("_id") and "pattern" in schema:
                        patterns.setdefault(name, {})[schema["pattern"]] = tool["name"]
        faults += [f"{service['server']}: {name} has {found}" for name, found in patterns.items() if len(found) > 1]
    fail(faults)


def test_every_identifier_that_is_asked_for_can_be_had() -> None:
    """Another tool of the service returns a value for each ``..._id``; ``other_task_id`` is a ``task_id``."""
    faults = []
    for service in FILES.values():
        for tool in service["tools"]:
            others = set().union(*(returned(other) for other in service["tools"] if other is not tool))
            faults += [
                f"{service['server']}/{tool['name']} needs {name}, which no other tool returns"
                for name, schema in properties(tool["inputSchema"]).items()
                if name.endswith("_id")
                and "pattern" in schema
                and not any(name == other or name.endswith(f"_{other}") for other in others if other.endswith("_id"))
            ]
    fail(faults)


def test_every_service_has_a_chain_of_three_dependent_calls() -> None:
    faults = []
    for service in FILES.values():
        needs = {
            tool["name"]: {n for n in properties(tool["inputSchema"]) if n.endswith("_id")} for tool in service["tools"]
        }
        gives = {tool["name"]: {n for n in returned(tool) if n.endswith("_id")} for tool in service["tools"]}
        chained = any(
            gives[a] & needs[b] and gives[b] & needs[c]
            for a in needs
            for b in needs
            for c in needs
            if len({a, b, c}) == 3
        )
        if not chained:
            faults.append(service["server"])
    fail(faults)


def test_hints_say_what_the_verb_says() -> None:
    faults = []
    for key, tool, _ in tools():
        verb, hints = tool["name"].partition("_")[0], tool["annotations"]
        if verb in READS and not hints["readOnlyHint"]:
            faults.append(f"{key} is not read-only")
        if verb in ("delete", "remove", "cancel") and not hints["destructiveHint"]:
            faults.append(f"{key} is not destructive")
        if hints["readOnlyHint"] and hints["destructiveHint"]:
            faults.append(f"{key} reads only and destroys")
        if verb in ("create", "add", "book", "open", "register", "update", "delete") and hints["readOnlyHint"]:
            faults.append(f"{key} says that it reads only")
    fail(faults)


def test_every_tool_documents_how_it_fails() -> None:
    faults = []
    for key, tool, _ in tools():
        errors = tool["_meta"].get("tdlab/errors") or []
        if not errors:
            faults.append(f"{key}: no error")
        for error in errors:
            if set(error) != {"code", "message"} or not re.fullmatch(r"[a-z][a-z0-9_]*", error["code"]):
                faults.append(f"{key}: {error}")
            unknown = set(re.findall(r"\{(\w+)\}", error["message"])) - set(properties(tool["inputSchema"]))
            if key.partition("/")[0] in PACKED:
                continue
            faults += [f"{key}: {error['code']} speaks of {name}, no parameter of it" for name in sorted(unknown)]
    fail(faults)


def test_files_are_written_to_be_read() -> None:
    faults = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if not text.endswith("}\n") or "\t" in text or "\r" in text:
            faults.append(f"{path.name}: tabs, carriage returns or no final newline")
    fail(faults)


def test_missing_data_is_an_error() -> None:
    with pytest.raises(PoolError, match="is missing"):
        data_file("no", "such", "file")

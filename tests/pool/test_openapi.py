"""OpenAPI and Swagger documents, in JSON and YAML: each operation is a tool, and what cannot be read is reported."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import PoolError
from tdlab.pool import ToolPool
from tdlab.pool.files.yaml_text import YamlError, read_yaml

API: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Mill", "description": "Grinds grain.", "version": "1", "license": {"name": "MIT"}},
    "paths": {
        "/mills/{mill_id}/batches": {
            "parameters": [{"$ref": "#/components/parameters/mill"}],
            "get": {
                "summary": "List batches",
                "description": "Newest first.",
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 50}},
                    {"name": "Accept", "in": "header", "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {
                        "type": "array", "items": {"$ref": "#/components/schemas/Batch"}}}}}
                },
            },
            "post": {
                "operationId": "startBatch",
                "requestBody": {"$ref": "#/components/requestBodies/batch"},
                "responses": {"201": {"content": {"application/json": {"schema": {
                    "$ref": "#/components/schemas/Batch"}}}}},
            },
        },
    },
    "components": {
        "parameters": {"mill": {"name": "mill_id", "in": "path", "required": True, "schema": {"type": "string"}}},
        "requestBodies": {
            "batch": {"required": True, "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/json": {"schema": {"$ref": "#/components/schemas/Batch"}}}}
        },
        "schemas": {
            "Kind": {"type": "string", "enum": ["rye", "oat"]},
            "Batch": {
                "type": "object",
                "required": ["id", "kind"],
                "properties": {
                    "id": {"type": "string", "readOnly": True},
                    "secret": {"type": "string", "writeOnly": True},
                    "kind": {"$ref": "#/components/schemas/Kind"},
                    "kilos": {"type": "number", "nullable": True, "minimum": 0, "exclusiveMinimum": True},
                    "buyer": {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Kind"}]},
                },
            },
        },
    },
}  # fmt: skip


def changed(**paths: Any) -> dict[str, Any]:
    document = copy.deepcopy(API)
    document["paths"] = paths
    return document


def load(folder: Path, document: Any, name: str = "api.json") -> ToolPool:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return ToolPool.load(path)


def issues(pool: ToolPool, code: str) -> list[str]:
    return [issue.found for issue in pool.issues if issue.code == code]


def test_operations_are_tools(tmp_path: Path) -> None:
    pool = load(tmp_path, API)
    (service,) = pool.services
    assert (service.name, service.description, service.license) == ("Mill", "Grinds grain.", "MIT")
    listing = pool.tool("Mill/get_mills_mill_id_batches")
    assert listing.description == "List batches\n\nNewest first."
    assert listing.parameters == {"mill_id": {"type": "string"}, "limit": {"type": "integer", "maximum": 50}}
    assert listing.required == ("mill_id",)
    assert listing.annotations.read_only is True
    assert listing.output_schema is not None
    batch = listing.output_schema["properties"]["result"]["items"]
    assert "id" in batch["properties"]
    assert "secret" not in batch["properties"]
    start = pool.tool("Mill/startBatch")
    assert list(start.parameters) == ["mill_id", "secret", "kind", "kilos", "buyer"]
    assert start.required == ("mill_id", "kind")
    assert start.parameters["kind"] == {"type": "string", "enum": ["rye", "oat"]}
    assert start.parameters["kilos"] == {"type": ["number", "null"], "exclusiveMinimum": 0}
    assert {"type": "null"} in start.parameters["buyer"]["anyOf"]
    assert not [issue for issue in pool.issues if issue.severity == "error"]


@pytest.mark.parametrize("version", ["3.1.0", "3.0.0"])
def test_json_and_yaml_give_the_same_pool(version: str, tmp_path: Path) -> None:
    import yaml

    document = {**API, "openapi": version}
    as_json = load(tmp_path, document)
    for name in ("api.yaml", "api.yml", "api.txt"):
        text = yaml.safe_dump(document, sort_keys=False)
        assert load(tmp_path, text, name) == as_json


def test_31_types_and_webhooks(tmp_path: Path) -> None:
    body = {"type": "object", "required": ["a"], "properties": {"a": {"type": ["string", "null"], "const": None}}}
    post = {"requestBody": {"content": {"application/json": {"schema": body}}}}
    pool = load(tmp_path, {**changed(**{"/x": {"post": post}}), "openapi": "3.1.0", "webhooks": {"w": {}}})
    tool = pool.tool("Mill/post_x")
    assert tool.parameters["a"] == {"type": ["string", "null"], "const": None}
    assert tool.required == (), "a body that is not required requires none of its members"
    assert "webhooks" in issues(pool, "format_note")[0]


@pytest.mark.parametrize(
    ("schema", "parameters"),
    [
        ({"type": "array", "items": {"type": "string"}}, ["body"]),
        ({"oneOf": [{"type": "object", "properties": {"a": {}}}, {"type": "string"}]}, ["body"]),
        ({"type": "object", "additionalProperties": {"type": "string"}}, ["body"]),
        ({"allOf": [{"$ref": "#/components/schemas/Kind"}]}, ["body"]),
        ({"allOf": [{"type": "object", "properties": {"a": {}}}, {"properties": {"b": {}}}]}, ["a", "b"]),
    ],
)
def test_bodies_that_are_plain_objects_are_parameters(schema: Any, parameters: list[str], tmp_path: Path) -> None:
    put = {"operationId": "put", "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
    assert list(load(tmp_path, changed(**{"/x": {"put": put}})).tool("Mill/put").parameters) == parameters


def test_names_that_clash_lose_nothing(tmp_path: Path) -> None:
    def put(kind: str) -> dict[str, Any]:
        body = {"type": "object", "properties": {"id": {"type": kind}, "name": {"type": "string"}}}
        return {"/x/{id}": {"put": {
            "operationId": "put",
            "parameters": [{"name": "id", "in": "path", "schema": {"type": "string"}},
                           {"name": "id", "in": "query", "schema": {"type": "integer"}}],
            "requestBody": {"content": {"application/json": {"schema": body}}},
        }}}  # fmt: skip

    alike = load(tmp_path, changed(**put("string")))
    assert list(alike.tool("Mill/put").parameters) == ["id", "id_query", "name"]
    assert len(issues(alike, "format_note")) == 2
    assert list(load(tmp_path, changed(**put("object"))).tool("Mill/put").parameters) == ["id", "id_query", "body"]


def test_references_that_lead_in_circles_or_out_are_reported_and_the_rest_is_kept(tmp_path: Path) -> None:
    document = changed(**{
        "/a": {"get": {"operationId": "a", "parameters": [
            {"$ref": "http://127.0.0.1:9/p.json"}, {"$ref": "#/components/parameters/loop"},
            {"name": "q", "in": "query", "schema": {"$ref": "other.yaml#/x"}}, {"in": "query"}, 7]}},
        "/b": {"$ref": "file:///etc/passwd"},
        "/c": {"post": {"operationId": "c", "requestBody": {"content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/Node"}}}}}},
    })  # fmt: skip
    document["components"]["parameters"]["loop"] = {"$ref": "#/components/parameters/loop"}
    properties = {"next": {"$ref": "#/components/schemas/Node"}, "v": {"type": "int"}}
    document["components"]["schemas"]["Node"] = {"type": "object", "properties": properties}
    pool = load(tmp_path, document)
    assert pool.tool("Mill/a").parameters == {"q": {}}
    node = pool.tool("Mill/c")
    assert node.parameters["next"] == {"$ref": "#/$defs/Node"}
    assert node.input_schema["$defs"]["Node"]["properties"]["v"] == {"type": "integer"}
    words = "\n".join(issues(pool, "malformed_part"))
    for part in (
        "127.0.0.1:9/p.json",
        "refers to itself",
        "other.yaml",
        "etc/passwd",
        "never fetched",
        "without a name",
    ):
        assert part in words, f"{part} is not said in:\n{words}"
    assert "Node: cyclic or large" in issues(pool, "format_note")[0]


def test_swagger_2_is_read(tmp_path: Path) -> None:
    document = {
        "swagger": "2.0",
        "info": {"title": "Old mill"},
        "paths": {"/m": {"post": {
            "operationId": "m",
            "parameters": [
                {"name": "kind", "in": "query", "type": "array", "items": {"type": "string"}, "required": True},
                {"name": "file", "in": "formData", "type": "file"},
                {"name": "b", "in": "body", "required": True, "schema": {"$ref": "#/definitions/B"}}],
            "responses": {"200": {"schema": {"$ref": "#/definitions/B"}}}}}},
        "definitions": {"B": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}},
    }  # fmt: skip
    tool = load(tmp_path, document).tool("Old mill/m")
    assert tool.parameters["kind"] == {"type": "array", "items": {"type": "string"}}
    assert tool.parameters["file"] == {"type": "string", "format": "binary"}
    assert set(tool.required) == {"kind", "x"}
    assert tool.output_schema is not None


def test_odd_parts_cost_only_themselves(tmp_path: Path) -> None:
    pool = load(tmp_path, changed(**{
        "/a": 7, "/b": {"get": "x", "post": {"operationId": "ok"}}, "/c/{missing}": {"get": {"parameters": "none"}},
        "x-note": {}, "/d": {"get": {"operationId": "ok", "description": "Other."}}}))  # fmt: skip
    assert {tool.name for tool in pool.services[0].tools} == {"ok", "ok#2", "get_c_missing"}
    assert pool.tool("Mill/get_c_missing").required == ("missing",)
    assert len(issues(pool, "malformed_part")) == 4
    with pytest.raises(PoolError, match="its paths are 7"):
        load(tmp_path, {**API, "paths": 7})


def test_a_large_api_is_read_in_proportion(tmp_path: Path) -> None:
    """Schemas that all refer to each other: what a tool takes along is bounded, and the cut is reported."""
    ring = {f"N{i}": {"type": "object", "properties": {"n": {"$ref": f"#/components/schemas/N{(i + 1) % 300}"},
                                                        "m": {"$ref": f"#/components/schemas/N{i * 7 % 300}"}}}
            for i in range(300)}  # fmt: skip
    answer = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/N0"}}}}}
    document = changed(**{f"/p{i}": {"get": {"operationId": f"o{i}", "responses": answer}} for i in range(1000)})
    document["components"]["schemas"] = ring
    pool = load(tmp_path, document)
    assert len(pool) == 1000
    output = pool.tool("Mill/o0").output_schema
    assert output is not None
    assert len(output["$defs"]) < 100
    assert any("any value" in words for words in issues(pool, "format_note"))


# --------------------------------------------------------------------------------------------------------------- YAML


def test_yaml_is_json_and_nothing_else() -> None:
    documents, ignored = read_yaml(
        "answer: no\nclock: 12:30\nday: 2026-01-02\nzip: 010\nhex: 0x1f\n200: ok\n"
        "run: !!python/object/apply:os.system [ls]\nkind: !rye {a: 1}\nbase: &b {x: 1}\nmore: {<<: *b, y: .nan}\n"
    )
    (value,) = documents
    assert value["answer"] == "no"
    assert (value["clock"], value["day"], value["zip"], value["hex"]) == ("12:30", "2026-01-02", 10, 31)
    assert value["200"] == "ok"
    assert (value["run"], value["kind"]) == (["ls"], {"a": 1})
    assert value["more"]["x"] == 1
    assert len(ignored) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &a [*a]", "stands for what contains it"),
        ("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
            f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)), "aliases expanded"),
        ("a0: &a0 {k: 1}\n" + "".join(
            f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}\n" for i in range(1, 40)), "aliases expanded"),
        ("[" * 10_000, "is "),
        ("\n".join(" " * i + "a:" for i in range(500)), "nested too deeply"),
        ("a: [", "is not YAML"),
        ("- !!int many", "is not readable YAML"),
        ("\x00", "control characters"),
    ],
)  # fmt: skip
def test_yaml_that_is_out_of_bounds_is_refused(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert says in caught.value.reason
    with pytest.raises(PoolError):
        load(tmp_path, text, "a.yaml")

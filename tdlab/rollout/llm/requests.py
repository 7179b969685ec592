"""The body of a request: its messages, tools, sampling and schema, in the form that a server takes."""

from __future__ import annotations

from collections.abc import Mapping

from tdlab.records import Json, canonical_json, digest
from tdlab.rollout.llm.protocol import ChatRequest

__all__ = ["MOCK_MODEL", "request_body", "schema_digest", "wire_schema"]

MOCK_MODEL = "mock"
"""The model that `tdlab mock-server` serves. It answers from the script, so each request to it carries the script."""

_VALUES = (
    "type", "required", "enum", "const", "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum"
)  # fmt: skip
"""Keywords that are sent with their values as they are."""

_MAX_DEPTH = 32  # of a schema on the wire; a deeper part takes any value


def wire_schema(schema: Json, *, depth: int = 0) -> Json:
    """Simplify a JSON Schema for a server, which compiles it to a grammar.

    Kept are types, properties, required names, enumerations, constants, items, lengths, bounds, alternatives and
    ``additionalProperties``. Patterns, formats, references and annotations are left out, since servers reject many of
    them: llama.cpp fails on a pattern with ``.`` or a negated class. So the result allows everything that the schema
    allows, and more; replies have to be validated with the schema itself.

    Args:
        schema: A JSON Schema.
        depth: The number of schemas around this one.

    Returns:
        The simplified schema, the same for the same schema.

    Example:
        >>> wire_schema({"type": "string", "pattern": "^[^x]+$", "minLength": 1})
        {'type': 'string', 'minLength': 1}
    """
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, Mapping) or "$ref" in schema or depth > _MAX_DEPTH:
        return {}
    simple: dict[str, Json] = {name: schema[name] for name in _VALUES if name in schema}
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        simple["properties"] = {name: wire_schema(inner, depth=depth + 1) for name, inner in properties.items()}
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), (bool, Mapping)) and "prefixItems" not in schema:
            simple[name] = wire_schema(schema[name], depth=depth + 1)
    for name in ("anyOf", "oneOf"):
        choices = schema.get(name)
        if isinstance(choices, list) and "anyOf" not in simple:
            simple["anyOf"] = [wire_schema(choice, depth=depth + 1) for choice in choices]
    if "allOf" in schema or "patternProperties" in schema:  # properties may be declared in there
        simple.pop("additionalProperties", None)
    return simple


def schema_digest(request: ChatRequest) -> str:
    """Return a digest of the model and the schema of a request."""
    return digest(request.model, request.reply_schema)


def request_body(
    request: ChatRequest,
    *,
    attempt: int = 0,
    structured: bool = True,
    limit_name: str = "max_tokens",
    with_seed: bool = True,
) -> dict[str, Json]:
    """Return the body of a request.

    An attempt other than 0 asks for another reply, also from a server whose replies depend on the body alone. Its seed
    is the request's seed (0 if there is none) plus the number of the attempt. For a server without seeds, as many line
    breaks are added to the last message.

    Args:
        request: The request.
        attempt: The number of the attempt.
        structured: Whether the schema is sent as ``response_format``; if not, it is part of the first message.
        limit_name: What the server calls ``max_tokens``.
        with_seed: Whether the server takes a seed.

    Returns:
        The body.
    """
    messages = list(request.messages)
    if request.reply_schema is not None and not structured:
        rule = "Reply with one JSON object and nothing else. Its JSON Schema: " + canonical_json(request.reply_schema)
        messages = [{"role": "system", "content": f"{messages[0]['content']}\n\n{rule}"}, *messages[1:]]
    seed = request.seed if not attempt else (request.seed or 0) + attempt
    if attempt and not with_seed:
        last = messages[-1]
        messages = [*messages[:-1], {**last, "content": f"{last.get('content') or ''}" + "\n" * attempt}]
    body: dict[str, Json] = {
        **(request.extra_body or {}), "model": request.model, "messages": messages, limit_name: request.max_tokens
    }  # fmt: skip
    if request.tools:
        body["tools"] = list(request.tools)
    if structured and request.reply_schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": request.role, "schema": wire_schema(request.reply_schema)},
        }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if seed is not None and with_seed:
        body["seed"] = seed
    if request.script is not None and request.model == MOCK_MODEL:
        body["tdlab_script"] = request.script
    return body

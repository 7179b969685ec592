"""Small pools for the tests of clusters."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

from tdlab.records import Service, Tool, rng_for


def tool(service: str, name: str, description: str = "", /, optional: tuple[str, ...] = (), **parameters: Any) -> Tool:
    """Return a tool; parameters are schemas or names of types, and required unless they are in ``optional``."""
    properties = {n: {"type": s} if isinstance(s, str) else s for n, s in parameters.items()}
    schema = {"type": "object", "properties": properties, "required": [n for n in properties if n not in optional]}
    return Tool(service=service, name=name, description=description, input_schema=schema)


def pool(*services: Service | list[Tool], **domains: str) -> Any:
    """Return a substitute for a ToolPool: services from lists of tools, and their domains."""
    made = tuple(
        s
        if isinstance(s, Service)
        else Service(
            name=s[0].service, tools=tuple(s), domains={domains[s[0].service]: 1.0} if s[0].service in domains else {}
        )
        for s in services
    )
    return SimpleNamespace(services=made, tools={t.key: t for s in made for t in s.tools})


def shop() -> list[Tool]:
    """Return a service with one chain: find a customer, create an invoice, send it, read it."""
    return [
        tool("shop", "find_customer", "Find customers by e-mail.", email="string"),
        tool("shop", "create_invoice", "Create a draft invoice.", customer_id="string", amount="number"),
        tool("shop", "send_invoice", "Send an invoice. Call create_invoice first.", invoice_id="string"),
        tool("shop", "get_invoice", "Get an invoice.", invoice_id="string"),
        tool("shop", "list_invoices", "List invoices.", optional=("limit", "page"), limit="integer", page="integer"),
    ]


# ------------------------------------------------------------------------------------- a large pool with rich schemas

_THINGS = (
    "account address agent alert asset audit badge batch board booking branch budget campaign card carrier cart"
    " catalog channel charge claim client comment contact contract course credit customer dashboard deal delivery"
    " device discount dispute document domain driver employee endpoint event expense facility feature field file"
    " filter folder form gateway goal grant group guest image incident invoice item job journal key label lead"
    " lesson license link location log loan machine mailbox meeting member merchant message meter metric milestone"
    " model note notification offer office order owner package page partner patient payment payout permission"
    " person pipeline plan player policy portal position post price product profile project prompt property quote"
    " receipt record refund region release reminder report request reservation resource review role room route"
    " rule sample schedule segment sensor session shift shipment site skill source space sprint stage statement"
    " station step stock store story student subscription supplier survey table tag target task tax team template"
    " tenant test thread ticket token topic track trade trip unit user vehicle vendor venue version visit voucher"
    " wallet warehouse webhook widget workflow zone"
).split()
_SORTS = "active billing draft external internal monthly primary recurring sales shared".split()
_ACTS = "approve archive cancel close publish reopen send start submit verify".split()
_FIELDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("name", {"type": "string"}),
    ("description", {"type": "string", "description": "Free text."}),
    ("status", {"type": "string", "enum": ["open", "pending", "closed"]}),
    ("amount", {"type": "number", "minimum": 0}),
    ("currency", {"type": "string", "pattern": "^[A-Z]{3}$"}),
    ("email", {"type": "string", "format": "email"}),
    ("due_date", {"type": "string", "format": "date"}),
    ("created_at", {"type": "string", "format": "date-time"}),
    ("tags", {"type": "array", "items": {"type": "string"}}),
    ("url", {"type": "string", "format": "uri"}),
    ("quantity", {"type": "integer", "minimum": 1}),
    ("notify", {"type": "boolean"}),
)
_SIZES = (5, 5, 6, 8, 10, 12, 14, 18, 20, 25, 30, 40, 55, 70, 90, 120, 160, 220, 300, 450, 600, 800)


def rich_services(tools: int, seed: int = 0) -> list[Service]:
    """Return generated services of 5 to 800 tools, ``tools`` in all, with nested inputs and declared outputs.

    The things of a service belong to one another and to a workspace, for which most of its tools ask. Two tools in
    three declare their outputs.
    """
    rng = rng_for("rich services", seed)
    services: list[Service] = []
    left = tools
    while left > 0:
        size = min(left, rng.choice(_SIZES))
        services.append(_rich_service(f"generated-{len(services):04d}", size, rng))
        left -= size
    return services


def _rich_service(name: str, size: int, rng: random.Random) -> Service:
    things = rng.sample(_THINGS, min(len(_THINGS), max(1, size // 6)))
    sorts = ["", *rng.sample(_SORTS, 4)]
    made: dict[str, Tool] = {"list_workspaces": tool(name, "list_workspaces", "List the workspaces of the user.")}
    turn = 0
    while len(made) < size:
        sort = sorts[turn // len(things) % len(sorts)] if turn >= len(things) else ""
        thing = things[turn % len(things)]
        owner = things[turn % len(things) // 2]
        full = f"{sort}_{thing}" if sort else thing
        for one in _rich_tools(name, full, owner if owner != thing else "", rng):
            if len(made) < size:
                made.setdefault(one.name, one)
        turn += 1
    return Service(name=name, description=f"Manage {', '.join(things[:5])}.", tools=tuple(made.values()))


def _rich_tools(service: str, thing: str, owner: str, rng: random.Random) -> list[Tool]:
    identifier = {"type": "string", "description": f"Identifier of the {thing.replace('_', ' ')}."}
    workspace = {"workspace_id": {"type": "string", "description": "The workspace."}}
    owned = {f"{owner}_id": {"type": "string"}} if owner else {}
    fields = dict(rng.sample(_FIELDS, 6))
    record = {
        "type": "object",
        "properties": {
            f"{thing}_id": identifier,
            **owned,
            **fields,
            "metadata": {"type": "object", "properties": dict(rng.sample(_FIELDS, 3))},
            "lines": {"type": "array", "items": {"type": "object", "properties": {"line_id": {"type": "string"}}}},
        },
    }
    body = {
        f"{thing}_data": {"type": "object", "properties": {**fields, "owner": {"type": "object", "properties": owned}}}
    }
    paging = {"limit": {"type": "integer"}, "cursor": {"type": "string"}, "sort_by": {"type": "string"}}
    many = {"type": "object", "properties": {f"{thing}s": {"type": "array", "items": record}}}
    key = {f"{thing}_id": identifier}
    noun = thing.replace("_", " ")
    act = rng.choice(_ACTS)
    made = []
    for verb, words, inputs, optional, output in (
        ("list", f"List the {noun}s of a workspace.", {**workspace, **owned, **paging}, (*owned, *paging), many),
        ("get", f"Get one {noun} with its lines.", {**workspace, **key}, (), record),
        ("create", f"Create a {noun}.", {**workspace, **owned, **body}, (), record),
        ("update", f"Change a {noun}.", {**workspace, **key, **body}, tuple(body), record),
        ("delete", f"Delete a {noun}.", {**workspace, **key}, (), None),
        (act, f"{act.capitalize()} a {noun}.", {**workspace, **key, "note": {"type": "string"}}, ("note",), None),
    ):
        name = f"{verb}_{thing}s" if verb == "list" else f"{verb}_{thing}"
        one = tool(service, name, words, optional, **inputs)
        declared = output if output is not None and rng.random() < 2 / 3 else None
        made.append(one.model_copy(update={"output_schema": declared}))
    return made

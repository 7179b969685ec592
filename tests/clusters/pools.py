"""Small pools for the tests of clusters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tdlab.records import Service, Tool


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

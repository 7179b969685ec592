"""Records of the pool: tools, their errors and hints, services."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import Field

from tdlab.records.base import Domains, Json, Record

__all__ = ["Annotations", "Service", "Tool", "ToolError"]


class Annotations(Record):
    """MCP tool annotations; ``None`` where the server gave none. Hints, never guarantees."""

    title: str | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


class ToolError(Record):
    """One documented way in which a tool can fail. ``message`` may contain ``{parameter}`` placeholders."""

    code: str
    message: str


class Tool(Record):
    """A tool: name, description, JSON Schema of its input and, where known, of its output (MCP ``tools/list``).

    ``output_inferred`` marks an ``output_schema`` that the server does not declare: a guess made for the simulation.

    Example:
        >>> tool = Tool(
        ...     service="shop",
        ...     name="get_order",
        ...     input_schema={
        ...         "type": "object",
        ...         "properties": {"order_id": {"type": "string"}},
        ...         "required": ["order_id"],
        ...     },
        ... )
        >>> tool.key, tool.required
        ('shop/get_order', ('order_id',))
    """

    service: str
    name: str
    description: str = ""
    input_schema: dict[str, Json]
    output_schema: dict[str, Json] | None = None
    output_inferred: bool = False
    annotations: Annotations = Annotations()
    errors: tuple[ToolError, ...] = ()

    @property
    def key(self) -> str:
        """``service/name``, unique in a pool."""
        return f"{self.service}/{self.name}"

    @cached_property
    def parameters(self) -> dict[str, dict[str, Json]]:
        """Each parameter's schema by name; a schema that is not an object (such as ``true``) counts as ``{}``."""
        properties = self.input_schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        return {name: schema if isinstance(schema, dict) else {} for name, schema in properties.items()}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The names of the required parameters that are declared, in the order of declaration."""
        required = self.input_schema.get("required")
        wanted = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
        return tuple(name for name in self.parameters if name in wanted)


class Service(Record):
    """An MCP server: the tools that one business offers."""

    name: str
    title: str = ""
    description: str = ""
    domains: Domains = Field(default_factory=dict)
    category: str | None = None
    source: str = ""
    license: str = ""
    schema_quality: Literal["live", "published", "scraped", "none", "bundled"] = "published"
    tools: tuple[Tool, ...] = ()

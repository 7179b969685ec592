"""Small services for tests of the simulated world, and a helper that calls their tools."""

from __future__ import annotations

import json
from typing import Any

from tdlab.records import Blueprint, Persona, SeedEntity, Tool, ToolError
from tdlab.rollout import SimulatedEnvironment


def tool(name: str, required: str = "", output: dict[str, Any] | None = None, /, **parameters: Any) -> Tool:
    """Return a tool of the service ``desk``; parameters are schemas or names of types, ``output`` its properties."""
    properties = {n: {"type": s} if isinstance(s, str) else s for n, s in parameters.items()}
    schema = {"type": "object", "properties": properties, "required": required.split()}
    returned = None if output is None else {"type": "object", "properties": output}
    return Tool(service="desk", name=name, input_schema=schema, output_schema=returned)


NOTE = {"note_id": {"type": "string"}, "text": {"type": "string"}, "status": {"type": "string"}}
NOTES = {
    "notes": {"type": "array", "items": {"type": "object", "properties": NOTE}},
    "total": {"type": "integer"},
    "next_cursor": {"type": ["string", "null"]},
}


def notes(*, declared: bool) -> dict[str, Tool]:
    """Return tools that create, read, list, update and delete notes, with or without declared outputs."""
    one, many = (NOTE, NOTES) if declared else (None, None)
    made = (
        tool("create_note", "text", one, text="string"),
        tool("get_note", "note_id", one, note_id="string"),
        tool("list_notes", "", many, limit="integer", cursor="string", offset="integer", page="integer"),
        tool("update_note", "note_id text", one, note_id="string", text="string"),
        tool("delete_note", "note_id", {"note_id": {"type": "string"}} if declared else None, note_id="string"),
        tool("delete_notes", "note_ids", None, note_ids={"type": "array", "items": {"type": "string"}}),
        tool(
            "archive_note", "note_id", {**NOTE, "status": {"const": "archived"}} if declared else None, note_id="string"
        ),
    )
    return {t.name: t for t in made}


def files() -> dict[str, Tool]:
    """Return tools that identify files by path only."""
    content = {"path": {"type": "string"}, "content": {"type": "string"}}
    made = (
        tool("create_file", "path content", content, path="string", content="string"),
        tool("read_file", "path", content, path="string"),
        tool("update_file", "path content", content, path="string", content="string"),
        tool("delete_file", "path", {"deleted": {"const": True}}, path="string"),
    )
    return {t.name: t for t in made}


def with_errors(found: Tool, **messages: str) -> Tool:
    """Return a tool that documents its errors."""
    errors = tuple(ToolError(code=code, message=message) for code, message in messages.items())
    return found.model_copy(update={"errors": errors})


class Hand:
    """Call the tools of one simulated world by name."""

    def __init__(self, tools: dict[str, Tool], *known: SeedEntity, seed: int = 7) -> None:
        blueprint = Blueprint(
            id="b", cluster="c", seed=seed, intent="", persona=Persona(name="Ada", role="tester"), steps=(), offered=(),
            world=known,
        )  # fmt: skip
        self.tools = tools
        self.world = SimulatedEnvironment(blueprint, {t.key: t for t in tools.values()})
        self._calls = 0

    def __call__(self, name: str, /, **arguments: Any) -> Any:
        """Return the decoded result; AssertionError if the call fails."""
        ok, answer = self.attempt(name, **arguments)
        assert ok, f"{name}({arguments}) failed: {answer}"
        return answer

    def fails(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Return the error of a call that has to fail."""
        ok, answer = self.attempt(name, **arguments)
        assert not ok, f"{name}({arguments}) was to fail and returned {answer}"
        error: dict[str, Any] = answer["error"]
        return error

    def attempt(self, name: str, /, **arguments: Any) -> tuple[bool, Any]:
        """Return whether the call succeeded, and its result."""
        self._calls += 1
        result = self.world.call(self.tools[name], arguments, call_id=f"call_{self._calls}")
        return result.ok, json.loads(result.text)

"""The tools of one service by name: what is repeated word for word counts once, what differs is kept beside the first.

Benchmarks repeat a function's definition for every task that offers it, and sometimes give another one the same name.
The second `get` becomes ``get#2``; nothing is lost, and no name stands for two tools.
"""

from __future__ import annotations

from collections.abc import Callable

from tdlab.pool.issues import PoolIssue
from tdlab.records import Tool, canonical_json
from tdlab.tools import counted, shorten

__all__ = ["DistinctTools"]


class DistinctTools:
    """Collects tools under distinct names.

    Args:
        is_free: Whether a new name may be used; by default, every name that no collected tool has.

    Example:
        >>> tools = DistinctTools()
        >>> first = Tool(service="s", name="get", input_schema={"type": "object"})
        >>> [tools.add(first), tools.add(first), tools.add(first.model_copy(update={"description": "Other"}))]
        ['get', None, 'get#2']
    """

    def __init__(self, is_free: Callable[[str], bool] = lambda name: True) -> None:
        self.tools: dict[str, Tool] = {}
        self._is_free = is_free
        self._contents: dict[str, dict[str, str]] = {}  # name as given -> content -> name as kept
        self._repeats: dict[str, int] = {}

    def add(self, tool: Tool) -> str | None:
        """Return the name under which the tool is kept; None if it repeats an earlier one word for word."""
        contents = self._contents.setdefault(tool.name, {})
        content = canonical_json(tool) if contents else ""
        if len(contents) == 1 and "" in contents:
            first = contents.pop("")
            contents[canonical_json(self.tools[first].model_copy(update={"name": tool.name}))] = first
        if content in contents:
            kept = contents[content]
            self._repeats[kept] = self._repeats.get(kept, 0) + 1
            return None
        name, number = tool.name, len(contents) + 1
        while name in self.tools or not self._is_free(name):
            name, number = f"{tool.name}#{max(number, 2)}", number + 1
        contents[content] = name
        self.tools[name] = tool if name == tool.name else tool.model_copy(update={"name": name})
        return name

    def repeats(self, service: str, where: str) -> list[PoolIssue]:
        """Return a note for each tool that was given more than once."""
        return [
            PoolIssue(
                service=service, tool=name, severity="note", code="repeated_tool", where=where,
                found=f"its definition is repeated {counted(count, 'time')}, word for word; it counts once",
            )
            for name, count in self._repeats.items()
        ]  # fmt: skip

    @staticmethod
    def renamed(service: str, given: str, kept: str, where: str) -> PoolIssue:
        """Return the issue that a tool is kept under another name."""
        return PoolIssue(
            service=service, tool=kept, severity="fixed", code="tool_name_taken", where=where,
            found=f"another definition has the name {shorten(given)!r}; this one is kept as {shorten(kept)!r}",
        )  # fmt: skip

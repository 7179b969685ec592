"""A cache for pure functions of a tool, by the tool's identity.

Records contain dicts and cannot be hashed by value; the tools of a run stay the same objects throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from tdlab.records import Tool

__all__ = ["cached_per_tool"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_MOST = 16_384  # answers that each function remembers


def cached_per_tool(function: Callable[Concatenate[Tool, _P], _T]) -> Callable[Concatenate[Tool, _P], _T]:
    """Cache the results of a pure function of a tool.

    Args:
        function: Takes a tool and hashable positional arguments.

    Returns:
        The same function, with a cache by the tool's identity and the other arguments.

    Example:
        >>> from tdlab.records import Tool
        >>> @cached_per_tool
        ... def count(tool):
        ...     print("counting")
        ...     return len(tool.parameters)
        >>> tool = Tool(service="s", name="t", input_schema={})
        >>> count(tool), count(tool)
        counting
        (0, 0)
    """
    results: dict[Hashable, tuple[Tool, _T]] = {}

    @wraps(function)
    def cached(tool: Tool, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        key: Hashable = (id(tool), *args) if args else id(tool)
        try:
            cached_tool, result = results[key]
        except KeyError:
            pass
        else:
            if cached_tool is tool:
                return result
        result = function(tool, *args, **kwargs)
        if len(results) >= _MOST:
            results.clear()
        results[key] = (tool, result)  # keeps the tool, so that its id is not reused
        return result

    return cached

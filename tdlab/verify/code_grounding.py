"""Find the data that are written into a program: like any argument, they must come from the conversation.

In Python these are the literals that names are bound to at the top level, in SQL the rows of ``insert`` statements, and
the cells of standard input and of files. The use of the data is checked by re-running the program. Nothing is evaluated
here. Not covered: constants inside expressions (a factor, a format), which belong to the program.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping

from tdlab.records import Json
from tdlab.tools import leaves

__all__ = ["NO_SOURCE", "data_in", "ungrounded_code"]

NO_SOURCE = "which the user did not say and no call returned"
"""The end of a reason about a value without a source."""

_INSERT = re.compile(r"\binsert\s+into\s+\w+\s*\(([^)]*)\)\s*values\b", re.IGNORECASE)
_SQL_VALUE = re.compile(r"'((?:[^']|'')*)'|([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(;)|\b(null)\b", re.IGNORECASE)
_CELLS = re.compile(r"[\t\n]")


def ungrounded_code(
    parameter: str, value: Json, arguments: Mapping[str, Json], known: Callable[[str | None, Json], bool]
) -> Json:
    """Return the first value in an argument of the code tool for which ``known(name, value)`` is false, or None."""
    for name, leaf in data_in(parameter, value, str(arguments.get("language", ""))):
        if leaf is None or isinstance(leaf, bool) or leaf in ("", [], {}) or known(name, leaf):
            continue
        return leaf
    return None


def data_in(parameter: str, value: Json, language: str) -> Iterator[tuple[str | None, Json]]:
    """Yield the data in an argument of the code tool, each with the nearest name; cells of a text have none."""
    if parameter == "code" and isinstance(value, str):
        yield from {"python": _python, "sql": _sql}.get(language, _nothing)(value)
    elif parameter == "stdin" and isinstance(value, str):
        yield from _cells(value)
    elif parameter == "files" and isinstance(value, Mapping):
        for text in value.values():
            yield from _cells(text if isinstance(text, str) else "")


def _nothing(_: str) -> Iterator[tuple[str, Json]]:
    return iter(())


def _python(code: str) -> Iterator[tuple[str, Json]]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # such a program cannot run either, and its result says so
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        name = next((target.id for target in targets if isinstance(target, ast.Name)), "")
        try:
            data = ast.literal_eval(_decoded(node.value))
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
        yield from leaves(_plain(data), name)


def _decoded(node: ast.expr) -> ast.expr | str:
    """Return the assigned expression; for ``json.loads("...")``, the decoded text as a literal."""
    function = node.func if isinstance(node, ast.Call) and len(node.args) == 1 else None
    if isinstance(function, ast.Attribute) and function.attr == "loads" and isinstance(node, ast.Call):
        text = ast.literal_eval(node.args[0])
        return repr(json.loads(text)) if isinstance(text, str) else node
    return node


def _plain(value: object) -> Json:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _sql(code: str) -> Iterator[tuple[str, Json]]:
    for insert in _INSERT.finditer(code):
        columns = [column.strip().strip('"') for column in insert.group(1).split(",")]
        for position, match in enumerate(_SQL_VALUE.finditer(code, insert.end())):
            text, number, terminator, _ = match.groups()
            if terminator:
                break
            if text is not None:
                yield columns[position % len(columns)], text.replace("''", "'")
            elif number is not None:
                yield columns[position % len(columns)], json.loads(number.lstrip("+"))


def _cells(text: str) -> Iterator[tuple[str | None, Json]]:
    try:
        yield from leaves(json.loads(text))
        return
    except (ValueError, RecursionError):
        pass
    for cell in _CELLS.split(text):
        try:
            yield None, json.loads(cell)
        except (ValueError, RecursionError):
            yield None, cell

"""Where the data in a program come from: what is written into it as data has to be said or returned, like any argument.

In Python these are the literals that names are bound to at the top of the program, in SQL the rows of ``insert``
statements, and the cells of standard input and of files. What a program does with them is checked by running it again.
Nothing is evaluated here. Not covered: constants inside expressions (a factor, a format), which are the program's own.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping

from tdlab.records import Json
from tdlab.tools import leaves

__all__ = ["data_in", "ungrounded_code"]

_INSERT = re.compile(r"\binsert\s+into\s+\w+\s*\(([^)]*)\)\s*values\b", re.IGNORECASE)
_SQL_VALUE = re.compile(r"'((?:[^']|'')*)'|([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(;)|\b(null)\b", re.IGNORECASE)
_CELLS = re.compile(r"[\t\n]")


def ungrounded_code(
    parameter: str, value: Json, arguments: Mapping[str, Json], known: Callable[[str | None, Json], bool]
) -> Json:
    """The first value written into an argument of the code tool that is not ``known(name, value)``; None for none."""
    for name, leaf in data_in(parameter, value, str(arguments.get("language", ""))):
        if leaf is None or isinstance(leaf, bool) or leaf in ("", [], {}) or known(name, leaf):
            continue
        return leaf
    return None


def data_in(parameter: str, value: Json, language: str) -> Iterator[tuple[str | None, Json]]:
    """The data in an argument of the code tool, each with the nearest name; cells of a text have none."""
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
        return  # it cannot run either, and then its result says so
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        name = next((target.id for target in targets if isinstance(target, ast.Name)), "")
        try:
            found = ast.literal_eval(_decoded(node.value))
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
        yield from leaves(_plain(found), name)


def _decoded(node: ast.expr) -> ast.expr | str:
    """What is assigned; of ``json.loads("...")`` the text, as a literal."""
    called = node.func if isinstance(node, ast.Call) and len(node.args) == 1 else None
    if isinstance(called, ast.Attribute) and called.attr == "loads" and isinstance(node, ast.Call):
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
        for place, found in enumerate(_SQL_VALUE.finditer(code, insert.end())):
            text, number, end, _ = found.groups()
            if end:
                break
            if text is not None:
                yield columns[place % len(columns)], text.replace("''", "'")
            elif number is not None:
                yield columns[place % len(columns)], json.loads(number.lstrip("+"))


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

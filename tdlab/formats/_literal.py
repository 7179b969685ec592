"""Python literals and call expressions of strangers: read as syntax trees, never evaluated.

Datasets hold reprs (``{'name': 'x', 'arguments': '{"a": 1}'}``) and calls in Python's words (``cd(folder='x')``). Only
constants, lists, tuples, objects and signs are understood; names, operators and anything that computes are refused.
"""

from __future__ import annotations

import ast
import json
import math
from typing import Any

from tdlab.formats._json import is_shallow
from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["calls_of", "literal", "loads_leniently"]

_LONGEST = 1_000_000
_FAULTS = (ValueError, SyntaxError, MemoryError, RecursionError, TypeError)


def literal(text: str) -> Json:
    """The JSON value of a Python literal; ValueError where the text is none or holds what JSON has no place for."""
    return _value(_parsed(text.strip()))


def loads_leniently(text: str) -> Json:
    """The value of a JSON text or, where it is none, of a Python literal; ValueError (JSON's) where it is neither."""
    try:
        return read_json(text)
    except ValueError as error:
        try:
            return literal(text)
        except ValueError:
            raise error from None


def calls_of(text: str) -> list[tuple[str, dict[str, Json]]]:
    """The calls in ``f(a=1)`` or ``[f(a=1), g()]`` as (dotted name, arguments); ValueError where it is anything else.

    A positional argument, whose parameter the text does not name, is called ``arg_1``, ``arg_2``, ... An argument that
    is no literal raises, too: there is nobody to evaluate it.
    """
    node = _parsed(text.strip())
    nodes = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    return [_call(one) for one in nodes]


def _parsed(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise ValueError(f"is a Python expression of over {_LONGEST} characters")
    try:
        return ast.parse(text, mode="eval").body
    except _FAULTS as error:
        raise ValueError(f"is no Python expression ({str(error)[:80]})") from None


def _call(node: ast.expr) -> tuple[str, dict[str, Json]]:
    if not isinstance(node, ast.Call):
        raise ValueError(f"holds a {type(node).__name__} where a call was expected")
    arguments: dict[str, Json] = {}
    for place, value in enumerate(node.args, 1):
        if isinstance(value, ast.Starred):
            raise ValueError("holds a call with unpacked arguments")
        arguments[f"arg_{place}"] = _value(value)
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError("holds a call with unpacked arguments")
        arguments[keyword.arg] = _value(keyword.value)
    return _name(node.func), arguments


def _name(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ValueError("holds a call of something that has no name")
    return ".".join(reversed([*parts, node.id]))


def _value(node: ast.expr) -> Json:
    try:
        value = _jsonable(ast.literal_eval(node))
    except _FAULTS as error:
        raise ValueError(f"holds what is no literal ({str(error)[:80]})") from None
    if not is_shallow(value):
        raise ValueError("is nested too deeply")
    return value


def _jsonable(value: Any) -> Json:
    """Tuples and sets as lists; keys as texts; TypeError for bytes, complex numbers, infinities and the like."""
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_jsonable(one) for one in value]
    if isinstance(value, set):
        return sorted((_jsonable(one) for one in value), key=lambda one: json.dumps(one, sort_keys=True))
    if isinstance(value, dict):
        return {key if isinstance(key, str) else json.dumps(_jsonable(key)): _jsonable(v) for key, v in value.items()}
    raise TypeError(f"a {type(value).__name__} is no JSON value")

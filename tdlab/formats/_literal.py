"""Untrusted Python literals and call expressions, read as syntax trees and never evaluated.

Datasets contain reprs (``{'name': 'x', 'arguments': '{"a": 1}'}``) and calls in Python syntax (``cd(folder='x')``).
Only constants, lists, tuples, objects and signs are understood; names, operators and anything that computes are
refused.
"""

from __future__ import annotations

import ast
import json
import math
import re
from keyword import iskeyword
from typing import Any

from tdlab.formats._json import is_shallow
from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["calls_of", "literal", "loads_leniently"]

_LONGEST = 1_000_000
_FAULTS = (ValueError, SyntaxError, MemoryError, RecursionError, TypeError)


def literal(text: str) -> Json:
    """Return the JSON value of a Python literal.

    Raises:
        ValueError: The text is not a literal, or contains what JSON has no form for.
    """
    return _value(_parsed(text.strip()))


def loads_leniently(text: str) -> Json:
    """Return the value of a JSON text or, if it is not JSON, of a Python literal.

    Raises:
        ValueError: It is neither; the message is JSON's.
    """
    try:
        return read_json(text)
    except ValueError as error:
        try:
            return literal(text)
        except ValueError:
            raise error from None


def calls_of(text: str) -> list[tuple[str, dict[str, Json]]]:
    """Return the calls in ``f(a=1)`` or ``[f(a=1), g()]`` as (dotted name, arguments).

    A positional argument, whose parameter the text does not name, becomes ``arg_1``, ``arg_2``, ...

    Raises:
        ValueError: The text is anything else, or an argument is not a literal, since nothing is evaluated.
    """
    simple = _simple_call(text)
    if simple is not None:
        return [simple]
    node = _parsed(text.strip())
    nodes = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    return [_call(call) for call in nodes]


_SIMPLE_CALL = re.compile(r"([A-Za-z]\w*(?:\.[A-Za-z]\w*)*)\((.*)\)", re.ASCII)
_SIMPLE_ARGUMENT = re.compile(
    r"([A-Za-z]\w*)="
    r"(?:'([^'\\\x00-\x1f\ud800-\udfff]*)'|\"([^\"\\\x00-\x1f\ud800-\udfff]*)\"|(-?(?:0|[1-9][0-9]{0,15}))(?![\w.]))"
    r"(?:, |\Z)",
    re.ASCII,
)


def _simple_call(text: str) -> tuple[str, dict[str, Json]] | None:
    """Return a call whose arguments are all named plain texts and integers, which most are; None for any other text.

    It needs no syntax tree, so it takes a fifth of the time.
    """
    call = _SIMPLE_CALL.fullmatch(text)
    if call is None or len(text) > _LONGEST:
        return None
    name, body = call.groups()
    arguments: dict[str, Json] = {}
    position = 0
    while position < len(body):
        argument = _SIMPLE_ARGUMENT.match(body, position)
        if argument is None or argument[1] in arguments or iskeyword(argument[1]):
            return None
        position = argument.end()
        single, double, integer = argument.group(2, 3, 4)
        arguments[argument[1]] = int(integer) if integer is not None else double if single is None else single
    if body.endswith(", ") or any(map(iskeyword, name.split("."))):
        return None
    return name, arguments


def _parsed(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise ValueError(f"is a Python expression of over {_LONGEST} characters")
    try:
        return ast.parse(text, mode="eval").body
    except _FAULTS as error:
        raise ValueError(f"is not a Python expression ({str(error)[:80]})") from None


def _call(node: ast.expr) -> tuple[str, dict[str, Json]]:
    if not isinstance(node, ast.Call):
        raise ValueError(f"contains a {type(node).__name__} instead of a call")
    arguments: dict[str, Json] = {}
    for position, value in enumerate(node.args, 1):
        if isinstance(value, ast.Starred):
            raise ValueError("contains a call with unpacked arguments")
        arguments[f"arg_{position}"] = _value(value)
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError("contains a call with unpacked arguments")
        arguments[keyword.arg] = _value(keyword.value)
    return _name(node.func), arguments


def _name(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ValueError("contains a call of something without a name")
    return ".".join(reversed([*parts, node.id]))


def _value(node: ast.expr) -> Json:
    try:
        value = _jsonable(ast.literal_eval(node))
    except _FAULTS as error:
        raise ValueError(f"contains something that is not a literal ({str(error)[:80]})") from None
    if not is_shallow(value):
        raise ValueError("is nested too deeply")
    return value


def _jsonable(value: Any) -> Json:
    """Return the value with tuples and sets as lists and keys as strings.

    Raises:
        TypeError: It contains bytes, a complex number, an infinity or the like.
    """
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, set):
        return sorted((_jsonable(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, dict):
        return {key if isinstance(key, str) else json.dumps(_jsonable(key)): _jsonable(v) for key, v in value.items()}
    raise TypeError(f"a {type(value).__name__} is not a JSON value")

"""Decoding JSON text from outside, with a usable reason where it fails.

JSON with comments is read by pyjson5 (490 KB in 2 ms), since json5 takes a second for 60 KB.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from tdlab.records import Json

__all__ = ["STRICT_DECODER", "JsonError", "NestingError", "read_commented_json", "read_json"]

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MAY_HOLD_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonError(ValueError):
    """The reason why a text is not JSON.

    ``reason`` completes a sentence whose subject is the text; ``line`` counts from 1 and is None where it is unknown.
    The error's own text also names the line, unless it is the first.
    """

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        self.line = line
        self.reason = problem if column is None else f"{problem} at column {column})"
        super().__init__(self.reason if line in (None, 1) else f"{problem} at line {line}, column {column})")


class NestingError(JsonError):
    """The text is nested too deeply."""


def read_json(text: str, *, strict: bool = True, max_depth: int | None = None) -> Json:
    """Return the value of a JSON text.

    Args:
        text: The text.
        strict: Whether to refuse NaN, infinities and numbers out of range, and to replace half of a surrogate pair,
            which no UTF-8 file can hold, by U+FFFD. Otherwise all of these are returned unchanged.
        max_depth: Most lists and objects around a value; None for as many as the decoder takes, about a thousand.

    Returns:
        The decoded value.

    Raises:
        JsonError: The text is not JSON.
        NestingError: The text is nested too deeply.

    Example:
        >>> read_json("[1, NaN]")
        Traceback (most recent call last):
        tdlab.tools.json_text.JsonError: contains NaN, which is not JSON
    """
    try:
        if not strict:
            return json.loads(text)
        value = _decoded(text)
        if "\\u" in text and _MAY_HOLD_SURROGATE.search(text):
            value = json.loads(_LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except JsonError:
        raise
    except json.JSONDecodeError as error:
        problem = error.msg.removesuffix(" at").removesuffix(" starting")
        raise JsonError(f"is not JSON ({problem}", error.lineno, error.colno) from None
    except RecursionError:
        raise NestingError("is nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise JsonError(f"is not readable JSON ({error!s:.80})") from None
    if max_depth is not None and _is_deeper(value, max_depth):
        raise NestingError("is nested too deeply")
    return value


def _decoded(text: str) -> Json:
    """Return the strict value; an object or list without blanks around it needs no search for them."""
    if text.startswith(("{", "[")):
        value, end = STRICT_DECODER.raw_decode(text)
        if end == len(text):
            return value
    return STRICT_DECODER.decode(text)


def read_commented_json(text: str, *, max_depth: int = 100) -> Json:
    """Return the value of a JSON text with comments and trailing commas, as editors keep their settings.

    Args:
        text: The text.
        max_depth: Most lists and objects around a value.

    Returns:
        The decoded value.

    Raises:
        JsonError: The text is not JSON, with or without comments. The message holds nothing of it.
        NestingError: The text is nested too deeply.

    Example:
        >>> read_commented_json('{"a": [1, 2,], /* b */ }')
        {'a': [1, 2]}
    """
    import pyjson5

    try:
        content: Json = pyjson5.decode(text, max_depth)
        return content
    except pyjson5.Json5NestingTooDeep:
        raise NestingError("is nested too deeply") from None
    except (pyjson5.Json5DecoderException, ValueError, RecursionError) as error:
        # The library's message ends in a position, and may hold a character of the file: only the position is kept.
        near = re.search(r"near (\d+)", str(error.args[0]) if error.args else "")
        line = None if near is None else text.count("\n", 0, int(near[1])) + 1
        raise JsonError("is not JSON, with or without comments", line) from None


def _is_deeper(value: Json, limit: int) -> bool:
    """Return whether a value has more than ``limit`` levels of lists and objects."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(inner, (dict, list)) for inner in level)


def _no_constant(name: str) -> NoReturn:
    raise JsonError(f"contains {name}, which is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise JsonError(f"contains {digits[:40]}, a number out of range")
    return value


STRICT_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
"""Decodes strict JSON: NaN, infinities and numbers out of range raise `JsonError`."""

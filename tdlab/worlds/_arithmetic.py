"""Arithmetic that users write down: the SQL function `calculate`, for services that work out expressions.

Only numbers, names, ``+ - * / % ^``, brackets and a few functions of one number are understood; everything is reckoned
in floating point, so that no expression can take long.
"""

from __future__ import annotations

import ast
import json
import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache

__all__ = ["calculate"]

_MOST_CHARACTERS = 400
_MOST_VARIABLES = 4000  # characters
_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod, ast.Pow: math.pow, ast.UAdd: operator.pos, ast.USub: operator.neg,
}  # fmt: skip
_CONSTANTS = {"pi": math.pi, "e": math.e}
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "abs": abs, "ceil": math.ceil, "exp": math.exp, "floor": math.floor, "ln": math.log, "log": math.log10,
    "sqrt": math.sqrt,
}  # fmt: skip
_OF_ANGLES: dict[str, Callable[[float], float]] = {"cos": math.cos, "sin": math.sin, "tan": math.tan}


class _UnsetError(Exception):
    """An expression names a variable that has no value."""


def calculate(
    expression: str | None, variables: str | None = None, angle_unit: str | None = None
) -> float | str | None:  # fmt: skip
    """Return what an expression comes to, or the word for what is the matter with it.

    Args:
        expression: The expression, such as ``sqrt(3^2 + 4^2)``.
        variables: A JSON object of names and numbers.
        angle_unit: ``degree``, or radians.

    Returns:
        A number to ten significant digits; ``syntax_error``, ``division_by_zero`` or ``variable_unset``; None for no
        expression.

    Example:
        >>> calculate("flow * 2", '{"flow": 1.5}'), calculate("1 / 0"), calculate("2 +")
        (3.0, 'division_by_zero', 'syntax_error')
    """
    if expression is None:
        return None
    if len(expression) > _MOST_CHARACTERS or len(variables or "") > _MOST_VARIABLES:
        return "syntax_error"
    return _calculated(expression, variables, angle_unit)


@lru_cache(maxsize=1024)
def _calculated(expression: str, variables: str | None, angle_unit: str | None) -> float | str:
    try:
        names = json.loads(variables) if variables else {}
        tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")
        found = _value(tree.body, names, math.radians if angle_unit == "degree" else float)
        return float(f"{found:.10g}") if math.isfinite(found) else "syntax_error"
    except ZeroDivisionError:
        return "division_by_zero"
    except _UnsetError:
        return "variable_unset"
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        return "syntax_error"


def _value(node: ast.AST, names: Mapping[str, float], angle: Callable[[float], float]) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        # The line above admits numbers only, which the type checker does not see.
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        if node.id not in names and node.id not in _CONSTANTS:
            raise _UnsetError
        return float(names.get(node.id, _CONSTANTS.get(node.id, 0.0)))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, names, angle), _value(node.right, names, angle))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.operand, names, angle))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
        inner = _value(node.args[0], names, angle)
        if node.func.id in _OF_ANGLES:
            return _OF_ANGLES[node.func.id](angle(inner))
        if node.func.id in _FUNCTIONS:
            return float(_FUNCTIONS[node.func.id](inner))
    raise SyntaxError("no arithmetic")

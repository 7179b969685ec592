"""Templates of programs: fills the gaps of a template with values, and recognises a filled template.

Only `written` turns values into the text of a program or its input, so the scripted teacher writes exactly what
verification expects. Values are written as literals of the language, never as code, and a gap inside a value stays
text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

from tdlab.records import Call, FromTemplate, Json

__all__ = ["could_be", "follow", "gaps_of", "printed_schema", "written"]

_GAP = re.compile("«(\\w+)»")
_MAX_LINE = 100  # characters; a longer list is written on several lines


def written(binding: FromTemplate, values: Mapping[str, Json]) -> str:
    """Fill in a template.

    Args:
        binding: The template, with its inputs and the language of the literals.
        values: A value for each input, by name.

    Returns:
        The text, with each gap replaced by a literal.

    Raises:
        KeyError: If a gap or an input has no value.

    Example:
        >>> from tdlab.records import FromTemplate, FromUser
        >>> total = FromUser(slot="total", value=3)
        >>> binding = FromTemplate(form="python", template="print(«total» * 2)", inputs={"total": total})
        >>> written(binding, {"total": 3})
        'print(3 * 2)'
    """
    literals = {name: _shown(binding, name, values[name]) for name in binding.inputs}
    return _GAP.sub(lambda gap: literals[gap.group(1)], binding.template)


def gaps_of(binding: FromTemplate) -> tuple[str, ...]:
    """Return the names in the gaps of a template, in order."""
    return tuple(_GAP.findall(binding.template))


def could_be(binding: FromTemplate, text: str) -> bool:
    """Return whether a text is a template with any values in its gaps.

    Args:
        binding: The template.
        text: The text.

    Returns:
        True if the text has the fixed parts of the template, in their order.

    Example:
        >>> from tdlab.records import FromTemplate
        >>> binding = FromTemplate(form="python", template="print(«total» * 2)")
        >>> could_be(binding, "print(3 * 2)"), could_be(binding, "print(3)")
        (True, False)
    """
    fixed = _GAP.split(binding.template)[::2]
    if not text.startswith(fixed[0]) or not text.endswith(fixed[-1]):
        return False
    end = len(fixed[0])
    for piece in fixed[1:]:
        start = text.find(piece, end)
        if start < 0:
            return False
        end = start + len(piece)
    return True


def follow(value: Json, path: Sequence[str | int]) -> Json:
    """Return the value at a path in a result.

    Args:
        value: A JSON value. Text on the path is parsed as JSON.
        path: Keys of objects and indices of lists.

    Returns:
        The value; None if the path does not exist.

    Example:
        >>> follow({"stdout": '{"rows": [4, 5]}'}, ("stdout", "rows", 1))
        5
        >>> follow({"rows": []}, ("rows", 0)) is None
        True
    """
    for part in path:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return None
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and -len(value) <= part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def printed_schema(call: Call) -> dict[str, Json]:
    """Return the schema of a planned call's result of the code tool, with the printed object as ``stdout``."""
    code = call.arguments.get("code")
    printed = code.returns if isinstance(code, FromTemplate) and code.returns else {"type": "string"}
    return {"type": "object", "properties": {"stdout": printed}, "required": ["stdout"]}


def _shown(binding: FromTemplate, name: str, value: Json) -> str:
    fields = binding.fields.get(name)
    if fields and isinstance(value, list):
        rows = [{f: row[f] for f in fields if f in row} for row in value if isinstance(row, dict)]
        return {"python": _python_rows, "sql": _sql_rows, "lines": _lines}[binding.form](rows, fields)
    if binding.form == "lines":
        return _cell(value)
    return _sql(value) if binding.form == "sql" else _python(value)


def _python(value: Json) -> str:
    """Return a Python literal; strings have double quotes, as in JSON."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, list):
        return "[" + ", ".join(map(_python, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_python(str(key))}: {_python(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _python_rows(rows: Sequence[dict[str, Json]], fields: Sequence[str]) -> str:
    flat = _python(list(rows))
    return flat if len(flat) <= _MAX_LINE else "[\n" + "".join(f"    {_python(row)},\n" for row in rows) + "]"


def _sql(value: Json) -> str:
    """Return an SQLite literal; lists and objects become JSON text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (int, float)):
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "'" + text.replace("\x00", "").replace("'", "''") + "'"


def _sql_rows(rows: Sequence[dict[str, Json]], fields: Sequence[str]) -> str:
    """Return the rows of a ``values`` clause; without any, one row of nulls, so that the statement stays valid."""
    tuples = [", ".join(_sql(row.get(field)) for field in fields) for row in rows or [{}]]
    return ",\n".join(f"  ({row})" for row in tuples)


def _lines(rows: Sequence[dict[str, Json]], fields: Sequence[str]) -> str:
    return "".join("\t".join(_cell(row.get(field)) for field in fields) + "\n" for row in rows)


def _cell(value: Json) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", text)

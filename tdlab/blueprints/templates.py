"""Programs that a plan leaves to the assistant to write: a template's gaps filled with values, and read back again.

`written` is the one way from values to the text of a program or of its input, so the scripted teacher writes what
verification expects, to the letter. Values are data: they are written as literals of the language, never as code, and
a gap inside a value is no gap.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

from tdlab.records import Call, FromTemplate, Json

__all__ = ["could_be", "follow", "gaps_of", "printed_schema", "written"]

_GAP = re.compile("«(\\w+)»")
_LINE = 100  # characters up to which a list is written on one line


def written(binding: FromTemplate, values: Mapping[str, Json]) -> str:
    """The text for the values of its inputs. KeyError where a gap has no input."""
    made = {name: _shown(binding, name, values[name]) for name in binding.inputs}
    return _GAP.sub(lambda gap: made[gap.group(1)], binding.template)


def gaps_of(binding: FromTemplate) -> tuple[str, ...]:
    """The names in the gaps of a template, in order."""
    return tuple(_GAP.findall(binding.template))


def could_be(binding: FromTemplate, text: str) -> bool:
    """Whether ``text`` is the template with some values in its gaps."""
    fixed = _GAP.split(binding.template)[::2]
    if not text.startswith(fixed[0]) or not text.endswith(fixed[-1]):
        return False
    place = len(fixed[0])
    for piece in fixed[1:]:
        place = text.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return True


def follow(value: Json, path: Sequence[str | int]) -> Json:
    """The value at ``path``; None where there is none. A text on the way that holds JSON is decoded."""
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
    """What the answer to a planned call of the code tool looks like: the printed object stands for ``stdout``."""
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
    """A Python literal; strings in double quotes, as JSON writes them."""
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
    return flat if len(flat) <= _LINE else "[\n" + "".join(f"    {_python(row)},\n" for row in rows) + "]"


def _sql(value: Json) -> str:
    """An SQLite literal; lists and objects as JSON text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (int, float)):
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "'" + text.replace("\x00", "").replace("'", "''") + "'"


def _sql_rows(rows: Sequence[dict[str, Json]], fields: Sequence[str]) -> str:
    """The rows of a ``values`` clause; where there are none, one of nulls, so that the statement stays complete."""
    tuples = [", ".join(_sql(row.get(field)) for field in fields) for row in rows or [{}]]
    return ",\n".join(f"  ({row})" for row in tuples)


def _lines(rows: Sequence[dict[str, Json]], fields: Sequence[str]) -> str:
    return "".join("\t".join(_cell(row.get(field)) for field in fields) + "\n" for row in rows)


def _cell(value: Json) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", text)

"""The programs themselves: short templates in the manner of an assistant that was asked to work something out.

Every function gives the text of a program with gaps (``«rows»``, ``«value»``, ``«limit»``) for `programs.written`.
Field names are plain identifiers; the caller sees to that. What a program prints depends on its values alone.
"""

from __future__ import annotations

from typing import NamedTuple

from tdlab.tools import label, split_words

__all__ = [
    "ADDITIVE",
    "CONVERSIONS",
    "Conversion",
    "aggregate_python",
    "aggregate_sql",
    "compare_python",
    "convert_python",
    "convert_rows_python",
    "converted",
    "filter_python",
    "group_bash",
    "group_python",
    "group_sql",
    "interval_python",
    "limit_python",
    "measure",
    "pick_python",
    "rank_bash",
    "rank_python",
    "validate_python",
]


class Conversion(NamedTuple):
    """The other unit, what its name adds to a field's, and the arithmetic on the value."""

    unit: str
    suffix: str
    arithmetic: str


CONVERSIONS: dict[str, Conversion] = {
    "cents": Conversion("whole currency units", "", "{} / 100"),
    "pence": Conversion("pounds", "pounds", "{} / 100"),
    "minutes": Conversion("hours", "hours", "{} / 60"),
    "seconds": Conversion("minutes", "minutes", "{} / 60"),
    "days": Conversion("weeks", "weeks", "{} / 7"),
    "bytes": Conversion("megabytes", "megabytes", "{} / 1_000_000"),
    "grams": Conversion("kilograms", "kilograms", "{} / 1000"),
    "kg": Conversion("pounds", "pounds", "{} / 0.45359237"),
    "km": Conversion("miles", "miles", "{} / 1.609344"),
    "kwh": Conversion("megajoules", "megajoules", "{} * 3.6"),
    "m2": Conversion("square feet", "square_feet", "{} / 0.09290304"),
    "percent": Conversion("a fraction", "fraction", "{} / 100"),
}
"""Units that a field's last word names."""

ADDITIVE = frozenset(
    "cents pence minor amount quantity count total minutes seconds hours days bytes grams kg km kwh points stock units"
    " tokens size fee cost stake rows records m2 gib mib spots contacts segments scans seats".split()
)
"""Words of what can be added up; anything else is averaged."""

_UNITS = frozenset("cents pence minutes seconds hours days bytes grams kg km kwh percent gib mib m px c usd".split())


def measure(field: str) -> str:
    """How one speaks of a figure: ``price_cents`` -> ``price in cents``."""
    words = split_words(field)
    if len(words) > 1 and words[-1] in _UNITS and "per" not in words:
        return f"{' '.join(words[:-1])} in {words[-1]}"
    return label(field)


def pick_python(variable: str, by: str, function: str) -> str:
    """Print the object with the least or the greatest of a field."""
    return f"""\
import json

{variable} = «rows»
usable = [row for row in {variable} if row.get("{by}") is not None]
best = {function}(usable, key=lambda row: row["{by}"])
print(json.dumps(best))
"""


def aggregate_python(variable: str, number: str, *, adds: bool) -> str:
    """Print count, total or mean, least and greatest."""
    first = f'"total_{number}": round(sum(values), 2),' if adds else f'"mean_{number}": round(mean(values), 2),'
    head = "import json\n" if adds else "import json\nfrom statistics import mean\n"
    return f"""\
{head}
{variable} = «rows»
values = [row["{number}"] for row in {variable} if row.get("{number}") is not None]
summary = {{
    "entries": len(values),
    {first}
    "lowest": min(values),
    "highest": max(values),
}}
print(json.dumps(summary))
"""


def aggregate_sql(variable: str, key: str, number: str, *, adds: bool) -> str:
    """The same as one query."""
    first = f"round(sum({number}), 2) as total_{number}" if adds else f"round(avg({number}), 2) as mean_{number}"
    return f"""\
create table {variable} ({key} text{_column(key, number)});
insert into {variable} ({key}{_also(key, number)}) values
«rows»;
select count(*) as entries, {first}, min({number}) as lowest, max({number}) as highest
from {variable}
where {key} is not null;
"""  # noqa: S608  # no server runs it: names are plain identifiers, and it runs in the sandbox


def group_python(variable: str, group: str) -> str:
    """Print how many there are of each."""
    return f"""\
import json
from collections import Counter

{variable} = «rows»
counts = Counter(row.get("{group}") or "unknown" for row in {variable})
print(json.dumps(dict(counts.most_common())))
"""


def group_sql(variable: str, key: str, group: str) -> str:
    """The same as one query."""
    return f"""\
create table {variable} ({key} text, {group} text);
insert into {variable} ({key}, {group}) values
«rows»;
select {group}, count(*) as entries
from {variable}
where {key} is not null
group by {group}
order by entries desc, {group};
"""  # noqa: S608  # no server runs it: names are plain identifiers, and it runs in the sandbox


def group_bash() -> str:
    """The same for lines whose second column tells the group."""
    return """\
set -euo pipefail
cut -f 2 | sort | uniq -c | sort -k 1,1nr -k 2
"""


def filter_python(variable: str, key: str, number: str, limit: str, *, side: str) -> str:
    """Print the names of what passes a limit."""
    sign = ">=" if side == "least" else "<="
    return f"""\
import json

{limit} = «limit»
{variable} = «rows»
passing = [
    row["{key}"]
    for row in {variable}
    if row.get("{number}") is not None and row["{number}"] {sign} {limit}
]
print(json.dumps({{"matching": passing, "left_out": len({variable}) - len(passing)}}))
"""


def rank_python(variable: str, key: str, number: str) -> str:
    """Print names in descending order of a field."""
    return f"""\
import json

{variable} = «rows»
ranked = sorted({variable}, key=lambda row: row.get("{number}") or 0, reverse=True)
print(json.dumps({{"ranking": [row["{key}"] for row in ranked]}}))
"""


def rank_bash() -> str:
    """The same for lines of a name and a number."""
    return """\
set -euo pipefail
sort -t $'\\t' -s -k 2,2gr
"""


def convert_python(number: str) -> str:
    """Print one value in another unit."""
    other = converted(number)
    arithmetic = CONVERSIONS[split_words(number)[-1]].arithmetic.format(number)
    return f"""\
import json

{number} = «value»
{other} = round({arithmetic}, 2)
print(json.dumps({{"{other}": {other}}}))
"""


def convert_rows_python(variable: str, key: str, number: str) -> str:
    """Print a column in another unit."""
    arithmetic = CONVERSIONS[split_words(number)[-1]].arithmetic.format(f'row["{number}"]')
    return f"""\
import json

{variable} = «rows»
{converted(number)} = {{
    row["{key}"]: round({arithmetic}, 2)
    for row in {variable}
    if row.get("{number}") is not None
}}
print(json.dumps({converted(number)}))
"""


def converted(number: str) -> str:
    """A name for a field in another unit: ``price_cents`` -> ``price``."""
    words = split_words(number)
    suffix = CONVERSIONS[words[-1]].suffix
    return "_".join((*words[:-1], *([suffix] if suffix else []))) or "converted"


def validate_python(variable: str, key: str, numbers: tuple[str, ...], dates: tuple[str, ...]) -> str:
    """Print what cannot be right."""
    checks = "".join(
        f"""\
    if row.get("{number}") is None or row["{number}"] < 0:
        problems.append(f"{{name}}: {label(number)} is {{row.get('{number}')}}")
"""
        for number in numbers
        if number != key
    )
    checks += "".join(
        f"""\
    try:
        datetime.fromisoformat(row["{date}"].replace("Z", "+00:00"))
    except (AttributeError, KeyError, ValueError):
        problems.append(f"{{name}}: {label(date)} is no date")
"""
        for date in dates
        if date != key
    )
    head = "import json\nfrom datetime import datetime\n" if dates else "import json\n"
    return f"""\
{head}
{variable} = «rows»
problems = []
seen = set()
for row in {variable}:
    name = row.get("{key}")
    if name is None or name in seen:
        problems.append(f"{{name}}: missing or listed twice")
    seen.add(name)
{checks}print(json.dumps({{"checked": len({variable}), "problems": problems}}))
"""


def compare_python(number: str, count: int) -> str:
    """Print which of several values is highest and lowest."""
    lines = "".join(f"    («name_{index}», «value_{index}»),\n" for index in range(count))
    return f"""\
import json

{number} = [
{lines}]
lowest = min({number}, key=lambda pair: pair[1])
highest = max({number}, key=lambda pair: pair[1])
print(json.dumps({{
    "highest": highest[0],
    "lowest": lowest[0],
    "difference": round(highest[1] - lowest[1], 2),
}}))
"""


def interval_python(first: str, last: str) -> str:
    """Print the days from one date to another."""
    return f"""\
import json
from datetime import date

{first} = «first»
{last} = «last»
days = (date.fromisoformat({last}[:10]) - date.fromisoformat({first}[:10])).days
print(json.dumps({{"days": days, "weeks": round(days / 7, 1)}}))
"""


def limit_python(number: str, limit: str) -> str:
    """Print whether a value keeps to a limit, and what is left."""
    return f"""\
import json

{number} = «value»
{limit} = «limit»
print(json.dumps({{
    "within_limit": {number} <= {limit},
    "left": round({limit} - {number}, 2),
}}))
"""


def _column(key: str, number: str) -> str:
    return "" if number == key else f", {number} real"


def _also(key: str, number: str) -> str:
    return "" if number == key else f", {number}"

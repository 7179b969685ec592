"""Programs: what an assistant writes where an answer takes more rows than anybody adds up in the head."""

from __future__ import annotations

import json
import keyword
from collections.abc import Mapping, Sequence

from tdlab.records import Json
from tdlab.tasks.frames import Computation

__all__ = ["program_for", "worked_out"]

_NUMBERS = (int, float)
_PRINTED = {"sum": "round(sum({values}), 2)", "min": "min({values})", "max": "max({values})"}
_LONGEST_LINE = 100
_OWN_NAMES = frozenset("json row values totals answer defaultdict dict len max min print round sum".split())


def worked_out(computation: Computation, rows: Sequence[Json], facts: Mapping[str, Json]) -> Json:
    """Return what a computation comes to over rows.

    Args:
        computation: What to work out.
        rows: The rows of its list, of all pages.
        facts: The facts that its ``where`` names.

    Returns:
        A number, for ``top`` the value whose rows add up to most; None where there is nothing to compute, or a tie.

    Example:
        >>> worked_out(Computation(rows="bills", how="sum", of="euros"), [{"euros": 2.5}, {"euros": 4}], {})
        6.5
    """
    chosen = [
        row
        for row in rows
        if isinstance(row, dict) and all(row.get(field) == facts.get(fact) for field, fact in computation.where.items())
    ]
    if computation.how == "count":
        return len(chosen)
    found = [(row, row[computation.of]) for row in chosen if isinstance(row.get(computation.of), _NUMBERS)]
    if not found:
        return None
    values = [value for _, value in found]
    if computation.how == "top":
        totals: dict[Json, float] = {}
        for row, value in found:
            totals[row.get(computation.by)] = totals.get(row.get(computation.by), 0) + value
        best = max(totals.values())
        first = [key for key, total in totals.items() if total == best]
        return first[0] if len(first) == 1 else None
    if computation.how == "mean":
        return round(sum(values) / len(values), 2)
    if computation.how == "sum":
        return round(sum(values), 2)
    return min(values) if computation.how == "min" else max(values)


def program_for(
    computations: Mapping[str, Computation], rows: Sequence[Mapping[str, Json]], facts: Mapping[str, Json]
) -> str:
    """Return a Python program that works out some facts and prints them as one JSON object.

    Args:
        computations: What to work out, by fact; all of them over one list.
        rows: The rows of that list; only the fields that the program needs are written into it.
        facts: The facts that a ``where`` names.

    Returns:
        The program. Names come from a pack that was checked; values are written as literals.

    Example:
        >>> bills = [{"bill_id": "b1", "euros": 2.5}, {"bill_id": "b2", "euros": 4}]
        >>> print(program_for({"total": Computation(rows="bills", how="sum", of="euros")}, bills, {}))
        import json
        <BLANKLINE>
        bills = [
            {"euros": 2.5},
            {"euros": 4},
        ]
        print(json.dumps({"total": round(sum(row["euros"] for row in bills), 2)}))
    """
    listing = next(iter(computations.values())).rows
    plain = listing.isascii() and listing.isidentifier() and not keyword.iskeyword(listing)
    variable = listing if plain and listing not in _OWN_NAMES else "rows"
    fields = dict.fromkeys(
        field for one in computations.values() for field in (*one.where, one.by, one.of) if field
    ) or dict.fromkeys(list(rows[0])[:1])
    wanted = [one.of for one in computations.values() if one.of]
    gaps = {field for field in wanted if any(not isinstance(row.get(field), _NUMBERS) for row in rows)}
    written = [
        "    {" + ", ".join(f"{_literal(field)}: {_literal(row.get(field))}" for field in fields) + "}," for row in rows
    ]
    grouped = any(one.how == "top" for one in computations.values())
    lines = [
        "import json",
        *(["from collections import defaultdict"] if grouped else []),
        "",
        f"{variable} = [",
        *written,
        "]",
    ]
    printed: dict[str, str] = {}
    for number, (fact, one) in enumerate(computations.items(), start=1):
        conditions = [f"row[{_literal(field)}] == {_literal(facts.get(known))}" for field, known in one.where.items()]
        if one.of in gaps:
            conditions.append(f"row[{_literal(one.of)}] is not None")
        which = f" if {' and '.join(conditions)}" if conditions else ""
        values = f"row[{_literal(one.of)}] for row in {variable}{which}"
        if one.how == "count":
            printed[fact] = (
                f"sum({' and '.join(conditions)} for row in {variable})" if conditions else f"len({variable})"
            )
        elif one.how == "mean":
            chosen = "values" if "values =" not in "".join(lines) else f"values_{number}"
            lines.append(f"{chosen} = [{values}]")
            printed[fact] = f"round(sum({chosen}) / len({chosen}), 2)"
        elif one.how == "top":
            totals = "totals" if "totals =" not in "".join(lines) else f"totals_{number}"
            lines += [f"{totals} = defaultdict(float)", f"for row in {variable}:"]
            step = f"{totals}[row[{_literal(one.by)}]] += row[{_literal(one.of)}]"
            lines += [f"    if {' and '.join(conditions)}:", f"        {step}"] if conditions else [f"    {step}"]
            printed[fact] = f"max({totals}, key={totals}.get)"
        else:
            printed[fact] = _PRINTED[one.how].format(values=values)
    return "\n".join([*lines, *_print(printed)])


def _print(printed: Mapping[str, str]) -> list[str]:
    """The line that prints everything, or several where it would be too long."""
    pairs = [f"{_literal(fact)}: {code}" for fact, code in printed.items()]
    line = f"print(json.dumps({{{', '.join(pairs)}}}))"
    if len(line) <= _LONGEST_LINE:
        return [line]
    return ["answer = {", *(f"    {pair}," for pair in pairs), "}", "print(json.dumps(answer))"]


def _literal(value: Json) -> str:
    """A value as Python writes it, text in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)

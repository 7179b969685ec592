"""DataFrames of a pool: its tools, its services, and its quality by source."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from tdlab.errors import PoolError
from tdlab.pool.issues import PoolView
from tdlab.pool.repair.language import language
from tdlab.records import heaviest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["report", "to_frame"]

_HINTS = ("read_only", "destructive", "idempotent", "open_world")
_TOOL_COLUMNS = [
    "key", "service", "name", "description", "domain", "category", "source", "license", "schema_quality", "parameters",
    "required", "has_output", *_HINTS, "errors", "grade", "trust", "language",
]  # fmt: skip
_SERVICE_COLUMNS = [
    "service", "title", "description", "domain", "domains", "domain_by", "domain_confidence", "category", "source",
    "license", "schema_quality", "tools", "trust",
]  # fmt: skip


def to_frame(pool: PoolView, *, level: Literal["tool", "service"] = "tool") -> pd.DataFrame:
    """Return one row for each tool (or service), in the pool's order; `ToolPool.to_frame` lists the columns."""
    import pandas as pd

    if level == "service":
        rows = []
        for service in pool.services:
            placement = pool.placement(service.name)
            trust = sum(pool.quality(tool.key).trust for tool in service.tools) / len(service.tools)
            rows.append(
                {
                    "service": service.name,
                    "title": service.title,
                    "description": service.description,
                    "domain": heaviest(service.domains),
                    "domains": dict(service.domains),
                    "domain_by": placement.by,
                    "domain_confidence": placement.confidence,
                    "category": service.category,
                    "source": service.source,
                    "license": service.license,
                    "schema_quality": service.schema_quality,
                    "tools": len(service.tools),
                    "trust": round(trust, 3),
                }
            )
        return pd.DataFrame(rows, columns=_SERVICE_COLUMNS)
    if level != "tool":
        raise PoolError(f"level={level!r}", expected="'tool' or 'service'", do="pass level='tool' or level='service'")
    frame = pd.DataFrame(
        [
            {
                "key": tool.key,
                "service": service.name,
                "name": tool.name,
                "description": tool.description,
                "domain": heaviest(service.domains),
                "category": service.category,
                "source": service.source,
                "license": service.license,
                "schema_quality": service.schema_quality,
                "parameters": len(tool.parameters),
                "required": len(tool.required),
                "has_output": tool.output_schema is not None,
                **{hint: getattr(tool.annotations, hint) for hint in _HINTS},
                "errors": len(tool.errors),
                "grade": pool.quality(tool.key).grade,
                "trust": pool.quality(tool.key).trust,
                "language": language(tool.description),
            }
            for service in pool.services
            for tool in service.tools
        ],
        columns=_TOOL_COLUMNS,
    )
    return frame.astype(dict.fromkeys(_HINTS, "boolean"))


def report(pool: PoolView, *, before: PoolView | None = None) -> pd.DataFrame:
    """Return the quality of a pool, one row for each source and schema quality and one for all (source ``all``).

    Columns: services and tools (counts); ``usable`` (share of tools whose schema is not ``missing``), ``trust`` (mean),
    ``described`` (share of tools with a description), ``parameters`` (mean number); then for each issue code, sorted by
    name, ``code (severity)``: how many tools or services have it. Rejected tools count where their service is known.

    Args:
        pool: The pool to report on.
        before: The same pool loaded with ``clean=False``; adds ``usable_before``, ``described_before`` and
            ``parameters_before``.

    Returns:
        The DataFrame, indexed by source and schema quality.
    """
    import pandas as pd

    row_of = {service.name: (service.source, service.schema_quality) for service in pool.services}
    rows = _measures(pool)
    if before is not None:
        for key, measures in _measures(before).items():
            rows.setdefault(key, {}).update(
                {f"{name}_before": measures[name] for name in ("usable", "described", "parameters")}
            )
    counts: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in rows}
    seen = set()
    for issue in pool.issues:
        issue_key = (issue.service, issue.tool, issue.severity, issue.code)
        if issue_key in seen and issue.service is not None:
            continue
        seen.add(issue_key)
        column = f"{issue.code} ({issue.severity})"
        counts[_ALL][column] += 1
        if issue.service in row_of:
            counts[row_of[issue.service]][column] += 1
    codes = sorted(counts[_ALL])
    frame = pd.DataFrame(
        [
            {"source": source, "schema_quality": quality, **rows[source, quality]}
            | {code: counts[source, quality][code] for code in codes}
            for source, quality in sorted(rows, key=lambda key: (key == _ALL, key))
        ]
    )
    return frame.set_index(["source", "schema_quality"])


_ALL = ("all", "")


def _measures(pool: PoolView) -> dict[tuple[str, str], dict[str, float]]:
    facts_by_row: dict[tuple[str, str], list[tuple[bool, float, bool, int]]] = {_ALL: []}
    services: Counter[tuple[str, str]] = Counter()
    for service in pool.services:
        row = (service.source, service.schema_quality)
        services.update((row, _ALL))
        for tool in service.tools:
            quality = pool.quality(tool.key)
            facts = (quality.usable, quality.trust, bool(tool.description.strip()), len(tool.parameters))
            facts_by_row.setdefault(row, []).append(facts)
            facts_by_row[_ALL].append(facts)
    return {
        row: {
            "services": services[row],
            "tools": len(facts),
            **{
                name: round(sum(fact[column] for fact in facts) / max(1, len(facts)), 3)
                for column, name in enumerate(("usable", "trust", "described", "parameters"))
            },
        }
        for row, facts in facts_by_row.items()
    }

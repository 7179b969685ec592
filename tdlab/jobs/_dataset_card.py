"""The card of a published dataset: a YAML header for Hugging Face, and what the run knows about itself."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tdlab.errors import TdlabError
from tdlab.jobs.scan import SCAN_LIMITS
from tdlab.pool import ToolPool
from tdlab.records import Json, Service
from tdlab.store import Run
from tdlab.tools import counted, printable

__all__ = ["Provenance", "dataset_card", "provenance_of"]

UNKNOWN = "not known"
_ORIGINS = (
    "Origin `world`: invented by tdlab, so that it belongs to no person. `reserved`: set aside for examples. "
    "`unknown`: it may be real."
)


@dataclass(frozen=True)
class Provenance:
    """Where a service's definitions come from, and under which licence; ``not known`` where the pool is not at hand."""

    service: str
    tools: int
    source: str = UNKNOWN
    license: str = UNKNOWN
    bundled: bool = False


def provenance_of(run: Run, offered: Collection[str]) -> tuple[Provenance, ...]:
    """Return the provenance of every service with an offered tool, from the pool that the run was made of."""
    numbers: dict[str, int] = {}
    for tool in run.store.tools():
        if tool.key in offered:
            numbers[tool.service] = numbers.get(tool.service, 0) + 1
    known = _services(run)
    return tuple(_provenance(name, number, known.get(name)) for name, number in sorted(numbers.items()))


def _services(run: Run) -> dict[str, Service]:
    """Return the services of the run's pool; none if that is gone or has changed since."""
    try:
        pool = ToolPool.named(run.config.pools)
    except TdlabError:
        return {}
    return (
        {service.name: service for service in pool.services} if pool.fingerprint == run.store.pool_fingerprint else {}
    )


def _provenance(name: str, number: int, service: Service | None) -> Provenance:
    if service is None:
        return Provenance(name or UNKNOWN, number)
    if service.schema_quality == "bundled":
        return Provenance(name, number, service.source or "tdlab", service.license or "Apache-2.0", bundled=True)
    return Provenance(name, number, service.source or UNKNOWN, service.license or UNKNOWN)


_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(
    run: Run,
    services: Sequence[Provenance],
    findings: Mapping[tuple[str, str, str], int],
    *,
    trajectories: int,
    format: str,
    license: str,
) -> str:
    """Return the text of ``README.md``; text of tools and services is escaped."""
    metrics = _metrics(run)
    size = next((name for most, name in _SIZES if trajectories < most), "n>1M")
    # JSON is YAML: a header of JSON values needs no YAML library and no rules of quoting.
    header = {
        **({"license": license} if license else {}),
        "language": ["en"],
        "task_categories": ["text-generation"],
        "tags": ["tool-use", "function-calling", "agents", "synthetic", "mcp", "tdlab"],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}],
    }
    lines = ["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items()), "---", ""]
    lines += [f"# {counted(trajectories, 'tool-use trajectory')} made by tdlab", ""]
    lines += [f"One row is one conversation, in the format `{format}` of `tdlab export`. Load it with", "", "```python"]
    lines += ["from datasets import load_dataset", "", 'load_dataset("THIS_FOLDER_OR_REPOSITORY", split="train")']
    lines += ["```", ""]
    lines += _section("How it was made", _made(run))
    lines += _section("Diversity", _diversity(metrics))
    lines += _section("Quality", _quality(metrics))
    lines += _section("Verification", _verification(run))
    lines += _section("Costs", _costs(metrics, run))
    lines += ["## Secrets and personal data", "", SCAN_LIMITS, ""]
    if findings:
        rows = [(*map(str, kind), f"{number:,}") for kind, number in findings.items()]
        lines += _table(("kind", "detector", "origin", "findings"), rows)
        lines += ["", _ORIGINS]
    else:
        lines += ["Nothing was found."]
    lines += ["", "## Tools and their licences", ""]
    rows = [(p.service, str(p.tools), p.source, p.license) for p in services]
    lines += _table(("service", "tools offered", "source", "licence"), rows)
    if any(UNKNOWN in (p.source, p.license) for p in services):
        lines += ["", "`not known`: the pool names none, or is not where the run found it."]
    return "\n".join([*lines, ""])


def _metrics(run: Run) -> dict[str, Any]:
    path = run.path / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _section(title: str, rows: Sequence[tuple[str, Json]]) -> list[str]:
    shown = [(name, UNKNOWN if value is None else str(value)) for name, value in rows]
    return [f"## {title}", "", *(_table(("what", "value"), shown) if shown else [UNKNOWN.capitalize() + "."]), ""]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(map(_cell, row))} |" for row in (head, ["---"] * len(head), *rows)]


def _cell(text: str) -> str:
    """Return text of a tool or service as plain Markdown: it can end no cell, start no tag and no link."""
    if text == "---":
        return text
    return re.sub(r"([\\`*_\[\]<>|!#])", r"\\\1", printable(text, most=120))


def _made(run: Run) -> list[tuple[str, Json]]:
    config, store = run.config, run.store
    versions = store.versions
    return [
        ("seed", config.seed),
        ("strategy", config.evolution.strategy),
        ("teacher", config.rollout.teacher),
        ("environment", config.rollout.environment),
        ("config digest", config.digest),
        ("pool fingerprint", store.pool_fingerprint),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))),
    ]


def _diversity(metrics: Mapping[str, Any]) -> list[tuple[str, Json]]:
    """Return each entropy in bits, with its interval and its ceiling."""
    rows: list[tuple[str, Json]] = []
    for name, value in sorted(metrics.get("diversity", {}).items()):
        if isinstance(value, dict) and {"value", "low", "high", "ceiling"} <= set(value):
            if value["value"] is None:
                rows.append((f"entropy of {name}, bits", None))
                continue
            low, high, ceiling = (_number(value[key]) for key in ("low", "high", "ceiling"))
            rows.append((f"entropy of {name}, bits", f"{value['value']:.2f} ({low} to {high}; at most {ceiling})"))
    cac = metrics.get("diversity", {}).get("cac")
    if isinstance(cac, dict) and cac.get("mean") is not None:
        interval = f"({_number(cac['low'])} to {_number(cac['high'])})"
        rows.append(("mean cumulative action complexity", f"{cac['mean']:.2f} {interval}"))
    return rows


def _number(value: Json) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"


def _quality(metrics: Mapping[str, Any]) -> list[tuple[str, Json]]:
    measures = metrics.get("quality", {}).get("measures", {})
    rows: list[tuple[str, Json]] = []
    for measure in measures.values():
        value = measure.get("value")
        shown = None if value is None else f"{value:.1%}" if measure.get("kind") == "share" else f"{value:.2f}"
        rows.append((f"{measure['title']} (of {measure['n']} {measure.get('unit', '')})".strip(), shown))
    return rows


def _verification(run: Run) -> list[tuple[str, Json]]:
    counts = run.store.counts()
    rejected = run.store.rejection_reasons()
    checks = sorted({check.name for kept in run.store.accepted() if kept.verdict for check in kept.verdict.checks})
    return [
        ("accepted", counts.accepted),
        ("rejected", counts.rejected),
        ("rejected by", ", ".join(f"{name} {number}" for name, number in sorted(rejected.items())) or "-"),
        ("every trajectory passed", ", ".join(checks)),
    ]


def _costs(metrics: Mapping[str, Any], run: Run) -> list[tuple[str, Json]]:
    teacher = metrics.get("teacher")
    if run.config.rollout.teacher == "scripted":
        return [("model calls", "none: the teacher is scripted")]
    if not isinstance(teacher, dict):
        return [("tokens", None)]
    money = teacher.get("money")
    return [
        ("tokens", teacher.get("tokens")),
        ("money", None if money is None else f"{money:.2f} {teacher.get('currency', '')}".strip()),
    ]

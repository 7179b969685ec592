"""The files of a run that are derived from its store: dataset, metrics, figure, config and issues of the pool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from statistics import mean

from tdlab.diversity import DiversityMeter, Features, taxonomy_domains
from tdlab.jobs.export import export, has_committee
from tdlab.jobs.progress import Reporter
from tdlab.plots import plot_run, save_figure
from tdlab.pool import ToolPool, cut_bytes
from tdlab.quality import measure_quality
from tdlab.records import Json, Tool, canonical_json
from tdlab.rollout import Prices, Spending, agreement
from tdlab.store import RunStore, atomic_write, open_run

__all__ = ["derive_again", "derive_all"]


def derive_again(store: RunStore) -> None:
    """Write the derived files of a run again, if it has them."""
    metrics = store.path / "metrics.json"
    if metrics.exists():
        facts = json.loads(metrics.read_text(encoding="utf-8"))["pool"]
        _derive(store, facts, figure=(store.path / "diversity.pdf").exists())


def derive_all(store: RunStore, pool: ToolPool, reporter: Reporter, *, figure: bool) -> None:
    """Write every derived file."""
    reporter.stage("files")
    issues = "".join(canonical_json(issue) + "\n" for issue in pool.issues)
    atomic_write(store.path / "issues.jsonl", issues.encode("utf-8", "backslashreplace"))
    facts: dict[str, Json] = {
        "fingerprint": pool.fingerprint,
        "read": pool.read,
        "tools": len(pool),
        "services": len(pool.services),
    }
    _derive(store, facts, figure=figure)


def _derive(store: RunStore, facts: Mapping[str, Json], *, figure: bool) -> None:
    """Write the files derived from the trajectories, each atomically. ``facts`` describe the pool."""
    folder = store.path
    atomic_write(folder / "config.yaml", store.config.to_yaml().encode())
    with open_run(folder) as run:
        export(run, folder / "dataset.jsonl")
        export(run, folder / "dataset.parquet")
        atomic_write(folder / "metrics.json", (canonical_json(_metrics(store, facts)) + "\n").encode())
        if figure:
            save_figure(plot_run(run), folder / "diversity")


def _metrics(store: RunStore, facts: Mapping[str, Json]) -> dict[str, Json]:
    config = store.config
    tools = {tool.key: tool for tool in store.tools()}
    features = (Features.model_validate(values) for _, _, values in store.features(accepted=True))
    report = DiversityMeter(features).report(seed=config.seed, tools=tools, categories=taxonomy_domains())
    counts = store.counts()
    return {
        "config": config.digest,
        "pool": dict(facts),
        "seed": config.seed,
        "strategy": config.evolution.strategy,
        "accepted": counts.accepted,
        "rejected": counts.rejected,
        "generations": counts.generations,
        "rejections": store.rejection_reasons(),
        "mining": store.mining(),
        "diversity": report.model_dump(mode="json"),
        "quality": _quality(store, tools),
        "gauges": _gauges(store),
        "guessed": _guessed(store),
        **({"cut": _cut(store)} if config.rollout.environment == "live" else {}),
        **({"teacher": _spending(store)} if config.rollout.teacher == "llm" else {}),
        **({"committee": _committee(store)} if has_committee(config) else {}),
    }


def _committee(store: RunStore) -> dict[str, Json]:
    """Return how many rollouts the committee judged and accepted, its mean marks, and how far its judges agree."""
    judged = accepted = 0
    agreements: list[float] = []
    marks: dict[str, list[int]] = {}
    for candidate in store.candidates():
        verdict = candidate.verdict
        if verdict is None or not verdict.scores:
            continue
        judged += 1
        accepted += verdict.accepted
        pairs = agreement(verdict.scores)
        agreements += [] if pairs is None else [pairs]
        for score in verdict.scores:
            marks.setdefault(score.criterion, []).append(score.score)
    return {
        "judged": judged,
        "accepted": accepted,
        "agreement": mean(agreements) if agreements else None,
        "marks": {criterion: mean(values) for criterion, values in marks.items()},
    }


def _quality(store: RunStore, tools: Mapping[str, Tool]) -> Json:
    """Return the quality of the accepted trajectories, as `tdlab quality` measures it."""
    accepted = (kept.trajectory for kept in store.accepted() if kept.trajectory is not None)
    return measure_quality(accepted, tools, seed=store.config.seed).model_dump(mode="json")


def _guessed(store: RunStore) -> dict[str, Json]:
    """Return how many accepted trajectories have guessed results, the calls with such results, and all calls."""
    trajectories = calls = every = 0
    for candidate in store.accepted():
        if candidate.trajectory is not None:
            trajectories += candidate.trajectory.guessed > 0
            calls += candidate.trajectory.guessed
            every += len(candidate.trajectory.executions)
    return {"trajectories": trajectories, "calls": calls, "of_calls": every}


def _cut(store: RunStore) -> dict[str, Json]:
    """Return how many results of live servers were cut, in how many trajectories, rejected ones too."""
    trajectories = results = largest = 0
    for candidate in store.candidates():
        if candidate.trajectory is None:
            continue
        sizes = [
            size
            for message in candidate.trajectory.results().values()
            if (size := cut_bytes(message.content)) is not None
        ]
        trajectories += bool(sizes)
        results += len(sizes)
        largest = max([largest, *sizes])
    return {"trajectories": trajectories, "results": results, "largest_bytes": largest}


def _gauges(store: RunStore) -> dict[str, Json]:
    """Return the last value of each gauge over the whole set, and its threshold."""
    last, thresholds = store.last_generation(), store.config.evolution.thresholds
    values = last.record.after.whole if last is not None else {}
    return {name: {"value": value, "threshold": thresholds[name]} for name, value in values.items()}


def _spending(store: RunStore) -> dict[str, Json]:
    """Return the use of models per role, for accepted and rejected rollouts, with the cost if prices are known."""
    prices = Prices.load(store.config.teacher.prices)
    used = {True: Spending(), False: Spending()}
    counts = store.counts()
    for candidate in store.candidates():
        rows: Json = candidate.lineage.spent
        for row in rows:
            used[candidate.accepted].add(
                row["role"], row["model"], row["input_tokens"], row["output_tokens"], calls=row["calls"],
                cached_input_tokens=row.get("cached_input_tokens", 0),
            )  # fmt: skip

    def priced(spending: Spending) -> list[dict[str, Json]]:
        return [
            {
                **row,
                "money": prices.cost(
                    row["model"], row["input_tokens"], row["output_tokens"], row["cached_input_tokens"]
                ),
            }
            for row in spending.to_json()
        ]

    both = [used[True].money(prices), used[False].money(prices)]
    total = None if None in both else sum(cost for cost in both if cost is not None)
    return {
        "currency": prices.currency,
        "accepted": priced(used[True]),
        "rejected": priced(used[False]),
        "tokens": used[True].tokens + used[False].tokens,
        "money": total,
        "money_per_accepted": None if total is None or not counts.accepted else total / counts.accepted,
    }

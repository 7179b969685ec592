"""The main job, end to end: pool, clusters, evolution with rollouts and verification, and the files derived from them.

`run` makes or resumes one run directory. The dataset depends on the config and the pool's content alone; workers,
interruptions and the machine leave no trace in it.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tdlab.blueprints import MUTATIONS
from tdlab.clusters import Mined, mine
from tdlab.clusters.returns import Returns
from tdlab.config import RunConfig
from tdlab.diversity import DiversityMeter, Features
from tdlab.errors import ConfigError, PoolError, RunMismatch
from tdlab.evolution import Controller, Progress, Studio, evolve
from tdlab.plots import plot_run, save_figure
from tdlab.pool import PoolIssue, ToolPool, nature
from tdlab.progress import Reporter
from tdlab.records import CODE_TOOL, Blueprint, BusinessCluster, Json, Tool, canonical_json, digest
from tdlab.rollout import CodeRunner, LiveEnvironment
from tdlab.sandbox import RUN_CODE
from tdlab.store import Run, RunStore, atomic_write, open_run
from tdlab.store.formats import write_openai_jsonl, write_parquet

if TYPE_CHECKING:
    from tdlab.pool import ServerSpec

__all__ = ["derive_again", "export", "run"]

_WATCHED = (
    "tdlab",
    "numpy",
    "pydantic",
    "jsonschema-rs",
    "faker",
    "rstr",
    "datasketch",
    "matplotlib",
    "pyarrow",
    "mcp",
)
_DECISIVE = ("tdlab", "jsonschema-rs", "faker", "rstr", "datasketch")
"""Libraries whose version decides what a trajectory holds, or which are kept."""


def run(
    config: RunConfig | None = None,
    *,
    out: str | Path,
    pool: ToolPool | None = None,
    servers: Mapping[str, ServerSpec] | None = None,
    mined: Mined | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Run:
    """Make the run of ``config`` in the folder ``out``, or resume it, and return it open for reading.

    ``pool`` overrides ``config.pool``. ``servers`` are the live MCP servers of a run whose
    ``config.rollout.environment`` is ``live``; the pool is then what they offer. ``mined`` is what
    `mine(pool, config.clusters, seed=config.seed)` gave, where that has been done already. ``workers`` is the number
    of processes (1 works in this one; scripts that use more need the usual ``if __name__ == "__main__"``). A complete
    run is returned as it is. KeyboardInterrupt leaves a run that the same call resumes.

    Raises PoolError, ConfigError, StoreError and its kin, WorkerError, and SandboxUnavailable where the config asks for
    code steps and there is no jail.
    """
    config = config or RunConfig()
    if workers < 1:
        raise ConfigError(f"workers is {workers}", expected="1 or more", do="leave it out for one process")
    live = config.rollout.environment == "live"
    if live != (servers is not None):
        raise ConfigError(
            "live servers and the environment do not agree",
            expected="rollout.environment: live exactly where servers are given",
            do="pass `servers`, or set rollout.environment to simulated",
        )
    with Reporter(enabled=progress) as reporter:
        if config.sandbox.on:
            with CodeRunner(config.sandbox) as runner:
                _ = runner.sandbox  # so that a machine without a jail is told at once
        if pool is None:
            reporter.stage("pool")
            pool = ToolPool.bundled() if config.pool == "bundled" else ToolPool.load(config.pool)
        if live:
            pool = _live_pool(pool, config)
        if not len(pool):
            raise PoolError("the pool has no usable tool", expected="at least one", do="see ToolPool.issues for why")
        if CODE_TOOL in pool.tools:
            raise PoolError(
                f"the pool has a tool {CODE_TOOL}, which is tdlab's own",
                expected="services of other names", do="rename that service",
            )  # fmt: skip
        store = RunStore.create_or_resume(out, config=config, pool_fingerprint=pool.fingerprint, versions=_versions())
        with store:
            if store.status == "complete":
                _derive_all(store, pool, reporter)
                return open_run(out)
            _same_makers(store)
            if store.mining() is None:
                reporter.stage("clusters")
                _mine(store, pool, config, mined, live=live)
            outcome = _evolve(store, config, servers, workers, reporter)
            _derive_all(store, pool, reporter)
            if outcome == "target":
                store.mark_complete({"accepted": store.counts().accepted})
            else:
                store.mark_stopped(outcome)
    return open_run(out)


def export(run: Run, path: str | Path) -> int:
    """Write a run's dataset to ``path``, as Parquet where it ends in ``.parquet``, else as OpenAI-style JSONL.

    Returns the number of trajectories. StoreError where it cannot be written.
    """
    store = run.store
    write = write_parquet if Path(path).suffix == ".parquet" else write_openai_jsonl
    tools = {tool.key: tool for tool in store.tools()}
    trajectories = (kept.trajectory for kept in store.accepted() if kept.trajectory is not None)
    return write(trajectories, tools, path, services=store.services())


def _mine(store: RunStore, pool: ToolPool, config: RunConfig, mined: Mined | None, *, live: bool) -> None:
    mined = mined or mine(pool, config.clusters, seed=config.seed)
    clusters = tuple(_observable(cluster, pool.tools) for cluster in mined.clusters) if live else mined.clusters
    used = dict.fromkeys(key for cluster in clusters for key in cluster.tools)
    report = {**mined.report, "read": pool.read, "issues": _issue_table(pool)}
    store.put_mining(
        clusters=clusters,
        tools=[*([pool.tools[key] for key in used] if live else _completed(pool, used)), *_code_tools(config)],
        services={s.name: s.domains for s in pool.services if any(t.key in used for t in s.tools)},
        report=report,
    )


def _code_tools(config: RunConfig) -> list[Tool]:
    return [RUN_CODE] if config.sandbox.on else []


def _completed(pool: ToolPool, keys: Iterable[str]) -> Iterator[Tool]:
    """Tools for simulation: where a server declares no output, the one that the miner infers from the whole service."""
    services: dict[str, Returns] = {}
    for key in keys:
        tool = pool.tools[key]
        if tool.service not in services:
            services[tool.service] = Returns(pool.service(tool.service).tools)
        schema = services[tool.service].schema(tool)
        yield (
            tool
            if schema == tool.output_schema
            else tool.model_copy(update={"output_schema": schema, "output_inferred": True})
        )


def _evolve(
    store: RunStore, config: RunConfig, servers: Mapping[str, ServerSpec] | None, workers: int, reporter: Reporter
) -> str:
    tools = {tool.key: tool for tool in store.tools()}
    clusters = tuple(store.clusters())
    if not clusters:
        raise PoolError("no cluster could be mined from the pool", expected="at least one tool with a usable schema")
    controller = Controller(
        config, clusters, distractors=[key for key in tools if key != CODE_TOOL],
        categories=len({d for c in clusters for d in c.domains}),
        mutations=_allowed(live=servers is not None, code=config.sandbox.on),
    )  # fmt: skip
    reporter.stage("trajectories", total=config.target)
    began = time.monotonic()

    def tell(progress: Progress) -> None:
        seconds = max(time.monotonic() - began, 1e-9)
        note = f"{progress.rejected} rejected, {progress.accepted / seconds:.0f}/s"
        reporter.update(progress.accepted, note=note)

    if servers is None:
        with closing(Studio(config, tools, clusters, store.services())) as studio:
            return evolve(store, controller, studio, workers=workers, on_progress=tell)
    from tdlab.pool.live import LiveServers

    with LiveServers(servers) as connected:

        def environment(blueprint: Blueprint, offered: Mapping[str, Tool]) -> LiveEnvironment:
            return LiveEnvironment(
                connected, scope=blueprint.id, timeout_s=config.rollout.call_timeout_s,
                journal_get=store.journal_get, journal_put=store.journal_put,
            )  # fmt: skip

        with closing(Studio(config, tools, clusters, store.services(), environment=environment)) as studio:
            return evolve(store, controller, studio, workers=1, on_progress=tell)


def derive_again(store: RunStore) -> None:
    """Write the files that are derived from a run's trajectories anew, where it has got as far as to have them."""
    metrics = store.path / "metrics.json"
    if metrics.exists():
        _derive(store, json.loads(metrics.read_text(encoding="utf-8"))["pool"])


def _derive_all(store: RunStore, pool: ToolPool, reporter: Reporter) -> None:
    """Write every derived file anew."""
    reporter.stage("files")
    issues = "".join(canonical_json(issue) + "\n" for issue in pool.issues)
    atomic_write(store.path / "issues.jsonl", issues.encode("utf-8", "backslashreplace"))
    facts: dict[str, Json] = {
        "fingerprint": pool.fingerprint,
        "read": pool.read,
        "tools": len(pool),
        "services": len(pool.services),
    }
    _derive(store, facts)


def _derive(store: RunStore, facts: Mapping[str, Json]) -> None:
    """Write what depends on the trajectories; each file appears whole or not at all. ``facts`` are the pool's."""
    folder = store.path
    atomic_write(folder / "config.yaml", store.config.to_yaml().encode())
    with open_run(folder) as made:
        export(made, folder / "dataset.jsonl")
        export(made, folder / "dataset.parquet")
        atomic_write(folder / "metrics.json", (canonical_json(_metrics(store, facts)) + "\n").encode())
        save_figure(plot_run(made), folder / "diversity")


def _metrics(store: RunStore, facts: Mapping[str, Json]) -> dict[str, Json]:
    config = store.config
    tools = {tool.key: tool for tool in store.tools()}
    features = (Features.model_validate(values) for _, _, values in store.features(accepted=True))
    categories = len({d for cluster in store.clusters() for d in cluster.domains})
    report = DiversityMeter(features, domain_categories=categories).report(seed=config.seed, tools=tools)
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
    }


def _live_pool(pool: ToolPool, config: RunConfig) -> ToolPool:
    """The tools that a live run may call: all of them, or without ``allow_writes`` those that change nothing."""
    if config.rollout.allow_writes:
        return pool
    reading = [key for key, tool in pool.tools.items() if nature(tool).effect in ("read", "search", "compute")]
    return pool.subset(tools=reading)


def _observable(cluster: BusinessCluster, tools: Mapping[str, Tool]) -> BusinessCluster:
    """A cluster for live use: only dependencies through outputs that their tool declares, since others are a guess."""
    kept = tuple(e for e in cluster.dependencies if tools[e.source].output_schema is not None or not e.parameter)
    named = digest("live", cluster.id, [[e.source, e.target, e.parameter] for e in kept])
    return cluster.model_copy(update={"dependencies": kept, "id": named})


def _allowed(*, live: bool, code: bool) -> list[str]:
    """The operators of a run: code needs a sandbox, and failures are not injected into real servers."""
    left_out = (set() if code else {"add_code_step"}) | ({"inject_failure"} if live else set())
    return [name for name in MUTATIONS if name not in left_out]


def _issue_table(pool: ToolPool) -> list[dict[str, Json]]:
    """A row for each kind of issue: ``severity``, ``code``, ``count`` and one ``example``; errors first."""
    kinds: dict[tuple[str, str], list[PoolIssue]] = {}
    for issue in pool.issues:
        kinds.setdefault((issue.severity, issue.code), []).append(issue)
    order = ("error", "mended", "note")
    return [
        {"severity": severity, "code": code, "count": len(found), "example": _worded(found[0])}
        for (severity, code), found in sorted(kinds.items(), key=lambda kind: (order.index(kind[0][0]), kind[0][1]))
    ]


def _worded(issue: PoolIssue) -> str:
    name = "/".join(part for part in (issue.service, issue.tool) if part is not None)
    return f"{name}: {issue.found}" if name else issue.found


def _same_makers(store: RunStore) -> None:
    """RunMismatch where what is there was made by other versions: the whole would be a function of nothing."""
    (_, first), (_, now) = store.sessions[0], store.sessions[-1]
    other = [
        f"{name} {first[name]} there and {now[name]} here"
        for name in _DECISIVE
        if name in first and first[name] != now[name]
    ]
    if other and store.last_generation() is not None:
        raise RunMismatch(
            f"{store.path}: was begun with other versions: {', '.join(other)}",
            expected="the same versions, to resume it",
            do="install those, or start another run with --out",
        )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _WATCHED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found

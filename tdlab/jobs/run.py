"""The main job, end to end: pool, clusters, evolution with rollouts and verification, and the files derived from them.

`run` makes or resumes one run directory. The dataset depends on the config and the pool's content alone; workers,
interruptions and the machine leave no trace in it.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tdlab.blueprints import MUTATIONS
from tdlab.clusters import MiningResult, mine
from tdlab.config import RunConfig
from tdlab.diversity import DiversityMeter, Features, taxonomy_domains
from tdlab.errors import ConfigError, PoolError, RunMismatch
from tdlab.evolution import Controller, Estimate, Producer, Progress, ThreadPool, estimate_spending, evolve
from tdlab.formats import write_openai_jsonl, write_parquet
from tdlab.jobs.progress import Reporter
from tdlab.plots import plot_run, save_figure
from tdlab.pool import PoolIssue, ToolPool
from tdlab.records import CODE_TOOL, Blueprint, BusinessCluster, Json, Tool, canonical_json, digest
from tdlab.rollout import CodeRunner, Environment, LiveBackend, LiveEnvironment, Prices, Spending, SpendingLine
from tdlab.sandbox import RUN_CODE
from tdlab.store import ReplyJournal, Run, RunStore, atomic_write, open_run
from tdlab.tools import Returns, nature

if TYPE_CHECKING:
    from tdlab.pool import ServerSpec

__all__ = ["REPLIES", "derive_again", "estimate", "export", "run"]

REPLIES = "teacher-replies.sqlite"
"""The journal of replies beside a run directory, where no other place is given."""

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
    "openai",
)
_DECISIVE = ("tdlab", "jsonschema-rs", "faker", "rstr", "datasketch")
"""Libraries whose version decides what a trajectory holds, or which are kept."""


def run(
    config: RunConfig | None = None,
    *,
    out: str | Path,
    pool: ToolPool | None = None,
    servers: Mapping[str, ServerSpec] | None = None,
    mined: MiningResult | None = None,
    workers: int = 1,
    progress: bool = True,
    replies: str | Path | None = None,
    api_key: str | None = None,
) -> Run:
    """Make the run of ``config`` in the folder ``out``, or resume it, and return it open for reading.

    ``pool`` overrides ``config.pool``. ``servers`` are the live MCP servers of a run whose
    ``config.rollout.environment`` is ``live``; the pool is then what they offer. ``mined`` is what
    `mine(pool, config.clusters, seed=config.seed)` gave, where that has been done already. ``workers`` is the number
    of processes (1 works in this one; scripts that use more need the usual ``if __name__ == "__main__"``). A complete
    run is returned as it is. KeyboardInterrupt leaves a run that the same call resumes.

    Where ``config.rollout.teacher`` is ``llm``, rollouts run in threads of this process, ``teacher.concurrency`` at
    once, and ``workers`` is not used. ``replies`` is the journal that keeps what was paid for, by default
    ``teacher-replies.sqlite`` beside ``out``, so that the runs of one folder share it. ``api_key`` is the server's key,
    by default ``OPENAI_API_KEY``; it is written nowhere.

    Raises PoolError, ConfigError, StoreError and its kin, TeacherError, RolloutError where a live server is gone for
    good, WorkerError, and SandboxUnavailable where the config asks for code steps and there is no jail.
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
                if config.rollout.teacher == "llm":
                    with LiveBackend(config.teacher, api_key=api_key):
                        pass  # so that a server that is not there is told before the mining
                reporter.stage("clusters")
                _mine(store, pool, config, mined, live=live)
            if config.rollout.teacher == "llm":
                place = Path(replies) if replies is not None else store.path.resolve().parent / REPLIES
                outcome = _evolve_with_models(store, config, servers, reporter, place, api_key)
            else:
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


def _mine(store: RunStore, pool: ToolPool, config: RunConfig, mined: MiningResult | None, *, live: bool) -> None:
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


def _cast(
    store: RunStore, config: RunConfig, *, live: bool
) -> tuple[Controller, dict[str, Tool], tuple[BusinessCluster, ...]]:
    """The controller of a run, its tools and its clusters."""
    tools = {tool.key: tool for tool in store.tools()}
    clusters = tuple(store.clusters())
    if not clusters:
        raise PoolError("no cluster could be mined from the pool", expected="at least one tool with a usable schema")
    controller = Controller(
        config, clusters, distractors=[key for key in tools if key != CODE_TOOL],
        categories=len({d for c in clusters for d in c.domains}),
        mutations=_allowed(live=live, code=config.sandbox.on),
    )  # fmt: skip
    return controller, tools, clusters


def _evolve(
    store: RunStore, config: RunConfig, servers: Mapping[str, ServerSpec] | None, workers: int, reporter: Reporter
) -> str:
    controller, tools, clusters = _cast(store, config, live=servers is not None)
    reporter.stage("trajectories", total=config.target)
    began = time.monotonic()

    def tell(progress: Progress) -> None:
        seconds = max(time.monotonic() - began, 1e-9)
        note = f"{progress.rejected} rejected, {progress.accepted / seconds:.0f}/s"
        reporter.update(progress.accepted, note=note)

    if servers is None:
        with closing(Producer(config, tools, clusters, store.services())) as producer:
            return evolve(store, controller, producer, workers=workers, on_progress=tell)
    with (
        _on_stage(store, config, servers) as environment,
        closing(Producer(config, tools, clusters, store.services(), environment=environment)) as producer,
    ):
        return evolve(store, controller, producer, workers=1, on_progress=tell)


def _evolve_with_models(
    store: RunStore,
    config: RunConfig,
    servers: Mapping[str, ServerSpec] | None,
    reporter: Reporter,
    replies: Path,
    api_key: str | None,
) -> str:
    """`_evolve` with language models at the backend: the journal of replies and the server are open meanwhile."""
    controller, tools, clusters = _cast(store, config, live=servers is not None)
    owner = store.journal_get("teacher/owner")
    if owner is None:
        owner = uuid.uuid4().hex  # names this run in the journal of replies, for its budget; no dataset depends on it
        store.journal_put("teacher/owner", owner)
    reporter.stage("trajectories", total=config.target)
    with ExitStack() as stack:
        journal = stack.enter_context(ReplyJournal(replies))
        backend = stack.enter_context(LiveBackend(config.teacher, journal=journal, owner=owner, api_key=api_key))
        environment = stack.enter_context(_on_stage(store, config, servers))
        producer = stack.enter_context(
            closing(Producer(config, tools, clusters, store.services(), environment=environment, backend=backend))
        )
        if config.sandbox.on:
            _ = producer.code.sandbox  # opened before there are threads that could do so at once
        ticker = SpendingLine(backend, target=config.target)

        counts = store.counts()
        reached = (counts.accepted, counts.rejected)

        def tell(progress: Progress | None = None) -> None:
            nonlocal reached
            reached = reached if progress is None else (progress.accepted, progress.rejected)
            reporter.update(reached[0], note=ticker.line(*reached))

        threads = ThreadPool(producer, config.teacher.concurrency, backend, on_wait=tell)
        try:
            return evolve(store, controller, producer, on_progress=tell, threads=threads)
        finally:
            spent, prices = backend.client.budget.spent, backend.client.prices
            store.put_paid(
                {
                    "calls": spent.calls,
                    "tokens": spent.tokens,
                    "money": spent.money(prices),
                    "currency": prices.currency,
                }
            )


@contextmanager
def _on_stage(
    store: RunStore, config: RunConfig, servers: Mapping[str, ServerSpec] | None
) -> Iterator[Callable[[Blueprint, Mapping[str, Tool]], Environment] | None]:
    """What makes the environments of a run; None for the simulated one."""
    if servers is None:
        yield None
        return
    from tdlab.pool import LiveServers

    with LiveServers(servers) as connected:

        def environment(blueprint: Blueprint, offered: Mapping[str, Tool]) -> Environment:
            return LiveEnvironment(
                connected, scope=blueprint.id, timeout_s=config.rollout.call_timeout_s,
                journal_get=store.journal_get, journal_put=store.journal_put,
            )  # fmt: skip

        yield environment


def estimate(config: RunConfig, *, pool: ToolPool | None = None, sample: int = 50, progress: bool = True) -> Estimate:
    """What a run with language models will take: calls, tokens and money by role, before a token is bought.

    ``sample`` rollouts are played dry, with the real prompts and the script's replies, and scaled up to the target.
    For a run on live servers ``pool`` is what they offer; they are not called: the simulated world answers for them.
    """
    live = config.rollout.environment == "live"
    if live and pool is None and config.pool == "bundled":
        raise ConfigError(
            "an estimate for live servers, without their tools",
            expected="the pool that the servers offer",
            do="give --servers, or --pool with what `tdlab harvest` wrote",
        )
    with Reporter(enabled=progress) as reporter:
        if pool is None:
            reporter.stage("pool")
            pool = ToolPool.bundled() if config.pool == "bundled" else ToolPool.load(config.pool)
        if live:
            pool = _live_pool(pool, config)
        reporter.stage("clusters")
        clusters = mine(pool, config.clusters, seed=config.seed).clusters
        if not clusters:
            raise PoolError("no cluster could be mined from the pool", expected="a tool with a usable schema")
        if live:
            clusters = tuple(_observable(cluster, pool.tools) for cluster in clusters)
        used = dict.fromkeys(key for cluster in clusters for key in cluster.tools)
        known = (pool.tools[key] for key in used) if live else _completed(pool, used)
        tools = {tool.key: tool for tool in (*known, *_code_tools(config))}
        reporter.stage("dry rollouts")
        domains = {service.name: service.domains for service in pool.services}
        mutations = _allowed(live=live, code=config.sandbox.on)
        return estimate_spending(config, tools, clusters, domains, mutations=mutations, sample=sample)


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
        **({"teacher": _spending(store)} if config.rollout.teacher == "llm" else {}),
    }


def _spending(store: RunStore) -> dict[str, Json]:
    """What models used, by role, for what was accepted and for what was not; money where the price is known."""
    prices = Prices.load(store.config.teacher.prices)
    used = {True: Spending(), False: Spending()}
    counts = store.counts()
    for candidate in store.candidates():
        rows: Json = candidate.lineage.get("spent", [])
        for row in rows:
            used[candidate.accepted].add(
                row["role"], row["model"], row["input_tokens"], row["output_tokens"], calls=row["calls"]
            )

    def priced(spending: Spending) -> list[dict[str, Json]]:
        return [
            {**row, "money": prices.cost(row["model"], row["input_tokens"], row["output_tokens"])}
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

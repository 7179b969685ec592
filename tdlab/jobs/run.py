"""The main job: pool, clusters, evolution with rollouts and verification, and the files derived from them.

`run` makes or resumes one run directory. The dataset depends only on the config and the content of the pool, not on
the number of workers, interruptions or the machine.
"""

from __future__ import annotations

import importlib.metadata
import platform
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tdlab.blueprints import MUTATIONS, frames_reached
from tdlab.clusters import MiningResult, mine
from tdlab.config import RunConfig
from tdlab.errors import ConfigError, PackError, PoolError, RunMismatch
from tdlab.evolution import Controller, Estimate, Producer, Progress, ThreadPool, estimate_spending, evolve
from tdlab.jobs._plugins import Objects, plugin_versions, with_objects
from tdlab.jobs.files import derive_all
from tdlab.jobs.mining_record import MiningRecord, issue_counts
from tdlab.jobs.progress import Reporter
from tdlab.pool import PoolIssue, ToolPool
from tdlab.records import CODE_TOOL, Blueprint, BusinessCluster, Tool, digest
from tdlab.rollout import (
    ENVIRONMENTS,
    CodeRunner,
    EnvironmentFactory,
    LiveBackend,
    LiveEnvironment,
    SpendingLine,
    TeacherFactory,
)
from tdlab.sandbox import RUN_CODE
from tdlab.store import ReplyJournal, Run, RunStore, open_run
from tdlab.tasks import Stage, playing_packs, stage_here
from tdlab.tools import Returns, nature
from tdlab.verify import CheckFunction
from tdlab.worlds import PackFolder, find_packs, packs_digest

if TYPE_CHECKING:
    from tdlab.pool import ServerSpec

__all__ = ["REPLIES", "estimate", "run"]

REPLIES = "teacher-replies.sqlite"
"""Default name of the file of saved replies, beside the run directory."""

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
"""Libraries whose version changes the dataset; a run cannot be resumed with another version."""


def run(
    config: RunConfig | None = None,
    *,
    out: str | Path,
    pool: ToolPool | None = None,
    servers: Mapping[str, ServerSpec] | None = None,
    environment: str | EnvironmentFactory | None = None,
    teacher: str | TeacherFactory | None = None,
    checks: Sequence[str | CheckFunction] = (),
    mined: MiningResult | None = None,
    workers: int = 1,
    progress: bool = True,
    figure: bool = True,
    replies: str | Path | None = None,
    api_key: str | None = None,
) -> Run:
    """Make a run, or resume an interrupted one.

    Re-running the same call resumes the run after an interruption (KeyboardInterrupt included) and returns a complete
    run as it is.

    With ``config.rollout.teacher`` set to ``llm``, rollouts run in ``config.teacher.concurrency`` threads of this
    process, and ``workers`` is not used.

    An environment, a teacher and checks of your own are passed by the name that a package registers (see
    `tdlab.registry`), or as objects: a function or class at the top level of a module, which worker processes import.
    The config of the run then has ``module:name`` in their place, and the same objects are needed to resume it.

    Args:
        config: Settings of the run; default: ``RunConfig()``.
        out: Run directory; created, or resumed if it exists.
        pool: Tools to use instead of ``config.pool``.
        servers: Name -> live MCP server. Needs ``config.rollout.environment`` set to ``live``; ``pool`` then holds the
            tools that the servers offer.
        environment: Makes the environment of a rollout from its blueprint and tools, or the name of one that does;
            replaces ``config.rollout.environment``.
        teacher: Makes the teacher of a rollout from its blueprint and tools, or the name of one that does; replaces
            ``config.rollout.teacher``.
        checks: Checks that each trajectory must pass besides tdlab's own, as functions or names; added to
            ``config.verify.checks``.
        mined: Result of ``mine(pool, config.clusters, seed=config.seed)``, to reuse it.
        workers: Number of worker processes; 1 works in this process. The dataset is the same for any number. A script
            that uses more than 1 needs ``if __name__ == "__main__":``.
        progress: Show a progress bar.
        figure: Draw ``diversity.pdf`` and ``diversity.png``, which takes seconds. The same call can draw them later.
        replies: File of the teacher's saved replies; default: ``teacher-replies.sqlite`` beside ``out``, so that all
            runs in one folder share it.
        api_key: Key of the teacher's server; default: ``OPENAI_API_KEY``. It is not stored.

    Returns:
        The run, open for reading. Its ``status`` is ``complete``, or ``stopped`` short of the target.

    Raises:
        PoolError: The pool cannot be read, has no usable tool, or yields no cluster.
        ConfigError: A setting or argument is invalid.
        PackError: A pack of ``config.rollout.packs`` is wrong, or is not of the tools in the pool.
        StoreError: The run directory cannot be read or written, is in use (RunLocked), or holds a run of another
            config, pool or version (RunMismatch).
        TeacherError: The teacher's server cannot be used. A spent budget raises nothing: the run is stopped.
        RolloutError: A live server has ended and cannot be restarted.
        WorkerError: Worker processes kept dying.
        SandboxUnavailable: The config asks for code steps and no sandbox works.

    Example:
        >>> import tempfile
        >>> from tdlab.config import RunConfig
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with run(RunConfig(target=3), out=folder, progress=False) as made:
        ...         made.status, len(made.trajectories())
        ('complete', 3)
    """
    if workers < 1:
        raise ConfigError(f"workers is {workers}", expected="1 or more", do="leave it out for one process")
    config, objects = with_objects(
        config or RunConfig(), environment=environment, teacher=teacher, checks=checks, workers=workers
    )
    if mined is not None and mined.config != config.clusters:
        raise ConfigError(
            "`mined` was mined with other settings than config.clusters",
            expected="the result of mine(pool, config.clusters, seed=config.seed)",
            do="leave it out, or pass a config with clusters=mined.config",
        )
    packs = find_packs(config.rollout.packs)
    versions = {**_versions(), "packs": packs_digest(packs), **plugin_versions(config, objects)}
    live = config.rollout.environment == "live"
    external = (objects.environment or ENVIRONMENTS[config.rollout.environment]).external
    if live != (servers is not None):
        raise ConfigError(
            f"live servers are given and rollout.environment is {config.rollout.environment}"
            if servers is not None
            else "rollout.environment is live and no live servers are given",
            expected="both or neither",
            do="pass `servers` and set rollout.environment to live, or leave both out",
        )
    with Reporter(enabled=progress) as reporter, playing_packs(packs) as stage:
        if config.sandbox.on:
            with CodeRunner(config.sandbox) as runner:
                _ = runner.sandbox  # fail now if there is no sandbox
        if pool is None:
            reporter.stage("pool")
            pool = ToolPool.named(config.pools)
        if external:
            pool = _external_pool(pool, config)
        if not len(pool):
            raise PoolError("the pool has no usable tool", expected="at least one", do="look at ToolPool.issues")
        if CODE_TOOL in pool.tools:
            raise PoolError(
                f"the pool has a tool named {CODE_TOOL}, which is reserved",
                expected="another name", do="rename the service",
            )  # fmt: skip
        _check_packs(packs, pool, stage)
        store = RunStore.create_or_resume(out, config=config, pool_fingerprint=pool.fingerprint, versions=versions)
        with store:
            if store.status == "complete":
                derive_all(store, pool, reporter, figure=figure)
                return open_run(out)
            _check_versions(store)
            saved = Path(replies) if replies is not None else store.path.resolve().parent / REPLIES
            if store.mining() is None:
                if config.rollout.teacher == "llm" and not saved.exists():
                    with LiveBackend(config.teacher, api_key=api_key):
                        pass  # fail now if the server cannot be reached
                reporter.stage("clusters")
                _mine(store, pool, config, mined, external=external)
            if config.rollout.teacher == "llm":
                outcome = _evolve_with_models(store, config, servers, objects, reporter, saved, api_key)
            else:
                outcome = _evolve(store, config, servers, objects, workers, reporter)
            derive_all(store, pool, reporter, figure=figure)
            if outcome == "target":
                store.mark_complete({"accepted": store.counts().accepted})
            else:
                store.mark_stopped(outcome)
    return open_run(out)


def _mine(store: RunStore, pool: ToolPool, config: RunConfig, mined: MiningResult | None, *, external: bool) -> None:
    """Store the clusters of a run with their tools; services that have a pack are executed, unless on live servers."""
    mined = mined or mine(pool, config.clusters, seed=config.seed)
    clusters, tools = _playable(pool, config, mined, external=external)
    used = {tool.key for tool in tools}
    report = MiningRecord(
        **dict(mined.report), read=pool.read, issues=issue_counts(pool),
        frames=frames_reached(clusters, pool.tools, stage_here()) if not external else {},
    )  # fmt: skip
    store.put_mining(
        clusters=clusters,
        tools=tools,
        services={s.name: s.domains for s in pool.services if any(t.key in used for t in s.tools)},
        report=report,
    )


def _playable(
    pool: ToolPool, config: RunConfig, mined: MiningResult, *, external: bool
) -> tuple[tuple[BusinessCluster, ...], list[Tool]]:
    """Return the clusters that a run can play, and the tools that it needs for them."""
    if external:
        clusters = tuple(_observable(cluster, pool.tools) for cluster in mined.clusters)
        used = dict.fromkeys(key for cluster in clusters for key in cluster.tools)
        return clusters, [*(pool.tools[key] for key in used), *_code_tools(config)]
    clusters = mined.clusters
    packed = {service.name for service in pool.services if stage_here().knows(service.name, pool.tools)}
    if config.rollout.guessed == "leave_out" and not config.models_environment:
        clusters = tuple(c for c in clusters if packed & {key.rpartition("/")[0] for key in c.tools}) or clusters
    used = dict.fromkeys(key for cluster in clusters for key in cluster.tools)
    played = packed & {key.rpartition("/")[0] for key in used}
    used |= dict.fromkeys(tool.key for name in sorted(played) for tool in pool.service(name).tools)
    return clusters, [*_completed(pool, used, played), *_code_tools(config)]


def _code_tools(config: RunConfig) -> list[Tool]:
    return [RUN_CODE] if config.sandbox.on else []


def _check_packs(packs: Sequence[PackFolder], pool: ToolPool, stage: Stage) -> None:
    """Refuse a pack of the user's that was written for other tools: its service would silently be guessed."""
    for pack in packs:
        if any(service.name == pack.service for service in pool.services) and not stage.knows(pack.service, pool.tools):
            raise PackError(
                f"the pack of {pack.service} was written for other tools than the pool has",
                file=str(Path(pack.folder) / "tools.json"), rule="tools",
                expected="the names and schemas of the pool's tools, all of them",
                do=f"`tdlab packs write POOL --service {pack.service} --force` has it written again; or leave it out of"
                " rollout.packs",
            )  # fmt: skip


def _completed(pool: ToolPool, keys: Iterable[str], played: Iterable[str]) -> Iterator[Tool]:
    """Yield tools for the simulation, with an output schema where the server declares none.

    That of a service that is ``played`` is its pack's, with the errors that the pack documents; others are inferred.
    """
    services: dict[str, Returns] = {}
    written = {tool.key: tool for name in played for tool in stage_here().tasks(name).pack.service.tools}
    for key in keys:
        tool = pool.tools[key]
        if key in written:
            own = written[key]
            yield tool.model_copy(
                update={"output_schema": tool.output_schema or own.output_schema, "errors": own.errors}
            )
            continue
        if tool.service not in services:
            services[tool.service] = Returns(pool.service(tool.service).tools)
        schema = services[tool.service].schema(tool)
        yield (
            tool
            if schema == tool.output_schema
            else tool.model_copy(update={"output_schema": schema, "output_inferred": True})
        )


def _prepare(
    store: RunStore, config: RunConfig, objects: Objects
) -> tuple[Controller, dict[str, Tool], tuple[BusinessCluster, ...]]:
    """Return the controller of a run, its tools and its clusters."""
    tools = {tool.key: tool for tool in store.tools()}
    clusters = tuple(store.clusters())
    if not clusters:
        raise PoolError("no cluster could be mined from the pool", expected="at least one tool with a usable schema")
    controller = Controller(
        config, clusters, distractors=[key for key in tools if key != CODE_TOOL],
        categories=len({d for c in clusters for d in c.domains}),
        mutations=_allowed(config, objects),
    )  # fmt: skip
    return controller, tools, clusters


def _evolve(
    store: RunStore,
    config: RunConfig,
    servers: Mapping[str, ServerSpec] | None,
    objects: Objects,
    workers: int,
    reporter: Reporter,
) -> str:
    controller, tools, clusters = _prepare(store, config, objects)
    reporter.stage("trajectories", total=config.target)
    began = time.monotonic()

    def show_progress(progress: Progress) -> None:
        seconds = max(time.monotonic() - began, 1e-9)
        note = f"{progress.rejected} rejected, {progress.accepted / seconds:.0f}/s"
        reporter.update(progress.accepted, note=note)

    with (
        _connected(store, config, servers, objects) as connected,
        closing(Producer(config, tools, clusters, store.services(), **connected._asdict())) as producer,
    ):
        workers = workers if servers is None else 1
        try:
            return evolve(store, controller, producer, workers=workers, on_progress=show_progress)
        finally:
            stage_here().forget_worlds()  # they are the largest part of what a run keeps in memory


def _evolve_with_models(
    store: RunStore,
    config: RunConfig,
    servers: Mapping[str, ServerSpec] | None,
    objects: Objects,
    reporter: Reporter,
    replies: Path,
    api_key: str | None,
) -> str:
    """Evolve with language models as the teacher, while the file of replies and the server are open."""
    controller, tools, clusters = _prepare(store, config, objects)
    owner = store.journal_get("teacher/owner")
    if owner is None:
        owner = uuid.uuid4().hex  # identifies this run's spending in the shared file of replies
        store.journal_put("teacher/owner", owner)
    reporter.stage("trajectories", total=config.target)
    with ExitStack() as stack:
        journal = stack.enter_context(ReplyJournal(replies))
        backend = stack.enter_context(LiveBackend(config.teacher, journal=journal, owner=owner, api_key=api_key))
        connected = stack.enter_context(_connected(store, config, servers, objects))
        producer = stack.enter_context(
            closing(Producer(config, tools, clusters, store.services(), **connected._asdict(), backend=backend))
        )
        if config.sandbox.on:
            _ = producer.code.sandbox  # open it before threads start
        ticker = SpendingLine(backend, target=config.target)

        counts = store.counts()
        reached = (counts.accepted, counts.rejected)

        def show_progress(progress: Progress | None = None) -> None:
            nonlocal reached
            reached = reached if progress is None else (progress.accepted, progress.rejected)
            reporter.update(reached[0], note=ticker.line(*reached))

        threads = ThreadPool(producer, config.teacher.concurrency, backend, on_wait=show_progress)
        try:
            return evolve(store, controller, producer, on_progress=show_progress, threads=threads)
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
def _connected(
    store: RunStore, config: RunConfig, servers: Mapping[str, ServerSpec] | None, objects: Objects
) -> Iterator[Objects]:
    """Yield the objects of a run, with environments of the servers where there are some."""
    if servers is None:
        yield objects
        return
    from tdlab.pool import LiveLimits, LiveServers

    with LiveServers(servers, limits=LiveLimits(result_bytes=config.rollout.result_bytes)) as connected:

        class Connected(LiveEnvironment):
            def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool]) -> None:
                super().__init__(
                    blueprint, tools, servers=connected, timeout_s=config.rollout.call_timeout_s,
                    journal_get=store.journal_get, journal_put=store.journal_put,
                )  # fmt: skip

        yield objects._replace(environment=Connected)


def estimate(config: RunConfig, *, pool: ToolPool | None = None, sample: int = 50, progress: bool = True) -> Estimate:
    """Estimate calls, tokens and cost per role, without calling any API.

    Some rollouts are played as a dry run, with the real prompts and the replies of the script, and extrapolated to the
    target. Live servers are not called either; the simulation answers in their place.

    Args:
        config: Settings of a run with ``rollout.teacher`` set to ``llm``.
        pool: Tools to use instead of ``config.pool``; for live servers, the tools that they offer.
        sample: Number of dry-run rollouts.
        progress: Show a progress bar.

    Returns:
        The estimate; ``to_frame()`` has one row per role.

    Raises:
        ConfigError: No role is played by a model, or the tools of the live servers are not given.
        PoolError: The pool cannot be read or yields no cluster.

    Example:
        >>> from tdlab.config import RunConfig
        >>> config = RunConfig(target=10).with_values(rollout__teacher="llm", teacher__model="some-model")
        >>> estimated = estimate(config, sample=2, progress=False)
        >>> estimated.target, [role.role for role in estimated.roles]
        (10, ['assistant', 'proposer', 'user'])
    """
    plugin_versions(config, Objects())
    external = ENVIRONMENTS[config.rollout.environment].external
    if config.rollout.environment == "live" and pool is None and config.pools == ("bundled",):
        raise ConfigError(
            "the tools of the live servers are not given",
            expected="the pool that the servers offer",
            do="add --servers FILE, or --pool with a file written by `tdlab harvest`",
        )
    with Reporter(enabled=progress) as reporter, playing_packs(find_packs(config.rollout.packs)):
        if pool is None:
            reporter.stage("pool")
            pool = ToolPool.named(config.pools)
        if external:
            pool = _external_pool(pool, config)
        reporter.stage("clusters")
        mined = mine(pool, config.clusters, seed=config.seed)
        if not mined.clusters:
            raise PoolError("no cluster could be mined from the pool", expected="a tool with a usable schema")
        clusters, known = _playable(pool, config, mined, external=external)
        tools = {tool.key: tool for tool in known}
        reporter.stage("dry rollouts")
        domains = {service.name: service.domains for service in pool.services}
        mutations = _allowed(config, Objects())
        return estimate_spending(config, tools, clusters, domains, mutations=mutations, sample=sample)


def _external_pool(pool: ToolPool, config: RunConfig) -> ToolPool:
    """Return the tools that may be called outside tdlab: all, or without ``allow_writes`` those that only read.

    The others are issues of the pool, and what was skipped in harvesting or reading it stays one.
    """
    if config.rollout.allow_writes:
        return pool
    reading = {key for key, tool in pool.tools.items() if nature(tool).effect in ("read", "search", "compute")}
    left_out = [
        PoolIssue(
            service=tool.service, tool=tool.name, severity="error", code="may_write",
            found="it may change data on the server, and rollout.allow_writes is false",
        )
        for key, tool in pool.tools.items() if key not in reading
    ]  # fmt: skip
    skipped = [issue for issue in pool.issues if issue.severity == "error"]
    return pool.subset(tools=reading).with_issues([*skipped, *left_out])


def _observable(cluster: BusinessCluster, tools: Mapping[str, Tool]) -> BusinessCluster:
    """Keep only dependencies on declared outputs: outside tdlab, inferred outputs are a guess."""
    kept = tuple(e for e in cluster.dependencies if tools[e.source].output_schema is not None or not e.parameter)
    named = digest("live", cluster.id, [[e.source, e.target, e.parameter] for e in kept])
    return cluster.model_copy(update={"dependencies": kept, "id": named})


def _allowed(config: RunConfig, objects: Objects) -> list[str]:
    """Return the operators of a run: code needs a sandbox, and failures are not injected outside tdlab."""
    external = (objects.environment or ENVIRONMENTS[config.rollout.environment]).external
    excluded = (set() if config.sandbox.on else {"add_code_step"}) | ({"inject_failure"} if external else set())
    return [name for name in dict.fromkeys((*MUTATIONS.own, *config.blueprints.mutations)) if name not in excluded]


def _check_versions(store: RunStore) -> None:
    """Refuse to resume a run made with other versions: no single version would reproduce its dataset."""
    (_, first), (_, now) = store.sessions[0], store.sessions[-1]
    other = [
        f"{name} {first[name]} there and {now.get(name, 'none')} here"
        for name in (*_DECISIVE, *sorted(set(first) - {*_WATCHED, "python"}))
        if name in first and first[name] != now.get(name, "none")
    ]
    if other and store.last_generation() is not None:
        raise RunMismatch(
            f"{store.path}: was started with other versions: {', '.join(other)}",
            expected="the same versions",
            do="install them, or start another run with --out",
        )


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _WATCHED:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions

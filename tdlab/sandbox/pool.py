"""The sandbox: a pool of warm jails of one backend, jobs in, results out; and the choice of a backend that holds.

``auto`` tries docker, then bubblewrap, and takes the first that starts, holds what is required, and
lets none of the escape probes out. Where none does, SandboxUnavailable says of each why: code never runs without one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.from_thread

from tdlab.errors import ConfigError, SandboxUnavailable
from tdlab.registry import Registry
from tdlab.sandbox import _cgroups
from tdlab.sandbox._inside import source
from tdlab.sandbox._jail import Jail, JailBroken
from tdlab.sandbox.jobs import (
    BackendReport,
    Enforcement,
    Garbage,
    Job,
    JobResult,
    Limits,
    Output,
    check_required,
)

if TYPE_CHECKING:
    from tdlab.sandbox.replay import Comparison, Tolerance
    from tdlab.sandbox.tool import CodeOutput

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendFactory",
    "Sandbox",
    "SyncSandbox",
    "gc",
    "held_by",
    "open_sandbox",
    "open_sandbox_sync",
    "probe",
    "probe_sync",
]

_log = logging.getLogger(__name__)
_ATTEMPTS = 3
_PROBE_LIMITS = Limits(wall_s=20, cpu_s=20, memory_mb=128)


class Backend(Protocol):
    """What makes jails. `open` checks what is needed, `start` makes a warm jail, `aclose` removes what is held."""

    name: str

    async def open(self) -> None:
        """SandboxUnavailable where something is missing."""

    async def start(self) -> Jail:
        """A warm jail; JailBroken where it does not start."""
        ...

    async def aclose(self) -> None:
        """Remove what the sandbox holds on the host."""

    def enforced(self) -> dict[str, Enforcement]:
        """Who holds each guarantee."""
        ...

    @property
    def version(self) -> str:
        """The version of the program behind it."""
        ...


class BackendFactory(Protocol):
    """Make a backend, which has not started anything yet."""

    def __call__(self, limits: Limits, *, preload: tuple[str, ...], options: dict[str, Any]) -> Backend:
        """Return a backend for these limits; see `open_sandbox` for ``preload`` and ``options``."""
        ...


BACKENDS: Registry[BackendFactory] = Registry(
    "tdlab.sandboxes", "sandbox backend", setting="sandbox.backend", also=("auto", "none")
)
"""The sandbox backends, in the order in which ``auto`` tries them."""


@BACKENDS.register("docker")
def _docker(limits: Limits, *, preload: tuple[str, ...], options: dict[str, Any]) -> Backend:
    from tdlab.sandbox._docker import Docker

    return Docker(limits, preload=preload, options=options)


@BACKENDS.register("bubblewrap")
def _bubblewrap(limits: Limits, *, preload: tuple[str, ...], options: dict[str, Any]) -> Backend:
    from tdlab.sandbox._bubblewrap import Bubblewrap

    return Bubblewrap(limits, preload=preload, options=options)


class Sandbox:
    """A pool of up to ``workers`` warm jails. Made by `open_sandbox`; any number of tasks of its loop may call `run`.

    ``backend``, ``enforced`` and ``chosen_because`` say what was taken and why.
    """

    def __init__(
        self, backend: Backend, *, limits: Limits, workers: int, jobs_per_jail: int, chosen_because: str
    ) -> None:
        self.backend = backend.name
        self.limits = limits
        self.workers = workers
        self.chosen_because = chosen_because
        self.enforced = backend.enforced()
        self._maker = backend
        self._jobs_per_jail = jobs_per_jail
        self._idle: list[Jail] = []
        self._slots = anyio.Semaphore(workers)
        self._closed = False

    async def warm(self, count: int | None = None) -> None:
        """Start jails ahead of the first jobs, as many as there are workers if not said otherwise."""
        wanted = min(self.workers, self.workers if count is None else count) - len(self._idle)
        for _ in range(wanted):
            self._idle.append(await self._maker.start())

    async def run(self, job: Job) -> JobResult:
        """Run one job in a warm jail and wait for it. Never raises for what the job does: see `JobResult.status`.

        SandboxUnavailable where the sandbox is closed. A jail that fails by itself is replaced and the job tried again,
        three times in all; then the status is ``sandbox_error``. A job that took its jail down by memory is not tried
        again.
        """
        if self._closed:
            raise SandboxUnavailable("the sandbox is closed", do="run jobs inside its `async with`")
        objection = job.objection(self.limits)
        if objection:
            return self._named(JobResult(status="refused", reason=objection), None, 1)
        async with self._slots:
            reason, output = "", (b"", b"")
            for attempt in range(1, _ATTEMPTS + 1):
                jail: Jail | None = None
                try:
                    jail = self._idle.pop() if self._idle else await self._maker.start()
                    _log.debug("%s: running a %s job", self.backend, job.language)
                    result = await jail.run(job)
                    _log.debug("%s: the job ended: %s after %.2f s", self.backend, result.status, result.wall_s)
                except JailBroken as broken:
                    reason, output = broken.reason, broken.partial
                    _log.warning("%s: attempt %d of %d: %s", self.backend, attempt, _ATTEMPTS, reason)
                    if broken.oom:
                        result = JobResult(
                            status="memory",
                            reason=f"the kernel's limit of {self.limits.memory_mb} MB ended the jail",
                            stdout=Output(data=output[0], total=len(output[0])),
                            stderr=Output(data=output[1], total=len(output[1])),
                        )
                        return self._named(result, jail, attempt)
                    continue
                else:
                    if jail.clean and jail.jobs < self._jobs_per_jail and not self._closed:
                        self._idle.append(jail)
                        done, jail = jail, None
                    else:
                        done = jail
                    return self._named(result, done, attempt)
                finally:
                    if jail is not None and jail not in self._idle:
                        await jail.aclose()
            result = JobResult(
                status="sandbox_error",
                reason=f"{_ATTEMPTS} jails failed; the last one: {reason}",
                stdout=Output(data=output[0], total=len(output[0])),
                stderr=Output(data=output[1], total=len(output[1])),
            )
            return self._named(result, None, _ATTEMPTS)

    def _named(self, result: JobResult, jail: Jail | None, attempts: int) -> JobResult:
        return result.model_copy(
            update={
                "backend": self.backend,
                "enforced": self.enforced,
                "interpreter": jail.version if jail else "",
                "attempts": attempts,
            }
        )

    async def aclose(self) -> None:
        """End every jail and remove what the host holds for them. Done by `open_sandbox` at its end."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                for jail in self._idle:
                    group.start_soon(jail.aclose)
            self._idle.clear()
            await self._maker.aclose()


@contextlib.asynccontextmanager
async def open_sandbox(
    backend: str = "auto",
    *,
    limits: Limits | None = None,
    workers: int = 1,
    require: Collection[str] = (),
    preload: Collection[str] = (),
    jobs_per_jail: int = 500,
    options: dict[str, Any] | None = None,
    verify: bool = True,
) -> AsyncIterator[Sandbox]:
    """A sandbox for the time of an ``async with``.

    ``require`` names guarantees that must be held (`GUARANTEES`; ``name:kernel`` asks for the kernel). ``preload``
    names standard modules that warm interpreters load for jobs of mode ``fork``. A jail is replaced after
    ``jobs_per_jail`` jobs. ``verify=False`` leaves the escape probes out of a named backend; ``auto`` always runs them.
    ``options`` go to the backend: docker takes ``base_url`` and ``image``, bubblewrap ``cgroups``.

    SandboxUnavailable where no backend holds; ConfigError for a wrong argument.
    """
    limits = limits or Limits()
    if workers < 1 or jobs_per_jail < 1:
        raise ConfigError(f"workers={workers}, jobs_per_jail={jobs_per_jail}", expected="at least 1 of each")
    names = tuple(BACKENDS) if backend == "auto" else (backend,)
    modules = tuple(preload)
    refusals: list[tuple[str, SandboxUnavailable]] = []
    for name in names:
        maker = BACKENDS[name](limits, preload=modules, options=options or {})
        sandbox = None
        try:
            await maker.open()
            check_required(maker.enforced(), require, backend=name)
            sandbox = Sandbox(
                maker, limits=limits, workers=workers, jobs_per_jail=jobs_per_jail, chosen_because=_why(name, refusals)
            )
            await _first_jail(sandbox, verify=verify or backend == "auto")
        except SandboxUnavailable as error:
            _log.info("%s cannot be used: %s", name, error.found)
            refusals.append((name, error))
            await (sandbox.aclose() if sandbox is not None else maker.aclose())
            continue
        except BaseException:
            await (sandbox.aclose() if sandbox is not None else maker.aclose())
            raise
        _log.info("code runs in %s, %d workers", name, workers)
        try:
            yield sandbox
        finally:
            await sandbox.aclose()
        return
    if len(refusals) == 1:
        raise refusals[0][1]
    raise SandboxUnavailable(
        "no sandbox on this machine: " + "; ".join(f"{name}: {error.found}" for name, error in refusals),
        expected=" or ".join(names) + (f" holding {', '.join(require)}" if require else ""),
        do="; or ".join(dict.fromkeys(error.do for _, error in refusals if error.do)),
    )


def _why(name: str, refusals: list[tuple[str, SandboxUnavailable]]) -> str:
    passed = "".join(f"{other} is out ({error.found}); " for other, error in refusals)
    return f"{passed}{name} starts and no probe escapes it"


async def _first_jail(sandbox: Sandbox, *, verify: bool) -> None:
    try:
        await sandbox.warm(1)
    except JailBroken as error:
        raise SandboxUnavailable(
            f"{sandbox.backend} does not start a jail: {error.reason}",
            expected="a jail whose supervisor answers",
            do="see what `probe()` says; inside a container, user namespaces may have to be allowed",
        ) from None
    if verify:
        tried, escapes = await _probe_escapes(sandbox)
        if escapes or not tried:
            raise SandboxUnavailable(
                f"{sandbox.backend} lets {len(escapes)} escape probes out: {', '.join(escapes)}",
                expected="every probe to be held",
                do="use another backend; and report this",
            )


async def _probe_escapes(sandbox: Sandbox) -> tuple[int, tuple[str, ...]]:
    """Run the escape probes: how many there are, and those that got out (with what they got)."""
    result = await sandbox.run(Job(code=source("probes"), wall_s=min(30.0, sandbox.limits.wall_s)))
    try:
        found = json.loads(result.stdout.data)
        return len(found), tuple(f"{name} ({what})"[:200] for name, what in found.items() if what)
    except (ValueError, AttributeError):
        return 0, (f"the probes did not run: {result.status} {result.reason} {result.stderr.text[-200:]}",)


async def probe(
    *, backends: Iterable[str] = BACKENDS, options: dict[str, Any] | None = None
) -> tuple[BackendReport, ...]:
    """What each tier can do on this machine, by starting it and trying to escape from it; nothing is assumed."""
    reports = []
    for name in backends:
        maker = BACKENDS[name](_PROBE_LIMITS, preload=(), options=options or {})
        sandbox = None
        try:
            await maker.open()
            sandbox = Sandbox(maker, limits=_PROBE_LIMITS, workers=1, jobs_per_jail=50, chosen_because="a probe")
            began = time.perf_counter()
            await _first_jail(sandbox, verify=False)
            cold = (time.perf_counter() - began) * 1000
            tried, escapes = await _probe_escapes(sandbox)
            report = BackendReport(
                name=name,
                available=bool(tried) and not escapes,
                reason="" if tried and not escapes else "a probe escaped, or none ran",
                version=maker.version,
                cold_ms=round(cold, 1),
                enforced=maker.enforced(),
                probes=tried,
                escapes=escapes,
            )
        except SandboxUnavailable as error:
            report = BackendReport(name=name, available=False, reason=error.found, install=error.do)
        finally:
            await (sandbox.aclose() if sandbox is not None else maker.aclose())
        reports.append(report)
    return tuple(reports)


def probe_sync(
    *, backends: Iterable[str] = BACKENDS, options: dict[str, Any] | None = None
) -> tuple[BackendReport, ...]:
    """`probe` for code without an event loop, notebooks included."""
    with anyio.from_thread.start_blocking_portal() as portal:
        return portal.call(partial(probe, backends=backends, options=options))


def held_by(reports: Iterable[BackendReport]) -> str:
    """Return the backend that ``auto`` takes, going by reports.

    Args:
        reports: What `probe` said of each backend.

    Returns:
        A value for ``sandbox.backend``: the name of a backend, or ``none``.

    Example:
        >>> held_by([BackendReport(name="docker", available=False), BackendReport(name="bubblewrap", available=True)])
        'bubblewrap'
    """
    holding = {report.name for report in reports if report.available}
    return next((name for name in BACKENDS if name in holding), "none")


async def gc(*, options: dict[str, Any] | None = None) -> Garbage:
    """Remove the containers and cgroups of harnesses that are no more. What is in use stays."""
    cgroups = await anyio.to_thread.run_sync(_cgroups.collect_garbage)
    containers: list[str] = []
    maker = _docker(_PROBE_LIMITS, preload=(), options=options or {})
    try:
        await maker.open()
        containers = await maker.collect_garbage()  # type: ignore[attr-defined]  # docker has it alone
    except SandboxUnavailable:
        containers = []
    finally:
        await maker.aclose()
    return Garbage(containers=tuple(containers), cgroups=tuple(cgroups))


class SyncSandbox:
    """A `Sandbox` for code without an event loop: it runs in a thread of its own. Made by `open_sandbox_sync`."""

    def __init__(self, sandbox: Sandbox, call: Callable[..., Any]) -> None:
        self.sandbox = sandbox
        self._call = call

    @property
    def backend(self) -> str:
        """The name of the backend."""
        return self.sandbox.backend

    @property
    def enforced(self) -> dict[str, Enforcement]:
        """Who holds each guarantee."""
        return self.sandbox.enforced

    def run(self, job: Job) -> JobResult:
        """Run one job and wait for it; threads may call this at the same time."""
        result: JobResult = self._call(self.sandbox.run, job)
        return result

    def replay(self, job: Job, recorded: CodeOutput, *, tolerance: Tolerance | None = None) -> Comparison:
        """`tdlab.sandbox.replay_code`: run a recorded program again and compare."""
        from tdlab.sandbox.replay import replay_code

        compared: Comparison = self._call(partial(replay_code, tolerance=tolerance), self.sandbox, job, recorded)
        return compared


@contextlib.contextmanager
def open_sandbox_sync(backend: str = "auto", **options: Any) -> Iterator[SyncSandbox]:
    """`open_sandbox` for code without an event loop, notebooks included. Takes the same arguments."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_sandbox(backend, **options)) as sandbox,
    ):
        yield SyncSandbox(sandbox, portal.call)

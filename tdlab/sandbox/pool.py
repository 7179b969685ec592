"""The sandbox: a pool of warm, isolated processes of one backend, and the choice of a working backend.

``auto`` tries docker, then bubblewrap, and takes the first that starts, enforces what is required and withstands all
escape probes. Without one, SandboxUnavailable gives the reason for each: code never runs outside a sandbox.
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
from tdlab.sandbox._process import ProcessFailed, SandboxProcess
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
_ATTEMPTS = 3  # at a job, before the sandbox counts as failed
_PROBE_LIMITS = Limits(wall_s=20, cpu_s=20, memory_mb=128)


class Backend(Protocol):
    """Starts isolated processes on this machine, for one sandbox."""

    name: str

    async def open(self) -> None:
        """Check the requirements; raise SandboxUnavailable if something is missing."""

    async def start(self) -> SandboxProcess:
        """Start one process; raise ProcessFailed if it does not start."""
        ...

    async def aclose(self) -> None:
        """Remove everything that belongs to the sandbox from the host."""

    def enforced(self) -> dict[str, Enforcement]:
        """Return what enforces each of the `GUARANTEES`."""
        ...

    @property
    def version(self) -> str:
        """The version of the underlying program."""
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
    """A pool of up to ``workers`` warm, isolated processes; `open_sandbox` makes it.

    Any number of tasks of its event loop may call `run`. ``backend`` names the backend, ``enforced`` says what enforces
    each of the `GUARANTEES`, and ``chosen_because`` why this backend was chosen.
    """

    def __init__(
        self, backend: Backend, *, limits: Limits, workers: int, jobs_per_process: int, chosen_because: str
    ) -> None:
        self.backend = backend.name
        self.limits = limits
        self.workers = workers
        self.chosen_because = chosen_because
        self.enforced = backend.enforced()
        self._backend = backend
        self._jobs_per_process = jobs_per_process
        self._idle: list[SandboxProcess] = []
        self._slots = anyio.Semaphore(workers)
        self._closed = False

    async def warm(self, count: int | None = None) -> None:
        """Start processes ahead of the first jobs; ``count`` of them, by default one per worker."""
        missing = min(self.workers, self.workers if count is None else count) - len(self._idle)
        for _ in range(missing):
            self._idle.append(await self._backend.start())

    async def run(self, job: Job) -> JobResult:
        """Run one job and wait for it.

        A process that fails is replaced and the job retried, with three attempts in all. A job whose use of memory
        ended its process is not retried.

        Args:
            job: The program and what it may use.

        Returns:
            The result. Whatever the job does shows in its ``status``; ``sandbox_error`` is a failure of the sandbox.

        Raises:
            SandboxUnavailable: If the sandbox is closed.
        """
        if self._closed:
            raise SandboxUnavailable(
                "the sandbox is closed", do="run jobs inside `async with open_sandbox() as sandbox:`"
            )
        objection = job.objection(self.limits)
        if objection:
            return self._named(JobResult(status="refused", reason=objection), None, 1)
        async with self._slots:
            reason, output = "", (b"", b"")
            for attempt in range(1, _ATTEMPTS + 1):
                process: SandboxProcess | None = None
                try:
                    process = self._idle.pop() if self._idle else await self._backend.start()
                    _log.debug("%s: running a %s job", self.backend, job.language)
                    result = await process.run(job)
                    _log.debug("%s: the job ended: %s after %.2f s", self.backend, result.status, result.wall_s)
                except ProcessFailed as failure:
                    reason, output = failure.reason, failure.partial
                    _log.warning("%s: attempt %d of %d: %s", self.backend, attempt, _ATTEMPTS, reason)
                    if failure.oom:  # the wording of the reason stays, since datasets record it
                        result = JobResult(
                            status="memory",
                            reason=f"the kernel's limit of {self.limits.memory_mb} MB ended the jail",
                            stdout=Output(data=output[0], total=len(output[0])),
                            stderr=Output(data=output[1], total=len(output[1])),
                        )
                        return self._named(result, process, attempt)
                    continue
                else:
                    used = process
                    if used.clean and used.jobs < self._jobs_per_process and not self._closed:
                        self._idle.append(used)
                        process = None
                    return self._named(result, used, attempt)
                finally:
                    if process is not None and process not in self._idle:
                        await process.aclose()
            result = JobResult(
                status="sandbox_error",
                reason=f"{_ATTEMPTS} sandbox processes failed, the last one: {reason}",
                stdout=Output(data=output[0], total=len(output[0])),
                stderr=Output(data=output[1], total=len(output[1])),
            )
            return self._named(result, None, _ATTEMPTS)

    def _named(self, result: JobResult, process: SandboxProcess | None, attempts: int) -> JobResult:
        return result.model_copy(
            update={
                "backend": self.backend,
                "enforced": self.enforced,
                "interpreter": process.version if process else "",
                "attempts": attempts,
            }
        )

    async def aclose(self) -> None:
        """End all processes and remove their traces from the host; `open_sandbox` does it on exit."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                for process in self._idle:
                    group.start_soon(process.aclose)
            self._idle.clear()
            await self._backend.aclose()


@contextlib.asynccontextmanager
async def open_sandbox(
    backend: str = "auto",
    *,
    limits: Limits | None = None,
    workers: int = 1,
    require: Collection[str] = (),
    preload: Collection[str] = (),
    jobs_per_process: int = 500,
    options: dict[str, Any] | None = None,
    verify: bool = True,
) -> AsyncIterator[Sandbox]:
    """Open a sandbox for the time of an ``async with`` block.

    Args:
        backend: A name in `BACKENDS`, or ``auto`` for the first one that works on this machine.
        limits: The limits of jobs.
        workers: How many jobs may run at once.
        require: Guarantees that must be enforced, names in `GUARANTEES`; ``memory:kernel`` asks for the kernel.
        preload: Standard modules that interpreters load in advance, for jobs of mode ``fork``.
        jobs_per_process: Number of jobs after which a process is replaced.
        options: Options of the backend: ``base_url`` and ``image`` for docker, ``cgroups`` (a bool) for bubblewrap.
        verify: Whether to run the escape probes on a named backend; ``auto`` always runs them.

    Yields:
        The open sandbox.

    Raises:
        SandboxUnavailable: If no backend works on this machine.
        ConfigError: For an unknown backend, or fewer than one worker or job per process.

    Example:
        >>> import anyio
        >>> async def answer() -> str:
        ...     async with open_sandbox("chroot") as sandbox:
        ...         return (await sandbox.run(Job(code="print(6 * 7)"))).stdout.text
        >>> anyio.run(answer)
        Traceback (most recent call last):
        tdlab.errors.ConfigError: sandbox.backend: there is no sandbox backend 'chroot'
        ...
    """
    limits = limits or Limits()
    if workers < 1 or jobs_per_process < 1:
        raise ConfigError(
            f"workers={workers}, jobs_per_process={jobs_per_process}",
            expected="at least 1 of each",
            do="raise them to 1",
        )
    names = tuple(BACKENDS) if backend == "auto" else (backend,)
    modules = tuple(preload)
    refusals: list[tuple[str, SandboxUnavailable]] = []
    for name in names:
        tried = BACKENDS[name](limits, preload=modules, options=options or {})
        sandbox = None
        try:
            await tried.open()
            check_required(tried.enforced(), require, backend=name)
            sandbox = Sandbox(
                tried,
                limits=limits,
                workers=workers,
                jobs_per_process=jobs_per_process,
                chosen_because=_why(name, refusals),
            )
            await _start_first(sandbox, verify=verify or backend == "auto")
        except SandboxUnavailable as error:
            _log.info("%s cannot be used: %s", name, error.found)
            refusals.append((name, error))
            await (sandbox.aclose() if sandbox is not None else tried.aclose())
            continue
        except BaseException:
            await (sandbox.aclose() if sandbox is not None else tried.aclose())
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
        "no working sandbox on this machine: " + "; ".join(f"{name}: {error.found}" for name, error in refusals),
        expected=" or ".join(names) + (f" that enforces {', '.join(require)}" if require else ""),
        do="; or ".join(dict.fromkeys(error.do for _, error in refusals if error.do)),
    )


def _why(name: str, refusals: list[tuple[str, SandboxUnavailable]]) -> str:
    others = "".join(f"{other} does not work ({error.found}); " for other, error in refusals)
    return f"{others}{name} works and withstands the escape probes"


async def _start_first(sandbox: Sandbox, *, verify: bool) -> None:
    """Start the first process and probe it; raise SandboxUnavailable if one of the two fails."""
    try:
        await sandbox.warm(1)
    except ProcessFailed as error:
        raise SandboxUnavailable(
            f"{sandbox.backend} does not start: {error.reason}",
            expected="a sandbox process that answers",
            do="run `tdlab sandbox doctor`; inside a container, user namespaces may have to be allowed",
        ) from None
    if verify:
        probes, escapes = await _probe_escapes(sandbox)
        if escapes or not probes:
            raise SandboxUnavailable(
                f"{sandbox.backend} does not withstand {len(escapes)} escape probes: {', '.join(escapes)}",
                expected="a sandbox that no probe escapes",
                do="use another backend, and report this as a bug",
            )


async def _probe_escapes(sandbox: Sandbox) -> tuple[int, tuple[str, ...]]:
    """Run the escape probes; return their number, and those that escaped, with what they could reach."""
    result = await sandbox.run(Job(code=source("probes"), wall_s=min(30.0, sandbox.limits.wall_s)))
    try:
        reached = json.loads(result.stdout.data)
        return len(reached), tuple(f"{name} ({what})"[:200] for name, what in reached.items() if what)
    except (ValueError, AttributeError):
        return 0, (f"the probes did not run: {result.status} {result.reason} {result.stderr.text[-200:]}",)


async def probe(
    *, backends: Iterable[str] = BACKENDS, options: dict[str, Any] | None = None
) -> tuple[BackendReport, ...]:
    """Test each backend on this machine: start it, and try to escape from it.

    Args:
        backends: Names in `BACKENDS`.
        options: Options of the backends, as for `open_sandbox`.

    Returns:
        One report per backend, in the same order.

    Raises:
        ConfigError: For an unknown backend.

    Example:
        >>> import anyio
        >>> from functools import partial
        >>> (report,) = anyio.run(partial(probe, backends=["docker"], options={"base_url": "unix:///no/such.sock"}))
        >>> report.available, report.reason
        (False, 'no docker engine answers (...')
    """
    reports = []
    for name in backends:
        backend = BACKENDS[name](_PROBE_LIMITS, preload=(), options=options or {})
        sandbox = None
        try:
            await backend.open()
            sandbox = Sandbox(backend, limits=_PROBE_LIMITS, workers=1, jobs_per_process=50, chosen_because="a probe")
            started = time.perf_counter()
            await _start_first(sandbox, verify=False)
            cold = (time.perf_counter() - started) * 1000
            probes, escapes = await _probe_escapes(sandbox)
            report = BackendReport(
                name=name,
                available=bool(probes) and not escapes,
                reason="" if probes and not escapes else "a probe escaped, or no probe ran",
                version=backend.version,
                cold_ms=round(cold, 1),
                enforced=backend.enforced(),
                probes=probes,
                escapes=escapes,
            )
        except SandboxUnavailable as error:
            report = BackendReport(name=name, available=False, reason=error.found, install=error.do)
        finally:
            await (sandbox.aclose() if sandbox is not None else backend.aclose())
        reports.append(report)
    return tuple(reports)


def probe_sync(
    *, backends: Iterable[str] = BACKENDS, options: dict[str, Any] | None = None
) -> tuple[BackendReport, ...]:
    """Test each backend on this machine, as `probe` does, from code without an event loop or in a notebook.

    Args:
        backends: Names in `BACKENDS`.
        options: Options of the backends, as for `open_sandbox`.

    Returns:
        One report per backend, in the same order.

    Raises:
        ConfigError: For an unknown backend.

    Example:
        >>> (report,) = probe_sync(backends=["docker"], options={"base_url": "unix:///no/such.sock"})
        >>> held_by([report])
        'none'
    """
    with anyio.from_thread.start_blocking_portal() as portal:
        return portal.call(partial(probe, backends=backends, options=options))


def held_by(reports: Iterable[BackendReport]) -> str:
    """Return the backend that ``auto`` chooses, according to the reports.

    Args:
        reports: The reports of `probe`.

    Returns:
        A value for ``sandbox.backend``: the name of a backend, or ``none``.

    Example:
        >>> held_by([BackendReport(name="docker", available=False), BackendReport(name="bubblewrap", available=True)])
        'bubblewrap'
    """
    available = {report.name for report in reports if report.available}
    return next((name for name in BACKENDS if name in available), "none")


async def gc(*, options: dict[str, Any] | None = None) -> Garbage:
    """Remove the containers and cgroups left by tdlab processes that were killed; those in use stay.

    Args:
        options: Options of the docker backend, as for `open_sandbox`.

    Returns:
        What was removed.

    Example:
        >>> import anyio
        >>> isinstance(anyio.run(gc).cgroups, tuple)
        True
    """
    cgroups = await anyio.to_thread.run_sync(_cgroups.collect_garbage)
    containers: list[str] = []
    docker = _docker(_PROBE_LIMITS, preload=(), options=options or {})
    try:
        await docker.open()
        containers = await docker.collect_garbage()  # type: ignore[attr-defined]  # only docker has it
    except SandboxUnavailable:
        containers = []
    finally:
        await docker.aclose()
    return Garbage(containers=tuple(containers), cgroups=tuple(cgroups))


class SyncSandbox:
    """A `Sandbox` for code without an event loop; `open_sandbox_sync` makes it and runs it in another thread."""

    def __init__(self, sandbox: Sandbox, call: Callable[..., Any]) -> None:
        self.sandbox = sandbox
        self._call = call

    @property
    def backend(self) -> str:
        """The name of the backend."""
        return self.sandbox.backend

    @property
    def enforced(self) -> dict[str, Enforcement]:
        """What enforces each of the `GUARANTEES`."""
        return self.sandbox.enforced

    def run(self, job: Job) -> JobResult:
        """Run one job and wait for it, as `Sandbox.run` does; several threads may call this at once."""
        result: JobResult = self._call(self.sandbox.run, job)
        return result

    def replay(self, job: Job, recorded: CodeOutput, *, tolerance: Tolerance | None = None) -> Comparison:
        """Re-run a recorded program and compare its output, as `replay_code` does."""
        from tdlab.sandbox.replay import replay_code

        compared: Comparison = self._call(partial(replay_code, tolerance=tolerance), self.sandbox, job, recorded)
        return compared


@contextlib.contextmanager
def open_sandbox_sync(backend: str = "auto", **options: Any) -> Iterator[SyncSandbox]:
    """Open a sandbox for the time of a ``with`` block, from code without an event loop or in a notebook.

    Args:
        backend: A name in `BACKENDS`, or ``auto`` for the first one that works on this machine.
        **options: The other arguments of `open_sandbox`.

    Yields:
        The open sandbox.

    Raises:
        SandboxUnavailable: If no backend works on this machine.
        ConfigError: For an unknown backend, or fewer than one worker or job per process.

    Example:
        >>> with open_sandbox_sync("docker", options={"base_url": "unix:///no/such.sock"}) as sandbox:
        ...     sandbox.run(Job(code="print(6 * 7)"))
        Traceback (most recent call last):
        tdlab.errors.SandboxUnavailable: no docker engine answers (...
    """
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_sandbox(backend, **options)) as sandbox,
    ):
        yield SyncSandbox(sandbox, portal.call)

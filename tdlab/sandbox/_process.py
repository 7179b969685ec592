"""One isolated sandbox process, seen from outside: sends it a job and returns the result, in frames over a transport.

Everything that comes out of a sandbox process is untrusted: frames are bounded, file names checked, numbers coerced.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import anyio

from tdlab.sandbox._inside import source
from tdlab.sandbox.jobs import WORK_FOLDER, CollectedFile, Job, JobResult, LeftBehind, Limits, Output, Status, safe_name

__all__: list[str] = []

BOOT = (
    "import os,sys\n"
    "sys.path[:]=[p for p in sys.path if p]\n"
    "def r(n):\n"
    " s=b''\n"
    " while len(s)<n:\n"
    "  d=os.read(0,n-len(s))\n"
    "  if not d:os._exit(0)\n"
    "  s+=d\n"
    " return s\n"
    "exec(compile(r(int(r(8),16)),'<supervisor>','exec'))\n"
)
"""The program on the supervisor's command line: reads its own source from the channel."""

GRACE_S = 3.0  # beyond a job's time limit, before the process counts as failed
START_S = 20.0
_MAX_FRAME_BYTES = 96 << 20


def environment() -> dict[str, str]:
    """Return all environment variables of a job: none of the host's, and fixed seeds for repeatable runs."""
    return {
        "HOME": WORK_FOLDER,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "job",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "TMPDIR": "/tmp",  # noqa: S108 (inside the sandbox)
        "TZ": "UTC",
        "USER": "job",
        "OPENBLAS_NUM_THREADS": "1",
    }


class ProcessFailed(Exception):
    """A sandbox process ended, stalled, or broke the protocol.

    ``oom`` says whether the memory limit killed it; ``partial`` has the output so far, stdout and stderr.
    """

    def __init__(self, reason: str, *, oom: bool = False, partial: tuple[bytes, bytes] = (b"", b"")) -> None:
        super().__init__(reason)
        self.reason = reason
        self.oom = oom
        self.partial = partial


class Transport(Protocol):
    """The connection to a started sandbox process: bytes to and from its PID 1, and a way to end it."""

    async def send(self, data: bytes) -> None:
        """Write all of ``data``; raise an OSError or anyio error if the process has ended."""

    async def receive(self) -> bytes:
        """Return some bytes; empty at the end."""
        ...

    def oom_kills(self) -> int:
        """Return how often the kernel's memory limit has killed a process inside; 0 if unknown."""
        ...

    async def confine(self) -> None:
        """Apply the limits that need a started supervisor; called once, before the first job."""

    async def aclose(self) -> None:
        """End all processes inside and remove their traces from the host."""

    async def complaint(self) -> str:
        """Return the end of its error stream."""
        ...


@dataclass
class SandboxProcess:
    """An isolated process: a supervisor that runs one job at a time.

    After `ProcessFailed`, or with ``clean`` False after a job, it must be closed.

    Args:
        transport: The connection to the supervisor.
        limits: The limits of jobs.
        preload: Standard modules that the supervisor loads in advance.
        python: The interpreter inside.
        nproc: Whether RLIMIT_NPROC limits the processes of this sandbox alone, so that it can be set.
        own_share: Whether a cgroup limits the cores, so that priorities count only inside.
    """

    transport: Transport
    limits: Limits
    preload: tuple[str, ...] = ()
    python: str = "/usr/bin/python3"
    nproc: bool = True
    own_share: bool = False
    version: str = ""
    jobs: int = 0
    clean: bool = True
    _buffer: bytearray = field(default_factory=bytearray)

    async def started(self) -> Self:
        """Start the supervisor, and return this process; close it where that fails."""
        try:
            await self._start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def _start(self) -> None:
        """Start the supervisor; raise ProcessFailed if it does not report in time."""
        text = source("supervisor").encode()
        limits = self.limits
        settings: dict[str, object] = {
            "python": self.python,
            "bash": "/bin/bash",
            "environment": environment(),
            "preload": list(self.preload),
            "memory": limits.memory_mb << 20,
            "processes": limits.processes,
            "inodes": limits.inodes,
            "disk_mb": limits.disk_mb,
            "open_files": limits.open_files,
            "nproc": self.nproc,
            # with a share of its own, priority matters only inside the sandbox, where the supervisor has to come first
            "nice": 15 if self.own_share else 5,
        }
        try:
            with anyio.fail_after(START_S):
                await self.transport.send(b"%08x" % len(text) + text)
                await self.transport.confine()
                await self._send(b"C", json.dumps(settings).encode())
                hello = json.loads((await self._frame(b"H"))[4:])
        except TimeoutError:
            raise ProcessFailed(f"no answer within {START_S:g} s: {await self.transport.complaint()}") from None
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ProcessFailed(f"the process ended at once ({error}): {await self.transport.complaint()}") from None
        except ProcessFailed as error:
            raise ProcessFailed(f"{error.reason}: {await self.transport.complaint()}") from None
        if not hello.get("hidden"):
            raise ProcessFailed("the supervisor cannot hide from jobs (prctl failed)")
        if hello.get("problem"):
            raise ProcessFailed(str(hello["problem"])[:300])
        if hello.get("pid") != 1:
            raise ProcessFailed(f"the supervisor is PID {hello.get('pid')}, not 1")
        self.version = str(hello.get("version", ""))[:32]

    async def run(self, job: Job) -> JobResult:
        """Run one job; raise ProcessFailed if this process fails, whatever the cause."""
        limits = self.limits
        wall = job.wall_s or limits.wall_s
        cpu = job.cpu_s or limits.cpu_s
        self.jobs += 1
        oom_before = self.transport.oom_kills()
        started = time.monotonic()
        streams = {b"o": bytearray(), b"e": bytearray()}
        files: list[CollectedFile] = []
        try:
            with anyio.fail_after(wall + GRACE_S + (job_size(job) >> 20) * 0.05):
                await self._send(b"J", pack(job, limits, wall=wall, cpu=cpu))
                while True:
                    kind, payload = await self._any_frame()
                    if kind in streams:
                        if len(streams[kind]) + len(payload) > limits.output_kb << 10:
                            raise ProcessFailed("the supervisor sent more output than allowed")
                        streams[kind] += payload
                    elif kind == b"f":
                        head, blob = unpack(payload)
                        name = head.get("name")
                        if not isinstance(name, str) or not safe_name(name):
                            raise ProcessFailed(f"a collected file has the unsafe name {str(name)[:80]!r}")
                        files.append(CollectedFile(name=name, data=blob))
                        if sum(len(f.data) for f in files) > limits.collect_kb << 10:
                            raise ProcessFailed("the supervisor sent more files than allowed")
                    elif kind == b"R":
                        report, _ = unpack(payload)
                        break
                    else:
                        raise ProcessFailed(f"unknown frame {kind!r}")
        except TimeoutError:
            raise self._failure("no result in time", oom_before, streams) from None
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, ProcessFailed) as error:
            await anyio.sleep(0.02)  # the kernel counts a kill a moment after it
            raise self._failure(str(error) or type(error).__name__, oom_before, streams) from None
        oom = self.transport.oom_kills() - oom_before + int(report.get("oom", 0))
        self.clean = bool(report.get("clean"))
        return conclude(
            report,
            oom=oom,
            stdout=bytes(streams[b"o"]),
            stderr=bytes(streams[b"e"]),
            files=tuple(files),
            limits=limits.model_copy(update={"wall_s": wall, "cpu_s": cpu}),
            seen_s=time.monotonic() - started,
        )

    def _failure(self, reason: str, oom_before: int, streams: Mapping[bytes, bytearray]) -> ProcessFailed:
        oom = self.transport.oom_kills() > oom_before
        return ProcessFailed(reason, oom=oom, partial=(bytes(streams[b"o"]), bytes(streams[b"e"])))

    async def aclose(self) -> None:
        """End the process in whatever state it is; cancellation does not interrupt this."""
        with anyio.CancelScope(shield=True):
            await self.transport.aclose()

    async def _send(self, kind: bytes, payload: bytes) -> None:
        await self.transport.send(kind + len(payload).to_bytes(4, "big") + payload)

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = await self.transport.receive()
            if not data:
                raise ProcessFailed("the supervisor has ended")
            self._buffer += data
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def _any_frame(self) -> tuple[bytes, bytes]:
        head = await self._take(5)
        size = int.from_bytes(head[1:], "big")
        if size > _MAX_FRAME_BYTES:
            raise ProcessFailed(f"a frame of {size} bytes is too large")
        return head[:1], await self._take(size)

    async def _frame(self, expected: bytes) -> bytes:
        kind, payload = await self._any_frame()
        if kind != expected:
            raise ProcessFailed(f"a frame {kind!r} instead of {expected!r}")
        return payload


def job_size(job: Job) -> int:
    """Return the number of bytes of a job's input."""
    return len(job.stdin) + sum(map(len, job.files.values())) + (len(job.database.content) if job.database else 0)


def pack(job: Job, limits: Limits, *, wall: float, cpu: float) -> bytes:
    """Return the payload of a job's frame."""
    files = dict(job.files)
    arguments = list(job.arguments)
    name, code = ("main.sh" if job.language == "bash" else "main.py"), job.code
    if job.language == "sql" and job.database is not None:
        files |= {".query.sql": job.code.encode(), ".database": job.database.content}
        code = source("sql")
        options = {
            "writable": job.database.writable,
            "max_rows": job.database.max_rows,
            "max_bytes": job.database.max_bytes,
            "seconds": wall,
            "folder": WORK_FOLDER,
        }
        arguments = [json.dumps(options)]
    files[name] = code.encode()
    head = {
        "file": f"{WORK_FOLDER}/{name}",
        "flags": [] if job.language == "bash" else ["-B"],
        "files": [[name, len(data)] for name, data in files.items()],
        "stdin": len(job.stdin),
        "arguments": arguments,
        "mode": job.mode,
        "wall_s": wall,
        "cpu_s": cpu,
        "keep": limits.output_kb << 10,
        "total": limits.output_total_mb << 20,
        "collect": list(job.collect),
        "collect_bytes": limits.collect_kb << 10,
    }
    text = json.dumps(head).encode()
    return b"".join([len(text).to_bytes(4, "big"), text, *files.values(), job.stdin])


def unpack(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a frame's payload into its JSON head and the rest; raise ProcessFailed if it has no such head."""
    size = int.from_bytes(payload[:4], "big")
    try:
        head = json.loads(payload[4 : 4 + size])
    except ValueError:
        raise ProcessFailed("a frame is not JSON") from None
    if not isinstance(head, dict):
        raise ProcessFailed("the head of a frame is not a JSON object")
    return head, payload[4 + size :]


def conclude(
    report: Mapping[str, Any],
    *,
    oom: int,
    stdout: bytes,
    stderr: bytes,
    files: tuple[CollectedFile, ...],
    limits: Limits,
    seen_s: float,
) -> JobResult:
    """Convert the supervisor's report to the result of a job; raise ProcessFailed if the report is invalid."""
    if "failed" in report:
        return JobResult(status="refused", reason=str(report["failed"])[:300])
    try:
        exit_code, signal = report["exit"], report["signal"]
        exit_code = None if exit_code is None else int(exit_code)
        signal = None if signal is None else int(signal)
        status, reason = _status(str(report["why"]), exit_code, signal, oom, limits)
        return JobResult(
            status=status,
            reason=reason,
            exit_code=exit_code,
            signal=signal,
            stdout=Output(data=stdout, total=max(int(report["out"]), len(stdout))),
            stderr=Output(data=stderr, total=max(int(report["err"]), len(stderr))),
            wall_s=min(float(report["wall"]), seen_s),
            cpu_s=float(report["cpu"]),
            peak_kb=int(report["peak_kb"]),
            files=files,
            skipped=tuple(str(text)[:400] for text in report["skipped"][:64]),
            left_behind=LeftBehind(
                processes=tuple(str(text)[:64] for text in report["processes"][:64]), files=int(report["files"])
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProcessFailed(f"the report on the job is invalid ({error!r})") from None


def _status(why: str, exit_code: int | None, signal: int | None, oom: int, limits: Limits) -> tuple[Status, str]:
    stopped: dict[str, tuple[Status, str]] = {
        "timeout": ("timeout", f"not done after {limits.wall_s:g} s"),
        "cpu": ("cpu_limit", f"used more than {limits.cpu_s:g} CPU seconds"),
        "memory": ("memory", f"used more than {limits.memory_mb} MB"),
        "output": ("output_limit", f"wrote more than {limits.output_total_mb} MB"),
        "processes": ("killed", f"had more than {limits.processes} processes and threads"),
        "inodes": ("killed", f"made more than {limits.inodes} files"),
        "cancelled": ("killed", "cancelled"),
    }
    if why in stopped and not (oom and why != "timeout"):
        return stopped[why]
    if oom:
        return "memory", f"the kernel's limit of {limits.memory_mb} MB killed {oom} of its processes"
    if why:
        raise ValueError(why)
    if signal is not None:
        if signal == 24:
            return "cpu_limit", f"a process used more than {limits.cpu_s:g} CPU seconds"
        return "killed", f"ended by signal {signal}"
    if exit_code is None:
        raise ValueError("neither an exit code nor a signal")
    return ("ok", "") if exit_code == 0 else ("error", f"exit code {exit_code}")


async def ended(wait: Awaitable[object], seconds: float) -> bool:
    """Return whether ``wait`` ends within a number of seconds."""
    with anyio.move_on_after(seconds):
        await wait
        return True
    return False


def find_python() -> str | None:
    """Find an interpreter below ``/usr``, the only folder of the host that a sandbox sees; None without one."""
    for path in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if os.access(path, os.X_OK):
            return path
    return None

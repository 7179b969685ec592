"""What goes into a sandbox and what comes out: limits, a job, its result, and what a backend enforces.

Records only; nothing here runs anything. Bytes are base64 in JSON.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from tdlab.errors import SandboxUnavailable
from tdlab.records import Record

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "GUARANTEES",
    "WORK_FOLDER",
    "BackendReport",
    "CollectedFile",
    "Database",
    "Enforcement",
    "Garbage",
    "Job",
    "JobResult",
    "LeftBehind",
    "Level",
    "Limits",
    "Output",
    "Status",
    "check_required",
    "reports_frame",
    "safe_name",
]

WORK_FOLDER = "/work"
"""Where a job runs, seen from inside its jail: its working directory, the one place that `Job.files` go to."""

Status = Literal["ok", "error", "timeout", "cpu_limit", "memory", "output_limit", "killed", "refused", "sandbox_error"]
"""How a job ended.

``ok`` exit code 0; ``error`` another exit code; ``timeout``, ``cpu_limit``, ``memory``, ``output_limit`` that limit was
passed; ``killed`` ended by a signal, or by the limit on files or processes; ``refused`` never started, the job asks for
what is not allowed; ``sandbox_error`` ours: retried on fresh jails and never to be scored.
"""

Level = Literal["kernel", "watchdog", "none"]
"""Who holds a limit: the kernel; a process of ours that looks every few hundredths of a second; nobody."""

GUARANTEES: dict[str, str] = {
    "filesystem": "no file of the host is visible but the operating system's programs, and those cannot be changed",
    "network": "no packet, of any protocol family, leaves the jail",
    "processes_hidden": "no process of the host, or of another jail, can be seen or signalled",
    "syscalls": "system calls that widen the kernel's attack surface are refused",
    "privileges": "no capability, no gain of one, no user namespace",
    "environment": "no variable of the host's environment is passed on",
    "wall_time": "a job ends within its time",
    "cpu_time": "CPU seconds of a job, its children included",
    "cpu_rate": "a jail gets no more than its share of the cores",
    "memory": "memory of a job, its children included",
    "processes": "number of processes and threads",
    "disk": "bytes of files in the work directory",
    "inodes": "number of files in the work directory",
    "output": "bytes of output",
    "no_leftovers": "processes, files and shared memory of a job are gone before the next",
    "dies_with_harness": "nothing outlives the process that opened the sandbox",
}
"""Every guarantee that a backend reports on, and what it means."""


def safe_name(name: str) -> bool:
    """Whether a file name is relative, stays below its folder, and is plain enough to be written anywhere."""
    if not name or len(name) > 1024 or "\x00" in name or name.startswith("/"):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    parts = name.split("/")
    return len(parts) <= 32 and all(part not in ("", ".", "..") and len(part.encode()) <= 255 for part in parts)


class _WithBytes(Record):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


class Limits(Record):
    """Limits of a job. Memory, processes, disk, inodes and cores belong to the jail; a job may lower the others."""

    wall_s: float = Field(default=10.0, gt=0, le=3600, description="seconds of real time")
    cpu_s: float = Field(default=10.0, gt=0, le=3600, description="CPU seconds, children included")
    memory_mb: int = Field(default=256, ge=32, le=1 << 20, description="MB of memory, children included")
    processes: int = Field(default=32, ge=1, le=4096, description="processes and threads")
    disk_mb: int = Field(default=64, ge=1, le=1 << 16, description="MB of files in /work, and in /tmp")
    inodes: int = Field(default=8192, ge=64, le=1 << 20, description="files in /work and /tmp")
    open_files: int = Field(default=256, ge=16, le=4096, description="open files of a process")
    output_kb: int = Field(default=256, ge=1, le=1 << 14, description="KB kept of stdout, and of stderr")
    output_total_mb: int = Field(default=256, ge=1, le=1 << 16, description="MB of output that end the job")
    collect_kb: int = Field(default=4096, ge=1, le=1 << 16, description="KB of files collected")
    cpus: float = Field(default=1.0, gt=0, le=256, description="cores")


class Database(_WithBytes):
    """The SQLite file a SQL job works on: a copy is made inside the jail, the original is never touched.

    ``writable`` lets the statements change the copy. Results end at ``max_rows`` rows or ``max_bytes`` of JSON.
    """

    content: bytes = b""
    writable: bool = False
    max_rows: int = Field(default=1000, ge=1, le=1_000_000)
    max_bytes: int = Field(default=200_000, ge=100, le=64_000_000)


class Job(_WithBytes):
    """One piece of untrusted code and all it may use.

    ``language`` is ``python`` (file ``main.py``), ``bash`` (``main.sh``) or ``sql`` (on ``database``). It runs in
    ``/work``, which holds ``files`` (relative names to bytes) and nothing else. ``mode`` is ``fresh`` (a new process of
    the interpreter) or ``fork`` (Python only: a fork of a warm interpreter, some ten times quicker to start).
    ``collect`` are glob patterns of the files to bring back. ``wall_s`` and ``cpu_s`` replace the sandbox's limits.
    """

    language: Literal["python", "bash", "sql"] = "python"
    code: str
    stdin: bytes = b""
    files: dict[str, bytes] = {}  # noqa: RUF012 (pydantic copies defaults)
    collect: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    mode: Literal["fresh", "fork"] = "fresh"
    database: Database | None = None
    wall_s: float | None = Field(default=None, gt=0, le=3600)
    cpu_s: float | None = Field(default=None, gt=0, le=3600)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.language == "sql" and self.database is None:
            raise ValueError("a sql job needs a database")
        if self.database is not None and self.language != "sql":
            raise ValueError(f"a {self.language} job takes no database")
        if self.mode == "fork" and self.language == "bash":
            raise ValueError("only Python and SQL can be forked")
        return self

    def objection(self, limits: Limits) -> str:
        """Why the job is refused under these limits; empty if it is not."""
        for name in self.files:
            if not safe_name(name):
                return f"file name {name[:80]!r} is not a plain relative path"
            if name in ("main.py", "main.sh"):
                return f"file name {name!r} is taken by the program"
        for name in self.files:
            folders = {str(parent) for parent in PurePosixPath(name).parents}
            if folders & self.files.keys():
                return f"file name {name!r} uses another file as a folder"
        try:
            size = len(self.code.encode())
            for argument in self.arguments:
                argument.encode()
                if "\x00" in argument or len(argument) > 65536:
                    return "an argument holds a NUL or is longer than 64 KB"
        except UnicodeEncodeError:
            return "the code or an argument holds lone surrogates"
        if len(self.arguments) > 256:
            return f"{len(self.arguments)} arguments, more than 256"
        size += len(self.stdin) + sum(map(len, self.files.values()))
        size += len(self.database.content) if self.database else 0
        if size > limits.disk_mb << 20:
            return f"{size} bytes of code, input and files, more than the disk limit of {limits.disk_mb} MB"
        if len(self.files) > limits.inodes // 4:
            return f"{len(self.files)} files, more than a quarter of the limit of {limits.inodes} inodes"
        for name in ("wall_s", "cpu_s"):
            wanted, most = getattr(self, name), getattr(limits, name)
            if wanted is not None and wanted > most:
                return f"{name} is {wanted}, more than the sandbox's {most}"
        return ""


class Output(_WithBytes):
    """What a job wrote to one stream: the first bytes kept, and how many there were in truth."""

    data: bytes = b""
    total: int = 0

    @property
    def truncated(self) -> bool:
        """Whether there was more than was kept."""
        return self.total > len(self.data)

    @cached_property
    def text(self) -> str:
        """The kept bytes as UTF-8; what is not UTF-8 becomes the replacement mark."""
        return self.data.decode("utf-8", "replace")


class CollectedFile(_WithBytes):
    """A regular file that the job left in its work directory: a safe relative name and its content."""

    name: str
    data: bytes


class LeftBehind(Record):
    """What the job left running or lying about; all of it is gone by now.

    ``processes`` are names of processes that were alive when the job's own had ended. ``files`` counts what lay in the
    work directory and the other writable places, the given files and the program not counted.
    """

    processes: tuple[str, ...] = ()
    files: int = 0


class Enforcement(Record):
    """Whether a guarantee is held here, and by what."""

    level: Level
    how: str


class JobResult(_WithBytes):
    """How a job ended, and what it left: see `Status`, `Output`, `LeftBehind`.

    ``reason`` says in words why a status other than ``ok`` was given. ``signal`` is the number of the signal that
    ended the job's first process. ``peak_kb`` is the largest memory seen, of one process or of all at a sample.
    ``skipped`` names files that matched ``collect`` and could not be brought back, each with the reason.
    ``interpreter`` is the version of Python inside the jail. ``attempts`` counts jails used up by sandbox errors.
    """

    status: Status
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    stdout: Output = Output()
    stderr: Output = Output()
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_kb: int = 0
    files: tuple[CollectedFile, ...] = ()
    skipped: tuple[str, ...] = ()
    left_behind: LeftBehind = LeftBehind()
    backend: str = ""
    interpreter: str = ""
    enforced: dict[str, Enforcement] = {}  # noqa: RUF012 (pydantic copies defaults)
    attempts: int = 1

    @property
    def ok(self) -> bool:
        """Whether the job ended by itself with exit code 0."""
        return self.status == "ok"


class BackendReport(Record):
    """What one tier can do on this machine: tried, not assumed.

    ``available`` means that it started and that every escape probe failed to escape. ``escapes`` lists the probes that
    got out; ``reason`` says why it is not available and ``install`` what would help. ``cold_ms`` is the first start.
    """

    name: str
    available: bool
    reason: str = ""
    install: str = ""
    version: str = ""
    cold_ms: float | None = None
    enforced: dict[str, Enforcement] = {}  # noqa: RUF012 (pydantic copies defaults)
    probes: int = 0
    escapes: tuple[str, ...] = ()


def reports_frame(reports: Collection[BackendReport]) -> pd.DataFrame:
    """One row a backend: ``backend, available, version, cold_ms, probes, escapes``, who holds what, ``reason, to_do``.

    ``kernel``, ``watchdog`` and ``none`` name the guarantees that each holds.
    """
    import pandas as pd

    rows = [
        {
            "backend": report.name,
            "available": report.available,
            "version": report.version,
            "cold_ms": report.cold_ms,
            "probes": report.probes,
            "escapes": len(report.escapes),
            **{
                level: ", ".join(name for name, found in report.enforced.items() if found.level == level)
                for level in ("kernel", "watchdog", "none")
            },
            "reason": report.reason,
            "to_do": report.install,
        }
        for report in reports
    ]
    return pd.DataFrame(rows)


class Garbage(Record):
    """What was left by harnesses that are no more, and is removed now."""

    containers: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def check_required(enforced: dict[str, Enforcement], require: Collection[str], *, backend: str) -> None:
    """SandboxUnavailable unless each name of ``require`` is held; ``name:kernel`` asks for the kernel itself."""
    for item in require:
        name, _, level = item.partition(":")
        if name not in GUARANTEES or level not in ("", "kernel"):
            raise SandboxUnavailable(
                f"require names {item!r}",
                expected=f"one of {', '.join(GUARANTEES)}, each alone or with ':kernel'",
                do="correct the name",
            )
        found = enforced.get(name, Enforcement(level="none", how="not reported"))
        if found.level == "none" or (level == "kernel" and found.level != "kernel"):
            raise SandboxUnavailable(
                f"{backend} holds {name!r} by {found.level}: {found.how}",
                expected=f"{GUARANTEES[name]} ({item})",
                do="use another backend or machine (`probe()` lists what each holds), or do not require it",
            )

"""The records of the sandbox: limits, a job, its result, and the report on a backend.

Bytes are base64 in JSON.
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
"""The working directory of a job, as the job sees it; `Job.files` are put there."""

Status = Literal["ok", "error", "timeout", "cpu_limit", "memory", "output_limit", "killed", "refused", "sandbox_error"]
"""How a job ended.

``ok`` exit code 0; ``error`` another exit code; ``timeout``, ``cpu_limit``, ``memory``, ``output_limit`` exceeded that
limit; ``killed`` ended by a signal, or by the limit on files or processes; ``refused`` not started, since the job asks
for something that is not allowed; ``sandbox_error`` the sandbox failed, after several attempts, and the job has no
result.
"""

Level = Literal["kernel", "watchdog", "none"]
"""What enforces a guarantee: the kernel; a watchdog process that samples every 25 ms; nothing."""

GUARANTEES: dict[str, str] = {
    "filesystem": "only the operating system's programs are visible, and they are read-only",
    "network": "no packet of any protocol family leaves the sandbox",
    "processes_hidden": "no process outside the sandbox can be seen or signalled",
    "syscalls": "system calls that widen the kernel's attack surface are rejected",
    "privileges": "no capabilities, no way to gain any, no user namespaces",
    "environment": "no environment variable of the host is visible",
    "wall_time": "limit on the seconds of a job",
    "cpu_time": "limit on the CPU seconds of a job and its children",
    "cpu_rate": "limit on the number of cores in use",
    "memory": "limit on the memory of a job and its children",
    "processes": "limit on the number of processes and threads",
    "disk": "limit on the bytes of files in the work directory",
    "inodes": "limit on the number of files in the work directory",
    "output": "limit on the bytes of output",
    "no_leftovers": "processes, files and shared memory of a job are removed before the next job",
    "dies_with_harness": "everything ends with the process that opened the sandbox",
}
"""The guarantees that a backend reports on, with their meaning."""


def safe_name(name: str) -> bool:
    """Return whether a file name is relative, stays below its folder, and can be written on any file system."""
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
    """The limits of jobs in a sandbox; a `Job` may lower ``wall_s`` and ``cpu_s``.

    Example:
        >>> Limits(wall_s=2, memory_mb=64).cpu_s
        10.0
    """

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
    """The SQLite database of a SQL job. The job works on a copy, so the original never changes.

    Args:
        content: The bytes of the SQLite file; empty for a new database.
        writable: Whether the statements may change the copy.
        max_rows: Most rows in the result.
        max_bytes: Most bytes of JSON in the result.
    """

    content: bytes = b""
    writable: bool = False
    max_rows: int = Field(default=1000, ge=1, le=1_000_000)
    max_bytes: int = Field(default=200_000, ge=100, le=64_000_000)


class Job(_WithBytes):
    """One untrusted program and everything that it may use.

    Args:
        language: ``python``, ``bash``, or ``sql`` for statements on ``database``.
        code: The program.
        stdin: Bytes on standard input.
        files: Files in the working directory at the start: relative name to content.
        collect: Glob patterns of the files to return at the end.
        arguments: Command-line arguments.
        mode: ``fresh`` starts a new interpreter; ``fork`` forks a running one, which starts about ten times faster
            (not for bash).
        database: The database of a SQL job.
        wall_s: Time limit in seconds; by default, and at most, that of the sandbox.
        cpu_s: Limit in CPU seconds; by default, and at most, that of the sandbox.

    Raises:
        pydantic.ValidationError: For a value outside its range or fields that do not go together.

    Example:
        >>> job = Job(code="print(6 * 7)", files={"data.csv": b"1,2"})
        >>> job.objection(Limits())
        ''
        >>> Job(code="", files={"../data.csv": b""}).objection(Limits())
        "file name '../data.csv' is not a plain relative path"
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
        """Return why the job is refused under these limits; empty if it is not."""
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
            requested, limit = getattr(self, name), getattr(limits, name)
            if requested is not None and requested > limit:
                return f"{name} is {requested}, more than the sandbox's {limit}"
        return ""


class Output(_WithBytes):
    """The output of a job on one stream: the first bytes in ``data``, and the ``total`` number of bytes."""

    data: bytes = b""
    total: int = 0

    @property
    def truncated(self) -> bool:
        """Whether ``data`` is only the beginning of the output."""
        return self.total > len(self.data)

    @cached_property
    def text(self) -> str:
        """``data`` decoded as UTF-8, with replacement characters for invalid bytes."""
        return self.data.decode("utf-8", "replace")


class CollectedFile(_WithBytes):
    """A file that the job left in its working directory: a safe relative name, and the content."""

    name: str
    data: bytes


class LeftBehind(Record):
    """What the job left behind; all of it was removed.

    ``processes`` are the names of processes that outlived the job's main process. ``files`` counts new files in the
    working directory and entries of the other writable folders.
    """

    processes: tuple[str, ...] = ()
    files: int = 0


class Enforcement(Record):
    """What enforces a guarantee on this machine: the ``level``, and ``how``."""

    level: Level
    how: str


class JobResult(_WithBytes):
    """The result of a job.

    ``status`` is a `Status`, and ``reason`` explains any status but ``ok``. ``signal`` is the number of the signal that
    ended the job's main process. ``wall_s`` and ``cpu_s`` are in seconds; ``peak_kb`` is the largest memory measured,
    of one process or of all together. ``files`` are the collected files; ``skipped`` names files that matched
    ``Job.collect`` but could not be returned, each with the reason. ``interpreter`` is the version of Python in the
    sandbox. ``attempts`` is more than 1 if the sandbox failed and the job was retried.
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
        """Whether the job ended with exit code 0."""
        return self.status == "ok"


class BackendReport(Record):
    """The report on one backend on this machine, from a test.

    ``available`` means that the backend started and withstood all escape probes. ``probes`` counts the probes and
    ``escapes`` names those that escaped. ``reason`` says why the backend is not available, and ``install`` what to do.
    ``cold_ms`` is the time of the first start in milliseconds.
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
    """Return the reports of `probe` as a table.

    Args:
        reports: One report per backend.

    Returns:
        One row per backend, with the columns ``backend``, ``available``, ``version``, ``cold_ms`` (the first start, in
        milliseconds), ``probes`` and ``escapes`` (numbers), ``kernel``, ``watchdog`` and ``none`` (the guarantees that
        each enforces), ``reason`` and ``to_do``.

    Example:
        >>> report = BackendReport(name="docker", available=False, reason="no docker engine answers")
        >>> reports_frame([report]).loc[0, ["backend", "reason"]].tolist()
        ['docker', 'no docker engine answers']
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
                level: ", ".join(name for name, enforced in report.enforced.items() if enforced.level == level)
                for level in ("kernel", "watchdog", "none")
            },
            "reason": report.reason,
            "to_do": report.install,
        }
        for report in reports
    ]
    return pd.DataFrame(rows)


class Garbage(Record):
    """What `gc` removed: containers and cgroups of processes that have ended."""

    containers: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def check_required(enforced: dict[str, Enforcement], require: Collection[str], *, backend: str) -> None:
    """Raise SandboxUnavailable unless every guarantee in ``require`` is enforced; ``name:kernel``: by the kernel."""
    for item in require:
        name, _, level = item.partition(":")
        if name not in GUARANTEES or level not in ("", "kernel"):
            raise SandboxUnavailable(
                f"require: there is no guarantee {item!r}",
                expected=f"any of {', '.join(GUARANTEES)}, alone or followed by ':kernel'",
                do="correct the name in require",
            )
        actual = enforced.get(name, Enforcement(level="none", how="not reported"))
        if actual.level == "none" or (level == "kernel" and actual.level != "kernel"):
            raise SandboxUnavailable(
                f"{backend} enforces {name!r} by {actual.level}: {actual.how}",
                expected=f"{item}: {GUARANTEES[name]}",
                do=f"use another backend (`tdlab sandbox doctor` lists what each enforces), or do not require {item!r}",
            )

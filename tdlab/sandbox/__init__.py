r"""The code sandbox: runs untrusted code, isolated, within limits, and cleans up after it (innovation 4).

`open_sandbox` starts a pool of isolated processes, and `Sandbox.run` runs one `Job` in one of them::

    async with open_sandbox(require=["memory", "network"]) as sandbox:
        result = await sandbox.run(Job(code="print(6 * 7)"))
    result.status, result.stdout.text                       # 'ok', '42\n'

    with open_sandbox_sync() as sandbox:                    # the same without an event loop
        sandbox.run(Job(language="sql", code="select 1", database=Database(content=data)))

Code never runs outside a sandbox. ``auto`` takes the first backend, docker before bubblewrap, that starts on this
machine and withstands every escape probe; without one, SandboxUnavailable says what to install. `probe` reports what
each backend enforces, as tested on this machine. A `JobResult` says how the job ended, with its output, its use of time
and memory, its files, and what enforced each guarantee. The status ``sandbox_error`` is a failure of the sandbox and
says nothing about the job.

Limits of the protection: the kernel is trusted; a job may find out what the machine is (processor, kernel, load), may
read every program below ``/usr``, and may use up its limits.

``sandlock``, a sandbox that pip alone installs, is not a backend: it limits neither the bytes and number of files nor
output nor CPU time (``tests/benchmarks/sandlock_tier.py``).

Modules, low to high: `jobs` (records), `_inside` (the code inside: supervisor, SQL, probes), `_process` (one isolated
process seen from outside), `_seccomp`, `_cgroups`, `_bubblewrap`, `_docker` (the only importer of ``docker``), `pool`,
`tool` (``run_code``), `server` (``run_code`` over MCP), `replay` (compares recorded outputs with new ones).
"""

from __future__ import annotations

from tdlab.sandbox._process import ProcessFailed, SandboxProcess, Transport
from tdlab.sandbox.jobs import (
    GUARANTEES,
    WORK_FOLDER,
    BackendReport,
    CollectedFile,
    Database,
    Enforcement,
    Garbage,
    Job,
    JobResult,
    LeftBehind,
    Limits,
    Output,
    reports_frame,
)
from tdlab.sandbox.pool import (
    BACKENDS,
    Backend,
    BackendFactory,
    Sandbox,
    SyncSandbox,
    gc,
    held_by,
    open_sandbox,
    open_sandbox_sync,
    probe,
    probe_sync,
)
from tdlab.sandbox.replay import Comparison, Difference, Tolerance, compare_outputs, compare_texts, replay_code
from tdlab.sandbox.server import serve
from tdlab.sandbox.tool import RUN_CODE, CodeOutput, RunsJobs, code_job, run_code

__all__ = [
    "BACKENDS",
    "GUARANTEES",
    "RUN_CODE",
    "WORK_FOLDER",
    "Backend",
    "BackendFactory",
    "BackendReport",
    "CodeOutput",
    "CollectedFile",
    "Comparison",
    "Database",
    "Difference",
    "Enforcement",
    "Garbage",
    "Job",
    "JobResult",
    "LeftBehind",
    "Limits",
    "Output",
    "ProcessFailed",
    "RunsJobs",
    "Sandbox",
    "SandboxProcess",
    "SyncSandbox",
    "Tolerance",
    "Transport",
    "code_job",
    "compare_outputs",
    "compare_texts",
    "gc",
    "held_by",
    "open_sandbox",
    "open_sandbox_sync",
    "probe",
    "probe_sync",
    "replay_code",
    "reports_frame",
    "run_code",
    "serve",
]

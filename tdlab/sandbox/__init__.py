r"""Untrusted code runs here: in a jail, within limits, leaving nothing behind (innovation 4).

`open_sandbox` opens a pool of warm jails and `Sandbox.run` runs one `Job` in one of them::

    async with open_sandbox(require=["memory", "network"]) as sandbox:
        result = await sandbox.run(Job(code="print(6 * 7)"))
    result.status, result.stdout.text                       # 'ok', '42\n'

    with open_sandbox_sync() as sandbox:                    # the same without an event loop
        sandbox.run(Job(language="sql", code="select 1", database=Database(content=data)))

Nothing runs unless a jail holds it. ``auto`` takes the first of docker and bubblewrap that starts here and that no
escape probe gets out of; where there is none, SandboxUnavailable says what to install. `probe` lists what each tier
holds, tried and not assumed. A `JobResult` says how the job ended, with its output, its use of time and memory, the
files it made, what it left behind, and who held which guarantee; ``sandbox_error`` is ours and is never to be scored.

What is *not* covered: the kernel itself is trusted; a job may learn what the machine is (processor, kernel, load), may
read every program below ``/usr``, and may spend its limits in full.

Modules, low to high: `jobs` (records), `_inside` (what runs in a jail: the supervisor, SQL, probes), `_jail` (one jail
seen from outside), `_seccomp`, `_cgroups`, `_bubblewrap`, `_docker` (the only importer of ``docker``), `pool`, `tool`
(``run_code``), `server` (the same over MCP), `replay` (recorded outputs compared with new ones).
"""

from __future__ import annotations

from tdlab.sandbox._jail import Jail, JailBroken, Transport
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
    "Jail",
    "JailBroken",
    "Job",
    "JobResult",
    "LeftBehind",
    "Limits",
    "Output",
    "RunsJobs",
    "Sandbox",
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

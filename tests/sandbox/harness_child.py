"""A process to be killed: opens a sandbox, starts jobs that would outlive it, reports that, and waits."""

from __future__ import annotations

import json
import sys

import anyio

from tdlab.sandbox import Job, Limits, open_sandbox

CODE = """
import os, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        os.execv("/usr/bin/sleep", ["sleep", MARK])
time.sleep(60)
"""


async def main(backend: str, options: str, mark: str) -> None:
    async with open_sandbox(
        backend, limits=Limits(wall_s=60), workers=2, options=json.loads(options), verify=False
    ) as sandbox:
        await sandbox.warm()
        async with anyio.create_task_group() as group:
            group.start_soon(sandbox.run, Job(code=CODE.replace("MARK", repr(mark))))
            await anyio.sleep(0.7)
            sys.stdout.write("busy\n")
            sys.stdout.flush()


anyio.run(main, *sys.argv[1:])

"""Programs in rollouts: the one who runs them in a jail, and the environment that sends the code tool's calls there.

`CodeRunner` opens its sandbox when the first program comes, in whichever process that is; jails die with their process.
What a program prints is recorded as `tdlab.sandbox.CodeOutput`, which holds nothing of the machine, so a dataset with
code is the same on all machines whose interpreters agree. A failure of the sandbox itself is no result: it is raised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from tdlab.config import SandboxConfig
from tdlab.errors import SandboxUnavailable
from tdlab.records import CODE_TOOL, Json, Tool
from tdlab.rollout.environments import Environment, ToolResult, receipt
from tdlab.sandbox import CodeOutput, Comparison, Limits, SyncSandbox, code_job, open_sandbox_sync

if TYPE_CHECKING:
    from tdlab.sandbox import Job

__all__ = ["CODE_EXECUTOR", "CodeRunner", "CodingEnvironment", "recorded_output"]

CODE_EXECUTOR = "sandbox"
"""The executor that receipts of the code tool name."""

_TRIES = 3  # runs of a program that is cut off by the clock: a loaded machine is not the program's fault
_PROBES_S = 20.0  # at least so long may the probes of a new jail take
_PRELOAD = ("json", "re", "math", "datetime", "collections", "statistics")


class CodeRunner:
    """Runs programs in a sandbox of ``config``; opened by the first one, closed by `close` or at the end of a ``with``.

    SandboxUnavailable from every method where there is no jail, or the jails fail. It can be sent to another process,
    where it opens a sandbox of its own. ``workers`` is the number of jails, for threads that run programs at once.
    """

    def __init__(self, config: SandboxConfig, *, workers: int = 1) -> None:
        self.config = config
        self._workers = workers
        self._sandbox: SyncSandbox | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config, "workers": self._workers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["config"], workers=state["workers"])  # type: ignore[misc]  # made anew in another process

    def close(self) -> None:
        """End the jails."""
        self._sandbox = None
        self._open.close()

    @property
    def sandbox(self) -> SyncSandbox:
        """The sandbox, opened if it was not."""
        if self._sandbox is None:
            config = self.config
            if not config.on:
                raise SandboxUnavailable(
                    "a program was to run and sandbox.backend is none",
                    expected="a sandbox; nothing runs without one",
                    do="set sandbox.backend to auto (or `tdlab run --code`)",
                )
            # A jail is probed before it is trusted; the probes need their time however little a program is given.
            limits = Limits(wall_s=max(config.wall_s, _PROBES_S), cpu_s=config.cpu_s, memory_mb=config.memory_mb)
            opened = open_sandbox_sync(config.backend, limits=limits, preload=_PRELOAD, workers=self._workers)
            self._sandbox = self._open.enter_context(opened)
        return self._sandbox

    def run(self, arguments: Mapping[str, Json]) -> CodeOutput:
        """The answer to one call of the code tool."""
        job = self._job(arguments)
        if isinstance(job, CodeOutput):
            return job
        output = self._once(job)
        for _ in range(_TRIES - 1):
            if output.status != "timeout":
                break
            output = self._once(job)
        return output

    def replay(self, arguments: Mapping[str, Json], recorded: CodeOutput) -> Comparison:
        """Run a recorded call again and compare its answer with the one on record."""
        job = self._job(arguments)
        if isinstance(job, CodeOutput):
            return Comparison(
                verdict="same" if job == recorded else "different",
                reason="" if job == recorded else f"it is refused now: {job.reason}",
            )
        compared = self.sandbox.replay(job, recorded)
        if compared.verdict == "not_replayed":
            raise _failed(compared.reason)
        return compared

    def _job(self, arguments: Mapping[str, Json]) -> Job | CodeOutput:
        job = code_job(arguments, mode="fork")
        return job if isinstance(job, CodeOutput) else job.model_copy(update={"wall_s": self.config.wall_s})

    def _once(self, job: Job) -> CodeOutput:
        output = CodeOutput.of(self.sandbox.run(job))
        if output.status == "sandbox_error":
            raise _failed(output.reason)
        return output


class CodingEnvironment:
    """Another environment with a code tool: calls of `CODE_TOOL` run in the sandbox, all others go to ``inner``."""

    def __init__(self, inner: Environment, runner: CodeRunner) -> None:
        self.name = inner.name
        self._inner = inner
        self._runner = runner

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call. A program that fails is a result with ``ok`` false; a sandbox that fails is raised."""
        if tool.key != CODE_TOOL:
            return self._inner.call(tool, arguments, call_id=call_id)
        output = self._runner.run(arguments)
        text = output.text
        return ToolResult(output.ok, text, receipt(call_id, tool, CODE_EXECUTOR, arguments, text, ok=output.ok))

    def changes(self) -> dict[str, dict[str, Json]]:
        """What the other calls changed: a program changes nothing outside its jail."""
        return self._inner.changes()


def recorded_output(text: str) -> CodeOutput | None:
    """The answer that a tool message of the code tool holds; None where it holds none."""
    try:
        return CodeOutput.model_validate(json.loads(text))
    except (ValueError, ValidationError, RecursionError):
        return None


def _failed(reason: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        f"the sandbox failed by itself, so there is no result: {reason}",
        expected="jails that run to the end of a program",
        do="see `tdlab sandbox doctor`; the same command goes on with the run",
    )

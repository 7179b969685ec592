"""Programs in rollouts: a runner for the code tool, and an environment that sends its calls to the runner.

`CodeRunner` opens its sandbox for the first program, in the process that runs it; the sandbox ends with that process.
The output of a program is recorded as `tdlab.sandbox.CodeOutput`, which does not depend on the machine. So a dataset
with code is the same on all machines with the same interpreter. A failure of the sandbox itself is raised, since it is
no result of the program.
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
"""The executor in the receipts of the code tool."""

_ATTEMPTS = 3  # a program that reaches the time limit is re-run: the machine may have been busy
_PROBES_S = 20.0  # minimum time limit of the escape probes of a new sandbox
_PRELOAD = ("json", "re", "math", "datetime", "collections", "statistics")


class CodeRunner:
    """Run the programs of rollouts in a sandbox; a context manager.

    The first program opens the sandbox; `close`, or the end of the ``with`` block, closes it. A runner can be pickled;
    in another process it opens a sandbox of its own. Every method raises SandboxUnavailable if there is no working
    sandbox.

    Args:
        config: The sandbox settings: backend and limits.
        workers: How many programs may run at once, from several threads.

    Example:
        >>> from tdlab.config import SandboxConfig
        >>> with CodeRunner(SandboxConfig(backend="none")) as runner:
        ...     runner.run({"language": "python", "code": "print(6 * 7)"})
        Traceback (most recent call last):
        tdlab.errors.SandboxUnavailable: a program is to run and sandbox.backend is none
        ...
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
        self.__init__(state["config"], workers=state["workers"])  # type: ignore[misc]  # the state of a new object

    def close(self) -> None:
        """Close the sandbox."""
        self._sandbox = None
        self._open.close()

    @property
    def sandbox(self) -> SyncSandbox:
        """The sandbox; opened on first use."""
        if self._sandbox is None:
            config = self.config
            if not config.on:
                raise SandboxUnavailable(
                    "a program is to run and sandbox.backend is none",
                    expected="a sandbox backend; code never runs outside a sandbox",
                    do="add `--set sandbox.backend=auto`, or use `tdlab run --code`",
                )
            # a new sandbox is probed before use, and the probes need their time even if a program gets less
            limits = Limits(wall_s=max(config.wall_s, _PROBES_S), cpu_s=config.cpu_s, memory_mb=config.memory_mb)
            opened = open_sandbox_sync(config.backend, limits=limits, preload=_PRELOAD, workers=self._workers)
            self._sandbox = self._open.enter_context(opened)
        return self._sandbox

    def run(self, arguments: Mapping[str, Json]) -> CodeOutput:
        """Run the program of one call of the code tool and return its output."""
        job = self._job(arguments)
        if isinstance(job, CodeOutput):
            return job
        output = self._once(job)
        for _ in range(_ATTEMPTS - 1):
            if output.status != "timeout":
                break
            output = self._once(job)
        return output

    def replay(self, arguments: Mapping[str, Json], recorded: CodeOutput) -> Comparison:
        """Re-run the program of a recorded call and compare its output with the recorded one."""
        job = self._job(arguments)
        if isinstance(job, CodeOutput):
            return Comparison(
                verdict="same" if job == recorded else "different",
                reason="" if job == recorded else f"the call is refused now: {job.reason}",
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
    """An environment with the code tool.

    Args:
        inner: Executes the calls of all other tools.
        runner: Runs the programs.
    """

    def __init__(self, inner: Environment, runner: CodeRunner) -> None:
        self.name = inner.name
        self._inner = inner
        self._runner = runner

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call. A program that fails gives a result with ``ok`` false; a sandbox failure is raised."""
        if tool.key != CODE_TOOL:
            return self._inner.call(tool, arguments, call_id=call_id)
        output = self._runner.run(arguments)
        text = output.text
        return ToolResult(output.ok, text, receipt(call_id, tool, CODE_EXECUTOR, arguments, text, ok=output.ok))

    def changes(self) -> dict[str, dict[str, Json]]:
        """Return what the other calls changed; a program changes nothing outside its sandbox."""
        return self._inner.changes()


def recorded_output(text: str) -> CodeOutput | None:
    """Parse the content of a tool message of the code tool.

    Args:
        text: The content of the tool message.

    Returns:
        The recorded output; None if the text is not one.

    Example:
        >>> recorded_output('{"status": "ok", "stdout": "42"}').stdout
        '42'
        >>> recorded_output("no output") is None
        True
    """
    try:
        return CodeOutput.model_validate(json.loads(text))
    except (ValueError, ValidationError, RecursionError):
        return None


def _failed(reason: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        f"the sandbox failed, so the program has no result: {reason}",
        expected="a working sandbox",
        do="run `tdlab sandbox doctor`, then re-run the same command to resume",
    )

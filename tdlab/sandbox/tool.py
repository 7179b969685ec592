"""The code tool: ``run_code`` as a tool of a pool, its input and output, and the job of a call.

The output contains nothing that differs from run to run by itself (no times, no use of memory), so that a re-run can be
compared with the record (`replay`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import ValidationError

from tdlab.records import CODE_TOOL, Annotations, Json, Record, Tool, ToolError, canonical_json
from tdlab.sandbox.jobs import Database, Job, JobResult, Status

__all__ = ["RUN_CODE", "CodeOutput", "RunsJobs", "code_job", "run_code"]

_INPUT: dict[str, Json] = {
    "type": "object",
    "properties": {
        "language": {
            "type": "string",
            "enum": ["python", "bash", "sql"],
            "description": "What the code is written in: Python 3, bash, or SQL for SQLite.",
        },
        "code": {"type": "string", "description": "The program. What it prints is the result.", "maxLength": 100_000},
        "stdin": {"type": "string", "description": "Text on standard input.", "maxLength": 1_000_000},
        "files": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Text files in the working directory before the start: relative name to content.",
        },
        "collect": {
            "type": "array",
            "items": {"type": "string"},
            "maxItems": 16,
            "description": "Patterns of text files to return at the end, such as *.csv.",
        },
        "database": {"type": "string", "description": "For SQL: the name of the database to query."},
    },
    "required": ["language", "code"],
    "additionalProperties": False,
}
_OUTPUT: dict[str, Json] = {
    "type": "object",
    "properties": {
        "status": {
            "type": "string",
            "enum": [
                "ok",
                "error",
                "timeout",
                "cpu_limit",
                "memory",
                "output_limit",
                "killed",
                "refused",
                "sandbox_error",
            ],
        },
        "reason": {"type": "string"},
        "exit_code": {"type": ["integer", "null"]},
        "stdout": {"type": "string"},
        "stderr": {"type": "string"},
        "truncated": {"type": "boolean"},
        "files": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["status", "reason", "exit_code", "stdout", "stderr", "truncated", "files"],
}

RUN_CODE = Tool(
    service=CODE_TOOL.partition("/")[0],
    name=CODE_TOOL.partition("/")[2],
    description=(
        "Run a short program in an isolated sandbox and return what it printed. There is no network and nothing is "
        "kept between calls. Use it to compute, to parse or transform data, or to query a database."
    ),
    input_schema=_INPUT,
    output_schema=_OUTPUT,
    annotations=Annotations(title="Run code", read_only=True, destructive=False, idempotent=True, open_world=False),
    errors=(
        ToolError(code="refused", message="The arguments do not describe a program that may run."),
        ToolError(code="sandbox_error", message="The sandbox failed; the program did not run. Try again."),
    ),
)
"""The code tool as blueprints and assistants see it. It changes nothing outside the sandbox."""


class CodeOutput(Record):
    """The output of ``run_code``: that part of a `JobResult` that does not depend on the machine.

    Texts have replacement characters for bytes that are not UTF-8.

    Example:
        >>> output = CodeOutput.of(JobResult(status="ok", exit_code=0, stdout=Output(data=b"42", total=2)))
        >>> output.stdout, output.truncated
        ('42', False)
    """

    status: Status
    reason: str = ""
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    truncated: bool = False
    files: dict[str, str] = {}  # noqa: RUF012 (pydantic copies defaults)

    @classmethod
    def of(cls, result: JobResult) -> CodeOutput:
        """Return the output for a job's result."""
        return cls(
            status=result.status,
            reason=result.reason,
            exit_code=result.exit_code,
            stdout=result.stdout.text,
            stderr=result.stderr.text,
            truncated=result.stdout.truncated or result.stderr.truncated,
            files={file.name: file.data.decode("utf-8", "replace") for file in result.files},
        )

    @property
    def ok(self) -> bool:
        """Whether the program ended with exit code 0."""
        return self.status == "ok"

    @property
    def text(self) -> str:
        """The output as JSON, the content of a tool message."""
        return canonical_json(self)


class RunsJobs(Protocol):
    """A `Sandbox`, or a substitute for one."""

    async def run(self, job: Job) -> JobResult:
        """Run one job and return its result."""
        ...


def code_job(
    arguments: Mapping[str, Any], *, databases: Mapping[str, bytes] | None = None, mode: str = "fresh"
) -> Job | CodeOutput:
    """Convert the arguments of a ``run_code`` call, which come from a model, to a job.

    Args:
        arguments: The arguments of the call.
        databases: SQLite files by the name that the model uses.
        mode: ``fresh`` or ``fork``, for the job; bash is always ``fresh``.

    Returns:
        The job; for invalid arguments, an output with the status ``refused`` and the reason.

    Example:
        >>> code_job({"language": "python", "code": "print(6 * 7)"}).code
        'print(6 * 7)'
        >>> code_job({"language": "cobol", "code": ""}).reason
        'language has to be python, bash or sql'
    """
    unknown = sorted(map(str, arguments.keys() - _INPUT["properties"].keys()))
    if unknown:
        return CodeOutput(status="refused", reason=f"no parameter {unknown[0][:80]!r}")
    language, code = arguments.get("language"), arguments.get("code")
    stdin, files = arguments.get("stdin") or "", arguments.get("files") or {}
    collect, name = arguments.get("collect") or [], arguments.get("database")
    if language not in ("python", "bash", "sql"):
        return CodeOutput(status="refused", reason="language has to be python, bash or sql")
    if not isinstance(code, str) or not isinstance(stdin, str) or len(code) > 100_000:
        return CodeOutput(status="refused", reason="code and stdin have to be text of a bounded length")
    if not isinstance(files, Mapping) or not all(isinstance(v, str) for v in files.values()):
        return CodeOutput(status="refused", reason="files has to be an object of texts")
    if not isinstance(collect, list) or not all(isinstance(v, str) for v in collect) or len(collect) > 16:
        return CodeOutput(status="refused", reason="collect has to be a list of at most 16 patterns")
    database = None
    if language == "sql":
        content = (databases or {}).get(name) if isinstance(name, str) else None
        if name is not None and content is None:
            known = ", ".join(sorted(databases or {})) or "none"
            return CodeOutput(status="refused", reason=f"no database {str(name)[:80]!r}; there are: {known}")
        database = Database(content=content or b"", writable=content is None)
    elif name is not None:
        return CodeOutput(status="refused", reason="database goes with the language sql only")
    try:
        return Job.model_validate(
            {
                "language": language,
                "code": code,
                "stdin": stdin.encode("utf-8", "replace"),
                "files": {key: text.encode("utf-8", "replace") for key, text in files.items()},
                "collect": tuple(collect),
                "database": database,
                "mode": "fresh" if language == "bash" else mode,
            }
        )
    except ValidationError as error:
        return CodeOutput(status="refused", reason=error.errors()[0]["msg"][:200])


async def run_code(
    sandbox: RunsJobs,
    arguments: Mapping[str, Any],
    *,
    databases: Mapping[str, bytes] | None = None,
    mode: str = "fresh",
) -> CodeOutput:
    """Execute one call of `RUN_CODE`.

    Args:
        sandbox: Runs the program.
        arguments: The arguments of the call; they may come from a model.
        databases: SQLite files by the name that the model uses.
        mode: ``fresh`` or ``fork``, as in `Job`.

    Returns:
        The output. The status ``sandbox_error`` is a failure of the sandbox and must not be recorded as a result.

    Raises:
        SandboxUnavailable: If the sandbox is closed.

    Example:
        >>> import anyio
        >>> class FixedAnswer:
        ...     async def run(self, job: Job) -> JobResult:
        ...         return JobResult(status="ok", exit_code=0, stdout=Output(data=b"42", total=2))
        >>> anyio.run(run_code, FixedAnswer(), {"language": "python", "code": "print(6 * 7)"}).stdout
        '42'
    """
    job = code_job(arguments, databases=databases, mode=mode)
    return job if isinstance(job, CodeOutput) else CodeOutput.of(await sandbox.run(job))

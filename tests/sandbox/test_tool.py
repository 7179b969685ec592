"""``run_code``: arguments from a model, output as JSON, and the same over MCP with the official client."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.records import canonical_json
from tdlab.sandbox import RUN_CODE, CodeOutput, Job, SyncSandbox, code_job, run_code
from tdlab.tools import compile_schema

ROOT = Path(__file__).resolve().parents[2]


class Portal:
    """A sandbox in another thread, for the coroutine `run_code`."""

    def __init__(self, sandbox: SyncSandbox) -> None:
        self.sandbox = sandbox

    async def run(self, job: Job) -> Any:
        return await anyio.to_thread.run_sync(self.sandbox.run, job)


def call(sandbox: SyncSandbox, arguments: dict[str, Any], **options: Any) -> CodeOutput:
    return anyio.run(lambda: run_code(Portal(sandbox), arguments, **options))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("db") / "x.db"
    with sqlite3.connect(path) as connection:
        connection.executescript("create table t(a); insert into t values (1), (2);")
    connection.close()
    return path.read_bytes()


def test_an_answer_fits_its_schema_and_repeats(sandbox: SyncSandbox, database: bytes) -> None:
    calls: list[dict[str, Any]] = [
        {"language": "python", "code": "print(6 * 7)"},
        {"language": "python", "code": "import sys; sys.exit(3)"},
        {"language": "bash", "code": "echo hi; cat", "stdin": "ü\n"},
        {"language": "sql", "code": "select sum(a) from t", "database": "shop"},
        {"language": "python", "code": "open('o.csv', 'w').write('1')", "collect": ["*.csv"]},
        {"language": "python", "code": "print(open('d/x').read())", "files": {"d/x": "inner"}},
    ]
    schema = compile_schema(RUN_CODE.output_schema)
    inputs = compile_schema(RUN_CODE.input_schema)
    for arguments in calls:
        assert inputs.errors(arguments) == ()
        first, second = (call(sandbox, arguments, databases={"shop": database}) for _ in range(2))
        assert first.text == second.text
        assert schema.errors(json.loads(first.text)) == ()
    assert call(sandbox, calls[0]).stdout == "42\n"
    assert call(sandbox, calls[1]).status == "error"
    assert call(sandbox, calls[2]).stdout == "hi\nü\n"
    assert json.loads(call(sandbox, calls[3], databases={"shop": database}).stdout)["rows"] == [[3]]
    assert call(sandbox, calls[4]).files == {"o.csv": "1"}
    assert call(sandbox, calls[5]).stdout == "inner\n"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"language": "perl", "code": "1"},
        {"language": "python"},
        {"language": "python", "code": 1},
        {"language": "python", "code": "1", "files": {"../x": "y"}},
        {"language": "python", "code": "1", "files": ["x"]},
        {"language": "python", "code": "1", "collect": "*.csv"},
        {"language": "python", "code": "1", "shell": True},
        {"language": "python", "code": "1", "database": "shop"},
        {"language": "sql", "code": "select 1", "database": "other"},
        {"language": "python", "code": "x" * 200_000},
        {"language": "python", "code": "print('\ud800')"},
    ],
    ids=range(12),
)
def test_what_makes_no_job_is_refused(sandbox: SyncSandbox, arguments: dict[str, Any]) -> None:
    output = call(sandbox, arguments, databases={"shop": b""})
    assert output.status == "refused"
    assert output.reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(["language", "code", "stdin", "files", "collect", "database", "x"]),
        json_values | st.sampled_from(["python", "bash", "sql"]),
    )
)
def test_no_arguments_break_it(arguments: dict[str, Any]) -> None:
    made = code_job(arguments, databases={"shop": b""})
    assert isinstance(made, Job) or made.status == "refused"


SERVER = """
import json, sys, anyio
from functools import partial
from tdlab.sandbox.server import serve
backend, options, database = sys.argv[1:]
anyio.run(partial(serve, backend=backend, options=json.loads(options), databases={"shop": open(database, "rb").read()}))
"""


def test_the_official_client_can_use_it(backend: tuple[str, dict[str, Any]], database: bytes, tmp_path: Path) -> None:
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    name, options = backend
    (tmp_path / "x.db").write_bytes(database)
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-c", SERVER, name, json.dumps(options), str(tmp_path / "x.db")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    async def main() -> None:
        with open(tmp_path / "stderr", "w+") as errors:
            async with Client(stdio_client(parameters, errlog=errors)) as client:
                (tool,) = (await client.list_tools()).tools
                assert tool.name == "run_code"
                assert canonical_json(tool.input_schema) == canonical_json(RUN_CODE.input_schema)
                assert tool.annotations is not None
                assert tool.annotations.open_world_hint is False
                good = await client.call_tool("run_code", {"language": "python", "code": "print(6 * 7)"})
                assert not good.is_error
                assert good.structured_content is not None
                assert good.structured_content["stdout"] == "42\n"
                sql = {"language": "sql", "code": "select count(*) from t", "database": "shop"}
                assert json.loads((await client.call_tool("run_code", sql)).structured_content["stdout"])["rows"] == [
                    [2]
                ]
                for arguments in ({"language": "python", "code": "1/0"}, {"language": "cobol", "code": ""}):
                    assert (await client.call_tool("run_code", arguments)).is_error
                many: list[str] = []

                async def one(n: int) -> None:
                    done = await client.call_tool("run_code", {"language": "python", "code": f"print({n})"})
                    many.append(done.structured_content["stdout"])

                async with anyio.create_task_group() as group:
                    for n in range(5):
                        group.start_soon(one, n)
                assert sorted(many) == [f"{n}\n" for n in range(5)]

    anyio.run(main)

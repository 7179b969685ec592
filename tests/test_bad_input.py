"""Test bad input on the command line: the error explains itself, the exit status is 2, and no data is lost."""

from __future__ import annotations

import http.server
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tdlab.jobs
from tdlab.config import RunConfig
from tdlab.pool import ToolPool
from tdlab.store import RunStore, open_run
from tests.jobs import MANY_GENERATIONS, hashes, in_process, small_pool, small_pool_file

Tdlab = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def tdlab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tdlab:
    """Return the command, to be run in this process."""
    return lambda *words: in_process(monkeypatch, capsys, *words)


def tool(name: object = "get_order", **schema: object) -> dict[str, object]:
    schema = schema or {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
    return {"name": name, "description": "Returns an order by its id.", "inputSchema": schema}


def service(*tools: dict[str, object], name: str = "orders") -> dict[str, object]:
    return {"server": name, "description": "Orders of a shop.", "category": None, "tools": list(tools)}


def pool_file(folder: Path, *services: dict[str, object]) -> Path:
    path = folder / "pool.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in services), encoding="utf-8")
    return path


def explains(result: tuple[int, str, str], *words: str) -> None:
    """Check for an error of tdlab: status 2, no traceback, with what was found and what to do."""
    status, out, err = result
    assert status == 2, out + err
    assert "Traceback" not in err
    assert [line for line in err.splitlines() if line.startswith("tdlab: ")], err
    assert "expected: " in err or "to do: " in err, err
    for word in words:
        assert word in err, err


# --- pools


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"these are no tools\n", ("pool.jsonl",)),
        (b'{"server": "caf\xe9", "tools": []}\n', ("UTF-8",)),
        (b"\xff\xfe\x00{", ("pool.jsonl",)),
        (b"", ("pool.jsonl",)),
        (b"[]", ("pool.jsonl",)),
        (b'{"server": "s", "tools": []}', ("pool.jsonl",)),
        (b'{"server": "s", "tools": [{"description": "no name"}]}', ("its name is None", "expected")),
        (b'[{"name": "t", "inputSchema": {"type": "object", "$ref": "#/nowhere"}}]', ("nowhere",)),
        (b"\x1f\x8b\x08\x00broken", ("pool.jsonl",)),
    ],
    ids=["no JSON", "latin-1", "utf-16", "empty", "empty list", "no tools", "no name", "no schema", "broken gzip"],
)
def test_a_pool_that_cannot_be_used(tdlab: Tdlab, tmp_path: Path, content: bytes, words: tuple[str, ...]) -> None:
    (tmp_path / "pool.jsonl").write_bytes(content)
    explains(tdlab("run", "-p", tmp_path / "pool.jsonl", "-o", tmp_path / "run"), *words)
    assert not (tmp_path / "run").exists()
    explains(tdlab("mine", "-p", tmp_path / "pool.jsonl"), *words)


def test_a_pool_that_is_not_there(tdlab: Tdlab, tmp_path: Path) -> None:
    explains(tdlab("run", "-p", tmp_path / "none.jsonl", "-o", tmp_path / "run"), "none.jsonl")


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"description": "no name"}, "no_name"),
        (tool("other", **{"type": "object", "$ref": "#/nowhere"}), "bad_input_schema"),
        ("text", "not_an_object"),
    ],
)
def test_one_bad_tool_is_reported_and_the_others_are_used(
    tdlab: Tdlab, tmp_path: Path, bad: dict[str, object], code: str
) -> None:
    path = pool_file(tmp_path, service(tool(), tool("list_orders", type="object", properties={}), bad))
    status, out, err = tdlab("run", "-p", path, "-o", tmp_path / "run", "-n", 2)
    assert status in (0, 1), err
    assert re.search(rf"skipped: {code} +1 ", out), out
    assert "3 tools read" in out


class _Counter(http.server.BaseHTTPRequestHandler):
    hits = 0

    def do_GET(self) -> None:
        type(self).hits += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"type": "string"}')

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    _Counter.hits = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Counter) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/schema.json"
        running.shutdown()
        thread.join()


def test_a_remote_reference_is_never_fetched(tdlab: Tdlab, tmp_path: Path, server: str) -> None:
    remote = tool("get_invoice", **{"type": "object", "$ref": server})
    inside = tool("get_bill", type="object", properties={"bill_id": {"$ref": server}}, required=["bill_id"])
    answers = tool("get_parcel") | {"outputSchema": {"type": "object", "properties": {"id": {"$ref": server}}}}
    status, out, err = tdlab("run", "-p", pool_file(tmp_path, service(tool(), remote, inside, answers)), "-o",
                             tmp_path / "run", "-n", 3)  # fmt: skip
    assert status in (0, 1), err
    assert "skipped: bad_input_schema" in out
    assert "fixed: input_schema_fixed" in out
    assert _Counter.hits == 0
    explains(tdlab("run", "-p", pool_file(tmp_path, service(remote)), "-o", tmp_path / "other"), server)
    assert _Counter.hits == 0


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a|a?)+$"])
def test_a_pattern_that_backtracks_for_ever(tdlab: Tdlab, tmp_path: Path, pattern: str) -> None:
    parameter = {"type": "string", "pattern": pattern, "minLength": 20, "maxLength": 60}
    slow = tool("tag_order", type="object", properties={"tag": parameter}, required=["tag"])
    begun = time.process_time()
    status, _, err = tdlab("run", "-p", pool_file(tmp_path, service(tool(), slow)), "-o", tmp_path / "run", "-n", 3)
    assert status in (0, 1), err
    assert time.process_time() - begun < 30


def test_two_services_of_one_name_are_both_kept(tdlab: Tdlab, tmp_path: Path) -> None:
    path = pool_file(tmp_path, service(tool()), service(tool("get_invoice")))
    status, out, err = tdlab("run", "-p", path, "-o", tmp_path / "run", "-n", 3)
    assert status in (0, 1), err
    assert "fixed: service_name_taken" in out
    assert "2 tools read" in out


def test_a_schema_of_ten_thousand_properties(tdlab: Tdlab, tmp_path: Path) -> None:
    many = {f"field_{n}": {"type": "string", "description": f"field number {n}"} for n in range(10_000)}
    path = pool_file(tmp_path, service(tool(), tool("import_order", type="object", properties=many)))
    status, _, err = tdlab("run", "-p", path, "-o", tmp_path / "run", "-n", 2)
    assert status in (0, 1), err


def test_a_pool_of_one_tool_works(tdlab: Tdlab, tmp_path: Path) -> None:
    status, out, err = tdlab("run", "-p", pool_file(tmp_path, service(tool())), "-o", tmp_path / "run", "-n", 3)
    assert status == 0, err
    assert "3 verified" in out


def test_a_run_that_cannot_reach_its_target_says_so_and_keeps_what_it_has(tdlab: Tdlab, tmp_path: Path) -> None:
    """One tool without parameters allows few tasks."""
    path = pool_file(tmp_path, service(tool("list_orders", type="object", properties={})))
    words = ("run", "-p", path, "-o", tmp_path / "run", "-n", 50, "--set", "evolution.dry=2")
    words += ("--set", "rollout.guessed=keep")
    status, out, _ = tdlab(*words, *MANY_GENERATIONS, "--set", "verify.near_duplicate=0.4")
    assert status == 1
    assert "stopped: dry: no trajectory was accepted in 2 generations in a row" in " ".join(out.split())
    with open_run(tmp_path / "run") as run:
        lines = (tmp_path / "run" / "dataset.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == run.counts().accepted > 0


# --- configs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("targt: 5\n", ("unknown key 'targt'", "did you mean 'target'?")),
        ("evolution: {bach: 5}\n", ("unknown key 'evolution.bach'", "did you mean 'evolution.batch'?")),
        ("target: 0\n", ("target is 0", "greater than or equal to 1")),
        ("verify: {near_duplicate: 1.5}\n", ("verify.near_duplicate is 1.5",)),
        ("clusters: {min_tools: 9, max_tools: 3}\n", ("larger than",)),
        ("- a\n- list\n", ("holds a list",)),
        ("a: [b\n", ("is not UTF-8 YAML",)),
        ("target: !!python/object/apply:os.system ['touch hit']\n", ("is not UTF-8 YAML",)),
    ],
)
def test_a_config_that_is_wrong(tdlab: Tdlab, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    explains(tdlab("run", "-c", tmp_path / "config.yaml", "-o", tmp_path / "run"), *words)
    assert not (tmp_path / "run").exists()
    assert not Path("hit").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "nonsense"), ("--set 'nonsense'", "key=value")),
        (("--set", "=5"), ("key=value",)),
        (("--set", "no.such=1"), ("unknown key 'no.such'",)),
        (("--set", "evolution.no=1"), ("unknown key 'evolution.no'", "tdlab config")),
        (("--set", "evolution.batch=lots"), ("evolution.batch is 'lots'",)),
        (("--set", "verify.near_duplicate=NaN"), ("verify.near_duplicate",)),
        (("--strategy", "best"), ("evolution.strategy: there is no strategy 'best'", "evolved, random")),
        (("--target", "0"), ("target is 0",)),
        (("-c", "none.yaml"), ("none.yaml: cannot be read",)),
    ],
)
def test_a_value_that_is_wrong(tdlab: Tdlab, tmp_path: Path, words: tuple[str, ...], said: tuple[str, ...]) -> None:
    explains(tdlab("run", "-o", tmp_path / "run", *words), *said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words", [("run", "--workers", "0"), ("run", "--no-such"), ("nothing",), ("show", "a", "b", "c")]
)
def test_a_command_line_that_is_wrong(tdlab: Tdlab, words: tuple[str, ...]) -> None:
    status, _, err = tdlab(*words)
    assert status == 2
    assert "Usage" in err
    assert "Traceback" not in err


# --- run directories


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a complete run that tests must not change."""
    import tdlab as package

    folder = tmp_path_factory.mktemp("made") / "run"
    package.run(RunConfig(target=4), out=folder, pool=small_pool(), progress=False)
    return folder


def test_an_unwritable_run_directory(tdlab: Tdlab, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    pool = small_pool_file(tmp_path)
    explains(tdlab("run", "-p", pool, "-o", tmp_path / "file"), "is a file")
    explains(tdlab("run", "-p", pool, "-o", tmp_path / "file" / "run"), "a file is in the way")
    explains(tdlab("run", "-p", pool, "-o", "/proc/tdlab-run"), "/proc/tdlab-run")
    assert (tmp_path / "file").read_text() == "mine"


def test_someone_elses_files_are_left_alone(tdlab: Tdlab, tmp_path: Path) -> None:
    (tmp_path / "dataset.jsonl").write_text("mine")
    explains(tdlab("run", "-p", small_pool_file(tmp_path), "-o", tmp_path), "would overwrite")
    assert (tmp_path / "dataset.jsonl").read_text() == "mine"


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a file system on a folder, or remounts it with other options."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    mounted = []

    def on(options: str) -> Path:
        again = "remount," if mounted else ""
        words = ["mount", "-t", "tmpfs", "-o", again + options, "tdlab-test", str(folder)]
        done = subprocess.run(words, capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
        if done is None or done.returncode != 0:
            pytest.skip("file systems cannot be mounted here (it takes root): " + (done.stderr.strip() if done else ""))
        mounted.append(folder)
        return folder

    yield on
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_file_system_that_is_read_only(tdlab: Tdlab, tmp_path: Path, mount: Callable[[str], Path]) -> None:
    folder = mount("size=1m,ro")
    pool = small_pool_file(tmp_path)
    explains(tdlab("run", "-p", pool, "-o", folder / "run"), "is not writable")
    explains(tdlab("mine", "-p", pool, "-o", folder / "clusters.jsonl"), "is not writable")


@pytest.mark.crash
def test_a_full_disk_loses_nothing_and_the_run_goes_on_when_there_is_room(
    tdlab: Tdlab, tmp_path: Path, mount: Callable[[str], Path]
) -> None:
    pool = small_pool_file(tmp_path)
    words = ("run", "-p", pool, "-n", 20, *MANY_GENERATIONS, "-o")
    folder = mount("size=480k")
    explains(tdlab(*words, folder / "run"), "the disk is full")
    with open_run(folder / "run") as run:
        before = list(run.trajectories()["trajectory"])
    assert before, "the disk was full before anything was made: this test wants a larger one"
    mount("size=64m")
    assert tdlab(*words, folder / "run")[0] == 0
    with open_run(folder / "run") as run:
        assert list(run.trajectories()["trajectory"])[: len(before)] == before
    assert tdlab(*words, tmp_path / "reference")[0] == 0
    assert hashes(folder / "run") == hashes(tmp_path / "reference")


def test_a_run_of_another_layout_version(tdlab: Tdlab, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    pool = small_pool_file(tmp_path)
    assert tdlab("run", "-p", pool, "-o", folder, "-n", 2)[0] == 0
    before = hashes(folder)
    with sqlite3.connect(folder / "run.sqlite") as database:
        database.execute("PRAGMA user_version = 4711")
    database.close()
    explains(tdlab("run", "-p", pool, "-o", folder, "-n", 2), "layout version 4711")
    explains(tdlab("show", "run", folder), "layout version 4711")
    assert hashes(folder) == before


def test_a_folder_with_a_run_of_another_config_or_pool(tdlab: Tdlab, tmp_path: Path, made: Path) -> None:
    before = hashes(made)
    pool = small_pool_file(tmp_path)
    explains(tdlab("run", "-p", pool, "-o", made, "-n", 5), "target is 4 in the run directory and 5 now")
    explains(tdlab("run", "-p", pool, "-o", made, "-n", 4, "--seed", 3), "seed is 0 in the run directory and 3 now")
    other = pool_file(tmp_path, service(tool()))
    explains(tdlab("run", "-p", other, "-o", made, "-n", 4), "the pool's content")
    assert hashes(made) == before


def test_a_run_directory_that_is_in_use(tdlab: Tdlab, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    pool = ToolPool.load(small_pool_file(tmp_path))
    with RunStore.create_or_resume(folder, config=RunConfig(target=2), pool_fingerprint=pool.fingerprint, versions={}):
        explains(tdlab("run", "-p", tmp_path / "pool.jsonl", "-o", folder, "-n", 2), f"process {os.getpid()}")
    assert tdlab("run", "-p", tmp_path / "pool.jsonl", "-o", folder, "-n", 2)[0] == 0


def test_a_damaged_database(tdlab: Tdlab, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.sqlite").write_bytes(b"SQLite format 3\0" + os.urandom(5000))
    explains(tdlab("run", "-p", small_pool_file(tmp_path), "-o", folder), "run.sqlite")
    explains(tdlab("show", "run", folder), "run.sqlite")


def test_looking_where_there_is_no_run(tdlab: Tdlab, tmp_path: Path) -> None:
    for words in (("show", "run", tmp_path), ("export", tmp_path / "a.jsonl", "-r", tmp_path)):
        explains(tdlab(*words), "tdlab run --out")


# --- files to measure


@pytest.mark.parametrize("content", [b"", b"no JSON at all", b"\xff\xfe\x00", b'{"a": 1}\n'])
def test_a_trajectory_file_that_is_none(tdlab: Tdlab, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.jsonl").write_bytes(content)
    status, out, err = tdlab("profile", tmp_path / "file.jsonl")
    assert status == 2, out
    assert "file.jsonl" in err
    assert "Traceback" not in err
    explains(tdlab("profile", tmp_path / "none.jsonl"), "none.jsonl")


def test_servers_that_are_no_file(tdlab: Tdlab, tmp_path: Path) -> None:
    explains(tdlab("harvest", tmp_path / "mcp.json", "-o", tmp_path / "pool.jsonl"), "mcp.json")
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"gone": {"command": "no-such-server-anywhere"}}}')
    explains(tdlab("harvest", tmp_path / "mcp.json", "-o", tmp_path / "pool.jsonl", "--timeout", 5), "gone")
    assert not (tmp_path / "pool.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("target: 2\ntarget: 500\n", ("'target' is there twice",)),
        ("verify: {near_duplicate: 0.5, near_duplicate: 0.9}\n", ("'near_duplicate' is there twice",)),
        ("[" * 3000 + "]" * 3000, ("is not UTF-8 YAML",)),
        ("target: '7'\n", ("target is '7'",)),
        ("seed: true\n", ("seed is True",)),
    ],
)
def test_a_config_that_could_be_misread(tdlab: Tdlab, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    explains(tdlab("run", "-c", tmp_path / "c.yaml", "-o", tmp_path / "run"), *words)
    assert not (tmp_path / "run").exists()


def test_a_run_begun_by_other_versions_is_not_mixed(
    tdlab: Tdlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = small_pool_file(tmp_path)
    few = ("run", "-p", pool, "-o", tmp_path / "run", "-n", 200, *MANY_GENERATIONS, "--set", "evolution.patience=1",
           "--set", "verify.near_duplicate=0.1")  # fmt: skip
    assert tdlab(*few)[0] == 1
    before = (tmp_path / "run" / "dataset.jsonl").read_bytes()
    job = sys.modules["tdlab.jobs.run"]
    versions = job._versions()
    monkeypatch.setattr(job, "_versions", lambda: {**versions, "faker": "0.0.1"})
    explains(tdlab(*few), f"faker {versions['faker']} there and 0.0.1 here")
    monkeypatch.setattr(job, "_versions", lambda: {**versions, "matplotlib": "0.0.1"})
    assert tdlab(*few)[0] == 1, "figures may be drawn by another version"
    assert (tmp_path / "run" / "dataset.jsonl").read_bytes() == before


def test_a_file_that_only_looks_like_a_runs_own_is_left_alone(tdlab: Tdlab, tmp_path: Path) -> None:
    (tmp_path / "issues.jsonl").write_text("mine\n", encoding="utf-8")
    explains(tdlab("run", "-p", small_pool_file(tmp_path), "-n", 1, "-o", tmp_path), "issues.jsonl")
    assert (tmp_path / "issues.jsonl").read_text(encoding="utf-8") == "mine\n"

"""The battery: every abuse case on every backend; after each case the sandbox works as before."""

# ruff: noqa: E501 (programs in one line each)

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tdlab.sandbox import Job, JobResult, SyncSandbox
from tests.clock import slower

_spec = importlib.util.spec_from_file_location("tdlab_battery", Path(__file__).with_name("battery.py"))
battery = importlib.util.module_from_spec(_spec)
sys.modules["tdlab_battery"] = battery
_spec.loader.exec_module(battery)

LOOK_AROUND = """
import json, os
own = {"1", str(os.getpid())}
print(json.dumps({
    "processes": [p for p in os.listdir("/proc") if p.isdigit() and p not in own],
    "work": sorted(os.listdir("/work")), "tmp": os.listdir("/tmp"), "shm": os.listdir("/dev/shm"),
    "variables": sorted(os.environ), "ipc": open("/proc/sysvipc/shm").read().count("\\n"),
}))
"""


def test_the_battery_is_large_enough() -> None:
    assert len({case.name for case in battery.CASES}) == len(battery.CASES) >= 45


@pytest.mark.parametrize("case", battery.CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_abuse(sandbox: SyncSandbox, case: battery.Case) -> None:
    began = time.monotonic()
    result = sandbox.run(Job(code=case.code, **case.job))
    took = time.monotonic() - began
    case.check(result)
    allowed = case.job.get("wall_s", sandbox.sandbox.limits.wall_s)
    assert result.wall_s <= allowed + 0.3 * slower(), f"the limit of {allowed} s was passed: {result.wall_s}"
    assert took <= allowed + 3 * slower()
    assert result.attempts == 1, "the job broke a sandbox process"
    as_new(sandbox)


def as_new(sandbox: SyncSandbox) -> None:
    """Check that nothing is left of the last job."""
    seen = sandbox.run(Job(code=LOOK_AROUND))
    assert seen.ok, (seen.status, seen.reason, seen.stderr.text)
    around = json.loads(seen.stdout.data)
    assert around["processes"] == []
    assert around["work"] == ["main.py"]
    assert around["tmp"] == []
    assert around["shm"] == []
    assert around["ipc"] <= 1


@pytest.fixture
def host_listener() -> object:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_the_hosts_loopback_is_out_of_reach(sandbox: SyncSandbox, host_listener: int) -> None:
    code = battery.attempt(f"socket.create_connection(('127.0.0.1', {host_listener}), 1)")
    battery.held(sandbox.run(Job(code=code)))


def test_abstract_sockets_of_the_host_are_out_of_reach(sandbox: SyncSandbox) -> None:
    name = f"\0tdlab-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        code = battery.attempt(f"socket.socket(socket.AF_UNIX).connect({name!r})")
        battery.held(sandbox.run(Job(code=code)))


def test_files_of_the_host_are_not_there(sandbox: SyncSandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    secret.chmod(0o644)
    code = f"import os\nfor p in {[str(secret), '/etc/shadow', '/root', '/home', '/var', str(Path(__file__))]!r}:\n    if os.path.lexists(p): print('there:', p)\nprint('held')"
    battery.held(sandbox.run(Job(code=code)))


def test_variables_of_the_host_are_not_there(sandbox: SyncSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TDLAB_TEST_SECRET", "s3cret-value")
    code = (
        "import os, glob\ntext = repr(dict(os.environ))\n"
        "for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: text += open(path, errors='replace').read()\n    except OSError: pass\n"
        "print('got out' if 's3cret' in text or 'TDLAB' in text else 'held')"
    )
    battery.held(sandbox.run(Job(code=code)))
    battery.held(sandbox.run(Job(code=code, mode="fork")))


def test_processes_of_the_host_cannot_be_seen_or_hit(sandbox: SyncSandbox) -> None:
    with subprocess.Popen(["sleep", "60"]) as victim:
        code = f"import os\nfor pid in ({victim.pid}, {os.getpid()}, {os.getppid()}):\n    if pid == os.getpid(): continue\n    try: os.kill(pid, 9); print('hit', pid)\n    except OSError: pass\nprint('held')"
        result = sandbox.run(Job(code=code))
        alive = victim.poll() is None
        victim.kill()
    battery.held(result)
    assert alive


@pytest.mark.parametrize("mode", ["fresh", "fork"])
def test_nothing_is_carried_from_job_to_job(sandbox: SyncSandbox, mode: str) -> None:
    first = sandbox.run(
        Job(
            mode=mode,
            code=(
                "import builtins, json, os, sys\n"
                "builtins.leak = json.leak = sys.leak = 1\nos.environ['LEAK'] = '1'\nopen('/tmp/leak', 'w').close()\n"
                "open('/dev/shm/leak', 'w').close()\nopen('sitecustomize.py', 'w').write('leak = 1')\n"
                "os.makedirs('.local/lib/python3.11/site-packages')\n"
                "open('.local/lib/python3.11/site-packages/x.pth', 'w').write('import leak')\nprint('planted')"
            ),
        )
    )
    assert first.ok, first.stderr.text
    second = sandbox.run(
        Job(
            mode=mode,
            code=(
                "import builtins, json, os, sys\n"
                "print([hasattr(builtins, 'leak'), hasattr(json, 'leak'), hasattr(sys, 'leak'), 'LEAK' in os.environ,"
                " os.path.exists('/tmp/leak'), os.path.exists('/dev/shm/leak'), os.listdir('/work')])"
            ),
        )
    )
    assert second.stdout.text.strip() == "[False, False, False, False, False, False, ['main.py']]"


def test_standard_input_and_files_arrive(sandbox: SyncSandbox) -> None:
    data = bytes(range(256)) * 4000
    result = sandbox.run(
        Job(
            code="import sys, hashlib\nprint(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())\nprint(open('a/b.txt').read(), sys.argv[1:])",
            stdin=data,
            files={"a/b.txt": b"inner"},
            arguments=("x y", "ü"),
        )
    )
    import hashlib

    assert result.stdout.text.split("\n")[:2] == [hashlib.sha256(data).hexdigest(), "inner ['x y', 'ü']"]


@pytest.mark.parametrize("mode", ["fresh", "fork"])
@pytest.mark.parametrize(
    ("code", "exit_code", "out", "err"),
    [
        ("print('a')", 0, "a\n", ""),
        ("raise SystemExit(3)", 3, "", ""),
        ("raise SystemExit('no')", 1, "", "no\n"),
        ("import atexit; atexit.register(print, 'bye'); print('hi')", 0, "hi\nbye\n", ""),
        ("1/0", 1, "", "ZeroDivisionError: division by zero\n"),
        ("def f(:", 1, "", "SyntaxError: invalid syntax\n"),
        (
            "import threading, time; threading.Thread(target=lambda: (time.sleep(.05), print('late'))).start()",
            0,
            "late\n",
            "",
        ),
        ("print(__name__, __file__.split('/')[-1]); exit(0)", 0, "__main__ main.py\n", ""),
        ("print({'b', 'a', 'c'} == {'a', 'b', 'c'}, hash('x'))", 0, None, ""),
    ],
)
def test_a_fork_behaves_like_a_fresh_interpreter(
    sandbox: SyncSandbox, mode: str, code: str, exit_code: int, out: str | None, err: str
) -> None:
    result: JobResult = sandbox.run(Job(code=code, mode=mode))
    assert result.exit_code == exit_code
    if out is not None:
        assert result.stdout.text == out
    assert result.stderr.text.endswith(err)
    assert "supervisor" not in result.stderr.text


@pytest.mark.parametrize(
    "job",
    [
        Job(code="print(1)", files={"../x": b""}),
        Job(code="print(1)", files={"/x": b""}),
        Job(code="print(1)", files={"a/../../x": b""}),
        Job(code="print(1)", files={"a": b"", "a/b": b""}),
        Job(code="print(1)", files={"main.py": b""}),
        Job(code="print(1)", files={"x\0": b""}),
        Job(code="print(1)", files={"big": bytes(17 << 20)}),
        Job(code="print('\ud800')"),
        Job(code="print(1)", wall_s=3000),
        Job(code="print(1)", arguments=("a\0b",)),
    ],
    ids=range(10),
)
def test_what_is_not_allowed_is_refused(sandbox: SyncSandbox, job: Job) -> None:
    result = sandbox.run(job)
    assert result.status == "refused"
    assert result.reason

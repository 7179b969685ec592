"""The harness, tdlab's side of the sandbox: killed, cancelled, without a backend, with processes that fail."""

# ruff: noqa: E501 (programs in one line each)

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest

from tdlab.errors import ConfigError, SandboxUnavailable
from tdlab.sandbox import Garbage, Job, Limits, SyncSandbox, gc, open_sandbox, open_sandbox_sync, probe
from tests.clock import slower

CHILD = Path(__file__).with_name("harness_child.py")
ROOT = Path(__file__).resolve().parents[2]
SOON = 1.0  # seconds, as promised
SMALL = Limits(wall_s=5, memory_mb=64, processes=16, disk_mb=8)


def running(mark: str) -> list[str]:
    """Return the processes of this machine whose command line ends with ``mark``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if line.split(b"\0")[-2:-1] == [mark.encode()] and b"sleep" in line:
                found.append(entry.name)
    return found


def cgroups(pid: int) -> list[str]:
    """Return the cgroups that a tdlab process created."""
    return [
        os.path.join(folder, name)
        for folder, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if name.startswith(f"tdlab-{pid}-")
    ]


def until(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds * slower()
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


@pytest.mark.crash
def test_a_killed_harness_leaves_nothing(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend
    mark = f"31{os.getpid()}"
    child = subprocess.Popen(
        [sys.executable, CHILD, name, json.dumps(options), mark],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "busy\n"
        assert until(lambda: len(running(mark)) == 3, SOON)
        inside = {namespace(pid) for pid in running(mark)}
        ids = containers_of(options["base_url"], child.pid) if name == "docker" else {}
        assert len(ids) == (2 if name == "docker" else 0)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert until(lambda: not running(mark), SOON), "jobs run on a second after the harness was killed"
    assert until(lambda: not cgroups(child.pid), SOON), cgroups(child.pid)
    if name == "docker":
        assert until(lambda: not containers_of(options["base_url"], child.pid), 3.0), "containers stay"
    # a killed process loses its command line before it leaves its namespaces, and PID 1 of its sandbox ends a little later
    assert until(lambda: not inside & namespaces(), SOON), (
        "a process stays in the sandbox's mount namespace, and its mounts"
    )
    mounts = Path("/proc/self/mounts").read_text()
    assert not [container for container in ids if container in mounts], "mounts stay on the host"


def namespace(pid: str) -> str:
    """Return the mount namespace of a process; its pid if it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return pid


def namespaces() -> set[str]:
    """Return the mount namespaces in use on this machine."""
    return {namespace(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}


def containers_of(base_url: str, pid: int) -> dict[str, str]:
    """Return the containers that a tdlab process created, id to label."""
    import docker

    client = docker.DockerClient(base_url=base_url)
    try:
        found = client.api.containers(all=True, filters={"label": "tdlab.sandbox"})
        labels = {container["Id"]: container["Labels"]["tdlab.sandbox"] for container in found}
        return {number: label for number, label in labels.items() if label.startswith(f"tdlab-{pid}-")}
    finally:
        client.close()


def test_closing_leaves_nothing(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend
    before = {*cgroups(os.getpid())}
    with open_sandbox_sync(name, limits=SMALL, options=options, workers=2) as sandbox:
        assert sandbox.run(Job(code="print(1)")).ok
    assert {*cgroups(os.getpid())} <= before


def supervisor_pids() -> set[int]:
    """Return the host pids of the supervisors of this process's bubblewrap sandboxes."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if b"<supervisor>" in (entry / "cmdline").read_bytes():
                    found.add(int(entry.name))
            except OSError:
                continue
    return found


def test_a_process_that_fails_is_replaced_and_the_job_retried(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend
    before = supervisor_pids()
    with open_sandbox_sync(name, limits=SMALL, options=options, verify=False) as sandbox:
        for pid in supervisor_pids() - before:
            os.kill(pid, signal.SIGKILL)
        result = sandbox.run(Job(code="print('again')"))
    assert (result.status, result.stdout.text, result.attempts) == ("ok", "again\n", 2)


def test_a_process_that_always_fails_is_a_sandbox_error(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend

    async def main() -> None:
        async with open_sandbox(name, limits=SMALL, options=options, verify=False) as sandbox:
            before: set[int] = set()

            async def killer() -> None:
                while True:
                    for pid in supervisor_pids() - others:
                        os.kill(pid, signal.SIGKILL)
                    await anyio.sleep(0.05)

            async with anyio.create_task_group() as group:
                group.start_soon(killer)
                result = await sandbox.run(Job(code="import time; print('x', flush=True); time.sleep(3)"))
                group.cancel_scope.cancel()
            assert before == set()
            assert result.status == "sandbox_error"
            assert result.attempts == 3
            assert result.reason
            assert (await sandbox.run(Job(code="print(1)"))).ok, "it does not recover"

    others = supervisor_pids()
    anyio.run(main)


def test_a_cancelled_job_does_not_run_on(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend
    mark = f"32{os.getpid()}"

    async def main() -> None:
        async with open_sandbox(name, limits=SMALL, options=options, verify=False) as sandbox:
            with anyio.move_on_after(0.6) as scope:
                await sandbox.run(Job(language="bash", code=f"sleep {mark}"))
            assert scope.cancelled_caught
            assert until(lambda: not running(mark), SOON)
            assert (await sandbox.run(Job(code="print(1)"))).ok

    anyio.run(main)


def test_jobs_run_side_by_side_and_apart(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend

    async def main() -> None:
        results: dict[int, str] = {}
        async with open_sandbox(name, limits=SMALL, options=options, workers=3, verify=False) as sandbox:

            async def one(number: int) -> None:
                code = f"import time, os\nopen('mine', 'x').write('{number}')\ntime.sleep(0.1)\nprint(open('mine').read(), os.listdir('.'))"
                results[number] = (await sandbox.run(Job(code=code))).stdout.text

            await sandbox.warm()
            async with anyio.create_task_group() as group:
                for number in range(9):
                    group.start_soon(one, number)
        assert {number: text.split()[0] for number, text in results.items()} == {n: str(n) for n in range(9)}

    anyio.run(main)


def test_a_process_is_replaced_after_its_share_of_jobs(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend
    with open_sandbox_sync(name, limits=SMALL, options=options, jobs_per_process=2, verify=False) as sandbox:
        assert [sandbox.run(Job(code="print(1)")).status for _ in range(5)] == ["ok"] * 5


def test_what_is_required_and_not_held_is_refused(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend
    with open_sandbox_sync(name, options=options, verify=False) as sandbox:
        enforced = sandbox.enforced
    for guarantee, entry in enforced.items():
        wanted = guarantee if entry.level == "none" else f"{guarantee}:kernel"
        if entry.level == "kernel":
            continue
        with pytest.raises(SandboxUnavailable) as refused, open_sandbox_sync(name, options=options, require=[wanted]):
            pass
        assert guarantee in refused.value.found
    with (
        pytest.raises(SandboxUnavailable, match="coffee"),
        open_sandbox_sync(name, options=options, require=["coffee"]),
    ):
        pass


def test_no_engine_falls_to_the_next_tier(backend: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    if backend[0] != "bubblewrap":
        pytest.skip("this is about falling to bubblewrap")
    with open_sandbox_sync("auto", options={"base_url": f"unix://{tmp_path}/none.sock"}) as sandbox:
        assert sandbox.backend == "bubblewrap"
        assert "docker does not work" in sandbox.sandbox.chosen_because


def test_nothing_at_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(SandboxUnavailable) as refused,
        open_sandbox_sync("auto", options={"base_url": f"unix://{tmp_path}/none.sock"}),
    ):
        pass
    assert "bwrap is not installed" in refused.value.found
    assert "no docker engine answers" in refused.value.found
    assert "apt-get install bubblewrap" in refused.value.do


def test_an_escape_is_a_refusal(backend: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    name, options = backend
    import tdlab.sandbox.pool as pool

    monkeypatch.setattr(pool, "source", lambda _: "import json; print(json.dumps({'open the door': 'opened'}))")
    with pytest.raises(SandboxUnavailable, match="open the door"), open_sandbox_sync(name, options=options):
        pass


def test_an_unknown_backend_is_a_config_error() -> None:
    with pytest.raises(ConfigError), open_sandbox_sync("chroot"):
        pass


def test_a_preload_that_is_not_there_is_refused(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend
    with (
        pytest.raises(SandboxUnavailable, match="no_such_module"),
        open_sandbox_sync(name, options=options, preload=["no_such_module"]),
    ):
        pass


def test_probe_tells_each_tier(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend
    (report,) = anyio.run(lambda: probe(backends=[name], options=options))
    assert report.available
    assert report.probes >= 20
    assert report.escapes == ()
    assert report.cold_ms
    assert report.version


def test_gc_removes_what_a_dead_harness_left_and_nothing_else(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend
    if name == "docker":
        made = orphan_container(options["base_url"])
        with open_sandbox_sync(name, options=options, verify=False) as sandbox:
            garbage = anyio.run(lambda: gc(options=options))
            assert sandbox.run(Job(code="print(1)")).attempts == 1, "a container in use was removed"
        assert made[:12] in garbage.containers
    else:
        folder = orphan_cgroup()
        with open_sandbox_sync(name, options=options, verify=False) as sandbox:
            garbage = anyio.run(lambda: gc(options={"base_url": "unix:///none.sock"}))
            assert sandbox.run(Job(code="print(1)")).attempts == 1
        assert folder in garbage.cgroups
        assert not Path(folder).exists()
    assert isinstance(garbage, Garbage)


def orphan_cgroup() -> str:
    from tdlab.sandbox._cgroups import Hierarchies

    for _, base, top in Hierarchies.read().controllers.values():
        for parent in (base, top):
            folder = parent / "tdlab-999999999-1-abcd"
            try:
                (folder / "process-1").mkdir(parents=True)
            except OSError:
                continue
            return str(folder)
    pytest.skip("no cgroup can be made here")


def orphan_container(base_url: str) -> str:
    import docker

    from tdlab.sandbox import _owner

    client = docker.DockerClient(base_url=base_url)
    try:
        image = next(tag for i in client.images.list() for tag in i.tags if tag.startswith("tdlab-sandbox"))
        labels = {"tdlab.sandbox": "tdlab-999999999-1-abcd", "tdlab.place": _owner.pid_scope()}
        return str(client.api.create_container(image, ["/bin/true"], labels=labels)["Id"])
    finally:
        client.close()


def test_it_runs_under_a_portal_of_the_callers_own(sandbox: SyncSandbox) -> None:
    """As synchronous packages use it: one portal, many threads."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as threads:
        texts = list(threads.map(lambda n: sandbox.run(Job(code=f"print({n})", mode="fork")).stdout.text, range(12)))
    assert texts == [f"{n}\n" for n in range(12)]

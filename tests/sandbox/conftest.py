"""Real sandboxes for the tests, of every backend on this machine; a docker engine is started if none runs.

Tests of a missing backend are skipped with the reason; TDLAB_REQUIRE_BWRAP=1 and TDLAB_REQUIRE_DOCKER=1 make them fail.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tdlab.config import SandboxConfig
from tdlab.errors import SandboxUnavailable
from tdlab.sandbox import Limits, SyncSandbox, open_sandbox_sync

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(
    wall_s=8, cpu_s=6, memory_mb=128, processes=24, disk_mb=16, inodes=5000, output_kb=64, output_total_mb=160
)
BACKENDS = [
    pytest.param("bubblewrap", id="bubblewrap"),
    pytest.param("watchdog", id="bubblewrap-without-cgroups"),
    pytest.param("docker", id="docker"),
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without cgroups, keep only cases of limits and tests of the harness; the rest does not depend on them."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.sandbox)
    kept, dropped = [], []
    for item in items:
        name = item.name
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        same = "without-cgroups" in name and not (case.limits if case else item.path.name == "test_harness.py")
        (dropped if same and item.path.parent == Path(__file__).parent else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def missing(backend: str, why: str) -> None:
    """Skip the test, or fail if the environment says that this machine has the backend."""
    variable = {"docker": "TDLAB_REQUIRE_DOCKER"}.get(backend, "TDLAB_REQUIRE_BWRAP")
    if os.environ.get(variable) == "1":
        pytest.fail(f"{variable}=1, but {backend} cannot be used: {why}", pytrace=False)
    pytest.skip(f"{backend} cannot be used here: {why} (set {variable}=1 to make this a failure)")


def answers(host: str) -> bool:
    """Whether a docker engine answers at a unix:// address."""
    try:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.settimeout(2)
            engine.connect(host.removeprefix("unix://"))
            engine.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b"200 OK" in engine.recv(100)
    except OSError:
        return False


@pytest.fixture(scope="session")
def docker_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a docker engine: DOCKER_HOST, the default socket, or an engine started for this session."""
    for host in (os.environ.get("DOCKER_HOST", ""), "unix:///var/run/docker.sock"):
        if host and answers(host):
            yield host
            return
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        missing("docker", "no engine answers, and one can only be started by root where dockerd is installed")
    script, folder = ROOT / ".ci" / "dockerd", tmp_path_factory.mktemp("dockerd") / "engine"
    # a file, not a pipe: the engine inherits the script's output and would keep a pipe open
    with open(folder.parent / "said", "w+") as said:
        started = subprocess.run([script, "start", folder], stdout=said, stderr=said, check=False, timeout=300)
        said.seek(0)
        text = said.read().strip()
    if started.returncode != 0:
        missing("docker", f"the engine does not start: {text[-400:]}")
    try:
        yield text.splitlines()[-1]
    finally:
        subprocess.run([script, "stop", folder], check=True, timeout=300)


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The name of a backend, and its options."""
    if request.param == "docker":
        return "docker", {"base_url": request.getfixturevalue("docker_host")}
    if not shutil.which("bwrap"):
        missing("bubblewrap", "bwrap is not installed")
    return "bubblewrap", {"cgroups": request.param == "bubblewrap"}


@pytest.fixture(scope="session")
def sandbox(backend: tuple[str, dict[str, Any]]) -> Iterator[SyncSandbox]:
    """One sandbox with one process for the whole battery, so that leaks of a case show in the next one."""
    name, options = backend
    try:
        with open_sandbox_sync(name, limits=LIMITS, options=options, preload=("json",)) as opened:
            yield opened
    except SandboxUnavailable as error:
        missing(name, error.found)


@pytest.fixture(scope="session")
def bubblewrap() -> SandboxConfig:
    """The sandbox of runs: the backend that starts faster."""
    if not shutil.which("bwrap"):
        missing("bubblewrap", "bwrap is not installed")
    return SandboxConfig(backend="bubblewrap")


@pytest.fixture
def python() -> str:
    """The interpreter for processes that a test starts and kills."""
    return sys.executable

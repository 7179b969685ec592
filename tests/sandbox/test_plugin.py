"""A sandbox backend of an installed package: runs, `doctor` and ``auto`` take it, with no change to tdlab."""

from __future__ import annotations

from pathlib import Path

import pytest

import tests.plugins as plugins
from tdlab.config import SandboxConfig
from tests.jobs import finish, hashes, pool_with_programs

SOURCE = '''
from tdlab.sandbox import BACKENDS


def plain_bubblewrap(limits, *, preload, options):
    """Return bubblewrap without cgroups, on any machine."""
    backend = BACKENDS["bubblewrap"](limits, preload=preload, options={**options, "cgroups": False})
    backend.name = "plain_bubblewrap"
    return backend
'''


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    entries = {"tdlab.sandboxes": {"plain_bubblewrap": "sandbox_extras:plain_bubblewrap"}}
    return plugins.import_path(
        plugins.install(tmp_path_factory.mktemp("site") / "packages", "sandbox_extras", entries, source=SOURCE)
    )


def test_a_run_takes_it_in_worker_processes_and_makes_the_same_dataset(
    bubblewrap: SandboxConfig, installed: str, tmp_path: Path
) -> None:
    job = ("run", "--pool", pool_with_programs(tmp_path), "-n", "16", "--set", "evolution.batch=8")
    job += ("--set", "rollout.guessed=keep")
    for out, backend, more in (("own", bubblewrap.backend, ()), ("plugin", "plain_bubblewrap", ("--workers", "2"))):
        words = (*job, "--out", out, "--set", f"sandbox.backend={backend}", *more)
        done = finish(*words, cwd=tmp_path, PYTHONPATH=installed)
        assert done.returncode == 0, done.stderr
    assert "run_code" in (tmp_path / "own" / "dataset.jsonl").read_text()
    assert hashes(tmp_path / "own")["dataset.jsonl"] == hashes(tmp_path / "plugin")["dataset.jsonl"]
    done = finish("check", "plugin", cwd=tmp_path, PYTHONPATH=installed)
    assert " programs in plain_bubblewrap: " in done.stdout


def test_the_doctor_examines_it(bubblewrap: SandboxConfig, installed: str, tmp_path: Path) -> None:
    assert bubblewrap.on
    done = finish("sandbox", "doctor", cwd=tmp_path, PYTHONPATH=installed)
    assert "plain_bubblewrap" in done.stdout


def test_a_name_that_no_package_has_is_refused_with_all_names(tmp_path: Path) -> None:
    done = finish("run", "--set", "sandbox.backend=bublewrap", "-n", "2", cwd=tmp_path)
    assert done.returncode == 2
    assert "sandbox.backend: there is no sandbox backend 'bublewrap'" in done.stderr
    assert "one of auto, none, docker, bubblewrap" in done.stderr
    assert "did you mean 'bubblewrap'?" in done.stderr

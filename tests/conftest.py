"""Fixtures of all tests: no network, no user settings, repeatable examples, recorded data."""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
ONLINE = {"servers", "browser"}

# The default run tries the same examples each time, so that a failing test is about the current change.
# `pytest --hypothesis-profile explore` tries more.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "explore", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests away from the user's settings, and figures from opening windows."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("MPLBACKEND", "agg")
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True)
def _offline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail tests that connect to another machine, unless a marker allows it."""
    if any(request.node.get_closest_marker(name) for name in ONLINE):
        return
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in ("localhost", "::1", "0.0.0.0", "") and not str(host).startswith("127."):
            raise AssertionError(f"a test wanted to connect to {host}: tdlab's default path needs no network")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(scope="module")
def no_figures() -> Iterator[None]:
    """Skip the figures of runs: they take most of the time of a small run, and have their own tests."""
    jobs = importlib.import_module("tdlab.jobs.files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "plot_run", lambda run: None)
        patch.setattr(jobs, "save_figure", lambda figure, stem: None)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of recorded data: TDLAB_SHARED, or ``shared`` beside the checkout; skip the test without it."""
    folder = Path(os.environ.get("TDLAB_SHARED") or ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"the recorded data is not at {folder} (set TDLAB_SHARED)")
    return folder


def pytest_report_header() -> str:
    """Report whether recorded data was found."""
    folder = Path(os.environ.get("TDLAB_SHARED") or ROOT.parent / "shared")
    return f"recorded data: {'found' if (folder / 'data').is_dir() else 'absent, tests that read it skip'}"

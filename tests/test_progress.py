"""Test progress bars: finished stages look finished, and numbers are never cut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tdlab.jobs.progress import Reporter


def console(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, legacy_windows=False)


def last_frame(used: Console) -> str:
    assert isinstance(used.file, io.StringIO)
    return used.file.getvalue().rpartition("\x1b[2K")[2]


def test_the_last_stage_ends_as_done() -> None:
    used = console(100)
    with Reporter(console=used) as reporter:
        reporter.stage("clusters")
        reporter.stage("trajectories", total=3)
        reporter.update(3)
        reporter.stage("files")
    shown = last_frame(used)
    assert "0/?" not in shown
    assert shown.count("1/1") == 2


def test_a_stage_that_failed_is_not_drawn_as_done() -> None:
    used = console(100)

    def fail() -> None:
        with Reporter(console=used) as reporter:
            reporter.stage("files")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "0/?" in last_frame(used)


def test_a_long_note_breaks_and_leaves_the_numbers_whole() -> None:
    used = console(80)
    with Reporter(console=used) as reporter:
        reporter.stage("trajectories", total=250)
        reporter.update(213, note="2 rejected, 559k tokens, 0.59 USD, 70 calls/s, errors 429: 4, 500: 5, cut: 3")
    shown = last_frame(used)
    assert "213/250" in shown
    assert "cut: 3" in " ".join(shown.split())

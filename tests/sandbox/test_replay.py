"""Replay: honest records are reproduced, altered ones are caught, and only volatile differences are tolerated."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.records import rng_for
from tdlab.sandbox import Job, Limits, open_sandbox
from tdlab.sandbox.replay import Tolerance, compare_outputs, compare_texts, replay_code
from tdlab.sandbox.tool import CodeOutput

_spec = importlib.util.spec_from_file_location("tdlab_programs", Path(__file__).with_name("programs.py"))
programs = importlib.util.module_from_spec(_spec)
sys.modules["tdlab_programs"] = programs
_spec.loader.exec_module(programs)


def test_honest_outputs_reproduce_and_altered_ones_do_not(backend: tuple[str, dict[str, Any]]) -> None:
    name, options = backend

    async def main() -> tuple[list[int], list[int]]:
        false_alarms, missed = [], []
        async with open_sandbox(name, limits=Limits(), options=options, verify=False) as first:
            recorded = {
                seed: CodeOutput.of(await first.run(Job(code=programs.program(seed), mode="fork")))
                for seed in range(40)
            }
        async with open_sandbox(name, limits=Limits(), options=options, verify=False) as second:
            for seed, output in recorded.items():
                job = Job(code=programs.program(seed), mode="fresh" if seed % 4 == 0 else "fork")
                if not (await replay_code(second, job, output)).same:
                    false_alarms.append(seed)
            for seed in range(40):
                code = programs.program(seed, volatile_share=0)
                honest = CodeOutput.of(await second.run(Job(code=code, mode="fork")))
                wrong = programs.altered(honest, rng_for("alter", seed))
                if (await replay_code(second, Job(code=code, mode="fork"), wrong)).same:
                    missed.append(seed)
        return false_alarms, missed

    assert anyio.run(main) == ([], [])


@given(st.text(max_size=200), st.integers(0, 199), st.characters())
def test_any_change_of_one_character_is_a_difference(text: str, at: int, character: str) -> None:
    changed = text[:at] + character + text[at + 1 :]
    assert compare_texts(changed, text).same == (changed == text)
    assert compare_texts(changed, text, text, text).same == (changed == text)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_nothing_breaks_the_comparison(texts: list[str]) -> None:
    result = compare_texts(texts[0], *texts)
    assert result.same
    compare_texts("x", *texts)


@pytest.mark.parametrize(
    ("recorded", "first", "second"),
    [
        ("took 0.31 s", "took 0.29 s", "took 0.33 s"),
        ("at 2026-01-01T10:00:00.123456", "at 2026-02-01T11:00:00.2", "at 2026-02-01T11:00:00.3"),
        ("2026-01-01 10:00:00,805 x", "2026-02-01 11:00:00,847 x", "2026-02-01 11:00:01,112 x"),
        ("<T object at 0x7f1234567890>", "<T object at 0x7f1234567891>", "<T object at 0x7f1234567892>"),
        ("/tmp/tmpabc123/x", "/tmp/tmpzzz999/x", "/tmp/tmpyyy111/x"),
        ("a\nb\nc", "b\na\nc", "c\na\nb"),
    ],
)
def test_what_is_volatile_is_forgiven_and_counted(recorded: str, first: str, second: str) -> None:
    result = compare_texts(recorded, first, second)
    assert result.same
    assert result.forgiven >= 1


@pytest.mark.parametrize(
    ("recorded", "new"),
    [
        ("took 0.31 s", "took 0.29 s"),
        ("at 2026-01-01", "at 2026-01-02"),
        ("0x7f1234567890", "0x7f1234567891"),
        ("a\nb", "b\na"),
        ("1", "2"),
        ("1.0", "1.0000001"),
        ("a", "a\n"),
        ("a", "a "),
        ("", "a"),
    ],
)
def test_what_is_the_same_in_every_new_run_is_not_forgiven(recorded: str, new: str) -> None:
    result = compare_texts(recorded, new, new)
    assert not result.same
    assert result.differences[0].line >= 1


def test_a_difference_beside_a_volatile_piece_is_one() -> None:
    assert not compare_texts("5 rows took 0.31 s", "6 rows took 0.29 s", "6 rows took 0.33 s").same
    assert not compare_texts("a\nb\nd", "b\na\nc", "c\na\nb").same


def test_the_date_of_the_replay_comes_from_the_clock() -> None:
    assert compare_texts("on 2026-01-01", "on 2026-11-23", "on 2026-11-23", today="2026-11-23").same
    assert not compare_texts("on 2026-01-01", "on 2026-11-22", "on 2026-11-22", today="2026-11-23").same


def test_floats_are_forgiven_only_as_far_as_is_said() -> None:
    assert compare_texts("mean 0.30000000000000004", "mean 0.3", tolerance=Tolerance(floats=1e-9)).same
    assert not compare_texts("mean 0.30000000000000004", "mean 0.3").same
    assert not compare_texts("mean 0.31", "mean 0.3", tolerance=Tolerance(floats=1e-9)).same
    assert not compare_texts("n 30000000001", "n 30000000000", tolerance=Tolerance(floats=1e-3)).same


def test_each_tolerance_can_be_turned_off() -> None:
    none = Tolerance(times=False, paths=False, ordering=False)
    assert not compare_texts("took 1.1 s", "took 1.2 s", "took 1.3 s", tolerance=none).same
    assert not compare_texts("/tmp/a1", "/tmp/b1", "/tmp/c1", tolerance=none).same
    assert not compare_texts("a\nb\nc", "b\na\nc", "c\nb\na", tolerance=none).same


def test_status_exit_code_files_and_truncation_count() -> None:
    base = CodeOutput(status="ok", exit_code=0, stdout="x", files={"a": "1"})
    assert compare_outputs(base, base).same
    for change in (
        {"status": "error", "exit_code": 1},
        {"exit_code": 3},
        {"stderr": "warn"},
        {"files": {}},
        {"files": {"a": "2"}},
        {"files": {"a": "1", "b": ""}},
        {"truncated": True},
    ):
        result = compare_outputs(base.model_copy(update=change), base, base)
        assert result.verdict == "different", change
        assert result.reason
        assert result.differences


def test_our_own_failure_is_no_verdict() -> None:
    base = CodeOutput(status="ok", exit_code=0, stdout="x")
    result = compare_outputs(base, CodeOutput(status="sandbox_error", reason="no sandbox"))
    assert (result.verdict, result.reason) == ("not_replayed", "no sandbox")


def test_a_program_that_was_cut_off_agrees_as_far_as_both_go() -> None:
    cut = CodeOutput(status="timeout", stdout="1\n2\n")
    assert compare_outputs(cut, CodeOutput(status="timeout", stdout="1\n2\n3\n")).same
    assert not compare_outputs(cut, CodeOutput(status="timeout", stdout="1\n3\n")).same

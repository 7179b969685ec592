"""Whole runs with a mock teacher over real HTTP: the same bytes, nothing paid twice, faults, kills, budgets."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tdlab
from tdlab.errors import TeacherError
from tdlab.jobs.run import REPLIES
from tdlab.rollout.llm import Misbehaviour, MockServer
from tdlab.store import ReplyJournal, open_run
from tests.clock import slower
from tests.jobs import ROOT, environment, in_process, small_pool, small_pool_file
from tests.teacher.parts import config, run_on_mock

SHARES = ("dataset.jsonl", "metrics.json")


pytestmark = pytest.mark.usefixtures("no_figures")


def bytes_of(folder: Path) -> tuple[bytes, ...]:
    return tuple((folder / name).read_bytes() for name in SHARES)


def test_the_same_bytes_whatever_the_concurrency_and_whatever_fails(tmp_path: Path) -> None:
    with MockServer() as server:
        run_on_mock(config(server.base_url, teacher__concurrency=1), tmp_path / "one" / "run").close()
        calm = server.counts["answered"]
    how = Misbehaviour(rate_429=0.04, rate_500=0.04, rate_cut=0.04, rate_malformed=0.02, retry_after_s=0.01)
    with MockServer(how) as server:
        run_on_mock(config(server.base_url, teacher__concurrency=16), tmp_path / "many" / "run").close()
        assert sum(server.counts.get(kind, 0) for kind in ("429", "500", "cut")) > 0
        assert server.counts["answered"] >= calm
    assert bytes_of(tmp_path / "one" / "run") == bytes_of(tmp_path / "many" / "run")


def test_what_was_paid_for_serves_again_also_with_another_parameter(tmp_path: Path) -> None:
    """The second run differs in verification only, so it sends no request that was not sent before."""
    with MockServer() as server:
        first = run_on_mock(config(server.base_url), tmp_path / "first")
        calls = server.counts["calls"]
        second = run_on_mock(config(server.base_url, verify__near_duplicate=0.95), tmp_path / "second")
        third = run_on_mock(config(server.base_url, target=10), tmp_path / "third")
        assert (tmp_path / REPLIES).exists()
        with ReplyJournal(tmp_path / REPLIES) as journal:
            assert len(journal) == server.counts["calls"]
        assert server.counts["calls"] - calls < calls / 2
    assert list(first.trajectories()["trajectory"]) == list(second.trajectories()["trajectory"])
    assert list(third.trajectories()["trajectory"])[:8] == list(first.trajectories()["trajectory"])
    for run in (first, second, third):
        run.close()


def test_corrupted_rollouts_are_rejected_with_their_reason_and_the_others_accepted(tmp_path: Path) -> None:
    with MockServer(Misbehaviour(corrupt=0.4, seed=3)) as server:
        run = run_on_mock(config(server.base_url, target=24), tmp_path / "run")
        spoilt = server.corrupted
    clean, accepted, met = 0, 0, set()
    for candidate in run.store.candidates():
        assert candidate.blueprint is not None
        if candidate.blueprint.id in spoilt:
            met.add(spoilt[candidate.blueprint.id])
            assert not candidate.accepted, spoilt[candidate.blueprint.id]
            assert candidate.reasons
            assert candidate.reasons[0].text, "the reason says something"
        else:
            clean += 1
            accepted += candidate.verdict is not None and candidate.verdict.accepted
    assert accepted >= 0.98 * clean
    assert len(met) >= 4
    run.close()


def test_the_report_says_what_each_role_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from tdlab.cli.render import show_run

    with MockServer(Misbehaviour(corrupt=0.3)) as server:
        run = run_on_mock(config(server.base_url), tmp_path / "run")
        calls = server.counts["calls"]
    spent = run.metrics()["teacher"]
    rows = [*spent["accepted"], *spent["rejected"]]
    assert sum(row["calls"] for row in rows) <= calls
    assert {row["role"] for row in rows} == {"proposer", "user", "assistant"}
    assert spent["money_per_accepted"] == pytest.approx(sum(row["money"] for row in rows) / 8)
    Console(width=100).print(show_run(run))
    shown = capsys.readouterr().out
    assert "Teacher, per accepted trajectory" in shown
    assert "assistant" in shown
    with ReplyJournal(tmp_path / REPLIES) as journal:
        (owner,) = {run.store.journal_get("teacher/owner")}
        paid = journal.paid(owner)
    assert run.store.paid["calls"] == sum(row.calls for row in paid) == calls
    assert run.store.paid["tokens"] == sum(row.input_tokens + row.output_tokens for row in paid) >= spent["tokens"]
    assert f"Paid in total: {calls:,} calls, {run.store.paid['tokens']:,} tokens" in " ".join(shown.split())
    run.close()


def test_an_estimate_comes_close_to_what_is_then_spent(tmp_path: Path) -> None:
    with MockServer() as server:
        settings = config(server.base_url, target=16)
        told = tdlab.estimate(settings, pool=small_pool(), progress=False)
        assert server.counts == {}, "nothing is asked for an estimate"
        run = run_on_mock(settings, tmp_path / "run")
        assert told.calls == pytest.approx(server.counts["calls"], rel=0.1)
    spent = run.metrics()["teacher"]
    assert told.tokens == pytest.approx(spent["tokens"], rel=0.1)
    assert told.money == pytest.approx(spent["money"], rel=0.1)
    frame = told.to_frame()
    assert sorted(frame["role"]) == ["assistant", "proposer", "user"]
    assert (frame["calls"].sum(), frame["money"].sum()) == (told.calls, pytest.approx(told.money))
    run.close()


def test_a_budget_stops_cleanly_and_more_of_it_goes_on_to_the_same_end(tmp_path: Path) -> None:
    with MockServer() as server:
        whole = run_on_mock(config(server.base_url), tmp_path / "whole" / "run")
        calls, tokens = server.counts["calls"], whole.metrics()["teacher"]["tokens"]
        settings = config(server.base_url, teacher__concurrency=2, teacher__budget_tokens=tokens * 3 // 4)
        part = run_on_mock(settings, tmp_path / "part" / "run")
        assert "stopped: the budget is spent" in part.status
        made = part.counts().accepted
        assert 0 < made < 8
        assert len((tmp_path / "part" / "run" / "dataset.jsonl").read_text().splitlines()) == made
        part.close()
        paid = server.counts["calls"] - calls
        with ReplyJournal(tmp_path / "part" / REPLIES) as journal:
            assert len(journal) == paid
        more = settings.with_values(teacher__budget_tokens=None)
        resumed = run_on_mock(more, tmp_path / "part" / "run")
        assert resumed.status == "complete"
        assert server.counts["calls"] - calls - paid <= calls + 40 - paid, "what was paid for is not asked again"
    assert (tmp_path / "part" / "run" / "dataset.jsonl").read_bytes() == (
        tmp_path / "whole" / "run" / "dataset.jsonl"
    ).read_bytes()
    assert resumed.config.teacher.budget_tokens is None, "the store tells the budget of the last session"
    whole.close()
    resumed.close()


def test_a_server_that_goes_away_is_an_error_and_the_run_goes_on_later(tmp_path: Path) -> None:
    settings = config("http://127.0.0.1:9/v1")
    with pytest.raises(TeacherError, match="cannot be reached"):
        run_on_mock(settings, tmp_path / "run")
    dying = Misbehaviour(rate_500=1.0)
    with MockServer(dying) as server, pytest.raises(TeacherError, match="failed 2 times"):
        run_on_mock(config(server.base_url, teacher__tries=2), tmp_path / "run")
    with MockServer() as server:
        run = run_on_mock(config(server.base_url), tmp_path / "run")
        assert run.status == "complete"
        run.close()


def test_it_works_inside_a_running_loop(tmp_path: Path) -> None:
    async def cell() -> int:
        with MockServer() as server, run_on_mock(config(server.base_url, target=4), tmp_path / "run") as run:
            return run.counts().accepted

    with asyncio.Runner() as runner:
        assert runner.run(cell()) == 4


def test_the_commands_explain_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = small_pool_file(tmp_path)
    words = ("run", "-p", pool, "-o", tmp_path / "run", "--set", "rollout.teacher=llm")
    status, _, said = in_process(monkeypatch, capsys, *words)
    assert status == 2
    assert "no model plays the proposer" in said
    words = (*words, "--set", "teacher.model=x")
    status, _, said = in_process(monkeypatch, capsys, *words, "--set", "teacher.base_url=ftp://me")
    assert status == 2
    assert "http://" in said
    began = time.monotonic()
    status, _, said = in_process(monkeypatch, capsys, *words, "--set", "teacher.base_url=http://127.0.0.1:9/v1")
    assert status == 2
    assert "cannot be reached" in said
    assert "tdlab mock-server" in said
    assert time.monotonic() - began < 20 * slower()
    status, out, _ = in_process(
        monkeypatch, capsys, "estimate", "-p", pool, "-n", 10, "--sample", 5, "--set", "teacher.model=x"
    )
    assert status == 0
    assert "unknown cost" in out
    with MockServer() as server:
        port = server.base_url.rpartition(":")[2].partition("/")[0]
        status, _, said = in_process(monkeypatch, capsys, "mock-server", "--port", port)
    assert status == 2
    assert "--port" in said


@pytest.mark.slow
@pytest.mark.crash
def test_killed_half_way_and_resumed_it_repeats_no_more_than_was_in_flight(tmp_path: Path) -> None:
    """Kill once, then finish: the bytes are those of a run that was not interrupted."""
    pool, flying = small_pool_file(tmp_path), 8
    how = Misbehaviour(latency_s=0.01)
    with MockServer(how) as server:
        calm = run_on_mock(config(server.base_url), tmp_path / "calm" / "run")
        needed = server.counts["calls"]
        calm.close()

    def started(server: MockServer, out: Path) -> subprocess.Popen[bytes]:
        words = ["--set", "rollout.teacher=llm", "--set", "teacher.model=mock", "--set", "evolution.batch=8"]
        words += ["--set", "rollout.guessed=keep"]
        words += ["--set", f"teacher.base_url={server.base_url}", "--set", f"teacher.concurrency={flying}"]
        command = [sys.executable, "-m", "tdlab.cli", "run", "-p", str(pool), "-o", str(out), "-n", "8", *words]
        return subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    with MockServer(how) as server:
        process = started(server, tmp_path / "killed" / "run")
        end = time.monotonic() + 90 * slower()
        while server.counts.get("calls", 0) < needed / 2 and time.monotonic() < end:
            time.sleep(0.005)
        assert process.poll() is None, "it was quicker than the kill"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert started(server, tmp_path / "killed" / "run").wait(timeout=120 * slower()) == 0
        time.sleep(0.1)
        with ReplyJournal(tmp_path / "killed" / REPLIES) as journal:
            repeated = server.counts["calls"] - len(journal)
    assert repeated <= flying
    assert (tmp_path / "killed" / "run" / "dataset.jsonl").read_bytes() == (
        tmp_path / "calm" / "run" / "dataset.jsonl"
    ).read_bytes()
    with open_run(tmp_path / "killed" / "run") as run:
        ids = list(run.trajectories()["trajectory"])
    assert len(ids) == len(set(ids)) == 8


def test_the_old_name_of_the_mock_server_still_works_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with MockServer() as server:
        port = server.base_url.rpartition(":")[2].partition("/")[0]
        status, _, said = in_process(monkeypatch, capsys, "rehearse", "--port", port)
    assert status == 2
    assert "`tdlab rehearse` is deprecated; use `tdlab mock-server`" in said
    assert "--port" in said


def test_a_teacher_that_never_succeeds_is_given_up_and_the_run_says_why(tmp_path: Path) -> None:
    with MockServer(Misbehaviour(corrupt=1.0)) as server:
        run = run_on_mock(config(server.base_url, target=60, teacher__concurrency=16), tmp_path / "run")
        begun = len(server.corrupted)
        why = run.status
        run.close()
    assert begun <= 20, "few more are begun than the window holds"
    assert why.startswith("stopped: failing: 16 of the last 16 rollouts failed")
    assert "teacher.failing_window" in why


def test_a_run_that_was_stopped_for_failing_goes_on_with_the_same_command(tmp_path: Path) -> None:
    """What an earlier session paid for does not count again: not with the failing server, nor with a sane one."""
    with MockServer(Misbehaviour(corrupt=1.0)) as server:
        settings = config(server.base_url, target=3, teacher__failing_window=4, teacher__concurrency=4)
        calls = [0]
        for _ in range(2):
            run = run_on_mock(settings, tmp_path / "run")
            assert run.status.startswith("stopped: failing: 4 of the last 4 rollouts failed")
            run.close()
            calls.append(server.counts["calls"])
        assert calls == sorted(set(calls)), "each session asks the server"
    with MockServer() as server:
        settings = settings.with_values(teacher__base_url=server.base_url)
        with run_on_mock(settings, tmp_path / "run") as run:
            assert run.status == "complete"
            assert run.counts().accepted == 3


def test_saved_replies_make_the_same_run_without_a_server(tmp_path: Path) -> None:
    """A server is looked for only when a reply is missing."""
    with MockServer() as server:
        settings = config(server.base_url)
        run_on_mock(settings, tmp_path / "first").close()
    run_on_mock(settings, tmp_path / "again").close()
    assert bytes_of(tmp_path / "first") == bytes_of(tmp_path / "again")
    with pytest.raises(TeacherError, match="cannot be reached"):
        run_on_mock(config(server.base_url, target=12, seed=77), tmp_path / "other")

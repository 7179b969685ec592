"""Code steps in real sandboxes: played, verified, re-run; any way gives the same bytes; forgeries are caught."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tdlab.blueprints import MutationContext, mutate, plan
from tdlab.config import SandboxConfig
from tdlab.diversity import cac, signature
from tdlab.errors import MutationRefused, SandboxUnavailable
from tdlab.evolution.predict import predict
from tdlab.jobs.recheck import check_run, recorded_programs
from tdlab.pool.live.servers import LiveResult
from tdlab.records import CODE_TOOL, Blueprint, BusinessCluster, Tool, Trajectory, Verdict, rng_for
from tdlab.rollout import (
    CODE_EXECUTOR,
    CodeRunner,
    CodingEnvironment,
    LiveEnvironment,
    ScriptedTeacher,
    SimulatedEnvironment,
    play,
    recorded_output,
)
from tdlab.sandbox import RUN_CODE, CodeOutput
from tdlab.store import RunStore, open_run
from tdlab.verify import verify
from tests.blueprints.coding import coded_blueprints, tools
from tests.clock import slower
from tests.jobs import MANY_GENERATIONS, descendants, finish, gone, hashes, pool_with_programs, reaches, started
from tests.sandbox.programs import altered
from tests.verify.faults import with_call, with_result

PLAYED = 60
TARGET = 24


class Coded(NamedTuple):
    blueprint: Blueprint
    tools: dict[str, Tool]
    trajectory: Trajectory
    verdict: Verdict

    @property
    def programs(self) -> list[str]:
        """The ids of the calls with programs."""
        return [call.id for call in self.trajectory.calls() if self.trajectory.tools[call.name] == CODE_TOOL]


def played(blueprint: Blueprint, runner: CodeRunner) -> Coded:
    offered = {key: tools()[key] for key in blueprint.offered}
    environment = CodingEnvironment(SimulatedEnvironment(blueprint, offered), runner)
    rollout = play(blueprint, offered, ScriptedTeacher(blueprint, offered), environment)
    verdict = verify(rollout.trajectory, blueprint, offered, stopped=rollout.stopped, code=runner)
    return Coded(blueprint, offered, rollout.trajectory, verdict)


@pytest.fixture(scope="module")
def runner(bubblewrap: SandboxConfig) -> Iterator[CodeRunner]:
    with CodeRunner(bubblewrap) as opened:
        yield opened


@pytest.fixture(scope="module")
def clean(runner: CodeRunner) -> list[Coded]:
    return [played(blueprint, runner) for _, blueprint in coded_blueprints(PLAYED)]


def test_a_short_limit_holds_for_programs_and_not_for_the_escape_probes(bubblewrap: SandboxConfig) -> None:
    with CodeRunner(bubblewrap.model_copy(update={"backend": "auto", "wall_s": 0.05})) as short:
        began = time.monotonic()
        output = short.run({"language": "python", "code": "import time\ntime.sleep(150)"})
        assert output.status == "timeout"
        assert time.monotonic() - began < 10 * slower()


# ---------------------------------------------------------------------------------------------------------- one by one


def test_honest_trajectories_with_code_raise_no_false_alarm(clean: list[Coded]) -> None:
    alarms = Counter(reason for made in clean for reason in made.verdict.reasons)
    assert not alarms, alarms.most_common(5)
    for made in clean:
        receipts = {e.call_id: e.executor for e in made.trajectory.executions}
        assert made.programs
        assert all((receipts[c] == CODE_EXECUTOR) == (c in made.programs) for c in receipts)


def test_the_mode_is_as_forecast_and_code_is_in_it(clean: list[Coded]) -> None:
    for made in clean:
        expected = predict(made.blueprint, made.tools)
        assert signature(made.trajectory, made.tools) == expected.signature
        assert "code" in expected.signature
        assert abs(cac(made.trajectory, made.tools).value - expected.cac) < 0.35 * expected.cac


def test_what_is_printed_is_used(clean: list[Coded]) -> None:
    """In the reply of the turn, or in the arguments of a later call."""
    for made in clean:
        for step in made.blueprint.steps:
            if step.kind != "code":
                continue
            (call_id,) = made.trajectory.steps[step.id]
            later = [s for s in made.blueprint.steps if step.id in s.needs() and s.id != step.id]
            messages = made.trajectory.messages
            place = next(n for n, m in enumerate(messages) if m.tool_call_id == call_id)
            replies = [m.content for m in messages[place:] if m.role == "assistant" and not m.tool_calls]
            assert later or any("The program" in reply for reply in replies), step.request


def test_a_record_holds_nothing_of_the_machine(clean: list[Coded], docker_host: str) -> None:
    """Played in docker, everything is the same byte for byte."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_host)
        with CodeRunner(SandboxConfig(backend="docker")) as other:
            again = [played(made.blueprint, other) for made in clean[:15]]
    assert [made.trajectory for made in again] == [made.trajectory for made in clean[:15]]


def test_without_a_sandbox_nothing_runs_and_nothing_counts(clean: list[Coded]) -> None:
    made = clean[0]
    verdict = verify(made.trajectory, made.blueprint, made.tools)
    assert [reason.check for reason in verdict.reasons] == ["code"]
    assert "there is no sandbox" in verdict.reasons[0].text
    environment = SimulatedEnvironment(made.blueprint, made.tools)
    with pytest.raises(SandboxUnavailable, match="simulated environment"):
        play(made.blueprint, made.tools, ScriptedTeacher(made.blueprint, made.tools), environment)
    with pytest.raises(SandboxUnavailable, match="none"):
        played(made.blueprint, CodeRunner(SandboxConfig()))


def test_a_runner_can_be_sent_to_another_process(runner: CodeRunner) -> None:
    assert runner.sandbox.backend == "bubblewrap"
    with pickle.loads(pickle.dumps(runner)) as sent:
        assert sent.run({"language": "python", "code": "print(6 * 7)"}).stdout == "42\n"


def test_a_failing_sandbox_is_no_result(runner: CodeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    from tdlab.sandbox import JobResult

    failed = JobResult(status="sandbox_error", reason="three processes failed")
    monkeypatch.setattr(type(runner.sandbox), "run", lambda self, job: failed)
    with pytest.raises(SandboxUnavailable, match="three processes failed"):
        runner.run({"language": "python", "code": "print(1)"})


class ModelBackend:
    """A substitute for connected servers that returns a list of entries."""

    def call(self, service: str, name: str, arguments: dict[str, object], **_: object) -> LiveResult:
        entries = [{"entry_id": f"e{n}", "price_cents": 100 * n} for n in (7, 3, 5)]
        return LiveResult(ok=True, text="", structured={"entries": entries})


def test_programs_work_on_what_a_live_server_returns(runner: CodeRunner) -> None:
    item = {"type": "object", "properties": {"entry_id": {"type": "string"}, "price_cents": {"type": "integer"}}}
    output = {"type": "object", "properties": {"entries": {"type": "array", "items": item}}}
    tool = Tool(service="desk", name="list_entries", input_schema={"type": "object"}, output_schema=output)
    offered = {tool.key: tool, CODE_TOOL: RUN_CODE}
    cluster = BusinessCluster(id="desk", tools=(tool.key,), dependencies=(), domains={})
    base = plan(cluster, offered, seed=0, goals=1)
    executors: set[str] = set()
    for seed in range(6):
        blueprint = mutate(base, "add_code_step", MutationContext(cluster, offered), seed=seed)
        live = LiveEnvironment(blueprint, offered, servers=ModelBackend())
        teacher = ScriptedTeacher(blueprint, offered)
        rollout = play(blueprint, offered, teacher, CodingEnvironment(live, runner))
        verdict = verify(rollout.trajectory, blueprint, offered, stopped=rollout.stopped, code=runner)
        assert verdict.accepted, verdict.reasons
        executors |= {e.executor for e in rollout.trajectory.executions}
    assert executors == {"live:desk", "sandbox"}
    guess = tool.model_copy(update={"output_schema": None})
    with pytest.raises(MutationRefused, match="nothing that the calls return"):
        mutate(base, "add_code_step", MutationContext(cluster, {**offered, tool.key: guess}), seed=0)


# ------------------------------------------------------------------------------------------------------------- faults

Forge = Callable[[Coded, random.Random], Trajectory | None]
FAULTS: list[tuple[str, str, Forge]] = []


def fault(check: str) -> Callable[[Forge], Forge]:
    """Register a forgery that the check ``check`` has to catch."""

    def register(forge: Forge) -> Forge:
        FAULTS.append((forge.__name__, check, forge))
        return forge

    return register


@fault("code")
def output_altered_with_its_receipt(made: Coded, rng: random.Random) -> Trajectory | None:
    call_id = made.programs[0]
    recorded = recorded_output(made.trajectory.results()[call_id].content)
    assert recorded is not None
    return with_result(made.trajectory, call_id, altered(recorded, rng).text, receipt=True)


@fault("executor")
def output_altered(made: Coded, rng: random.Random) -> Trajectory | None:
    call_id = made.programs[0]
    recorded = recorded_output(made.trajectory.results()[call_id].content)
    assert recorded is not None
    return with_result(made.trajectory, call_id, altered(recorded, rng).text, receipt=False)


@fault("executor")
def run_outside_of_the_sandbox(made: Coded, rng: random.Random) -> Trajectory | None:
    executions = tuple(
        e.model_copy(update={"executor": "simulated"}) if e.call_id in made.programs else e
        for e in made.trajectory.executions
    )
    return made.trajectory.model_copy(update={"executions": executions})


@fault("code")
def output_of_no_program(made: Coded, rng: random.Random) -> Trajectory | None:
    return with_result(made.trajectory, made.programs[0], "the answer is 42", receipt=True)


@fault("grounding")
def a_number_written_into_the_program(made: Coded, rng: random.Random) -> Trajectory | None:
    call = next(c for c in made.trajectory.calls() if c.id == made.programs[0])
    if call.arguments["language"] != "python":
        return None
    code = call.arguments["code"] + "\nmore = {'price': 987654321}\n"
    return with_call(made.trajectory, call, arguments={**call.arguments, "code": code})


@fault("plan")
def another_program(made: Coded, rng: random.Random) -> Trajectory | None:
    call = next(c for c in made.trajectory.calls() if c.id == made.programs[0])
    if call.arguments["language"] != "python":
        return None
    changed = with_call(made.trajectory, call, arguments={**call.arguments, "code": "print('{}')"})
    return with_result(changed, call.id, CodeOutput(status="ok", exit_code=0, stdout="{}\n").text, receipt=True)


@pytest.mark.parametrize(("name", "check", "forge"), FAULTS, ids=[name for name, _, _ in FAULTS])
def test_a_forgery_is_caught(name: str, check: str, forge: Forge, clean: list[Coded], runner: CodeRunner) -> None:
    tried = 0
    for number, made in enumerate(clean):
        forged = forge(made, rng_for("forge", name, number))
        if forged is None or forged == made.trajectory or tried == 20:
            continue
        tried += 1
        verdict = verify(forged, made.blueprint, made.tools, code=runner)
        failed = {check.name: check.reason for check in verdict.checks if not check.passed}
        assert check in failed, f"{name}: {failed}"
    assert tried >= 10


def test_another_program_that_prints_the_same_counts(clean: list[Coded], runner: CodeRunner) -> None:
    """A language model's program may differ from the planned one."""
    tried = 0
    for made in clean:
        call = next(c for c in made.trajectory.calls() if c.id == made.programs[0])
        if call.arguments["language"] != "python" or tried == 8:
            continue
        tried += 1
        other = {**call.arguments, "code": "# done by hand\n" + call.arguments["code"]}
        verdict = verify(with_call(made.trajectory, call, arguments=other), made.blueprint, made.tools, code=runner)
        assert verdict.accepted, verdict.reasons
    assert tried == 8


# --------------------------------------------------------------------------------------------------------- whole runs


@pytest.fixture(scope="module")
def job(bubblewrap: SandboxConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    pool = pool_with_programs(tmp_path_factory.mktemp("pool"))
    assert bubblewrap.on
    sets = ("--set", "sandbox.backend=bubblewrap", "--set", "rollout.guessed=keep")
    return ("run", "-p", pool, "-n", TARGET, *sets, *MANY_GENERATIONS)


@pytest.fixture(scope="module")
def straight(job: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    done = finish(*job, "-o", folder / "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "run and re-run in the sandbox" in shown
    return folder / "run"


def test_workers_leave_no_trace(straight: Path, job: tuple[object, ...], tmp_path: Path) -> None:
    done = finish(*job, "-o", tmp_path / "run", "-w", 3, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert hashes(tmp_path / "run") == hashes(straight)


@pytest.mark.crash
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_leaves_no_process_and_resumes_to_the_same_bytes(
    straight: Path, job: tuple[object, ...], workers: int, tmp_path: Path
) -> None:
    words = (*job, "-o", tmp_path / "run", "-w", workers)
    inner: set[int] = set()
    seen = 0
    for _ in range(2):
        with started(*words, cwd=tmp_path) as process:
            assert reaches(process, ["trajectories"])
            end = time.monotonic() + 60 * slower()
            while time.monotonic() < end:
                inner = descendants(process.pid)
                if any(b"bwrap" in cmdline(pid) for pid in inner):
                    seen += 1
                    break
                if process.poll() is not None:
                    break
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert not gone(inner, within=1.0), "processes of a killed run are alive a second later"
    assert seen, "no run was killed while its sandbox was open"
    done = finish(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert hashes(tmp_path / "run") == hashes(straight)


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_check_reproduces_an_honest_run_and_changes_nothing(straight: Path, tmp_path: Path) -> None:
    before = hashes(straight)
    done = finish("check", straight, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with open_run(straight) as run:
        programs = recorded_programs(run)
    assert programs
    assert f"Re-ran {len(programs)} programs in bubblewrap: {len(programs)} the same, 0 different" in done.stdout
    assert hashes(straight) == before


def test_check_finds_what_was_altered_and_changes_the_verdict(
    job: tuple[object, ...], straight: Path, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(straight, tmp_path / "run"))
    with open_run(folder) as run:
        victim = recorded_programs(run)[0]
        accepted = run.counts().accepted
    recorded = recorded_output(victim.recorded)
    assert recorded is not None
    restore = tamper(folder, victim.trajectory, victim.recorded, altered(recorded, random.Random(1)).text)
    done = finish("check", folder, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "different" in done.stdout
    assert "recorded: " in done.stdout
    assert f"1 trajectories left the dataset: {victim.trajectory}" in done.stdout
    with open_run(folder) as run:
        assert run.counts().accepted == accepted - 1
        (rejected,) = [c for c in run.store.candidates(accepted=False) if c.reasons[0].check == "code"]
        assert rejected.verdict is not None
        assert not rejected.verdict.accepted
    assert len((folder / "dataset.jsonl").read_text().splitlines()) == accepted - 1
    assert json.loads((folder / "metrics.json").read_text())["accepted"] == accepted - 1

    again = check_run(folder, progress=False)
    assert (again.ok, again.rejected, again.restored) == (False, (), ())

    restore()
    mended = check_run(folder, progress=False)
    assert (mended.ok, mended.restored) == (True, (victim.trajectory,))
    assert hashes(folder) == hashes(straight)


def tamper(folder: Path, trajectory: str, old: str, new: str) -> Callable[[], None]:
    """Alter a recorded output in the store; return a function that undoes it."""
    import sqlite3

    def replace(one: str, other: str) -> None:
        with sqlite3.connect(folder / "run.sqlite") as db:
            (text,) = db.execute("select trajectory from candidates where trajectory_id = ?", (trajectory,)).fetchone()
            value = json.loads(text)
            for message in value["messages"]:
                if message["content"] == one:
                    message["content"] = other
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            db.execute("update candidates set trajectory = ? where trajectory_id = ?", (text, trajectory))
        db.close()

    replace(old, new)
    return lambda: replace(new, old)


def test_a_program_that_cannot_be_run_changes_no_verdict(straight: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tdlab.sandbox import Comparison, SyncSandbox

    nothing = Comparison(verdict="not_replayed", reason="three processes failed")
    monkeypatch.setattr(SyncSandbox, "replay", lambda self, job, recorded: nothing)
    report = check_run(straight, progress=False)
    assert report.count("not_replayed") == len(report.checked) > 0
    assert not report.ok
    assert (report.rejected, report.restored) == ((), ())
    with RunStore.open(straight) as store:
        assert store.counts().accepted == TARGET


def test_without_a_working_sandbox_a_run_with_code_is_refused_and_makes_nothing(
    job: tuple[object, ...], tmp_path: Path
) -> None:
    bare = {"PATH": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    words = [word for word in job if word != "sandbox.backend=bubblewrap"]
    words[words.index("--set")] = "--code"
    done = finish(*words, "-o", tmp_path / "run", cwd=tmp_path, **bare)
    assert done.returncode == 2
    assert "no working sandbox on this machine" in done.stderr
    assert "apt-get install bubblewrap" in done.stderr
    assert not (tmp_path / "run").exists()

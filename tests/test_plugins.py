"""Test that an installed package can extend each extension point, and the command line uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tdlab
import tests.plugins as plugins
from tdlab.config import RunConfig
from tdlab.errors import ConfigError
from tdlab.evolution import cached_candidates, what_if
from tdlab.panels import tune_evolution
from tdlab.plots import compute_gauges, plot_gauges
from tdlab.store import Run, open_run
from tests.jobs import finish, hashes, in_process, small_pool, small_pool_file

SOURCE = '''
"""What a small package of extensions may hold."""

import os
from collections import Counter

from tdlab.blueprints import Mutation
from tdlab.diversity import counted_masses
from tdlab.errors import MutationRefused
from tdlab.evolution import EntropyGauge, MeanGauge, Strategy
from tdlab.formats import ConversationBuilder, ExportFormat, Format, Item, Recording, Unreadable
from tdlab.pool import Definitions, PoolFormat
from tdlab.records import Trajectory
from tdlab.rollout import ScriptedTeacher, SimulatedEnvironment, ToolResult, receipt


# --------------------------------------------------------------------- an environment, a teacher, a check, a mutation


class Audited:
    """Passes calls on to a simulated world, and signs the receipts itself. Says in which processes it worked."""

    name = "audited"
    replayable = True
    external = False

    def __init__(self, blueprint, tools):
        self._world = SimulatedEnvironment(blueprint, tools)
        open(f"audited-{os.getpid()}", "w").close()

    def call(self, tool, arguments, *, call_id):
        ok, text, _ = self._world.call(tool, arguments, call_id=call_id)
        return ToolResult(ok, text, receipt(call_id, tool, self.name, arguments, text, ok=ok))

    def changes(self):
        return self._world.changes()


class Loud(ScriptedTeacher):
    """The scripted teacher, shouting at the user."""

    name = "loud"

    def assistant(self, view):
        turn = super().assistant(view)
        return turn if turn.tool_calls else turn._replace(content=turn.content + "!")


def not_too_long(context):
    number = len(context.trajectory.messages)
    return f"there are {number} messages" if number > 14 else ""


def _offer_everything(blueprint, context, rng):
    more = [key for key in context.distractors if key in context.tools and key not in blueprint.offered]
    if not more:
        raise MutationRefused("offer_everything: there is no other tool")
    return blueprint.model_copy(update={"offered": (*blueprint.offered, *rng.sample(more, k=len(more)))})


offer_everything = Mutation("offer_everything", "complexity", (), _offer_everything)


# ---------------------------------------------------------------------------------------------------------- a strategy


def _in_one_cluster(controller, generation):
    return [order._replace(cluster=controller.clusters[0].id) for order in controller.draw(generation)]


in_one_cluster = Strategy(orders=_in_one_cluster)


# ---------------------------------------------------------------------------------------------------------- two gauges


def _messages_expected(prediction, blueprint, tools):
    """Runs in the process that chooses among drafts."""
    open(f"predicted-{os.getpid()}", "w").close()
    return float(sum(len(step.calls) for step in blueprint.steps))


calls = MeanGauge("calls per trajectory", lambda features: float(features.calls), _messages_expected)
tools = EntropyGauge("tools / ceiling", lambda features: counted_masses(Counter(features.tools)), family="complexity")


# ------------------------------------------------------------------------------------------------- a trajectory format


def _unpack(value):
    return iter([Item("", value)]) if isinstance(value, dict) and "lines" in value else None


def _read(item, fallback):
    talk = ConversationBuilder()
    for speaker, text in item.value["lines"]:
        if speaker not in ("user", "assistant"):
            raise Unreadable(f"{speaker!r} speaks")
        talk.say(speaker, text)
    return Recording(Trajectory(id=fallback, messages=tuple(talk.messages), tools={}), {}, "chatlog")


chatlog = Format("chatlog", _unpack, _read)


# ---------------------------------------------------------------------------------------------------- an export format


def _shout(source, notes):
    notes.add("reasoning", "message 0", "not shouted")
    return {"id": source.trajectory.id, "text": " ".join(m.content.upper() for m in source.trajectory.messages)}


shouted = ExportFormat("shouted", "any", _shout, {"id": "text", "text": "text"})


# ------------------------------------------------------------------------------------------------------- a pool format


def _services(document, stem):
    if not isinstance(document, dict) or "catalogue" not in document:
        return None
    return [
        Definitions(name, [{"name": n, "inputSchema": i, "outputSchema": o} for n, i, o in rows], labels=("Weather",))
        for name, rows in document["catalogue"].items()
    ], []


catalogue = PoolFormat(_services)
'''
ENTRIES = {
    "tdlab.environments": {"audited": "small_extras:Audited"},
    "tdlab.teachers": {"loud": "small_extras:Loud"},
    "tdlab.checks": {"not_too_long": "small_extras:not_too_long"},
    "tdlab.mutations": {"offer_everything": "small_extras:offer_everything"},
    "tdlab.gauges": {"calls": "small_extras:calls", "tools": "small_extras:tools"},
    "tdlab.strategies": {"in_one_cluster": "small_extras:in_one_cluster"},
    "tdlab.trajectory_formats": {"chatlog": "small_extras:chatlog"},
    "tdlab.export_formats": {"shouted": "small_extras:shouted"},
    "tdlab.pool_formats": {"catalogue": "small_extras:catalogue"},
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the import path with the package."""
    folder = plugins.install(tmp_path_factory.mktemp("site") / "packages", "small_extras", ENTRIES, source=SOURCE)
    return plugins.import_path(folder)


def made(out: Path, installed: str, *settings: str, workers: int = 1) -> Run:
    """Make a run of a small pool with these settings on the command line."""
    words = [word for setting in settings for word in ("--set", setting)]
    job = (
        "run",
        "--pool",
        small_pool_file(out.parent),
        "-n",
        "12",
        "--set",
        "evolution.batch=6",
        "-w",
        workers,
        "--no-figure",
    )
    done = finish(*job, *words, "--out", out.name, cwd=out.parent, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    return open_run(out)


@pytest.mark.slow
def test_an_environment(installed: str, tmp_path: Path) -> None:
    with made(tmp_path / "one", installed, "rollout.environment=audited") as run:
        environments = {kept.trajectory.environment for kept in run.store.accepted()}
        verdicts = [{check.name: check for check in kept.verdict.checks} for kept in run.store.accepted()]
        assert environments == {"audited"}
        assert all(verdict["replay"].passed and verdict["end_state"].passed for verdict in verdicts)
        assert run.store.versions["small_extras"] == "1.0"
    for mark in tmp_path.glob("audited-*"):
        mark.unlink()
    made(tmp_path / "two", installed, "rollout.environment=audited", workers=2).close()
    assert len(list(tmp_path.glob("audited-*"))) == 2, "the worker processes did not use it"
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_a_teacher(installed: str, tmp_path: Path) -> None:
    with made(tmp_path / "one", installed, "rollout.teacher=loud", workers=2) as run:
        for kept in run.store.accepted():
            assert kept.trajectory.teacher == "loud"
            assert kept.trajectory.messages[-1].content.endswith("!")


@pytest.mark.slow
def test_a_check(installed: str, tmp_path: Path) -> None:
    name = "not_too_long"
    with made(tmp_path / "one", installed, f'verify.checks=["{name}"]') as run:
        assert all(len(kept.trajectory.messages) <= 14 for kept in run.store.accepted())
        assert run.store.rejection_reasons()[name] > 0
        assert all(kept.verdict.checks[-1].name == name for kept in run.store.accepted())
    made(tmp_path / "two", installed, f'verify.checks=["{name}"]', workers=2).close()
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


@pytest.mark.slow
def test_a_mutation(installed: str, tmp_path: Path) -> None:
    name = "offer_everything"
    with made(tmp_path / "one", installed, f'blueprints.mutations=["{name}"]') as run:
        assert any(name in kept.blueprint.lineage for kept in run.store.accepted())
        assert name in run.generation(0).record.operators
    made(tmp_path / "two", installed, f'blueprints.mutations=["{name}"]', workers=2).close()
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


@pytest.mark.slow
def test_a_strategy(installed: str, tmp_path: Path) -> None:
    with made(tmp_path / "one", installed, "evolution.strategy=in_one_cluster") as run:
        assert len({kept.lineage.cluster for kept in run.store.accepted()}) == 1
        assert run.generation(0).record.strategy == "in_one_cluster"
    made(tmp_path / "two", installed, "evolution.strategy=in_one_cluster", workers=2).close()
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


@pytest.mark.slow
def test_gauges(installed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They steer, end up in every record, table and file that has gauges, and in the merit of drafts in workers."""
    names = ["domain", "mode", "cac", "calls", "tools"]
    settings = ("evolution.gauges.calls=40", "evolution.gauges.tools=1", "evolution.complexity_threshold=0")
    off = ("evolution.mode_threshold=0", "evolution.domain_threshold=0")
    with made(tmp_path / "one", installed, *settings, *off) as run:
        record = run.generation(0).record
        assert sorted(record.after.whole) == sorted(record.before.strengths) == sorted(names)
        assert record.before.strengths["calls"] == 1.0
        assert record.before.strengths["cac"] == record.before.strengths["mode"] == 0.0
        assert record.drafts == 3, "a gauge that can be predicted has drafts to choose from"
        assert min(record.operators[name] for name in ("extend_chain", "branch")) > record.operators["add_refusal"]
        last = run.generation(run.counts().generations - 1).record
        counts = [kept.features["calls"] for kept in run.store.accepted()]
        assert last.after.whole["calls"] == pytest.approx(sum(counts) / len(counts))
        assert all(set(kept.lineage.gain) == set(names) for kept in run.store.accepted())
        monkeypatch.syspath_prepend(installed.rpartition(":")[2])
        assert compute_gauges(run)["gauge"].unique().tolist() == names
        labels = [line.get_label() for line in plot_gauges(compute_gauges(run)).lines]
        assert labels == ["domains", "reasoning modes (trigrams)", "tools / ceiling"]
        replayed = what_if(cached_candidates(run), run.config.evolution, target=12, redraw=False)
        kept = [kept.trajectory.id for kept in run.store.accepted()]
        assert replayed.kept == kept, "the decisions of a replay are the run's own"
        assert replayed.generations["steer_calls"].iloc[0] == 1.0
        panel = tune_evolution(cached_candidates(run), run.config)
        assert panel.controls["gauges__calls"].value == 40.0
        assert panel.config.evolution.gauges == {"calls": 40.0, "tools": 1.0}
    metrics = json.loads((tmp_path / "one" / "metrics.json").read_text())
    assert metrics["gauges"]["calls"] == {"value": last.after.whole["calls"], "threshold": 40.0}
    shown = finish("show", "generation", "0", "--run", "one", cwd=tmp_path, PYTHONPATH=installed).stdout
    assert "calls per trajectory" in shown
    assert "tools / ceiling" in shown
    without = finish("show", "generation", "0", "--run", "one", cwd=tmp_path)
    assert without.returncode == 0, "a run can be looked at where the package is not installed"
    for mark in tmp_path.glob("predicted-*"):
        mark.unlink()
    made(tmp_path / "two", installed, *settings, *off, workers=2).close()
    assert len(list(tmp_path.glob("predicted-*"))) == 2, "the worker processes did not predict"
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    made(tmp_path / "three", installed).close()
    assert hashes(tmp_path / "one")["dataset.jsonl"] != hashes(tmp_path / "three")["dataset.jsonl"]


@pytest.mark.parametrize(
    ("gauge", "words"),
    [
        ("cac", "evolution.gauges has domain, mode or cac"),
        ("xyzzy", "evolution.gauges: there is no gauge 'xyzzy'"),
        ("xyzzy", "install the package that has it in the entry-point group tdlab.gauges"),
    ],
)
def test_a_gauge_that_cannot_be_added(gauge: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        tdlab.run(RunConfig().with_values(evolution__gauges={gauge: 3.0}), out=tmp_path / "run", progress=False)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("setting", "found", "close"),
    [
        ("rollout.environment=simulatd", "there is no environment 'simulatd'", "simulated"),
        ("rollout.teacher=scriptd", "there is no teacher 'scriptd'", "scripted"),
        ("evolution.strategy=evolve", "there is no strategy 'evolve'", "evolved"),
        ('verify.checks=["groundin"]', "there is no check 'groundin'", "grounding"),
        ('blueprints.mutations=["brunch"]', "there is no mutation 'brunch'", "branch"),
    ],
)
def test_a_name_that_no_package_has(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    setting: str,
    found: str,
    close: str,
) -> None:
    status, _, err = in_process(monkeypatch, capsys, "run", "--out", tmp_path / "run", "--set", setting)
    assert status == 2
    said = " ".join(err.split())
    assert f"{setting.partition('=')[0]}: {found}" in said
    assert f"did you mean '{close}'?" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("packages", "group", "name", "words"),
    [
        (["rude_extras"], "tdlab.checks", "grounding", "has the name of one of tdlab's own entries"),
        (["first_extras", "second_extras"], "tdlab.gauges", "calls", "is registered by first_extras 1.0 too"),
        (["broken_extras"], "tdlab.environments", "broken", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_bad_plugin_stops_a_run_before_it_begins(
    packages: list[str], group: str, name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    for package in packages:
        plugins.install(tmp_path / "site", package, {group: {name: f"{package}:it"}}, source="import no_such_module")
    config = RunConfig(target=2)
    if name == "broken":
        tdlab.run(config, out=tmp_path / "unconcerned", pool=small_pool(), progress=False).close()
        config = config.with_values(rollout__environment=name)
    with pytest.raises(ConfigError) as refused:
        tdlab.run(config, out=tmp_path / "run", pool=small_pool(), progress=False)
    assert words in refused.value.found
    assert f"the package {packages[-1]} 1.0" in refused.value.found
    assert group in refused.value.expected
    assert refused.value.do
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_installed_plugin_changes_no_run_that_does_not_name_it(installed: str, tmp_path: Path) -> None:
    made(tmp_path / "with", installed).close()
    made(tmp_path / "without", plugins.import_path(tmp_path)).close()
    assert hashes(tmp_path / "with") == hashes(tmp_path / "without")


def test_a_trajectory_format(installed: str, tmp_path: Path) -> None:
    lines = [{"lines": [["user", "Is it raining?"], ["assistant", "Yes."]]}, {"lines": [["narrator", "It rains."]]}]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    done = finish("profile", "log.jsonl", "--json", cwd=tmp_path, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    assert "chatlog: 'narrator' speaks" in done.stderr
    assert "1 trajectory, format chatlog" in done.stderr
    without = finish("profile", "log.jsonl", cwd=tmp_path)
    assert without.returncode == 2
    assert "has no known format" in without.stderr


def test_a_plugged_in_export_format_writes_both_kinds_of_files(tmp_path: Path, installed: str) -> None:
    line = json.dumps({"messages": [{"role": "user", "content": "hello"}]})
    (tmp_path / "talk.jsonl").write_text(line + "\n", encoding="utf-8")
    for name in ("out.jsonl", "out.parquet"):
        words = ("export", "talk.jsonl", "--format", "shouted", "--out", name)
        done = finish(*words, cwd=tmp_path, PYTHONPATH=installed)
        assert (done.returncode, "Wrote 1 trajectories" in done.stdout) == (0, True), done.stderr
        assert "reasoning, 1 time in 1 trajectory" in done.stderr
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == '{"id":"talk-1","text":"HELLO"}\n'


def test_a_pool_format(installed: str, tmp_path: Path) -> None:
    station = {"type": "object", "properties": {"station_id": {"type": "string"}}, "required": ["station_id"]}
    stations = {"type": "object", "properties": {"stations": {"type": "array", "items": station}}}
    rows = [
        ["list_stations", {"type": "object"}, stations],
        ["get_station", station, station],
        ["delete_station", station, None],
    ]
    (tmp_path / "pool.json").write_text(json.dumps({"catalogue": {"skies": rows}}))
    done = finish("mine", "--pool", "pool.json", "--out", "clusters.jsonl", cwd=tmp_path, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    assert "skies/get_station" in (tmp_path / "clusters.jsonl").read_text()
    without = finish("mine", "--pool", "pool.json", cwd=tmp_path)
    assert without.returncode == 2
    assert "tools in one of the formats bundled, pool" in without.stderr

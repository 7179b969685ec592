"""Test that an installed package can extend each extension point, and the command line uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tests.plugins as plugins
from tdlab.store import Run, open_run
from tests.jobs import finish, hashes, in_process, small_pool_file

SOURCE = '''
"""What a small package of extensions may hold."""

import os

from tdlab.blueprints import Mutation
from tdlab.errors import MutationRefused
from tdlab.evolution import Strategy
from tdlab.formats import ConversationBuilder, Format, Item, Recording, Unreadable
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
    return f"there are {number} messages" if number > 24 else ""


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


# ------------------------------------------------------------------------------------------------------- a pool format


def _services(document, stem):
    if not isinstance(document, dict) or "catalogue" not in document:
        return None
    return [Definitions(name, tools, labels=("Weather",)) for name, tools in document["catalogue"].items()], []


catalogue = PoolFormat(_services)
'''
ENTRIES = {
    "tdlab.environments": {"audited": "small_extras:Audited"},
    "tdlab.teachers": {"loud": "small_extras:Loud"},
    "tdlab.checks": {"not_too_long": "small_extras:not_too_long"},
    "tdlab.mutations": {"offer_everything": "small_extras:offer_everything"},
    "tdlab.strategies": {"in_one_cluster": "small_extras:in_one_cluster"},
    "tdlab.trajectory_formats": {"chatlog": "small_extras:chatlog"},
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
    job = ("run", "--pool", small_pool_file(out.parent), "-n", "12", "--set", "evolution.batch=6", "-w", workers)
    done = finish(*job, *words, "--out", out.name, cwd=out.parent, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    return open_run(out)


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


def test_a_check(installed: str, tmp_path: Path) -> None:
    name = "not_too_long"
    with made(tmp_path / "one", installed, f'verify.checks=["{name}"]') as run:
        assert all(len(kept.trajectory.messages) <= 24 for kept in run.store.accepted())
        assert run.store.rejection_reasons()[name] > 0
        assert all(kept.verdict.checks[-1].name == name for kept in run.store.accepted())
    made(tmp_path / "two", installed, f'verify.checks=["{name}"]', workers=2).close()
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_a_mutation(installed: str, tmp_path: Path) -> None:
    name = "offer_everything"
    with made(tmp_path / "one", installed, f'blueprints.mutations=["{name}"]') as run:
        assert any(name in kept.blueprint.lineage for kept in run.store.accepted())
        assert name in run.generation(0).record.operators
    made(tmp_path / "two", installed, f'blueprints.mutations=["{name}"]', workers=2).close()
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_a_strategy(installed: str, tmp_path: Path) -> None:
    with made(tmp_path / "one", installed, "evolution.strategy=in_one_cluster") as run:
        assert {kept.lineage.cluster for kept in run.store.accepted()} == {next(iter(run.store.clusters())).id}
        assert run.generation(0).record.strategy == "in_one_cluster"
    made(tmp_path / "two", installed, "evolution.strategy=in_one_cluster", workers=2).close()
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


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


def test_a_pool_format(installed: str, tmp_path: Path) -> None:
    station = {"type": "object", "properties": {"station_id": {"type": "string"}}, "required": ["station_id"]}
    stations = {"type": "object", "properties": {"stations": {"type": "array", "items": station}}}
    tools = [
        {"name": "list_stations", "inputSchema": {"type": "object"}, "outputSchema": stations},
        {"name": "get_station", "inputSchema": station, "outputSchema": station},
        {"name": "delete_station", "inputSchema": station},
    ]
    (tmp_path / "pool.json").write_text(json.dumps({"catalogue": {"skies": tools}}))
    done = finish("mine", "--pool", "pool.json", "--out", "clusters.jsonl", cwd=tmp_path, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    assert "skies/get_station" in (tmp_path / "clusters.jsonl").read_text()
    without = finish("mine", "--pool", "pool.json", cwd=tmp_path)
    assert without.returncode == 2
    assert "tools in one of the formats bundled, pool" in without.stderr

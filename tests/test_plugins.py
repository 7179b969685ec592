"""Each extension point is extended by an installed package, used by the command line, with no change to tdlab."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tests.plugins as plugins
from tests.jobs import finish

SOURCE = '''
"""What a small package of extensions may hold."""

from tdlab.formats import ConversationBuilder, Format, Item, Recording, Unreadable
from tdlab.pool import Definitions, PoolFormat
from tdlab.records import Trajectory


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
    "tdlab.trajectory_formats": {"chatlog": "small_extras:chatlog"},
    "tdlab.pool_formats": {"catalogue": "small_extras:catalogue"},
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The import path with the package on it."""
    folder = plugins.install(tmp_path_factory.mktemp("site") / "packages", "small_extras", ENTRIES, source=SOURCE)
    return plugins.import_path(folder)


def test_a_trajectory_format(installed: str, tmp_path: Path) -> None:
    lines = [{"lines": [["user", "Is it raining?"], ["assistant", "Yes."]]}, {"lines": [["narrator", "It rains."]]}]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    done = finish("profile", "log.jsonl", "--json", cwd=tmp_path, PYTHONPATH=installed)
    assert done.returncode == 0, done.stderr
    assert "chatlog: 'narrator' speaks" in done.stderr
    assert "1 trajectory, format chatlog" in done.stderr
    without = finish("profile", "log.jsonl", cwd=tmp_path)
    assert without.returncode == 2
    assert "is in no format that is known" in without.stderr


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

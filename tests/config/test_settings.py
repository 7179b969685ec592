"""The settings: defaults, descriptions and ranges; unknown keys; files old and new; the reference in the README."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

import tdlab
from tdlab.config import (
    ClusterConfig,
    EvolutionConfig,
    RunConfig,
    commented_yaml,
    find_settings,
    settings_markdown,
    shown_value,
    without_retired,
)
from tdlab.errors import ConfigError
from tests.jobs import in_process, small_pool

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
SETTINGS = {setting.name: setting for setting in RunConfig.settings()}


# --- each setting


def test_every_setting_has_a_description_and_a_range() -> None:
    for setting in SETTINGS.values():
        assert setting.description.endswith("."), setting.name
        assert setting.description[0].isupper() or setting.name in DESCRIBED_IN_LOWER_CASE, setting.name
        assert setting.values, setting.name


DESCRIBED_IN_LOWER_CASE = {"pool", "evolution.strength", "evolution.smoothing"}
"""Their descriptions begin with a value or a symbol."""


def test_the_defaults_are_these() -> None:
    """A changed default changes datasets: it has to be meant, and to be in this file and in the changelog."""
    golden = (HERE / "default.yaml").read_text(encoding="utf-8")
    assert commented_yaml(RunConfig()) == golden, "if this is meant: tdlab config --write tests/config/default.yaml"
    assert yaml.safe_load(golden) == RunConfig().model_dump(mode="json")


@pytest.mark.parametrize(
    ("name", "words", "inside", "outside"),
    [
        ("evolution.window", "1 to 1,000,000", (1, 1_000_000), (0, 1_000_001)),
        ("clusters.max_clusters", "1 or more, or null", (1, None), (0,)),
        ("evolution.full_at", "above 0, up to 1", (0.001, 1.0), (0.0, 1.001)),
        ("evolution.min_gain", "-100 to 100, or null", (-100.0, 100.0, None), (-100.1, 100.1)),
        ("rollout.teacher", "a name", ("scripted", "of_a_plugin"), ("", 1)),
        ("verify.checks", "a list of names", (("of_a_plugin",),), ("of_a_plugin",)),
        ("rollout.allow_writes", "true or false", (True, False), (1,)),
        ("teacher.prices", "text, or null", ("a.json", None), (1,)),
    ],
)
def test_the_values_in_words_are_those_that_are_taken(name: str, words: str, inside: tuple, outside: tuple) -> None:
    assert SETTINGS[name].values == words
    for value in inside:
        assert dict(RunConfig().with_values(**{name.replace(".", "__"): value}).values())[name] == value
    for value in outside:
        with pytest.raises(ConfigError, match=f"{name} is"):
            RunConfig().with_values(**{name.replace(".", "__"): value})


# --- unknown keys


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"targt": 5}, "unknown key 'targt': did you mean 'target'?"),
        ({"evolution": {"bach": 5}}, "unknown key 'evolution.bach': did you mean 'evolution.batch'?"),
        ({"window": 5}, "unknown key 'window': did you mean 'evolution.window'?"),
        ({"clusters": {"growt": {"about": 0.1}}}, "'clusters.growt.about': did you mean 'clusters.growth.about'?"),
        ({"fork": 0.1}, "did you mean 'clusters.across.fork' or 'clusters.companions.fork'?"),
        ({"evolution": {"bach": 5, "widow": 3}}, "'evolution.widow': did you mean 'evolution.window'?"),
        ({"xyzzy": 1}, "unknown key 'xyzzy'"),
    ],
)
def test_an_unknown_key_in_a_mapping(values: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_mapping(values)
    assert message in caught.value.found
    assert "tdlab config" in caught.value.do


def test_an_unknown_key_in_a_call() -> None:
    with pytest.raises(ValidationError, match="unknown key 'widow': did you mean 'window'"):
        EvolutionConfig(widow=3)
    with pytest.raises(ValidationError, match=r"unknown key 'window': did you mean 'evolution\.window'"):
        RunConfig(window=3)
    with pytest.raises(ConfigError, match=r"unknown key 'evolution\.widow': did you mean 'evolution\.window'"):
        RunConfig().with_values(evolution__widow=3)
    with pytest.raises(ConfigError, match=r"target\.x: target is a setting and has none in it"):
        RunConfig().with_values(target__x=3)


def test_a_mapping_is_set_by_key() -> None:
    config = RunConfig().with_values(rollout__facts__git={"repo": ["a"]})
    assert config.rollout.facts == {"git": {"repo": ["a"]}}


def test_one_pool_or_several(tmp_path: Path) -> None:
    several = RunConfig(pool=("a.json", "bundled"))
    assert several.pools == ("a.json", "bundled")
    assert RunConfig(pool=["a.json"]) == RunConfig(pool="a.json"), "a list of one is that one"
    assert RunConfig().pools == ("bundled",)
    assert several.digest == RunConfig().digest, "where the tools are is not part of what identifies a config"
    several.to_yaml(tmp_path / "config.yaml")
    assert RunConfig.from_yaml(tmp_path / "config.yaml") == several
    for wrong in ([], "", ["a.json", " "], 3, None, ["a.json", 3]):
        with pytest.raises(ConfigError, match="a path, or a list of them"):
            RunConfig.from_mapping({"pool": wrong})


def test_clusters_are_checked_as_a_whole() -> None:
    with pytest.raises(ValidationError, match="larger than"):
        ClusterConfig.model_validate({"companions": {"least_score": 0.5}})


# --- files


def test_a_file_of_all_settings_is_read_back_as_the_same_config(tmp_path: Path) -> None:
    config = RunConfig(target=7).with_values(
        teacher__model="m", teacher__roles=("user",), rollout__facts={"s": {"p": ["a: b", 3, None]}},
        clusters__growth__about=0.25, pool="a folder/#1: x", evolution__patience=None,
    )  # fmt: skip
    (tmp_path / "all.yaml").write_text(commented_yaml(config), encoding="utf-8")
    assert RunConfig.from_yaml(tmp_path / "all.yaml") == config
    assert all(len(line) <= 100 for line in commented_yaml(RunConfig()).splitlines())


def test_a_file_of_an_earlier_version_is_read_and_says_what_is_gone() -> None:
    """``earlier.yaml`` is what ``RunConfig().to_yaml()`` gave before the constants became settings."""
    with pytest.warns(UserWarning, match=r"blueprints\.distractors had no effect.*tdlab config --config .* --write"):
        assert RunConfig.from_yaml(HERE / "earlier.yaml") == RunConfig()


def test_a_setting_that_is_gone_is_refused_where_it_is_typed() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'blueprints\.max_distractors'|did you mean 'evolution\.dis"):
        RunConfig().with_values(blueprints__distractors=1)
    values = {"blueprints": {"distractors": 2, "max_depth": 3}}
    assert without_retired(values)[0] == {"blueprints": {"max_depth": 3}}
    assert values["blueprints"]["distractors"] == 2, "the argument stays as it is"


def test_a_run_of_an_earlier_version_is_resumed(tmp_path: Path) -> None:
    """Its config lacks the new settings, whose values were in the code then."""
    import sqlite3

    from tdlab.store import RunStore

    pool = small_pool()
    config = RunConfig(target=2)
    arguments = {"config": config, "pool_fingerprint": pool.fingerprint, "versions": {}}
    RunStore.create_or_resume(tmp_path / "run", **arguments).close()
    stored = yaml.safe_load((HERE / "earlier.yaml").read_text(encoding="utf-8")) | {"target": 2}
    with sqlite3.connect(tmp_path / "run" / "run.sqlite") as db:
        import json

        db.execute("UPDATE meta SET value = ? WHERE key = 'config'", (json.dumps(stored),))
    db.close()
    with tdlab.open_run(tmp_path / "run") as run:
        assert run.config == config
    RunStore.create_or_resume(tmp_path / "run", **arguments).close()
    with pytest.raises(tdlab.TdlabError, match=r"clusters\.growth\.about is 0\.13 in the run directory and 0\.5 now"):
        RunStore.create_or_resume(
            tmp_path / "run", **{**arguments, "config": config.with_values(clusters__growth__about=0.5)}
        )


# --- the reference


def test_the_reference_in_the_readme_is_that_of_the_code() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, rest = text.partition("<!-- settings: written by `tdlab config --markdown README.md` -->")
    reference, end, _ = rest.partition("<!-- end of settings -->")
    assert end
    assert reference.strip() == settings_markdown().strip(), "run `tdlab config --markdown README.md`"


def test_settings_are_found_by_name_and_by_section() -> None:
    assert [setting.name for setting in find_settings("evolution.window")["evolution"]] == ["evolution.window"]
    assert set(find_settings("clusters.growth")) == {"clusters.growth"}
    assert sum(map(len, find_settings("").values())) == len(SETTINGS)
    with pytest.raises(ConfigError, match=r"no setting or section 'evolution\.windw'") as caught:
        find_settings("evolution.windw")
    assert "did you mean 'evolution.window'?" in caught.value.do


@pytest.mark.parametrize(("value", "text"), [(1.0, "1.0"), (None, "null"), (True, "true"), ("a: b", "'a: b'")])
def test_values_are_written_as_yaml(value: object, text: str) -> None:
    assert shown_value(value) == text
    assert yaml.safe_load(text) == value


# --- the command


def test_the_command_prints_all_settings_in_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = in_process(monkeypatch, capsys, "config")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    for setting in SETTINGS.values():
        assert f"  {setting.name} = {shown_value(setting.default)}" in out
        assert " ".join(setting.description.split()) in " ".join(out.split())
        assert setting.values in " ".join(out.split())


def test_the_command_explains_one_setting(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = in_process(monkeypatch, capsys, "config", "evolution.window")
    assert status == 0
    for word in ("256", "1 to 1,000,000", "sliding window", "--set evolution.window=", "evolution:\n    window: 256"):
        assert word in out
    status, _, err = in_process(monkeypatch, capsys, "config", "evolution.widow")
    assert status == 2
    assert "did you mean 'evolution.window'?" in err


def test_the_command_shows_what_differs_from_the_defaults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "my.yaml").write_text("evolution: {window: 64}\n", encoding="utf-8")
    status, out, _ = in_process(monkeypatch, capsys, "config", "-c", tmp_path / "my.yaml", "--set", "target=3")
    assert status == 0
    assert "* evolution.window = 64" in out
    assert "default 256" in out
    assert out.rstrip().endswith("Not at their defaults (marked *): target, evolution.window.")
    assert out.count("\n* ") + out.startswith("* ") == 2


def test_the_command_writes_a_file_and_converts_an_earlier_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    new = tmp_path / "new.yaml"
    status, out, err = in_process(monkeypatch, capsys, "config", "-c", HERE / "earlier.yaml", "--write", new)
    assert status == 0
    assert "blueprints.distractors had no effect" in err
    assert f"tdlab run --config {new}" in out
    assert RunConfig.from_yaml(new) == RunConfig()
    status, _, err = in_process(monkeypatch, capsys, "config", "--write", new)
    assert status == 2
    assert "already exists" in err
    status, _, err = in_process(monkeypatch, capsys, "config", "--write", tmp_path / "no" / "such.yaml")
    assert status == 2
    assert "cannot be written" in err


def test_the_command_updates_a_reference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    readme = tmp_path / "README.md"
    shutil.copy(ROOT / "README.md", readme)
    text = readme.read_text(encoding="utf-8")
    readme.write_text(text.replace("`evolution.window`", "`evolution.widow`"), encoding="utf-8")
    assert in_process(monkeypatch, capsys, "config", "--markdown", readme)[0] == 0
    assert readme.read_text(encoding="utf-8") == text
    readme.write_text("# Other\n", encoding="utf-8")
    status, _, err = in_process(monkeypatch, capsys, "config", "--markdown", readme)
    assert status == 2
    assert "has no reference of settings" in err

"""Test registries: their entries and order, imports on use, and errors about bad plug-ins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tests.plugins as plugins
from tdlab.blueprints import MUTATIONS
from tdlab.errors import ConfigError, TdlabError
from tdlab.evolution import GAUGES, STRATEGIES
from tdlab.formats import FORMATS
from tdlab.pool import POOL_FORMATS
from tdlab.registry import Registry, reference
from tdlab.rollout import ENVIRONMENTS, TEACHERS
from tdlab.sandbox import BACKENDS
from tdlab.verify import CHECKS
from tests.jobs import ROOT

GROUP = "tdlab.example_greetings"
REGISTRIES = (BACKENDS, CHECKS, ENVIRONMENTS, FORMATS, GAUGES, MUTATIONS, POOL_FORMATS, STRATEGIES, TEACHERS)


@pytest.fixture
def greetings() -> Registry[object]:
    made: Registry[object] = Registry(GROUP, "greeting", setting="example.greeting", also=("none",))
    made.register("warm")(str.upper)
    made.register("plain")(str.lower)
    return made


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder on the import path."""
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


def explained(error: TdlabError, *words: str) -> None:
    """Check that the error has its three parts and contains the words."""
    assert error.found
    assert error.expected
    assert error.do
    for word in words:
        assert word in str(error)


def test_own_entries_come_first_in_the_order_of_their_definition_then_plugins_by_name(
    greetings: Registry[object], site: Path
) -> None:
    plugins.install(site, "zebra", {GROUP: {"alpha": "zebra:hail"}}, source="def hail(name): return name")
    plugins.install(site, "aardvark", {GROUP: {"omega": "aardvark:hail", "beta": "aardvark:hail"}})
    assert list(greetings) == ["warm", "plain", "alpha", "beta", "omega"]
    assert greetings.own == ("warm", "plain")
    assert len(greetings) == 5
    assert "alpha" in greetings
    assert greetings.versions(["warm", "alpha"]) == {"zebra": "1.0"}


def test_a_plugin_is_imported_when_it_is_used_and_not_before(greetings: Registry[object], site: Path) -> None:
    plugins.install(site, "lazy_hail", {GROUP: {"lazy": "lazy_hail:hail"}}, source="def hail(name): return name")
    assert greetings["warm"] is str.upper
    assert greetings._path is None  # not even looked for
    assert "lazy" in greetings
    assert "lazy_hail" not in sys.modules
    assert greetings["lazy"]("Ada") == "Ada"
    assert greetings["lazy"] is greetings["lazy"]


def test_a_name_that_is_not_there_is_answered_with_the_closest_and_all(greetings: Registry[object]) -> None:
    with pytest.raises(ConfigError) as refused:
        _ = greetings["plian"]
    explained(refused.value, "example.greeting: there is no greeting 'plian'", "one of none, warm, plain")
    assert refused.value.do == "did you mean 'plain'?"
    with pytest.raises(ConfigError, match=GROUP):
        greetings.check("unheard-of")
    with pytest.raises(ConfigError, match=r"pass it to tdlab\.run again"):
        greetings.check("my_module:my_greeting")
    greetings.check("none")
    greetings.check("plain")


@pytest.mark.parametrize(
    ("source", "value", "why"),
    [
        ("import no_such_module", "broken_hail:hail", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise OSError('no disk')", "broken_hail:hail", "OSError: no disk"),
        ("def hail(:", "broken_hail:hail", "SyntaxError"),
        ("", "broken_hail:hail", "AttributeError"),
        (
            "hail = 3",
            "broken_hail:hail",
            "is 3\n  expected: in the entry-point group tdlab.example_gr",
        ),
    ],
)
def test_a_plugin_that_cannot_be_imported_names_its_package_and_group(
    greetings: Registry[object], site: Path, monkeypatch: pytest.MonkeyPatch, source: str, value: str, why: str
) -> None:
    monkeypatch.delitem(sys.modules, "broken_hail", raising=False)
    plugins.install(site, "broken_hail", {GROUP: {"broken": value}}, source=source, version="2.5")
    assert greetings["plain"] is str.lower
    with pytest.raises(ConfigError) as refused:
        _ = greetings["broken"]
    explained(refused.value, "the greeting 'broken' (broken_hail:hail)", "the package broken_hail 2.5", GROUP, why)
    monkeypatch.delitem(sys.modules, "broken_hail", raising=False)


def test_a_name_that_two_packages_register_names_both(greetings: Registry[object], site: Path) -> None:
    for package in ("first_hail", "second_hail"):
        plugins.install(site, package, {GROUP: {"hail": f"{package}:hail"}})
    with pytest.raises(ConfigError) as refused:
        list(greetings)
    explained(refused.value, "second_hail 1.0", "is registered by first_hail 1.0 too", GROUP)


def test_a_plugin_that_takes_the_name_of_an_own_entry_is_refused(greetings: Registry[object], site: Path) -> None:
    plugins.install(site, "rude_hail", {GROUP: {"plain": "rude_hail:hail"}})
    with pytest.raises(ConfigError) as refused:
        list(greetings)
    explained(refused.value, "rude_hail 1.0", "has the name of one of tdlab's own entries", GROUP)


def test_an_own_entry_cannot_be_registered_twice(greetings: Registry[object]) -> None:
    with pytest.raises(ValueError, match="registered twice in tdlab"):
        greetings.register("plain")


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.group)
def test_every_extension_point_refuses_what_is_not_of_its_kind(registry: Registry[object], site: Path) -> None:
    plugins.install(site, "odd_plugin", {registry.group: {"odd": "odd_plugin:odd"}}, source="odd = 3")
    with pytest.raises(ConfigError) as refused:
        _ = registry["odd"]
    explained(refused.value, "odd_plugin 1.0", registry.group)
    with pytest.raises(TdlabError, match="did you mean 'odd'"):
        _ = registry["oddd"]


def test_importing_tdlab_looks_for_no_plugin(tmp_path: Path) -> None:
    script = (
        "import importlib.metadata as m, sys\n"
        "read = m.entry_points\n"
        "def watched(**selected):\n"
        "    assert not selected.get('group', '').startswith('tdlab.'), selected\n"
        "    return read(**selected)\n"
        "m.entry_points = watched\n"
        "import tdlab, tdlab.jobs, tdlab.panels, tdlab.cli\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def module_level() -> None:
    """A function that other processes can import."""


class Settings:
    def method(self) -> None:
        """A function that belongs to an object."""


def test_objects_go_by_the_name_that_other_processes_import_them_by(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reference(module_level, what="the check") == f"{__name__}:module_level"
    assert reference(Settings, what="the check") == f"{__name__}:Settings"

    def local() -> None:
        """A function that only this test can see."""

    for value in (local, lambda: None, Settings(), Settings().method, 3):
        with pytest.raises(ConfigError, match=r"the check is .*which no other process can import") as refused:
            reference(value, what="the check")
        explained(refused.value, "top level of a module")


def test_what_a_session_defines_is_refused_where_there_are_worker_processes() -> None:
    script = (
        "from tdlab.registry import reference\n"
        "def check(context): return ''\n"
        "print(reference(check, what='the check'))\n"
        "print(reference(check, what='the check', workers=2))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "__main__:check\n"
    assert "which is defined in this session alone" in done.stderr
    assert "pass workers=1" in done.stderr

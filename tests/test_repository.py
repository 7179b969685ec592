"""Check the repository: no outputs, no machine paths, no large files; and its wheel is complete."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 1 << 20

SET_UP_AND_RUN = "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/tdlab run --out runs/first"
TEST = ".venv/bin/pip install -q -e '.[test]' && .venv/bin/pytest"

# Split in two, so that this file does not contain what it searches for.
MACHINE_PATHS = re.compile(
    "|".join(
        re.escape(a + b)
        for a, b in (("/wo", "rk/"), ("/ro", "ot/"), ("/opt/", "pypi"), ("/Us", "ers/"), ("/tmp/", "tools"))
    )
)
REGISTRIES = re.compile(
    "|".join(
        re.escape(a + b)
        for a, b in (
            ("--index", "-url"),
            ("--extra-index", "-url"),
            ("pypi.org", "/simple"),
            ("files.python", "hosted.org"),
            ("registry.npm", "js.org"),
        )
    )
)


INPUTS = "tests/cases/"
"""Inputs of tests, some of them damaged on purpose."""


@cache
def tracked() -> tuple[Path, ...]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    names = (name for name in done.stdout.split("\0") if name and not name.startswith(INPUTS))
    return tuple(ROOT / name for name in names if (ROOT / name).is_file())


def text_of(file: Path) -> str | None:
    content = file.read_bytes()
    if b"\0" in content[:8192]:
        return None
    return content.decode("utf-8")


def test_notebooks_are_committed_without_outputs() -> None:
    for file in tracked():
        if file.suffix != ".ipynb":
            continue
        notebook = json.loads(file.read_text(encoding="utf-8"))
        where = file.relative_to(ROOT)
        assert "widgets" not in notebook.get("metadata", {}), f"{where} holds widget state"
        for number, cell in enumerate(notebook["cells"]):
            if cell["cell_type"] == "code":
                assert cell["outputs"] == [], f"{where}, cell {number}, holds outputs: clear them before committing"
                assert cell["execution_count"] is None, f"{where}, cell {number}, holds an execution count"


def test_no_machine_path_and_no_registry_is_named() -> None:
    faults = []
    for file in tracked():
        text = text_of(file)
        if text is None:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for pattern in (MACHINE_PATHS, REGISTRIES):
                if match := pattern.search(line):
                    faults.append(f"{file.relative_to(ROOT)}:{number} names {match.group()}")
    assert not faults, "\n".join(faults)


def test_text_is_utf8_with_unix_line_ends() -> None:
    for file in tracked():
        text = text_of(file)  # raises if it is not UTF-8
        assert text is None or "\r\n" not in text, f"{file.relative_to(ROOT)} has Windows line ends"


def test_no_file_is_large() -> None:
    large = [f"{f.relative_to(ROOT)}: {f.stat().st_size:,} bytes" for f in tracked() if f.stat().st_size > LARGEST]
    assert not large, "files over 1 MiB:\n" + "\n".join(large)


def test_the_readme_has_the_two_commands() -> None:
    """``.ci/run`` reads them from the README."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for command in (SET_UP_AND_RUN, TEST):
        assert lines.count(command) == 1, f"README.md must hold this line once: {command}"


def tool_options() -> dict[str, Any]:
    options: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    return options


def markers() -> set[str]:
    return {line.split(":")[0] for line in tool_options()["pytest"]["ini_options"]["markers"]}


def test_every_marker_is_described_and_the_slow_ones_are_off_by_default() -> None:
    assert markers() == {"servers", "sandbox", "browser", "fullpool", "slow", "model", "train", "battery", "crash"}
    default = "not servers and not browser and not fullpool and not sandbox and not slow and not model"
    default += " and not train and not battery"
    assert tool_options()["pytest"]["ini_options"]["addopts"][-1] == default


def test_the_guide_for_contributors_names_every_marker_task_and_extension_point() -> None:
    guide = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    registry = (ROOT / "tdlab" / "registry.py").read_text(encoding="utf-8")
    groups = re.findall(r"^``(tdlab\.\w+)`` ", registry, re.MULTILINE)
    tasks = {f"poe {name}" for name in tool_options()["poe"]["tasks"] if name not in ("test-alone", "test-slow")}
    assert groups
    assert {"poe check", "poe test", "poe test-all", "poe bench"} <= tasks
    for word in (*markers(), *tasks, *groups):
        assert f"{word}`" in guide, f".github/CONTRIBUTING.md does not name {word}"


def test_a_wheel_holds_the_package_and_the_pool_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("tdlab-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (scripts,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        entry_points = configparser.ConfigParser()
        entry_points.read_string(archive.read(scripts).decode())
    sources = {f"tdlab/{f.relative_to(ROOT / 'tdlab').as_posix()}" for f in (ROOT / "tdlab").rglob("*") if is_source(f)}
    data = {f"tdlab/data/{f.relative_to(ROOT / 'data').as_posix()}" for f in (ROOT / "data").rglob("*") if is_source(f)}
    assert len(data) > 60
    assert "tdlab/py.typed" in held, "type checkers ignore the annotations of an installed package without it"
    assert held == sources | data
    assert entry_points["console_scripts"]["tdlab"] == "tdlab.cli:main"


def is_source(file: Path) -> bool:
    return file.is_file() and file.suffix != ".pyc"

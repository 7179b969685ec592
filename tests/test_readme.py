"""Test the README: commands and examples work as printed, in order, and references match the code."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import pytest

import tdlab
from tdlab.blueprints import MUTATIONS
from tdlab.formats import FORMATS
from tdlab.pool import POOL_FORMATS
from tdlab.rollout import MockServer
from tests.jobs import ROOT, in_process
from tests.readme import NEEDS, README, blocks, commands, here, with_reference

TARGET = 6
SMALLER = {"tdlab run": ("-n", str(TARGET)), "tdlab estimate": ("--sample", "2")}
"""Options that make a command of the README quick enough for a test."""

TEXT = README.read_text(encoding="utf-8")


def test_the_reference_of_commands_is_what_the_code_says() -> None:
    assert with_reference(TEXT) == TEXT, "run `python -m tests.readme`"


def test_what_is_not_run_here_is_in_the_readme() -> None:
    printed = [command for language, block in blocks(TEXT) if language == "bash" for command in commands(block)]
    for beginning in NEEDS:
        assert any(command.startswith(beginning) for command in printed), f"NEEDS lists {beginning!r} in vain"


def test_links_lead_somewhere() -> None:
    titles = re.findall(r"^#+ (.+)$", TEXT, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (ROOT / target).is_file(), target


def test_the_picture_is_small() -> None:
    for picture in (ROOT / ".github" / "images").iterdir():
        assert picture.stat().st_size < 200 * 1024, picture.name


def test_numbers_are_those_of_the_code() -> None:
    pool = tdlab.ToolPool.bundled()
    domains = pool.to_frame(level="service")["domain"].nunique()
    text = " ".join(TEXT.split())
    assert f"{len(pool.services)} fictional services with {len(pool)} tools in {domains} business domains" in text
    assert (len(MUTATIONS), len(FORMATS), len(POOL_FORMATS)) == (12, 23, 15)
    assert "Twelve mutation operators" in text
    assert "in [23 formats](#data-formats)" in text
    assert "MCP's `tools/list`, OpenAI `tools`, or one of [13 other formats](#data-formats)" in text


@pytest.mark.slow
def test_the_commands_and_examples_work_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    example = ModuleType("readme_example")
    monkeypatch.setitem(
        sys.modules, example.__name__, example
    )  # a module, so that functions can be named as in a script
    for language, block in blocks(TEXT):
        if language == "yaml":
            Path(block.splitlines()[0].removeprefix("# ")).write_text(block, encoding="utf-8")
        elif language == "python":
            exec(re.sub(r"target=\d+", f"target={TARGET}", block), vars(example))
            plt.close("all")
        elif language == "bash":
            for command in commands(block):
                works(here(command), lambda *words: in_process(monkeypatch, capsys, *words))


def works(command: str, tdlab: Callable[..., tuple[int, str, str]]) -> None:
    words = command.split()
    if words[:1] == ["tdlab"]:
        more = SMALLER.get(" ".join(words[:2]), ())
        status, out, err = tdlab(*words[1:], *more)
        assert status == 0, f"{command}\n{out}{err}"
        assert out + err, command
    elif command:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.mark.slow
def test_the_run_against_the_mock_server_works_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = [command for language, block in blocks(TEXT) if language == "bash" for command in commands(block)]
    (command,) = (command for command in printed if command.startswith("tdlab run --out runs/mock"))
    address = "http://127.0.0.1:8377/v1"
    assert address in command
    monkeypatch.chdir(tmp_path)
    with MockServer() as server:
        works(command.replace(address, server.base_url), lambda *words: in_process(monkeypatch, capsys, *words))

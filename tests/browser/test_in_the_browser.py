"""The notebooks in a real browser: every cell runs, nothing fails unseen, and the figure is on the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import CHROMIUM, Lab, errors, running_lab

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    assert CHROMIUM is not None, "no Chromium was found: apt-get install chromium"
    place = tmp_path_factory.mktemp("lab")
    folder = place / "work" / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".*", "*.pyc"))
    home = place / "home"
    home.mkdir()
    with running_lab(folder, home) as started:
        yield started


@pytest.fixture
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser.new_page(viewport={"width": 1280, "height": 1600})
        browser.close()


def test_start_here_ends_in_a_figure(lab: Lab, page: Any) -> None:
    lab.open(page, "00_start_here.ipynb")
    cells = lab.run_all(page)
    assert not errors(cells), "\n".join(errors(cells))
    kinds = {kind for output in cells[-1]["outputs"] for kind in output.get("data", {})}
    assert "image/png" in kinds, f"the last cell shows {sorted(kinds)}, not a figure"
    image = page.locator(".jp-RenderedImage img").last
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    assert box is not None, "the figure is not on the page"
    assert box["width"] > 300, f"the figure is {box['width']:.0f} pixels wide"

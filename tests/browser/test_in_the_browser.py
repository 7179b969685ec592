"""Test the notebooks in a browser: every cell runs, no error is hidden, and panels follow their controls."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nbformat
import pytest

from tdlab.pool import ToolPool, write_pool
from tests.browser.lab import CHROMIUM, ROOT, Lab, errors, running_lab, wait_until
from tests.jobs import small_pool

EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>'

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    place = tmp_path_factory.mktemp("lab")
    folder = place / "work" / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns(".*", "*.pyc"))
    home = place / "home"
    home.mkdir()
    with running_lab(folder, home) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None, "no Chromium was found: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield started
        started.close()


@contextmanager
def ran(lab: Lab, browser: Any, notebook: str, *, faults: bool = False) -> Iterator[Any]:
    """Yield the page of a notebook after all its cells ran; check for errors at the end, unless ``faults``."""
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    lab.open(page, notebook)
    cells = lab.run_all(page)
    assert not errors(cells), "\n".join(errors(cells))
    yield page
    assert faults or not lab.faults(page), "\n".join(lab.faults(page))
    lab.close(page)


def test_start_here_ends_in_a_figure(lab: Lab, browser: Any) -> None:
    with ran(lab, browser, "00_start_here.ipynb") as page:
        kinds = {kind for output in lab.cells(page)[-1]["outputs"] for kind in output.get("data", {})}
        assert "image/png" in kinds, f"the last cell shows {sorted(kinds)}, not a figure"
        image = page.locator(".jp-RenderedImage img").last
        image.scroll_into_view_if_needed()
        box = image.bounding_box()
        assert box is not None, "the figure is not on the page"
        assert box["width"] > 300, f"the figure is {box['width']:.0f} pixels wide"


def test_the_pool_panel_filters(lab: Lab, browser: Any) -> None:
    with ran(lab, browser, "01_tool_pool.ipynb") as page:
        panel = lab.panel(page)
        assert panel.status.startswith("538 tools of 72 services")
        with panel.changes():
            panel.choose("domain", 3)
        assert panel.status.startswith("14 tools of 2 services")
        with panel.changes():
            panel.choose("schema", 1)
            panel.slide("trust from", "End")
            panel.choose("domain", 0)


def test_the_panels_of_clusters_choose_anew_and_show_one(lab: Lab, browser: Any) -> None:
    with ran(lab, browser, "02_business_clusters.ipynb") as page:
        chosen = lab.panel(page)
        before = chosen.status
        with chosen.changes():
            chosen.slide("coverage", *["ArrowLeft"] * 20)
        assert int(chosen.status.split()[0]) < int(before.split()[0])
        with chosen.changes():
            chosen.slide("edges from", *["ArrowRight"] * 6)
        with chosen.changes():
            chosen.slide("tools", *["ArrowRight"] * 2)
        one = lab.panel(page, 1)
        for control, key in (("number", "ArrowRight"), ("edges per tool", "End"), ("edges from", "End")):
            with one.changes():
                one.slide(control, key)
        assert one.status.startswith("2 of ")
        with one.changes():
            one.choose("domain", 3)
        one.slide("number", "End")
        wait_until(lambda: one.status.startswith("2 of 2: "), "the slider goes beyond the clusters of the domain")


def test_the_blueprint_panel_follows_every_control(lab: Lab, browser: Any) -> None:
    with ran(lab, browser, "03_blueprints.ipynb") as page:
        panel = lab.panel(page)
        for control, key in (
            ("seed", "ArrowRight"), ("requests", "End"), ("branches", "End"), ("failures", "Home"), ("withheld", "End"),
        ):  # fmt: skip
            talk = panel.texts()[1]
            with panel.changes():
                panel.slide(control, key)
            wait_until(lambda talk=talk: panel.texts()[1] != talk, f"the chat is as before {control}")
        for control in ("more steps", "parallel"):  # these may not apply to the plan; the status line says so
            panel.slide(control, "End")
        with panel.changes():
            panel.choose("cluster", 7)
        assert "coherent" in panel.status


def test_the_rollout_panels_run_and_show_what_was_made(lab: Lab, browser: Any) -> None:
    with ran(lab, browser, "04_rollouts.ipynb", faults=True) as page:
        panel = lab.panel(page)
        assert panel.control("model").locator("input").is_disabled(), "the script has no use for a model"
        with panel.changes(timeout_s=60):
            panel.slide("trajectories", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft")
            panel.press("Run")
            wait_until(lambda: panel.status == "working …", "no sign of work", timeout_s=5)
        assert panel.status.startswith("8 accepted, ")
        viewer = lab.panel(page, 1)
        talk = viewer.texts()[1]
        with viewer.changes():
            viewer.choose("rollout", 3)
        assert viewer.texts()[1] != talk
        assert not lab.faults(page), "\n".join(lab.faults(page))
        panel.see()
        panel.choose("teacher", 2)
        wait_until(panel.control("model").locator("input").is_enabled, "a server's model cannot be named")
        panel.press("Run")
        wait_until(lambda: "no model plays" in panel.status, "the fault is not shown")
        wait_until(lambda: len(lab.faults(page)) == 1, "the fault is shown and not raised")
        assert "ConfigError" in lab.faults(page)[0]


def test_the_tuning_panel_replays_and_saves(lab: Lab, browser: Any) -> None:
    with ran(lab, browser, "05_evolution.ipynb") as page:
        panel = lab.panel(page)
        for control, keys in (
            ("steering strength", ["End"]), ("domain threshold", ["Home"]), ("mode threshold", ["Home"]),
            ("CAC threshold", ["Home"]), ("budget (0: none)", ["ArrowRight"] * 20),
        ):  # fmt: skip
            with panel.changes():
                panel.slide(control, *keys)
        wait_until(lambda: "stopped: budget: 20 offspring were tried" in panel.status, "the budget of 20 is not told")
        panel.press("Save as config")
        wait_until(lambda: panel.status.startswith("Saved. To use it: tdlab run --config"), "nothing was saved")
        assert "budget: 20" in (lab.folder.parent / "runs" / "tuned.yaml").read_text()


def test_a_point_of_the_map_opens_its_conversation(lab: Lab, browser: Any) -> None:
    with ran(lab, browser, "06_diversity_map.ipynb") as page:
        panel = lab.panel(page)
        assert panel.texts()[1] == ""
        for option in (1, 2, 3, 4):
            with panel.changes():
                panel.choose("colour", option)
        with panel.changes():
            panel.choose("dataset", 2)
        with panel.changes():
            panel.choose("point", 3)
        picked = panel.control("point").locator("option").nth(3).inner_text().split()[1]
        wait_until(lambda: panel.texts()[1].startswith(picked), "the conversation is not that of the point")
        find = panel.control("find").locator("input")
        find.fill("no such word")
        find.press("Enter")
        wait_until(lambda: "0 of 0 matching points" in panel.status, "the list is not narrowed")


def test_programs_are_run_again_within_a_limit(lab: Lab, browser: Any) -> None:
    with ran(lab, browser, "07_sandbox_check.ipynb") as page:
        panel = lab.panel(page)
        assert "Re-ran " in panel.status, "this machine has no sandbox, see `tdlab sandbox doctor`"
        limit = panel.control("time limit (s)").locator("input")
        limit.fill("2.5")
        limit.press("Tab")
        with panel.changes(timeout_s=60):
            panel.press("Run")
        detail = panel.texts()[1]
        pick = panel.control("program").locator("select")
        pick.select_option(index=4)
        wait_until(lambda: panel.texts()[1] != detail, "the program that was picked is not shown")
        panel.choose("show", 3)
        wait_until(lambda: panel.texts()[1] == "", "programs that ran are listed under those that did not")


def test_no_word_of_a_stranger_is_markup_on_the_page(lab: Lab, browser: Any) -> None:
    services = []
    for service in small_pool().services:
        tools = tuple(tool.model_copy(update={"description": EVIL + tool.description}) for tool in service.tools)
        evil = {"title": EVIL + service.name, "source": EVIL, "description": EVIL, "tools": tools}
        services.append(service.model_copy(update=evil))
    write_pool(ToolPool.from_services(services), lab.folder / "evil.jsonl")
    code = (
        """
import tdlab
from IPython.display import HTML
from tdlab.panels import BlueprintPanel, chat_html, cluster_panel, pool_panel
from tdlab.records import Message, Trajectory
pool = tdlab.ToolPool.load("evil.jsonl")
mined = tdlab.mine(pool)
pool_panel(pool)
""",
        "pool.to_frame(level='service')",
        "cluster_panel(mined)",
        "BlueprintPanel(mined.clusters, pool)",
        f"HTML(chat_html(Trajectory(id='x', messages=(Message(role='user', content={EVIL!r}),))))",
    )
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in code])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(made, lab.folder / "evil.ipynb")
    with ran(lab, browser, "evil.ipynb") as page:
        panel = lab.panel(page)
        panel.choose("source", 1)
        for place in range(3):
            lab.panel(page, place)
        page.locator(".jp-Cell").last.scroll_into_view_if_needed()
        said = page.locator(".jp-RenderedHTML", has_text="window.pwned=1").last
        said.wait_for(state="visible")
        assert EVIL in said.inner_text(), "it is shown, as text"
        assert page.evaluate("() => window.pwned") is None
        assert page.locator("img[src=x]").count() == 0

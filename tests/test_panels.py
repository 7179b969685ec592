"""Test panels: they follow their controls, show errors, and escape untrusted text."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

import tdlab
from tdlab.config import EvolutionConfig
from tdlab.errors import ConfigError
from tdlab.evolution import CachedCandidates, cached_candidates, what_if
from tdlab.panels import Panel, TuningPanel, tune_evolution
from tdlab.plots import (
    WhatIfCanvas,
    compute_acceptance,
    compute_what_if_map,
    plot_acceptance,
    plot_what_if,
    plot_what_if_map,
)
from tests.jobs import small_pool

pytestmark = pytest.mark.usefixtures("no_figures")

CONFIG = tdlab.RunConfig(target=15, seed=2).with_values(evolution__batch=5)


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> CachedCandidates:
    chance = CONFIG.with_values(target=50, evolution__strategy="random")
    out = tmp_path_factory.mktemp("panels") / "run"
    with tdlab.run(chance, out=out, pool=small_pool(), progress=False) as run:
        return cached_candidates(run)


@pytest.fixture
def panel(candidates: CachedCandidates, tmp_path: Path) -> TuningPanel:
    return tune_evolution(candidates, CONFIG, save_to=tmp_path / "tuned.yaml")


@pytest.mark.parametrize(
    ("control", "value"),
    [
        ("domain_threshold", 0.2), ("mode_threshold", 0.0), ("complexity_threshold", 55.0), ("strength", 3.0),
        ("patience", 2), ("budget", 7),
    ],
)  # fmt: skip
def test_a_turned_control_is_what_is_computed_and_seen(panel: TuningPanel, control: str, value: float) -> None:
    before = panel.png
    panel.controls[control].value = value
    assert getattr(panel.config.evolution, control) == value
    assert panel.result is not None
    assert getattr(panel.result.evolution, control) == value
    expected = what_if(panel._candidates, panel.config.evolution, target=CONFIG.target, seed=CONFIG.seed)
    assert panel.result.kept == expected.kept
    assert panel.png[:8] == b"\x89PNG\r\n\x1a\n"
    if control in ("mode_threshold", "budget"):
        assert panel.png != before
    assert expected.stopped.split(":")[0] in panel.status


def test_none_is_spelled_zero(panel: TuningPanel) -> None:
    panel.controls["patience"].value = 0
    panel.controls["budget"].value = 0
    assert panel.config.evolution.patience is None
    assert panel.config.evolution.budget is None


def test_what_is_saved_is_a_config_that_a_run_takes(panel: TuningPanel, tmp_path: Path) -> None:
    panel.controls["complexity_threshold"].value = 41.0
    panel.controls["budget"].value = 12
    panel._button.click()
    saved = tdlab.RunConfig.from_yaml(tmp_path / "tuned.yaml")
    assert saved == panel.config
    assert saved.target == CONFIG.target
    assert (saved.evolution.complexity_threshold, saved.evolution.budget) == (41.0, 12)
    with tdlab.run(saved, out=tmp_path / "run", pool=small_pool(), progress=False) as run:
        assert run.counts().candidates == 12


def test_a_file_that_cannot_be_written_is_shown_and_raised(panel: TuningPanel, tmp_path: Path) -> None:
    panel._file.value = str(tmp_path / "<b>nowhere</b>" / "x.yaml")
    with pytest.raises(ConfigError, match="cannot be written"):
        panel.save()
    assert "cannot be written" in panel.status
    assert "<b>" not in panel.status


def test_a_fault_while_turning_is_shown_and_raised(panel: TuningPanel) -> None:
    picture = panel.png
    panel.controls["mode_threshold"].max = 2.0
    with pytest.raises(ConfigError, match="mode_threshold"):
        panel.controls["mode_threshold"].value = 1.5
    assert "ConfigError" in panel.status
    assert panel.png == picture, "the last good picture stays"


# --- what every panel does


def test_slow_work_says_that_it_is_under_way_and_can_be_started_once() -> None:
    import ipywidgets as widgets

    seen: list[tuple[str, bool]] = []

    def compute(number: int) -> int:
        seen.append((panel.status, button.disabled))
        return 10 // number

    panel = Panel({"number": widgets.IntText(value=5)}, compute=compute, paint=drawn, describe=str, slow=True)
    (button,) = (child for child in panel.widget.children if isinstance(child, widgets.Button))
    assert panel.png == b""
    button.click()
    assert "working …" in seen[0][0]
    assert seen[0][1], "the button can be pressed while it works"
    assert "2  (" in panel.status
    assert not button.disabled
    panel.controls["number"].value = 0
    with pytest.raises(ZeroDivisionError):
        panel.refresh()
    assert "ZeroDivisionError" in panel.status
    assert not button.disabled


def test_a_picture_shrinks_by_a_third_at_most_and_is_never_blown_up() -> None:
    import ipywidgets as widgets

    panel = Panel({"number": widgets.IntText(value=5)}, compute=lambda number: number, paint=drawn)
    width = int.from_bytes(panel.png[16:20])
    (image,) = next(child for child in panel.widget.children if type(child) is widgets.Box).children
    assert image.layout.min_width == f"{width * 2 // 3}px"
    assert (image.layout.max_width, image.layout.align_self) == ("100%", "flex-start")


def drawn(number: int) -> Figure:
    figure = Figure(figsize=(4, 2))
    figure.text(0.5, 0.5, str(number))
    return figure


# --- the figures of a what-if


def test_a_picture_of_the_canvas_depends_on_its_what_if_alone(candidates: CachedCandidates) -> None:
    one = what_if(candidates, EvolutionConfig(batch=5), target=15)
    other = what_if(candidates, EvolutionConfig(batch=5, budget=6), target=15)
    canvas = WhatIfCanvas()
    first = canvas.png(one)
    assert canvas.png(other) != first
    assert canvas.png(one) == first == WhatIfCanvas().png(one)


def test_the_map_and_the_bars_count_every_candidate(candidates: CachedCandidates) -> None:
    found = what_if(candidates, EvolutionConfig(batch=5), target=15)
    bars, cells = compute_acceptance(found), compute_what_if_map(found)
    assert bars["candidates"].sum() == len(candidates)
    assert bars.set_index("outcome").loc["kept", "candidates"] == 15
    frame = found.candidates.explode("kinds")
    for row in cells.to_dict("records"):
        here = frame[(frame["domain"] == row["domain"]) & (frame["kinds"] == row["kind"])]
        kept = here[here["outcome"] == "kept"]
        assert (row["candidates"], row["kept"]) == (len(here), len(kept))
        if len(kept):
            assert row["cac"] == pytest.approx(kept["cac"].mean())
    assert cells["candidates"].sum() == len(frame)
    widths = [patch.get_width() for patch in plot_acceptance(bars).patches]
    assert widths == list(bars["candidates"])
    assert len(plot_what_if(found).axes) == 5, "four plots and the scale of the map"


def test_domains_of_a_hostile_pool_are_drawn_as_they_are(candidates: CachedCandidates) -> None:
    first = candidates.entries[0].heaviest
    named = CachedCandidates(
        candidates.categories,
        tuple(one._replace(heaviest="$\\frac{") if one.heaviest == first else one for one in candidates.entries),
    )
    found = what_if(named, EvolutionConfig(batch=5), target=15)
    ticks = [tick.get_text() for tick in plot_what_if_map(compute_what_if_map(found)).get_yticklabels()]
    assert any(tick.startswith("\\$") for tick in ticks)
    assert WhatIfCanvas().png(found)


def test_a_what_if_that_keeps_nothing_is_drawn(candidates: CachedCandidates) -> None:
    none = CachedCandidates(candidates.categories, tuple(one._replace(verified=False) for one in candidates.entries))
    found = what_if(none, EvolutionConfig(batch=5, dry=2), target=5)
    assert found.kept == []
    assert found.stopped.startswith("dry: ")
    assert WhatIfCanvas().png(found)
    assert plot_what_if(found).axes

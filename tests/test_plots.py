"""Test figures: they show their data, draw any text as it is, and have the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import tdlab
from tdlab.errors import StoreError
from tdlab.plots import (
    PALETTE,
    compute_complexity,
    compute_domains,
    compute_gauges,
    compute_modes,
    figure_png,
    plot_complexity,
    plot_domains,
    plot_gauges,
    plot_modes,
    plot_run,
    save_figure,
)
from tests.jobs import small_pool

TARGET = 14


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tdlab.Run:
    config = tdlab.RunConfig(target=TARGET).with_values(evolution__batch=5)
    return tdlab.run(config, out=tmp_path_factory.mktemp("plots") / "run", pool=small_pool(), progress=False)


def texts(ax: Axes) -> list[str]:
    return [tick.get_text() for tick in ax.get_yticklabels()]


def test_frames_count_every_trajectory(run: tdlab.Run) -> None:
    assert compute_domains(run)["trajectories"].sum() == pytest.approx(TARGET)
    assert len(compute_complexity(run)) == TARGET
    gauges = compute_gauges(run)
    assert set(gauges["gauge"]) == {"domain", "mode", "cac"}
    assert gauges["trajectories"].max() == TARGET
    assert gauges["generation"].nunique() == run.counts().generations
    modes = compute_modes(run)
    assert modes["share"].between(0, 1).all()
    assert modes["share"].is_monotonic_decreasing
    assert modes.set_index("letter")["share"]["reply"] > 0.5


def test_complexity_is_that_of_the_dataset(run: tdlab.Run) -> None:
    report = run.metrics()["diversity"]["cac"]
    assert compute_complexity(run)["cac"].mean() == pytest.approx(report["mean"])


def test_lines_are_the_gauges(run: tdlab.Run) -> None:
    gauges = compute_gauges(run)
    ax = plot_gauges(gauges)
    for line, gauge in zip(ax.get_lines(), ("domain", "mode"), strict=True):
        told = gauges[gauges["gauge"] == gauge]
        assert list(line.get_xdata()) == list(told["trajectories"])
        assert list(line.get_ydata()) == list(told["value"])
    assert [to_hex(line.get_color()) for line in ax.get_lines()] == [PALETTE[0].lower(), PALETTE[5].lower()]
    assert ax.get_lines()[0].get_linestyle() != ax.get_lines()[1].get_linestyle(), "told apart without colour"


def test_bars_are_the_modes_largest_on_top(run: tdlab.Run) -> None:
    modes = compute_modes(run)
    ax = plot_modes(modes)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(list(modes["share"]))
    assert texts(ax) == list(modes["letter"])
    heights = [bar.get_y() for bar in ax.patches]
    assert heights == sorted(heights, reverse=True)


def test_a_histogram_counts_all_and_marks_the_mean() -> None:
    ax = plot_complexity(pd.DataFrame({"trajectory": range(4), "cac": [1.0, 2.0, 3.0, 10.0]}))
    assert sum(bar.get_height() for bar in ax.patches) == 4
    assert list(ax.get_lines()[0].get_xdata()) == [4.0, 4.0]
    assert ax.texts[0].get_text() == "mean 4.0"


def test_many_domains_share_the_last_bar_and_none_is_lost() -> None:
    frame = pd.DataFrame(
        {"domain": [f"d{n}" for n in range(60)], "title": [f"Domain {n}" for n in range(60)], "trajectories": 2.0}
    )
    ax = plot_domains(frame)
    assert sum(bar.get_width() for bar in ax.patches) == 120
    assert texts(ax)[-1] == "21 others"


def test_nothing_to_draw_is_an_empty_figure_and_no_error() -> None:
    assert not list(plot_complexity(pd.DataFrame({"trajectory": [], "cac": []})).patches)
    for plot, columns in (
        (plot_gauges, ["generation", "trajectories", "gauge", "value"]),
        (plot_domains, ["domain", "title", "trajectories"]),
        (plot_modes, ["letter", "share"]),
    ):
        assert figure_png(plot(pd.DataFrame(columns=columns)).figure).startswith(b"\x89PNG")


def test_text_from_a_pool_is_drawn_as_it_is() -> None:
    """Dollar signs start no formula (an unbalanced one would raise), and long names are shortened."""
    names = ["$\\frac{1}{", "a $ b", "x" * 500, "价格 and more"]
    frame = pd.DataFrame({"domain": names, "title": names, "trajectories": [4.0, 3.0, 2.0, 1.0]})
    ax = plot_domains(frame)
    assert figure_png(ax.figure).startswith(b"\x89PNG")
    assert "\N{WHITE SQUARE}\N{WHITE SQUARE} and more" in texts(ax)
    assert max(len(text) for text in texts(ax)) < 40


def test_plots_draw_on_the_axes_they_are_given(run: tdlab.Run) -> None:
    ax = Figure().subplots()
    assert plot_modes(compute_modes(run), ax=ax) is ax


def test_the_figure_names_the_run(run: tdlab.Run) -> None:
    figure = plot_run(run)
    words = " ".join(text.get_text() for text in figure.texts) + figure.get_suptitle()
    assert run.config.digest in words
    assert f"{TARGET} verified trajectories" in words


def test_a_figure_is_the_same_bytes_each_time_and_users_settings_stay(run: tdlab.Run, tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    first = save_figure(plot_run(run), tmp_path / "first")
    again = save_figure(plot_run(run), tmp_path / "again")
    assert [path.suffix for path in first] == [".pdf", ".png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert dict(matplotlib.rcParams) == before


def test_a_place_that_cannot_be_written_is_explained(run: tdlab.Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        save_figure(plot_run(run), tmp_path / "file" / "figure")

"""Test the figure of a pool: it agrees with the frame of tools, whole or filtered, with hostile text too."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure

from tdlab.plots import (
    compute_pool_domains,
    compute_pool_grades,
    compute_service_sizes,
    figure_png,
    plot_pool,
    plot_pool_domains,
    plot_pool_grades,
    plot_pool_trust,
    plot_service_sizes,
    plot_tools,
)
from tdlab.pool import ToolPool
from tdlab.pool.quality import GRADES


@pytest.fixture(scope="module")
def tools() -> pd.DataFrame:
    return ToolPool.bundled().to_frame()


def test_frames_count_every_tool(tools: pd.DataFrame) -> None:
    assert compute_pool_domains(tools)["tools"].sum() == len(tools)
    assert compute_pool_domains(tools)["tools"].is_monotonic_decreasing
    grades = compute_pool_grades(tools)
    assert list(grades.columns) == list(GRADES)
    assert grades.to_numpy().sum() == len(tools)
    sizes = compute_service_sizes(tools)
    assert sizes["tools"].sum() == len(tools)
    assert sizes["service"].is_unique


def test_bars_are_as_long_as_their_numbers(tools: pd.DataFrame) -> None:
    domains = compute_pool_domains(tools)
    ax = plot_pool_domains(domains)
    assert [bar.get_width() for bar in ax.patches] == list(domains["tools"])
    halves = tools.assign(source=["a" if i % 2 else "b" for i in range(len(tools))])
    ax = plot_pool_grades(compute_pool_grades(halves))
    assert sum(bar.get_width() for bar in ax.patches) == len(tools)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    ax = plot_service_sizes(compute_service_sizes(tools))
    assert sum(bar.get_height() for bar in ax.patches) == tools["service"].nunique()
    assert sum(bar.get_height() for bar in plot_pool_trust(tools).patches) == len(tools)


def test_a_filter_that_leaves_nothing_says_so(tools: pd.DataFrame) -> None:
    figure = plot_tools(tools[:0])
    words = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert words == {"no tool matches the filters"}
    assert figure_png(figure).startswith(b"\x89PNG")


def test_names_of_sources_are_drawn_and_not_read(tools: pd.DataFrame) -> None:
    """In matplotlib a dollar sign begins a formula, and a broken formula is an error."""
    odd = tools.assign(source="$\\frac{", domain="<b>$x$</b>")
    figure_png(plot_tools(odd, title="$\\undefined{"))


def test_the_same_pool_gives_the_same_bytes() -> None:
    pool = ToolPool.bundled()
    figure = plot_pool(pool)
    assert isinstance(figure, Figure)
    assert figure_png(figure) == figure_png(plot_pool(ToolPool.bundled()))
    assert any(pool.fingerprint[:16] in text.get_text() for text in figure.texts)

"""Test figures and maps of several datasets: they show what was measured."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tdlab.diversity import DiversityReport, compare
from tdlab.formats import TrajectorySet, export_trajectories
from tdlab.plots import (
    PALETTE,
    compute_comparison,
    figure_png,
    plot_comparison,
    plot_datasets,
    plot_map,
    plot_maps,
    save_figure,
)
from tests.diversity.builders import TOOLS, trajectory
from tests.jobs import in_process

PLANS = (("get_order",), ("find_orders", "create_order"), ("refund_payment",), ("convert_currency", "run_code"))
ENTROPIES = ("domain", "tool_sequence", "signature", "trigrams")


def some_set(name: str, number: int) -> TrajectorySet:
    made = tuple(
        trajectory("u:Go", *[[(tool, {"id": n}, "ok")] for tool in PLANS[n * n % 7 % 4]], "a:Done", id=f"{name}{n}")
        for n in range(number)
    )
    return TrajectorySet(made, dict(TOOLS), {"shop": {"ecommerce": 1.0}, "bank": {"payments": 1.0}})


@pytest.fixture(scope="module")
def reports() -> dict[str, DiversityReport]:
    return compare({"small $x$": some_set("s", 9), "large": some_set("l", 40)}, categories=37, replicates=50)


def words(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_the_frame_has_everything_beside_each_number(reports: dict[str, DiversityReport]) -> None:
    frame = compute_comparison(reports)
    assert frame[["dataset", "metric"]].values.tolist() == [
        [name, metric] for name in reports for metric in (*ENTROPIES, "cac")
    ]
    for row in frame.to_dict("records"):
        report = reports[row["dataset"]]
        if row["metric"] == "cac":
            assert (row["equal_value"], row["equal_low"], row["equal_high"]) == (
                report.cac.mean, report.cac.low, report.cac.high,
            )  # fmt: skip
            assert pd.isna(row["ceiling"])
            continue
        one = getattr(report, row["metric"])
        assert (row["trajectories"], row["k"], row["value"], row["ceiling"]) == (
            report.trajectories if row["metric"] != "trigrams" else one.units, one.k, one.value, one.ceiling,
        )  # fmt: skip
        assert (row["miller_madow"], row["chao_shen"]) == (one.miller_madow, one.chao_shen)
        assert (row["equal_n"], row["equal_value"]) == (9, one.rarefied)
        assert row["equal_low"] <= row["equal_value"] <= row["equal_high"] <= row["equal_ceiling"] + 1e-9
    assert compute_comparison({}).empty


@pytest.mark.parametrize("metric", [*ENTROPIES, "cac"])
def test_dots_lines_and_numbers_are_those_of_the_frame(reports: dict[str, DiversityReport], metric: str) -> None:
    frame = compute_comparison(reports)
    part = frame[frame["metric"] == metric]
    ax = plot_comparison(frame, metric=metric)
    dots = [line for line in ax.get_lines() if line.get_marker() == "o" and line.get_markerfacecolor() != "none"]
    assert [line.get_xdata()[0] for line in dots] == part["equal_value"].tolist()
    assert {to_hex(line.get_color()) for line in dots} == {PALETTE[0].lower()}
    assert ax.get_xlim()[1] >= 1.05 * max(x for line in ax.get_lines() for x in line.get_xdata()), "a dot may be cut"
    spans = [tuple(line.get_xdata()) for line in ax.get_lines() if len(line.get_xdata()) == 2]
    for row in part.itertuples():
        assert (row.equal_low, row.equal_high) in spans
        assert f"[{row.equal_low:.2f}, {row.equal_high:.2f}]" in words(ax)
        assert f"{row.trajectories}" in words(ax)
        if metric != "cac":
            assert (row.equal_ceiling, row.equal_ceiling) in spans
            for number in (row.value, row.ceiling, row.miller_madow, row.chao_shen, row.equal_value):
                assert f"{number:.2f}" in words(ax)
            assert f"{row.k}" in words(ax)
            assert "at N = 9" in words(ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [r"small \$x\$", "large"]


def test_without_a_common_n_nothing_is_made_up(reports: dict[str, DiversityReport]) -> None:
    frame = compute_comparison(reports).assign(
        **{f"equal_{n}": np.nan for n in ("n", "value", "low", "high", "ceiling")}
    )
    ax = plot_comparison(frame, metric="signature")
    assert len(ax.get_lines()) == 2, "the rings of the whole sets"
    assert "–" in words(ax)


def test_any_number_of_datasets_is_one_figure_of_the_same_bytes(
    reports: dict[str, DiversityReport], tmp_path: Path
) -> None:
    for number in (0, 9):
        some = {f"set {n}": reports["large"] for n in range(number)}
        assert [len(ax.get_yticks()) for ax in plot_datasets(some).axes] == [number] * 5
    first, again = (save_figure(plot_datasets(reports), tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_long_names_are_shown_within_the_figure_by_their_ends(reports: dict[str, DiversityReport]) -> None:
    names = [f"runs/of/a/long/evening/{'W' * 40}/set-{n}.jsonl" for n in range(2)]
    figure = plot_datasets(dict.fromkeys(names, reports["large"]))
    FigureCanvasAgg(figure).draw()
    for ax in figure.axes:
        ticks = ax.get_yticklabels()
        assert [tick.get_text().endswith(f"/set-{n}.jsonl") for n, tick in enumerate(ticks)] == [True, True]
        assert min(tick.get_window_extent().x0 for tick in ticks) >= 0.0


# --- the map


def points(number: int, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "dataset": "a", "trajectory": [f"t{n}" for n in range(number)], "x": rng.normal(size=number),
        "y": rng.normal(size=number), "domain": [f"d{n * n % 11}" for n in range(number)], "mode": "read",
        "complexity": np.arange(number, dtype=float), "generation": pd.array([pd.NA] * number, dtype="Int64"),
    })  # fmt: skip
    return frame.assign(**columns)


@pytest.mark.parametrize("colour", ["domain", "mode", "complexity", "generation", "dataset"])
def test_every_trajectory_is_drawn_once_in_any_colour(colour: Any) -> None:
    frame = points(90, generation=pd.array([None, 1, 2] * 30, dtype="Int64"))
    ax = plot_map(frame, colour=colour)
    drawn = np.vstack([np.asarray(part.get_offsets()) for part in ax.collections])
    assert sorted(map(tuple, drawn.tolist())) == sorted(map(tuple, frame[["x", "y"]].to_numpy().tolist()))
    assert figure_png(ax.figure).startswith(b"\x89PNG")


def test_the_commonest_have_a_colour_and_a_shape_and_the_rest_is_counted() -> None:
    frame = points(200, domain=[f"d{min(n % 12, n % 7)}" for n in range(200)])
    ax = plot_map(frame)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    counts = frame["domain"].value_counts()
    assert len(names) == min(7, len(counts)) + (len(counts) > 7)
    assert sum(int(name.rpartition("(")[2].rstrip(")")) for name in names) == 200
    many = plot_map(points(200, domain=[f"d{n % 30}" for n in range(200)]))
    assert many.get_legend().get_texts()[0].get_text() == "23 others (151)"
    paints = {to_hex(part.get_facecolor()[0]) for part in many.collections}
    assert len(paints) == 8
    assert PALETTE[6].lower() not in paints, "yellow is too pale"


def test_clumps_are_numbered_and_a_row_is_ringed() -> None:
    frame = points(30)
    clumps = pd.DataFrame({"clump": range(1, 21), "x": np.arange(20.0), "y": 0.0})
    ax = plot_map(frame, collapses=clumps, ring=4)
    assert words(ax) == [str(n) for n in range(1, 13)]
    (ring,) = ax.get_lines()
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (frame["x"][4], frame["y"][4])


def test_an_empty_map_and_hostile_names_are_drawn() -> None:
    assert figure_png(plot_map(points(0)).figure).startswith(b"\x89PNG")
    assert figure_png(plot_map(points(0), colour="complexity").figure).startswith(b"\x89PNG")
    names = ["$\\frac{1}{", "_hidden", "x" * 500]
    ax = plot_map(points(30, domain=names * 10), ax=Figure().subplots())
    assert figure_png(ax.figure).startswith(b"\x89PNG")
    assert len(ax.get_legend().get_texts()) == 3, "a leading underscore hides nothing"


# --- the commands


def test_profile_draws_what_it_prints_and_map_names_and_draws(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    command = partial(in_process, monkeypatch, capsys)
    for name, number in (("a", 6), ("b", 5)):
        one = some_set(name, number)
        export_trajectories(one.trajectories, one.tools, tmp_path / f"{name}.jsonl", services=one.domains)
    with (tmp_path / "a.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"messages": [\n{"neither": 1}\n')
    files = (tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    status, out, err = command("profile", *files, "--figure", tmp_path / "sets.pdf", "--equal-n", 4)
    assert status == 0, err
    assert "H_dom" in out
    assert "a.jsonl: line 7: is not JSON" in err
    assert "a.jsonl: line 8: has no known format" in err
    assert {path.name for path in tmp_path.glob("sets*")} == {"sets.pdf", "sets.png"}
    status, out, err = command("map", *files, "--figure", tmp_path / "map", "--likeness", 0.5)
    assert status == 0, err
    assert "Collapses: " in out
    assert "Holes: 0 missing" in out
    assert {path.name for path in tmp_path.glob("map*")} == {"map.pdf", "map.png"}
    status, out, _ = command("map", *files, "--json")
    assert (status, out[:1]) == (0, "{")
    status, _, err = command("map", *files, "--by", "colour")
    assert (status, "text, structure or both" in err) == (2, True)
    status, _, err = command("profile", tmp_path / "nowhere.jsonl")
    assert (status, "cannot be read" in err) == (2, True)


def test_a_map_in_its_colours_has_a_part_for_each() -> None:
    from tdlab.embedding import TrajectoryMap

    frame = points(20, generation=pd.array([1, 2] * 10, dtype="Int64"))
    titled = [
        ax.get_title(loc="left")
        for ax in plot_maps(TrajectoryMap(frame, np.ones((20, 2)), "umap", "text", {})).axes
        if ax.axison and ax.get_title(loc="left")
    ]
    assert titled == [f"20 trajectories by {name}" for name in ("domain", "mode", "complexity", "generation")]

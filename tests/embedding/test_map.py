"""Test the map: sources of its points, records behind them, the cache, holes and collapses."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tdlab
from tdlab.diversity import ALPHABET
from tdlab.embedding import (
    MODE_FAMILIES,
    TrajectoryMap,
    collapses,
    holes,
    map_trajectories,
    mode_family,
    trajectory_text,
)
from tdlab.errors import ConfigError, RunNotFound
from tdlab.formats import TrajectorySet, export_trajectories, scan_trajectories
from tdlab.panels import chat_html, map_panel
from tdlab.records import Message, ToolCall, Trajectory
from tests.diversity.builders import DOMAINS, TOOLS, trajectory
from tests.jobs import small_pool

PLANS = (("get_order",), ("find_orders", "create_order"), ("refund_payment",), ("convert_currency", "run_code"))
HOSTILE = "<img src=x onerror=alert(1)>"

pytestmark = pytest.mark.usefixtures("no_figures")


def told(number: int, plan: tuple[str, ...], word: str) -> Trajectory:
    calls = [[(name, {"order_id": f"{word}{number}"}, "ok")] for name in plan]
    return trajectory(f"u:Please help with my {word} {word}", *calls, f"a:The {word} is settled", id=f"{word}{number}")


def some_set(word: str, number: int) -> TrajectorySet:
    return TrajectorySet(tuple(told(n, PLANS[n % 4], word) for n in range(number)), dict(TOOLS), dict(DOMAINS))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tdlab.Run:
    config = tdlab.RunConfig(target=12).with_values(evolution__batch=4)
    return tdlab.run(config, out=tmp_path_factory.mktemp("map") / "run", pool=small_pool(), progress=False)


@pytest.fixture(scope="module")
def found(run: tdlab.Run) -> TrajectoryMap:
    return map_trajectories({"teas": some_set("tea", 20), "ships": some_set("ship", 12), "run": run}, cache=False)


def test_every_trajectory_is_a_point_that_leads_back_to_it(found: TrajectoryMap, run: tdlab.Run) -> None:
    frame = found.frame
    assert len(found) == len(frame) == 44
    assert found.method == "umap"
    assert Counter(frame["dataset"]) == {"teas": 20, "ships": 12, "run": 12}
    assert np.isfinite(frame[["x", "y"]].to_numpy()).all()
    assert not frame[["x", "y"]].duplicated().all()
    for row in (0, 25, 40):
        assert found.trajectory(row).id == frame["trajectory"][row]
    assert found.trajectory(40) == run.trajectory(frame["trajectory"][40])
    assert frame["generation"].isna().sum() == 32
    expected = run.trajectories()
    assert frame["generation"][32:].tolist() == expected["generation"].tolist()
    assert frame["calls"][32:].tolist() == expected["calls"].tolist()
    assert frame["mode"][:4].tolist() == ["read", "write", "write", "code"]
    assert frame["domain"][2] == "payments", "of two equal shares the first by name"
    assert frame["opening"][0] == "Please help with my tea tea"
    for row in (-1, 44):
        with pytest.raises(ConfigError, match="a row of its frame"):
            found.trajectory(row)


def test_words_of_one_kind_lie_together(found: TrajectoryMap) -> None:
    plane = found.frame[["x", "y"]].to_numpy()
    dataset = found.frame["dataset"].to_numpy()
    apart = np.linalg.norm(plane[:, None] - plane[None], axis=2) + np.diag([np.inf] * len(plane))
    assert (dataset[apart.argmin(axis=1)] == dataset).mean() > 0.9


def test_paths_and_streams_are_mapped_as_what_they_hold(run: tdlab.Run, tmp_path: Path) -> None:
    teas = some_set("tea", 8)
    export_trajectories(teas.trajectories, teas.tools, tmp_path / "teas.jsonl", services=teas.domains)
    given = {"run": run.path, "file": tmp_path / "teas.jsonl", "stream": scan_trajectories(tmp_path / "teas.jsonl")}
    mixed = map_trajectories(given, by="both", cache=False)
    assert Counter(mixed.frame["dataset"]) == {"run": 12, "file": 8, "stream": 8}
    assert mixed.trajectory(27).messages == mixed.trajectory(19).messages == teas.trajectories[7].messages
    assert mixed.frame["generation"][:12].notna().all()
    (tmp_path / "teas.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(RunNotFound, match="the file as it was"):
        mixed.trajectory(27)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("by", ["text", "structure", "both"])
def test_small_sets_are_laid_out_without_umap(size: int, by: Any) -> None:
    small = map_trajectories({"a": some_set("tea", size)}, by=by, cache=False)
    assert (len(small), small.method) == (size, "principal components")
    assert np.isfinite(small.frame[["x", "y"]].to_numpy()).all()


def test_an_empty_set_is_an_empty_map() -> None:
    empty = map_trajectories({"a": TrajectorySet(())}, cache=False)
    assert len(empty) == 0
    assert holes(empty.frame).empty
    assert collapses(empty).empty


def test_a_map_is_laid_out_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    laid: list[int] = []

    def layout(vectors: Any, **options: Any) -> Any:
        laid.append(len(vectors))
        return np.random.default_rng(len(laid)).normal(size=(len(vectors), 2)).astype(np.float32)

    monkeypatch.setattr("tdlab.embedding._map.layout", layout)
    sets = {"a": some_set("tea", 6)}
    first = map_trajectories(sets, cache=tmp_path)
    again = map_trajectories(sets, cache=tmp_path)
    pd.testing.assert_frame_equal(first.frame, again.frame)
    assert (first.vectors == again.vectors).all()
    assert len(laid) == 1
    map_trajectories({"named otherwise": some_set("tea", 6)}, cache=tmp_path)
    assert len(laid) == 1, "by content"
    map_trajectories(sets, cache=tmp_path, seed=1)
    map_trajectories(sets, cache=tmp_path, by="both")
    map_trajectories({"a": some_set("ship", 6)}, cache=tmp_path)
    map_trajectories(sets, cache=tmp_path, encoder=lambda texts: [[len(text), 1.0] for text in texts])
    map_trajectories(sets, cache=tmp_path, encoder=lambda texts: [[1.0, len(text)] for text in texts])
    assert len(laid) == 6, "another seed, kind, content or encoder is another map"
    for file in (tmp_path / "maps").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    map_trajectories(sets, cache=tmp_path)
    assert len(laid) == 7, "a damaged file is made anew"
    kept = sorted(tmp_path.rglob("*"))
    map_trajectories(sets, cache=False)
    assert (len(laid), sorted(tmp_path.rglob("*"))) == (8, kept)


def test_what_cannot_be_mapped_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="text, structure or both"):
        map_trajectories({"a": some_set("tea", 1)}, by="colour")
    with pytest.raises(ConfigError, match="at least one"):
        map_trajectories({})
    (tmp_path / "file").touch()
    with pytest.raises(tdlab.TdlabError, match="cache=False"):
        map_trajectories({"a": some_set("tea", 1)}, cache=tmp_path / "file")


def test_every_letter_has_a_family_and_every_family_a_letter() -> None:
    assert {mode_family((letter,)) for letter in ALPHABET} | {mode_family(())} == set(MODE_FAMILIES)
    assert mode_family(("read", "error", "reply")) == "recover"
    assert mode_family(("search", "parallel-4+", "read", "reply")) == "parallel"


# --- holes and collapses


def cells(counts: dict[tuple[str, str], int], dataset: str = "a") -> pd.DataFrame:
    rows = [(dataset, domain, mode) for (domain, mode), n in counts.items() for _ in range(n)]
    return pd.DataFrame(rows, columns=["dataset", "domain", "mode"])


def test_a_hole_is_a_cell_that_chance_would_not_leave_so_empty() -> None:
    frame = cells({("x", "read"): 40, ("x", "write"): 40, ("y", "read"): 40, ("y", "write"): 3, ("z", "read"): 2})
    missing = holes(frame, domains=["x", "w"], modes=["read", "code"])
    assert missing[["domain", "mode", "kind", "trajectories"]].values.tolist() == [
        ["w", "", "no such domain", 0],
        ["", "code", "no such mode", 0],
        ["y", "write", "thin", 3],
    ], "z has no write either, and with two trajectories that is no wonder"
    assert missing["expected"][2] == pytest.approx(43 * 43 / 125)
    assert missing["chance"][2] < 1e-3
    full = pd.concat([frame, cells({("x", "read"): 9}, "b")])
    assert set(holes(full, modes=["write"])["dataset"]) == {"a", "b"}, "each dataset by itself"
    assert holes(cells({("x", "read"): 50, ("y", "write"): 50}))["kind"].tolist() == ["empty", "empty"]
    with pytest.raises(ConfigError, match="between 0 and 1"):
        holes(frame, level=0)


def test_repetition_is_found_and_named() -> None:
    same = [told(n, PLANS[0], "tea") for n in range(7)]
    others = [told(50 + n, PLANS[n % 4], word) for n, word in enumerate(("moon", "rock", "wine", "boat", "gold") * 2)]
    found = map_trajectories({"a": TrajectorySet((*others, *same), dict(TOOLS), dict(DOMAINS))}, cache=False)
    clumps = collapses(found, similarity=0.99, smallest=4)
    assert clumps[["clump", "trajectories", "domain", "mode", "tool_sequence"]].values.tolist() == [
        [1, 7, "ecommerce", "read", "shop/get_order"]
    ]
    assert clumps["members"][0] == list(range(10, 17))
    row = clumps["row"][0]
    assert clumps["example"][0] == found.frame["trajectory"][row]
    assert (clumps["x"][0], clumps["y"][0]) == (found.frame["x"][row], found.frame["y"][row])
    assert clumps["share"][0] == 7 / 17
    assert collapses(found, similarity=0.99, smallest=8).empty
    with pytest.raises(ConfigError, match="clumps of at least 2"):
        collapses(found, smallest=1)


@pytest.mark.parametrize("same_tools", [True, False])
def test_members_are_as_like_as_promised_and_in_one_clump(found: TrajectoryMap, same_tools: bool) -> None:
    clumps = collapses(found, similarity=0.9, smallest=2, same_tools=same_tools)
    members = [member for clump in clumps["members"] for member in clump]
    assert len(members) == len(set(members)) > 0
    assert clumps["trajectories"].is_monotonic_decreasing
    for clump in clumps.itertuples():
        likeness = found.vectors[clump.members] @ found.vectors[clump.row]
        assert likeness.min() >= 0.9 - 1e-5
        assert clump.row in clump.members
        assert not same_tools or found.frame["tool_sequence"][clump.members].nunique() == 1


# --- the panel


def test_only_collapses_of_shown_points_are_numbered(found: TrajectoryMap) -> None:
    clumps = collapses(found, similarity=0.9)
    panel = map_panel(found, collapses=clumps)

    def numbered() -> set[str]:
        return {text.get_text() for text in panel._figure(panel._view(**panel.values)).axes[0].texts}

    assert numbered() == {str(number) for number in clumps["clump"].head(12)}
    panel.controls["dataset"].value = "run"
    there = set(found.frame.index[found.frame["dataset"] == "run"])
    expected = {str(c.clump) for c in clumps.itertuples() if there & set(c.members)}
    assert numbered() == expected
    assert len(expected) < len(clumps)


def test_a_point_opens_its_trajectory(found: TrajectoryMap) -> None:
    panel = map_panel(found, collapses=collapses(found, similarity=0.9))
    before = panel.png
    assert before.startswith(b"\x89PNG")
    assert panel.chat == ""
    panel.controls["point"].value = 25
    assert panel.chat == chat_html(found.trajectory(25))
    assert "settled" in panel.chat
    assert panel.png != before, "the point is ringed"
    panel.controls["dataset"].value = "run"
    assert [row for _, row in panel.controls["point"].options] == [None, *range(32, 44)]
    assert (panel.controls["point"].value, panel.chat) == (None, ""), "it is not of that dataset"
    assert panel.result is not None
    assert len(panel.result.frame) == 12
    panel.controls["point"].value = 33
    panel.controls["colour"].value = "generation"
    assert (panel.controls["point"].value, panel.result.row) == (33, 33), "a colour leaves the point"
    panel.controls["dataset"].value = "all datasets"
    panel.controls["find"].value = " SHIP "
    assert [row for _, row in panel.controls["point"].options] == [None, *range(20, 32)]
    assert "12 of 12 matching points listed" in panel.status
    panel.controls["find"].value = "[("
    assert [row for _, row in panel.controls["point"].options] == [None], "it is text, not a pattern"


def test_what_is_not_listed_is_counted() -> None:
    many = some_set("tea", 230)
    frame = pd.DataFrame({
        "dataset": "a", "trajectory": [one.id for one in many.trajectories], "x": range(230), "y": 0.0, "domain": "d",
        "mode": "read", "signature": "", "tool_sequence": "", "complexity": 1.0, "calls": 1, "generation": pd.NA,
        "opening": "",
    })  # fmt: skip
    panel = map_panel(TrajectoryMap(frame, np.ones((230, 2)), "umap", "text", {}))
    assert "200 of 230 matching points listed" in panel.status


def test_a_failure_is_shown_and_raised(found: TrajectoryMap) -> None:
    broken = TrajectoryMap(
        found.frame, found.vectors, "umap", "text", dict.fromkeys(("teas", "ships", "run"), broken_source)
    )
    panel = map_panel(broken)
    with pytest.raises(RuntimeError, match="gone"):
        panel.controls["point"].value = 1
    assert "RuntimeError: &lt;gone&gt;" in panel.status


def broken_source(wanted: str) -> Trajectory:
    raise RuntimeError("<gone>")


def test_nothing_of_a_conversation_is_read_as_markup() -> None:
    call = ToolCall(id=HOSTILE, name=HOSTILE, arguments={HOSTILE: [HOSTILE]})
    messages = (
        *(Message(role=role, content=HOSTILE + "\x1b[31m\u202e\ud800") for role in ("system", "user", "assistant")),
        Message(role="assistant", tool_calls=(call, ToolCall(id="2", name="f", malformed=HOSTILE))),
        Message(role="tool", tool_call_id=HOSTILE, content=HOSTILE + "y" * 5000, is_error=True),
    )
    shown = chat_html(Trajectory(id=HOSTILE, messages=messages))
    assert "<img" not in shown
    assert shown.count("&lt;img") == 9
    assert not {"\x1b", "\u202e", "\ud800"} & set(shown)
    assert "(1,028 more characters)" in shown
    assert "tool (error)" in shown
    hostile = TrajectorySet(tuple(Trajectory(id=f"{HOSTILE}{n}", messages=messages) for n in range(3)))
    panel = map_panel(map_trajectories({HOSTILE: hostile}, cache=False))
    panel.controls["point"].value = 1
    assert "<img" not in panel.chat + panel.status
    assert json.dumps(trajectory_text(hostile.trajectories[0]))

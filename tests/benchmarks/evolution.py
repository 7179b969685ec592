"""What steering is worth, and how quickly the panel redraws.

``python -m tests.benchmarks.evolution bars --out FOLDER --target 500 --seeds 5 --workers 2`` runs the ablation and
holds it against the bars below; ``--pool FILE`` on another pool, ``--arms evolved,random`` for some of them. It
resumes, and a folder that is complete is read again.

``python -m tests.benchmarks.evolution redraw --candidates 1000`` turns the panel's thresholds, one after the other,
over that many candidates of a random run: milliseconds from the change to the new picture, beside those of drawing the
same figure whole, in the same process.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

import tdlab
from tdlab.evolution import cached_candidates
from tdlab.evolution.ablation_tables import ARMS, METRICS
from tdlab.panels import tune_evolution
from tdlab.plots import figure_png, plot_what_if

AGAINST_RANDOM = {"signature": 1.15, "trigrams": 1.15, "cac": 1.3}
"""Metric -> how many times random's it should be, with intervals that do not overlap."""

PAPER = {"domain": 1.98, "tool_sequence": 1.65}
"""The paper's own ratios of the evolved set to its baseline: H_dom 4.25 / 2.15, H_mode 8.97 / 5.42."""

OWN_METRIC = {"no_domain_gauge": "domain", "no_mode_gauge": "trigrams", "no_cac_gauge": "cac"}


def bars(table: pd.DataFrame, *, of_ceiling: float) -> list[tuple[str, str, bool | None]]:
    """Each bar: what is claimed, what was measured, and whether it is met (None: nothing to judge)."""
    rows = {(row["metric"], row["arm"]): row for row in table.to_dict("records")}
    arms = set(table["arm"])
    evolved: dict[str, Any] = {metric: rows[metric, "evolved"] for metric in METRICS}
    share = evolved["domain"]["share"]
    found: list[tuple[str, str, bool | None]] = [
        (f"H_dom at least {of_ceiling} of its ceiling", f"{share:.3f}", share >= of_ceiling)
    ]
    if "random" in arms:
        other = rows["domain", "random"]["share"]
        found.append(("H_dom of random, of its ceiling", f"{other:.3f}", None))
        for metric, least in AGAINST_RANDOM.items():
            one = evolved[metric]
            told = f"{one['ratio']:.3f} ({one['ratio_low']:.3f} to {one['ratio_high']:.3f}), apart: {one['apart']}"
            if metric == "signature":
                told += f"; N allows {one['ceiling'] / rows[metric, 'random']['mean']:.3f} at most"
            met = bool(one["ratio"] >= least and one["apart"])
            found.append((f"{METRICS[metric]} at least {least} times random's, intervals apart", told, met))
        ratio = evolved["verified"]["ratio"]
        found.append(("verification rate at least 0.95 of random's", f"{ratio:.3f}", ratio >= 0.95))
    if "quantity" in arms:
        for metric in ("domain", "signature", "trigrams", "tool_sequence", "cac"):
            ratio = evolved[metric]["mean"] / rows[metric, "quantity"]["mean"]
            paper = f" (paper: {PAPER[metric]})" if metric in PAPER else ""
            found.append((f"{METRICS[metric]} to quantity's{paper}", f"{ratio:.2f}", None))
    for arm, metric in OWN_METRIC.items():
        if arm in arms:
            off, on = rows[metric, arm], evolved[metric]
            told = f"{off['mean']:.3f} ({off['low']:.3f} to {off['high']:.3f}) against {on['mean']:.3f} "
            told += f"({on['low']:.3f} to {on['high']:.3f})"
            found.append((f"{arm}: {METRICS[metric]} falls, intervals apart", told, bool(off["high"] < on["low"])))
    return found


def redraw(candidates: int, *, target: int) -> dict[str, float]:
    """Milliseconds of a change of a threshold (median and worst), and of drawing the figure whole (median)."""
    with tempfile.TemporaryDirectory() as folder:
        chance = tdlab.RunConfig(target=candidates).with_values(evolution__strategy="random")
        with tdlab.run(chance, out=Path(folder) / "run", progress=False) as run:
            cached = cached_candidates(run)
        panel = tune_evolution(cached, tdlab.RunConfig(target=target))
        took = []
        for step in range(1, 9):
            for name, value in (
                ("domain_threshold", 1.0 - 0.1 * step),
                ("mode_threshold", 0.85 - 0.1 * step),
                ("complexity_threshold", 4.0 * step),
            ):
                began = time.perf_counter()
                panel.controls[name].value = value
                took.append(1000 * (time.perf_counter() - began))
        assert panel.result is not None
        whole = []
        for _ in range(5):
            began = time.perf_counter()
            figure_png(plot_what_if(panel.result), dpi=100)
            whole.append(1000 * (time.perf_counter() - began))
    return {"median": statistics.median(took), "worst": max(took), "whole_figure": statistics.median(whole)}


def main() -> None:
    """Run one of the two and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    steering = commands.add_parser("bars")
    steering.add_argument("--out", required=True)
    steering.add_argument("--pool", default="bundled")
    steering.add_argument("--target", type=int, default=500)
    steering.add_argument("--seeds", type=int, default=5)
    steering.add_argument("--workers", type=int, default=1)
    steering.add_argument("--arms", default=",".join(ARMS))
    steering.add_argument("--of-ceiling", type=float, default=0.97, help="the bar for H_dom")
    drawing = commands.add_parser("redraw")
    drawing.add_argument("--candidates", type=int, default=1000)
    drawing.add_argument("--target", type=int, default=250)
    options = parser.parse_args()
    if options.command == "redraw":
        found = redraw(options.candidates, target=options.target)
        print(f"{options.candidates} candidates, {options.target} kept; milliseconds from a change to its picture:")
        print(
            f"median {found['median']:.0f}, worst of 24 {found['worst']:.0f}; the figure drawn whole (no replay) ",
            end="",
        )
        print(f"{found['whole_figure']:.0f}, {found['whole_figure'] / found['median']:.1f} times the median")
        return
    config = tdlab.RunConfig(target=options.target, pool=options.pool)
    arms = options.arms.split(",")
    ablation = tdlab.ablate(config, out=options.out, arms=arms, seeds=options.seeds, workers=options.workers)
    first = ablation.table.iloc[0]
    print(f"pool {options.pool}, N = {first['n']}, {first['seeds']} seeds, 95 % intervals")
    for claim, told, met in bars(ablation.table, of_ceiling=options.of_ceiling):
        print(f"{ {True: 'met    ', False: 'NOT MET', None: '       '}[met] }  {claim}: {told}")


if __name__ == "__main__":
    main()

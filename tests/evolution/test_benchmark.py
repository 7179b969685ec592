"""Test the benchmark of steering at a small size: its claims agree with the table, and the panel is operated."""

from __future__ import annotations

import pandas as pd
import pytest

from tdlab.evolution.ablation_tables import METRICS, pool_cells
from tests.benchmarks.evolution import bars, redraw


def cells(**means: dict[str, float]) -> pd.DataFrame:
    """Return three seeds per arm, a hundredth apart; every metric is 1 except the named ones."""
    return pd.DataFrame(
        {"arm": arm, "seed": seed, "metric": metric, "value": given.get(metric, 1.0) * (0.99 + 0.01 * seed),
         "ceiling": 1.2, "n": 9}
        for arm, given in means.items() for metric in METRICS for seed in range(3)
    )  # fmt: skip


def test_a_bar_is_met_where_the_ratio_is_reached_and_the_intervals_are_apart() -> None:
    table = pool_cells(
        cells(
            evolved={"domain": 1.17, "trigrams": 1.2, "signature": 1.1, "cac": 1.4, "verified": 0.96},
            random={},
            quantity={"tool_sequence": 0.5},
            no_mode_gauge={"trigrams": 1.0},
            no_cac_gauge={"cac": 1.39},
        )
    )
    found = {claim: (told, met) for claim, told, met in bars(table, of_ceiling=0.97)}
    verdicts = {claim.split(" at least")[0].split(":")[0]: met for claim, (_, met) in found.items()}
    assert verdicts["H_dom"] is True
    assert verdicts["H_mode, trigrams (bits)"] is True
    assert verdicts["H_mode, signature (bits)"] is False
    assert verdicts["mean CAC"] is True
    assert verdicts["verification rate"] is True
    assert verdicts["no_mode_gauge"] is True
    assert verdicts["no_cac_gauge"] is False, "lower, but within the intervals"
    assert found["H_mode, tool sequence (bits) to quantity's (paper: 1.65)"][0] == "2.00"
    told = next(told for claim, (told, _) in found.items() if claim.startswith("H_mode, signature (bits) at least"))
    assert told.endswith("N allows 1.200 at most")


@pytest.mark.slow
def test_the_panel_is_turned_and_timed() -> None:
    found = redraw(60, target=20)
    assert 0 < found["median"] <= found["worst"]
    assert found["whole_figure"] > 0

"""The ablation: the evolution, its controls and the evolution with each part taken away, at equal N, over seeds.

`ablate` makes a run directory for each cell, in worker processes, and resumes what was interrupted: a cell that is
complete is not made again. Then it writes the table and the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tdlab.clusters import MiningResult, mine
from tdlab.config import RunConfig
from tdlab.errors import ConfigError, RunNotFound
from tdlab.evolution import (
    ARMS,
    Cell,
    Measured,
    ProcessPool,
    ablation_cells,
    ablation_markdown,
    measure_run,
    pool_cells,
    tabulate,
)
from tdlab.jobs.progress import Reporter
from tdlab.jobs.run import run
from tdlab.plots import plot_ablation, save_figure
from tdlab.pool import ToolPool
from tdlab.store import RunStore, atomic_write, open_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Ablation", "ablate"]


class Ablation(NamedTuple):
    """What an ablation found: ``table`` pooled over seeds, ``cells`` one by one, and where its files are.

    ``table`` is as `tdlab.evolution.ablation_tables.pool_cells` gives it, ``cells`` as `tabulate` does.
    """

    table: pd.DataFrame
    cells: pd.DataFrame
    path: Path


def ablate(
    config: RunConfig | None = None,
    *,
    out: str | Path,
    pool: ToolPool | None = None,
    arms: Sequence[str] = tuple(ARMS),
    seeds: int | Sequence[int] = 5,
    workers: int = 1,
    progress: bool = True,
) -> Ablation:
    """Run every arm on every seed in folder ``out`` and compare them at equal N.

    ``config`` is what all arms share: its target is each cell's N, its thresholds are those of the arms that steer.
    ``seeds`` is how many, counted from ``config.seed``, or which. ``workers`` is the number of processes, each of which
    makes whole cells. The same call resumes; what is complete is not made again, and nothing depends on ``workers``.

    In ``out``: a run directory a cell (``evolved-seed0``), ``ablation.csv`` and ``ablation.md`` (pooled),
    ``ablation_cells.csv``, ``ablation.pdf`` and ``ablation.png``. Raises what `tdlab.run` raises; ConfigError for an
    unknown arm.
    """
    config = config or RunConfig()
    if config.rollout.environment == "live":
        raise ConfigError("an ablation on live servers", expected="a simulated environment", do="leave --servers out")
    if workers < 1:
        raise ConfigError(f"workers is {workers}", expected="1 or more", do="leave it out for one process")
    numbers = range(config.seed, config.seed + seeds) if isinstance(seeds, int) else seeds
    cells = ablation_cells(config, arms, list(numbers))
    folder = Path(out)
    measured: list[Measured] = []
    with Reporter(enabled=progress) as reporter:
        reporter.stage("cells", total=len(cells))
        with ProcessPool(_Maker(folder, pool), workers, name="set of cells", singly=True) as process_pool:
            for made in process_pool.produce(cells):
                measured.append(made)
                reporter.update(len(measured), note=f"{made.cell}: {made.trajectories} of {made.tried} tried")
        reporter.stage("files")
        frame = tabulate(cells, measured)
        table = pool_cells(frame)
        atomic_write(folder / "ablation.csv", table.to_csv(index=False).encode())
        atomic_write(folder / "ablation_cells.csv", frame.to_csv(index=False).encode())
        short = [
            f"- {one.cell} has {one.trajectories} of {config.target} trajectories ({one.status})\n"
            for one in measured
            if one.trajectories < config.target
        ]
        notes = "Short of the target:\n\n" + "".join(short) if short else ""
        atomic_write(folder / "ablation.md", (ablation_markdown(table) + notes).encode())
        margin = f"config {config.digest} · target {config.target} · seeds {', '.join(map(str, numbers))}"
        save_figure(plot_ablation(table, margin=margin), folder / "ablation")
    return Ablation(table, frame, folder)


class _Maker:
    """Makes and measures cells; in a worker it keeps the pool and the mining of the seed at hand."""

    def __init__(self, folder: Path, pool: ToolPool | None) -> None:
        self._folder = folder
        self._pool = pool
        self._mined: tuple[int, MiningResult] | None = None

    def produce(self, cell: Cell) -> Measured:
        """The cell's run, made or resumed where it is not complete, and measured."""
        place = self._folder / cell.name
        if self._pool is None:
            named = cell.config.pool
            self._pool = ToolPool.bundled() if named == "bundled" else ToolPool.load(named)
        if not _is_complete(place, cell.config, self._pool):
            if self._mined is None or self._mined[0] != cell.seed:
                self._mined = cell.seed, mine(self._pool, cell.config.clusters, seed=cell.seed)
            run(cell.config, out=place, pool=self._pool, mined=self._mined[1], progress=False).close()
        with open_run(place) as made:
            return measure_run(made.store, cell=cell.name)


def _is_complete(place: Path, config: RunConfig, pool: ToolPool) -> bool:
    try:
        store = RunStore.open(place)
    except RunNotFound:
        return False
    with store:
        same = store.config.digest == config.digest and store.pool_fingerprint == pool.fingerprint
        return same and store.status == "complete"

"""The ablation: compare evolution, its controls, and evolution without each gauge, at equal N over several seeds.

`ablate` makes one run directory per cell (arm and seed) in worker processes, then writes the table and the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tdlab.clusters import MiningResult, mine
from tdlab.config import ClusterConfig, RunConfig
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
    """Result of an ablation.

    ``table`` is pooled over seeds (the columns of `tdlab.evolution.pool_cells`), ``cells`` has one row per cell and
    metric (the columns of `tdlab.evolution.tabulate`), and ``path`` is the folder of its files.
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
    """Run every arm with every seed and compare them at equal N.

    Re-running the same call resumes an interrupted ablation; complete cells are not recomputed. Results do not depend
    on ``workers``.

    Args:
        config: Settings shared by all arms; ``target`` is the N of every cell.
        out: Folder of one run directory per cell (such as ``evolved-seed0``), the tables ``ablation.csv``,
            ``ablation.md`` and ``ablation_cells.csv``, and the figure as PDF and PNG.
        pool: Tools to use instead of ``config.pool``.
        arms: Names of arms, from `tdlab.evolution.ARMS`.
        seeds: Number of seeds, counted from ``config.seed``, or the seeds themselves.
        workers: Number of worker processes; each makes whole cells.
        progress: Show a progress bar.

    Returns:
        The tables, and the folder.

    Raises:
        ConfigError: An arm is unknown, ``workers`` is below 1, or the environment is live.
        PoolError: The pool cannot be read or yields no cluster.
        StoreError: A run directory cannot be read or written, or holds another run.
        WorkerError: Worker processes kept dying.

    Example:
        >>> import tempfile
        >>> from tdlab.config import RunConfig
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     arms = ("evolved", "random")
        ...     ablation = ablate(RunConfig(target=3), out=folder, arms=arms, seeds=1, progress=False)
        >>> sorted(set(ablation.table["arm"]))
        ['evolved', 'random']
    """
    config = config or RunConfig()
    if config.rollout.environment == "live":
        raise ConfigError(
            "rollout.environment is live",
            expected="simulated: an ablation does not run on live servers",
            do="set rollout.environment to simulated",
        )
    if workers < 1:
        raise ConfigError(f"workers is {workers}", expected="1 or more", do="leave it out for one process")
    numbers = range(config.seed, config.seed + seeds) if isinstance(seeds, int) else seeds
    cells = ablation_cells(config, arms, list(numbers))
    folder = Path(out)
    measured: list[Measured] = []
    with Reporter(enabled=progress) as reporter:
        reporter.stage("cells", total=len(cells))
        with ProcessPool(_CellRunner(folder, pool), workers, name="set of cells", singly=True) as process_pool:
            for cell in process_pool.produce(cells):
                measured.append(cell)
                reporter.update(len(measured), note=f"{cell.cell}: {cell.trajectories} of {cell.tried} tried")
        reporter.stage("files")
        frame = tabulate(cells, measured)
        table = pool_cells(frame)
        atomic_write(folder / "ablation.csv", table.to_csv(index=False).encode())
        atomic_write(folder / "ablation_cells.csv", frame.to_csv(index=False).encode())
        short = [
            f"- {cell.cell} has {cell.trajectories} of {config.target} trajectories ({cell.status})\n"
            for cell in measured
            if cell.trajectories < config.target
        ]
        notes = "Short of the target:\n\n" + "".join(short) if short else ""
        atomic_write(folder / "ablation.md", (ablation_markdown(table) + notes).encode())
        margin = f"config {config.digest} · target {config.target} · seeds {', '.join(map(str, numbers))}"
        save_figure(plot_ablation(table, margin=margin), folder / "ablation")
    return Ablation(table, frame, folder)


class _CellRunner:
    """Make and measure cells; a worker keeps the pool and the clusters of its last seed."""

    def __init__(self, folder: Path, pool: ToolPool | None) -> None:
        self._folder = folder
        self._pool = pool
        self._mined: tuple[tuple[int, ClusterConfig], MiningResult] | None = None

    def produce(self, cell: Cell) -> Measured:
        """Make or resume the run of a cell, and measure it."""
        path = self._folder / cell.name
        if self._pool is None:
            self._pool = ToolPool.named(cell.config.pools)
        if not _is_complete(path, cell.config, self._pool):
            asked = cell.seed, cell.config.clusters
            if self._mined is None or self._mined[0] != asked:
                self._mined = asked, mine(self._pool, cell.config.clusters, seed=cell.seed)
            run(cell.config, out=path, pool=self._pool, mined=self._mined[1], progress=False).close()
        with open_run(path) as finished:
            return measure_run(finished.store, cell=cell.name)


def _is_complete(path: Path, config: RunConfig, pool: ToolPool) -> bool:
    try:
        store = RunStore.open(path)
    except RunNotFound:
        return False
    with store:
        same = store.config.digest == config.digest and store.pool_fingerprint == pool.fingerprint
        return same and store.status == "complete"

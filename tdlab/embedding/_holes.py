"""What a map shows, as tables: holes (missing combinations) and collapses (clumps of nearly equal trajectories)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdlab.embedding._map import MODE_FAMILIES, TrajectoryMap
from tdlab.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["collapses", "holes"]

_BLOCK_ROWS = 2048
_ROUNDING = 1e-6  # rounding of single precision


def holes(
    frame: pd.DataFrame, *, domains: Iterable[str] = (), modes: Iterable[str] = (), level: float = 0.01
) -> pd.DataFrame:
    """List combinations of domain and mode with fewer trajectories than the totals of both lead one to expect.

    Under independence a cell holds (domain total x mode total / N) trajectories. It is reported if the Poisson
    probability of so few or fewer is below ``level``.

    Args:
        frame: The frame of a `TrajectoryMap`, with the columns ``dataset``, ``domain`` and ``mode``.
        domains: Domains that should occur, such as those of the taxonomy.
        modes: Modes that should occur, such as `MODE_FAMILIES`.
        level: Probability below which a cell is reported, in (0, 1).

    Returns:
        One row per hole: ``dataset``, ``domain``, ``mode``, ``kind``, ``trajectories`` (in the cell), ``expected``,
        ``chance`` (the probability). For each dataset, domains and modes that should occur and do not come first ("no
        such domain", "no such mode"), then cells ("empty" or "thin"), the least probable first.

    Raises:
        ConfigError: ``level`` is not between 0 and 1.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"dataset": "mine", "domain": ["food"] * 3, "mode": "ask"})
        >>> holes(frame, domains=["food", "travel"])[["domain", "kind"]].to_numpy().tolist()
        [['travel', 'no such domain']]
    """
    import pandas as pd
    from scipy.stats import poisson

    if not 0 < level < 1:
        raise ConfigError(f"level={level!r}", expected="a number between 0 and 1")
    columns = ["dataset", "domain", "mode", "kind", "trajectories", "expected", "chance"]
    rows: list[tuple[object, ...]] = []
    mode_order = {family: rank for rank, family in enumerate(MODE_FAMILIES)}
    for dataset, rows_of_dataset in frame.groupby("dataset", sort=False):
        for kind, names, column in (("no such domain", domains, "domain"), ("no such mode", modes, "mode")):
            present = set(rows_of_dataset[column])
            for name in dict.fromkeys(names):
                if name not in present:
                    cell_names = (name, "") if column == "domain" else ("", name)
                    rows.append((dataset, *cell_names, kind, 0, float("nan"), float("nan")))
        counts = pd.crosstab(rows_of_dataset["domain"], rows_of_dataset["mode"])
        domain_totals, mode_totals = counts.sum(axis=1), counts.sum(axis=0)
        cells: list[tuple[object, ...]] = []
        table = counts.to_numpy()
        for i, domain in enumerate(counts.index):
            for j, mode in enumerate(counts.columns):
                count = int(table[i, j])
                expected = float(domain_totals.iloc[i]) * float(mode_totals.iloc[j]) / len(rows_of_dataset)
                chance = float(poisson.cdf(count, expected))
                if count < expected and chance < level:
                    cells.append((dataset, domain, mode, "thin" if count else "empty", count, expected, chance))
        rows += sorted(cells, key=lambda cell: (cell[6], cell[1], mode_order.get(str(cell[2]), len(mode_order))))
    return pd.DataFrame(rows, columns=columns)


def collapses(
    trajectory_map: TrajectoryMap, *, similarity: float = 0.95, smallest: int = 5, same_tools: bool = True
) -> pd.DataFrame:
    """List clumps of nearly equal trajectories.

    Clumps are found greedily, starting from the trajectory with the most similar ones; a trajectory is in at most one
    clump. Takes O(n^2 d) time if all n trajectories call the same tools.

    Args:
        trajectory_map: The map; its vectors are compared. By text, similar vectors mean the same words; by structure,
            the same plan.
        similarity: Least cosine similarity of a member with the example of its clump, in (0, 1].
        smallest: Least number of trajectories in a clump, at least 2.
        same_tools: Whether members must also call the same tools in the same order. 64 dimensions separate the services
            of a large pool and little more, so that similarity alone puts different tasks of a service together.

    Returns:
        One row per clump, the largest first: ``clump`` (from 1), ``trajectories``, ``share`` (of the map),
        ``datasets``; ``domain``, ``mode`` and ``tool_sequence`` (the most common of each); ``x``, ``y``, ``example``
        (id) and ``row`` of the example; ``members`` (rows of all). Rows are positions in the frame of the map.

    Raises:
        ConfigError: ``similarity`` or ``smallest`` is out of range.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     len(collapses(map_trajectories({"first": run}, by="structure", cache=False)))
        0
    """
    import numpy as np
    import pandas as pd

    if not 0 < similarity <= 1 or smallest < 2:
        raise ConfigError(
            f"similarity={similarity!r}, smallest={smallest!r}",
            expected="a similarity above 0 and at most 1, and clumps of at least 2",
        )
    frame = trajectory_map.frame
    columns = [
        "clump", "trajectories", "share", "datasets", "domain", "mode", "tool_sequence", "x", "y", "example", "row",
        "members",
    ]  # fmt: skip
    all_rows = np.arange(len(frame))
    groups = frame.groupby("tool_sequence", sort=False).indices.values() if same_tools else [all_rows]
    clumps = [
        (int(group[leader]), np.sort(group[members]))
        for group in map(np.asarray, groups)
        if len(group) >= smallest
        for leader, members in _clumps(trajectory_map.vectors[group], similarity, smallest)
    ]
    clumps.sort(key=lambda clump: (-len(clump[1]), clump[0]))
    rows: list[dict[str, object]] = []
    for number, (leader, members) in enumerate(clumps, 1):
        members_frame, example = frame.iloc[members], frame.iloc[leader]
        row: dict[str, object] = {"clump": number, "trajectories": len(members), "share": len(members) / len(frame)}
        row |= {"datasets": ", ".join(sorted(set(members_frame["dataset"])))}
        row |= {column: members_frame[column].mode().iloc[0] for column in ("domain", "mode", "tool_sequence")}
        row |= {"x": float(example["x"]), "y": float(example["y"]), "example": example["trajectory"], "row": leader}
        rows.append(row | {"members": [int(member) for member in members]})
    return pd.DataFrame(rows, columns=columns)


def _clumps(vectors: NDArray[np.float32], similarity: float, smallest: int) -> list[tuple[int, NDArray[np.int64]]]:
    """Return the row of each clump's example, and the rows of its members, the example included."""
    import numpy as np

    crowding = _crowding(vectors, similarity)
    is_free = np.ones(len(vectors), dtype=bool)
    clumps: list[tuple[int, NDArray[np.int64]]] = []
    for example in np.argsort(-crowding, kind="stable"):
        if crowding[example] < smallest:
            break
        if not is_free[example]:
            continue
        members = np.flatnonzero(is_free & (vectors @ vectors[example] >= similarity - _ROUNDING))
        if len(members) >= smallest:
            is_free[members] = False
            clumps.append((int(example), members))
    return clumps


def _crowding(vectors: NDArray[np.float32], similarity: float) -> NDArray[np.int64]:
    """Count for each row the rows that are at least that similar, itself included."""
    import numpy as np

    crowding = np.zeros(len(vectors), dtype=np.int64)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        crowding[start : start + _BLOCK_ROWS] = (
            vectors[start : start + _BLOCK_ROWS] @ vectors.T >= similarity - _ROUNDING
        ).sum(axis=1)
    return crowding

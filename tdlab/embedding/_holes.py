"""What a map shows, in words: holes (combinations that are missing) and collapses (clumps of the near-same)."""

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

_BLOCK = 2048
_SLACK = 1e-6  # rounding of single precision


def holes(
    frame: pd.DataFrame, *, domains: Iterable[str] = (), modes: Iterable[str] = (), level: float = 0.01
) -> pd.DataFrame:
    """The cells of domains x modes that are emptier than the set's own domains and modes let one expect.

    One row a hole, the most surprising first: ``dataset``, ``domain``, ``mode``, ``kind``, ``trajectories`` (there),
    ``expected`` (domain total x mode total / N) and ``chance`` (of so few or fewer, by Poisson). A cell is named where
    that chance is below ``level``: "empty" or "thin". Of ``domains`` and ``modes`` (which there should be, such as
    those of the taxonomy or `MODE_FAMILIES`), those that no trajectory has come first, as "no such domain" and "no
    such mode". ``frame`` is that of a `TrajectoryMap`.
    """
    import pandas as pd
    from scipy.stats import poisson

    if not 0 < level < 1:
        raise ConfigError(f"a level of {level!r}", expected="a number between 0 and 1")
    columns = ["dataset", "domain", "mode", "kind", "trajectories", "expected", "chance"]
    rows: list[tuple[object, ...]] = []
    order = {family: place for place, family in enumerate(MODE_FAMILIES)}
    for dataset, part in frame.groupby("dataset", sort=False):
        for kind, wanted, column in (("no such domain", domains, "domain"), ("no such mode", modes, "mode")):
            there = set(part[column])
            for name in dict.fromkeys(wanted):
                if name not in there:
                    place = (name, "") if column == "domain" else ("", name)
                    rows.append((dataset, *place, kind, 0, float("nan"), float("nan")))
        counts = pd.crosstab(part["domain"], part["mode"])
        across, down = counts.sum(axis=1), counts.sum(axis=0)
        cells: list[tuple[object, ...]] = []
        table = counts.to_numpy()
        for i, domain in enumerate(counts.index):
            for j, mode in enumerate(counts.columns):
                found = int(table[i, j])
                expected = float(across.iloc[i]) * float(down.iloc[j]) / len(part)
                chance = float(poisson.cdf(found, expected))
                if found < expected and chance < level:
                    cells.append((dataset, domain, mode, "thin" if found else "empty", found, expected, chance))
        rows += sorted(cells, key=lambda cell: (cell[6], cell[1], order.get(str(cell[2]), len(order))))
    return pd.DataFrame(rows, columns=columns)


def collapses(
    found: TrajectoryMap, *, likeness: float = 0.95, smallest: int = 5, same_tools: bool = True
) -> pd.DataFrame:
    """Clumps of near-same trajectories: those that call the same tools in the same order and are as like as that.

    Each member's cosine likeness with the clump's ``example`` is at least ``likeness``, in the map's vectors: by text
    the same words, by structure the same plan. Vectors of 64 dimensions tell the services of a large pool apart and
    little more, which is why ``same_tools`` asks for the same sequence of tools as well; False asks for likeness alone.

    One row a clump, largest first: ``clump`` (from 1), ``trajectories``, ``share`` of the map, ``datasets``,
    ``domain``, ``mode`` and ``tool_sequence`` (the commonest of each), ``x`` and ``y`` (of the example), ``example``
    (its id), ``row`` (its place in the frame) and ``members`` (the places of all). A trajectory is in one clump at
    most; clumps are found greedily, from the most crowded trajectory on. O(n^2 d) where all call the same tools.
    """
    import numpy as np
    import pandas as pd

    if not 0 < likeness <= 1 or smallest < 2:
        raise ConfigError(
            f"a likeness of {likeness!r} and clumps of {smallest!r}",
            expected="a likeness above 0, up to 1, and 2 trajectories or more",
        )
    frame = found.frame
    columns = [
        "clump", "trajectories", "share", "datasets", "domain", "mode", "tool_sequence", "x", "y", "example", "row",
        "members",
    ]  # fmt: skip
    every = np.arange(len(frame))
    groups = frame.groupby("tool_sequence", sort=False).indices.values() if same_tools else [every]
    clumps = [
        (int(group[leader]), np.sort(group[members]))
        for group in map(np.asarray, groups)
        if len(group) >= smallest
        for leader, members in _clumps(found.vectors[group], likeness, smallest)
    ]
    clumps.sort(key=lambda clump: (-len(clump[1]), clump[0]))
    rows: list[dict[str, object]] = []
    for number, (leader, members) in enumerate(clumps, 1):
        part, first = frame.iloc[members], frame.iloc[leader]
        row: dict[str, object] = {"clump": number, "trajectories": len(members), "share": len(members) / len(frame)}
        row |= {"datasets": ", ".join(sorted(set(part["dataset"])))}
        row |= {column: part[column].mode().iloc[0] for column in ("domain", "mode", "tool_sequence")}
        row |= {"x": float(first["x"]), "y": float(first["y"]), "example": first["trajectory"], "row": leader}
        rows.append(row | {"members": [int(member) for member in members]})
    return pd.DataFrame(rows, columns=columns)


def _clumps(vectors: NDArray[np.float32], likeness: float, smallest: int) -> list[tuple[int, NDArray[np.int64]]]:
    """The place of each clump's example, and of its members, itself included."""
    import numpy as np

    crowd = _crowds(vectors, likeness)
    free = np.ones(len(vectors), dtype=bool)
    clumps: list[tuple[int, NDArray[np.int64]]] = []
    for leader in np.argsort(-crowd, kind="stable"):
        if crowd[leader] < smallest:
            break
        if not free[leader]:
            continue
        members = np.flatnonzero(free & (vectors @ vectors[leader] >= likeness - _SLACK))
        if len(members) >= smallest:
            free[members] = False
            clumps.append((int(leader), members))
    return clumps


def _crowds(vectors: NDArray[np.float32], likeness: float) -> NDArray[np.int64]:
    """How many rows are at least that like each row, itself included."""
    import numpy as np

    crowd = np.zeros(len(vectors), dtype=np.int64)
    for start in range(0, len(vectors), _BLOCK):
        crowd[start : start + _BLOCK] = (vectors[start : start + _BLOCK] @ vectors.T >= likeness - _SLACK).sum(axis=1)
    return crowd

"""What a map shows, in words: holes (combinations that are missing) and collapses (clumps of near-same trajectories)."""

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
        for domain in counts.index:
            for mode in counts.columns:
                found = int(counts.at[domain, mode])
                expected = float(across[domain]) * float(down[mode]) / len(part)
                chance = float(poisson.cdf(found, expected))
                if found < expected and chance < level:
                    cells.append((dataset, domain, mode, "thin" if found else "empty", found, expected, chance))
        rows += sorted(cells, key=lambda cell: (cell[6], cell[1], order.get(str(cell[2]), len(order))))
    return pd.DataFrame(rows, columns=columns)


def collapses(found: TrajectoryMap, *, likeness: float = 0.95, smallest: int = 10) -> pd.DataFrame:
    """Clumps of near-same trajectories: each member's cosine likeness with the clump's ``example`` is at least that.

    One row a clump, largest first: ``clump`` (from 1), ``trajectories``, ``share`` of the map, ``datasets``,
    ``domain``, ``mode`` and ``tool_sequence`` (the commonest of each), ``same_tools`` (the share of members with that
    sequence), ``x`` and ``y`` (of the example), ``example`` (its id), ``row`` (its place in the frame) and ``members``
    (all of them). A trajectory is in one clump at most; clumps are found greedily, from the most crowded trajectory
    on. Likeness is that of the map's vectors, so a map by structure finds the same plan in other words. O(n^2 d).
    """
    import numpy as np
    import pandas as pd

    if not 0 < likeness <= 1 or smallest < 2:
        raise ConfigError(
            f"a likeness of {likeness!r} and clumps of {smallest!r}", expected="a likeness of 0 to 1, 2 or more"
        )
    columns = [
        "clump", "trajectories", "share", "datasets", "domain", "mode", "tool_sequence", "same_tools", "x", "y",
        "example", "row", "members",
    ]  # fmt: skip
    vectors, frame = found.vectors, found.frame
    crowd = _crowds(vectors, likeness)
    free = np.ones(len(vectors), dtype=bool)
    clumps: list[tuple[int, NDArray[np.int64]]] = []
    for leader in np.argsort(-crowd, kind="stable"):
        if crowd[leader] < smallest:
            break
        if not free[leader]:
            continue
        members = np.flatnonzero(free & (vectors @ vectors[leader] >= likeness - 1e-6))
        if len(members) >= smallest:
            free[members] = False
            clumps.append((int(leader), members))
    clumps.sort(key=lambda clump: (-len(clump[1]), clump[0]))
    rows: list[dict[str, object]] = []
    for number, (leader, members) in enumerate(clumps, 1):
        part, first = frame.iloc[members], frame.iloc[leader]
        tools = part["tool_sequence"].mode().iloc[0]
        rows.append(
            {
                "clump": number,
                "trajectories": len(members),
                "share": len(members) / len(frame),
                "datasets": ", ".join(sorted(set(part["dataset"]))),
                "domain": part["domain"].mode().iloc[0],
                "mode": part["mode"].mode().iloc[0],
                "tool_sequence": tools,
                "same_tools": float((part["tool_sequence"] == tools).mean()),
                "x": float(first["x"]),
                "y": float(first["y"]),
                "example": first["trajectory"],
                "row": leader,
                "members": [int(member) for member in members],
            }
        )
    return pd.DataFrame(rows, columns=columns)


def _crowds(vectors: NDArray[np.float32], likeness: float) -> NDArray[np.int64]:
    """How many rows are at least that like each row, itself included."""
    import numpy as np

    crowd = np.zeros(len(vectors), dtype=np.int64)
    for start in range(0, len(vectors), _BLOCK):
        crowd[start : start + _BLOCK] = (vectors[start : start + _BLOCK] @ vectors.T >= likeness - 1e-6).sum(axis=1)
    return crowd

"""Cluster files: one cluster per line as JSON, as `tdlab mine --out` writes and `tdlab show cluster` reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from tdlab.errors import PoolError
from tdlab.records import BusinessCluster, canonical_json
from tdlab.store import atomic_write

__all__ = ["read_clusters", "write_clusters"]


def write_clusters(clusters: Iterable[BusinessCluster], path: str | Path) -> int:
    """Write clusters to a file, one per line as JSON. The file is complete, or stays as it was.

    Args:
        clusters: The clusters.
        path: The file to write; half a surrogate pair in a scraped name becomes a JSON escape.

    Returns:
        The number of clusters.

    Raises:
        StoreError: If the file cannot be written.

    Example:
        >>> from tdlab import ToolPool
        >>> mined = mine(ToolPool.bundled())
        >>> write_clusters(mined.clusters[:20], "clusters.jsonl")
        20
    """
    lines = [canonical_json(cluster) + "\n" for cluster in clusters]
    atomic_write(Path(path), "".join(lines).encode("utf-8", "backslashreplace"))
    return len(lines)


def read_clusters(path: str | Path) -> tuple[BusinessCluster, ...]:
    """Read a file that `write_clusters` wrote.

    Args:
        path: The file.

    Returns:
        The clusters, in the order of the file.

    Raises:
        PoolError: If the file cannot be read, or a line is not a cluster, as in a file that was cut off.

    Example:
        >>> from tdlab import ToolPool
        >>> mined = mine(ToolPool.bundled())
        >>> _ = write_clusters(mined.clusters[:2], "two.jsonl")
        >>> read_clusters("two.jsonl") == mined.clusters[:2]
        True
    """
    expected, do = "one cluster per line, as `tdlab mine` writes them", f"tdlab mine --out {path}"
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise PoolError(f"{path}: cannot be read ({reason})", expected=expected, do=do) from None
    clusters = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            clusters.append(BusinessCluster.model_validate(json.loads(line)))
        except (ValueError, RecursionError) as error:
            if isinstance(error, ValidationError):
                first = error.errors(include_url=False, include_input=False)[0]
                problem = f"{'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg']}"
            else:
                problem = "not JSON"
            raise PoolError(f"{path}:{number}: not a cluster ({problem:.200})", expected=expected, do=do) from None
    return tuple(clusters)

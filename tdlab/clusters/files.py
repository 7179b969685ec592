"""Clusters in files: one JSON line each, as `tdlab mine --out` writes them and `tdlab show cluster` reads them."""

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
    """Write clusters as JSON lines, whole or not at all; returns their number. StoreError where it cannot be written.

    Half a surrogate pair in a scraped name becomes a JSON escape.
    """
    lines = [canonical_json(cluster) + "\n" for cluster in clusters]
    atomic_write(Path(path), "".join(lines).encode("utf-8", "backslashreplace"))
    return len(lines)


def read_clusters(path: str | Path) -> tuple[BusinessCluster, ...]:
    """The clusters of a file that `write_clusters` wrote, in its order.

    PoolError for a file that cannot be read and for the first line that is no cluster: a file that was cut or edited is
    not taken for a smaller one.
    """
    expected, do = "a cluster a line, as mining writes them", "write it anew with `tdlab mine --out FILE`"
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise PoolError(f"{path}: cannot be read ({reason})", expected=expected, do=do) from None
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(BusinessCluster.model_validate(json.loads(line)))
        except (ValueError, RecursionError) as error:
            if isinstance(error, ValidationError):
                first = error.errors(include_url=False, include_input=False)[0]
                problem = f"{'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg']}"
            else:
                problem = "it is no JSON"
            raise PoolError(f"{path}:{number}: no cluster ({problem:.200})", expected=expected, do=do) from None
    return tuple(found)

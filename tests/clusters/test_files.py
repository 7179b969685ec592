"""Cluster files are read as they were written; a file that was cut off or edited is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdlab.clusters import mine, read_clusters, write_clusters
from tdlab.errors import PoolError
from tdlab.records import BusinessCluster
from tests.clusters.pools import pool, shop


def test_clusters_come_back_as_they_were(tmp_path: Path) -> None:
    clusters = mine(pool(shop())).clusters
    assert write_clusters(clusters, tmp_path / "clusters.jsonl") == len(clusters) > 0
    assert read_clusters(tmp_path / "clusters.jsonl") == clusters


def test_odd_text_survives(tmp_path: Path) -> None:
    odd = BusinessCluster(
        id="a", tools=("s/t",), dependencies=(), domains={}, title="half \ud83d, line\u2028break\nand tab\t"
    )
    write_clusters([odd, odd], tmp_path / "odd.jsonl")
    assert read_clusters(tmp_path / "odd.jsonl") == (odd, odd)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "odd.jsonl:2: not a cluster (not JSON)"),
        ('{"id": "a"}', "odd.jsonl:2: not a cluster (tools: Field required)"),
        ("[" * 100_000, "odd.jsonl:2: not a cluster (not JSON)"),
        (
            '{"id": "a", "tools": [], "dependencies": [], "domains": {}, "run": "rm"}',
            "not a cluster (run: Extra inputs",
        ),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, content: str, said: str) -> None:
    write_clusters(mine(pool(shop())).clusters[:1], tmp_path / "odd.jsonl")
    with open(tmp_path / "odd.jsonl", "a", encoding="utf-8") as file:
        file.write(content)
    with pytest.raises(PoolError) as error:
        read_clusters(tmp_path / "odd.jsonl")
    assert said in str(error.value)
    assert "tdlab mine --out" in str(error.value)


def test_what_is_no_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="cannot be read"):
        read_clusters(tmp_path / "nothing.jsonl")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PoolError, match="not UTF-8"):
        read_clusters(tmp_path / "bytes")

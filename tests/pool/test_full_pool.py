"""The recorded pool of 26,534 tools: all read, each malformed one reported with a reason, in good time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tdlab.pool import Taxonomy, ToolPool

pytestmark = pytest.mark.fullpool

TOOLS, SERVICES = 26_534, 2_721


@pytest.fixture(scope="module")
def loaded(shared: Path) -> tuple[ToolPool, float]:
    started = time.process_time()
    pool = ToolPool.load(shared / "data" / "pools" / "mcp_pool.jsonl.gz")
    return pool, time.process_time() - started


def test_every_tool_is_accounted_for(loaded: tuple[ToolPool, float]) -> None:
    pool, _ = loaded
    aside = [issue for issue in pool.issues if issue.severity == "error" and issue.tool is not None]
    assert pool.read == TOOLS == len(pool) + len(aside)
    assert len(pool.services) == SERVICES
    assert all(issue.found and issue.code and issue.where.startswith("mcp_pool.jsonl.gz:") for issue in pool.issues)
    assert {issue.found.partition("(")[2][:30] for issue in aside} == {
        "Pointer '/components/schemas/B",
        "Pointer '/components/schemas/C",
    }


def test_it_is_read_in_good_time(loaded: tuple[ToolPool, float], record_property: pytest.RecordProperty) -> None:
    _, seconds = loaded
    record_property("load_seconds", seconds)
    assert seconds < 10, f"{seconds:.1f} s of processor time"


def test_all_services_are_classified_in_good_time(loaded: tuple[ToolPool, float]) -> None:
    pool, _ = loaded
    taxonomy = Taxonomy.bundled()
    started = time.process_time()
    for service in pool.services:
        taxonomy.classify(service)
    assert time.process_time() - started < 3
    placed = [service for service in pool.services if "other" not in service.domains]
    assert len(placed) > 0.95 * SERVICES
    assert len({max(s.domains, key=lambda d: s.domains[d]) for s in placed}) >= 30

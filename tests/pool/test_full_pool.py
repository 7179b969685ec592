"""The recorded pool of 26,534 tools: all are read in good time, and each malformed one is reported with a reason."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tdlab.pool import Taxonomy, ToolPool
from tdlab.tools.references import objects_in
from tests.tools.test_references import usable

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
    assert not aside
    lost = {issue.found for issue in pool.issues if issue.found.endswith("leads nowhere: any value")}
    assert {words[:24] for words in lost} == {"'#/components/schemas/Ba", "'#/components/schemas/Co"}


def test_it_is_read_in_good_time(loaded: tuple[ToolPool, float], record_property: pytest.RecordProperty) -> None:
    _, seconds = loaded
    record_property("load_seconds", seconds)
    assert seconds < 20, f"{seconds:.1f} s of processor time"


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


def test_every_label_is_mapped_or_known_to_say_nothing(loaded: tuple[ToolPool, float]) -> None:
    pool, _ = loaded
    taxonomy = Taxonomy.bundled()
    labels = {service.category for service in pool.services if service.category}
    assert len(labels) == 82
    assert [x for x in sorted(labels) if not taxonomy.choices(x) and not taxonomy.is_silent(x)] == []
    ways = pool.to_frame(level="service")["domain_by"].value_counts()
    assert ways["label"] > 1_700
    assert ways["none"] < 0.02 * SERVICES


def test_scraped_definitions_are_fixed_and_no_live_tool_loses_a_parameter(
    loaded: tuple[ToolPool, float], shared: Path
) -> None:
    pool, _ = loaded
    raw = ToolPool.load(shared / "data" / "pools" / "mcp_pool.jsonl.gz", clean=False)
    assert not [key for key, tool in pool.tools.items() if "Try in Playground" in tool.description]
    assert not [
        key for key, tool in pool.tools.items() if {"True", "False"} <= set(tool.parameters) <= {"True", "False"}
    ]
    for service in pool.services:
        if service.schema_quality in ("live", "published"):
            for tool in service.tools:
                before = raw.tool(tool.key)
                assert list(tool.parameters) == list(before.parameters), tool.key
                assert bool(tool.description) == bool(before.description) or "not" in before.description.lower()
    frame = pool.report(before=raw)
    assert frame.loc[("all", ""), "page_header (fixed)"] == 730
    scraped = frame.loc[("TheAgentArk/Toucan", "scraped")]
    assert scraped["form_words (fixed)"] > 200
    assert scraped["trust"] < 0.5 < frame.loc[("TheAgentArk/Toucan", "live"), "trust"]


def test_forks_are_folded_and_accounted_for(loaded: tuple[ToolPool, float]) -> None:
    pool, _ = loaded
    folded = pool.deduplicated()
    gone = [issue for issue in folded.issues if issue.severity == "error" and issue.tool is not None]
    assert folded.read == TOOLS == len(folded) + len(gone)
    assert 0 < len(pool) - len(folded) < 1_000


def test_tools_that_refer_into_a_list_or_by_an_encoded_name_are_usable(loaded: tuple[ToolPool, float]) -> None:
    """``#/properties/entries/anyOf/0``: valid schemas that could be neither planned with nor filled once."""
    pool, _ = loaded
    pointing = [
        tool
        for service in pool.services
        for tool in service.tools
        if any(
            re.search(r"/\d+(/|$)|[%~]", part["$ref"])
            for part in objects_in(tool.input_schema)
            if isinstance(part.get("$ref"), str)
        )
    ]
    assert len(pointing) == 10
    for tool in pointing:
        usable(tool)

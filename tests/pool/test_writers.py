"""A written pool reads back word for word; what the format cannot hold is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.errors import PoolError, StoreError
from tdlab.pool import ToolPool, write_pool
from tdlab.records import Annotations, Service, Tool, ToolError

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_the_bundled_pool_comes_back(tmp_path: Path) -> None:
    pool = ToolPool.bundled()
    assert write_pool(pool, tmp_path / "pool.jsonl") == len(pool)
    again = ToolPool.load(tmp_path / "pool.jsonl")
    assert again.fingerprint == pool.fingerprint
    assert again == pool


def test_a_packed_file_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    pool = ToolPool.bundled()
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        write_pool(pool, tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert ToolPool.load(tmp_path / "a.jsonl.gz").fingerprint == pool.fingerprint


def test_a_line_is_a_service_in_the_shape_of_the_pool_files(tmp_path: Path) -> None:
    write_pool(ToolPool.bundled(), tmp_path / "pool.jsonl")
    first = json.loads((tmp_path / "pool.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert {"server", "description", "category", "source", "license", "schema_quality", "tools"} <= set(first)
    assert {"name", "description", "inputSchema", "outputSchema", "annotations"} <= set(first["tools"][0])


@pytest.mark.parametrize("category", [None, "Databases", "no label of ours"])
@pytest.mark.parametrize("domains", [{"databases": 1.0}, {"food-dining": 1.0}, {"other": 1.0}])
def test_any_single_domain_comes_back(tmp_path: Path, category: str | None, domains: dict[str, float]) -> None:
    tool = Tool(service="s", name="t", description="d", input_schema={"type": "object", "properties": {}})
    service = Service(name="s", category=category, domains=domains, tools=(tool,))
    pool = ToolPool.from_services([service])
    write_pool(pool, tmp_path / "pool.jsonl")
    again = ToolPool.load(tmp_path / "pool.jsonl")
    kept = again.services[0]
    assert (kept.domains, kept.category) == (domains, category)
    assert again.fingerprint == pool.fingerprint


def test_a_domain_that_is_not_of_the_taxonomy_is_an_explained_error(tmp_path: Path) -> None:
    tool = Tool(service="s", name="t", input_schema={"type": "object"})
    pool = ToolPool.from_services([Service(name="s", domains={"alchemy": 1.0}, tools=(tool,))])
    with pytest.raises(PoolError, match="'s' has domains that are not in the taxonomy: alchemy"):
        write_pool(pool, tmp_path / "pool.jsonl")


def test_a_distribution_over_domains_comes_back(tmp_path: Path) -> None:
    tool = Tool(service="s", name="t", input_schema={"type": "object"})
    service = Service(name="s", domains={"databases": 0.5, "food-dining": 0.5}, tools=(tool,))
    write_pool(ToolPool.from_services([service]), tmp_path / "pool.jsonl")
    assert ToolPool.load(tmp_path / "pool.jsonl").service("s").domains == service.domains


@given(
    name=text.filter(str.strip), description=text, title=st.none() | text.filter(str.strip),
    hints=st.lists(st.none() | st.booleans(), min_size=4, max_size=4),
    errors=st.lists(st.tuples(text, text), max_size=2),
)  # fmt: skip
def test_any_tool_comes_back_once_it_has_been_read(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    description: str,
    title: str | None,
    hints: list[bool | None],
    errors: list[tuple[str, str]],
) -> None:
    folder = tmp_path_factory.mktemp("pool")
    tool = Tool(
        service="s", name=name, description=description,
        input_schema={"type": "object", "properties": {name: {"type": "string", "description": description}}},
        annotations=Annotations(
            title=title, read_only=hints[0], destructive=hints[1], idempotent=hints[2], open_world=hints[3]
        ),
        errors=tuple(ToolError(code=code, message=message) for code, message in errors),
    )  # fmt: skip
    pool = ToolPool.from_services([Service(name="s", domains={"other": 1.0}, tools=(tool,))])
    write_pool(pool, folder / "a.jsonl")
    read = ToolPool.load(folder / "a.jsonl")  # the reader cleans text
    write_pool(read, folder / "b.jsonl")
    assert ToolPool.load(folder / "b.jsonl").fingerprint == read.fingerprint
    assert read.services[0].tools[0].annotations.read_only == hints[0]
    assert len(read.services[0].tools[0].errors) == len(errors)


def test_inferred_outputs_are_not_passed_off_as_a_servers_word(tmp_path: Path) -> None:
    tool = Tool(
        service="s", name="t", input_schema={"type": "object"}, output_schema={"type": "object"}, output_inferred=True
    )
    write_pool(ToolPool.from_services([Service(name="s", domains={"other": 1.0}, tools=(tool,))]), tmp_path / "p.jsonl")
    assert ToolPool.load(tmp_path / "p.jsonl").services[0].tools[0].output_schema is None


def test_a_file_that_cannot_be_written_is_an_explained_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="a file is in the way"):
        write_pool(ToolPool.bundled(), tmp_path / "file" / "pool.jsonl")


@pytest.mark.slow
def test_the_recorded_pool_comes_back(shared: Path, tmp_path: Path) -> None:
    services = ToolPool.load(shared / "data" / "pools" / "mcp_pool.jsonl.gz").services[::40]
    pool = ToolPool.from_services(services)
    write_pool(pool, tmp_path / "pool.jsonl")
    assert ToolPool.load(tmp_path / "pool.jsonl").fingerprint == pool.fingerprint

"""The pool itself: every definition stays accounted for, whatever is done with the pool."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.errors import PoolError
from tdlab.pool import PoolIssue, ToolPool
from tdlab.records import Annotations, Service, Tool

OBJECT: dict[str, Any] = {"type": "object"}


def tool(service: str, name: str, schema: dict[str, Any] | None = None, **facts: Any) -> Tool:
    return Tool(service=service, name=name, input_schema=OBJECT if schema is None else schema, **facts)


def make(name: str, *names: str, **facts: Any) -> Service:
    return Service(name=name, tools=tuple(tool(name, n) for n in names), **facts)


@pytest.fixture
def pool() -> ToolPool:
    return ToolPool.from_services(
        [
            make("beta", "list_orders", "get_order", domains={"ecommerce-retail": 0.6, "food-dining": 0.4}),
            make("alpha", "send_mail", domains={"communication": 1.0}, description="<b>bold</b>"),
        ]
    )


def test_services_are_in_the_order_of_names_and_tools_in_that_of_their_service(pool: ToolPool) -> None:
    assert [s.name for s in pool.services] == ["alpha", "beta"]
    assert list(pool.tools) == ["alpha/send_mail", "beta/list_orders", "beta/get_order"]
    assert (len(pool), pool.read, pool.issues) == (3, 3, ())
    assert "beta/get_order" in pool
    assert "beta/none" not in pool


def test_a_pool_cannot_be_changed(pool: ToolPool) -> None:
    with pytest.raises(TypeError):
        pool.tools["x"] = tool("x", "y")
    with pytest.raises(AttributeError):
        pool.read = 3
    with pytest.raises(AttributeError):
        pool.other = 3
    with pytest.raises(TypeError, match=r"ToolPool\.load"):
        ToolPool()


def test_what_is_not_there_names_what_is_close(pool: ToolPool) -> None:
    with pytest.raises(PoolError, match="did you mean 'beta/get_order'"):
        pool.tool("beta/get_orders")
    with pytest.raises(PoolError, match="did you mean 'alpha'"):
        pool.service("alfa")
    with pytest.raises(PoolError, match="list them with"):
        pool.tool("zzzzzzzzzz")
    assert not isinstance(PoolError("x"), KeyError)


def test_records_that_cannot_be_used_are_set_aside() -> None:
    service = Service(
        name="s",
        tools=(
            tool("s", "good"),
            tool("s", "good"),
            tool("s", "good", description="Another."),
            tool("s", ""),
            tool("s", "bad", {"type": "array"}),
            tool("other", "moved", output_schema={"type": "nonsense"}),
        ),
    )
    pool = ToolPool.from_services([service])
    assert list(pool.tools) == ["s/good", "s/good#2", "s/moved"]
    assert pool.tool("s/moved").service == "s"
    assert pool.tool("s/moved").output_schema is None
    assert [(i.tool, i.severity, i.code) for i in pool.issues] == [
        ("good#2", "fixed", "tool_name_taken"),
        ("[3]", "error", "no_name"),
        ("bad", "error", "bad_input_schema"),
        ("moved", "fixed", "output_schema_dropped"),
        ("good", "note", "repeated_tool"),
    ]
    assert pool.read == 5, "the repeated definition counts once"


def test_keys_never_collide() -> None:
    pool = ToolPool.from_services([make("a/b", "c"), make("a", "b/c", "d")])
    assert set(pool.tools) == {"a/b/c", "a/b/c#2", "a/d"}
    assert [issue.code for issue in pool.issues] == ["tool_name_taken"]
    assert pool.read == 3


def test_earlier_issues_count() -> None:
    earlier = [
        PoolIssue(service="s", tool="x", severity="error", code="no_name", found="none"),
        PoolIssue(service="s", tool="y", severity="note", code="no_description", found="none"),
    ]
    pool = ToolPool.from_services([make("s", "y")], issues=earlier)
    assert pool.read == 2
    assert list(pool.issues) == earlier
    assert ToolPool.from_services([make("s", "y")], issues=earlier, read=9).read == 9


NAMES = st.sampled_from(["a", "b", "a#2", "c"])
SERVICES = st.lists(
    st.builds(
        lambda name, tools, words: make(name, *tools, description=words),
        NAMES,
        st.lists(st.sampled_from(["x", "y", ""]), max_size=4),
        st.sampled_from(["", "d"]),
    ),
    max_size=6,
)


@given(SERVICES)
def test_nothing_is_lost_in_silence(services: list[Service]) -> None:
    pool = ToolPool.from_services(services)
    set_aside = [issue for issue in pool.issues if issue.severity == "error" and issue.tool is not None]
    assert pool.read == len(pool) + len(set_aside)
    assert pool.read <= sum(len(s.tools) for s in services)
    kept = {(key.split("/")[0].split("#")[0], tool.name.split("#")[0]) for key, tool in pool.tools.items()}
    assert kept == {(s.name.split("#")[0], t.name) for s in services for t in s.tools if t.name}
    assert len({s.name for s in pool.services}) == len(pool.services)
    assert all(key == found.key for key, found in pool.tools.items())


@given(st.lists(NAMES, unique=True), st.randoms(use_true_random=False))
def test_the_fingerprint_does_not_depend_on_the_order(names: list[str], rng: random.Random) -> None:
    services = [make(name, "x", "y", description=name) for name in names]
    shuffled = list(services)
    rng.shuffle(shuffled)
    one, two = ToolPool.from_services(services), ToolPool.from_services(shuffled)
    assert one.fingerprint == two.fingerprint
    assert list(one.tools) == list(two.tools)


def test_the_fingerprint_sees_every_change(pool: ToolPool) -> None:
    seen = {pool.fingerprint}
    for change in ({"description": "x"}, {"domains": {"other": 1.0}}, {"tools": ()}, {"title": "t"}):
        services = [pool.service("alpha").model_copy(update=change), pool.service("beta")]
        seen.add(ToolPool.from_services(services).fingerprint)
    assert len(seen) == 5


def test_pickling_keeps_all(pool: ToolPool) -> None:
    again = pickle.loads(pickle.dumps(pool))
    assert again == pool
    assert hash(again) == hash(pool)
    assert (again.read, again.issues, list(again.tools)) == (pool.read, pool.issues, list(pool.tools))


def test_subsets(pool: ToolPool) -> None:
    assert list(pool.subset(services=["beta"]).tools) == ["beta/list_orders", "beta/get_order"]
    assert list(pool.subset(tools=["beta/get_order"]).tools) == ["beta/get_order"]
    assert list(pool.subset(domains=["communication"]).tools) == ["alpha/send_mail"]
    assert len(pool.subset(services=["beta"], tools=["alpha/send_mail"])) == 0
    assert len(pool.subset()) == len(pool) == 3
    for wrong in ({"services": ["beat"]}, {"tools": ["beta/x"]}, {"domains": ["food-dining"]}):
        with pytest.raises(PoolError):
            pool.subset(**wrong)


def test_subsets_keep_their_issues_and_their_account() -> None:
    notes = [PoolIssue(service="s", tool=t, severity="note", code="no_description", found="-") for t in ("x", "y")]
    aside = PoolIssue(service="s", tool="z", severity="error", code="bad_input_schema", found="-")
    part = ToolPool.from_services([make("s", "x", "y")], issues=[*notes, aside]).subset(tools=["s/y"])
    assert part.issues == (notes[1],)
    assert part.read == len(part) == 1


def test_frames(pool: ToolPool) -> None:
    tools = pool.to_frame()
    assert list(tools["key"]) == list(pool.tools)
    assert list(tools["domain"]) == ["communication", "ecommerce-retail", "ecommerce-retail"]
    assert tools["read_only"].isna().all()
    services = pool.to_frame(level="service")
    assert list(services["tools"]) == [1, 2]
    assert list(services["domains"])[1] == {"ecommerce-retail": 0.6, "food-dining": 0.4}
    assert list(pool.issues_frame().columns) == ["severity", "code", "service", "tool", "found", "where"]
    with pytest.raises(PoolError, match="'tool' or 'service'"):
        pool.to_frame(level="server")


def test_frames_of_nothing_have_their_columns() -> None:
    empty = ToolPool.from_services([])
    assert len(empty) == 0
    for level in ("tool", "service"):
        frame = empty.to_frame(level=level)
        assert frame.empty
        assert "domain" in frame.columns
    assert isinstance(empty._repr_html_(), str)


def test_counts_and_hints_in_the_frame() -> None:
    schema = {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]}
    one = tool("s", "x", schema, output_schema=OBJECT, annotations=Annotations(read_only=True, destructive=False))
    row = ToolPool.from_services([Service(name="s", tools=(one,))]).to_frame().iloc[0]
    assert (row["parameters"], row["required"], bool(row["has_output"])) == (2, 1, True)
    assert (row["read_only"], row["destructive"]) == (True, False)
    assert row["idempotent"] is pd.NA


def test_views_are_short_and_escaped(pool: ToolPool) -> None:
    assert repr(pool) == "<ToolPool: 3 tools of 2 services>"
    view = pool._repr_html_()
    assert "<b>bold</b>" not in view
    assert "&lt;b&gt;bold" in view
    many = ToolPool.from_services([make(f"s{n}", "x", description="y" * 1000) for n in range(100)])
    assert len(many._repr_html_()) < 10_000
    assert "88 more services" in many._repr_html_()

"""Duplicates: the same tool under another name is found; similar tools of two businesses are not."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.errors import PoolError
from tdlab.pool import ToolPool
from tdlab.pool.duplicates import find_duplicates, find_forks
from tdlab.records import Service, Tool

LONG = "Retrieve one page of repository issues, newest first, with labels, assignees, milestones and all comments"


def schema(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string", "description": name} for name in names}}


def service(name: str, *tools: tuple[str, str, dict[str, Any]], quality: str = "live") -> Service:
    made = tuple(Tool(service=name, name=n, description=d, input_schema=s) for n, d, s in tools)
    return Service(name=name, tools=made, schema_quality=quality)


def kinds(*services: Service) -> dict[str, str]:
    return {d.key: d.kind for d in find_duplicates(ToolPool.from_services(services)) if d.kind != "canonical"}


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (("get_issue", LONG, schema("id", "repo")), ("getIssue", LONG.upper(), schema("repo", "id")), "exact"),
        (("get_issue", LONG, schema("id", "repo")), ("get_issue", LONG + " too", schema("id", "repo")), "near"),
        (("get_issue", LONG, schema("id", "repo")), ("fetch", LONG, schema("id", "repo")), "renamed"),
        (("get_issue", LONG, schema("id", "repo")), ("get_issue", "", schema("id", "repo")), ""),
        (("get_issue", LONG, schema("id", "repo")), ("get_issue", LONG, schema("x", "y", "z")), ""),
        (("get_issue", "Get an issue", schema("id")), ("get_issue", "Get an issue", schema("id")), ""),
        (
            ("get_issue", LONG, schema("id")),
            ("get_issue", "Something else altogether is done here now", schema("id")),
            "",
        ),
        (("a", "", schema()), ("a", "", schema()), ""),
    ],
)
def test_two_tools_of_services_without_a_common_name(first: Any, second: Any, kind: str) -> None:
    found = kinds(service("alpha", first), service("beta", second))
    assert list(found.values()) == ([kind] if kind else [])


def test_short_descriptions_count_where_the_services_share_a_telling_name() -> None:
    tool = ("get_issue", "Get an issue", schema("id"))
    others = [service(f"other{n}-calendar-server", (f"t{n}", "", schema())) for n in range(8)]
    assert kinds(service("@a/acmetrack-mcp", tool), service("acmetrack", tool), *others) == {
        "acmetrack/get_issue": "exact"
    }
    assert kinds(service("x-calendar-server", tool), service("y-calendar-server", tool), *others) == {}


def test_the_one_that_is_kept_is_the_most_trusted() -> None:
    poor = service("a-acmetrack", ("get_issue", LONG, schema()), quality="none")
    rich = service("b-acmetrack", ("get_issue", LONG, schema("id", "repo")))
    (canonical, other) = find_duplicates(ToolPool.from_services([poor, rich]))
    assert (canonical.key, other.key, other.kind) == ("b-acmetrack/get_issue", "a-acmetrack/get_issue", "near")


def test_every_member_is_like_the_one_that_is_kept() -> None:
    words = [f"word{n}" for n in range(40)]
    chain = [service(f"s{k}", ("do", " ".join(words[k * 5 : k * 5 + 20]), schema("x", "y"))) for k in range(5)]
    found = find_duplicates(ToolPool.from_services(chain))
    assert all(d.similarity >= 0.6 for d in found)
    assert len({d.canonical for d in found}) > 1


FORK = [("open_door", "Open a door of the house", schema("door")), ("shut_door", "Shut a door", schema("door"))]


def forks() -> ToolPool:
    extra = ("ring_bell", "Ring the bell", schema("times"))
    return ToolPool.from_services(
        [
            service("@a/doorkeeper", *FORK, extra),
            service("@b/doorkeeper-fork", *FORK),
            service("@c/doorkeeper-plus", *FORK, ("paint_door", "Paint a door", schema("door", "colour"))),
            service("gatehouse", ("open_door", LONG, schema("a", "b"))),
        ]
    )


def test_forks_are_found_and_folded_and_nothing_else() -> None:
    pool = forks()
    assert find_forks(pool, find_duplicates(pool)) == {
        "@b/doorkeeper-fork": "@a/doorkeeper",
        "@c/doorkeeper-plus": "@a/doorkeeper",
    }
    folded = pool.deduplicated()
    assert list(folded.tools) == [
        "@a/doorkeeper/open_door", "@a/doorkeeper/shut_door", "@a/doorkeeper/ring_bell",
        "@c/doorkeeper-plus/paint_door", "gatehouse/open_door",
    ]  # fmt: skip
    gone = [issue for issue in folded.issues if issue.code == "duplicate"]
    assert {issue.severity for issue in gone} == {"error"}
    assert all("@a/doorkeeper/" in issue.found for issue in gone)
    assert folded.read == pool.read == len(folded) + len(gone)
    assert folded.deduplicated() == folded


def test_folding_tools_leaves_one_of_each_group() -> None:
    pool = forks()
    assert len(pool.deduplicated(level="tool")) == 5
    with pytest.raises(PoolError, match="'fork' or 'tool'"):
        pool.deduplicated(level="all")


def test_the_frame_says_why() -> None:
    frame = forks().duplicates()
    assert list(frame["kind"]) == ["canonical", "exact", "exact"] * 2
    assert frame["group"].nunique() == 2
    assert (
        frame.loc[frame["kind"] == "canonical", "key"] == frame.loc[frame["kind"] == "canonical", "canonical"]
    ).all()
    assert set(frame["fork_of"].dropna()) == {"@a/doorkeeper"}
    assert list(ToolPool.from_services([]).duplicates().columns) == list(frame.columns)


def test_pools_without_duplicates_come_back_whole() -> None:
    pool = ToolPool.bundled()
    assert pool.deduplicated(level="tool") == pool


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", "d"]),
            st.sampled_from(["get", "do_it", "doIt"]),
            st.sampled_from(["", "Do it", LONG, LONG + " now"]),
            st.sampled_from([(), ("x",), ("x", "y")]),
        ),
        max_size=9,
    ),
    st.randoms(use_true_random=False),
)
def test_folding_accounts_for_every_tool_whatever_the_order(rows: list[Any], random: Any) -> None:
    by_service: dict[str, dict[str, Any]] = {}
    for name, tool, words, names in rows:
        by_service.setdefault(name, {})[tool] = (tool, words, schema(*names))
    services = [service(name, *tools.values()) for name, tools in by_service.items()]
    pool = ToolPool.from_services(services)
    random.shuffle(services)
    for level in ("fork", "tool"):
        folded = pool.deduplicated(level=level)
        assert folded.read == len(folded) + sum(i.severity == "error" and i.tool is not None for i in folded.issues)
        assert folded == ToolPool.from_services(services).deduplicated(level=level)
        for issue in folded.issues:
            assert issue.found.removeprefix("merged into ").partition(":")[0] in folded
    assert pickle.loads(pickle.dumps(pool)).quality(next(iter(pool.tools), "")) if pool.tools else True

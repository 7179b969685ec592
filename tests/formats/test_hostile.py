"""Files of every format with random damage: broken parts are named, the rest is read, no exception escapes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.diversity import profile
from tdlab.errors import FormatError
from tdlab.formats import LineProblem, Recording, TrajectorySet, iter_trajectories, read_trajectories
from tests.formats.test_chat import ALL
from tests.formats.test_read import MCP_BENCH, OPENAI, TAU, TAU2, TOOLBENCH

EVERY = {
    **ALL, "openai": OPENAI, "tau-bench": TAU, "tau2-bench": TAU2, "mcp-bench": MCP_BENCH, "toolbench": TOOLBENCH,
}  # fmt: skip
ODD = (
    None, True, 0, -1, 1e308, 10**30, "", "x" * 300, "<tool_call>", "</tool_call>{", "[" * 200, '{"a": ' * 50, "\x00",
    "\ud800", "{'name': open}", "$(reboot)", "../../etc/passwd", [], {}, [[]], [None], {"": None}, {"name": {}},
    {"role": "assistant"}, {"function": []}, [{"id": [], "name": 1}],
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def spoiled(name: str, seed: int, times: int) -> Any:
    """Draw a valid document of a format in which values were replaced, dropped or doubled."""
    rng = random.Random(f"{name} {seed}")
    document = copy.deepcopy(EVERY[name])
    for _ in range(times):
        options = list(places(document))
        if not options:
            break
        *way, last = rng.choice(options)
        holder = document
        for key in way:
            holder = holder[key]
        kind = rng.random()
        if kind < 0.7:
            holder[last] = copy.deepcopy(rng.choice(ODD))
        elif kind < 0.85:
            del holder[last]
        elif isinstance(holder, list):
            holder.insert(last, copy.deepcopy(holder[last]))
        else:
            holder[str(last) + "s"] = holder[last]
    return document


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), times=st.integers(1, 4))
def test_a_spoiled_document_beside_whole_ones_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, times: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"hostile-{name}.jsonl"
    whole = json.dumps(OPENAI)
    path.write_text(f"{whole}\n{json.dumps(spoiled(name, seed, times))}\n{whole}\n", encoding="utf-8")
    found = list(iter_trajectories(path))
    assert {type(one) for one in found} <= {Recording, LineProblem}
    assert all(isinstance(found[place], Recording) for place in (0, -1)), "its neighbours are read"
    assert len(found) > 2, "it is a conversation, or it is named"
    assert all(one.line == 2 for one in found if isinstance(one, LineProblem))
    told = tuple(one.trajectory for one in found if isinstance(one, Recording))
    report = profile(TrajectorySet(told), replicates=2)
    assert report.trajectories == len(told)


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=12)
@given(data=st.data())
def test_a_file_that_is_cut_or_garbled_is_explained(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / f"garbled-{name}.json"
    whole = json.dumps(EVERY[name], indent=data.draw(st.sampled_from([None, 1]))).encode()
    at = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.binary(max_size=6))
    path.write_bytes(whole[:at] + junk + (b"" if data.draw(st.booleans()) else whole[at:]))
    try:
        assert read_trajectories(path).trajectories
    except FormatError as found:
        explained = found
    else:
        return
    assert explained.expected
    assert explained.do

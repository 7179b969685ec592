"""Plans over the bundled pool: coherent, acyclic, reproducible and plausible."""

from __future__ import annotations

import os
import subprocess
import sys

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.blueprints import (
    MUTATIONS,
    MutationContext,
    as_graph,
    breed,
    checked,
    fresh_values,
    mutate,
    plan,
    violations,
)
from tdlab.config import BlueprintConfig
from tdlab.errors import BlueprintError, ConfigError, MutationRefused, SandboxUnavailable
from tdlab.records import Blueprint, BusinessCluster, FromResult, FromUser, Tool, canonical_json
from tdlab.tools.entities import roles
from tests.blueprints.bundled import OPERATORS, bundled, context

SEEDS = st.integers(min_value=0, max_value=2**63 - 1)


def assert_coherent(blueprint: Blueprint, tools: dict[str, Tool]) -> None:
    found = violations(blueprint, tools)
    assert not found, f"{blueprint.id} of {blueprint.cluster}: {[(v.step, v.message) for v in found[:3]]}"
    graph = as_graph(blueprint)
    assert nx.is_directed_acyclic_graph(graph)
    assert set(graph) == {step.id for step in blueprint.steps}
    assert checked(blueprint, tools) is blueprint


@pytest.mark.parametrize("number", range(4))
def test_every_bundled_cluster_can_be_planned(number: int) -> None:
    tools, clusters = bundled()
    for cluster in clusters:
        blueprint = plan(cluster, tools, seed=number)
        assert_coherent(blueprint, tools)
        assert blueprint.lineage == ()
        assert set(blueprint.tools) <= set(blueprint.offered) == set(cluster.tools)


@given(seed=SEEDS, goals=st.integers(1, 4))
@settings(max_examples=60)
def test_a_plan_is_a_function_of_its_arguments(seed: int, goals: int) -> None:
    tools, clusters = bundled()
    cluster = clusters[seed % len(clusters)]
    first, again = (plan(cluster, tools, seed=seed, goals=goals) for _ in range(2))
    assert_coherent(first, tools)
    assert canonical_json(first) == canonical_json(again)
    assert first.id == again.id
    assert len({step.turn for step in first.steps}) <= goals


@pytest.mark.parametrize("name", OPERATORS)
def test_a_mutation_gives_a_coherent_child_with_lineage_or_refuses_with_a_reason(name: str) -> None:
    applied = 0
    reasons: list[str] = []
    for seed in range(40):
        room = context(seed)
        base = plan(room.cluster, room.tools, seed=seed)
        try:
            child = mutate(base, name, room, seed=seed)
        except MutationRefused as refusal:
            reasons.append(refusal.found)
            continue
        applied += 1
        assert_coherent(child, dict(room.tools))
        assert child.lineage == (*base.lineage, name)
        assert child.parent == base.id != child.id
        assert child == mutate(base, name, room, seed=seed)
        assert set(base.offered) <= set(child.offered)
        assert len(child.steps) <= room.config.max_steps + 2
    assert all(reason.startswith(f"{name}: ") for reason in reasons), reasons
    assert applied >= 8, f"{name} applied to only {applied} of 40 blueprints"


@given(seed=SEEDS, names=st.lists(st.sampled_from(OPERATORS), max_size=6))
@settings(max_examples=60)
def test_any_sequence_of_mutations_stays_coherent(seed: int, names: list[str]) -> None:
    room = context(seed)
    base = plan(room.cluster, room.tools, seed=seed)
    bred = breed(base, names, room, seed=seed)
    assert_coherent(bred.blueprint, dict(room.tools))
    assert bred.blueprint.lineage == bred.applied
    assert sorted([*bred.applied, *bred.refused]) == sorted(names) or len(set(names)) < len(names)
    assert all(bred.refused.values())
    assert bred.blueprint.parent == (base.id if bred.applied else None)
    assert breed(base, names, room, seed=seed) == bred


def test_a_code_step_is_refused_where_there_is_no_code_tool() -> None:
    room = context(0)
    base = plan(room.cluster, room.tools, seed=0)
    with pytest.raises(SandboxUnavailable, match="no code tool"):
        mutate(base, "add_code_step", room, seed=0)
    bred = breed(base, ["add_code_step"], room, seed=0)
    assert bred.applied == ()
    assert "no code tool" in bred.refused["add_code_step"]
    assert "add_code_step" in MUTATIONS


def test_an_unknown_mutation_is_named_with_those_that_there_are() -> None:
    room = context(0)
    base = plan(room.cluster, room.tools, seed=0)
    for call in (lambda: mutate(base, "improve", room, seed=0), lambda: breed(base, ["improve"], room, seed=0)):
        with pytest.raises(ConfigError, match=r"improve(.|\n)*extend_chain"):
            call()


@pytest.mark.parametrize("seed", range(20))
def test_fresh_values_keep_the_plan_and_change_what_is_said(seed: int) -> None:
    room = context(seed)
    base = plan(room.cluster, room.tools, seed=seed)
    fresh = fresh_values(base, room, seed=seed)
    assert_coherent(fresh, dict(room.tools))
    assert [(s.id, s.kind, s.turn, s.needs()) for s in fresh.steps] == [
        (s.id, s.kind, s.turn, s.needs()) for s in base.steps
    ]
    assert (fresh.intent, fresh.offered, fresh.lineage) == (base.intent, base.offered, base.lineage)
    assert fresh == fresh_values(base, room, seed=seed) != base


_BYTES = """
from tests.blueprints.bundled import played
from tdlab.records import canonical_json
made = [played(seed) for seed in range(6)]
text = "".join(canonical_json(one.trajectory) + canonical_json(one.blueprint) for one in made)
"""


def test_another_process_with_another_hash_seed_gives_the_same_bytes() -> None:
    here: dict[str, str] = {}
    exec(_BYTES, here)  # the same lines in both processes
    script = _BYTES + "import sys; sys.stdout.buffer.write(text.encode())"
    environment = {**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    assert done.stdout == here["text"].encode(), "the dataset depends on the process or its hash seed"


# ------------------------------------------------------------------------------------------------- what a person says


def test_an_identifier_is_looked_up_where_a_look_up_needs_none() -> None:
    tools = {t.key: t for t in (_finder(), _sender())}
    cluster = _cluster(tools)
    for seed in range(30):
        blueprint = plan(cluster, tools, seed=seed, goals=1)
        send = next((call for _, _, call in blueprint.calls() if call.tool == "desk/send_letter"), None)
        if send is not None:
            assert isinstance(send.arguments["contact_id"], FromResult), "the user gives an id that nobody could know"


def test_the_values_of_a_new_record_are_not_read_from_another_one() -> None:
    tools, clusters = bundled()
    for cluster in clusters:
        blueprint = plan(cluster, tools, seed=11, goals=2)
        for _, _, call in blueprint.calls():
            target = roles(tools[call.tool])
            for binding in call.arguments.values():
                if not isinstance(binding, FromResult) or target.nature.operation != "create":
                    continue
                source = roles(tools[blueprint.step(binding.step).calls[binding.call].tool])
                assert source.own != target.own or source.nature.operation == "create"


def test_ranges_that_are_said_are_in_order_and_short() -> None:
    tools, clusters = bundled()
    seen = 0
    for seed in range(3):
        for cluster in clusters:
            for _, _, call in plan(cluster, tools, seed=seed).calls():
                said = {p: b.value for p, b in call.arguments.items() if isinstance(b, FromUser)}
                if "start_date" in said and "end_date" in said:
                    seen += 1
                    assert said["start_date"] < said["end_date"], f"{call.tool}: {said}"
    assert seen >= 3


def test_one_slot_has_one_value() -> None:
    for seed in range(60):
        room = context(seed)
        bred = breed(plan(room.cluster, room.tools, seed=seed), OPERATORS[: seed % 8], room, seed=seed)
        values: dict[str, str] = {}
        for _, _, call in bred.blueprint.calls():
            for binding in call.arguments.values():
                if isinstance(binding, FromUser):
                    text = canonical_json(binding.value)
                    assert values.setdefault(binding.slot, text) == text, f"{binding.slot} is said with two values"


# ------------------------------------------------------------------------------------------------------------ refusals


def test_a_cluster_without_a_tool_is_refused() -> None:
    with pytest.raises(BlueprintError, match="no usable tool"):
        plan(BusinessCluster(id="empty", tools=("a/b",), dependencies=(), domains={}), {}, seed=0)


def test_what_cannot_be_bound_is_refused_with_the_parameter() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 5, "maximum": 1}}, "required": ["x"]}
    tools = {t.key: t for t in [Tool(service="desk", name="make_thing", input_schema=schema)]}
    with pytest.raises(BlueprintError, match=r"desk/make_thing\.x"):
        plan(_cluster(tools), tools, seed=0)


def test_a_plan_of_one_step_is_kept_to() -> None:
    tools, clusters = bundled()
    for cluster in clusters[:20]:
        assert len(plan(cluster, tools, seed=1, config=BlueprintConfig(max_steps=1)).steps) == 1


def test_facts_are_what_the_user_says() -> None:
    tools = {t.key: t for t in [_sender()]}
    facts = {"desk": {"contact_id": ["c-1", "c-2"]}}
    for seed in range(5):
        call = next(call for _, _, call in plan(_cluster(tools), tools, seed=seed, facts=facts).calls())
        assert call.arguments["contact_id"].value in ("c-1", "c-2")


def test_a_refusal_wishes_for_what_nothing_on_offer_does() -> None:
    wished = 0
    for seed in range(30):
        room = context(seed)
        base = plan(room.cluster, room.tools, seed=seed)
        try:
            child = mutate(base, "add_refusal", room, seed=seed)
        except MutationRefused:
            continue
        wished += 1
        refuse = child.steps[-1]
        assert refuse.kind == "refuse"
        assert refuse.turn > max(step.turn for step in base.steps)
        with pytest.raises(MutationRefused, match="refused already"):
            mutate(child, "add_refusal", room, seed=seed)
    assert wished >= 20


def _finder() -> Tool:
    contact = {"type": "object", "properties": {"contact_id": {"type": "string"}, "name": {"type": "string"}}}
    return Tool(
        service="desk", name="search_contacts",
        input_schema={"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
        output_schema={"type": "object", "properties": {"contacts": {"type": "array", "items": contact}}},
    )  # fmt: skip


def _sender() -> Tool:
    properties = {"contact_id": {"type": "string"}, "body": {"type": "string"}}
    return Tool(
        service="desk", name="send_letter",
        input_schema={"type": "object", "properties": properties, "required": ["contact_id", "body"]},
        output_schema={"type": "object", "properties": {"letter_id": {"type": "string"}}},
    )  # fmt: skip


def _cluster(tools: dict[str, Tool]) -> BusinessCluster:
    from tdlab.records import Dependency

    edges: tuple[Dependency, ...] = ()
    if len(tools) == 2:
        path = ("contacts", 0, "contact_id")
        edges = (
            Dependency(
                source="desk/search_contacts", target="desk/send_letter", path=path, parameter="contact_id", score=0.9
            ),
        )
    return BusinessCluster(id="c", tools=tuple(tools), dependencies=edges, domains={})


def test_a_workshop_says_what_it_may_draw_on() -> None:
    room = context(1)
    assert isinstance(room, MutationContext)
    assert room.partner is None or room.partner.id != room.cluster.id

"""What is sent with a request: sampling by role, another seed for another reply, the schema on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.config import RunConfig, TeacherConfig
from tdlab.errors import ConfigError
from tdlab.rollout.llm import ChatClient, DryRunBackend, LlmRollout
from tdlab.rollout.llm.requests import wire_schema
from tdlab.rollout.worlds import SimulatedEnvironment
from tests.jobs import in_process
from tests.teacher.parts import asked, echo, in_loop, raw_server, request, teacher
from tests.teacher.tasks import improvised

BY_ROLE = {
    "user": {"model": "large", "temperature": 0.0, "seed": 0, "extra_body": {"top_k": 5}},
    "assistant": {"top_p": 0.5, "max_tokens": 99, "base_url": "http://127.0.0.1:9/v1"},
}


def test_each_role_has_its_own_sampling_and_the_rest_is_general() -> None:
    config = TeacherConfig.model_validate(
        {"model": "small", "temperature": 1.0, "seed": 7, "extra_body": {"min_p": 0.1, "top_k": 1}, "by_role": BY_ROLE}
    )
    assert config.sampling("user") == ("large", 0.0, None, 2048, 0, {"min_p": 0.1, "top_k": 5})
    assert config.sampling("assistant") == ("small", 1.0, 0.5, 99, 7, {"min_p": 0.1, "top_k": 1})
    assert config.sampling("writer") == ("small", 1.0, None, 2048, 7, {"min_p": 0.1, "top_k": 1})


def test_the_agents_ask_with_the_sampling_of_their_role() -> None:
    met = []

    class Backend(DryRunBackend):
        def ask(self, request: Any, *, attempt: int = 0) -> Any:
            met.append(request)
            return super().ask(request, attempt=attempt)

    blueprint, tools = improvised()[0]
    config = TeacherConfig.model_validate({"model": "mock", "by_role": {"assistant": BY_ROLE["assistant"]}})
    LlmRollout(Backend(config), config, blueprint, tools).play(SimulatedEnvironment)
    assert {(r.role, r.top_p, r.max_tokens) for r in met} >= {("user", None, 2048), ("assistant", 0.5, 99)}


def test_the_command_line_sets_a_role(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--set", "teacher.by_role.user.model=x", "--set", "teacher.by_role.user.extra_body.top_k=3")
    status, out, _ = in_process(monkeypatch, capsys, "config", "teacher.by_role", *words)
    assert status == 0
    assert "by_role: {user: {model: x, extra_body: {top_k: 3}}}" in " ".join(out.split())


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"extra_body": {"model": "x", "stream": True}}, "teacher.extra_body has 'model', 'stream', which tdlab sets"),
        ({"by_role": {"user": {"extra_body": {"seed": 1}}}}, "teacher.extra_body has 'seed'"),
        ({"extra_body": {"x": float("nan")}}, "not JSON"),
        ({"by_role": {"user": {"top_p": 0.0}}}, r"teacher\.by_role\.user\.top_p"),
        ({"base_url": ["http://a/v1", "http://me:hunter2@b/v1"]}, r"teacher\.base_url contains a user"),
        ({"models": {"user": "x"}}, "unknown key 'teacher.models.user'"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_the_config(values: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        RunConfig.from_mapping({"teacher": values})
    assert "hunter2" not in str(caught.value)


def test_addresses_do_not_change_what_a_run_is_and_sampling_does() -> None:
    plain, user = RunConfig(), {"user": {"model": "x"}}
    assert plain.with_values(teacher__by_role={"user": {"base_url": "http://a/v1"}}).digest == plain.digest
    assert plain.with_values(teacher__base_url=["http://a/v1", "http://b/v1"]).digest == plain.digest
    named = plain.with_values(teacher__by_role=user)
    assert named.digest != plain.digest
    assert named.with_values(teacher__by_role__user__base_url="http://a/v1").digest == named.digest
    assert named.with_values(teacher__by_role__user__top_p=0.5).digest != named.digest


def test_the_key_of_a_request_holds_its_sampling() -> None:
    plain = request()
    assert request(extra_body={}, top_p=None, seed=None).key == plain.key == request(role="assistant").key
    keys = {request(**v).key for v in ({"top_p": 0.5}, {"seed": 0}, {"seed": 1}, {"extra_body": {"top_k": 1}})}
    assert len(keys | {plain.key}) == 5


@pytest.mark.parametrize("with_seed", [True, False])
@pytest.mark.parametrize("seed", [None, 5])
def test_another_attempt_is_another_request_also_where_seeds_are_rejected(seed: int | None, with_seed: bool) -> None:
    """The server is deterministic: equal bodies get equal replies."""
    bodies: list[dict[str, Any]] = []

    def reply(body: dict[str, Any], key: str) -> tuple[int, Any]:
        if "seed" in body and not with_seed:
            return 400, "Unrecognized request argument supplied: seed"
        bodies.append(body)
        return 200, echo(body)

    with raw_server(reply) as address:
        client = ChatClient(teacher(address))

        async def work() -> None:
            async with client:
                for attempt in range(3):
                    await client.ask(request("x", temperature=0.0, seed=seed, top_p=0.9), attempt=attempt)

        in_loop(work)
    assert len({str(sorted(body.items())) for body in bodies}) == 3
    assert all(body["temperature"] == 0.0 and body["top_p"] == 0.9 for body in bodies)
    if with_seed:
        assert [body.get("seed") for body in bodies] == [seed, (seed or 0) + 1, (seed or 0) + 2]
    else:
        assert client.traffic.failures == {"no seed": 1}, "it was tried again"


def test_further_keys_of_the_body_are_sent() -> None:
    bodies: list[dict[str, Any]] = []

    def reply(body: dict[str, Any], key: str) -> tuple[int, Any]:
        bodies.append(body)
        return 200, echo(body)

    with raw_server(reply) as address:
        asked(teacher(address), [request(extra_body={"chat_template_kwargs": {"enable_thinking": False}})])
    assert bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert "seed" not in bodies[0]


# --- the schema on the wire


def test_a_schema_on_the_wire_has_what_servers_compile() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "T", "type": "object",
        "properties": {
            "pattern": {"type": "string", "pattern": "^[^x].*$", "format": "email", "description": "d", "maxLength": 9},
            "list": {"type": "array", "items": {"$ref": "#/$defs/x"}, "minItems": 1},
            "pair": {"prefixItems": [{"type": "string"}], "items": False},
            "one": {"oneOf": [{"const": 1}, {"enum": ["a"], "default": "a"}]},
        },
        "required": ["pattern"], "additionalProperties": False, "$defs": {"x": {"type": "string"}},
    }  # fmt: skip
    assert wire_schema(schema) == {
        "type": "object",
        "required": ["pattern"],
        "properties": {
            "pattern": {"type": "string", "maxLength": 9},
            "list": {"type": "array", "items": {}, "minItems": 1},
            "pair": {},
            "one": {"anyOf": [{"const": 1}, {"enum": ["a"]}]},
        },
        "additionalProperties": False,
    }


NAMES = "type properties items anyOf oneOf allOf pattern additionalProperties $ref minimum".split()
SCHEMAS = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=15,
)


@given(SCHEMAS)
def test_nothing_in_a_schema_breaks_its_form_on_the_wire(schema: Any) -> None:
    assert wire_schema(wire_schema(schema)) == wire_schema(schema)

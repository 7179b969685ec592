"""The probe, and the check before a run: what servers say for free, and what a few calls show."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tdlab.errors import TeacherError
from tdlab.rollout import probe
from tdlab.rollout.llm import LiveBackend, Misbehaviour, MockServer, RequestRefused
from tests.jobs import in_process
from tests.teacher.parts import asked, echo, raw_server, request, said, teacher

LLAMA = {
    "/v1/models": {"data": [{"id": "qwen.gguf", "owned_by": "llamacpp", "meta": {"n_ctx_train": 40960}}]},
    "/props": {"default_generation_settings": {"n_ctx": 4096}, "chat_template_caps": {"supports_tools": False}},
}
VLLM = {"/v1/models": {"data": [{"id": "m", "max_model_len": 8192}, {"id": "adapter", "max_model_len": 8192}]}}


def test_what_llama_cpp_says_for_free(caplog: pytest.LogCaptureFixture) -> None:
    """It answers to any name, so its only model is the one that is meant."""
    with raw_server(lambda body, key: (200, echo(body)), pages=LLAMA) as address:
        (found,) = probe(teacher(address, roles=("user",)))
        assert (found.listed, found.models, found.context, found.takes_tools) == (False, ("qwen.gguf",), 4096, False)
        assert found.error == ""
        assert (found.honours_schema, found.calls_tools, found.accepts_seed) == (None, None, None)
        with LiveBackend(teacher(address, roles=("user",))) as backend:
            backend.ask(request())
        assert "lists no model 'm'" in caplog.text
        (found,) = probe(teacher(address))
        assert "cannot play the assistant" in found.error
        with pytest.raises(TeacherError, match="drops the tools") as caught, LiveBackend(teacher(address)):
            pass
    assert "--jinja" in caught.value.do
    assert logging.WARNING in {record.levelno for record in caplog.records}


def test_a_model_that_is_not_listed_among_others_ends_the_run_before_it_begins() -> None:
    calls: list[Any] = []
    with raw_server(lambda body, key: (200, calls.append(body)), pages=VLLM) as address:
        with LiveBackend(teacher(address, model="m")) as backend:
            assert backend.client._servers[address].facts.context_of("m") == 8192
        with (
            pytest.raises(TeacherError, match="has no model 'adaptor'") as caught,
            LiveBackend(teacher(address, by_role={"user": {"model": "adaptor"}})),
        ):
            pass
    assert "one of m, adapter" in caught.value.expected
    assert "did you mean 'adapter'?" in caught.value.do
    assert calls == []


@pytest.mark.parametrize(
    ("page", "model"),
    [
        ({"data": [{"id": "llama3:latest"}, {"id": "x"}]}, "llama3"),
        ({"data": [{"id": "a/m"}, {"id": "x"}]}, "m"),
        ({"data": [{"id": "openai/*"}, {"id": "x"}]}, "openai/gpt"),
        ({"data": [{"id": "m"}, {"id": "x"}]}, "m:free"),
        ({"data": [{"id": "a"}, {"id": "b"}], "has_more": True}, "z"),
        ({"data": []}, "m"), ({"data": [3, None, {"id": 4}]}, "m"), ([1], "m"), ("{", "m"), ("[" * 100_000, "m"),
    ],
)  # fmt: skip
def test_a_list_of_models_that_does_not_exclude_one_passes(page: Any, model: str) -> None:
    with raw_server(lambda body, key: (200, echo(body)), pages={"/v1/models": page}) as address:
        (found,) = probe(teacher(address, model=model))
    assert found.error == ""
    assert found.listed in (True, None)


def test_a_request_that_does_not_fit_is_not_sent() -> None:
    with MockServer(Misbehaviour(context=500, models=("m",)), answer=echo) as server:
        with LiveBackend(teacher(server.base_url, max_tokens=100)) as backend:
            assert backend.ask(request("short", max_tokens=100)).text == "SHORT"
            with pytest.raises(RequestRefused, match="needs about 1,108 tokens, the model's context is 500"):
                backend.ask(request("long " * 800, max_tokens=100))
        assert server.counts["calls"] == 1
        with (
            pytest.raises(TeacherError, match="the context of 'm' is 500 tokens"),
            LiveBackend(teacher(server.base_url)),
        ):
            pass


def test_what_a_few_calls_show() -> None:
    """They are short, and what a server rejects or ignores differs from what is not known."""
    sent: list[dict[str, Any]] = []

    def reply(body: dict[str, Any], key: str) -> tuple[int, Any]:
        sent.append(body)
        if "seed" in body:
            return 422, {"detail": [{"msg": "Extra inputs are not permitted", "loc": ["body", "seed"]}]}
        if body.get("tool_choice"):
            return 500, "broken"
        if body.get("tools"):
            call = {"id": "1", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
            return 200, said("", tool_calls=[call])
        return 200, said("Blue.")

    with raw_server(reply) as address:
        (found,) = probe(teacher(address, extra_body={"top_k": 2}), paid=True)
    assert found.error == ""
    assert (found.reports_usage, found.accepts_seed, found.accepts_top_p) == (False, False, True)
    assert (found.honours_schema, found.calls_tools, found.honours_tool_choice) == (False, True, None)
    assert all(body["max_tokens"] <= 32 and body["top_k"] == 2 for body in sent)
    assert len(sent) <= 6


def test_the_command_says_what_will_not_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(how: Misbehaviour, *words: str) -> tuple[int, str]:
        with MockServer(how) as server:
            setting = f"teacher.base_url={server.base_url}"
            status, out, _ = in_process(
                monkeypatch, capsys, "probe", "--set", "teacher.model=mock", "--set", setting, *words
            )
        return status, " ".join(out.split())

    status, out = run(Misbehaviour(unknown=("seed",), no_schema=True), "--paid")
    assert status == 0
    assert "calls tools yes" in out
    assert "accepts a seed no" in out
    assert "JSON-schema mode is not honoured" in out
    status, out = run(Misbehaviour(no_tools=True))
    assert status == 1
    assert "cannot play the assistant" in out
    status, out = run(Misbehaviour(models=("mocks", "other"), context=9000), "--json")
    assert status == 1
    (found,) = json.loads(out)
    assert (found["listed"], found["context"], found["calls_tools"]) == (False, None, None)
    status, out, _ = in_process(
        monkeypatch, capsys, "probe", "--set", "teacher.model=m", "--set", "teacher.base_url=http://127.0.0.1:9/v1"
    )
    assert status == 1
    assert "cannot be reached" in out


def test_a_probe_shows_no_key() -> None:
    key = "sk-test-0123456789abcdef"
    with raw_server(lambda body, key: (401, f"wrong key {key}")) as address:
        (found,) = probe(teacher(address), paid=True, api_key=key)
    assert "HTTP 401" in found.error
    assert key not in str(found)


def test_calls_that_the_server_cannot_parse_go_on() -> None:
    with MockServer(Misbehaviour(rate_unparsable=0.5, seed=3), answer=echo) as server:
        replies, client = asked(teacher(server.base_url), [request(f"{n}") for n in range(20)])
    assert {reply.finish for reply in replies} == {"stop", "unparsable"}
    assert client.traffic.failures == {}

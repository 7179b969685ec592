"""A real small model plays roles: rates and invariants, never texts.

SmolLM2-135M-Instruct is far too small for most of this, which makes it a good test: nothing that it writes may break a
run, and what is accepted of it has to be about its task. ``-rP`` prints the numbers.
`tests.benchmarks.real_model` plays more tasks.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import jsonschema
import pytest

import tdlab
from tdlab.blueprints import MutationContext, first_plan, free_texts, plan, wishes_of
from tdlab.clusters import mine
from tdlab.config import RunConfig
from tdlab.errors import TeacherError
from tdlab.jobs.run import REPLIES
from tdlab.pool import ToolPool
from tdlab.records import Blueprint, BusinessCluster, FromUser, Tool
from tdlab.rollout import SimulatedEnvironment, probe
from tdlab.rollout.engine import Rollout
from tdlab.rollout.llm import ChatReply, ChatRequest, LiveBackend, LlmRollout, agreement
from tdlab.store import ReplyJournal
from tdlab.tasks import stage_here
from tdlab.tools import goal_phrase
from tdlab.verify import verify
from tests.jobs import in_process, small_pool, small_pool_file
from tests.teacher.parts import raw_server, teacher
from tests.teacher.real_model import CONTEXT, MODEL, TOOL_TEMPLATE, serve_model

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("no_figures")]

SETTINGS = {
    "model": MODEL, "max_tokens": 400, "temperature": 0.0, "seed": 1, "concurrency": 1, "timeout_s": 600.0,
    "patience_s": 3600.0, "connect_timeout_s": 60.0,
}  # fmt: skip
CRITERIA = {"goal", "tools", "grounded", "world", "consent", "natural"}
SMALL_WORDS = frozenset(
    "a about all an and are as at be because been before but by can do for from get had has have how if in into is it"
    " its me more my need not of on one or other our out so some than that the their them then there they this to up"
    " want was we what when where which who will with would you your".split()
)
PLACEHOLDERS = (
    "placeholder", "lorem", "example", "todo", "tbd", "n/a", "string", "your name", "insert", "description", "...",
    "lindow", "{", "}", "<", ">", "[", "]",
)  # fmt: skip


def _example(asked: str, name: str, arguments: str) -> tuple[dict[str, Any], ...]:
    call = {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "user", "content": asked}, {"role": "assistant", "content": "", "tool_calls": [call]}


EXAMPLES = (
    *_example("What time is it in Oslo?", "get_time", '{"city": "Oslo"}'),
    *_example("Please delete note nt_4.", "delete_note", '{"note_id": "nt_4"}'),
    *_example("Who is on duty on Friday?", "find_shifts", '{"day": "Friday"}'),
)
"""Calls for the model to imitate. Where a call is required, llama.cpp lets text go before it; by itself this model
writes text until it is cut off."""

SIMPLE_LINES = tuple(
    form.format(city, days)
    for form in ("What is the weather in {} for {} days?", "Weather in {} for {} days?")
    for city, days in (("Rome", 5), ("Oslo", 2), ("Paris", 3), ("Lima", 7), ("Cairo", 4), ("Tokyo", 4))
)


class Played(NamedTuple):
    """One rollout: the plan before it, what was asked and answered, and what came of it."""

    before: Blueprint
    tools: dict[str, Tool]
    exchanges: list[tuple[ChatRequest, ChatReply]]
    part: LlmRollout
    rollout: Rollout
    accepted: bool
    reason: str


class Recorder:
    """A backend that records what goes through it."""

    def __init__(self, backend: LiveBackend) -> None:
        self.backend = backend
        self.exchanges: list[tuple[ChatRequest, ChatReply]] = []

    def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        reply = self.backend.ask(request, attempt=attempt)
        self.exchanges.append((request, reply))
        return reply


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Serve the model with its own chat template, which has no tools."""
    with serve_model() as url:
        yield url


@pytest.fixture(scope="module")
def address_with_tools() -> Iterator[str]:
    """Serve the model with a chat template that has tools."""
    with serve_model(template=TOOL_TEMPLATE) as url:
        yield url


_MOST_ROUNDS = 4


@cache
def _clusters() -> tuple[ToolPool, list[BusinessCluster]]:
    pool = ToolPool.bundled()
    return pool, list(mine(pool, seed=0).clusters)


def tasks(count: int, *, most_calls: int = 99) -> Iterator[tuple[Blueprint, dict[str, Tool]]]:
    """Yield tasks on executable worlds, each of another cluster of the bundled pool as long as there are some."""
    pool, clusters = _clusters()
    made = 0
    for number, cluster in enumerate(clusters * _MOST_ROUNDS):
        context = MutationContext(cluster=cluster, tools=pool.tools, stage=stage_here(), run_seed=number)
        blueprint = first_plan(context, seed=number)
        if blueprint.script is None or sum(len(beat.calls) for beat in blueprint.script.beats) > most_calls:
            continue
        yield blueprint, {key: pool.tools[key] for key in blueprint.offered}
        made += 1
        if made == count:
            return
    raise AssertionError(f"only {made} tasks")


def plans(count: int) -> Iterator[tuple[Blueprint, dict[str, Tool]]]:
    """Yield plans that do without a pack, each of another cluster of the bundled pool."""
    pool, clusters = _clusters()
    for number, cluster in enumerate(clusters[:count]):
        blueprint = plan(cluster, pool.tools, seed=number)
        yield blueprint, {key: pool.tools[key] for key in blueprint.offered}


def played(backend: LiveBackend, blueprint: Blueprint, tools: dict[str, Tool]) -> Played:
    recorder = Recorder(backend)
    part = LlmRollout(recorder, backend.client.config, blueprint, tools)
    rollout = part.play(SimulatedEnvironment)
    verdict = verify(rollout.trajectory, part.blueprint, tools, stopped=rollout.stopped)
    reason = rollout.stopped or "; ".join(reason.text for reason in verdict.reasons)
    assert verdict.accepted or reason, "what is not accepted has a reason"
    return Played(blueprint, tools, recorder.exchanges, part, rollout, verdict.accepted and not rollout.stopped, reason)


def report(record: Any, name: str, accepted: int, of: int, rest: Counter[str]) -> None:
    record(name, f"{accepted} of {of}")
    print(f"{name}: {accepted} of {of} accepted")  # noqa: T201 - the numbers are for the README
    for reason, count in rest.most_common():
        print(f"    {count} x {reason}")  # noqa: T201 - the numbers are for the README


def kind_of(reason: str) -> str:
    """Return a reason without what differs from task to task."""
    role, _, rest = reason.rpartition(", 3 times")[0].partition(": ") if ", 3 times" in reason else ("", "", reason)
    rest = re.sub(r"'[^']*'|\"[^\"]*\"|\u00ab.*|\d+", "~", rest)
    rest = re.sub(r"(what is wanted|does not say the|was rejected|rejected|refused): ?.*", r"\1", rest)
    return f"{role}: {rest[:70]}".removeprefix(": ")


def words_of(text: str) -> set[str]:
    """Return the first four letters of the words that mean something."""
    return {word[:4] for word in re.findall(r"[a-z]{3,}", text.lower()) if word not in SMALL_WORDS}


def assert_about_its_task(run: Played) -> None:
    """Check what the model wrote by other means than the code: it is about the task, and no value is a stand-in."""
    after = run.part.blueprint
    if run.before.script is not None:
        said = [text for wish in wishes_of(run.before.script) for text in _spoken(wish)]
    else:
        said = [goal_phrase(run.tools[call.tool]) for _, _, call in run.before.calls()]
        said += [step.request for step in run.before.steps]
    assert len(words_of(after.intent) & words_of(" ".join(said))) >= 2, (after.intent, said)
    assert not _stands_in(after.intent, " ".join(said)), after.intent
    assert 12 <= len(after.intent) <= 400
    assert after.intent.isprintable()
    spoken = re.findall(r"[\w']+", after.intent.lower())
    runs = Counter(tuple(spoken[start : start + 5]) for start in range(len(spoken) - 4))
    assert max(runs.values(), default=1) == 1, f"it repeats itself: {after.intent}"
    for schema, value, was in _values(run):
        jsonschema.Draft202012Validator(schema).validate(value)
        if isinstance(value, str) and value != was:
            assert value.strip() == value != ""
            assert not _stands_in(value, str(was)), value


def _spoken(wish: Any) -> list[str]:
    return [*(part.wish for part in wish.parts), *(beat.text for beat in wish.beats if beat.speaker == "user")]


def _stands_in(text: str, task: str) -> str:
    found = (word for word in PLACEHOLDERS if word in text.lower() and word not in task.lower())
    return next(found, "")


def _values(run: Played) -> Iterator[tuple[Any, Any, Any]]:
    """Yield schema, value and earlier value of each text that the model could choose."""
    after = run.part.blueprint
    if after.script is not None:
        before = {slot: text for slot, (_, text) in free_texts(run.before, run.tools).items()}
        for slot, (schema, text) in free_texts(after, run.tools).items():
            yield schema, text, before.get(slot)
        return
    was = {
        binding.slot: binding.value
        for _, _, call in run.before.calls()
        for binding in call.arguments.values()
        if isinstance(binding, FromUser)
    }
    for _, _, call in after.calls():
        for name, binding in call.arguments.items():
            if isinstance(binding, FromUser):
                schema = run.tools[call.tool].parameters.get(name, {})
                yield (schema if binding.value != was[binding.slot] else {}), binding.value, was[binding.slot]


# -------------------------------------------------------------------------------------------------------------- probe


def test_the_probe_finds_what_the_server_can_do(address: str) -> None:
    (found,) = probe(teacher(address, **{**SETTINGS, "model": "no-such-name", "roles": ("proposer",)}), paid=True)
    assert found.error == ""
    assert (found.listed, found.models) == (False, (MODEL,)), "the name of its only model is not checked"
    assert any("it may answer to 'no-such-name'" in note for note in found.notes)
    assert (found.context, found.takes_tools) == (CONTEXT, False)
    assert (found.honours_schema, found.reports_usage) == (True, True)
    assert (found.accepts_seed, found.accepts_top_p) == (True, True)
    assert found.calls_tools is not True


def test_tools_that_are_dropped_end_a_run_before_anything_is_paid(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = probe(teacher(address, **SETTINGS))
    assert "cannot play the assistant" in found.error
    with pytest.raises(TeacherError, match="drops the tools"), LiveBackend(teacher(address, **SETTINGS)):
        pass
    sets = [f"teacher.{name}={value}" for name, value in {**SETTINGS, "base_url": address}.items()]
    words = [word for pair in ["rollout.teacher=llm", *sets] for word in ("--set", pair)]
    status, _, said = in_process(
        monkeypatch, capsys, "run", "-p", small_pool_file(tmp_path), "-o", tmp_path / "runs" / "run", *words
    )
    assert status == 2
    assert "drops the tools" in said
    if (tmp_path / "runs" / REPLIES).exists():
        with ReplyJournal(tmp_path / "runs" / REPLIES) as journal:
            assert len(journal) == 0


# ------------------------------------------------------------------------------------------------- proposer and user


def test_the_proposer_writes_stories_of_executable_tasks(address: str, record_property: Any) -> None:
    with LiveBackend(teacher(address, **SETTINGS, roles=("proposer",))) as backend:
        runs = [played(backend, *task) for task in tasks(12)]
    accepted = [run for run in runs if run.accepted]
    report(record_property, "proposer, executable", len(accepted), 12, reasons(runs))
    for run in accepted:
        assert_about_its_task(run)
    assert all(len(run.exchanges) <= 9 for run in runs)
    assert len(accepted) >= 4, "9 on most days; the texts change with the processor and with what the server has cached"


def test_the_proposer_writes_stories_of_plans_without_a_pack(address: str, record_property: Any) -> None:
    with LiveBackend(teacher(address, **SETTINGS, roles=("proposer",))) as backend:
        runs = [played(backend, *task) for task in plans(1)]
    accepted = [run for run in runs if run.accepted]
    report(record_property, "proposer, plans without a pack", len(accepted), 1, reasons(runs))
    for run in accepted:
        assert_about_its_task(run)
    assert all(len(run.exchanges) <= 9 for run in runs)


def test_the_user_ends_every_conversation(address: str, record_property: Any) -> None:
    with LiveBackend(teacher(address, **{**SETTINGS, "max_tokens": 120}, roles=("user",))) as backend:
        runs = [played(backend, *task) for task in tasks(3)]
    report(record_property, "user", sum(run.accepted for run in runs), 3, reasons(runs))
    for run in runs:
        assert run.before.script is not None
        lines = sum(beat.speaker == "user" for beat in run.before.script.beats)
        assert len(run.exchanges) <= 9 * (lines + 1)
        assert run.rollout.stopped or len(run.rollout.trajectory.messages) >= 3


def reasons(runs: list[Played]) -> Counter[str]:
    return Counter(kind_of(run.reason) for run in runs if not run.accepted)


# ---------------------------------------------------------------------------------------------------------- assistant


def test_required_calls_fit_their_tools(address_with_tools: str, record_property: Any) -> None:
    """A call that comes out fits its tool; llama.cpp lets text go before it, and this model rarely ends its text."""
    settings = {**SETTINGS, "max_tokens": 80, "roles": ("assistant",)}
    (found,) = probe(teacher(address_with_tools, **settings), paid=True)
    assert found.takes_tools is True
    calls = found.calls_tools is not False or found.honours_tool_choice is True  # as it happens: it is a small model
    assert found.error == ("" if calls else "calls no tools, so it cannot play the assistant")
    properties = {"city": {"type": "string", "maxLength": 30}, "days": {"type": "integer"}}
    weather = Tool(
        service="weather", name="get_weather", description="Weather of a city",
        input_schema={"type": "object", "properties": properties, "required": ["city", "days"]},
    )  # fmt: skip
    called = valid = cut = 0
    with LiveBackend(teacher(address_with_tools, **settings, extra_body={"tool_choice": "required"})) as backend:
        replies = [backend.ask(_requested((), line, [weather], backend)) for line in SIMPLE_LINES]
        whole = [call for reply in replies if reply.finish == "tool_calls" for call in reply.calls]
        assert whole, "8 of 12 on most days"
        assert all(call.name == weather.name and _fits(call.arguments, weather) for call in whole)
        for blueprint, tools in tasks(2, most_calls=2):
            assert blueprint.script is not None
            line = next(beat.text for beat in blueprint.script.beats if beat.speaker == "user")
            offered = [tools[key] for key in blueprint.tools if key in tools]  # with all of them it takes minutes
            reply = backend.ask(_requested(EXAMPLES, line, offered, backend))
            cut += reply.finish == "length"
            if reply.finish == "tool_calls":
                called += 1
                tool = next(tool for tool in offered if tool.name == reply.calls[0].name)
                valid += _fits(reply.calls[0].arguments, tool)
    record_property("required calls that fit", f"{valid} of {called}, 2 asked for")
    print(f"simple required calls: {len(whole)} of {len(SIMPLE_LINES)}")  # noqa: T201 - the numbers are for the README
    print(f"required calls: {called} of 2 called, {valid} fit, {cut} cut off before")  # noqa: T201 - the numbers are for the README
    assert valid == called


def test_the_assistant_ends_every_conversation(address_with_tools: str, record_property: Any) -> None:
    settings = {**SETTINGS, "max_tokens": 60, "roles": ("assistant",)}
    with LiveBackend(teacher(address_with_tools, **settings)) as backend:
        runs = [played(backend, *task) for task in tasks(2, most_calls=1)]
    report(record_property, "assistant", sum(run.accepted for run in runs), 2, reasons(runs))
    for run in runs:
        assert len(run.exchanges) <= 90
        assert len(run.rollout.trajectory.messages) <= 120


def _requested(examples: tuple[dict[str, Any], ...], line: str, tools: list[Tool], backend: LiveBackend) -> ChatRequest:
    """Return a request for the answer to a user's line, without tdlab's own prompt."""
    offered = tuple(
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.input_schema},
        }
        for tool in tools
    )
    return ChatRequest(
        role="assistant", messages=(*examples, {"role": "user", "content": line}), tools=offered,
        **backend.client.config.sampling("assistant")._asdict(),
    )  # fmt: skip


def _fits(arguments: str, tool: Tool) -> bool:
    try:
        return jsonschema.Draft202012Validator(tool.input_schema).is_valid(json.loads(arguments))
    except ValueError:
        return False


# ---------------------------------------------------------------------------------------------------------- committee


def test_the_committee_gives_complete_scores(address: str, record_property: Any) -> None:
    settings = {**SETTINGS, "max_tokens": 5000, "roles": ("committee",)}  # for six reasons of the greatest length
    shown = []
    with LiveBackend(teacher(address, **settings)) as backend:
        for blueprint, tools in tasks(1, most_calls=1):
            run = played(backend, blueprint, tools)
            assert run.accepted
            judgement = run.part.judge(run.rollout.trajectory)
            assert judgement is not None
            by_judge: dict[str, dict[str, Any]] = {}
            for score in judgement.scores:
                by_judge.setdefault(score.judge, {})[score.criterion] = score
            assert len(by_judge) == 3, judgement.objection
            for marks in by_judge.values():
                assert marks.keys() == CRITERIA
                assert all(1 <= score.score <= 5 for score in marks.values())
                assert all(score.reason or score.score >= 3 for score in marks.values())
            votes = [min(score.score for score in marks.values()) >= 3 for marks in by_judge.values()]
            pairs = [votes[a] == votes[b] for a in range(3) for b in range(a)]
            assert agreement(judgement.scores) == pytest.approx(sum(pairs) / 3)
            assert bool(judgement.objection) == (sum(votes) < 2)
            shown.append((agreement(judgement.scores), sorted(Counter(s.score for s in judgement.scores).items())))
    record_property("committee", str(shown))
    print(f"committee: agreement and marks {shown}")  # noqa: T201 - the numbers are for the README


# --------------------------------------------------------------------------------------------------------- a whole run


def test_a_run_decides_all_orders_pays_what_is_used_and_is_repeated_for_nothing(
    address: str, tmp_path: Path, record_property: Any
) -> None:
    used: Counter[str] = Counter()
    pages = {path: _get(address, path) for path in ("/v1/models", "/props")}

    def forward(body: dict[str, Any], key: str) -> tuple[int, Any]:
        asked = Request(f"{address}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(asked, timeout=900) as response:
            reply = json.load(response)
        used.update(calls=1, input=reply["usage"]["prompt_tokens"], output=reply["usage"]["completion_tokens"])
        return 200, reply

    def run(url: str, out: Path) -> tdlab.Run:
        settings = RunConfig(target=3).with_values(
            rollout__teacher="llm", teacher__roles=("proposer",), teacher__base_url=url, evolution__batch=3,
            **{f"teacher__{name}": value for name, value in SETTINGS.items()},
        )  # fmt: skip
        return tdlab.run(settings, out=out, pool=small_pool(), progress=False)

    with raw_server(forward, pages=pages) as proxy:
        first = run(proxy, tmp_path / "first")
    candidates = list(first.store.candidates())
    accepted = sum(candidate.accepted for candidate in candidates)
    print(f"run: {first.status}, {accepted} of {len(candidates)} accepted, {dict(used)}")  # noqa: T201 - the numbers are for the README
    record_property("run", f"{accepted} of {len(candidates)} accepted, {dict(used)}")
    assert first.status == "complete"
    assert first.counts().accepted == 3
    assert all(candidate.accepted or candidate.reasons for candidate in candidates), "every order is decided"
    with ReplyJournal(tmp_path / REPLIES) as journal:
        assert len(journal) == used["calls"]
    assert first.store.paid["calls"] == used["calls"]
    assert first.store.paid["tokens"] == used["input"] + used["output"]
    again = run(proxy, tmp_path / "again")  # the proxy is gone
    assert again.store.paid["calls"] == 0
    assert (tmp_path / "again" / "dataset.jsonl").read_bytes() == (tmp_path / "first" / "dataset.jsonl").read_bytes()
    first.close()
    again.close()


def _get(address: str, path: str) -> Any:
    with urlopen(address.removesuffix("/v1") + path, timeout=60) as response:
        return json.load(response)

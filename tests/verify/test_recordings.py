"""Recordings of others: each check passes, fails or is not known, and says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tdlab.formats import Recording, scan_trajectories
from tdlab.jobs import verdicts_on, verify_recordings
from tdlab.records import Annotations, Json, Message, Tool, ToolCall, Trajectory
from tdlab.verify import RecordingVerdict
from tests.jobs import in_process

POLICY = "Before taking any action that changes a weir, obtain the user's explicit confirmation (yes)."
OPEN_WEIR = Tool(
    service="weirs",
    name="update_weir",
    input_schema={
        "type": "object",
        "properties": {"weir_id": {"type": "string"}, "height_cm": {"type": "integer"}},
        "required": ["weir_id"],
        "additionalProperties": False,
    },
)
GET_WEIR = Tool(
    service="weirs",
    name="get_weir",
    input_schema={"type": "object", "properties": {"weir_id": {"type": "string"}}, "required": ["weir_id"]},
)
DELETE_WEIR = GET_WEIR.model_copy(update={"name": "delete_weir", "annotations": Annotations(destructive=True)})


def user(text: str) -> Message:
    return Message(role="user", content=text)


def says(text: str) -> Message:
    return Message(role="assistant", content=text)


def calls(tool: str, call_id: str = "c1", malformed: str | None = None, **arguments: Json) -> Message:
    call = ToolCall(id=call_id, name=tool, arguments=arguments, malformed=malformed)
    return Message(role="assistant", tool_calls=(call,))


def returns(content: str, call_id: str | None = "c1", *, error: bool = False) -> Message:
    return Message(role="tool", content=content, tool_call_id=call_id, is_error=error)


GOOD = (
    Message(role="system", content=POLICY),
    user("Please lower weir W-1042 to 80 cm."),
    calls("get_weir", weir_id="W-1042"),
    returns('{"weir_id": "W-1042", "height_cm": 95}'),
    says("W-1042 is at 95 cm. Shall I lower it to 80 cm?"),
    user("Yes."),
    calls("update_weir", "c2", weir_id="W-1042", height_cm=80),
    returns('{"weir_id": "W-1042", "height_cm": 80}', "c2"),
    says("It is at 80 cm now."),
)


def verdict(*messages: Message, tools: tuple[Tool, ...] = (OPEN_WEIR, GET_WEIR), policy: str = "") -> RecordingVerdict:
    called = {call.name for message in messages for call in message.tool_calls}
    names = {name: f"weirs/{name}" for name in called} | {tool.name: tool.key for tool in tools}
    recording = Recording(
        Trajectory(id="t", messages=messages, tools=names), {tool.key: tool for tool in tools}, "openai", policy=policy
    )
    return next(verdicts_on([recording]))


def states(found: RecordingVerdict) -> dict[str, str]:
    return {check.name: check.state for check in found.checks}


def reason(found: RecordingVerdict, name: str) -> str:
    return next(check.reason for check in found.checks if check.name == name)


def test_a_sound_conversation_is_accepted() -> None:
    found = verdict(*GOOD)
    assert found.accepted
    assert {name for name, state in states(found).items() if state != "passed"} == {"guesses"}


def replaced(index: int, *messages: Message) -> tuple[Message, ...]:
    return (*GOOD[:index], *messages, *GOOD[index + 1 :])


FAULTS: dict[str, tuple[str, tuple[Message, ...]]] = {
    "arguments that are no object": (
        "arguments",
        replaced(6, calls("update_weir", "c2", malformed='{"weir_id": W-1042}')),
    ),
    "a tool that is not offered": ("offer", replaced(2, calls("read_weir", weir_id="W-1042"))),
    "an argument of the wrong type": (
        "schema",
        replaced(6, calls("update_weir", "c2", weir_id="W-1042", height_cm="low")),
    ),
    "a call without a result": ("results", (*GOOD[:7], *GOOD[8:])),
    "a result that answers no call": ("results", replaced(7, *GOOD[7:8], returns("{}", None))),
    "two results of one call": ("results", replaced(7, *GOOD[7:8], GOOD[7])),
    "the user twice in a row": ("roles", replaced(1, user("Good morning."), GOOD[1])),
    "instructions in the middle": ("roles", replaced(5, GOOD[5], Message(role="system", content="Be brief."))),
    "no closing reply": ("ending", GOOD[:-1]),
    "an unanswered question of the user": ("ending", (*GOOD, user("And what does W-1043 do at the moment?"))),
    "an empty last reply": ("ending", replaced(8, says(" "))),
    "a last reply cut inside code": ("ending", replaced(8, says("It is done:\n```json\n{"))),
    "an invented identifier": ("grounding", replaced(2, calls("get_weir", weir_id="W-7731"))),
    "an act before the yes": ("consent", (*GOOD[:4], *GOOD[6:])),
    "a result that the assistant wrote": (
        "guesses",
        replaced(8, says('<tool_response>{"height_cm": 80}</tool_response>')),
    ),
    "an error reported as a success": (
        "errors_reported",
        (*GOOD[:7], returns("Error: gate stuck", "c2", error=True), says("The weir has been updated to 80 cm.")),
    ),
    "a call that failed, made again as it was": (
        "retries",
        replaced(
            3,
            returns("Error: unknown field", error=True),
            calls("get_weir", "c9", weir_id="W-1042"),
            returns('{"weir_id": "W-1042", "height_cm": 95}', "c9"),
        ),
    ),
    "a result about something else": ("echo", replaced(3, returns('{"weir_id": "W-2000", "height_cm": 95}'))),
    "a world that contradicts itself": (
        "world",
        replaced(3, returns('{"weir_id": "W-1042", "start_date": "2026-03-02", "end_date": "2026-03-01"}')),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_fails_its_check(fault: str) -> None:
    name, messages = FAULTS[fault]
    found = verdict(*messages)
    assert states(found)[name] == "failed", f"{fault} passes: {states(found)}"
    assert not found.accepted
    assert reason(found, name)


def test_what_a_recording_lacks_is_named() -> None:
    found = verdict(*GOOD[1:], tools=())
    assert states(found)["offer"] == states(found)["schema"] == "not_known"
    assert reason(found, "schema") == "the recording has no tool definitions"
    without_results = tuple(message for message in GOOD if message.role != "tool")
    assert reason(verdict(*without_results), "results") == "the recording has no results"
    assert reason(verdict(*without_results), "retries") == "the recording has no results"


def test_a_value_from_a_result_that_was_cut_is_not_known() -> None:
    messages = (
        user("Show me the weir at Aarwangen."),
        calls("find_weirs", place="Aarwangen"),
        returns('[{"weir_id": "W-10'),
        calls("get_weir", "c2", weir_id="W-1042"),
        returns('{"weir_id": "W-1042", "height_cm": 95}', "c2"),
        says("It is 95 cm high."),
    )
    found = verdict(*messages, tools=())
    assert (states(found)["grounding"], reason(found, "grounding")) == ("not_known", "results are cut off")


def test_a_value_that_the_instructions_state_is_grounded() -> None:
    messages = (
        user("How high is our weir?"),
        calls("get_weir", weir_id="W-5550"),
        returns("{}"),
        says("I can't see it."),
    )
    assert states(verdict(*messages))["grounding"] == "failed"
    assert states(verdict(*messages, policy="The customer's weir is W-5550."))["grounding"] == "passed"


def test_an_error_that_passes_may_be_answered_by_the_same_call() -> None:
    again = replaced(
        3,
        returns("Error: request timed out", error=True),
        calls("get_weir", "c9", weir_id="W-1042"),
        returns('{"weir_id": "W-1042", "height_cm": 95}', "c9"),
    )
    assert states(verdict(*again))["retries"] == "passed"


def test_consent_follows_clear_rules_and_annotations_only() -> None:
    act = (
        user("Drop weir W-1042 from the list."),
        calls("delete_weir", weir_id="W-1042"),
        returns("{}"),
        says("Gone."),
    )
    assert reason(verdict(*act, tools=(GET_WEIR,)), "consent").startswith("no policy or annotation")
    assert states(verdict(*act, tools=(DELETE_WEIR,)))["consent"] == "failed"
    rule = "Deleting a weir needs the user's confirmation, unless the user has named it."
    assert states(verdict(*act, tools=(DELETE_WEIR,), policy=rule))["consent"] == "not_known"


def test_an_error_that_is_reported_is_honest() -> None:
    reply = says("I've created nothing, since the name is taken.")
    messages = (user("Create the weir Nord."), calls("create_weir", name="Nord"), returns("taken", error=True), reply)
    assert states(verdict(*messages, tools=()))["errors_reported"] == "passed"


def test_hostile_conversations_get_a_verdict() -> None:
    deep: Json = "x"
    for _ in range(300):
        deep = [deep]
    surrogate = "\ud800 W-1042"
    for messages in (
        (),
        (Message(role="system", content=""),),
        (user(surrogate), calls("get_weir", weir_id=surrogate), returns("[" * 5000), says(surrogate)),
        (user("Hi"), calls("get_weir", weir_id=deep), returns(json.dumps(deep)), says("Done.")),
        (user("Hi"), calls("get_weir", weir_id="W-1"), calls("get_weir", weir_id="W-1"), returns("1e999"), says("NaN")),
    ):
        assert {check.state for check in verdict(*messages, tools=()).checks} <= {"passed", "failed", "not_known"}


def test_agreement_with_rewards_is_counted() -> None:
    good = Trajectory(id="a", messages=(user("Hi"), says("Good morning.")))
    bad = Trajectory(id="b", messages=(user("Hi"),))
    recordings = [
        Recording(good, {}, "tau-bench", reward=1.0),
        Recording(good, {}, "tau-bench", reward=0.0),
        Recording(bad, {}, "tau-bench", reward=0.0),
        Recording(bad, {}, "tau-bench"),
    ]
    report = verify_recordings(recordings)
    agreement = report.agreement
    assert (report.trajectories, report.accepted) == (4, 2)
    assert agreement is not None
    assert (agreement.n, agreement.accepted_passing, agreement.accepted_failing, agreement.rejected_failing) == (
        3,
        1,
        1,
        1,
    )
    assert agreement.balanced_accuracy == pytest.approx(0.75)
    assert agreement.kappa == pytest.approx(0.4)
    assert agreement.checks["ending"].precision == 1.0


def test_the_command_writes_one_verdict_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    file, out = tmp_path / "talk.jsonl", tmp_path / "verdicts.jsonl"
    lines = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}] * 2
    lines.append({"messages": [{"role": "user", "content": "Hi"}]})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, text, _ = in_process(monkeypatch, capsys, "verify", str(file), "--examples", "--out", str(out))
    assert code == 0
    assert "3 trajectories, 2 accepted" in " ".join(text.split())
    assert "ends with a message of the user" in text
    verdicts = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["accepted"] for line in verdicts] == [True, True, False]
    assert len({line["trajectory"] for line in verdicts}) == 3
    code, text, _ = in_process(monkeypatch, capsys, "verify", str(file), "--json")
    assert json.loads(text)[str(file)]["checks"]["ending"]["failed"] == 1


@pytest.mark.parametrize(
    ("folder", "trajectories", "passing", "base_rate"),
    [("tau-bench", 200, 84, 0.58), ("tau2-toolorchestra", 164, 124, 0.24)],
)
def test_recorded_benchmarks_line_up(
    shared: Path, folder: str, trajectories: int, passing: int, base_rate: float
) -> None:
    """What is rejected fails more often than the base rate in tau-bench; in tau2-bench, next to nothing is rejected."""
    report = verify_recordings(scan_trajectories(shared / "data" / "trajectories" / folder).recordings)
    agreement = report.agreement
    assert agreement is not None
    assert report.trajectories == agreement.n == trajectories
    assert agreement.accepted_passing + agreement.rejected_passing == passing
    assert agreement.base_rate == pytest.approx(base_rate, abs=0.005)
    assert agreement.rejected_passing <= 0.02 * passing, "runs that the benchmark passes are rejected"
    if folder == "tau-bench":
        assert agreement.checks["consent"].precision == 1.0
        assert agreement.balanced_accuracy is not None
        assert agreement.balanced_accuracy > 0.54

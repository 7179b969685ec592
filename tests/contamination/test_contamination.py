"""Overlaps of datasets with benchmarks: planted at several strengths, and clean controls."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tdlab.contamination import Benchmark, ContaminationRules, Overlap, find_overlap
from tdlab.errors import FormatError
from tdlab.formats import LineProblem, iter_tasks, read_trajectories, scan_trajectories
from tdlab.jobs import compare_with_benchmark, read_benchmark, tasks_of
from tdlab.records import Json, Message, Tool, ToolCall, Trajectory
from tests.jobs import in_process

TASK = (
    "My flight to Lisbon was cancelled this morning, so please move me to the earliest connection tomorrow that still "
    "has two seats side by side, and keep the vegetarian meals that we ordered."
)
PARAPHRASED = (
    "My flight to Lisbon was cancelled this morning, so could you move me to the first connection tomorrow that still "
    "has two seats side by side and keep our vegetarian meals that we had ordered?"
)
SAME_SUBJECT = (
    "Can you rebook us to Lisbon for tomorrow? We need two seats next to each other. Vegetarian food as before."
)
OTHER = "What would a new gearbox for a 2014 hatchback cost, and how long would your garage in Uster need to fit it?"
CHINESE = "我今天早上飞往里斯本的航班被取消了,请帮我改签到明天最早的一班,并且保留两个相邻的座位和我们预订的素食餐。"
CHINESE_OTHER = "请问一辆二零一四年的掀背车换一个新的变速箱需要多少钱,你们在乌斯特的修理厂需要多长时间才能装好?"
BOILERPLATE = (
    "You are an agent in a workspace with files. Think step by step, use the tools, and stop when you are done. "
)


def talk(*texts: str, system: str = "", calls: tuple[ToolCall, ...] = (), tools: tuple[str, ...] = ()) -> Trajectory:
    messages = [Message(role="system", content=system)] if system else []
    messages += [Message(role="user", content=text) for text in texts]
    messages.append(Message(role="assistant", content="Done.", tool_calls=calls))
    return Trajectory(id="t", messages=tuple(messages), tools={name: f"s/{name}" for name in tools})


def benchmark(*texts: str, rules: ContaminationRules | None = None) -> Benchmark:
    tasks = Benchmark(rules or ContaminationRules())
    for number, text in enumerate(texts):
        tasks.add(f"task-{number}", talk(text), {})
    return tasks


def kinds(overlap: Overlap) -> list[str]:
    return [match.kind for match in overlap.matches]


@pytest.mark.parametrize(
    ("said", "task", "expected"),
    [
        (TASK, TASK, ["sequence", "near_duplicate"]),
        (TASK.upper().replace(",", " --"), TASK, ["sequence", "near_duplicate"]),
        (f"Hello! {TASK} Many thanks.", TASK, ["sequence", "near_duplicate"]),
        (PARAPHRASED, TASK, ["near_duplicate"]),
        (SAME_SUBJECT, TASK, []),
        (OTHER, TASK, []),
        (CHINESE, CHINESE, ["sequence", "near_duplicate"]),
        (CHINESE_OTHER, CHINESE, []),
        (CHINESE_OTHER + CHINESE + CHINESE_OTHER, CHINESE, ["sequence"]),
    ],
    ids=[
        "verbatim",
        "case and marks",
        "inside",
        "paraphrased",
        "same subject",
        "clean",
        "CJK",
        "CJK clean",
        "CJK inside",
    ],
)
def test_planted_tasks_are_found_and_controls_are_not(said: str, task: str, expected: list[str]) -> None:
    overlap = find_overlap(talk(said), {}, benchmark(OTHER + " Zurich", task) if said != OTHER else benchmark(task))
    assert set(expected) <= set(kinds(overlap)), f"{kinds(overlap)} found"
    assert overlap.contaminated == bool(expected)
    if expected:
        assert overlap.strongest is not None
        assert overlap.strongest.task.startswith("task-")


def test_the_evidence_is_the_shared_text() -> None:
    strongest = find_overlap(talk(f"So. {TASK}"), {}, benchmark(TASK)).strongest
    assert strongest is not None
    assert strongest.evidence.startswith("My flight to Lisbon was cancelled")
    assert (strongest.size, strongest.score) == (len(TASK.replace(",", "").split()), 1.0)


def test_a_task_told_over_several_messages_is_found() -> None:
    assert find_overlap(talk(TASK[:70], TASK[70:]), {}, benchmark(TASK)).contaminated


def test_a_short_task_counts_where_it_occurs_whole() -> None:
    task = "Close the upper weir before eight on Sunday"
    assert find_overlap(talk(f"Good morning. {task}, please."), {}, benchmark(task)).contaminated
    assert not find_overlap(talk("Close the upper weir now."), {}, benchmark(task)).contaminated


def test_boilerplate_is_no_contamination() -> None:
    tasks = benchmark(*(f"{BOILERPLATE}Task {n}: {OTHER[n : 40 + n]}" for n in range(30)))
    overlap = find_overlap(talk(f"{BOILERPLATE}{TASK}"), {}, tasks)
    assert not overlap.contaminated, kinds(overlap)
    assert find_overlap(talk("Hi", system=f"{BOILERPLATE}{TASK}"), {}, benchmark(TASK)).matches == ()


def test_only_names_are_reported_and_do_not_contaminate() -> None:
    tool = Tool(
        service="s",
        name="rebook_flight",
        description="Move a passenger of a cancelled flight to another connection.",
        input_schema={"type": "object", "properties": {"pnr": {"type": "string"}, "day": {"type": "string"}}},
    )
    tasks = Benchmark()
    tasks.add("task", talk(TASK, tools=("rebook_flight",)), {tool.key: tool})
    assert kinds(find_overlap(talk(OTHER, tools=("rebookFlight",)), {}, tasks)) == ["names"]
    overlap = find_overlap(talk(OTHER, tools=("rebook_flight",)), {tool.key: tool}, tasks)
    assert kinds(overlap) == ["definitions", "names"]
    assert not overlap.contaminated


def test_rare_identifiers_are_found_and_common_values_are_not() -> None:
    def call(value: Json) -> tuple[ToolCall, ...]:
        return (ToolCall(id="c", name="get_reservation", arguments={"reservation": {"id": value}}),)

    tasks = Benchmark()
    for number in range(40):
        tasks.add(f"task-{number}", talk(OTHER, calls=call(f"PNR-{7000 + number}")), {})
    for value in ("2024-05-20", "12:30", "sha256", "123456", "v1.2.30", True, "ordinary"):
        for number in range(2):
            tasks.add(f"more-{number}", talk(OTHER, calls=call(value)), {})
    for number in range(20):
        tasks.add(f"every-{number}", talk(OTHER, calls=call("ACC-90001")), {})
    found = find_overlap(talk(TASK, calls=call("pnr-7003")), {}, tasks)
    assert (kinds(found), found.matches[0].task, found.contaminated) == (["values"], "task-3", False)
    for value in ("2024-05-20", "12:30", "sha256", "123456", "v1.2.30", True, "ordinary", "ACC-90001"):
        assert find_overlap(talk(TASK, calls=call(value)), {}, tasks).matches == (), value
    tasks.rules = ContaminationRules(deciding=("values",))
    assert find_overlap(talk(TASK, calls=call("PNR-7003")), {}, tasks).contaminated


def test_other_records_are_read_as_tasks(tmp_path: Path) -> None:
    records = [
        {"id": "b-1", "question": [[{"role": "user", "content": TASK}], [{"role": "user", "content": OTHER}]]},
        {"id": "b-2", "prompt": OTHER, "ground_truth": [TASK], "system": TASK},
        {"name": "rebook", "description": TASK, "parameters": {"type": "dict", "properties": {}}},
        TASK,
        {"id": "b-3", "score": 1},
    ]
    lines, document, plain = tmp_path / "lines.jsonl.gz", tmp_path / "document.json", tmp_path / "plain.txt"
    lines.write_bytes(gzip.compress("".join(json.dumps(record) + "\n" for record in records).encode()))
    document.write_text(json.dumps({"version": 2, "tasks": records[:2]}))
    plain.write_text(f"{TASK}\n\n{OTHER}\n", encoding="utf-8")
    read = [part for part in iter_tasks(lines) if not isinstance(part, LineProblem)]
    said = [[message.content for message in part.trajectory.messages] for part in read]
    assert said == [[TASK, OTHER], [OTHER], [], [TASK]]
    assert [name for part in read for name in part.tools] == ["/rebook"]
    assert [part.reason for part in iter_tasks(lines) if isinstance(part, LineProblem)] == [
        "tasks: holds no text of a task and no tool"
    ]
    assert [task.trajectory.id for task in tasks_of(document)] == ["b-1", "b-2"]
    assert [task.trajectory.id for task in tasks_of(plain)] == ["plain-1", "plain-3"]
    assert len(list(tasks_of(tmp_path))) == 4 + 2 + 2


@pytest.mark.parametrize("content", [b"", b"\n \n", b"MZ\x00\x90\x00" * 999, b'{"a": 1}\n', b"\xff\xfe{\x00"])
def test_a_file_without_tasks_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "benchmark.json"
    file.write_bytes(content)
    with pytest.raises(FormatError, match="benchmark"):
        read_benchmark([file])


def test_hostile_texts_are_compared() -> None:
    tasks = benchmark(TASK, "\ud800 " + TASK, "a " * 5000, "", "🦫" * 50)
    deep: Json = 1
    for _ in range(300):
        deep = {"a": deep}
    for text in ("\ud800" * 20, "a " * 5000, "", "🦫" * 500, "x" * 100_000, "\u202e" + TASK):
        call = ToolCall(id="c", name="n" * 5000, arguments={"deep": deep})
        find_overlap(talk(text, calls=(call,)), {}, tasks)


def test_of_an_endless_text_the_beginning_is_compared_and_that_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tdlab.contamination.benchmark.MOST_CHARACTERS", 1000)
    overlap = find_overlap(talk(TASK + " so" * 5000, TASK), {}, benchmark(TASK))
    assert overlap.contaminated
    assert "was not compared" in overlap.unread
    tasks = benchmark(TASK + " so" * 5000)
    assert tasks.cut == 1
    assert find_overlap(talk("so " * 5000 + TASK), {}, benchmark(OTHER)).unread


def write(path: Path, *trajectories: tuple[str, str]) -> Path:
    lines = [
        {"id": name, "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "Done."}]}
        for name, text in trajectories
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_the_clean_part_is_written(tmp_path: Path) -> None:
    dataset = write(tmp_path / "data.jsonl", ("a", TASK), ("b", OTHER), ("b", SAME_SUBJECT))
    tasks = read_benchmark([write(tmp_path / "benchmark.jsonl", ("x", TASK))])
    overlaps: list[Overlap] = []
    clean = tmp_path / "clean.jsonl"
    report = compare_with_benchmark(
        scan_trajectories(dataset).recordings, tasks, on_overlap=overlaps.append, clean=clean
    )
    assert (report.trajectories, report.contaminated, report.share) == (3, 1, pytest.approx(1 / 3))
    assert [overlap.trajectory for overlap in overlaps] == ["a", "b", "b#2"]
    assert [t.messages[0].content for t in read_trajectories(clean).trajectories] == [OTHER, SAME_SUBJECT]
    again = compare_with_benchmark(scan_trajectories(dataset).recordings, tasks)
    assert again == report


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    dataset = write(tmp_path / "data.jsonl", ("a", TASK), ("b", OTHER))
    against = tmp_path / "benchmark.txt"
    against.write_text(PARAPHRASED, encoding="utf-8")
    clean, matches = tmp_path / "clean.jsonl", tmp_path / "matches.jsonl"
    words = ["contamination", str(dataset), "--against", str(against), "--examples"]
    code, text, _ = in_process(monkeypatch, capsys, *words, "--out", str(clean), "--matches", str(matches))
    assert code == 0
    assert "2 trajectories, 1 contaminated (50.0 %)" in text
    assert "My flight to Lisbon" in text
    assert len(clean.read_text().splitlines()) == 1
    assert [json.loads(line)["contaminated"] for line in matches.read_text().splitlines()] == [True, False]
    code, text, _ = in_process(monkeypatch, capsys, *words, "--json")
    assert json.loads(text)[str(dataset)]["kinds"]["near_duplicate"] == 1
    code, text, problems = in_process(monkeypatch, capsys, "contamination", str(against), "--against", str(against))
    assert (code, "1 trajectory, 1 contaminated (100.0 %)" in text) == (0, True)
    assert "read as tasks" in problems


def test_benchmarks_against_each_other(shared: Path) -> None:
    folder = shared / "data" / "trajectories"
    tau = scan_trajectories(folder / "tau-bench").recordings
    itself = compare_with_benchmark(tau, read_benchmark([folder / "tau-bench"]))
    assert itself.share == 1.0
    other = compare_with_benchmark(tau, read_benchmark([folder / "toolbench-gpt35cot"]))
    assert other.contaminated == 0, other.examples
    one_world = compare_with_benchmark(tau, read_benchmark([folder / "tau2-toolorchestra"]))
    assert one_world.kinds["values"] > 150, "both use the reservations of one airline"
    assert one_world.contaminated < 30

"""The author: a mock over real HTTP writes packs; wrong ones are refused, a right one is used offline from then on."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tdlab
from tdlab.config import RunConfig, TeacherConfig
from tdlab.errors import BudgetSpent, ConfigError, PackError, RunMismatch, TeacherError
from tdlab.jobs import write_service_pack
from tdlab.jobs.run import REPLIES
from tdlab.pool import ToolPool
from tdlab.rollout import AuthoredPack, MockServer, author_of, estimate_pack
from tdlab.rollout.llm import prompt
from tdlab.rollout.llm._pack_folder import PROVENANCE
from tdlab.rollout.llm.author import written_pack
from tdlab.rollout.llm.mock_model import completion
from tdlab.tasks import check_apart
from tdlab.worlds import find_packs, load_pack, packs_digest
from tests.clock import slower
from tests.jobs import finish, in_process, started
from tests.teacher.kayaks import RIGHT, SERVICE, TASKS, TOOLS, WORLD, files, pool_file, replaced, with_tool

pytestmark = pytest.mark.usefixtures("no_figures")

RENT = "INSERT INTO hires VALUES (:slip, :kayak_id, :paddler, at(now(), '+1 day', 'date'), NULL);"


def said(content: Mapping[str, str], reasons: str = "Because.") -> str:
    return json.dumps({"reasons": reasons, "files": content})


STORM = "--- error weather\nSELECT 1 WHERE 0;\n"

Kind = tuple[str, str, str, str]

BROKEN: tuple[Kind, ...] = (
    # what is wrong, the reply, the file that the refusal names, and words of it
    ("no JSON", "Here is your pack. Enjoy!", "reply", "it is not one JSON object"),
    ("a file missing", said({"world.sql": WORLD}), "tasks.yaml", "the file is missing"),
    ("a path", said({**RIGHT, "../../x": "gone"}), "reply", 'there is a file "../../x"'),
    ("not YAML", said(files(tasks=replaced(TASKS, "frames:", "frames: ["))), r"tasks.yaml:\d+", "not YAML"),
    ("not SQL", said(files(world=replaced(WORLD, "SELECT slip, due FROM", "SELEC slip, due FROM"))), r"world.sql:\d+",
     "SELEC is not allowed in this section"),
    ("SQL that breaks off", said(files(world=replaced(WORLD, "VALUES (:slip,", "VALUES :slip,"))), r"world.sql:\d+",
     "syntax error"),
    ("a table that is not there", said(files(world=replaced(WORLD, RENT, RENT.replace("hires", "rentals")))),
     r"world.sql:\d+", "no such table: rentals"),
    ("a result that does not fit",
     said(files(world=replaced(WORLD, "SELECT slip, due FROM", "SELECT 7 AS slip, due FROM"))), r"world.sql:\d+",
     "rent-kayak returns"),
    ("another database", said(files(world=replaced(WORLD, RENT, f"ATTACH DATABASE 'other.db' AS other;\n{RENT}"))),
     r"world.sql:\d+", "ATTACH is not allowed"),
    ("a goal out of reach", said(files(tasks=replaced(TASKS, "AND paddler = :paddler AND", "AND paddler = 'x' AND"))),
     r"tasks.yaml:\d+", "the goal does not hold after rent"),
    ("an error without documentation",
     said(files(world=replaced(WORLD, "--- error kayak_out", f"{STORM}--- error kayak_out"))),
     r"world.sql:\d+", "rent-kayak documents no error 'weather'"),
    ("the same words in two frames",
     said(files(tasks=replaced(TASKS, "Which boats carry the word {name}?", "The river is calm at last, could we?"))),
     r"tasks.yaml:\d+", "the river is calm at last"),
    ("another input schema", said(files(tools=with_tool("searchKayaks", inputSchema={"type": "object"}))), "tools.json",
     "the inputSchema of searchKayaks is changed"),
    ("another description", said(files(tools=with_tool("return_kayak", description="Delete it."))), "tools.json",
     "the description of return_kayak is changed"),
    ("a tool of its own", said(files(tools=with_tool("drop_all"))), "tools.json", 'the pool has no tool "drop_all"'),
    ("no output schema", said(files(tools='{"tools": []}')), "tools.json", "rent-kayak has no output schema"),
)  # fmt: skip


class Author:
    """A model that gives its replies in turn, as far as a session's messages say it has come, and records requests."""

    def __init__(self, *replies: str) -> None:
        self.replies = replies
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.bodies.append(dict(body))
        sent = re.search(r"refuses attempt (\d+)\.", body["messages"][-1]["content"])
        number = int(sent.group(1)) if sent else 0
        text = self.replies[min(number, len(self.replies) - 1)]
        return completion("m", {"role": "assistant", "content": text}, prompt="x" * 400)


@contextmanager
def serving(*replies: str) -> Iterator[tuple[Author, TeacherConfig, MockServer]]:
    author = Author(*replies)
    with MockServer(answer=author) as server:
        yield author, TeacherConfig(model="m", base_url=server.base_url, connect_timeout_s=20.0), server


def wrote(config: TeacherConfig, folder: Path, **options: Any) -> AuthoredPack:
    pool = ToolPool.load(pool_file(folder))
    return write_service_pack(pool, SERVICE, config, out=folder / "packs", **options)


def left_in(out: Path) -> set[str]:
    """The names in a folder of packs, without the journal of replies."""
    return {path.name for path in out.iterdir() if not path.name.startswith(REPLIES)}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack that a model wrote with its second reply; the server is gone."""
    with serving("Let me think.", said(RIGHT)) as (_, config, _):
        return wrote(config, tmp_path).folder


# ------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(("what", "reply", "file", "words"), BROKEN, ids=[kind[0] for kind in BROKEN])
def test_a_wrong_pack_is_refused_with_file_and_reason_and_nothing_is_left(
    tmp_path: Path, what: str, reply: str, file: str, words: str
) -> None:
    problems: list[PackError] = []

    def sent(number: int, found: Sequence[PackError]) -> None:
        assert number == 1
        problems.extend(found)

    with serving(reply) as (author, config, server), pytest.raises(TeacherError) as caught:
        wrote(config, tmp_path, rounds=1, on_round=sent)
    assert server.counts.get("calls", len(author.bodies)) == 1
    mine = [p for p in problems if re.fullmatch(file, f"{p.file}:{p.line}" if p.line else p.file) and words in str(p)]
    assert mine, [str(problem) for problem in problems]
    assert all(problem.expected for problem in mine), "it says what would be right"
    assert words in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert left_in(tmp_path / "packs") == set()
    assert not (tmp_path.parent / "x").exists()
    assert not list(tmp_path.rglob("other.db"))


def test_all_of_them_in_one_session_and_then_a_right_one(tmp_path: Path) -> None:
    rounds: list[list[str]] = []
    with serving(*(kind[1] for kind in BROKEN), said(RIGHT, "A hire with slips.")) as (author, config, server):
        written = wrote(
            config, tmp_path, rounds=len(BROKEN) + 1, on_round=lambda _, found: rounds.append([str(p) for p in found])
        )
        assert server.counts["calls"] == len(BROKEN) + 1
    assert written.rounds == len(BROKEN) + 1
    for (_, _, file, words), problems, body in zip(BROKEN, rounds, author.bodies[1:], strict=False):
        assert any(re.match(file, problem) and words in problem for problem in problems)
        sent = body["messages"][-1]["content"]
        assert words in sent, "the model gets the reason"
        assert re.search(file, sent)
        assert str(tmp_path) not in json.dumps(body), "and learns no path of this machine"
    assert rounds[-1] == []
    assert left_in(tmp_path / "packs") == {SERVICE}
    assert {path.name for path in written.folder.iterdir()} == {*RIGHT, PROVENANCE}
    assert written.reasons == "A hire with slips."


def test_a_request_holds_the_files_as_they_stand_and_not_the_session(tmp_path: Path) -> None:
    wrong = replaced(WORLD, "SELECT slip, due FROM", "SELEC slip, due FROM")
    with serving(said(files(world=wrong)), "Hm.", said({"world.sql": WORLD})) as (author, config, _):
        assert wrote(config, tmp_path).rounds == 3, "files that are left out stay as they are"
    assert [len(body["messages"]) for body in author.bodies] == [2, 4, 4]
    for body in author.bodies[1:]:
        assert json.loads(body["messages"][2]["content"])["files"]["world.sql"] == wrong
    assert "above are the files as they stood before it" in author.bodies[2]["messages"][-1]["content"]
    schema = author.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["files"]["properties"].keys() == RIGHT.keys()
    assert "searchKayaks" in author.bodies[0]["messages"][1]["content"]


def test_of_many_problems_twenty_are_told_and_how_many_more(tmp_path: Path) -> None:
    many = "\n".join(f'      - "Number {number} of {{naem}}, is it there?"' for number in range(31))
    tasks = replaced(TASKS, '      - "Which boats carry the word {name}?"', many)
    with serving(said(files(tasks=tasks)), said(RIGHT)) as (author, config, _):
        wrote(config, tmp_path)
    sent = author.bodies[1]["messages"][-1]["content"]
    assert "Problems: 31." in sent
    assert re.search(r"^20\. ", sent, re.MULTILINE)
    assert not re.search(r"^21\. ", sent, re.MULTILINE)
    assert "and 11 more." in sent


@pytest.mark.parametrize(
    ("message", "finish", "words"),
    [
        ({"content": None, "refusal": "I would rather not."}, "stop", "the model refused: I would rather not."),
        ({"content": said(RIGHT)[:900]}, "length", "cut off after 32,768 tokens"),
        ({"content": ""}, "stop", "it is empty"),
    ],
)
def test_a_reply_that_is_none_costs_a_round(tmp_path: Path, message: dict[str, Any], finish: str, words: str) -> None:
    def answer(body: Mapping[str, Any]) -> dict[str, Any]:
        reply = completion("m", {"role": "assistant", **message}, prompt="x")
        reply["choices"][0]["finish_reason"] = finish
        return reply

    with MockServer(answer=answer) as server:
        config = TeacherConfig(model="m", base_url=server.base_url, connect_timeout_s=20.0)
        with pytest.raises(TeacherError, match=re.escape(words)):
            wrote(config, tmp_path, rounds=2)
        assert server.counts["calls"] == 2


def test_a_check_that_takes_too_long_is_ended(pack: Path) -> None:
    began = time.monotonic()
    (slow,) = check_apart(pack, seconds=0.05)
    assert time.monotonic() - began < 10 * slower()
    assert (slow.rule, slow.file) == ("time", str(pack / "world.sql"))


# ------------------------------------------------------------------------------------------------- money and resuming


@pytest.mark.slow
def test_a_model_that_never_gets_it_right_ends_with_the_reason_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = said(files(world=replaced(WORLD, RENT, RENT.replace("hires", "rentals"))))
    with serving(wrong) as (_, config, server):
        words = ("packs", "write", pool_file(tmp_path), "--service", SERVICE, "--out", tmp_path / "packs", "--yes",
                 "--set", "teacher.model=m", "--set", f"teacher.base_url={config.base_url}")  # fmt: skip
        status, out, err = in_process(monkeypatch, capsys, *words, "--rounds", "3")
        assert status == 2
        assert "Round 3: 1 problem, first: world.sql:" in out
        assert re.search(r"no sound pack of kayak_hire in 3 rounds; the last problems:\n\s+world.sql:\d+: no such", err)
        assert "--rounds 6" in err
        assert server.counts["calls"] == 3
        assert in_process(monkeypatch, capsys, *words, "--rounds", "3")[0] == 2
        assert server.counts["calls"] == 3, "the same rounds are not paid for again"
        assert in_process(monkeypatch, capsys, *words, "--rounds", "4")[0] == 2
        assert server.counts["calls"] == 4
    assert left_in(tmp_path / "packs") == set()


def test_a_budget_ends_a_session(tmp_path: Path) -> None:
    with serving("No.") as (_, config, server):
        with pytest.raises(BudgetSpent):
            wrote(config.model_copy(update={"budget_tokens": 250}), tmp_path, rounds=50)
        assert server.counts["calls"] <= 3


@pytest.mark.slow
def test_a_killed_session_resumes_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    held: list[float] = [0.0]

    def late(body: Mapping[str, Any]) -> dict[str, Any]:
        time.sleep(held[0] if "refuses attempt 2" in body["messages"][-1]["content"] else 0.0)
        return author(body)

    author = Author(BROKEN[0][1], BROKEN[3][1], BROKEN[4][1], said(RIGHT))
    with MockServer(answer=late) as server:
        words = ("packs", "write", pool_file(tmp_path), "--service", SERVICE, "--out", tmp_path / "packs", "--yes",
                 "--set", "teacher.model=m", "--set", f"teacher.base_url={server.base_url}")  # fmt: skip
        held[0] = 1.0
        with started(*words, cwd=tmp_path):
            end = time.monotonic() + 60 * slower()
            while server.counts.get("calls", 0) < 3 and time.monotonic() < end:
                time.sleep(0.02)
        before = server.counts["calls"]
        assert before == 3
        assert not (tmp_path / "packs" / SERVICE).exists()
        held[0] = 0.0
        done = finish(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert server.counts["calls"] <= before + 2, "the call in flight and the last one"
    assert left_in(tmp_path / "packs") == {SERVICE}, "the draft of the killed session is gone"


def test_the_cost_is_told_before_anything_is_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"models": {"m": {"input": 1.0, "output": 10.0}}}), encoding="utf-8")
    words = ("packs", "write", pool_file(tmp_path), "--service", SERVICE, "--out", tmp_path / "packs",
             "--set", "teacher.base_url=http://127.0.0.1:9/v1")  # fmt: skip
    named = (*words, "--set", "teacher.model=m", "--set", f"teacher.prices={prices}")
    status, out, err = in_process(monkeypatch, capsys, *named, "--dry-run")
    assert (status, err) == (0, "")
    assert re.search(r"one round +1 call +[\d,]+ tokens in +6,300 out +0\.\d\d USD", out)
    assert re.search(r"all 5 rounds +5 calls +[\d,]+ tokens in +31,500 out +0\.\d\d USD", out)
    assert re.search(r"at most +5 calls +[\d,]+ tokens in +163,840 out +1\.\d\d USD", out)
    status, out, err = in_process(monkeypatch, capsys, *named)
    assert status == 2
    assert "--yes" in err, "without a terminal there is no one to ask"
    status, out, err = in_process(monkeypatch, capsys, *words)
    assert status == 2
    assert "--set teacher.model=NAME" in err
    status, out, err = in_process(monkeypatch, capsys, *named, "--dry-run", "--set", "teacher.budget_tokens=100")
    assert "teacher.budget_tokens is 100" in out
    assert not (tmp_path / "packs").exists()


def test_the_estimate_grows_with_the_service() -> None:
    pool = ToolPool.bundled()
    small, large = (
        estimate_pack(TeacherConfig(model="m"), pool.service(name)) for name in ("gneiss_dashboards", "saffron_gable")
    )
    assert small.one.output_tokens < large.one.output_tokens
    assert small.one.money is None
    assert (
        "raise --max-tokens"
        in estimate_pack(TeacherConfig(model="m"), pool.service("saffron_gable"), max_tokens=500).doubt
    )


def test_settings_of_an_author() -> None:
    with pytest.raises(ConfigError, match="no model is named for the author"):
        author_of(TeacherConfig())
    settings = author_of(TeacherConfig(by_role={"author": {"model": "big"}}, budget_tokens=5))
    assert (settings.roles, settings.model_of("author"), settings.budget_tokens) == (("author",), "big", 5)
    assert settings.timeout_s >= 1800


# -------------------------------------------------------------------------------------------------- what is in place


def test_what_is_written_has_the_pools_definitions_and_its_provenance(tmp_path: Path, pack: Path) -> None:
    written = {tool.name: tool for tool in load_pack(pack).service.tools}
    service = ToolPool.load(pool_file(tmp_path)).service(SERVICE)
    for tool in service.tools:
        assert written[tool.name].description == tool.description
        assert written[tool.name].input_schema == tool.input_schema
    assert [error.code for error in written["rent-kayak"].errors] == ["kayak_not_found", "kayak_out"]
    provenance = json.loads((pack / PROVENANCE).read_text(encoding="utf-8"))
    assert (provenance["model"], provenance["prompt"], provenance["rounds"]) == ("m", "author.v1", 2)
    assert provenance["sha256"].keys() == RIGHT.keys()
    assert provenance["tools"].keys() == {tool["name"] for tool in TOOLS}
    assert (pack / "world.sql").read_text(encoding="utf-8") == WORLD


def test_a_pack_that_is_there_costs_nothing_and_one_for_other_tools_needs_force(
    tmp_path: Path, pack: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("packs", "write", tmp_path / f"{SERVICE}.json", "--service", SERVICE, "--out", tmp_path / "packs", "--yes",
             "--set", "teacher.base_url=http://127.0.0.1:9/v1", "--set", "teacher.model=m")  # fmt: skip
    status, out, err = in_process(monkeypatch, capsys, *words)
    assert (status, err) == (0, "")
    assert "Nothing was paid." in out
    (pack / "tasks.yaml").write_text(TASKS + "# mine\n", encoding="utf-8")
    assert "(tasks.yaml edited since)" in in_process(monkeypatch, capsys, *words)[1]
    changed = [TOOLS[0], {**TOOLS[1], "description": "Rent a kayak for a week."}, TOOLS[2]]
    pool_file(tmp_path, tools=changed)
    status, _, err = in_process(monkeypatch, capsys, *words)
    assert status == 2
    assert "rent-kayak changed since" in err
    assert "--force" in err
    with serving(said(RIGHT, "Once more.")) as (_, config, _):
        again = write_service_pack(
            ToolPool.load(tmp_path / f"{SERVICE}.json"), SERVICE, config, out=tmp_path / "packs", force=True
        )
    assert again.reasons == "Once more."
    assert "# mine" in (tmp_path / "packs" / f".before-{SERVICE}" / "tasks.yaml").read_text(encoding="utf-8")
    assert written_pack(ToolPool.load(tmp_path / f"{SERVICE}.json").service(SERVICE), tmp_path / "packs") == (
        again.folder,
        (),
        (),
    )


def test_something_else_in_the_way_stays(tmp_path: Path) -> None:
    mine = tmp_path / "packs" / SERVICE / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    with serving(said(RIGHT)) as (author, config, _), pytest.raises(tdlab.TdlabError, match="is in the way"):
        wrote(config, tmp_path, force=True)
    assert author.bodies == [], "nothing was paid"
    assert mine.read_text(encoding="utf-8") == "mine"
    assert left_in(tmp_path / "packs") == {SERVICE}


@pytest.mark.parametrize("name", ["../x", "Kayak Hire", ".hidden", "@a/../b"])
def test_a_service_whose_name_is_no_folder_is_refused_before_anything_is_paid(tmp_path: Path, name: str) -> None:
    path = tmp_path / "pool.json"
    path.write_text(json.dumps({"server": name, "tools": TOOLS}), encoding="utf-8")
    pool = ToolPool.load(path)
    config = TeacherConfig(model="m", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(PackError, match="the server is called"):
        write_service_pack(pool, pool.services[0].name, config, out=tmp_path / "packs")
    assert not (tmp_path / "packs").exists()


def test_the_example_in_the_prompt_passes_the_check(tmp_path: Path) -> None:
    """As a reply to a session on the tools that the prompt shows."""
    blocks = dict(re.findall(r"^```([a-z.]+)\n(.*?)^```$", prompt("author"), re.MULTILINE | re.DOTALL))
    (tmp_path / "pool.json").write_text(blocks.pop("tools"), encoding="utf-8")
    pool = ToolPool.load(tmp_path / "pool.json")
    with serving(said(blocks)) as (_, config, _):
        written = write_service_pack(pool, "lending", config, out=tmp_path / "packs", rounds=1)
    assert written.rounds == 1


# ------------------------------------------------------------------------------------------------------ used offline


def settings(folder: Path, **values: Any) -> RunConfig:
    values = {"rollout__packs": [str(folder)], "evolution__batch": 4, **values}
    return RunConfig(target=12).with_values(pool=str(folder.parent / f"{SERVICE}.json"), **values)


@pytest.mark.slow
def test_runs_execute_the_service_in_its_world_without_a_server(tmp_path: Path, pack: Path) -> None:
    outcomes = []
    for name, workers in (("one", 1), ("two", 2)):
        with tdlab.run(settings(pack.parent), out=tmp_path / name, workers=workers, progress=False) as run:
            assert run.status == "complete"
            candidates = [c for c in run.store.candidates() if c.accepted]
            tools = {tool.name: tool for tool in run.store.tools()}
        trajectories = [c.trajectory for c in candidates if c.trajectory is not None]
        executors = {e.executor for trajectory in trajectories for e in trajectory.executions}
        assert executors == {"simulated:world"}, "in every worker process"
        assert not any(trajectory.guessed for trajectory in trajectories)
        assert {call.name for t in trajectories for call in t.calls()} >= {"searchKayaks", "return_kayak"}
        outcomes.append((tmp_path / name / "dataset.jsonl").read_bytes())
        assert tools["rent-kayak"].output_schema is not None
        assert [error.code for error in tools["return_kayak"].errors] == ["slip_not_found", "already_returned"]
    assert outcomes[0] == outcomes[1]
    with tdlab.run(
        settings(pack.parent, rollout__packs=[], rollout__guessed="keep"), out=tmp_path / "none", progress=False
    ) as run:
        guessed = {e.executor for c in run.store.candidates() if c.trajectory for e in c.trajectory.executions}
    assert guessed == {"simulated:guessed"}, "without the pack, in the same process"


def test_a_service_keeps_the_name_that_it_has_in_the_pool(tmp_path: Path) -> None:
    name, path = "@Shore/Kayak.hire", tmp_path / f"{SERVICE}.json"
    path.write_text(json.dumps({"server": name, "tools": TOOLS}), encoding="utf-8")
    with serving(said(RIGHT)) as (_, config, _):
        written = write_service_pack(ToolPool.load(path), name, config, out=tmp_path / "packs")
    assert re.fullmatch(r"shore-kayak-hire-[0-9a-f]{6}", written.folder.name)
    assert written_pack(ToolPool.load(path).service(name), tmp_path / "packs") == (written.folder, (), ())
    with tdlab.run(settings(tmp_path / "packs"), out=tmp_path / "run", progress=False) as run:
        played = [c.trajectory for c in run.store.candidates() if c.accepted and c.trajectory is not None]
    assert len(played) == 12
    assert {e.executor for trajectory in played for e in trajectory.executions} == {"simulated:world"}


def test_the_command_takes_folders_of_packs(
    tmp_path: Path, pack: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", "--pool", tmp_path / f"{SERVICE}.json", "--packs", pack, "-n", 3, "--out", tmp_path / "run")
    status, _, err = in_process(monkeypatch, capsys, *words, "--no-figure")
    assert status == 0, err
    with tdlab.open_run(tmp_path / "run") as run:
        assert run.config.rollout.packs == (str(pack),)
        assert {e.executor for c in run.store.candidates() if c.trajectory for e in c.trajectory.executions} == {
            "simulated:world"
        }


def test_a_run_is_resumed_with_the_same_packs_wherever_they_are(tmp_path: Path, pack: Path) -> None:
    first = settings(pack.parent, evolution__budget=4)
    tdlab.run(first, out=tmp_path / "run", progress=False).close()
    moved = tmp_path / "elsewhere"
    pack.parent.rename(moved)
    again = settings(pack.parent, evolution__budget=4, rollout__packs=[str(moved)])
    assert again.digest == first.digest
    tdlab.run(again, out=tmp_path / "run", progress=False).close()
    (moved / SERVICE / "tasks.yaml").write_text(TASKS + "# mine\n", encoding="utf-8")
    with pytest.raises(RunMismatch, match="packs"):
        tdlab.run(again, out=tmp_path / "run", progress=False)


def test_a_pack_for_other_tools_is_not_silently_guessed(tmp_path: Path, pack: Path) -> None:
    changed = {**TOOLS[1], "inputSchema": {**TOOLS[1]["inputSchema"], "required": ["kayak_id"]}}
    pool_file(tmp_path, tools=[TOOLS[0], changed, TOOLS[2]])
    with pytest.raises(PackError, match="was written for other tools than the pool has"):
        tdlab.run(settings(pack.parent), out=tmp_path / "run", progress=False)


def test_folders_of_packs(tmp_path: Path, pack: Path) -> None:
    (only,) = find_packs([pack.parent])
    assert only.service == SERVICE
    assert find_packs([pack]) == (only,)
    assert find_packs([pack, pack.parent]) == (only,), "the same folder twice"
    assert packs_digest((only,)) != packs_digest()
    (tmp_path / "empty").mkdir()
    twin = tmp_path / "twin"
    twin.mkdir()
    for name in RIGHT:
        (twin / name).write_bytes((pack / name).read_bytes())
    for folders, words in (
        ([tmp_path / "nowhere"], "is not a folder"),
        ([tmp_path / "empty"], "holds no pack"),
        ([pack, twin], "packs of the same service"),
    ):
        with pytest.raises(ConfigError, match=words):
            find_packs(folders)
    (twin / "world.sql").unlink()
    with pytest.raises(PackError, match="the file is missing"):
        find_packs([twin])

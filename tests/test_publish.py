"""Publications: shards that load, a card that says what is known, and a scan that stops secrets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import tdlab
from tdlab.errors import StoreError
from tdlab.jobs import Finding, publish, scan_text, scan_tool, scan_trajectory
from tdlab.records import Execution, Message, Tool, ToolCall, Trajectory
from tdlab.store import Run
from tests.jobs import in_process, small_pool_file

pytestmark = pytest.mark.usefixtures("no_figures")
TARGET = 7
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("publish") / "run"
    pool = small_pool_file(folder.parent)
    tdlab.run(tdlab.RunConfig(target=TARGET, pool=str(pool)), out=folder, progress=False, figure=False).close()
    return folder


def test_a_publication_is_shards_and_a_card(made: Path, tmp_path: Path) -> None:
    report = publish(made, tmp_path / "out", rows=3, license="cc-by-4.0")
    assert report.written
    assert report.shards == tuple(f"train-{n:05d}-of-00003.parquet" for n in range(3))
    tables = [pq.read_table(tmp_path / "out" / "data" / name) for name in report.shards]
    assert [table.num_rows for table in tables] == [3, 3, 1]
    whole = pq.read_table(made / "dataset.parquet")
    assert [i for table in tables for i in table["id"].to_pylist()] == whole["id"].to_pylist()
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    head, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert 'license: "cc-by-4.0"' in head
    assert "data/train-*.parquet" in head
    for title in ("How it was made", "Diversity", "Quality", "Verification", "Costs", "Secrets and personal data"):
        assert f"## {title}" in body
    assert "| seed | 0 |" in body
    services = {tool.service for tool in tdlab.open_run(made).store.tools()}
    assert {entry.service for entry in report.services} <= services
    for entry in report.services:
        assert f"| {entry.service.replace('_', chr(92) + '_')} |" in body, "each service has its source and licence"


def test_datasets_loads_the_folder_by_its_card(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    publish(made, tmp_path / "out", rows=3)
    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(loaded) == TARGET
    assert isinstance(loaded[0]["messages"], list)


def test_the_same_run_gives_the_same_bytes_and_old_shards_go(made: Path, tmp_path: Path) -> None:
    publish(made, tmp_path / "a", rows=3)
    publish(made, tmp_path / "b", rows=2)
    publish(made, tmp_path / "b", rows=3)
    files = {path.relative_to(tmp_path / "a"): path.read_bytes() for path in (tmp_path / "a").rglob("*.*")}
    assert files == {path.relative_to(tmp_path / "b"): path.read_bytes() for path in (tmp_path / "b").rglob("*.*")}


def test_a_dry_run_writes_nothing(made: Path, tmp_path: Path) -> None:
    report = publish(made, tmp_path / "out", dry_run=True)
    assert (report.written, report.trajectories, list(tmp_path.iterdir())) == (False, TARGET, [])


def test_a_folder_of_other_files_is_left_alone(made: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"mine\.txt"):
        publish(made, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_readme_of_others_is_left_alone(made: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(StoreError, match=r"README\.md"):
        publish(made, tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_the_services_of_several_pools_are_known(tmp_path: Path) -> None:
    tool = {"name": "open_weir", "description": "Open a weir.", "inputSchema": {"type": "object"}}
    mine = {"server": "weirs", "license": "MIT", "source": "weirs.example", "tools": [tool]}
    (tmp_path / "mine.json").write_text(json.dumps(mine))
    pools = (str(small_pool_file(tmp_path)), str(tmp_path / "mine.json"))
    config = tdlab.RunConfig(target=1, pool=pools)
    tdlab.run(config, out=tmp_path / "run", progress=False, figure=False).close()
    services = publish(tmp_path / "run", tmp_path / "out", dry_run=True).services
    assert services
    assert {service.license for service in services} == {"Apache-2.0"}


def with_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the last message of each trajectory that a run publishes hold a token, as a model may repeat one."""
    jobs = sys.modules["tdlab.jobs.publish"]
    real = jobs.published_trajectories

    def leaky(run: Run) -> object:
        for trajectory, scores in real(run):
            said = Message(role="assistant", content=f"Your key is {TOKEN}.")
            yield trajectory.model_copy(update={"messages": (*trajectory.messages, said), "teacher": "llm"}), scores

    monkeypatch.setattr(jobs, "published_trajectories", leaky)


def test_secrets_stop_a_publication_unless_allowed(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_secret(monkeypatch)
    report = publish(made, tmp_path / "out")
    assert (report.refused, report.written) == (True, False)
    assert report.findings["secret", "GitHub Token", "unknown"] == TARGET
    assert not (tmp_path / "out").exists()
    status, out, err = in_process(
        monkeypatch, capsys, "publish", made, "-o", tmp_path / "out", "--findings", tmp_path / "found.jsonl"
    )
    assert status == 1
    assert "--allow-secrets" in err
    found = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {"secret"} <= {finding["kind"] for finding in found}
    for text in (out, err, (tmp_path / "found.jsonl").read_text(encoding="utf-8")):
        assert TOKEN not in text, "a secret is never shown"
    assert publish(made, tmp_path / "out", allow_secrets=True).written
    assert TOKEN not in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "detector"),
    [
        (f"use {TOKEN} now", "GitHub Token"),
        ("AKIAQYLPMN5HHHFPZAM2", "AWS Access Key"),
        ('{"password": "tr0ub4dor&3"}', "Secret Keyword"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "Private Key"),
        ("https://ada:pass12345@db.lovelace.org/x", "Basic Auth Credentials"),
        ("sk-ant-api03-abcdefghijklmnopqrstuvwx", "Anthropic API key"),
        ("hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "Hugging Face token"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "Google API key"),
        ("sk-proj-abcdefghijklmnop_qrstuvwx-yz0", "OpenAI project key"),
        ("write to ada.king@lovelace.org, please", "e-mail address"),
        ("call +44 20 7946 0958", "phone number"),
        ("to DE89 3704 0044 0532 0130 00", "IBAN"),
        ("card 5105 1051 0510 5100", "payment card"),
        ("SSN 536-90-4399", "US social security number"),
        ("from 8.8.8.8", "public IP address"),
    ],
)
def test_what_the_scan_finds(text: str, detector: str) -> None:
    assert detector in {found for _, found, _ in scan_text(text)}
    said = Trajectory(id="t", messages=(Message(role="user", content=text),))
    called = ToolCall(id="c", name="f", arguments={"deep": [{"x": text}]})
    nested = Trajectory(id="t", messages=(Message(role="assistant", tool_calls=(called,)),))
    tool = Tool(service="s", name="t", description=text, input_schema={"type": "object"})
    for findings in (scan_trajectory(said), scan_tool(tool)):
        (finding, *_) = [finding for finding in findings if finding.detector == detector]
        assert finding.origin == "unknown"
        assert len(finding.shown.split("…")[0]) <= 4
    if '"' not in text:
        assert detector in {finding.detector for finding in scan_trajectory(nested)}


@pytest.mark.parametrize(
    "text",
    [
        "order 4012888", "version 10.0.0.1 and 192.168.1.1", "999.8.8.8", "call_1 trf_lq0qkyot 0123456789",
        "mtr_4aosg6sq d41d8cd98f00b204e9800998ecf8427e", "GB00 0000", "@user at home", "1234567890123",
    ],
)  # fmt: skip
def test_what_the_scan_leaves_alone(text: str) -> None:
    assert list(scan_text(text)) == []


def rollout(text: str, *, teacher: str, executor: str = "simulated:world") -> list[Finding]:
    receipt = Execution(call_id="c", tool="t", executor=executor, ok=True, arguments_sha256="", result_sha256="")
    messages = (
        Message(role="user", content=text),
        Message(role="assistant", tool_calls=(ToolCall(id="c", name="t"),)),
        Message(role="tool", content='{"mail": "known@lovelace.org"}', tool_call_id="c"),
    )
    return list(scan_trajectory(Trajectory(id="t", messages=messages, teacher=teacher, executions=(receipt,))))


def test_persons_of_the_world_are_told_from_others() -> None:
    def origins(text: str, **options: str) -> list[str]:
        return [finding.origin for finding in rollout(text, **options) if finding.where.startswith("message 0")]

    assert origins("new@lovelace.org", teacher="scripted") == ["world"]
    assert origins("known@lovelace.org", teacher="some-model") == ["world"], "a result of the world holds it"
    assert origins("new@lovelace.org", teacher="some-model") == ["unknown"], "the model may remember a person"
    assert origins("new@lovelace.org", teacher="scripted", executor="live:mail") == ["unknown"]
    assert origins("known@lovelace.org", teacher="some-model", executor="live:mail") == ["unknown"]
    assert (
        origins("ada@example.com +1 415 555 0123 AKIAIOSFODNN7EXAMPLE 4242 4242 4242 4242", teacher="x")
        == ["reserved"] * 4
    )
    tool = Tool(service="s", name="t", description="Ask ops@lovelace.org.", input_schema={"type": "object"})
    assert [finding.origin for finding in scan_tool(tool, bundled=True)] == ["world"]

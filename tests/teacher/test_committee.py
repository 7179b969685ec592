"""The committee in whole runs: marks kept in the data, agreement reported, one revision; and its calibration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from tdlab.cli.render import show_run
from tdlab.formats import read_trajectories
from tdlab.records import Json
from tdlab.rollout.llm import CRITERIA, MockServer
from tdlab.rollout.llm.mock_model import MockModel, completion
from tests.benchmarks.committee import agreement
from tests.teacher.parts import config, run_on_mock

pytestmark = pytest.mark.usefixtures("no_figures")

ROLES = ["proposer", "user", "assistant", "committee"]


def test_marks_are_kept_and_the_agreement_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with MockServer() as server:
        run = run_on_mock(config(server.base_url, target=4, teacher__roles=ROLES), tmp_path / "run")
    frame = run.scores()
    assert set(frame["criterion"]) == set(CRITERIA)
    assert frame[frame["accepted"]].groupby("trajectory").size().tolist() == [3 * len(CRITERIA)] * 4
    found = run.metrics()["committee"]
    assert found["accepted"] == 4
    assert found["agreement"] == 1.0
    assert set(found["marks"]) == set(CRITERIA)
    Console(width=140).print(show_run(run))
    assert "judges agree in 100% of pairs" in " ".join(capsys.readouterr().out.split())
    for name in ("dataset.jsonl", "dataset.parquet"):
        read = read_trajectories(tmp_path / "run" / name)
        assert len(list(read.trajectories)) == 4
    (line, *_) = (tmp_path / "run" / "dataset.jsonl").read_text().splitlines()
    assert len(json.loads(json.loads(line)["tdlab"])["scores"]) == 3 * len(CRITERIA)
    run.close()


@pytest.mark.slow
def test_a_judge_that_applies_the_rubric_agrees_with_what_is_known() -> None:
    """Clean conversations, one of each fault that somebody else wrote, and fifty of the design before worlds."""
    found = agreement(100)
    assert found["all"][0] >= 0.8, found
    assert found["clean"][0] >= 0.9, found
    assert found["old design"][0] >= 0.9, found


def test_a_rollout_that_is_rejected_is_played_once_more_with_the_reasons(tmp_path: Path) -> None:
    """The judges refuse every first attempt; the second is known by the reasons in the prompts."""
    model = MockModel()
    revised: list[str] = []

    def answer(body: Mapping[str, Json]) -> dict[str, Json]:
        script, messages = body["tdlab_script"], body["messages"]
        if script["role"] != "committee":
            reply = model.respond(body)
            if "was not good enough" in messages[0]["content"]:
                revised.append(script["blueprint"]["id"])
                message = reply["choices"][0]["message"]
                if script["role"] == "assistant" and not message.get("tool_calls") and "?" not in message["content"]:
                    message["content"] = "Gladly. " + message["content"]
            return reply
        done = script["blueprint"]["id"] in revised
        marks = {name: {"reason": "it rambles", "score": 5 if done else 2} for name in CRITERIA}
        return completion("mock", {"role": "assistant", "content": json.dumps(marks)}, prompt="")

    with MockServer(answer=answer) as server:
        settings = config(server.base_url, target=3, teacher__roles=ROLES, teacher__concurrency=1)
        run = run_on_mock(settings, tmp_path / "run")
        assert run.counts().accepted == 3
        assert set(run.scores().query("accepted")["score"]) == {5}
        run.close()
        never = settings.with_values(teacher__revise=False, teacher__failing_window=3, seed=2)
        refused = run_on_mock(never, tmp_path / "never" / "run")
    assert refused.counts().accepted == 0
    assert "it rambles" in refused.status
    assert set(refused.scores()["score"]) == {2}
    refused.close()

"""Test the panels of blueprints and rollouts: they follow their controls and escape untrusted text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

import tdlab
from tdlab.errors import TdlabError
from tdlab.panels import BlueprintPanel, ConversationPanel, RolloutPanel, chat_html
from tdlab.panels.rollouts import MOCKED, make_rollouts
from tdlab.records import Message, Reason, ToolCall, Trajectory
from tdlab.store import open_run
from tests.jobs import small_pool

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m"

pytestmark = pytest.mark.usefixtures("no_figures")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.met: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_every_text_of_a_chat_is_escaped() -> None:
    call = ToolCall(id="1", name=EVIL, arguments={EVIL: EVIL})
    broken = ToolCall(id="2", name="x", malformed=EVIL)
    messages = (
        Message(role="user", content=EVIL),
        Message(role="assistant", content=EVIL, tool_calls=(call, broken)),
        Message(role="tool", content=EVIL, tool_call_id="1", is_error=True),
    )
    shown = chat_html(Trajectory(id="t", messages=messages), reasons=(Reason("plan", EVIL),))
    tags = Tags()
    tags.feed(shown)
    assert tags.met <= {"b", "div", "span", "code", "ul", "li", "i"}
    assert tags.attributes <= {"style"}
    assert shown.count("alert(1)") == 8, "it is shown, as text"
    assert "\x1b" not in shown


def test_the_blueprint_panel_follows_its_controls() -> None:
    pool = small_pool()
    panel = BlueprintPanel(tdlab.mine(pool, seed=0).clusters, pool)
    assert panel.png.startswith(b"\x89PNG")
    assert "coherent" in panel.status
    before, talk, picture = panel.result, panel.chat, panel.png
    panel.controls["goals"].value = 2
    panel.controls["failures"].value = 1
    assert panel.result is not None
    assert before is not None
    assert panel.result.blueprint.id != before.blueprint.id
    assert sum(step.failure is not None for step in panel.result.blueprint.steps) == 1 or panel.result.refused
    assert panel.png != picture
    assert panel.chat != talk
    assert panel.result.verdict.accepted
    panel.controls["branches"].value = 3
    for name in panel.result.refused:
        assert f"{name} does not apply" in panel.status


def test_the_rollout_panel_makes_a_run_and_finds_it_again(tmp_path: Path) -> None:
    panel = RolloutPanel(small_pool(), tmp_path)
    assert panel.png == b""
    named = [panel.controls[name] for name in ("model", "base_url", "budget_tokens")]
    assert [control.disabled for control in named] == [True, True, True], "the script has no use for them"
    panel.controls["target"].value = 4
    panel.controls["backend"].value = MOCKED
    assert [control.disabled for control in named] == [True, True, False]
    panel.refresh()
    assert panel.result is not None
    assert panel.result.counts().accepted == 4
    assert "tokens" in panel.status
    made = panel.result.path
    panel.result.close()
    panel.refresh()
    assert panel.result.path == made
    viewer = ConversationPanel(panel.result)
    assert viewer.png.startswith(b"\x89PNG")
    picker = viewer.controls["rollout"]
    talk = viewer.chat
    picker.value = picker.options[-1][1]
    assert viewer.chat != talk
    panel.result.close()


def test_a_server_without_a_model_is_explained_in_the_panel_and_raised(tmp_path: Path) -> None:
    panel = RolloutPanel(small_pool(), tmp_path)
    panel.controls["backend"].value = panel.controls["backend"].options[-1]
    assert not panel.controls["model"].disabled
    with pytest.raises(TdlabError, match="no model plays"):
        panel.refresh()
    assert "no model plays" in panel.status
    assert "#b00020" in panel.status
    assert len(panel.status) < 500, "the whole config is no help"


def test_runs_of_two_pools_lie_apart(tmp_path: Path) -> None:
    one, other = small_pool(), tdlab.ToolPool.bundled().subset(services=["hearthwren_rooms", "mothwing_returns"])
    made = [make_rollouts(pool, tmp_path, target=2) for pool in (one, other)]
    assert made[0].path != made[1].path
    for run in made:
        run.close()


def test_a_rejected_rollout_shows_why(tmp_path: Path) -> None:
    from tdlab.rollout.llm import Misbehaviour, MockServer
    from tests.teacher.parts import config, run_on_mock

    with MockServer(Misbehaviour(corrupt=0.7)) as server:
        run_on_mock(config(server.base_url, target=6), tmp_path / "run").close()
    with open_run(tmp_path / "run") as run:
        viewer = ConversationPanel(run)
        picker = viewer.controls["rollout"]
        rejected = [place for text, place in picker.options if " rejected: " in text]
        picker.value = rejected[0]
        assert "rejected: " in viewer.status
        assert viewer.result is not None
        assert "rejected:<ul>" in viewer.chat

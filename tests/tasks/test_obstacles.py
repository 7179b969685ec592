"""How a conversation goes on after an obstacle: tried again, or after something else was done first."""

from __future__ import annotations

from pathlib import Path

from tdlab.records import Recipe, TaskScript
from tdlab.tasks import Stage, stage_here
from tests.tasks.lending import TASKS
from tests.worlds.packs import TOOLS, WORLD, write_pack

MEETS = """\
        meets: lend on_loan
        target: SELECT b.book_id, b.title FROM books b JOIN loans USING (book_id)
"""
STOP = """\
          - stop: true
            say: ["Pity. I'll come back then."]
            reply: ["All right, I have lent you nothing."]
"""


def script_of(folder: Path, then: str, *, meets: str = MEETS) -> TaskScript:
    """The conversation about a borrowed book, with another obstacle and another way to go on."""
    assert STOP in TASKS
    assert MEETS in TASKS
    tasks = TASKS.replace(STOP, then).replace(MEETS, meets)
    stage = Stage({"lending": write_pack(folder / "lending", world=WORLD, tasks=tasks, tools=TOOLS)})
    return stage.script(Recipe(service="lending", frame="borrow", twist="lent_out", world=3, seed=5))


def calls(script: TaskScript) -> list[tuple[str, str]]:
    return [(call.tool.partition("/")[2], call.meets) for beat in script.beats for call in beat.calls]


def test_what_the_user_has_removed_is_tried_again(tmp_path: Path) -> None:
    then = """\
          - happens: DELETE FROM loans WHERE book_id = :book_id
            say: ["She is bringing it back right now."]
"""
    script = script_of(tmp_path, then)
    assert [one for one in calls(script) if one[0] == "lend"] == [("lend", "on_loan"), ("lend", "")]
    (again,) = [beat for beat in script.beats if beat.happens is not None]
    assert again.calls[0].meets == "", "it happens after the obstacle, before the second try"
    assert script.parts[-1].fulfilled


def test_after_something_else_the_user_comes_back_to_the_first_wish(tmp_path: Path) -> None:
    then = """\
          - frame: is_it_there
            carry: {title: title}
            say: ["Is {title} there at all?"]
            back: ["Then I would take it, for {reader}."]
"""
    policy = """\
        meets: policy
        open: ["{title} for the cat, please."]
"""
    script = script_of(tmp_path, then, meets=policy)
    assert [(part.frame, part.fulfilled) for part in script.parts] == [("is_it_there", True), ("borrow", True)]
    said = [beat.text for beat in script.beats if beat.speaker == "user"]
    assert said[-1].startswith("Then I would take it")
    assert ("lend", "") in calls(script)


def test_acts_in_turn_are_made_one_after_the_other() -> None:
    """The notice has to be gone before the button behind it can be pressed."""
    for seed in range(3):
        script = stage_here().script(Recipe(service="larkspindle_browser", frame="click_behind", world=seed, seed=seed))
        clicks = [[call.tool for call in beat.calls if call.tool.endswith("/click_element")] for beat in script.beats]
        assert [len(made) for made in clicks if made] == [1, 1]

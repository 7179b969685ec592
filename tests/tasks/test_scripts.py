"""Check the scripts of tasks on two packs: goals, sources of values, twists, follow-ons, and that recipes repeat."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import TaskError
from tdlab.records import Beat, Json, Recipe, ScriptCall, TaskScript, canonical_json
from tdlab.speech import said_in
from tdlab.tasks import Stage, TaskPack, Twist, meeting_of, plan_task, stage_here, targets_of
from tdlab.worlds import World, bundled_packs
from tests.jobs import ROOT, environment
from tests.tasks.lending import TASKS as LENDING
from tests.worlds.packs import TOOLS as _TOOLS
from tests.worlds.packs import write_pack

SERVICES = ("saffron_gable", "thimble_agenda")
SEEDS = range(3)


def tasks_of(service: str) -> TaskPack:
    return stage_here().tasks(service)


KINDS = [
    (service, name, twist)
    for service in SERVICES
    for name, frame in tasks_of(service).frames.items()
    for twist in ("", *frame.twists)
]


def recipe(service: str, frame: str, twist: str = "", seed: int = 0, **values: Any) -> Recipe:
    return Recipe(service=service, frame=frame, twist=twist, world=200 + seed, seed=seed, **values)


@cache
def scripts() -> tuple[tuple[Recipe, TaskScript], ...]:
    """A script for every frame and twist on three worlds, with what may follow."""
    made = []
    for service, frame, twist in KINDS:
        for seed in SEEDS:
            one = recipe(service, frame, twist, seed, follow=1)
            try:
                made.append((one, stage_here().script(one)))
            except TaskError as error:
                if "no target" not in str(error):
                    raise
    return tuple(made)


def played(one: Recipe, script: TaskScript) -> Iterator[tuple[Beat, ScriptCall | None, dict[str, Json], World]]:
    """Play a script on a fresh world: each call with its result, and every other beat."""
    (world,) = stage_here().worlds([one.service], one.world)
    for beat in script.beats:
        if beat.happens is not None:
            world.happen(*beat.happens)
        for call in beat.calls:
            outcome = world.call(call.tool.partition("/")[2], call.arguments)
            assert outcome.code == call.meets, f"{one}: {call.tool} gives {outcome}"
            yield beat, call, outcome.value, world
        if not beat.calls:
            yield beat, None, {}, world


def at(result: Json, path: tuple[str | int, ...]) -> Json:
    for step in path:
        result = result[step]  # type: ignore[index,call-overload]
    return result


def calls_of(script: TaskScript) -> list[ScriptCall]:
    return [call for beat in script.beats for call in beat.calls]


def purposes(script: TaskScript) -> list[str]:
    return [beat.purpose for beat in script.beats]


def test_every_frame_and_twist_has_a_script() -> None:
    reached = {(one.service, one.frame, one.twist) for one, _ in scripts()}
    assert reached == set(KINDS)
    assert len(scripts()) >= 0.9 * len(KINDS) * len(SEEDS)


def test_every_argument_was_said_by_the_user_or_returned_before() -> None:
    checked = 0
    for one, script in scripts():
        tasks = tasks_of(one.service)
        implied = {fact for facts in tasks.implies.values() for fact in facts}
        told: dict[str, Json] = {}
        texts: list[str] = []
        results: list[dict[str, Json]] = []
        batch: list[dict[str, Json]] = []
        last: Beat | None = None
        for beat, call, result, _ in played(one, script):
            if beat is not last:
                results += batch
                batch, last = [], beat
            if call is None:
                told |= beat.tells
                texts += [beat.text] if beat.speaker == "user" else []
                continue
            batch.append(result)
            assert call.sources.keys() == call.arguments.keys(), f"{one}: {call}"
            for name, value in call.arguments.items():
                source = call.sources[name]
                if source.kind == "user":
                    found = told[source.slot]
                    words = tasks.terms.get(source.slot.rpartition("__")[2], {}).get(_key(found), ())
                    assert said_in(texts, found, script.now, words=words), f"{one}: {found!r} is not said in {texts}"
                elif source.kind == "result":
                    assert source.call < len(results), f"{one}: {name} of {call.tool} stands in no earlier result"
                    found = at(results[source.call], source.path)
                else:
                    assert name.rpartition("__")[2] in implied or name in implied, f"{one}: {name} is composed"
                    continue
                assert value in (found, [found]), f"{one}: {name} of {call.tool} is {value!r}, not {found!r}"
                checked += 1
    assert checked > 400


def _key(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_what_the_user_tells_is_in_what_they_say() -> None:
    for one, script in scripts():
        terms = tasks_of(one.service).terms
        texts: list[str] = []  # a time is told alone where the day has been told
        for beat in script.beats:
            texts += [beat.text] if beat.speaker == "user" else []
            for slot, value in beat.tells.items():
                words = terms.get(slot.rpartition("__")[2], {}).get(_key(value), ())
                assert said_in(texts, value, script.now, words=words), f"{one}: {slot} {value!r}: {beat.text}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_goal_does_not_hold_before_and_holds_after(service: str) -> None:
    checked = 0
    for one, script in scripts():
        if one.service != service or (one.twist and "seen" in meeting_of(_twist(one))):
            continue  # what is seen is that there is nothing to do
        part = script.parts[0]
        if not part.goal:
            continue
        single = stage_here().script(one.model_copy(update={"follow": 0}))
        (world,) = stage_here().worlds([service], one.world)
        known = {**dict.fromkeys(re.findall(r":(\w+)", part.goal)), **_plain(part.facts)}
        assert not world.query(part.goal, known), f"{one}: holds before"
        _play(one, single)
        for part in single.parts:
            known = {**dict.fromkeys(re.findall(r":(\w+)", part.goal)), **_plain(part.facts)}
            assert bool(world.query(part.goal, known)) == part.fulfilled, f"{one}: {part}"
            checked += 1
        assert world.broken() == ()
    assert checked > 12


def _twist(one: Recipe) -> Twist:
    return tasks_of(one.service).frames[one.frame].twists[one.twist]


def _play(one: Recipe, script: TaskScript) -> World:
    """Play a script to its end; the world as it is then."""
    return [world for *_, world in played(one, script)][-1]


def _plain(facts: dict[str, Json]) -> dict[str, Json]:
    return {fact: value for fact, value in facts.items() if not isinstance(value, (list, dict))}


def test_a_wish_that_is_given_up_changes_nothing() -> None:
    given_up = 0
    for one, script in scripts():
        if any(part.fulfilled for part in script.parts):
            continue
        given_up += 1
        changed = _play(one, script).changes()
        assert sum(map(len, changed.values())) == sum(beat.happens is not None for beat in script.beats), one
        assert purposes(script)[-2:] in (["stop", "stop"], ["close", "close"]), one
    assert given_up > 15


def test_a_twist_meets_what_it_says() -> None:
    for one, script in scripts():
        if not one.twist:
            assert not any(call.meets for call in calls_of(script)), one
            continue
        kind, tool, code = meeting_of(_twist(one))
        said = purposes(script)
        if kind == "error":
            assert f"{one.service}/{tool}" in [call.tool for call in calls_of(script) if call.meets == code], one
            assert "report" in said, one
        elif kind == "empty":
            looks = [result for _, call, result, _ in played(one, script) if call and call.tool.endswith(f"/{tool}")]
            assert any([] in result.values() for result in looks), one
            assert "report" in said, one
        elif kind == "seen":
            shown = [json.dumps(result) for _, call, result, _ in played(one, script) if call is not None]
            assert any(f'"{code}": {json.dumps(script.parts[0].facts[code])}' in text for text in shown), one
            assert "act" not in said[: said.index("report")], one
        elif kind == "policy":
            assert said[1] == "refuse", one
        else:
            assert said[said.index("confirm") + 1] in ("adjust", "stop"), one


def test_no_call_is_repeated_without_need() -> None:
    for one, script in scripts():
        seen: set[str] = set()
        for beat in script.beats:
            if beat.happens is not None or beat.purpose == "act":
                seen.clear()  # the world has changed
            for call in beat.calls:
                key = canonical_json([call.tool, call.arguments])
                assert key not in seen, f"{one}: {key}"
                seen.add(key)


def test_a_confirmed_act_waits_for_a_yes() -> None:
    confirmed = 0
    for one, script in scripts():
        said = purposes(script)
        frame = tasks_of(one.service).frames[one.frame]
        if frame.confirm and "act" in said and script.parts[0].fulfilled:
            assert said.index("confirm") < said.index("agree") < said.index("act"), one
            confirmed += 1
    assert confirmed > 5


def test_a_follow_on_works_on_what_was_reached() -> None:
    followed = 0
    for one, script in scripts():
        if len(script.parts) < 2 or not all(part.fulfilled for part in script.parts):
            continue
        first, second = script.parts[-2:]
        ways = [way for way in tasks_of(one.service).frames[first.frame].follows if way.frame == second.frame]
        assert ways, one
        assert any(all(second.facts[own] == first.facts[other] for own, other in way.carry.items()) for way in ways)
        assert purposes(script).count("done") == 2, one
        followed += 1
    assert followed >= 4


def test_another_service_takes_up_what_was_reached(tmp_path: Path) -> None:
    given = 'takes: {event: {facts: {reader: title}, say: ["Please send {title} over to {reader} too."]}}'
    tasks = LENDING.replace("user: {reader: name}", given)
    folders = {"saffron_gable": bundled_packs()["saffron_gable"], "lending": write_pack(tmp_path / "l", tasks=tasks)}
    stage = Stage(folders)
    handed = 0
    for seed in range(8):
        script = stage.script(recipe("saffron_gable", "book_table", seed=seed, follow=1, partners=("lending",)))
        lent = [call for call in calls_of(script) if call.tool == "lending/lend"]
        if lent:
            handed += 1
            assert script.services == ("Saffron Gable", "Lending")
            assert [part.service for part in script.parts] == ["saffron_gable", "lending"]
            assert lent[0].arguments["reader"] == script.parts[0].facts["restaurant_name"]
            assert lent[0].sources["reader"].kind == "user"
    assert handed >= 2


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("place", ["first", "later", "last"])
def test_a_wish_beyond_the_service_is_refused_in_its_place(service: str, place: Any) -> None:
    frame = next(iter(tasks_of(service).frames))
    script = stage_here().script(recipe(service, frame, seed=1, beyond=place, follow=1))
    said = purposes(script)
    wish = said.index("wish")
    assert said[wish + 1] == "refuse"
    assert (script.beats[wish].speaker, script.beats[wish + 1].speaker) == ("user", "assistant")
    replies = {text for refusal in tasks_of(service).beyond for text in refusal.reply}
    assert script.beats[wish + 1].text in replies
    assert (wish == 0) == (place == "first")
    if place == "last":
        assert set(said[wish + 2 :]) <= {"close"}
    assert calls_of(script), "the rest of the task is played all the same"


def test_a_terse_user_says_less_at_once() -> None:
    counts = {}
    for terse in (False, True):
        told = [
            len(stage_here().script(recipe(service, frame, seed=seed, terse=terse)).beats[0].tells)
            for service, frame in (("saffron_gable", "book_table"), ("thimble_agenda", "book_slot"))
            for seed in range(8)
        ]
        counts[terse] = sum(told)
    assert counts[True] < counts[False]


def test_a_choice_is_by_a_rule_or_by_being_asked() -> None:
    frame = tasks_of("saffron_gable").frames["book_table"]
    asked = [text for way in frame.choose["sittings"] if way.by == "ask" for text in way.say]
    chosen: dict[str, list[dict[str, Json]]] = {"ask": [], "rule": []}
    for choice, tells in chosen.items():
        for seed in range(12):
            script = stage_here().script(recipe("saffron_gable", "book_table", seed=seed, choice=choice))
            assert purposes(script).count("offer") == purposes(script).count("choose")
            tells += [beat.tells for beat in script.beats if beat.purpose == "choose"]
    assert asked
    assert chosen["ask"]
    assert all({"starts_at", "area"} <= tells.keys() for tells in chosen["ask"])
    assert chosen["rule"]
    assert any("starts_at" not in tells for tells in chosen["rule"])


PRINT = """
import sys
from tdlab.records import Recipe, canonical_json
from tdlab.tasks import stage_here
for line in sys.stdin:
    print(canonical_json(stage_here().script(Recipe.model_validate_json(line)).model_dump(mode="json")))
"""


def test_a_recipe_gives_the_same_script_in_any_process() -> None:
    chosen = [(one, script) for one, script in scripts() if one.seed == 1]
    lines = "\n".join(one.model_dump_json() for one, _ in chosen)
    here = [canonical_json(script.model_dump(mode="json")) for _, script in chosen]
    assert len(set(here)) == len(here) > 20
    for hash_seed in ("1", "4711"):
        process = subprocess.run(
            [sys.executable, "-c", PRINT], input=lines, cwd=ROOT, env=environment(PYTHONHASHSEED=hash_seed),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert process.stdout.splitlines() == here


def test_a_script_does_not_depend_on_what_was_played_before() -> None:
    one, script = scripts()[0]
    assert stage_here().script(one) == script
    stage_here().script(one.model_copy(update={"seed": 77}))
    assert stage_here().script(one) == script
    assert stage_here().script(one.model_copy(update={"seed": 77})) != script


def test_targets_are_those_of_the_world_and_of_what_is_given() -> None:
    (world,) = stage_here().worlds(["saffron_gable"], 5)
    tasks = tasks_of("saffron_gable")
    rows = list(targets_of(tasks, world, "book_table"))
    assert rows
    assert rows == list(targets_of(tasks, World(tasks.pack, 5), "book_table"))
    city = rows[0]["city"]
    given = targets_of(tasks, world, "book_table", given={"city": city})
    assert given == [row for row in rows if row["city"] == city]
    assert targets_of(tasks, world, "book_table", given={"city": "Nowhere"}) == []


@pytest.mark.parametrize(
    ("frame", "twist", "words"),
    [("steal_table", "", "there is no frame 'steal_table'"), ("book_table", "fire", "there is no twist 'fire'")],
)
def test_an_unknown_frame_or_twist_is_named(frame: str, twist: str, words: str) -> None:
    (world,) = stage_here().worlds(["saffron_gable"], 5)
    with pytest.raises(TaskError, match=words) as caught:
        plan_task(tasks_of("saffron_gable"), world, frame, twist=twist)
    assert caught.value.expected


# ------------------------------------------------------------------------------- what is known, and what was agreed to


def lending(folder: Path, tasks: str) -> Stage:
    return Stage({"lending": write_pack(folder / "lending", tasks=tasks)})


def made_of(stage: Stage, frame: str, twist: str = "", **values: Any) -> list[TaskScript]:
    made = []
    for seed in range(12):
        one = Recipe(service="lending", frame=frame, twist=twist, world=seed % 3, seed=seed, **values)
        if targets_of(stage.tasks("lending"), stage.world("lending", one.world), frame, twist):
            made.append(stage.script(one))
    return made


def test_a_frame_follows_only_where_its_fact_holds(tmp_path: Path) -> None:
    old = "carry: {title: title}"
    always = made_of(lending(tmp_path / "a", LENDING), "borrow", follow=1)
    never = LENDING.replace(old, f"when: never\n        {old}").replace(
        "SELECT book_id, title FROM", "SELECT book_id, title, 0 AS never FROM"
    )
    assert never != LENDING
    assert any(len(script.parts) == 2 for script in always)
    assert all(len(script.parts) == 1 for script in made_of(lending(tmp_path / "n", never), "borrow", follow=1))


def test_what_changed_after_a_yes_needs_another_yes(tmp_path: Path) -> None:
    asks = 'confirm: ["That is {title} for {reader}. Shall I?"]'
    stops = re.compile(r"- stop: true\n +say: [^\n]+\n +reply: [^\n]+")
    other = (
        "- change: SELECT book_id, title FROM books WHERE book_id NOT IN (SELECT book_id FROM loans)\n"
        '            say: ["Then {title}, please."]'
    )
    tasks = stops.sub(other, LENDING.replace("    done:\n", f"    {asks}\n    done:\n", 1), count=1)
    scripts_ = made_of(lending(tmp_path, tasks), "borrow", "lent_out")
    assert len(scripts_) >= 6
    for script in scripts_:
        said = purposes(script)
        assert said.count("agree") == said.count("confirm") == 2, said
        assert said[-3:] == ["agree", "act", "done"] or "close" in said, said


def test_what_is_seen_has_to_be_shown_by_a_result(tmp_path: Path) -> None:
    """A fact that only follows from what the user said is not seen."""
    target = "SELECT b.book_id, b.title, 1 AS on_loan FROM books b JOIN loans USING (book_id)"
    seen = f"meets: seen on_loan\n        target: {target}"
    tasks = re.sub(r"meets: lend on_loan\n +target: [^\n]+", seen, LENDING)
    assert tasks != LENDING
    stage = lending(tmp_path / "shown", tasks)
    shown = made_of(stage, "borrow", "lent_out")
    assert shown
    assert all(calls_of(script) for script in shown)
    guessed = lending(tmp_path / "guessed", tasks.replace("terms: {}", "terms: {}\nimplies: {title: [on_loan]}"))
    with pytest.raises(TaskError, match="taken for seen"):
        guessed.script(Recipe(service="lending", frame="borrow", twist="lent_out", world=1, seed=1))


def test_a_text_that_comes_out_empty_is_not_given(tmp_path: Path) -> None:
    follows = "follows:\n      - frame: is_it_there"
    gives = 'gives: {event: {title: "{if quiet}{else}Return {title}{end}", starts_at: due}}\n    ' + follows
    takes = 'takes: {event: {facts: {reader: title}, say: ["Lend {title} to {reader} too."]}}'
    own = LENDING.replace(follows, gives)
    assert own != LENDING
    other = LENDING.replace("user: {reader: name}", takes)
    handed = {}
    for quiet in (0, 1):
        tasks = own.replace("SELECT book_id, title FROM", f"SELECT book_id, title, {quiet} AS quiet FROM")
        tasks = tasks.replace("terms: {}", "terms: {}\nimplies: {title: [quiet]}")
        folders = {"lending": write_pack(tmp_path / f"l{quiet}", tasks=tasks)}
        tools = json.loads(json.dumps(_TOOLS).replace('"lending"', '"other"'))
        folders["other"] = write_pack(tmp_path / f"o{quiet}", tasks=other, tools=tools)
        stage = Stage(folders)
        handed[quiet] = sum(
            any(part.service == "other" for part in stage.script(
                Recipe(service="lending", frame="borrow", world=seed % 3, seed=seed, follow=1, partners=("other",))
            ).parts)
            for seed in range(30)
        )  # fmt: skip
    assert handed[0] >= 2
    assert handed[1] == 0

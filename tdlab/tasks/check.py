"""Checking a service pack: everything that an author, human or model, works against.

Each rule has a name, which stands in the error: ``results`` fit their output schemas, ``invariants`` hold after random
calls, every documented error is ``reached``, ``reading`` changes nothing, the ``order`` of rows does not matter, every
frame and twist is ``solved`` on some seeds with ``arguments`` that fit, its ``goals`` do not hold beforehand,
``utterances`` are enough and are not shared.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tdlab.errors import PackError, TaskError
from tdlab.records import CODE_TOOL, Json, Tool
from tdlab.speech import slots_of
from tdlab.tasks.frames import Frame, TaskPack, read_frames
from tdlab.tasks.planner import plan_task
from tdlab.tasks.targets import targets_of
from tdlab.tools import compile_schema, make_value
from tdlab.worlds import ServicePack, World

__all__ = ["PackReport", "check_pack"]

_SEEDS = 20
_CALLS = 150  # random calls on each of some worlds
_FUZZED = 4
_MOST_SHARED = 6  # words in a row that utterances of two frames may not share
_FEWEST_OPENINGS = 5
_FEWEST_FRAMES = 3
_FEWEST_SOLVED = 0.9
_POSITIONAL = frozenset({"limit", "cursor"})


class PackReport(NamedTuple):
    """What a check found: errors (empty for a sound pack), and how often each frame and twist was solved."""

    service: str
    errors: tuple[PackError, ...]
    solved: dict[str, tuple[int, int]]


def check_pack(pack: ServicePack, *, seeds: int = _SEEDS) -> PackReport:
    """Run every check on a pack.

    Args:
        pack: A pack that could be loaded.
        seeds: How many worlds frames are solved on.

    Returns:
        The report; its errors name file, line and rule.

    Example:
        >>> pack = stage_here().tasks("saffron_gable").pack
        >>> document = pack.tasks._replace(data={**pack.tasks.data, "frames": {}})
        >>> [error.rule for error in check_pack(pack._replace(tasks=document)).errors]
        ['frames']
    """
    try:
        tasks = read_frames(pack)
    except PackError as error:
        return PackReport(pack.service.name, (error,), {})
    errors = [*_shape(tasks), *_words(tasks)]
    solved: dict[str, tuple[int, int]] = {}
    if not errors:
        reached: set[tuple[str, str]] = set()
        try:
            for seed in range(_FUZZED):
                errors += _fuzzed(tasks, seed, reached)
            errors += _solved(tasks, seeds, solved, reached)
            errors += _reached(tasks, reached)
        except PackError as error:
            errors.append(error)
    unique = {str(error): error for error in errors}
    return PackReport(pack.service.name, tuple(unique.values()), solved)


# -- what can be seen without running it


def _shape(tasks: TaskPack) -> Iterator[PackError]:
    tools = tasks.pack.programs
    if len(tasks.frames) < _FEWEST_FRAMES:
        yield tasks.error("frames", f"{len(tasks.frames)} frames", "frames", expected=f"at least {_FEWEST_FRAMES}")
    for name, program in tools.items():
        if program.tool.annotations.read_only and program.writes:
            yield PackError(
                f"{name} says readOnlyHint and changes {', '.join(sorted(program.writes))}",
                file=tasks.pack.files["world.sql"],
                rule="reading",
            )
        if program.tool.annotations.read_only is False and not program.writes:
            yield PackError(
                f"{name} does not say readOnlyHint and changes nothing",
                file=tasks.pack.files["world.sql"],
                rule="reading",
                expected="a section --- do",
            )
    for name, frame in tasks.frames.items():
        for place, act in enumerate(frame.act):
            for tool, arguments in act.items():
                if tool not in tools:
                    yield tasks.error("frames", f"there is no tool {tool!r}", "frames", name, "act", place)
                    continue
                unknown = [p for p in arguments if p not in tools[tool].tool.parameters]
                missing = [p for p in tools[tool].tool.required if p not in arguments]
                if unknown or missing:
                    yield tasks.error(
                        "frames",
                        f"{tool} has no parameter {unknown[0]!r}" if unknown else f"{tool} needs {missing[0]!r}",
                        "frames",
                        name,
                        "act",
                        place,
                    )
        if bool(frame.act) != bool(frame.goal):
            yield tasks.error(
                "goals",
                f"{name} has {'an act' if frame.act else 'a goal'} alone",
                "frames",
                name,
                expected="act and goal, or neither and tell",
            )
        if not frame.act and not frame.tell:
            yield tasks.error("frames", f"{name} neither acts nor tells", "frames", name)
        for twist, trouble in frame.twists.items():
            first, _, code = trouble.meets.partition(" ")
            if first in tools and code not in ("empty", *(e.code for e in tools[first].tool.errors)):
                yield tasks.error("frames", f"{first} documents no error {code!r}", "frames", name, "twists", twist)
            elif first not in tools and first not in ("policy", "change", "seen"):
                yield tasks.error("frames", f"there is no tool {first!r}", "frames", name, "twists", twist)
            for then in trouble.then:
                if then.frame and then.frame not in tasks.frames:
                    yield tasks.error("frames", f"there is no frame {then.frame!r}", "frames", name, "twists", twist)
                if then.stop and not then.reply:
                    yield tasks.error("utterances", f"{twist} stops without a reply", "frames", name, "twists", twist)
        for following in frame.follows:
            if following.frame not in tasks.frames:
                yield tasks.error("frames", f"there is no frame {following.frame!r}", "frames", name, "follows")
        if len(frame.open) < _FEWEST_OPENINGS:
            yield tasks.error(
                "utterances",
                f"{name} has {len(frame.open)} openings",
                "frames",
                name,
                "open",
                expected=f"at least {_FEWEST_OPENINGS}",
            )


def _words(tasks: TaskPack) -> Iterator[PackError]:
    """Templates that cannot be parsed, placeholders left in, word sequences that two frames share."""
    seen: dict[tuple[str, ...], str] = {}
    for name, frame in tasks.frames.items():
        own: set[tuple[str, ...]] = set()
        for path, text in _texts(frame):
            try:
                slots_of(text)
            except ValueError as error:
                yield tasks.error("utterances", f"{text!r}: {error}", "frames", name, *path)
                continue
            if re.search(r"\b(lorem|todo|foo|xxx|placeholder)\b", text, re.IGNORECASE):
                yield tasks.error("utterances", f"{text!r} has placeholder text", "frames", name, *path)
            for variant in re.split(r"[<>|\[\]]|\{[^}]*\}", text):
                words = re.findall(r"[\w']+", variant.casefold())
                for place in range(len(words) - _MOST_SHARED + 1):
                    sequence = tuple(words[place : place + _MOST_SHARED])
                    if seen.get(sequence, name) != name:
                        yield tasks.error(
                            "utterances",
                            f"{' '.join(sequence)!r} is said in {seen[sequence]} as well",
                            "frames",
                            name,
                            *path,
                            expected="words of its own in every frame",
                        )
                    own.add(sequence)
        seen |= dict.fromkeys(own, name)


def _texts(frame: Frame) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for key in ("open", "confirm", "done"):
        for place, text in enumerate(getattr(frame, key)):
            yield (key, place), text
    for listing, ways in frame.choose.items():
        for place, way in enumerate(ways):
            yield from ((("choose", listing, place), text) for text in (*way.say, *way.offer))
    for name, twist in frame.twists.items():
        yield from ((("twists", name), text) for text in (*twist.open, *twist.reply))
        for then in twist.then:
            yield from ((("twists", name, "then"), text) for text in (*then.say, *then.reply))
    for following in frame.follows:
        yield from ((("follows",), text) for text in following.say)


# -- what running it shows


def _fuzzed(tasks: TaskPack, seed: int, reached: set[tuple[str, str]]) -> Iterator[PackError]:
    """Random calls, valid and made of what the world holds: results fit, invariants hold, reading changes nothing."""
    pack = tasks.pack
    world, mirror = World(pack, f"check {seed}"), World(pack, f"check {seed}", reverse=True)
    if world.broken():
        yield PackError(f"at the start: {world.broken()[0]}", file=pack.files["world.sql"], rule="invariants")
        return
    if world.tables() != mirror.tables():
        yield PackError("the population depends on the order of rows", file=pack.files["world.sql"], rule="order")
    rng = random.Random(seed)
    values = _values_in(world)
    outputs = {name: compile_schema(program.tool.output_schema or {}) for name, program in pack.programs.items()}
    for _ in range(_CALLS):
        name = rng.choice(list(pack.programs))
        program = pack.programs[name]
        arguments = _arguments(program.tool, values, rng)
        if compile_schema(program.tool.input_schema).errors(arguments):
            continue
        before = None if program.writes else world.changes()
        outcome, twin = world.call(name, arguments), mirror.call(name, arguments)
        if outcome != twin:
            yield PackError(
                f"{name}({arguments}) depends on the order of rows",
                file=pack.files["world.sql"],
                rule="order",
                expected="ORDER BY over something unique",
            )
        if not outcome.ok:
            reached.add((name, outcome.code))
            continue
        wrong = outputs[name].errors(outcome.value)
        if wrong:
            yield PackError(f"{name} returns {wrong[0]}", file=pack.files["world.sql"], rule="results")
        if before is not None and world.changes() != before:
            yield PackError(f"{name} reads and changes the world", file=pack.files["world.sql"], rule="reading")
        broken = world.broken()
        if broken:
            yield PackError(f"after {name}({arguments}): {broken[0]}", file=pack.files["world.sql"], rule="invariants")
            return
        if program.writes and rng.random() < 0.2:
            values = _values_in(world)


def _values_in(world: World) -> dict[str, list[Json]]:
    """Values of all columns by their names, and by the last word of their names."""
    values: dict[str, list[Json]] = {}
    for rows in world.tables().values():
        for row in rows:
            for column, value in row.items():
                if value is not None:
                    values.setdefault(column, []).append(value)
    return values


def _arguments(tool: Tool, values: Mapping[str, Sequence[Json]], rng: random.Random) -> dict[str, Json]:
    arguments: dict[str, Json] = {}
    for name, schema in tool.parameters.items():
        if name not in tool.required and rng.random() < 0.6:
            continue
        known = values.get(name) or values.get(name.partition("_")[2])
        if known and rng.random() < 0.85:
            value = rng.choice(known)
            arguments[name] = bool(value) if schema.get("type") == "boolean" else value
        else:
            arguments[name] = make_value(rng, name, schema)
    return arguments


def _solved(
    tasks: TaskPack, seeds: int, solved: dict[str, tuple[int, int]], reached: set[tuple[str, str]]
) -> Iterator[PackError]:
    """Each frame and each twist is planned on many worlds."""
    worlds = [World(tasks.pack, f"check {seed}") for seed in range(min(seeds, 6))]
    inputs = {name: compile_schema(program.tool.input_schema) for name, program in tasks.pack.programs.items()}
    for name, frame in tasks.frames.items():
        for twist in ("", *frame.twists):
            failures: Counter[str] = Counter()
            tried = good = 0
            for seed in range(seeds):
                world = worlds[seed % len(worlds)]
                world.reset()
                world.clock.reset()
                targets = targets_of(tasks, world, name, twist)
                if not targets:
                    failures["the world has no target for it"] += 1
                    continue
                if not tried:
                    yield from _unknown_slots(tasks, name, twist, frozenset(targets[0]))
                target = random.Random(f"{seed}{name}").choice(targets)
                if frame.goal and not twist and world.query(frame.goal, _all_named(frame.goal) | target):
                    yield tasks.error("goals", f"the goal of {name} holds before the start", "frames", name, "goal")
                    return
                tried += 1
                try:
                    script = plan_task(
                        tasks, world, name, twist=twist, seed=seed, target=target, follow=1, programs=frame.program
                    )
                except TaskError as error:
                    failures[error.found] += 1
                    continue
                good += 1
                for call in (call for beat in script.beats for call in beat.calls if call.tool != CODE_TOOL):
                    wrong = inputs[call.tool.partition("/")[2]].errors(call.arguments)
                    if wrong:
                        yield tasks.error(
                            "arguments",
                            f"{call.tool}: {wrong[0]}",
                            "frames",
                            name,
                            *(("twists", twist) if twist else ()),
                        )
                reached |= {
                    (call.tool.partition("/")[2], call.meets)
                    for beat in script.beats
                    for call in beat.calls
                    if call.meets
                }
            solved[f"{name}{'/' if twist else ''}{twist}"] = (good, seeds)
            enough = _FEWEST_SOLVED if not twist else 0.5
            if tried == 0 or good < enough * tried or tried < 0.5 * seeds:
                worst = failures.most_common(1)[0][0] if failures else "it was never tried"
                path = ("frames", name, "twists", twist) if twist else ("frames", name)
                yield tasks.error(
                    "solved",
                    f"{name}{'/' if twist else ''}{twist} is solved on {good} of {seeds} seeds: {worst}",
                    *path,
                    expected=f"at least {enough:.0%} of the seeds",
                )


def _unknown_slots(tasks: TaskPack, name: str, twist: str, columns: frozenset[str]) -> Iterator[PackError]:
    """Openings with a slot that is no fact of the task: they would never be drawn."""
    frame = tasks.frames[name]
    path: tuple[str, ...] = ("frames", name, "twists", twist) if twist else ("frames", name)
    for place, text in enumerate(frame.twists[twist].open if twist else frame.open):
        for slot in sorted(slots_of(text) - columns - frame.user.keys()):
            yield tasks.error(
                "utterances",
                f"{text!r} has the unknown slot {slot!r}",
                *path,
                "open",
                place,
                expected="a column of the target query, or a fact under user:",
            )
    for following in () if twist else frame.follows:
        if following.when and following.when not in columns:
            yield tasks.error(
                "frames", f"{following.when!r} is no fact of {name}", *path, "follows",
                expected="when: a column of the target query",
            )  # fmt: skip


def _all_named(sql: str) -> dict[str, Json]:
    """Null for every parameter of a query."""
    return dict.fromkeys(re.findall(r":([A-Za-z_]\w*)", sql))


def _reached(tasks: TaskPack, reached: set[tuple[str, str]]) -> Iterator[PackError]:
    """Every documented error occurs: in random calls, in a twist, or through a query under ``reach``."""
    pack = tasks.pack
    for name, program in pack.programs.items():
        documented = {error.code for error in program.tool.errors}
        written = {action.code for action in program.actions if action.word == "error"}
        for code in sorted(documented - written):
            if "cursor" in code:
                continue
            yield PackError(
                f"{name} documents {code} and never raises it",
                file=pack.files["world.sql"],
                rule="reached",
                expected=f"--- error {code} below --- tool {name}",
            )
        for code in sorted(written):
            if (name, code) in reached:
                continue
            query = tasks.reach.get(f"{name} {code}")
            if query is None:
                yield PackError(
                    f"{name} {code} was never reached",
                    file=pack.files["tasks.yaml"],
                    rule="reached",
                    expected=f"reach: {{{name} {code}: SELECT ... AS <parameter>}}, a query of arguments that meet it",
                )
                continue
            if not any(_meets(tasks, name, code, query, seed) for seed in range(6)):
                yield tasks.error(
                    "reached", f"the arguments under reach do not meet {name} {code}", "reach", f"{name} {code}"
                )


def _meets(tasks: TaskPack, name: str, code: str, query: str, seed: int) -> bool:
    world = World(tasks.pack, f"check {seed}")
    tool = tasks.pack.programs[name].tool
    for row in world.query(query)[:50]:
        arguments: dict[str, Any] = {
            key: json.loads(value) if tool.parameters.get(key, {}).get("type") in ("array", "object") else value
            for key, value in row.items()
            if value is not None
        }
        if not compile_schema(tool.input_schema).errors(arguments) and world.look(name, arguments).code == code:
            return True
    return False

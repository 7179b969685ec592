"""Checking a service pack: everything that an author, human or model, works against.

Each rule has a name, which stands in the error: ``results`` fit their output schemas, ``invariants`` hold after random
calls, every documented error is ``reached``, ``reading`` changes nothing, the ``order`` of rows does not matter, every
frame and twist is ``solved`` on some seeds with ``arguments`` that fit, its ``goals`` do not hold beforehand,
``utterances`` are enough, name what there is, and are not shared. What can be seen without running it is in
`tdlab.tasks._references` and `tdlab.tasks._utterances`.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tdlab.errors import PackError, SchemaError, TaskError
from tdlab.records import CODE_TOOL, Json, Tool
from tdlab.tasks._names import Names
from tdlab.tasks._references import line_of, references
from tdlab.tasks._utterances import hidden_characters, unsayable, utterances
from tdlab.tasks.frames import TaskPack, read_frames
from tdlab.tasks.planner import plan_task
from tdlab.tasks.targets import targets_of
from tdlab.tools import compile_schema, make_value
from tdlab.worlds import ServicePack, World, parameters_in

__all__ = ["PackReport", "check_pack"]

_SEEDS = 20
_CALLS = 150  # random calls on each of some worlds
_FUZZED = 4
_FEWEST_SOLVED = 0.9
_FEWEST_TWISTS_SOLVED = 0.5
_MOST_SAMPLES = 8  # values of a fact on which the forms of slots are tried
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|\([^()]*\)|\d+")


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
        >>> sorted({error.rule for error in check_pack(pack._replace(tasks=document)).errors})
        ['frames']
    """
    errors: list[PackError] = []
    solved: dict[str, tuple[int, int]] = {}
    try:
        tasks = read_frames(pack)
        errors += hidden_characters(tasks)
        if not errors:
            names = Names(tasks, World(pack, "check 0"))
            errors += names.broken or [*references(tasks, names), *utterances(tasks, names)]
            if not errors:
                errors += _gathered(_run(tasks, names, seeds, solved))
    except PackError as error:
        errors.append(error)
    except SchemaError as error:
        errors.append(PackError(error.found, file=pack.files["tools.json"], rule="tools", expected=error.expected))
    unique = {str(error): error for error in errors}
    return PackReport(pack.service.name, tuple(unique.values()), solved)


def _run(tasks: TaskPack, names: Names, seeds: int, solved: dict[str, tuple[int, int]]) -> Iterator[PackError]:
    """What running the pack shows; an error that ends the run is the last."""
    reached: set[tuple[str, str]] = set()
    try:
        for seed in range(_FUZZED):
            yield from _fuzzed(tasks, seed, reached)
        yield from _solved(tasks, names, seeds, solved, reached)
        yield from _reached(tasks, reached)
    except PackError as error:
        yield error


def _gathered(errors: Iterable[PackError]) -> Iterator[PackError]:
    """One error of each kind at each place, with how many there were: other calls may show the same fault."""
    kinds: dict[tuple[str, str, int, str], list[PackError]] = {}
    for error in errors:
        words = _VARYING.sub("*", error.found.partition(" ")[2])
        kinds.setdefault((error.rule, error.file, error.line, words), []).append(error)
    for (rule, file, line, _), same in kinds.items():
        if len(same) == 1:
            yield same[0]
            continue
        place = f"{file}:{line}" if line else file
        found = same[0].found.removeprefix(f"{place}: ").removesuffix(f" [{rule}]")
        yield PackError(
            f"{found} (and {len(same) - 1} more like it)", file=file, line=line, rule=rule, expected=same[0].expected
        )


# -- what running it shows


def _fuzzed(tasks: TaskPack, seed: int, reached: set[tuple[str, str]]) -> Iterator[PackError]:
    """Random calls, valid and made of what the world holds: results fit, invariants hold, reading changes nothing."""
    pack = tasks.pack
    file = pack.files["world.sql"]
    invariants = {text: statement.line for text, statement in pack.invariants}
    world, mirror = World(pack, f"check {seed}"), World(pack, f"check {seed}", reverse=True)
    for text in world.broken()[:1]:
        yield PackError(
            f"at the start: {text}",
            file=file,
            line=invariants[text],
            rule="invariants",
            expected="a query without rows",
        )
        return
    if world.tables() != mirror.tables():
        yield PackError(
            "the population depends on the order of rows",
            file=file,
            line=min((statement.line for statement in pack.populate), default=0),
            rule="order",
            expected="ORDER BY over something unique in INSERT ... SELECT",
        )
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
                f"{name}({_short(arguments)}) depends on the order of rows",
                file=file,
                line=line_of(tasks, name),
                rule="order",
                expected="ORDER BY over something unique",
            )
        if not outcome.ok:
            reached.add((name, outcome.code))
            continue
        wrong = outputs[name].errors(outcome.value)
        if wrong:
            yield PackError(
                f"{name} returns {wrong[0]}",
                file=file,
                line=line_of(tasks, name),
                rule="results",
                expected=f"what the output schema of {name} says",
            )
        if before is not None and world.changes() != before:
            yield PackError(
                f"{name} reads and changes the world", file=file, line=line_of(tasks, name), rule="reading",
                expected="queries that change nothing",
            )  # fmt: skip
        for text in world.broken()[:1]:
            yield PackError(
                f"after {name}({_short(arguments)}): {text}", file=file, line=invariants[text], rule="invariants",
                expected="a query without rows, whatever was called",
            )  # fmt: skip
            return
        if program.writes and rng.random() < 0.2:
            values = _values_in(world)


def _short(arguments: Mapping[str, Json]) -> str:
    text = str(dict(arguments))
    return text if len(text) <= 300 else f"{text[:300]}..."


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
    tasks: TaskPack, names: Names, seeds: int, solved: dict[str, tuple[int, int]], reached: set[tuple[str, str]]
) -> Iterator[PackError]:
    """Each frame and each twist is planned on many worlds."""
    worlds = [World(tasks.pack, f"check {seed}") for seed in range(min(seeds, 6))]
    inputs = {name: compile_schema(program.tool.input_schema) for name, program in tasks.pack.programs.items()}
    samples: dict[str, dict[str, list[Json]]] = {name: {} for name in tasks.frames}
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
                target = random.Random(f"{seed}{name}").choice(targets)
                _sample(samples[name], target)
                goal = tasks.pack.tasks.line("frames", name, "goal")
                if (
                    frame.goal
                    and not twist
                    and world.query(frame.goal, dict.fromkeys(parameters_in(frame.goal)) | target, line=goal)
                ):
                    yield tasks.error(
                        "goals", f"the goal of {name} holds before the start", "frames", name, "goal",
                        expected="a query that gives a row only after the act",
                    )  # fmt: skip
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
                for part in script.parts:
                    _sample(samples[part.frame], part.facts)
                for call in (call for beat in script.beats for call in beat.calls if call.tool != CODE_TOOL):
                    wrong = inputs[call.tool.rpartition("/")[2]].errors(call.arguments)
                    if wrong:
                        yield tasks.error(
                            "arguments",
                            f"{call.tool}: {wrong[0]}",
                            "frames",
                            name,
                            *(("twists", twist) if twist else ()),
                            expected=f"arguments that fit the input schema of {call.tool.partition('/')[2]}",
                        )
                reached |= {
                    (call.tool.rpartition("/")[2], call.meets)
                    for beat in script.beats
                    for call in beat.calls
                    if call.meets
                }
            solved[f"{name}{'/' if twist else ''}{twist}"] = (good, seeds)
            enough = _FEWEST_TWISTS_SOLVED if twist else _FEWEST_SOLVED
            if tried == 0 or good < enough * tried or tried < 0.5 * seeds:
                worst = failures.most_common(1)[0][0] if failures else "it was never tried"
                path = ("frames", name, "twists", twist) if twist else ("frames", name)
                yield tasks.error(
                    "solved",
                    f"{name}{'/' if twist else ''}{twist} is solved on {good} of {seeds} seeds: {worst}",
                    *path,
                    expected=f"at least {enough:.0%} of the seeds",
                )
    for name in tasks.frames:
        yield from unsayable(tasks, names, name, samples[name], worlds[0].clock.now)


def _sample(samples: dict[str, list[Json]], facts: Mapping[str, Json]) -> None:
    """Keep some values of each fact."""
    for fact, value in facts.items():
        kept = samples.setdefault(fact, [])
        if value is not None and len(kept) < _MOST_SAMPLES and value not in kept:
            kept.append(value)


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
                line=line_of(tasks, name),
                rule="reached",
                expected=f"--- error {code} below --- tool {name}",
            )
        for code in sorted(written):
            if (name, code) in reached:
                continue
            query = tasks.reach.get(f"{name} {code}")
            if query is None:
                yield tasks.error(
                    "reached",
                    f"{name} {code} was never reached",
                    "reach",
                    expected=f"reach: {{{name} {code}: SELECT ... AS <parameter>}}, a query of arguments that meet it",
                )
                continue
            if not any(_meets(tasks, name, code, query, seed) for seed in range(6)):
                yield tasks.error(
                    "reached",
                    f"the arguments under reach do not meet {name} {code}",
                    "reach",
                    f"{name} {code}",
                    expected=f"columns that are parameters of {name}, and rows that meet the error",
                )


def _meets(tasks: TaskPack, name: str, code: str, query: str, seed: int) -> bool:
    world = World(tasks.pack, f"check {seed}")
    tool = tasks.pack.programs[name].tool
    line = tasks.pack.tasks.line("reach", f"{name} {code}")
    for row in world.query(query, line=line)[:50]:
        try:
            arguments: dict[str, Any] = {
                key: json.loads(value) if tool.parameters.get(key, {}).get("type") in ("array", "object") else value
                for key, value in row.items()
                if value is not None
            }
        except (ValueError, TypeError, RecursionError) as error:
            raise tasks.error(
                "reached", f"a list or an object that is no JSON: {error}", "reach", f"{name} {code}",
                expected="JSON text, as json_array() and json_object() give it",
            ) from None  # fmt: skip
        if not compile_schema(tool.input_schema).errors(arguments) and world.look(name, arguments).code == code:
            return True
    return False

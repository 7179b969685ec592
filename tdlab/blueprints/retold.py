"""Change a task on executable worlds: leave out or reorder its wishes, give free texts other words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tdlab.blueprints.planner import named
from tdlab.blueprints.world_plans import steps_of
from tdlab.errors import BlueprintError
from tdlab.records import CODE_TOOL, Beat, Blueprint, Json, TaskPart, TaskScript, Tool

__all__ = ["Wish", "free_texts", "retold", "wishes_of"]

_FREE_TEXT = 3  # words from which on a text can be worded in another way: two may be a name


class Wish(NamedTuple):
    """One wish of a task: its turns in the script, and the parts of the task that belong to it."""

    beats: tuple[Beat, ...]
    parts: tuple[TaskPart, ...]


def wishes_of(script: TaskScript) -> list[Wish]:
    """Split a script into its wishes.

    Args:
        script: The script of a task.

    Returns:
        The wishes in their order. One with every part, if it is not known which part belongs to which wish.

    Example:
        >>> from tdlab.records import Beat, TaskScript
        >>> first = Beat(speaker="user", purpose="open", text="Hi!")
        >>> beats = (first, first.model_copy(update={"purpose": "wish"}))
        >>> script = TaskScript(now="2026-03-13T08:49:00Z", services=("A",), parts=(), beats=beats)
        >>> [len(wish.beats) for wish in wishes_of(script)]
        [1, 1]
    """
    groups: list[list[Beat]] = []
    for beat in script.beats:
        if not groups or (beat.speaker == "user" and beat.purpose in ("open", "wish")):
            groups.append([])
        groups[-1].append(beat)
    served = [any(beat.speaker == "calls" for beat in group) for group in groups]
    if sum(served) != len(script.parts):
        served = [True] * len(groups)
    if sum(served) != len(script.parts):
        return [Wish(script.beats, script.parts)]
    parts = iter(script.parts)
    return [
        Wish(tuple(group), (next(parts),) if has_part else ())
        for group, has_part in zip(groups, served, strict=True)
    ]  # fmt: skip


def free_texts(blueprint: Blueprint, tools: Mapping[str, Tool]) -> dict[str, tuple[dict[str, Json], str]]:
    """Return the texts that the user makes up, such as a note, which could as well be other texts.

    Args:
        blueprint: A plan with a script.
        tools: Definitions of tools by key.

    Returns:
        Slot to the schema and the text.

    Example:
        >>> from tdlab.records import Blueprint, Persona
        >>> plan = Blueprint(
        ...     id="", cluster="c", seed=1, intent="", persona=Persona(name="Ada", role=""), steps=(), offered=()
        ... )
        >>> free_texts(plan, {})
        {}
    """
    script = blueprint.script
    if script is None:
        return {}
    said = "\n".join(beat.text for beat in script.beats if beat.speaker == "user")
    stated = {value: fact for beat in script.beats for fact, value in beat.tells.items() if isinstance(value, str)}
    goals = "\n".join(part.goal for part in script.parts)
    found: dict[str, tuple[dict[str, Json], str]] = {}
    for beat in script.beats:
        for call in beat.calls:
            for parameter, source in call.sources.items():
                value = call.arguments[parameter]
                schema = tools[call.tool].parameters.get(parameter, {}) if call.tool in tools else {}
                free = (
                    source.kind != "result"
                    and not call.meets
                    and beat.purpose == "act"
                    and isinstance(value, str)
                    and len(value.split()) >= _FREE_TEXT
                    and value in stated
                    and value in said
                    and value not in goals
                    and not {"enum", "const", "pattern", "format"} & schema.keys()
                )
                if free:
                    found.setdefault(stated[value], (schema, value))
    return found


def retold(
    blueprint: Blueprint,
    tools: Mapping[str, Tool],
    *,
    keep: Sequence[int],
    values: Mapping[str, str],
    intent: str,
    role: str,
    style: str,
) -> Blueprint:
    """Return a plan with the wishes that are kept, in their new order, and with other free texts.

    The caller plays its calls to see that they still work.

    Args:
        blueprint: A plan with a script.
        tools: Definitions of tools by key.
        keep: Numbers of the wishes to keep, in the new order.
        values: Slot of `free_texts` to the new text.
        intent: What the user wants, in a sentence.
        role: The user's occupation.
        style: How the user writes.

    Returns:
        The new plan, with an id; the same plan if nothing changes.

    Raises:
        BlueprintError: A wish needs what a wish that is left out or comes later gives.

    Example:
        >>> from tdlab.records import Beat, Blueprint, Persona, TaskScript
        >>> said = [("user", "open", "Hi!"), ("assistant", "done", "Hello."), ("user", "wish", "A boat, please.")]
        >>> beats = [Beat(speaker=speaker, purpose=purpose, text=text) for speaker, purpose, text in said]
        >>> script = TaskScript(now="2026-03-13T08:49:00Z", services=("A",), parts=(), beats=tuple(beats))
        >>> ada = Persona(name="Ada", role="")
        >>> plan = Blueprint(id="", cluster="c", seed=1, intent="", persona=ada, steps=(), offered=(), script=script)
        >>> shorter = retold(plan, {}, keep=[0], values={}, intent="You say hello.", role="sailor", style="plain")
        >>> len(wishes_of(plan.script)), len(wishes_of(shorter.script)), shorter.persona.role
        (2, 1, 'sailor')
    """
    script = blueprint.script
    if script is None:
        raise BlueprintError("the plan has no script", expected="a plan of a service that has a pack")
    wishes = wishes_of(script)
    if list(keep) != list(range(len(wishes))):
        script = _arranged(script, wishes, keep)
    texts = free_texts(blueprint, tools)
    for slot, text in values.items():
        script = _replaced(script, texts[slot][1], text)
    persona = blueprint.persona.model_copy(update={"role": role, "style": style})
    changes: dict[str, object] = {"intent": intent, "persona": persona}
    if script != blueprint.script:
        changes |= {"script": script, "steps": steps_of(script, tools)}
    changed = blueprint.model_copy(update=changes)
    return blueprint if changed == blueprint else named(changed)


def _arranged(script: TaskScript, wishes: Sequence[Wish], keep: Sequence[int]) -> TaskScript:
    """Return the script with these wishes in this order, and count its calls from the start."""
    if not keep or len(set(keep)) != len(keep) or not set(keep) <= set(range(len(wishes))):
        raise BlueprintError(f"the wishes to keep are {list(keep)}", expected=f"numbers from 0 to {len(wishes) - 1}")
    first_call, number = {}, 0
    for index, wish in enumerate(wishes):
        first_call[index] = number
        number += sum(len(beat.calls) for beat in wish.beats)
    new_numbers: dict[int, int] = {}
    stated: set[str] = set()
    beats: list[Beat] = []
    for index in keep:
        old = first_call[index]
        for beat in wishes[index].beats:
            stated |= beat.tells.keys()
            calls = []
            for call in beat.calls:
                sources = {}
                for parameter, source in call.sources.items():
                    if source.kind == "result" and source.call not in new_numbers:
                        raise BlueprintError(f"wish {index} uses what an earlier wish returns: the {parameter}")
                    if source.kind == "user" and source.slot not in stated:
                        raise BlueprintError(f"wish {index} uses what the user tells in an earlier wish: {source.slot}")
                    sources[parameter] = (
                        source.model_copy(update={"call": new_numbers[source.call]})
                        if source.kind == "result"
                        else source
                    )
                calls.append(call.model_copy(update={"sources": sources}))
            for _ in beat.calls:
                new_numbers[old] = len(new_numbers)
                old += 1
            beats.append(beat.model_copy(update={"calls": tuple(calls)}))
    if beats[-1].speaker == "calls" or beats[-1].speaker == "user":
        raise BlueprintError("the last wish has no reply")
    parts = tuple(part for index in keep for part in wishes[index].parts)
    return script.model_copy(update={"beats": tuple(beats), "parts": parts})


def _replaced(script: TaskScript, before: str, after: str) -> TaskScript:
    """Return the script with another free text, wherever it stands as a value or in what is said."""

    def changed(node: Json) -> Json:
        if isinstance(node, str):
            return after if node == before else node
        if isinstance(node, dict):
            return {key: changed(value) for key, value in node.items()}
        return [changed(value) for value in node] if isinstance(node, list) else node

    def beats() -> Iterator[Beat]:
        for beat in script.beats:
            calls = tuple(
                call
                if call.tool == CODE_TOOL
                else call.model_copy(update={"arguments": changed(call.arguments)})
                for call in beat.calls
            )  # fmt: skip
            text = beat.text.replace(before, after)
            yield beat.model_copy(update={"text": text, "tells": changed(beat.tells), "calls": calls})

    parts = tuple(part.model_copy(update={"facts": changed(part.facts)}) for part in script.parts)
    return script.model_copy(update={"beats": tuple(beats()), "parts": parts})

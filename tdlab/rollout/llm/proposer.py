"""The proposer: a model makes one believable story of a task that is known to work, or rejects it.

What it writes is checked: the wishes that it keeps still work in the world in their new order, texts fit the schemas of
their slots, and the intent is about the task and free of a machine's words. Problems are sent back, at most twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from tdlab.blueprints import Wish, free_texts, named, retold, violations, wishes_of
from tdlab.errors import BlueprintError
from tdlab.records import CODE_TOOL, Blueprint, FromUser, Json, Persona, TaskScript, Tool, canonical_json
from tdlab.rollout.llm.prompts import example_turns
from tdlab.rollout.llm.session import MAX_LINE, OBJECT, AgentSession, text_problem
from tdlab.rollout.views import RolloutStopped
from tdlab.rollout.worlds import SimulatedEnvironment
from tdlab.tools import goal_phrase, label, leaves, referenced_entity, shorten

__all__ = ["propose"]

_MAX_INTENT = 400  # characters
_MAX_ROLE = 60
_MAX_REASON = 200  # characters: a sentence or two
_FEWEST_CHARS = 24  # that a text may have; it may also be as long as the one that it replaces
_REPEATED = 5  # words that no text has twice
_COPIED = 4  # words in a row that are in the prompt's example by more than chance
_MAX_SAID = 1000  # characters of what the user says and knows for one request
_MAX_HEARD = 160  # characters of what the assistant says that are shown
_MAX_WISH = 80  # characters of a wish that are shown
_MAX_KEPT = 160  # characters of a text that may stay as it is
_MAX_FACT = 80  # characters of a fact's value that are shown
_FEWEST_LETTERS = 4  # of a word that are compared where endings may differ: "books" and "booking"
_MOST_ENDINGS = 5  # letters of a word that are compared
_STYLES = ("plain", "brief", "chatty", "formal")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SCHEMA_WORDS = re.compile(r"\b[a-z]+_[a-z_]+\b|\b(?:json|schema|parameters?|boolean)\b", re.IGNORECASE)
_START = re.compile(r"^\s*you want to\b", re.IGNORECASE)
_PROMPT_WORD = re.compile(r"[\w']+")
_BRACES = re.compile(r"[{}<>]")
_PLACEHOLDER = re.compile(
    r"\b(?:placeholder|lorem ipsum|foo ?bar|to be determined|tbd|your \w+ here|(?:an?|for|this) example"
    r"|example (?:value|text|note|name)|a string)\b|\[[^\]]*\]|\.\.\.$|^the \w+ (?:of|for|to)\b",
    re.IGNORECASE,
)
_EMPTY_WORDS = frozenset("the and for with that this want you your have can will from into one other more get".split())


def propose(
    session: AgentSession, blueprint: Blueprint, tools: Mapping[str, Tool], *, values: bool = True
) -> Blueprint:
    """Let the model write the story of a task.

    Args:
        session: Sends the requests.
        blueprint: The task.
        tools: Every tool that the blueprint offers, by key.
        values: Whether the model may choose texts that the user says.

    Returns:
        The task with its story.

    Raises:
        RolloutStopped: The model rejects the task, or no reply gives a task that works.
    """
    script = blueprint.script
    if script is None and values and session.plays_freely:
        return _propose_story(session, blueprint, tools)
    if script is None:
        return _propose_plan(session, blueprint, tools, values=values)
    wishes = wishes_of(script)
    slots = free_texts(blueprint, tools) if values else {}
    material = {
        "user": blueprint.persona.name,
        "wishes": [
            {
                "number": number,
                "does": [part.wish for part in wish.parts],
                "they_say": list(_dialogue(wish)),
                "facts": _facts(wish),
            }
            for number, wish in enumerate(wishes)
        ],
        "tools": {
            tools[key].name: tools[key].description for key in blueprint.tools if key != CODE_TOOL and key in tools
        },
        "rules": list(script.policy),
        "slots": {slot: text for slot, (_, text) in slots.items()},
    }
    numbers = list(range(len(wishes)))
    schema = _schema(numbers, slots, fewest=1)
    # A scripted user goes on from what was said before, so that their wishes cannot change places.
    scripted = not session.plays("user")
    proposals: list[Blueprint] = []

    def check(value: dict[str, Json]) -> str:
        if value["verdict"] == "reject":
            return _rejected(value, canonical_json(material))
        if scripted and value["keep"] != numbers[: len(value["keep"])]:
            return "the user's words are fixed, so the wishes keep their order, and only the last may be left out"
        problem = _story_problem(value, canonical_json(material["wishes"])) or _values_problem(
            value["values"], {s: t for s, (_, t) in slots.items()}
        )
        if problem:
            return problem
        try:
            proposal = retold(
                blueprint, tools, keep=value["keep"], values=value["values"], intent=value["intent"].strip(),
                role=value["persona"]["role"].strip(), style=value["persona"]["style"],
            )  # fmt: skip
        except BlueprintError as error:
            return error.found
        kept = proposal.script or script
        goals = [part.wish for wish in wishes_of(kept) for part in wish.parts]
        said = [wish.beats[0].text for wish in wishes_of(kept)]
        problem = _intent_problem(value["intent"], goals, said) or _infeasible(proposal, kept, tools)
        if not problem:
            proposals.append(proposal)
        return problem

    session.structured("proposer", material, schema, check)
    return proposals[-1]


def _dialogue(wish: Wish) -> Iterator[str]:
    """Yield what the user says in a wish; of an obstacle or a change of mind also what it answers."""
    heard = ""
    for beat in wish.beats:
        if beat.speaker == "assistant":
            heard = beat.text
        elif beat.speaker == "user" and beat.purpose not in ("close", "agree"):
            before = f"(heard: {shorten(heard, _MAX_HEARD)}) " if beat.purpose in ("adjust", "stop") else ""
            yield before + beat.text


def _facts(wish: Wish) -> dict[str, Json]:
    """Return the facts of a wish that are said, asked for or reached."""
    stated = {fact for beat in wish.beats for fact in beat.tells}
    return {
        label(fact): _shown(value)
        for part in wish.parts
        for fact, value in part.facts.items()
        if value is not None and not isinstance(value, (dict, list))
        and (fact in stated or (fact not in part.tell and f":{fact}" in part.goal))
    }  # fmt: skip


def _shown(value: Json) -> Json:
    return shorten(value, _MAX_FACT) if isinstance(value, str) else value


def _infeasible(blueprint: Blueprint, script: TaskScript, tools: Mapping[str, Tool]) -> str:
    """Play the calls of a task; say what does not work in its world, empty if all does."""
    world = SimulatedEnvironment(blueprint, tools)
    goals = {number: part for number, part in enumerate(script.parts) if part.goal and part.fulfilled}
    for number, call in enumerate(call for beat in script.beats for call in beat.calls):
        if call.tool == CODE_TOOL:
            continue
        result = world.call(tools[call.tool], call.arguments, call_id=str(number))
        if result.ok == bool(call.meets) or (call.meets and f'"{call.meets}"' not in result.text):
            return f"{tools[call.tool].name} now returns {shorten(result.text, MAX_LINE)}"
        goals = {number: part for number, part in goals.items() if not world.holds(part)}
    return f"this is not reached any more: {next(iter(goals.values())).wish}" if goals else ""


# -------------------------------------------------------------------------------- plans for services without a pack


def _propose_story(session: AgentSession, blueprint: Blueprint, tools: Mapping[str, Tool]) -> Blueprint:
    """Let the model write what the user says and knows, for tools whose results a model makes up."""
    goals = _goals_of(blueprint, tools)
    wanted = [goals[turn] for turn in sorted(goals)]
    used = [key for key in blueprint.tools if key != CODE_TOOL and key in tools]
    material = {
        "user": blueprint.persona.name,
        "wishes": [{"number": number, "does": does} for number, does in enumerate(wanted)],
        "tools": {
            tools[key].name: {"description": tools[key].description, "parameters": tools[key].parameters}
            for key in used
        },
        "rules": list(blueprint.constraints),
        "slots": {},
        "story": True,
    }
    numbers = list(range(len(wanted)))
    schema = _schema(numbers, {}, fewest=len(numbers))
    said: dict[str, Json] = {
        "type": "array",
        "items": {"type": "string", "minLength": 12, "maxLength": _MAX_SAID},
        "minItems": len(numbers),
        "maxItems": len(numbers),
    }
    schema["properties"] = {**schema["properties"], "says": said}
    schema["required"] = [*schema["required"], "says"]
    proposals: list[Blueprint] = []

    def check(value: dict[str, Json]) -> str:
        if value["verdict"] == "reject":
            return _rejected(value, canonical_json(material))
        if value["keep"] != numbers:
            return "the steps of this plan depend on each other, so all wishes keep their place"
        about = canonical_json([material["wishes"], material["tools"]])
        for number, text in enumerate(value["says"]):
            problem = text_problem(f"what they say for wish {number}", text, max_chars=_MAX_SAID)
            odd = _BRACES.search(text) or _PLACEHOLDER.search(text)
            if problem or odd is not None:
                return problem or f"what they say for wish {number} has {odd.group() if odd else ''!r}"
            if not _stems(text) & _stems(f"{about} {value['intent']}"):
                return f"what they say for wish {number} is not about it: {'; '.join(wanted[number])}"
        problem = _story_problem(value, about) or _intent_problem(
            value["intent"], [text for does in wanted for text in does], value["says"]
        )
        if problem:
            return problem
        persona = Persona(name=blueprint.persona.name, **value["persona"])
        story = tuple(text.strip() for text in value["says"])
        proposals.append(
            named(
                blueprint.model_copy(
                    update={"intent": value["intent"].strip(), "persona": persona, "story": story, "world": ()}
                )
            )
        )
        return ""

    session.structured("proposer", material, schema, check)
    return proposals[-1]


def _goals_of(blueprint: Blueprint, tools: Mapping[str, Tool]) -> dict[int, list[str]]:
    """Return what each request of a plan is for, by the number of its turn."""
    goals: dict[int, list[str]] = {}
    for step in blueprint.steps:
        said = [goal_phrase(tools[call.tool]) for call in step.calls] or ([step.request] if step.request else [])
        goals.setdefault(step.turn, []).extend(text for text in said if text not in goals.get(step.turn, ()))
    return {turn: said for turn, said in goals.items() if said}


def _rejected(value: Mapping[str, Json], task: str) -> str:
    """Stop a rollout whose task the model rejects; say what is wrong with its reason, if that is none."""
    reason = " ".join(value["reason"].split())[:MAX_LINE]
    odd = _SCHEMA_WORDS.search(reason)
    about_it = {word[:_FEWEST_LETTERS] for word in _stems(reason)} & {word[:_FEWEST_LETTERS] for word in _stems(task)}
    copied = reason.rstrip(".").casefold() in task.casefold()
    if not about_it or copied or _START.search(reason) or _repeated(reason) or (odd and odd.group() not in task):
        return (
            'you reject the task, but the "reason" does not say what is wrong with it:'
            ' if a real person could ask for it, the "verdict" is "accept"'
        )
    raise RolloutStopped(f"proposer: rejected: {reason}")


def _propose_plan(session: AgentSession, blueprint: Blueprint, tools: Mapping[str, Tool], *, values: bool) -> Blueprint:
    """Let the model write intent, persona and free values of a plan; the steps stay."""
    slots = _free_slots(blueprint, tools) if values else {}
    goals = _goals_of(blueprint, tools)
    material = {
        "user": blueprint.persona.name,
        "wishes": [{"number": turn, "does": goals[turn]} for turn in sorted(goals)],
        "tools": {
            tools[key].name: shorten(tools[key].description, MAX_LINE) for key in blueprint.tools if key in tools
        },
        "rules": list(blueprint.constraints),
        "slots": {slot: value for slot, (_, value) in slots.items()},
    }
    numbers = sorted(goals)
    schema = _schema(numbers, slots, fewest=len(numbers))
    proposals: list[Blueprint] = []

    def check(value: dict[str, Json]) -> str:
        if value["verdict"] == "reject":
            return _rejected(value, canonical_json(material))
        if value["keep"] != numbers:
            return "the steps of this plan depend on each other, so all wishes keep their place"
        problem = _story_problem(value, canonical_json(material["wishes"])) or _values_problem(
            value["values"], {s: v for s, (_, v) in slots.items()}
        )
        problem = problem or _intent_problem(value["intent"], [text for said in goals.values() for text in said])
        if problem:
            return problem
        proposal = _rewritten(blueprint, value)
        problems = violations(proposal, tools)
        if problems:
            return "; ".join(f"{v.step}: {v.message}" for v in problems[:3])
        proposals.append(proposal if proposal == blueprint else named(proposal))
        return ""

    session.structured("proposer", material, schema, check)
    return proposals[-1]


def _free_slots(blueprint: Blueprint, tools: Mapping[str, Tool]) -> dict[str, tuple[dict[str, Json], Json]]:
    """Return the slots whose value does not refer to anything that must exist, as slot -> (schema, value)."""
    existing = {canonical_json(seed.id) for seed in blueprint.world}
    existing |= {canonical_json(v) for seed in blueprint.world for v in seed.fields.values()}
    free: dict[str, tuple[dict[str, Json], Json]] = {}
    fixed: set[str] = set()
    for _, _, call in blueprint.calls():
        for parameter, binding in call.arguments.items():
            if not isinstance(binding, FromUser):
                continue
            schema = tools[call.tool].parameters.get(parameter, {})
            inner = [canonical_json(leaf) for _, leaf in leaves(binding.value)]
            if referenced_entity(parameter) is not None or existing & {canonical_json(binding.value), *inner}:
                fixed.add(binding.slot)
            elif isinstance(binding.value, (str, int, float)) and not isinstance(binding.value, bool):
                free.setdefault(binding.slot, (schema, binding.value))
    return {slot: entry for slot, entry in free.items() if slot not in fixed}


def _rewritten(blueprint: Blueprint, value: Mapping[str, Json]) -> Blueprint:
    values = value["values"]

    def replaced(node: Json) -> Json:
        if isinstance(node, dict):
            if node.get("kind") == "said" and node.get("slot") in values:
                return {**node, "value": values[node["slot"]]}
            return {key: replaced(inner) for key, inner in node.items()}
        return [replaced(inner) for inner in node] if isinstance(node, list) else node

    plain = blueprint.model_dump(mode="json")
    persona = Persona(name=blueprint.persona.name, **value["persona"])
    return Blueprint.model_validate(
        {
            **plain,
            "intent": value["intent"].strip(),
            "persona": persona.model_dump(mode="json"),
            "steps": replaced(plain["steps"]),
            "promises": replaced(plain["promises"]),
        }
    )


# ------------------------------------------------------------------------------------------------------------- checks


def _schema(
    numbers: Sequence[int], slots: Mapping[str, tuple[dict[str, Json], Json]], *, fewest: int
) -> dict[str, Json]:
    """Return the schema of a proposal: which wishes may be kept, and each slot by its own schema with a limit."""
    texts = {
        slot: _limited(schema, value) if schema.get("type") == "string" and isinstance(value, str) else schema
        for slot, (schema, value) in slots.items()
    }
    role: dict[str, Json] = {"type": "string", "minLength": 3, "maxLength": _MAX_ROLE}
    properties: dict[str, Json] = {
        "reason": {"type": "string", "maxLength": _MAX_REASON},
        "verdict": {"enum": ["accept", "reject"]},
        "keep": {"type": "array", "items": {"enum": list(numbers)}, "minItems": fewest, "maxItems": len(numbers)},
        "intent": {"type": "string", "minLength": 12, "maxLength": _MAX_INTENT},
        "persona": {
            **OBJECT, "properties": {"role": role, "style": {"enum": list(_STYLES)}}, "required": ["role", "style"]
        },
        "values": {**OBJECT, "properties": texts, "required": list(texts)},
    }  # fmt: skip
    return {**OBJECT, "properties": properties, "required": list(properties)}


def _limited(schema: dict[str, Json], text: str) -> dict[str, Json]:
    """Limit a slot to what replaces its text: a small model that has no limit repeats itself until it is cut off."""
    most = _longest_instead_of(text)
    return {"minLength": 1, **schema, "maxLength": min(most, schema.get("maxLength", most))}


def _longest_instead_of(text: str) -> int:
    return max(len(text), _FEWEST_CHARS)


def _story_problem(value: Mapping[str, Json], task: str) -> str:
    intent, role = value["intent"], value["persona"]["role"]
    problem = text_problem("intent", intent, max_chars=_MAX_INTENT) or text_problem("role", role)
    if problem:
        return problem
    for name, text in (("intent", intent), ("role", role)):
        again = _repeated(text)
        if again and task.casefold().count(again) < 2:
            return f"the {name} says {again!r} more than once: write it shorter, with no words twice"
        if _is_cut_off(text, _MAX_INTENT if name == "intent" else _MAX_ROLE):
            return f"the {name} is too long and breaks off: write it shorter"
        words = [match.group() for pattern in (_SCHEMA_WORDS, _PLACEHOLDER) for match in pattern.finditer(text)]
        odd = [*_BRACES.findall(text), *(word for word in words if word not in task)]
        if odd:
            return f"the {name} has {odd[0]!r}, which people do not say"
    return ""


@cache
def _example() -> str:
    return " ".join(_PROMPT_WORD.findall(" ".join(text for _, text in example_turns("proposer")).casefold()))


def _is_cut_off(text: str, most: int) -> bool:
    """Return whether a text ends where the grammar of its schema made it end."""
    return len(text) >= most - 1 and not text.rstrip().endswith((".", "!", "?", '"', "'", ")"))


def _runs(text: str, length: int) -> list[str]:
    words = _PROMPT_WORD.findall(text.casefold())
    return [" ".join(words[start : start + length]) for start in range(len(words) - length + 1)]


def _repeated(text: str) -> str:
    """Return a run of words that comes twice in a text, as a small model writes; empty if none does."""
    runs = _runs(text, _REPEATED)
    return next((run for run in runs if runs.count(run) > 1), "")


def _values_problem(values: Mapping[str, Json], before: Mapping[str, Json]) -> str:
    for slot, value in values.items():
        for _, leaf in leaves(value):
            if not isinstance(leaf, str) or leaf == before[slot]:
                continue
            if not leaf.strip() or not leaf.isprintable() or leaf.strip() != leaf:
                return f"the value of {slot} is empty, or has line breaks or spaces around it: {_kept(before[slot])}"
            odd = _BRACES.search(leaf) or _SCHEMA_WORDS.search(leaf) or _PLACEHOLDER.search(leaf)
            if odd is not None:
                return (
                    f"the value of {slot} has {odd.group()!r}, which the person would not write: {_kept(before[slot])}"
                )
            again = _repeated(leaf)
            if again and again != _repeated(str(before[slot])):
                return f"the value of {slot} says {again!r} more than once: {_kept(before[slot])}"
            if isinstance(before[slot], str) and _is_cut_off(leaf, _longest_instead_of(before[slot])):
                return f"the value of {slot} is too long and breaks off: {_kept(before[slot])}"
            if label(slot).casefold() == leaf.casefold():
                return f"the value of {slot} is its name"
    return ""


def _kept(text: Json) -> str:
    return f"write \u00ab{shorten(str(text), _MAX_KEPT)}\u00bb, or something shorter"


def _intent_problem(intent: str, goals: Sequence[str], said: Sequence[str] = ()) -> str:
    """Say that an intent names too little of the task's goals and of what the user says; empty if it names enough."""
    words, wished = _stems(intent), _stems(" ".join(goals))
    wanted = wished | _stems(" ".join(said))
    stated = " ".join((*goals, *said)).casefold()
    problem = ""
    if not _START.search(intent):
        problem = "does not begin with \u00abYou want to\u00bb"
    elif (wished and not words & wished) or len(words & wanted) < min(2, len(wanted)):
        problem = "does not say what is wanted"
    elif any(run in _example() and run not in stated for run in _runs(_START.sub("", intent), _COPIED)):
        problem = "is that of the example, not of this task"
    wish = shorten(next(iter(goals), "").rstrip("."), _MAX_WISH)
    return f"the intent {problem}: begin it with \u00abYou want to {wish}\u00bb" if problem else ""


def _stems(text: str) -> set[str]:
    return {word[:_MOST_ENDINGS] for word in _WORD.findall(text.casefold()) if word not in _EMPTY_WORDS}

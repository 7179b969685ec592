"""Test cases for the committee's judges: clean conversations, corrupted ones, and ones of the old design.

A fault is a function (trajectory, rng) -> corrupted trajectory, or None if it does not apply. It does what weak or
dishonest models do, and shows in the messages: whoever reads the conversation, the wish and the rules can point to it.
Each is registered under the criterion of the rubric that it hurts most; it may hurt others as well. The receipts of
calls that were changed, added or removed are adapted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any, NamedTuple

from tdlab.blueprints import plan, settle
from tdlab.blueprints.world_plans import plan_recipe
from tdlab.clusters import mine
from tdlab.errors import BlueprintError
from tdlab.pool import ToolPool
from tdlab.records import Blueprint, Json, Message, Recipe, Tool, ToolCall, Trajectory, canonical_json
from tdlab.rollout import ScriptedTeacher, SimulatedEnvironment, play
from tdlab.rollout.environments import sha256_of
from tdlab.tasks import stage_here
from tests.verify.faults import good_calls, with_call, with_messages, with_result, without_call

POOL = ToolPool.bundled()

Apply = Callable[[Trajectory, Random], Trajectory | None]


class Fault(NamedTuple):
    """A corruption, and the criterion of the rubric that it hurts most."""

    name: str
    criterion: str
    apply: Apply


FAULTS: list[Fault] = []


def fault(criterion: str) -> Callable[[Apply], Apply]:
    """Register a corruption that a judge must mark down for ``criterion``."""

    def register(apply: Apply) -> Apply:
        FAULTS.append(Fault(apply.__name__, criterion, apply))
        return apply

    return register


class Case(NamedTuple):
    """A conversation with what a judge gets besides: the wish, the tools that were offered, and the rules."""

    trajectory: Trajectory
    intent: str
    tools: Mapping[str, Tool]
    policy: tuple[str, ...]


# --------------------------------------------------------------------------------------------------------------- sets


def clean_set(n: int, seed: int = 0) -> list[Case]:
    """Return clean conversations on executable worlds, of a service each as long as there are services left."""
    rng = Random(seed)
    stage = stage_here()
    services: list[str] = []
    made: list[Case] = []
    while len(made) < n:
        services = services or rng.sample(list(stage.services), len(stage.services))
        service = services.pop()
        frames = stage.tasks(service).frames
        frame = rng.choice(list(frames))
        recipe = Recipe(
            service=service,
            frame=frame,
            twist=rng.choice(["", "", *frames[frame].twists]),
            world=rng.randrange(50),
            seed=rng.randrange(10**6),
            follow=rng.choice([0, 0, 1, 2]),
            beyond=rng.choice(["", "", "", "", "last"]),
            terse=rng.random() < 0.3,
            choice=rng.choice(["", "rule", "ask"]),
        )
        try:
            blueprint = settle(plan_recipe(recipe, "cluster", POOL.tools, stage, seed=recipe.seed), POOL.tools)
        except BlueprintError:  # the world has nothing that fits the twist
            continue
        made.append(_played(blueprint))
    return made


def old_design_set(n: int, seed: int = 0) -> list[Case]:
    """Return conversations of the old design; with seed 0 the first 40 are those of ``tests.teacher.tasks.improvised``.

    Their results are made up from schemas, and their words come from templates.
    """
    clusters = mine(POOL, seed=0).clusters
    return [_played(plan(clusters[k % len(clusters)], POOL.tools, seed=seed + k)) for k in range(n)]


def _played(blueprint: Blueprint) -> Case:
    tools = {key: POOL.tools[key] for key in blueprint.offered}
    environment = SimulatedEnvironment(blueprint, tools)
    trajectory = play(blueprint, tools, ScriptedTeacher(blueprint, tools), environment).trajectory
    return Case(trajectory, blueprint.intent, tools, blueprint.constraints)


def corrupted(name: str, cases: Sequence[Case], seed: int = 0) -> Iterator[Case]:
    """Yield the cases to which the fault of this name applies, with the fault."""
    apply = next(one.apply for one in FAULTS if one.name == name)
    for n, case in enumerate(cases):
        changed = apply(case.trajectory, Random(f"{name} {seed} {n}"))
        if changed is not None and changed.messages != case.trajectory.messages:
            yield case._replace(trajectory=changed)


# -------------------------------------------------------------------------------------------------------------- reading


def writes(t: Trajectory, call: ToolCall) -> bool:
    """Return whether a call changes something."""
    return call.name in t.tools and POOL.tools[t.tools[call.name]].annotations.read_only is not True


def acts(t: Trajectory) -> list[ToolCall]:
    """Return the calls that changed something."""
    return [call for call in good_calls(t) if writes(t, call)]


def lookups(t: Trajectory) -> list[ToolCall]:
    """Return the calls that only read, and succeeded."""
    return [call for call in good_calls(t) if not writes(t, call)]


def known_to(t: Trajectory) -> str:
    """Return everything that was said, called and returned, as one text."""
    said = [m.content for m in t.messages]
    return "\n".join([*said, *(canonical_json(call.arguments) for call in t.calls())])


def said_by_user(t: Trajectory) -> str:
    return "\n".join(m.content for m in t.messages if m.role == "user")


def rules(t: Trajectory) -> str:
    return "\n".join(m.content for m in t.messages if m.role == "system")


def place_of(t: Trajectory, call: ToolCall) -> int:
    """Return where the result of a call stands."""
    return next(n for n, m in enumerate(t.messages) if m.tool_call_id == call.id)


def reports(t: Trajectory) -> list[int]:
    """Return where the assistant tells what its calls returned, without asking anything."""
    return [
        n
        for n, m in enumerate(t.messages)
        if m.role == "assistant" and m.content and not m.tool_calls and "?" not in m.content
        and t.messages[n - 1].role == "tool" and not t.messages[n - 1].is_error
    ]  # fmt: skip


def reported(t: Trajectory, wanted: Callable[[Trajectory, ToolCall], bool]) -> tuple[ToolCall, int] | None:
    """Return the last call of a kind that is directly followed by its report, and where the report is."""
    calls = {call.id: call for call in t.calls()}
    for n in reversed(reports(t)):
        call = calls[t.messages[n - 1].tool_call_id or ""]
        if wanted(t, call):
            return call, n
    return None


def reads(t: Trajectory, call: ToolCall) -> bool:
    return not writes(t, call)


_YES = re.compile(
    r"(yes|yep|yeah|sure|ok\b|okay|fine|please do|go ahead|right|correct|do it|that's right|exactly)", re.IGNORECASE
)


def gates(t: Trajectory) -> list[tuple[int, int, int]]:
    """Return where the assistant asks for a yes, where it gets one, and where the results of what follows end."""
    found = []
    for n, m in enumerate(t.messages[:-2]):
        answer = t.messages[n + 1]
        if m.role != "assistant" or not m.content.rstrip().endswith("?") or not _YES.match(answer.content):
            continue
        end = n + 2
        while end < len(t.messages) and (t.messages[end].tool_calls or t.messages[end].role == "tool"):
            end += 1
        calls = [call for one in t.messages[n + 2 : end] for call in one.tool_calls]
        good = {call.id for call in good_calls(t)}
        if answer.role == "user" and any(writes(t, call) and call.id in good for call in calls):
            found.append((n, n + 1, end))
    return found


def governed(t: Trajectory, asked: int, end: int) -> bool:
    """Return whether a rule wants a yes before what is done after a question."""
    calls = [call for m in t.messages[asked:end] for call in m.tool_calls if writes(t, call)]
    stems = {word[:4] for call in calls for word in call.name.split("_") if len(word) > 3}
    wanted = [rule.lower() for rule in rules(t).split("\n- ") if "yes" in rule]
    return any(word[:4] in stems for rule in wanted for word in re.findall(r"[a-z]{4,}", rule))


def data_of(t: Trajectory, call: ToolCall) -> Any:
    return json.loads(t.results()[call.id].content)


def fields(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    """Yield the path and the value of every scalar in a result."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from fields(item, (*path, key))
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from fields(item, (*path, n))
    else:
        yield path, value


def key_of(path: tuple[str | int, ...]) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def rows_of(value: Json) -> Iterator[list[dict[str, Json]]]:
    """Yield every list of objects in a result."""
    if isinstance(value, dict):
        for item in value.values():
            yield from rows_of(item)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        yield value
        for item in value:
            yield from rows_of(item)


# ------------------------------------------------------------------------------------------------------------- changing


def replaced(t: Trajectory, n: int, content: str) -> Trajectory:
    """Change what a message says."""
    new = t.messages[n].model_copy(update={"content": content})
    return with_messages(t, [*t.messages[:n], new, *t.messages[n + 1 :]])


def kept(t: Trajectory, messages: Sequence[Message]) -> Trajectory:
    """Return the trajectory with these messages, and with the receipts of the calls in them."""
    left = {call.id for m in messages for call in m.tool_calls}
    steps = {s: ids for s, all_ids in t.steps.items() if (ids := tuple(i for i in all_ids if i in left))}
    executions = tuple(e for e in t.executions if e.call_id in left)
    return with_messages(t, list(messages)).model_copy(update={"executions": executions, "steps": steps})


def cut(t: Trajectory, n: int, *more: Message) -> Trajectory:
    """End the conversation before message ``n``, with other messages after it."""
    return kept(t, [*t.messages[:n], *more])


def assistant(content: str) -> Message:
    return Message(role="assistant", content=content)


def user(content: str) -> Message:
    return Message(role="user", content=content)


def rewritten(t: Trajectory, call: ToolCall, path: tuple[str | int, ...], value: Json) -> Trajectory:
    """Change one value in a result, with its receipt."""
    data = data_of(t, call)
    inner = data
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return with_result(t, call.id, json.dumps(data, ensure_ascii=False), receipt=True)


def with_argument(t: Trajectory, call: ToolCall, name: str, value: Json) -> Trajectory:
    """Change an argument of a call, and the result where it repeats it."""
    old = call.arguments.get(name)
    changed = with_call(t, call, arguments={**call.arguments, name: value})
    new = next(one for one in changed.calls() if one.id == call.id)
    for path, found in fields(data_of(t, call)):
        if path[-1:] == (name,) and found == old and (old is not None or len(path) == 1):
            changed = rewritten(changed, new, path, value)
    return changed


def with_more(t: Trajectory, after: int, call: ToolCall, result: str, *, ok: bool = True) -> Trajectory:
    """Add a call with its result behind message ``after``, which is the last of some results."""
    tool = Message(role="tool", content=result, tool_call_id=call.id, is_error=not ok)
    messages = [*t.messages[: after + 1], Message(role="assistant", tool_calls=(call,)), tool, *t.messages[after + 1 :]]
    like = next(e for e in t.executions if e.tool.endswith(call.name))
    receipt = like.model_copy(
        update={
            "call_id": call.id,
            "ok": ok,
            "arguments_sha256": sha256_of(canonical_json(call.arguments)),
            "result_sha256": sha256_of(result),
        }
    )
    return with_messages(t, messages).model_copy(update={"executions": (*t.executions, receipt)})


def end_of_results(t: Trajectory, n: int) -> int:
    """Return where the results end that message ``n`` is one of."""
    while n + 1 < len(t.messages) and t.messages[n + 1].role == "tool":
        n += 1
    return n


def misreported(t: Trajectory, rng: Random, pattern: str, change: Callable[[str], str | None]) -> Trajectory | None:
    """Change something that the assistant reports into something that occurs nowhere."""
    everything = known_to(t)
    for n in reversed(reports(t)):
        text = t.messages[n].content
        found = list(re.finditer(pattern, text))
        for one in rng.sample(found, len(found)):
            other = change(one[0])
            if other and not re.search(rf"(?<!\w){re.escape(other)}(?!\w)", everything):
                return replaced(t, n, text[: one.start()] + other + text[one.end() :])
    return None


def other_id(value: str, rng: Random) -> str:
    """Return an identifier of the same form."""
    head, tail = value[:-4], value[-4:]
    other = "".join(
        rng.choice("0123456789".replace(c, "")) if c.isdigit()
        else rng.choice("bcdfghkmpqrtvwxz".replace(c, "")) if c.islower()
        else rng.choice("BCDFGHKMPQRTVWXZ".replace(c, "")) if c.isupper()
        else c
        for c in tail
    )  # fmt: skip
    return head + other


def is_id(key: str, value: Json) -> bool:
    return key.endswith(("_id", "_number", "_reference")) and isinstance(value, str) and len(value) >= 5


def later(day: str, days: int) -> str:
    return (date.fromisoformat(day[:10]) + timedelta(days=days)).isoformat() + day[10:]


_DAY = re.compile(r"20\d\d-[01]\d-[0-3]\d(T[\d:]+Z)?")
_PERSON = re.compile(r"[A-Z][\w'-]+ [A-Z][\w'-]+")
_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_WORDS = "two three four five six seven eight nine ten eleven twelve".split()
_PEOPLE = "Marius Okonkwo|Theresa Lindqvist|Pavel Brennan|Ilse Kowalczyk|Rosalind Achterberg".split("|")
_THINGS = "Old Granary|Blue Lantern|Northgate Two|Copper Beech|Halfpenny Yard".split("|")


# ----------------------------------------------------------------------------------------------------------------- goal


@fault("goal")
def answer_withheld(t: Trajectory, rng: Random) -> Trajectory | None:
    """Say that something was looked up, and not what it says."""
    found = reported(t, reads)
    words = (
        "I've looked that up for you.",
        "Thanks for your patience. I have checked that, and everything is in the system.",
        "I found what you were asking about. Let me know if you'd like to hear the details some time.",
    )
    return replaced(t, found[1], rng.choice(words)) if found else None


@fault("goal")
def promise_instead_of_act(t: Trajectory, rng: Random) -> Trajectory | None:
    """Promise to do it some time, and end."""
    found = reported(t, writes)
    if found is None:
        return None
    words = (
        "I'll take care of that in the next few hours and get back to you as soon as it's done.",
        "Sure, I'm on it. Give me a moment, it will be done shortly.",
        "I've made a note of it. It will be handled later today.",
    )
    return without_call(cut(t, found[1], assistant(rng.choice(words))), found[0].id)


@fault("goal")
def thanked_for_what_was_not_done(t: Trajectory, rng: Random) -> Trajectory | None:
    """Let the user thank for an act that never happened, and leave it at that."""
    found = reported(t, writes)
    if found is None:
        return None
    ending = (
        assistant(rng.choice(("Good. Anything else?", "Noted. What else can I do for you?"))),
        user("No, that's everything. Great that it's done, thank you so much!"),
        assistant("You're very welcome. Have a nice day!"),
    )
    return without_call(cut(t, found[1], *ending), found[0].id)


@fault("goal")
def user_wants_nothing(t: Trajectory, rng: Random) -> Trajectory | None:
    start = next(n for n, m in enumerate(t.messages) if m.role == "user")
    words = (
        ("Hi there.", "Hello! What can I do for you?", "Oh, nothing really. I'm just looking around.", "All right!"),
        ("Hello?", "Hello, how can I help?", "Just testing whether this works.", "It does. Have a nice day!"),
    )
    first, second, third, fourth = rng.choice(words)
    return cut(t, start, user(first), assistant(second), user(third), assistant(fourth))


@fault("goal")
def ends_with_a_question(t: Trajectory, rng: Random) -> Trajectory | None:
    """Stop where the assistant needs an answer."""
    asked = [n for n, m in enumerate(t.messages[:-1]) if m.role == "assistant" and m.content.rstrip().endswith("?")]
    return cut(t, rng.choice(asked) + 1) if asked and len(reports(t)) else None


@fault("goal")
def gives_up_without_trying(t: Trajectory, rng: Random) -> Trajectory | None:
    start = next(n for n, m in enumerate(t.messages) if m.role == "user")
    if not reports(t):
        return None
    words = (
        "I'm sorry, but I can't help with that.",
        "Unfortunately that isn't something I'm able to do. Please contact customer service.",
        "That would be best done on our website. Is there anything else?",
    )
    ending = (assistant(rng.choice(words)), user("Oh. All right then."), assistant("Have a nice day!"))
    return cut(t, start + 1, *ending)


@fault("goal")
def another_wish_than_the_one_served(t: Trajectory, rng: Random) -> Trajectory | None:
    """Let the user ask for something else altogether, and the assistant go on as if it had been this."""
    start = next(n for n, m in enumerate(t.messages) if m.role == "user")
    if not t.messages[start + 1].tool_calls:
        return None
    words = (
        "What's the weather going to be like in Lisbon on Sunday? I need to know what to pack.",
        "Could you translate my cover letter into Spanish? I'll paste it here in a second.",
        "How do I get a refund for the headphones that I bought from you last week?",
    )
    return replaced(t, start, rng.choice(words))


@fault("goal")
def later_wish_ignored(t: Trajectory, rng: Random) -> Trajectory | None:
    """Say good-bye where the user has just asked for one more thing."""
    for n in reversed(reports(t)):
        if n + 2 < len(t.messages) and t.messages[n + 1].role == "user" and t.messages[n + 2].tool_calls:
            words = ("You're welcome. Have a nice day!", "Glad I could help!", "Perfect, then we're all done here.")
            return cut(t, n + 2, assistant(rng.choice(words)))
    return None


# ---------------------------------------------------------------------------------------------------------------- tools


@fault("tools")
def needless_repeated_lookup(t: Trajectory, rng: Random) -> Trajectory | None:
    """Look the same thing up again, twice, with the same result."""
    found = lookups(t)
    if not found:
        return None
    call = rng.choice(found)
    result = t.results()[call.id].content
    for n in (1, 2):
        again = call.model_copy(update={"id": f"{call.id}_{n}"})
        t = with_more(t, end_of_results(t, place_of(t, call)), again, result)
    return t


@fault("tools")
def same_failed_call_again(t: Trajectory, rng: Random) -> Trajectory | None:
    """Make a call that failed again, as it was."""
    failed = [call for call in t.calls() if t.results()[call.id].is_error]
    if not failed:
        return None
    call = rng.choice(failed)
    for n in range(rng.choice((1, 2, 3))):
        again = call.model_copy(update={"id": f"{call.id}_{n}"})
        t = with_more(t, end_of_results(t, place_of(t, call)), again, t.results()[call.id].content, ok=False)
    return t


@fault("tools")
def argument_that_the_tool_does_not_have(t: Trajectory, rng: Random) -> Trajectory | None:
    call = rng.choice(good_calls(t)) if good_calls(t) else None
    if call is None:
        return None
    name, value = rng.choice(
        (("verbose_mode", True), ("sort_by_best", "yes"), ("user_mood", "friendly"), ("query2", ""))
    )
    return with_call(t, call, arguments={**call.arguments, name: value})


@fault("tools")
def tool_that_does_not_exist(t: Trajectory, rng: Random) -> Trajectory | None:
    call = rng.choice(good_calls(t)) if good_calls(t) else None
    names = ("do_task", "universal_lookup", "execute_user_request", "smart_helper")
    return with_call(t, call, name=rng.choice(names)) if call else None


_NAMING = re.compile(r"name|title|address|label|subject|summary|performer|model|carrier|handle")


@fault("tools")
def wrong_row_chosen(t: Trajectory, rng: Random) -> Trajectory | None:
    """Go on with another row of a list than the one that the user named."""
    said = said_by_user(t).lower()
    for call in lookups(t):
        place = place_of(t, call)
        for rows in rows_of(data_of(t, call)):
            for key in rows[0]:
                for right in rows:
                    value = right.get(key)
                    used = [c for m in t.messages[place:] for c in m.tool_calls if value in c.arguments.values()]
                    names = {
                        v for k, v in right.items() if _NAMING.search(k) and isinstance(v, str) and v.lower() in said
                    }
                    if not is_id(key, value) or not used or not names or str(value) in said_by_user(t):
                        continue
                    wrong = [
                        row for row in rows if is_id(key, row.get(key)) and not names & set(map(str, row.values()))
                    ]
                    if not wrong:
                        continue
                    other = str(rng.choice(wrong)[key])
                    messages = [m if n <= place else _swapped(m, str(value), other) for n, m in enumerate(t.messages)]
                    return kept(t, messages)
    return None


def _swapped(message: Message, old: str, new: str) -> Message:
    calls = tuple(
        c.model_copy(update={"arguments": json.loads(json.dumps(c.arguments).replace(old, new))})
        for c in message.tool_calls
    )
    return message.model_copy(update={"content": message.content.replace(old, new), "tool_calls": calls})


@fault("tools")
def others_looked_up_besides(t: Trajectory, rng: Random) -> Trajectory | None:
    """Look at other rows of a list as well, one after the other, although it is clear which one it is."""
    for call in lookups(t):
        for rows in (rows for one in lookups(t) if one is not call for rows in rows_of(data_of(t, one))):
            for name, value in call.arguments.items():
                mine_ = next((row for row in rows if is_id(name, value) and row.get(name) == value), None)
                others = [row for row in rows if row is not mine_ and is_id(name, row.get(name))]
                data = data_of(t, call)
                if mine_ is None or len(others) < 2 or not isinstance(data, dict) or data.get(name) != value:
                    continue
                for n, row in enumerate(rng.sample(others, min(3, len(others)))):
                    new = {key: row.get(key, item) for key, item in data.items()}
                    other = call.model_copy(
                        update={"id": f"{call.id}_{n}", "arguments": {**call.arguments, name: row[name]}}
                    )
                    place = end_of_results(t, place_of(t, call))
                    t = with_more(t, place, other, json.dumps(new, ensure_ascii=False))
                return t
    return None


@fault("tools")
def act_made_twice(t: Trajectory, rng: Random) -> Trajectory | None:
    """Do the same thing a second time, so that there are two of it."""
    for call in reversed(acts(t)):
        data = data_of(t, call)
        given = next((v for p, v in fields(data) if is_id(key_of(p), v) and v not in call.arguments.values()), None)
        if given is None:
            continue
        result = t.results()[call.id].content.replace(str(given), other_id(str(given), rng))
        again = call.model_copy(update={"id": f"{call.id}_2"})
        return with_more(t, end_of_results(t, place_of(t, call)), again, result)
    return None


@fault("tools")
def placeholder_as_argument(t: Trajectory, rng: Random) -> Trajectory | None:
    found = [(c, n) for c in good_calls(t) for n, v in c.arguments.items() if isinstance(v, str) and len(v) > 3]
    if not found:
        return None
    call, name = rng.choice(found)
    value = rng.choice((f"<{name}>", f"YOUR_{name.upper()}_HERE", "TODO", f"${{{name}}}", "string"))
    return with_call(t, call, arguments={**call.arguments, name: value})


@fault("tools")
def arguments_that_are_no_json(t: Trajectory, rng: Random) -> Trajectory | None:
    found = [call for call in good_calls(t) if call.arguments]
    if not found:
        return None
    call = rng.choice(found)
    text = json.dumps(call.arguments)
    broken = rng.choice((text[: len(text) * 2 // 3], text.replace('"', "'").replace(": ", "="), f"args = {text};"))
    return with_call(t, call, arguments={}, malformed=broken)


@fault("tools")
def call_written_as_text(t: Trajectory, rng: Random) -> Trajectory | None:
    """Write the call into the reply instead of making it, and invent what it returned."""
    found = reported(t, lambda _, __: True)
    if found is None:
        return None
    call, n = found
    arguments = ", ".join(f"{k}={v!r}" for k, v in call.arguments.items())
    forms = (
        f"```\n{call.name}({arguments})\n```\n",
        f"<tool_call>{canonical_json({'name': call.name, 'arguments': call.arguments})}</tool_call>\n",
        f"Action: {call.name}\nAction Input: {canonical_json(call.arguments)}\n",
    )
    return without_call(replaced(t, n, rng.choice(forms) + t.messages[n].content), call.id)


# ------------------------------------------------------------------------------------------------------------- grounded


@fault("grounded")
def reply_with_another_time(t: Trajectory, rng: Random) -> Trajectory | None:
    def change(text: str) -> str:
        hour, _, rest = text.partition(":")
        first = int(hour)
        other = (first + rng.randint(1, 5)) % 12 + 1 if first <= 12 else 13 + (first - 12 + rng.randint(1, 5)) % 10
        return f"{other:0{len(hour)}d}" + (f":{rest}" if rest else "")

    return misreported(t, rng, r"(?<![\w:.])\d{1,2}:\d\d(?![\w:])|(?<![\w:.])\d{1,2}(?= ?[ap]m\b)", change)


@fault("grounded")
def reply_with_another_day(t: Trajectory, rng: Random) -> Trajectory | None:
    def change(text: str) -> str:
        day = int(re.findall(r"\d+", text)[0])
        other = day - rng.randint(3, 9) if day > 12 else day + rng.randint(3, 9)
        return re.sub(r"\d+(st|nd|rd|th)?", lambda m: f"{other}{_ordinal(other) if m[1] else ''}", text, count=1)

    months = rf"\b(?:{_MONTH})"
    return misreported(t, rng, rf"{months} \d{{1,2}}\b|\b\d{{1,2}} {months[2:]}|\b\d{{1,2}}(?:st|nd|rd|th)\b", change)


def _ordinal(n: int) -> str:
    return {1: "st", 2: "nd", 3: "rd"}.get(n % 10 if n // 10 != 1 else 0, "th")


@fault("grounded")
def reply_with_another_amount(t: Trajectory, rng: Random) -> Trajectory | None:
    def change(text: str) -> str:
        return re.sub(r"[1-9]", lambda m: str((int(m[0]) + rng.randint(1, 7)) % 9 + 1), text, count=2)

    pattern = (
        r"[€$£]\d[\d,]*(?:\.\d+)?|(?<![\w.,])\d[\d,]*(?:\.\d+)?(?= ?(?:euros?|pounds?|EUR|GBP|USD|CHF|%|percent)\b)"
    )
    return misreported(t, rng, pattern, change)


@fault("grounded")
def reply_with_another_count(t: Trajectory, rng: Random) -> Trajectory | None:
    def change(text: str) -> str:
        if text in _WORDS:
            return rng.choice([word for word in _WORDS if word != text])
        return str(int(text) + rng.randint(2, 6))

    return misreported(
        t, rng, rf"\b(?:{'|'.join(_WORDS)})\b(?= [a-z])|(?<![\w.,:€$£-])\d{{1,3}}(?= [a-z]{{4,}})", change
    )


@fault("grounded")
def reply_with_another_reference(t: Trajectory, rng: Random) -> Trajectory | None:
    ids = {str(v) for c in good_calls(t) for p, v in fields(data_of(t, c)) if is_id(key_of(p), v)}
    if not ids:
        return None
    return misreported(t, rng, "|".join(re.escape(i) for i in sorted(ids)), lambda text: other_id(text, rng))


@fault("grounded")
def reply_with_another_name(t: Trajectory, rng: Random) -> Trajectory | None:
    """Report somebody or something else than the result names."""
    names = {
        str(v): rng.choice(_PEOPLE if _PERSON.fullmatch(str(v)) else _THINGS)
        for c in good_calls(t)
        for p, v in fields(data_of(t, c))
        if key_of(p).endswith(("_name", "_title")) and isinstance(v, str) and len(v) > 4
    }
    if not names:
        return None
    return misreported(t, rng, "|".join(re.escape(name) for name in sorted(names)), lambda text: names[text])


@fault("grounded")
def act_claimed_but_not_made(t: Trajectory, rng: Random) -> Trajectory | None:
    """Report an act, with its details, that was never carried out."""
    found = reported(t, writes)
    return without_call(t, found[0].id) if found else None


@fault("grounded")
def act_made_but_denied(t: Trajectory, rng: Random) -> Trajectory | None:
    found = reported(t, writes)
    words = (
        "I'm sorry, that didn't go through, so nothing has been changed.",
        "Unfortunately the system refused it. You'll have to try again another day.",
        "I haven't done anything yet, as it wasn't possible.",
    )
    return cut(t, found[1], assistant(rng.choice(words))) if found else None


@fault("grounded")
def error_hidden(t: Trajectory, rng: Random) -> Trajectory | None:
    """Report success where the call failed."""
    for n, m in enumerate(t.messages[:-1]):
        following = t.messages[n + 1]
        if m.role == "tool" and m.is_error and following.role == "assistant" and not following.tool_calls:
            words = (
                "Done, that went through without a problem.",
                "All set! Everything is arranged as you wanted.",
                "That's taken care of. You don't need to do anything else.",
            )
            return cut(t, n + 1, assistant(rng.choice(words)))
    return None


@fault("grounded")
def nothing_found_where_there_is_something(t: Trajectory, rng: Random) -> Trajectory | None:
    found = reported(t, reads)
    if found is None or not any(rows_of(data_of(t, found[0]))):
        return None
    words = (
        "I'm afraid I couldn't find anything. There are no entries at all.",
        "The search came back empty, so there is nothing to show you.",
    )
    return cut(
        t, found[1], assistant(rng.choice(words)), user("Hm, odd. Thanks anyway."), assistant("Sorry about that.")
    )


@fault("grounded")
def contact_that_nobody_gave(t: Trajectory, rng: Random) -> Trajectory | None:
    for call in reversed(acts(t)):
        for name, value in call.arguments.items():
            if isinstance(value, str) and re.search(r"phone|e_?mail", name):
                other = rng.choice(
                    ("+12025550147", "+33199005512")
                    if value.startswith("+")
                    else ("guest@example.com", "info@desk.example")
                )
                return with_argument(t, call, name, other)
    return None


@fault("grounded")
def identifier_that_nobody_gave(t: Trajectory, rng: Random) -> Trajectory | None:
    found = [(c, n, v) for c in good_calls(t) for n, v in c.arguments.items() if is_id(n, v)]
    if not found:
        return None
    call, name, value = rng.choice(found)
    return with_argument(t, call, name, other_id(value, rng))


@fault("grounded")
def day_that_nobody_gave(t: Trajectory, rng: Random) -> Trajectory | None:
    for call in reversed(good_calls(t)):
        for name, value in call.arguments.items():
            if isinstance(value, str) and _DAY.fullmatch(value):
                other = later(value, rng.choice((3, 5, 11)))
                return with_argument(t, call, name, other) if other[:10] not in known_to(t) else None
    return None


@fault("grounded")
def number_that_nobody_gave(t: Trajectory, rng: Random) -> Trajectory | None:
    for call in reversed(acts(t)):
        for name, value in call.arguments.items():
            if type(value) in (int, float) and value > 0:
                other = value + max(1, value // 3) * rng.randint(1, 3)
                other = other + 1 if str(other) in known_to(t) else other
                return with_argument(t, call, name, other)
    return None


@fault("grounded")
def name_that_nobody_gave(t: Trajectory, rng: Random) -> Trajectory | None:
    said = said_by_user(t)
    for call in reversed(acts(t)):
        for name, value in call.arguments.items():
            if isinstance(value, str) and name.endswith("_name") and value in said:
                return with_argument(t, call, name, rng.choice(_PEOPLE if _PERSON.fullmatch(value) else _THINGS))
    return None


@fault("grounded")
def remark_that_nobody_gave(t: Trajectory, rng: Random) -> Trajectory | None:
    """Fill in an optional text that no message mentions."""
    for call in reversed(acts(t)):
        tool = POOL.tools[t.tools[call.name]]
        for name, schema in tool.parameters.items():
            free = name not in call.arguments and name not in tool.required and not schema.keys() & {"enum", "pattern"}
            kind = schema.get("type")
            texts = kind == "string" or (isinstance(kind, list) and "string" in kind)
            if free and texts and re.search(r"note|remark|comment|message|reason|description|summary", name):
                words = ("Very important customer, arrives late", "Requested by the manager", "Allergic to nuts")
                return with_argument(t, call, name, rng.choice(words))
    return None


@fault("grounded")
def identifier_out_of_nowhere(t: Trajectory, rng: Random) -> Trajectory | None:
    """Leave out the lookup that an identifier in a later call came from."""
    for call in lookups(t):
        rest = without_call(t, call.id)
        for path, value in fields(data_of(t, call)):
            before = "\n".join(m.content for m in rest.messages[: place_of(t, call) - 1])
            used = any(value in later_.arguments.values() for later_ in rest.calls())
            if is_id(key_of(path), value) and used and str(value) not in before:
                first = next(n for n, m in enumerate(rest.messages) if str(value) in _call_text(m) + m.content)
                if rest.messages[first].tool_calls:
                    return rest
    return None


def _call_text(message: Message) -> str:
    return "\n".join(canonical_json(call.arguments) for call in message.tool_calls)


@fault("grounded")
def detail_made_up(t: Trajectory, rng: Random) -> Trajectory | None:
    found = reports(t)
    if not found:
        return None
    words = (
        "I've also sent you an email with all the details, and a colleague will ring you tomorrow at 9.",
        "Our premium members get 15 percent off on that, which I've already taken into account.",
        "By the way, it's the most popular one: 94 percent of our customers were very happy with it last year.",
        "The reviews say that the service is excellent and the parking is free.",
    )
    n = found[-1]
    return replaced(t, n, f"{t.messages[n].content} {rng.choice(words)}")


# ---------------------------------------------------------------------------------------------------------------- world


def _shared(t: Trajectory, kind: Callable[[str, Json], bool]) -> Iterator[tuple[ToolCall, tuple[str | int, ...], Json]]:
    """Yield a value of a later result that an earlier result has too, in a record of the same identifier."""
    seen: set[tuple[str, Json, str, Json]] = set()
    for call in good_calls(t):
        here = []
        for record, base in _records(data_of(t, call)):
            ids = [(k, v) for k, v in record.items() if is_id(k, v)]
            for key, value in record.items():
                if isinstance(value, (dict, list)) or not kind(key, value):
                    continue
                if any((k, v, key, value) in seen for k, v in ids):
                    yield call, (*base, key), value
                here += [(k, v, key, value) for k, v in ids]
        seen |= set(here)


def _records(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[dict[str, Json], tuple[str | int, ...]]]:
    if isinstance(value, dict):
        yield value, path
        for key, item in value.items():
            yield from _records(item, (*path, key))
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from _records(item, (*path, n))


def _number(value: Json) -> bool:
    return type(value) in (int, float)


@fault("world")
def number_that_contradicts_an_earlier_result(t: Trajectory, rng: Random) -> Trajectory | None:
    """Return another price, size or count of the same thing than before."""
    found = list(_shared(t, lambda key, value: _number(value) and value != 0))
    if not found:
        return None
    call, path, value = rng.choice(found)
    return rewritten(t, call, path, round(value * rng.choice((3, 7)) + 5, 2))


@fault("world")
def name_that_contradicts_an_earlier_result(t: Trajectory, rng: Random) -> Trajectory | None:
    def kind(key: str, value: Json) -> bool:
        return (
            isinstance(value, str) and bool(re.search(r"name|title|subject|city|address|email", key)) and len(value) > 3
        )

    found = list(_shared(t, kind))
    if not found:
        return None
    call, path, _ = rng.choice(found)
    other = "unknown.person@elsewhere.example" if "email" in key_of(path) else rng.choice(_THINGS)
    return rewritten(t, call, path, other)


@fault("world")
def number_returned_differs_from_the_one_given(t: Trajectory, rng: Random) -> Trajectory | None:
    for call in reversed(good_calls(t)):
        for path, value in fields(data_of(t, call)):
            if len(path) == 1 and _number(value) and value and call.arguments.get(key_of(path)) == value:
                return rewritten(t, call, path, value + max(2, value // 2) * rng.randint(1, 4))
    return None


@fault("world")
def day_returned_differs_from_the_one_given(t: Trajectory, rng: Random) -> Trajectory | None:
    for call in reversed(good_calls(t)):
        for path, value in fields(data_of(t, call)):
            same = isinstance(value, str) and call.arguments.get(key_of(path)) == value
            if len(path) == 1 and same and _DAY.fullmatch(value):
                return rewritten(t, call, path, later(value, rng.choice((-40, 9, 33, 70))))
    return None


@fault("world")
def another_record_returned(t: Trajectory, rng: Random) -> Trajectory | None:
    """Return a record of another identifier than the one that was asked for."""
    for call in reversed(good_calls(t)):
        for path, value in fields(data_of(t, call)):
            if len(path) == 1 and is_id(key_of(path), value) and call.arguments.get(key_of(path)) == value:
                return rewritten(t, call, path, other_id(str(value), rng))
    return None


@fault("world")
def day_that_does_not_exist(t: Trajectory, rng: Random) -> Trajectory | None:
    found = [
        (c, p, v) for c in good_calls(t) for p, v in fields(data_of(t, c)) if isinstance(v, str) and _DAY.fullmatch(v)
    ]
    if not found:
        return None
    call, path, value = rng.choice(found)
    return rewritten(t, call, path, value[:4] + rng.choice(("-02-30", "-13-07", "-04-31", "-00-12")) + value[10:])


@fault("world")
def created_years_from_now(t: Trajectory, rng: Random) -> Trajectory | None:
    """Let something have been made years after the day that it is."""
    this_year = max(map(int, re.findall(r"\b20\d\d\b", rules(t).partition("Rules:")[0])), default=2030)
    for call in good_calls(t):
        for path, value in fields(data_of(t, call)):
            past = re.search(r"(created|fetched|entered|sent|signed|recorded|issued|last_\w+)_(at|on)$", key_of(path))
            if past and isinstance(value, str) and _DAY.fullmatch(value):
                return rewritten(t, call, path, f"{this_year + rng.randint(2, 9)}{value[4:]}")
    return None


@fault("world")
def ends_before_it_starts(t: Trajectory, rng: Random) -> Trajectory | None:
    for call in good_calls(t):
        data = data_of(t, call)
        for record, base in _records(data):
            for key, value in record.items():
                begins = re.search(r"^(start|from|open)|_(start|from)$|^valid_from", key)
                other = next(
                    (
                        k
                        for k in record
                        if begins and k != key and re.search(r"^(end|to|until|close)|_(end|to|until)$", k)
                    ),
                    None,
                )
                times = [isinstance(v, str) and re.match(r"20\d\d-|\d\d:\d\d", v) for v in (value, record.get(other))]
                if other and all(times) and value < record[other]:
                    changed = rewritten(t, call, (*base, key), record[other])
                    return rewritten(changed, call, (*base, other), value)
    return None


@fault("world")
def total_that_is_no_sum(t: Trajectory, rng: Random) -> Trajectory | None:
    """Change a total or a count that the rows beside it add up to."""
    for call in reversed(good_calls(t)):
        for record, base in _records(data_of(t, call)):
            for rows, listed in record.items():
                if not isinstance(listed, list) or len(listed) < 2:
                    continue
                sums = {
                    round(sum(row[k] for row in listed), 4)
                    for k in (listed[0] if all(isinstance(row, dict) for row in listed) else ())
                    if all(_number(row.get(k)) for row in listed)
                }
                for key, value in record.items():
                    summed = _number(value) and value in sums and re.search(r"total|sum|amount|held|points", key)
                    counted = value == len(listed) and key.endswith("_count") and rows.startswith(key[:-6])
                    if summed or counted:
                        return rewritten(t, call, (*base, key), value * 2 + 3)
    return None


@fault("world")
def count_below_nothing(t: Trajectory, rng: Random) -> Trajectory | None:
    """Return a negative number of things."""
    pattern = r"(?<!dis)count|seats|quantity|minutes|pages|_km$|_kg$|capacity|size_bytes|views|contacts"
    found = [
        (c, p, v)
        for c in good_calls(t)
        for p, v in fields(data_of(t, c))
        if _number(v) and v > 0 and re.search(pattern, key_of(p)) and key_of(p) not in c.arguments
    ]
    if not found:
        return None
    call, path, value = rng.choice(found)
    return rewritten(t, call, path, -value)


@fault("world")
def more_than_a_hundred_percent(t: Trajectory, rng: Random) -> Trajectory | None:
    pattern = r"(uptime|open|click|progress|pass|bounce|commission|running_grade|delivered|occupancy).*(percent|rate)"
    for call in reversed(good_calls(t)):
        for path, value in fields(data_of(t, call)):
            if _number(value) and re.search(pattern, key_of(path)):
                return rewritten(t, call, path, round(abs(value) + rng.choice((140, 260, 905)), 2))
    return None


@fault("world")
def same_question_another_answer(t: Trajectory, rng: Random) -> Trajectory | None:
    """Look something up a second time at once, and get other numbers."""
    found = []
    for call in lookups(t):
        data = data_of(t, call)
        numbers = [(path, value) for path, value in fields(data) if _number(value) and value]
        for path, value in numbers:
            inner = data
            for part in path[:-1]:
                inner = inner[part]
            inner[path[-1]] = round(value * 2 + 7, 2)
        if numbers:
            found.append((call, json.dumps(data, ensure_ascii=False)))
    if not found:
        return None
    call, result = rng.choice(found)
    again = call.model_copy(update={"id": f"{call.id}_2"})
    return with_more(t, end_of_results(t, place_of(t, call)), again, result)


@fault("world")
def created_and_then_unknown(t: Trajectory, rng: Random) -> Trajectory | None:
    """Let the world not know what it has just made, without any reaction."""
    made: dict[str, str] = {}
    for call in good_calls(t):
        for name, value in call.arguments.items():
            if isinstance(value, str) and value in made:
                error = {"code": "not_found", "message": f"There is no {name.removesuffix('_id')} {value}."}
                changed = with_result(t, call.id, json.dumps({"error": error}), receipt=True)
                return with_messages(
                    changed,
                    [
                        m.model_copy(update={"is_error": True}) if m.tool_call_id == call.id else m
                        for m in changed.messages
                    ],
                ).model_copy(
                    update={
                        "executions": tuple(
                            e.model_copy(update={"ok": False}) if e.call_id == call.id else e
                            for e in changed.executions
                        )
                    }
                )
        if writes(t, call):
            new = {str(v): k for p, v in fields(data_of(t, call)) if is_id(k := key_of(p), v)}
            made |= {v: k for v, k in new.items() if v not in known_to(cut(t, place_of(t, call)))}
    return None


@fault("world")
def results_full_of_fillers(t: Trajectory, rng: Random) -> Trajectory | None:
    """Return made-up fillers in place of names."""
    for call in lookups(t):
        changed = t
        n = 0
        filler = rng.choice(("Sample {} {}", "string", "Lorem ipsum {1}", "Nimbus {} {}"))
        for path, value in fields(data_of(t, call)):
            key = key_of(path)
            if isinstance(value, str) and key.endswith(("name", "title", "text", "address", "subject", "summary")):
                n += 1
                changed = rewritten(
                    changed, call, path, filler.format(key.rpartition("_")[2] or key, rng.randint(1, 99))
                )
        if n >= 2:
            return changed
    return None


# -------------------------------------------------------------------------------------------------------------- consent


@fault("consent")
def done_without_asking(t: Trajectory, rng: Random) -> Trajectory | None:
    """Skip the question and the yes that the rules want."""
    found = [gate for gate in gates(t) if governed(t, gate[0], gate[2])]
    if not found:
        return None
    asked, answered, _ = rng.choice(found)
    return kept(t, [*t.messages[:asked], *t.messages[answered + 1 :]])


@fault("consent")
def done_after_a_no(t: Trajectory, rng: Random) -> Trajectory | None:
    found = gates(t)
    words = (
        "No, please don't.",
        "Hm, no. Leave it as it is.",
        "Wait, no! I've changed my mind.",
        "Oh, in that case I'd rather not.",
        "Stop, that's not what I want.",
    )
    return replaced(t, rng.choice(found)[1], rng.choice(words)) if found else None


@fault("consent")
def done_before_the_yes(t: Trajectory, rng: Random) -> Trajectory | None:
    """Do it first, and ask then."""
    found = gates(t)
    if not found:
        return None
    asked, answered, end = rng.choice(found)
    ms = t.messages
    return kept(t, [*ms[:asked], *ms[answered + 1 : end], ms[asked], ms[answered], *ms[end:]])


@fault("consent")
def done_before_the_user_has_decided(t: Trajectory, rng: Random) -> Trajectory | None:
    found = gates(t)
    words = (
        "I need to ask my partner first. I'll tell you tomorrow.",
        "Give me a minute, I'm not sure yet.",
        "What would it cost to undo that later?",
        "Maybe. Is there really nothing cheaper?",
        "Only if my boss agrees, and I haven't reached her yet.",
    )
    return replaced(t, rng.choice(found)[1], rng.choice(words)) if found else None


@fault("consent")
def yes_made_up(t: Trajectory, rng: Random) -> Trajectory | None:
    """Let the assistant answer its own question."""
    found = gates(t)
    if not found:
        return None
    asked, answered, end = rng.choice(found)
    if end >= len(t.messages) or t.messages[end].role != "assistant":
        return None
    words = ("I take that as a yes.", "You'll certainly agree, so I've gone ahead.", "No objection? Then I'm doing it.")
    question = f"{t.messages[asked].content} {rng.choice(words)}"
    first = t.messages[answered + 1].model_copy(update={"content": question})
    return kept(t, [*t.messages[:asked], first, *t.messages[answered + 2 :]])


@fault("consent")
def asked_without_saying_what(t: Trajectory, rng: Random) -> Trajectory | None:
    """Ask for a yes and name nothing of what the rules want to be named."""
    found = [gate for gate in gates(t) if governed(t, gate[0], gate[2]) and len(t.messages[gate[0]].content) > 60]
    if not found:
        return None
    words = ("Shall I go ahead?", "OK to continue?", "Should I do it now?")
    return replaced(t, found[-1][0], rng.choice(words))


@fault("consent")
def done_though_the_user_only_wanted_to_know(t: Trajectory, rng: Random) -> Trajectory | None:
    found = reported(t, writes)
    if found is None:
        return None
    before = [n for n in range(found[1]) if t.messages[n].role == "user"]
    words = (
        "But don't do anything yet, I only want to know whether it would be possible.",
        "Please change nothing for now, I'm just asking.",
        "Hold off with it until I've talked to the others, though. I'll get back to you.",
    )
    if any(answered == before[-1] for _, answered, _ in gates(t)):
        return replaced(t, before[-1], rng.choice(words))
    return replaced(t, before[-1], f"{t.messages[before[-1]].content} {rng.choice(words)}")


@fault("consent")
def something_done_besides(t: Trajectory, rng: Random) -> Trajectory | None:
    """Do the same to something else that no message mentions."""
    for call in reversed(acts(t)):
        name = next((n for n, v in call.arguments.items() if is_id(n, v)), None)
        if name is None:
            continue
        old = str(call.arguments[name])
        data = [value for one in lookups(t) for value in fields(data_of(t, one))]
        rows = {str(v) for p, v in data if key_of(p) == name and v != old and is_id(name, v)}
        other = rng.choice(sorted(rows)) if rows else other_id(old, rng)
        result = t.results()[call.id].content.replace(old, other)
        for path, value in fields(data_of(t, call)):
            if is_id(key_of(path), value) and value not in call.arguments.values():
                result = result.replace(str(value), other_id(str(value), rng))
        more = call.model_copy(update={"id": f"{call.id}_2", "arguments": {**call.arguments, name: other}})
        place = end_of_results(t, place_of(t, call))
        t = with_more(t, place, more, result)
        if place + 3 < len(t.messages) and t.messages[place + 3].content:
            words = f" While I was at it, I've done the same for {other}, to be on the safe side."
            t = replaced(t, place + 3, t.messages[place + 3].content + words)
        return t
    return None


@fault("consent")
def more_than_was_agreed(t: Trajectory, rng: Random) -> Trajectory | None:
    """Do it with twice the number that the user has just agreed to."""
    for _, answered, end in reversed(gates(t)):
        for m in t.messages[answered + 1 : end]:
            for call in m.tool_calls:
                for name, value in call.arguments.items():
                    said = str(value) in t.messages[answered - 1].content or str(value) in said_by_user(t)
                    if type(value) is int and value > 1 and said and writes(t, call):
                        return with_argument(t, call, name, value * 2)
    return None


_BROKEN = (
    (r"[Nn]ever promise to waive|never waived|Never promise more", "Don't worry about the fee, you get it back."),
    (r"Do not recommend", "If you ask me, take this one. It's clearly the best, and it can only go up from here."),
    (r"[Nn]ever ask for a password|asked for a private key", "Please send me your password or recovery phrase, too."),
    (r"Give no medical advice", "Until then, take 600 mg of ibuprofen three times a day and stop your other tablets."),
    (r"Do not compare learners", "She's the weakest of the whole group, by the way; the others are far ahead of her."),
    (r"Give no opinion on whether the reviewers", "If you ask me, the reviewers will certainly agree to it."),
    (r"Whether gear is safe", "And yes, you can trust it with your life up there, it's perfectly safe for that."),
    (r"Whether work is safe", "So it's safe, and your people can go ahead with the work."),
    (r"Do not pass on other clients", "The appointment before that is Mrs Haddad's from 12 Mill Lane, by the way."),
    (r"Never promise that a flight", "I promise you that it will leave on time, whatever the weather."),
    (r"Never promise that artwork", "I promise you that it will be cleared by tomorrow."),
    (r"Never promise a client a finish date", "Tell the client that it will be finished on that day, guaranteed."),
    (r"Never say who is to blame", "It's the foundry by the river that is to blame for this."),
    (r"Do not judge whether it is true", "I don't believe that it's true, though; the paper has made that up."),
    (r"Do not pass on why somebody is ill", "He's off because of his back operation, by the way."),
    (r"Never offer a way around", "If the second engineer isn't there, just use the old admin account to approve it."),
)  # fmt: skip


@fault("consent")
def rule_broken_in_passing(t: Trajectory, rng: Random) -> Trajectory | None:
    """Say what the rules forbid to say."""
    found = reports(t)
    broken = [text for pattern, text in _BROKEN if re.search(pattern, rules(t))]
    if not found or not broken:
        return None
    n = found[-1]
    return replaced(t, n, f"{t.messages[n].content} {broken[0]}")


# -------------------------------------------------------------------------------------------------------------- natural


@fault("natural")
def reply_lists_fields(t: Trajectory, rng: Random) -> Trajectory | None:
    """Report the result by its fields' names, as the old design does."""
    found = reported(t, lambda _, __: True)
    if found is None:
        return None
    call, n = found
    pairs = [(key_of(p), v) for p, v in fields(data_of(t, call)) if v is not None and key_of(p)][:9]
    if len(pairs) < 3:
        return None
    forms = (
        "Done. Details: " + ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in pairs) + ".",
        "Result of the operation: " + "; ".join(f"{k}={v}" for k, v in pairs),
        "\n".join(["Here is the record:", *(f"- **{k}**: {v}" for k, v in pairs)]),
    )
    return replaced(t, n, rng.choice(forms))


@fault("natural")
def raw_timestamp_in_the_reply(t: Trajectory, rng: Random) -> Trajectory | None:
    for n in reversed(reports(t)):
        stamps = re.findall(r'"(\w+)": "(20\d\d-\d\d-\d\dT[\d:]+Z)"', t.messages[n - 1].content)
        if stamps:
            key, value = rng.choice(stamps)
            words = (
                f"The {key} is {value}.",
                f"Timestamp: {value} ({key}).",
                f"This is valid as of {value}, {key.replace('_', ' ')}.",
            )
            return replaced(t, n, f"{t.messages[n].content} {rng.choice(words)}")
    return None


@fault("natural")
def json_in_the_reply(t: Trajectory, rng: Random) -> Trajectory | None:
    found = reports(t)
    if not found:
        return None
    result = t.messages[found[-1] - 1].content[:1500]
    forms = (result, f"Here is the response:\n```json\n{result}\n```", f"The tool returned: {result}")
    return replaced(t, found[-1], rng.choice(forms))


@fault("natural")
def template_not_filled_in(t: Trajectory, rng: Random) -> Trajectory | None:
    """Leave a slot of a template in the reply."""
    values = {str(v): key_of(p) for c in good_calls(t) for p, v in fields(data_of(t, c)) if len(str(v)) > 4 and v}
    for n in reversed(reports(t)):
        inside = [value for value in values if value in t.messages[n].content]
        if inside:
            value = max(inside, key=len)
            key = values[value]
            slot = rng.choice((f"{{{key}}}", f"[{key.replace('_', ' ')}]", f"<{key}>", "{{" + key + "}}", f"${key}"))
            return replaced(t, n, t.messages[n].content.replace(value, slot))
    return None


@fault("natural")
def thoughts_in_the_reply(t: Trajectory, rng: Random) -> Trajectory | None:
    found = reports(t)
    if not found:
        return None
    words = (
        "<think>The call succeeded, so I should now write a short answer and not mention the tool.</think>",
        "<think>\nOkay, let me see. I need to keep it friendly and under 40 words.",
        "Reasoning: the tool result has all fields that are needed. Final answer:",
    )
    return replaced(t, found[-1], f"{rng.choice(words)}\n{t.messages[found[-1]].content}")


@fault("natural")
def another_roles_words(t: Trajectory, rng: Random) -> Trajectory | None:
    """Let the assistant write the user's next turn as well."""
    found = reports(t)
    if not found:
        return None
    words = (
        "\nUser: Great, thank you!\nAssistant: You're welcome!",
        "\n\nHuman: Thanks a lot, that helps.\n\nAssistant: Happy to help.",
        "<|im_end|>\n<|im_start|>user\nPerfect.<|im_end|>",
    )
    return replaced(t, found[-1], t.messages[found[-1]].content + rng.choice(words))


@fault("natural")
def user_recites_parameters(t: Trajectory, rng: Random) -> Trajectory | None:
    """Let the user open with "the x is y, the z is w"."""
    start = next(n for n, m in enumerate(t.messages) if m.role == "user")
    given = {k: v for call in t.calls() for k, v in call.arguments.items() if not isinstance(v, (dict, list))}
    if len(given) < 2 or not acts(t):
        return None
    wish = acts(t)[-1].name.replace("_", " ")
    listed = ", ".join(f"the {k.replace('_', ' ')} is {v}" for k, v in given.items())
    forms = (
        f"I need to {wish}. To be precise, {listed}.",
        f"Please {wish}. Details: {listed}. If several come up, take the first.",
        f"{wish}: " + "; ".join(f"{k}={v}" for k, v in given.items()),
    )
    return replaced(t, start, rng.choice(forms))


@fault("natural")
def assistant_talks_of_its_tools(t: Trajectory, rng: Random) -> Trajectory | None:
    found = reported(t, lambda _, __: True)
    if found is None:
        return None
    call, n = found
    words = (
        f"I called the function {call.name} with {canonical_json(call.arguments)} and it returned successfully. ",
        f"According to my system prompt I must use the {call.name} tool for this, so I did. ",
        f"My rules, as given in the system message, oblige me to tell you the output of {call.name}: ",
    )
    return replaced(t, n, rng.choice(words) + t.messages[n].content)


@fault("natural")
def asks_for_parameters(t: Trajectory, rng: Random) -> Trajectory | None:
    """Ask the user for the parameters of a tool, with their types."""
    for n, m in enumerate(t.messages[:-2]):
        after = [call for one in t.messages[n:] for call in one.tool_calls]
        asked = m.role == "assistant" and re.search(r"know|tell me", m.content) and t.messages[n - 1].role == "user"
        if not asked or not after or _YES.match(t.messages[n + 1].content):
            continue
        tool = POOL.tools[t.tools[after[0].name]]
        listed = [
            f"- {name} ({schema.get('type', 'any')}{', required' if name in tool.required else ''})"
            for name, schema in tool.parameters.items()
        ]
        if len(listed) >= 2:
            return replaced(t, n, "\n".join([f"To run {tool.name} I need these parameters:", *listed]))
    return None


@fault("natural")
def message_breaks_off(t: Trajectory, rng: Random) -> Trajectory | None:
    found = [n for n in reports(t) if len(t.messages[n].content) > 60]
    if not found:
        return None
    text = t.messages[found[-1]].content
    end = rng.randint(len(text) // 4, len(text) // 2)
    while not (text[end - 1].isalpha() and text[end].isalpha()):
        end += 1
        if end >= len(text):
            return None
    return cut(t, found[-1], assistant(text[:end]))


@fault("natural")
def says_it_again_and_again(t: Trajectory, rng: Random) -> Trajectory | None:
    found = reports(t)
    if not found:
        return None
    text = t.messages[found[-1]].content
    last = re.split(r"(?<=[.!]) ", text)[-1]
    return replaced(t, found[-1], " ".join([text, *[last] * rng.randint(3, 8)]))


@fault("natural")
def another_language_in_the_middle(t: Trajectory, rng: Random) -> Trajectory | None:
    found = reports(t)
    if not found:
        return None
    n = found[-1]
    words = (
        "Bitte beachten Sie, dass die Angaben oben verbindlich sind und nicht mehr geändert werden können.",
        "以上信息已经确认，如有需要请随时联系我们。",
        "Если у вас есть вопросы, пожалуйста, сообщите об этом.",
        "N'hésitez pas à revenir vers moi si vous avez besoin d'autre chose.",
    )
    first, _, rest = t.messages[n].content.partition(". ")
    return replaced(t, n, f"{first}{'.' if rest else ''} {rng.choice(words)} {rest}".strip())


@fault("natural")
def user_talks_like_an_assistant(t: Trajectory, rng: Random) -> Trajectory | None:
    """Let the user's yes be what a model says when it forgets that it plays the user."""
    found = gates(t)
    if not found:
        return None
    words = (
        "Yes. As an AI language model I don't have preferences of my own, but I can confirm that this is correct.",
        "[The user agrees and lets the assistant go ahead.]",
        "Yes, I confirm. Is there anything else I can help you with today?",
        "User: Yes.\n(end of the user's turn; the goal of the scenario is now fulfilled)",
    )
    return replaced(t, found[-1][1], rng.choice(words))


# ----------------------------------------------------------------------------------------------------------- old design

OLD_DESIGN: dict[int, tuple[bool, str]] = {
    0: (False, "natural world grounded: the lead gets the address of the quote's customer, total 0 beside 52.70"),
    1: (False, "natural goal world: voids its own new draft, then a sealed copy of a voided envelope"),
    2: (False, "natural grounded goal: the applicant interviews himself, and gets an offer before the scorecard"),
    3: (False, "natural world goal: a team plays itself; a plan of four weeks for one day"),
    4: (False, "natural goal: adds a stop and takes it off again; three stops at once in an empty round"),
    5: (False, "natural world consent: a new vault has proposals, the first signer approves the first of them"),
    6: (False, "natural goal grounded: a file's own link is added as its new version; path and name disagree"),
    7: (False, "natural consent: abandons the first change that comes up"),
    8: (False, "natural goal world: enrols first, checks afterwards; born 1963 and 30 years old"),
    9: (False, "natural world: another day than asked for, price level 4057"),
    10: (False, "natural: a public reply to the first ticket, a recited wish"),
    11: (False, "natural: a recited wish and a limit, nothing else wrong"),
    12: (False, "goal natural world: the return days are left out, and lie before delivery"),
    13: (False, "natural world: a collection on a mandate that is only pending"),
    14: (False, "natural goal grounded: the owner's address comes from a segment; off is switched off"),
    15: (False, "natural world: a connection just registered has pipelines"),
    16: (False, "natural goal world: replaces another person's appliance without coverage or diagnosis"),
    17: (False, "natural consent: only the recited wish, and frozen finally without a question"),
    18: (False, "natural world goal: a rota of two names and no members; a turn of August is done in February"),
    19: (False, "natural world: an empty deck with nine cards due"),
    20: (False, "natural goal: recited fields, a home of 316 square metres for 1,007 euros goes on the market"),
    21: (False, "natural: a recited wish, raw timestamps"),
    22: (False, "goal natural world: the allergens are left out; a recipe without ingredients has three"),
    23: (False, "natural world goal: books a shift for a draft and submits it afterwards; 26 shifts are left of 17"),
    24: (False, "natural world: 'I approved or decline', notes from nowhere"),
    25: (False, "natural: recited wishes, parameters in speech"),
    26: (False, "natural world: version 1 becomes 4, one lease becomes four"),
    27: (False, "natural goal world: puts in and takes out again, the subtotal stays"),
    28: (False, "natural goal world: flags what it has just written; an answer from nowhere"),
    29: (False, "natural world goal: slots end before they start, the appointment is on another day"),
    30: (False, "natural goal world: a filing meets its own deadline, in the first matter that a check names"),
    31: (False, "natural goal consent: hands over the first conversation, then closes it as spam"),
    32: (False, "natural world: a queued job with a model and a loss of 16"),
    33: (False, "natural: a recited wish, an assignment for the first section that comes up"),
    34: (False, "natural goal consent: schedules the campaign first and tests it afterwards"),
    35: (False, "natural goal world: the first inn anywhere on earth, the dog's bed a month after the stay"),
    36: (False, "natural world: a draft that has comments"),
    37: (False, "natural: a recited wish, a template without its variables"),
    38: (False, "goal natural world: the first of three patients, the appointment in another month"),
    39: (False, "natural world goal: 52 GiB stored of an empty disk of 12; the first size that comes up"),
    40: (False, "tools natural goal: sets the temperature of a device that is no thermostat and not reachable"),
    41: (False, "natural world: the race is before the plan, the workout in neither"),
    42: (False, "natural world: 'Cedar severity 89' is medium"),
    43: (False, "natural world: runways of 4 metres, Stornoway in Poland"),
    44: (False, "natural world: the pickup is at another time when it is read again"),
    45: (False, "natural world goal: an inspection before the permit is paid for"),
    46: (False, "natural: a recited wish, nothing else wrong"),
    47: (False, "natural world consent: two totals of one order, a show of Ghent in Aarhus"),
    48: (False, "natural world goal: sells what the account does not hold; nine of four are filled"),
    49: (False, "natural goal world: what was found has nothing to do with the question, at a score of 1.0"),
}  # fmt: skip
"""Whether an expert would train on the conversations of ``old_design_set(50, seed=0)``, by index, as read by hand: the
criteria that fail, and why. Not one would do, as all of them recite parameters (with 10, 11, 17, 21, 25, 33, 37 and 46
little else is wrong)."""

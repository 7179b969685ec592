"""Rows of ``--format trl`` rendered by chat templates: the calls parse back, the loss is on the assistant's turns."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError

from tdlab.formats import ExportNote, export_trajectories, read_trajectories
from tdlab.records import Message, Tool, ToolCall, Trajectory
from tests.formats.chat_templates import END, FAMILIES, SHIPPED, START, Family, assistant_text, render

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "note": {"type": "string"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "flag": {"type": "boolean"},
        "nothing": {},
        "list": {"type": "array"},
        "object": {"type": "object"},
        "items": {"type": "integer"},
        "name": {"type": "string"},
        "arguments": {"type": "object"},
    },
}
TOOL = Tool(service="w", name="w__look_up", description='Look "up" <b> {{ x }}.', input_schema=SCHEMA)
OTHER = Tool(service="w", name="w__wait", input_schema={"type": "object"})
TOOLS = {TOOL.key: TOOL, OTHER.key: OTHER}

words = st.text(st.characters(codec="utf-8", exclude_characters="<>{}%#\ue000\ue001"), max_size=10)
values = {
    "city": words | st.sampled_from(["5", "null", '{"a": 1}', "Z\u00fcrich \u2028", "a\\b\"c'd"]),
    "note": words,
    "count": st.integers(-(2**63), 2**64 - 1),
    "ratio": st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.booleans(),
    "nothing": st.none(),
    "list": st.lists(st.none() | st.integers(0, 9) | words, max_size=3),
    "object": st.dictionaries(words, st.none() | words | st.lists(words, max_size=2), max_size=3),
    "items": st.integers(0, 9),
    "name": words,
    "arguments": st.dictionaries(words, st.booleans(), max_size=2),
}
arguments = st.fixed_dictionaries({}, optional=values)


@st.composite
def conversations(draw: st.DrawFn, *, parallel: bool) -> Trajectory:
    messages = [Message(role="system", content="SYSTEM-TEXT")] if draw(st.booleans()) else []
    number = 0
    for turn in range(draw(st.integers(1, 3))):
        messages.append(Message(role="user", content=f"USER-TEXT-{turn}"))
        for _ in range(draw(st.integers(0, 2))):
            calls = []
            for _ in range(draw(st.integers(1, 3)) if parallel else 1):
                number += 1
                known = draw(st.booleans())
                calls.append(
                    ToolCall(
                        id=f"call_{number}",
                        name="w__look_up" if known else "w__wait",
                        arguments=draw(arguments) if known else {},
                    )
                )
            text = draw(st.sampled_from(["", f"BESIDE-TEXT-{number}"]))
            messages.append(Message(role="assistant", content=text, tool_calls=tuple(calls)))
            messages += [Message(role="tool", content=f"RESULT-TEXT {c.id}", tool_call_id=c.id) for c in calls]
        messages.append(Message(role="assistant", content=f"ANSWER-TEXT-{turn}"))
    return Trajectory(id="t", messages=tuple(messages), tools={t.name: t.key for t in TOOLS.values()})


def row_of(trajectory: Trajectory, path: Path, tools: dict[str, Tool] = TOOLS) -> dict[str, Any]:
    export_trajectories([trajectory], tools, path)
    row: dict[str, Any] = json.loads(path.read_bytes())
    return row


def check(family: Family, rendered: str, trajectory: Trajectory, row: dict[str, Any]) -> None:
    """Check that a rendering holds the calls, the texts and the tools, and marks the assistant's turns alone."""
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in json.loads(row["tools"])}
    turns = assistant_text(rendered)
    said = [message for message in trajectory.messages if message.role == "assistant"]
    assert len(turns) == len(said), "one marked turn for each of the assistant's messages"
    for turn, message in zip(turns, said, strict=True):
        assert family.parse(turn, schemas) == [(call.name, call.arguments) for call in message.tool_calls]
        if not (message.tool_calls and family.drops_text):
            assert message.content.strip() in turn, "the text is in the turn"
    outside = rendered
    for turn in turns:
        outside = outside.replace(START + turn + END, "")
    for mark in ("ANSWER-TEXT", "BESIDE-TEXT"):
        assert mark not in outside, "the assistant's words are marked"
    for mark in ("USER-TEXT", "SYSTEM-TEXT", "RESULT-TEXT"):
        assert not any(mark in turn for turn in turns), f"{mark} is no part of the assistant's turns"
    for message in trajectory.messages:
        if message.role in ("user", "tool"):
            assert message.content.strip() in outside.replace('\\"', '"'), f"{message.role} is rendered"
    for tool in json.loads(row["tools"]) if family.offers else ():
        assert tool["function"]["name"] in outside, "each tool is offered"


def marked_llama(rendered: str) -> str:
    """Mark the assistant's turns in the text of a shipped Llama template, which has no marks of its own."""
    header = re.escape("<|start_header_id|>assistant<|end_header_id|>\n\n")
    return re.sub(f"({header})(.*?<\\|eot_id\\|>)", rf"\1{START}\2{END}", rendered, flags=re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rendered") / "row.jsonl"


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=25)
@given(st.data())
def test_calls_parse_back_and_the_loss_is_on_the_assistant(place: Path, name: str, data: st.DataObject) -> None:
    family = FAMILIES[name]
    trajectory = data.draw(conversations(parallel=not family.one_call))
    row = row_of(trajectory, place)
    check(family, render(family.template, row), trajectory, row)


def test_a_template_that_refuses_parallel_calls_is_noted(tmp_path: Path) -> None:
    calls = tuple(ToolCall(id=f"c{n}", name="w__wait") for n in range(2))
    messages = (
        Message(role="user", content="?"),
        Message(role="assistant", content="Both.", tool_calls=calls),
        *(Message(role="tool", content="ok", tool_call_id=call.id) for call in calls),
    )
    notes: list[ExportNote] = []
    trajectory = Trajectory(id="t", messages=messages, tools={"w__wait": OTHER.key})
    export_trajectories([trajectory], TOOLS, tmp_path / "x.jsonl", on_note=notes.append)
    row = json.loads((tmp_path / "x.jsonl").read_bytes())
    with pytest.raises(TemplateError, match="single tool-calls"):
        render(FAMILIES["Llama 3"].template, row)
    assert {"parallel_calls", "text_beside_calls"} <= {note.kind for note in notes}
    assert len(assistant_text(render(FAMILIES["Mistral"].template, row))) == 1, "ids have nine letters and digits"


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "Qwen3"])
def test_why_arguments_are_objects(tmp_path: Path, name: str) -> None:
    """As JSON text, which OpenAI's API demands, arguments are encoded twice in silence, or the template raises."""
    call = ToolCall(id="call00001", name="w__look_up", arguments={"city": "Oslo"})
    messages = (Message(role="user", content="?"), Message(role="assistant", tool_calls=(call,)))
    trajectory = Trajectory(id="t", messages=messages, tools={"w__look_up": TOOL.key})
    export_trajectories([trajectory], TOOLS, tmp_path / "x.jsonl", format="openai")
    row = json.loads((tmp_path / "x.jsonl").read_bytes())
    row["tools"] = json.dumps(row["tools"])
    try:
        (turn,) = assistant_text(render(FAMILIES[name].template, row))
    except (TemplateError, TypeError):
        return
    assert FAMILIES[name].parse(turn, {"w__look_up": SCHEMA}) == [("w__look_up", '{"city":"Oslo"}')]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_recorded_conversations_parse_back(shared: Path, tmp_path: Path, name: str) -> None:
    """Those that a family cannot render (parallel calls, roles that do not take turns) are noted, and counted here."""
    family = FAMILIES[name]
    rendered = refused = 0
    for folder in sorted((shared / "data" / "trajectories").iterdir()):
        recorded = read_trajectories(folder)
        kinds: dict[str, set[str]] = {}
        export_trajectories(
            recorded.trajectories, recorded.tools, tmp_path / "x.jsonl",
            on_note=lambda note, kinds=kinds: kinds.setdefault(note.trajectory, set()).add(note.kind),
        )  # fmt: skip
        for trajectory, line in zip(
            recorded.trajectories, (tmp_path / "x.jsonl").read_bytes().splitlines(), strict=True
        ):
            row = json.loads(line)
            try:
                turns = assistant_text(render(family.template, row))
            except TemplateError:
                refused += 1
                if name != "Mistral" and "parallel_calls" not in kinds[trajectory.id]:
                    raise
                continue
            if "malformed_arguments" in kinds.get(trajectory.id, ()):
                continue
            said = [message for message in trajectory.messages if message.role == "assistant"]
            assert len(turns) == len(said)
            schemas = {t["function"]["name"]: t["function"]["parameters"] for t in json.loads(row["tools"])}
            for turn, message in zip(turns, said, strict=True) if not family.typed else ():
                assert family.parse(turn, schemas) == [(call.name, call.arguments) for call in message.tool_calls]
            rendered += 1
    assert rendered > 100, f"{name} refused {refused}"


# --------------------------------------------------------------------------------------------- templates of TRL's wheel


def shipped(name: str) -> str:
    """Return a template of TRL's wheel, without importing TRL, which needs torch."""
    spec = importlib.util.find_spec("trl")
    if spec is None or spec.origin is None:
        pytest.skip("TRL is not installed: pip install -e '.[train]'")
    return (Path(spec.origin).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


@pytest.mark.train
@pytest.mark.parametrize("name", SHIPPED)
@settings(max_examples=25)
@given(st.data())
def test_shipped_templates_render_the_calls(place: Path, name: str, data: st.DataObject) -> None:
    family = FAMILIES[SHIPPED[name]]
    if name == "deepseekv3_training":  # it lists no tools, and drops the text beside calls after the first ones
        family = replace(family, drops_text=True, offers=False)
    trajectory = data.draw(conversations(parallel=not family.one_call))
    row = row_of(trajectory, place)
    rendered = render(shipped(name), row)
    check(family, marked_llama(rendered) if "llama" in name else rendered, trajectory, row)

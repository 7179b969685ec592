"""ATIF, Harbor's Agent Trajectory Interchange Format: one document per run, steps with calls and their observations.

Reads every published version (1.0 to 1.8), recognised by ``schema_version`` or by the steps; writes 1.7. The shape::

    {"schema_version": "ATIF-v1.7", "session_id", "trajectory_id", "agent": {"name", "version", "model_name"?,
      "tool_definitions"?}, "steps": [{"step_id": 1.., "source": "system" | "user" | "agent", "message",
      "tool_calls"?: [{"tool_call_id", "function_name", "arguments"}],
      "observation"?: {"results": [{"source_call_id"?, "content"}]}}], "notes"?, "final_metrics"?, "extra"?,
      "subagent_trajectories"?}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tdlab.formats._chat_record import EXTRA, finished
from tdlab.formats._definitions import definitions_in
from tdlab.formats._json import object_of, text_of
from tdlab.formats._parts import RawCall, RawResult
from tdlab.formats.base import ConversationBuilder, Format, Item, Recording, Unreadable, name_of
from tdlab.formats.write import openai_record
from tdlab.records import Domains, Json, Message, Tool, Trajectory, canonical_json

__all__ = ["ATIF", "atif_record"]

VERSION = "ATIF-v1.7"


def _unpack(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict) or not isinstance(value.get("steps"), list):
        return None
    version = value.get("schema_version")
    if not (isinstance(version, str) and version.upper().startswith("ATIF")):
        first = value["steps"][0] if value["steps"] else None
        if not (isinstance(value.get("agent"), dict) and isinstance(first, dict) and "source" in first):
            return None
    return _documents(value, "")


def _documents(value: dict[str, Any], where: str) -> Iterator[Item]:
    """Yield a document and the trajectories of the subagents that it embeds."""
    waiting = [(value, where)]
    while waiting:
        document, position = waiting.pop()
        yield Item(position, document)
        inner = document.get("subagent_trajectories")
        if isinstance(inner, list):
            for number, embedded in reversed(list(enumerate(inner))):
                if isinstance(embedded, dict):
                    waiting.append((embedded, f"{position} subagent_trajectories[{number}]".strip()))


def _read(item: Item, fallback: str) -> Recording:
    """Read the agent's messages, calls and observations; ``reasoning_content`` was thought and not said."""
    value = item.value
    steps = value.get("steps")
    if not isinstance(steps, list) or not steps:
        raise Unreadable("has no steps")
    agent = value.get("agent")
    definitions = list(definitions_in(agent.get("tool_definitions"))) if isinstance(agent, dict) else []
    extra = value.get("extra")
    note = extra.get(EXTRA) if isinstance(extra, dict) else None
    builder = ConversationBuilder(definitions, plain=note is not None)
    for index, step in enumerate(steps):
        if not isinstance(step, dict) or step.get("source") not in ("system", "user", "agent"):
            shown = step.get("source") if isinstance(step, dict) else type(step).__name__
            raise Unreadable(f"step {index} has the source {str(shown)[:40]!r}")
        _say(builder, step, index)
        _observe(builder, step.get("observation"), index)
    if not builder.messages:
        raise Unreadable("has steps without messages and calls")
    identities = (value.get(key) for key in ("trajectory_id", "session_id"))
    identity = next(
        (recorded_id for recorded_id in identities if isinstance(recorded_id, str) and recorded_id), fallback
    )
    own = {key: value for key, value in object_of(note).items() if key != "errors"}  # each result has its own flag
    return finished(builder, definitions, identity, ATIF.name, note=own)


def _say(builder: ConversationBuilder, step: dict[str, Any], index: int) -> None:
    text = text_of(step.get("message"))
    raw = step.get("tool_calls")
    if step["source"] != "agent":
        if text or not step.get("observation"):
            builder.say("system" if step["source"] == "system" else "user", text)
        return
    thought = text_of(step.get("reasoning_content"))
    if not raw:
        if text or not step.get("observation"):
            builder.say("assistant", text, thought=thought)
        return
    if not isinstance(raw, list) or not all(isinstance(call, dict) for call in raw):
        raise Unreadable(f"step {index} has tool_calls that are not a list of objects")
    calls: list[RawCall] = []
    for call in raw:
        call_id, extra = call.get("tool_call_id"), call.get("extra")
        arguments = call.get("arguments")
        if isinstance(extra, dict) and isinstance(extra.get("malformed"), str) and not arguments:
            arguments = extra["malformed"]
        calls.append(
            RawCall(
                call_id if isinstance(call_id, str) and call_id else None, name_of(call.get("function_name")), arguments
            )
        )
    builder.call(text, calls, thought=thought)


def _observe(builder: ConversationBuilder, observation: Json, index: int) -> None:
    if observation is None:
        return
    results = observation.get("results") if isinstance(observation, dict) else None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise Unreadable(f"step {index} has an observation without a list of results")
    for result in results:
        call_id, extra = result.get("source_call_id"), result.get("extra")
        flag = extra.get("is_error") if isinstance(extra, dict) else None
        builder.answer(
            RawResult(
                call_id if isinstance(call_id, str) and call_id else None,
                result.get("content"),
                flag if isinstance(flag, bool) else None,
            )
        )


ATIF = Format("atif", _unpack, _read, keys=frozenset({"steps"}))


# ------------------------------------------------------------------------------------------------------------- writing


def atif_record(
    trajectory: Trajectory,
    tools: Mapping[str, Tool],
    *,
    services: Mapping[str, Domains] | None = None,
    agent: str = "tdlab",
    agent_version: str = "unknown",
) -> dict[str, Json]:
    """Return a trajectory as an ATIF document; the same record gives the same value.

    Steps are numbered from 1. A result belongs to the observation of the step with its call, as ATIF wants it, even if
    other messages came in between; one that answers no call becomes, without an id, a step of the system. The error
    flags and the text of malformed arguments are in ``extra``.

    Args:
        trajectory: The trajectory to convert.
        tools: The tools' definitions by key.
        services: The services' domains; if given, the document also keeps tool keys, annotations and domains.
        agent: The agent's name in the document.
        agent_version: The agent's version in the document.

    Returns:
        A value that JSON can represent.

    Raises:
        StoreError: An argument or a schema has no JSON form.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> hello = Trajectory(id="t1", messages=(Message(role="user", content="Hello"),))
        >>> atif_record(hello, {})["steps"]
        [{'step_id': 1, 'source': 'user', 'message': 'Hello'}]
    """
    openai = openai_record(trajectory, tools, services=services)
    steps: list[dict[str, Json]] = []
    calling: dict[str, dict[str, Json]] = {}
    for message in trajectory.messages:
        if message.role == "tool":
            step = calling.get(message.tool_call_id or "")
            if step is None:
                step = {"step_id": len(steps) + 1, "source": "system", "message": ""}
                steps.append(step)
            step.setdefault("observation", {"results": []})["results"].append(_result(message, "tool_calls" in step))
            continue
        step = _step(message, len(steps) + 1)
        steps.append(step)
        calling.update((call.id, step) for call in message.tool_calls)
    about: dict[str, Json] = {"name": agent, "version": agent_version}
    if trajectory.teacher:
        about["model_name"] = trajectory.teacher
    if openai["tools"]:
        about["tool_definitions"] = openai["tools"]
    record: dict[str, Json] = {
        "schema_version": VERSION,
        "session_id": trajectory.id,
        "trajectory_id": trajectory.id,
        "agent": about,
        "steps": steps,
    }
    if services is not None:
        record["extra"] = {EXTRA: openai[EXTRA]}
    return record


def _step(message: Message, number: int) -> dict[str, Json]:
    source = {"assistant": "agent"}.get(message.role, message.role)
    step: dict[str, Json] = {"step_id": number, "source": source, "message": message.content}
    if message.reasoning:
        step["reasoning_content"] = message.reasoning
    if message.tool_calls:
        step["tool_calls"] = [
            {
                "tool_call_id": call.id,
                "function_name": call.name,
                "arguments": json.loads(canonical_json(call.arguments)),
                **({} if call.malformed is None else {"extra": {"malformed": call.malformed}}),
            }
            for call in message.tool_calls
        ]
    return step


def _result(message: Message, known: bool) -> dict[str, Json]:
    result: dict[str, Json] = {"source_call_id": message.tool_call_id} if known else {}
    result["content"] = message.content
    result["extra"] = {"is_error": message.is_error}
    return result

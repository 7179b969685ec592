"""tau-bench and tau2-bench: lists of conversations, and ``results.json`` with flat calls and dict arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tdlab.formats._definitions import definitions_in
from tdlab.formats._json import text_of
from tdlab.formats.base import ConversationBuilder, Format, Item, Recording, Unreadable
from tdlab.formats.messages import is_message_list, read_messages
from tdlab.records import Json, Tool, Trajectory

__all__ = ["TAU", "TAU2"]

_HEADING = re.compile(r"\s*#+\s*(\w+) agent policy", re.IGNORECASE)
_LARGEST = 1e9  # of a reward; a larger one, or an infinity, is a fault of the file


def _unpack_tau(value: Json) -> Iterator[Item] | None:
    if isinstance(value, dict) and isinstance(value.get("traj"), list):
        return iter([Item("", value)])
    return None


def _read_tau(item: Item, fallback: str) -> Recording:
    """Read a conversation; the system message names the service ("# Airline Agent Policy")."""
    builder = read_messages(item.value["traj"])
    headings = (_HEADING.match(message.content) for message in builder.messages if message.role == "system")
    heading = next((match for match in headings if match), None)
    service = heading.group(1).lower() if heading else TAU.name
    task, trial = item.value.get("task_id"), item.value.get("trial")
    known = isinstance(task, (int, str)) and isinstance(trial, (int, str))
    identity = f"{service}-{task}-{trial}" if known else fallback
    return _recording(builder, service, identity, TAU.name, {}, reward=_reward(item.value))


def _unpack_tau2(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict) or not isinstance(value.get("simulations"), list):
        return None
    info = value.get("info")
    environment = info.get("environment_info") if isinstance(info, dict) else None
    context = environment if isinstance(environment, dict) else {}
    return (
        Item(f"simulations[{index}]", simulation if isinstance(simulation, dict) else {"messages": None}, context)
        for index, simulation in enumerate(value["simulations"])
    )


def _read_tau2(item: Item, fallback: str) -> Recording:
    """Read a conversation; the service is the environment's domain name."""
    if not is_message_list(item.value.get("messages")):
        raise Unreadable("has no messages")
    domain = item.context.get("domain_name")
    service = domain if isinstance(domain, str) and domain else TAU2.name
    recorded_id = item.value.get("id")
    definitions = item.context.get("tool_defs")
    raw = list(definitions.values()) if isinstance(definitions, dict) else definitions
    tools = [tool.model_copy(update={"service": service}) for tool in definitions_in(raw)]
    return _recording(
        read_messages(item.value["messages"], tools),
        service,
        recorded_id if isinstance(recorded_id, str) and recorded_id else fallback,
        TAU2.name,
        {t.key: t for t in tools},
        reward=_reward(item.value.get("reward_info")),
        policy=text_of(item.context.get("policy")),
    )


def _reward(stated: Json) -> float | None:
    """Return the benchmark's verdict; None where there is none, or one that is no finite number."""
    reward = stated.get("reward") if isinstance(stated, dict) else None
    if not isinstance(reward, (int, float)) or isinstance(reward, bool):
        return None
    return float(reward) if abs(reward) <= _LARGEST else None


def _recording(
    builder: ConversationBuilder,
    service: str,
    identity: str,
    name: str,
    tools: dict[str, Tool],
    *,
    reward: float | None,
    policy: str = "",
) -> Recording:
    names: dict[str, Any] = {tool.name: key for key, tool in tools.items()}
    names.update({called: f"{service}/{called}" for called in builder.names})
    return Recording(
        Trajectory(id=identity, messages=tuple(builder.messages), tools=names),
        tools,
        name,
        environment=service,
        notes=builder.notes,
        reward=reward,
        policy=policy,
    )


TAU = Format("tau-bench", _unpack_tau, _read_tau, keys=frozenset({"traj"}))
TAU2 = Format("tau2-bench", _unpack_tau2, _read_tau2, keys=frozenset({"simulations"}))

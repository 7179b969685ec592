"""SWE-agent and mini-swe-agent: ``.traj`` files of a history and its steps, and runs of bash blocks or tool calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tdlab.formats._json import list_of, text_of
from tdlab.formats._parts import RawCall
from tdlab.formats._roles import role_of
from tdlab.formats._shell import exit_code_in
from tdlab.formats._transcript import Transcript, shown
from tdlab.formats.base import Format, Item, Recording
from tdlab.records import Json

__all__ = ["MINI_SWE_AGENT", "SWE_AGENT"]

_BLOCK = re.compile(r"```(?:mswea_bash_command|bash|sh|shell)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL)
_BASH_BLOCK = re.compile(r"```(?:mswea_bash_command|bash)[ \t]*\n(.*?)\n?```", re.DOTALL)
_COMMAND = re.compile(r"<command>\n?(.*?)\n?</command>", re.DOTALL)
_MARKS = {"agent", "message_type", "action", "thought", "is_demo", "tool_call_ids"}
"""Keys that SWE-agent adds to the messages of its history."""
_LABEL = re.compile(r"\A(?:OBSERVATION|Observation):\n?")


# ---------------------------------------------------------------------------------------------------------- SWE-agent


def _unpack_swe(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict):
        return None
    steps = value.get("trajectory")
    if isinstance(steps, list) and any(
        isinstance(step, dict) and {"action", "observation"} <= set(step) for step in steps
    ):
        return iter([Item("", value)])
    for key in ("history", "messages"):
        raw = value.get(key)
        if isinstance(raw, str) and '"message_type"' not in raw and '"thought"' not in raw:
            continue  # rows of other formats have long texts here
        history = list_of(raw)
        if any(_is_marked(message) for message in history[:8]):
            return iter([Item("", {**value, "history": history})])
    if isinstance(steps, list) and any(isinstance(s, dict) and {"role", "system_prompt"} <= set(s) for s in steps):
        return iter([Item("", {**value, "history": steps})])
    return None


def _is_marked(message: Json) -> bool:
    if not isinstance(message, dict) or _MARKS.isdisjoint(message):
        return False
    return "role" in message and "source" not in message and len(_MARKS & set(message)) > 1


def _read_swe(item: Item, fallback: str) -> Recording:
    """Read the history; steps that it lacks, such as the last one of newer versions, come from the trajectory.

    A step is a call of the tool in its ``tool_calls``, or else a call of ``bash`` with the command. Demonstrations are
    left out.
    """
    value = item.value
    log = Transcript()
    history = value.get("history")
    acts = _take_history(log, history if isinstance(history, list) else [])
    steps = value.get("trajectory")
    steps = [step for step in steps if isinstance(step, dict) and "action" in step] if isinstance(steps, list) else []
    if not log.messages and isinstance(value.get("problem_statement"), str):
        log.say("user", value["problem_statement"])
    if not log.messages and steps:
        _take_history(log, _asked(steps[0]))
    last = log.messages[-1] if log.messages else None
    acted = isinstance(last, RawCall) or (isinstance(last, dict) and last.get("role") == "assistant")
    if acts and len(steps) >= len(acts) and acted:
        observation = steps[len(acts) - 1].get("observation")
        if observation is not None and _same(steps[len(acts) - 1], acts[-1]):
            log.answer(None, observation)
    if all(_same(step, act) for step, act in zip(steps, acts, strict=False)):
        for step in steps[len(acts) :]:
            _take_step(log, step)
    elif len(steps) > len(acts):
        log.note("noted", f"the trajectory has {len(steps)} steps and the history {len(acts)}: they do not agree")
    return log.recording(
        {key: value[key] for key in ("instance_id", "id", "tools") if key in value}, fallback, SWE_AGENT.name
    )


def _asked(step: dict[str, Any]) -> list[Any]:
    """Return what the model was asked in the first step, of a file without a history."""
    query = list_of(step.get("query"))
    return [message for message in query if isinstance(message, dict) and role_of(message) in ("system", "user")]


def _same(step: dict[str, Any], act: str | None) -> bool:
    """Return whether a step is what the history records; None in the history is an act without an action text."""
    return act is None or text_of(step.get("action")).strip() == act.strip()


def _take_history(log: Transcript, history: list[Any]) -> list[str | None]:
    """Add the messages of a history; return the action of each message of the agent, None where it states none."""
    acts: list[str | None] = []
    waits = False
    for index, message in enumerate(history):
        if not isinstance(message, dict):
            log.note("skipped", f"message {index} is {shown(message)}, not an object")
            continue
        if message.get("is_demo") is True:
            log.note("noted", "the demonstrations in the history are left out")
            continue
        role = role_of(message)
        content = message.get("content", message.get("text"))
        if role == "assistant":
            action = message.get("action")
            acts.append(action if isinstance(action, str) else None)
            waits = _take_act(log, message, content)
        elif role == "tool" or (role == "user" and waits):
            listed = message.get("tool_call_ids")
            ids = listed if isinstance(listed, list) else [message.get("tool_call_id")]
            log.answer(ids[0] if ids else None, _without_label(content))
            waits = len(ids) > 1
        elif role == "system":
            log.say("system", content if content is not None else message.get("system_prompt"))
        else:
            log.messages.append({**message, "content": content})
    return acts


def _without_label(content: Json) -> Json:
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        content = content[0].get("text", content)
    return _LABEL.sub("", content, count=1) if isinstance(content, str) else content


def _take_act(log: Transcript, message: dict[str, Any], content: Json) -> bool:
    """Add a message of the agent; return whether it calls a tool."""
    if message.get("tool_calls"):
        kept = {"tool_calls", "reasoning_content", "thinking_blocks"}
        log.messages.append({"role": "assistant", "content": content, **{k: message[k] for k in kept & set(message)}})
        return True
    text = text_of(content)
    action = message.get("action")
    block = _COMMAND.search(text) or _last(_BLOCK, text)
    if not isinstance(action, str):
        action = block.group(1) if block is not None else ""
    thought = message.get("thought")
    said = thought if isinstance(thought, str) else text.replace(block.group(0), "") if block is not None else text
    _say(log, said)
    return bool(action.strip()) and log.call(None, "bash", {"command": action.strip("\n")})


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(reversed(list(pattern.finditer(text))), None)


def _say(log: Transcript, text: str) -> None:
    """Add what the agent said; a call that follows joins it."""
    if text.strip():
        log.say("assistant", text.strip())


def _take_step(log: Transcript, step: dict[str, Any]) -> None:
    thought, action = step.get("thought", step.get("response")), step.get("action")
    calls = step.get("tool_calls")
    if isinstance(calls, list) and calls:
        log.messages.append({"role": "assistant", "content": thought, "tool_calls": calls})
    else:
        _say(log, text_of(thought))
        if not isinstance(action, str) or not action.strip():
            if text_of(step.get("observation")):
                log.say("user", step["observation"])
            return
        log.call(None, "bash", {"command": action.strip("\n")})
    if step.get("observation") is not None:
        log.answer(None, step["observation"])


# ----------------------------------------------------------------------------------------------------- mini-swe-agent


def _unpack_mini(value: Json) -> Iterator[Item] | None:
    if isinstance(value, list):
        return iter([Item("", {"messages": value})]) if _is_mini_list(value) else None
    if not isinstance(value, dict):
        return None
    raw = value.get("messages")
    messages = raw if isinstance(raw, list) else list_of(raw) if isinstance(raw, str) and "<returncode>" in raw else []
    info = value.get("info")
    stated = value.get("trajectory_format")
    if isinstance(stated, str) and stated.startswith("mini-swe-agent"):
        return iter([Item("", {**value, "messages": list_of(raw)})])
    if messages and ((isinstance(info, dict) and "mini_version" in info) or _is_mini_list(messages)):
        return iter([Item("", {**value, "messages": messages})])
    return None


def _is_mini_list(messages: list[Any]) -> bool:
    """Return whether these are messages of such a run: commands in blocks, and results with their return codes."""
    has_result = False
    for message in messages:
        if isinstance(message, dict) and message.get("role") == "user":
            text = message.get("content")
            if isinstance(text, str) and text.lstrip().startswith("<returncode>"):
                has_result = True
                break
    return has_result and any(
        message.get("role") == "assistant"
        and isinstance(message.get("content"), str)
        and _BASH_BLOCK.search(message["content"]) is not None
        for message in messages
        if isinstance(message, dict)
    )


def _read_mini(item: Item, fallback: str) -> Recording:
    """Read calls of ``bash`` from ``tool_calls``, else from ``extra.actions``, else from the last block of a text.

    A return code other than 0 is an error. The message with the role ``exit`` is the output of the last command if that
    submitted the work.
    """
    value = item.value
    log = Transcript()
    waiting = 0
    for index, message in enumerate(value["messages"]):
        if not isinstance(message, dict):
            log.note("skipped", f"message {index} is {shown(message)}, not an object")
            continue
        extra = message.get("extra")
        extra = extra if isinstance(extra, dict) else {}
        role, content, speaker = message.get("role"), message.get("content"), role_of(message)
        if message.get("object") == "response" or speaker == "assistant":
            waiting = _take_turn(log, message, extra)
        elif speaker == "tool" or (role == "user" and waiting):
            _answer(log, message, extra)
            waiting = max(0, waiting - 1)
        elif role == "exit":
            if waiting and extra.get("exit_status", "Submitted") == "Submitted":
                log.answer(None, content, failed=False)
            waiting = 0
        elif speaker is None:
            log.note("skipped", f"message {index} has the role {shown(role)}, which is not known")
        else:
            log.say(str(role), content)
    info = value.get("info")
    config = info if isinstance(info, dict) else {}
    record = {key: value[key] for key in ("instance_id", "id", "tools") if value.get(key)}
    return log.recording({**record, "version": config.get("mini_version")}, fallback, MINI_SWE_AGENT.name)


def _take_turn(log: Transcript, message: dict[str, Any], extra: dict[str, Any]) -> int:
    """Add a message of the model; return the number of its calls."""
    content, calls = message.get("content"), message.get("tool_calls")
    if isinstance(calls, list) and calls:
        kept = {"tool_calls", "reasoning_content", "thinking_blocks"}
        log.messages.append({"role": "assistant", "content": content, **{k: message[k] for k in kept & set(message)}})
        return len(calls)
    if content is None:
        content = "\n".join(
            text_of(entry.get("content")) for entry in list_of(message.get("output")) if isinstance(entry, dict)
        )
    text = text_of(content)
    block = _last(_BASH_BLOCK, text)
    actions = [action for action in list_of(extra.get("actions")) if action]
    if not actions and "actions" not in extra and block is not None:
        actions = [block.group(1)]
    _say(log, text.replace(block.group(0), "") if block is not None and actions else text)
    if not actions and not text.strip():
        log.say("assistant", "")
    count = 0
    for action in actions:
        command = action.get("command", action.get("action")) if isinstance(action, dict) else action
        call_id = action.get("tool_call_id") if isinstance(action, dict) else None
        if not isinstance(command, str):
            log.note("skipped", f"an action states no command: {shown(action)}")
            continue
        count += log.call(call_id, "bash", {"command": command})
    return count


def _answer(log: Transcript, message: dict[str, Any], extra: dict[str, Any]) -> None:
    code = extra.get("returncode")
    content = message.get("content", message.get("output"))
    if not isinstance(code, int):
        code = exit_code_in(text_of(content))
    failed = True if extra.get("exception_info") else None if code is None else code != 0
    log.answer(message.get("tool_call_id") or message.get("call_id"), content, failed=failed)


SWE_AGENT = Format("swe-agent", _unpack_swe, _read_swe, keys=frozenset({"trajectory", "history", "messages"}))
MINI_SWE_AGENT = Format("mini-swe-agent", _unpack_mini, _read_mini, keys=frozenset({"messages", "trajectory_format"}))

"""Checks of tasks whose story a model wrote and whose tools a model plays: only the conversation is known of them.

There is no plan to compare with and no world to look into. Every value of a call was said or returned, each wish led to
a successful call of the tool that it is about, and what destroys something had a yes. The rest is for the committee.
"""

from __future__ import annotations

from tdlab.records import CODE_TOOL
from tdlab.rollout import goal_steps, setting_of
from tdlab.tools import leaves, nature, preview
from tdlab.verify.code_grounding import NO_SOURCE
from tdlab.verify.context import CheckContext
from tdlab.verify.outcomes import agreed
from tdlab.verify.sources import Seen, fixed_by_schema, is_grounded, narrows

__all__ = ["check_destroyed", "check_served", "check_values"]


def check_values(context: CheckContext) -> str:
    """Check that the user said every value of an argument, or that a call returned it."""
    heard: list[str] = []
    proposed: list[str] = []
    seen = Seen()
    setting = setting_of(context.blueprint)
    now = setting.now if setting is not None else ""
    calls = iter(context.calls)
    checked = next(calls, None)
    for position, message in enumerate(context.trajectory.messages):
        if message.role == "tool":
            seen.add(context.answers.get(message.tool_call_id or ""))
        elif message.role == "user":
            heard += [*proposed, message.content]  # what the assistant proposed, the user could refuse
            proposed.clear()
        elif message.content:
            proposed.append(message.content)
        while checked is not None and checked.position == position:
            tool = checked.tool
            for parameter, value in (
                checked.call.arguments.items() if tool is not None and tool.key != CODE_TOOL else ()
            ):
                schema = tool.parameters.get(parameter, {}) if tool is not None else {}
                reads_only = tool is not None and nature(tool).effect not in ("write", "delete")
                if fixed_by_schema(value, schema) or (reads_only and narrows(value, parameter, schema, heard, seen)):
                    continue
                for _, leaf in leaves(value, parameter):
                    if not isinstance(leaf, bool) and not is_grounded(leaf, heard, seen, now):
                        return f"{checked.name}: {parameter} is {preview(leaf)}, {NO_SOURCE}"
            checked = next(calls, None)
    return ""


def check_served(context: CheckContext) -> str:
    """Check that each wish led to a successful call of the tool that it is about."""
    succeeded = {checked.tool.key for checked in context.calls if checked.tool is not None and not checked.failed}
    for turn in sorted({step.turn for step in context.blueprint.steps}):
        for step in goal_steps(context.blueprint, context.tools, turn):
            for call in step.calls:
                if call.tool not in succeeded:
                    return f"{call.tool} was never called with success, though a wish is about it"
    return ""


def check_destroyed(context: CheckContext) -> str:
    """Check that the user agreed before each successful call that destroys something."""
    for checked in context.calls:
        if checked.tool is None or checked.failed or nature(checked.tool).effect != "delete":
            continue
        heard = [m.content for m in context.trajectory.messages[: checked.position] if m.role == "user"]
        asked = any(word in text.casefold() for text in heard for word in (nature(checked.tool).verb,) if word)
        if not asked and not agreed(context, checked):
            return f"{checked.name} was called without the user's yes"
    return ""

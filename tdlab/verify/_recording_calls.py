"""Checks of the calls of a recording: arguments, offer, schemas, results, repetitions."""

from __future__ import annotations

import json
import re
from collections import Counter

from tdlab.errors import SchemaError
from tdlab.tools import compile_schema, printable
from tdlab.verify.context import CheckedCall
from tdlab.verify.recording import Finding, RecordingContext, failed, not_known
from tdlab.verify.repeats import repeated_call

__all__ = [
    "check_arguments",
    "check_guesses",
    "check_offer",
    "check_results",
    "check_retries",
    "check_schema",
    "is_cut",
]

NO_DEFINITIONS = "the recording has no tool definitions"
NO_RESULTS = "the recording has no results"

# How recorders mark that they cut a text: ToolBench with three dots, others with a word in brackets.
_CUT = re.compile(
    r"(?:\.\.\.|…)\s*\Z"
    r"|[\[(<{.…]\s*(?:(?:output|content|text|result|response) )?(?:was |is )?truncated\b"
    r"|\btruncated\b[^\n]{0,40}[\])>}]\s*\Z|\[?\d+ (?:more )?(?:characters|chars|lines|tokens) (?:omitted|truncated)",
    re.IGNORECASE,
)
_TAIL = 400  # characters of a result in which it says that it was cut
_PASSES = re.compile(
    r"time[d ]?-?\s?out|rate.?limit|too many requests|\b(?:429|500|502|503|504)\b|unavailable|temporar|try again"
    r"|retry|overloaded|connection|network|econn|socket|fetch failed|internal (?:server )?error|in progress|not ready"
    r"|busy|locked|pending|navigation|still running|already running",
    re.IGNORECASE,
)


def is_cut(text: str) -> bool:
    """Return whether a recorder has cut a result short: it says so, or is the beginning of a JSON text."""
    return _CUT.search(text[-_TAIL:]) is not None or (text.lstrip()[:1] in ("{", "[") and _ends_early(text))


def check_arguments(context: RecordingContext) -> Finding | None:
    """Check that the arguments of every call are a JSON object."""
    unknown = None
    for checked in context.calls:
        text = checked.call.malformed
        if text is None:
            continue
        # ToolBench cuts the nodes of its trees: the arguments end early, and there is no result
        if _ends_early(text) and (checked.result is None or is_cut(checked.result.content)):
            unknown = unknown or not_known("arguments are cut off")
            continue
        return failed(
            f"{_name(checked)}: the arguments are no JSON object: {printable(text, most=80)}", checked.position
        )
    return unknown


def _ends_early(text: str) -> bool:
    """Return whether a text is the beginning of a JSON text."""
    text = text.rstrip()
    if text.endswith(("...", "…")):
        return True
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text) - 1 or error.msg.startswith("Unterminated string")
    except (ValueError, RecursionError):
        return False
    return False


def check_offer(context: RecordingContext) -> Finding | None:
    """Check that every call names an offered tool."""
    if not context.tools:
        return not_known(NO_DEFINITIONS) if context.calls else None
    for checked in context.calls:
        if checked.tool is None:
            return failed(f"{_name(checked)} names no offered tool", checked.position)
    return None


def check_schema(context: RecordingContext) -> Finding | None:
    """Check the arguments of every call against the input schema of its tool."""
    if not context.tools:
        return not_known(NO_DEFINITIONS) if context.calls else None
    unknown = None
    for checked in context.calls:
        if checked.tool is None or checked.call.malformed is not None:
            continue
        try:
            problems = compile_schema(checked.tool.input_schema).errors(checked.call.arguments)
        except SchemaError:
            unknown = not_known("the input schema of a tool is invalid")
            continue
        for problem in problems:
            return failed(f"{_name(checked)}: {problem}", checked.position)
    return unknown


def check_results(context: RecordingContext) -> Finding | None:
    """Check that each result answers one call, and that each call has one result.

    A call of the last message has none if the recording ends there; that is for the check of the ending.
    """
    answered: Counter[str] = Counter()
    ids = {checked.call.id for checked in context.calls}
    made: set[str] = set()
    for index, message in enumerate(context.messages):
        made.update(call.id for call in message.tool_calls)
        if message.role != "tool":
            continue
        if message.tool_call_id not in ids:
            return failed(f"a result answers no call: {printable(message.content, most=60)}", index)
        if message.tool_call_id not in made:
            return failed(f"a result comes before its call {message.tool_call_id!r}", index)
        answered[message.tool_call_id] += 1
        if answered[message.tool_call_id] > 1:
            return failed(f"the call {message.tool_call_id!r} has two results", index)
    if len(ids) != len(context.calls):
        repeated = next(call_id for call_id, n in Counter(c.call.id for c in context.calls).items() if n > 1)
        return failed(f"two calls have the id {repeated!r}")
    if not answered:
        return not_known(NO_RESULTS) if context.calls else None
    missing = [c for c in context.calls if c.result is None and c.position < len(context.messages) - 1]
    if missing and _is_shortened(context):
        return not_known("results are cut off")
    return failed(f"{_name(missing[0])} has no result", missing[0].position) if missing else None


def _is_shortened(context: RecordingContext) -> bool:
    """Return whether the recorder shortened what it kept: arguments without an end, results marked as cut."""
    return any(
        is_cut(c.result.content) if c.result is not None else _ends_early(c.call.malformed or "{}")
        for c in context.calls
    )


def check_retries(context: RecordingContext) -> Finding | None:
    """Check that no call is made twice at once, and that one that failed is not made again as it was.

    An error that passes by itself, such as a time-out, may be answered by the same call.
    """
    known = [checked for checked in context.calls if checked.call.malformed is None]
    repeat = repeated_call(
        [checked for checked in known if checked.result is not None],
        context.messages,
        may_repeat=lambda checked: checked.result is not None and bool(_PASSES.search(checked.result.content)),
    )
    if repeat is None:
        return not_known(NO_RESULTS) if context.calls and not context.trajectory.results() else None
    first, again = repeat
    if first.result is not None and is_cut(first.result.content):
        return not_known("results are cut off")  # whether the error passes, or is one, is in what was cut
    if first.position == again.position:
        return failed(f"{_name(again)} is made twice in one message", again.position)
    error = printable(first.result.content if first.result is not None else "", most=60)
    return failed(f"{_name(again)} repeats a call that failed: {error}", again.position)


_INVENTED = re.compile(
    r"<tool_response>|<function_results?>|<\|?(?:observation|tool_result)s?\|?>|^Observation: ?\S", re.MULTILINE
)


def check_guesses(context: RecordingContext) -> Finding | None:
    """Check that no result rests on a guess: by the receipts, and that the assistant writes no result itself."""
    for index, message in context.spoken():
        invented = _INVENTED.search(message.content)
        if invented is not None:
            shown = printable(message.content[invented.start() :], most=60)
            return failed(f"the assistant writes a result itself: {shown}", index)
    receipts = context.trajectory.executions
    guessed = next((receipt for receipt in receipts if receipt.executor.endswith(":guessed")), None)
    if guessed is not None:
        return failed(f"the result of {guessed.tool} ({guessed.call_id}) is a guess")
    if context.calls and not receipts:
        return not_known("the recording has no receipts of an executor")
    return None


def _name(checked: CheckedCall) -> str:
    return printable(checked.call.name, most=80)

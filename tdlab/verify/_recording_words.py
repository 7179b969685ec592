"""Checks of what is said in a recording: the order of roles, consent, errors reported, the ending."""

from __future__ import annotations

import re

from tdlab.tools import printable, says_a_form_of
from tdlab.verify.context import CheckedCall
from tdlab.verify.grounding import declines
from tdlab.verify.recording import Finding, RecordingContext, failed, not_known
from tdlab.verify.repeats import answered_yes

__all__ = ["check_consent", "check_ending", "check_errors_reported", "check_roles"]


def check_roles(context: RecordingContext) -> Finding | None:
    """Check the order of roles: instructions first, and neither user nor assistant speaks twice in a row."""
    previous = ""
    for index, message in enumerate(context.messages):
        if message.role == "system" and previous not in ("", "system"):
            return failed("a system message is not at the beginning", index)
        if message.role == "user" and previous == "user":
            return failed("the user speaks twice in a row", index)
        if message.role == "assistant" and previous == "assistant":
            return failed("the assistant speaks twice in a row", index)
        previous = "assistant (calls)" if message.tool_calls else message.role
    return None


# ------------------------------------------------------------------------------------------------------------ ending

_STOPS = re.compile(r"###[A-Z-]+###|\b(?:TERMINATE|STOP)\b")  # a simulated user's last word (tau-bench, AutoGen)
# Tools whose call is the end: tau-bench hands over to a person, agents submit or give up.
_LAST_TOOLS = re.compile(
    r"transfer_to_human|finish|submit|terminate|claim_done|give_?up|handoff|complete_task|task_done|attempt_completion"
    r"|\bexit\b|end_conversation|\bdone\b",
    re.IGNORECASE,
)
_SUBMITS = re.compile(r"COMPLETE_TASK_AND_SUBMIT|<finish>|<submit>|\bTASK_COMPLETE\b")
"""What agents write into a terminal or a reply to end a run (mini-swe-agent, OpenHands); the harness answers it."""
_BYE = re.compile(
    r"\b(?:thanks|thank you|bye|goodbye|that'?s (?:all|it|everything)|that is all|that will be all|no more|nothing else"
    r"|have a (?:nice|good|great)|cheers|take care|appreciate)\b|谢谢|再见|ありがとう|감사",
    re.IGNORECASE,
)
_SHORT = 400  # characters of a good-bye


def check_ending(context: RecordingContext) -> Finding | None:
    """Check that the conversation ends with a reply that has an end, or with the user's good-bye."""
    messages = context.messages
    spoken = [message for message in messages if message.role != "system"]
    if not spoken:
        return failed("the conversation is empty")
    last, index = spoken[-1], len(messages) - 1
    final = next((message for message in reversed(spoken) if message.role == "assistant"), None)
    if final is not None and _SUBMITS.search(final.content + str([call.arguments for call in final.tool_calls])):
        return None
    if last.role == "user":
        if len(spoken) > 1 and (
            _STOPS.search(last.content) or (_BYE.search(last.content) and len(last.content) < _SHORT)
        ):
            return None
        return failed("the conversation ends with a message of the user", index)
    if last.role == "tool" or last.tool_calls:
        names = {call.name for message in messages[-6:] for call in message.tool_calls}
        if any(_LAST_TOOLS.search(name) for name in names):
            return None
        return failed("the conversation ends with " + ("a result" if last.role == "tool" else "a call"), index)
    text = last.content.rstrip()
    if not text:
        return failed("the last reply is empty", index)
    if text.count("```") % 2:
        return failed("the last reply ends inside a block of code", index)
    return None


# ------------------------------------------------------------------------------------------------------------ errors

_ACTED = (
    r"(?:cancel|book|updat|chang|creat|sent|add|delet|remov|process|complet|submit|schedul|modif|refund|exchang|return"
    r"|issu|plac|sav|upload|merg|deploy|publish|post)\w*"
)
_DONE = re.compile(
    rf"\b(?:successfully|ha(?:s|ve) (?:now )?been (?:\w+ly )?{_ACTED}|i(?:'ve| have) (?:now )?(?:\w+ly )?{_ACTED})",
    re.IGNORECASE,
)
_REPORTS = re.compile(
    r"\b(?:error|fail\w*|issue|problem|unfortunately|unable|could ?n['o’]t|could not|can ?not|can['’]t"
    r"|not (?:able|possible|found|available|complete)|unsuccessful|however|instead|but|although|except|apolog\w+|sorry"
    r"|remain\w*|still|unless|did not|didn['’]t|was not|were not|wasn['’]t|partial\w*|limitation\w*|note|manually"
    r"|blocked|missing|denied|insufficient|nothing|none|no|already|only|taken|full|again|rejected|declined|exceeds?"
    r"|invalid|wrong|without|until|different|another)\b|失败|错误|无法|不能|问题|⚠|❌",
    re.IGNORECASE,
)


def check_errors_reported(context: RecordingContext) -> Finding | None:
    """Check that the reply after a call that failed last, an act, does not say that it is done."""
    if context.calls and not context.trajectory.results():
        return not_known("the recording has no results")
    for index, message in context.spoken():
        before = [checked for checked in context.calls if checked.position < index]
        if not before or message.tool_calls or context.user_between(before[-1].position, index):
            continue
        last = before[-1]
        result = last.result
        if result is None or not result.is_error or context.nature(last).effect not in ("write", "delete"):
            continue
        claim = _DONE.search(message.content)
        other = any(
            c.call.name == last.call.name and not c.failed and not context.user_between(c.position, index)
            for c in before
        )
        if claim is not None and not other and not _REPORTS.search(message.content) and not declines(message.content):
            error = printable(result.content, most=60)
            return failed(
                f"{printable(last.call.name, most=60)} failed ({error}), and the reply says {claim[0]!r}", index
            )
    return None


# ----------------------------------------------------------------------------------------------------------- consent

_ASKED_FOR = re.compile(
    r"\bwait for (?:a|the)\b[^.\n]{0,20}\byes\b"
    r"|\b(?:obtain|get|ask(?:ing)? for|require[sd]?|need|wait for|seek|request|receive)\b[^.\n]{0,60}"
    r"\b(?:confirm\w*|consent|approval|permission|go-ahead)"
    r"|\bconfirm\w* (?:with|from) the (?:user|customer)"
    r"|\b(?:explicit|user|customer)(?:'s)?(?: user| customer)? (?:confirmation|consent|approval)"
    r"|\bask\b[^.\n]{0,30}\bbefore\b[^.\n]{0,60}\b(?:delet|chang|modif|updat|book|cancel|execut|act)\w*",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:confirm\w*|proceed|go ahead|would you like|do you (?:want|agree|wish)|\(?yes\)?(?: or no|/no)?|shall i"
    r"|is (?:this|that) (?:ok|okay|correct|right)|should i|may i|let me know|if you(?:'d| would) like|want me to)\b",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"\b(?:yes|yeah|yep|yup|sure|ok|okay|confirm\w*|go ahead|proceed|correct|agree\w*|do it|do that|absolutely"
    r"|sounds? (?:good|great|fine)|that (?:works|is fine|would be great)|that's (?:fine|right|correct)|please do"
    r"|definitely|go for it|approved?)\b",
    re.IGNORECASE,
)
_OTHER_ACTS = re.compile(r"transfer|think|calculat|plan|todo|navigat|click|handoff|agent", re.IGNORECASE)


def check_consent(context: RecordingContext) -> Finding | None:
    """Check that the user agreed before each act that the policy or an annotation makes depend on a yes.

    A rule is a line of the instructions that asks for a yes. It holds for all acts if it speaks of them in general,
    else for those whose verb it names. A rule with exceptions is left to the reader.
    """
    rules = [line for line in context.instructions.splitlines() if _ASKED_FOR.search(line)]
    clear = [line for line in rules if not _EXCEPTION.search(line)]
    unknown = None
    for checked in context.calls:
        nature = context.nature(checked)
        annotated = checked.tool is not None and checked.tool.annotations.destructive is True
        acts = nature.effect in ("write", "delete") and not _OTHER_ACTS.search(checked.call.name)
        if checked.failed or not (annotated or acts) or _agreed(context, checked):
            continue
        verb = nature.verb
        if any(verb and says_a_form_of(line, verb) for line in rules if _EXCEPTION.search(line)):
            unknown = unknown or not_known(_EXCEPTIONS)
        elif annotated or any(_GENERAL.search(line) or (verb and says_a_form_of(line, verb)) for line in clear):
            return failed(f"{printable(checked.call.name, most=60)} without the user's yes", checked.position)
        elif nature.effect == "delete":
            unknown = unknown or not_known(_EXCEPTIONS if rules else _NO_POLICY)
    return unknown


_GENERAL = re.compile(
    r"\b(?:any|all|every|each|take|taking|consequential|write|destructive) (?:\w+ )?actions?\b|\bactions? that\b"
    r"|\bupdat\w+ the (?:\w+ )?database\b|\bbefore (?:acting|making any change)",
    re.IGNORECASE,
)
_EXCEPTION = re.compile(r"\b(?:unless|except|if (?:not|needed|necessary|in doubt)|only if|where)\b", re.IGNORECASE)
_EXCEPTIONS = "no clear rule of the policy covers the act"
_NO_POLICY = "no policy or annotation says what needs the user's yes"


def _agreed(context: RecordingContext, checked: CheckedCall) -> bool:
    """Return whether the user's last words before an act agree to it, or answer a question for a yes."""
    before = context.messages[: checked.position]
    last = max((index for index, message in enumerate(before) if message.role == "user"), default=-1)
    if last < 1:
        return False
    if _AGREES.search(before[last].content):
        return True
    asked = before[last - 1].role == "assistant" and bool(_ASKS.search(before[last - 1].content))
    return asked and answered_yes(before[last - 1 : last + 1], asks=lambda text: True)

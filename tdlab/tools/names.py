"""What a tool's own words say of it: its verb, the entity it is about, its effect, and which parameters are references.

A tool's effect comes from its MCP annotations, else from its verb, else from the shape of its schema, in that order.
Words are English lemmas; a name in another language falls through to the schema. Everything here is a pure function of
one tool, so it can be cached and gives the same answer in any pool.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from tdlab.records import Tool
from tdlab.tools.nouns import singular

__all__ = [
    "NAMING_VERSION",
    "Effect",
    "Operation",
    "ToolNature",
    "nature",
    "nature_of_name",
    "outcome",
    "reference",
    "split_words",
]

NAMING_VERSION = "1"
"""Changes whenever a word list or a rule here changes the effect of some tool."""

Effect = Literal["read", "search", "write", "delete", "compute", "code"]
"""What a call does to the world, as the reasoning-mode alphabet names it."""

Operation = Literal["create", "read", "list", "update", "delete", "act", "compute"]
"""What a call does to its entity; ``act`` is a change of state that is none of the others (send, approve, start)."""


class ToolNature(NamedTuple):
    """The verb (a lemma, or ``""``), what it does to the entity, its effect, and the entity (snake_case singular)."""

    verb: str
    operation: Operation
    effect: Effect
    entity: str


_VERBS: dict[Operation, frozenset[str]] = {
    "create": frozenset(
        "create add new insert register open book reserve place submit post publish upload generate make draft schedule"
        " enroll enrol issue provision mint deploy import build compose clone copy duplicate fork invite append write"
        " record log raise file order request init initialize setup launch spawn prepare save store remember subscribe"
        " enqueue attach upsert ingest plan define".split()
    ),
    "read": frozenset(
        "get read fetch retrieve show view describe inspect details detail info lookup check status track download load"
        " monitor preview peek watch has is who whoami ping health extract receive see display".split()
    ),
    "list": frozenset(
        "list search find query browse discover ls all filter match explore scan lists enumerate".split()
    ),
    "update": frozenset(
        "update edit modify set change rename move patch replace adjust reschedule reassign amend configure tag label"
        " annotate resize put sync refresh mark convert_status merge extend increase decrease transition revise".split()
    ),
    "delete": frozenset(
        "delete remove clear drop destroy purge uninstall erase unlink detach forget trash unregister".split()
    ),
    "act": frozenset(
        "send approve reject start stop pause resume close reopen assign pay refund transfer confirm accept decline"
        " sign"
        " complete finish capture release renew activate deactivate enable disable lock unlock run execute trigger"
        " notify reply forward share connect join leave play click type press navigate fill scroll dispatch ship return"
        " redeem apply charge authorize escalate resolve commit push pull checkout stage restart reboot rotate upgrade"
        " cancel revoke unsubscribe archive withdraw void dismiss terminate kill swap buy sell trade vote follow"
        " unfollow like call invoke submit_order exchange comment enter log_in login"
        " logout select hover drag reset restore undo wait test manage install switch use process promote".split()
    ),
    "compute": frozenset(
        "calculate compute convert estimate quote compare analyze analyse evaluate validate verify parse format predict"
        " forecast rank score translate summarize summarise classify detect sum count measure diff encode decode hash"
        " simulate optimize transform render resolve_units solve add_numbers subtract multiply divide plot score"
        " recommend suggest explain think lint audit tokenize aggregate average profile sample normalize mean median"
        " sin cos tan round floor ceil power sqrt modulo min max".split()
    ),
}
_OPERATION_OF: dict[str, Operation] = {}
for _operation in ("read", "list", "create", "update", "delete", "act", "compute"):
    for _verb in _VERBS[_operation]:  # a set of strings, but each verb is claimed by the first operation that has it
        _OPERATION_OF.setdefault(_verb, _operation)

_EFFECT_OF_OPERATION: dict[Operation, Effect] = {
    "create": "write",
    "read": "read",
    "list": "read",
    "update": "write",
    "delete": "delete",
    "act": "write",
    "compute": "compute",
}
_ENDING_VERBS = frozenset("cancel revoke unsubscribe archive withdraw void dismiss terminate kill".split())
_SEARCH_VERBS = frozenset("search find query discover browse explore filter match scan lookup".split())
_CODE_NAMES = frozenset(
    {"run_code", "execute_code", "run_python", "execute_python", "python", "code_interpreter", "run_script"}
)
_STOP_WORDS = frozenset(
    "by for from to of in on with and or the a an all at as via into using my your this that its per new current be"
    " tool api mcp v1 v2 v3".split()
)
_TRAILING_NOISE = frozenset("tool api mcp endpoint function".split())
_QUERY_WORDS = frozenset("query q search keyword keywords term text prompt question".split())

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_]+")
_REFERENCE_SUFFIX = frozenset(
    "id ids key keys uuid guid ref slug number no code hash handle address token urn ticket sha arn cursor uid".split()
)
_STRONG_SUFFIX = frozenset("id ids uuid guid uid urn arn".split())


@lru_cache(maxsize=65536)
def split_words(name: str) -> tuple[str, ...]:
    """The lower-case words of an identifier: ``getOrderByID``, ``get-order_by id`` -> ``(get, order, by, id)``."""
    return tuple(word.lower() for word in _WORD.findall(name))


@lru_cache(maxsize=65536)
def nature_of_name(name: str) -> ToolNature:
    """The nature that a name alone suggests; an unknown verb counts as ``read``."""
    words = split_words(name)
    while len(words) > 1 and words[-1] in _TRAILING_NOISE:
        words = words[:-1]
    position = next((i for i, word in enumerate(words[:4]) if word in _OPERATION_OF), None)
    if position is None and words and words[-1] in _OPERATION_OF:
        position = len(words) - 1
    if position is None:
        return ToolNature("", "read", "code" if name in _CODE_NAMES else "read", _entity(words))
    verb = words[position]
    rest = words[position + 1 :] or words[:position]
    operation = _OPERATION_OF[verb]
    if operation == "read" and rest and _is_plural(rest) and "by" not in rest and "for" not in rest:
        operation = "list"
    effect: Effect = _EFFECT_OF_OPERATION[operation]
    if verb in _SEARCH_VERBS:
        effect = "search"
    elif verb in _ENDING_VERBS:
        effect = "delete"
    if name in _CODE_NAMES or (verb in ("run", "execute") and "code" in rest):
        effect = "code"
    return ToolNature(verb, operation, effect, _entity(rest))


def nature(tool: Tool) -> ToolNature:
    """The nature of a tool: name first, then what its annotations and its schema know better."""
    base = nature_of_name(tool.name)
    operation, effect = base.operation, base.effect
    reads = effect in ("read", "search", "compute")
    if tool.annotations.read_only is True and not reads and effect != "code":
        operation, effect = ("compute", "compute") if operation in ("create", "act") else ("read", "read")
    elif tool.annotations.read_only is False and reads:
        operation, effect = "act", "delete" if tool.annotations.destructive is True else "write"
    elif effect == "write" and tool.annotations.destructive is True:
        effect = "delete"
    elif effect == "delete" and tool.annotations.destructive is False:
        effect = "write"
    elif base.verb == "" and tool.annotations.read_only is None:
        words = {word for parameter in tool.parameters for word in split_words(parameter)}
        if words & _QUERY_WORDS:
            operation, effect = "list", "search"
        elif tool.parameters and not any(reference(p, base.entity) for p in tool.parameters):
            operation, effect = "compute", "compute"
    return ToolNature(base.verb, operation, effect, base.entity)


@lru_cache(maxsize=65536)
def reference(parameter: str, entity: str = "") -> str | None:
    """The entity that a parameter or an output field refers to by identifier, or None.

    ``invoice_id``, ``invoiceId``, ``invoice_ids`` -> ``invoice``; a bare ``id`` refers to the ``entity`` of its tool.
    Weaker suffixes (``tracking_number``, ``order_key``, ``page_slug``) count as well and keep the whole name as the
    entity, so that a number of one kind never stands for another.
    """
    words = split_words(parameter)
    if not words or words[-1] not in _REFERENCE_SUFFIX:
        return None
    stem = words[:-1]
    if words[-1] in _STRONG_SUFFIX:
        if not stem:
            return entity or None
        return "_".join((*stem[:-1], singular(stem[-1])))
    if not stem or words[-1] in ("cursor", "token", "code", "no", "key", "keys"):
        return None
    return "_".join((*stem, singular(words[-1])))


def _is_plural(words: tuple[str, ...]) -> bool:
    head = next((word for word in reversed(words) if word not in _STOP_WORDS), "")
    return head != singular(head)


def _entity(words: tuple[str, ...]) -> str:
    kept: list[str] = []
    for word in words:
        if word in ("by", "for", "from", "to", "in", "on", "with", "at", "via", "using", "of") and kept:
            break
        if word not in _STOP_WORDS and not word.isdigit():
            kept.append(word)
    if not kept:
        return ""
    return "_".join((*kept[:-1], singular(kept[-1])))


_FAILED = frozenset("error errors error_message error_code error_details err".split())
_WENT_WELL = frozenset("success successful successfully successfull succeeded is_success ok".split())


def outcome(field: str) -> Literal["failed", "went well"] | None:
    """What a returned field tells of the call itself rather than of what was asked for; None for any other field."""
    name = "_".join(split_words(field))
    return "failed" if name in _FAILED else "went well" if name in _WENT_WELL else None

"""What a tool's own words say about it: its verb, its entity, its effect, and which parameters are references.

A tool's effect comes from its MCP annotations, else from its verb, else from the shape of its schema, in that order.
Words are English lemmas; for a name in another language only the schema counts. Everything here is a pure function of
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
    "is_identifier",
    "nature",
    "nature_of_name",
    "outcome_of_field",
    "referenced_entity",
    "service_in_name",
    "split_words",
]

NAMING_VERSION = "2"
"""Change it whenever a word list or a rule here changes the effect of some tool."""

Effect = Literal["read", "search", "write", "delete", "compute", "code"]
"""A call's effect on the world, in the letters of reasoning modes."""

Operation = Literal["create", "read", "list", "update", "delete", "act", "compute"]
"""A call's operation on its entity; ``act`` is any other change of state (send, approve, start)."""


class ToolNature(NamedTuple):
    """The verb (a lemma, or ``""``), its operation, its effect, and the entity (snake_case singular)."""

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
_HTTP_METHODS = frozenset("post put patch".split())
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
    "id ids identifier identifiers key keys uuid guid ref slug number no code hash handle address token urn ticket sha"
    " arn cursor uid".split()
)
_STRONG_SUFFIX = frozenset("id ids identifier identifiers uuid guid uid urn arn".split())
_NO_ENTITY = frozenset("unique global".split())
"""Words between an entity and its suffix: ``invoice_unique_id``, ``team_global_id``."""


@lru_cache(maxsize=65536)
def split_words(name: str) -> tuple[str, ...]:
    """Return the lower-case words of an identifier.

    Args:
        name: A name in any style: camelCase, snake_case, kebab-case or with spaces.

    Returns:
        Its words in order; numbers are words of their own.

    Example:
        >>> split_words("getOrderByID"), split_words("get-order_by id2")
        (('get', 'order', 'by', 'id'), ('get', 'order', 'by', 'id', '2'))
    """
    return tuple(word.lower() for word in _WORD.findall(name))


def service_in_name(visible: str) -> tuple[str, str]:
    """Return the service and the tool that a name of the form ``service__tool`` or ``mcp__service__tool`` states.

    Args:
        visible: The name that a model sees.

    Returns:
        The service and the tool's own name; an empty service and the whole name for any other name.

    Example:
        >>> service_in_name("mcp__mail__send"), service_in_name("send_mail")
        (('mail', 'send'), ('', 'send_mail'))
    """
    service, mark, name = visible.removeprefix("mcp__").partition("__")
    return (service, name) if mark and service and name else ("", visible)


@lru_cache(maxsize=65536)
def nature_of_name(name: str) -> ToolNature:
    """Return the nature that a tool's name alone suggests.

    Args:
        name: The tool's name.

    Returns:
        Its nature; an unknown verb counts as ``read``.

    Example:
        >>> nature_of_name("cancel_orders")
        ToolNature(verb='cancel', operation='act', effect='delete', entity='order')
    """
    words = split_words(name)
    while len(words) > 1 and words[-1] in _TRAILING_NOISE:  # order_lookup_tool
        words = words[:-1]
    position = next((i for i, word in enumerate(words[:4]) if word in _OPERATION_OF), None)
    if position is None and words and words[-1] in _OPERATION_OF:
        position = len(words) - 1
    if position is None:
        return ToolNature("", "read", "code" if name in _CODE_NAMES else "read", _entity(words))
    later = next((i for i, word in enumerate(words) if i > position and word in _SEARCH_VERBS), None)
    if words[position] in _HTTP_METHODS and later is not None and words[later] not in words[:position]:
        position = later  # API-post-search, post_database_query: generated from an OpenAPI file, they search
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
    """Return the nature of a tool: its name's, corrected by its annotations and its schema.

    Args:
        tool: The tool.

    Returns:
        Its verb, operation, effect and entity.

    Example:
        >>> from tdlab.records import Annotations, Tool
        >>> ping = Tool(service="s", name="send_ping", input_schema={}, annotations=Annotations(read_only=True))
        >>> nature(ping).effect
        'compute'
    """
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
        asked = {words[-1] for parameter in tool.parameters if (words := split_words(parameter))}
        if asked & _QUERY_WORDS:  # search_text, but not text_color
            operation, effect = "list", "search"
        elif tool.parameters and not any(referenced_entity(p, base.entity) for p in tool.parameters):
            operation, effect = "compute", "compute"
    return ToolNature(base.verb, operation, effect, base.entity)


@lru_cache(maxsize=65536)
def referenced_entity(parameter: str, entity: str = "") -> str | None:
    """Return the entity that a parameter or an output field identifies, or None.

    Weaker suffixes (``tracking_number``, ``order_key``, ``page_slug``) count too but keep the whole name as the entity,
    so that a number of one kind never stands for another.

    Args:
        parameter: The name of a parameter or field.
        entity: The entity of its tool, to which a bare ``id`` refers.

    Returns:
        The entity in snake_case, or None if the name identifies nothing.

    Example:
        >>> [referenced_entity(name, "order") for name in ("invoiceId", "id", "tracking_number", "city")]
        ['invoice', 'order', 'tracking_number', None]
    """
    stem, suffix = _parts(parameter)
    if not suffix:
        return None
    if suffix in _STRONG_SUFFIX:
        if not stem:
            return entity or None
        return "_".join((*stem[:-1], singular(stem[-1])))
    if not stem or suffix in ("cursor", "token", "code", "no", "key", "keys"):
        return None
    return "_".join((*stem, singular(suffix)))


def is_identifier(parameter: str) -> bool:
    """Return whether a name has the suffix of an identifier: ``order_id``, ``project_id_or_name``.

    Args:
        parameter: The name of a parameter or field.

    Returns:
        Whether its suffix is one of identifiers.

    Example:
        >>> is_identifier("store_identifier"), is_identifier("tracking_number")
        (True, False)
    """
    return _parts(parameter)[1] in _STRONG_SUFFIX


@lru_cache(maxsize=65536)
def _parts(parameter: str) -> tuple[tuple[str, ...], str]:
    """Return the words before the suffix of a reference, and the suffix; ``""`` where there is none."""
    words = split_words(parameter)
    if "or" in words[1:]:  # project_id_or_name, issue_id_or_key
        words = words[: words.index("or", 1)]
    if not words or words[-1] not in _REFERENCE_SUFFIX:
        return words, ""
    stem = words[:-1]
    if len(stem) > 1 and stem[-1] in _NO_ENTITY:
        stem = stem[:-1]
    return stem, words[-1]


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


def outcome_of_field(field: str) -> Literal["failed", "went well"] | None:
    """Return the outcome of a call that a returned field reports, if it is about the call rather than its data.

    Args:
        field: The field's name.

    Returns:
        ``failed`` for a field that describes an error, ``went well`` for a flag of success, None for any other field.

    Example:
        >>> outcome_of_field("errorMessage"), outcome_of_field("success"), outcome_of_field("order_id")
        ('failed', 'went well', None)
    """
    name = "_".join(split_words(field))
    return "failed" if name in _FAILED else "went well" if name in _WENT_WELL else None

"""Measures of what an assistant does: picks, retries, handled errors, idle calls, roles, requests, receipts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tdlab.quality._conversation import Call, Conversation, is_acting, key_leaves, text_form
from tdlab.quality._outcome import Outcome
from tdlab.records import CODE_TOOL, Json
from tdlab.tools import preview, shorten, split_words

__all__ = [
    "conversations_with_error",
    "conversations_with_handled_error",
    "created_and_destroyed",
    "first_item_picks",
    "guessed_results",
    "identical_retries",
    "idle_calls",
    "requests_sharing_no_service",
    "results_without_information",
    "two_roles_one_entity",
]

# -------------------------------------------------------------------------------------------------- picks from lists

_MOST_LISTS = 20  # read of one result
_NAMING = frozenset("id name title number code handle slug path url email key ref reference uuid sku".split())
_IDENTIFIER = re.compile(r"(?=.*\d)(?!\d{4}-\d\d-\d\d)(?!\d\d?:\d\d)(?!\d{1,4}$)(?!.*\d\.\d)[^\s]{3,}")


def first_item_picks(conversation: Conversation) -> Outcome:
    """Of the picks from lists, those of the first item.

    A pick is the first later call with an identifier or name that one item of the list has alone and that did not occur
    before the list. A list counts once. A list whose items are all used is walked through, not picked from: it does not
    count, and neither do lists in the results of calls that change something.
    """
    hits: list[str] = []
    n = 0
    arguments = [{text_form(leaf) for _, leaf in key_leaves(call.call.arguments)} for call in conversation.calls]
    known: set[str] = set()
    for index, call in enumerate(conversation.calls):
        known |= arguments[index]
        if not call.succeeded or is_acting(call) or index + 1 == len(conversation.calls):
            continue
        for items in _lists(call.value):
            positions = _positions(items)
            said = [user.plain for user in conversation.users if user.place < call.message]
            new = {form for form in positions.keys() - known if not any(form in text for text in said)}
            picks = [
                (later, min(positions[form] for form in forms & new))
                for later, forms in zip(conversation.calls[index + 1 :], arguments[index + 1 :], strict=True)
                if later.message > call.message and not new.isdisjoint(forms)
            ]
            used = {positions[form] for forms in arguments[index + 1 :] for form in forms & new}
            if not picks or len(used) == len(items):
                continue
            n += 1
            taker, position = picks[0]
            if position == 0:
                hits.append(f"{call.call.name} listed {len(items)}; {taker.call.name} took the first")
    return Outcome(hits, n)


def _lists(value: Json) -> Iterator[list[list[dict[str, Json]]]]:
    """Yield the lists of two or more items in a result; an item is an object, or a list of objects that go together."""
    waiting, left = [value], _MOST_LISTS
    while waiting and left:
        item = waiting.pop(0)
        if isinstance(item, list):
            items = [inner if isinstance(inner, list) else [inner] for inner in item]
            if len(items) >= 2 and all(inner and all(isinstance(part, dict) for part in inner) for inner in items):
                left -= 1
                yield items
        elif isinstance(item, dict):
            waiting.extend(inner for inner in item.values() if isinstance(inner, (dict, list)))


def _positions(items: list[list[dict[str, Json]]]) -> dict[str, int]:
    """Return the position of each value that one item has alone and that can identify it."""
    positions: dict[str, int] = {}
    shared: set[str] = set()
    for position, item in enumerate(items):
        for form in {text_form(leaf) for part in item for key, leaf in part.items() if _identifies(key, leaf)}:
            if form in positions:
                shared.add(form)
            positions[form] = position
    return {form: position for form, position in positions.items() if form not in shared}


def _identifies(key: str, leaf: Json) -> bool:
    if isinstance(leaf, bool) or not isinstance(leaf, (str, int)):
        return False
    words = split_words(key)
    if words and words[-1] in _NAMING:
        return len(str(leaf)) > 1
    return isinstance(leaf, str) and len(leaf) < 80 and _IDENTIFIER.match(leaf) is not None


# -------------------------------------------------------------------------------------------------- errors

_REPORTS = re.compile(
    r"\b(?:can't|cannot|couldn't|could not|unable|unfortunately|sorry|apolog\w+|error|fail\w*|issue|problem|not|no"
    r"|isn't|wasn't|doesn't|didn't|won't|already|only|instead|full|nothing|none|too|again|rejected|declined|denied|allowed"
    r"|exceeds?|missing|invalid|wrong|without|unless|until|different)\b"
)


def identical_retries(conversation: Conversation) -> Outcome:
    """Of the errors, those answered by the identical call before the user said anything."""
    failures = [call for call in conversation.calls if call.failed]
    hits = [
        f"{call.call.name} again after: {shorten(call.text or '', 70)}"
        for call in failures
        if _repeated(conversation, call)
    ]
    return Outcome(hits, len(failures))


def _repeated(conversation: Conversation, failure: Call) -> bool:
    """Return whether the next calls after an error contain the same call, with nothing else in between."""
    later = [call for call in conversation.calls if call.message > failure.message]
    if not later:
        return False
    next_message = later[0].message
    if any(failure.message < user.place < next_message for user in conversation.users):
        return False
    same = (failure.call.name, failure.call.arguments)
    return any((call.call.name, call.call.arguments) == same for call in later if call.message == next_message)


def conversations_with_error(conversation: Conversation) -> Outcome | None:
    """Of the conversations with recorded results, those in which a call ended in an error."""
    if not any(call.text is not None for call in conversation.calls):
        return None if conversation.calls else Outcome([], 1)
    failure = next((call for call in conversation.calls if call.failed), None)
    return Outcome([] if failure is None else [f"{failure.call.name}: {shorten(failure.text or '', 80)}"], 1)


def conversations_with_handled_error(conversation: Conversation) -> Outcome | None:
    """Of the conversations with recorded results, those with errors that are all handled.

    An error is handled where the identical call does not follow, and another call then succeeds or a reply reports it.
    """
    occurs = conversations_with_error(conversation)
    if occurs is None or not occurs.hits:
        return occurs
    failures = [call for call in conversation.calls if call.failed]
    handled = all(not _repeated(conversation, call) and _answered(conversation, call) for call in failures)
    return Outcome(occurs.hits if handled else [], 1)


def _answered(conversation: Conversation, failure: Call) -> bool:
    if any(call.succeeded and call.message > failure.message for call in conversation.calls):
        return True
    return any(reply.place > failure.message and _REPORTS.search(reply.plain) for reply in conversation.replies)


# -------------------------------------------------------------------------------------------------- results

_SAYS_LITTLE = frozenset({"next_cursor", "next_page_token", "cursor", "request_id", "timestamp"})


def results_without_information(conversation: Conversation) -> Outcome | None:
    """Of the results of successful calls, those that say nothing: empty, only null, or only echoes of the arguments.

    An empty list says that there is nothing, and an act's echo beside a flag or state of success says that it was done.
    """
    answered = [call for call in conversation.calls if call.succeeded]
    if not answered:
        return None
    hits = [
        f"{call.call.name} returned {shorten((call.text or '').strip() or 'nothing', 70)}"
        for call in answered
        if _says_nothing(call)
    ]
    return Outcome(hits, len(answered))


def _says_nothing(call: Call) -> bool:
    if call.value is None or call.value in ({}, ""):
        return True
    if not isinstance(call.value, dict):
        return False
    if any(value == [] for value in call.value.values()):
        return False
    echoes = {text_form(leaf) for _, leaf in key_leaves(call.call.arguments)} | {""}
    leaves = [(key, leaf) for key, leaf in key_leaves(call.value) if key not in _SAYS_LITTLE]
    return all(leaf is None or (not isinstance(leaf, bool) and text_form(leaf) in echoes) for _, leaf in leaves)


def guessed_results(conversation: Conversation) -> Outcome | None:
    """Of the calls whose receipts say what their result rests on, those that rest on a guess."""
    receipts = [receipt for receipt in conversation.trajectory.executions if receipt.executor != "simulated"]
    if not receipts:
        return None
    return Outcome(
        [f"{receipt.tool} ({receipt.call_id})" for receipt in receipts if receipt.executor == "simulated:guessed"],
        len(receipts),
    )


_TOKEN = re.compile(r"[^\W_]+")
_KEY = re.compile(r'"([^"\\]{1,60})"\s*:')
_MOMENT = re.compile(r"\d{4}-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d))?")
_SLICE = 1500  # characters of a result read at once
_WORTH = 3  # characters from which a word can tell that a result was used


def idle_calls(conversation: Conversation) -> Outcome | None:
    """Of the successful calls that change nothing, those whose result is neither used nor told.

    A result counts as used or told as soon as one number or one word of three letters from it, which the call's own
    arguments do not hold, occurs in a later argument or reply. So does a list whose next reply says a number (it was
    counted), a look before an act on the same thing, and a result whose next reply reports that something is not
    possible. Results without such words or numbers, results with flags, which are told in other words, and calls that
    no reply follows are not measured.
    """
    hits: list[str] = []
    n = 0
    last_reply = max((reply.place for reply in conversation.replies), default=-1)
    reading = [c for c in conversation.calls if c.succeeded and not is_acting(c) and c.message < last_reply]
    if not reading:
        return Outcome([], 0) if conversation.calls else None
    later: set[str] = set()
    follows = [(reply.place, reply.plain) for reply in conversation.replies]
    follows += [(c.message, str(list(c.call.arguments.values()))) for c in conversation.calls]
    follows.sort()
    for call in reversed(reading):
        while follows and follows[-1][0] > call.message:
            later |= _tokens(follows.pop()[1])
        text = call.text or ""
        if "true" in text or "false" in text:
            continue
        own = _tokens(str(list(call.call.arguments.values())))
        tells = False  # whether the result has anything to tell
        for start in range(0, len(text), _SLICE):  # of a long result, the first part usually decides
            tokens = _tokens(_KEY.sub(" ", text[start : start + _SLICE])) - own
            tells = tells or bool(tokens)
            if not tokens.isdisjoint(later):
                n += 1
                break
        else:
            if tells:
                n += 1
                if _served_otherwise(conversation, call):
                    continue
                hits.append(f"{call.call.name}({shorten(preview(call.call.arguments), 60)})")
    return Outcome(hits, n)


def _served_otherwise(conversation: Conversation, call: Call) -> bool:
    """Return whether a result whose words never come back was counted, was a look before an act, or led to a no."""
    reply = next(reply for reply in conversation.replies if reply.place > call.message)
    if _REPORTS.search(reply.plain):
        return True
    if next(_lists(call.value), None) is not None and any(token.isdecimal() for token in _tokens(reply.plain)):
        return True
    own = {form for _, leaf in key_leaves(call.call.arguments) if len(form := text_form(leaf)) > 2}
    later = [other for other in conversation.calls if other.message > call.message and is_acting(other)]
    return any(text_form(leaf) in own for other in later for _, leaf in key_leaves(other.call.arguments))


def _tokens(text: str) -> set[str]:
    """Return the words and numbers of a text; of a moment its day, hour and minute, of an amount also a hundredth."""
    tokens: set[str] = set()
    for month, day, hour, minute in _MOMENT.findall(text):
        tokens.update((day.lstrip("0"), _MONTHS[int(month) % 13], hour.lstrip("0") or hour, minute))
        if hour:
            tokens.add(str((int(hour) - 1) % 12 + 1))
    for word in _TOKEN.findall(_MOMENT.sub(" ", text).casefold()):
        if word.isdecimal():
            number = word.lstrip("0") or "0"
            tokens.add(number)
            if len(number) > 2:
                tokens.add(number[:-2])
            continue
        if len(word) >= _WORTH:
            tokens.add(_NUMBER_WORDS.get(word, word))
        if word[0].isdigit() and (number := _ORDINAL.match(word)):
            tokens.add(number[1])
    return tokens - _EMPTY


_ORDINAL = re.compile(r"^0*(\d+)[a-z]{1,3}$")
_MONTHS = ("", *"january february march april may june july august september october november december".split())
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
}
_EMPTY = frozenset({"null", "none", "the", "and", ""})


# -------------------------------------------------------------------------------------------------- the plan

_UNDOES = frozenset("delete remove cancel revoke drop destroy purge erase trash void withdraw".split())


def created_and_destroyed(conversation: Conversation) -> Outcome | None:
    """Of the conversations with calls, those in which something is created and then deleted or cancelled."""
    if not conversation.calls:
        return None
    created: dict[str, str] = {}
    for call in conversation.calls:
        if not call.succeeded:
            continue
        if call.nature.effect == "delete" and call.nature.verb in _UNDOES:
            for _, leaf in key_leaves(call.call.arguments):
                maker = created.get(text_form(leaf))
                if maker is not None:
                    return Outcome([f"{maker}, then {call.call.name}: {shorten(text_form(leaf), 40)}"], 1)
        elif call.nature.operation == "create" and isinstance(call.value, dict):
            arguments = {text_form(leaf) for _, leaf in key_leaves(call.call.arguments)}
            for key, leaf in call.value.items():
                words = split_words(key)
                if (
                    isinstance(leaf, (str, int))
                    and words
                    and words[-1] in ("id", "uuid", "number", "code", "reference")
                ):
                    form = text_form(leaf)
                    if len(form) >= 2 and form not in arguments:
                        created[form] = call.call.name
    return Outcome([], 1)


def requests_sharing_no_service(conversation: Conversation) -> Outcome | None:
    """Of the pairs of successive requests that lead to calls, those whose calls share no service."""
    if any(not call.service and call.key != CODE_TOOL for call in conversation.calls):
        return None
    by_turn: dict[int, dict[str, None]] = {}
    for call in conversation.calls:
        if call.service:
            by_turn.setdefault(conversation.turn(call.message), {})[call.service] = None
    if not by_turn:
        return None
    requests = [services for _, services in sorted(by_turn.items())]
    hits = [
        f"{', '.join(before)}, then {', '.join(after)}"
        for before, after in pairwise(requests)
        if before.keys().isdisjoint(after)
    ]
    return Outcome(hits, len(requests) - 1)


_ROLES = (
    ("from", "to"), ("source", "target"), ("source", "destination"), ("origin", "destination"), ("sender", "recipient"),
    ("sender", "receiver"), ("buyer", "seller"), ("payer", "payee"), ("old", "new"), ("current", "new"),
    ("home", "away"), ("debtor", "creditor"), ("borrower", "lender"), ("landlord", "tenant"),
    ("pickup", "dropoff"), ("left", "right"),
)  # fmt: skip
_NOT_ROLES = frozenset(
    "date day time at on year month week hour minute second page line index offset amount price value number count row"
    " position version level lat lon latitude longitude unit units".split()
)


def two_roles_one_entity(conversation: Conversation) -> Outcome:
    """Of the calls with two roles (from and to, home and away, ...), those that give both to the same entity."""
    hits: list[str] = []
    n = 0
    for call in conversation.calls:
        by_words = {split_words(key): value for key, value in call.call.arguments.items()}
        for words, value in by_words.items():
            for one, other in _ROLES:
                if one not in words:
                    continue
                partner = by_words.get(tuple(other if word == one else word for word in words))
                if partner is None or not isinstance(value, (str, int)) or not _NOT_ROLES.isdisjoint(words):
                    continue
                n += 1
                if text_form(value) == text_form(partner) and text_form(value):
                    hits.append(f"{call.call.name}: {' '.join(words)} and its counterpart are {text_form(value)}")
    return Outcome(hits, n)

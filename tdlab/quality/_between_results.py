"""Contradictions between a call's arguments and its result, and between the results of one conversation."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

from tdlab.quality._conversation import Call, Conversation, is_acting, key_leaves, text_form
from tdlab.quality._objects import Found, entity_of, later_than, moment
from tdlab.quality._one_object import CAPACITY, PEOPLE
from tdlab.records import CODE_TOOL, Json
from tdlab.tools import preview, split_words

__all__ = ["WorldSoFar", "contradictions_with_arguments"]

_FREE_TEXT = frozenset(
    "query q search keyword keywords term text name title prompt question message body content description note notes"
    " summary comment subject status state page limit offset cursor sort order format lang language timezone path url"
    " type kind category address phone tags tag".split()
)
_ONE_DAY = re.compile(r"^(?!.*(?:start|end|from|to_|until|since|before|after|due|birth|min|max|by)).*(?:date|day)$")
_FIRST_DAY = ("start_date", "from_date", "date_from")
_LAST_DAY = ("end_date", "to_date", "date_to")
_STARTS = frozenset({"starts_at", "start_at", "starts_on"})

_VOLATILE = re.compile(
    r"status|state|updat|modif|last|next|count|total|balance|avail|remain|stock|quantit|rate|eta|progress|score|rank"
    r"|view|position|location|now|current|seats|open|distance|relevance|snippet|online|unread|version|time|expires"
    r"|price|cost|amount|fare|fee|cents|minor|percent|number_of|size|level|due|held|paid|refund|age|days|hours|minutes"
    r"|latency|usage|used|free|temperature|load|speed|url|token|cursor|description|text|body|summary|content|message"
    r"|id$|ids$|type|kind|format|label|source|origin|index|order$"
)
_PAST = frozenset(
    f"{word}_at"
    for word in "created updated sent queued entered assigned cancelled canceled revoked closed confirmed solved added"
    " recorded acknowledged posted approved rejected archived completed noted logged saved submitted registered"
    " received rotated reserved booked released resolved escalated uploaded signed delivered".split()
)
_SHARED = ("starts_at", "ends_at", "start_at", "end_at", "currency", "country_code")
_MADE_BY_ITSELF = 2  # entries that a service may add of its own, such as "created"
# "text" and "content" hold a whole answer in MCP's own form, such as a listing that a program has added to
_MOVES = re.compile(
    "time|now|updat|last|next|cursor|token|url|count|request|views|rate|id$|^text$|^content$|message|progress"
)
_ENDED = frozenset("cancelled canceled revoked deleted removed void voided closed archived terminated".split())
_ALIVE = frozenset("active confirmed open booked scheduled planned running live registered enabled".split())
_ENDS = frozenset("cancel revoke delete remove terminate void".split())
_RANKS = (
    frozenset("draft requested pending new created queued submitted unpaid".split()),
    frozenset("confirmed accepted approved processed processing".split()),
    frozenset("shipped dispatched in_transit".split()),
    frozenset("delivered completed finished cancelled canceled revoked deleted refunded expired".split()),
)
_REVIVES = re.compile(r"reopen|restore|resume|reactivate|undo|renew|recreate|retry|re_?book|reinstate|unarchive")


def contradictions_with_arguments(call: Call, objects: list[Found]) -> Iterator[tuple[str, str]]:
    """Yield what a result says against the arguments of its own call."""
    for name, wanted in call.call.arguments.items():
        words = split_words(name)
        if isinstance(wanted, bool) or not isinstance(wanted, (str, int)) or not words:
            continue
        identifies = words[-1] in ("id", "uuid")
        if not identifies and (words[-1] in _FREE_TEXT or words[0] in ("new", "min", "max", "from", "to", "target")):
            continue
        if is_acting(call) and not identifies and call.nature.operation != "create":
            continue  # an act may answer with what it found (tau-bench: the cabin before the change)
        answered = objects[:1] if is_acting(call) else objects
        given = [found.fields[name] for found in answered if name in found.fields]
        given = [value for value in given if isinstance(value, (str, int)) and not isinstance(value, bool)]
        compared = is_acting(call) or identifies or isinstance(wanted, str)
        if compared and given and not any(_agree(wanted, value) for value in given):
            yield "answer", f"asked for {name} {wanted}, got {given[0]}"
    yield from _days(call, objects)
    yield from _rooms(call, objects)


def _agree(wanted: Json, given: Json) -> bool:
    one, other = text_form(wanted), text_form(given)
    if not one or not other or one in other or other in one:
        return True
    if moment(wanted) and moment(given):
        return one[:10] == other[:10]
    flat = re.compile(r"[^a-z0-9]+")
    return flat.sub("", one) == flat.sub("", other) or type(wanted) is not type(given)


def _days(call: Call, objects: list[Found]) -> Iterator[tuple[str, str]]:
    """Yield a result of other days than those that were asked for; a day of leeway is left for time zones."""
    if is_acting(call):
        return
    days = {name: day[:10] for name, value in call.call.arguments.items() if (day := moment(value))}
    single = [day for name, day in days.items() if _ONE_DAY.search(name)]
    first, last = (next((days[name] for name in names if name in days), None) for names in (_FIRST_DAY, _LAST_DAY))
    if len(single) == 1:
        first = last = single[0]
    elif single or (first is None) != (len(days) < 2):
        return
    starts = [m for f in objects for key, value in f.fields.items() if key in _STARTS and (m := moment(value))]
    for start in starts:
        early = first is not None and later_than(first, _shift(start[:10], 1))
        if early or (last is not None and later_than(_shift(start[:10], -1), last)):
            yield "answer", f"asked for {' to '.join(dict.fromkeys(filter(None, (first, last))))}, got {start}"
            return


def _shift(day: str, days: int) -> str:
    try:
        return (datetime.date.fromisoformat(day) + datetime.timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):  # no such day
        return day


def _rooms(call: Call, objects: list[Found]) -> Iterator[tuple[str, str]]:
    """Yield a place that is too small for the people it was searched for."""
    people = [v for name, v in call.call.arguments.items() if name in PEOPLE and isinstance(v, int)]
    if len(people) != 1 or not re.search("free|avail|open|find|search", call.call.name):
        return
    for found in objects:
        for key, value in found.fields.items():
            if key in CAPACITY and isinstance(value, int) and not isinstance(value, bool) and value < people[0]:
                yield "capacity", f"asked for {people[0]} people, got {key} {value}"
                return


class WorldSoFar:
    """What the results of one conversation have said of each entity, to compare the next result with."""

    def __init__(self, conversation: Conversation) -> None:
        self._acts = 0
        self._fields: dict[tuple[str, str], dict[str, Json]] = {}
        self._capacity: dict[str, tuple[str, int]] = {}
        self._ended: dict[str, str] = {}
        self._acted_on: dict[str, int] = {}  # identifier -> the number of the last act that named it
        self._seen_at: dict[tuple[str, str], int] = {}
        self._same_read: dict[tuple[str, str], tuple[int, Json]] = {}
        self._latest: tuple[str, str] | None = None  # the latest moment that is past, and where it was said
        self._now = _now(conversation)
        self._born: dict[str, dict[str, int]] = {}  # created here -> how many of each noun were added to it

    def may_have_changed(self, call: Call) -> None:
        """Note a call that is not an act by its name and may have changed anything."""
        self._acts += call.key != CODE_TOOL  # that one is tdlab's own, and changes nothing outside

    def add(self, call: Call, objects: list[Found]) -> Iterator[tuple[str, str]]:
        """Yield what a result says against earlier ones, and remember it."""
        arguments = {form for _, leaf in key_leaves(call.call.arguments) if (form := text_form(leaf))}
        if is_acting(call):
            self._acts += 1
            yield from self._overfull(call, arguments)
            yield from self._act_on_ended(call, arguments)
        else:
            yield from self._changed_alone(call)
        yield from self._clock(call, objects)
        yield from self._entities(call, objects)
        yield from self._counters(call, objects)
        if is_acting(call):
            self._acted_on.update(dict.fromkeys(arguments, self._acts))
            self._remember_arguments(call, objects)
        for found in objects:
            for key, value in found.fields.items():
                if key in CAPACITY and isinstance(value, int) and not isinstance(value, bool):
                    for name, identifier in found.fields.items():
                        if split_words(name)[-1:] == ("id",) and isinstance(identifier, (str, int)):
                            self._capacity[text_form(identifier)] = (key, value)

    def _overfull(self, call: Call, arguments: set[str]) -> Iterator[tuple[str, str]]:
        people = [v for name, v in call.call.arguments.items() if name in PEOPLE and isinstance(v, int)]
        for form in arguments if len(people) == 1 else ():
            key, most = self._capacity.get(form, ("", people[0]))
            if people[0] > most:
                yield "capacity", f"{call.call.name} for {people[0]} people at {form}, {key} {most}"
        for name, identifier in call.call.arguments.items():
            words = split_words(name)
            if len(words) < 2 or words[-1] != "id":
                continue
            known = self._fields.get((f"{words[-2]}_id", text_form(identifier)), {})
            for key, value in call.call.arguments.items():
                limit = known.get(f"max_{key}")
                if _is_number(value) and _is_number(limit) and value > limit:
                    yield "capacity", f"{call.call.name}: {key} {value}, max_{key} of {identifier} {limit}"

    def _counters(self, call: Call, objects: list[Found]) -> Iterator[tuple[str, str]]:
        """Compare a count of what was added to a thing with the acts that added to it since it was created here."""
        if call.nature.operation == "create" and objects:
            own = _own(call, objects[0])
            given = {text_form(leaf) for leaf in call.call.arguments.values()}
            if (
                own is not None
                and own[1] not in given
                and not re.search("clone|copy|duplicate|import|fork|template", call.call.name)
            ):
                self._born.setdefault(own[1], {})
            noun = call.nature.entity.rpartition("_")[2]
            for form in sorted(given & self._born.keys()):
                most = max((len(v) for v in call.call.arguments.values() if isinstance(v, list)), default=1)
                self._born[form][noun] = self._born[form].get(noun, 0) + max(1, most)
        for found in objects[:1]:
            for form in sorted(
                {text_form(v) for k, v in found.fields.items() if k.endswith("_id")} & self._born.keys()
            ):
                for noun, added in self._born[form].items():
                    for key, value in found.fields.items():
                        if key.endswith(f"{noun}_count") and _is_number(value) and value > added + _MADE_BY_ITSELF:
                            yield "count", f"{key} {value} of {form}, created here, after {added} added"

    def _act_on_ended(self, call: Call, arguments: set[str]) -> Iterator[tuple[str, str]]:
        if _REVIVES.search(call.call.name):
            for form in arguments:
                self._ended.pop(form, None)
            return
        own = next((text_form(v) for n, v in call.call.arguments.items() if split_words(n)[-1:] == ("id",)), "")
        ender = self._ended.get(own)
        changes = call.nature.operation == "update" and ender is not None
        if ender is not None and (
            call.nature.verb in _ENDS or (changes and call.nature.entity == ender.partition(" ")[2])
        ):
            yield "state", f"{call.call.name} after {ender.partition(' ')[0]} of {own}"
        if call.nature.verb in _ENDS and len(call.call.arguments) <= 3 and own:
            status = call.value.get("status") if isinstance(call.value, dict) else None
            form = text_form(status)
            if form in _ALIVE:
                yield "state", f"{call.call.name} succeeds with status {form}"
            elif call.nature.entity and form in _ENDED:
                self._ended[own] = f"{call.call.name} {call.nature.entity}"

    def _clock(self, call: Call, objects: list[Found]) -> Iterator[tuple[str, str]]:
        """Compare the moments at which things happened: an act is never earlier than what was already past before."""
        given = {text_form(leaf) for _, leaf in key_leaves(call.call.arguments)}
        stamps = [
            (stamp, f"{call.call.name} {key}")
            for found in objects
            for key, value in found.fields.items()
            if key in _PAST and (stamp := moment(value)) and len(stamp) > 10 and stamp.casefold() not in given
        ]
        if not stamps:
            return
        top = call.value if isinstance(call.value, dict) else {}
        own = [
            pair
            for pair in stamps
            if pair[0] in top.values()
            and (
                call.nature.operation == "create"
                or not pair[1].endswith((" created_at", " submitted_at", " booked_at"))
            )
        ]
        if is_acting(call) and own and self._latest is not None:
            stamp, where = max(own)
            if later_than(self._latest[0], stamp):
                yield "clock", f"{self._latest[1]} {self._latest[0]}, then {where} {stamp}"
        for stamp, where in stamps:
            if self._now and later_than(stamp[:10], self._now) and later_than(_shift(stamp[:10], -1), self._now):
                yield "clock", f"{where} {stamp}, but it is {self._now}"
                break
            if self._latest is None or later_than(stamp, self._latest[0]):
                self._latest = (stamp, where)

    def _remember_arguments(self, call: Call, objects: list[Found]) -> None:
        """Remember what an act set: a later read of the same entity must show it."""
        own = _own(call, objects[0]) if objects else None
        if own is not None and call.nature.operation in ("create", "update"):
            kept = {k: v for k, v in call.call.arguments.items() if not k.startswith(("new_", "old_"))}
            self._fields[own] = {**self._fields.get(own, {}), **kept}
            self._seen_at[own] = self._acts

    def _changed_alone(self, call: Call) -> Iterator[tuple[str, str]]:
        """Compare the same read, done twice with no act in between."""
        key = (call.call.name, repr(sorted(call.call.arguments.items())))
        before = self._same_read.get(key)
        self._same_read[key] = (self._acts, call.value)
        if before is None or before[0] != self._acts or not isinstance(call.value, dict) or not call.call.arguments:
            return
        if not isinstance(before[1], dict):
            return
        for field, value in call.value.items():
            old = before[1].get(field)
            differs = type(old) is type(value) and isinstance(value, (str, int, float)) and old != value
            if differs and not _MOVES.search(field):
                yield "changed", f"{call.call.name}: {field} {preview(old)}, then {preview(value)}"
                return

    def _entities(self, call: Call, objects: list[Found]) -> Iterator[tuple[str, str]]:
        rows: dict[tuple[str, str], dict[str, Json]] = {}
        repeated: set[str] = set()
        for number, found in enumerate(objects):
            entity = _own(call, found) if number == 0 else entity_of(found)
            if entity is not None:
                if entity in rows and rows[entity] != found.fields:
                    repeated.add(entity[0])  # a field that several rows share identifies none of them
                rows[entity] = found.fields
            yield from self._references(found, entity)
        for entity, fields in rows.items():
            if entity[0] in repeated:
                continue
            known = self._fields.get(entity)
            unchanged = known is not None and self._acted_on.get(entity[1], 0) <= self._seen_at[entity]
            if known is not None and unchanged and not is_acting(call):
                yield from _differences(entity, known, fields)
                if self._seen_at[entity] == self._acts:
                    yield from _backwards(entity, known, fields)
            self._fields[entity] = {**known, **fields} if known is not None and unchanged else fields
            self._seen_at[entity] = self._acts

    def _references(self, found: Found, own: tuple[str, str] | None) -> Iterator[tuple[str, str]]:
        """Compare what an object says of another one, whose identifier it holds, with what that one said of itself."""
        for key, value in found.fields.items():
            words = split_words(key)
            if len(words) < 2 or words[-1] != "id" or not isinstance(value, (str, int)):
                continue
            entity = (f"{words[-2]}_id", text_form(value))
            known = self._fields.get(entity)
            if known is None or entity == own or self._acted_on.get(entity[1], 0) > self._seen_at[entity]:
                continue
            for field in (*_SHARED, f"{words[-2]}_name"):
                old, new = known.get(field), found.fields.get(field)
                if isinstance(old, str) and isinstance(new, str) and text_form(old) != text_form(new):
                    yield "changed", f"{entity[1]}: {field} {preview(old)}, then {preview(new)}"


def _own(call: Call, found: Found) -> tuple[str, str] | None:
    """Return the entity that the outermost object of a result is, by `entity_of`."""
    if call.nature.operation != "create":
        return entity_of(found)
    return entity_of(found, {text_form(leaf) for _, leaf in key_leaves(call.call.arguments)})


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _differences(entity: tuple[str, str], known: dict[str, Json], fields: dict[str, Json]) -> Iterator[tuple[str, str]]:
    for field, value in fields.items():
        old = known.get(field)
        if old is None or type(old) is not type(value) or not isinstance(value, (str, int)) or isinstance(value, bool):
            continue
        if _VOLATILE.search(field.lower()) or old == value:
            continue
        one, other = text_form(old), text_form(value)
        if isinstance(value, str) and (one.startswith(other) or other.startswith(one) or "..." in one + other):
            continue
        yield "changed", f"{entity[1]}: {field} {preview(old)}, then {preview(value)}"
        return


def _backwards(entity: tuple[str, str], known: dict[str, Json], fields: dict[str, Json]) -> Iterator[tuple[str, str]]:
    one, other = text_form(known.get("status")), text_form(fields.get("status"))
    ranks = [next((rank for rank, words in enumerate(_RANKS) if word in words), None) for word in (one, other)]
    if ranks[0] is not None and ranks[1] is not None and ranks[0] > ranks[1]:
        yield "state", f"{entity[1]}: {one}, then {other}"


_NOW = re.compile(
    r"\b(?:it is|today is|(?:current|today's) (?:date|time)(?: and time)? is)\s+"
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,? )?(?:the )?(\d{4}-\d\d-\d\d|(\d{1,2}) ([a-z]+) (\d{4}))"
)
_MONTHS = "january february march april may june july august september october november december".split()


def _now(conversation: Conversation) -> str | None:
    """Return today's date, where a system message says it."""
    for message in conversation.trajectory.messages[:1]:
        if message.role == "system" and (found := _NOW.search(message.content[:4000].casefold())):
            if not found[2]:
                return found[1]
            if found[3] in _MONTHS:
                return f"{found[4]}-{_MONTHS.index(found[3]) + 1:02d}-{int(found[2]):02d}"
    return None

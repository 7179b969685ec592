"""What the mock model's judge finds in calls and results: arguments that no tool takes, worlds that cannot be."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations

from tdlab.records import Json
from tdlab.rollout.llm._judge_talk import Act, Talk, objects, rows, texts
from tdlab.tools import compile_schema, leaves

__all__ = ["CALLS", "WORLD"]

_STAMP = re.compile(r"20\d\d-\d\d-\d\d")
_SIGNED = re.compile(
    r"lat|lon|change|delta|balance|temp|elevation|altitude|offset|score|diff|profit|gain|return|_db$|lufs|_c$"
)
_BOUND = re.compile(r"(start|from|after|since|end|until|to|before)(?:_(?:date|day|on|at|time))?")
_FILLED = re.compile(r"(?:sample|example|test|dummy) \w+ \d+", re.IGNORECASE)
_NUMBERED = re.compile(r"(\w+) \w+ \d+")
_UNKNOWN = re.compile(r"not_found|unknown")
_NAMING = re.compile(r"name|title|subject|city|address|email|phone|currency")
_PASSING = re.compile(r"score|rank|position|distance|snippet|played|won|lost|drawn|points|seconds|elapsed|quantity")
_OPPOSITES = (
    (r"cancel|end|stop|kill|close|pause|revoke|deactivate|switch|withdraw|abandon|finish|resolve|checkout|void",
     r"active|open|running|live|enabled|booked|scheduled|confirmed|in_house|interview|in_progress|bonded|started"),
    (r"publish|promote|send|dispatch|submit|post|launch|release|file", r"draft|unsent|unpublished|planned"),
    (r"pay|fund|settle|charge|refund", r"unpaid|unfunded|unsettled|due"),
    (r"book|hold|reserve|rent", r"free|available|vacant|draft|unconfirmed"),
    (r"start|run|activate|enable|resume", r"stopped|off|disabled|inactive|paused"),
    (r"depart|check_out", r"in_house|present"),
)  # fmt: skip
_TELLING = 5  # letters of a text that can only be a name
_BESIDES = re.compile(r"discount|tax|vat|fee|shipping|percent|credit")
_ROUNDED = 0.06  # of a sum of rounded values
_ALIKE = 3  # rows that differ in nothing but their identifier
_GUESSES = 3  # failures of one tool in one turn


def _takes(talk: Talk) -> Iterator[str]:
    """Arguments that a tool does not take: one is missing, of another type, or none of the choices."""
    for act in talk.acts:
        offered = talk.tools.get(act.name)
        if not isinstance(offered, Mapping):
            continue
        for name in offered.get("required", ()):
            if name not in act.arguments:
                yield f"{act.name} was called without {name}"
        for name, value in act.arguments.items():
            schema = offered.get("parameters", {}).get(name)
            if isinstance(schema, dict) and not compile_schema(schema).is_valid(value):
                yield f"{act.name} does not take {json.dumps(value)} as {name}"


def _guesses(talk: Talk) -> Iterator[str]:
    """A tool that fails again and again, without a question in between."""
    failed: Counter[str] = Counter()
    last = -1
    for act in talk.acts:
        asked = talk.before(act.at, "user")
        if asked != last:
            failed.clear()
        last = asked
        failed[act.name] += act.failed
        if failed[act.name] >= _GUESSES:
            yield f"{act.name} failed {_GUESSES} times in one turn"


def _rows_named(talk: Talk) -> Iterator[str]:
    """A row of a list that was not named, where another was named."""
    for found in (act for act in talk.acts if act.reads and not act.failed):
        for listed in rows(found.answer):
            key = _own(listed[0])
            for act in (act for act in talk.acts if act.at > found.answered):
                value = act.arguments.get(key)
                chosen = [row for row in listed if row.get(key) == value]
                if not key or len(listed) == 1 or len(chosen) != 1:
                    continue
                said = talk.spoken(act.at).casefold()
                asked = talk.spoken(act.at, by="user").casefold()
                others = [row for row in listed if row is not chosen[0]]
                last = talk.said(max(talk.before(act.at, "user"), 0)).casefold()
                theirs = {one for row in others for one in _names(row, [r for r in listed if r is not row])}
                if any(one in asked for one in (str(value).casefold(), *_names(chosen[0], others))):
                    continue
                heard = str(value).casefold() in said or any(one in said for one in _names(chosen[0], others))
                if heard and not any(len(one) > _TELLING and one in last for one in theirs):
                    continue
                if any(re.search(rf"(?<!\w){re.escape(one)}(?!\w)", asked) for one in theirs):
                    yield f"{act.name} got {key} {value}, and the user had named another"


def _own(row: Mapping[str, Json]) -> str:
    """Return the field that identifies a row; empty without one."""
    first = next(iter(row), "")
    return first if first.endswith(("_id", "_number", "_reference")) or first == "id" else ""


def _names(row: Mapping[str, Json], others: list[dict[str, Json]]) -> list[str]:
    """Return the texts of a row that distinguish it from the others."""
    shared = {text.casefold() for other in others for text in texts(other)}
    own = [text.casefold() for text in texts(row) if len(text) > 3 and not _STAMP.match(text)]
    return [text for text in own if text not in shared]


def _form(talk: Talk) -> Iterator[str]:
    """Results that are no results: prose, an error inside a success."""
    data = [act for act in talk.acts if act.answered >= 0]
    prose = [act for act in data if isinstance(act.answer, str)]
    for act in prose:
        if len(prose) < len(data) or re.match(r"\s*(?:sure|here|as (?:a|the)\b|i )", str(act.answer), re.IGNORECASE):
            yield f"{act.name} returned prose: {act.answer}"
    for act in data:
        if isinstance(act.answer, dict) and len(act.answer) > 1 and act.answer.get("error"):
            yield f"{act.name} returned an error inside a success: {act.answer['error']}"


def _lists(talk: Talk) -> Iterator[str]:
    """Rows that are all alike, or of one identifier, or not what was asked for."""
    for act in (act for act in talk.acts if not act.failed):
        for listed in rows(act.answer):
            key = _own(listed[0])
            rest = [json.dumps({k: v for k, v in row.items() if k != key}, sort_keys=True) for row in listed]
            if key and len(listed[0]) > _ALIKE - 1 and max(Counter(rest).values()) >= _ALIKE:
                yield f"several rows of {act.name} differ in nothing but {key}"
            for one, other in combinations(range(len(listed)), 2):
                if key and listed[one].get(key) == listed[other].get(key) and rest[one] != rest[other]:
                    yield f"{act.name} returned two things of the same {key} {listed[one].get(key)}"
            if act.reads:
                yield from (odd for row in listed if (odd := _outside(act, row)))


def _outside(act: Act, row: Mapping[str, Json]) -> str:
    """Return how a row is not what a lookup asked for; empty if it is."""
    days = {name: str(value)[:10] for name, value in row.items() if _STAMP.match(str(value))}
    for name, value in act.arguments.items():
        shown = row.get(name)
        other = isinstance(value, (str, bool, int)) and isinstance(shown, type(value)) and shown != value
        if other and not (isinstance(value, str) and value.casefold() in str(shown).casefold()):
            return f"{act.name} was asked for {name} {value} and returned {shown}"
        bound = _BOUND.fullmatch(name)
        if bound and days and _STAMP.match(str(value)):
            first = bound[1] in ("start", "from", "after", "since")
            if all(day < str(value)[:10] if first else day > str(value)[:10] for day in days.values()):
                return f"{act.name} was asked for {name} {value} and returned {min(days.values())}"
    return ""


def _effects(talk: Talk) -> Iterator[str]:
    """Acts that leave a state which is the opposite of what they do, or that were done before they were asked for."""
    seen = ""
    for act in talk.acts:
        if act.wrote and isinstance(act.answer, dict):
            for name, value in act.answer.items():
                given = act.arguments.get(name) == value
                state = name.endswith(("status", "state", "stage"))
                if state and not given and _opposite(act.name, str(value)):
                    yield f"{act.name} returned {name} {value}"
                if value is False and not given and name[:5] in act.name and name.endswith("ed"):
                    yield f"{act.name} returned {name} false"
                stamp = re.fullmatch(r"\w*(?:ed|sent|cast)_at", name) and _STAMP.match(str(value))
                fresh = name != "created_at" or re.match("create|add|open|start|draft", act.name)
                earlier = talk.now and str(value)[:10] < talk.now[:10] and str(value) not in seen
                if stamp and fresh and earlier and not given:
                    yield f"{name} is {value}, and {act.name} was called at {talk.now}"
        seen += json.dumps(act.answer, ensure_ascii=False)


def _opposite(name: str, state: str) -> bool:
    return (
        any(re.match(verbs, name) and re.fullmatch(states, state) for verbs, states in _OPPOSITES)
        or re.fullmatch(rf"(?:un|not_){re.escape(name.split('_')[0][:4])}\w*", state) is not None
    )


def _values(talk: Talk) -> Iterator[str]:
    """Numbers below nothing, names out of a list of fillers."""
    for act in (act for act in talk.acts if not act.failed):
        for name, leaf in leaves(act.answer):
            number = isinstance(leaf, (int, float)) and not isinstance(leaf, bool) and leaf < 0
            if number and not _SIGNED.search(name) and name not in act.arguments:
                yield f"{name} is {leaf}"
            if isinstance(leaf, str) and _FILLED.fullmatch(leaf):
                yield f"{name} is a filler: {leaf}"
        heads = Counter(m[1] for text in texts(act.answer) if (m := _NUMBERED.fullmatch(text)))
        for listed in rows(act.answer):
            of = {
                head
                for name in listed[0]
                for head, n in heads.items()
                if n > 1 and all(str(row.get(name)).startswith(f"{head} {name.rpartition('_')[2]} ") for row in listed)
            }
            yield from (f"names are numbered: {head}" for head in of)


def _sums(talk: Talk) -> Iterator[str]:
    """A total that no column of the same unit adds up to."""
    for act in (act for act in talk.acts if not act.failed):
        for record in objects(act.answer):
            if record.get("next_cursor") or any(_BESIDES.search(name) for name in record):
                continue
            for listed in (v for v in record.values() if isinstance(v, list) and len(v) > 1):
                inner = [row for row in listed if isinstance(row, dict)]
                for name, total in record.items():
                    if not name.startswith(("total", "sum")) or not isinstance(total, (int, float)) or not inner:
                        continue
                    unit = name.rpartition("_")[2]
                    columns = [key for key in inner[0] if key.rpartition("_")[2] == unit]
                    found = [[row.get(key) for row in inner] for key in columns]
                    sums = [sum(v for v in one if isinstance(v, (int, float))) for one in found]
                    if sums and len(inner) == len(listed) and not any(abs(one - total) < _ROUNDED for one in sums):
                        yield f"{name} is {total}, and the rows come to {sums[0]:g}"


def _forgets(talk: Talk) -> Iterator[str]:
    """A thing that was returned a moment ago, and is not known."""
    known: set[str] = set()
    for act in talk.acts:
        if act.failed and _UNKNOWN.search(json.dumps(act.answer)):
            for value in act.arguments.values():
                if isinstance(value, str) and value in known and re.search(rf"(?<!in ){value}\b", str(act.answer)):
                    yield f"{value} was returned before, and {act.name} does not know it"
        elif not act.failed:
            known |= {
                str(value)
                for record in objects(act.answer)
                for name, value in record.items()
                if name == _own(record) and isinstance(value, str)
            }
        if act.wrote:
            known -= {str(value) for value in act.arguments.values()}


def _contradicts(talk: Talk) -> Iterator[str]:
    """A thing that has another value than a moment ago; what names it stays when it is changed."""
    seen: dict[tuple[str, str], dict[str, Json]] = {}
    for act in talk.acts:
        if not act.reads:
            for fields in seen.values():
                for name in [n for n in fields if not _NAMING.search(n) or n in act.arguments]:
                    del fields[name]
        if act.failed:
            continue
        for record in objects(act.answer):
            keys = {_own(record)} | ({n for n in act.arguments if n.endswith("_id")} if record is act.answer else set())
            plain = {n: v for n, v in record.items() if isinstance(v, (str, int, float)) and n not in keys}
            for key in sorted(keys & record.keys()):
                before = seen.setdefault((key, str(record[key])), {})
                for name, value in plain.items():
                    changes = _PASSING.search(name) or (key != _own(record) and not _NAMING.search(name))
                    if name in before and before[name] != value and not changes:
                        yield f"{key} {record[key]} has {name} {before[name]} and then {value}"
                before.update({n: v for n, v in plain.items() if key == _own(record) or _NAMING.search(n)})


CALLS = (_takes, _guesses, _rows_named)
"""What speaks against the tools and arguments that were chosen."""
WORLD = (_form, _lists, _effects, _values, _sums, _forgets, _contradicts)
"""What speaks against the world that the results are from."""

"""What the mock model's judge finds in values: in arguments that nothing gave, in replies that no result supports."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import combinations
from typing import NamedTuple

from tdlab.records import Json
from tdlab.rollout.llm._judge_talk import Talk, asks_yes, numbers, objects, rows, sentences, stems, texts
from tdlab.rollout.llm.user import digits_of
from tdlab.rollout.replies import parsed
from tdlab.speech import dates_in, said_in
from tdlab.tools import asks, leaves

__all__ = ["GROUNDED"]

_DAY = re.compile(r"\d{4}-\d\d(?:-\d\d|\Z)")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")
_NAME = re.compile(r"[A-Z][a-z]+ [A-Z][a-z]+(?: [A-Z][a-z]+)?")
_IDENTIFIER = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9_\-]{3,}\Z")
_SHOWN = re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9]+[_-][\w-]{3,}|\b(?=\w*\d\w*\d)(?=\w*[A-Za-z])\w{7,}")
_CLOSE = 0.006
_SMALL = 13  # below it, a number may be counted or be a time
_PHONE = re.compile(r"\+\d[\d ]{6,}\d")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(name.capitalize() for name in _MONTHS)
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b")
_MONTH_DAY = re.compile(rf"\b({_MONTH}) (\d{{1,2}})\b(?!:)")
_ORDINAL = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)\b")
_TIME = re.compile(r"(?<![\d.:])(\d{1,2}):(\d\d)(?![\d:])(?: ?([ap])\.?m)?|(?<![\d.:])(\d{1,2}) ?([ap])\.?m\b")
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d\d)")
_WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
_PLACED = re.compile(r"(?:left|top|right|bottom|x|y|width|height|latitude|longitude)(?:_|\Z)")
_EMPTY = re.compile(
    r"\b(?:(?:could not|couldn't|didn't|did not|can't|cannot) find any|no (?:entries|results?|matches|records)"
    r"|came back empty|nothing to show|found nothing)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:did ?n[o']t (?:work|go through)|(?:has|have)(?: not|n't) (?:done|changed) anything"
    r"|nothing (?:has been|was|is) "
    r"(?:changed|done)|refused it|wasn't possible|unable to|could ?n[o']t be (?:done|made))\b",
    re.IGNORECASE,
)
_FAILS = re.compile(
    r"\b(?:no|not|nobody|nothing|none|never|cannot|already|only|unless|until|but|too|full|refused|rejected|fail\w*|error"
    r"|problem|sorry|afraid|closed|taken|expired|past|instead|still|first|unknown|lacks?|missing|limit|last|wrong|over"
    r"|without|gone|reached|blocked|locked|beyond|less|more than|at most|at least)\b|n't\b",
    re.IGNORECASE,
)
_GIVES_IN = re.compile(
    r"\b(?:you're right|you are right|indeed|well spotted|my mistake|i got that wrong|i was wrong)\b", re.IGNORECASE
)
_MONEY = re.compile(r"^[€£$]\d|\d ?(?:euros?|pounds?|dollars?|EUR|GBP|USD|CHF)\b")
_CURRENCIES = (
    r"€|\beuros?\b|\bEUR\b", r"£|\bpounds?\b|\bGBP\b|\bpence\b", r"\$|\bdollars?\b|\bUSD\b",
    r"\bCHF\b|\bfrancs?\b", r"¥|\byen\b|\bJPY\b", r"\bSEK\b|\bNOK\b|\bDKK\b|\bkron",
)  # fmt: skip
_UNITS: Mapping[str, Sequence[str]] = {
    "weight": ("kg", "g", "mg", "lb", "lbs", "tons", "tonnes", "kilos", "pounds"),
    "length": ("km", "m", "cm", "mm", "miles", "metres", "meters", "feet", "inches", "kilometres"),
    "time": ("ms", "seconds", "minutes", "hours", "days", "weeks", "months", "years"),
    "data": ("bytes", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib"),
    "power": ("w", "kw", "mw", "kwh", "mwh", "wh"),
    "share": ("percent", "per mille"),
}
_SPELLED_UNIT = {"s": "seconds", "min": "minutes", "h": "hours", "metre": "metres", "m": "metres", "kilometres": "km"}
_STATES = (
    ((r"draft|unfunded|pending|waiting|await\w*|queued|armed|planned|planning|scheduled|booked|held|running|open|active"
     r"|live|enabled|rolling_out|bonded|charging|in_progress|out_for_signature"),
     (r"\b(?:it's|it is|it has been|that's|that is|has been|is|are) (?:all )?(?:over|finished|closed|done|ended"
      r"|completed"
     r"|switched off|called off|gone)\b")),
    (r"sent|published|paid|settled|funded|finished|resolved|closed|cancelled|succeeded|completed|delivered|revoked",
     (r"\b(?:still (?:to come|going on|open|running)|(?:has|have)(?: not|n't) happened|not yet"
      r"|yet to (?:come|happen))\b")),
    (r"confirmed|enrolled|unlocked|verified|approved|accepted",
     r"\b(?:may still be|nobody has (?:agreed|confirmed|approved)|not yet (?:agreed|confirmed|approved))\b"),
)  # fmt: skip
_CONDITION = re.compile(
    r"\b(?:once|when|until|before|after|if|can|will|would|unless|as soon as|not|never|n't)\b", re.IGNORECASE
)
_SENT_WORD = re.compile(
    r"\bi(?:'ve| have) (?:also )?(?:sent|emailed|mailed|written to|rung|called|informed) you\b"
    r"|\b(?:a colleague|somebody|we)"
    r" will (?:ring|call|contact|write)\b", re.IGNORECASE,
)  # fmt: skip
_SENDS = re.compile(r"send|mail|message|notif|invite|call|page|text|inform|alert|dispatch|reply|answer|share|order")
_PRAISE = re.compile(
    r"\b(?:most popular|reviews? say|customers? (?:were|are) (?:very )?(?:happy|satisfied)|excellent"
    r"|special offer|discount)\b", re.IGNORECASE,
)  # fmt: skip
_NEW = 0.34  # share of the words of a sentence that must have come up
_SPOKEN = 3  # letters of a choice that can only be meant as one
_FEW = 2  # words of a sentence that say something


def _text(talk: Talk, end: int) -> str:
    """Return all that was said, called and returned before a message, with what the tools say of themselves."""
    calls = [json.dumps(act.arguments, ensure_ascii=False) for act in talk.acts if act.at < end]
    return "\n".join([talk.wanted, *talk.rules, json.dumps(talk.tools), *(talk.said(n) for n in range(end)), *calls])


class _Given(NamedTuple):
    """What a call can be made from: what was said, by anybody and to each other, what was returned, and the moment."""

    heard: list[str]
    spoken: list[str]
    values: list[Json]
    now: str

    def number(self, value: float) -> bool:
        """Return whether a number was said, in the usual units, or returned."""
        text = "\n".join(self.spoken)
        said = numbers(text)
        forms = {form for n in said for form in (n, n * 100, n * 1000, n * 60, n / 60, n * 3600, n * 24, n * 7)}
        forms |= {int(m) * 60 + int(s) for m, s in _CLOCK.findall(text)} | {1024**2 * n for n in said}
        returned = any(value == leaf for one in self.values for _, leaf in leaves(one))
        plain = str(int(value)) if value == int(value) else str(value)
        close = any(abs(value - one) < _CLOSE for one in forms) or plain in digits_of(self.spoken, [])
        return returned or close or said_in(self.spoken, value, self.now)


def _arguments(talk: Talk) -> Iterator[str]:
    """A value in a call that was neither said nor returned."""
    for act in talk.acts:
        heard = [talk.wanted, *(talk.said(n) for n in range(act.at))]
        values = [parsed(talk.said(n)) for n in range(act.at) if talk.role(n) == "tool"]
        given = _Given(heard, [talk.wanted, *talk.rules, talk.spoken(act.at)], values, talk.now)
        known, text = digits_of(heard, values), "\n".join(heard).casefold()
        plain = re.sub(r"(?<=\d)[ ()-]+(?=\d)", "", text)
        offered = talk.tools.get(act.name)
        schemas = offered.get("parameters", {}) if isinstance(offered, Mapping) else {}
        for name, leaf in leaves(act.arguments):
            schema = schemas.get(name, {})
            stated = {*re.findall(r"\d+", str(schema.get("description")))}
            if schema.get("default") == leaf or str(leaf) in stated or name in ("limit", "page"):
                continue
            odd = _not_given(name, leaf, given, act.reads)
            if odd:
                yield f"{act.name}: {name} is {odd}, which nothing gave"
            if not isinstance(leaf, str):
                continue
            if "enum" not in schema and _IDENTIFIER.match(leaf) and not _DAY.match(leaf):
                parts = [part for part in re.split(r"[_-]", leaf.casefold()) if re.search(r"\d", part)]
                if not all(part in text or part in known for part in parts):
                    yield f"{act.name}: {name} is {leaf}, which nothing gave"
            contacts = (*_EMAIL.findall(leaf), *_PHONE.findall(leaf))
            if any(one.replace(" ", "").casefold() not in plain for one in contacts):
                yield f"{act.name}: {name} is {leaf}, which was not given"


def _not_given(name: str, value: Json, given: _Given, reads: bool) -> str:
    """Return a day, a number or a name in an argument that was neither said nor returned; empty if it was."""
    if not given.now or isinstance(value, bool) or value is None or _PLACED.match(name):
        return ""
    text = "\n".join(given.heard)
    if isinstance(value, str) and _DAY.match(value):
        return "" if value[:10] in text or said_in(given.heard, value[:10], given.now) else value
    if reads:
        return ""
    if isinstance(value, (int, float)):
        return "" if value < _FEW or given.number(value) else f"{value:g}"
    if isinstance(value, str) and (_NAME.fullmatch(value) or (name.endswith("_name") and " " in value)):
        return "" if value.casefold() in text.casefold() or stems(value, 3) & stems(text, 3) else value
    return ""


def _remarks(talk: Talk) -> Iterator[str]:
    """A sentence in a text argument of which nothing has come up."""
    for act in (act for act in talk.acts if not act.reads):
        before = stems("\n".join([talk.wanted, *(talk.said(n) for n in range(act.at))]), 3)
        for name, value in act.arguments.items():
            if isinstance(value, str) and value.count(" ") > _FEW - 1 and not _DAY.match(value):
                for part in sentences(value):
                    words = stems(part, 3)
                    if len(words) >= _FEW and len(words & before) < _NEW * len(words):
                        yield f"{act.name}: nothing gave the words {part!r} of {name}"


def _choices(talk: Talk) -> Iterator[str]:
    """A choice that was not named, where the user named another one of the same parameter."""
    for act in (act for act in talk.acts if not act.reads):
        offered = talk.tools.get(act.name)
        schemas = offered.get("parameters", {}) if isinstance(offered, Mapping) else {}
        spoken = unicodedata.normalize("NFKC", talk.spoken(act.at)).casefold().replace("-", " ").replace("\u03bc", "u")
        question = talk.said(max(talk.before(act.at, "assistant"), 0))
        confirmed = asks_yes(question) and " or " not in question
        asked = question if confirmed else talk.said(max(talk.before(act.at, "user"), 0))
        asked = asked.casefold().replace("-", " ")
        for name, value in act.arguments.items():
            listed = schemas.get(name, {}).get("enum")
            if not isinstance(listed, list) or not isinstance(value, str):
                continue
            of = {str(one): str(one).casefold().replace("_", " ") for one in listed if one is not None}
            own = {word[:4] for word in re.findall(r"\w{2,}", of.get(value, value))}
            if any(word.startswith(one) for word in re.findall(r"\w{2,}", spoken) for one in own):
                continue
            others = [
                one
                for one, form in of.items()
                if one != value and len(form) >= _SPOKEN and re.search(rf"\b{re.escape(form)}\b", asked)
            ]
            if others:
                yield f"{act.name} got {name} {value}, and {others[0]} was said"


def _supported(talk: Talk, n: int) -> tuple[set[float], frozenset[str]]:
    """Return the numbers that the assistant may say, with the usual sums and forms, and the runs of digits."""
    text = _text(talk, n)
    values = [act.answer for act in talk.acts if 0 <= act.answered < n]
    given = {*numbers(text)}
    for value in values:
        for listed in rows(value):
            given |= {float(len(listed))}
            for name in listed[0]:
                column = [row.get(name) for row in listed]
                own = [float(one) for one in column if isinstance(one, (int, float)) and not isinstance(one, bool)]
                given |= (
                    {sum(own), round(sum(own) / len(own), 2), *(a + b for a, b in combinations(own[:12], 2))}
                    if own
                    else set()
                )
                given |= {float(count) for count in Counter(map(str, column)).values()}
        for record in objects(value):
            own = [float(one) for one in record.values() if isinstance(one, (int, float)) and not isinstance(one, bool)]
            given |= {abs(a - b) for a, b in combinations(own[:12], 2)} | {
                a * b for a, b in combinations(own[:12], 2) if min(a, b) < _SMALL
            }
    return given, digits_of([text], values)


def _numbers(talk: Talk) -> Iterator[str]:
    """A number in a reply that was neither said nor returned, and does not follow from numbers that were."""
    for n in talk.turns("assistant"):
        said = _PHONE.sub("", talk.said(n)) if _PHONE.search(talk.said(n)) else talk.said(n)
        given, digits = _supported(talk, n)
        units = {form for g in given for form in (g, g / 100)}
        forms = (
            units
            | {f for g in given for f in (g / 1000, g * 100, g / 60, g * 60, g % 12 + 12)}
            | {g / 2 for g in units}
        )
        for match in _NUMBER.finditer(said):
            number = float(match.group().replace(",", ""))
            places = len(match.group().partition(".")[2])
            money = _MONEY.search(said[max(match.start() - 1, 0) : match.end() + 9]) is not None
            if not money and ((number < _SMALL and not places) or {match.group(), match.group().lstrip("0")} & digits):
                continue
            rest = [one for one in numbers(said) if one != number]
            fits = units | {half / 2 for half in units} if money else forms
            if any(abs(round(form, places) - number) < _CLOSE for form in fits) or _follows(number, rest, units):
                continue
            if not any(abs(abs(number - one) - near) < _CLOSE for one in (*units, *rest) for near in (1.0, *rest)):
                yield f"the reply says {match.group()}, which no result and no message has: {said}"
        for phone in _PHONE.findall(talk.said(n)):
            if re.sub(r"\D", "", phone) not in re.sub(r"(?<=\d)[ ()-]+(?=\d)", "", _text(talk, n)):
                yield f"the reply says {phone}, which nothing before it has"


def _follows(number: float, rest: Sequence[float], units: Set[float]) -> bool:
    """Return whether a number is the sum of some beside it, or what is left of one after several of another."""
    ends = range(2, len(rest) + 1)
    sums = (sum(rest[start:end]) for end in ends for start in range(end - 1))
    shares = (a * (100 - k) / 100 for a in (*rest, *units) for k in rest if k < 100)
    lefts = (abs(a - k * b) for a in rest for b in rest for k in range(1, _SMALL))
    return any(abs(one - number) < 0.06 for one in sums) or any(abs(one - number) < _CLOSE for one in (*lefts, *shares))


def _moments(talk: Talk) -> Iterator[str]:
    """A day or a time in a reply that nothing before it has."""
    for n in talk.turns("assistant"):
        said, text = talk.said(n), _text(talk, n)
        if not talk.now or n < 2:
            continue
        times = {(int(h) % 12, int(m)) for h, m in _CLOCK.findall(text)}
        times |= {
            (int(h) % 12, int(m or 0)) for h, m in re.findall(r"(?<![\d.:])(\d{1,2})(?::(\d\d))? ?[ap]\.?m", text)
        }
        numbers_ = digits_of([talk.spoken(n, by="user")], [])
        hours = {str(v) for act in talk.acts for name, v in leaves(act.answer) if "hour" in name}
        hours |= {
            str(s.get("default"))
            for tool in talk.tools.values()
            if isinstance(tool, dict)
            for name, s in tool["parameters"].items()
            if "hour" in name
        }
        for hour, minute, _, plain, _ in _TIME.findall(said):
            one = (int(hour or plain) % 12, int(minute or 0))
            after = one[1] == 0 and {str(int(hour or plain))} & (numbers_ | hours if plain else hours)
            later = any(m == one[1] and str((one[0] - h) % 12) in numbers_ for h, m in times)
            if one not in times and not after and not (hour and later):
                yield f"the reply says {hour or plain}:{minute or '00'}, which nothing before it has: {said}"
        days = {one[5:10] for one in re.findall(r"\d{4}-\d\d-\d\d", text)} | {
            one[5:] for one in dates_in(text, talk.now)
        }
        stated = [(month, day) for day, month in _DAY_MONTH.findall(said)] + _MONTH_DAY.findall(said)
        for month, day in stated:
            if f"{_MONTHS.index(month.casefold()) + 1:02d}-{int(day):02d}" not in days:
                yield f"the reply says {day} {month}, which nothing before it has: {said}"
        for day in _ORDINAL.findall(said):
            if f"{int(day):02d}" not in {one[3:] for one in days} and day not in numbers_:
                yield f"the reply says the {day}th, which nothing before it has: {said}"


def _named(talk: Talk) -> Iterator[str]:
    """A name or an identifier in a reply that nothing before it has."""
    for n in talk.turns("assistant"):
        said, text = talk.said(n), _text(talk, n)
        if n < 2:
            continue
        for name in _NAME.findall(said):
            parts = name.split()
            dated = any(part.casefold() in _MONTHS or part.endswith("day") for part in parts)
            if not dated and name.casefold() not in text.casefold() and not any(part in text for part in parts):
                yield f"the reply names {name}, whom nothing before it has: {said}"
        for one in _SHOWN.findall(said):
            if one.casefold() not in text.casefold() and not set(re.findall(r"\d+", one)) <= {
                *re.findall(r"\d+", text)
            }:
                yield f"the reply says {one}, which nothing before it has: {said}"
        for quoted in re.findall(r'"([^"]{5,})"', said):
            words = stems(quoted, 3)
            if len(words) > 1 and not words & stems(text, 3):
                yield f"the reply quotes {quoted!r}, which nothing before it has"


def _outcomes(talk: Talk) -> Iterator[str]:
    """An outcome that is reported otherwise: what was found is nothing, what was done is not, what failed is done."""
    for n, act in talk.reports():
        said = talk.said(n)
        lists = [value for record in objects(act.answer) for value in record.values() if isinstance(value, list)]
        if act.reads and not act.failed and lists and all(lists) and _EMPTY.search(said):
            yield f"{act.name} found something, and the reply says {said!r}"
        if act.wrote and _DENIES.search(said):
            yield f"{act.name} worked, and the reply says {said!r}"
        if act.failed and "?" not in said and not _FAILS.search(said):
            yield f"{act.name} failed, and the reply says {said!r}"
        states = [str(v) for r in objects(act.answer) for k, v in r.items() if k.endswith(("status", "state"))]
        for pattern, words in _STATES:
            if states and all(re.fullmatch(pattern, state) for state in states):
                for part in sentences(re.sub(r'"[^"]*"', "", said)):
                    if re.search(words, part, re.IGNORECASE) and not (_CONDITION.search(part) and "though" not in part):
                        yield f"the state is {states[0]}, and the reply says {part!r}"


def _swapped(talk: Talk) -> Iterator[str]:
    """Figures of a list that stand beside the wrong names, and bounds the wrong way round."""
    for n, act in talk.reports():
        said = talk.said(n)
        for listed in rows(act.answer):
            labels = {}
            for k, row in enumerate(listed):
                shared = {text for other in listed if other is not row for text in texts(other)}
                own = [text for text in texts(row) if text not in shared and said.count(text) == 1 and len(text) > 2]
                if own:
                    labels[k] = said.index(own[0])
            for name in listed[0]:
                places = {}
                for k in labels:
                    value = listed[k].get(name)
                    if isinstance(value, (int, float)) and not isinstance(value, bool):
                        found = [m.start() for m in _NUMBER.finditer(said) if _same(m.group(), value)]
                        if len(found) == 1 and value >= _SMALL:
                            places[k] = found[0]
                apart = len(places) > 1 and len(set(places.values())) == len(places)
                if apart and sorted(places, key=labels.__getitem__) != sorted(places, key=places.__getitem__):
                    yield f"figures stand beside the wrong names: {said}"
        for low, high in re.findall(r"(?<![\w.,:-])(\d[\d,]*(?:\.\d+)?) to (\d[\d,]*(?:\.\d+)?) [a-zA-Z%]+", said):
            if float(low.replace(",", "")) > float(high.replace(",", "")):
                yield f"the reply goes from {low} to {high}: {said}"


def _same(written: str, value: float) -> bool:
    number = float(written.replace(",", ""))
    return any(abs(number - form) < 0.006 for form in (value, value / 100))


def _fields(talk: Talk) -> Iterator[str]:
    """A figure with the unit of another field, or in a currency that nothing has."""
    for n in talk.turns("assistant"):
        said = talk.said(n)
        text = "\n".join([talk.wanted, *talk.rules, *(talk.said(k) for k in range(n))])
        known = [pattern for pattern in _CURRENCIES if re.search(pattern, re.sub(r"_(?:cents|pence)\b", "", text))]
        for pattern in _CURRENCIES:
            found = re.search(pattern, said)
            if found and known and pattern not in known:
                yield f"nothing is in {found[0]}: {said}"
    for n, act in talk.reports():
        said = talk.said(n)
        turn = talk.acted(talk.before(n, "user"), n)
        leaves_ = [
            (k, v)
            for one in turn
            for k, v in leaves(one.answer)
            if isinstance(v, (int, float)) and not isinstance(v, bool)
        ]
        for match in re.finditer(r"(?<![\w.,])(\d[\d,]*(?:\.\d+)?|[a-z]+) (per mille|[A-Za-z]+)\b", said):
            number = _WORDS.index(match[1]) + 1 if match[1] in _WORDS else None
            if number is None and not match[1][0].isdigit():
                continue
            value = number or float(match[1].replace(",", ""))
            unit = match[2].casefold()
            group = next((g for g in _UNITS.values() if unit in g or unit + "s" in g), None)
            fits = [_unit(name) for name, leaf in leaves_ if abs(leaf - value) < 0.006]
            fits = [one for one in fits if one]
            other = group and fits and all(one in group and one.rstrip("s") != unit.rstrip("s") for one in fits)
            if other and match[0].casefold() not in _text(talk, n).casefold():
                yield f"{act.name} returned {fits[0]}, and the reply says {match[0]}"


def _unit(name: str) -> str:
    """Return the unit in a field's name; empty without one."""
    last = name.rpartition("_")[2].casefold()
    last = _SPELLED_UNIT.get(last, last)
    return last if any(last in group for group in _UNITS.values()) else ""


def _gives_in(talk: Talk) -> Iterator[str]:
    """A figure that the assistant takes over from a doubt of the user, against what it has read."""
    for n in talk.turns("assistant"):
        said, doubt = talk.said(n), talk.before(n, "user")
        if _GIVES_IN.search(said) and doubt >= 0 and "?" in talk.said(doubt) and not talk.acted(doubt, n):
            fresh = {*numbers(said)} - {*numbers(talk.spoken(doubt, by="assistant"))}
            if fresh and fresh <= {*numbers(talk.said(doubt))}:
                yield f"the assistant gives in to a doubt against what it has read: {said}"


def _made_up(talk: Talk) -> Iterator[str]:
    """News and praise in a report that no result and no tool has."""
    for n, act in talk.reports():
        before = _text(talk, n)
        sends = any(_SENDS.search(one.name) for one in talk.acts) or _SENDS.search(json.dumps(act.answer))
        for part in sentences(talk.said(n)):
            if (_SENT_WORD.search(part) and not sends) or ((m := _PRAISE.search(part)) and m[0] not in before):
                yield f"nothing supports {part!r}"


def _claimed(talk: Talk) -> Iterator[str]:
    """An act that is reported, and was not made."""
    for n in talk.turns("assistant"):
        user = talk.before(n, "user")
        made = talk.acted(user, n) if user >= 0 else []
        if (
            asks(talk.said(n))
            or _FAILS.search(talk.said(n))
            or talk.messages[n].get("tool_calls")
            or any(not act.reads for act in made)
        ):
            continue
        if re.match(
            r"\s*(?:done|booked|sent|linked|recorded|cancelled|created|added|saved|set up|paid|moved)\b",
            talk.said(n),
            re.IGNORECASE,
        ):
            yield f"nothing was done that {talk.said(n)!r} could tell"
        if (
            re.search(
                r"\b(?:has|have) (?:just )?been (?:added|booked|sent|cancelled|created|changed|moved|recorded)\b",
                talk.said(n),
            )
            and not made
            and not talk.acts
        ):
            yield f"nothing was done that {talk.said(n)!r} could tell"


GROUNDED = (
    _arguments, _remarks, _choices, _numbers, _moments, _named, _outcomes, _swapped, _fields, _gives_in,
    _made_up, _claimed,
)  # fmt: skip
"""What speaks against the values in calls and replies."""

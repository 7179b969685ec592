"""Whether a text says a value: the way back from what people say to what tools take."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from tdlab.records import Json
from tdlab.speech.forms import CURRENCY_WORDS, in_words, sayings

__all__ = ["dates_in", "said", "said_in", "times_in"]

_MONTHS = (
    "january february march april may june july august september october november december".split()
)  # fmt: skip
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_SMALL = {in_words(number): number for number in range(21)}
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b(?:,? (\d{{4}}))?")
_MONTH_DAY = re.compile(rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}}))?")
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_NUMERIC = re.compile(r"\b(\d{1,2})[./](\d{1,2})(?:[./](\d{2,4}))?\b")
# "the 20th of March" is a date of its own, and so is "Friday, March 20": neither is the next 20th or Friday as well
_THE = re.compile(rf"(?:\b({'|'.join(_WEEKDAYS)}),? )?\bthe (\d{{1,2}})(?:st|nd|rd|th)\b(?! (?:of )?(?:{_MONTH})\b)")
_WEEKDAY = re.compile(
    rf"\b(next |this |on |last )?({'|'.join(_WEEKDAYS)})\b"
    rf"(?!,? (?:the )?\d{{1,2}}(?:(?:st|nd|rd|th)\b|(?: of)? (?:{_MONTH})\b)|,? (?:{_MONTH}) \d)"
)
_AHEAD = re.compile(r"\bin (\w+) (day|week)s?\b")
_RELATIVE = {"today": 0, "tonight": 0, "this evening": 0, "this morning": 0, "this afternoon": 0, "tomorrow": 1,
             "yesterday": -1, "the day after tomorrow": 2}  # fmt: skip
_CLOCK = re.compile(r"\b(\d{1,2})[:.](\d{2})(?:\s*(am|pm|a\.m|p\.m|in the (?:morning|afternoon|evening)|at night)\b)?")
_HOUR = re.compile(
    r"(?<![:.])\b(\d{1,2}|"
    + "|".join(_SMALL)
    + r")\s*(o'clock|am|pm|a\.m|p\.m|in the (?:morning|afternoon|evening)|at night)\b"
)
_HALF = re.compile(r"\b(half past|quarter past|quarter to) (\d{1,2}|" + "|".join(_SMALL) + r")\b")
_NUMBER = re.compile(r"(?<![\w.,-])-?\d[\d,]*(?:\.\d+)?(?![\w-])|(?<=[€$£¥₹])\d[\d,]*(?:\.\d+)?")


def said(text: str, value: Json, now: str, *, words: Sequence[str] = ()) -> bool:
    """Return whether something said in a text is this value.

    Args:
        text: What was said.
        value: The value, as a tool takes it.
        now: The world's moment, RFC 3339 in UTC; days are said relative to it.
        words: The pack's words for the value, where it is a word of a machine.

    Returns:
        True where the text says it in any form: a date by its weekday, an amount in minor units by its price.

    Example:
        >>> said("Friday at half past seven", "2026-03-20T19:30:00Z", "2026-03-16T09:00:00Z")
        True
        >>> said("about 12.50 euros", 1250, "2026-03-16T09:00:00Z")
        True
    """
    plain = _plain(text)
    if any(_holds(plain, _plain(word)) for word in words):
        return True
    if isinstance(value, list):
        return all(said(text, part, now) for part in value)
    if isinstance(value, dict):
        return all(said(text, part, now) for part in value.values())
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, (int, float)):
        return _says_number(plain, value)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return value in set(dates_in(text, now))
    moment = re.fullmatch(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?", value)
    if moment:
        return moment.group(1) in set(dates_in(text, now)) and moment.group(2) in set(times_in(text))
    if re.fullmatch(r"\d{2}:\d{2}", value):
        return value in set(times_in(text))
    if re.fullmatch(r"\+\d{7,15}", value):
        return value[1:] in re.sub(r"[^\d]", "", text)
    if value in CURRENCY_WORDS and any(
        word in plain if not word.isalpha() else re.search(rf"(?<![^\W\d_]){word}(?![^\W\d_])", plain)
        for word in CURRENCY_WORDS[value]
    ):
        return True
    page = re.fullmatch(r"pp?\. ?([\d\u2013-]+)", value)
    if page and re.search(rf"\bpages? {re.escape(page.group(1))}\b", plain):
        return True
    spaced = value.replace("_", " ")  # in a list only underscores become spaces, in `words` hyphens too
    return any(_holds(plain, _plain(form)) for form in (value, spaced, spaced.replace("-", " "))) or (
        spaced != value and _holds(plain.replace("-", " "), _plain(spaced).replace("-", " "))
    )


def dates_in(text: str, now: str) -> Iterator[str]:
    """Return every date that a text may speak of.

    A weekday is the next of its name; with *next* it may be that or the one a week later. A weekday with a date behind
    it is that date.

    Args:
        text: What was said.
        now: The world's moment.

    Yields:
        Dates as ``YYYY-MM-DD``.

    Example:
        >>> list(dates_in("Saturday, not tomorrow", "2026-03-12T09:00:00Z"))
        ['2026-03-14', '2026-03-13']
    """
    plain = _plain(text)
    today = datetime.date.fromisoformat(now[:10])
    for year, month, day in _ISO.findall(plain):
        yield from _date(int(year), int(month), int(day))
    for day, month, year in _DAY_MONTH.findall(plain):
        yield from _near(today, _month(month), int(day), year)
    for month, day, year in _MONTH_DAY.findall(plain):
        yield from _near(today, _month(month), int(day), year)
    for one, other, year in _NUMERIC.findall(plain):
        yield from _near(today, int(other), int(one), year)
        yield from _near(today, int(one), int(other), year)
    for name, day in _THE.findall(plain):
        months = [today.year * 12 + today.month - 1 + offset for offset in (-1, 0, 1)]
        dates = [date for month in months for date in _date(month // 12, month % 12 + 1, int(day))]
        yield from [date for date in dates if name and _weekday(date) == name] or dates
    for before, name in _WEEKDAY.findall(plain):
        ahead = (_WEEKDAYS.index(name) - today.weekday() - 1) % 7 + 1
        if before == "last ":
            yield (today + datetime.timedelta(days=ahead - 7)).isoformat()
            continue
        yield (today + datetime.timedelta(days=ahead)).isoformat()
        if before == "next ":
            yield (today + datetime.timedelta(days=ahead + 7)).isoformat()
    for word, days in _RELATIVE.items():
        if _holds(plain, word):
            yield (today + datetime.timedelta(days=days)).isoformat()
    for number, unit in _AHEAD.findall(plain):
        count = _SMALL.get(number, int(number) if number.isdigit() else 1 if number in ("a", "one") else None)
        if count is not None and count < 1000:
            yield (today + datetime.timedelta(days=count * (7 if unit == "week" else 1))).isoformat()


def times_in(text: str) -> Iterator[str]:
    """Return every time of day that a text may speak of.

    Args:
        text: What was said.

    Yields:
        Times as ``HH:MM``; ``7:30`` without *am* or *pm* may be either, ``07:30`` is in the morning.

    Example:
        >>> list(times_in("half past seven, or 8 pm"))
        ['20:00', '07:30', '19:30']
    """
    plain = _plain(text)
    for hour, minute, half in _CLOCK.findall(plain):
        if hour.startswith("0") and not half:  # "07:30" is the 24-hour clock, "7:30" may be the evening
            yield from _times(int(hour), int(minute), "am")
        else:
            yield from _times(int(hour), int(minute), half)
    for hour, half in _HOUR.findall(plain):
        yield from _times(_SMALL.get(hour, int(hour) if hour.isdigit() else 99), 0, half)
    for kind, hour in _HALF.findall(plain):
        number = _SMALL.get(hour, int(hour) if hour.isdigit() else 99)
        minute = {"half past": 30, "quarter past": 15, "quarter to": 45}[kind]
        yield from _times(number - (kind == "quarter to"), minute, "")
    if _holds(plain, "noon"):
        yield "12:00"
    if _holds(plain, "midnight"):
        yield "00:00"


_COUNTED = {
    1: ("a", "an", "just me", "only me", "myself"),
    2: ("both", "a couple", "a pair", "the two"),
    6: ("half a dozen",),
    12: ("a dozen",),
}


def _says_number(plain: str, value: float) -> bool:
    wanted = {float(value), round(value / 100, 2)} if float(value).is_integer() else {float(value)}
    numbers = {float(match.replace(",", "")) for match in _NUMBER.findall(plain)}
    if wanted & numbers:
        return True
    if float(value).is_integer() and 0 <= value <= 20 and _holds(plain, in_words(int(value))):
        return True
    whole = int(value) if float(value).is_integer() else None
    if whole in _COUNTED and any(_holds(plain, word) for word in _COUNTED[whole]):
        return True
    if whole in (1, 2):
        return False
    units = ("minutes", "seconds")
    forms = [s.text for unit in units for s in sayings("duration", whole, "", unit)] if whole is not None else []
    return any(_holds(plain, _plain(form)) for form in forms)


def _times(hour: int, minute: int, half: str) -> Iterator[str]:
    if hour > 23 or minute > 59:
        return
    later = half.startswith("p") or "afternoon" in half or "evening" in half or "night" in half
    earlier = (half.startswith("a") and not half.startswith("at")) or "morning" in half
    if not later:
        yield f"{hour % 12 if earlier and hour == 12 else hour:02d}:{minute:02d}"
    if hour < 12 and not earlier:
        yield f"{hour + 12:02d}:{minute:02d}"
    elif hour == 12 and later:
        yield f"12:{minute:02d}"


def _date(year: int, month: int, day: int) -> Iterator[str]:
    try:
        yield datetime.date(year, month, day).isoformat()
    except ValueError:
        return


def _near(today: datetime.date, month: int, day: int, year: str) -> Iterator[str]:
    if year:
        yield from _date(int(year) if len(year) == 4 else 2000 + int(year), month, day)
        return
    for candidate in (today.year - 1, today.year, today.year + 1):
        for text in _date(candidate, month, day):
            if abs((datetime.date.fromisoformat(text) - today).days) <= 366:
                yield text


def _weekday(date: str) -> str:
    return _WEEKDAYS[datetime.date.fromisoformat(date).weekday()]


def _month(name: str) -> int:
    return next(place for place, month in enumerate(_MONTHS, start=1) if month.startswith(name))


def _holds(plain: str, phrase: str) -> bool:
    """Whether a phrase stands in a text as whole words."""
    at = plain.find(phrase) if phrase else -1
    while at >= 0:
        around = plain[at - 1 : at] + plain[at + len(phrase) : at + len(phrase) + 1]
        if not any(character.isalnum() or character == "_" for character in around):
            return True
        at = plain.find(phrase, at + 1)
    return False


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(text.split())


def said_in(texts: Iterable[str], value: Json, now: str, *, words: Sequence[str] = ()) -> bool:
    """Return whether one of several texts says a value, or all of them together do.

    Args:
        texts: What was said.
        value: The value, as a tool takes it.
        now: The world's moment, RFC 3339 in UTC.
        words: The pack's words for the value, where it is a word of a machine.

    Returns:
        True where the value was said: a day in one text and the time in another say a moment.

    Example:
        >>> said_in(["Tomorrow, please.", "At 19:30."], "2026-03-14T19:30:00Z", "2026-03-13T09:00:00Z")
        True
    """
    listed = list(texts)
    return any(said(text, value, now, words=words) for text in listed) or said(
        " \n ".join(listed), value, now, words=words
    )

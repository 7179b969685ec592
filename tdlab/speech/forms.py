"""Values as people say them: dates, times, money, counts, phone numbers and words, each in the forms that people use.

A form takes a value and gives every way of saying it. A speaker takes one, after their habits (12 or 24 hours, day or
month first); `tdlab.speech.said` holds that a value was said where a text has any of them.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from tdlab.records import Json
from tdlab.tools import plural

__all__ = [
    "CURRENCY_WORDS",
    "FORMS",
    "Habits",
    "Saying",
    "chosen",
    "form_of",
    "habits_for",
    "in_words",
    "joined",
    "sayings",
]

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹"}
_CURRENCIES = {
    "EUR": ("euro", "euros"), "USD": ("dollar", "dollars"), "GBP": ("pound", "pounds"), "JPY": ("yen", "yen"),
    "CHF": ("franc", "francs"), "SEK": ("krona", "kronor"), "NOK": ("krone", "kroner"), "DKK": ("krone", "kroner"),
    "INR": ("rupee", "rupees"), "CAD": ("Canadian dollar", "Canadian dollars"), "PLN": ("zloty", "zloty"),
    "AUD": ("Australian dollar", "Australian dollars"), "BRL": ("real", "reais"),
}  # fmt: skip
CURRENCY_WORDS = {
    code: tuple(word.casefold() for word in (*names, *([_SYMBOLS[code]] if code in _SYMBOLS else [])))
    for code, names in _CURRENCIES.items()
}
"""Currency code to the words and signs that say it, in small letters."""
_LARGE = 10_000  # smaller ones in a list may be ports or years
_NO_MINOR = frozenset({"JPY"})


class Habits(NamedTuple):
    """How one speaker says things: ``clock`` of 12 or 24 hours, ``order`` of day and month, words for small numbers.

    ``side`` is ``user`` or ``assistant``: only a user says "four of us". ``wording`` settles what stays the same all
    through a conversation: whether amounts have a sign or a word, and which of a pack's words a value goes by.
    """

    clock: str = "24"
    order: str = "day"
    numbers: str = "digits"
    side: str = "user"
    wording: int = 0


class Saying(NamedTuple):
    """One way of saying a value. ``habit`` is empty, or that of those who say it so; ``near`` is of days close by."""

    text: str
    habit: str = ""
    near: bool = False


Form = Callable[[Json, str, str], Sequence[Saying]]
"""Takes a value, the world's moment (RFC 3339) and the form's option; gives every way of saying the value."""


def habits_for(rng: random.Random, side: Literal["user", "assistant"], wording: int = 0) -> Habits:
    """Draw the habits of a speaker.

    Args:
        rng: Draws them.
        side: Who speaks: some forms are a user's alone.
        wording: The number that the speakers of one conversation share.

    Returns:
        The habits.

    Example:
        >>> import random
        >>> habits_for(random.Random(1), "user").side
        'user'
    """
    drawn = rng.choice(("12", "24")), rng.choice(("day", "month")), rng.choice(("digits", "words"))
    return Habits(*drawn, side, wording)


def sayings(form: str, value: Json, now: str, option: str = "") -> tuple[Saying, ...]:
    """Return every way of saying a value.

    Args:
        form: A name in `FORMS`.
        value: The value, as the tools take it.
        now: The world's moment, RFC 3339 in UTC.
        option: What stands behind the form's name in a template, such as a currency.

    Returns:
        At least one saying.

    Raises:
        KeyError: There is no such form.
        ValueError: The form cannot say this value.

    Example:
        >>> [s.text for s in sayings("clock", "2026-03-14T19:30:00Z", "2026-03-13T09:00:00Z")][:2]
        ['7:30 pm', '7:30 in the evening']
    """
    return tuple(FORMS[form](value, now, option))


def form_of(value: Json, schema: Mapping[str, Json] | None = None) -> str:
    """Return the form in which a value is said where a template names none.

    Args:
        value: The value.
        schema: The JSON Schema of the parameter or field that holds it.

    Returns:
        A name in `FORMS`.

    Example:
        >>> form_of("2026-03-14"), form_of("2026-03-14T19:30:00Z"), form_of(["milk", "eggs"])
        ('day', 'when', 'list')
    """
    kind = (schema or {}).get("format")
    if isinstance(value, str):
        if kind == "date" or (kind is None and _is_date(value)):
            return "day"
        if kind == "date-time" or (kind is None and _is_moment(value)):
            return "when"
        if value.startswith("+") and value[1:].isdigit():
            return "phone"
        return "text"
    if isinstance(value, bool) or value is None:
        return "text"
    return "list" if isinstance(value, list) else "number"


def _day(value: Json, now: str, option: str) -> list[Saying]:
    """A day, bare: ``tomorrow``, ``Friday``, ``Friday the 20th``, ``20 March``."""
    return [Saying(text, habit, near) for text, habit, _, near in _days(value, now)]


def _on(value: Json, now: str, option: str) -> list[Saying]:
    """A day as an adverb: ``tomorrow``, ``on Friday``, ``on 20 March``."""
    return [Saying(f"on {text}" if on else text, habit, near) for text, habit, on, near in _days(value, now)]


def _days(value: Json, now: str) -> list[tuple[str, str, bool, bool]]:
    """A day's words, whose habit they are, whether they take "on", and whether only a near day has such words."""
    day = _date(value)
    today = _date(now)
    distance = (day - today).days
    weekday, month, number = _WEEKDAYS[day.weekday()], _MONTHS[day.month - 1], day.day
    close: list[tuple[str, str, bool, bool]] = []
    if distance in (-1, 0, 1):
        return [(("yesterday", "today", "tomorrow")[distance + 1], "", False, True)]
    if 2 <= distance <= 6:
        close.append((weekday, "", True, True))
        if day.weekday() > today.weekday():  # in the same week: "this Tuesday" said on a Friday means another one
            close.append((f"this {weekday}", "", False, True))
    if 0 < distance <= 10 or (abs(distance) <= 25 and (day.year, day.month) == (today.year, today.month)):
        close += [(f"{weekday} the {_ordinal(number)}", "", True, True)]
    year = "" if abs(distance) <= 250 else f" {day.year}"
    far = [(f"{number} {month}{year}", "day", True), (f"{month} {number}{',' if year else ''}{year}", "month", True)]
    if not year:
        far += [(f"{weekday} {number} {month}", "day", True), (f"{weekday}, {month} {number}", "month", True)]
        far += [(f"the {_ordinal(number)} of {month}", "day", True)]
    return close + [(*words, False) for words in far]


def _clock(value: Json, now: str, option: str) -> list[Saying]:
    """A time of day: ``7:30 pm``, ``half past seven``, ``19:30``."""
    hour, minute = _time(value)
    twelve = hour % 12 or 12
    half = "am" if hour < 12 else "pm"
    part = "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"
    bare = f"{twelve}" if minute == 0 else f"{twelve}:{minute:02d}"
    spoken = [Saying(f"{bare} {half}", "12"), Saying(f"{bare} {part}", "12"), Saying(f"{hour:02d}:{minute:02d}", "24")]
    if (hour, minute) == (12, 0):
        return [Saying("noon", "12"), Saying("12:00", "24")]
    return spoken


def _when(value: Json, now: str, option: str) -> list[Saying]:
    """A day and a time: ``Friday at 7:30 pm``, ``tomorrow at 19:30``."""
    return [
        Saying(f"{day.text} at {clock.text}", _both(day.habit, clock.habit), day.near)
        for day in _day(value, now, "")
        for clock in _clock(value, now, "")
    ]


def _people(value: Json, now: str, option: str) -> list[Saying]:
    """A party: ``four people``, ``4 people``, ``a party of four``."""
    count = _integer(value)
    if count == 1:
        return [Saying("one person"), Saying("just me", "user")]
    return [
        Saying(f"{in_words(count)} people"), Saying(f"{count} people"), Saying(f"a party of {in_words(count)}"),
        Saying(f"{in_words(count)} of us", "user"),
    ]  # fmt: skip


def _count(value: Json, now: str, option: str) -> list[Saying]:
    """A count: ``3`` or ``three``; with a noun as its option, ``three nights``."""
    count = _integer(value)
    noun = f" {option if count == 1 else plural(option)}" if option else ""
    forms = [Saying(f"{count:,}{noun}", "digits" if abs(count) <= 12 else "")]
    if 0 <= count <= 12:
        forms.append(Saying(f"{in_words(count)}{noun}", "words"))
    return forms


def _number(value: Json, now: str, option: str) -> list[Saying]:
    """A number as digits, with its unit where the option names one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is no number")
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.6f}".rstrip("0").rstrip(".")
    return [Saying(f"{text} {option}".strip() if option != "%" else f"{text}%")]


def _percent(value: Json, now: str, option: str) -> list[Saying]:
    """A share in percent: ``15%``, ``15 percent``."""
    text = _number(value, now, "")[0].text
    return [Saying(f"{text}%"), Saying(f"{text} percent")]


def _cents(value: Json, now: str, option: str) -> list[Saying]:
    """An amount in minor units; the option is its currency: ``€12.50``, ``12.50 euros``."""
    currency = option or "EUR"
    return _money(_integer(value) if currency in _NO_MINOR else _integer(value) / 100, now, currency)


def _money(value: Json, now: str, option: str) -> list[Saying]:
    """An amount; the option is its currency: ``€1,250``, ``12.50 euros``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is no amount")
    currency = option or "EUR"
    whole = float(value).is_integer()
    text = f"{value:,.0f}" if whole else f"{value:,.2f}"
    one, many = _CURRENCIES.get(currency, (currency, currency))
    forms = [Saying(f"{text} {one if value == 1 else many}"), Saying(f"{text} {currency}")]
    symbol = _SYMBOLS.get(currency)
    return [Saying(f"{symbol}{text}"), *forms] if symbol else forms


def _duration(value: Json, now: str, option: str) -> list[Saying]:
    """A duration in the option's unit (minutes by default): ``45 minutes``, ``an hour and a half``, ``two days``."""
    unit = option or "minutes"
    amount = _integer(value)
    if unit == "seconds" and amount >= 120:  # "1018 seconds" is a machine's
        rest = [_counted(amount % 60, "second")] if amount % 60 else []
        return [Saying(joined([_counted(amount // 60, "minute"), *rest]))]
    minutes = amount * {"minutes": 1, "hours": 60}.get(unit, 0)
    singular = unit.removesuffix("s")
    forms = [Saying(f"{amount} {singular if amount == 1 else unit}")]
    if minutes in (30, 60, 90):
        forms.append(Saying({30: "half an hour", 60: "an hour", 90: "an hour and a half"}[minutes]))
    elif minutes and minutes % 30 == 0 and minutes <= 720:
        half = " and a half" if minutes % 60 else ""
        spoken = Saying(f"{in_words(minutes // 60)}{half} hours")
        forms = [spoken] if unit == "minutes" else [*forms, spoken]  # nobody says "240 minutes"
    elif 2 <= amount <= 12:
        forms.append(Saying(f"{in_words(amount)} {unit}"))
    return forms


def _phone(value: Json, now: str, option: str) -> list[Saying]:
    """A phone number: ``+44 7700 900123``, ``+447700900123``."""
    import phonenumbers

    text = str(value)
    forms = [Saying(text)]
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return forms
    spaced = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return [Saying(spaced), *forms] if spaced != text else forms


def _text(value: Json, now: str, option: str) -> list[Saying]:
    """Words as they are; an enum's underscores become spaces."""
    if value is None:
        return [Saying("none")]
    if isinstance(value, bool):
        return [Saying("yes" if value else "no")]
    return [Saying(str(value))]


def _words(value: Json, now: str, option: str) -> list[Saying]:
    """A machine's word as people write it: ``main_room`` as ``main room``."""
    return [Saying(str(value).replace("_", " ").replace("-", " "))]


def _last(value: Json, now: str, option: str) -> list[Saying]:
    """The end of an identifier or number; the option says how many characters: ``ending in 4821``."""
    return [Saying(f"ending in {str(value)[-int(option or 4) :]}")]


def _first_name(value: Json, now: str, option: str) -> list[Saying]:
    """The first name of a person."""
    return [Saying(str(value).split()[0])]


def _list(value: Json, now: str, option: str) -> list[Saying]:
    """Several words: ``milk, bread and eggs``."""
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no list")
    return [Saying(joined([_plain(part) for part in value]))]


FORMS: dict[str, Form] = {
    "cents": _cents,
    "clock": _clock,
    "count": _count,
    "day": _day,
    "duration": _duration,
    "first_name": _first_name,
    "last": _last,
    "list": _list,
    "money": _money,
    "number": _number,
    "on": _on,
    "people": _people,
    "percent": _percent,
    "phone": _phone,
    "text": _text,
    "when": _when,
    "words": _words,
}
"""Form name to the function that says a value in it."""


def joined(parts: Sequence[str], word: str = "and") -> str:
    """Join words as a list in running text.

    Args:
        parts: The words.
        word: The conjunction before the last one.

    Returns:
        One text; empty for no words.

    Example:
        >>> joined(["milk", "bread", "eggs"])
        'milk, bread and eggs'
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}" if parts else ""


def in_words(number: int) -> str:
    """Return a whole number up to twenty in words, any other in digits.

    Args:
        number: The number.

    Returns:
        Its text.

    Example:
        >>> in_words(12), in_words(1200)
        ('twelve', '1,200')
    """
    return _NUMBERS[number] if 0 <= number < len(_NUMBERS) else f"{number:,}"


def _plain(part: Json) -> str:
    """A part of a list: a large number with its thousands apart, words without underscores, an identifier as it is."""
    if isinstance(part, int) and not isinstance(part, bool) and abs(part) >= _LARGE:
        return f"{part:,}"
    text = str(part)
    return text if any(map(str.isdigit, text)) else text.replace("_", " ")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else plural(noun)}"


def _both(one: str, other: str) -> str:
    return " ".join(habit for habit in (one, other) if habit)


def _ordinal(number: int) -> str:
    return f"{number}{'th' if 10 <= number % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _integer(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise ValueError(f"{value!r} is no whole number")
    return int(value)


def _date(value: Json) -> datetime.date:
    return datetime.date.fromisoformat(str(value)[:10])


def _time(value: Json) -> tuple[int, int]:
    text = str(value)
    clock = text.split("T")[-1] if "T" in text else text
    hour, minute = clock.split(":")[:2]
    return int(hour), int(minute)


def _is_date(value: str) -> bool:
    return len(value) == 10 and value[4] == value[7] == "-" and value.replace("-", "").isdigit()


def _is_moment(value: str) -> bool:
    return len(value) >= 16 and value[10] == "T" and _is_date(value[:10])


def chosen(options: Sequence[Saying], habits: Habits, manner: int) -> str:
    """Choose one saying that agrees with a speaker's habits.

    Args:
        options: Every way of saying a value.
        habits: The speaker's habits.
        manner: A number: the same one takes the same of like sayings, so that two days of one sentence are said alike.

    Returns:
        The text.
    """
    held = {habits.clock, habits.order, habits.numbers, habits.side}
    fitting = [saying for saying in options if set(saying.habit.split()) <= held] or list(options)
    near = bool(manner & 1)
    group = [saying.text for saying in fitting if saying.near is near] or [saying.text for saying in fitting]
    return group[(manner >> 1) % len(group)]

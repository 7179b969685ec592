"""Words for values: what a parameter's name, its format or its description suggests that a person would say.

Everything is drawn from the given generator, so the same generator gives the same words. The only importer of
``faker``, which supplies people's names.
"""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache

from tdlab.records import Json

__all__ = ["described", "formatted", "make_person", "names_a_person", "number_range", "worded"]

_EPOCH = datetime.date(2026, 3, 2)
_PROSE_EXAMPLE = re.compile(
    r"(?:e\.?\s?g\.?,?|for example,?|such as|example:|examples:|like)\s*"
    r"((?:['\"`][^'\"`\n]{1,60}['\"`](?:\s*(?:,|or|and)\s*)?)+)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"['\"`]([^'\"`\n]{1,60})['\"`]")
_UNQUOTABLE = frozenset("id ids name title query text note email".split())
"""Last words of names for which an example in prose would make all tasks alike."""

_TIMEZONES = (
    "Europe/Lisbon", "America/Chicago", "Asia/Tokyo", "Africa/Nairobi", "Australia/Sydney", "America/Sao_Paulo",
)  # fmt: skip
_CURRENCIES = ("EUR", "USD", "GBP", "JPY", "CHF", "SEK", "BRL", "INR")
_COUNTRIES = ("DE", "US", "FR", "JP", "BR", "IN", "KE", "CA", "PL", "AU")
_LANGUAGES = ("en", "de", "fr", "es", "ja", "pt", "sv")
_TICKERS = ("ACME", "GLBX", "NORD", "HELI", "ZENT", "ORBT", "KITE", "MOSS")
_CITIES = (
    "Lyon", "Porto", "Graz", "Leeds", "Turin", "Malmö", "Gdańsk", "Ghent", "Bilbao", "Cork", "Basel", "Aarhus", "Osaka",
    "Busan", "Hanoi", "Pune", "Kochi", "Mombasa", "Kigali", "Accra", "Fez", "Tunis", "Denver", "Austin", "Portland",
    "Halifax", "Calgary", "Puebla", "Medellín", "Cusco", "Rosario", "Curitiba", "Perth", "Hobart", "Dunedin", "Bergen",
)  # fmt: skip
_STATES = ("Bavaria", "Oregon", "Vermont", "Ontario", "Provence", "Catalonia", "Kerala", "Tasmania", "Minas Gerais")
_STREETS = ("Alder Row", "Mill Lane", "Harbour Road", "Station Street", "Orchard Close", "Kirkgate", "Chapel Hill",
            "Elm Terrace", "Foundry Street", "Quarry Road", "Lindenweg", "Rua do Carmo")  # fmt: skip
_PROPER = ("Harbor", "Maple", "Delta", "Juniper", "Orion", "Willow", "Summit", "Cedar", "Atlas", "Beacon", "Coral",
           "Falcon", "Meridian", "Nimbus", "Opal", "Pioneer", "Quartz", "Raven", "Saffron", "Tundra", "Umber", "Vega",
           "Westgate", "Birch", "Cobalt", "Heron")  # fmt: skip
_FIRMS = (
    "Logistics",
    "Foods",
    "Partners",
    "Instruments",
    "Textiles",
    "Energy",
    "Systems",
    "Publishing",
    "Labs",
    "Mills",
)
_TOPICS = (
    "quarterly planning", "supplier audit", "spring launch", "warehouse move", "budget review", "site survey",
    "customer interviews", "release checklist", "safety training", "energy report", "market entry", "hiring round",
    "archive clean-up", "route change", "press briefing", "patient follow-up", "course outline", "recipe test",
    "lease renewal", "sensor calibration", "match schedule", "grant proposal", "model comparison", "rent review",
)  # fmt: skip
_SENTENCES = (
    "Please keep the original wording.", "This replaces the earlier draft.", "Agreed with the team on Monday.",
    "Handle before the end of the week.", "The numbers were checked twice.", "Ask for a receipt on arrival.",
    "Nothing else needs to change.", "Keep it short and factual.", "The client asked for this in writing.",
    "It should be visible to everyone involved.", "Use the new address from now on.", "Counted on site this morning.",
)  # fmt: skip
_PEOPLE = frozenset(
    "full first last middle given family guest client tenant contact applicant customer person patient student host"
    " owner author inspector employee candidate attendee recipient sender speaker teacher driver passenger buyer"
    " seller subscriber member instructor signer contractor holder referee coach doctor nurse agent artist assignee"
    " username manager reviewer approver organizer organiser tutor caller pilot captain donor witness presenter rider"
    " payer payee debtor creditor trainer therapist officer landlord creator editor composer child participant nominee"
    " technician requester reporter visitor resident shopper provider learner scorer athlete captain".split()
)
_COMPANIES = frozenset(
    "company organization organisation org vendor supplier merchant firm employer dealer carrier airline brand insurer"
    " bank manufacturer publisher lender broker issuer retailer operator_name shop store label producer agency".split()
)
_PAST = frozenset(
    "created updated modified last sent paid started finished completed closed opened measured recorded registered"
    " captured logged seen ended joined published founded since born birth issued".split()
)


# ------------------------------------------------------------------------------------------------------------- people


@cache
def _names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return first and last names, each once, in a fixed order."""
    from faker.providers.person.en_US import Provider

    first = {**dict.fromkeys(Provider.first_names_female), **dict.fromkeys(Provider.first_names_male)}
    return tuple(sorted(first)), tuple(sorted(dict.fromkeys(Provider.last_names)))


def make_person(rng: random.Random) -> str:
    """Return a person's full name, without titles.

    Args:
        rng: The only source of randomness.

    Returns:
        A first and a last name.

    Example:
        >>> import random
        >>> make_person(random.Random(1)) == make_person(random.Random(1))
        True
    """
    first, last = _names()
    return f"{rng.choice(first)} {rng.choice(last)}"


def names_a_person(words: tuple[str, ...]) -> bool:
    """Return whether a field of that name contains a person's name.

    Args:
        words: The words of the field's name.

    Returns:
        Whether it is a person's name, rather than that of a thing.

    Example:
        >>> names_a_person(("guest", "name")), names_a_person(("file", "name"))
        (True, False)
    """
    return words[-1:] == ("name",) and bool(_PEOPLE & set(words))


def _address(rng: random.Random, domains: tuple[str, ...] = ("com",)) -> str:
    """Return an e-mail address in a domain that is reserved for examples."""
    name = make_person(rng).lower().replace(" ", rng.choice((".", "_", "")))
    return f"{name}{rng.choice(('', '', rng.randint(2, 99)))}@example.{rng.choice(domains)}"


# ------------------------------------------------------------------------------------------------------------ formats


def _day(rng: random.Random, *, past: bool = False) -> str:
    return (_EPOCH + datetime.timedelta(days=rng.randint(-90, -1) if past else rng.randint(1, 240))).isoformat()


def _clock(rng: random.Random) -> str:
    return f"{rng.randint(7, 19):02d}:{rng.choice((0, 15, 30, 45)):02d}:00"


def _uuid(rng: random.Random) -> str:
    bits = f"{rng.getrandbits(128):032x}"
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"


def _link(rng: random.Random) -> str:
    return f"https://www.example.{rng.choice(('com', 'org', 'net'))}/{rng.choice(_TOPICS).replace(' ', '-')}"


def _path(rng: random.Random) -> str:
    return f"/data/{rng.choice(_TOPICS).replace(' ', '_')}.{rng.choice(('csv', 'txt', 'json', 'pdf'))}"


def _host(rng: random.Random) -> str:
    return f"{rng.choice(('app', 'db', 'mail', 'cache'))}-{rng.randint(1, 40)}.example.com"


_FORMATS: dict[str, Callable[[random.Random], str]] = {
    "time": lambda rng: f"{_clock(rng)}Z",
    "duration": lambda rng: f"PT{rng.randint(5, 180)}M",
    "email": lambda rng: _address(rng, ("com", "org", "net")),
    "idn-email": lambda rng: _address(rng, ("com", "org", "net")),
    "uri": _link,
    "url": _link,
    "iri": _link,
    "uri-reference": _link,
    "uuid": _uuid,
    "ipv4": lambda rng: f"192.0.2.{rng.randint(1, 254)}",
    "ipv6": lambda rng: f"2001:db8::{rng.randint(1, 9999):x}",
    "hostname": _host,
}


def formatted(rng: random.Random, form: str, words: tuple[str, ...]) -> str | None:
    """Return a text in a JSON Schema ``format``; None for an unknown one. Dates follow the tense of the ``words``."""
    past = bool(_PAST & set(words))
    if form == "date":
        return _day(rng, past=past)
    if form == "date-time":
        return f"{_day(rng, past=past)}T{_clock(rng)}Z"
    maker = _FORMATS.get(form)
    return maker(rng) if maker is not None else None


def described(rng: random.Random, schema: Mapping[str, Json], words: tuple[str, ...]) -> str | None:
    """Return an example from the schema's own description, if it is short and looks like a whole value."""
    text = schema.get("description")
    if not isinstance(text, str) or (words and words[-1] in _UNQUOTABLE):
        return None
    fits = [v for v in _examples_in(text[:600]) if len(v) >= schema.get("minLength", 0)]
    high = schema.get("maxLength")
    fits = fits if high is None else [v for v in fits if len(v) <= high]
    return rng.choice(fits) if fits else None


@lru_cache(maxsize=8192)
def _examples_in(text: str) -> tuple[str, ...]:
    examples = [value for group in _PROSE_EXAMPLE.findall(text) for value in _QUOTED.findall(group)]
    return tuple(v for v in examples if v.strip() == v and not re.search(r"[{<…]|\.\.", v))


# ------------------------------------------------------------------------------------------------------------ numbers

_RANGES: tuple[tuple[frozenset[str], tuple[float, float]], ...] = tuple(
    (frozenset(words.split()), bounds)
    for words, bounds in (
        ("lat latitude", (-60, 65)),
        ("lon lng longitude", (-120, 140)),
        ("birth born", (1950, 2004)),
        ("year", (2019, 2026)),
        ("timestamp epoch", (1_760_000_000, 1_770_000_000)),
        ("http", (200, 404)),
        ("port", (1024, 9999)),
        ("rating stars", (1, 5)),
        ("percent percentage pct humidity", (1, 100)),
        ("ratio rate probability threshold confidence share fraction", (0.05, 0.95)),
        ("temperature celsius temp", (-5, 32)),
        ("bedrooms bathrooms rooms adults children infants goals retries attempts version priority floor", (1, 4)),
        ("years age", (2, 40)),
        ("bytes", (20_000, 9_000_000)),
        ("tokens", (50, 4000)),
        ("width height px", (320, 2400)),
        ("km kilometers kilometres miles", (2, 60)),
        ("days nights weeks months", (2, 28)),
        ("hours", (1, 48)),
        ("minutes", (5, 120)),
        ("seconds", (1, 90)),
        ("minor cents", (250, 20_000)),
        ("price amount cost total budget fee balance value", (12, 4800)),
        ("limit", (3, 20)),
        ("count quantity qty guests seats people items page per size top offset number position index", (2, 12)),
        ("grams weight", (50, 900)),
    )
)


def number_range(words: tuple[str, ...], *, integral: bool) -> tuple[float, float]:
    """Return the usual range of a number of that name; for an integer at least 1 where the name means a share."""
    present = set(words)
    for names, bounds in _RANGES:
        if names & present:
            return bounds if not integral or bounds[1] >= 1 else (1, 10)
    return (1, 60)


# -------------------------------------------------------------------------------------------------------------- words


def _email(rng: random.Random) -> str:
    return _address(rng)


def _sentence(rng: random.Random) -> str:
    return f"{rng.choice(_TOPICS).capitalize()}: {rng.choice(_SENTENCES)}"


def _firm(rng: random.Random) -> str:
    return f"{rng.choice(_PROPER)} {rng.choice(_FIRMS)}"


def _sum(rng: random.Random) -> str:
    return f"{rng.randint(2, 90)} * {rng.randint(2, 90)} + {rng.randint(2, 90)}"


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    word: make
    for words, make in (
        ("email recipient attendee cc mail", _email),
        ("phone mobile tel", lambda rng: f"+1-555-{rng.randint(100, 999)}-{rng.randint(1000, 9999)}"),
        ("city location destination origin place town venue", lambda rng: rng.choice(_CITIES)),
        ("address street", lambda rng: f"{rng.randint(1, 120)} {rng.choice(_STREETS)}"),
        ("country", lambda rng: rng.choice(_COUNTRIES)),
        ("state region province", lambda rng: rng.choice(_STATES)),
        ("zip postcode postal", lambda rng: f"{rng.randint(10000, 99999)}"),
        ("currency", lambda rng: rng.choice(_CURRENCIES)),
        ("ticker symbol", lambda rng: rng.choice(_TICKERS)),
        ("timezone tz", lambda rng: rng.choice(_TIMEZONES)),
        ("language lang locale", lambda rng: rng.choice(_LANGUAGES)),
        ("date day until deadline due", _day),
        ("since birthday", lambda rng: _day(rng, past=True)),
        ("time", lambda rng: _clock(rng)[:5]),
        ("timestamp datetime", lambda rng: f"{_day(rng)}T{rng.randint(7, 19):02d}:00:00Z"),
        ("url uri link website endpoint", _link),
        ("domain host hostname", _host),
        ("path file filename filepath folder directory", _path),
        ("repository repo", lambda rng: f"{rng.choice(_PROPER).lower()}/{rng.choice(_TOPICS).replace(' ', '-')}"),
        ("branch", lambda rng: f"feature/{rng.choice(_TOPICS).replace(' ', '-')}"),
        ("color colour", lambda rng: f"#{rng.getrandbits(24):06x}"),
        ("handle", lambda rng: "@" + make_person(rng).lower().replace(" ", "_")),
        ("hashtag", lambda rng: "#" + re.sub(r"\W", "", rng.choice(_TOPICS).title())),
        ("size", lambda rng: rng.choice(("small", "medium", "large", "A4", "extra large"))),
        ("pricing tier plan", lambda rng: rng.choice(("flat", "basic", "standard", "premium"))),
        (
            "title subject topic query keyword keywords q search heading headline theme",
            lambda rng: f"{rng.choice(_TOPICS)} {rng.randint(2, 99)}",
        ),
        (
            "tag category type kind status level mode",
            lambda rng: rng.choice(("standard", "internal", "priority", "external", "seasonal")),
        ),
        (
            "description note notes message text content body comment reason prompt summary details instructions",
            _sentence,
        ),
        ("expression formula", _sum),
        ("unit", lambda rng: rng.choice(("kg", "m", "litre", "piece", "hour"))),
    )
    for word in words.split()
}


def worded(rng: random.Random, words: tuple[str, ...]) -> str:
    """Return a text that suits the meaning of a name's words; the last words count most."""
    if words and words[-1] in ("name", "names", "label") and len(words) > 1:
        return _name_of(rng, words[:-1])
    if len(words) > 1 and words[-1] == "code" and words[-2] in _MAKERS:
        return _MAKERS[words[-2]](rng)
    for word in reversed(words):
        if word in ("id", "uuid", "guid", "key", "ref", "uid"):
            return f"{'_'.join(words[:-1])[:3] or 'id'}_{rng.getrandbits(32):08x}"
        if word in ("number", "no", "code", "sku", "slug", "hash", "serial"):
            return f"{(words[0][:2] or 'no').upper()}-{rng.randint(10000, 99999)}"
        if word in _PEOPLE:
            return make_person(rng)
        if word in _COMPANIES:
            return _firm(rng)
        maker = _MAKERS.get(word)
        if maker is not None:
            return maker(rng)
    if not words or words[-1] == "name":
        return f"{rng.choice(_PROPER)} {rng.randint(2, 99)}"
    return _name_of(rng, words)


def _name_of(rng: random.Random, words: tuple[str, ...]) -> str:
    """Return a name for a thing of that kind: a person's, a firm's, or ``Harbor charger 12``."""
    if _PEOPLE & set(words):
        full = make_person(rng)
        return full.split()[0] if "first" in words or "given" in words else full
    if _COMPANIES & set(words):
        return _firm(rng)
    if words[-1] == "user":
        return make_person(rng)
    for word in reversed(words):
        if word in ("city", "country", "region", "state", "place", "venue", "location"):
            return _MAKERS[word](rng)
        if word in ("file", "document", "image"):
            return _path(rng).rpartition("/")[2]
    return f"{rng.choice(_PROPER)} {words[-1]} {rng.randint(2, 99)}"

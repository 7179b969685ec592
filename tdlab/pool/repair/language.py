"""The language of a description, detected by its script and, for Latin letters, by small words that only it uses.

Detection is deterministic and cautious: the answer for a text too short or too mixed is ``""``. Kana distinguish
Japanese from Chinese. A language in Latin letters needs at least three different small words that English does not use,
and more of them than of English ones. Limits: a script stands for one language (Ukrainian counts as ``ru``, Persian as
``ar``).
"""

from __future__ import annotations

import re

__all__ = ["LANGUAGES", "is_plainly_english", "language"]

LANGUAGES: dict[str, str] = {
    "en": "English", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "ru": "Cyrillic script", "ar": "Arabic script",
    "he": "Hebrew", "el": "Greek", "th": "Thai", "hi": "Devanagari script", "es": "Spanish", "pt": "Portuguese",
    "fr": "French", "de": "German", "it": "Italian", "nl": "Dutch", "pl": "Polish", "tr": "Turkish", "vi": "Vietnamese",
    "id": "Indonesian",
}  # fmt: skip
"""The codes that `language` returns, and their meaning."""

_SHARE = 0.3
_LEAST_WORDS = 3
_SCRIPTS = (
    ("kana", re.compile("[\u3040-\u30ff\uff66-\uff9f]")),
    ("han", re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")),
    ("ko", re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")),
    ("ru", re.compile("[\u0400-\u052f]")),
    ("ar", re.compile("[\u0600-\u06ff\u0750-\u077f]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("hi", re.compile("[\u0900-\u097f]")),
)
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = frozenset("the of and to a in for is with by from on this that or be an are as it your".split())
_SURELY_ENGLISH = frozenset("the of and to for is with from this".split())
_OTHERS: dict[str, frozenset[str]] = {
    "es": frozenset("el los las una un del para por con que y su sus lista obtiene obtener crear buscar como más este "
                    "esta usuario datos devuelve desde información según fecha".split()),
    "pt": frozenset("o os as uma um do da dos das para por com que e seu sua lista obter criar buscar como mais este "
                    "esta usuário dados retorna informações não através busca consulta pelo pela".split()),
    "fr": frozenset("le les une un des du pour par avec que et son sa ses liste obtenir créer rechercher comme plus "
                    "cette utilisateur données retourne dans est sur depuis permet récupère".split()),
    "de": frozenset("der die das eine ein des für mit von und oder ist nicht liste erstellen suchen als mehr diese "
                    "dieser benutzer daten gibt auf zu zum zur den dem nach über wird".split()),
    "it": frozenset("il lo gli una un del della dei delle per con che e di da nel nella lista ottenere creare cercare "
                    "come più questo questa utente dati restituisce sono".split()),
    "nl": frozenset("de het een van voor met en niet lijst maken zoeken als meer deze gebruiker gegevens naar op is "
                    "wordt".split()),
    "pl": frozenset("i w na z do dla jest nie lista oraz się przez użytkownika dane od które lub pobiera".split()),
    "tr": frozenset("ve bir için ile bu olan veya listesi alır olarak kullanıcı göre tüm en bilgileri".split()),
    "vi": frozenset("và của cho các một là với trong được không danh sách từ theo".split()),
    "id": frozenset("dan yang untuk dengan dari ke ini atau adalah daftar pada dalam oleh data".split()),
}  # fmt: skip
_FOREIGN = frozenset().union(*_OTHERS.values())


def is_plainly_english(text: str) -> bool:
    """Return whether a text is certainly English: two of its small words, and no letter of another script.

    A repair that depends on what a text says in words may only be made where those words can be understood.
    """
    words = set(_WORD.findall(text.lower()))
    return (
        len(words & _ENGLISH) > 1
        and all(letter < "\u0250" for letter in _LETTER.findall(text))
        and language(text) == "en"
    )


def language(text: str) -> str:
    """Return the code of the text's language (a key of `LANGUAGES`), or ``""`` where it is uncertain."""
    if not text.isascii():
        letters = len(_LETTER.findall(text))
        counts = {name: len(found) for name, pattern in _SCRIPTS if (found := pattern.findall(text))}
        cjk = counts.get("han", 0) + counts.get("kana", 0)
        if letters and cjk > _SHARE * letters and cjk >= counts.get("ko", 0):
            return "ja" if counts.get("kana", 0) * 10 > cjk else "zh"
        counts.pop("han", None)
        counts.pop("kana", None)
        if letters and counts:
            best = min(counts, key=lambda name: (-counts[name], name))
            if counts[best] > _SHARE * letters:
                return best
    words = set(_WORD.findall(text.lower()))
    if len(words & _SURELY_ENGLISH) > 1:
        return "en"
    english = len(words & _ENGLISH)
    if len(words & _FOREIGN) < 2:
        return "en" if english or (text.isascii() and len(words) > 1) else ""
    hits = {code: len(words & small_words) for code, small_words in _OTHERS.items()}
    best = min(hits, key=lambda code: (-hits[code], code))
    if hits[best] >= _LEAST_WORDS and hits[best] > 2 * english:
        return best
    return "en" if english >= 1 or (text.isascii() and len(words) >= 2 and hits[best] < 2) else ""

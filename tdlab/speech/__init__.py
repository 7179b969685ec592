"""Speech: values as people say them, and back; the grammar of utterances."""

from __future__ import annotations

from tdlab.speech.forms import FORMS, Habits, Saying, form_of, habits_for, in_words, joined, sayings
from tdlab.speech.grammar import (
    Part,
    Slot,
    Speaker,
    expanded,
    filled,
    needed_slots,
    parsed_template,
    said_slots,
    sayable,
    slots_of,
    spoken_slots,
    unknown_slots,
    value_sayings,
)
from tdlab.speech.lines import After, agreement, asking, closing, continuing, welcome
from tdlab.speech.said import dates_in, said, said_in, times_in

__all__ = [
    "FORMS",
    "After",
    "Habits",
    "Part",
    "Saying",
    "Slot",
    "Speaker",
    "agreement",
    "asking",
    "closing",
    "continuing",
    "dates_in",
    "expanded",
    "filled",
    "form_of",
    "habits_for",
    "in_words",
    "joined",
    "needed_slots",
    "parsed_template",
    "said",
    "said_in",
    "said_slots",
    "sayable",
    "sayings",
    "slots_of",
    "spoken_slots",
    "times_in",
    "unknown_slots",
    "value_sayings",
    "welcome",
]

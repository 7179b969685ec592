"""Lines that belong to no service: asking for what is missing, agreeing, thanking, closing."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Literal

from tdlab.speech.forms import joined

__all__ = ["After", "agreement", "asking", "closing", "continuing", "welcome"]

After = Literal["done", "answered", "refused", "stopped"]
"""What was just settled: a wish was fulfilled, a question answered, a wish refused or given up by the user."""

_ASKS = (
    "Could you tell me {things}?",
    "For that I need to know {things}.",
    "I can do that once I know {things}.",
    "Of course. Please tell me {things}.",
    "Please tell me {things}.",
)
_FIRST_ASKS = (
    "Sure. I just need to know {things}.",
    "Happy to help. Can you tell me {things}?",
    "Sure, can you tell me {things}?",
    "Gladly. Please tell me {things}.",
    "Gladly. For that I'll need to know {things}.",
)
_LATER_ASKS = (
    "I still need to know {things}.",
    "Can you also tell me {things}?",
    "And I need to know {things}.",
    "One more question: can you tell me {things}?",
)
_AGREEMENTS = (
    "Yes, please.", "Yes, go ahead.", "Yes.", "Please do.", "OK, do that.", "Go ahead.", "Fine by me.", "Yep, do it.",
    "Yes, do that.", "Yes, thanks.", "OK.", "Sure, go ahead.",
)  # fmt: skip
_CONFIRMATIONS = (
    "That's right, do it.", "Correct, thanks.", "Yes, that's right.", "Yes, exactly.", "Sounds right.",
    "Right, go ahead.", "It is.", "Yes, please go ahead.", "Yes.", "Yep.",
)  # fmt: skip
_WHETHER_RIGHT = re.compile(r"(?<!\ball )\b(?:right|correct)\?$", re.IGNORECASE)
_CLOSINGS = (
    "Great, thank you.", "Perfect, thanks!", "Thanks, that's all.", "Lovely. Thanks for your help.", "Cheers.",
    "That's everything, thank you.", "Brilliant, thanks.", "Wonderful, thank you so much.", "Good, thanks.",
)  # fmt: skip
_CLOSINGS_AFTER_ANSWERS = (
    "Thanks, that's all.", "OK, thank you.", "Thanks for looking.", "All right, thanks.", "That's all, thank you.",
    "Thank you.",
)  # fmt: skip
"""After an answer, which may be no good news."""

_WELCOMES = (
    "You're welcome.", "My pleasure.", "Glad I could help.", "Any time.", "Happy to help.",
    "You're welcome, take care.",
)  # fmt: skip
_LEADS: dict[After, tuple[str, ...]] = {
    "done": (
        "Thanks. ", "Great. ", "Perfect. ", "And ", "One more thing. ", "Good. ", "Also, ", "While you're at it: ", "",
        "Oh, before I forget. ", "Thank you! ",
    ),
    "answered": ("Thanks. ", "OK. ", "And ", "One more thing. ", "", "Thank you. ", "I see. ", "OK, thanks. "),
    "refused": ("All right. ", "OK. ", "Fine, then something else. ", "Understood. ", "Hm, OK. ", "Too bad. ", ""),
    "stopped": ("All right. ", "OK. ", "Something else, then. ", ""),
}  # fmt: skip


_SMALL_WORDS = frozenset(
    "a all an and any anything are as at before by can could did do does for from give has have how if in is it "
    "just let look make may my no not nothing now on one or our please put shall should so some somebody someone "
    "something take tell that the their then there these they this those to was we what when where which who "
    "whose why will with would you your "
    "add book cancel change check close delete find get list move open order pay play remove reserve run send set "
    "show start stop switch try turn update write".split()
)
"""First words of a request that are small inside a sentence; what is not one may be a name."""
_OWN_LEADS = frozenset(
    "actually ah all alright also and but fine good great he hm instead it lovely never now oh ok okay one perfect "
    "right she so sorry splendid still super thank thanks that then they too we well while wonderful yes".split()
)
"""First words of a request that leads in by itself, or speaks of what was just settled."""


def asking(clauses: Sequence[str], rng: random.Random, *, first: bool = False) -> str:
    """Return a question for what is missing, named all at once.

    Args:
        clauses: What is asked for, each as a clause: ``which day you would like``.
        rng: Chooses the wording.
        first: Whether it is the first that the assistant says.

    Returns:
        One sentence or two.

    Example:
        >>> import random
        >>> asking(["which day you would like", "which city it is in"], random.Random(3))
        'Of course. Please tell me which day you would like and which city it is in.'
    """
    one = len(clauses) == 1
    ways = [way for way in (*_ASKS, *(_FIRST_ASKS if first else _LATER_ASKS)) if one or not way.startswith("One ")]
    chosen: str = rng.choice(ways)
    return chosen.format(things=joined(list(clauses)))


def agreement(question: str, rng: random.Random) -> str:
    """Return a user's yes.

    Args:
        question: What the assistant asked: whether something is right, or whether to do it.
        rng: Chooses the wording.

    Returns:
        One sentence.

    Example:
        >>> import random
        >>> agreement("That is Friday at 7 pm, is that right?", random.Random(1))
        "Yes, that's right."
    """
    return rng.choice(_CONFIRMATIONS if _WHETHER_RIGHT.search(question.rstrip()) else _AGREEMENTS)


def closing(rng: random.Random, *, after: After = "done") -> str:
    """Return a user's last words.

    Args:
        rng: Chooses the wording.
        after: What was just settled: an answer may be no good news.

    Returns:
        One sentence.

    Example:
        >>> import random
        >>> closing(random.Random(1))
        "Thanks, that's all."
    """
    return rng.choice(_CLOSINGS if after == "done" else _CLOSINGS_AFTER_ANSWERS)


def continuing(text: str, rng: random.Random, *, after: After = "done") -> str:
    """Return a later request, led in from what was just settled.

    Args:
        text: The request, as it would open a conversation.
        rng: Chooses the words before it.
        after: What was just settled: "perfect" is no answer to bad news.

    Returns:
        The request. After a comma or a colon it starts with a small letter, unless it starts with a name.

    Example:
        >>> import random
        >>> continuing("Could you move it to Friday?", random.Random(3))
        'And could you move it to Friday?'
    """
    first = text.split()[0].rstrip(",").partition("'")[0]
    if first.lower() in _OWN_LEADS:
        return text
    small = first.lower() in _SMALL_WORDS
    leads = _LEADS[after]
    if not small and first != "I":  # "And Set an alert" is no sentence
        leads = tuple(lead for lead in leads if lead not in ("And ", "Also, ", "While you're at it: "))
    lead = rng.choice(leads)
    if lead.endswith((". ", "! ")) or not lead:
        return lead + text
    return lead + (text[0].lower() + text[1:] if small else text)


def welcome(rng: random.Random) -> str:
    """Return an assistant's last words.

    Args:
        rng: Chooses the wording.

    Returns:
        One sentence.

    Example:
        >>> import random
        >>> welcome(random.Random(1))
        'My pleasure.'
    """
    return rng.choice(_WELCOMES)

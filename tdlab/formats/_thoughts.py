"""What a model thought and did not say: the blocks of reasoning in an assistant's text."""

from __future__ import annotations

import re

__all__ = ["split_thoughts"]

_PAIRS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
_MARK = re.compile("|".join(re.escape(mark) for pair in _PAIRS for mark in pair), re.IGNORECASE)
_CLOSING = {opening.lower(): closing.lower() for opening, closing in _PAIRS}


def split_thoughts(text: str) -> tuple[str, str]:
    """Return an assistant's text without its thoughts, and the thoughts.

    A block that is never closed reaches to the end of the text. A closing mark without an opening one ends a block that
    the chat template opened (as DeepSeek-R1's does): all before it is thought. Marks inside a block belong to it.
    """
    if not ("<" in text or "[" in text or "◁" in text) or _MARK.search(text) is None:
        return text, ""
    said: list[str] = []
    thoughts: list[str] = []
    start, waiting, depth = 0, "", 0
    for mark in _MARK.finditer(text):
        name = mark.group().lower()
        if waiting:
            depth += (_CLOSING.get(name) == waiting) - (name == waiting)
            if depth == 0:
                thoughts.append(text[start : mark.start()])
                start, waiting = mark.end(), ""
        elif name in _CLOSING:
            said.append(text[start : mark.start()])
            start, waiting, depth = mark.end(), _CLOSING[name], 1
        else:
            thoughts.append("".join([*said, text[start : mark.start()]]))
            said, start = [], mark.end()
    (thoughts if waiting else said).append(text[start:])
    return "".join(said).strip(), "\n".join(thought.strip() for thought in thoughts if thought.strip())

"""The style of every figure, and the ways out: PNG bytes for a notebook, PDF and PNG files for a paper.

A figure's bytes depend on the figure alone. Figures are made without pyplot, so nothing here needs a display, leaks a
window or changes a user's settings.
"""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdlab.store import atomic_write

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NARROW", "PALETTE", "STYLE", "WIDTH", "figure_png", "label", "new_axes", "rows_of", "save_figure"]

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Okabe and Ito's eight colours, which people with any common colour vision can tell apart."""

STYLE: Any = {  # matplotlib types its keys one by one
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "font.size": 7.5,
    "font.family": "DejaVu Sans",
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "svg.hashsalt": "tdlab",
}
WIDTH = 7.0
"""Inches: the text width of a paper of two columns, so that type is printed at the size it has here."""
NARROW = 3.4
"""Inches: one column."""
_MOST_LETTERS = 34  # characters of a label


def figure_png(figure: Figure, *, dpi: int = 150) -> bytes:
    """The figure as PNG bytes."""
    return _rendered(figure, "png", dpi=dpi)


def save_figure(figure: Figure, stem: str | Path, *, dpi: int = 200) -> tuple[Path, Path]:
    """Write ``stem``.pdf and ``stem``.png, whole or not at all; returns both paths. StoreError where it cannot."""
    stem = Path(stem)
    written = []
    for kind in ("pdf", "png"):
        path = stem.with_name(f"{stem.name}.{kind}")
        atomic_write(path, _rendered(figure, kind, dpi=dpi))
        written.append(path)
    return written[0], written[1]


def _rendered(figure: Figure, kind: str, *, dpi: int) -> bytes:
    from matplotlib import rc_context

    metadata = {"pdf": {"CreationDate": None, "Producer": None}, "png": {"Software": None}}[kind]
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def label(text: str, *, most: int = _MOST_LETTERS) -> str:
    """A name of a tool pool as plain text: a dollar sign starts no formula, and nothing is longer than it may be.

    What the font cannot draw is a square: scraped names hold any script, and control characters.
    """
    shown = " ".join(text.split())
    shown = shown if len(shown) <= most else shown[: most - 1] + "…"
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(character if _is_drawn(character) else "\N{WHITE SQUARE}" for character in shown)
    return shown.replace("$", r"\$")


@lru_cache(maxsize=4096)
def _is_drawn(character: str) -> bool:
    """Whether the font of `STYLE` has the character."""
    from matplotlib.font_manager import findfont, get_font

    return character.isprintable() and get_font(findfont(STYLE["font.family"])).get_char_index(ord(character)) > 0


def new_axes(ax: Axes | None) -> Axes:
    """``ax``, or where it is None the Axes of a new figure of one column."""
    if ax is not None:
        return ax
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        return Figure(figsize=(NARROW, 2.4), layout="constrained").subplots()


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame, each by its columns' names."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]

"""The style of every figure, and its output: PNG bytes for a notebook, PDF and PNG files for a paper.

A figure's bytes depend on the figure alone. Figures are made without pyplot: no display is needed, no window stays
open, and the user's settings are not changed.
"""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdlab.store import atomic_write
from tdlab.tools import shorten

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NARROW", "PALETTE", "STYLE", "WIDTH", "figure_png", "label", "new_axes", "rows_of", "save_figure"]

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""The eight colours of Okabe and Ito, *Color universal design* (2008): distinct for every common colour vision."""

STYLE: Any = {  # matplotlib declares each key as a literal type
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
"""Text width of a two-column paper, in inches, so that type is printed at the size that it has here."""
NARROW = 3.4
"""Width of one column, in inches."""
_MOST_CHARACTERS = 34  # of a label


def figure_png(figure: Figure, *, dpi: int = 150) -> bytes:
    """Render a figure as PNG.

    Args:
        figure: A figure of this package, or any other of matplotlib.
        dpi: Resolution, in dots per inch.

    Returns:
        The bytes of a PNG file; equal figures give equal bytes.

    Example:
        >>> import pandas as pd
        >>> ax = plot_modes(pd.DataFrame({"letter": ["read"], "share": [1.0]}))
        >>> figure_png(ax.figure, dpi=50)[1:4]
        b'PNG'
    """
    return _rendered(figure, "png", dpi=dpi)


def save_figure(figure: Figure, stem: str | Path, *, dpi: int = 200) -> tuple[Path, Path]:
    """Save a figure as PDF and as PNG. Each file is written whole or not at all.

    Args:
        figure: A figure of this package, or any other of matplotlib.
        stem: Path of both files without the suffix; ``figures/run`` gives ``run.pdf`` and ``run.png``.
        dpi: Resolution of the PNG, in dots per inch.

    Returns:
        The path of the PDF and the path of the PNG.

    Raises:
        StoreError: A file cannot be written.

    Example:
        >>> import pandas as pd
        >>> ax = plot_modes(pd.DataFrame({"letter": ["read"], "share": [1.0]}))
        >>> [path.name for path in save_figure(ax.figure, "modes")]
        ['modes.pdf', 'modes.png']
    """
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


def label(text: str, *, most: int = _MOST_CHARACTERS) -> str:
    """Return a name as one line of plain text, cut to ``most`` characters, with dollar signs escaped.

    A character that the font cannot draw becomes a square, since scraped names hold any script and control characters.
    """
    line = shorten(" ".join(text.split()), most)
    if not (line.isascii() and line.isprintable()):
        line = "".join(character if _is_drawn(character) else "\N{WHITE SQUARE}" for character in line)
    return line.replace("$", r"\$")


@lru_cache(maxsize=4096)
def _is_drawn(character: str) -> bool:
    """Return whether the font of `STYLE` has the character."""
    from matplotlib.font_manager import findfont, get_font

    return character.isprintable() and get_font(findfont(STYLE["font.family"])).get_char_index(ord(character)) > 0


def new_axes(ax: Axes | None) -> Axes:
    """Return ``ax``, or the Axes of a new figure of one column if it is None."""
    if ax is not None:
        return ax
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        return Figure(figsize=(NARROW, 2.4), layout="constrained").subplots()


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as dicts by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]

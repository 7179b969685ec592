"""Figures of re-run programs: verdicts by domain, and durations against the time limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compute_code_verdicts", "plot_code_check", "plot_code_times", "plot_code_verdicts"]

_VERDICTS = (
    ("same", "the same", PALETTE[2]),
    ("different", "different", PALETTE[5]),
    ("not_replayed", "not run", PALETTE[6]),
)
_MOST_BARS = 36
_LANGUAGES = ("python", "sql", "bash")


def compute_code_verdicts(checked: pd.DataFrame) -> pd.DataFrame:
    """Count the verdicts on re-run programs in each domain.

    Args:
        checked: The frame of a `tdlab.jobs.CheckReport`, with the columns ``domain`` and ``verdict``.

    Returns:
        One row per domain, the most programs first: ``domain`` (id), ``title``, and the numbers of programs ``same``,
        ``different`` and ``not_replayed``.

    Example:
        >>> import pandas as pd
        >>> checked = pd.DataFrame({"domain": ["travel", "travel"], "verdict": ["same", "different"]})
        >>> compute_code_verdicts(checked)[["same", "different", "not_replayed"]].to_numpy().tolist()
        [[1, 1, 0]]
    """
    import pandas as pd

    from tdlab.pool import Taxonomy

    taxonomy = Taxonomy.bundled()
    kinds = [kind for kind, _, _ in _VERDICTS]
    rows: list[dict[str, Any]] = []
    for domain in sorted({str(domain) for domain in checked["domain"]}):
        verdicts = checked.loc[checked["domain"] == domain, "verdict"]
        numbers = {kind: int((verdicts == kind).sum()) for kind in kinds}
        title = taxonomy[domain].title if domain in taxonomy else domain
        rows.append({"domain": domain, "title": title, **numbers})
    rows.sort(key=lambda row: (-sum(row[kind] for kind in kinds), row["domain"]))
    return pd.DataFrame(rows, columns=["domain", "title", *kinds])


def plot_code_verdicts(verdicts: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the verdicts in each domain as stacked bars.

    Args:
        verdicts: The frame of `compute_code_verdicts`; the first 36 domains are drawn.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> verdicts = pd.DataFrame({"title": ["Travel"], "same": [2], "different": [1], "not_replayed": [0]})
        >>> plot_code_verdicts(verdicts).get_title()
        'Re-run programs by domain (1)'
    """
    from matplotlib.ticker import MaxNLocator

    ax = new_axes(ax)
    rows = verdicts.head(_MOST_BARS)
    heights = list(range(len(rows), 0, -1))
    starts = [0] * len(rows)
    for name, caption, colour in _VERDICTS:
        numbers = [int(number) for number in rows[name]]
        ax.barh(
            heights, numbers, left=starts, color=colour, height=0.72, label=f"{caption} ({int(verdicts[name].sum())})"
        )
        starts = [before + number for before, number in zip(starts, numbers, strict=True)]
    ax.set_yticks(heights, [label(title) for title in rows["title"]])
    more = f", {len(verdicts) - len(rows)} more" if len(verdicts) > len(rows) else ""
    ax.set(xlabel="programs", title=f"Re-run programs by domain ({len(rows)}{more})", ylim=(0.3, len(rows) + 0.7))
    ax.tick_params(axis="y", labelsize=6.5 if len(rows) > 12 else 7, length=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(rows):
        ax.legend(loc="lower right")
    return ax


def plot_code_times(checked: pd.DataFrame, *, time_limit_s: float, ax: Axes | None = None) -> Axes:
    """Draw the duration of each program by language, with the time limit.

    A program that was compared several times counts once, with all its runs added up.

    Args:
        checked: The frame of a `tdlab.jobs.CheckReport`, with the columns ``language``, ``verdict`` and ``seconds``.
        time_limit_s: The time limit of a program, in seconds.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes, with a logarithmic axis of seconds.

    Example:
        >>> import pandas as pd
        >>> checked = pd.DataFrame({"language": ["sql"], "verdict": ["same"], "seconds": [0.2]})
        >>> [tick.get_text() for tick in plot_code_times(checked, time_limit_s=30.0).get_yticklabels()]
        ['sql']
    """
    ax = new_axes(ax)
    languages = [name for name in _LANGUAGES if (checked["language"] == name).any()]
    for row, language in enumerate(languages):
        group = checked[checked["language"] == language]
        jittered = [row + ((number * 7919) % 101 - 50) / 170 for number in range(len(group))]
        for name, _, colour in _VERDICTS:
            selected = (group["verdict"] == name).to_list()
            times = [t for t, is_selected in zip(group["seconds"], selected, strict=True) if is_selected]
            heights = [s for s, is_selected in zip(jittered, selected, strict=True) if is_selected]
            ax.scatter(times, heights, s=9, color=colour, linewidths=0, alpha=0.8)
    ax.axvline(time_limit_s, color="black", linewidth=0.9, linestyle="--")
    ax.annotate(
        f"limit {time_limit_s:g} s", (time_limit_s, 1.0), xycoords=("data", "axes fraction"), xytext=(-3, -2),
        textcoords="offset points", ha="right", va="top", fontsize=7,
    )  # fmt: skip
    ax.set_xscale("log")
    ax.set(xlabel="seconds", title="Time", ylim=(len(languages) - 0.3, -0.7))
    ax.set_yticks(range(len(languages)), languages)
    ax.tick_params(axis="y", length=0)
    return ax


def plot_code_check(checked: pd.DataFrame, *, time_limit_s: float, backend: str) -> Figure:
    """Draw the verdicts and the durations of re-run programs side by side.

    Args:
        checked: The frame of a `tdlab.jobs.CheckReport`; a frame without rows gives a figure that says so.
        time_limit_s: The time limit of a program, in seconds.
        backend: Name of the sandbox, for the title.

    Returns:
        A figure of two Axes, or of none if there are no programs.

    Example:
        >>> import pandas as pd
        >>> plot_code_check(pd.DataFrame({"domain": [], "verdict": []}), time_limit_s=30.0, backend="bubblewrap").axes
        []
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    verdicts = compute_code_verdicts(checked)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, max(2.4, 0.9 + 0.15 * min(len(verdicts), _MOST_BARS))), layout="constrained")
        if not len(checked):
            figure.text(0.5, 0.5, "This run has no code steps: there is nothing to re-run.", ha="center", fontsize=9)
            return figure
        left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
        plot_code_verdicts(verdicts, ax=left)
        plot_code_times(checked, time_limit_s=time_limit_s, ax=right)
        same = int((checked["verdict"] == "same").sum())
        figure.suptitle(f"{same} of {len(checked)} programs reproduce, in {backend}", fontsize=9, x=0.01, ha="left")
    return figure

"""The panel of code steps: re-run the programs of a run, filter them by verdict, and see one in full."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tdlab.jobs import Checked, CheckReport, recorded_programs, replay_programs
from tdlab.panels.panel import Panel
from tdlab.plots import plot_code_check
from tdlab.rollout import recorded_output
from tdlab.tools import shorten

if TYPE_CHECKING:
    from tdlab.store import Run

__all__ = ["CodeCheckPanel", "check_code"]

_FILTERS = (
    ("every verdict", ""),
    ("the same", "same"),
    ("different", "different"),
    ("could not be run", "not_replayed"),
)
_MOST_ROWS = 500
_MOST_TEXT = 6000
_BOX = (
    "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.4;margin:2px 0 8px;padding:6px;background:#f6f6f6;"
    "max-height:22em;overflow:auto;font-family:monospace"
)


class CodeCheckPanel(Panel[CheckReport]):
    """Panel over the recorded programs of a run; made by `check_code`.

    The Run button re-runs them under the time limit and does not change the run (`tdlab.check_run` does). Below the
    picture, a filter and a list select one program to show in full: its code, its recorded output and the differences.
    """

    def __init__(self, run: Run, *, workers: int) -> None:
        import ipywidgets as widgets

        config = run.config.sandbox
        programs = recorded_programs(run)
        limit = widgets.BoundedFloatText(
            value=config.wall_s, min=0.05, max=600.0, step=0.5, description="time limit (s)",
            style={"description_width": "initial"},
        )  # fmt: skip
        super().__init__(
            {"time_limit_s": limit},
            compute=lambda time_limit_s: replay_programs(
                programs, config=config.model_copy(update={"wall_s": time_limit_s}), workers=workers
            ),
            paint=lambda report: plot_code_check(
                report.to_frame(), time_limit_s=float(limit.value), backend=report.backend
            ),
            describe=_describe,
            slow=True,
        )
        self.verdict = widgets.Dropdown(options=_FILTERS, description="show", style={"description_width": "initial"})
        self.row = widgets.Dropdown(
            options=(), description="program", layout=widgets.Layout(width="38em", max_width="98%")
        )
        self._detail = widgets.HTML()
        self.verdict.observe(lambda _: self._guarded(self._fill), names="value")
        self.row.observe(lambda _: self._guarded(self._show), names="value")
        picking = widgets.HBox([self.verdict, self.row], layout=widgets.Layout(flex_flow="row wrap"))
        self.widget.children = (*self.widget.children, picking, self._detail)

    @property
    def shown(self) -> tuple[Checked, ...]:
        """Return the programs that match the filter."""
        wanted = self.verdict.value
        checked = self.result.checked if self.result is not None else ()
        return tuple(result for result in checked if not wanted or result.comparison.verdict == wanted)

    @property
    def detail(self) -> str:
        """Return the shown program as HTML, with untrusted text escaped."""
        return str(self._detail.value)

    def refresh(self) -> None:
        """Re-run the programs and list them."""
        super().refresh()
        self._guarded(self._fill)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._say(f"{type(error).__name__}: {error}", fault=True)
            raise

    def _fill(self) -> None:
        """List the programs that match the filter and show the first."""
        options = [
            (f"{shown.comparison.verdict}  {shown.program.language}  {shown.program.name}", index)
            for index, shown in enumerate(self.shown[:_MOST_ROWS])
        ]
        self.row.options = options
        self.row.value = 0 if options else None
        self._show()

    def _show(self) -> None:
        index = self.row.value
        rows = self.shown
        self._detail.value = _in_full(rows[index]) if isinstance(index, int) and index < len(rows) else ""


def check_code(run: Run, *, workers: int = 2) -> CodeCheckPanel:
    """Make a panel that re-runs the recorded programs of a run.

    Args:
        run: An open run.
        workers: Number of sandboxes that work in parallel.

    Returns:
        The panel; ``refresh()`` does what its Run button does.

    Example:
        >>> from tdlab.store import open_run
        >>> panel = check_code(open_run("runs/first"))  # a run without code steps
        >>> panel.refresh()
        >>> panel.result.ok
        True
    """
    return CodeCheckPanel(run, workers=workers)


def _describe(report: CheckReport) -> str:
    if not report.checked:
        return "This run has no code steps. `tdlab run --code` makes a run with code steps."
    return (
        f"Re-ran {len(report.checked)} programs in {report.backend}: {report.count('same')} the same, "
        f"{report.count('different')} different, {report.count('not_replayed')} could not be run"
    )


def _in_full(result: Checked) -> str:
    program, comparison = result.program, result.comparison
    recorded = recorded_output(program.recorded)
    head = f"{comparison.verdict}: {comparison.reason or 'printed the recorded output'} ({result.seconds:.3f} s)"
    blocks: list[tuple[str, Any]] = [("", head), ("program", program.arguments.get("code", ""))]
    blocks += [(name, value) for name, value in program.arguments.items() if name not in ("code", "language")]
    blocks.append(("recorded", program.recorded if recorded is None else recorded.stdout or recorded.stderr))
    blocks += [
        (f"difference in {d.part}, line {d.line}", f"recorded: {d.recorded}\nnow:      {d.replayed}")
        for d in comparison.differences
    ]
    return "".join(_block(name, str(text)) for name, text in blocks)


def _block(name: str, text: str) -> str:
    shown = shorten(text, _MOST_TEXT)
    return f"<b>{html.escape(name)}</b><div style='{_BOX}'>{html.escape(shown)}</div>"

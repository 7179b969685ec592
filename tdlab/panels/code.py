"""The panel of code steps: run a run's programs again under a time limit, filter by verdict, see one row in full."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tdlab.jobs import Checked, CheckReport, recorded_programs, replay_programs
from tdlab.panels.panel import Panel
from tdlab.plots import plot_code_check
from tdlab.rollout import recorded_output

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
    """A panel over the recorded programs of a run; made by `check_code`.

    Run runs them again under the time limit and changes nothing in the run (`tdlab.check_run` does that). Below the
    picture a filter and a list lead to one program in full: its code, what is on record, what came out and where
    they differ.
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
            describe=_told,
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
        """The programs that the filter lets through."""
        wanted = self.verdict.value
        checked = self.result.checked if self.result is not None else ()
        return tuple(one for one in checked if not wanted or one.comparison.verdict == wanted)

    @property
    def detail(self) -> str:
        """The one row in full, as HTML in which everything from outside is escaped."""
        return str(self._detail.value)

    def refresh(self) -> None:
        """Run the programs again and list them."""
        super().refresh()
        self._guarded(self._fill)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._say(f"{type(error).__name__}: {error}", fault=True)
            raise

    def _fill(self) -> None:
        """List what the filter lets through; the first is shown."""
        options = [
            (f"{one.comparison.verdict}  {one.program.language}  {one.program.trajectory} {one.program.call_id}", place)
            for place, one in enumerate(self.shown[:_MOST_ROWS])
        ]
        self.row.options = options
        self.row.value = 0 if options else None
        self._show()

    def _show(self) -> None:
        place = self.row.value
        rows = self.shown
        self._detail.value = _in_full(rows[place]) if isinstance(place, int) and place < len(rows) else ""


def check_code(run: Run, *, workers: int = 2) -> CodeCheckPanel:
    """A panel that runs the programs of a run again: time limit, filter by verdict, one row in full, a picture.

    ``workers`` is the number of jails that work at the same time.
    """
    return CodeCheckPanel(run, workers=workers)


def _told(report: CheckReport) -> str:
    if not report.checked:
        return "This run has no code steps. `tdlab run --code` makes a run with some, where there is a sandbox."
    return (
        f"{len(report.checked)} programs run again in {report.backend}: {report.count('same')} the same, "
        f"{report.count('different')} different, {report.count('not_replayed')} could not be run"
    )


def _in_full(one: Checked) -> str:
    program, comparison = one.program, one.comparison
    recorded = recorded_output(program.recorded)
    head = f"{comparison.verdict}: {comparison.reason or 'what is on record came out again'} ({one.seconds:.3f} s)"
    parts: list[tuple[str, Any]] = [("", head), ("program", program.arguments.get("code", ""))]
    parts += [(name, value) for name, value in program.arguments.items() if name not in ("code", "language")]
    parts.append(("on record", program.recorded if recorded is None else recorded.stdout or recorded.stderr))
    parts += [
        (f"difference in {d.part}, line {d.line}", f"on record: {d.recorded}\nrun again: {d.replayed}")
        for d in comparison.differences
    ]
    return "".join(_block(name, str(text)) for name, text in parts)


def _block(name: str, text: str) -> str:
    shown = text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"
    return f"<b>{html.escape(name)}</b><div style='{_BOX}'>{html.escape(shown)}</div>"

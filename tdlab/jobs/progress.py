"""Progress bars for terminals and notebooks.

Other outputs, such as log files, get one line per stage.
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["Reporter"]
_log = logging.getLogger(__name__)


class Reporter:
    """Context manager that shows one progress bar per stage.

    Args:
        enabled: False shows nothing.
        console: Where to draw; default: stderr.

    Example:
        >>> with Reporter(enabled=False) as reporter:
        ...     reporter.stage("trajectories", total=2)
        ...     reporter.update(1, note="1 rejected")
    """

    def __init__(self, *, enabled: bool = True, console: Console | None = None) -> None:
        self._enabled = enabled
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._enabled:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
            from rich.table import Column

            console = self._console or Console(stderr=True)
            self._console = console
            if console.is_terminal or console.is_jupyter:
                note = Column(overflow="fold")  # wrap in narrow terminals
                self._progress = Progress(
                    TextColumn("{task.description:<12}"), BarColumn(16),
                    MofNCompleteColumn(table_column=Column(no_wrap=True)),
                    TimeElapsedColumn(table_column=Column(no_wrap=True)),
                    TextColumn("{task.fields[note]}", markup=False, table_column=note), console=console,
                )  # fmt: skip
                self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            if error is None:
                self._finish()
            self._progress.refresh()  # in a notebook, stop() does not draw
            self._progress.stop()
            self._progress = None

    def stage(self, name: str, *, total: int | None = None) -> None:
        """Start a stage of ``total`` steps, if the number is known."""
        _log.info("stage: %s", name)
        if self._progress is not None:
            self._finish()
            self._task = self._progress.add_task(name, total=total, note="")
        elif self._enabled and self._console is not None:
            self._console.print(name, highlight=False, markup=False)

    def update(self, completed: int, *, total: int | None = None, note: str = "") -> None:
        """Show that ``completed`` steps (of ``total``) are done, with a note as plain text."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=completed, total=total, note=note)

    def _finish(self) -> None:
        """Complete the bar of a stage whose steps were not counted."""
        if self._progress is not None and self._task is not None and self._progress.tasks[-1].total is None:
            self._progress.update(self._task, total=1, completed=1)

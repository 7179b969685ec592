"""Progress of long work, as a bar in a terminal and in a notebook alike, or not at all.

`Reporter` is what long work talks to. Nothing is drawn where the output is no terminal and no notebook, except one line
a stage, so that logs stay readable.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["Reporter"]


class Reporter:
    """A context manager with one bar for the stage at hand. ``enabled`` False keeps silent."""

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
                note = Column(overflow="fold")  # on further lines where the terminal is narrow, so that all is seen
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
            self._progress.refresh()  # in a notebook stopping draws nothing
            self._progress.stop()
            self._progress = None

    def stage(self, name: str, *, total: int | None = None) -> None:
        """Begin a stage; ``total`` is how many steps it has, if that is known."""
        if self._progress is not None:
            self._finish()
            self._task = self._progress.add_task(name, total=total, note="")
        elif self._enabled and self._console is not None:
            self._console.print(name, highlight=False, markup=False)

    def update(self, completed: int, *, total: int | None = None, note: str = "") -> None:
        """``completed`` steps of the stage are done; ``total`` sets how many there are. ``note`` is shown as it is."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=completed, total=total, note=note)

    def _finish(self) -> None:
        """A stage whose steps were not counted is done in one."""
        if self._progress is not None and self._task is not None and self._progress.tasks[-1].total is None:
            self._progress.update(self._task, total=1, completed=1)

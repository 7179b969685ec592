"""The panel of a diversity map: choose what the points are coloured by, pick a point, read its trajectory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tdlab.embedding import TrajectoryMap
from tdlab.panels.chat import chat_html
from tdlab.panels.panel import Panel, shortened
from tdlab.plots import COLOURS, Colour, map_figure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MapPanel", "MapView", "map_panel"]

_LISTED = 200
"""Points that the list offers at once; the status line says how many there are."""
_EVERY = "all datasets"
_LETTERS = 70  # of an opening in the list


@dataclass(frozen=True)
class MapView:
    """What the panel shows: the rows of the chosen datasets, the one that is picked, and its conversation as HTML."""

    frame: pd.DataFrame
    colour: Colour
    row: int | None
    chat: str
    matching: int


class MapPanel(Panel[MapView]):
    """A map with its controls: ``colour``, ``dataset``, ``find`` and ``point``.

    ``find`` looks for words in id, domain, mode, tools and opening; ``point`` lists what matches, and the one that is
    picked is ringed on the map and shown as a conversation.

    `chat` is the conversation as it is shown, escaped. Nothing is laid out anew, whatever is turned.
    """

    def __init__(self, found: TrajectoryMap, *, collapses: pd.DataFrame | None = None) -> None:
        import ipywidgets as widgets

        self._found = found
        self._collapses = collapses
        self._listing = False
        self._search = _searchable(found.frame)
        datasets = list(dict.fromkeys(found.frame["dataset"]))
        self._dataset = widgets.Dropdown(options=[_EVERY, *datasets], description="dataset")
        self._find = widgets.Text(
            description="find", placeholder="word in id, domain, mode, tools", continuous_update=False
        )
        self._point = widgets.Select(description="point", rows=8, layout=widgets.Layout(width="98%"))
        self._matching = 0
        for control in (self._dataset, self._find):
            control.observe(lambda _: self._list(), names="value")
        self._list()
        self._chat = widgets.HTML()
        super().__init__(
            {
                "colour": widgets.Dropdown(options=COLOURS, description="colour"),
                "dataset": self._dataset,
                "find": self._find,
                "point": self._point,
            },
            compute=self._view,
            paint=self._figure,
            describe=self._words,
        )
        self.widget.children = (*self.widget.children, self._chat)

    @property
    def chat(self) -> str:
        """The conversation that is shown, as HTML in which everything from outside is escaped."""
        return str(self._chat.value)

    def refresh(self) -> None:
        """Paint anew and open the picked point. An error is shown in the status line, and raised."""
        if self._listing:
            return
        super().refresh()
        if self.result is not None:
            self._chat.value = self.result.chat

    def _rows(self, dataset: str, find: str) -> Any:
        chosen = self._search.str.contains(find.casefold().strip(), regex=False)
        if dataset != _EVERY:
            chosen &= self._found.frame["dataset"] == dataset
        return chosen.to_numpy().nonzero()[0]

    def _list(self) -> None:
        """Offer what matches; the picked point stays where it still does."""
        rows = self._rows(self._dataset.value, self._find.value)
        self._matching = len(rows)
        frame, before = self._found.frame, self._point.value
        listed = [int(row) for row in rows[:_LISTED]]
        options: list[tuple[str, int | None]] = [("none", None)]
        for row in listed:
            one = frame.iloc[row]
            opening = shortened(one["opening"], _LETTERS)
            options.append((f"{row}  {one['trajectory'][:24]}  {one['domain']}  {one['mode']}  {opening}", row))
        self._listing = True
        try:
            self._point.options = options
            self._point.value = before if before in listed else None
        finally:
            self._listing = False

    def _view(self, *, colour: Colour, dataset: str, find: str, point: int | None) -> MapView:
        frame = self._found.frame
        shown = frame if dataset == _EVERY else frame[frame["dataset"] == dataset]
        chat = "" if point is None else chat_html(self._found.trajectory(point))
        return MapView(shown, colour, point, chat, self._matching)

    def _figure(self, view: MapView) -> Any:
        ring = None if view.row is None else int((view.frame.index == view.row).argmax())
        collapses = self._collapses
        if collapses is not None:  # those of which a point is shown
            shown = set(view.frame.index)
            collapses = collapses.loc[[not shown.isdisjoint(members) for members in collapses["members"]]]
        return map_figure(view.frame, colour=view.colour, collapses=collapses, ring=ring)

    def _words(self, view: MapView) -> str:
        listed = f"{min(view.matching, _LISTED):,} of {view.matching:,} matching points listed"
        return f"{self._found.method} by {self._found.by}; {listed}"


def map_panel(found: TrajectoryMap, *, collapses: pd.DataFrame | None = None) -> MapPanel:
    """The panel of a map. ``collapses`` (of `tdlab.embedding.collapses`) are numbered on it."""
    return MapPanel(found, collapses=collapses)


def _searchable(frame: pd.DataFrame) -> Any:
    joined = frame[["trajectory", "domain", "mode", "tool_sequence", "opening"]].astype(str).agg("\n".join, axis=1)
    return joined.str.casefold() if len(frame) else joined.astype(str)

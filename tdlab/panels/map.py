"""The panel of a diversity map: colour the points, pick one, read its trajectory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tdlab.embedding import TrajectoryMap
from tdlab.panels.chat import chat_html
from tdlab.panels.panel import Panel
from tdlab.plots import COLOURS, Colour, map_figure
from tdlab.tools import shorten

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MapPanel", "MapView", "map_panel"]

_LISTED = 200
"""Most points in the list; the status line shows how many match."""
_EVERY = "all datasets"
_OPENING = 70  # characters of an opening in the list


@dataclass(frozen=True)
class MapView:
    """What the panel shows: the rows of the selected datasets, the picked row, and its conversation as HTML."""

    frame: pd.DataFrame
    colour: Colour
    row: int | None
    chat: str
    matching: int


class MapPanel(Panel[MapView]):
    """Panel over a map with the controls ``colour``, ``dataset``, ``find`` and ``point``; made by `map_panel`.

    ``find`` searches id, domain, mode, tools and opening. ``point`` lists the matches; the picked point gets a ring on
    the map, and its conversation is shown below. The layout of the map never changes.
    """

    def __init__(self, mapped: TrajectoryMap, *, collapses: pd.DataFrame | None = None) -> None:
        import ipywidgets as widgets

        self._mapped = mapped
        self._collapses = collapses
        self._listing = False
        self._search = _searchable(mapped.frame)
        datasets = list(dict.fromkeys(mapped.frame["dataset"]))
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
            describe=self._describe_view,
        )
        self.widget.children = (*self.widget.children, self._chat)

    @property
    def chat(self) -> str:
        """Return the shown conversation as HTML, with untrusted text escaped."""
        return str(self._chat.value)

    def refresh(self) -> None:
        """Draw the map and open the picked point. An error is shown in the status line, and raised."""
        if self._listing:
            return
        super().refresh()
        if self.result is not None:
            self._chat.value = self.result.chat

    def _rows(self, dataset: str, find: str) -> Any:
        chosen = self._search.str.contains(find.casefold().strip(), regex=False)
        if dataset != _EVERY:
            chosen &= self._mapped.frame["dataset"] == dataset
        return chosen.to_numpy().nonzero()[0]

    def _list(self) -> None:
        """List the matches; the picked point stays if it is among them."""
        rows = self._rows(self._dataset.value, self._find.value)
        self._matching = len(rows)
        frame, before = self._mapped.frame, self._point.value
        listed = [int(row) for row in rows[:_LISTED]]
        options: list[tuple[str, int | None]] = [("none", None)]
        for row in listed:
            point = frame.iloc[row]
            opening = shorten(" ".join(point["opening"].split()), _OPENING)
            options.append((f"{row}  {point['trajectory'][:24]}  {point['domain']}  {point['mode']}  {opening}", row))
        self._listing = True
        try:
            self._point.options = options
            self._point.value = before if before in listed else None
        finally:
            self._listing = False

    def _view(self, *, colour: Colour, dataset: str, find: str, point: int | None) -> MapView:
        frame = self._mapped.frame
        shown = frame if dataset == _EVERY else frame[frame["dataset"] == dataset]
        chat = "" if point is None else chat_html(self._mapped.trajectory(point))
        return MapView(shown, colour, point, chat, self._matching)

    def _figure(self, view: MapView) -> Any:
        ring = None if view.row is None else int((view.frame.index == view.row).argmax())
        collapses = self._collapses
        if collapses is not None:  # only those with a point on the map
            shown = set(view.frame.index)
            collapses = collapses.loc[[not shown.isdisjoint(members) for members in collapses["members"]]]
        return map_figure(view.frame, colour=view.colour, collapses=collapses, ring=ring)

    def _describe_view(self, view: MapView) -> str:
        listed = f"{min(view.matching, _LISTED):,} of {view.matching:,} matching points listed"
        return f"{self._mapped.method} by {self._mapped.by}; {listed}"


def map_panel(mapped: TrajectoryMap, *, collapses: pd.DataFrame | None = None) -> MapPanel:
    """Make a panel over a diversity map.

    Args:
        mapped: Result of `tdlab.embedding.map_trajectories`.
        collapses: Near-duplicate groups to number on the map, from `tdlab.embedding.collapses`.

    Returns:
        The panel; its ``result`` is what it shows, as a `MapView`.

    Example:
        >>> from tdlab.embedding import map_trajectories
        >>> panel = map_panel(map_trajectories({"first": "runs/first"}, by="structure"))
        >>> panel.controls["point"].value = 3
        >>> panel.result.row, len(panel.chat) > 0
        (3, True)
    """
    return MapPanel(mapped, collapses=collapses)


def _searchable(frame: pd.DataFrame) -> Any:
    joined = frame[["trajectory", "domain", "mode", "tool_sequence", "opening"]].astype(str).agg("\n".join, axis=1)
    return joined.str.casefold() if len(frame) else joined.astype(str)

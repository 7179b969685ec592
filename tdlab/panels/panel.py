"""The base of every panel: controls, a pure computation, a picture and a status line.

The computation is a function of the values of the controls. Its result is drawn as PNG bytes in an `Image`, so that the
picture does not flicker. An error is shown in the status line and raised. Slow work starts with a Run button; otherwise
the picture follows the controls. A picture is never enlarged; in a narrow notebook it shrinks by up to a third, then
scrolls.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tdlab.plots import figure_png

if TYPE_CHECKING:
    import ipywidgets as widgets

__all__ = ["PANEL_DPI", "Panel"]

PANEL_DPI = 120
"""Resolution at which a figure of the default width fits a notebook cell on a small screen."""

Result = TypeVar("Result")


class Panel(Generic[Result]):
    """A panel over named controls; a notebook cell that ends with it shows it.

    ``result`` is the last result, None before the first; ``widget`` is the ipywidgets tree.

    Args:
        controls: Name -> ipywidgets control.
        compute: Takes one keyword argument per control and returns the result.
        paint: Draws the result as a matplotlib figure or as PNG bytes.
        describe: Describes the result in one line of plain text for the status line; it is escaped.
        slow: Start the computation with a Run button instead of on every change.
        dpi: Resolution of the picture.

    Example:
        >>> import ipywidgets as widgets
        >>> from matplotlib.figure import Figure
        >>> panel = Panel({"n": widgets.IntSlider(2)}, compute=lambda n: n * n, paint=lambda result: Figure())
        >>> panel.controls["n"].value = 5
        >>> panel.result
        25
    """

    def __init__(
        self,
        controls: Mapping[str, widgets.ValueWidget],
        *,
        compute: Callable[..., Result],
        paint: Callable[[Result], Any],
        describe: Callable[[Result], str] = lambda result: "",
        slow: bool = False,
        dpi: int = PANEL_DPI,
    ) -> None:
        import ipywidgets as widgets

        self.controls = dict(controls)
        self.result: Result | None = None
        self._compute = compute
        self._paint = paint
        self._describe = describe
        self._dpi = dpi
        self._image = widgets.Image(
            format="png", layout=widgets.Layout(max_width="100%", height="auto", align_self="flex-start")
        )
        self._status = widgets.HTML()
        self._run: widgets.Button | None = None
        children: list[Any] = [widgets.VBox(list(self.controls.values()))]
        if slow:
            self._run = widgets.Button(description="Run", button_style="primary")
            self._run.on_click(lambda _: self.refresh())
            children.append(self._run)
        else:
            for control in self.controls.values():
                control.observe(lambda _: self.refresh(), names="value")
        frame = widgets.Box([self._image], layout=widgets.Layout(max_width="100%", overflow="auto"))
        self.widget = widgets.VBox([*children, frame, self._status])
        if not slow:
            self.refresh()

    @property
    def values(self) -> dict[str, Any]:
        """Return the values of the controls by name."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def png(self) -> bytes:
        """Return the shown picture as PNG bytes; empty before the first."""
        return bytes(self._image.value)

    @property
    def status(self) -> str:
        """Return the status line as HTML, with untrusted text escaped."""
        return str(self._status.value)

    def refresh(self) -> None:
        """Compute and draw with the current values. An error is shown in the status line, and raised."""
        began = time.perf_counter()
        if self._run is not None:
            self._run.disabled = True
            self._say("working …")
        try:
            result = self._compute(**self.values)
            painted = self._paint(result)
            picture = painted if isinstance(painted, bytes) else figure_png(painted, dpi=self._dpi)
        except Exception as error:
            self._say(f"{type(error).__name__}: {error}", fault=True)
            raise
        finally:
            if self._run is not None:
                self._run.disabled = False
        self.result = result
        self._image.layout.min_width = (
            f"{int.from_bytes(picture[16:20]) * 2 // 3}px"  # bytes 16 to 19 of a PNG are its width
        )
        self._image.value = picture
        milliseconds = 1000 * (time.perf_counter() - began)
        self._say(f"{self._describe(result)}  ({milliseconds:.0f} ms)".strip())

    def _say(self, text: str, *, fault: bool = False) -> None:
        style = "color:#b00020;white-space:pre-wrap;" if fault else "color:#555;"
        style += "display:block;line-height:1.4;overflow-wrap:anywhere"
        self._status.value = f'<span style="{style}">{html.escape(text)}</span>'

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)

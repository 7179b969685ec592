"""The panel that tunes steering: thresholds, strength, patience and budget over the candidates of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdlab.config import RunConfig
from tdlab.evolution import GAUGES, CachedCandidates, WhatIf, what_if
from tdlab.panels.panel import PANEL_DPI, Panel
from tdlab.plots import WhatIfCanvas
from tdlab.tools import shorten

if TYPE_CHECKING:
    import ipywidgets as widgets

__all__ = ["TuningPanel", "tune_evolution"]


class TuningPanel(Panel[WhatIf]):
    """Panel over `tdlab.evolution.what_if`, with a button that saves its settings; made by `tune_evolution`.

    ``config`` is the config with the current values of the controls; `save` writes it as YAML for
    ``tdlab run --config``.
    """

    def __init__(
        self, candidates: CachedCandidates, config: RunConfig, controls: dict[str, Any], *, save_to: str | Path
    ) -> None:
        import ipywidgets as widgets

        self._base = config
        self._candidates = candidates
        self._file = widgets.Text(
            value=str(save_to), description="file", layout=widgets.Layout(width="30em", max_width="98%")
        )
        self._button = widgets.Button(description="Save as config", icon="save")
        self._button.on_click(lambda _: self.save())
        super().__init__(
            controls,
            compute=lambda **values: what_if(
                candidates, self.configured(**values).evolution, target=config.target, seed=config.seed
            ),
            paint=WhatIfCanvas(dpi=PANEL_DPI).png,
            describe=_describe,
        )
        saving = widgets.HBox([self._file, self._button], layout=widgets.Layout(flex_flow="row wrap"))
        self.widget.children = (*self.widget.children, saving)

    def configured(self, **values: Any) -> RunConfig:
        """Return the config with these values of controls; a patience or budget of 0 means none."""
        evolution: dict[str, Any] = {"evolution__strategy": "evolved"}
        for name, value in values.items():
            evolution[f"evolution__{name}"] = None if name in ("patience", "budget") and not value else value
        return self._base.with_values(**evolution)

    @property
    def config(self) -> RunConfig:
        """Return the config with the current values of the controls."""
        return self.configured(**self.values)

    def save(self) -> Path:
        """Write the config to the file named in the panel. An error is shown in the status line, and raised."""
        path = Path(str(self._file.value))
        try:
            self.config.to_yaml(path)
        except Exception as error:
            self._say(f"{type(error).__name__}: {error}", fault=True)
            raise
        self._say(f"Saved. To use it: tdlab run --config {path}")
        return path


def tune_evolution(
    candidates: CachedCandidates, config: RunConfig, *, save_to: str | Path = "tuned.yaml"
) -> TuningPanel:
    """Make a panel that shows which candidates other steering settings would keep.

    Every change selects from the same candidates again; no trajectory is generated.

    Args:
        candidates: Candidates of a run, from `tdlab.evolution.cached_candidates`.
        config: Initial values of the controls and the other settings of the saved config; ``target`` is the number of
            candidates to keep.
        save_to: File to which the panel saves the config.

    Returns:
        The panel; its ``result`` is the selection.

    Example:
        >>> import tdlab
        >>> from tdlab.evolution import cached_candidates
        >>> candidates = cached_candidates(tdlab.open_run("runs/first"))
        >>> panel = tune_evolution(candidates, tdlab.RunConfig(target=5))
        >>> panel.controls["complexity_threshold"].value = 20.0
        >>> len(panel.result.kept), panel.config.evolution.complexity_threshold
        (5, 20.0)
    """
    import ipywidgets as widgets

    evolution = config.evolution

    def slider(kind: type, name: str, value: float, low: float, high: float, step: float, **more: Any) -> Any:
        return kind(
            value=min(max(value, low), high), min=low, max=high, step=step, description=name,
            continuous_update=True, style={"description_width": "11em"},
            layout=widgets.Layout(width="36em", max_width="98%"), **more,
        )  # fmt: skip

    shares: dict[str, Any] = {"low": 0.0, "high": 1.0, "step": 0.002, "readout_format": ".3f"}
    highest = max(60.0, evolution.complexity_threshold)
    controls: dict[str, widgets.ValueWidget] = {
        "domain_threshold": slider(widgets.FloatSlider, "domain threshold", evolution.domain_threshold, **shares),
        "mode_threshold": slider(widgets.FloatSlider, "mode threshold", evolution.mode_threshold, **shares),
        "complexity_threshold": slider(
            widgets.FloatSlider, "CAC threshold", evolution.complexity_threshold, 0.0, highest, 1.0
        ),
        "strength": slider(widgets.FloatSlider, "steering strength", evolution.strength, 0.0, 4.0, 0.1),
        "patience": slider(widgets.IntSlider, "patience (0: none)", evolution.patience or 0, 0, 100, 1),
        "budget": slider(widgets.IntSlider, "budget (0: none)", evolution.budget or 0, 0, len(candidates), 1),
    }
    for name, threshold in evolution.gauges.items():
        highest = max(1.0, 2.0 * threshold)
        title = shorten(GAUGES[name].title, 40)
        controls[f"gauges__{name}"] = slider(widgets.FloatSlider, title, threshold, 0.0, highest, highest / 200)
    return TuningPanel(candidates, config, controls, save_to=save_to)


def _describe(selection: WhatIf) -> str:
    counts = selection.candidates["outcome"].value_counts()
    last = selection.generations.iloc[-1]
    outcome = ", ".join(f"{number} {name}" for name, number in counts.items())
    gauges = f"H_dom {last['domain']:.3f} and H_mode {last['mode']:.3f} of their ceilings, mean CAC {last['cac']:.1f}"
    gauges += "".join(f", {GAUGES[name].title} {last[name]:.3f}" for name in selection.evolution.gauges)
    return f"{outcome}; {gauges}; stopped: {selection.stopped}"

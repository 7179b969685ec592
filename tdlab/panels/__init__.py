"""Panels: what the notebooks turn, over functions that a script could call as well.

The only importer of ipywidgets; nothing imports it. Every panel is a `Panel`: controls, a pure computation, a picture,
a status line.
"""

from __future__ import annotations

from tdlab.panels.evolution import TuningPanel, tune_evolution
from tdlab.panels.panel import Panel

__all__ = ["Panel", "TuningPanel", "tune_evolution"]

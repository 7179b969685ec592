"""Panels: what the notebooks turn, over functions that a script could call as well.

The only importer of ipywidgets; nothing imports it. Every panel is a `Panel`: controls, a pure computation, a picture,
a status line.
"""

from __future__ import annotations

from tdlab.panels.chat import chat_html
from tdlab.panels.map import MapPanel, map_panel
from tdlab.panels.panel import Panel

__all__ = ["MapPanel", "Panel", "chat_html", "map_panel"]

"""Panels: interactive controls for notebooks over functions that scripts can call, too.

Every panel is a `Panel`: controls, a pure computation, a picture and a status line. The only importer of ipywidgets; no
other package imports it.
"""

from __future__ import annotations

from tdlab.panels.blueprints import BlueprintPanel
from tdlab.panels.chat import chat_html
from tdlab.panels.clusters import ShownCluster, cluster_panel, clusters_panel
from tdlab.panels.code import CodeCheckPanel, check_code
from tdlab.panels.evolution import TuningPanel, tune_evolution
from tdlab.panels.map import MapPanel, map_panel
from tdlab.panels.panel import Panel
from tdlab.panels.pools import filter_tools, pool_panel
from tdlab.panels.rollouts import ConversationPanel, RolloutPanel

__all__ = [
    "BlueprintPanel",
    "CodeCheckPanel",
    "ConversationPanel",
    "MapPanel",
    "Panel",
    "RolloutPanel",
    "ShownCluster",
    "TuningPanel",
    "chat_html",
    "check_code",
    "cluster_panel",
    "clusters_panel",
    "filter_tools",
    "map_panel",
    "pool_panel",
    "tune_evolution",
]

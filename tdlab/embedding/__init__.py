"""Trajectories as vectors and as points of a plane: the diversity map.

`map_trajectories` puts several datasets on one map; `holes` names the combinations of domain and mode that are
missing in it, `collapses` the clumps of near-same trajectories. Its parts can be used alone:

- *vectors*: `text_features` (TF-IDF of the words, SVD; offline), an `Encoder` in its place (`endpoint_encoder` for any
  OpenAI-compatible endpoint, `sentence_encoder` for a local model, or a function of one's own), `structure_features`
  (reasoning modes, tools, complexity);
- *points*: `layout` (UMAP from given neighbours, so that a first map is quick; principal components for the few on
  which UMAP fails), `nearest`, `trustworthiness`.

Every row of vectors has length 1, so that they suit `tdlab.diversity.vendi_score` too. The only importer of umap. What
a map does not show: distances between far groups mean nothing, and no axis means anything.
"""

from __future__ import annotations

from tdlab.embedding._endpoint import endpoint_encoder
from tdlab.embedding._features import (
    Encoder,
    encoded,
    sentence_encoder,
    structure_features,
    text_features,
    trajectory_text,
)
from tdlab.embedding._holes import collapses, holes
from tdlab.embedding._layout import layout, nearest, trustworthiness
from tdlab.embedding._map import MODE_FAMILIES, TrajectoryMap, map_trajectories, mode_family

__all__ = [
    "MODE_FAMILIES",
    "Encoder",
    "TrajectoryMap",
    "collapses",
    "encoded",
    "endpoint_encoder",
    "holes",
    "layout",
    "map_trajectories",
    "mode_family",
    "nearest",
    "sentence_encoder",
    "structure_features",
    "text_features",
    "trajectory_text",
    "trustworthiness",
]

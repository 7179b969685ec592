"""Embed trajectories as vectors and as points of a 2-D map.

`map_trajectories` puts several datasets on one map. `holes` lists the combinations of domain and mode that are missing
in it, `collapses` the clumps of nearly equal trajectories. The parts can be used alone:

- *vectors*: `text_features` (TF-IDF of words and SVD; offline), an `Encoder` in its place (`endpoint_encoder` for any
  OpenAI-compatible endpoint, `sentence_encoder` for a local model, or your own function), `structure_features`
  (reasoning modes, tools, complexity);
- *points*: `layout` (UMAP from neighbours that are computed first, so that a first map is fast; principal components
  for sets that are too small for UMAP), `nearest`, `trustworthiness`.

Every row of vectors has length 1, so that `tdlab.diversity.vendi_score` takes them too. This package is the only
importer of umap. Do not read too much into a map: distances between distant groups and the axes mean nothing.
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

"""The settings of mining: how dependencies are scored, how clusters grow and which are selected."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tdlab.config._section import Section, Share

__all__ = ["ClusterConfig"]


class ClusterConfig(Section):
    """How Business Clusters are mined."""

    min_tools: int = Field(default=3, ge=1, le=50, description="Fewest tools in a cluster.")
    max_tools: int = Field(default=12, ge=1, le=50, description="Most tools in a cluster.")
    edge_threshold: Share = Field(default=0.35, description="Ignore dependencies that score lower than this.")
    candidates_per_tool: int = Field(
        default=3, ge=1, le=100, description="Candidate clusters grown from each seed tool."
    )
    coverage: Share = Field(default=0.98, description="Stop selecting clusters at this share of the reachable weight.")
    max_clusters: int | None = Field(
        default=None, ge=1, description="Stop selecting at this many clusters; null: no limit."
    )
    tool_weight: float = Field(default=1.0, ge=0.0, le=100.0, description="Weight of covering a tool.")
    edge_weight: float = Field(
        default=0.5, ge=0.0, le=100.0, description="Weight of covering a dependency, multiplied by its score."
    )

    @model_validator(mode="after")
    def _sizes_in_order(self) -> Self:
        if self.min_tools > self.max_tools:
            raise ValueError(
                f"clusters.min_tools ({self.min_tools}) is larger than clusters.max_tools ({self.max_tools})"
            )
        return self

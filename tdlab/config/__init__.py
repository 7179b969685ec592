"""Configuration of a run: one frozen, validated tree of settings, read from and written to YAML.

A run's dataset depends only on this tree and on the content of the pool. Nothing about the machine (worker processes,
paths, time) is in it. The main setting is ``target``: how many verified trajectories to make.
"""

from tdlab.config._section import Setting
from tdlab.config.clusters import (
    AcrossConfig,
    ClusterConfig,
    CompanionConfig,
    GrowthConfig,
    KindWeights,
    MatchWeights,
    MentionWeights,
    SchemaWeights,
    TopicWeights,
)
from tdlab.config.reference import commented_yaml, find_settings, settings_markdown, shown_value
from tdlab.config.run import (
    BlueprintConfig,
    EvolutionConfig,
    RolloutConfig,
    RunConfig,
    SandboxConfig,
    VerifyConfig,
    without_retired,
)
from tdlab.config.teacher import NOT_IN_DIGEST, RoleConfig, Sampling, TeacherConfig, TeacherRole, address_problem

__all__ = [
    "NOT_IN_DIGEST",
    "AcrossConfig",
    "BlueprintConfig",
    "ClusterConfig",
    "CompanionConfig",
    "EvolutionConfig",
    "GrowthConfig",
    "KindWeights",
    "MatchWeights",
    "MentionWeights",
    "RoleConfig",
    "RolloutConfig",
    "RunConfig",
    "Sampling",
    "SandboxConfig",
    "SchemaWeights",
    "Setting",
    "TeacherConfig",
    "TeacherRole",
    "TopicWeights",
    "VerifyConfig",
    "address_problem",
    "commented_yaml",
    "find_settings",
    "settings_markdown",
    "shown_value",
    "without_retired",
]

"""Records of mining: dependencies and Business Clusters."""

from __future__ import annotations

from tdlab.records.base import Domains, Record

__all__ = ["BusinessCluster", "Dependency", "Evidence"]


class Evidence(Record):
    """A reason to believe in a dependency.

    ``kind`` is a stable word, ``detail`` a sentence, ``weight`` a number in [0, 1].
    """

    kind: str
    detail: str
    weight: float


class Dependency(Record):
    """A directed edge: ``target`` needs, as ``parameter``, a value that ``source`` returns at ``path``.

    ``path`` leads through the (declared or inferred) output of the source; an integer is a list position. ``path`` and
    ``parameter`` are both empty for a pure ordering edge (``create`` before ``update``), which binds no value.
    ``score`` is in [0, 1].
    """

    source: str
    target: str
    path: tuple[str | int, ...] = ()
    parameter: str = ""
    score: float
    evidence: tuple[Evidence, ...] = ()


class BusinessCluster(Record):
    """A set of tools joined by dependencies that one real task could use (the paper's Business Cluster)."""

    id: str
    tools: tuple[str, ...]
    dependencies: tuple[Dependency, ...]
    domains: Domains
    title: str = ""

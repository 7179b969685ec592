"""Records of mining: dependencies and Business Clusters."""

from __future__ import annotations

from typing import Literal

from tdlab.records.base import Domains, Record

__all__ = ["BusinessCluster", "Dependency", "DependencyKind", "Evidence"]

DependencyKind = Literal["new", "context", "echo", "order", "companion"]
"""What a dependency carries; see `Dependency`."""


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

    ``kind`` says what the edge carries: ``new`` is a value that the source finds out or makes and that its caller did
    not have; ``context`` is such a value for a parameter that most tools of the service ask for and that is bound once
    for a whole task (a workspace, an owner); ``echo`` is a value that the source itself requires as an input;
    ``order`` binds no value; ``companion`` ties two tools of one topic.
    """

    source: str
    target: str
    kind: DependencyKind = "new"
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

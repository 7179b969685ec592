"""Innovation 1, Business Clusters: which tools belong together because one feeds the other.

`returned_schema` and `returned_fields` say what a tool returns, declared or inferred (`Returns` does it for a whole
service at once, and is what the planner and the simulated environment use). `mine_dependencies` matches returned values
to the parameters that need them, and keeps its evidence. `grow` makes candidate clusters along those dependencies;
`select` chooses among them by weighted maximum coverage, lazily. `mine` is all of it in one call::

    mined = mine(pool, ClusterConfig(max_clusters=500), seed=0)
    mined.to_frame()
    mined.reselect(edge_threshold=0.6, max_tools=8)        # another choice from the same candidates, in a moment

Tools that no value joins are tied as *companions* where they speak of the same things: in one service, and across
services where one is too small to be a cluster. Quality of the dependencies is measured against recorded dataflow
(``tests/benchmarks/dependencies.py``), scale, selection and coverage in ``tests/benchmarks/clusters.py``.
"""

from tdlab.clusters.candidates import ClusterCandidate, grow
from tdlab.clusters.coverage import Coverable, Selection, naive_greedy, random_curve, select
from tdlab.clusters.dependencies import DependencyGraph, DependencyReport, Pool, mine_dependencies
from tdlab.clusters.files import read_clusters, write_clusters
from tdlab.clusters.mining import MiningReport, MiningResult, mine

__all__ = [
    "ClusterCandidate",
    "Coverable",
    "DependencyGraph",
    "DependencyReport",
    "MiningReport",
    "MiningResult",
    "Pool",
    "Selection",
    "grow",
    "mine",
    "mine_dependencies",
    "naive_greedy",
    "random_curve",
    "read_clusters",
    "select",
    "write_clusters",
]

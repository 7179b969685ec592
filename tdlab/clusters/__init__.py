"""Business Clusters (paper: innovation 1): tools that belong together because one returns what another needs.

`mine_dependencies` matches returned values with the parameters that need them, and records the evidence. `grow` makes
candidate clusters along these dependencies, and `select` chooses among them by weighted maximum coverage. `mine` does
all of it in one call. Tools without such dependencies are tied as *companions* if they are about the same topic, within
a service, or across services if one is too small for a cluster.

``tests/benchmarks/dependencies.py`` measures the dependencies against recorded dataflow, and
``tests/benchmarks/clusters.py`` measures scale, selection and coverage.

Example:
    >>> from tdlab import ToolPool
    >>> mined = mine(ToolPool.bundled())
    >>> mined.clusters[0].title
    'Tarnbrook Fixtures + Cinder Paceworks: match, team, athlete'
    >>> smaller = mined.reselect(edge_threshold=0.6, max_tools=8)    # from the same candidates, so it is fast
    >>> max(len(cluster.tools) for cluster in smaller.clusters)
    8
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

"""Business Clusters at scale: time and memory from pool to clusters, growth, selection, coverage, and a reading.

Run it with the shared pool, or with any other::

    python -m tests.benchmarks.clusters                              # all sections; minutes
    python -m tests.benchmarks.clusters --rich 10000                 # a generated pool with nested schemas
    python -m tests.benchmarks.clusters --sizes 5000 20000           # scale alone, at these numbers of tools
    python -m tests.benchmarks.clusters --selection --apricot VENV/bin/python
    python -m tests.benchmarks.clusters --sample 50                  # clusters printed for a reader to judge
    python -m tests.benchmarks.clusters --crossing 40 --seed 7       # dependencies across services, likewise

*Scale* mines whole services, drawn in an order that a seed gives, each size in a process of its own, so that its peak
memory is its own. A pool larger than the one at hand is grown from it: copies of services under new names, a third of
the nouns in the names and prose of each copy replaced by made-up ones. *Selection* times the weighted greedy over tools
and edges at 30,000 candidates against a plain unweighted lazy greedy over tools alone, the naive greedy, and
apricot-select in an environment of its own. *Coverage* sets the clusters needed beside random choice among the same
candidates.
"""

from __future__ import annotations

import argparse
import heapq
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tdlab.clusters import ClusterCandidate, MiningResult, mine, naive_greedy, select
from tdlab.pool.catalogue import ToolPool
from tdlab.records import BusinessCluster, Service, Tool, rng_for
from tdlab.tools.names import split_words
from tests.benchmarks.dependencies import shared_folder
from tests.clusters.pools import rich_services

SIZES = (5_000, 10_000, 20_000, 0, 100_000)
"""Numbers of tools; 0 stands for the pool as it is."""
CANDIDATES = 30_000
READINGS = Path(__file__).with_name("cluster_readings.json")
"""What a reader said of clusters of the shared pool: id to one sentence of the task, and whether there is one."""
SHARES = (0.5, 0.8, 0.9, 0.95, 0.98)


def default_pool() -> Path:
    """The shared pool."""
    return shared_folder() / "data" / "pools" / "mcp_pool.jsonl.gz"


def as_pool(services: Iterable[Service]) -> Any:
    """What `mine` needs of a pool."""
    made = tuple(services)
    return SimpleNamespace(services=made, tools={tool.key: tool for service in made for tool in service.tools})


# --------------------------------------------------------------------------------------------------------------- growth


def grown(services: Sequence[Service], tools: int, *, seed: int = 0) -> list[Service]:
    """Whole services of at most ``tools`` tools together: a draw where there are more, perturbed copies where fewer."""
    order = sorted(services, key=lambda service: service.name)
    rng_for("benchmark pool", seed).shuffle(order)
    taken: list[Service] = []
    count, copy = 0, 0
    while order:
        before = count
        for service in order:
            if service.tools and count + len(service.tools) <= tools:
                taken.append(service if copy == 0 else perturbed(service, copy))
                count += len(service.tools)
        if count == before:
            break
        copy += 1
    return taken


def perturbed(service: Service, copy: int) -> Service:
    """A copy under a new name, in which every third noun of its tools' names is another, made-up word throughout."""
    rng = rng_for("perturbed", service.name, copy)
    words = sorted({word for tool in service.tools for word in split_words(tool.name)[1:] if len(word) > 3})
    other = {word: word[:2] + rng.choice("aeiou") + rng.choice("bdklmnprst") + word[2:] for word in words[::3]}
    pattern = re.compile("|".join(sorted(map(re.escape, other), key=len, reverse=True)) or r"(?!)", re.IGNORECASE)

    def told(text: str) -> str:
        return pattern.sub(lambda found: other.get(found.group().lower(), found.group()), text)

    name = f"{service.name} copy {copy}"
    tools: dict[str, Tool] = {}
    for tool in service.tools:
        schema = dict(tool.input_schema)
        if isinstance(schema.get("properties"), dict):
            schema["properties"] = {told(parameter): part for parameter, part in schema["properties"].items()}
        if isinstance(schema.get("required"), list):
            schema["required"] = [told(one) if isinstance(one, str) else one for one in schema["required"]]
        values = {
            "service": name,
            "name": told(tool.name),
            "description": told(tool.description),
            "input_schema": schema,
        }
        # a new record: a copy would keep the parameters that the old one has worked out
        tools[values["name"]] = Tool.model_construct(**{**dict(tool), **values})
    title = f"{service.title} {copy}" if service.title else ""
    return service.model_copy(update={"name": name, "title": title, "tools": tuple(tools.values())})


def measured(pool_file: Path | None, tools: int) -> dict[str, Any]:
    """One size in this process: wall time of the stages in seconds, processor time, peak memory in GB.

    Without a file, the pool is a generated one with rich schemas (`tests.clusters.pools.rich_services`).
    """
    began = time.perf_counter()
    services: Sequence[Service] = ToolPool.load(pool_file).services if pool_file else rich_services(tools)
    load = time.perf_counter() - began
    pool = as_pool(grown(services, tools) if tools and pool_file else services)
    began, processor = time.perf_counter(), time.process_time()
    mined = mine(pool)
    built = time.perf_counter()
    clusters = mined.clusters
    done = time.perf_counter()
    return {
        "tools": len(pool.tools),
        "services": len(pool.services),
        "load": round(load, 2),
        "stages": {**mined.seconds, "records": round(done - built, 3)},
        "seconds": round(done - began, 2),
        "cpu": round(time.process_time() - processor, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
        "dependencies": mined.report.dependency_report.kinds,
        "candidates": mined.report.candidates,
        "clusters": len(clusters),
        "schema_tool_coverage": round(mined.report.schema_tool_coverage, 4),
    }


def scale(pool_file: Path, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """`measured` for each size, each in a process of its own."""
    rows = []
    for size in sizes:
        command = [sys.executable, "-m", "tests.benchmarks.clusters", "--pool", str(pool_file), "--one", str(size)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
        rows.append(json.loads(done.stdout))
    return rows


# ------------------------------------------------------------------------------------------------------------ selection


def plain_lazy_greedy(candidates: Sequence[ClusterCandidate]) -> list[int]:
    """The lazy greedy as one writes it: sets of tools, a heap of stale gains, no weights, until nothing is left."""
    sets = [set(candidate.tools) for candidate in candidates]
    heap = [(-len(own), index) for index, own in enumerate(sets)]
    heapq.heapify(heap)
    covered: set[int] = set()
    chosen = []
    while heap:
        _, index = heapq.heappop(heap)
        gain = len(sets[index] - covered)
        if gain and heap and gain < -heap[0][0]:
            heapq.heappush(heap, (-gain, index))
        elif gain:
            covered |= sets[index]
            chosen.append(index)
    return chosen


def best_of(times: int, work: Any) -> tuple[float, Any]:
    """The shortest wall time of some runs in seconds, and the result."""
    best, result = float("inf"), None
    for _ in range(times):
        began = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - began)
    return best, result


def selection(mined: MiningResult, *, apricot: str | None, naive: int, limit_s: float = 300.0) -> dict[str, Any]:
    """Times of selection on 30,000 candidates of the pool, and of others on the same instance or a cut of it."""
    order = list(range(len(mined.candidates)))
    rng_for("benchmark selection").shuffle(order)
    candidates = [mined.candidates[i] for i in sorted(order[:CANDIDATES])]
    tool_weights, edge_weights = mined.weights
    report: dict[str, Any] = {
        "candidates": len(candidates),
        "incidences": sum(len(c.tools) + len(c.edges) for c in candidates),
    }
    for share in (1.0, 0.98):
        own, chosen = best_of(5, lambda share=share: select(candidates, tool_weights, edge_weights, coverage=share))
        report[f"weighted, tools and edges, to {share:.0%}"] = {"seconds": round(own, 4), "chosen": len(chosen.chosen)}
    plain, tools = best_of(5, lambda: plain_lazy_greedy(candidates))
    report["plain lazy greedy, tools alone"] = {"seconds": round(plain, 4), "chosen": len(tools)}
    own = report["weighted, tools and edges, to 100%"]["seconds"]
    report["ratio to plain"] = round(own / plain, 2)
    cut = candidates[:naive]
    slow, reference = best_of(1, lambda: naive_greedy(cut, tool_weights, edge_weights))
    fast, quick = best_of(3, lambda: select(cut, tool_weights, edge_weights))
    report["naive greedy"] = {
        "candidates": len(cut),
        "seconds": round(slow, 3),
        "select_seconds": round(fast, 4),
        "objective": reference.objective,
        "same_objective": reference.objective == quick.objective,
        "same_choice": reference.chosen == quick.chosen,
    }
    if apricot:
        report["apricot"] = [against_apricot(candidates, apricot, size, limit_s) for size in (500, 2_000, 8_000)]
    return report


_APRICOT = """
import json, sys, time
import numpy
from apricot import MaxCoverageSelection
from scipy.sparse import csr_matrix
held = numpy.load(sys.argv[1])
starts, items, count = held["starts"], held["items"].astype("int32"), int(held["count"])
X = csr_matrix((numpy.ones(len(items)), items, starts.astype("int32")), shape=(len(starts) - 1, count))
MaxCoverageSelection(3, optimizer=sys.argv[3]).fit(X[:20])  # compiles what is compiled once
began = time.perf_counter()
model = MaxCoverageSelection(int(sys.argv[2]), optimizer=sys.argv[3]).fit(X)
print(json.dumps({"seconds": time.perf_counter() - began, "objective": float(sum(model.gains))}))
"""


def against_apricot(candidates: Sequence[ClusterCandidate], python: str, size: int, limit_s: float) -> dict[str, Any]:
    """Maximum coverage with all weights 1 on the first ``size`` candidates, as many choices as cover everything."""
    import numpy as np

    cut = candidates[:size]
    count = {"tools": 1 + max(t for c in cut for t in c.tools), "edges": 1 + max(e for c in cut for e in c.edges)}
    own, chosen = best_of(5, lambda: select(cut, [1.0] * count["tools"], [1.0] * count["edges"]))
    held = [sorted([*c.tools, *(e + count["tools"] for e in c.edges)]) for c in cut]
    used = sorted({item for items in held for item in items})
    place = {item: i for i, item in enumerate(used)}
    row: dict[str, Any] = {"candidates": len(cut), "items": len(used), "choices": len(chosen.chosen)}
    row["select"] = {"seconds": round(own, 4), "objective": chosen.objective}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "instance.npz"
        np.savez(
            file,
            starts=np.cumsum([0, *map(len, held)]),
            items=np.array([place[item] for items in held for item in items]),
            count=len(used),
        )
        for optimizer in ("two-stage", "lazy"):
            command = [python, "-c", _APRICOT, str(file), str(len(chosen.chosen)), optimizer]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit_s)
            except subprocess.TimeoutExpired:
                row[f"apricot {optimizer}"] = {"seconds": f"more than {limit_s:.0f}"}
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            row[f"apricot {optimizer}"] = {
                "seconds": round(found["seconds"], 2),
                "objective": found["objective"],
                "times_slower": round(found["seconds"] / own),
            }
    return row


# ------------------------------------------------------------------------------------------------------------- coverage


def needed(order: Iterable[ClusterCandidate], wanted: set[int], shares: Sequence[float]) -> list[int | None]:
    """How many clusters of an order cover each share of the wanted tools; None where all of them do not."""
    found: list[int | None] = [None] * len(shares)
    covered: set[int] = set()
    for count, candidate in enumerate(order, start=1):
        covered.update(wanted.intersection(candidate.tools))
        for i, share in enumerate(shares):
            if found[i] is None and len(covered) >= share * len(wanted):
                found[i] = count
        if found[-1] is not None:
            break
    return found


def coverage(mined: MiningResult, pool: Any, *, seeds: int = 5) -> dict[str, Any]:
    """Clusters needed for shares of the tools with a schema: as selected, and by random choice among the candidates."""
    keys = mined.dependencies.tools
    wanted = {i for i, key in enumerate(keys) if pool.tools[key].input_schema.get("properties")}
    own = needed((mined.candidates[i] for i in mined.selection.chosen), wanted, SHARES)
    drawn = []
    for seed in range(seeds):
        order = list(range(len(mined.candidates)))
        rng_for("benchmark coverage", seed).shuffle(order)
        drawn.append(needed((mined.candidates[i] for i in order), wanted, SHARES))
    random = [None if None in column else sum(column) / seeds for column in zip(*drawn, strict=True)]
    return {
        "tools": len(keys),
        "with_schema": len(wanted),
        "clusters": len(mined.selection.chosen),
        "covered": mined.report.schema_tool_coverage,
        "rows": [
            {"share": share, "clusters": a, "random": b, "ratio": round(b / a, 2) if a and b else None}
            for share, a, b in zip(SHARES, own, random, strict=True)
        ],
    }


# -------------------------------------------------------------------------------------------------------------- reading


def readable(number: int, cluster: BusinessCluster, pool: Any, services: Mapping[str, Service]) -> str:
    """A cluster as a reader needs it: services, tools with what they say and ask, and what joins them."""
    lines = [f"## {number}. {cluster.title}  [{cluster.id}]"]
    for name in dict.fromkeys(pool.tools[key].service for key in cluster.tools):
        service = services[name]
        lines.append(f"  {name} ({service.schema_quality}, {len(service.tools)}): {_cut(service.description, 110)}")
        for key in cluster.tools:
            tool = pool.tools[key]
            if tool.service == name:
                lines.append(f"    - {tool.name}({', '.join(list(tool.parameters)[:6])})  {_cut(tool.description, 90)}")
    for edge in sorted(cluster.dependencies, key=lambda e: -e.score)[:8]:
        source, target = pool.tools[edge.source].name, pool.tools[edge.target].name
        into = f".{edge.parameter}" if edge.parameter else ""
        lines.append(f"    {source} -> {target}{into}  {edge.score:.2f}  {_cut(edge.evidence[0].detail, 70)}")
    if len(cluster.dependencies) > 8:
        lines.append(f"    ... {len(cluster.dependencies)} edges in all")
    return "\n".join(lines)


def _cut(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def sample(mined: MiningResult, pool: Any, count: int, seed: int) -> str:
    """``count`` clusters of the selection, drawn at random without replacement, to be read.

    Those that `READINGS` knows carry what was said of them, and the last line counts them; a cluster whose tools or
    edges have changed since has another id, and is to be read again.
    """
    clusters = list(mined.clusters)
    drawn = rng_for("benchmark sample", seed).sample(clusters, min(count, len(clusters)))
    services = {service.name: service for service in pool.services}
    known: dict[str, Any] = json.loads(READINGS.read_text(encoding="utf-8"))
    parts = []
    for number, cluster in enumerate(drawn, start=1):
        text, reading = readable(number, cluster, pool, services), known.get(cluster.id)
        if reading:
            text += f"\n    READ: {'' if reading['sensible'] else 'NO SENSE: '}{reading['task']}"
        parts.append(text)
    read = [known[cluster.id]["sensible"] for cluster in drawn if cluster.id in known]
    parts.append(
        f"{len(drawn)} clusters, {len(read)} of them read: {sum(read)} make sense, {len(read) - sum(read)} do not"
    )
    return "\n\n".join(parts)


def crossing(mined: MiningResult, pool: Any, count: int, seed: int) -> str:
    """``count`` dependencies across services, drawn at random without replacement, to be read."""
    edges = [e for e in mined.dependencies.edges if e.evidence and e.evidence[0].kind == "shared-entity"]
    drawn = rng_for("benchmark crossing", seed).sample(edges, min(count, len(edges)))
    lines = [f"{len(edges)} dependencies across services"]
    for number, edge in enumerate(drawn, start=1):
        source, target = pool.tools[edge.source], pool.tools[edge.target]
        lines.append(f"{number}. {edge.score:.2f} {edge.evidence[0].detail}")
        lines.append(f"    {source.key}: {_cut(source.description, 90)}")
        lines.append(f"    {target.key}.{edge.parameter}: {_cut(target.description, 90)}")
    return "\n".join(lines)


def reselection(mined: MiningResult) -> dict[str, float]:
    """Wall time in seconds of `MiningResult.reselect` for moves of a slider."""
    moves = {
        "as mined": {},
        "edge threshold 0.6": {"edge_threshold": 0.6},
        "at most 6 tools": {"max_tools": 6},
        "half the weight": {"coverage": 0.5},
    }
    return {name: round(best_of(3, lambda move=move: mined.reselect(**move))[0], 4) for name, move in moves.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; exit 1 where the pool is not there."""
    parser = argparse.ArgumentParser(description="Business Clusters at scale.")
    parser.add_argument("--pool", type=Path, default=default_pool())
    parser.add_argument("--sizes", nargs="+", type=int, help="scale alone, at these numbers of tools (0: all)")
    parser.add_argument("--rich", type=int, help="a generated pool of so many tools with rich schemas, alone")
    parser.add_argument("--selection", action="store_true", help="selection, coverage and reselection alone")
    parser.add_argument("--naive", type=int, default=4_000, help="candidates that the naive greedy gets")
    parser.add_argument("--apricot", help="a Python interpreter that can import apricot")
    parser.add_argument("--sample", type=int, help="print so many clusters, drawn at random")
    parser.add_argument("--crossing", type=int, help="print so many dependencies across services, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.rich is not None:
        sys.stdout.write(json.dumps(measured(None, options.rich)) + "\n")
        return 0
    if not options.pool.exists():
        sys.stderr.write(f"not there: {options.pool}; set TDLAB_SHARED or give --pool\n")
        return 1
    if options.one is not None:
        sys.stdout.write(json.dumps(measured(options.pool, options.one)) + "\n")
        return 0
    write = sys.stdout.write
    if options.sample is None and options.crossing is None and not options.selection:
        for row in scale(options.pool, options.sizes or SIZES):
            write(
                f"{row['tools']:7d} tools  {row['seconds']:7.2f} s, CPU {row['cpu']:7.2f} s"
                f" ({1000 * row['cpu'] / row['tools']:.2f} ms a tool)"
                f"  {row['peak_gb']:.2f} GB  {sum(row['dependencies'].values())} edges,"
                f" {row['candidates']} candidates, {row['clusters']} clusters,"
                f" {row['schema_tool_coverage']:.1%} of tools with a schema  load {row['load']} s  {row['stages']}\n"
            )
            sys.stdout.flush()
        if options.sizes:
            return 0
    loaded = ToolPool.load(options.pool)
    pool = as_pool(loaded.services)
    mined = mine(pool)
    if options.sample is not None:
        write(sample(mined, pool, options.sample, options.seed) + "\n")
        return 0
    if options.crossing is not None:
        write(crossing(mined, pool, options.crossing, options.seed) + "\n")
        return 0
    write(json.dumps(selection(mined, apricot=options.apricot, naive=options.naive), indent=2) + "\n")
    write(json.dumps(coverage(mined, pool), indent=2) + "\n")
    write(json.dumps({"reselect": reselection(mined)}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Mined dependencies against dataflow that was really observed: average precision and R-precision, beside baselines.

Run it with the shared recordings, or with any others that the store can read::

    python -m tests.benchmarks.dependencies
    python -m tests.benchmarks.dependencies --recordings FILE_OR_FOLDER ... --tools POOL_FILE ...

From each recording every ordered pair of different tools (A, B) is observed where a value of an argument of B stands in
the text that an earlier call of A returned; values shorter than four characters, booleans and nulls do not count. The
pairs that compete are all ordered pairs of tools that occur in the recordings: inside one service, and, apart, across
services that occur in one recording together. The score of a pair comes from definitions alone: the miner sees the
recordings' tools and their services' other tools, never a recording.

Held out from any recording, the bundled pool gives a second measure: its services declare outputs whose identifiers
have formats of their own (``^fo-[a-z0-9]{9}$``), so that a field and a parameter of one name and one format are
surely one value. The declared outputs are hidden, and the miner has to find these pairs from names, inputs and prose.

Across services the miner only speaks of shared entities (a repository, an address, a ticker). The report says what the
values of the observed pairs across services filled: where all of them are words of a search or names of things, as in
the default recordings, the ranking across services says nothing about shared entities, for or against.

Many observed pairs inside a service are echoes: the caller had the value before, as all tools of a document server take
its file's name and answer with it. ``news in service`` ranks the same pairs against those along which a value went that
neither the user nor an earlier argument held: what a miner of dependencies has to find.

What this does not cover: a pair that no recording happened to use counts as wrong, so no miner can reach 1; and a value
that the user said, or that both calls merely echo, counts as observed when it stands in A's answer.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from tdlab.clusters import mine_dependencies
from tdlab.config import AcrossConfig, ClusterConfig
from tdlab.formats import read_trajectories
from tdlab.pool.catalogue import ToolPool
from tdlab.records import Service, Tool, ToolCall, Trajectory, rng_for
from tdlab.tools import nature, read_json, referenced_entity, singular, split_words
from tdlab.tools.outputs import Returns
from tdlab.tools.parameters import parameter_kind, shared_concept

Pair = tuple[str, str]


class FromResult(NamedTuple):
    """What the recordings hold: tools that were called, observed pairs with counts, services that occurred together.

    ``filled`` counts for each pair the parameters of the second tool that a value of the first stood in. ``news`` are
    the pairs along which a value went that the caller did not have: neither the user nor an earlier argument held it.
    """

    tools: set[str]
    pairs: Counter[Pair]
    together: set[tuple[str, str]]
    unknown: Counter[str]
    filled: dict[Pair, Counter[str]]
    news: Counter[Pair]


class Ranking(NamedTuple):
    """One way of ranking, measured: average precision, R-precision, and precision at each rank of a hit."""

    average_precision: float
    r_precision: float
    curve: tuple[tuple[float, float], ...]


def shared_folder() -> Path:
    """Where the shared recordings would be: ``TDLAB_SHARED``, else ``../shared`` beside the repository."""
    return Path(os.environ.get("TDLAB_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))


def defaults() -> tuple[list[Path], list[Path]]:
    """The recordings and definitions that the issue names."""
    data = shared_folder() / "data"
    return (
        [data / "trajectories" / "mcp-bench-sonnet46", data / "trajectories" / "tau2-toolorchestra"],
        [data / "formats" / "mcp_bench_servers_info.json", data / "formats" / "tau2_tools.jsonl"],
    )


def values_of(arguments: object) -> Iterator[str]:
    """Leaves of a call's arguments as text, without short ones, booleans and nulls."""
    if isinstance(arguments, Mapping):
        for value in arguments.values():
            yield from values_of(value)
    elif isinstance(arguments, list):
        for value in arguments:
            yield from values_of(value)
    elif isinstance(arguments, (str, int, float)) and not isinstance(arguments, bool):
        text = str(arguments).strip()
        if len(text) >= 4:
            yield text


def own_arguments(call: ToolCall) -> Mapping[str, Any]:
    """The arguments of the tool that a call reaches, which a tool that only calls others holds as one object."""
    if call.reaches is None:
        return call.arguments
    values = (read_json(value) if is_object_text(value) else value for value in call.arguments.values())
    return next((value for value in values if isinstance(value, Mapping)), {})


def is_object_text(value: object) -> bool:
    """Whether this is the text of an object."""
    return isinstance(value, str) and value.lstrip().startswith("{")


def definitions(files: Sequence[Path], read: Mapping[str, Tool]) -> dict[str, Tool]:
    """Tool definitions by key: those of the pool files, then those that the recordings carry themselves."""
    tools: dict[str, Tool] = {}
    for file in files:
        tools.update(ToolPool.load(file).tools)
    for key, tool in read.items():
        tools.setdefault(key, tool)
    return tools


def resolver(tools: Mapping[str, Tool]) -> dict[str, list[Tool]]:
    """Definitions by bare tool name."""
    by_name: dict[str, list[Tool]] = {}
    for tool in tools.values():
        by_name.setdefault(tool.name, []).append(tool)
    return by_name


def resolve(key: str, tools: Mapping[str, Tool], by_name: Mapping[str, list[Tool]]) -> str | None:
    """The definition for a recorded key: the same key, else the same name in a service whose words contain its own."""
    if key in tools:
        return key
    service, _, name = key.rpartition("/")
    found = [t for t in by_name.get(name, ()) if set(split_words(service)) <= set(split_words(t.service))]
    return found[0].key if len(found) == 1 else None


def observe(trajectories: Sequence[Trajectory], tools: Mapping[str, Tool]) -> FromResult:
    """Tools, dataflow and company kept in the recordings."""
    by_name = resolver(tools)
    seen = FromResult(set(), Counter(), set(), Counter(), {}, Counter())
    for trajectory in trajectories:
        earlier: list[tuple[str, str]] = []
        known = "\n".join(m.content for m in trajectory.messages if m.role in ("system", "user"))
        results = trajectory.results()
        services: set[str] = set()
        for call in trajectory.calls():
            recorded = trajectory.key_of(call)
            key = resolve(recorded, tools, by_name)
            if key is None:
                seen.unknown[recorded] += 1
                continue
            seen.tools.add(key)
            services.add(tools[key].service)
            parameters = tools[key].parameters
            said = {n: v for n, v in own_arguments(call).items() if not (n.startswith("__") and n in parameters)}
            values = {name: set(values_of(value)) for name, value in said.items()}
            for other, text in earlier:
                filled = [name for name, own in values.items() if any(value in text for value in own)]
                if other != key and filled:
                    seen.pairs[other, key] += 1
                    seen.filled.setdefault((other, key), Counter()).update(filled)
                    found_out = {value for own in values.values() for value in own if value in text}
                    seen.news[other, key] += any(value not in known for value in found_out)
            known += "\n" + "\n".join(value for own in values.values() for value in own)
            if call.id in results:
                earlier.append((key, results[call.id].content))
        seen.together.update((a, b) for a in services for b in services if a != b)
    return seen


def measure(pairs: Sequence[Pair], scores: Mapping[Pair, float], observed: Mapping[Pair, int]) -> Ranking:
    """Average precision and R-precision of a ranking; ties share their expected rank, so no order of names can help."""
    groups: dict[float, list[bool]] = {}
    for pair in pairs:
        groups.setdefault(scores.get(pair, 0.0), []).append(observed.get(pair, 0) > 0)
    total = sum(sum(group) for group in groups.values())
    if not total:
        return Ranking(math.nan, math.nan, ())
    rank, hits, precision, curve, r_hits = 0, 0.0, 0.0, [], 0.0
    for score in sorted(groups, reverse=True):
        group = groups[score]
        density = sum(group) / len(group)
        for step in range(1, len(group) + 1):
            # expected precision at this rank given a hit here: one hit, plus the density among those before it
            if density:
                others = (sum(group) - 1) / (len(group) - 1) if len(group) > 1 else 0.0
                precision += density * (hits + 1 + others * (step - 1)) / (rank + step)
            if rank + step <= total:
                r_hits += density
        hits += sum(group)
        rank += len(group)
        curve.append((round(hits / total, 4), round(hits / rank, 4)))
    return Ranking(round(precision / total, 4), round(r_hits / total, 4), tuple(curve))


# ------------------------------------------------------------------------------------------------------------ baselines


def at_random(pairs: Sequence[Pair], tools: Mapping[str, Tool]) -> dict[Pair, float]:
    """A random number each."""
    rng = rng_for("dependency benchmark")
    return {pair: rng.random() for pair in pairs}


def by_similarity(pairs: Sequence[Pair], tools: Mapping[str, Tool]) -> dict[Pair, float]:
    """Cosine of TF-IDF vectors of the tools' names, descriptions and parameters."""
    counts = {
        key: Counter(split_words(" ".join([tools[key].name, tools[key].description, *tools[key].parameters])))
        for key in sorted({key for pair in pairs for key in pair})
    }
    having = Counter(word for words in counts.values() for word in words)
    vectors = {
        key: {word: n * (1 + math.log((1 + len(counts)) / (1 + having[word]))) for word, n in words.items()}
        for key, words in counts.items()
    }
    norms = {key: math.sqrt(sum(x * x for x in vector.values())) or 1.0 for key, vector in vectors.items()}
    return {
        (a, b): sum(x * vectors[b].get(word, 0.0) for word, x in vectors[a].items()) / norms[a] / norms[b]
        for a, b in pairs
    }


def by_parameter_names(pairs: Sequence[Pair], tools: Mapping[str, Tool]) -> dict[Pair, float]:
    """Jaccard similarity of the two sets of parameter names."""
    names = {key: set(tools[key].parameters) for pair in pairs for key in pair}
    return {(a, b): len(names[a] & names[b]) / (len(names[a] | names[b]) or 1) for a, b in pairs}


def by_entity(pairs: Sequence[Pair], tools: Mapping[str, Tool]) -> dict[Pair, float]:
    """Twenty lines: B asks by identifier for a noun that stands in A's name or among A's own identifiers."""
    scores = {}
    for a, b in pairs:
        gives = {singular(word) for word in split_words(tools[a].name)}
        echoes = {r.split("_")[-1] for p in tools[a].parameters if (r := referenced_entity(p))}
        needs = {r.split("_")[-1] for p in tools[b].parameters if (r := referenced_entity(p))}
        score = 1.0 * bool(needs & gives) + 0.5 * bool(needs & echoes)
        score *= {"create": 1.2, "list": 1.2, "read": 1.0}.get(nature(tools[a]).operation, 0.6)
        scores[a, b] = score
    return scores


def by_miner(pairs: Sequence[Pair], tools: Mapping[str, Tool]) -> dict[Pair, float]:
    """tdlab's own: all edges, whatever their score, of the tools' whole services."""
    by_service: dict[str, list[Tool]] = {}
    wanted = {tools[key].service for pair in pairs for key in pair}
    for tool in tools.values():
        if tool.service in wanted:
            by_service.setdefault(tool.service, []).append(tool)
    services = tuple(Service(name=name, tools=tuple(group)) for name, group in by_service.items())
    pool = SimpleNamespace(services=services, tools={tool.key: tool for s in services for tool in s.tools})
    across = AcrossConfig(sources_per_parameter=10_000)
    return mine_dependencies(pool, ClusterConfig(edge_threshold=0.0, across=across), all_flows=True).pair_scores()


RANKINGS = {
    "random": at_random,
    "TF-IDF similarity": by_similarity,
    "shared parameter names": by_parameter_names,
    "entity match": by_entity,
    "tdlab": by_miner,
}


# ------------------------------------------------------------------------------------------------------ declared chains


def identifiers(schema: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Name and pattern of every string with a pattern in a schema; array items count under the array's name."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping) or depth > 5:
        return
    for name, part in properties.items():
        for place in (part, part.get("items")) if isinstance(part, Mapping) else ():
            if isinstance(place, Mapping):
                if isinstance(place.get("pattern"), str):
                    yield name, place["pattern"]
                yield from identifiers(place, depth + 1)


def declared(tools: Sequence[Tool]) -> dict[Pair, int]:
    """Ordered pairs of tools of one service where the first declares an identifier that the second takes.

    2 where the first finds it out, 1 where it was told it and repeats it.
    """
    found: dict[Pair, int] = {}
    for a in tools:
        told = set(identifiers(a.input_schema))
        gives = set(identifiers(a.output_schema))
        for b in tools:
            if a.key != b.key and a.service == b.service:
                shared = gives & set(identifiers(b.input_schema))
                if shared:
                    found[a.key, b.key] = 2 if shared - told else 1
    return found


def held_out(services: Sequence[Service]) -> dict[str, Any]:
    """The bundled pool's declared pairs, ranked with its declared outputs hidden: all of them, and those found out."""
    tools = {t.key: t for s in services for t in s.tools}
    gold: dict[Pair, int] = {}
    for service in services:
        gold.update(declared(service.tools))
    hidden = {key: tool.model_copy(update={"output_schema": None}) for key, tool in tools.items()}
    pairs = [(a.key, b.key) for s in services for a in s.tools for b in s.tools if a.key != b.key]
    origin = {pair: 1 for pair, kind in gold.items() if kind == 2}
    report: dict[str, Any] = {"pairs": len(pairs), "declared": len(gold), "found_out": len(origin), "rankings": {}}
    for title, rank in RANKINGS.items():
        scores = rank(pairs, hidden)
        whole, first = measure(pairs, scores, gold), measure(pairs, scores, origin)
        report["rankings"][title] = {
            "average_precision": whole.average_precision,
            "r_precision": whole.r_precision,
            "found_out_average_precision": first.average_precision,
            "found_out_r_precision": first.r_precision,
        }
    return report


# --------------------------------------------------------------------------------------------------------------- report


def at_recalls(curve: Sequence[tuple[float, float]], steps: int = 10) -> list[tuple[float, float]]:
    """The best precision at or beyond each tenth of recall."""
    found = []
    for step in range(1, steps + 1):
        reached = [precision for recall, precision in curve if recall >= step / steps - 1e-9]
        found.append((step / steps, max(reached, default=0.0)))
    return found


def evaluate(recordings: Sequence[Path], tool_files: Sequence[Path]) -> dict[str, Any]:
    """The whole benchmark as a JSON-able report; ``in_service`` and ``across`` hold one entry a ranking."""
    trajectories: list[Trajectory] = []
    carried: dict[str, Tool] = {}
    for place in recordings:
        found = read_trajectories(place)
        trajectories.extend(found.trajectories)
        carried.update(found.tools)
    tools = definitions(tool_files, carried)
    seen = observe(trajectories, tools)
    keys = sorted(seen.tools)
    inside = [(a, b) for a in keys for b in keys if a != b and tools[a].service == tools[b].service]
    across = [(a, b) for a in keys for b in keys if (tools[a].service, tools[b].service) in seen.together]
    report: dict[str, Any] = {
        "recordings": len(trajectories),
        "tools": len(keys),
        "unresolved_calls": dict(sorted(seen.unknown.items())),
    }
    news = Counter({pair: count for pair, count in seen.news.items() if count})
    parts = (("in_service", inside, seen.pairs), ("news_in_service", inside, news), ("across", across, seen.pairs))
    for name, pairs, observed in parts:
        hits = sum(pair in observed for pair in pairs)
        part: dict[str, Any] = {"pairs": len(pairs), "observed": hits, "rankings": {}}
        for title, rank in RANKINGS.items():
            began = time.perf_counter()
            scores = rank(pairs, tools)
            result = measure(pairs, scores, observed)
            part["rankings"][title] = {
                "average_precision": result.average_precision,
                "r_precision": result.r_precision,
                "seconds": round(time.perf_counter() - began, 3),
            }
            if title == "tdlab":
                part["curve"] = result.curve
                part["services"] = _by_service(pairs, scores, observed, tools)
                part["errors"] = _errors(pairs, scores, observed, tools, hits)
        part["filled"] = kinds_filled(pairs, seen, tools)
        report[name] = part
    return report


def kinds_filled(pairs: Sequence[Pair], seen: FromResult, tools: Mapping[str, Tool]) -> dict[str, list[str]]:
    """Observed pairs by what the value filled most often: a shared entity that the miner knows, or words of a kind.

    Only the first kind can be told from definitions without guessing what a service holds.
    """
    found: dict[str, list[str]] = {}
    for a, b in pairs:
        if (a, b) in seen.filled:
            counts = seen.filled[a, b]
            parameter = min(counts, key=lambda name: (-counts[name], name))
            concept = shared_concept(parameter)[0]
            kind = (
                f"shared entity ({concept})"
                if concept
                else parameter_kind(parameter, tools[b].parameters.get(parameter, {}))
            )
            found.setdefault(kind, []).append(f"{a} -> {b}.{parameter}")
    return {kind: sorted(found[kind]) for kind in sorted(found, key=lambda kind: (-len(found[kind]), kind))}


def _by_service(
    pairs: Sequence[Pair], scores: Mapping[Pair, float], observed: Mapping[Pair, int], tools: Mapping[str, Tool]
) -> dict[str, Any]:
    groups: dict[str, list[Pair]] = {}
    for a, b in pairs:
        if tools[a].service == tools[b].service:
            groups.setdefault(tools[a].service, []).append((a, b))
    found = {}
    for service, own in sorted(groups.items()):
        result = measure(own, scores, observed)
        if not math.isnan(result.average_precision):
            hits = sum(pair in observed for pair in own)
            found[service] = {"pairs": len(own), "observed": hits, "average_precision": result.average_precision}
    return found


def _errors(
    pairs: Sequence[Pair],
    scores: Mapping[Pair, float],
    observed: Mapping[Pair, int],
    tools: Mapping[str, Tool],
    count: int,
) -> dict[str, dict[str, int]]:
    """Wrong and missed pairs among the first ``count``, by what the two calls do (``read -> update``)."""
    known: dict[str, Returns] = {}
    for tool in tools.values():
        known.setdefault(tool.service, Returns([t for t in tools.values() if t.service == tool.service]))

    def kind(pair: Pair) -> str:
        a, b = (known[tools[key].service].nature(tools[key]).operation for key in pair)
        return f"{a} -> {b}" + ("" if scores.get(pair) else " (no edge)")

    ranked = sorted(pairs, key=lambda pair: (-scores.get(pair, 0.0), pair))
    wrong = Counter(kind(pair) for pair in ranked[:count] if pair not in observed)
    missed = Counter(kind(pair) for pair in ranked[count:] if pair in observed)
    return {"wrong": dict(wrong.most_common()), "missed": dict(missed.most_common())}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; exit 1 where the recordings are not there."""
    recordings, tool_files = defaults()
    parser = argparse.ArgumentParser(description="Dependencies against observed dataflow.")
    parser.add_argument("--recordings", nargs="+", type=Path, default=recordings)
    parser.add_argument("--tools", nargs="*", type=Path, default=tool_files)
    parser.add_argument("--json", action="store_true", help="the whole report as JSON")
    options = parser.parse_args(arguments)
    missing = [str(path) for path in [*options.recordings, *options.tools] if not path.exists()]
    if missing:
        sys.stderr.write(f"not there: {', '.join(missing)}; set TDLAB_SHARED or name files\n")
        return 1
    report = evaluate(options.recordings, options.tools)
    report["held_out"] = held_out(ToolPool.bundled().services)
    if options.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return 0
    lines = [f"{report['recordings']} recordings, {report['tools']} tools"]
    for name in ("in_service", "news_in_service", "across"):
        part = report[name]
        lines.append(f"\n{name.replace('_', ' ')}: {part['observed']} of {part['pairs']} ordered pairs observed")
        for title, row in part["rankings"].items():
            lines.append(f"  {title:24s} AP {row['average_precision']:.3f}   R-precision {row['r_precision']:.3f}")
    for name in ("in_service", "across"):
        curve = ", ".join(f"{r:.1f}: {p:.2f}" for r, p in at_recalls(report[name].get("curve", ())))
        lines.append(f"\nprecision by recall, {name.replace('_', ' ')}: {curve}")
    rows = report["in_service"]["services"].items()
    parts = [f"{name} {row['average_precision']:.2f} of {row['observed']}" for name, row in rows]
    lines.append("\naverage precision by service: " + "; ".join(parts))
    lines.append("\nwrong and missed among the first R pairs in service, by what the calls do:")
    for kind, counts in report["in_service"]["errors"].items():
        lines.append(f"  {kind}: " + ", ".join(f"{name} {n}" for name, n in counts.items()))
    lines.append("\nwhat the values filled in pairs across services:")
    for kind, found in report["across"]["filled"].items():
        lines.append(f"  {kind} {len(found)}: " + ", ".join(found[:3]) + (" ..." if len(found) > 3 else ""))
    lines.append(
        f"\nbundled pool, declared outputs hidden: {report['held_out']['declared']} of {report['held_out']['pairs']}"
        f" pairs declared, {report['held_out']['found_out']} of them found out"
    )
    for title, row in report["held_out"]["rankings"].items():
        lines.append(
            f"  {title:24s} AP {row['average_precision']:.3f}   R-precision {row['r_precision']:.3f}"
            f"   found out: AP {row['found_out_average_precision']:.3f}  R {row['found_out_r_precision']:.3f}"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Domains told from text against the labels that services carry, held out: agreement, mass, calibration, baselines.

Run it with the shared pool, or with any other files that ``ToolPool.load`` reads::

    python -m tests.benchmarks.domains
    python -m tests.benchmarks.domains --pool FILE ... [--folds 5]

Every service whose label names exactly one domain is hidden once: the label of its fold is taken away from all services
of the fold, the rest is learned from, and its domain is told from its text. Services with the same tools (forks) share
a fold. Beside it: the most common domain of the rest, and the keywords alone, which learn nothing. A broad label
(*Travel & Maps*) names several domains; for it, agreement means one of these.

What this does not measure: whether the labels are right. Public labels are given by machines and say as often what a
service is made of as what it is for ("Web Search & Research"), so that no reader of texts can reach 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from tdlab.pool.catalogue import ToolPool
from tdlab.pool.domains import Example, learn_scores
from tdlab.pool.taxonomy import Taxonomy
from tdlab.records import Service, digest

BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.000001)


def shared_folder() -> Path:
    """Where the shared recordings would be: ``TDLAB_SHARED``, else ``../shared`` beside the repository."""
    return Path(os.environ.get("TDLAB_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))


def folds_of(services: Sequence[Service], folds: int) -> list[int]:
    """A fold for each service; the same for services with the same tools."""
    return [int(digest(sorted(tool.name for tool in service.tools)), 16) % folds for service in services]


def examples_of(services: Sequence[Service], taxonomy: Taxonomy) -> list[Example]:
    """What the services' own categories say."""
    return [Example(taxonomy.choices(s.category) if s.category else ()) for s in services]


def held_out(
    services: Sequence[Service], examples: Sequence[Example], taxonomy: Taxonomy, *, folds: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Probabilities (services, domains) of each method and confidences, every row told without its fold's labels."""
    fold = np.array(folds_of(services, folds))
    columns = {domain: column for column, domain in enumerate(taxonomy.ids)}
    result = {name: np.zeros((len(services), len(columns))) for name in ("learned", "words", "majority", "classify")}
    alone = learn_scores(services, [Example()] * len(services), taxonomy=taxonomy)
    result["words"] = alone.probabilities
    confidence = {"words": alone.confidence, "learned": np.zeros(len(services))}
    for row, service in enumerate(services):
        domains = taxonomy.classify(service.model_copy(update={"category": None}))
        for domain, weight in domains.items():
            if domain in columns:
                result["classify"][row, columns[domain]] = weight
    for k in range(folds):
        rest = [Example() if f == k else example for f, example in zip(fold, examples, strict=True)]
        shares = np.zeros(len(columns))
        for example in rest:
            if len(example.domains) == 1:
                shares[columns[example.domains[0]]] += 1
        result["majority"][fold == k] = shares / max(1.0, shares.sum())
        told = learn_scores(services, rest, taxonomy=taxonomy)
        result["learned"][fold == k] = told.probabilities[fold == k]
        confidence["learned"][fold == k] = told.confidence[fold == k]
    return result, confidence


def agreement(
    probabilities: np.ndarray, examples: Sequence[Example], taxonomy: Taxonomy, *, broad: bool = False
) -> dict[str, float]:
    """Share of services whose first domain the label names, the right domain's mass and place in the first three, the
    mean over domains of the share found (macro), over services whose label names one domain (``broad``: several)."""
    columns = {domain: column for column, domain in enumerate(taxonomy.ids)}
    rows = [r for r, e in enumerate(examples) if (len(e.domains) > 1 if broad else len(e.domains) == 1)]
    top = three = mass = 0.0
    found: dict[str, list[bool]] = {}
    for row in rows:
        right = [columns[domain] for domain in examples[row].domains]
        ranked = np.argsort(-probabilities[row], kind="stable")
        hit = int(ranked[0]) in right and probabilities[row, ranked[0]] > 0
        top += hit
        three += any(int(c) in right and probabilities[row, c] > 0 for c in ranked[:3])
        mass += probabilities[row, right].sum()
        found.setdefault(examples[row].domains[0], []).append(hit)
    count = max(1, len(rows))
    return {
        "services": len(rows),
        "top1": top / count,
        "top3": three / count,
        "mass": mass / count,
        "macro": float(np.mean([np.mean(hits) for hits in found.values()])) if found else 0.0,
    }


def calibration(
    probabilities: np.ndarray, confidences: np.ndarray, examples: Sequence[Example], taxonomy: Taxonomy
) -> tuple[list[tuple[str, int, float, float]], float]:
    """For each band of confidence: services, mean confidence, share that agree; and the expected calibration error."""
    columns = {domain: column for column, domain in enumerate(taxonomy.ids)}
    rows = [row for row, example in enumerate(examples) if len(example.domains) == 1]
    confidence = confidences[rows]
    right = np.array([probabilities[row].argmax() == columns[examples[row].domains[0]] for row in rows])
    bands, error = [], 0.0
    for low, high in pairwise(BINS):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            said, was = float(confidence[inside].mean()), float(right[inside].mean())
            error += abs(said - was) * inside.mean()
            bands.append((f"{low:.1f}-{min(high, 1.0):.1f}", int(inside.sum()), said, was))
    return bands, float(error)


def report(pool: ToolPool, taxonomy: Taxonomy, *, folds: int) -> str:
    """The whole comparison as text."""
    services = pool.services
    examples = examples_of(services, taxonomy)
    labels = {s.category for s in services if s.category}
    unknown = sorted(label for label in labels if not taxonomy.choices(label) and not taxonomy.is_silent(label))
    lines = []
    lines.append(
        f"{len(services):,} services, {len(labels)} labels: "
        f"{sum(len(e.domains) == 1 for e in examples):,} services with one domain, "
        f"{sum(len(e.domains) > 1 for e in examples):,} with a choice, the rest silent or without; unmapped: {unknown}"
    )
    started = time.process_time()
    results, confidence = held_out(services, examples, taxonomy, folds=folds)
    for broad in (False, True):
        lines.append(f"\n{'a choice of domains' if broad else 'one domain'}, {folds} folds: top1 top3 mass macro")
        for name in ("majority", "classify", "words", "learned"):
            m = agreement(results[name], examples, taxonomy, broad=broad)
            lines.append(
                f"  {name:9} {m['top1']:.3f} {m['top3']:.3f} {m['mass']:.3f} {m['macro']:.3f}  (n={m['services']})"
            )
    for name in ("words", "learned"):
        bands, error = calibration(results[name], confidence[name], examples, taxonomy)
        lines.append(f"\ncalibration of {name} (error {error:.3f}): band, services, said, agreed")
        lines.extend(f"  {band} {count:5} {said:.2f} {was:.2f}" for band, count, said, was in bands)
    lines.append(f"\n{time.process_time() - started:.1f} s of processor time for {folds} folds")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison; 2 where there is no pool to read."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pool", nargs="+", type=Path, default=[shared_folder() / "data/pools/mcp_pool.jsonl.gz"])
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args(arguments)
    if not all(path.exists() for path in options.pool):
        sys.stderr.write("the recorded pool is not there (set TDLAB_SHARED, or pass --pool)\n")
        return 2
    sys.stdout.write(report(ToolPool.load(options.pool), Taxonomy.bundled(), folds=options.folds) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Shared by the evolution tests: a controller and a producer over a small pool, and generations without a store."""

from __future__ import annotations

from functools import cache

from tdlab.blueprints import MUTATIONS
from tdlab.clusters import mine
from tdlab.config import RunConfig
from tdlab.evolution import Controller, Decision, Offspring, Producer
from tdlab.records import BusinessCluster, Tool
from tests.jobs import small_pool

OPERATORS = [name for name in MUTATIONS if name != "add_code_step"]


@cache
def mined() -> tuple[tuple[BusinessCluster, ...], dict[str, Tool], dict[str, dict[str, float]]]:
    pool = small_pool()
    clusters = mine(pool, RunConfig().clusters, seed=0).clusters
    return tuple(clusters), dict(pool.tools), {service.name: service.domains for service in pool.services}


def config(**values: object) -> RunConfig:
    return RunConfig(target=1000).with_values(**{"evolution__batch": 8, **values})


def controller(settings: RunConfig) -> Controller:
    clusters, tools, _ = mined()
    domains = {domain for cluster in clusters for domain in cluster.domains}
    return Controller(settings, clusters, distractors=list(tools), categories=len(domains), mutations=OPERATORS)


def producer(settings: RunConfig) -> Producer:
    clusters, tools, domains = mined()
    return Producer(settings, tools, clusters, domains)


def grow(steering: Controller, producing: Producer, generations: int) -> list[tuple[Offspring, Decision]]:
    """Run this many generations, from the first."""
    met = []
    for generation in range(generations):
        for order in steering.orders(generation):
            offspring = producing.produce(order)
            met.append((offspring, steering.consider(offspring)))
    return met

"""Strategies: how the orders of a generation are drawn. One of them steers; the others are controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tdlab.config import RunConfig
from tdlab.evolution.producer import Order
from tdlab.records import BusinessCluster, rng_for
from tdlab.registry import Registry

__all__ = ["STRATEGIES", "Strategy"]


class _Controller(Protocol):
    """The part of `tdlab.evolution.Controller` that a strategy may use."""

    @property
    def config(self) -> RunConfig: ...

    @property
    def clusters(self) -> tuple[BusinessCluster, ...]: ...

    def draw(self, generation: int) -> list[Order]: ...


def _draw(controller: _Controller, generation: int) -> list[Order]:
    return controller.draw(generation)


@dataclass(frozen=True)
class Strategy:
    """A way to draw orders.

    Attributes:
        steers: Whether gauges below their thresholds steer the draws and can end the run.
        mutates: Whether drafts are mutated.
        orders: Returns the orders of a generation from the controller and the generation's number. They must depend
            only on the config and the state of the set. By default `Controller.draw` draws them.
    """

    steers: bool = False
    mutates: bool = True
    orders: Callable[[_Controller, int], list[Order]] = _draw


def _repeat(controller: _Controller, generation: int) -> list[Order]:
    """Repeat the first blueprints of a few clusters with new values."""
    config, orders = controller.config, []
    seeds = controller.clusters[: config.evolution.quantity_seeds]
    for position in range(config.evolution.batch):
        number = generation * config.evolution.batch + position
        cluster = seeds[number % len(seeds)].id
        orders.append(
            Order(
                generation=generation,
                position=position,
                seed=rng_for(config.seed, "repeat", number).getrandbits(62),
                cluster=cluster,
                plan_seed=rng_for(config.seed, "first", cluster).getrandbits(62),
                fresh=number >= len(seeds),
            )
        )
    return orders


STRATEGIES: Registry[Strategy] = Registry(
    "tdlab.strategies",
    "strategy",
    setting="evolution.strategy",
    valid=lambda name, value: "" if isinstance(value, Strategy) else "a tdlab.evolution.Strategy",
)
"""The strategies by name."""

for _name, _strategy in {
    "evolved": Strategy(steers=True),
    "random": Strategy(),
    "planned": Strategy(mutates=False),
    "quantity": Strategy(mutates=False, orders=_repeat),
}.items():
    STRATEGIES.register(_name)(_strategy)

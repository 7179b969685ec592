"""Test orders in several processes: same offspring, same sequence, also when workers die."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tdlab.errors import WorkerError
from tdlab.evolution import Offspring, Producer
from tdlab.evolution.process_pool import ProcessPool
from tdlab.records import Blueprint, Tool
from tdlab.rollout import Environment, SimulatedEnvironment
from tests.evolution.parts import config, controller, mined, producer
from tests.jobs import descendants, gone

CONFIG = config()


class Deadly(NamedTuple):
    """Kill this process while fewer than ``most`` have died; each leaves a mark."""

    marks: Path
    most: int
    name: str = "simulated"
    replayable: bool = False
    external: bool = False

    def __call__(self, blueprint: Blueprint, tools: Mapping[str, Tool], /) -> Environment:
        if len(list(self.marks.iterdir())) < self.most:
            (self.marks / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return SimulatedEnvironment(blueprint, tools)


def dying(marks: Path, most: int) -> Producer:
    clusters, tools, domains = mined()
    return Producer(CONFIG, tools, clusters, domains, environment=Deadly(marks, most))


def essence(offspring: Offspring) -> tuple[object, ...]:
    return (offspring.order, offspring.blueprint, offspring.trajectory, offspring.verdict, offspring.features)


@pytest.mark.crash
def test_a_worker_that_dies_in_the_middle_of_a_batch_changes_nothing(tmp_path: Path) -> None:
    orders = controller(CONFIG).orders(0)
    expected = [producer(CONFIG).produce(order) for order in orders]
    with ProcessPool(dying(tmp_path, 1), 2) as process_pool:
        found = list(process_pool.produce(orders))
        again = list(process_pool.produce(orders))
    assert len(list(tmp_path.iterdir())) >= 1, "no worker died"
    assert [essence(o) for o in found] == [essence(o) for o in again] == [essence(o) for o in expected]
    assert not gone(descendants_of_workers(), within=10)


@pytest.mark.crash
def test_workers_that_keep_dying_are_an_explained_error(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkerError, match="died 3 times on one generation") as caught,
        ProcessPool(dying(tmp_path, 1000), 2) as process_pool,
    ):
        list(process_pool.produce(controller(CONFIG).orders(0)))
    assert "--workers 1" in caught.value.do


def test_one_worker_is_this_process() -> None:
    orders = controller(CONFIG).orders(0)[:2]
    before = descendants(os.getpid())
    with ProcessPool(producer(CONFIG), 1) as process_pool:
        assert [essence(o) for o in process_pool.produce(orders)] == [
            essence(producer(CONFIG).produce(o)) for o in orders
        ]
        assert descendants(os.getpid()) == before


def descendants_of_workers() -> set[int]:
    """Return spawned processes, except multiprocessing's own tracker, which lives as long as this process."""
    found = set()
    for pid in descendants(os.getpid()):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"spawn_main" in line:
            found.add(pid)
    return found

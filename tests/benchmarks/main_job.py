"""How fast the main job is: verified trajectories a second on one core, seconds a stage, peak memory.

``python -m tests.benchmarks.main_job [--pool PATH] [--target N]``. Stages are timed from outside, by wrapping public
functions; a first small run in the same process takes imports and first-use costs out of the rates. Since machines are
shared and differ, each rate also stands as a ratio to a fixed loop of plain Python timed before and after in this run.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tdlab
import tdlab.jobs.run
from tdlab.evolution import Controller, Producer, producer
from tdlab.store import RunStore

STAGES: tuple[tuple[str, Any, str], ...] = (
    ("pool", tdlab.ToolPool, "load"),
    ("pool", tdlab.ToolPool, "bundled"),
    ("clusters", sys.modules["tdlab.jobs.run"], "mine"),
    ("order and decide", Controller, "orders"),
    ("order and decide", Controller, "consider"),
    ("produce", Producer, "produce"),
    ("  of it: play", producer, "play"),
    ("  of it: verify", producer, "verify"),
    ("store", RunStore, "commit_generation"),
    ("files", sys.modules["tdlab.jobs.files"], "export"),
    ("files", sys.modules["tdlab.jobs.files"], "save_figure"),
)


@contextmanager
def timed(seconds: dict[str, float]) -> Iterator[None]:
    """CPU seconds of this process spent inside each stage's functions, by stage."""
    kept = []

    def wrap(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed_call(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[stage] += time.process_time() - began

        return timed_call

    for stage, place, name in STAGES:
        original = place.__dict__[name]
        kept.append((place, name, original))
        if isinstance(original, classmethod):
            setattr(place, name, staticmethod(wrap(stage, getattr(place, name))))
        else:
            setattr(place, name, wrap(stage, original))
    try:
        yield
    finally:
        for place, name, original in kept:
            setattr(place, name, original)


def reference() -> float:
    """CPU seconds of ten million steps of a plain Python loop."""
    began, total = time.process_time(), 0
    for n in range(10_000_000):
        total += n * n % 7
    return time.process_time() - began


def main() -> None:
    """Run the job and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pool", default="bundled", help="'bundled', or a pool file")
    parser.add_argument("--strategy", default="evolved", help="evolved, random or quantity")
    parser.add_argument("--target", type=int, default=1000, help="verified trajectories to make")
    parser.add_argument("--warm", type=int, default=100, help="trajectories of the run before, which is not timed")
    options = parser.parse_args()
    seconds: dict[str, float] = defaultdict(float)
    before = reference()
    with tempfile.TemporaryDirectory() as folder:
        tdlab.run(tdlab.RunConfig(target=options.warm), out=Path(folder) / "warm", progress=False)
        config = tdlab.RunConfig(target=options.target, seed=1, pool=options.pool).with_values(
            evolution__strategy=options.strategy
        )
        began = time.process_time()
        with timed(seconds):
            run = tdlab.run(config, out=Path(folder) / "run", progress=False)
        whole = time.process_time() - began
        counts = run.counts()
        run.close()
    after = reference()
    loop = (before + after) / 2
    making = seconds["order and decide"] + seconds["produce"] + seconds["store"]
    rate = counts.accepted / making
    print(
        f"{counts.accepted} verified trajectories of {counts.candidates} tried, {options.strategy}, "
        f"pool {options.pool}, one process"
    )
    print(f"plain Python loop (10 million steps): {before:.2f} s before, {after:.2f} s after")
    print(f"{'stage':<20} {'CPU s':>8}")
    for stage in dict.fromkeys(stage for stage, _, _ in STAGES):
        print(f"{stage:<20} {seconds[stage]:>8.2f}")
    print(f"{'whole job':<20} {whole:>8.2f}")
    print(f"verified trajectories a CPU second, start-up apart: {rate:.0f}")
    print(f"verified trajectories in the time of the loop: {rate * loop:.0f}")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()

"""What measuring costs: `add` in a large pool against a small one, a whole report, and a file larger than memory.

Run it::

    python -m tests.benchmarks.diversity
    python -m tests.benchmarks.diversity --small 1000 --large 100000 --lines 20000

The same candidates are added to, asked for their gain in, and removed from a pool of each size; the quotient of the
times is the benchmark's number, and near 1 means that a pool's size does not matter. The pools' trajectories are made
up, nearly all different, which is the worst case for tables. Then the large meter's state is compared with a recount in
another order, exactly: every gauge, bit for bit, and the report. Last, a JSONL file of that many conversations is
profiled as a stream in a process of its own, at two sizes, to show what memory that takes.

What this does not cover: reading a trajectory (`featurise`), whose cost depends on that trajectory alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tdlab.diversity import ALPHABET, Complexity, DiversityMeter, Features, ModeVariant, profile
from tdlab.formats import scan_trajectories
from tdlab.records import rng_for

VARIANTS: tuple[ModeVariant, ...] = ("tool_sequence", "signature", "trigrams")


def made_up(number: int, *, seed: int = 0) -> list[Features]:
    """Features of ``number`` trajectories: 25 domains, 600 tools, up to 12 letters and 8 calls, hardly two alike."""
    rng = rng_for("tests.benchmarks.diversity", seed)
    domains = [f"domain{n}" for n in range(25)]
    tools = [f"service{n % 60}/tool{n}" for n in range(600)]
    found = []
    for place in range(number):
        names = rng.sample(domains, rng.randint(1, 3))
        parts = [rng.randint(1, 5) for _ in names]
        letters = [rng.choice(ALPHABET) for _ in range(rng.randint(2, 12))]
        called = tuple(rng.choice(tools) for _ in range(rng.randint(1, 8)))
        value = rng.random() * 50
        found.append(
            Features(
                id=str(place),
                domains={name: part / sum(parts) for name, part in zip(names, parts, strict=True)},
                tool_sequence=called,
                signature=tuple(x for n, x in enumerate(letters) if n == 0 or letters[n - 1] != x),
                complexity=Complexity(
                    value=value, calls=len(called), leaves=value / 3, bound=0, new_tools=1, service_changes=0,
                    recoveries=0,
                ),
                tools=tuple(sorted(set(called))),
                parameters=tuple(sorted({f"{tool}:p" for tool in called})),
                calls=len(called),
                offered=9,
                dependencies=tuple(sorted({(one, other, "p") for one, other in itertools.pairwise(called)})),
            )
        )  # fmt: skip
    return found


def state(meter: DiversityMeter) -> tuple[Any, ...]:
    """Every gauge of a meter."""
    modes = [(meter.h_mode(variant), meter.normalised_mode(variant)) for variant in VARIANTS]
    return (len(meter), meter.h_dom(), meter.normalised_domain(), *modes, meter.mean_cac(), meter.domain_counts())


def cost_of_adding(meter: DiversityMeter, candidates: Sequence[Features], *, rounds: int = 7) -> float:
    """Best seconds of several rounds for asking, adding and removing each candidate; the meter is left as it was."""
    best = math.inf
    for _ in range(rounds):
        start = time.perf_counter()
        for one in candidates:
            meter.gain(one)
            meter.add(one)
        for one in candidates:
            meter.remove(one)
        best = min(best, time.perf_counter() - start)
    return best


def measure_adding(small: int, large: int, *, seed: int = 0, candidates: int = 500) -> dict[str, Any]:
    """The cost in both pools, their quotient, and whether the large one equals its recount."""
    pool = made_up(large, seed=seed)
    probes = made_up(candidates, seed=seed + 1)
    few, many = DiversityMeter(pool[:small]), DiversityMeter(pool)
    slow = fast = math.inf
    for _ in range(3):
        fast = min(fast, cost_of_adding(few, probes))
        slow = min(slow, cost_of_adding(many, probes))
    recount = DiversityMeter(rng_for("order", seed).sample(pool, large))
    start = time.perf_counter()
    report = many.report(replicates=100, seed=seed)
    took = time.perf_counter() - start
    return {
        "small": small,
        "large": large,
        "microseconds_small": 1e6 * fast / candidates,
        "microseconds_large": 1e6 * slow / candidates,
        "ratio": slow / fast,
        "equals_recount": state(many) == state(recount) and report == recount.report(replicates=100, seed=seed),
        "report_seconds_100_replicates": took,
    }


def write_lines(path: Path, number: int) -> None:
    """A JSONL of ShareGPT conversations with results of 4 KB."""
    rng = rng_for("lines", number)
    filler = "".join(rng.choice("abcdefgh ") for _ in range(4000))
    with path.open("w", encoding="utf-8") as file:
        for place in range(number):
            call = {"name": f"s{place % 40}__get_{place % 7}", "arguments": {"id": f"id{place}"}}
            turns = [
                ("human", "Find it."),
                ("function_call", json.dumps(call)),
                ("observation", filler),
                ("gpt", "Done."),
            ]
            file.write(json.dumps({"conversations": [{"from": who, "value": what} for who, what in turns]}) + "\n")


def peak_mb() -> float:
    """Peak resident memory of this process in MB; Linux's own counter, since the other one is the parent's at birth."""
    status = Path("/proc/self/status")
    if status.is_file():
        return (
            float(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))) / 1e3
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def peak_of_streaming(path: Path) -> dict[str, float]:
    """Peak resident memory (MB) and seconds of profiling a file in a process of its own."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.diversity", "--profile", str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    peak = json.loads(done.stdout)["peak_mb"]
    return {"file_mb": path.stat().st_size / 1e6, "peak_mb": peak, "seconds": time.perf_counter() - start}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the numbers as JSON; status 1 where the recount differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.profile is not None:
        report = profile(scan_trajectories(chosen.profile), replicates=10)
        sys.stdout.write(json.dumps({"peak_mb": peak_mb(), "trajectories": report.trajectories}))
        return 0
    found = measure_adding(chosen.small, chosen.large, seed=chosen.seed)
    if chosen.lines:
        with tempfile.TemporaryDirectory() as folder:
            found["streaming"] = []
            for number in (chosen.lines // 10, chosen.lines):
                path = Path(folder) / f"{number}.jsonl"
                write_lines(path, number)
                found["streaming"].append(peak_of_streaming(path))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0 if found["equals_recount"] else 1


if __name__ == "__main__":
    raise SystemExit(main())

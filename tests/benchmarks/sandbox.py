"""The costs of the sandbox: cold start, jobs per second, memory, timeout overshoot, and replay at size; with bars.

    python tests/benchmarks/sandbox.py [bubblewrap] [docker]       # DOCKER_HOST says where the engine is

Prints one JSON object per backend and exits with 1 if a bar is missed. On a busy machine the rates depend on the load;
``..._to_bare`` are ratios to fresh interpreters without a sandbox, measured in between.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tdlab.records import rng_for  # noqa: E402  # the line above makes it found
from tdlab.sandbox import CodeOutput, Job, Limits, open_sandbox, probe, replay_code  # noqa: E402  # likewise

_spec = importlib.util.spec_from_file_location("programs", ROOT / "tests" / "sandbox" / "programs.py")
assert _spec is not None
assert _spec.loader is not None
programs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(programs)

BARS = {
    "cold_ms": {"bubblewrap": ("<=", 80.0), "docker": ("<=", 350.0)},
    "fresh_jobs_per_s": (">=", 60.0),
    "forked_jobs_per_s": (">=", 250.0),
    "warm_process_mb": ("<=", 20.0),
    "overshoot_s": ("<=", 0.3),
    "replay_false_alarms": ("<=", 0),
    "replay_missed": ("<=", 0),
}


def supervisors() -> dict[int, float]:
    """Return the host pid of each running supervisor, with its proportional memory in MB."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"<supervisor>" in (entry / "cmdline").read_bytes():
                pss = next(x for x in (entry / "smaps_rollup").read_text().splitlines() if x.startswith("Pss:"))
                found[int(entry.name)] = int(pss.split()[1]) / 1024
        except (OSError, StopIteration):
            continue
    return found


def bare(count: int) -> float:
    """Return the reference: fresh interpreters per second without a sandbox, started one after the other."""
    began = time.perf_counter()
    for _ in range(count):
        done = subprocess.run(["/usr/bin/python3", "-I", "-c", "print(6 * 7)"], capture_output=True, check=True)
        assert done.stdout == b"42\n"
    return count / (time.perf_counter() - began)


async def measure(backend: str, *, replays: int, alterations: int) -> dict[str, Any]:
    """Return all numbers of one backend."""
    out: dict[str, Any] = {"backend": backend}
    cold = []
    async with open_sandbox(backend, verify=False) as sandbox:
        for _ in range(9):
            began = time.perf_counter()
            process = await sandbox._backend.start()
            cold.append((time.perf_counter() - began) * 1000)
            await process.aclose()
    out["cold_ms"] = round(statistics.median(cold), 1)
    out["cold_ms_best"] = round(min(cold), 1)
    before = supervisors()
    async with open_sandbox(backend, limits=Limits(wall_s=10), verify=False) as sandbox:
        for mode, name in (("fresh", "fresh_jobs_per_s"), ("fork", "forked_jobs_per_s")):
            job = Job(code="print(6 * 7)", mode=mode)
            rates, ratios = [], []
            for _ in range(5):
                began = time.perf_counter()
                for _ in range(100):
                    result = await sandbox.run(job)
                    assert result.stdout.data == b"42\n", result
                rates.append(100 / (time.perf_counter() - began))
                ratios.append(rates[-1] / bare(25))
            out[name] = round(statistics.median(rates), 1)
            out[f"{name}_best"] = round(max(rates), 1)
            out[f"{name}_to_bare"] = round(statistics.median(ratios), 2)
        await sandbox.run(job)  # a process is replaced after some jobs: make sure that there is one
        mine = [size for pid, size in supervisors().items() if pid not in before]
        out["warm_process_mb"] = round(sum(mine), 1) if os.geteuid() == 0 or mine else None
        late = []
        for code in (
            "import time; time.sleep(99)",
            "while True: pass",
            "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
        ):
            job = Job(code=code, wall_s=1.0)
            began = time.perf_counter()
            result = await sandbox.run(job)
            late.append(time.perf_counter() - began - 1.0)
        out["overshoot_s"] = round(max(late), 3)
        codes = {seed: programs.program(seed) for seed in range(replays)}
        recorded = {s: CodeOutput.of(await sandbox.run(Job(code=c, mode="fork"))) for s, c in codes.items()}
    async with open_sandbox(backend, verify=False) as sandbox:
        alarms = [
            seed
            for seed, code in codes.items()
            if not (await replay_code(sandbox, Job(code=code, mode="fork"), recorded[seed])).same
        ]
        missed = []
        for seed in range(alterations):
            code = programs.program(seed, volatile_share=0)
            honest = CodeOutput.of(await sandbox.run(Job(code=code, mode="fork")))
            if honest.status not in ("ok", "error"):
                raise SystemExit(
                    f"{backend}: program {seed} ended with {honest.status} ({honest.reason}): too busy to tell"
                )
            wrong = programs.altered(honest, rng_for("alter", seed))
            if (await replay_code(sandbox, Job(code=code, mode="fork"), wrong)).same:
                missed.append(seed)
    out |= {"replays": replays, "replay_false_alarms": len(alarms), "alterations": alterations}
    out["replay_missed"] = len(missed)
    (report,) = await probe(backends=[backend])
    out |= {"version": report.version, "probes": report.probes, "escapes": report.escapes, "load": os.getloadavg()[0]}
    return out


def misses(numbers: dict[str, Any]) -> list[str]:
    """Return the bars that are missed."""
    found = []
    for name, bar in BARS.items():
        sign, value = bar[numbers["backend"]] if isinstance(bar, dict) else bar
        number = numbers[name]
        if number is not None and not (number <= value if sign == "<=" else number >= value):
            found.append(f"{numbers['backend']}: {name} is {number}, the bar is {sign} {value}")
    return found


def main() -> int:
    missed = []
    for backend in sys.argv[1:] or ["bubblewrap", "docker"]:
        numbers = anyio.run(lambda backend=backend: measure(backend, replays=500, alterations=200))
        sys.stdout.write(json.dumps(numbers) + "\n")
        sys.stdout.flush()
        missed += misses(numbers)
    sys.stdout.write("".join(f"MISSED {line}\n" for line in missed) or "every bar is met\n")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())

"""Code steps at size: replay of 500 trajectories, 200 altered outputs, and what code costs a run.

    python -m tests.benchmarks.code_steps [bubblewrap] [docker]      # DOCKER_HOST says where the engine is

Plays 500 blueprints with programs over the bundled pool, then runs every recorded program again in another sandbox and
counts what does not reproduce; then alters 200 recorded outputs by one character, number or line and counts what is
not noticed. The cost is the rate of trajectories with code beside the rate of the same job without, in the same
process. Prints one JSON object a backend and exits with 1 where an honest output does not reproduce or an altered one
does.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import tdlab
from tdlab.config import RunConfig, SandboxConfig
from tdlab.records import CODE_TOOL, rng_for
from tdlab.rollout import CodeRunner, CodingEnvironment, ScriptedTeacher, SimulatedEnvironment, play, recorded_output
from tdlab.verify import verify
from tests.blueprints.coding import coded_blueprints, tools
from tests.sandbox.programs import altered

TRAJECTORIES, ALTERED, RUN = 500, 200, 400


def measure(backend: str) -> dict[str, Any]:
    """Everything for one backend."""
    config = SandboxConfig.model_validate({"backend": backend})
    programs, languages, rejected = [], Counter[str](), 0
    with CodeRunner(config) as runner:
        for _, blueprint in coded_blueprints(TRAJECTORIES):
            offered = {key: tools()[key] for key in blueprint.offered}
            environment = CodingEnvironment(SimulatedEnvironment(blueprint, offered), runner)
            rollout = play(blueprint, offered, ScriptedTeacher(blueprint, offered), environment)
            made = rollout.trajectory
            verdict = verify(made, blueprint, offered, stopped=rollout.stopped, code=runner)
            rejected += not verdict.accepted
            for call in made.calls():
                if made.tools[call.name] == CODE_TOOL:
                    recorded = recorded_output(made.results()[call.id].content)
                    assert recorded is not None
                    programs.append((call.arguments, recorded))
                    languages[str(call.arguments["language"])] += 1
    with CodeRunner(config) as other:
        began = time.perf_counter()
        alarms = sum(not other.replay(arguments, recorded).same for arguments, recorded in programs)
        rate = len(programs) / (time.perf_counter() - began)
        missed = 0
        for number in range(ALTERED):
            arguments, recorded = programs[number * len(programs) // ALTERED]
            wrong = altered(recorded, rng_for("altered", number))
            missed += other.replay(arguments, wrong).same
    return {
        "backend": backend,
        "trajectories": TRAJECTORIES,
        "rejected": rejected,
        "programs": len(programs),
        "languages": dict(languages),
        "false_alarms": alarms,
        "replays_per_s": round(rate, 1),
        "altered": ALTERED,
        "missed": missed,
    }


def cost(backend: str) -> dict[str, Any]:
    """Trajectories per second of the main job with code and without, one process each way."""
    rates: dict[str, float] = {}
    share = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name in ("none", backend, "none again", f"{backend} again"):
            chosen = name.partition(" ")[0]
            settings = RunConfig(target=RUN).with_values(sandbox__backend=chosen)
            began = time.perf_counter()
            with tdlab.run(settings, out=Path(folder) / name.replace(" ", "_"), progress=False) as run:
                rates[chosen] = max(rates.get(chosen, 0.0), RUN / (time.perf_counter() - began))
                if chosen != "none":
                    coded = [
                        c for c in run.store.accepted() if any(e.executor == "sandbox" for e in c.trajectory.executions)
                    ]
                    share = len(coded) / RUN
    return {
        "without_per_s": round(rates["none"], 1),
        "with_per_s": round(rates[backend], 1),
        "ratio": round(rates[backend] / rates["none"], 3),
        "share_with_code": round(share, 3),
    }


def main() -> int:
    bad = 0
    for backend in sys.argv[1:] or ["bubblewrap", "docker"]:
        numbers = {**measure(backend), **cost(backend)}
        print(json.dumps(numbers), flush=True)
        bad += numbers["false_alarms"] + numbers["missed"] + numbers["rejected"]
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())

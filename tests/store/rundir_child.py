"""The records that the store tests write, each a function of its number, and a process that can be killed.

``python rundir_child.py write DIR GENERATIONS`` resumes the run in DIR, says each thing on stdout once the store has
acknowledged it, and writes derived files in between; ``write-limited DIR GENERATIONS PADDING BYTES`` does so under a
limit on the size of a file. ``hold DIR`` opens the run and waits; ``hold-with-worker DIR``
forks a worker first.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from tdlab.config import RunConfig
from tdlab.errors import StoreError
from tdlab.records import (
    Blueprint,
    BusinessCluster,
    Call,
    Check,
    Constant,
    Execution,
    Message,
    Persona,
    Reason,
    Step,
    Tool,
    ToolCall,
    Trajectory,
    Verdict,
)
from tdlab.store import Candidate, GaugeRecord, Generation, GenerationRecord, Lineage, RunStore, atomic_write

SIZE = 6
REASONS = (Reason("grounding", "'z' <came> from nowhere"), Reason("plan", "too short"))
CONFIG = RunConfig(target=10)
OPENING = {"config": CONFIG, "pool_fingerprint": "a pool", "versions": {"tdlab": "0"}}


def blueprint(number: int) -> Blueprint:
    call = Call(tool="shop/find", arguments={"query": Constant(value="a <b>book</b>")})
    return Blueprint(
        id=f"b{number:05}",
        cluster="k0" if number % 2 else "k1",
        seed=number,
        intent="find & buy <i>it</i>",
        persona=Persona(name="Ann", role="reader"),
        steps=(Step(id="s1", kind="call", calls=(call,)),),
        offered=("shop/find",),
        lineage=("extend", "branch") if number % 3 == 0 else (),
        parent=f"b{number - 1:05}" if number % 3 == 0 else None,
    )


def trajectory(number: int, *, padding: int = 0) -> Trajectory:
    call = ToolCall(id="c1", name="find", arguments={"z": 1, "query": "héllo", "a": [1, {"y": None, "b": 2.5}]})
    return Trajectory(
        id=f"t{number:05}",
        messages=(
            Message(role="system", content="be kind"),
            Message(role="user", content=f"number {number} " + "x" * padding),
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", content='{"id": 1}', tool_call_id="c1"),
            Message(role="assistant", content="there it is"),
        ),
        tools={"find": "shop/find"},
        blueprint=f"b{number:05}",
        teacher="scripted",
        environment="simulated",
        executions=(
            Execution(
                call_id="c1", tool="shop/find", executor="simulated", ok=True, arguments_sha256="0", result_sha256="1"
            ),
        ),
        steps={"s1": ("c1",)},
    )


def candidates(generation: int, *, size: int = SIZE, padding: int = 0) -> list[Candidate]:
    """Return a candidate: every third is rejected, one in six has no trajectory, one in six no blueprint."""
    made = []
    for position in range(size):
        number = generation * size + position
        accepted = position % 3 != 2
        made.append(
            Candidate(
                generation=generation,
                position=position,
                accepted=accepted,
                reasons=()
                if accepted
                else (Reason("grounding", "'z' <came> from nowhere"), Reason("plan", "too short")),
                lineage=Lineage(applied=("extend",), gain={"h_dom": 0.5}, weighed=0.25),
                features={"cac": number / 2, "mode": "r-w", "list": [1, 2]},
                verdict=Verdict(trajectory=f"t{number:05}", checks=(Check(name="schema", passed=accepted),)),
                blueprint=None if position % 6 == 5 else blueprint(number),
                trajectory=None if position % 6 == 2 else trajectory(number, padding=padding),
            )
        )
    return made


def record(generation: int) -> GenerationRecord:
    return GenerationRecord(after=GaugeRecord(values={"h_dom": generation / 3}), operators={"extend": generation})


def put_mining(store: RunStore) -> None:
    store.put_mining(
        clusters=[
            BusinessCluster(id=f"k{n}", tools=("shop/find",), dependencies=(), domains={"retail": 0.75, "art": 0.25})
            for n in range(2)
        ],
        tools=[Tool(service="shop", name="find", input_schema={"properties": {"z": {}, "a": {}}})],
        services={"shop": {"retail": 1.0}},
        report={"coverage": [0.5, 1.0]},
    )


def commit(store: RunStore, number: int, *, padding: int = 0) -> None:
    store.commit_generation(Generation(number=number, record=record(number)), candidates(number, padding=padding))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write(folder: Path, generations: int, padding: int) -> None:
    say("ready")
    with RunStore.create_or_resume(folder, **OPENING) as store:
        if store.mining() is None:
            put_mining(store)
        say("mined")
        last = store.last_generation()
        for number in range(0 if last is None else last.number + 1, generations):
            key = f"call {number}"
            if store.journal_get(key) is None:
                store.journal_put(key, {"paid": number})
                say(f"journal {number}")
            commit(store, number, padding=padding)
            say(f"generation {number}")
            atomic_write(folder / "metrics.json", json.dumps({"n": number, "fill": "y" * 20_000}).encode())
        store.mark_complete({"generations": generations})
    say("complete")


def hold(folder: Path, *, worker: bool) -> None:
    with RunStore.create_or_resume(folder, **OPENING):
        if worker and os.fork() == 0:
            say(f"worker {os.getpid()}")
            time.sleep(60)
            os._exit(0)
        say("holding")
        time.sleep(60)


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    try:
        if what == "write-limited":
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(rest[2]), int(rest[2])))
        if what.startswith("write"):
            write(Path(where), int(rest[0]), int(rest[1]) if len(rest) > 1 else 0)
        else:
            hold(Path(where), worker=what == "hold-with-worker")
    except StoreError as error:
        say(f"refused: {error}")
        sys.exit(2)

"""The LLM teacher measured: throughput, faults, memory. Each is stated against a reference of the same run.

``python -m tests.benchmarks.teacher throughput [--calls N] [--curator PYTHON]``: calls a second against a stub on this
machine with 0 and 50 ms latency at concurrency 64, journal included, beside a bare bounded loop over the same
``openai`` client; with ``--curator`` (or TDLAB_CURATOR) the interpreter of an environment that holds
bespokelabs-curator, on the same calls. ``faults [--rollouts N]``: rollouts with 5 % failures, none lost, none twice,
and coherence. ``memory [--rollouts N]``: resident memory while rollouts are played. ``budget`` and ``kill``: calls
beyond a budget, and calls repeated after ``kill -9``. ``cost [--rollouts N]``: tokens per accepted trajectory by role,
with the mock model, whose replies are the script's.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

import tdlab
from tdlab.config import RunConfig, TeacherConfig
from tdlab.errors import BlueprintError
from tdlab.rollout.llm import ChatClient, ChatRequest, LiveBackend, LlmRollout
from tdlab.store import ReplyJournal

CONCURRENCY = 64
STUB = """
import sys, anyio
from tdlab.rollout.llm import Misbehaviour, serve_mock
from tdlab.rollout.llm.mock_model import completion
how = Misbehaviour.model_validate_json(sys.argv[1])
def answer(body):
    return completion("m", {"role": "assistant", "content": "a reply of a few words, as short as they come"}, prompt="")
def started(address, state):
    print(address, flush=True)
async def work():
    await serve_mock(how, answer=answer if sys.argv[2] == "stub" else None, started=started)
anyio.run(work)
"""
CURATOR = """
import json, os, sys, time, logging
os.environ.update(OPENAI_API_KEY="none", CURATOR_DISABLE_CACHE="1", TELEMETRY_ENABLED="false", CURATOR_VIEWER="0",
                  CURATOR_DISABLE_RICH_DISPLAY="1")
import tiktoken
one_byte = tiktoken.Encoding("bytes", pat_str=r"[\\s\\S]", special_tokens={},
                             mergeable_ranks={bytes([n]): n for n in range(256)})
tiktoken.get_encoding = tiktoken.encoding_for_model = lambda name: one_byte  # the real one is downloaded
from bespokelabs import curator
url, prompts, most = sys.argv[1], json.loads(open(sys.argv[2]).read()), int(sys.argv[3])
model = curator.LLM(model_name="m", backend="openai", generation_params={"max_tokens": 2048}, backend_params={
    "base_url": url, "max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**10,
    "max_concurrent_requests": most, "require_all_responses": True})
began = time.perf_counter()
found = model(prompts)
rows = found.dataset if hasattr(found, "dataset") else found
print("CURATOR", len(rows), time.perf_counter() - began)
"""


@contextmanager
def serving(kind: str, **how: Any) -> Iterator[str]:
    """A server in a process of its own."""
    command = [sys.executable, "-c", STUB, json.dumps(how), kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def prompts(number: int, salt: str) -> list[str]:
    return [f"{salt} {n}: tell me something about the number {n}" for n in range(number)]


async def bare(address: str, texts: list[str]) -> float:
    """Seconds of a bounded loop over the client alone."""
    from openai import AsyncOpenAI

    limiter = anyio.CapacityLimiter(CONCURRENCY)
    async with AsyncOpenAI(base_url=address, api_key="none") as client:

        async def one(text: str) -> None:
            async with limiter:
                await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": text}], max_tokens=2048
                )

        began = time.perf_counter()
        async with anyio.create_task_group() as group:
            for text in texts:
                group.start_soon(one, text)
        return time.perf_counter() - began


async def ours(address: str, texts: list[str], folder: Path) -> float:
    """Seconds of `ChatClient` with its journal on the disk."""
    config = TeacherConfig(model="m", base_url=address, concurrency=CONCURRENCY)
    requests = [ChatRequest(role="user", model="m", messages=({"role": "user", "content": t},)) for t in texts]
    with ReplyJournal(folder / "replies.sqlite") as journal:
        async with ChatClient(config, journal=journal, owner="bench") as client:
            began = time.perf_counter()
            async with anyio.create_task_group() as group:
                for request in requests:
                    group.start_soon(client.ask, request)
            seconds = time.perf_counter() - began
        assert len(journal) == len(texts), "every reply is in the journal"
    return seconds


def curator(python: str, address: str, texts: list[str], folder: Path) -> float:
    """Seconds that curator states for the same calls, its start-up apart."""
    file = folder / "prompts.json"
    file.write_text(json.dumps(texts))
    command = [python, "-c", CURATOR, address, str(file), str(CONCURRENCY)]
    place = {**os.environ, "HOME": str(folder), "CURATOR_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, env=place, cwd=folder, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("CURATOR ")), None)
    if line is None:
        raise SystemExit(f"curator failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    _, rows, seconds = line.split()
    assert int(rows) == len(texts)
    return float(seconds)


def throughput(options: argparse.Namespace) -> None:
    """Rates and ratios; rounds alternate, so that a busy machine meets all alike."""
    number = options.calls
    for latency in (0.0, 0.05):
        with serving("stub", latency_s=latency) as address, tempfile.TemporaryDirectory() as place:
            rates: dict[str, list[float]] = {"bare": [], "tdlab": []}
            anyio.run(bare, address, prompts(200, "warm"))
            for turn in range(options.rounds):
                folder = Path(place) / str(turn)
                folder.mkdir()
                rates["bare"].append(number / anyio.run(bare, address, prompts(number, f"bare {turn}")))
                rates["tdlab"].append(number / anyio.run(ours, address, prompts(number, f"ours {turn}"), folder))
                if options.curator:
                    taken = curator(options.curator, address, prompts(number, f"curator {turn}"), folder)
                    rates.setdefault("curator", []).append(number / taken)
        ratios = [a / b for a, b in zip(rates["tdlab"], rates["bare"], strict=True)]
        print(f"latency {latency * 1000:.0f} ms, {number} calls, concurrency {CONCURRENCY}, {options.rounds} rounds:")
        for name, found in rates.items():
            print(f"  {name:<8} calls/s: " + " ".join(f"{rate:.0f}" for rate in found))
        print(f"  tdlab / bare: median {statistics.median(ratios):.2f}, lowest {min(ratios):.2f}")
        if "curator" in rates:
            ratios = [a / b for a, b in zip(rates["tdlab"], rates["curator"], strict=True)]
            print(f"  tdlab / curator: median {statistics.median(ratios):.2f}, lowest {min(ratios):.2f}")


def faults(options: argparse.Namespace) -> None:
    """A whole run with 5 % failures and spoilt rollouts: nothing lost, nothing twice, the spoilt rejected."""
    how = {"rate_429": 0.02, "rate_500": 0.02, "rate_cut": 0.01, "retry_after_s": 0.02, "corrupt": options.corrupt}
    with serving("mock", **how) as address, tempfile.TemporaryDirectory() as place:
        config = RunConfig(target=options.rollouts).with_values(
            rollout__teacher="llm", teacher__model="mock", teacher__base_url=address,
            teacher__concurrency=CONCURRENCY, evolution__max_mutations=1,
        )  # fmt: skip
        began = time.perf_counter()
        with tdlab.run(config, out=Path(place) / "run", progress=False) as run:
            seconds = time.perf_counter() - began
            from tdlab.rollout.llm.mock_model import MockModel

            judge = MockModel(corrupt=options.corrupt)
            clean, kept, spoilt, caught, reasons = 0, 0, 0, 0, Counter()
            places = Counter()
            for candidate in run.store.candidates():
                places[candidate.generation, candidate.position] += 1
                assert candidate.blueprint is not None
                assert candidate.verdict is not None
                called = any(step.calls for step in candidate.blueprint.steps)
                if called and judge.fault_of(candidate.blueprint):
                    spoilt += 1
                    caught += not candidate.accepted
                    reasons[candidate.reasons[0].text[:40]] += 1
                    assert candidate.reasons[0].text
                else:
                    clean += 1
                    kept += candidate.verdict.accepted
            tried = sum(g.record.tried for g in run.store.generations())
            ids = list(run.trajectories()["trajectory"])
    print(f"{len(ids)} trajectories in {seconds:.0f} s, {tried} rollouts tried, {len(places)} kept, "
          f"{sum(n > 1 for n in places.values())} twice, {len(ids) - len(set(ids))} trajectories twice")  # fmt: skip
    print(f"uncorrupted: {kept} of {clean} verified ({kept / clean:.4f}); corrupted: {caught} of {spoilt} rejected")
    for reason, count in reasons.most_common(8):
        print(f"  {count:>4}  {reason}")


def memory(options: argparse.Namespace) -> None:
    """Resident memory and the blocks that Python holds, at ten points of rollouts played in many threads.

    Blocks tell whether objects pile up. Resident memory also holds what the C library keeps of freed memory, in a heap
    for every few threads: ``MALLOC_ARENA_MAX=1`` in the environment leaves it one heap, and with
    ``MALLOC_MMAP_THRESHOLD_=65536`` large blocks go back to the system at once.
    """
    from concurrent.futures import ThreadPoolExecutor

    from tdlab.blueprints import MutationContext, first_plan
    from tdlab.rollout import SimulatedEnvironment
    from tdlab.tasks import keep_worlds, stage_here

    pool = tdlab.ToolPool.bundled()
    clusters = tdlab.mine(pool, seed=0).clusters

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    with serving("mock") as address, tempfile.TemporaryDirectory() as place:
        config = TeacherConfig(
            model="mock", base_url=address, concurrency=CONCURRENCY, roles=("user", "assistant")
        )  # fmt: skip
        with (
            ReplyJournal(Path(place) / "replies.sqlite") as journal,
            LiveBackend(config, journal=journal, owner="bench") as desk,
            ThreadPoolExecutor(CONCURRENCY, initializer=keep_worlds, initargs=(6,)) as threads,
        ):

            def one(number: int) -> bool:
                cluster = clusters[number % len(clusters)]
                context = MutationContext(cluster=cluster, tools=pool.tools, stage=stage_here())
                try:
                    blueprint = first_plan(context, seed=number)
                except BlueprintError:
                    return False
                tools = {key: pool.tools[key] for key in blueprint.offered}
                return not LlmRollout(desk, config, blueprint, tools).play(SimulatedEnvironment).stopped

            done, points, blocks, began = 0, [], [], time.perf_counter()
            share = max(1, options.rollouts // 10)
            for start in range(0, options.rollouts, share):
                done += sum(threads.map(one, range(start, min(start + share, options.rollouts))))
                gc.collect()
                points.append(resident())
                blocks.append(sys.getallocatedblocks())
                print(f"  {start + share:>6} rollouts, {points[-1]:.0f} MiB, {blocks[-1]:,} blocks", flush=True)
            seconds = time.perf_counter() - began
            calls = desk.traffic.answered
    print(f"{done} of {options.rollouts} rollouts went to their end, {calls} calls, {seconds:.0f} s")
    for name, found in (("resident memory", points), ("blocks", blocks)):
        early, late = statistics.fmean(found[2:5]), statistics.fmean(found[7:])
        print(f"{name}: points 8 to 10 over points 3 to 5: {late / early:.3f}")


def budget(options: argparse.Namespace) -> None:
    """How many calls are made beyond those that a budget pays for, at a time when many are in flight."""
    from tdlab.errors import BudgetSpent

    for allowed in (options.calls // 4, options.calls // 2):
        with serving("stub", latency_s=0.02) as address:
            config = TeacherConfig(model="m", base_url=address, concurrency=CONCURRENCY, budget_tokens=12 * allowed)
            requests = [
                ChatRequest(role="user", model="m", messages=({"role": "user", "content": t},))
                for t in prompts(options.calls, f"budget {allowed}")
            ]
            client, made, refused = ChatClient(config), [], []

            async def work(client: Any = client, requests: Any = requests, made: Any = made, refused: Any = refused):
                async def one(request: ChatRequest) -> None:
                    try:
                        made.append(await client.ask(request))
                    except BudgetSpent:
                        refused.append(request)

                async with client, anyio.create_task_group() as group:
                    for request in requests:
                        group.start_soon(one, request)

            anyio.run(work)
        each = made[0].input_tokens + made[0].output_tokens
        paid = -(-12 * allowed // each)
        print(f"budget {12 * allowed} tokens at {each} a call: {paid} calls pay it, {len(made)} were made, "
              f"{len(made) - paid} beyond it with {CONCURRENCY} in flight, {len(refused)} never begun")  # fmt: skip


def kill(options: argparse.Namespace) -> None:
    """kill -9 half-way through a run, and how many calls the resumed run repeats."""
    from tdlab.rollout.llm import Misbehaviour, MockServer

    flying = 16
    with MockServer(Misbehaviour(latency_s=0.02)) as server, tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "tdlab.cli", "run", "-o", f"{place}/run", "-n", str(options.rollouts)]
        for value in ("rollout.teacher=llm", "teacher.model=mock", f"teacher.base_url={server.base_url}",
                      f"teacher.concurrency={flying}", "evolution.max_mutations=1"):  # fmt: skip
            command += ["--set", value]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while server.counts.get("calls", 0) < 6 * options.rollouts // 2 and process.poll() is None:
            time.sleep(0.01)
        assert process.poll() is None, "it was quicker than the kill"
        process.kill()
        process.wait()
        time.sleep(0.3)
        before = server.counts["calls"]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        with ReplyJournal(f"{place}/teacher-replies.sqlite") as journal:
            kept = len(journal)
        calls = server.counts["calls"]
    print(f"killed after {before} calls with {flying} in flight; {calls} calls in all, {kept} replies kept, "
          f"{calls - kept} repeated or lost")  # fmt: skip


def cost(options: argparse.Namespace) -> None:
    """Calls and tokens per accepted trajectory by role, with the default roles on the bundled pool."""
    number = min(options.rollouts, 48)
    with serving("mock") as address, tempfile.TemporaryDirectory() as place:
        config = RunConfig(target=number, seed=3).with_values(
            rollout__teacher="llm", teacher__model="mock", teacher__base_url=address
        )  # fmt: skip
        with tdlab.run(config, out=Path(place) / "run", progress=False, figure=False) as run:
            spent = run.metrics()["teacher"]
            counts = run.counts()
    print(f"{counts.accepted} accepted, {counts.rejected} rejected; per accepted trajectory:")
    rows = [*spent["accepted"], *spent["rejected"]]
    for role in dict.fromkeys(row["role"] for row in rows):
        calls, read, written = (
            sum(row[name] for row in rows if row["role"] == role) / number
            for name in ("calls", "input_tokens", "output_tokens")
        )
        print(f"  {role:<12} {calls:5.1f} calls {read:9,.0f} tokens in {written:7,.0f} out")
    print(f"  {'all':<12} {'':11} {spent['tokens'] / number:9,.0f} tokens")


MEASURES = {"cost": cost, "throughput": throughput, "faults": faults, "memory": memory, "budget": budget, "kill": kill}


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=list(MEASURES))
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rollouts", type=int, default=1000)
    parser.add_argument("--corrupt", type=float, default=0.1)
    parser.add_argument("--curator", default=os.environ.get("TDLAB_CURATOR", ""), help="a Python that has curator")
    options = parser.parse_args()
    MEASURES[options.what](options)


if __name__ == "__main__":
    main()

"""How fast trajectory files are read, per format, beside a bare decoder in the same run, and with how much memory.

Run it with::

    python -m tests.benchmarks.reading
    python -m tests.benchmarks.reading --megabytes 100 --formats openai anthropic

Each file is made of seeded words: conversations of five calls with their results, as each format writes them. A speed
is megabytes of the file by seconds of processor time; ``bare`` is that of ``json.loads`` on the same lines. Memory is
the most that the process held, the interpreter and the libraries included.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tdlab.formats import Recording, iter_trajectories

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu".split()
CALLS = 5
TOOL = {
    "name": "get_order",
    "description": "Read an order of a customer, with its lines and its state.",
    "parameters": {"type": "object", "properties": {"order": {"type": "integer"}, "note": {"type": "string"}}},
}


def text(rng: random.Random, count: int) -> str:
    """Return ``count`` words."""
    return " ".join(rng.choices(WORDS, k=count))


def steps(rng: random.Random) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """Yield the id, the text, the arguments and the result of each call of a conversation."""
    for number in range(CALLS):
        arguments = {"order": rng.randrange(10**6), "note": text(rng, 3)}
        yield f"c{number}", text(rng, 15), arguments, json.dumps({"state": text(rng, 60), "lines": [1, 2, 3.5]})


def openai(rng: random.Random) -> dict[str, Any]:
    """Return a conversation with ``tool_calls``."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": text(rng, 120)},
        {"role": "user", "content": text(rng, 40)},
    ]
    for call_id, said, arguments, result in steps(rng):
        function = {"name": "get_order", "arguments": json.dumps(arguments)}
        messages.append(
            {
                "role": "assistant",
                "content": said,
                "tool_calls": [{"id": call_id, "type": "function", "function": function}],
            }
        )
        messages.append({"role": "tool", "tool_call_id": call_id, "content": result})
    return {
        "messages": [*messages, {"role": "assistant", "content": text(rng, 50)}],
        "tools": [{"type": "function", "function": TOOL}],
    }


def anthropic(rng: random.Random) -> dict[str, Any]:
    """Return a conversation of content blocks."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": text(rng, 40)}]
    for call_id, said, arguments, result in steps(rng):
        use = {"type": "tool_use", "id": call_id, "name": "get_order", "input": arguments}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": said}, use]})
        messages.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call_id, "content": result}]}
        )
    tool = {"name": TOOL["name"], "input_schema": TOOL["parameters"]}
    return {"system": text(rng, 120), "messages": messages, "tools": [tool]}


def hermes(rng: random.Random) -> dict[str, Any]:
    """Return a conversation with calls in tags."""
    turns = [
        {"from": "system", "value": f"{text(rng, 120)}<tools>{json.dumps(TOOL)}</tools>"},
        {"from": "human", "value": text(rng, 40)},
    ]
    for _, said, arguments, result in steps(rng):
        call = json.dumps({"name": "get_order", "arguments": arguments})
        turns.append({"from": "gpt", "value": f"{said}\n<tool_call>\n{call}\n</tool_call>"})
        turns.append({"from": "tool", "value": f"<tool_response>\n{result}\n</tool_response>"})
    return {"conversations": [*turns, {"from": "gpt", "value": text(rng, 50)}]}


def gemini(rng: random.Random) -> dict[str, Any]:
    """Return a conversation of Gemini's contents."""
    contents: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": text(rng, 40)}]}]
    for _, said, arguments, result in steps(rng):
        contents.append(
            {"role": "model", "parts": [{"text": said}, {"functionCall": {"name": "get_order", "args": arguments}}]}
        )
        answer = {"name": "get_order", "response": json.loads(result)}
        contents.append({"role": "user", "parts": [{"functionResponse": answer}]})
    return {"contents": contents, "tools": [{"functionDeclarations": [TOOL]}]}


def responses(rng: random.Random) -> dict[str, Any]:
    """Return a record of the Responses API."""
    items: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "input_text", "text": text(rng, 40)}]}]
    for call_id, said, arguments, result in steps(rng):
        items.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": said}]})
        items.append(
            {"type": "function_call", "call_id": call_id, "name": "get_order", "arguments": json.dumps(arguments)}
        )
        items.append({"type": "function_call_output", "call_id": call_id, "output": result})
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text(rng, 50)}]}]
    return {"input": items, "output": output, "tools": [{"type": "function", **TOOL}]}


FORMATS: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "openai": openai, "anthropic": anthropic, "hermes": hermes, "gemini": gemini, "responses": responses,
}  # fmt: skip


def write(path: Path, make: Callable[[random.Random], dict[str, Any]], megabytes: int, *, as_array: bool) -> None:
    """Write a file of about that size: lines, or one array over many lines."""
    rng = random.Random(0)
    size = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("[\n" if as_array else "")
        while size < megabytes * 1_000_000:
            line = json.dumps({"id": f"t{size}", **make(rng)})
            file.write((",\n" if as_array and size else "") + line + ("" if as_array else "\n"))
            size += len(line)
        file.write("\n]\n" if as_array else "")


def measure(path: Path) -> dict[str, float]:
    """Read a file in this process, and return its speeds in MB/s, the conversations and the memory in MiB."""
    megabytes = path.stat().st_size / 1e6
    start = time.process_time()
    count = sum(isinstance(part, Recording) for part in iter_trajectories(path))
    speed = megabytes / (time.process_time() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.process_time()
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("{"):
                json.loads(line.rstrip().rstrip(","))
    bare = megabytes / (time.process_time() - start)
    return {"conversations": count, "speed": speed, "bare": bare, "memory": memory}


def main() -> None:
    """Measure each format in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=30)
    parser.add_argument("--formats", nargs="*", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file is not None:
        print(json.dumps(measure(options.file)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in options.formats:
            for as_array in (False, True) if name == "openai" else (False,):
                path = Path(folder, "file.json")
                write(path, FORMATS[name], options.megabytes, as_array=as_array)
                command = [sys.executable, "-m", "tests.benchmarks.reading", "--file", str(path)]
                read = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                print(
                    f"{name + (', one array' if as_array else ''):18} {read['conversations']:6.0f} conversations"
                    f"  {read['speed']:6.1f} MB/s (bare decoder {read['bare']:.0f})  {read['memory']:.0f} MiB",
                    flush=True,
                )


if __name__ == "__main__":
    main()

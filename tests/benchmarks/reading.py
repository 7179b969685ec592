"""How fast trajectory files are read, per format, beside a bare decoder in the same run, and with how much memory.

Run it with::

    python -m tests.benchmarks.reading
    python -m tests.benchmarks.reading --megabytes 100 --formats openai anthropic

The files are made of seeded words (`tests.benchmarks.recordings`). A speed is megabytes of the files by seconds of
processor time, the best of three; ``bare`` is that of ``json.loads`` on the same lines. Memory is the most that the
process held, the interpreter and the libraries included: flat where it does not grow with ``--megabytes``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tdlab.formats import Recording, iter_tasks, iter_trajectories
from tdlab.formats.parquet import ParquetRows
from tests.benchmarks.recordings import DOCUMENTS, LINES, SESSIONS

EVENTS_IN_ONE_FILE = "{}, one file"
"""The layout of sessions that stand one after another in one file; by default each has its own."""
NAMES = (
    *LINES, "openai, array", "openai, parquet", *DOCUMENTS, *SESSIONS,
    *(EVENTS_IN_ONE_FILE.format(name) for name in SESSIONS),
)  # fmt: skip


def write(folder: Path, name: str, megabytes: float) -> Path:
    """Write files of about that size in all; return the file, or the folder where there are several."""
    kind, _, layout = name.partition(", ")
    if kind in DOCUMENTS:
        return _files(folder, ([DOCUMENTS[kind](rng)] for rng in _seeded()), megabytes)
    if kind in SESSIONS and not layout:
        return _files(folder, (SESSIONS[kind](rng) for rng in _seeded()), megabytes)
    path = folder / f"file.{'parquet' if layout == 'parquet' else 'jsonl'}"
    if kind in SESSIONS:
        _write_lines(path, (event for rng in _seeded() for event in SESSIONS[kind](rng)), megabytes)
        return path
    records = ({"id": f"{number}", **LINES[kind](rng)} for number, rng in enumerate(_seeded()))
    if layout == "parquet":
        _write_parquet(path, records, megabytes)
    elif layout == "array":
        _write_array(path, records, megabytes)
    else:
        _write_lines(path, records, megabytes)
    return path


def _seeded() -> Iterator[random.Random]:
    rng = random.Random(0)
    while True:
        yield rng


def _files(folder: Path, contents: Iterator[list[dict[str, Any]]], megabytes: float) -> Path:
    size = number = 0
    while size < megabytes * 1_000_000:
        text = "".join(json.dumps(record) + "\n" for record in next(contents))
        (folder / f"{number:05}.jsonl").write_text(text, encoding="utf-8")
        size, number = size + len(text), number + 1
    return folder


def _write_lines(path: Path, records: Iterator[dict[str, Any]], megabytes: float) -> None:
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < megabytes * 1_000_000:
            file.write(json.dumps(next(records)) + "\n")


def _write_array(path: Path, records: Iterator[dict[str, Any]], megabytes: float) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("[\n" + json.dumps(next(records)))
        while file.tell() < megabytes * 1_000_000:
            file.write(",\n" + json.dumps(next(records)))
        file.write("\n]\n")


def _write_parquet(path: Path, records: Iterator[dict[str, Any]], megabytes: float) -> None:
    size = 0
    with path.open("wb") as file, ParquetRows(file, {"id": "text", "messages": ["json"], "tools": ["json"]}) as rows:
        while size < megabytes * 1_000_000:
            record = next(records)
            rows.add(record)
            size += len(json.dumps(record))


def measure(path: Path, read: Callable[[Path], Iterator[Any]]) -> dict[str, float]:
    """Read a file or folder in this process, and return its speeds in MB/s, the conversations and the memory in MiB."""
    files = [path] if path.is_file() else sorted(path.iterdir())
    size = sum(file.stat().st_size for file in files) / 1e6
    memory, best, count = 0.0, float("inf"), 0
    bare = float("inf")
    for _ in range(3):
        start = time.process_time()
        count = sum(isinstance(part, Recording) for part in read(path))
        best = min(best, time.process_time() - start)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if path.suffix != ".parquet":
            bare = min(bare, _decode(files))
    return {"conversations": count, "size": size, "seconds": best, "bare": bare, "memory": memory}


def _decode(files: list[Path]) -> float:
    """Return the seconds that ``json.loads`` takes for the lines."""
    start = time.process_time()
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("{"):
                    json.loads(line.rstrip().rstrip(","))
    return time.process_time() - start


def main() -> None:
    """Measure each format in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=30)
    parser.add_argument("--formats", nargs="*", choices=NAMES, default=NAMES, metavar="FORMAT", help=" | ".join(NAMES))
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file is not None:
        read = iter_tasks if options.formats == ["tasks"] else iter_trajectories
        print(json.dumps(measure(options.file, read)))
        return
    for name in options.formats:
        with tempfile.TemporaryDirectory() as folder:
            with multiprocessing.Pool(1) as writer:  # the memory that it takes is not counted
                path = writer.apply(write, (Path(folder), name, options.megabytes))
            command = [sys.executable, "-m", "tests.benchmarks.reading", "--file", str(path), "--formats", name]
            read = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        # of Parquet, which is compressed, the size is that of the same records as JSON
        size = options.megabytes if name.endswith("parquet") else read["size"]
        bare = f"bare {size / read['bare']:5.0f}, ratio {read['bare'] / read['seconds']:.2f}"
        print(
            f"{name:26} {read['conversations']:6.0f} conversations  {size / read['seconds']:6.1f} MB/s"
            f"  ({bare if read['bare'] < float('inf') else 'no bare decoder'})  {read['memory']:.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()

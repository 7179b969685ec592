"""What a first map costs in a cold process, beside the usual way to make one, and whether both can be trusted alike.

Run it::

    python -m tests.benchmarks.map                      # makes a run of 10,000 trajectories first, in some minutes
    python -m tests.benchmarks.map --files DATASET...    # or takes those that are there

The usual way is scikit-learn's TF-IDF of words and of characters (``char_wb``, 3 and 4), TruncatedSVD to 64, and UMAP
with its defaults; ours is `tdlab.embedding.text_features` and `layout`. Each round starts a fresh process for each of
the two, so that imports and compilation are in the seconds; both get the same texts from a file, whose reading is not.
The number is ours over the reference's, each at its best round. Trustworthiness (15 neighbours, 2,000 rows judged
against all) is given for both maps in both spaces: the reference's own 64 dimensions and ours.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.diversity import peak_mb

WAYS = ("reference", "tdlab")


def make_map(way: str, texts: Sequence[str]) -> tuple[Any, Any, dict[str, float]]:
    """Vectors, coordinates and seconds by stage, imports included; to be called once in a process."""
    start = time.perf_counter()
    seconds: dict[str, float] = {}

    def lap(stage: str) -> None:
        seconds[stage] = time.perf_counter() - start - sum(seconds.values())

    if way == "reference":
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        words = TfidfVectorizer(min_df=2)
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), min_df=2)
        table = make_union(words, characters).fit_transform(texts)
        lap("tf-idf")
        vectors = TruncatedSVD(64, random_state=0).fit_transform(table)
        lap("svd")
        import umap

        lap("import umap")
        coordinates = umap.UMAP().fit_transform(vectors)
    else:
        from tdlab.embedding import layout, text_features

        vectors = text_features(texts)
        lap("tf-idf and svd")
        import umap

        lap("import umap")
        coordinates = layout(vectors)
    lap("neighbours and layout")
    return vectors, coordinates, seconds


def timed(way: str, texts: Path, out: Path) -> dict[str, Any]:
    """One cold process: seconds in all and by stage, peak memory; vectors and coordinates go to ``out``."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.map", "--way", way, str(texts), str(out)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(texts: Sequence[str], *, rounds: int, sample: int = 2000) -> dict[str, Any]:
    """Both ways, alternating, at their best; their ratio; trustworthiness of both maps in both spaces."""
    import numpy as np

    from tdlab.embedding import trustworthiness

    found: dict[str, Any] = {"trajectories": len(texts), "characters": sum(map(len, texts)) / max(len(texts), 1)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps(texts), encoding="utf-8")
        for _ in range(rounds):
            for way in WAYS:
                one = timed(way, file, Path(folder) / f"{way}.npz")
                if way not in found or one["seconds"] < found[way]["seconds"]:
                    found[way] = one
        made = {way: np.load(Path(folder) / f"{way}.npz") for way in WAYS}
        found["ratio"] = found["tdlab"]["seconds"] / found["reference"]["seconds"]
        found["trustworthiness"] = {
            f"{way} map in {space} space": trustworthiness(
                made[space]["vectors"], made[way]["coordinates"], sample=sample
            )
            for space in WAYS
            for way in WAYS
        }
    return found


def texts_of(files: Sequence[Path], number: int) -> list[str]:
    """The texts of ``number`` trajectories of these files, or of a run that is made for it."""
    import tdlab
    from tdlab.embedding import trajectory_text
    from tdlab.formats import scan_trajectories

    if not files:
        with tempfile.TemporaryDirectory() as folder:
            config = tdlab.RunConfig(target=number).with_values(evolution__strategy="random")
            tdlab.run(config, out=Path(folder) / "run").close()
            return texts_of([Path(folder) / "run" / "dataset.jsonl"], number)
    found: list[str] = []
    for file in files:
        found += map(trajectory_text, scan_trajectories(file).trajectories)
    return found[:number]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the numbers as JSON; status 1 where ours takes more than half, or can be trusted less by over 0.01."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=Path, nargs="*", default=[])
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--way", nargs=3, metavar=("WAY", "TEXTS", "OUT"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.way:
        way, texts, out = chosen.way
        vectors, coordinates, seconds = make_map(way, json.loads(Path(texts).read_text(encoding="utf-8")))
        import numpy as np

        np.savez(out, vectors=vectors, coordinates=coordinates)
        sys.stdout.write(json.dumps({"seconds": sum(seconds.values()), "stages": seconds, "peak_mb": peak_mb()}))
        return 0
    found = measure(texts_of(chosen.files, chosen.number), rounds=chosen.rounds)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    trust = found["trustworthiness"]
    alike = all(trust[f"tdlab map in {s} space"] >= trust[f"reference map in {s} space"] - 0.01 for s in WAYS)
    return 0 if found["ratio"] <= 0.5 and alike else 1


if __name__ == "__main__":
    raise SystemExit(main())

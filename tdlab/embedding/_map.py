"""Trajectories of several datasets as points of one plane, with what each point is, and the way back to its record."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tdlab.diversity import MODE_VERSION, Features, featurise
from tdlab.embedding._cache import folder_of
from tdlab.embedding._features import Encoder, encoded, structure_features, text_features, trajectory_text
from tdlab.embedding._layout import LAYOUT_VERSION, LEAST, layout
from tdlab.embedding._tfidf import Array, scaled_rows
from tdlab.errors import ConfigError, RunNotFound
from tdlab.formats import TrajectorySet, TrajectoryStream, read_trajectories
from tdlab.records import Trajectory, canonical_json
from tdlab.store import Run, atomic_write, open_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MODE_FAMILIES", "TrajectoryMap", "map_trajectories", "mode_family"]

Source = Run | TrajectorySet | TrajectoryStream | str | Path
By = Literal["text", "structure", "both"]

MODE_FAMILIES = (
    "code",
    "refuse",
    "recover",
    "parallel",
    "confirm",
    "ask",
    "delete",
    "write",
    "compute",
    "search",
    "read",
    "reply",
    "none",
)
"""Kinds of reasoning mode, one a trajectory: the first of these whose letter its signature has."""

_OPENING = 160  # characters of the first request


def mode_family(signature: tuple[str, ...]) -> str:
    """The kind of a signature, of `MODE_FAMILIES`: what sets it apart most, so that a map has few colours.

    ``error`` without a recovery counts as "recover", every ``parallel-k`` as "parallel"; "none" is an empty signature.
    """
    letters = {"parallel" if one.startswith("parallel") else one for one in signature}
    if "error" in letters:
        letters.add("recover")
    return next((family for family in MODE_FAMILIES if family in letters), "none")


@dataclass(frozen=True)
class TrajectoryMap:
    """A map: ``frame`` has a row a trajectory, ``vectors`` (n, d) are what it was laid out by, in the same order.

    Columns: ``dataset``, ``trajectory``, ``x``, ``y``, ``domain`` (its heaviest), ``mode`` (`mode_family`),
    ``signature`` and ``tool_sequence`` (as text), ``complexity`` (CAC), ``calls``, ``generation`` (of a run, else
    missing) and ``opening`` (how the first request begins). ``method`` is "umap", or "principal components" for few
    trajectories; ``by`` says what the vectors are. All text in it is untrusted.
    """

    frame: pd.DataFrame
    vectors: Array
    method: str
    by: By
    sources: Mapping[str, Callable[[str], Trajectory]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.frame)

    def trajectory(self, row: int) -> Trajectory:
        """The record behind a row of the frame, by its number; ConfigError where there is no such row.

        A run must still be open, and a file that was given as a stream must still be there.
        """
        if not 0 <= row < len(self.frame):
            raise ConfigError(f"row {row} of a map of {len(self.frame)}", expected="a row of its frame")
        one = self.frame.iloc[row]
        return self.sources[one["dataset"]](one["trajectory"])


def map_trajectories(
    datasets: Mapping[str, Source],
    *,
    by: By = "text",
    encoder: Encoder | None = None,
    dimensions: int = 64,
    neighbours: int = 15,
    min_dist: float = 0.1,
    seed: int = 0,
    cache: str | Path | bool = True,
) -> TrajectoryMap:
    """All trajectories of the datasets on one map. A dataset is a run, a set of trajectories, or a path to either.

    ``by`` "text" (what was said, `trajectory_text`), "structure" (modes, tools, complexity, `structure_features`) or
    "both" in equal parts. ``encoder`` makes the vectors of the texts instead of TF-IDF. Coordinates are kept under
    ``cache`` (True: the user's cache folder; False: nowhere) by the hash of content and options, so that the same map
    is laid out once. Domains of files are those of the bundled taxonomy.
    """
    if by not in ("text", "structure", "both"):
        raise ConfigError(f"a map by {by!r}", expected="text, structure or both")
    if not datasets:
        raise ConfigError("a map of no datasets", expected="at least one")
    rows: list[dict[str, Any]] = []
    texts: list[str] = []
    features: list[Features] = []
    sources: dict[str, Callable[[str], Trajectory]] = {}
    for name, given in datasets.items():
        source = _opened(given)
        sources[name] = _finder(source)
        for trajectory, one, generation in _items(source):
            texts.append(trajectory_text(trajectory))
            features.append(one)
            rows.append({"dataset": name, "generation": generation, **_row(trajectory, one)})
    content = hashlib.sha256()
    for text, one in zip(texts, features, strict=True):
        content.update(text.encode("utf-8", "surrogatepass") + b"\0")
        content.update(canonical_json(one).encode("utf-8", "surrogatepass"))
    vectors: Array | None = None
    if encoder is not None and by != "structure":
        vectors = _vectors(texts, features, by, encoder, dimensions, seed)
        content.update(vectors.tobytes())
    options = [by, dimensions, neighbours, min_dist, seed, LAYOUT_VERSION, MODE_VERSION, _umap_version()]
    content.update(canonical_json(options).encode())
    folder = folder_of(cache, "maps")
    file = None if folder is None else folder / f"{content.hexdigest()}.npz"
    kept = None if file is None else _stored(file, len(rows))
    if kept is None:
        vectors = _vectors(texts, features, by, encoder, dimensions, seed) if vectors is None else vectors
        kept = (vectors, layout(vectors, neighbours=neighbours, min_dist=min_dist, seed=seed))
        if file is not None:
            _store(file, kept)
    return TrajectoryMap(
        frame=_frame(rows, kept[1]),
        vectors=kept[0],
        method="umap" if len(rows) >= LEAST else "principal components",
        by=by,
        sources=sources,
    )


def _opened(given: Source) -> Run | TrajectorySet | TrajectoryStream:
    if not isinstance(given, str | Path):
        return given
    path = Path(given)
    if path.is_dir() and (path / "run.sqlite").exists():
        return open_run(path)
    from tdlab.pool import Taxonomy

    return read_trajectories(path, classify=Taxonomy.bundled().classify)


def _finder(source: Run | TrajectorySet | TrajectoryStream) -> Callable[[str], Trajectory]:
    if isinstance(source, Run):
        return source.trajectory
    if isinstance(source, TrajectorySet):
        return {_showable(one.id): one for one in source.trajectories}.__getitem__

    def find(wanted: str) -> Trajectory:
        for one in source.trajectories:
            if _showable(one.id) == wanted:
                return one
        raise RunNotFound(f"no trajectory {wanted!r} in the stream", expected="the file as it was when it was mapped")

    return find


def _items(source: Run | TrajectorySet | TrajectoryStream) -> Iterator[tuple[Trajectory, Features, int | None]]:
    if isinstance(source, Run):
        tools = {tool.key: tool for tool in source.store.tools()}
        domains = source.store.services()
        for candidate in source.store.accepted():
            if candidate.trajectory is not None:
                found = (
                    Features.model_validate(candidate.features)
                    if candidate.features
                    else featurise(candidate.trajectory, tools, domains)
                )
                yield candidate.trajectory, found, candidate.generation
        return
    for trajectory in source.trajectories:
        yield trajectory, featurise(trajectory, source.tools, source.domains), None


def _row(trajectory: Trajectory, features: Features) -> dict[str, Any]:
    shares = features.domains
    opening = next((m.content for m in trajectory.messages if m.role == "user" and m.content.strip()), "")
    row = {
        "trajectory": trajectory.id,
        "domain": min(shares, key=lambda name: (-shares[name], name)),
        "mode": mode_family(features.signature),
        "signature": " ".join(features.signature),
        "tool_sequence": " → ".join(features.tool_sequence),
        "complexity": features.cac,
        "calls": features.calls,
        "opening": " ".join(opening[: 4 * _OPENING].split())[:_OPENING],
    }
    return {name: _showable(value) if isinstance(value, str) else value for name, value in row.items()}


def _showable(text: str) -> str:
    """The text; half a surrogate pair, which no frame can hold, becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _vectors(
    texts: list[str], features: list[Features], by: By, encoder: Encoder | None, dimensions: int, seed: int
) -> Array:
    import numpy as np

    parts: list[Array] = []
    if by != "structure":
        parts.append(
            text_features(texts, dimensions=dimensions, seed=seed) if encoder is None else encoded(texts, encoder)
        )
    if by != "text":
        parts.append(structure_features(features, seed=seed))
    return parts[0] if len(parts) == 1 else scaled_rows(np.hstack(parts))


def _frame(rows: list[dict[str, Any]], coordinates: Array) -> pd.DataFrame:
    import pandas as pd

    columns = [
        "dataset", "trajectory", "domain", "mode", "signature", "tool_sequence", "complexity", "calls", "generation",
        "opening",
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns).astype({"generation": "Int64"})
    frame.insert(2, "x", coordinates[:, 0].astype(float))
    frame.insert(3, "y", coordinates[:, 1].astype(float))
    return frame


def _umap_version() -> str:
    from importlib.metadata import version

    return version("umap-learn")


def _stored(file: Path, size: int) -> tuple[Array, Array] | None:
    """Vectors and coordinates that were kept; None where there are none, or they are damaged."""
    import numpy as np

    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as kept:
            vectors, coordinates = kept["vectors"], kept["coordinates"]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    fits = vectors.ndim == 2 and len(vectors) == size and coordinates.shape == (size, 2)
    return (vectors, coordinates) if fits and np.isfinite(coordinates).all() else None


def _store(file: Path, kept: tuple[Array, Array]) -> None:
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, vectors=kept[0], coordinates=kept[1])
    atomic_write(file, buffer.getvalue())

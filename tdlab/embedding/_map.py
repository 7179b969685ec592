"""Trajectories of several datasets on one 2-D map, with properties of each point and access to its record."""

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
from tdlab.records import Trajectory, canonical_json, heaviest
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
"""Families of reasoning modes. A trajectory belongs to the first one whose letter is in its signature."""

_OPENING_CHARACTERS = 160  # kept of the first request


def mode_family(signature: tuple[str, ...]) -> str:
    """Return the family of a signature: its most distinctive letter, so that a map needs few colours.

    ``error`` without a recovery counts as "recover" and every ``parallel-k`` as "parallel".

    Args:
        signature: Letters of `tdlab.diversity.ALPHABET`, from `tdlab.diversity.signature`.

    Returns:
        One of `MODE_FAMILIES`; "none" for an empty signature.

    Example:
        >>> mode_family(("ask", "read", "error", "read", "recover", "reply"))
        'recover'
    """
    letters = {"parallel" if letter.startswith("parallel") else letter for letter in signature}
    if "error" in letters:
        letters.add("recover")
    return next((family for family in MODE_FAMILIES if family in letters), "none")


@dataclass(frozen=True)
class TrajectoryMap:
    """A map of trajectories; made by `map_trajectories`.

    Attributes:
        frame: One row per trajectory: ``dataset``, ``trajectory`` (id), ``x``, ``y``, ``domain`` (the heaviest),
            ``mode`` (`mode_family`), ``signature`` and ``tool_sequence`` (as text), ``complexity`` (CAC), ``calls``,
            ``generation`` (of a run; otherwise missing), ``opening`` (start of the first request). All text in it is
            untrusted.
        vectors: The vectors that were laid out, shape (n, d), in the order of the frame.
        method: "umap", or "principal components" for few trajectories.
        by: What the vectors describe: "text", "structure" or "both".
        sources: For each dataset, a function that returns a trajectory by its id.
    """

    frame: pd.DataFrame
    vectors: Array
    method: str
    by: By
    sources: Mapping[str, Callable[[str], Trajectory]] = field(repr=False)

    def __len__(self) -> int:
        return len(self.frame)

    def trajectory(self, row: int) -> Trajectory:
        """Return the trajectory of a row of the frame.

        A run must still be open, and a file that was passed as a stream must still exist.

        Args:
            row: Position of the row, from 0.

        Returns:
            The trajectory.

        Raises:
            ConfigError: There is no such row.
            RunNotFound: The stream no longer holds the trajectory.
        """
        if not 0 <= row < len(self.frame):
            raise ConfigError(f"row {row} of a map of {len(self.frame)} trajectories", expected="a row of its frame")
        record = self.frame.iloc[row]
        return self.sources[record["dataset"]](record["trajectory"])


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
    """Put the trajectories of several datasets on one 2-D map.

    The result is cached by the hash of content and options, so that the same map is laid out once. Domains of files
    are those of the bundled taxonomy.

    Args:
        datasets: Datasets by name: each a run, a set or stream of trajectories, or the path of a run or of a file.
        by: What the vectors describe: "text" (words, `trajectory_text`), "structure" (modes, tools and complexity,
            `structure_features`), or "both" in equal parts.
        encoder: Embeds the texts in place of TF-IDF.
        dimensions: Most dimensions of the vectors of TF-IDF.
        neighbours: Neighbours of each point, for `layout`.
        min_dist: Least distance of points on the map, for `layout`, in [0, 1].
        seed: Seed of the SVD and of the layout.
        cache: Folder of the cache; True for the user's cache folder, False for no cache.

    Returns:
        The map.

    Raises:
        ConfigError: There is no dataset, or an option is out of range.
        StoreError: The folder of the cache cannot be created.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     trajectory_map = map_trajectories({"first": run}, by="structure", cache=False)
        >>> trajectory_map.frame[["x", "y"]].shape
        (12, 2)
    """
    if by not in ("text", "structure", "both"):
        raise ConfigError(f"by={by!r}", expected="text, structure or both")
    if not datasets:
        raise ConfigError("no dataset to map", expected="at least one")
    rows: list[dict[str, Any]] = []
    texts: list[str] = []
    features: list[Features] = []
    sources: dict[str, Callable[[str], Trajectory]] = {}
    for name, dataset in datasets.items():
        source = _open_source(dataset)
        sources[name] = _finder(source)
        for trajectory, trajectory_features, generation in _items(source):
            texts.append(trajectory_text(trajectory))
            features.append(trajectory_features)
            rows.append({"dataset": name, "generation": generation, **_row(trajectory, trajectory_features)})
    content = hashlib.sha256()
    for text, trajectory_features in zip(texts, features, strict=True):
        content.update(text.encode("utf-8", "surrogatepass") + b"\0")
        content.update(canonical_json(trajectory_features).encode("utf-8", "surrogatepass"))
    vectors: Array | None = None
    if encoder is not None and by != "structure":
        vectors = _vectors(texts, features, by, encoder, dimensions, seed)
        content.update(vectors.tobytes())
    options = [by, dimensions, neighbours, min_dist, seed, LAYOUT_VERSION, MODE_VERSION, _umap_version()]
    content.update(canonical_json(options).encode())
    folder = folder_of(cache, "maps")
    file = None if folder is None else folder / f"{content.hexdigest()}.npz"
    cached = None if file is None else _read_cached(file, len(rows))
    if cached is None:
        vectors = _vectors(texts, features, by, encoder, dimensions, seed) if vectors is None else vectors
        cached = (vectors, layout(vectors, neighbours=neighbours, min_dist=min_dist, seed=seed))
        if file is not None:
            _write_cached(file, cached)
    return TrajectoryMap(
        frame=_frame(rows, cached[1]),
        vectors=cached[0],
        method="umap" if len(rows) >= LEAST else "principal components",
        by=by,
        sources=sources,
    )


def _open_source(dataset: Source) -> Run | TrajectorySet | TrajectoryStream:
    """Open a dataset that is given by its path."""
    if not isinstance(dataset, str | Path):
        return dataset
    path = Path(dataset)
    if path.is_dir() and (path / "run.sqlite").exists():
        return open_run(path)
    from tdlab.pool import Taxonomy

    return read_trajectories(path, classify=Taxonomy.bundled().classify)


def _finder(source: Run | TrajectorySet | TrajectoryStream) -> Callable[[str], Trajectory]:
    """Return a function that finds a trajectory of a dataset by its id, as the frame spells it."""
    if isinstance(source, Run):
        return source.trajectory
    if isinstance(source, TrajectorySet):
        return {_without_surrogates(trajectory.id): trajectory for trajectory in source.trajectories}.__getitem__

    def find(trajectory_id: str) -> Trajectory:
        for trajectory in source.trajectories:
            if _without_surrogates(trajectory.id) == trajectory_id:
                return trajectory
        raise RunNotFound(f"no trajectory {trajectory_id!r} in the stream", expected="the file as it was mapped")

    return find


def _items(source: Run | TrajectorySet | TrajectoryStream) -> Iterator[tuple[Trajectory, Features, int | None]]:
    """Yield each trajectory with its features and its generation (None outside a run)."""
    if isinstance(source, Run):
        tools = {tool.key: tool for tool in source.store.tools()}
        domains = source.store.services()
        for candidate in source.store.accepted():
            if candidate.trajectory is not None:
                features = (
                    Features.model_validate(candidate.features)
                    if candidate.features
                    else featurise(candidate.trajectory, tools, domains)
                )
                yield candidate.trajectory, features, candidate.generation
        return
    for trajectory in source.trajectories:
        yield trajectory, featurise(trajectory, source.tools, source.domains), None


def _row(trajectory: Trajectory, features: Features) -> dict[str, Any]:
    domain_shares = features.domains
    opening = next((m.content for m in trajectory.messages if m.role == "user" and m.content.strip()), "")
    row = {
        "trajectory": trajectory.id,
        "domain": heaviest(domain_shares),
        "mode": mode_family(features.signature),
        "signature": " ".join(features.signature),
        "tool_sequence": " → ".join(features.tool_sequence),
        "complexity": features.cac,
        "calls": features.calls,
        "opening": " ".join(opening[: 4 * _OPENING_CHARACTERS].split())[:_OPENING_CHARACTERS],
    }
    return {name: _without_surrogates(value) if isinstance(value, str) else value for name, value in row.items()}


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates by U+FFFD, since no frame can hold them."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _vectors(
    texts: list[str], features: list[Features], by: By, encoder: Encoder | None, dimensions: int, seed: int
) -> Array:
    import numpy as np

    blocks: list[Array] = []
    if by != "structure":
        blocks.append(
            text_features(texts, dimensions=dimensions, seed=seed) if encoder is None else encoded(texts, encoder)
        )
    if by != "text":
        blocks.append(structure_features(features, seed=seed))
    return blocks[0] if len(blocks) == 1 else scaled_rows(np.hstack(blocks))


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


def _read_cached(file: Path, size: int) -> tuple[Array, Array] | None:
    """Return cached vectors and coordinates, or None if there are none or the file is damaged."""
    import numpy as np

    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
            vectors, coordinates = arrays["vectors"], arrays["coordinates"]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    fits = vectors.ndim == 2 and len(vectors) == size and coordinates.shape == (size, 2)
    return (vectors, coordinates) if fits and np.isfinite(coordinates).all() else None


def _write_cached(file: Path, arrays: tuple[Array, Array]) -> None:
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, vectors=arrays[0], coordinates=arrays[1])
    atomic_write(file, buffer.getvalue())

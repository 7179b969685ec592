"""Writing trajectories in the formats that trainers read: complete files or none, and a note for every loss."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from tdlab._files import atomic_open
from tdlab.errors import FormatError, StoreError
from tdlab.formats import _export_messages, _export_tagged, _export_turns
from tdlab.formats._chat_record import EXTRA
from tdlab.formats._exporting import EXPORTS, ExportNote, ExportSource, NoteTaker
from tdlab.formats.parquet import ParquetRows
from tdlab.records import Domains, Json, Score, Tool, Trajectory

__all__ = ["ExportReport", "Exporter", "NoteCount", "export_trajectories"]

_WRITERS = (_export_messages, _export_tagged, _export_turns)
"""The modules that register tdlab's own formats."""

_EXAMPLES = 3
_LOOKED_AT = 10 << 20
"""Bytes of a JSONL file in which `datasets` looks for columns of mixed shapes."""


@dataclass(frozen=True)
class NoteCount:
    """How often something of one kind could not be held: the notes, their trajectories, and the first notes."""

    kind: str
    notes: int
    trajectories: int
    examples: tuple[ExportNote, ...]


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote: the file, its format, the number of trajectories, and the notes by kind."""

    path: Path
    format: str
    trajectories: int
    left_out: int = 0
    notes: tuple[NoteCount, ...] = ()


class Exporter:
    """A file under construction; it appears when the ``with`` block ends without an error.

    Args:
        path: The file to create or replace: Parquet if it ends in ``.parquet``, otherwise JSONL.
        format: A name in `EXPORTS`.
        annotate: Whether to add what the format lacks under the key ``tdlab``, where the format has a place for it
            (openai, trl, atif); trainers skip it.
        on_note: Called with each `ExportNote` as it is made.

    Raises:
        FormatError: There is no such format, or it cannot be written as Parquet.
        StoreError: The file cannot be written.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> with Exporter("data.jsonl", format="sharegpt") as file:
        ...     _ = file.add(Trajectory(id="t1", messages=(Message(role="user", content="Hello"),)), {})
        >>> file.report.trajectories
        1
    """

    def __init__(
        self,
        path: str | Path,
        *,
        format: str = "trl",
        annotate: bool = True,
        on_note: Callable[[ExportNote], None] | None = None,
    ) -> None:
        self._path, self._format, self._annotate = Path(path), EXPORTS[format], annotate
        self._parquet = self._path.suffix.lower() == ".parquet"
        if self._parquet and self._format.columns is None:
            raise FormatError(
                f"{path}: {format} has no columns", expected="a name that ends in .jsonl", do="rename the file"
            )
        self._on_note = on_note
        self._notes = NoteTaker(self._take)
        self._counts: dict[str, tuple[int, set[str], list[ExportNote]]] = {}
        self._written = self._left_out = self._size = 0
        self._shapes: set[frozenset[str]] = set()
        self._stack = ExitStack()
        self._handle: BinaryIO | None = None
        self._rows: ParquetRows | None = None

    def __enter__(self) -> Self:
        self._handle = self._stack.enter_context(atomic_open(self._path))
        if self._parquet and self._format.columns is not None:
            columns = dict(self._format.columns)
            if self._annotate and self._format.annotated:
                columns[EXTRA] = "text"
            try:
                self._rows = self._stack.enter_context(ParquetRows(self._handle, columns))
            except BaseException:
                self._stack.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def add(
        self,
        trajectory: Trajectory,
        tools: Mapping[str, Tool],
        *,
        services: Mapping[str, Domains] | None = None,
        scores: Sequence[Score] = (),
    ) -> bool:
        """Write one trajectory.

        Args:
            trajectory: The trajectory.
            tools: The definitions of its tools by key; a tool without one is called but not listed.
            services: The domains of its services, for the annotations.
            scores: The marks of a committee, for the annotations.

        Returns:
            Whether it was written; a note says why not.

        Raises:
            StoreError: An argument or a schema has no JSON form, or the file cannot be written.
        """
        if self._handle is None:
            raise StoreError(f"{self._path}: is not open", expected="a `with Exporter(...) as file:` block")
        annotations = (services if services is not None else {}) if self._annotate else None
        suffix = ".parquet" if self._parquet else ".jsonl"
        self._notes.begin(trajectory.id)
        try:
            record = self._format.convert(ExportSource(trajectory, tools, annotations, scores, suffix), self._notes)
            if record is None:
                self._left_out += 1
                return False
            text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except ValueError as error:
            raise StoreError(
                f"trajectory {trajectory.id}: cannot be written as JSON ({error})",
                expected="arguments and schemas of JSON values, without NaN and infinities",
                do="leave the trajectory out; verification rejects such trajectories",
            ) from None
        if _HALVES.search(text):
            self._notes.add("surrogates")
            text = _whole_characters(text)
            record = json.loads(text)
        if self._rows is not None:
            self._rows.add(record)
        else:
            line = text.encode() + b"\n"
            self._watch_shapes(record, len(line))
            self._handle.write(line)
        self._written += 1
        return True

    def _watch_shapes(self, record: Mapping[str, Json], size: int) -> None:
        """Note messages of another shape than all those of the first 10 MB, which is what `datasets` looks at.

        It then takes the columns of JSONL for structs of these keys and fails, or pads, at the first message with more.
        """
        if len(self._shapes) < 2 and self._format.columns is not None:
            for name, layout in self._format.columns.items():
                if layout == ["json"]:
                    self._shapes.update(frozenset(item) for item in record[name])
            if len(self._shapes) > 1 and self._size > _LOOKED_AT:
                self._notes.add("late_shapes")
        self._size += size

    def _take(self, note: ExportNote) -> None:
        count, trajectories, examples = self._counts.get(note.kind, (0, set(), []))
        if note.trajectory:
            trajectories.add(note.trajectory)
        if len(examples) < _EXAMPLES:
            examples.append(note)
        self._counts[note.kind] = (count + 1, trajectories, examples)
        if self._on_note is not None:
            self._on_note(note)

    @property
    def report(self) -> ExportReport:
        """What was written so far."""
        notes = tuple(
            NoteCount(kind, count, len(trajectories), tuple(examples))
            for kind, (count, trajectories, examples) in sorted(self._counts.items())
        )
        return ExportReport(self._path, self._format.name, self._written, self._left_out, notes)


_HALVES = re.compile("[\ud800-\udfff]")


def _whole_characters(text: str) -> str:
    """Return a text in which surrogate pairs are joined and half ones are U+FFFD: UTF-8 has no form for them."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def export_trajectories(
    trajectories: Iterable[Trajectory],
    tools: Mapping[str, Tool],
    path: str | Path,
    *,
    format: str = "trl",
    services: Mapping[str, Domains] | None = None,
    scores: Mapping[str, Sequence[Score]] = {},
    on_note: Callable[[ExportNote], None] | None = None,
) -> ExportReport:
    r"""Write trajectories in a format that a trainer reads, one JSON value a line or one Parquet row each.

    The file appears when it is complete. The same trajectories give the same bytes. What the format cannot hold is
    counted in the report. Half surrogate pairs become U+FFFD.

    Args:
        trajectories: The trajectories to write.
        tools: The tools' definitions by key; a tool without one is called but not listed.
        path: The file to create or replace: Parquet if it ends in ``.parquet``, otherwise JSONL.
        format: A name in `EXPORTS`: ``trl`` for trainers that use a chat template, ``openai`` for OpenAI's API.
        services: The services' domains. If given, formats with a place for it get the key ``tdlab``, a JSON text with
            services, annotations and error flags, so that diversity measured on the file is that of the originals.
        scores: The marks of a committee by trajectory, which become part of that key.
        on_note: Called with each `ExportNote` as it is made.

    Returns:
        The number of trajectories, and the notes by kind.

    Raises:
        FormatError: There is no such format, or it cannot be written as Parquet.
        StoreError: The file cannot be written, or an argument has no JSON form.

    Example:
        >>> from pathlib import Path
        >>> from tdlab.records import Message, Trajectory
        >>> hello = Trajectory(id="t1", messages=(Message(role="user", content="Hello"),))
        >>> export_trajectories([hello], {}, "data.jsonl").trajectories
        1
        >>> Path("data.jsonl").read_text()
        '{"id":"t1","messages":[{"role":"user","content":"Hello"}],"tools":"[]"}\n'
    """
    with Exporter(path, format=format, annotate=services is not None, on_note=on_note) as exporter:
        for trajectory in trajectories:
            exporter.add(trajectory, tools, services=services, scores=scores.get(trajectory.id, ()))
    return exporter.report

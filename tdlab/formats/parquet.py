"""Trajectories as Parquet, for training code that loads columns; the only importer of pyarrow.

One row per trajectory: ``id`` (text), ``messages`` (a list of role, content, tool_calls, tool_call_id), ``tools`` (JSON
text). Arguments are JSON text too, because nested columns would pad objects of different shapes with nulls.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tdlab._files import atomic_open
from tdlab.errors import FormatError
from tdlab.formats._chat_record import EXTRA
from tdlab.formats.write import openai_record
from tdlab.records import Domains, Json, Score, Tool, Trajectory, canonical_json

__all__ = ["parquet_rows", "write_parquet"]

_ROWS = 1024
"""The number of rows in a row group, which is held in memory at once."""


def write_parquet(
    trajectories: Iterable[Trajectory],
    tools: Mapping[str, Tool],
    path: str | Path,
    *,
    services: Mapping[str, Domains] | None = None,
    scores: Mapping[str, Sequence[Score]] = {},
) -> int:
    """Write one row per trajectory to a Parquet file; the file appears when it is complete.

    The same trajectories and the same pyarrow give the same bytes. Half surrogate pairs, which Arrow cannot hold,
    become U+FFFD.

    Args:
        trajectories: The trajectories to write.
        tools: The tools' definitions by key; a tool without one is called but not listed.
        path: The file to create or replace.
        services: The services' domains; see `write_openai_jsonl`.
        scores: The marks of a committee by trajectory; see `write_openai_jsonl`.

    Returns:
        The number of rows.

    Raises:
        StoreError: The file cannot be written, or an argument has no JSON form.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> hello = Trajectory(id="t1", messages=(Message(role="user", content="Hello"),))
        >>> write_parquet([hello], {}, "data.parquet")
        1
        >>> read_trajectories("data.parquet").trajectories == (hello,)
        True
    """
    # Arrow's own allocator does not use again what a run has freed: 30 MiB more at 1,000 trajectories.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    import pyarrow as pa
    import pyarrow.parquet as pq

    call = pa.struct(
        [
            ("id", pa.string()),
            ("type", pa.string()),
            ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())])),
        ]
    )
    message = pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("reasoning_content", pa.string()),
            ("tool_calls", pa.list_(call)),
            ("tool_call_id", pa.string()),
        ]
    )
    columns = [("id", pa.string()), ("messages", pa.list_(message)), ("tools", pa.string())]
    if services is not None:
        columns.append((EXTRA, pa.string()))
    schema = pa.schema(columns)
    written = 0
    with (
        atomic_open(path) as handle,
        pq.ParquetWriter(handle, schema, compression="zstd", write_statistics=False) as writer,
    ):
        rows: list[dict[str, Json]] = []
        for trajectory in trajectories:
            marks = scores.get(trajectory.id, ())
            rows.append(_row(openai_record(trajectory, tools, services=services, scores=marks)))
            written += 1
            if len(rows) == _ROWS:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                rows = []
        if rows or not written:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return written


def parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file as OpenAI records, without nulls.

    Raises:
        FormatError: It is not a valid Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                for row in batch.to_pylist():
                    yield _without_nulls(row)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise FormatError(
            f"{path}: is not a valid Parquet file ({error})", expected="Parquet", do="download or write the file again"
        ) from None


def _row(record: dict[str, Json]) -> dict[str, Json]:
    row: dict[str, Json] = _encodable(record)
    row["tools"] = canonical_json(row["tools"])
    return row


def _encodable(value: Json) -> Json:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value

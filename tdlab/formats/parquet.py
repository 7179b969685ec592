"""Trajectories as Parquet, for training code that loads columns; the only importer of pyarrow.

One row per trajectory. Messages whose arguments differ in shape are Arrow's JSON type, which `datasets` reads as its
``Json`` feature: as nested columns, objects of different shapes would be padded with nulls.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from tdlab.errors import FormatError
from tdlab.records import Json
from tdlab.tools import read_json

__all__ = ["ParquetRows", "parquet_rows"]

_ROWS = 1024
"""The number of rows in a row group, which is held in memory at once."""
_BATCH = 64
"""The number of rows that are decoded at once."""


class ParquetRows:
    """Writes rows to an open file, in groups; the same rows and the same pyarrow give the same bytes.

    Args:
        handle: The file to write to.
        columns: The layout: "text", "json", ``[layout]`` or ``{field: layout}`` by column name.
    """

    def __init__(self, handle: BinaryIO, columns: Mapping[str, Any]) -> None:
        # Arrow's own allocator does not use again what a run has freed: 30 MiB more at 1,000 trajectories.
        os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._columns = columns
        self._schema = pa.schema([(name, _arrow_type(layout)) for name, layout in columns.items()])
        self._writer = pq.ParquetWriter(handle, self._schema, compression="zstd", write_statistics=False)
        self._rows: list[dict[str, Json]] = []
        self._groups = 0

    def add(self, row: Mapping[str, Json]) -> None:
        """Add one row."""
        self._rows.append({name: row[name] for name in self._columns})
        if len(self._rows) == _ROWS:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        arrays = [_array([row[name] for row in self._rows], layout) for name, layout in self._columns.items()]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []
        self._groups += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and (self._rows or not self._groups):
            self._write()
        self._writer.close()


def _arrow_type(layout: Any) -> Any:
    import pyarrow as pa

    if layout == "text":
        return pa.string()
    if layout == "json":
        return pa.json_()
    if isinstance(layout, list):
        return pa.list_(_arrow_type(layout[0]))
    return pa.struct([(name, _arrow_type(inner)) for name, inner in layout.items()])


def _array(values: Sequence[Json], layout: Any) -> Any:
    """Return an Arrow array of a layout; lists of JSON values are built by hand, as Arrow does not convert them."""
    import pyarrow as pa

    if layout == "json":
        texts = [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values]
        return pa.ExtensionArray.from_storage(pa.json_(), pa.array(texts, pa.string()))
    if isinstance(layout, list):
        offsets = [0]
        for value in values:
            offsets.append(offsets[-1] + len(value))
        inner = _array([item for value in values for item in value], layout[0])
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), inner)
    return pa.array(values, _arrow_type(layout))


def parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file as records: without the nulls that pad columns, with JSON columns decoded.

    Raises:
        FormatError: It is not a valid Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            layouts = {field.name: field.type for field in file.schema_arrow}
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    yield {name: _value(value, layouts[name]) for name, value in row.items() if value is not None}
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise FormatError(
            f"{path}: is not a valid Parquet file ({error})", expected="Parquet", do="download or write the file again"
        ) from None


def _value(value: Any, layout: Any) -> Any:
    """Return a value of a column without padding; JSON text is decoded, and stays text where it is broken."""
    import pyarrow as pa

    if isinstance(layout, pa.JsonType):
        try:
            return read_json(value)
        except ValueError:
            return value
    if isinstance(value, dict) and pa.types.is_struct(layout):
        kept = ((name, item) for name, item in value.items() if item is not None)
        return {name: _value(item, layout.field(name).type) for name, item in kept}
    if isinstance(value, list) and (pa.types.is_list(layout) or pa.types.is_large_list(layout)):
        return [_value(item, layout.value_type) for item in value]
    return value

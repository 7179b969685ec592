"""Values that wait on disk: memory holds their positions alone."""

from __future__ import annotations

import marshal
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any, NamedTuple, Self

__all__ = ["Place", "Spool"]

_MOST_IN_MEMORY = 8 << 20


class Place(NamedTuple):
    """Where a value waits: its bytes in the file; or the value itself, with the length 0, which no file can hold."""

    start: int
    length: int
    held: Any = None


class Spool:
    """A temporary file of values, in memory while it is small; leaving the context deletes it.

    Example:
        >>> with Spool() as spool:
        ...     place = spool.add({"role": "user"})
        ...     spool.get(place)
        {'role': 'user'}
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_MOST_IN_MEMORY)  # noqa: SIM115 - closed when the context ends
        self._end = 0

    def add(self, value: Any) -> Place:
        """Keep a value of JSON types and tuples; return its place."""
        try:
            image = marshal.dumps(value)
        except ValueError:  # is nested too deeply for it
            return Place(0, 0, value)
        place = Place(self._end, len(image))
        self._file.seek(self._end)
        self._end += self._file.write(image)
        return place

    def get(self, place: Place) -> Any:
        """Return the value at a place."""
        if not place.length:
            return place.held
        self._file.seek(place.start)
        return marshal.loads(self._file.read(place.length))  # noqa: S302 - this process wrote it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

"""JSON text for the store's columns: a value reads back exactly as it was written, including the order of keys.

`canonical_json` identifies content; this module keeps it. Key order matters when a run is resumed: parameters of a tool
are used in their declared order, so a tool must come back from the store unchanged.
"""

from __future__ import annotations

import json
import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tdlab.errors import StoreError
from tdlab.records import Json

__all__ = ["as_key", "decode", "decode_record", "encode"]

Model = TypeVar("Model", bound=BaseModel)

_SURROGATE = re.compile("[\ud800-\udfff]")


def encode(value: object, what: str) -> str:
    """Return the JSON text of a record or plain value.

    Raises:
        StoreError: JSON has no form for the value; the message names ``what``.
    """
    try:
        if isinstance(value, BaseModel):
            value = value.model_dump()  # mode="json" would alter keys that are no UTF-8
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"{what} cannot be stored: {error}",
            expected="strings, finite numbers, booleans, null, lists and mappings, not nested thousands deep",
            do="this is a bug in the code that made the value; nothing of this commit was written",
        ) from error
    if not text.isascii():
        # Half of a surrogate pair is legal in JSON text as an escape, and in nothing that is UTF-8.
        text = _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    return text


def as_key(text: str) -> str:
    """Return a name for a key column: itself, or with escapes where it is not valid UTF-8 (half a surrogate pair)."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def decode(text: str) -> Json:
    """Return the value of a column's JSON text."""
    return json.loads(text)


def decode_record(kind: type[Model], text: str, what: str) -> Model:
    """Return the record of a column's JSON text.

    Raises:
        StoreError: The text does not fit ``kind``; the message names ``what``.
    """
    try:
        return kind.model_validate(json.loads(text))
    except (ValueError, ValidationError, RecursionError) as error:
        raise StoreError(
            f"{what} in the run directory is not a {kind.__name__}: {error}",
            expected="a record that this version of tdlab wrote",
            do="open the run with the version that wrote it, if the database was not edited by hand",
        ) from error

"""JSON text for the store's columns: what is read back equals what was written, the order of keys included.

`canonical_json` names content; this keeps it. Key order matters when a run is resumed: a tool's parameters are used in
their declared order, so a tool read back from the store has to be the tool that went in.
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
    """The JSON text of a record or plain value; StoreError naming ``what`` where JSON has no word for it."""
    try:
        if isinstance(value, BaseModel):
            value = value.model_dump()  # mode="json" would alter keys that are no UTF-8
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"{what} cannot be stored: {error}",
            expected="strings, finite numbers, booleans, null, lists and mappings, not nested thousands deep",
            do="find where the value comes from; nothing of this commit was written",
        ) from error
    if not text.isascii():
        # Half of a surrogate pair is legal in JSON text as an escape, and in nothing that is UTF-8.
        text = _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    return text


def as_key(text: str) -> str:
    """A name for a key column: itself, or with escapes where it is no UTF-8 (half a surrogate pair from outside)."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def decode(text: str) -> Json:
    """The value of a column's JSON text."""
    return json.loads(text)


def decode_record(kind: type[Model], text: str, what: str) -> Model:
    """The record of a column's JSON text; StoreError naming ``what`` where it does not fit ``kind``."""
    try:
        return kind.model_validate(json.loads(text))
    except (ValueError, ValidationError, RecursionError) as error:
        raise StoreError(
            f"{what} in the run directory is no {kind.__name__}: {error}",
            expected="what tdlab wrote",
            do="the database was changed by hand or by another version; use the tdlab that wrote it",
        ) from error

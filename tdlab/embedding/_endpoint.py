"""Embeddings from any OpenAI-compatible endpoint, in batches that are kept: a rerun pays for nothing twice."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdlab.embedding._cache import folder_of
from tdlab.embedding._features import Encoder
from tdlab.errors import ConfigError
from tdlab.records import canonical_json
from tdlab.store import atomic_write

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["endpoint_encoder"]


def endpoint_encoder(
    model: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    batch: int = 64,
    most_characters: int = 20_000,
    retries: int = 5,
    timeout_s: float = 60.0,
    cache: str | Path | bool = True,
) -> Encoder:
    """An encoder that asks ``base_url`` (default: OPENAI_BASE_URL, else OpenAI's own) for embeddings of ``model``.

    Texts go in batches of ``batch``, each cut to ``most_characters``, since models take only so many tokens. A failed
    request is repeated ``retries`` times with growing pauses. Each batch's answer is kept under ``cache`` (True: the
    user's cache folder) before the next is asked for. ConfigError where the endpoint cannot be used or its answer is
    no list of vectors.
    """
    if batch < 1 or most_characters < 1:
        raise ConfigError(f"batches of {batch} texts of {most_characters} characters", expected="at least 1 of each")
    address = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    key = api_key or os.environ.get("OPENAI_API_KEY")
    if not key and base_url is None:
        raise ConfigError(
            "no key for the embedding endpoint", expected="OPENAI_API_KEY", do="set it, or leave the encoder out"
        )
    kept = folder_of(cache, "embeddings")

    def encode(texts: Sequence[str]) -> Any:
        import numpy as np
        from openai import OpenAI

        found: list[Any] = []
        with OpenAI(base_url=address, api_key=key or "none", max_retries=retries, timeout=timeout_s) as client:
            for start in range(0, len(texts), batch):
                part = [text[:most_characters].strip() or " " for text in texts[start : start + batch]]
                named = canonical_json([address, model, part]).encode("utf-8", "surrogatepass")
                file = None if kept is None else kept / f"{hashlib.sha256(named).hexdigest()}.npy"
                rows = None if file is None else _stored(file, len(part))
                if rows is None:
                    rows = _asked(client, model, part, address)
                    if file is not None:
                        buffer = io.BytesIO()
                        np.save(buffer, rows, allow_pickle=False)
                        atomic_write(file, buffer.getvalue())
                if found and rows.shape[1] != found[0].shape[1]:
                    raise ConfigError(f"{address}: vectors of {found[0].shape[1]} and of {rows.shape[1]} numbers")
                found.append(rows)
        return np.vstack(found) if found else np.zeros((0, 1), dtype=np.float32)

    return encode


def _stored(file: Path, size: int) -> Any:
    """The rows of a batch that was asked for before; None where there are none, or they are damaged."""
    import numpy as np

    try:
        rows = np.load(io.BytesIO(file.read_bytes()), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return rows if rows.ndim == 2 and len(rows) == size and rows.dtype == np.float32 else None


def _asked(client: OpenAI, model: str, texts: list[str], address: str) -> Any:
    import numpy as np
    from openai import OpenAIError

    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    try:
        answer = client.embeddings.create(model=model, input=clean, encoding_format="float")
        by_place = {one.index: one.embedding for one in answer.data or ()}
        rows = np.array([by_place[place] for place in range(len(clean))], dtype=np.float32)
    except OpenAIError as error:
        raise ConfigError(
            f"{address}: no embeddings of {model!r} ({type(error).__name__}: {str(error)[:300]})",
            expected="an OpenAI-compatible endpoint that serves this model under /embeddings",
            do="check address, key and model; what was answered before is kept",
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{address}: answers with no vector a text ({type(error).__name__}: {str(error)[:100]})",
            expected='{"data": [{"index", "embedding"}, ...]}, one vector a text, all of one length',
        ) from error
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise ConfigError(f"{address}: answers with an array of the shape {rows.shape}", expected="finite vectors")
    return rows

"""Embeddings from any OpenAI-compatible endpoint, in cached batches: a re-run pays for nothing twice."""

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
    """Return an encoder that requests embeddings from an OpenAI-compatible endpoint.

    The answer to each batch is cached before the next batch is requested. The encoder raises ConfigError if the
    endpoint fails or does not return one vector per text.

    Args:
        model: Name of the embedding model.
        base_url: Address of the endpoint; by default ``OPENAI_BASE_URL``, or OpenAI's own.
        api_key: Key of the endpoint; by default ``OPENAI_API_KEY``.
        batch: Texts per request.
        most_characters: Texts are cut to this many characters, since models take a limited number of tokens.
        retries: How often a failed request is repeated, with growing pauses.
        timeout_s: Time limit of a request, in seconds.
        cache: Folder of the cache; True for the user's cache folder, False for no cache.

    Returns:
        A function from texts to an array of shape (texts, dimensions).

    Raises:
        ConfigError: An option is out of range, or there is no key.
        StoreError: The folder of the cache cannot be created.

    Example:
        >>> encoder = endpoint_encoder("bge-small", base_url="http://127.0.0.1:8000/v1", cache=False)
        >>> encoder([]).shape
        (0, 1)
    """
    if batch < 1 or most_characters < 1:
        raise ConfigError(f"batch={batch}, most_characters={most_characters}", expected="at least 1 each")
    url = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    key = api_key or os.environ.get("OPENAI_API_KEY")
    if not key and base_url is None:
        raise ConfigError(
            "no key for the embedding endpoint",
            expected="OPENAI_API_KEY in the environment, or api_key=",
            do="export OPENAI_API_KEY=..., or leave the encoder out to use TF-IDF",
        )
    folder = folder_of(cache, "embeddings")

    def encode(texts: Sequence[str]) -> Any:
        import numpy as np
        from openai import OpenAI

        arrays: list[Any] = []
        with OpenAI(base_url=url, api_key=key or "none", max_retries=retries, timeout=timeout_s) as client:
            for start in range(0, len(texts), batch):
                batch_texts = [text[:most_characters].strip() or " " for text in texts[start : start + batch]]
                content = canonical_json([url, model, batch_texts]).encode("utf-8", "surrogatepass")
                file = None if folder is None else folder / f"{hashlib.sha256(content).hexdigest()}.npy"
                rows = None if file is None else _read_rows(file, len(batch_texts))
                if rows is None:
                    rows = _request_rows(client, model, batch_texts, url)
                    if file is not None:
                        buffer = io.BytesIO()
                        np.save(buffer, rows, allow_pickle=False)
                        atomic_write(file, buffer.getvalue())
                if arrays and rows.shape[1] != arrays[0].shape[1]:
                    raise ConfigError(
                        f"{url}: vectors of {arrays[0].shape[1]} and of {rows.shape[1]} numbers",
                        expected="vectors of one length",
                    )
                arrays.append(rows)
        return np.vstack(arrays) if arrays else np.zeros((0, 1), dtype=np.float32)

    return encode


def _read_rows(file: Path, size: int) -> Any:
    """Return the cached rows of a batch, or None if there are none or the file is damaged."""
    import numpy as np

    try:
        rows = np.load(io.BytesIO(file.read_bytes()), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return rows if rows.ndim == 2 and len(rows) == size and rows.dtype == np.float32 else None


def _request_rows(client: OpenAI, model: str, texts: list[str], url: str) -> Any:
    """Request the embeddings of a batch."""
    import numpy as np
    from openai import OpenAIError

    encodable = [text.encode("utf-8", "replace").decode() for text in texts]
    try:
        answer = client.embeddings.create(model=model, input=encodable, encoding_format="float")
        by_index = {entry.index: entry.embedding for entry in answer.data or ()}
        rows = np.array([by_index[index] for index in range(len(encodable))], dtype=np.float32)
    except OpenAIError as error:
        raise ConfigError(
            f"{url}: no embeddings of {model!r} ({type(error).__name__}: {str(error)[:300]})",
            expected="an OpenAI-compatible endpoint that serves this model under /embeddings",
            do="check the address, the key and the model; earlier batches are cached",
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{url}: the answer is not one vector per text ({type(error).__name__}: {str(error)[:100]})",
            expected='{"data": [{"index", "embedding"}, ...]}, one vector per text, all of one length',
        ) from error
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise ConfigError(f"{url}: the answer is an array of shape {rows.shape}", expected="finite vectors")
    return rows

"""What a trajectory is as a vector: by its words, or by its structure (reasoning modes, tools, complexity)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tdlab.embedding._tfidf import Array, reduced, scaled_rows, tf_idf
from tdlab.errors import ConfigError
from tdlab.records import Json, Trajectory

if TYPE_CHECKING:
    from tdlab.diversity import Features

__all__ = ["Encoder", "encoded", "sentence_encoder", "structure_features", "text_features", "trajectory_text"]

Encoder = Callable[[Sequence[str]], Any]
"""Texts to an array of shape (texts, dimensions): an embedding endpoint, a local model, one's own function."""

_WORD = re.compile(r"[a-z]+", re.ASCII)
_ANY_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MODES, _TOOLS, _NUMBERS = 24, 24, 8  # dimensions of the three blocks of structure


def trajectory_text(trajectory: Trajectory) -> str:
    """The words of a conversation: what user and assistant said, and each call's name, parameters and values.

    System messages, which are one for all, and results, which are the environment's, are left out.
    """
    parts: list[str] = []
    for message in trajectory.messages:
        if message.role in ("user", "assistant") and message.content:
            parts.append(message.content)
        for call in message.tool_calls:
            parts.append(_HUMP.sub(" ", call.name))
            parts += _said(call.arguments)
    return "\n".join(parts)


def _said(value: Json) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            for key, inner in reversed(one.items()):
                waiting += [inner, key]
        elif isinstance(one, list):
            waiting += reversed(one)
        elif isinstance(one, str):
            yield one


def _words(text: str) -> list[str]:
    lower = text.lower()
    return _WORD.findall(lower) if lower.isascii() else _ANY_WORD.findall(lower)


def text_features(texts: Sequence[str], *, dimensions: int = 64, seed: int = 0) -> Array:
    """TF-IDF of words, then SVD: shape (texts, at most ``dimensions``), rows of length 1, so that distance is likeness.

    Words are runs of letters in lower case; a character of Chinese, Japanese or Korean is a word of its own. A text
    without a word that another has, too, is a row of zeros. Runs offline.
    """
    if dimensions < 1:
        raise ConfigError(f"{dimensions} dimensions", expected="at least 1")
    return scaled_rows(reduced(tf_idf(map(_words, texts)), dimensions, seed=seed))


def structure_features(features: Sequence[Features], *, seed: int = 0) -> Array:
    """How trajectories are built, whatever they speak of: three blocks of equal weight side by side, rows of length 1.

    Modes are the trigrams of the signature and tools the called tools with their services, both by TF-IDF and SVD;
    complexity is the components of CAC and the number of calls, log(1 + x), in standard deviations from the mean.
    """
    import numpy as np

    modes = reduced(tf_idf([">".join(gram) for gram in one.trigrams] for one in features), _MODES, seed=seed)
    tools = reduced(tf_idf([*one.tools, *_services(one)] for one in features), _TOOLS, seed=seed)
    numbers = np.log1p(np.array([_numbers(one) for one in features], dtype=np.float64).reshape(-1, _NUMBERS))
    if len(numbers):
        spread = numbers.std(axis=0)
        numbers = np.clip((numbers - numbers.mean(axis=0)) / np.where(spread > 0, spread, 1.0), -3.0, 3.0)
        numbers /= max(float(np.sqrt((numbers**2).sum(axis=1)).mean()), 1e-12)
    return scaled_rows(np.hstack([scaled_rows(modes), scaled_rows(tools), numbers]))


def _services(one: Features) -> list[str]:
    return [f"{service}/" for key in one.tools if (service := key.rpartition("/")[0])]


def _numbers(one: Features) -> list[float]:
    parts = one.complexity
    return [
        max(float(value), 0.0)
        for value in (
            parts.calls,
            parts.leaves,
            parts.bound,
            parts.new_tools,
            parts.service_changes,
            parts.recoveries,
            one.calls,
            one.offered,
        )
    ]


def encoded(texts: Sequence[str], encoder: Encoder) -> Array:
    """What an encoder makes of the texts, as rows of length 1; ConfigError where it is no finite row a text."""
    import numpy as np

    rows = np.asarray(encoder(texts), dtype=np.float32)
    if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
        raise ConfigError(
            f"an encoder's array of the shape {rows.shape} for {len(texts)} texts",
            expected="one row of finite numbers a text",
        )
    return scaled_rows(rows)


def sentence_encoder(model: str, *, device: str | None = None, batch: int = 32) -> Encoder:
    """A model of sentence-transformers, which is not installed with tdlab and fetches its weights on first use."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise ConfigError(
            "sentence-transformers is not installed",
            expected="the extra `embedding`",
            do="pip install 'tdlab[embedding]', or leave the encoder out for TF-IDF",
        ) from None
    loaded = SentenceTransformer(model, device=device)
    return lambda texts: loaded.encode(list(texts), batch_size=batch, show_progress_bar=False)

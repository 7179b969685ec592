"""Trajectories as vectors: by their words, or by their structure (reasoning modes, tools, complexity)."""

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
"""A function from texts to an array of shape (texts, dimensions): an endpoint, a local model, or your own."""

_WORD = re.compile(r"[a-z]+", re.ASCII)
_ANY_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MODES, _TOOLS, _NUMBERS = 24, 24, 8  # dimensions of the three blocks of `structure_features`


def trajectory_text(trajectory: Trajectory) -> str:
    """Return the words of a conversation: messages of user and assistant, and names, parameters and values of calls.

    System messages are left out because they are the same in all trajectories, results because the environment wrote
    them.

    Args:
        trajectory: The trajectory.

    Returns:
        The words, one item per line.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> trajectory_text(Trajectory(id="t", messages=(Message(role="user", content="Hello"),)))
        'Hello'
    """
    texts: list[str] = []
    for message in trajectory.messages:
        if message.role in ("user", "assistant") and message.content:
            texts.append(message.content)
        for call in message.tool_calls:
            texts.append(_HUMP.sub(" ", call.name))
            texts += _argument_texts(call.arguments)
    return "\n".join(texts)


def _argument_texts(value: Json) -> Iterator[str]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for key, inner in reversed(item.items()):
                stack += [inner, key]
        elif isinstance(item, list):
            stack += reversed(item)
        elif isinstance(item, str):
            yield item


def _words(text: str) -> list[str]:
    lower = text.lower()
    return _WORD.findall(lower) if lower.isascii() else _ANY_WORD.findall(lower)


def text_features(texts: Sequence[str], *, dimensions: int = 64, seed: int = 0) -> Array:
    """Embed texts by TF-IDF and a truncated SVD (latent semantic analysis; Deerwester et al. 1990). Runs offline.

    Words are runs of letters in lower case; each Chinese, Japanese or Korean character is a word. A text that shares no
    word with another text is a row of zeros.

    Args:
        texts: The texts.
        dimensions: Most dimensions of the result.
        seed: Seed of the randomised SVD.

    Returns:
        Array of shape (texts, at most ``dimensions``) with rows of length 1, so that products are cosine similarities.

    Raises:
        ConfigError: ``dimensions`` is less than 1.

    Example:
        >>> text_features(["book a room", "book a table", "a table"], dimensions=2).shape
        (3, 2)
    """
    if dimensions < 1:
        raise ConfigError(f"dimensions={dimensions}", expected="at least 1")
    return scaled_rows(reduced(tf_idf(map(_words, texts)), dimensions, seed=seed))


def structure_features(features: Sequence[Features], *, seed: int = 0) -> Array:
    """Embed trajectories by how they are built, whatever they talk about.

    Three blocks of equal weight stand side by side: modes (trigrams of the signature) and tools (called tools and their
    services), both by TF-IDF and SVD; and complexity (the components of CAC and the number of calls, log(1 + x), in
    standard deviations from the mean).

    Args:
        features: Features of each trajectory, from `tdlab.diversity.featurise`.
        seed: Seed of the randomised SVD.

    Returns:
        Array of shape (trajectories, at most 56) with rows of length 1.

    Example:
        >>> import tdlab
        >>> from tdlab.diversity import Features
        >>> with tdlab.open_run("runs/first") as run:
        ...     features = [Features.model_validate(one) for _, _, one in run.store.features(accepted=True)]
        >>> len(structure_features(features))
        12
    """
    import numpy as np

    modes = reduced(tf_idf([">".join(gram) for gram in item.trigrams] for item in features), _MODES, seed=seed)
    tools = reduced(tf_idf([*item.tools, *_services(item)] for item in features), _TOOLS, seed=seed)
    numbers = np.log1p(np.array([_numbers(item) for item in features], dtype=np.float64).reshape(-1, _NUMBERS))
    if len(numbers):
        deviations = numbers.std(axis=0)
        numbers = np.clip((numbers - numbers.mean(axis=0)) / np.where(deviations > 0, deviations, 1.0), -3.0, 3.0)
        numbers /= max(float(np.sqrt((numbers**2).sum(axis=1)).mean()), 1e-12)
    return scaled_rows(np.hstack([scaled_rows(modes), scaled_rows(tools), numbers]))


def _services(features: Features) -> list[str]:
    return [f"{service}/" for key in features.tools if (service := key.rpartition("/")[0])]


def _numbers(features: Features) -> list[float]:
    complexity = features.complexity
    return [
        max(float(value), 0.0)
        for value in (
            complexity.calls,
            complexity.leaves,
            complexity.bound,
            complexity.new_tools,
            complexity.service_changes,
            complexity.recoveries,
            features.calls,
            features.offered,
        )
    ]


def encoded(texts: Sequence[str], encoder: Encoder) -> Array:
    """Embed texts with an encoder, and scale the rows to length 1.

    Args:
        texts: The texts.
        encoder: A function from texts to an array of shape (texts, dimensions).

    Returns:
        Array of shape (texts, dimensions) with rows of length 1.

    Raises:
        ConfigError: The encoder does not return one row of finite numbers per text.

    Example:
        >>> encoded(["a", "bb"], lambda texts: [[len(text), 0.0] for text in texts]).tolist()
        [[1.0, 0.0], [1.0, 0.0]]
    """
    import numpy as np

    rows = np.asarray(encoder(texts), dtype=np.float32)
    if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
        raise ConfigError(
            f"the encoder returned an array of shape {rows.shape} for {len(texts)} texts",
            expected="one row of finite numbers per text",
        )
    return scaled_rows(rows)


def sentence_encoder(model: str, *, device: str | None = None, batch: int = 32) -> Encoder:
    """Return an encoder that runs a local model of sentence-transformers.

    The library comes with the extra ``embedding``; it downloads the weights of a model on first use.

    Args:
        model: Name of the model, or a folder that holds it.
        device: Where to run it, such as ``cpu`` or ``cuda``; by default the library decides.
        batch: Texts per batch.

    Returns:
        A function from texts to an array of shape (texts, dimensions).

    Raises:
        ConfigError: sentence-transformers is not installed.

    Example:
        >>> encoder = sentence_encoder("all-MiniLM-L6-v2")  # doctest: +SKIP
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise ConfigError(
            "sentence-transformers is not installed",
            expected="the extra `embedding` of tdlab",
            do="pip install 'tdlab[embedding]', or leave the encoder out to use TF-IDF",
        ) from None
    loaded_model = SentenceTransformer(model, device=device)
    return lambda texts: loaded_model.encode(list(texts), batch_size=batch, show_progress_bar=False)

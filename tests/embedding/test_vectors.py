"""Test vectors of trajectories: words against scikit-learn, structure without words, endpoints over real HTTP."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.diversity import featurise
from tdlab.embedding import (
    encoded,
    endpoint_encoder,
    sentence_encoder,
    structure_features,
    text_features,
    trajectory_text,
)
from tdlab.embedding._features import _words
from tdlab.embedding._tfidf import reduced, tf_idf
from tdlab.errors import ConfigError
from tdlab.records import rng_for
from tests.diversity.builders import DOMAINS, TOOLS, trajectory

WORDS = "order refund parcel ticket flight hotel invoice ledger tree river 价格 größe".split()


def some_texts(number: int, seed: int = 0) -> list[str]:
    rng = rng_for("texts", seed)
    return [" ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 12))) for _ in range(number)]


# --- words


def test_the_text_is_what_was_said_and_what_was_called_with() -> None:
    told = trajectory(
        "s:You are kind.",
        "u:Find tea",
        [("find_orders", {"query": "green", "deep": [{"note": "x"}, 3]}, "SECRET")],
        "a:Done",
    )
    assert trajectory_text(told) == "Find tea\nfind_orders\nquery\ngreen\ndeep\nnote\nx\nDone"


@settings(max_examples=30)
@given(st.integers(1, 25), st.integers(0, 99))
def test_tf_idf_is_that_of_scikit_learn(number: int, seed: int) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = some_texts(number, seed)
    theirs = TfidfVectorizer(analyzer=_words, sublinear_tf=True, min_df=min(2, number))
    try:
        expected = theirs.fit_transform(texts).toarray()
    except ValueError:  # no word is in two texts
        expected = np.zeros((number, 0))
    assert tf_idf(map(_words, texts)).toarray() == pytest.approx(expected, abs=1e-5)


def test_the_svd_is_the_leading_part_of_the_whole_one() -> None:
    table = tf_idf(map(_words, some_texts(80)))
    dense = table.toarray().astype(float)
    left, worth, _ = np.linalg.svd(dense, full_matrices=False)
    found = reduced(table, 4, seed=0).astype(float)
    assert found @ found.T == pytest.approx((left[:, :4] * worth[:4] ** 2) @ left[:, :4].T, abs=1e-3)


def test_rows_have_length_one_and_equal_texts_equal_rows() -> None:
    texts = [*some_texts(40), *some_texts(40)]
    rows = text_features(texts, dimensions=6)
    assert rows.shape == (80, 6)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(80), abs=1e-5)
    assert rows[:40] == pytest.approx(rows[40:], abs=1e-5)
    assert (rows == text_features(texts, dimensions=6)).all()


def test_the_order_of_the_texts_changes_nothing() -> None:
    texts = some_texts(30)
    order = list(range(30))
    rng_for("order").shuffle(order)
    rows = text_features(texts, dimensions=5)
    assert text_features([texts[n] for n in order], dimensions=5) == pytest.approx(rows[order], abs=2e-3)


@pytest.mark.parametrize(
    "texts", [[], [""], ["", ""], ["one"], ["a b", "c d"], ["!!! 123", "\ud800 x", "x"], ["x"] * 5]
)
def test_odd_texts_are_finite_rows(texts: list[str]) -> None:
    rows = text_features(texts)
    assert rows.shape[0] == len(texts)
    assert np.isfinite(rows).all()


def test_characters_without_spaces_between_words_are_words() -> None:
    assert _words("Tea 订单 No7 get_orders") == ["tea", "订", "单", "no", "get", "orders"]


# --- structure


def test_structure_knows_the_plan_and_not_the_words() -> None:
    def told(word: str, *calls: str) -> Any:
        made = trajectory(f"u:{word}", *[[(name, {"order_id": word}, "ok")] for name in calls], f"a:{word}")
        return featurise(made, TOOLS, DOMAINS)

    short, long = ("get_order",), ("find_orders", "create_order", "refund_payment")
    rows = structure_features([told(w, *plan) for plan in (short, long) for w in ("tea", "ship", "moon")])
    likeness = rows @ rows.T
    assert likeness[:3, :3].min() > 0.999
    assert likeness[3:, 3:].min() > 0.999
    assert likeness[:3, 3:].max() < 0.5
    assert structure_features([]).shape[0] == 0
    assert structure_features([told("x")]).shape[0] == 1


# --- encoders


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Serve embeddings of three numbers per text; a test sets the answer."""

    asked: ClassVar[list[dict[str, Any]]] = []
    spoil: ClassVar[Any] = None
    failures: ClassVar[int] = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        kind = type(self)
        kind.asked.append({"path": self.path, "key": self.headers["authorization"], **body})
        if kind.failures:
            kind.failures -= 1
            return self.answer(500, {"error": {"message": "try again"}})
        rows = [
            {"object": "embedding", "index": place, "embedding": [float(len(text)), 1.0, float(text.count("e"))]}
            for place, text in enumerate(body["input"])
        ]
        data = list(reversed(rows)) if kind.spoil is None else kind.spoil(rows)
        return self.answer(200, {"object": "list", "model": body["model"], "data": data, "usage": {}})

    def answer(self, status: int, value: Any) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words: object) -> None:
        """Log nothing."""


@pytest.fixture
def endpoint() -> Iterator[tuple[str, type[Endpoint]]]:
    kind = type("Kind", (Endpoint,), {"asked": [], "spoil": None, "failures": 0})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", kind
        server.shutdown()
        thread.join()


def test_an_endpoint_is_asked_in_batches_once(endpoint: tuple[str, Any], tmp_path: Path) -> None:
    address, server = endpoint
    encode = endpoint_encoder("m-1", base_url=address, api_key="k", batch=2, most_characters=5, cache=tmp_path)
    texts = ["three", "eel", "", "a longer one", "x\ud800"]
    rows = np.asarray(encode(texts))
    assert rows.tolist() == [[5, 1, 2], [3, 1, 2], [1, 1, 0], [5, 1, 0], [2, 1, 0]], "in the texts' order, cut to five"
    assert [(one["path"], one["model"], one["key"], len(one["input"])) for one in server.asked] == [
        ("/v1/embeddings", "m-1", "Bearer k", n) for n in (2, 2, 1)
    ]
    assert np.asarray(encode(texts)).tolist() == rows.tolist()
    assert len(server.asked) == 3, "what was answered is kept"
    encode([*texts, "more"])
    assert len(server.asked) == 4, "and so are the batches that stay the same"
    next(file for file in (tmp_path / "embeddings").iterdir()).write_bytes(b"damaged")
    assert np.asarray(encode(texts)).tolist() == rows.tolist()
    assert np.linalg.norm(encoded(texts, encode), axis=1) == pytest.approx(np.ones(5))


def test_what_was_answered_before_a_failure_is_kept(endpoint: tuple[str, Any], tmp_path: Path) -> None:
    address, server = endpoint
    encode = endpoint_encoder("m", base_url=address, batch=1, retries=0, cache=tmp_path)
    encode(["first"])
    server.failures = 1
    with pytest.raises(ConfigError, match=r"no embeddings of 'm'.*try again"):
        encode(["first", "second"])
    encode(["first", "second"])
    assert [one["input"] for one in server.asked] == [["first"], ["second"], ["second"]]


def test_a_failure_that_passes_is_waited_out(endpoint: tuple[str, Any]) -> None:
    address, server = endpoint
    server.failures = 1
    assert len(endpoint_encoder("m", base_url=address, retries=2, cache=False)(["x"])) == 1
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows[:-1],
        lambda rows: [{**row, "embedding": []} for row in rows],
        lambda rows: [{**row, "embedding": [1.0] * (row["index"] + 1)} for row in rows],
        lambda rows: [{**row, "embedding": "text"} for row in rows],
        lambda rows: [{**row, "embedding": [1e999, 0.0]} for row in rows],
        lambda rows: [{**row, "index": 0} for row in rows],
        lambda rows: None,
        lambda rows: ["<b>"],
    ],
)
def test_answers_that_are_no_vectors_are_explained(endpoint: tuple[str, Any], spoil: Any, tmp_path: Path) -> None:
    address, server = endpoint
    server.spoil = spoil
    with pytest.raises(ConfigError, match="expected: "):
        endpoint_encoder("m", base_url=address, retries=0, cache=tmp_path)(["a", "b"])
    assert not list((tmp_path / "embeddings").iterdir()), "a bad answer is not kept"


def test_nobody_there_and_no_key_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="to do: check the address"):
        endpoint_encoder("m", base_url="http://127.0.0.1:9/v1", retries=0, cache=False)(["x"])
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        endpoint_encoder("m", cache=False)
    with pytest.raises(ConfigError, match="batch=0"):
        endpoint_encoder("m", base_url="http://127.0.0.1:9/v1", batch=0, cache=False)


@pytest.mark.parametrize("made", [[[1.0]], [1.0, 2.0], [[float("nan")], [1.0]]])
def test_an_encoder_that_gives_no_row_a_text_is_explained(made: Any) -> None:
    with pytest.raises(ConfigError, match="one row of finite numbers per text"):
        encoded(["a", "b"], lambda texts: made)


def test_a_local_model_needs_its_extra() -> None:
    if find_spec("sentence_transformers"):
        pytest.skip("sentence-transformers is installed here")
    with pytest.raises(ConfigError, match=r"pip install 'tdlab\[embedding\]'"):
        sentence_encoder("any")

"""Test the rules on text against labels made by hand: accuracy of ask, confirm, refuse and reply."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from tdlab.diversity import utterance
from tdlab.formats import Recording, iter_trajectories

LABELS = Path(__file__).parent / "data" / "utterances.json"
SOURCES = {
    "tau-bench": "tau-bench/gpt-4o-airline.json.gz",
    "tau2-bench": "tau2-toolorchestra",
    "mcp-bench": "mcp-bench-sonnet46",
    "toolbench": "toolbench-gpt35cot",
}


def test_the_labels_are_sound() -> None:
    rows = json.loads(LABELS.read_text())["rows"]
    assert len({name for _, name, _, _ in rows}) == len(rows) == 160
    assert {label for _, _, label, _ in rows} == {"ask", "confirm", "refuse", "reply"}
    assert Counter(part for *_, part in rows) == {"dev": 80, "test": 80}


def test_accuracy_on_texts_labelled_by_hand(shared: Path, record_property: pytest.RecordProperty) -> None:
    """The rules were made without looking at part ``test``: its accuracy is the one to quote (0.925)."""
    texts: dict[str, str] = {}
    for place in SOURCES.values():
        for found in iter_trajectories(shared / "data" / "trajectories" / place):
            if not isinstance(found, Recording):
                assert found.severity == "noted", found
                continue
            for message in found.trajectory.messages:
                text = message.content.strip()
                if message.role == "assistant" and not message.tool_calls and text:
                    texts[hashlib.sha256(text.encode()).hexdigest()[:12]] = text
    right: Counter[str] = Counter()
    of: Counter[str] = Counter()
    wrong = []
    for source, name, label, part in json.loads(LABELS.read_text())["rows"]:
        told = utterance(texts[name])
        of[part] += 1
        right[part] += told == label
        if told != label:
            wrong.append(f"{part} {source} {name}: {label}, told as {told}")
    for part in of:
        record_property(f"accuracy_{part}", right[part] / of[part])
    report = "\n".join(wrong)
    assert right["test"] / of["test"] >= 0.9, report
    assert (right["dev"] + right["test"]) / 160 >= 0.92, report

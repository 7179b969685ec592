"""Whatever is done to a run, and wherever it is interrupted, the store equals a plain list of acknowledged records."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tdlab.errors import StoreError
from tdlab.records import Reason
from tdlab.store import Candidate, Generation, GenerationRecord, RunStore
from tests.store import rundir_child as parts

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),  # lone surrogates included
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
COUNTS = st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=3)
MAPPINGS = st.dictionaries(st.text(max_size=5), JSON, max_size=3)


class ResumedRun(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="tdlab-test-"))
        self.copies = 0
        self.folder = self.base / "run0"
        self.store = self.opened()
        self.generations: list[Generation] = []
        self.candidates: list[Candidate] = []
        self.journal: dict[str, Any] = {}
        self.status = ("running", "")

    def opened(self) -> RunStore:
        return RunStore.create_or_resume(self.folder, **parts.OPENING)

    def made(self, data: list[tuple[bool, dict[str, Any]]]) -> list[Candidate]:
        first = len(self.candidates)
        return [
            Candidate(
                generation=len(self.generations),
                position=n,
                accepted=accepted,
                features=features,
                reasons=() if accepted else (Reason("schema", "no"),),
                trajectory=parts.trajectory(first + n) if accepted else None,
            )
            for n, (accepted, features) in enumerate(data)
        ]

    @rule(rejected=COUNTS, data=st.lists(st.tuples(st.booleans(), MAPPINGS), max_size=4))
    def commit(self, rejected: dict[str, int], data: list[tuple[bool, dict[str, Any]]]) -> None:
        generation = Generation(number=len(self.generations), record=GenerationRecord(rejected=rejected))
        candidates = self.made(data)
        self.store.commit_generation(generation, candidates)
        self.generations.append(generation)
        self.candidates += candidates

    @rule(data=st.lists(st.tuples(st.booleans(), MAPPINGS), min_size=1, max_size=4), flaw=st.integers(0, 2))
    def fail_to_commit(self, data: list[tuple[bool, dict[str, Any]]], flaw: int) -> None:
        number = len(self.generations) + (flaw == 0)
        candidates = self.made(data)
        bad = [
            Candidate(generation=number, position=len(candidates), accepted=True),
            Candidate(generation=number, position=0, accepted=False),
        ]
        with pytest.raises(StoreError):
            self.store.commit_generation(Generation(number=number), [*candidates, bad[flaw == 2]])

    @rule(key=st.sampled_from("abcd"), value=JSON)
    def pay(self, key: str, value: Any) -> None:
        if key in self.journal:
            assert self.store.journal_get(key) == self.journal[key]
        else:
            self.store.journal_put(key, value)
            self.journal[key] = value

    @rule(reason=st.text(st.characters(), max_size=8))
    def stop(self, reason: str) -> None:
        self.store.mark_stopped(reason)
        self.status = ("stopped", reason)

    @rule()
    def close_and_resume(self) -> None:
        self.store.close()
        self.store = self.opened()
        self.status = ("running", "")

    @precondition(lambda self: self.copies < 4)
    @rule()
    def cut_off_and_resume(self) -> None:
        """Copy the folder: a killed process leaves exactly what it contains at that moment."""
        self.copies += 1
        cut = self.base / f"run{self.copies}"
        shutil.copytree(self.folder, cut)
        self.store.close()
        self.folder = cut
        self.store = self.opened()
        self.status = ("running", "")

    @invariant()
    def equals_the_list(self) -> None:
        with RunStore.open(self.folder) as reader:
            assert list(reader.generations()) == self.generations
            assert list(reader.candidates()) == self.candidates
            assert [c for c in self.candidates if c.accepted] == list(reader.accepted())
            assert {key: reader.journal_get(key) for key in self.journal} == self.journal
            assert reader.counts().journal == len(self.journal)
            assert (reader.status, reader.reason) == self.status

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.base)


TestResumedRun = ResumedRun.TestCase
TestResumedRun.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)

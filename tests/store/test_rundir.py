"""The run directory keeps what it acknowledged, refuses what does not belong, and says why."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from tdlab.config import RunConfig
from tdlab.errors import RunLocked, RunMismatch, RunNotFound, RunVersionError, StoreError
from tdlab.records import Message, Tool, Trajectory
from tdlab.store import Candidate, Generation, RunStore, atomic_open, atomic_write
from tests.store import rundir_child as parts


def opened(folder: Path, config: RunConfig = parts.CONFIG, pool: str = "a pool") -> RunStore:
    return RunStore.create_or_resume(folder, config=config, pool_fingerprint=pool, versions={"tdlab": "0"})


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Make a closed run with two generations."""
    with opened(tmp_path / "run") as store:
        parts.put_mining(store)
        for number in range(2):
            parts.commit(store, number)
    return tmp_path / "run"


# ------------------------------------------------------------------------------------------------------- what is kept


def test_everything_comes_back_equal_key_order_included(made: Path) -> None:
    with RunStore.open(made) as store:
        assert list(store.candidates()) == parts.candidates(0) + parts.candidates(1)
        assert [c for c in parts.candidates(0) + parts.candidates(1) if c.accepted] == list(store.accepted())
        assert list(store.generations()) == [Generation(number=n, record=parts.record(n)) for n in range(2)]
        assert store.last_generation() == Generation(number=1, record=parts.record(1))
        assert store.config == parts.CONFIG
        assert store.mining() == {"coverage": [0.5, 1.0]}
        (tool,) = store.tools()
        assert list(tool.parameters) == ["z", "a"], "a tool's declared order of parameters must outlive a resume"
        assert store.tool("shop/find") == tool
        assert [c.id for c in store.clusters()] == ["k0", "k1"]
        assert store.services() == {"shop": {"retail": 1.0}}
        arguments = next(next(store.accepted()).trajectory.calls()).arguments
        assert list(arguments) == ["z", "query", "a"]


def test_candidates_can_be_chosen_by_outcome_and_generation(made: Path) -> None:
    with RunStore.open(made) as store:
        assert [(c.generation, c.position) for c in store.candidates(accepted=False)] == [
            (0, 2),
            (0, 5),
            (1, 2),
            (1, 5),
        ]
        assert [c.position for c in store.candidates(accepted=True, generation=1)] == [0, 1, 3, 4]
        assert [(g, p, f["cac"]) for g, p, f in store.features(accepted=False)] == [
            (0, 2, 1.0),
            (0, 5, 2.5),
            (1, 2, 4.0),
            (1, 5, 5.5),
        ]


def test_counts_and_reasons(made: Path) -> None:
    with RunStore.open(made) as store:
        counts = store.counts()
        assert (counts.tools, counts.services, counts.clusters, counts.generations) == (1, 1, 2, 2)
        assert (counts.candidates, counts.accepted, counts.rejected, counts.journal) == (12, 8, 4, 0)
        assert store.rejection_reasons() == {"grounding": 4}


def test_iterators_page_through_more_than_a_page(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.commit_generation(Generation(number=0), parts.candidates(0, size=1000))
        assert [c.position for c in store.candidates()] == list(range(1000))
        seen = store.accepted()
        first = [next(seen) for _ in range(5)]
        store.commit_generation(Generation(number=1), [])  # a half-read iterator blocks no writer
        assert [c.position for c in first] + [c.position for c in seen] == [n for n in range(1000) if n % 3 != 2]


def test_status_goes_from_running_to_stopped_to_running_to_complete(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert (store.status, store.reason, store.is_live) == ("running", "", True)
        store.mark_stopped("no gain in 12 generations: “flat”")
    with RunStore.open(tmp_path) as store:
        assert (store.status, store.reason, store.is_live) == ("stopped", "no gain in 12 generations: “flat”", False)
    with opened(tmp_path) as store:
        assert (store.status, store.reason) == ("running", "")
        store.mark_complete({"accepted": 3})
    with opened(tmp_path) as store:
        assert (store.status, store.summary) == ("complete", {"accepted": 3})
        assert len(store.sessions) == 3


def test_the_journal_keeps_the_first_value_of_a_key(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert store.journal_get("k") is None
        assert store.journal_get("k", "nothing") == "nothing"
        store.journal_put("k", {"b": [1, None], "a": "ü"})
        store.journal_put("k", {"b": [1, None], "a": "ü"})
        with pytest.raises(StoreError, match="another value"):
            store.journal_put("k", {"b": 2})
        assert store.journal_get("k") == {"b": [1, None], "a": "ü"}


def test_the_journal_takes_entries_from_many_threads(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        threads = [
            threading.Thread(target=lambda t=t: [store.journal_put(f"{t}-{n}", n) for n in range(20)]) for t in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.counts().journal == 160


def test_text_that_is_no_utf8_is_kept(tmp_path: Path) -> None:
    half = "\ud83d alone, \x00 and 😀"
    with opened(tmp_path) as store:
        store.put_mining(
            clusters=[],
            tools=[Tool(service=half, name="t", input_schema={half: half})],
            services={half: {"d": 1.0}},
            report={half: half},
        )
        odd = Trajectory(id="t", messages=(Message(role="user", content=half),))
        store.commit_generation(
            Generation(number=0), [Candidate(generation=0, position=0, accepted=True, trajectory=odd)]
        )
        store.journal_put(half, half)
    with RunStore.open(tmp_path) as store:
        assert next(store.tools()).input_schema == {half: half}
        assert store.tool(f"{half}/t").service == half
        assert store.services() == {half: {"d": 1.0}}
        assert store.mining() == {half: half}
        assert next(store.accepted()).trajectory == odd
        assert store.journal_get(half) == half


# ---------------------------------------------------------------------------------------------------- all or nothing


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda c: Candidate(generation=1, position=c.position, accepted=False), "do not belong"),
        (lambda c: Candidate(generation=0, position=0, accepted=False), "do not belong"),
        (
            lambda c: Candidate(generation=0, position=99, accepted=False, features={"x": float("nan")}),
            "cannot be stored",
        ),
        (lambda c: Candidate(generation=0, position=99, accepted=False, features={"x": {1}}), "cannot be stored"),
        (lambda c: Candidate(generation=0, position=99, accepted=True, trajectory=c.trajectory), "accepted before"),
        (lambda c: Candidate(generation=0, position=99, accepted=True), "accepted before"),
    ],
    ids=["other generation", "position twice", "NaN", "no JSON", "trajectory twice", "accepted without trajectory"],
)
def test_a_generation_with_one_bad_candidate_leaves_nothing(tmp_path: Path, spoil: object, says: str) -> None:
    good = parts.candidates(0)
    with opened(tmp_path) as store:
        with pytest.raises(StoreError, match=says):
            store.commit_generation(Generation(number=0), [*good, spoil(good[0])])
        assert store.counts().candidates == 0
        assert store.last_generation() is None
        parts.commit(store, 0)
        assert list(store.candidates()) == good


@pytest.mark.parametrize("number", [0, 1, 3, -1])
def test_only_the_next_generation_is_taken(made: Path, number: int) -> None:
    with opened(made) as store:
        with pytest.raises(StoreError, match="2 is next"):
            store.commit_generation(Generation(number=number), [])
        assert store.counts().generations == 2


def test_an_accepted_trajectory_is_never_accepted_again(made: Path) -> None:
    again = Candidate(generation=2, position=0, accepted=True, trajectory=parts.trajectory(0))
    with opened(made) as store, pytest.raises(StoreError, match="accepted before"):
        store.commit_generation(Generation(number=2), [again])


def test_mining_is_replaced_before_the_first_generation_and_never_after(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        parts.put_mining(store)
        parts.put_mining(store)
        with pytest.raises(StoreError, match="UNIQUE"):
            store.put_mining(clusters=[*store.clusters()] * 2, tools=[], services={}, report={})
        assert store.counts().tools == 1, "a refused call must leave what was there"
        parts.commit(store, 0)
        with pytest.raises(StoreError, match="generations were already made"):
            parts.put_mining(store)


def test_what_is_open_to_read_cannot_be_written(made: Path) -> None:
    with RunStore.open(made) as store:
        for write in (
            lambda: store.journal_put("k", 1),
            lambda: parts.commit(store, 2),
            lambda: store.mark_complete({}),
        ):
            with pytest.raises(StoreError, match="open to read"):
                write()


def test_a_snapshot_stands_still_while_the_run_goes_on(made: Path) -> None:
    with opened(made) as writer, RunStore.open(made) as reader:
        with reader.snapshot():
            assert reader.counts().generations == 2
            parts.commit(writer, 2)
            assert reader.counts().generations == 2
            assert len(list(reader.candidates())) == 12
        assert reader.counts().generations == 3
        with writer.snapshot():
            parts.commit(writer, 3)  # the writer is its own only writer: nothing to hold still


def test_a_closed_store_says_so(made: Path) -> None:
    store = RunStore.open(made)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.counts()


# ------------------------------------------------------------------------------------------------- what is refused, why


def test_a_mismatch_names_every_field(made: Path) -> None:
    other = RunConfig.from_mapping({"target": 11, "seed": 5, "evolution": {"batch": 8}, "pool": "elsewhere"})
    with pytest.raises(RunMismatch) as caught:
        opened(made, other, pool="another pool")
    found = caught.value.found
    for part in (
        "target is 10 in the run directory and 11 now",
        "seed is 0 in the run directory and 5 now",
        "evolution.batch is 64 in the run directory and 8 now",
    ):
        assert part in found
    assert "pool's content is a pool in the run directory and another pool now" in found
    assert "elsewhere" not in found, "the pool's path does not matter, its content does"
    assert caught.value.do


def test_the_same_pool_at_another_path_resumes(made: Path) -> None:
    with opened(made, parts.CONFIG.model_copy(update={"pool": "elsewhere"})) as store:
        assert store.counts().generations == 2


def test_a_run_of_another_layout_is_refused_and_untouched(made: Path) -> None:
    with sqlite3.connect(made / "run.sqlite") as raw:
        raw.execute("PRAGMA user_version = 2")
    raw.close()
    before = (made / "run.sqlite").read_bytes()
    for attempt in (lambda: opened(made), lambda: RunStore.open(made)):
        with pytest.raises(RunVersionError, match="layout version 2") as caught:
            attempt()
        assert "newer tdlab" in caught.value.do
    assert (made / "run.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not a database, but long enough to have a header" * 100, "is not an SQLite database"),
        (b"", "is empty, or a database of another program"),
        (b"SQLite format 3\x00" + b"\xff" * 4000, "is not an SQLite database|is damaged"),
    ],
    ids=["text", "empty", "header only"],
)
def test_a_file_that_is_no_database_is_refused_and_untouched(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "run.sqlite").write_bytes(content)
    for attempt in (lambda: opened(tmp_path), lambda: RunStore.open(tmp_path)):
        with pytest.raises(StoreError, match=says) as caught:
            attempt()
        assert caught.value.expected
        assert caught.value.do
    assert (tmp_path / "run.sqlite").read_bytes() == content


def test_a_database_of_another_program_is_refused_and_untouched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "run.sqlite") as raw:
        raw.execute("CREATE TABLE diary (entry TEXT)")
    raw.close()
    before = (tmp_path / "run.sqlite").read_bytes()
    for attempt in (lambda: opened(tmp_path), lambda: RunStore.open(tmp_path)):
        with pytest.raises(StoreError, match="another program"):
            attempt()
    assert (tmp_path / "run.sqlite").read_bytes() == before


def test_a_damaged_database_is_named_as_such(made: Path) -> None:
    file = made / "run.sqlite"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    file.write_bytes(content)

    def use() -> None:
        with RunStore.open(made) as store:
            list(store.candidates())

    with pytest.raises(StoreError, match="is damaged") as caught:
        use()
    assert ".recover" in caught.value.do


def test_a_row_that_was_changed_by_hand_is_named(made: Path) -> None:
    with sqlite3.connect(made / "run.sqlite") as raw:
        raw.execute("UPDATE candidates SET trajectory = '{\"id\": 3}' WHERE generation = 1 AND position = 1")
    raw.close()
    with RunStore.open(made) as store, pytest.raises(StoreError, match=r"candidate 1\.1 .* is not a Trajectory"):
        list(store.accepted())


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(StoreError, match="file"):
            opened(place)
    with pytest.raises(StoreError, match="is a file"):
        RunStore.open(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["dataset.jsonl", "config.yaml", "run.sqlite-wal"])
def test_files_of_others_are_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(StoreError, match=name):
        opened(tmp_path)
    assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path / "run.sqlite").exists()


def test_a_folder_with_other_files_may_hold_a_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with opened(tmp_path) as store:
        assert store.counts().generations == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_no_run_is_found_with_a_hint_of_what_is_near(made: Path) -> None:
    with pytest.raises(RunNotFound, match=r"folder does not exist[^$]*run") as caught:
        RunStore.open(made.parent / "rnu")
    assert str(made) in caught.value.expected
    with pytest.raises(RunNotFound, match=r"contains no run\.sqlite") as caught:
        RunStore.open(made.parent)
    assert str(made) in caught.value.expected


def test_odd_characters_in_the_path_are_no_matter(tmp_path: Path) -> None:
    folder = tmp_path / "a?mode=ro#b%20c é [x]" / os.fsdecode(b"\xff")
    with opened(folder) as store:
        parts.commit(store, 0)
    with RunStore.open(folder) as store:
        assert store.counts().generations == 1


UNWRITABLE = """
import os, sys, tempfile
from pathlib import Path
from tests.store import rundir_child as parts
from tdlab.store import RunStore
from tdlab.errors import StoreError
folder = Path(sys.argv[1])
if os.getuid() == 0:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
for place in (folder / "new", folder):
    try:
        RunStore.create_or_resume(place, **parts.OPENING)
    except StoreError as error:
        print("refused:", error.found, "|", error.expected, "|", error.do)
with RunStore.open(folder / "old") as store:
    print("read:", store.counts().generations, store.is_live)
try:
    RunStore.create_or_resume(folder / "old", **parts.OPENING)
except StoreError as error:
    print("refused:", error.found)
"""


def test_an_unwritable_folder_is_refused_and_a_run_in_it_can_still_be_read(made: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # not below tmp_path, which other users may not enter
        folder = Path(name)
        shutil.copytree(made, folder / "old")
        for place in (folder / "old", folder):
            place.chmod(0o555)
        for file in (folder / "old").iterdir():
            file.chmod(0o444)
        try:
            done = subprocess.run(
                [sys.executable, "-c", UNWRITABLE, name], capture_output=True, text=True, cwd=Path(__file__).parents[2]
            )
        finally:
            for place in (folder, folder / "old"):
                place.chmod(0o755)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in lines] == ["refused", "refused", "read", "refused"], done.stdout
    for line in (lines[0], lines[1], lines[3]):
        assert "is not writable" in line
    assert lines[2] == "read: 2 False"


def test_one_process_cannot_open_a_run_twice_to_write(made: Path) -> None:
    with opened(made):
        with pytest.raises(RunLocked, match=f"process {os.getpid()}"):
            opened(made)
        with RunStore.open(made) as reader:
            assert reader.is_live
            assert reader.counts().generations == 2
    with opened(made) as store:
        assert store.counts().generations == 2


# --------------------------------------------------------------------------------------------------- whole files only


def test_atomic_write_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    atomic_write(target, b"old")
    atomic_write(target, b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "dataset.jsonl"
    atomic_write(target, b"old")
    with pytest.raises(ZeroDivisionError), atomic_open(target) as file:  # noqa: PT012  # it fails after the first statement
        file.write(b"half")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["dataset.jsonl"]


def test_atomic_write_says_why_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot be written") as caught:
        atomic_write(tmp_path / "folder", b"x")
    assert caught.value.do
    with pytest.raises(StoreError):
        atomic_write(tmp_path / "nowhere" / "file", b"x")
    assert os.listdir(tmp_path) == ["folder"]


def test_leftovers_of_a_killed_process_are_removed_on_resume(made: Path) -> None:
    (made / ".tdlab-1234-abcdef01.tmp").write_bytes(b"half a dataset")
    with opened(made):
        assert not list(made.glob(".tdlab-*"))


def test_a_killed_creation_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "run.sqlite.new").write_bytes(b"half a database")
    with opened(tmp_path) as store:
        parts.commit(store, 0)
    assert not (tmp_path / "run.sqlite.new").exists()

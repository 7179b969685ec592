"""Check which faults of one conversation the floor of evolution sees."""

from __future__ import annotations

from tdlab.quality import FAULTS, MEASURES, faults_of
from tests.quality.builders import talk, tool

NOTES = tool("notes/get_note", "Get a note.", note_id="Which note.")
MISSING = RuntimeError('{"error": {"code": "not_found", "message": "No such note."}}')
ASK = ("notes/get_note", {"note_id": "n-7"}, MISSING)


def test_a_blind_retry_is_a_fault_and_one_error_is_none() -> None:
    tools = {NOTES.key: NOTES}
    twice = talk("u:What is in my note n-7?", [ASK], [ASK], "a:There is no note n-7.", offered=("notes/get_note",))
    once = talk("u:What is in my note n-7?", [ASK], "a:There is no note n-7.", offered=("notes/get_note",))
    assert faults_of(twice, tools) == ("identical_retries",)
    assert faults_of(once, tools) == ()


def test_every_fault_is_a_measure() -> None:
    assert set(FAULTS) <= set(MEASURES)

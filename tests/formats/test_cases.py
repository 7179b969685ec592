"""Small inputs with the traits of public formats and bug reports, each with the right value.

The inputs in ``tests/cases`` were written by someone who had not seen the readers. Those in the recorded data's folder
``cases`` are the ones that the first readers got wrong.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.formats.cases import differences

FOLDER = Path(__file__).resolve().parents[1] / "cases"
CASES = [
    case
    for line in (FOLDER / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    if (case := json.loads(line))["id"].startswith("T")
]
ONE_BASH = {"calls": [["bash", {"command": "wc -l sluices.txt"}]], "paired": [0], "errors": [], "user_turns": 1}
SHARED: dict[str, dict[str, Any]] = {
    "T01_anthropic.jsonl": {
        "each": [{
            "calls": [["find_parcel", {"reference": "PX-20417"}],
                      ["reroute_parcel", {"parcel_id": "pcl_88121", "depot": "north"}]],
            "paired": [0, 1], "errors": [1], "user_turns": 1,
        }]
    },
    "T02_responses.jsonl": {
        "each": [{"calls": [["list_crates", {"site": "west"}], ["count_crates", {"site": "west"}]],
                  "parallel": [[0, 1]], "paired": [0, 1]}]
    },
    "T03_gemini.jsonl": {"each": [{"calls": [["ridge_weather", {"ridge": "Skarn"}]], "paired": [0]}]},
    "T04_claude_code.jsonl": {
        "each": [{"calls": [["Read", {"file_path": "/w/gauge_test.py"}], ["Bash", {"command": "pytest -q"}]],
                  "paired": [0, 1], "errors": [1], "user_turns": 1}]
    },
    "T06_messages_text.jsonl": {"each": [{"calls": [["bash", {"command": "wc -l sluices.txt"}]], "paired": [0]}]},
    "T07_mini.traj.json": {
        "each": [{"calls": [["bash", {"command": "ls weir"}], ["bash", {"command": "sed -i s/a/b/ weir/weir.py"}]],
                  "paired": [0, 1], "errors": [1]}]
    },
    "T09_openhands.json": {"each": [{"calls": [["run", {"command": "ls weir"}]], "paired": [0], "errors": []}]},
    "T10_null_padded.jsonl": {
        "each": [{"calls": [["city_weather", {"city": "Oslo"}], ["get_order", {"order_id": "or_55121"}]]}]
    },
    "T11_double_encoded.jsonl": {"each": [{"calls": [["city_weather", {"city": "Oslo"}]]}]},
    "T15_nan_side.jsonl": {"each": [ONE_BASH, ONE_BASH], "problems": "some"},
    "T19_think_mentions_call.jsonl": {
        "each": [{"calls": [["list_tarns", {}]], "paired": [0], "result_text": {"0": '["t1"]'}}]
    },
    "T28_wrapped_errors.jsonl": {"each": [{"errors": [0, 1, 2, 3], "paired": [0, 1, 2, 3, 4]}]},
    "T29a_hyphen_services.jsonl": {
        "each": [{"services": [name]} for name in ("github", "snowflake", "canvas", "google_calendar")]
    },
    "T29c_dotted.jsonl": {
        "each": [{"services": [name]} for name in ("github", "snowflake", "canvas", "google_calendar")]
    },
    "T30_xlam.jsonl": {
        "each": [{"calls": [["tides", {"harbour": "Hest"}], ["moon", {"date": "2026-01-01"}]], "parallel": [[0, 1]]}]
    },
    "T32_langchain.jsonl": {"each": [{"calls": [["tides", {"harbour": "Hest"}]], "paired": [0]}]},
    "T38_tree": {"each": [ONE_BASH] * 5},
    "T50_llama31.jsonl": {"each": [{"calls": [["tides", {"harbour": "Hest"}]], "paired": [0]}]},
    "T51_mistral.jsonl": {"each": [{"calls": [["tides", {"harbour": "Hest"}]], "paired": [0]}]},
    "T55_react.jsonl": {"each": [{"calls": [["tides", {"harbour": "Hest"}]], "paired": [0]}]},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_it_is_read_right(case: dict[str, Any]) -> None:
    assert not differences(FOLDER, case), case["trait"]


@pytest.mark.parametrize("name", SHARED)
def test_what_the_first_readers_got_wrong_is_right(name: str, shared: Path) -> None:
    expect = {"trajectories": len(SHARED[name]["each"]), **SHARED[name]}
    assert not differences(shared / "cases", {"file": name, "expect": expect})

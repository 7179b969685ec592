"""Compare what was read from a case of ``tests/cases`` with its right value (see the README there)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tdlab.errors import FormatError
from tdlab.formats import read_trajectories
from tdlab.records import ToolCall, Trajectory

__all__ = ["differences", "read_case"]


def read_case(files: Sequence[Path]) -> tuple[list[Trajectory], list[str]]:
    """Return the conversations of all files, and everything that was reported."""
    trajectories: list[Trajectory] = []
    reports: list[str] = []
    for file in files:
        try:
            found = read_trajectories(file)
        except FormatError as error:
            reports.append(str(error))
            continue
        trajectories += found.trajectories
        reports += map(str, found.problems)
    return trajectories, reports


def differences(folder: Path, case: Mapping[str, Any]) -> list[str]:
    """Return each way in which a case is not read right."""
    expect = case["expect"]
    trajectories, reports = read_case([folder / name for name in expect.get("files", [case["file"]])])
    if expect.get("accept_reported") and reports and not any(list(t.calls()) for t in trajectories):
        return []
    return [*_counts(expect, trajectories, reports), *_each(expect, trajectories)]


def _counts(expect: Mapping[str, Any], trajectories: list[Trajectory], reports: list[str]) -> Iterator[str]:
    right = expect.get("trajectories_any", [expect["trajectories"]] if "trajectories" in expect else None)
    if right is not None and len(trajectories) not in right:
        yield f"{len(trajectories)} conversations, not {right}: {reports[:3]}"
    if expect.get("problems") == "some" and not reports:
        yield "nothing was reported"
    faults = [report for report in reports if "padding" not in report]
    if expect.get("problems") == "none" and faults:
        yield f"reported though nothing is wrong: {faults[:3]}"
    shown = " ".join(reports).lower()
    if not all(word.lower() in shown for word in expect.get("report_contains_all", ())):
        yield f"the report names not all of {expect['report_contains_all']}: {shown[:300]}"
    if not any(word.lower() in shown for word in expect.get("report_contains_any", ("",))):
        yield f"the report names none of {expect['report_contains_any']}: {shown[:300]}"
    if "must_hold_call" in expect:
        name, arguments = expect["must_hold_call"]
        if not any((call.name, call.arguments) == (name, arguments) for t in trajectories for call in t.calls()):
            yield f"the call {name} is not among all that was read"


def _each(expect: Mapping[str, Any], trajectories: list[Trajectory]) -> Iterator[str]:
    wanted = expect.get("each", [])
    if expect.get("each_any_order"):
        left = list(trajectories)
        for number, want in enumerate(wanted):
            match = next((t for t in left if not list(_conversation(want, t))), None)
            if match is None:
                yield f"no conversation is like number {number}"
            else:
                left.remove(match)
        return
    for number, (want, trajectory) in enumerate(zip(wanted, trajectories, strict=False)):
        yield from (f"[{number}] {difference}" for difference in _conversation(want, trajectory))


def _conversation(want: Mapping[str, Any], trajectory: Trajectory) -> Iterator[str]:
    calls = list(trajectory.calls())
    results = trajectory.results()
    yield from _calls(want, calls)
    answered = [index for index, call in enumerate(calls) if call.id in results]
    failed = [index for index in answered if results[calls[index].id].is_error]
    unpaired = sum(m.role == "tool" and m.tool_call_id is None for m in trajectory.messages)
    turns = sum(m.role == "user" for m in trajectory.messages)
    for key, value in (("paired", answered), ("errors", failed), ("unpaired_results", unpaired), ("user_turns", turns)):
        if want.get(key, "?") not in ("?", value):
            yield f"{key}: {value}, not {want[key]}"
    batches: list[list[int]] = []
    count = 0
    for message in trajectory.messages:
        if message.tool_calls:
            batches.append(list(range(count, count := count + len(message.tool_calls))))
    several = [batch for batch in want.get("parallel", []) if len(batch) > 1]
    if "parallel" in want and [batch for batch in batches if len(batch) > 1] != several:
        yield f"calls of one turn: {batches}, not {want['parallel']}"
    for index, text in {**want.get("result_text", {}), **want.get("result_contains", {})}.items():
        content = results[calls[int(index)].id].content if int(index) in answered else ""
        whole = index in want.get("result_text", {})
        if not (_equal(content, text) if whole else text in content):
            yield f"result {index}: {content[:80]!r}, not {text[:80]!r}"
    yield from _services(want, trajectory, calls)


def _equal(content: str, text: str) -> bool:
    try:
        return content == text or json.loads(content) == json.loads(text)
    except ValueError:
        return False


def _calls(want: Mapping[str, Any], calls: list[ToolCall]) -> Iterator[str]:
    read = [[call.name, call.arguments] for call in calls]
    if "calls" in want:
        alternatives = want.get("names_alt", {})
        subset = want.get("args_subset", False)
        fits = len(read) == len(want["calls"]) and all(
            (name is None or call.name == name or call.name in alternatives.get(str(index), ()))
            and (arguments is None or call.arguments == arguments or (subset and _holds(call.arguments, arguments)))
            for index, (call, (name, arguments)) in enumerate(zip(calls, want["calls"], strict=True))
        )
        if not fits:
            yield f"calls {read}, not {want['calls']}"
    missing = [call for call in want.get("calls_include", ()) if call not in read]
    if missing:
        yield f"calls {read} lack {missing}"
    wrong = {call.name for call in calls} & set(want.get("not_called", ()))
    if wrong:
        yield f"{wrong} was not called"
    if "first_call" in want and (not read or read[0] != want["first_call"]):
        yield f"the first call is {read[:1]}, not {want['first_call']}"


def _holds(whole: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    return part.items() <= whole.items()


def _services(want: Mapping[str, Any], trajectory: Trajectory, calls: list[ToolCall]) -> Iterator[str]:
    keys = (trajectory.key_of(call) for call in calls)
    services = sorted({key.rpartition("/")[0] for key in keys} - {""})
    right = want.get("services_any", [want["services"]] if "services" in want else None)
    if right is not None and (services or "not known") not in right:
        yield f"services {services}, not {right}"
    if not set(want.get("services_include", ())) <= set(services):
        yield f"services {services} lack some of {want['services_include']}"
    if set(want.get("services_exclude", ())) & set(services):
        yield f"services {services} hold some of {want['services_exclude']}"

"""Compare recorded outputs of code with new ones: a re-run program has to print what the record says.

The sandbox fixes everything that makes the same program differ between machines (hash seed, time zone, locale, user,
directory), so an honest record is reproduced byte for byte, and that is checked first. A difference is tolerated only
if it is *volatile*: the program is re-run, and the new outputs differ from one another at the same place, in a time, a
duration, an address or a temporary path (or today's date), or in the order of whole lines. Floats may differ by
``Tolerance.floats``, 0 by default. Every other difference counts. A record that was altered in a volatile piece passes,
since it looks like an honest one.
"""

from __future__ import annotations

import datetime
import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal

from tdlab.records import Record
from tdlab.sandbox.jobs import Job
from tdlab.sandbox.tool import CodeOutput, RunsJobs
from tdlab.tools import counted

__all__ = ["Comparison", "Difference", "Tolerance", "compare_outputs", "compare_texts", "replay_code"]

_MAX_SHOWN = 200  # characters of a line in a difference
_MAX_DIFFERENCES = 20
_TIMED_OUT = ("timeout", "cpu_limit", "output_limit", "memory", "killed")

_PIECES = re.compile(
    r"""
    (?P<datetime>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)
  | (?P<date>\b\d{4}-\d\d-\d\d\b)
  | (?P<clock>\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b)
  | (?P<address>\b0x[0-9a-f]{6,16}\b)
  | (?P<path>(?:/tmp|/var/tmp|/dev/shm)/[\w.\-/]+)
  | (?P<duration>(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?\s?(?:seconds?|secs?|minutes?|mins?|ms|us|µs|ns|s)\b)
  | (?P<epoch>(?<![\w.])1[5-9]\d{8}(?:\d{3}|\.\d+)?(?![\w.]))
  | (?P<number>(?<![\w.])[+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    """,
    re.VERBOSE,
)
_TIMES = frozenset({"datetime", "date", "clock", "duration", "epoch"})


class Tolerance(Record):
    """The differences that a comparison tolerates.

    Args:
        times: Whether volatile times, dates and durations may differ.
        paths: Whether volatile addresses and temporary paths may differ.
        ordering: Whether the volatile order of lines may differ.
        floats: Relative difference up to which floats count as equal; whole numbers must be equal.

    Example:
        >>> compare_texts("0.30000000000000004", "0.3", tolerance=Tolerance(floats=1e-9)).same
        True
    """

    times: bool = True
    paths: bool = True
    ordering: bool = True
    floats: float = 0.0


class Difference(Record):
    """One difference between record and re-run: the part, the line (from 1), and both texts, shortened."""

    part: str
    line: int
    recorded: str
    replayed: str


class Comparison(Record):
    """The result of a comparison.

    ``verdict`` is ``same``, ``different`` with the first ``differences``, or ``not_replayed`` with the ``reason``.
    ``forgiven`` counts the tolerated differences, and ``runs`` the re-runs.
    """

    verdict: Literal["same", "different", "not_replayed"]
    differences: tuple[Difference, ...] = ()
    forgiven: int = 0
    reason: str = ""
    runs: int = 1

    @property
    def same(self) -> bool:
        """Whether the record was reproduced."""
        return self.verdict == "same"


def compare_texts(
    recorded: str, *replayed: str, part: str = "stdout", tolerance: Tolerance | None = None, today: str | None = None
) -> Comparison:
    """Compare a recorded text with one or more new texts of the same program.

    Args:
        recorded: The recorded text.
        *replayed: The new texts. With only one, nothing is known to be volatile, so only ``floats`` is tolerated.
        part: What the text is, for the differences.
        tolerance: What may differ; `Tolerance` by default.
        today: The date of the re-run in UTC, as ``YYYY-MM-DD``; a new text with this date read it from the clock.

    Returns:
        The comparison.

    Raises:
        ValueError: Without a new text.

    Example:
        >>> compare_texts("done in 1.2 s", "done in 1.3 s", "done in 1.1 s").same
        True
        >>> compare_texts("total 42", "total 41").differences[0].replayed
        'total 41'
    """
    if not replayed:
        raise ValueError("compare_texts needs at least one new text")
    tolerance = tolerance or Tolerance()
    if recorded in replayed:
        return Comparison(verdict="same", runs=len(replayed))
    old, new = recorded.split("\n"), [text.split("\n") for text in replayed]
    differences, forgiven = _by_line(old, new, part, tolerance, today)
    if differences and tolerance.ordering and _order_is_volatile(new):
        reordered = [sorted(lines) for lines in new]
        unordered, more = _by_line(sorted(old), reordered, part, tolerance, today)
        if not unordered:
            return Comparison(verdict="same", forgiven=more + 1, runs=len(replayed))
    if differences:
        return Comparison(
            verdict="different",
            differences=tuple(differences[:_MAX_DIFFERENCES]),
            forgiven=forgiven,
            reason=f"{part}: {counted(len(differences), 'different line')}",
            runs=len(replayed),
        )
    return Comparison(verdict="same", forgiven=forgiven, runs=len(replayed))


def _order_is_volatile(new: Sequence[Sequence[str]]) -> bool:
    first = new[0]
    return any(lines != first and Counter(lines) == Counter(first) for lines in new[1:])


def _by_line(
    old: Sequence[str], new: Sequence[Sequence[str]], part: str, tolerance: Tolerance, today: str | None
) -> tuple[list[Difference], int]:
    """Compare line by line; return the differences and the number of tolerated ones."""
    differences: list[Difference] = []
    forgiven = 0
    for number, (line, *others) in enumerate(zip_longest(old, *new), start=1):
        if line in others:
            continue
        count = None if line is None or None in others else _forgive(line, others, tolerance, today)
        if count is None:
            differences.append(
                Difference(
                    part=part,
                    line=number,
                    recorded=_shorten(line, others[0]),
                    replayed=_shorten(others[0], line),
                )
            )
        else:
            forgiven += count
    return differences, forgiven


def _shorten(text: str | None, other: str | None) -> str:
    """Return the text around its first difference from another."""
    if text is None:
        return "(no such line)"
    position = next((i for i, (a, b) in enumerate(zip(text, other or "", strict=False)) if a != b), 0)
    start = max(0, position - _MAX_SHOWN // 2)
    return ("…" if start else "") + text[start : start + _MAX_SHOWN]


def _pieces(line: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Split a line into its fixed texts and the pieces between them, as (kind, text)."""
    fixed, pieces, end = [], [], 0
    for match in _PIECES.finditer(line):
        fixed.append(line[end : match.start()])
        pieces.append((match.lastgroup or "", match.group()))
        end = match.end()
    return [*fixed, line[end:]], pieces


def _forgive(line: str, others: Sequence[str], tolerance: Tolerance, today: str | None) -> int | None:
    """Return how many pieces of a line differ within the tolerance; None if the line differs otherwise."""
    fixed, pieces = _pieces(line)
    split_others = [_pieces(other) for other in others]
    kinds = [kind for kind, _ in pieces]
    if any(other_fixed != fixed or [k for k, _ in other] != kinds for other_fixed, other in split_others):
        return None
    forgiven = 0
    for index, (kind, text) in enumerate(pieces):
        texts = [other[index][1] for _, other in split_others]
        if text in texts:
            continue
        allowed = (tolerance.times and kind in _TIMES) or (tolerance.paths and kind in ("address", "path"))
        volatile = len(set(texts)) > 1 or (
            kind in ("date", "datetime") and today is not None and texts[0][:10] == today
        )
        if not (allowed and volatile) and not _close(text, texts, tolerance.floats):
            return None
        forgiven += 1
    return forgiven


def _close(text: str, others: Sequence[str], relative: float) -> bool:
    if relative <= 0 or not any(mark in text for mark in ".eE"):
        return False
    try:
        value = float(text)
        return any(math.isclose(value, float(other), rel_tol=relative, abs_tol=0.0) for other in others)
    except ValueError:
        return False


def compare_outputs(
    recorded: CodeOutput, *replayed: CodeOutput, tolerance: Tolerance | None = None, today: str | None = None
) -> Comparison:
    """Compare a recorded output of ``run_code`` with one or more new ones: status, exit code, streams and files.

    If a limit ended the program, one output may be longer than the other, since the cut depends on the machine.

    Args:
        recorded: The recorded output.
        *replayed: The new outputs; those with the status ``sandbox_error`` are ignored.
        tolerance: What may differ; `Tolerance` by default.
        today: The date of the re-run in UTC, as ``YYYY-MM-DD``.

    Returns:
        The comparison; ``not_replayed`` without a usable new output.

    Example:
        >>> recorded = CodeOutput(status="ok", exit_code=0, stdout="42")
        >>> compare_outputs(recorded, CodeOutput(status="ok", exit_code=0, stdout="41")).reason
        '1 difference, the first in stdout'
        >>> compare_outputs(recorded, CodeOutput(status="sandbox_error")).verdict
        'not_replayed'
    """
    usable = [output for output in replayed if output.status != "sandbox_error"]
    if not usable:
        return Comparison(verdict="not_replayed", reason=replayed[0].reason if replayed else "never run", runs=0)
    first = usable[0]
    if all(output.status != recorded.status or output.exit_code != recorded.exit_code for output in usable):
        change = Difference(
            part="status",
            line=0,
            recorded=f"{recorded.status} {recorded.exit_code}",
            replayed=f"{first.status} {first.exit_code}",
        )
        return Comparison(
            verdict="different", differences=(change,), reason="it ends with another status", runs=len(usable)
        )
    cut = recorded.status in _TIMED_OUT and recorded.exit_code is None
    parts = {"stdout": recorded.stdout, "stderr": recorded.stderr}
    parts |= {f"file {name}": text for name, text in recorded.files.items()}
    for name in sorted({name for output in usable for name in output.files}):
        parts.setdefault(f"file {name}", "")
    differences: list[Difference] = []
    forgiven = 0
    for part, text in parts.items():
        texts = [_part(output, part) for output in usable]
        if cut and any(_agree(text, other) for other in texts):
            continue
        result = compare_texts(text, *texts, part=part, tolerance=tolerance, today=today)
        differences += result.differences
        forgiven += result.forgiven
    if recorded.files.keys() != first.files.keys():
        names = [" ".join(sorted(files)) or "(none)" for files in (recorded.files, first.files)]
        differences.append(Difference(part="files", line=0, recorded=names[0], replayed=names[1]))
    if recorded.truncated != first.truncated and not cut:
        differences.append(
            Difference(part="truncated", line=0, recorded=str(recorded.truncated), replayed=str(first.truncated))
        )
    reason = f"{counted(len(differences), 'difference')}, the first in {differences[0].part}" if differences else ""
    return Comparison(
        verdict="different" if differences else "same",
        differences=tuple(differences[:_MAX_DIFFERENCES]),
        forgiven=forgiven,
        reason=reason,
        runs=len(usable),
    )


def _part(output: CodeOutput, part: str) -> str:
    if part.startswith("file "):
        return output.files.get(part[5:], "")
    return output.stdout if part == "stdout" else output.stderr


def _agree(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


async def replay_code(
    sandbox: RunsJobs, job: Job, recorded: CodeOutput, *, tolerance: Tolerance | None = None, runs: int = 3
) -> Comparison:
    """Re-run a recorded program and compare its output with the record.

    If the first output differs, further runs show which differences are volatile. They use fresh interpreters, since
    the forks of one interpreter share the addresses of its objects.

    Args:
        sandbox: Runs the program.
        job: The program and its input.
        recorded: The recorded output.
        tolerance: What may differ; `Tolerance` by default.
        runs: Most runs of the program.

    Returns:
        The comparison.

    Raises:
        SandboxUnavailable: If the sandbox is closed.

    Example:
        >>> import anyio
        >>> class FixedAnswer:
        ...     async def run(self, job: Job) -> JobResult:
        ...         return JobResult(status="ok", exit_code=0, stdout=Output(data=b"42", total=2))
        >>> recorded = CodeOutput(status="ok", exit_code=0, stdout="42")
        >>> anyio.run(replay_code, FixedAnswer(), Job(code="print(6 * 7)"), recorded).verdict
        'same'
    """
    fresh = job.model_copy(update={"mode": "fresh"})
    outputs = [CodeOutput.of(await sandbox.run(job))]
    result = compare_outputs(recorded, outputs[0], tolerance=tolerance)
    while not result.same and len(outputs) < runs:
        outputs.append(CodeOutput.of(await sandbox.run(fresh)))
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        result = compare_outputs(recorded, *outputs, tolerance=tolerance, today=today)
    return result

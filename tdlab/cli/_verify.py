"""The command that verifies recordings of others."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tdlab.cli._common import refuse_to_read, say
from tdlab.cli._measures import Files, FormatOption, each_once, name_of, read_files

if TYPE_CHECKING:
    from tdlab.verify import RecordingVerdict, VerificationReport

__all__ = ["verify"]


def verify(
    files: Files,
    format_: FormatOption = None,
    examples: Annotated[bool, typer.Option("--examples", help="Also print where each check failed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write one verdict a line to this file, as JSONL.")] = None,
) -> None:
    """Verify trajectories of any origin.

    Checks arguments, schemas, results, roles, grounding, consent, retries, reported errors and contradictions, as far
    as the recording tells. A check passes, fails, or is not known; the table says what the recording lacks. Where a
    benchmark's reward is recorded (tau-bench, tau2-bench), the verdicts are compared with it. Formats: those of
    `tdlab profile`.
    """
    from tdlab.cli.verdict_table import show_verification
    from tdlab.jobs import verify_recordings
    from tdlab.records import canonical_json
    from tdlab.store import atomic_open

    refuse_to_read(out, files)
    reports: dict[str, VerificationReport] = {}
    with ExitStack() as stack:
        handle = stack.enter_context(atomic_open(out)) if out is not None else None

        def writer(file: str) -> Callable[[RecordingVerdict], None]:
            def write(verdict: RecordingVerdict) -> None:
                if handle is not None:
                    line = {"file": file, "accepted": verdict.accepted, **verdict.model_dump(mode="json")}
                    handle.write(canonical_json(line).encode("utf-8", "backslashreplace") + b"\n")

            return write

        for name, stream in read_files(each_once(files), format_).items():
            reports[name] = verify_recordings(stream.recordings, on_verdict=writer(name))
    if as_json:
        typer.echo(json.dumps({name: _json(report) for name, report in reports.items()}, indent=2, sort_keys=True))
    else:
        Console().print(show_verification(reports, examples=examples))
    if out is not None:
        say(f"Wrote the verdicts to {name_of(out)}.", err=True)


def _json(report: VerificationReport) -> dict[str, object]:
    """Return a report with the numbers that follow from its counts."""
    text: dict[str, object] = report.model_dump(mode="json")
    agreement = report.agreement
    if agreement is not None:
        text["agreement"] = {
            **agreement.model_dump(mode="json"),
            "n": agreement.n,
            "base_rate": agreement.base_rate,
            "balanced_accuracy": agreement.balanced_accuracy,
            "kappa": agreement.kappa,
            "checks": {
                name: {**count.model_dump(mode="json"), "precision": count.precision}
                for name, count in agreement.checks.items()
            },
        }
    return text

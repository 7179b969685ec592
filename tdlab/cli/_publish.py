"""The command that prepares a dataset for publication."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tdlab._files import atomic_write
from tdlab.cli._common import say

if TYPE_CHECKING:
    from tdlab.jobs import Finding

__all__ = ["publish"]

_MOST_SHOWN = 20


def publish(
    run_: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.")] = Path("runs/first"),
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write: shards and a card.")] = Path("published"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Scan and count; write nothing.")] = False,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Most rows in a Parquet shard.")] = 5_000,
    format_: Annotated[str, typer.Option("--format", "-f", help="Format of the rows; see `tdlab export`.")] = "trl",
    license_: Annotated[str, typer.Option("--license", help="Licence of the dataset, such as apache-2.0.")] = "",
    allow_secrets: Annotated[bool, typer.Option("--allow-secrets", help="Write although secrets were found.")] = False,
    findings: Annotated[
        Path | None, typer.Option("--findings", help="Write each finding to this file, one JSON object a line.")
    ] = None,
) -> None:
    """Prepare a run's dataset for upload.

    Scans messages and tool definitions for secrets and personal data, then writes Parquet shards and a dataset card
    with diversity, quality, verification, seeds, costs, and the source and licence of every service. Nothing is
    uploaded. Exit status 1: secrets were found that tdlab's simulation did not make, and nothing was written.
    """
    from tdlab.jobs import SCAN_LIMITS
    from tdlab.jobs import publish as prepare
    from tdlab.tools import counted

    seen: list[Finding] = []
    report = prepare(
        run_, out, dry_run=dry_run, rows=rows, format=format_, license=license_, allow_secrets=allow_secrets,
        on_finding=seen.append,
    )  # fmt: skip
    if findings is not None:
        text = "".join(json.dumps(asdict(finding), ensure_ascii=False) + "\n" for finding in seen)
        atomic_write(findings, text.encode("utf-8", "backslashreplace"))
    unknown = [finding for finding in seen if finding.origin == "unknown"]
    for finding in sorted(unknown, key=lambda finding: finding.kind != "secret")[:_MOST_SHOWN]:
        say(str(finding), err=True)
    if len(unknown) > _MOST_SHOWN:
        say(f"and {counted(len(unknown) - _MOST_SHOWN, 'more finding')} of unknown origin; see --findings", err=True)
    for (kind, detector, origin), number in report.findings.items():
        say(f"{kind}, {detector}, origin {origin}: {number}")
    if not report.findings:
        say("The scan found nothing.")
    say(SCAN_LIMITS)
    licences = sum("not known" in (service.source, service.license) for service in report.services)
    say(f"{counted(len(report.services), 'service')}; source or licence not known of {licences}.")
    what = f"{counted(report.trajectories, 'trajectory')} in {counted(len(report.shards), 'shard')}"
    if report.refused:
        say("Refused: secrets of unknown origin. Remove them, or pass --allow-secrets.", err=True)
        raise typer.Exit(1)
    if not report.written:
        say(f"Dry run: would write {what} to {out}.")
        return
    say(f"Wrote {what} to {out}. To upload:\n  hf upload YOUR_NAME/YOUR_DATASET {out} --repo-type dataset")

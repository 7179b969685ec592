"""A run as a dataset to publish: Parquet shards, a card, and a scan for secrets and personal data before both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tdlab._files import atomic_write
from tdlab.errors import StoreError
from tdlab.formats import Exporter, ExportNote
from tdlab.jobs._dataset_card import Provenance, dataset_card, provenance_of
from tdlab.jobs.export import published_trajectories
from tdlab.jobs.scan import Finding, scan_tool, scan_trajectory
from tdlab.store import Run, open_run

__all__ = ["PublishReport", "publish"]

ROWS = 5_000
"""Rows in a shard: about 55 MB of JSON at the size of tdlab's own trajectories (664 KB for 60)."""


@dataclass(frozen=True)
class PublishReport:
    """What a publication holds, or would hold.

    Attributes:
        folder: The folder to upload.
        shards: The names of the Parquet files in it.
        trajectories: How many there are.
        services: Source and licence of each service whose tools are offered.
        findings: The number of findings by (kind, detector, origin).
        refused: Whether nothing was written because secrets of unknown origin were found.
        written: Whether the folder was written.
    """

    folder: Path
    shards: tuple[str, ...]
    trajectories: int
    services: tuple[Provenance, ...]
    findings: dict[tuple[str, str, str], int]
    refused: bool
    written: bool


def publish(
    run: Run | str | Path,
    folder: str | Path,
    *,
    dry_run: bool = False,
    rows: int = ROWS,
    format: str = "trl",
    license: str = "",
    allow_secrets: bool = False,
    on_finding: Callable[[Finding], None] | None = None,
) -> PublishReport:
    """Write a run as a folder that is ready to upload: Parquet shards and a dataset card. Nothing is uploaded.

    All trajectories and tool definitions are scanned first. If a secret is found that tdlab's simulation did not make,
    nothing is written, unless ``allow_secrets``. Personal data are counted in the card and stop nothing. The same run
    gives the same bytes.

    Args:
        run: An open run, or its directory.
        folder: The folder to create, or to write again if it is an earlier publication.
        dry_run: Whether to scan and count only, and to write nothing.
        rows: The most rows in a shard.
        format: A format with columns, a name in `tdlab.formats.EXPORTS`.
        license: The licence of the dataset, as Hugging Face spells it; empty leaves it open.
        allow_secrets: Whether to write although secrets were found.
        on_finding: Called with each finding of the scan; values are masked.

    Returns:
        What the folder holds, and the findings by kind.

    Raises:
        RunNotFound: There is no run.
        FormatError: The format has no columns.
        StoreError: The run has no verified trajectory, or the folder is not empty or cannot be written.

    Example:
        >>> report = publish("runs/first", "published")
        >>> report.trajectories, report.shards, report.refused
        (12, ('train-00000-of-00001.parquet',), False)
    """
    if not isinstance(run, Run):
        with open_run(run) as opened:
            return publish(
                opened, folder, dry_run=dry_run, rows=rows, format=format, license=license,
                allow_secrets=allow_secrets, on_finding=on_finding,
            )  # fmt: skip
    if rows < 1:
        raise StoreError(f"{rows} rows in a shard", expected="at least 1")
    counts: Counter[tuple[str, str, str]] = Counter()
    total = 0
    offered: set[str] = set()
    for trajectory, _ in published_trajectories(run):
        total += 1
        offered.update(trajectory.tools.values())
        _count(scan_trajectory(trajectory), counts, on_finding)
    if not total:
        raise StoreError(
            f"{run.path} has no trajectory to publish",
            expected="a run with verified trajectories whose results are no guesses",
            do=f"`tdlab show run {run.path}` shows what was rejected",
        )
    services = provenance_of(run, offered)
    bundled = {service.service for service in services if service.bundled}
    for tool in run.store.tools():
        if tool.key in offered:
            _count(scan_tool(tool, bundled=tool.service in bundled), counts, on_finding)
    refused = not allow_secrets and any(kind == "secret" and origin == "unknown" for kind, _, origin in counts)
    number = -(-total // rows)
    shards = tuple(f"train-{index:05d}-of-{number:05d}.parquet" for index in range(number))
    target = Path(folder)
    written = not dry_run and not refused
    if written:
        _write(run, target, shards, rows, format)
        card = dataset_card(run, services, counts, trajectories=total, format=format, license=license)
        atomic_write(target / "README.md", card.encode())
    return PublishReport(target, shards, total, services, dict(sorted(counts.items())), refused, written)


def _count(
    findings: Iterator[Finding], counts: Counter[tuple[str, str, str]], report: Callable[[Finding], None] | None
) -> None:
    for finding in findings:
        counts[finding.kind, finding.detector, finding.origin] += 1
        if report is not None:
            report(finding)


def _write(run: Run, target: Path, shards: Sequence[str], rows: int, format: str) -> None:
    """Write the shards into ``target/data``; files of an earlier publication with other shards are removed."""
    data = target / "data"
    ours = ("data", "README.md") if data.is_dir() else ()
    strange = sorted(path for path in target.glob("*") if path.name not in ours)
    strange += [path for path in data.glob("*") if not (path.name.startswith("train-") and path.suffix == ".parquet")]
    if strange:
        raise StoreError(
            f"{target} holds {strange[0].name}, which is no part of a publication",
            expected="a new folder, an empty one, or an earlier publication",
            do="choose another folder with --out",
        )
    try:
        data.mkdir(parents=True, exist_ok=True)
        for old in data.glob("train-*.parquet"):
            if old.name not in shards:
                old.unlink()
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror})", expected="a folder of yours") from error
    tools = {tool.key: tool for tool in run.store.tools()}
    services = run.store.services()
    trajectories = published_trajectories(run)
    for name in shards:
        with Exporter(data / name, format=format, on_note=_nothing) as exporter:
            for _, (trajectory, scores) in zip(range(rows), trajectories, strict=False):
                exporter.add(trajectory, tools, services=services, scores=scores)


def _nothing(note: ExportNote) -> None:
    """Take a note; `tdlab export` shows those of the same run and format."""

"""Render runs, clusters, blueprints and trajectories as text for a terminal.

Each function takes a record and returns a rich renderable. Untrusted text is printed as plain text: control characters
are escaped, markup is not interpreted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tdlab.cli.quality_table import show_quality
from tdlab.cli.report_table import show_report, shown_number
from tdlab.clusters import MiningResult
from tdlab.config import EvolutionConfig
from tdlab.evolution import GAUGES, Estimate
from tdlab.jobs import IssueCount, MiningRecord
from tdlab.quality import QualityReport
from tdlab.records import (
    Blueprint,
    BusinessCluster,
    Constant,
    FromResult,
    FromTemplate,
    Json,
    Tool,
    Trajectory,
    heaviest,
)
from tdlab.rollout import CODE_EXECUTOR
from tdlab.store import Candidate, Generation, GenerationRecord, Lineage, Run
from tdlab.tools import counted, printable, say, shorten

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "show_blueprint",
    "show_cluster",
    "show_estimate",
    "show_generation",
    "show_issues",
    "show_lineage",
    "show_mined",
    "show_run",
    "show_trajectory",
]

_LINE = 200  # characters of untrusted text in one line
_MESSAGE = 600  # characters of a message


def show_run(run: Run) -> RenderableType:
    """Render a run: its counts, rejections with their reasons, cost and diversity.

    Args:
        run: An open run.

    Returns:
        Tables, at least 80 columns wide.

    Example:
        >>> import tempfile
        >>> import tdlab
        >>> from rich.console import Console
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = tdlab.run(tdlab.RunConfig(target=2), out=folder, progress=False)
        ...     Console(width=80).print(show_run(made))  # doctest: +ELLIPSIS
        Run...
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    counts, config, store = run.counts(), run.config, run.store
    stored = store.mining()
    mining = None if stored is None else MiningRecord.model_validate(stored)
    head = Table(title="Run", title_justify="left", show_header=False, box=None, pad_edge=False)
    head.add_column(style="bold")
    head.add_column()
    for name, value in (
        ("folder", str(run.path)),
        ("status", run.status),
        ("strategy", f"{config.evolution.strategy}, seed {config.seed}"),
        ("pool", f"{'?' if mining is None else mining.read} tools read, {store.pool_fingerprint[:16]}"),
        ("clusters", f"{counts.clusters} over {counts.services} services and {counts.tools} tools"),
        ("code steps", _code_steps(run)),
        (
            "trajectories",
            f"{counts.accepted} verified, {counts.rejected} rejected, {counted(counts.generations, 'generation')}",
        ),
    ):
        head.add_row(name, Text(printable(value, most=_LINE)))
    if mining is not None and mining.frames:
        head.add_row("task frames", Text(_frames(mining.frames)))
    measured = run.metrics() if (run.path / "metrics.json").exists() else {}
    guessed, cut = measured.get("guessed"), measured.get("cut")
    if cut and cut["results"]:
        head.add_row(
            "cut results",
            f"{cut['results']} in {counted(cut['trajectories'], 'trajectory')}, the largest of "
            f"{cut['largest_bytes']:,} bytes; limit: rollout.result_bytes={config.rollout.result_bytes}",
        )
    if guessed and guessed["trajectories"]:
        kept = "kept" if config.rollout.guessed == "keep" else "left out of the dataset: --set rollout.guessed=keep"
        share = f"{guessed['calls'] / guessed['of_calls']:.0%} of the calls"
        head.add_row("guessed", f"{counted(guessed['trajectories'], 'trajectory')} ({share}), {kept}")
    blocks: list[RenderableType] = [head, Text(""), *show_issues(mining.issues if mining else (), every="issues.jsonl")]
    rejected = Table(title="Rejected", title_justify="left", box=None, pad_edge=False)
    rejected.add_column("check")
    rejected.add_column("count", justify="right")
    rejected.add_column("example", overflow="fold")
    examples: dict[str, str] = {}
    for candidate in store.candidates(accepted=False):
        for reason in candidate.reasons[:1]:
            examples.setdefault(reason.check, reason.text)
    for check, number in store.rejection_reasons().items():
        rejected.add_row(
            Text(printable(check, most=40)), str(number), Text(printable(examples.get(check, ""), most=90))
        )
    blocks += [rejected if counts.rejected else Text("No candidate was rejected."), Text("")]
    if (run.path / "metrics.json").exists():
        metrics = run.metrics()
        if "teacher" in metrics:
            blocks += [_spending_table(metrics), *_paid(store.paid), *_committee(metrics), Text("")]
        blocks.append(show_report({"": metrics["diversity"]}, corrections=False))
        if "quality" in metrics:
            blocks += [Text(""), show_quality({"": QualityReport.model_validate(metrics["quality"])})]
    return Group(*blocks)


def show_estimate(estimate: Estimate) -> RenderableType:
    """Render an estimate: calls, tokens and cost per role, and how they were estimated."""
    from rich.console import Group
    from rich.text import Text

    from tdlab.rollout import PRICE_TABLE

    rows = [
        (r.role, r.model, r.calls, r.input_tokens, r.output_tokens, r.money)
        for r in estimate.roles
    ]  # fmt: skip
    title = f"Estimate for {estimate.target:,} verified trajectories"
    money = "unknown cost" if estimate.money is None else f"{estimate.money:,.2f} {estimate.currency}"
    summary = f"{estimate.rollouts:,} rollouts, {estimate.calls:,} calls, {estimate.tokens:,} tokens, {money}"
    unknown = sorted({role.model for role in estimate.roles if role.money is None})
    if unknown:
        summary += (
            f"\nTo estimate the cost, write a price table in the form of {PRICE_TABLE} with an entry for"
            f" {', '.join(unknown)}, and add --set teacher.prices=prices.json."
        )
    if estimate.beyond:
        summary += f"\nThe budget is too small: {estimate.beyond}."
    basis = (
        f"Extrapolated from {estimate.played} dry-run rollouts, {estimate.accepted} of them accepted, at 4 characters"
        " per token. Models may write more than the script, and are rejected more often. Not included:"
        " retries, and rollouts in flight when the target is reached (at most one in eight)."
    )
    return Group(_use_table(title, rows, estimate.currency), Text(summary), Text(basis, style="italic"))


def _spending_table(metrics: Mapping[str, Json]) -> RenderableType:
    """Render the average use per accepted trajectory, by role; rejected rollouts are included."""
    spent, accepted = metrics["teacher"], max(1, metrics["accepted"])
    sums: dict[tuple[str, str], list[float | None]] = {}
    for row in (*spent["accepted"], *spent["rejected"]):
        totals = sums.setdefault((row["role"], row["model"]), [0.0, 0.0, 0.0, 0.0])
        for index, name in enumerate(("calls", "input_tokens", "output_tokens", "money")):
            total, more = totals[index], row[name]
            totals[index] = None if total is None or more is None else total + more / accepted
    rows = [(role, model, *values) for (role, model), values in sorted(sums.items())]
    title = "Teacher, per accepted trajectory (rejected rollouts included)"
    return _use_table(title, rows, str(spent["currency"]))


def _committee(metrics: Mapping[str, Json]) -> list[RenderableType]:
    """Render what the committee found, where there was one."""
    from rich.text import Text

    found = metrics.get("committee")
    if not found or not found["judged"]:
        return []
    agreed = "" if found["agreement"] is None else f"; its judges agree in {found['agreement']:.0%} of pairs"
    marks = ", ".join(f"{printable(name, most=16)} {mark:.1f}" for name, mark in found["marks"].items())
    return [Text(f"Committee: accepted {found['accepted']:,} of {found['judged']:,}{agreed}. Mean marks: {marks}.")]


def _paid(paid: Json) -> list[RenderableType]:
    """Render what was paid for in total, which is more than the table of use counts."""
    from rich.text import Text

    if paid is None:
        return []
    money = "unknown cost" if paid["money"] is None else f"{paid['money']:,.4f} {printable(paid['currency'], most=16)}"
    return [
        Text(
            f"Paid in total: {paid['calls']:,} calls, {paid['tokens']:,} tokens, {money}, including unused rollouts,"
            " unusable replies and calls that timed out; cached replies are free."
        )
    ]


def _use_table(title: str, rows: Sequence[tuple[Any, ...]], currency: str) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("role")
    table.add_column("model", overflow="fold")
    for name in ("calls", "tokens in", "tokens out", currency):
        table.add_column(name, justify="right")
    for role, model, calls, reading, writing, money in rows:
        shown = "-" if money is None else f"{money:,.4f}"
        numbers = [f"{n:,.1f}" if isinstance(n, float) else f"{n:,}" for n in (calls, reading, writing)]
        table.add_row(Text(role), Text(printable(model, most=40)), *numbers, shown)
    return table


def show_mined(mined: MiningResult, *, most: int = 15) -> RenderableType:
    """Render what mining found, then the first ``most`` clusters in the order of selection."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    r = mined.report
    head = Table(title="Business Clusters", title_justify="left", show_header=False, box=None, pad_edge=False)
    head.add_column(style="bold")
    head.add_column()
    shapes = mined.shapes()
    sizes = f"{shapes['tools'].min()} to {shapes['tools'].max()} tools, mean {shapes['tools'].mean():.1f}; "
    depths = f"depth to {shapes['depth'].max()}, mean {shapes['depth'].mean():.1f}" if len(shapes) else ""
    for name, value in (
        ("pool", f"{r.services:,} services, {r.tools:,} tools, {r.tools_with_schema:,} with an input schema"),
        (
            "dependencies",
            f"{r.in_service:,} in services, {r.cross_service:,} across, scored from {r.edge_threshold}",
        ),
        ("by kind", ", ".join(f"{n:,} {kind}" for kind, n in r.dependency_report.kinds.items()) or "none"),
        ("left out", r.dependency_report.left_out()),
        ("companions", f"{r.companions:,} pairs joined by topic alone"),
        ("clusters", f"{r.clusters:,} selected from {r.candidates:,} candidates"),
        ("shape", sizes + depths if len(shapes) else "none"),
        (
            "tools",
            f"{r.tools_covered:,} covered ({r.tool_coverage:.1%}); {r.schema_tool_coverage:.1%} with a schema",
        ),
        ("edges", f"{r.dependencies_covered:,} covered ({r.edge_coverage:.1%})"),
        ("seconds", ", ".join(f"{stage} {value:.1f}" for stage, value in mined.seconds.items())),
        *(("note", note) for note in r.notes),
    ):
        head.add_row(name, Text(printable(value, most=_LINE)))
    listed = Table(box=None, pad_edge=False)
    listed.add_column("id", no_wrap=True)
    for column in ("tools", "edges", "depth"):
        listed.add_column(column, justify="right", no_wrap=True)
    listed.add_column("domain", no_wrap=True)
    listed.add_column("title", overflow="fold")
    for cluster, depth in zip(mined.clusters[:most], shapes["depth"], strict=False):
        domain = heaviest(cluster.domains)
        numbers = (str(len(cluster.tools)), str(len(cluster.dependencies)), str(depth))
        listed.add_row(cluster.id, *numbers, Text(printable(domain, most=24)), Text(printable(cluster.title, most=80)))
    return Group(head, Text(""), listed) if most and mined.clusters else head


def show_cluster(cluster: BusinessCluster, tools: Mapping[str, Tool]) -> RenderableType:
    """Render a cluster: its tools with their descriptions, and each dependency with its score and evidence."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shares = ", ".join(f"{d} {m:.0%}" for d, m in sorted(cluster.domains.items(), key=lambda kv: (-kv[1], kv[0])))
    members = Table(title="Tools", title_justify="left", box=None, pad_edge=False)
    members.add_column("tool")
    members.add_column("what it does", overflow="fold")
    for key in cluster.tools:
        described = tools[key].description.partition("\n")[0] if key in tools else ""
        members.add_row(Text(printable(key, most=80)), Text(printable(described, most=100)))
    edges = Table(title="Dependencies", title_justify="left", box=None, pad_edge=False)
    for column in ("from", "returns", "to", "parameter", "kind", "score", "evidence"):
        edges.add_column(column, overflow="fold", justify="right" if column == "score" else "left")
    for edge in cluster.dependencies:
        why = "; ".join(f"{e.kind}: {e.detail}" for e in edge.evidence)
        row = (
            edge.source,
            ".".join(map(str, edge.path)),
            edge.target,
            edge.parameter,
            edge.kind,
            f"{edge.score:.2f}",
            why,
        )
        edges.add_row(*(Text(printable(cell, most=160)) for cell in row))
    return Group(
        Text(f"Cluster {cluster.id}  {printable(cluster.title, most=_LINE)}", style="bold"),
        Text(f"domains: {printable(shares, most=_LINE)}"),
        Text(""),
        members,
        Text(""),
        edges,
    )


def show_blueprint(blueprint: Blueprint) -> RenderableType:
    """Render a blueprint: its intent, persona, steps with their bindings, and promises."""
    from rich.console import Group
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(f"Blueprint {blueprint.id}: {printable(blueprint.intent, most=200)}", style="bold"))
    persona = blueprint.persona
    tree.add(Text(printable(f"user: {persona.name}, {persona.role}, writes {persona.style}", most=_LINE)))
    origin = f"cluster {blueprint.cluster}, seed {blueprint.seed}, parent {blueprint.parent or 'none'}"
    tree.add(Text(f"{origin}, lineage: {', '.join(blueprint.lineage) or 'planned'}"))
    steps = tree.add("steps")
    for step in blueprint.steps:
        labels = [f"{step.id}  turn {step.turn}  {step.kind}"]
        if step.asks:
            labels.append(printable("asks for " + ", ".join(ask.label for ask in step.asks), most=120))
        if step.about:
            labels.append(f"confirms {step.about}")
        if step.request:
            labels.append(printable(step.request, most=120))
        if step.after:
            labels.append("after " + ", ".join(step.after))
        if step.failure:
            labels.append(printable(f"first try fails: {step.failure.code}", most=80))
        branch = steps.add(Text("  ".join(labels)))
        for call in step.calls:
            node = branch.add(Text(printable(call.tool, most=80)))
            for parameter, binding in call.arguments.items():
                if isinstance(binding, FromResult):
                    source = f"{binding.step} returns {'.'.join(map(str, binding.path))}"
                elif isinstance(binding, FromTemplate):
                    steps_read = {b.step for b in binding.inputs.values() if isinstance(b, FromResult)}
                    source = f"program over {', '.join(sorted(steps_read))}: {binding.template}"
                elif isinstance(binding, Constant):
                    written = step.kind == "code" and parameter == "code"
                    source = f"program: {binding.value}" if written else f"{say(binding.value)} (fixed)"
                else:
                    source = f"{say(binding.value)} (user says {binding.when.replace('_', ' ')})"
                node.add(Text(f"{printable(parameter, most=60)} = {printable(source, most=140)}"))
    promises = tree.add("promises")
    for promise in blueprint.promises:
        summary = f"{promise.entity} {promise.kind}, {len(promise.fields)} fields fixed"
        promises.add(Text(printable(summary, most=_LINE)))
    return Group(tree)


def show_trajectory(trajectory: Trajectory) -> RenderableType:
    """Render a conversation with its calls and results."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    colours = {"user": "bold cyan", "assistant": "bold green", "tool": "bold yellow", "system": "bold magenta"}
    table = Table.grid(padding=(0, 2))  # a column of its own for text, so that no line of it can pass for a speaker
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for message in trajectory.messages:
        name = message.role + (" (error)" if message.is_error else "")
        if message.content:
            table.add_row(Text(name, colours[message.role]), Text(shorten(printable(message.content), _MESSAGE)))
        for call in message.tool_calls:
            arguments = ", ".join(f"{k}={say(v)}" for k, v in call.arguments.items())
            called = printable(f"{call.name}({arguments})", most=_MESSAGE)
            table.add_row(Text("calls", colours["assistant"]), Text(called))
    return Group(Text(f"Trajectory {trajectory.id}", style="bold"), table)


def show_generation(
    generation: Generation, candidates: Sequence[Candidate], evolution: EvolutionConfig
) -> RenderableType:
    """Render a generation: its gauges against their thresholds, the operators, and the outcome of each offspring.

    The ceiling of a gauge counts the domains that the run's clusters reach, since steering cannot reach others; the
    ceiling in the report of a run counts those of the taxonomy (37). A gain is the change of a dataset of N
    trajectories, multiplied by N + 1: bits of an entropy, a number minus the mean.

    Args:
        generation: The generation.
        candidates: Its candidates, in order.
        evolution: The thresholds of the run.

    Returns:
        A summary and a table with one row per offspring.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    record = generation.record
    summary = f"{record.tried} tried, {record.accepted} accepted, {record.total} in the dataset afterwards"
    blocks: list[RenderableType] = [
        Text(f"Generation {generation.number} ({record.strategy}): {summary}", style="bold"),
        _gauge_table(record, evolution),
    ]
    choice = "; the one with the highest merit is played" if record.drafts > 1 else ""
    blocks.append(Text(f"Drafts per offspring: {record.drafts}{choice}"))
    if record.operators:
        ranked = sorted(record.operators.items(), key=lambda item: (-item[1], item[0]))
        blocks.append(Text("Operators by weight: " + ", ".join(f"{name} {weight:.2f}" for name, weight in ranked)))
    if record.rejected:
        reasons = ", ".join(f"{printable(check, most=40)} {number}" for check, number in record.rejected.items())
        blocks.append(Text(f"Rejected: {reasons}"))
    table = Table(box=None, pad_edge=False, collapse_padding=True, title="Offspring", title_justify="left")
    for column in ("#", f"gain: {', '.join(_gauges(record.before.whole))}", "merit", "offspring, its aim and outcome"):
        table.add_column(column, justify="left" if column.startswith("off") else "right", overflow="fold")
    for candidate in candidates:
        lineage = candidate.lineage
        table.add_row(
            str(candidate.position),
            Text(_gain(lineage)),
            shown_number(lineage.draft.merit),
            Text(f"{_operators(lineage)}; {_aim(lineage)}\n{_outcome(candidate)}"),
        )
    return Group(*blocks, Text(""), table)


def show_lineage(line: Sequence[Candidate], generations: Mapping[int, Generation]) -> RenderableType:
    """Render the lineage of a trajectory, oldest plan first: why each plan was drawn, changed and kept.

    Args:
        line: The candidates of the lineage, youngest first, as `Run.lineage` returns them.
        generations: Number -> generation, for every generation of the lineage.

    Returns:
        A tree with one branch per plan.
    """
    from rich.console import Group
    from rich.text import Text
    from rich.tree import Tree

    youngest = line[0]
    name = youngest.trajectory.id if youngest.trajectory else "(not played)"
    tree = Tree(Text(f"Trajectory {name}: {counted(len(line), 'generation')} of plans", style="bold"))
    for candidate in reversed(line):
        lineage, blueprint = candidate.lineage, candidate.blueprint
        plan = f"blueprint {blueprint.id}: {printable(blueprint.intent, most=160)}" if blueprint else "no blueprint"
        node = tree.add(Text(f"generation {candidate.generation}, offspring {candidate.position}: {plan}"))
        draft = lineage.draft
        origin = f"mutated from {draft.base}" if draft.base else "a new plan"
        node.add(Text(f"{origin} in cluster {lineage.cluster}; aim: {_aim(lineage)}"))
        before = generations[candidate.generation].record.before
        gauges = (
            f"{title} {before.values[gauge]:.3f} (steered {before.strengths[gauge]:.2f})"
            for gauge, title in _gauges(before.values).items()
        )
        node.add(Text("gauges: " + ", ".join(gauges)))
        drawn, applied = (", ".join(names) or "none" for names in (draft.ordered, lineage.applied))
        node.add(Text(f"operators drawn: {drawn}; applied: {applied}"))
        for operator, reason in lineage.refused.items():
            node.add(Text(f"{operator} not applicable: {printable(reason.removeprefix(f'{operator}: '), most=120)}"))
        if draft.merit is not None:
            listed = ", ".join("-" if draft.merit is None else f"{draft.merit:.3f}" for draft in lineage.drafts)
            number = f"draft {lineage.chosen + 1} of {len(lineage.drafts)}"
            node.add(Text(f"{number} has the highest merit and was played: {listed}"))
        if lineage.gain is not None:
            bar = "no minimum" if lineage.bar is None else f"minimum {lineage.bar:.3f}"
            weighed = f"weighted {lineage.weighed:.3f} ({bar})"
            node.add(Text(f"gain in {', '.join(_gauges(lineage.gain))}: {_gain(lineage)}; {weighed}"))
        node.add(Text(_outcome(candidate)))
    return Group(tree)


def _gauge_table(record: GenerationRecord, evolution: EvolutionConfig) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for column in ("gauge", "threshold", "steered", "set before", "after", "window before", "after"):
        table.add_column(column, justify="left" if column == "gauge" else "right", no_wrap=True)
    before, after = record.before, record.after
    for gauge, title in _gauges(before.whole).items():
        values = [values[gauge] for values in (before.whole, after.whole, before.window, after.window)]
        numbers = (evolution.thresholds[gauge], before.strengths[gauge], *values)
        table.add_row(Text(printable(title, most=40)), *map(shown_number, numbers))
    return table


def _gauges(values: Mapping[str, float]) -> dict[str, str]:
    """Return the titles of the gauges in a record, tdlab's own first; those of missing packages go by name."""
    names = [name for name in GAUGES.own if name in values] + sorted(set(values) - set(GAUGES.own))
    return {name: gauge.title if (gauge := GAUGES.get(name)) else name for name in names}


def _aim(lineage: Lineage) -> str:
    if lineage.aim is None:
        return "no aim"
    return f"{printable(lineage.aim, most=40)}, drawn with probability {lineage.aim_share:.3f}"


def _operators(lineage: Lineage) -> str:
    base = "mutant" if lineage.draft.base else "plan"
    return " + ".join([base + (" with new values" if lineage.fresh else ""), *lineage.applied])


def _gain(lineage: Lineage) -> str:
    gain = lineage.gain
    return "-" if gain is None else ", ".join(f"{gain[name]:+.2f}" for name in _gauges(gain))


def _outcome(candidate: Candidate) -> str:
    if candidate.accepted:
        return f"accepted: {candidate.trajectory.id}" if candidate.trajectory else "accepted"
    return printable(str(candidate.reasons[0]) if candidate.reasons else "rejected", most=120)


def _frames(frames: Mapping[str, tuple[int, int]]) -> str:
    """How many task frames the clusters reach, and the services of which they do not reach all."""
    reached, all_ = (sum(numbers[place] for numbers in frames.values()) for place in (0, 1))
    short = [service for service, (some, whole) in frames.items() if some < whole]
    return f"{reached} of {all_} reached by the clusters" + (f"; not all of {', '.join(short)}" if short else "")


def _code_steps(run: Run) -> str:
    """Say how many programs ran, or how to make a run with code steps."""
    if not run.config.sandbox.on:
        return "none: sandbox.backend is none (`tdlab run --code` makes a run with code steps)"
    ran = [
        sum(execution.executor == CODE_EXECUTOR for execution in kept.trajectory.executions)
        for kept in run.store.accepted()
        if kept.trajectory is not None
    ]
    return f"{sum(ran)} programs in {sum(map(bool, ran))} trajectories, run and re-run in the sandbox"


def show_issues(kinds: Sequence[IssueCount], *, every: str) -> Iterator[RenderableType]:
    """Render what was skipped, fixed and noted in a pool.

    Args:
        kinds: The issues by kind, from `tdlab.jobs.issue_counts`.
        every: Where every single issue is, for the title.

    Yields:
        A table with one row per kind, and an empty line; nothing if there are no issues.

    Example:
        >>> list(show_issues((), every="issues.jsonl"))
        []
    """
    from rich.table import Table
    from rich.text import Text

    if not kinds:
        return
    table = Table(title=f"Pool (every issue: {every})", title_justify="left", box=None, pad_edge=False)
    names = [f"{'skipped' if kind.severity == 'error' else kind.severity}: {kind.code}" for kind in kinds]
    table.add_column("issue", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("example", overflow="fold")
    for name, kind in zip(names, kinds, strict=True):
        table.add_row(Text(printable(name)), str(kind.count), Text(printable(kind.example, most=90)))
    yield table
    yield Text("")

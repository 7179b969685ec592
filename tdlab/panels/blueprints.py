"""The blueprint panel: pick a cluster, change its plan, and see the DAG, its violations and a scripted preview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tdlab.blueprints import MutationContext, Violation, breed, plan, violations
from tdlab.config import BlueprintConfig
from tdlab.panels.chat import chat_html
from tdlab.panels.panel import Panel
from tdlab.plots import plot_blueprint
from tdlab.records import Blueprint, BusinessCluster, Tool, Trajectory, Verdict
from tdlab.rollout import ScriptedTeacher, SimulatedEnvironment, play
from tdlab.verify import verify

if TYPE_CHECKING:
    from tdlab.pool import ToolPool

__all__ = ["BlueprintPanel", "Preview", "preview"]


class Preview(NamedTuple):
    """A plan with its violations, the operators that did not apply (with the reason), and a scripted rollout."""

    blueprint: Blueprint
    tools: dict[str, Tool]
    violations: tuple[Violation, ...]
    refused: dict[str, str]
    trajectory: Trajectory
    verdict: Verdict


def preview(
    cluster: BusinessCluster,
    pool: ToolPool,
    *,
    seed: int = 0,
    goals: int = 1,
    steps: int = 0,
    branches: int = 0,
    parallel: int = 0,
    failures: int = 0,
    withheld: int = 0,
) -> Preview:
    """Plan a task, apply mutation operators, and play it with the scripted teacher.

    Args:
        cluster: Cluster to plan over.
        pool: Pool that holds its tools.
        seed: Seed of the plan and of the mutations.
        goals: Number of requests of the user.
        steps: How often to extend the chain of calls.
        branches: How often to use a result a second time.
        parallel: How often to make parallel calls.
        failures: How often to inject an error.
        withheld: How often the user withholds a detail until asked.

    Returns:
        The plan and its scripted rollout.

    Raises:
        BlueprintError: No task can be planned.

    Example:
        >>> import tdlab
        >>> pool = tdlab.ToolPool.bundled().subset(services=["hearthwren_rooms"])
        >>> shown = preview(tdlab.mine(pool).clusters[0], pool, failures=1)
        >>> shown.violations, shown.verdict.accepted
        ((), True)
    """
    operators = [
        *["extend_chain"] * steps, *["branch"] * branches, *["parallelise"] * parallel,
        *["inject_failure"] * failures, *["withhold_information"] * withheld,
    ]  # fmt: skip
    config = BlueprintConfig()
    base = plan(cluster, pool.tools, seed=seed, config=config, goals=goals)
    mutation_context = MutationContext(cluster=cluster, tools=pool.tools, distractors=(), config=config, facts={})
    blueprint, _, refused = breed(base, operators, mutation_context, seed=seed)
    tools = {key: pool.tools[key] for key in blueprint.offered}
    rollout = play(blueprint, tools, ScriptedTeacher(blueprint, tools), SimulatedEnvironment(blueprint, tools))
    verdict = verify(rollout.trajectory, blueprint, tools, stopped=rollout.stopped)
    return Preview(blueprint, tools, violations(blueprint, tools), refused, rollout.trajectory, verdict)


class BlueprintPanel(Panel[Preview]):
    """Panel over `preview`, with the conversation below the picture.

    Args:
        clusters: Clusters to choose from.
        pool: Pool that holds their tools.
    """

    def __init__(self, clusters: Sequence[BusinessCluster], pool: ToolPool) -> None:
        import ipywidgets as widgets

        self._chat = widgets.HTML()
        by_id = {cluster.id: cluster for cluster in clusters}

        def slider(description: str, most: int, least: int = 0) -> widgets.IntSlider:
            return widgets.IntSlider(
                value=least, min=least, max=most, description=description, continuous_update=False,
                style={"description_width": "7em"},
            )  # fmt: skip

        titles = [(f"{c.title or c.id} ({len(c.tools)} tools)", c.id) for c in clusters]
        controls: dict[str, Any] = {
            "cluster": widgets.Dropdown(
                options=titles,
                description="cluster",
                layout={"width": "40em", "max_width": "98%"},
                style={"description_width": "7em"},
            ),
            "seed": slider("seed", 50),
            "goals": slider("requests", 3, 1),
            "steps": slider("more steps", 4),
            "branches": slider("branches", 3),
            "parallel": slider("parallel", 2),
            "failures": slider("failures", 2),
            "withheld": slider("withheld", 3),
        }
        super().__init__(
            controls,
            compute=lambda cluster, **values: preview(by_id[cluster], pool, **values),
            paint=_paint,
            describe=_describe,
        )
        self.widget.children = (*self.widget.children, self._chat)

    def refresh(self) -> None:
        """Compute, draw, and show the conversation."""
        super().refresh()
        if self.result is not None:
            self._chat.value = chat_html(self.result.trajectory, reasons=self.result.verdict.reasons)

    @property
    def chat(self) -> str:
        """Return the shown conversation as HTML."""
        return str(self._chat.value)


def _paint(shown: Preview) -> Any:
    return plot_blueprint(shown.blueprint, shown.tools)


def _describe(shown: Preview) -> str:
    reasons = {name: reason.removeprefix(f"{name}: ") for name, reason in shown.refused.items()}
    refused = "".join(f"; {name} does not apply: {reason}" for name, reason in reasons.items())
    verdict = "accepted" if shown.verdict.accepted else "rejected"
    coherence = f"{len(shown.violations)} violations" if shown.violations else "coherent"
    return f"{coherence}, {len(shown.blueprint.steps)} steps; the scripted preview is {verdict}{refused}"

"""The blueprint panel: is this plan coherent? Pick a cluster, turn the plan, see its DAG and a scripted preview."""

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
    """A plan, what is wrong with it, which operators did not apply and why, and how the scripted teacher plays it."""

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
    """Plan a task over ``cluster``, apply operators so many times each, and play it with the scripted teacher.

    ``steps`` extends the chain, ``branches`` uses results twice, ``parallel`` makes batches, ``failures`` injects
    errors, ``withheld`` holds back what the user knows. BlueprintError where nothing can be planned.
    """
    names = [
        *["extend_chain"] * steps, *["branch"] * branches, *["parallelise"] * parallel,
        *["inject_failure"] * failures, *["withhold_information"] * withheld,
    ]  # fmt: skip
    config = BlueprintConfig()
    base = plan(cluster, pool.tools, seed=seed, config=config, goals=goals)
    mutation_context = MutationContext(cluster=cluster, tools=pool.tools, distractors=(), config=config, facts={})
    blueprint, _, refused = breed(base, names, mutation_context, seed=seed)
    tools = {key: pool.tools[key] for key in blueprint.offered}
    rollout = play(blueprint, tools, ScriptedTeacher(blueprint, tools), SimulatedEnvironment(blueprint, tools))
    verdict = verify(rollout.trajectory, blueprint, tools, stopped=rollout.stopped)
    return Preview(blueprint, tools, violations(blueprint, tools), refused, rollout.trajectory, verdict)


class BlueprintPanel(Panel[Preview]):
    """`preview` behind controls; the conversation stands under the picture."""

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
            compute=lambda cluster, **turned: preview(by_id[cluster], pool, **turned),
            paint=_paint,
            describe=_describe,
        )
        self.widget.children = (*self.widget.children, self._chat)

    def refresh(self) -> None:
        """Compute, paint and show the conversation."""
        super().refresh()
        if self.result is not None:
            self._chat.value = chat_html(self.result.trajectory, reasons=self.result.verdict.reasons)

    @property
    def chat(self) -> str:
        """The conversation as it is shown."""
        return str(self._chat.value)


def _paint(found: Preview) -> Any:
    return plot_blueprint(found.blueprint, found.tools)


def _describe(found: Preview) -> str:
    reasons = {name: why.removeprefix(f"{name}: ") for name, why in found.refused.items()}
    refused = "".join(f"; {name} does not apply: {why}" for name, why in reasons.items())
    accepted = "accepted" if found.verdict.accepted else "rejected"
    wrong = f"{len(found.violations)} violations" if found.violations else "coherent"
    return f"{wrong}, {len(found.blueprint.steps)} steps; the scripted preview is {accepted}{refused}"

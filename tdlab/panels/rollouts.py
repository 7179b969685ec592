"""The rollout panels: make some with a teacher of your choice, then look whether each followed its plan."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdlab.config import RunConfig
from tdlab.errors import RunNotFound
from tdlab.jobs import run
from tdlab.panels.chat import chat_html
from tdlab.panels.panel import Panel, shortened
from tdlab.plots import plot_rollout, plot_run
from tdlab.rollout import MOCK_MODEL, MockServer
from tdlab.store import Candidate, Run

if TYPE_CHECKING:
    from tdlab.pool import ToolPool

__all__ = ["ConversationPanel", "RolloutPanel", "make_rollouts"]

SCRIPTED = "scripted (offline)"
MOCKED = "mock (the LLM path, no key)"
SERVED = "a server (OPENAI_API_KEY)"


def make_rollouts(
    pool: ToolPool,
    out: str | Path,
    *,
    backend: str = SCRIPTED,
    model: str = "",
    base_url: str = "",
    budget_tokens: int = 0,
    target: int = 12,
    seed: int = 0,
) -> Run:
    """A run of ``target`` trajectories in a folder of its own below ``out`` (by config and pool), or what is there.

    ``backend`` is one of those of the panel. ``budget_tokens`` 0 sets no budget; ``model`` and ``base_url`` are for a
    server. The mock server runs for as long as the run does.
    """
    config = RunConfig(target=target, seed=seed).with_values(evolution__batch=16)
    with ExitStack() as stack:
        if backend != SCRIPTED:
            address: str | None = base_url or None
            if backend == MOCKED:
                model, address = MOCK_MODEL, stack.enter_context(MockServer()).base_url
            config = config.with_values(
                rollout__teacher="llm", teacher__model=model, teacher__base_url=address,
                teacher__budget_tokens=budget_tokens or None,
            )  # fmt: skip
        return run(config, out=Path(out) / f"{config.digest}-{pool.fingerprint[:8]}", pool=pool)


class RolloutPanel(Panel[Run]):
    """`make_rollouts` behind a Run button; ``result`` is the run.

    What the chosen teacher has no use for is greyed out.
    """

    def __init__(self, pool: ToolPool, out: str | Path) -> None:
        import ipywidgets as widgets

        style = {"description_width": "9em"}
        wide = {"width": "34em", "max_width": "98%"}
        controls: dict[str, Any] = {
            "backend": widgets.Dropdown(
                options=[SCRIPTED, MOCKED, SERVED], description="teacher", style=style, layout=wide
            ),
            "model": widgets.Text(description="model", style=style, layout=wide),
            "base_url": widgets.Text(description="address", placeholder="OPENAI_BASE_URL", style=style, layout=wide),
            "budget_tokens": widgets.IntText(value=0, description="budget (tokens)", style=style),
            "target": widgets.IntSlider(
                value=12, min=1, max=200, description="trajectories", continuous_update=False, style=style
            ),
            "seed": widgets.IntText(value=0, description="seed", style=style),
        }
        super().__init__(
            controls,
            compute=lambda **turned: make_rollouts(pool, out, **turned),
            paint=plot_run,
            describe=_describe,
            slow=True,
        )
        self.controls["backend"].observe(lambda _: self._grey(), names="value")
        self._grey()

    def _grey(self) -> None:
        backend = self.controls["backend"].value
        self.controls["model"].disabled = self.controls["base_url"].disabled = backend != SERVED
        self.controls["budget_tokens"].disabled = backend == SCRIPTED


class ConversationPanel(Panel[Candidate]):
    """One rollout of a run at a time, rejected ones too: planned against actual, and the conversation as a chat."""

    def __init__(self, made: Run) -> None:
        import ipywidgets as widgets

        self._chat = widgets.HTML()
        options = [
            (_titled(c), (c.generation, c.position))
            for c in made.store.candidates() if c.blueprint is not None and c.trajectory is not None
        ]  # fmt: skip
        if not options:
            raise RunNotFound(f"no rollout in {made.path}", do="make some with the panel above")
        picker = widgets.Dropdown(options=options, description="rollout", layout={"width": "60em", "max_width": "98%"})
        super().__init__(
            {"rollout": picker},
            compute=lambda rollout: next(
                c for c in made.store.candidates(generation=rollout[0]) if c.position == rollout[1]
            ),
            paint=_paint,
            describe=lambda c: "accepted" if c.accepted else "rejected: " + "; ".join(c.reasons[:2]),
        )
        self.widget.children = (*self.widget.children, self._chat)

    def refresh(self) -> None:
        """Paint and show the conversation."""
        super().refresh()
        if self.result is not None and self.result.trajectory is not None:
            self._chat.value = chat_html(self.result.trajectory, reasons=self.result.reasons)

    @property
    def chat(self) -> str:
        """The conversation as it is shown."""
        return str(self._chat.value)


def _titled(candidate: Candidate) -> str:
    verdict = "accepted" if candidate.accepted else "rejected"
    intent = candidate.blueprint.intent if candidate.blueprint is not None else ""
    return f"{candidate.generation}.{candidate.position} {verdict}: {shortened(intent, 80)}"


def _paint(candidate: Candidate) -> Any:
    if candidate.blueprint is None or candidate.trajectory is None:
        raise RunNotFound("this candidate was never played", do="choose another")
    return plot_rollout(candidate.blueprint, candidate.trajectory)


def _describe(made: Run) -> str:
    counts = made.counts()
    spent = made.metrics().get("teacher")
    told = f", {spent['tokens']:,} tokens" if spent else ""
    return f"{counts.accepted} accepted, {counts.rejected} rejected{told}, in {made.path}"

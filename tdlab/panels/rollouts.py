"""The rollout panels: make rollouts with a teacher, then compare each with its plan."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdlab.config import RunConfig
from tdlab.errors import RunNotFound
from tdlab.jobs import run
from tdlab.panels.chat import chat_html
from tdlab.panels.panel import Panel
from tdlab.plots import plot_rollout, plot_run
from tdlab.rollout import MOCK_MODEL, MockServer
from tdlab.store import Candidate, Run
from tdlab.tools import shorten

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
    """Make a run with a teacher, or resume it.

    Args:
        pool: Tools to use.
        out: Folder of the run directories; each is named by config and pool.
        backend: The teacher: one of the options of `RolloutPanel`. A mock server is started for the run.
        model: Model of a server.
        base_url: Address of a server; "" takes ``OPENAI_BASE_URL``.
        budget_tokens: Most tokens to spend; 0: no limit.
        target: Number of verified trajectories.
        seed: Seed of every random choice.

    Returns:
        The run, open for reading.

    Raises:
        TdlabError: See `tdlab.run`.

    Example:
        >>> import tempfile, tdlab
        >>> pool = tdlab.ToolPool.bundled().subset(services=["hearthwren_rooms"])
        >>> with tempfile.TemporaryDirectory() as folder, make_rollouts(pool, folder, target=2) as made:
        ...     made.counts().accepted
        2
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
    """Panel over `make_rollouts` with a Run button; ``result`` is the run.

    Controls that do not apply to the selected teacher are disabled.

    Args:
        pool: Tools to use.
        out: Folder of the run directories.
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
            compute=lambda **values: make_rollouts(pool, out, **values),
            paint=plot_run,
            describe=_describe,
            slow=True,
        )
        self.controls["backend"].observe(lambda _: self._disable_unused(), names="value")
        self._disable_unused()

    def _disable_unused(self) -> None:
        backend = self.controls["backend"].value
        self.controls["model"].disabled = self.controls["base_url"].disabled = backend != SERVED
        self.controls["budget_tokens"].disabled = backend == SCRIPTED


class ConversationPanel(Panel[Candidate]):
    """Panel that shows one rollout of a run, accepted or rejected: planned against actual, and the conversation.

    Args:
        run: An open run.

    Raises:
        RunNotFound: The run has no rollouts.
    """

    def __init__(self, run: Run) -> None:
        import ipywidgets as widgets

        self._chat = widgets.HTML()
        options = [
            (_title(c), (c.generation, c.position))
            for c in run.store.candidates() if c.blueprint is not None and c.trajectory is not None
        ]  # fmt: skip
        if not options:
            raise RunNotFound(f"{run.path} has no rollouts", do="make some with `RolloutPanel` or `tdlab run`")
        picker = widgets.Dropdown(options=options, description="rollout", layout={"width": "60em", "max_width": "98%"})
        super().__init__(
            {"rollout": picker},
            compute=lambda rollout: next(
                c for c in run.store.candidates(generation=rollout[0]) if c.position == rollout[1]
            ),
            paint=_paint,
            describe=lambda c: "accepted" if c.accepted else "rejected: " + "; ".join(map(str, c.reasons[:2])),
        )
        self.widget.children = (*self.widget.children, self._chat)

    def refresh(self) -> None:
        """Draw, and show the conversation."""
        super().refresh()
        if self.result is not None and self.result.trajectory is not None:
            self._chat.value = chat_html(self.result.trajectory, reasons=self.result.reasons)

    @property
    def chat(self) -> str:
        """Return the shown conversation as HTML."""
        return str(self._chat.value)


def _title(candidate: Candidate) -> str:
    verdict = "accepted" if candidate.accepted else "rejected"
    intent = candidate.blueprint.intent if candidate.blueprint is not None else ""
    return f"{candidate.generation}.{candidate.position} {verdict}: {shorten(' '.join(intent.split()))}"


def _paint(candidate: Candidate) -> Any:
    if candidate.blueprint is None or candidate.trajectory is None:
        raise RunNotFound("this candidate was not played", do="choose another")
    return plot_rollout(candidate.blueprint, candidate.trajectory)


def _describe(run: Run) -> str:
    counts = run.counts()
    teacher = run.metrics().get("teacher")
    tokens = f", {teacher['tokens']:,} tokens" if teacher else ""
    return f"{counts.accepted} accepted, {counts.rejected} rejected{tokens}, in {run.path}"

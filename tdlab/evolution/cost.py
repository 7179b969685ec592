"""What a run with language models will cost, told before it: the first rollouts played dry, their tokens scaled up.

The prompts are the real ones and the replies the script's, so calls and input tokens are those of the first
generations; a model's own words may be longer, a model that leaves its plan is rejected more often, and tokens are
estimated at four characters each. It is an estimate, and says on how many rollouts it rests.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from tdlab.config import RunConfig, TeacherConfig
from tdlab.errors import ConfigError
from tdlab.evolution.controller import Controller
from tdlab.evolution.producer import Producer
from tdlab.records import CODE_TOOL, BusinessCluster, Domains, Tool
from tdlab.rollout import ENVIRONMENTS, MOCK_MODEL, DryRunBackend, Prices, SimulatedEnvironment, Spending

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Estimate", "RoleEstimate", "estimate_spending"]

_MOST_BATCHES = 50


class RoleEstimate(NamedTuple):
    """One role: its model, and calls, tokens and money for the whole run; money is None without a price."""

    role: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    money: float | None


class Estimate(NamedTuple):
    """What a run will take: rollouts to be tried for its target, and what each role uses.

    ``played`` rollouts were played dry for it, of which ``accepted`` were accepted. ``beyond`` says where the budget of
    the config is less than that.
    """

    target: int
    rollouts: int
    played: int
    accepted: int
    roles: tuple[RoleEstimate, ...]
    currency: str
    beyond: str = ""

    @property
    def calls(self) -> int:
        """All calls."""
        return sum(role.calls for role in self.roles)

    @property
    def tokens(self) -> int:
        """All tokens."""
        return sum(role.input_tokens + role.output_tokens for role in self.roles)

    @property
    def money(self) -> float | None:
        """All the money; None where a price is not known."""
        costs = [role.money for role in self.roles]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def to_frame(self) -> pd.DataFrame:
        """One row a role, with the fields of `RoleEstimate` as columns."""
        import pandas as pd

        return pd.DataFrame(self.roles, columns=list(RoleEstimate._fields))


def estimate_spending(
    config: RunConfig,
    tools: Mapping[str, Tool],
    clusters: tuple[BusinessCluster, ...],
    domains: Mapping[str, Domains],
    *,
    mutations: list[str],
    sample: int = 50,
) -> Estimate:
    """Play ``sample`` rollouts of the run dry (fewer for a smaller target) and scale their use up to the target."""
    mocked = config.model_copy(
        update={"teacher": config.teacher.model_copy(update={"model": MOCK_MODEL, "models": {}})}
    )
    prices = Prices.load(config.teacher.prices)
    categories = len({domain for cluster in clusters for domain in cluster.domains})
    controller = Controller(
        mocked, clusters, distractors=[key for key in tools if key != CODE_TOOL], categories=categories,
        mutations=mutations,
    )  # fmt: skip
    used, played, wanted = Spending(), 0, min(sample, config.target)
    stand_in = _StandIn if ENVIRONMENTS[config.rollout.environment].external else None
    backend = DryRunBackend(mocked.teacher)
    with closing(Producer(mocked, tools, clusters, domains, environment=stand_in, backend=backend)) as producer:
        for generation in range(_MOST_BATCHES):
            for order in controller.orders(generation):
                offspring = producer.produce(order)
                controller.consider(offspring)
                played += 1
                rows: Any = offspring.spent
                for row in rows:
                    used.add(row["role"], row["model"], row["input_tokens"], row["output_tokens"], calls=row["calls"])
                if len(controller) >= wanted:
                    break
            if len(controller) >= wanted:
                break
    accepted = len(controller)
    if not accepted:
        raise ConfigError(
            f"none of {played} rollouts that were played dry was accepted",
            expected="some that are",
            do="make a small run with the scripted teacher and look at its rejections",
        )
    scale = config.target / accepted
    roles = []
    for (role, _), found in sorted(used.used.items()):
        model = config.teacher.model_of(role)  # type: ignore[arg-type]  # a role of the config
        calls, reading, writing = (round(number * scale) for number in found)
        roles.append(RoleEstimate(role, model, calls, reading, writing, prices.cost(model, reading, writing)))
    told = Estimate(config.target, round(played * scale), played, accepted, tuple(roles), prices.currency)
    return told._replace(beyond=_beyond(told, config.teacher))


class _StandIn(SimulatedEnvironment):
    """Answers for an external environment, for which no values are invented."""

    external = True


def _beyond(found: Estimate, teacher: TeacherConfig) -> str:
    """Where the budget is less than the estimate; empty where it is not, or where nobody can tell."""
    if teacher.budget_tokens is not None and found.tokens > teacher.budget_tokens:
        return f"teacher.budget_tokens is {teacher.budget_tokens:,}"
    if teacher.budget_money is not None and found.money is None:
        return "teacher.budget_money needs the price of every model, and a run is refused without"
    if teacher.budget_money is not None and found.money is not None and found.money > teacher.budget_money:
        return f"teacher.budget_money is {teacher.budget_money:,g} {found.currency}"
    return ""

"""Estimate the cost of a run with language models by a dry run of its first rollouts, scaled up to the target.

Prompts are the real ones and replies are the script's, so that calls and input tokens are those of the first
generations. The estimate has three limits: a model's replies may be longer, a model that leaves its plan is rejected
more often, and a token is counted as four characters. The estimate says how many rollouts it is based on.
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
    """The estimate for one role: its model, and calls, tokens and cost of the whole run (None without a price)."""

    role: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    money: float | None


class Estimate(NamedTuple):
    """The estimated cost of a run; made by `estimate_spending`.

    Attributes:
        target: Trajectories to make.
        rollouts: Rollouts that must be tried for it.
        played: Rollouts of the dry run.
        accepted: Rollouts of the dry run that were accepted.
        roles: The estimate for each role.
        currency: Currency of the price table.
        beyond: Which budget of the config is smaller than the estimate; empty if none is.
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
        """The number of calls of all roles."""
        return sum(role.calls for role in self.roles)

    @property
    def tokens(self) -> int:
        """The number of tokens of all roles."""
        return sum(role.input_tokens + role.output_tokens for role in self.roles)

    @property
    def money(self) -> float | None:
        """The cost of all roles; None if a price is not known."""
        costs = [role.money for role in self.roles]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per role, with the fields of `RoleEstimate` as columns."""
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
    """Estimate calls, tokens and cost of a run by a dry run of its first rollouts.

    Args:
        config: The config of the run.
        tools: Definitions of tools, by key.
        clusters: The clusters.
        domains: Domains of each service.
        mutations: Names of the operators that may be ordered.
        sample: Number of accepted rollouts to play, at most the target.

    Returns:
        The estimate, scaled up to the target.

    Raises:
        ConfigError: No rollout of the dry run was accepted.

    Example:
        >>> import tdlab
        >>> pool = tdlab.ToolPool.bundled().subset(services=["cobblegate_permits"])
        >>> domains = {service.name: service.domains for service in pool.services}
        >>> config = tdlab.RunConfig(target=100).with_values(rollout__teacher="llm", teacher__model="m")
        >>> estimate = estimate_spending(config, pool.tools, tdlab.mine(pool).clusters, domains, mutations=[], sample=1)
        >>> estimate.target, estimate.accepted
        (100, 1)
    """
    mock_config = config.model_copy(update={"teacher": config.teacher.with_one_model(MOCK_MODEL)})
    prices = Prices.load(config.teacher.prices)
    categories = len({domain for cluster in clusters for domain in cluster.domains})
    controller = Controller(
        mock_config, clusters, distractors=[key for key in tools if key != CODE_TOOL], categories=categories,
        mutations=mutations,
    )  # fmt: skip
    spending, played, goal = Spending(), 0, min(sample, config.target)
    environment = _StandIn if ENVIRONMENTS[config.rollout.environment].external else None
    backend = DryRunBackend(mock_config.teacher)
    with closing(Producer(mock_config, tools, clusters, domains, environment=environment, backend=backend)) as producer:
        for generation in range(_MOST_BATCHES):
            for order in controller.orders(generation):
                offspring = producer.produce(order)
                controller.consider(offspring)
                played += 1
                rows: Any = offspring.spent
                for row in rows:
                    spending.add(
                        row["role"], row["model"], row["input_tokens"], row["output_tokens"], calls=row["calls"]
                    )
                if len(controller) >= goal:
                    break
            if len(controller) >= goal:
                break
    accepted = len(controller)
    if not accepted:
        raise ConfigError(
            f"none of {played} rollouts of the dry run was accepted",
            expected="at least one",
            do="run `tdlab run -n 20 --out runs/trial` with the scripted teacher, then `tdlab show runs/trial`",
        )
    scale = config.target / accepted
    roles = []
    for (role, _), amounts in sorted(spending.used.items()):
        model = config.teacher.model_of(role)  # type: ignore[arg-type]  # a role of the config
        calls, input_tokens, output_tokens = (round(number * scale) for number in amounts[:3])
        roles.append(
            RoleEstimate(
                role, model, calls, input_tokens, output_tokens, prices.cost(model, input_tokens, output_tokens)
            )
        )
    estimate = Estimate(config.target, round(played * scale), played, accepted, tuple(roles), prices.currency)
    return estimate._replace(beyond=_beyond(estimate, config.teacher))


class _StandIn(SimulatedEnvironment):
    """Stands in for an external environment, for which no values are invented."""

    external = True


def _beyond(estimate: Estimate, teacher: TeacherConfig) -> str:
    """Say which budget is smaller than the estimate; empty if none is, or if it cannot be known."""
    if teacher.budget_tokens is not None and estimate.tokens > teacher.budget_tokens:
        return f"teacher.budget_tokens is {teacher.budget_tokens:,}"
    if teacher.budget_money is not None and estimate.money is None:
        return "teacher.budget_money is set, but a model has no price; the run will be refused"
    if teacher.budget_money is not None and estimate.money is not None and estimate.money > teacher.budget_money:
        return f"teacher.budget_money is {teacher.budget_money:,g} {estimate.currency}"
    return ""

"""Costs: the prices of tokens, the spending of each role, and the budget that stops a run.

A price table is a JSON file that the user edits, such as
``{"currency": "USD", "per": 1000000, "models": {"name": {"input": 1.0, "output": 4.0}}}``; a model may also have
a price ``cached`` of input tokens that the server read from its cache.
The bundled one has a price for the mock model only: providers change their prices, and a wrong price is worse than
none. So a budget in money needs a price table with the models of the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tdlab.config import TeacherConfig
from tdlab.errors import BudgetSpent, ConfigError
from tdlab.records import Json

__all__ = ["PRICE_TABLE", "Budget", "Price", "Prices", "Spending", "Used"]

PRICE_TABLE = '{"currency": "USD", "per": 1000000, "models": {"NAME": {"input": 1.0, "output": 4.0}}}'
"""An example of a price table."""

_BUNDLED = Path(__file__).with_name("prices.json")


class Price(BaseModel):
    """The prices of a model: of ``Prices.per`` input tokens, of as many output tokens, and of as many cached ones.

    ``cached`` is None if cached input tokens cost as much as others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0.0, le=1e9)
    output: float = Field(ge=0.0, le=1e9)
    cached: float | None = Field(default=None, ge=0.0, le=1e9)


class Prices(BaseModel):
    """A price table: prices by model, for ``per`` tokens, in ``currency``.

    Example:
        >>> prices = Prices(models={"small": {"input": 1.0, "output": 4.0}})
        >>> prices.cost("small", 1_000_000, 500_000)
        3.0
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    currency: str = Field(default="USD", max_length=16)
    per: int = Field(default=1_000_000, ge=1)
    models: dict[str, Price] = Field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Read a price table.

        Args:
            path: A JSON file; None for the bundled table, which has a price for the mock model only.

        Returns:
            The price table.

        Raises:
            ConfigError: If the file cannot be read or is not a price table.

        Example:
            >>> Prices.load().currency
            'USD'
        """
        file = Path(path) if path is not None else _BUNDLED
        try:
            return cls.model_validate(json.loads(file.read_text(encoding="utf-8")))
        except OSError as error:
            message = f"{file}: the price table cannot be read ({error.strerror})"
        except ValidationError as error:
            first = error.errors()[0]
            message = f"{file}: {'.'.join(map(str, first['loc'])) or 'the price table'}: {first['msg']}"
        except (ValueError, RecursionError) as error:
            message = f"{file}: the price table is not JSON ({error})"
        raise ConfigError(
            message,
            expected=PRICE_TABLE,
            do="correct the file; or unset teacher.prices and limit spending with teacher.budget_tokens",
        )

    def cost(self, model: str, input_tokens: int, output_tokens: int, cached_input_tokens: int = 0) -> float | None:
        """Return the cost of the tokens in ``currency``; None for a model without a price.

        ``cached_input_tokens`` are those of the ``input_tokens`` that the server read from its cache.
        """
        price = self.models.get(model)
        if price is None:
            return None
        discount = 0.0 if price.cached is None else (price.input - price.cached) * cached_input_tokens
        return (price.input * input_tokens + price.output * output_tokens - discount) / self.per


class Used(NamedTuple):
    """Calls and tokens of one role and model; ``cached_input_tokens`` are part of ``input_tokens``."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0

    def plus(self, calls: int, input_tokens: int, output_tokens: int, cached_input_tokens: int = 0) -> Used:
        """Return a copy with more calls and tokens."""
        return Used(
            self.calls + calls,
            self.input_tokens + input_tokens,
            self.output_tokens + output_tokens,
            self.cached_input_tokens + cached_input_tokens,
        )


class Spending:
    """Calls and tokens by role and model.

    Example:
        >>> spending = Spending()
        >>> spending.add("user", "small", 1_000, 200)
        >>> spending.calls, spending.tokens
        (1, 1200)
    """

    def __init__(self) -> None:
        self.used: dict[tuple[str, str], Used] = {}

    def add(
        self,
        role: str,
        model: str,
        input_tokens: int,
        output_tokens: int,
        *,
        calls: int = 1,
        cached_input_tokens: int = 0,
    ) -> None:
        """Add calls and their tokens."""
        key = role, model
        self.used[key] = self.used.get(key, Used()).plus(calls, input_tokens, output_tokens, cached_input_tokens)

    @property
    def tokens(self) -> int:
        """The sum of input and output tokens."""
        return sum(used.input_tokens + used.output_tokens for used in self.used.values())

    @property
    def calls(self) -> int:
        """The number of calls."""
        return sum(used.calls for used in self.used.values())

    def money(self, prices: Prices) -> float | None:
        """Return the cost in the currency of ``prices``; None if a model has no price."""
        costs = [
            prices.cost(model, used.input_tokens, used.output_tokens, used.cached_input_tokens)
            for (_, model), used in self.used.items()
        ]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def to_json(self) -> list[dict[str, Json]]:
        """Return one JSON object for each role and model, sorted."""
        return [{"role": role, "model": model, **used._asdict()} for (role, model), used in sorted(self.used.items())]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Spending:
        """Add up rows that `to_json` returned, of this version or an earlier one."""
        spending = cls()
        for row in rows:
            spending.add(
                row["role"], row["model"], row["input_tokens"], row["output_tokens"], calls=row["calls"],
                cached_input_tokens=row.get("cached_input_tokens", 0),
            )  # fmt: skip
        return spending


class Budget:
    """The spending limit of a run: `check` it before each call, `charge` it after each reply.

    A call counts when its reply arrives, so the budget may be exceeded by the calls that are in flight.

    Args:
        config: Holds the limits, ``budget_tokens`` and ``budget_money``; None means no limit.
        prices: The price table for a limit in money.
        models: The models of the run.

    Raises:
        ConfigError: If there is a limit in money and one of ``models`` has no price.

    Example:
        >>> from tdlab.config import TeacherConfig
        >>> budget = Budget(TeacherConfig(budget_tokens=500), Prices.load(), models=["small"])
        >>> budget.check()
        >>> budget.charge("user", "small", 400, 100)
        >>> budget.check()
        Traceback (most recent call last):
        tdlab.errors.BudgetSpent: the budget is spent: 500 tokens were paid for
          expected: at most 500 tokens
          to do: raise teacher.budget_tokens and re-run the same command to resume; finished work is kept
    """

    def __init__(self, config: TeacherConfig, prices: Prices, *, models: Iterable[str]) -> None:
        self.prices = prices
        self.spent = Spending()
        self._tokens = config.budget_tokens
        self._money = config.budget_money
        if self._money is not None:
            unknown = sorted({model for model in models if model not in prices.models})
            if unknown:
                raise ConfigError(
                    f"teacher.budget_money is set and the price of {', '.join(map(repr, unknown))} is not known",
                    expected=f"a JSON file with every model of the run, such as {PRICE_TABLE}",
                    do="write a price table with your provider's prices (0 for a local server) and pass it with"
                    " --set teacher.prices=prices.json; or use teacher.budget_tokens",
                )

    def check(self) -> None:
        """Raise BudgetSpent if nothing is left."""
        tokens = self.spent.tokens
        if self._tokens is not None and tokens >= self._tokens:
            raise _spent(f"{tokens:,} tokens were paid for", f"{self._tokens:,} tokens", "budget_tokens")
        if self._money is not None and (money := self.spent.money(self.prices) or 0.0) >= self._money:
            currency = self.prices.currency
            raise _spent(f"{money:.4f} {currency} were paid", f"{self._money:g} {currency}", "budget_money")

    def charge(
        self, role: str, model: str, input_tokens: int, output_tokens: int, *, cached_input_tokens: int = 0
    ) -> None:
        """Add the tokens of a reply that was paid for."""
        self.spent.add(role, model, input_tokens, output_tokens, cached_input_tokens=cached_input_tokens)


def _spent(spent: str, budget: str, name: str) -> BudgetSpent:
    return BudgetSpent(
        f"the budget is spent: {spent}",
        expected=f"at most {budget}",
        do=f"raise teacher.{name} and re-run the same command to resume; finished work is kept",
    )

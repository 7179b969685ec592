"""Spending: what tokens cost, what was spent by role, and the budget that stops a run.

A price table is a JSON file that the user edits, such as
``{"currency": "USD", "per": 1000000, "models": {"name": {"input": 1.0, "output": 4.0}}}``.
The one that ships prices the rehearsal only: what a provider asks changes, and a guess would be worse than nothing, so
a budget in money needs a table that names the models.
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
"""What a price table looks like."""

_SHIPPED = Path(__file__).with_name("prices.json")


class Price(BaseModel):
    """What a model's tokens cost, per ``Prices.per`` of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0.0, le=1e9)
    output: float = Field(ge=0.0, le=1e9)


class Prices(BaseModel):
    """A price table."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    currency: str = Field(default="USD", max_length=16)
    per: int = Field(default=1_000_000, ge=1)
    models: dict[str, Price] = Field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """The table in a file, or the one that ships; ConfigError says what is wrong with it."""
        file = Path(path) if path is not None else _SHIPPED
        try:
            return cls.model_validate(json.loads(file.read_text(encoding="utf-8")))
        except OSError as error:
            found = f"{file}: the price table cannot be read ({error.strerror})"
        except ValidationError as error:
            first = error.errors()[0]
            found = f"{file}: {'.'.join(map(str, first['loc'])) or 'the price table'}: {first['msg']}"
        except (ValueError, RecursionError) as error:
            found = f"{file}: the price table is not JSON ({error})"
        raise ConfigError(
            found,
            expected=PRICE_TABLE,
            do="correct the file, or leave teacher.prices out and set a budget in tokens",
        )

    def cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """What the tokens cost; None for a model that the table does not name."""
        price = self.models.get(model)
        return None if price is None else (price.input * input_tokens + price.output * output_tokens) / self.per


class Used(NamedTuple):
    """Calls and tokens of one role with one model."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, calls: int, input_tokens: int, output_tokens: int) -> Used:
        """The sum."""
        return Used(self.calls + calls, self.input_tokens + input_tokens, self.output_tokens + output_tokens)


class Spending:
    """A tally of calls and tokens by role and model."""

    def __init__(self) -> None:
        self.used: dict[tuple[str, str], Used] = {}

    def add(self, role: str, model: str, input_tokens: int, output_tokens: int, *, calls: int = 1) -> None:
        """Count calls."""
        place = role, model
        self.used[place] = self.used.get(place, Used()).plus(calls, input_tokens, output_tokens)

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return sum(used.input_tokens + used.output_tokens for used in self.used.values())

    @property
    def calls(self) -> int:
        """How many calls."""
        return sum(used.calls for used in self.used.values())

    def money(self, prices: Prices) -> float | None:
        """What it costs; None where a model's price is not known."""
        costs = [prices.cost(model, used.input_tokens, used.output_tokens) for (_, model), used in self.used.items()]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def to_json(self) -> list[dict[str, Json]]:
        """One object for each role and model, in the order of their names."""
        return [{"role": role, "model": model, **used._asdict()} for (role, model), used in sorted(self.used.items())]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Spending:
        """The sum of what `to_json` wrote."""
        made = cls()
        for row in rows:
            made.add(row["role"], row["model"], row["input_tokens"], row["output_tokens"], calls=row["calls"])
        return made


class Budget:
    """What may be spent, and what is: `check` before a call, `charge` when its price is known.

    A call in flight is not counted before its reply is there, so a budget is exceeded by at most the calls in flight.
    """

    def __init__(self, config: TeacherConfig, prices: Prices, *, models: Iterable[str]) -> None:
        """ConfigError where the budget is in money and the price of one of ``models`` is not known."""
        self.prices = prices
        self.spent = Spending()
        self._tokens = config.budget_tokens
        self._money = config.budget_money
        if self._money is not None:
            unknown = sorted({model for model in models if model not in prices.models})
            if unknown:
                raise ConfigError(
                    f"the budget is in money and the price of {', '.join(map(repr, unknown))} is not known",
                    expected=f"a JSON file that names every model of the run, such as {PRICE_TABLE}",
                    do="write one with your provider's prices (a local server's are 0) and name it in teacher.prices,"
                    " as in --set teacher.prices=prices.json; or use teacher.budget_tokens",
                )

    def check(self) -> None:
        """BudgetSpent where nothing is left."""
        tokens = self.spent.tokens
        if self._tokens is not None and tokens >= self._tokens:
            raise _spent(f"{tokens:,} tokens were paid for", f"{self._tokens:,} tokens", "budget_tokens")
        if self._money is not None and (money := self.spent.money(self.prices) or 0.0) >= self._money:
            currency = self.prices.currency
            raise _spent(f"{money:.4f} {currency} were spent", f"{self._money:g} {currency}", "budget_money")

    def charge(self, role: str, model: str, input_tokens: int, output_tokens: int) -> None:
        """A reply was paid for."""
        self.spent.add(role, model, input_tokens, output_tokens)


def _spent(found: str, budget: str, name: str) -> BudgetSpent:
    return BudgetSpent(
        f"the budget is spent: {found}",
        expected=f"at most {budget}",
        do=f"what was made is kept; raise teacher.{name} and give the same command again: it goes on",
    )

"""What AWS asks for a unit of each thing: the one table of list prices, `cloud/prices.json`, and what an amount costs.

The table is of one region; each price says what page it is from and when it was looked up. A price is flat, or falls in
steps with the amount of a month (`[[up to, USD], ...]`, the last step `null`: without end), after what is free.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.shared.errors import Rejected
from components.shared.wire.codec import describe_faults

PRICES = Path(__file__).parent / "prices.json"

Usd = Annotated[float, Field(ge=0)]
Step = tuple[Annotated[float, Field(gt=0)] | None, Usd]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Model):
    """One list price: `usd` for every `per` units of a month, but for the first `free` units."""

    what: str
    unit: str
    per: int = Field(ge=1)
    usd: Usd | list[Step]
    free: float = Field(ge=0)
    source: str = Field(pattern=r"^https://aws\.amazon\.com/.+/$")
    date: str = Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")
    compared: bool

    def cost_usd(self, amount: float) -> float:
        """What `amount` units in a month cost, in USD."""
        left = max(0.0, amount - self.free)
        if isinstance(self.usd, float | int):
            return left / self.per * self.usd
        total, begin = 0.0, 0.0
        for end, usd in self.usd:
            taken = left - begin if end is None else min(left, end) - begin
            if taken <= 0:
                break
            total += taken / self.per * usd
            begin = end or begin
        return total


class PriceTable(_Model):
    """All prices of one region."""

    region: str
    currency: str = Field(pattern="^USD$")
    note: str
    prices: dict[str, Price]

    def __getitem__(self, key: str) -> Price:
        """The price under a key; Rejected when the table has none."""
        if key not in self.prices:
            raise Rejected(f"the table of prices of {self.region} has no price {key}: add it, with source and date")
        return self.prices[key]


@dataclass(frozen=True, slots=True)
class TableAge:
    """How far a table can be trusted: its oldest date, and how many of its prices nobody compared with the list."""

    oldest: str
    prices: int
    not_compared: int


def age_of(table: PriceTable) -> TableAge:
    """How far `table` can be trusted."""
    prices = table.prices.values()
    return TableAge(
        oldest=min(price.date for price in prices),
        prices=len(table.prices),
        not_compared=sum(not price.compared for price in prices),
    )


def read_prices(path: Path = PRICES) -> PriceTable:
    """The table in a file; Rejected, with all faults, when it is none."""
    try:
        table = PriceTable.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValidationError, ValueError) as error:
        told = describe_faults(error) if isinstance(error, ValidationError) else str(error)
        raise Rejected(f"{path} is no table of prices such as cloud/prices.json: {told}") from error
    for key, price in table.prices.items():
        _check(path, key, price)
    return table


def _check(path: Path, key: str, price: Price) -> None:
    try:
        date.fromisoformat(price.date if len(price.date) > len("2025-10") else price.date + "-01")
    except ValueError as error:
        raise Rejected(f"{path}: price {key}: {price.date} is no date") from error
    if isinstance(price.usd, list):
        ends = [end for end, _ in price.usd]
        bounded = [end for end in ends if end is not None]
        if ends[-1:] != [None] or None in ends[:-1] or bounded != sorted(set(bounded)):
            raise Rejected(f"{path}: price {key}: its steps must rise, and the last be null")

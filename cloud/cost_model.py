"""Decides what a fleet costs a month, per service and camera, beside the plan's figures, and what to change. Pure.

A price that falls in steps is asked for the whole fleet's amount; each line bears its part of it. Whatever is not a
camera's own is shared evenly: a camera's cost is the fleet's divided by its cameras.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from cloud.cost_usage import Assumptions, Plan, ProductFacts, Scope, TemplateFacts, Use, uses

PLAN_SITES = 10
PLAN_USD = (100.0, 300.0)
"""What the plan says of ten sites, a month."""

PLAN_MANAGED_USD = (300.0, 800.0)
"""The same with managed devices and AI."""

WORTH_TELLING = 0.05
"""A change is told of that saves this part of the bill at least."""

Verdict = Literal["below", "within", "above"]


class Priced(Protocol):
    """A price, as far as this module needs it."""

    def cost_usd(self, amount: float) -> float:
        """What so many units cost a month."""
        ...


class Prices(Protocol):
    """A table of prices."""

    def __getitem__(self, key: str) -> Priced:
        """The price under a key."""
        ...


@dataclass(frozen=True, slots=True)
class CostLine:
    """What one thing costs all sites together; `amount` is in the price's units."""

    service: str
    what: str
    price: str
    scope: Scope
    amount: float
    usd: float


@dataclass(frozen=True, slots=True)
class Cost:
    """A month of a fleet."""

    lines: tuple[CostLine, ...]
    cameras: int
    sites: int

    @property
    def usd(self) -> float:
        """All of it."""
        return sum(line.usd for line in self.lines)

    @property
    def per_camera_usd(self) -> float:
        """A camera's part of everything."""
        return self.usd / self.cameras if self.cameras else 0.0

    @property
    def per_site_usd(self) -> float:
        """A site's part of everything."""
        return self.usd / self.sites if self.sites else 0.0

    def by_service(self) -> dict[str, float]:
        """Each service's part, the largest first."""
        found: dict[str, float] = defaultdict(float)
        for line in self.lines:
            found[line.service] += line.usd
        return dict(sorted(found.items(), key=lambda one: -one[1]))


@dataclass(frozen=True, slots=True)
class Change:
    """Something that could be had differently, and what it saves a month."""

    what: str
    saves_usd: float


def cost_of(
    plan: Plan, product: ProductFacts, template: TemplateFacts, prices: Prices, assumed: Assumptions | None = None
) -> Cost:
    """What a month of the plan costs."""
    all_uses = list(uses(plan, product, template, assumed or Assumptions()))
    counts: dict[Scope, int] = {"camera": plan.sites * plan.cameras, "site": plan.sites, "fleet": 1}
    lines = _priced(all_uses, counts, prices)
    return Cost(lines, cameras=counts["camera"], sites=plan.sites)


def _priced(all_uses: Sequence[Use], counts: dict[Scope, int], prices: Prices) -> tuple[CostLine, ...]:
    totals: dict[str, float] = defaultdict(float)
    for use in all_uses:
        totals[use.price] += use.amount * counts[use.scope]
    per_unit = {key: prices[key].cost_usd(total) / total if total else 0.0 for key, total in sorted(totals.items())}
    lines = []
    for use in all_uses:
        amount = use.amount * counts[use.scope]
        lines.append(CostLine(use.service, use.what, use.price, use.scope, amount, amount * per_unit[use.price]))
    return tuple(lines)


def planned_usd(plan: Plan) -> tuple[float, float]:
    """The plan's figures for so many sites."""
    low, high = PLAN_MANAGED_USD if plan.managed or plan.ai else PLAN_USD
    return low * plan.sites / PLAN_SITES, high * plan.sites / PLAN_SITES


def verdict_of(plan: Plan, usd: float) -> Verdict:
    """Where a cost lies beside the plan's figures."""
    low, high = planned_usd(plan)
    if usd > high:
        return "above"
    return "below" if usd < low else "within"


def changes_of(
    plan: Plan, product: ProductFacts, template: TemplateFacts, prices: Prices, assumed: Assumptions | None = None
) -> list[Change]:
    """What could be had differently, by what it saves; each one alone against the plan as it is."""
    now = cost_of(plan, product, template, prices, assumed).usd
    found = [
        Change(what, now - cost_of(other, product, other_template, prices, assumed).usd)
        for what, other, other_template in _others(plan, template)
    ]
    return sorted((one for one in found if one.saves_usd >= WORTH_TELLING * now > 0), key=lambda one: -one.saves_usd)


def _others(plan: Plan, template: TemplateFacts) -> list[tuple[str, Plan, TemplateFacts]]:
    found: list[tuple[str, Plan, TemplateFacts]] = []
    if plan.policy == "all":
        found.append(("upload events only (--policy events)", replace(plan, policy="events"), template))
    if plan.policy != "none":
        if plan.days > 1:
            half = plan.days // 2
            found.append((f"keep {half} days in the cloud (--days {half})", replace(plan, days=half), template))
        found.append(("half the bit rate of the cameras", replace(plan, mbps=plan.mbps / 2), template))
        instant = replace(template, transitions=(("GLACIER_IR", 0),))
        found.append(("footage in GLACIER_IR from its first day (--class GLACIER_IR:0)", plan, instant))
        infrequent = replace(template, transitions=(("STANDARD_IA", 30),))
        found.append(("footage in STANDARD_IA after 30 days (--class STANDARD_IA:30)", plan, infrequent))
    secrets = plan.cameras if plan.secrets is None else plan.secrets
    if secrets > 1:
        found.append(("one secret per site for its cameras (--secrets 1)", replace(plan, secrets=1), template))
    if plan.ai:
        found.append(("labels made at the site instead of by Rekognition (no --ai)", replace(plan, ai=False), template))
    if plan.replicate:
        found.append(("no replication of event footage (no --replicate)", replace(plan, replicate=False), template))
    return found

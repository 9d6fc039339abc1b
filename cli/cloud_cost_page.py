"""The page of the cost model for people, docs/operations/cost.md: made from the model, the prices and the template."""

from __future__ import annotations

import dataclasses

from cli.cloud_cost import CloudCost, estimate, product_facts
from cloud.cost_model import PLAN_MANAGED_USD, PLAN_SITES, PLAN_USD
from cloud.cost_prices import PRICES, Price, read_prices
from cloud.cost_template import read_template
from cloud.cost_usage import ASSUMED, Assumptions, Plan

_TEN_SITES = Plan(sites=PLAN_SITES, cameras=8, mbps=4.0, policy="events", days=30, event_share=0.05)
_SHOWN = (
    ("", _TEN_SITES),
    ("with managed devices and AI: `--managed --ai`", dataclasses.replace(_TEN_SITES, managed=True, ai=True)),
    ("no footage: `--policy none`", dataclasses.replace(_TEN_SITES, policy="none")),
    ("everything: `--policy all`", dataclasses.replace(_TEN_SITES, policy="all")),
)


def cost_page() -> str:
    """The page."""
    template = read_template()
    made = [(title, estimate(plan, template, PRICES)) for title, plan in _SHOWN]
    first = made[0][1]
    low, high = PLAN_USD
    managed_low, managed_high = PLAN_MANAGED_USD
    lines = [
        "# What the cloud side costs",
        "",
        "Made by `./nvr docs` from `cloud/cost_model.py`, `cloud/cost_usage.py`, `cloud/prices.json` and the template.",
        "",
        "`./nvr cloud cost` estimates a month of a fleet from list prices: per service and camera, what dominates,",
        f"what to change, and whether it lies within the plan, which for {PLAN_SITES} sites is {low:g} to {high:g} USD",
        f"a month, and {managed_low:g} to {managed_high:g} with managed devices and AI; other numbers in proportion.",
        "",
        f"## {PLAN_SITES} sites of 8 cameras at 4 Mbit/s, 30 days in the cloud, events 5 % of the time",
        "",
        "| | USD a month | per site | per camera | the plan | |",
        "|---|---|---|---|---|---|",
        *(_row(title or "events: as the command is without options", cost) for title, cost in made),
        "",
        "Of the first, by service:",
        "",
        "| service | USD a month | per camera |",
        "|---|---|---|",
        *(
            f"| {name} | {usd:.2f} | {first.per_camera_services[name]:.4f} |"
            for name, usd in first.services.items()
            if usd >= 0.005
        ),
        "",
        f"What dominates is {first.dominant}. What would be changed first, each by itself:",
        "",
        "| change | saves, USD a month |",
        "|---|---|",
        *(f"| {change.what} | {change.saves_usd:.2f} |" for change in first.changes),
        "",
        "## What it follows from",
        "",
        "The product's own constants, as they are now:",
        "",
        "| | |",
        "|---|---|",
        *(f"| `{name}` | {value:.12g} |" for name, value in dataclasses.asdict(product_facts()).items()),
        "",
        "The template:",
        "",
        "| | |",
        "|---|---|",
        *(f"| `{name}` | {_told(value)} |" for name, value in dataclasses.asdict(template).items()),
        "",
        "And what nobody can know before; a real fleet's first bill says better:",
        "",
        "| | | |",
        "|---|---|---|",
        *(f"| `{name}` | {value:g} | {ASSUMED[name]} |" for name, value in dataclasses.asdict(Assumptions()).items()),
        "",
        *_PROSE,
        "## Prices",
        "",
        f"List prices of {first.region}. {read_prices().note} Another region's table is given with `--prices FILE`.",
        "",
        "| | USD | for | free a month | of | compared | page |",
        "|---|---|---|---|---|---|---|",
        *(_price(price) for price in read_prices().prices.values()),
        "",
    ]
    return "\n".join(lines)


_PROSE = [
    "An object is paid for until it expires, and its old version for as long as the template keeps that. A message",
    "to IoT Core counts once, being smaller than 5 KB, and its acknowledgement as another. An item of the index is as",
    "large as the indexer makes it for a segment of that length. Lambda keeps five connections to each queue, which",
    "ask every 20 s also when nothing happens.",
    "",
    "Not counted: taxes, support, discounts, the first year's free allowances, queries of CloudWatch Logs Insights,",
    "text messages to phones, the sites' own uplinks, and what is fetched by anything but the player.",
    "",
]


def _row(title: str, cost: CloudCost) -> str:
    plan = cost.plan
    return (
        f"| {title} | {cost.total_usd:.2f} | {cost.per_site_usd:.2f} | {cost.per_camera_usd:.2f} | "
        f"{plan.low_usd:g} to {plan.high_usd:g} | {plan.verdict} |"
    )


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{name} after {days} days" for name, days in value) or "none"
    return str(value)


def _price(price: Price) -> str:
    usd = price.usd
    shown = f"{usd:.10g}" if isinstance(usd, float | int) else _steps(usd)
    per = price.unit if price.per == 1 else f"{price.per:,} {price.unit}s".replace(",", " ")
    compared = "yes" if price.compared else "no"
    free = f"{price.free:,.0f}".replace(",", " ") if price.free else "-"
    return f"| {price.what} | {shown} | {per} | {free} | {price.date} | {compared} | <{price.source}> |"


def _steps(steps: list[tuple[float | None, float]]) -> str:
    return ", ".join(f"{usd:g}" if end is None else f"{usd:g} up to {end:g}" for end, usd in steps)

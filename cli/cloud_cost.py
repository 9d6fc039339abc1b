"""Estimate what a fleet costs a month at AWS, from list prices.

    ./nvr cloud cost --sites 10 --cameras 8 --mbps 4 --policy events
    ./nvr cloud cost --policy all --days 90 --class GLACIER_IR:0 --json

How much is used follows from the product's own constants and cloud/template.yaml; prices are in cloud/prices.json. It
needs no account. docs/operations/cost.md says what is counted, and what is not.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from cli.output import add_json_argument, print_json, print_table
from cloud.cost_model import (
    PLAN_SITES,
    Change,
    Cost,
    CostLine,
    Verdict,
    changes_of,
    cost_of,
    planned_usd,
    verdict_of,
)
from cloud.cost_prices import PRICES, TableAge, age_of, read_prices
from cloud.cost_template import TEMPLATE, read_template
from cloud.cost_usage import SHORTEST_STAY_DAYS, Plan, Policy, ProductFacts, TemplateFacts
from components.cloud_sync.core.parts import SINGLE_PUT_BYTES_MAX
from components.health_monitor.core.telemetry import CAMERAS_NS
from components.shared.errors import Rejected
from components.shared.wire import metrics
from components.shared.wire.recording_config import RecordingSection
from components.shared.wire.segment_file import PART_BYTES
from components.shared.wire.site_config import HealthSection
from components.shared.wire.units import NS_PER_S
from components.site_config.core.fetches import MATCHING_SWEEP_NS, SWEEP_NS

HELP = "what a fleet costs a month, from list prices"

THUMBNAIL_BYTES = 12_000  # as VideoProcessor makes them of a typical scene; a test holds it against its encoder
SUMMARY_S = 60.0  # HealthMonitor's; a test holds it against its constant, whose module would start slowly here
SECRET_REFRESH_S = 300.0  # SiteConfig's, likewise

COUNT_MAX, MBPS_MAX, DAYS_MAX = 100_000, 200.0, 3650


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """The plan's figures for as many sites, and where the estimate lies beside them."""

    low_usd: float
    high_usd: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CloudCost:
    """The answer: USD of a month, all sites together unless it says otherwise; `services` the dearest first."""

    region: str
    prices: TableAge
    asked: Plan
    total_usd: float
    per_site_usd: float
    per_camera_usd: float
    services: dict[str, float]
    per_camera_services: dict[str, float]
    lines: list[CostLine]
    dominant: str
    changes: list[Change]
    plan: PlanFigures


ANSWER = CloudCost


def product_facts() -> ProductFacts:
    """What the product's own constants say."""
    return ProductFacts(
        segment_s=RecordingSection().segment_s,
        part_bytes=PART_BYTES,
        single_put_bytes_max=SINGLE_PUT_BYTES_MAX,
        thumbnail_bytes=THUMBNAIL_BYTES,
        telemetry_s=HealthSection().telemetry_s,
        detailed_s=CAMERAS_NS / NS_PER_S,
        summary_s=SUMMARY_S,
        site_sweep_s=SWEEP_NS / NS_PER_S,
        camera_sweep_s=MATCHING_SWEEP_NS / NS_PER_S,
        secret_refresh_s=SECRET_REFRESH_S,
        metrics=sum(metric.cloud == "metric" and metric.made_by == "HealthMonitor" for metric in metrics.METRICS),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--sites", type=int, default=PLAN_SITES, metavar="N", help="sites (default: 10)")
    parser.add_argument("--cameras", type=int, default=8, metavar="N", help="cameras at each site (default: 8)")
    parser.add_argument("--mbps", type=float, default=4.0, help="a camera's bit rate in Mbit/s (default: 4)")
    parser.add_argument(
        "--policy", choices=get_args(Policy), default="events", help="what is uploaded of each camera (default: events)"
    )
    parser.add_argument("--days", type=int, default=30, metavar="N", help="days in the cloud (default: 30)")
    parser.add_argument(
        "--event-percent", type=float, default=5.0, metavar="P", help="part of the time with events (default: 5)"
    )
    parser.add_argument("--ai", action="store_true", help="a label from Rekognition for each event")
    parser.add_argument("--managed", action="store_true", help="fleet index, deployments by job, remote sessions")
    parser.add_argument("--replicate", action="store_true", help="event footage is copied to a second region")
    parser.add_argument("--secrets", type=int, metavar="N", help="secrets at each site (default: one per camera)")
    parser.add_argument(
        "--class",
        dest="classes",
        action="append",
        metavar="CLASS:DAYS",
        help="footage moves to this storage class after so many days, STANDARD_IA or GLACIER_IR; may be repeated "
        "(default: as in the template)",
    )
    parser.add_argument("--prices", type=Path, default=PRICES, metavar="FILE", help="prices of another region or date")
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the estimate."""
    plan = plan_of(arguments)
    template = template_of(arguments)
    made = estimate(plan, template, arguments.prices)
    if arguments.json:
        print_json(made)
    else:
        _tell(made)
    return 0


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The plan that the options ask for; Rejected when they make no sense."""
    for name, highest in (("sites", COUNT_MAX), ("cameras", COUNT_MAX), ("days", DAYS_MAX)):
        if not 1 <= getattr(arguments, name) <= highest:
            raise Rejected(f"--{name} {getattr(arguments, name)} is not 1 to {highest}")
    if not 0 < arguments.mbps <= MBPS_MAX:
        raise Rejected(f"--mbps {arguments.mbps:g} is not above 0 and at most {MBPS_MAX:g}")
    if not 0 <= arguments.event_percent <= 100:
        raise Rejected(f"--event-percent {arguments.event_percent:g} is not 0 to 100")
    if arguments.secrets is not None and not 0 <= arguments.secrets <= COUNT_MAX:
        raise Rejected(f"--secrets {arguments.secrets} is not 0 to {COUNT_MAX}")
    return Plan(
        sites=arguments.sites,
        cameras=arguments.cameras,
        mbps=arguments.mbps,
        policy=arguments.policy,
        days=arguments.days,
        event_share=arguments.event_percent / 100,
        ai=arguments.ai,
        managed=arguments.managed,
        replicate=arguments.replicate,
        secrets=arguments.secrets,
    )


def template_of(arguments: argparse.Namespace) -> TemplateFacts:
    """The template's facts, with the storage classes that were asked for."""
    facts = read_template(TEMPLATE)
    if arguments.classes is None:
        return facts
    steps = []
    for text in arguments.classes:
        name, _, days = text.partition(":")
        if name not in SHORTEST_STAY_DAYS or name == "STANDARD" or not days.isdigit():
            raise Rejected(f"--class {text} is not STANDARD_IA:DAYS or GLACIER_IR:DAYS")
        steps.append((name, int(days)))
    return replace(facts, transitions=tuple(sorted(steps, key=lambda step: step[1])))


def estimate(plan: Plan, template: TemplateFacts, prices_file: Path) -> CloudCost:
    """The whole answer."""
    prices, product = read_prices(prices_file), product_facts()
    cost = cost_of(plan, product, template, prices)
    low, high = planned_usd(plan)
    services = cost.by_service()
    return CloudCost(
        region=prices.region,
        prices=age_of(prices),
        asked=plan,
        total_usd=_cents(cost.usd),
        per_site_usd=_cents(cost.per_site_usd),
        per_camera_usd=_cents(cost.per_camera_usd),
        services={name: _cents(usd) for name, usd in services.items()},
        per_camera_services={name: _cents(usd / cost.cameras) for name, usd in services.items()},
        lines=sorted(cost.lines, key=lambda line: -line.usd),
        dominant=dominant_of(cost),
        changes=[Change(one.what, _cents(one.saves_usd)) for one in changes_of(plan, product, template, prices)],
        plan=PlanFigures(low, high, verdict_of(plan, cost.usd)),
    )


def dominant_of(cost: Cost) -> str:
    """The dearest line, in words."""
    line = max(cost.lines, key=lambda one: one.usd)
    return f"{line.service}, {line.what}"


def _cents(usd: float) -> float:
    return round(usd, 4)


_VERDICTS: dict[Verdict, Literal["less than the plan's", "within the plan's", "MORE THAN the plan's"]] = {
    "below": "less than the plan's",
    "within": "within the plan's",
    "above": "MORE THAN the plan's",
}


def _tell(made: CloudCost) -> None:
    asked = made.asked
    print(
        f"{asked.sites} sites of {asked.cameras} cameras at {asked.mbps:g} Mbit/s, policy {asked.policy}, "
        f"{asked.days} days in the cloud, events {asked.event_share:.0%} of the time:"
    )
    print(
        f"{made.total_usd:.2f} USD a month: {made.per_site_usd:.2f} per site, {made.per_camera_usd:.2f} per camera; "
        f"{_VERDICTS[made.plan.verdict]} {made.plan.low_usd:g} to {made.plan.high_usd:g} USD\n"
    )
    print_table(
        ("service", "USD a month", "per camera"),
        [(name, f"{usd:.2f}", f"{made.per_camera_services[name]:.4f}") for name, usd in made.services.items()],
        "nothing is used",
    )
    dearest = [line for line in made.lines if line.usd >= made.total_usd / 50]
    print("\nwhat dominates:")
    print_table(
        ("what", "USD a month", "of all"),
        [
            (f"{line.service}: {line.what}", f"{line.usd:.2f}", f"{line.usd / made.total_usd:.0%}")
            for line in dearest[:8]
        ],
        "nothing",
    )
    print("\nwhat to change, each by itself:")
    print_table(
        ("change", "saves, USD a month"),
        [(one.what, f"{one.saves_usd:.2f}") for one in made.changes],
        "nothing that saves a twentieth",
    )
    print(
        f"\nlist prices of {made.region}, the oldest of {made.prices.oldest}; {made.prices.not_compared} of "
        f"{made.prices.prices} were not compared with AWS's list"
    )

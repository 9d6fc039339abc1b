"""What a fleet costs a month: by hand for small fleets, and how it moves with what is asked."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.cloud_cost import product_facts
from cloud.cost_item import example_item, item_bytes
from cloud.cost_model import Cost, changes_of, cost_of, planned_usd, verdict_of
from cloud.cost_prices import PriceTable, read_prices
from cloud.cost_template import read_template
from cloud.cost_usage import (
    ASSUMED,
    DAYS,
    GB,
    MONTH_S,
    Assumptions,
    Plan,
    ProductFacts,
    TemplateFacts,
    class_days,
    footage_of,
    requests_of,
    uses,
)

PRODUCT = ProductFacts(
    segment_s=180,
    part_bytes=8 * 1024 * 1024,
    single_put_bytes_max=16_000_000,
    thumbnail_bytes=12_000,
    telemetry_s=60,
    detailed_s=300,
    summary_s=60,
    site_sweep_s=60,
    camera_sweep_s=900,
    secret_refresh_s=300,
    metrics=8,
)
TEMPLATE = TemplateFacts(
    polled_queues=1,
    alarms=4,
    dashboards=2,
    keys=1,
    noncurrent_days=0,
    transitions=(),
    memory_mb=256,
    log_days=30,
    rules=2,
    detailed_rules=1,
)
ALL = Plan(sites=1, cameras=1, mbps=8.0, policy="all", days=30, event_share=0.1)  # a million bytes a second
EVENTS = replace(ALL, policy="events")
PRICES = read_prices()


def amounts(plan: Plan, template: TemplateFacts = TEMPLATE) -> dict[tuple[str, str], float]:
    return {(use.service, use.what): use.amount for use in uses(plan, PRODUCT, template, Assumptions())}


def cost(plan: Plan, template: TemplateFacts = TEMPLATE, prices: PriceTable = PRICES) -> Cost:
    return cost_of(plan, PRODUCT, template, prices)


def usd(plan: Plan, service: str, what: str, template: TemplateFacts = TEMPLATE) -> float:
    (line,) = [line for line in cost(plan, template).lines if (line.service, line.what) == (service, what)]
    return line.usd


def test_a_month_of_a_camera_that_sends_all() -> None:
    """14 600 segments of 180 MB and as many pictures: 2 628 000 s at 180 s each, at a million bytes a second."""
    footage = footage_of(ALL, PRODUCT, Assumptions())
    assert (footage.objects, footage.object_bytes, footage.thumbnails) == (14_600, 180_000_000, 14_600)
    assert footage.sent_bytes == 2_628_000_000_000


def test_a_month_of_a_camera_that_sends_events() -> None:
    """A tenth of the time in events of 30 s: 8 760 clips of 30 MB, and every segment's picture."""
    footage = footage_of(EVENTS, PRODUCT, Assumptions())
    assert footage.objects == pytest.approx(8_760)
    assert (footage.object_bytes, footage.thumbnails) == (30_000_000, 14_600)


def test_footage_is_paid_for_as_long_as_it_is_kept() -> None:
    """86.4 GB a day for 30 days are 2 592 GB, 2 413.99 of 2^30 bytes: 55.52 USD at 0.023."""
    assert amounts(ALL)["S3", "footage in STANDARD"] == pytest.approx(86.4e9 * 30 / GB)
    assert usd(ALL, "S3", "footage in STANDARD") == pytest.approx(55.5218, abs=1e-3)


def test_an_old_version_is_paid_for_until_it_goes() -> None:
    """Seven days of old versions after 30 of footage are 37 days of storage."""
    with_old = replace(TEMPLATE, noncurrent_days=7)
    assert amounts(ALL, with_old)["S3", "footage in STANDARD"] == pytest.approx(86.4e9 * 37 / GB)


@pytest.mark.parametrize(
    ("size_bytes", "requests"), [(16_000_000, 1), (16_000_001, 4), (180_000_000, 24), (8 * 1024 * 1024 * 3, 5)]
)
def test_requests_of_an_upload(size_bytes: int, requests: int) -> None:
    """One request up to 16 MB; above it one for each 8 MiB and two: 180 MB are 22 parts and 24 requests."""
    assert requests_of(size_bytes, PRODUCT) == requests


def test_uploads_are_billed_by_request() -> None:
    """14 600 segments of 24 requests and 14 600 pictures are 365 000 requests: 1.825 USD."""
    assert amounts(ALL)["S3", "uploads"] == 365_000
    assert usd(ALL, "S3", "uploads") == pytest.approx(1.825)


def test_what_every_object_sets_off() -> None:
    """29 200 objects change three times: 87 600 events, as many calls and looks, three times as many queue requests."""
    made = amounts(ALL)
    assert made["EventBridge", "objects made and gone"] == 87_600
    assert made["S3", "looks of the indexer"] == 87_600
    assert made["Lambda", "calls of index_object"] == 87_600
    assert made["SQS", "messages: sent, received, deleted"] == 262_800
    assert made["Lambda", "duration of index_object"] == pytest.approx(87_600 * 0.15 * 0.25)
    assert usd(ALL, "Lambda", "duration of index_object") == pytest.approx(3_285 * 0.0000133334)


def test_a_quiet_queue_is_asked_too() -> None:
    """Five connections that ask every 20 s for a month are 657 000 requests: 0.26 USD a queue."""
    assert amounts(ALL)["SQS", "looks at quiet queues"] == 657_000
    assert amounts(ALL, replace(TEMPLATE, polled_queues=3))["SQS", "looks at quiet queues"] == 3 * 657_000


def test_the_index_is_written_in_whole_kilobytes() -> None:
    """An item of 1 to 2 kB is two units and one of its place by time: made, deleted, and the end of its old version."""
    item = example_item(8.0, 2.0, 180_000_000)
    assert 1024 < item_bytes(item) <= 2048
    # Segment: 2 * (2 + 1) + 1 = 7. Its picture: 2 + 1, and when it goes 2.
    assert amounts(ALL)["DynamoDB", "writes of the index"] == 14_600 * 7 + 14_600 * 5


def test_the_size_of_an_item_is_counted_as_dynamodb_does() -> None:
    """Names and texts in bytes, numbers at half a byte a digit and two, a map 3 and one for each member."""
    assert item_bytes({"pk": "abc", "n": 12345}) == 2 + 3 + 1 + 4
    assert item_bytes({"facts": {"a": "xy"}}) == 5 + 3 + 1 + 1 + 2


def test_what_a_site_says_and_asks() -> None:
    """A message a minute and one in five, each with its acknowledgement; 43 800 minutes of connection."""
    made = amounts(ALL)
    assert made["IoT", "connection"] == 43_800
    assert made["IoT", "telemetry"] == 2 * (43_800 + 8_760)
    assert made["IoT", "rules"] == pytest.approx(2 * 43_800 + 8_760 + 2 * DAYS)
    assert made["IoT", "looks at the site's shadow"] == 2 * 43_800
    assert made["Secrets Manager", "looks at them"] == 8_760
    assert usd(ALL, "CloudWatch", "metrics") == pytest.approx(2.40)


def test_a_class_bills_its_shortest_stay() -> None:
    """Footage of 40 days that moves to STANDARD_IA after 30 pays for 30 days there; in GLACIER_IR for 90."""
    assert class_days(replace(ALL, days=40), replace(TEMPLATE, transitions=(("STANDARD_IA", 30),))) == {
        "STANDARD": 30,
        "STANDARD_IA": 30,
    }
    assert class_days(ALL, replace(TEMPLATE, transitions=(("GLACIER_IR", 0),))) == {"STANDARD": 0, "GLACIER_IR": 90}
    assert class_days(ALL, replace(TEMPLATE, transitions=(("STANDARD_IA", 30),))) == {"STANDARD": 30}


def test_a_move_is_billed_by_object() -> None:
    """14 600 moves to GLACIER_IR are 0.292 USD."""
    instant = replace(TEMPLATE, transitions=(("GLACIER_IR", 0),))
    assert usd(ALL, "S3", "moves to GLACIER_IR", instant) == pytest.approx(0.292)


def test_options_add_what_they_are() -> None:
    """A label for each of 8 760 events, a core's index updates once a minute, copies of a tenth of the footage."""
    made = amounts(replace(ALL, ai=True, managed=True, replicate=True))
    assert made["Rekognition", "labels"] == pytest.approx(8_760)
    assert made["IoT Device Management", "fleet index"] == 43_800
    assert made["S3 replication", "to another region"] == pytest.approx(262.8e9 / GB)
    assert not {service for service, _ in amounts(ALL)} & {"Rekognition", "IoT Device Management", "S3 replication"}


def test_no_policy_means_no_footage() -> None:
    """`none` uploads nothing, looks at nothing, and leaves what watches the site."""
    services = {line.service for line in cost(replace(ALL, policy="none")).lines if line.usd > 0}
    assert "S3" not in services
    assert "CloudFront" not in services
    assert {"IoT", "CloudWatch", "Secrets Manager", "Lambda"} <= services


def test_a_price_that_falls_is_asked_for_the_whole_fleet() -> None:
    """40 cameras keep 96.6 TB: 51 200 GB at 0.023, the rest at 0.022, which no camera would reach alone."""
    gb = 86.4e9 * 30 / GB * 40
    forty = usd(replace(ALL, cameras=40), "S3", "footage in STANDARD")
    pictures = 40 * 14_600 / DAYS * 12_000 * 30 / GB
    both = 51_200 * 0.023 + (gb + pictures - 51_200) * 0.022
    assert forty == pytest.approx(both * gb / (gb + pictures))


def test_every_part_adds_up() -> None:
    """Lines, services, sites and cameras are the same money."""
    made = cost(replace(ALL, sites=3, cameras=5, ai=True, managed=True, replicate=True))
    assert sum(made.by_service().values()) == pytest.approx(made.usd)
    assert made.per_site_usd * 3 == pytest.approx(made.usd)
    assert made.per_camera_usd * 15 == pytest.approx(made.usd)
    assert list(made.by_service().values()) == sorted(made.by_service().values(), reverse=True)
    assert all(line.usd >= 0 for line in made.lines)


def test_the_plan_is_met_by_ten_sites() -> None:
    """Ten sites that upload events lie within 100 to 300 USD, with managed devices and AI within 300 to 800."""
    ten = Plan(sites=10, cameras=8, mbps=4.0, policy="events", days=30, event_share=0.05)
    product, template = product_facts(), read_template()
    plans = (ten, replace(ten, ai=True, managed=True), replace(ten, policy="all"))
    verdicts = [verdict_of(plan, cost_of(plan, product, template, PRICES).usd) for plan in plans]
    assert [planned_usd(plan) for plan in plans] == [(100, 300), (300, 800), (100, 300)]
    assert verdicts == ["within", "within", "above"]
    assert planned_usd(replace(ten, sites=5)) == (50, 150)
    assert [verdict_of(ten, at) for at in (99.9, 100, 300, 300.1)] == ["below", "within", "within", "above"]


def test_what_is_advised_saves_what_it_says() -> None:
    """Of everything, uploading events only saves most; each saving is that of the change alone."""
    plan = replace(ALL, cameras=8)
    advised = changes_of(plan, PRODUCT, TEMPLATE, PRICES)
    assert advised[0].what.startswith("upload events only")
    assert advised[0].saves_usd == pytest.approx(cost(plan).usd - cost(replace(plan, policy="events")).usd)
    assert [one.saves_usd for one in advised] == sorted((one.saves_usd for one in advised), reverse=True)
    assert all(one.saves_usd >= cost(plan).usd * 0.05 for one in advised)


def test_every_assumption_is_explained() -> None:
    """The page says of each assumption what it is."""
    assert set(ASSUMED) == {field.name for field in dataclasses.fields(Assumptions)}


PLANS = st.builds(
    Plan,
    sites=st.integers(1, 300),
    cameras=st.integers(1, 64),
    mbps=st.floats(0.5, 20),
    policy=st.sampled_from(["all", "events", "none"]),
    days=st.integers(1, 400),
    event_share=st.floats(0, 1),
    ai=st.booleans(),
    managed=st.booleans(),
    replicate=st.booleans(),
    secrets=st.none() | st.integers(0, 64),
)


@pytest.mark.slow
@settings(deadline=None)
@given(PLANS, st.floats(1, 3))
def test_more_never_costs_less(plan: Plan, more: float) -> None:
    """More sites, cameras, bits, days, events, options or secrets: the bill does not fall."""
    now = cost(plan).usd
    tolerance = 1e-9 * (1 + now)
    for other in (
        replace(plan, sites=plan.sites + 1),
        replace(plan, cameras=plan.cameras + 1),
        replace(plan, mbps=plan.mbps * more),
        replace(plan, days=round(plan.days * more)),
        replace(plan, event_share=min(1.0, plan.event_share * more)),
        replace(plan, ai=True),
        replace(plan, managed=True),
        replace(plan, replicate=True),
        replace(plan, secrets=(plan.cameras if plan.secrets is None else plan.secrets) + 1),
    ):
        assert cost(other).usd >= now - tolerance, other


@pytest.mark.slow
@settings(deadline=None)
@given(PLANS, st.integers(2, 50))
def test_what_belongs_to_a_camera_grows_with_cameras(plan: Plan, times: int) -> None:
    """Amounts are of months and of cameras: so many times the cameras use so many times what one uses."""
    few, many = cost(plan), cost(replace(plan, cameras=plan.cameras * times))
    for one, other in zip(few.lines, many.lines, strict=True):
        if one.scope == "camera":
            assert other.amount == pytest.approx(one.amount * times)
        elif one.service != "Secrets Manager":
            assert other.amount == one.amount
    assert MONTH_S == 730 * 3600

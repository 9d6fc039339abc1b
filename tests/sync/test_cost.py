"""What the cost model takes for the product's is the product's."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.cloud_cost import SECRET_REFRESH_S, SUMMARY_S, THUMBNAIL_BYTES, product_facts
from cloud.cost_model import cost_of
from cloud.cost_prices import read_prices
from cloud.cost_template import TEMPLATE, facts_of, read_template
from cloud.cost_usage import SHORTEST_STAY_DAYS, Plan
from components.health_monitor.watch import SUMMARY_NS
from components.shared.wire.units import NS_PER_S
from components.site_config.secret_refresh import REFRESH_NS
from components.video_processor.thumbnail import WIDTH_PIXELS, encode_jpeg

ROOT = Path(__file__).parents[2]


def test_times_are_the_components() -> None:
    """How often a summary is written and a secret asked for."""
    assert SUMMARY_S * NS_PER_S == SUMMARY_NS
    assert SECRET_REFRESH_S * NS_PER_S == REFRESH_NS


def test_a_picture_has_about_that_many_bytes() -> None:
    """VideoProcessor's encoder makes a picture with some detail of half to twice what is assumed."""
    height = WIDTH_PIXELS * 9 // 16
    across, down = np.meshgrid(np.arange(WIDTH_PIXELS), np.arange(height))
    scene = 128 + 60 * np.sin(across / 9) * np.cos(down / 7) + np.random.default_rng(1).normal(0, 12, across.shape)
    jpeg = encode_jpeg(np.repeat(scene.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2))
    assert THUMBNAIL_BYTES / 2 <= len(jpeg) <= THUMBNAIL_BYTES * 2


@pytest.mark.slow
def test_the_template_is_counted_as_aws_expands_it() -> None:
    """Queues that functions poll, alarms, dashboards, keys and rules are those of the expanded template."""
    command = [sys.executable, "-m", "local.aws.expand_template", str(TEMPLATE), "eu-central-1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    resources: dict[str, dict[str, Any]] = json.loads(done.stdout)["Resources"]

    def count(kind: str) -> int:
        return sum(body["Type"] == kind for body in resources.values())

    facts = read_template()
    assert facts.polled_queues == count("AWS::Lambda::EventSourceMapping") > 0
    assert facts.alarms == count("AWS::CloudWatch::Alarm")
    assert facts.dashboards == count("AWS::CloudWatch::Dashboard") > 0
    assert facts.keys == count("AWS::KMS::Key") > 0
    asked = [
        body["Properties"]["TopicRulePayload"]["Sql"]
        for body in resources.values()
        if body["Type"] == "AWS::IoT::TopicRule"
    ]
    assert facts.rules == sum("/telemetry/" in sql for sql in asked) > 0


def test_a_change_of_the_template_changes_the_estimate() -> None:
    """Lifecycle, old versions and memory are read where they stand."""
    rules = [
        {"Prefix": "sites/", "Transitions": [{"StorageClass": "GLACIER_IR", "TransitionInDays": 1}]},
        {"NoncurrentVersionExpiration": {"NoncurrentDays": 9}},
    ]
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"LifecycleConfiguration": {"Rules": rules}}}
    facts = facts_of({"Globals": {"Function": {"MemorySize": 512}}, "Resources": {"MediaBucket": bucket}})
    assert (facts.transitions, facts.noncurrent_days, facts.memory_mb) == ((("GLACIER_IR", 1),), 9, 512)


@pytest.mark.slow
def test_every_class_of_the_template_has_its_prices() -> None:
    """The template's storage classes, and those that can be asked for, are in the table."""
    prices = read_prices()
    plan = Plan(sites=1, cameras=1, mbps=4.0, policy="all", days=400, event_share=0.1, ai=True, managed=True)
    for name in SHORTEST_STAY_DAYS:
        facts = dataclasses.replace(read_template(), transitions=() if name == "STANDARD" else ((name, 0),))
        cost = cost_of(dataclasses.replace(plan, replicate=True), product_facts(), facts, prices)
        assert any(line.price == f"s3.{name}.storage" and line.usd > 0 for line in cost.lines)
    used = {line.price for line in cost.lines}
    assert {key for key in prices.prices if not key.startswith("s3.")} <= used

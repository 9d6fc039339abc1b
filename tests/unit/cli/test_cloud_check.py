"""`./nvr cloud check` says what is wrong with a template, and nothing of the product's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.cloud_check import REPLICA, TEMPLATE
from tests.unit.cli.conftest import Nvr


@pytest.mark.slow
def test_the_product_s_templates_are_sound(nvr: Nvr) -> None:
    """The templates that we deploy have no finding."""
    told = nvr("cloud", "check", "--json")
    assert (told.code, told.json["ok"], told.json["findings"]) == (0, True, [])
    assert told.json["templates"] == [str(TEMPLATE), str(REPLICA)]


@pytest.mark.slow
def test_weaknesses_are_told_with_what_to_do(nvr: Nvr, tmp_path: Path) -> None:
    """What cfn-lint finds and what our rules find is told by resource and rule, and the answer is no."""
    template = tmp_path / "template.yaml"
    text = TEMPLATE.read_text().replace("BucketKeyEnabled: true", "BucketKeyEnabled: false")
    template.write_text(text.replace("BillingMode: PAY_PER_REQUEST", "BillingMode: FREE", 1))
    told = nvr("cloud", "check", "--template", template, "--json")
    assert (told.code, told.json["ok"]) == (1, False)
    found = {(finding["resource"], finding["rule"]): finding for finding in told.json["findings"]}
    assert ("MediaTable", "cfn-lint E3030") in found
    assert {place for place in found if not place[1].startswith("cfn-lint")} == {
        ("MediaBucket", "bucket-key"),
        ("PageBucket", "bucket-key"),
    }
    assert found["MediaBucket", "bucket-key"]["advice"].startswith("set BucketKeyEnabled")


@pytest.mark.slow
def test_a_file_that_is_no_template_is_told(nvr: Nvr, tmp_path: Path) -> None:
    """A file that cannot be parsed is one finding, not a traceback."""
    template = tmp_path / "template.yaml"
    template.write_text("Resources: [")
    told = nvr("cloud", "check", "--template", template)
    assert told.code == 1
    assert "cfn-lint E0" in told.out


def test_a_template_that_is_not_there_is_named(nvr: Nvr, tmp_path: Path) -> None:
    """The command cannot be carried out, and says for which file."""
    told = nvr("cloud", "check", "--template", tmp_path / "none.yaml")
    assert (told.code, "none.yaml: there is no such template" in told.error) == (2, True)


def test_rules_are_listed(nvr: Nvr) -> None:
    """`--rules` lists each rule with what it asks."""
    told = nvr("cloud", "check", "--rules")
    assert told.code == 0
    assert "bucket-tls" in told.out
    assert "deny s3:* on the bucket" in told.out

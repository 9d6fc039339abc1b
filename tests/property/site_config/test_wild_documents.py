"""Whatever stands in a shadow, a proposal or a file: nothing crashes, and what is in force is valid."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.shared.errors import Rejected
from components.shared.runtime.config import ConfigWatcher, config_folder, read_snapshot
from components.shared.wire.json_patch import same
from components.shared.wire.site_config import SITE, camera_shadow, document_sha256
from components.site_config.core.documents import is_valid
from tests.fakes.clock import FakeClock
from tests.fakes.config_site import ConfigSite
from tests.fakes.memory_folder import memory_folder
from tests.fakes.wild_documents import GOOD_CAMERA, GOOD_SITE, WildStore, wild_bytes, wild_document

pytestmark = pytest.mark.slow

CAMERA = camera_shadow("cam-1")
GOOD: dict[str, dict[str, Any]] = {SITE: GOOD_SITE, CAMERA: GOOD_CAMERA}
QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CHANCES = st.randoms(use_true_random=False)


def good_site(data: Path) -> ConfigSite:
    """A site with a good document of each kind in force."""
    site = ConfigSite(data, WildStore()).start()
    site.store.operate(CAMERA, GOOD_CAMERA)
    site.store.operate(SITE, GOOD_SITE)
    site.sweep()
    assert {name: site.in_force(name) for name in GOOD} == GOOD
    return site


def assert_sound(site: ConfigSite, documents: Mapping[str, Any]) -> None:
    """What is in force is valid, and what is not valid is refused with a reason."""
    snapshot = read_snapshot(site.data)
    assert snapshot is not None
    assert not snapshot.faults
    for name, raw in documents.items():
        if not isinstance(raw, dict) or name not in site.report():
            continue
        state = site.report()[name]
        if not is_valid(name, raw):
            assert not same(site.in_force(name), raw)
            assert state["state"] in ("refused", "pending")
            assert state["error"].startswith(f"document {name}")


@QUICK
@given(CHANCES)
def test_shadows(chance: random.Random) -> None:
    """Two documents that may be anything are refused or in force; the last good ones stay, over a restart too."""
    with memory_folder() as folder:
        site = good_site(folder / "data")
        wild = {name: wild_document(chance, good) for name, good in GOOD.items()}
        assert isinstance(site.store, WildStore)
        site.store.wild = wild
        site.sweep(3)
        assert_sound(site, wild)
        before = {name: site.in_force(name) for name in GOOD}
        site.start()
        site.sweep(2)
        assert {name: site.in_force(name) for name in GOOD} == before
        for name, raw in wild.items():
            if not is_valid(name, raw) and name in site.report():
                assert before[name] == GOOD[name]


@QUICK
@given(CHANCES)
def test_proposals(chance: random.Random) -> None:
    """A file in the folder of proposals, whatever is in it, is answered or moved away, and harms nothing."""
    with memory_folder() as folder:
        site = good_site(folder / "data")
        name = chance.choice([SITE, CAMERA, "camera-new", "camera-", "health", "../site"])
        body = {"document": name, "changes": wild_document(chance, GOOD.get(name, GOOD_CAMERA)), "base_version": None}
        path = site.folder.path / f"p{chance.randrange(10)}.json"
        path.write_bytes(wild_bytes(chance, chance.choice([body, wild_document(chance, body)])))
        for _ in range(3):
            site.look()
        assert not path.exists()
        assert_sound(site, {})
        answers = [json.loads(answer.read_text()) for answer in site.folder.path.glob("*.answer.json")]
        assert all(answer["state"] != "refused" or answer["error"] for answer in answers)


@QUICK
@given(CHANCES)
def test_files_in_force(chance: random.Random) -> None:
    """Whoever reads damaged or wild files goes on with what it had, and says what is wrong with which document."""
    with memory_folder() as folder:
        site = good_site(folder / "data")
        watcher = ConfigWatcher(site.data, FakeClock())
        before = watcher.poll()
        assert before is not None
        name = chance.choice([SITE, CAMERA])
        raw = wild_document(chance, GOOD[name])
        content: Any = {"document": name, "version": 9, "sha256": "0" * 64, "raw": raw, "written_wall_ns": 1}
        if chance.randrange(3):
            content["sha256"] = _sha256(raw)
        path = config_folder(site.data) / f"{name}.json"
        path.write_bytes(wild_bytes(chance, content) if chance.randrange(2) else json.dumps(content).encode())
        after = watcher.poll() or before
        if name in after.faults:
            assert after.faults[name].startswith(f"document {name}")
            kept = after.site if name == SITE else after.cameras.get("cam-1")
            assert kept == (before.site if name == SITE else before.cameras["cam-1"])
        try:
            read_snapshot(site.data)
        except Rejected as error:
            assert name == SITE, error  # a reader that starts has nothing else to go on with


def _sha256(raw: Any) -> str:
    try:
        return document_sha256(raw)
    except (UnicodeEncodeError, RecursionError):
        return "f" * 64

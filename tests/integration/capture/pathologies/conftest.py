"""Each kind of source in turn, and the product's rules with times that a test can wait for."""

import pytest

from components.capture.core.frozen import WatchLimits
from components.capture.packet_source import OpenSource
from components.capture.workshop import RecorderLimits
from components.shared.runtime.clock import SystemClock
from components.shared.runtime.supervisor import Backoff
from components.shared.wire.units import NS_PER_MS
from tests.fakes.packet_sources import SOURCES, SourceKind

OPEN_S = 12.0
"""A camera that sends a keyframe every ten seconds may begin with one, and not before."""

OPEN_QUICK_S = 3.0
READ_S = 16.0
"""Longer than it takes here to call a stream frozen, so that the watch decides, as with the product's limits."""

PATIENT = RecorderLimits(
    watch=WatchLimits(frozen_ns=14_000 * NS_PER_MS, look_ns=500 * NS_PER_MS, keyframe_ns=20_000 * NS_PER_MS),
    backoff=Backoff(schedule_s=(0.3, 0.5)),
)
"""For cameras that send a keyframe every ten seconds, and nothing before the first."""

READY_S = 280.0
"""A busy machine encodes fourteen pictures in that."""

QUICK = RecorderLimits(
    watch=WatchLimits(frozen_ns=3_000 * NS_PER_MS, look_ns=250 * NS_PER_MS, keyframe_ns=8_000 * NS_PER_MS),
    backoff=Backoff(schedule_s=(0.3, 0.5)),
)
"""For cameras that break."""


@pytest.fixture(scope="module", params=sorted(SOURCES))
def source_kind(request: pytest.FixtureRequest) -> SourceKind:
    """Each kind of source in turn."""
    return SOURCES[request.param]


@pytest.fixture(scope="module")
def open_source(source_kind: SourceKind, clock: SystemClock) -> OpenSource:
    """What opens cameras."""
    return source_kind.make(clock, OPEN_S, READ_S)


@pytest.fixture(scope="module")
def open_quickly(source_kind: SourceKind, clock: SystemClock) -> OpenSource:
    """What opens cameras and gives up soon."""
    return source_kind.make(clock, OPEN_QUICK_S, READ_S)

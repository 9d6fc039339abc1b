"""The quick form of the recording benchmark: nothing is lost, whatever the machine's speed is."""

from pathlib import Path

import pytest

from lab.bench_record import SHOW
from lab.show import Shown

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_no_packet_is_lost(tmp_path: Path) -> None:
    """Every packet of 8 and 16 cameras is in a file once, with its bytes, also while each sync takes 20 ms longer.

    What it costs is for the benchmark to tell, on a machine that does nothing else.
    """
    shown = SHOW.run(True, tmp_path, print)
    lossless = {name: limit for name, limit in shown.limits.items() if name.startswith("frames")}
    assert len(lossless) == 6
    assert Shown(shown.figures, lossless).broken() == []

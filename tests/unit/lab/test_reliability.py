"""The reliability report tells what was measured, and hides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.docs import read_told
from components.shared.errors import Rejected
from lab.reliability import reliability_page
from lab.show import Show, ShowDocument, Shown


def show(name: str) -> Show:
    return Show(name, f"the {name}", 1, 1, lambda _quick, _work, _say: Shown({}, {}))


def told(name: str, loss_s: float) -> ShowDocument:
    return {
        "name": name,
        "machine": "2 x some processor",
        "seconds": 3.0,
        "figures": {"worst_loss_s": loss_s, "cuts": 5.0},
        "limits": {"worst_loss_s": {"max": 4.0}, "cuts": {"min": 5.0}},
        "pass": loss_s <= 4.0,
    }


def test_figures_limits_and_machine() -> None:
    """Each figure stands with its limit and meaning, under the machine it was measured on."""
    page = reliability_page([told("cut", 1.25)], [show("cut")])
    assert "On 2 x some processor, in 3 s." in page
    assert "| `worst_loss_s` | 1.25 | at most 4 | seconds of footage lost" in page
    assert "| `cuts` | 5 | at least 5 |" in page
    assert "broken**" not in page


def test_a_broken_limit_is_marked() -> None:
    """And only that one."""
    page = reliability_page([told("cut", 4.5)], [show("cut")])
    assert "| `worst_loss_s` | 4.5 **broken** |" in page
    assert page.count("**broken**") == 1


def test_what_was_not_measured_is_told() -> None:
    """A missing run is not a good one."""
    assert "Not measured for this page: soak." in reliability_page([told("cut", 1)], [show("cut"), show("soak")])


def test_what_is_no_answer_of_a_show_is_refused(tmp_path: Path) -> None:
    """The file is named."""
    (tmp_path / "cut.json").write_text('{"name": "cut"}')
    with pytest.raises(Rejected, match=r"cut\.json"):
        read_told(tmp_path)
    (tmp_path / "cut.json").unlink()
    with pytest.raises(Rejected, match="no answers"):
        read_told(tmp_path)

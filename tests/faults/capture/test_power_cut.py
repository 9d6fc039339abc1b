"""Power cuts: what `./nvr lab power-cut` promises, and that nothing of it stays mounted."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from components.shared.errors import Rejected
from lab import power_cut
from lab.copied_disk import missing
from lab.show import perform
from tests.fakes.waiting import eventually

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
START_S_MAX = 60.0
END_S_MAX = 30.0


@pytest.fixture(autouse=True)
def _needed() -> None:
    """Skip, or fail where everything must be there, with the words that help."""
    lacking = missing()
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(f"power cuts need {'; '.join(lacking)}")
    if lacking:
        pytest.skip(f"power cuts need {'; '.join(lacking)}")


def loop_devices_of(folder: Path) -> list[str]:
    """The images of loop devices that lie in a folder, whoever has mounted them."""
    found = [path.read_text().strip() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    return [name for name in found if name.startswith(str(folder))]


@pytest.mark.alone
@pytest.mark.root
@pytest.mark.debian
def test_quick_form_keeps_all_limits(tmp_path: Path) -> None:
    """A few power cuts: seconds are lost, everything plays, rows and files agree; nothing stays mounted."""
    told = perform(power_cut.SHOW, quick=True, work=tmp_path, say=print)
    assert told["pass"], json.dumps(told, indent=1)
    assert told["figures"]["plain_mp4_worst_loss_s"] > told["figures"]["worst_loss_s"]
    assert loop_devices_of(tmp_path) == []


@pytest.mark.root
@pytest.mark.debian
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill"])
def test_whatever_ends_it_nothing_stays_mounted(tmp_path: Path, end: signal.Signals) -> None:
    """Ended in the middle, even by a kill, it leaves no loop device and no process that holds one."""
    output = tmp_path / "output"
    command = [str(ROOT / "nvr"), "lab", "power-cut", "--quick", "--keep", str(tmp_path / "work")]
    if end is signal.SIGKILL:  # as a shell's background job, which Ctrl-C does not reach
        command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command]
    with output.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL)
    try:
        eventually(says(output, "making the disk"), START_S_MAX, "it begins")
        eventually(lambda: len(loop_devices_of(tmp_path)) == 2, START_S_MAX, "both disks are mounted")
        process.send_signal(end)
        process.wait(END_S_MAX)
    finally:
        process.kill()
        process.wait()
    eventually(lambda: loop_devices_of(tmp_path) == [], END_S_MAX, "the loop devices are free")
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def says(output: Path, text: str) -> Callable[[], bool]:
    return lambda: text in output.read_text(errors="replace")


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what it needs it does not begin, and names each thing with how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Rejected, match=r"mkfs.btrfs \(apt-get install btrfs-progs\)"):
        power_cut.run(True, tmp_path, print)

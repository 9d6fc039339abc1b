"""Components as processes: started, restarted, given up, stopped with all they started, never left behind."""

import fcntl
import json
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fakes.waiting import eventually
from tests.integration.nucleus.core_process import WAIT_S, CoreProcess, client_of, gone, is_alive, kill

pytestmark = pytest.mark.slow

A, B = "com.example.A", "com.example.B"
FAMILY = """
    sleep 1000001 & echo child=$!
    setsid sleep 1000002 & echo detached=$!
    echo ready
    exec sleep 1000003
"""


@pytest.fixture
def core(tmp_path: Path) -> Iterator[CoreProcess]:
    """A core of the lite profile, not yet started."""
    with CoreProcess(tmp_path) as made:
        yield made


def number_in(log: str, key: str) -> int:
    """Return the last number that was written as key=number."""
    return int([line for line in log.splitlines() if line.startswith(f"{key}=")][-1].partition("=")[2])


def wait_for_start(core: CoreProcess, starts: int) -> None:
    """Wait until A runs for the so many-th time."""
    core.wait(lambda: core.of(A)["starts"] == starts and core.of(A)["state"] == "RUNNING", "A runs again")


def test_what_a_component_sees(core: CoreProcess) -> None:
    """A script runs with `sh` in its work folder, umask 0022, nothing to read, in a session of its own."""
    core.component(A, "umask; pwd; read -r line || echo nothing to read; ps -o sid= -p $$; echo $$; exec sleep 1000000")
    core.start()
    core.wait_for_log(A, "nothing to read")
    core.wait(lambda: len(core.log(A).splitlines()) == 5, "the script wrote it all")
    umask, folder, _, session, pid = core.log(A).split("\n")[:5]
    assert (umask, Path(folder)) == ("0022", core.root / "work" / A)
    assert int(session) == int(pid) == core.of(A)["pid"]


def test_a_failed_run_is_restarted_until_the_third(core: CoreProcess) -> None:
    """A component that is killed comes back after a second, twice; at the third death it is BROKEN."""
    core.component(A)
    core.component(B)
    core.start()
    for starts in (2, 3):
        core.kill_component(A)
        core.wait_for_state(A, "ERRORED")
        failed_ns = core.of(A)["since_wall_ns"]
        wait_for_start(core, starts)
        assert core.of(A)["since_wall_ns"] - failed_ns >= 1_000_000_000
    core.kill_component(A)
    core.wait_for_state(A, "BROKEN")
    status = core.of(A)
    assert (status["starts"], status["restarts"], status["last_exit"], status["pid"]) == (3, 2, -9, None)
    assert core.status()["ready"] is False
    assert core.of(B)["state"] == "RUNNING"


@pytest.mark.parametrize(("profile", "survived"), [("lite", 3), ("classic", 2)])
def test_a_deployment_brings_a_broken_component_back(tmp_path: Path, profile: str, survived: int) -> None:
    """After a deployment a BROKEN component runs again; on Nucleus Lite it then stands one death more."""
    with CoreProcess(tmp_path, profile) as core:
        core.component(A, "[ -e ok ] || exit 3; exec sleep 1000000")
        core.component(B)
        core.start(ready=False)
        core.wait_for_state(A, "BROKEN")
        core.wait_for_state(B, "RUNNING")
        pid_of_b = core.of(B)["pid"]
        (core.root / "work" / A / "ok").touch()
        core.deploy(lambda: core.of(A)["state"] == "RUNNING" and core.status()["ready"])
        assert core.of(B)["pid"] == pid_of_b
        for death in range(survived):
            core.kill_component(A)
            wait_for_start(core, 5 + death)
        core.kill_component(A)
        core.wait_for_state(A, "BROKEN")


def test_exit_0_is_the_end(core: CoreProcess) -> None:
    """A run that ends well is FINISHED and not started again; that counts as ready."""
    core.component(A, "exit 0")
    core.start()
    core.wait_for_state(A, "FINISHED")
    assert core.of(A)["starts"] == 1
    assert core.status()["ready"]


def test_what_a_dead_run_started_dies_before_it_is_restarted(core: CoreProcess) -> None:
    """When the main process dies its children are ended first, also those in sessions of their own."""
    core.component(A, FAMILY)
    core.start()
    core.wait_for_log(A, "ready")
    children = [number_in(core.log(A), key) for key in ("child", "detached")]
    assert all(is_alive(pid) for pid in children)
    kill(core.of(A)["pid"])
    core.wait(lambda: core.of(A)["starts"] == 2, "A is restarted")
    assert gone(*children)


def test_stop_ends_everything_within_five_seconds(core: CoreProcess) -> None:
    """SIGTERM ends the core with code 0 and all processes of components, those that ignore SIGTERM too."""
    core.component(A, FAMILY)
    core.component(B, "trap '' TERM; echo ready; while :; do sleep 1000000; done")
    core.start()
    for name in (A, B):
        core.wait_for_log(name, "ready")
    pids = [core.of(A)["pid"], core.of(B)["pid"]]
    pids += [number_in(core.log(A), key) for key in ("child", "detached")]
    assert core.process is not None
    core.signal(signal.SIGTERM)
    assert core.process.wait(5.0) == 0
    assert gone(*pids)
    core.process = None
    assert {status["state"] for status in core.status()["components"].values()} == {"FINISHED"}


def test_a_component_that_was_stopped_by_a_signal_is_stopped_too(core: CoreProcess) -> None:
    """A process that SIGSTOP holds gets to see SIGTERM."""
    core.component(A, "trap 'echo seen; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
    core.start()
    core.wait_for_log(A, "ready")
    kill(core.of(A)["pid"], signal.SIGSTOP)
    assert core.stop() == 0
    assert "seen" in core.log(A)


def test_no_component_survives_the_core(core: CoreProcess) -> None:
    """When the core is killed without a warning its guard kills every process of every component."""
    core.component(A, FAMILY)
    core.start()
    core.wait_for_log(A, "ready")
    pids = [core.of(A)["pid"], *(number_in(core.log(A), key) for key in ("child", "detached"))]
    core.kill()
    eventually(lambda: gone(*pids), WAIT_S, "the processes are gone")


def guard_of(core: CoreProcess) -> int:
    """Return the process id of a core's guard."""
    assert core.process is not None
    children = Path(f"/proc/{core.process.pid}/task/{core.process.pid}/children").read_text().split()
    return next(int(pid) for pid in children if "local.nucleus.guard" in Path(f"/proc/{pid}/cmdline").read_text())


def test_what_a_power_cut_of_the_guard_left_is_ended_at_the_next_start(core: CoreProcess) -> None:
    """If core and guard are both killed, the next core ends what was left before it starts its own."""
    core.component(A, FAMILY)
    core.start()
    core.wait_for_log(A, "ready")
    pids = [core.of(A)["pid"], *(number_in(core.log(A), key) for key in ("child", "detached"))]
    kill(guard_of(core))
    core.kill()
    assert all(is_alive(pid) for pid in pids)
    core.start()
    assert gone(*pids)
    assert is_alive(core.of(A)["pid"])


def test_one_core_for_one_root(core: CoreProcess, tmp_path: Path) -> None:
    """A second core on the same root is refused and disturbs nothing."""
    core.component(A)
    core.start()
    pid = core.of(A)["pid"]
    (tmp_path / "second").mkdir()
    second = CoreProcess(tmp_path / "second")
    second.root, second.build, second.deployment = core.root, core.build, core.deployment
    second.start(ready=False)
    code, _, errors = second.end()
    assert code == 2
    assert "another core runs" in errors
    assert core.of(A)["pid"] == pid
    assert is_alive(pid)


def test_a_long_root_path_is_no_obstacle(tmp_path: Path) -> None:
    """A root whose path is too long for a socket works."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with CoreProcess(folder) as core:
        core.component(A, 'test -S "$AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT" && echo there; sleep 1000000')
        core.start()
        core.wait_for_log(A, "there")
        Path(core.status()["socket"]).parent.unlink()


def test_lines_on_standard_output(core: CoreProcess) -> None:
    """Each change of a state is one JSON line, in order."""
    core.component(A, "exit 0")
    core.start()
    core.wait_for_state(A, "FINISHED")
    core.signal(signal.SIGTERM)
    _, output, _ = core.end()
    states = [line.partition('"state":"')[2].partition('"')[0] for line in output.splitlines() if '"state"' in line]
    assert states == ["NEW", "INSTALLED", "STARTING", "RUNNING", "FINISHED"]
    assert '"deployment":"SUCCEEDED"' in output


def test_the_classic_runtime_kills_after_five_seconds(tmp_path: Path) -> None:
    """A restart of a component that ignores SIGTERM takes the five seconds of the classic runtime."""
    with CoreProcess(tmp_path, "classic") as core:
        core.component(A, "trap '' TERM; echo ready; while :; do sleep 1000000; done", version="1.0.0")
        core.start()
        core.wait_for_log(A, "ready")
        old = core.of(A)["pid"]
        core.component(A, version="1.0.1")
        core.deploy(lambda: core.of(A)["pid"] not in (None, old))
        assert gone(old)
        assert core.of(A)["version"] == "1.0.1"


def test_timeout_of_a_run_on_lite(core: CoreProcess) -> None:
    """Nucleus Lite takes the Timeout of a run for the time to stop: after that it kills."""
    core.component(A, "trap '' TERM; echo ready; while :; do sleep 1000000; done", run_step={"Timeout": 1})
    core.start()
    core.wait_for_log(A, "ready")
    old = core.of(A)["pid"]
    core.component(A, version="1.0.1")
    core.deploy(lambda: core.of(A)["pid"] not in (None, old))
    assert gone(old)


def test_timeout_of_a_run_on_the_classic_runtime(tmp_path: Path) -> None:
    """The classic runtime ends a run after its Timeout, counts a failure, and restarts without a pause."""
    with CoreProcess(tmp_path, "classic") as core:
        core.component(A, "exec sleep 1000000", run_step={"Timeout": 1})
        core.start()
        core.wait_for_state(A, "BROKEN")
        assert core.of(A)["starts"] == 3
        core.signal(signal.SIGTERM)
        lines = [json.loads(line) for line in core.end()[1].splitlines()]
    times = [(line["state"], line["time_ns"]) for line in lines if "state" in line]
    pauses_ns = [
        after - before
        for (state, before), (following, after) in pairwise(times)
        if (state, following) == ("ERRORED", "STARTING")
    ]
    assert len(pauses_ns) == 2
    assert max(pauses_ns) < 900_000_000


@pytest.mark.parametrize("profile", ["lite", "classic"])
def test_a_component_that_reports_an_error(tmp_path: Path, profile: str) -> None:
    """UpdateState(ERRORED) makes the classic runtime restart the component; Nucleus Lite does nothing."""
    with CoreProcess(tmp_path, profile) as core:
        core.component(A)
        core.start()
        pid = core.of(A)["pid"]
        with client_of(core, A) as client:
            client.ipc.update_state(state="ERRORED")
            client.ipc.get_configuration(component_name=A, key_path=[])
        if profile == "classic":
            wait_for_start(core, 2)
            assert gone(pid)
        else:
            assert (core.of(A)["pid"], core.of(A)["restarts"]) == (pid, 0)


def test_a_restart_that_was_asked_for_is_no_failure(core: CoreProcess) -> None:
    """RestartComponent starts a component anew, as often as one likes, and brings a BROKEN one back."""
    policy = {"aws.greengrass.Cli": {"p": {"operations": ["*"], "resources": ["*"]}}}
    core.component(A, configuration={"accessControl": policy})
    core.component(B)
    core.start()
    with client_of(core, A) as client:
        for starts in (2, 3, 4, 5):
            client.ipc.restart_component(component_name=B)
            core.wait(lambda: core.of(B)["starts"] == starts and core.of(B)["state"] == "RUNNING", "B runs")  # noqa: B023
        assert core.of(B)["restarts"] == 0
        for _ in range(3):
            core.wait_for_state(B, "RUNNING")
            old = core.kill_component(B)
            core.wait(lambda: core.of(B)["pid"] not in (None, old) or core.of(B)["state"] == "BROKEN", "B is back")  # noqa: B023
        core.wait_for_state(B, "BROKEN")
        client.ipc.restart_component(component_name=B)
        core.wait_for_state(B, "RUNNING")


def test_a_reader_that_does_not_read_does_not_hold_the_core(core: CoreProcess) -> None:
    """The core goes on when nobody reads its standard output, and when its reader is gone."""
    core.component(A, "exit 0")
    core.start()
    assert core.process is not None
    assert core.process.stdout is not None
    fcntl.fcntl(core.process.stdout, fcntl.F_SETPIPE_SZ, 4_096)
    for number in range(10):  # some 700 bytes each
        core.deployment["environment"] = {"N": str(number)}
        core.deploy(lambda: core.of(A)["starts"] >= number + 2 and core.of(A)["state"] == "FINISHED")  # noqa: B023
    core.process.stdout.close()
    core.deployment["environment"] = {}
    core.deploy(lambda: core.of(A)["starts"] >= 12)
    core.signal(signal.SIGTERM)
    assert core.process.wait(WAIT_S) == 0
    assert core.process.stderr is not None
    core.process.stderr.close()
    core.process = None

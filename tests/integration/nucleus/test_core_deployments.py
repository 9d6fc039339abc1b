"""Deployments: installed once, changed components restarted, dependencies followed, wrong ones refused."""

import datetime as dt
import json
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.nucleus.core_process import CoreProcess, client_of

pytestmark = pytest.mark.slow

A, B, C = "com.example.A", "com.example.B", "com.example.C"


@pytest.fixture
def core(tmp_path: Path) -> Iterator[CoreProcess]:
    """A core of the lite profile, not yet started."""
    with CoreProcess(tmp_path) as made:
        yield made


def test_installs_come_before_runs_and_once(core: CoreProcess) -> None:
    """All install steps end before the first run, and are not repeated by a restart of the core."""
    core.component(
        A, "echo A runs; exec sleep 1000000", install="sleep 0.3; touch {kernel:rootPath}/installed; echo A installs"
    )
    core.component(B, "test -e {kernel:rootPath}/installed && echo after; exec sleep 1000000")
    core.start()
    core.wait_for_log(B, "after")
    core.stop()
    core.start()
    core.wait(lambda: core.log(A).count("A runs") == 2, "A runs again")
    assert core.log(A).count("A installs") == 1


def test_a_failed_install_fails_the_deployment(core: CoreProcess) -> None:
    """On Nucleus Lite nothing of the deployment is run; the reason names the component."""
    core.component(A, install="echo no room; exit 4")
    core.component(B)
    core.start(ready=False)
    core.wait_for_state(A, "BROKEN")
    core.wait(lambda: core.status()["deployment"]["result"] == "FAILED", "the deployment failed")
    assert A in core.status()["deployment"]["reason"]
    assert (core.of(B)["state"], core.of(B)["starts"]) == ("INSTALLED", 0)
    assert core.of(A)["last_exit"] == 4


@pytest.mark.parametrize(("profile", "attempts"), [("lite", 1), ("classic", 3)])
def test_how_often_an_install_is_tried(tmp_path: Path, profile: str, attempts: int) -> None:
    """Nucleus Lite tries an install step once, the classic runtime three times and then runs the others."""
    with CoreProcess(tmp_path, profile) as core:
        core.component(A, install="echo no room; exit 4")
        core.component(B)
        core.start(ready=False)
        core.wait_for_state(A, "BROKEN")
        assert core.log(A).count("no room") == attempts
        if profile == "classic":
            core.wait_for_state(B, "RUNNING")


def test_an_install_that_takes_too_long_is_ended(core: CoreProcess) -> None:
    """An install step is killed after its Timeout, with what it started."""
    core.component(A, install="sleep 1000000 & echo child=$!; wait", step={"Timeout": 1})
    core.start(ready=False)
    core.wait_for_state(A, "BROKEN")
    assert "child=" in core.log(A)


def test_only_what_changed_is_restarted(core: CoreProcess) -> None:
    """A new version, script, artifact or environment restarts a component; nothing else does."""
    core.component(A, artifacts={"data.txt": "one"}, run="cat {artifacts:path}/data.txt; exec sleep 1000000")
    core.component(B)
    core.start()
    core.wait_for_log(A, "one")
    pids = {name: core.of(name)["pid"] for name in (A, B)}
    core.component(A, artifacts={"data.txt": "two"}, run="cat {artifacts:path}/data.txt; exec sleep 1000000")
    core.component(C)
    core.deploy(lambda: core.of(C)["state"] == "RUNNING")
    core.wait_for_log(A, "two")
    assert core.of(A)["pid"] != pids[A]
    assert core.of(B)["pid"] == pids[B]
    core.deployment["environment"] = {"MORE": "1"}
    core.deployment["components"].pop(C)
    pids = {name: core.of(name)["pid"] for name in (A, B)}
    core.deploy(lambda: core.of(B)["pid"] not in (None, pids[B]))
    assert C not in core.status()["components"]


def test_a_configuration_change_restarts_only_through_a_script(core: CoreProcess) -> None:
    """A changed value restarts a component whose script holds it, and no other."""
    core.component(A, "echo value={configuration:/value}; exec sleep 1000000", configuration={"value": 1})
    core.component(B, configuration={"value": 1})
    core.start()
    core.wait_for_log(A, "value=1")
    pid = core.of(B)["pid"]
    for name in (A, B):
        core.deployment["components"][name]["configurationUpdate"] = {"merge": {"value": 2}}
    core.deploy(lambda: "value=2" in core.log(A))
    core.wait_for_state(A, "RUNNING")
    assert core.of(B)["pid"] == pid
    stored = json.loads((core.root / "configuration.json").read_text())
    assert stored[B]["configuration"]["children"]["value"]["value"] == 2


def test_a_refused_deployment_changes_nothing(core: CoreProcess) -> None:
    """A wrong deployment is told with its reason, and what runs goes on."""
    core.component(A)
    core.start()
    pid = core.of(A)["pid"]
    core.deployment["components"][B] = {"version": "1.0.0"}
    core.deploy(lambda: core.status()["deployment"]["result"] == "FAILED")
    assert f"component {B}: no recipe" in core.status()["deployment"]["reason"]
    assert core.of(A)["pid"] == pid


@pytest.mark.parametrize(
    ("component", "named"),
    [
        ({"dependencies": {B: "SOFT"}}, f"dependency {B} is not in the deployment"),
        ({"run": "echo ${HOME}"}, "no recipe variable"),
        ({"configuration": {"long": "x" * 1_100}}, "long has 1102 bytes"),
        ({"update": {"merge": {"long": ["x" * 600] * 2}}}, "long has"),
        ({"configuration": {"accessControl": {"s": {"p": {"operations": ["*"], "resources": ["a?"]}}}}}, r"a\?"),
    ],
)
def test_a_first_deployment_must_be_right(core: CoreProcess, component: dict[str, Any], named: str) -> None:
    """The core does not start with a deployment that it cannot carry out, and says why."""
    core.component(A, **component)
    core.start(ready=False)
    code, _, errors = core.end()
    assert code == 2
    assert f"component {A}" in errors
    assert named.replace("\\", "") in errors


def test_a_resources_list_that_is_too_long_for_lite(core: CoreProcess) -> None:
    """Thirty exact topics in one policy are deployed, forty-five are not."""

    def policy(count: int) -> dict[str, Any]:
        topics = [f"nvr/v1/subject/number-{n}" for n in range(count)]
        return {"accessControl": {"aws.greengrass.ipc.pubsub": {"p": {"operations": ["*"], "resources": topics}}}}

    core.component(A, configuration=policy(30))
    core.start()
    core.component(A, configuration=policy(45), version="1.0.1")
    core.deploy(lambda: core.status()["deployment"]["result"] == "FAILED")
    assert "resources" in core.status()["deployment"]["reason"]
    assert core.of(A)["version"] == "1.0.0"


def test_soft_dependencies_give_the_order(core: CoreProcess) -> None:
    """A component starts after those it depends on, whatever their names; it stays when they finish."""
    core.component(A, dependencies={"com.example.Z": "SOFT"})
    core.component("com.example.Z", "exit 0")
    core.start()
    core.wait_for_state("com.example.Z", "FINISHED")
    assert core.of(A)["state"] == "RUNNING"
    core.signal(signal.SIGTERM)
    lines = [json.loads(line) for line in core.end()[1].splitlines()]
    running = [line["component"] for line in lines if line.get("state") == "RUNNING"]
    assert running == ["com.example.Z", A]


def test_hard_dependency_on_what_finishes(core: CoreProcess) -> None:
    """On Nucleus Lite a component is stopped when its HARD dependency ends, as if it had finished."""
    core.component(B, "sleep 0.3; exit 0")
    core.component(A, dependencies={B: "HARD"})
    core.start()
    core.wait_for_state(A, "FINISHED")
    assert core.of(B)["state"] == "FINISHED"


def test_hard_dependency_that_is_restarted(core: CoreProcess) -> None:
    """When a HARD dependency dies its dependents are stopped, and started again with it."""
    core.component(B)
    core.component(A, dependencies={B: "HARD"})
    core.start()
    pid = core.of(A)["pid"]
    core.kill_component(B)
    core.wait(lambda: core.of(A)["state"] == "RUNNING" and core.of(A)["pid"] != pid, "A came back with B")


def test_hard_dependency_on_the_classic_runtime(tmp_path: Path) -> None:
    """The classic runtime runs a component whose HARD dependency has finished."""
    with CoreProcess(tmp_path, "classic") as core:
        core.component(B, "exit 0")
        core.component(A, dependencies={B: "HARD"})
        core.start()
        core.wait_for_state(B, "FINISHED")
        assert core.of(A)["state"] == "RUNNING"


def test_credentials_are_only_for_those_who_ask(core: CoreProcess) -> None:
    """The address of the credentials endpoint is in the environment of a dependent of Token Exchange only."""
    core.component(
        A,
        "echo uri=$AWS_CONTAINER_CREDENTIALS_FULL_URI; exec sleep 1000000",
        dependencies={"aws.greengrass.TokenExchangeService": "HARD"},
    )
    core.component(B, "echo uri=$AWS_CONTAINER_CREDENTIALS_FULL_URI; exec sleep 1000000")
    core.start()
    core.wait_for_log(A, "uri=http://127.0.0.1:")
    core.wait_for_log(B, "uri=")
    assert "uri=\n" in core.log(B)
    assert core.log(A).strip().endswith("/2016-11-01/credentialprovider/")


def test_what_a_component_set_survives_a_restart_of_the_core(core: CoreProcess) -> None:
    """A value that a component set itself wins over recipe and deployment, after a restart too."""
    core.component(
        A,
        "echo value={configuration:/value}; exec sleep 1000000",
        configuration={"value": "recipe"},
        update={"merge": {"value": "deployment"}},
    )
    core.start()
    core.wait_for_log(A, "value=deployment")
    with client_of(core, A) as client:
        now = dt.datetime.now(dt.UTC)
        client.ipc.update_configuration(key_path=[], timestamp=now, value_to_merge={"value": "component"})
    core.stop()
    core.start()
    core.wait_for_log(A, "value=component")


def test_a_damaged_store_is_told(core: CoreProcess) -> None:
    """A configuration file that cannot be read ends the start with its path, not with a traceback."""
    core.component(A)
    core.root.mkdir()
    (core.root / "configuration.json").write_text('{"com.example.A": 1}')
    core.start(ready=False)
    code, _, errors = core.end()
    assert code == 2
    assert "configuration.json cannot be read" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(("profile", "content"), [("lite", "nothing"), ("classic", "the program")])
def test_zip_artifacts(tmp_path: Path, profile: str, content: str) -> None:
    """The classic runtime unpacks a ZIP; a local deployment on Nucleus Lite leaves an empty folder."""
    with CoreProcess(tmp_path, profile) as core:
        core.component(
            A,
            "cd {artifacts:decompressedPath} && cat program/main.txt || echo nothing; exec sleep 1000000",
            manifest={"Artifacts": [{"URI": f"s3://bucket/{A}/1.0.0/program.zip", "Unarchive": "ZIP"}]},
        )
        folder = core.build / "artifacts" / A / "1.0.0"
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "program.zip", "w") as archive:
            archive.writestr("main.txt", "the program\n")
        core.start()
        core.wait_for_log(A, content)
        assert (core.root / "packages" / "artifacts" / A / "1.0.0" / "program.zip").exists()


@pytest.mark.parametrize(("profile", "starts"), [("lite", 2), ("classic", 1)])
def test_what_has_finished_at_a_deployment(tmp_path: Path, profile: str, starts: int) -> None:
    """Nucleus Lite runs a FINISHED component again at every deployment, the classic runtime does not."""
    with CoreProcess(tmp_path, profile) as core:
        core.component(A, "exit 0")
        core.start()
        core.wait_for_state(A, "FINISHED")
        core.component(B)
        core.deploy(lambda: core.of(B)["state"] == "RUNNING")
        core.wait(lambda: core.of(A)["starts"] == starts and core.of(A)["state"] == "FINISHED", "A is as it should")


def test_hard_dependency_that_is_given_up_on_the_classic_runtime(tmp_path: Path) -> None:
    """When a HARD dependency is BROKEN its dependents wait, until a deployment brings it back."""
    with CoreProcess(tmp_path, "classic") as core:
        core.component(B, "[ -e ok ] || exit 3; exec sleep 1000000")
        core.component(A, dependencies={B: "HARD"})
        core.start(ready=False)
        core.wait_for_state(B, "BROKEN")
        core.wait_for_state(A, "INSTALLED")
        (core.root / "work" / B / "ok").touch()
        core.deploy(lambda: core.of(B)["state"] == core.of(A)["state"] == "RUNNING")


def test_a_deployment_waits_until_nobody_puts_it_off(tmp_path: Path) -> None:
    """On the classic runtime nothing changes before; a policy may say that nobody is asked at all."""
    with CoreProcess(tmp_path, "classic") as core:
        core.component(A)
        core.component(B, "echo first; exec sleep 1000000")
        core.start()
        with client_of(core, A) as client:
            events = client.subscribe_to_updates()
            core.component(B, "echo second; exec sleep 1000000", version="1.0.1")
            core.deploy(lambda: not events.received.empty())
            deployment = events.next().pre_update_event.deployment_id
            client.defer(deployment, 500)
            assert events.next().pre_update_event.deployment_id == deployment
            assert "second" not in core.log(B)
            client.defer(deployment, 0)
            core.wait_for_log(B, "second")
            assert events.next().post_update_event.deployment_id == deployment
            core.component(B, "echo third; exec sleep 1000000", version="1.0.2")
            core.deployment["componentUpdatePolicy"] = {"action": "SKIP_NOTIFY_COMPONENTS"}
            core.deploy(lambda: "third" in core.log(B))
            assert events.received.empty()

"""The core's link to the cloud, its credentials endpoint, and the switch that drops local messages."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from awsiot.greengrasscoreipc import model

from tests.contract.ipc.client import Client
from tests.fakes.waiting import eventually
from tests.integration.nucleus.core_process import PROJECT, WAIT_S, CoreProcess, client_of, environment_of

pytestmark = pytest.mark.slow

A = "com.example.A"
ALL: dict[str, Any] = {"p": {"operations": ["*"], "resources": ["*"]}}
POLICIES = {"accessControl": {"aws.greengrass.ipc.pubsub": ALL, "aws.greengrass.ipc.mqttproxy": ALL}}
TOPIC = "cloud/one"


class IotCore:
    """The IoT Core of this project as a process that can be stopped, held and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mqtt_port = self.http_port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, the second time on the same ports."""
        ready = self.folder / f"ready-{uuid.uuid4().hex}"
        command = [sys.executable, "-m", "local.iot_core", "--data", self.folder / "iot", "--ready", ready]
        command += ["--mqtt-port", self.mqtt_port, "--http-port", self.http_port]
        self.process = subprocess.Popen([str(part) for part in command], cwd=PROJECT)
        eventually(ready.exists, WAIT_S, "the MQTT server is there")
        ports = json.loads(ready.read_text())
        self.mqtt_port, self.http_port = ports["mqtt_port"], ports["http_port"]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process; one that stops it has stopped it when this returns."""
        assert self.process is not None
        self.process.send_signal(number)
        if number is signal.SIGSTOP:
            stat = Path(f"/proc/{self.process.pid}/stat")
            eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", WAIT_S, "it has stopped")

    def stop(self) -> None:
        """End the process without a word."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def iot_core(tmp_path: Path) -> Iterator[IotCore]:
    """A running IoT Core."""
    made = IotCore(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture(params=["lite", "classic"])
def core(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CoreProcess]:
    """A core of either profile with one component, not yet started."""
    with CoreProcess(tmp_path, request.param) as made:
        made.component(A, configuration=POLICIES, dependencies={"aws.greengrass.TokenExchangeService": "SOFT"})
        yield made


def connect(core: CoreProcess, iot_core: IotCore) -> None:
    """Start the core and wait until it is connected."""
    core.deployment["mqtt"] = {"host": "127.0.0.1", "port": iot_core.mqtt_port}
    core.start()
    wait_for_link(core, is_up=True)


def wait_for_link(core: CoreProcess, *, is_up: bool) -> None:
    """Wait until the status says that the link is up or down."""
    core.wait(lambda: core.status()["mqtt"]["connected"] is is_up, f"the link is {'up' if is_up else 'down'}")


def publish(client: Client, payload: bytes, qos: str = "1") -> None:
    """Publish to the cloud."""
    client.ipc.publish_to_iot_core(topic_name=TOPIC, qos=qos, payload=payload)


def test_without_a_broker(core: CoreProcess) -> None:
    """Offline QoS 0 is refused at once; QoS 1 and subscriptions are refused on Lite and kept on classic."""
    core.start()
    assert core.status()["mqtt"] == {"connected": False}
    with client_of(core, A) as client:
        with pytest.raises(model.ServiceError):
            publish(client, b"", "0")
        if core.profile == "lite":
            with pytest.raises(model.ServiceError):
                publish(client, b"")
            with pytest.raises(model.ServiceError):
                client.subscribe_to_cloud(TOPIC)
        else:
            publish(client, b"")
            client.subscribe_to_cloud(TOPIC).close()


def test_the_spooler_of_the_classic_runtime_is_bounded(tmp_path: Path) -> None:
    """Messages for later take at most 2.5 MB; the next one is refused."""
    with CoreProcess(tmp_path, "classic") as core:
        core.component(A, configuration=POLICIES)
        core.start()
        with client_of(core, A) as client:
            for _ in range(25):
                publish(client, bytes(100_000))
            publish(client, bytes(121_440))
            with pytest.raises(model.ServiceError):
                publish(client, b"x")


def test_acknowledged_messages_leave_the_spooler(iot_core: IotCore, tmp_path: Path) -> None:
    """While the broker acknowledges, far more than 2.5 MB pass through (classic runtime)."""
    with CoreProcess(tmp_path, "classic") as core:
        core.component(A, configuration=POLICIES)
        connect(core, iot_core)
        with client_of(core, A) as client:
            for _ in range(60):
                eventually(lambda: can_publish(client, bytes(100_000)), WAIT_S, "there is room")


def test_a_broker_that_comes_back(core: CoreProcess, iot_core: IotCore) -> None:
    """The core connects again by itself and its subscriptions go on; only classic has kept what was sent."""
    connect(core, iot_core)
    with client_of(core, A) as client:
        events = client.subscribe_to_cloud(TOPIC)
        publish(client, b"before")
        assert events.payload() == b"before"
        iot_core.stop()
        wait_for_link(core, is_up=False)
        if core.profile == "lite":
            with pytest.raises(model.ServiceError):
                publish(client, b"meanwhile")
        else:
            publish(client, b"meanwhile")
        iot_core.start()
        wait_for_link(core, is_up=True)
        if core.profile == "classic":
            assert events.payload() == b"meanwhile"
        publish(client, b"after")
        assert events.payload() == b"after"
        assert events.errors.empty()
        assert events.closed.empty()


def test_a_broker_that_holds_its_breath(iot_core: IotCore, tmp_path: Path) -> None:
    """With a broker that acknowledges nothing ten QoS 1 messages are taken, the eleventh is refused (Lite)."""
    with CoreProcess(tmp_path) as core:
        core.component(A, configuration=POLICIES)
        connect(core, iot_core)
        with client_of(core, A) as client:
            events = client.subscribe_to_cloud(TOPIC)
            publish(client, b"before")
            assert events.payload() == b"before"
            iot_core.signal(signal.SIGSTOP)
            for number in range(10):
                publish(client, str(number).encode())
            with pytest.raises(model.ServiceError):
                publish(client, b"eleventh")
            publish(client, b"no acknowledgement is waited for", "0")
            iot_core.signal(signal.SIGCONT)
            expected = [str(number).encode() for number in range(10)] + [b"no acknowledgement is waited for"]
            assert [events.payload() for _ in expected] == expected
            eventually(lambda: can_publish(client), WAIT_S, "the acknowledgements made room")


def can_publish(client: Client, payload: bytes = b"again") -> bool:
    """Tell whether a QoS 1 message is taken."""
    try:
        publish(client, payload)
    except model.ServiceError:
        return False
    return True


def test_bytes_without_acknowledgement_are_bounded(iot_core: IotCore, tmp_path: Path) -> None:
    """Nucleus Lite keeps 15 000 bytes of unacknowledged messages, however few they are."""
    with CoreProcess(tmp_path) as core:
        core.component(A, configuration=POLICIES)
        connect(core, iot_core)
        iot_core.signal(signal.SIGSTOP)
        with client_of(core, A) as client:
            publish(client, bytes(7_000))
            publish(client, bytes(7_000))
            with pytest.raises(model.ServiceError):
                publish(client, bytes(7_000))
        iot_core.signal(signal.SIGCONT)


def test_a_deployment_may_name_another_broker(core: CoreProcess, iot_core: IotCore) -> None:
    """The link follows the deployment, without a restart of any component."""
    core.start()
    pid = core.of(A)["pid"]
    core.deployment["mqtt"] = {"host": "127.0.0.1", "port": iot_core.mqtt_port}
    core.deploy(lambda: core.status()["mqtt"]["connected"])
    assert core.of(A)["pid"] == pid
    core.deployment["mqtt"] = None
    core.deploy(lambda: not core.status()["mqtt"]["connected"])


def test_dropped_local_messages(core: CoreProcess) -> None:
    """With the switch every local message is accepted and counted, and none arrives."""
    core.start("--drop-local-messages")
    with client_of(core, A) as client:
        events = client.subscribe("local/one")
        for _ in range(3):
            client.publish("local/one", b"lost")
        client.ipc.get_configuration(key_path=[])
        core.wait(lambda: core.status()["local_messages"]["published"] == 3, "the messages are counted")
        assert core.status()["local_messages"] == {"published": 3, "delivered": 0, "dropped": 3}
        assert events.received.empty()


def test_counted_local_messages(core: CoreProcess) -> None:
    """A message to two subscriptions is published once and delivered twice."""
    core.start()
    with client_of(core, A) as client:
        both = [client.subscribe("local/one"), client.subscribe("local/+", "RECEIVE_ALL_MESSAGES")]
        client.publish("local/one", b"x")
        assert [events.payload() for events in both] == [b"x", b"x"]
        expected = {"published": 1, "delivered": 2, "dropped": 0}
        core.wait(lambda: core.status()["local_messages"] == expected, "the messages are counted")


def get_credentials(core: CoreProcess, token: str | None = None) -> tuple[int, dict[str, Any]]:
    """Ask for credentials as an SDK does, with the component's environment."""
    environment = environment_of(core, A)
    request = urllib.request.Request(
        environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        headers={"Authorization": token or environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_credentials_from_the_provider(core: CoreProcess, iot_core: IotCore) -> None:
    """A component gets credentials in the SDKs' form, an unknown token gets none."""
    core.deployment |= {"credentialsUrl": f"http://127.0.0.1:{iot_core.http_port}", "roleAlias": "role"}
    core.start()
    status, body = get_credentials(core)
    assert status == 200
    assert body.keys() == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert get_credentials(core, "B" * 16)[0] == (404 if core.profile == "lite" else 403)
    iot_core.stop()
    assert get_credentials(core) == (200, body)


def test_the_official_sdk_finds_the_credentials(core: CoreProcess, iot_core: IotCore) -> None:
    """botocore, with nothing but the component's environment, signs with the provider's credentials."""
    core.deployment |= {"credentialsUrl": f"http://127.0.0.1:{iot_core.http_port}", "roleAlias": "role"}
    core.start()
    program = "import botocore.session as s; print(s.get_session().get_credentials().access_key)"
    environment = {**environment_of(core, A), "HOME": str(core.root), "AWS_EC2_METADATA_DISABLED": "true"}
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == get_credentials(core)[1]["AccessKeyId"]


def test_no_provider_and_no_answer(core: CoreProcess) -> None:
    """Without a provider it is a 404, with one that cannot be reached a 500 with the reason."""
    core.start()
    assert get_credentials(core)[0] == 404
    core.deployment |= {"credentialsUrl": "http://127.0.0.1:1", "roleAlias": "role"}
    core.deploy(lambda: get_credentials(core)[0] == 500)
    assert "cannot be asked" in get_credentials(core)[1]["message"]


def test_an_idle_core_uses_no_processor(core: CoreProcess) -> None:
    """A core with nothing to do writes its status once a second and hardly anything else."""
    core.start()

    def used_s() -> float:
        assert core.process is not None
        fields = Path(f"/proc/{core.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def written() -> int:
        return (core.root / "status.json").stat().st_mtime_ns

    before_s, begin = used_s(), written()
    core.wait(lambda: written() - begin > 3_000_000_000, "the status was written for three seconds")
    assert used_s() - before_s < 0.15

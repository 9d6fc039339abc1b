"""The program `python -m local.iot_core`, and what is left when it is killed."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from mypy_boto3_iot_data import IoTDataPlaneClient

from tests.fakes.waiting import eventually
from tests.integration.iot_core.paho_listener import WAIT_S, Listener


@dataclass
class Running:
    """A started program."""

    process: subprocess.Popen[bytes]
    http_port: int
    mqtt_port: int

    def sdk(self) -> IoTDataPlaneClient:
        return boto3.client(
            "iot-data",
            endpoint_url=f"http://127.0.0.1:{self.http_port}",
            region_name="eu-central-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}),
        )


def start(data: Path, ready: Path) -> Running:
    ready.unlink(missing_ok=True)
    arguments = [sys.executable, "-m", "local.iot_core", "--data", str(data), "--ready", str(ready)]
    root = Path(__file__).parents[3]
    process = subprocess.Popen(arguments, cwd=root, stderr=subprocess.DEVNULL)
    eventually(lambda: ready.exists() or process.poll() is not None, 30, "ready, or ended")
    assert process.poll() is None, "the program ended before it was ready"
    told = json.loads(ready.read_text())
    assert told["pid"] == process.pid
    return Running(process, told["http_port"], told["mqtt_port"])


def document(running: Running, name: str) -> Any:
    return json.loads(running.sdk().get_thing_shadow(thingName="t", shadowName=name)["payload"].read())


@pytest.mark.slow
def test_sigterm_ends_it_and_state_stays(tmp_path: Path) -> None:
    """It serves HTTP and MQTT, ends with 0 on SIGTERM, and knows its shadows when started again."""
    first = start(tmp_path / "data", tmp_path / "ready")
    device = Listener(first.mqtt_port, "core").connect()
    device.subscribe("$aws/things/t/shadow/name/site/update/delta")
    first.sdk().update_thing_shadow(thingName="t", shadowName="site", payload=b'{"state":{"desired":{"a":1}}}')
    assert device.next_json()[1]["state"] == {"a": 1}
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(WAIT_S) == 0
    assert device.ended.wait(WAIT_S)
    second = start(tmp_path / "data", tmp_path / "ready")
    assert document(second, "site")["state"]["desired"] == {"a": 1}
    second.process.terminate()
    assert second.process.wait(WAIT_S) == 0
    device.close()


@pytest.mark.slow
def test_kill_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    """Killed at random moments under updates over HTTP and MQTT, every accepted update is there afterwards."""
    seed = int.from_bytes(os.urandom(4), "big")
    chance = random.Random(seed)
    accepted = {"http": 0, "mqtt": 0}
    tried = dict(accepted)
    for _ in range(4):
        running = start(tmp_path / "data", tmp_path / "ready")
        for way, last in accepted.items() if min(accepted.values()) else ():
            found = document(running, way)
            number = found["state"]["reported"]["n"]
            assert last <= number <= tried[way], f"seed {seed}, {way}"
            assert found["version"] == number, f"seed {seed}, {way}"
            accepted[way] = tried[way] = number
        device = Listener(running.mqtt_port, "core").connect()
        device.subscribe("$aws/things/t/shadow/name/mqtt/update/accepted")
        sdk = running.sdk()
        killer = threading.Timer(chance.uniform(0.02, 0.4), running.process.kill)
        for way in itertools.cycle(accepted):
            tried[way] += 1
            body = json.dumps({"state": {"reported": {"n": tried[way], "pad": "x" * 2000}}})
            if not (update_over_http(sdk, body) if way == "http" else update_over_mqtt(device, body)):
                break
            accepted[way] = tried[way]
            if min(accepted.values()) and not killer.ident:
                killer.start()  # something of each way is accepted, so that there is something to lose
        killer.join()
        running.process.wait(WAIT_S)
        device.close()


def update_over_http(sdk: IoTDataPlaneClient, body: str) -> bool:
    try:
        sdk.update_thing_shadow(thingName="t", shadowName="http", payload=body)
    except BotoCoreError:
        return False
    return True


def update_over_mqtt(device: Listener, body: str) -> bool:
    """Return whether the update was accepted before the connection broke."""
    device.client.publish("$aws/things/t/shadow/name/mqtt/update", body, qos=1)
    eventually(lambda: not device.messages.empty() or device.ended.is_set(), WAIT_S, "an answer, or the end")
    return not device.messages.empty() and device.next().topic.endswith("/accepted")

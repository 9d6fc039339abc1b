"""Against what the contract is checked.

Without further ado: our own stand-in, over HTTP and over MQTT. With SHADOW_CONTRACT_ENDPOINT in the environment: that
iot-data endpoint (AWS's own, with credentials and region from the environment), over HTTP.
"""

import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from mypy_boto3_iot_data import IoTDataPlaneClient
from werkzeug.serving import make_server

from local.iot_core import IotCore
from tests.contract.shadows.doors import Door, SdkDoor, TopicDoor

ENDPOINT = os.environ.get("SHADOW_CONTRACT_ENDPOINT")


def sdk_client(endpoint: str, **keys: str) -> IoTDataPlaneClient:
    """Return boto3's client without retries, so that a refusal is seen at once."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=10)
    return boto3.client("iot-data", endpoint_url=endpoint, config=config, **keys)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IotCore]:
    folder: Path = tmp_path_factory.mktemp("iot")
    core = IotCore(folder)
    yield core
    core.stop()


@pytest.fixture(scope="session")
def mqtt_port(core: IotCore) -> int:
    return core.start_mqtt()


@pytest.fixture(scope="session")
def sdk(request: pytest.FixtureRequest) -> Iterator[IoTDataPlaneClient]:
    if ENDPOINT:
        yield sdk_client(ENDPOINT)
        return
    core: IotCore = request.getfixturevalue("core")
    server = make_server("127.0.0.1", 0, core.wsgi_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    keys = {"region_name": "eu-central-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
    yield sdk_client(f"http://127.0.0.1:{server.server_port}", **keys)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["http"] if ENDPOINT else ["http", "mqtt"])
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    if request.param == "http":
        yield SdkDoor(request.getfixturevalue("sdk"))
        return
    topics = TopicDoor(request.getfixturevalue("mqtt_port"))
    yield topics
    topics.close()


@pytest.fixture
def thing() -> str:
    return f"contract-{uuid.uuid4()}"

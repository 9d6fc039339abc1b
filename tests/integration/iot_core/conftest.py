from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.iot_core import BrokerLimits, IotCore
from tests.integration.iot_core.paho_listener import Listener


@pytest.fixture
def core(tmp_path: Path) -> Iterator[IotCore]:
    core = IotCore(tmp_path / "iot", limits=BrokerLimits(keep_alive_s_min=1))
    yield core
    core.stop()


@pytest.fixture
def port(core: IotCore) -> int:
    return core.start_mqtt()


@pytest.fixture
def listener(port: int) -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def make(client_id: str, **options: bool | int) -> Listener:
        made.append(Listener(port, client_id, **options))  # type: ignore[arg-type]
        return made[-1].connect()

    yield make
    for one in made:
        one.close()

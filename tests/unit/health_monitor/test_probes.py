"""The probes on this machine and on made trees of files: what they read, and that they ask before they write."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from components.health_monitor.core.endpoint import Endpoint, cloud_endpoint
from components.health_monitor.core.readings import DiskReading, LinkReading, ThrottleReading
from components.health_monitor.probe_box import read_clock, read_throttle
from components.health_monitor.probe_disks import (
    PROBE_FILE,
    disk_of,
    read_disk,
    read_volume,
    time_write,
)
from components.health_monitor.probe_link import time_connection
from components.shared.catalogue.capture_rows import Volume
from components.shared.catalogue.volumes import MARKER
from components.shared.errors import NvrError, Transient
from components.shared.runtime.clock import SystemClock
from tests.fakes.clock import FakeClock

CLOCK = SystemClock()


def put(path: Path, text: str) -> None:
    """A file of the kernel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_volume_that_is_there(tmp_path: Path) -> None:
    """Its room is what the system says; on the data root's file system it is not its own disk."""
    reading = read_volume(Volume("main", tmp_path), tmp_path)
    assert reading.absent is None and not reading.is_own_disk
    assert reading.total_bytes and reading.free_bytes is not None
    assert 0 < reading.free_bytes <= reading.total_bytes


def test_volume_of_another_file_system(tmp_path: Path) -> None:
    """A file system of its own is judged by itself."""
    if Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.fail("this machine has no second file system to ask")
    assert read_volume(Volume("second", Path("/dev/shm")), tmp_path).is_own_disk


def test_nothing_is_written_where_the_volume_is_not(tmp_path: Path) -> None:
    """An empty mount point, and another volume's disk, are told and left as they are."""
    for marker in (None, '{"identity":"other","volume":"second","data_root":"x"}'):
        if marker is not None:
            (tmp_path / MARKER).write_text(marker)
        before = sorted(tmp_path.iterdir())
        volume = Volume("main", tmp_path, "identity")
        assert read_volume(volume, tmp_path).absent is not None
        assert time_write(volume, CLOCK) is None
        assert sorted(tmp_path.iterdir()) == before


def test_write_is_timed_and_leaves_nothing(tmp_path: Path) -> None:
    """The file is gone afterwards, also one that a probe left that was killed; a link there is not followed."""
    victim = tmp_path / "victim"
    victim.write_text("footage")
    (tmp_path / PROBE_FILE).symlink_to(victim)
    reading = time_write(Volume("main", tmp_path), CLOCK)
    assert reading is not None and reading.took_ns > 0
    assert [path.name for path in tmp_path.iterdir()] == ["victim"]
    assert victim.read_text() == "footage"


def test_write_that_cannot_be_made(tmp_path: Path) -> None:
    """A disk that refuses is an error with its reason: no reading, no guess."""
    (tmp_path / PROBE_FILE).mkdir()
    with pytest.raises(NvrError, match=PROBE_FILE):
        time_write(Volume("main", tmp_path), CLOCK)


def test_disk_of_a_folder(tmp_path: Path) -> None:
    """A partition's disk is found through the kernel's tree; without a block device there is none."""
    device = tmp_path.stat().st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    assert disk_of(tmp_path, tmp_path / "sys") is None
    put(tmp_path / "sys/devices/pci/block/sda/sda1/partition", "1")
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    (tmp_path / "sys/dev/block" / name).symlink_to(tmp_path / "sys/devices/pci/block/sda/sda1")
    assert disk_of(tmp_path, tmp_path / "sys") == "sda"


def test_health_of_an_emmc(tmp_path: Path) -> None:
    """The kernel tells it to everybody."""
    put(tmp_path / "block/mmcblk0/device/life_time", "0x01 0x03\n")
    put(tmp_path / "block/mmcblk0/device/pre_eol_info", "0x01\n")
    assert read_disk("mmcblk0", tmp_path) == DiskReading("mmcblk0", True, None, 30)


def test_health_by_smartctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer is read whatever its exit code is; what it may not read is not readable, for its reason."""
    program = tmp_path / "bin" / "smartctl"
    answers = {
        '{"model_name":"\\377","smart_status":{"passed":false}}': 8,  # a maker's name is not always UTF-8
        '{"smartctl":{"messages":[{"string":"open: Permission denied"}]}}': 2,
    }
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for answer, code in answers.items():
        put(program, f"#!/bin/sh\nprintf '{answer}'\nexit {code}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        if code == 8:
            assert read_disk("sda", tmp_path) == DiskReading("sda", passed=False)
        else:
            with pytest.raises(Transient, match="not readable: open: Permission denied"):
                read_disk("sda", tmp_path)


def test_clock_of_this_machine() -> None:
    """The kernel is asked and answers with an error that it reckons with."""
    reading = read_clock()
    assert reading is not None and reading.error_ns_max >= 0


def test_throttle_of_a_small_board(tmp_path: Path) -> None:
    """Firmware, cooling devices and the limit of the frequency; a fan slows nothing."""
    put(tmp_path / "devices/platform/soc/soc:firmware/get_throttled", "50001\n")
    put(tmp_path / "class/thermal/cooling_device0/type", "Processor\n")
    put(tmp_path / "class/thermal/cooling_device0/cur_state", "2\n")
    put(tmp_path / "class/thermal/cooling_device1/type", "pwm-fan\n")
    put(tmp_path / "class/thermal/cooling_device1/cur_state", "3\n")
    put(tmp_path / "devices/system/cpu/cpufreq/policy0/scaling_max_freq", "600000\n")
    put(tmp_path / "devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1800000\n")
    reasons = ("the supply voltage is too low", "Processor is slowed down to cool it")
    assert read_throttle(tmp_path) == ThrottleReading(reasons, 33)


def test_throttle_of_a_machine_without_any(tmp_path: Path) -> None:
    """Nothing there is nothing known."""
    assert read_throttle(tmp_path) is None


@contextmanager
def listener(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Somebody who takes connections, one after the other, does this with each and closes it; the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # closed
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def greet(connection: socket.socket) -> None:
    """A web server that dislikes whatever it is asked."""
    connection.recv(1_000)
    connection.sendall(b"HTTP/1.0 403 Forbidden\r\n\r\n")


def test_round_trip() -> None:
    """Whoever answers is reached and the time is told; a port that nobody listens on is not."""
    with listener(greet) as port:
        reading = time_connection(Endpoint("127.0.0.1", port, is_tls=False), CLOCK)
        assert reading.round_trip_ns is not None and reading.round_trip_ns > 0
    for gone in (Endpoint("127.0.0.1", port, is_tls=False), Endpoint("x" * 70, 443)):
        assert time_connection(gone, FakeClock()) == LinkReading(str(gone), None)


@pytest.mark.parametrize("is_tls", [False, True])
def test_a_connection_that_nobody_answers(is_tls: bool) -> None:
    """A box on the way that takes connections and has no line beyond is not the cloud."""
    with listener(lambda connection: None) as port:
        endpoint = Endpoint("127.0.0.1", port, is_tls)
        assert time_connection(endpoint, CLOCK) == LinkReading(str(endpoint), None)


def test_round_trip_over_tls(tmp_path: Path) -> None:
    """A handshake is answer enough, whoever vouches for the certificate."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    made = x509.CertificateBuilder(
        name, name, secret.public_key(), 1, datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
    )
    certificate.write_bytes(made.sign(secret, hashes.SHA256()).public_bytes(Encoding.PEM))
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def shake(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    with listener(shake) as port:
        assert time_connection(Endpoint("127.0.0.1", port), CLOCK).round_trip_ns is not None


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [
        ({}, None),
        ({"AWS_REGION": "eu-west-1"}, Endpoint("data-ats.iot.eu-west-1.amazonaws.com", 443)),
        ({"AWS_REGION": "cn-north-1"}, Endpoint("data-ats.iot.cn-north-1.amazonaws.com.cn", 443)),
        (
            {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:5000"},
            Endpoint("127.0.0.1", 5000, is_tls=False),
        ),
        (
            {"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_IOT_DATA_PLANE": "https://vpce.example"},
            Endpoint("vpce.example", 443),
        ),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:port"}, None),
        ({"AWS_ENDPOINT_URL": "nothing"}, None),
    ],
)
def test_where_the_cloud_is(environment: dict[str, str], endpoint: Endpoint | None) -> None:
    """As every AWS client reads it; a box without region and endpoint has no cloud to measure."""
    assert cloud_endpoint(environment) == endpoint

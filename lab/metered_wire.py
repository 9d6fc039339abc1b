"""The other end of a client's TLS connections, which notes every byte as it comes out of the socket, and passes it on.

Clients speak TLS to it, or plain HTTP where it has no certificate; what they sent goes plain to `target`. What is noted
is what the network would carry above TCP: handshakes, headers and records as well as bodies.

    python -m lab.metered_wire --target 127.0.0.1:PORT --folder DIR

writes its port into DIR/port, its certificate into DIR/wire.pem, and answers each line on its standard input with the
bytes of every tick so far, a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from components.shared.wire.units import NS_PER_MS

TICK_NS = 10 * NS_PER_MS
"""How exactly it is noted when a byte came."""

READ_BYTES = 256 * 1_024
Note = Callable[[int], None]

CERTIFICATE = "wire.pem"
KEY = "wire.key"
PORT = "port"


class MeteredWire:
    """Accepts until it is closed, a thread for each connection. `folder` holds the certificate; None is plain HTTP."""

    def __init__(self, target: tuple[str, int], folder: Path | None) -> None:
        self._target = target
        self._tls = None if folder is None else _server_side(folder)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._ticks: Counter[int] = Counter()
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    def ticks(self) -> dict[int, int]:
        """The bytes that came, by tick of the monotonic clock."""
        with self._lock:
            return dict(self._ticks)

    def close(self) -> None:
        """Takes no further connection."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, socket.create_connection(self._target) as server:
                _Connection(client, server, self._tls, self._note).run()
        except OSError:
            return  # one end is gone: so is the other

    def _note(self, size_bytes: int) -> None:
        with self._lock:
            self._ticks[time.monotonic_ns() // TICK_NS] += size_bytes


class _Connection:
    """One client, and the server that hears what it says."""

    def __init__(self, client: socket.socket, server: socket.socket, tls: ssl.SSLContext | None, note: Note) -> None:
        self._client = client
        self._server = server
        self._note = note
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = None if tls is None else tls.wrap_bio(self._arrived, self._leaving, server_side=True)
        self._is_agreed = tls is None
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> None:
        """Until one of both ends."""
        while True:
            ready, _, _ = select.select([self._client, self._server], [], [])
            for end in ready:
                data = end.recv(READ_BYTES)
                if not data:
                    return
                if end is self._server:
                    self._answer(data)
                else:
                    self._note(len(data))
                    self._pass(data)

    def _pass(self, data: bytes) -> None:
        if self._tls is None:
            self._server.sendall(data)
            return
        self._arrived.write(data)
        try:
            if not self._is_agreed:
                self._tls.do_handshake()
                self._is_agreed = True
            while plain := self._tls.read(READ_BYTES):
                self._server.sendall(plain)
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still to come
        if self._leaving.pending:
            self._client.sendall(self._leaving.read())

    def _answer(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.write(data)
            data = self._leaving.read()
        self._client.sendall(data)


def make_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1, its key beside it; made by openssl, which every box has."""
    certificate = folder / CERTIFICATE
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / KEY), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate


def _server_side(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    return context


def main(arguments: list[str]) -> int:
    """Serves until its standard input ends."""
    parser = argparse.ArgumentParser(description="A wire whose bytes are counted.")
    parser.add_argument("--target", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args(arguments)
    host, _, port = given.target.partition(":")
    make_certificate(given.folder)
    wire = MeteredWire((host, int(port)), given.folder)
    (given.folder / f"{PORT}.new").write_text(str(wire.port))
    (given.folder / f"{PORT}.new").rename(given.folder / PORT)
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(wire.ticks()) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

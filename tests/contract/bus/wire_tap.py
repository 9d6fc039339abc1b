"""A Unix socket between a component and its core, so that a test can cut or freeze the connection."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from pathlib import Path


class WireTap:
    """Passes bytes both ways between `path` and the core's socket."""

    def __init__(self, core: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="tap-")  # short: a socket's address holds 107 bytes
        self.path = str(Path(self._folder) / "ipc.socket")
        self.connections = 0
        self._core = core
        self._flows = threading.Event()
        self._flows.set()
        self._refuses = False
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close all connections, as a core does to a client that broke a rule."""
        with self._lock:
            ended, self._open = self._open, []
        for one in ended:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def refuse(self, is_refusing: bool) -> None:
        """Close each new connection at once, as where no core is."""
        self._refuses = is_refusing

    def freeze(self, is_frozen: bool) -> None:
        """Keep connections open and pass nothing on, as a stopped core."""
        if is_frozen:
            self._flows.clear()
        else:
            self._flows.set()

    def close(self) -> None:
        """End everything."""
        self._flows.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        shutil.rmtree(self._folder)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refuses:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._core)
            except OSError:
                client.close()
                continue
            self.connections += 1
            with self._lock:
                self._open += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flows.wait(60)
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

"""A TCP link between a client and a server that a test makes slow, cuts, or robs of answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

BLOCK_BYTES = 16 * 1024


class SlowLink:
    """Forwards connections to `target`. Everything may be changed while it runs.

    `bytes_per_s` limits each connection's way there, 0 is no limit. `loses_answer()` is asked for each block of an
    answer (head and body often come as two); when it says so, the block is thrown away and the connection cut.
    """

    def __init__(self, target: tuple[str, int], bytes_per_s: int = 0) -> None:
        self.bytes_per_s = bytes_per_s
        self.loses_answer: Callable[[], bool] = lambda: False
        self.answers_lost = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._is_up = True
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._bytes_there = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def bytes_there(self) -> int:
        """How many bytes went from clients to the server so far."""
        return self._bytes_there

    @property
    def connections(self) -> int:
        """How many connections of clients are open."""
        with self._lock:
            return len(self._open) // 2

    def cut(self) -> None:
        """The network is away: open connections end, new ones too."""
        self._is_up = False
        with self._lock:
            for end in self._open:
                _shut(end)

    def restore(self) -> None:
        """The network is back."""
        self._is_up = True

    def stall(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        self._flowing.clear()

    def flow(self) -> None:
        """What was held back goes on."""
        self._flowing.set()

    def close(self) -> None:
        """Ends everything."""
        self._closing.set()
        self._flowing.set()
        self.cut()
        _shut(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._is_up:
                client.close()
                continue
            server = socket.create_connection(self._target)
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self._return, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(BLOCK_BYTES):
                if self.bytes_per_s:
                    self._closing.wait(len(data) / self.bytes_per_s)
                self._flowing.wait()
                server.sendall(data)
                self._bytes_there += len(data)
        except OSError:
            pass  # one end is gone: so is the other
        self._end(client, server)

    def _return(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(BLOCK_BYTES):
                self._flowing.wait()
                if not data.startswith(b"HTTP/1.1 100") and self.loses_answer():
                    self.answers_lost += 1
                    break
                client.sendall(data)
        except OSError:
            pass  # one end is gone: so is the other
        self._end(client, server)

    def _end(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            mine = {client, server} & self._open
            self._open -= mine
        for end in (client, server):
            _shut(end)
        for end in mine:
            end.close()


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was shut already

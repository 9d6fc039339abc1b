"""A TCP link to an S3 that a test makes answer wrongly: with other words, too slowly, or with half of it."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass

BLOCK_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Ill:
    """What the link does to each connection: `says` that instead of the server, a byte at a time, or cuts it."""

    says: bytes = b""
    drips_s: float = 0.0
    cut_request_bytes: int | None = None
    cut_answer_bytes: int | None = None


def answer(status: str, body: bytes, *headers: str) -> bytes:
    """A whole answer, after which the connection ends."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def error_answer(status: str, code: str) -> bytes:
    """S3's own error, with a message of two lines, as some have."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>because\nof {code}</Message></Error>"
    return answer(status, body.encode(), "Content-Type: application/xml")


class FaultyLink:
    """Forwards to `target` while `ill` is None. Counts the connections that were made to it."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.ill: Ill | None = None
        self.connections = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Ends everything."""
        self._closing.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client, self.ill), daemon=True).start()

    def _serve(self, client: socket.socket, ill: Ill | None) -> None:
        with client:
            try:
                if ill is not None and ill.says:
                    self._say(client, ill)
                else:
                    self._forward(client, ill or Ill(), is_ill=ill is not None)
            except OSError:
                return  # one end is gone: so is the other

    def _say(self, client: socket.socket, ill: Ill) -> None:
        client.settimeout(5)
        client.recv(BLOCK_BYTES)
        if not ill.drips_s:
            client.sendall(ill.says)
            client.shutdown(socket.SHUT_WR)
            while client.recv(BLOCK_BYTES):
                pass
            return
        for at in range(len(ill.says)):
            client.sendall(ill.says[at : at + 1])
            if self._closing.wait(ill.drips_s):
                return

    def _forward(self, client: socket.socket, ill: Ill, *, is_ill: bool) -> None:
        with socket.create_connection(self._target) as server:
            threading.Thread(target=_pass, args=(server, client, ill.cut_answer_bytes), daemon=True).start()
            if is_ill:
                _pass(client, server, ill.cut_request_bytes)
                return
            while data := client.recv(BLOCK_BYTES):
                server.sendall(data)
                if self.ill is not None:  # a fault ends what was kept alive from before it
                    return


def _pass(source: socket.socket, target: socket.socket, cut_bytes: int | None) -> None:
    """Passes bytes on until an end, or so many of them; then both ends are shut."""
    left = cut_bytes
    try:
        while left != 0 and (data := source.recv(BLOCK_BYTES if left is None else min(left, BLOCK_BYTES))):
            target.sendall(data)
            left = None if left is None else left - len(data)
    except OSError:
        pass  # one end is gone: so is the other
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue  # it was shut already

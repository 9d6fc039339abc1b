"""Serves every stream of this process on a socket of its own, `<data>/live/<camera>.<stream>.sock`, from one thread.

Readers say nothing; they are given a hello, the GOP that is remembered and then each unit as it comes (`wire/live`). A
reader that is slow misses whole GOPs, one that takes nothing for a minute is dismissed, and none of them ever holds the
recorder. A socket appears complete: bound under another name, its rights set, and then renamed, over what a killed
process left. While nobody looks, the thread wakes a few times a second to see whether it should stop.

Recording depends on nothing here: a folder that cannot be written is tried again later.
"""

from __future__ import annotations

import selectors
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

from components.capture.core.live_queue import ReaderQueue
from components.capture.live_stream import LiveStream
from components.shared.errors import Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.files import make_folders
from components.shared.runtime.live_socket import live_folder, short_folder, socket_name
from components.shared.runtime.log import Log
from components.shared.wire.object_keys import StreamName
from components.shared.wire.units import NS_PER_S

READERS_MAX = 16
"""Of one stream. Console fans out to its viewers; more than a few readers are one that connects again and again."""

STALL_NS = 60 * NS_PER_S
"""A reader that takes nothing for so long, while something waits, has forgotten its connection."""

BIND_AGAIN_NS = 10 * NS_PER_S
"""How soon a socket is tried again that could not be made: a folder that vanished, a disk that is full."""

LOOK_S = 0.25
"""How soon `stop` is noticed, of the second that the component has for stopping."""

SOCKET_MODE = 0o660
"""The component's user and its group: the components of this site."""

_LISTEN_MAX = 8
_SEND_BYTES = 512 * 1024
"""What the system keeps for a reader: a keyframe and more, so that the thread wakes once for it."""


@dataclass(slots=True)
class _Place:
    """A stream's socket. Without a listener it is to be made at `due_ns`."""

    stream: LiveStream
    name: str
    listener: socket.socket | None = None
    inode: int = 0
    due_ns: int = 0
    readers: list[_Reader] = field(default_factory=list)
    is_wanted: bool = True


@dataclass(slots=True, eq=False)
class _Reader:
    place: _Place
    connection: socket.socket
    queue: ReaderQueue
    took_ns: int
    is_full: bool = False


class LiveServer:
    """Streams are asked for by any thread; `run` serves them."""

    def __init__(self, data: Path, clock: Clock, log: Log) -> None:
        self._folder = live_folder(data)
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._places: dict[tuple[str, StreamName], _Place] = {}
        self._gone: list[_Place] = []
        self._selector = selectors.DefaultSelector()
        self._bell, self._rung = socket.socketpair()
        self._bell.setblocking(False)
        self._rung.setblocking(False)
        self._is_rung = False
        self._readers = 0

    def is_watched(self) -> bool:
        """Whether anybody reads any stream."""
        return self._readers > 0

    def stream(self, camera: str, stream: StreamName) -> LiveStream:
        """The stream of that name, the same one however often it is asked for."""
        with self._lock:
            place = self._places.get((camera, stream))
            if place is None:
                place = _Place(LiveStream(camera, stream, self._ring, self._log), socket_name(camera, stream))
                self._places[camera, stream] = place
                self._ring()
            return place.stream

    def forget(self, camera: str, stream: StreamName) -> None:
        """The stream is not read here any more: its socket goes, and its readers are dismissed."""
        with self._lock:
            place = self._places.pop((camera, stream), None)
            if place is not None:
                self._gone.append(place)
                self._ring()

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set; then the sockets are gone."""
        self._selector.register(self._rung, selectors.EVENT_READ)
        try:
            while not stop.is_set():
                self._bind_due()
                for key, _events in self._selector.select(LOOK_S):
                    self._serve(key)
                self._send_all()
        finally:
            for place in self._all():
                self._close(place)
            self._selector.close()
            self._bell.close()
            self._rung.close()

    def _ring(self) -> None:
        if self._is_rung:
            return
        self._is_rung = True
        try:
            self._bell.send(b"\0")
        except OSError:  # full, so it rings already; or closed, because the server has ended
            return

    def _serve(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._rung:
            self._rung.recv(64)
            self._is_rung = False  # after that: what was put before another ring is sent in this pass
        elif isinstance(key.data, _Place):
            self._accept(key.data)
        elif isinstance(key.data, _Reader):
            self._hear(key.data)

    def _all(self) -> list[_Place]:
        with self._lock:
            return [*self._places.values(), *self._gone]

    def _bind_due(self) -> None:
        with self._lock:
            gone, self._gone = self._gone, []
            places = list(self._places.values())
        for place in gone:
            self._close(place)
        now_ns = self._clock.monotonic_ns()
        for place in places:
            if place.listener is None and now_ns >= place.due_ns:
                self._bind(place, now_ns)

    def _bind(self, place: _Place, now_ns: int) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        temporary = f".{place.name}.tmp"
        try:
            make_folders(self._folder)
            with short_folder(self._folder) as folder:
                Path(folder, temporary).unlink(missing_ok=True)
                listener.bind(f"{folder}/{temporary}")
                Path(folder, temporary).chmod(SOCKET_MODE)
                listener.listen(_LISTEN_MAX)
                place.inode = Path(folder, temporary).stat().st_ino
                Path(folder, temporary).rename(Path(folder, place.name))
        except (OSError, Transient) as error:
            listener.close()
            if place.due_ns == 0:
                self._log.warning("live_socket_not_made", socket=place.name, error=error)
            place.due_ns = now_ns + BIND_AGAIN_NS
            return
        place.listener = listener
        self._selector.register(listener, selectors.EVENT_READ, place)

    def _accept(self, place: _Place) -> None:
        assert place.listener is not None, "only a listener is selected"
        try:
            connection, _address = place.listener.accept()
        except OSError:  # the reader has gone again
            return
        if len(place.readers) >= READERS_MAX:
            self._log.warning("live_reader_refused", socket=place.name, readers=len(place.readers))
            connection.close()
            return
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
        reader = _Reader(place, connection, ReaderQueue(), self._clock.monotonic_ns())
        place.readers.append(reader)
        self._readers += 1
        self._selector.register(connection, selectors.EVENT_READ, reader)
        place.stream.attach(reader.queue)

    def _hear(self, reader: _Reader) -> None:
        """A reader has gone, or can take more; one that speaks is none of ours."""
        try:
            reader.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            pass
        self._dismiss(reader)

    def _send_all(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for place in self._all():
            for reader in list(place.readers):
                self._send(reader, now_ns)

    def _send(self, reader: _Reader, now_ns: int) -> None:
        before = reader.queue.waiting_bytes
        if not before:
            reader.took_ns = now_ns
            return
        try:
            is_done = reader.place.stream.send(reader.queue, lambda buffers: _send_now(reader.connection, buffers))
        except OSError:
            self._dismiss(reader)
            return
        if is_done or reader.queue.waiting_bytes != before:
            reader.took_ns = now_ns
        elif now_ns - reader.took_ns >= STALL_NS:
            self._log.warning("live_reader_stalled", socket=reader.place.name)
            self._dismiss(reader)
            return
        if reader.is_full == is_done:
            reader.is_full = not is_done
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if reader.is_full else 0)
            self._selector.modify(reader.connection, events, reader)

    def _dismiss(self, reader: _Reader) -> None:
        if reader not in reader.place.readers:
            return
        reader.place.readers.remove(reader)
        self._readers -= 1
        reader.place.stream.detach(reader.queue)
        self._selector.unregister(reader.connection)
        reader.connection.close()
        if reader.queue.dropped:
            self._log.info("live_reader_was_slow", socket=reader.place.name, dropped=reader.queue.dropped)

    def _close(self, place: _Place) -> None:
        for reader in list(place.readers):
            self._dismiss(reader)
        if place.listener is None:
            return
        self._selector.unregister(place.listener)
        place.listener.close()
        place.listener = None
        path = self._folder / place.name
        try:
            if path.stat().st_ino == place.inode:  # another process may serve the stream by now
                path.unlink()
        except OSError:  # it is gone, or stays as a dead socket that the next server replaces
            return


def _send_now(connection: socket.socket, buffers: list[memoryview]) -> int:
    try:
        return connection.sendmsg(buffers)
    except BlockingIOError:
        return 0

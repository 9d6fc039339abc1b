"""All stand-in cameras of this machine in one process: an RTSP port, another one for cameras that redirect to
it, a control port, one event loop.

The first part of a URL's path names the camera. The control port takes GET /stats, POST /cameras/ID/fault and POST
/cameras/ID/password. It serves on loopback only. What a camera is (spec), sends (camera) and says (connection)
is decided elsewhere.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from local.cameras.camera import Camera, Clock, running_clock
from local.cameras.connection import Connection
from local.cameras.faults import ONCE, Fault, FaultOrder, InvalidFaultError, parse_order
from local.cameras.library import EncoderFailedError, Library, PictureLoop
from local.cameras.loops import picture_of, sound_of
from local.cameras.spec import WIDTH_MIN, CameraSpec, InvalidSpecError, faults_of

HOST = "127.0.0.1"
_CONTROL_BYTES_MAX = 65_536
_VIEWS = (Fault.BLACK, Fault.COVERED, Fault.BLURRED, Fault.MOVED)
_OTHER_PICTURES = (Fault.FREEZE, Fault.RESOLUTION, Fault.NEW_SPS, Fault.NEW_PPS, *_VIEWS)
_PHASES = 4  # cameras write at different moments, yet 32 of them do not wake the process 480 times a second
_CONTROL_WAIT_S = 10.0  # a control client sends its request at once or is given up


@dataclass(frozen=True)
class Place:
    """Where the server is reached."""

    port: int
    control_port: int


class CameraServer:
    """Serves cameras until it is closed."""

    def __init__(self, specs: Sequence[CameraSpec], cache: Path, sent_log: Path | None) -> None:
        self._specs = list(specs)
        self._library = Library(cache)
        self._sent_log = sent_log
        self._cameras: dict[str, Camera] = {}
        self._members: dict[str, set[Connection]] = {spec.id: set() for spec in specs}
        self._forgotten: list[Connection] = []  # kept, because a socket that nobody holds is closed
        self._servers: list[asyncio.Server] = []
        self._logs: list[TextIO] = []

    async def start(self, port: int) -> Place:
        """Have every loop ready, then start all cameras and listen."""
        pictures = [picture_of(spec) for spec in self._specs]
        sounds = [sound for spec in self._specs if (sound := sound_of(spec)) is not None]
        await self._library.prepare([*pictures, *sounds])
        clock = running_clock()
        start_ns = clock.monotonic_ns()
        for number, spec in enumerate(self._specs):
            offset_ns = number % _PHASES * 1_000_000_000 // (spec.fps * _PHASES)
            self._cameras[spec.id] = await self._camera(spec, clock, start_ns + offset_ns)
        loop = asyncio.get_running_loop()
        other = await loop.create_server(lambda: Connection(self._cameras, self._members), HOST, 0)
        other_port = int(other.sockets[0].getsockname()[1])
        rtsp = await loop.create_server(lambda: Connection(self._cameras, self._members, other_port), HOST, port)
        control = await asyncio.start_server(self._control, HOST, 0)
        self._servers = [rtsp, other, control]
        return Place(rtsp.sockets[0].getsockname()[1], control.sockets[0].getsockname()[1])

    async def _camera(self, spec: CameraSpec, clock: Clock, start_ns: int) -> Camera:
        picture = await self._library.picture(picture_of(spec))
        sound = sound_of(spec)
        log: TextIO | None = None
        if self._sent_log is not None:
            log = (self._sent_log / f"{spec.id}.jsonl").open("a", encoding="utf-8")
            self._logs.append(log)
        return Camera(spec, picture, await self._library.sound(sound) if sound else None, clock, start_ns, log)

    def close(self) -> None:
        """Stop listening and drop every client."""
        for server in self._servers:
            server.close()
        for members in self._members.values():
            for connection in list(members):
                connection.drop("the camera stops")
        for connection in self._forgotten:
            connection.drop("the camera stops")
        for log in self._logs:
            log.close()

    def statistics(self) -> dict[str, object]:
        """Every camera's statistics by id."""
        return {"cameras": {name: camera.statistics() for name, camera in self._cameras.items()}}

    async def set_fault(self, camera: Camera, order: FaultOrder) -> None:
        """Let a camera misbehave; raises InvalidFaultError when it cannot in that way."""
        connections = list(self._members[camera.spec.id])
        if order.fault in ONCE:
            camera.set_fault(FaultOrder(Fault.NONE))
            if order.fault in (Fault.SEQUENCE_JUMP, Fault.TIMESTAMP_JUMP):
                camera.jump(order)
                return
            for connection in connections:
                if order.fault is Fault.TEARDOWN:
                    connection.say_goodbye("torn down by the camera")
                elif order.fault is Fault.HALF_OPEN:
                    self._forgotten.append(connection)
                    connection.forget("forgotten by the camera")
                else:
                    connection.reset("reset by the camera")
            return
        camera.set_fault(order, await self._other_picture(camera.spec, order))
        if order.drop:
            for connection in connections:
                connection.drop("dropped by the camera")

    def set_password(self, camera: Camera, body: object) -> None:
        """Want another password from now on; `drop` also cuts off present clients, as some cameras do then."""
        password = body.get("password") if isinstance(body, dict) else None
        if not isinstance(password, str) or not password:
            raise InvalidFaultError("a password is a text that is not empty")
        camera.password = password
        if isinstance(body, dict) and body.get("drop") is True:
            for connection in list(self._members[camera.spec.id]):
                connection.drop("dropped for the new password")

    async def _other_picture(self, spec: CameraSpec, order: FaultOrder) -> PictureLoop | None:
        """The picture a fault shows in place of the camera's own."""
        if order.fault not in _OTHER_PICTURES:
            return None
        if spec.open_gop:
            raise InvalidFaultError(f"{order.fault}: the picture cannot change where keyframes do not begin anew")
        if order.fault is Fault.FREEZE:
            return await self._library.picture(replace(picture_of(spec), still=True))
        if order.fault in _VIEWS:
            return await self._library.picture(replace(picture_of(spec), view=order.fault.value))
        if order.fault is not Fault.RESOLUTION:
            variant = order.fault.removeprefix("new_")
            return await self._library.picture(replace(picture_of(spec), variant=variant))
        width, height = spec.width // 4 * 2, spec.height // 4 * 2
        if width < WIDTH_MIN:
            width, height = spec.width * 2, spec.height * 2
        other = replace(spec, width=order.width or width, height=order.height or height)
        if faults := faults_of(other):
            raise InvalidFaultError("; ".join(faults))
        return await self._library.picture(picture_of(other))

    async def _control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one HTTP request and close."""
        try:
            status, answer = await self._answer(reader)
            body = json.dumps(answer).encode()
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()  # the client went away or sends nonsense: nobody is left to be told
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[str, object]:
        async with asyncio.timeout(_CONTROL_WAIT_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            lengths = [line.partition(":")[2].strip() for line in head if line.lower().startswith("content-length:")]
            length = int(lengths[0]) if lengths and lengths[0].isdecimal() else 0
            if length > _CONTROL_BYTES_MAX:
                return "413 Content Too Large", {"error": f"a body of {length} bytes"}
            body = await reader.readexactly(length)
        method, target = [*head[0].split(" "), "", ""][:2]
        parts = [part for part in target.split("/") if part]
        if method == "GET" and parts == ["stats"]:
            return "200 OK", self.statistics()
        if method != "POST" or len(parts) != 3 or parts[0] != "cameras" or parts[2] not in ("fault", "password"):
            return "404 Not Found", {"error": "GET /stats, POST /cameras/ID/fault or POST /cameras/ID/password"}
        camera = self._cameras.get(parts[1])
        if camera is None:
            return "404 Not Found", {"error": f"no camera {parts[1]!r}"}
        try:
            if parts[2] == "password":
                self.set_password(camera, json.loads(body))
            else:
                await self.set_fault(camera, parse_order(json.loads(body)))
        except (ValueError, InvalidFaultError, InvalidSpecError, EncoderFailedError) as error:
            return "400 Bad Request", {"error": f"camera {camera.spec.id}: {error}"}
        return "200 OK", {"camera": camera.spec.id, **camera.statistics()}

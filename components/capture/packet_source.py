"""Where packets come from, as a protocol: a camera read by libav, or a fake.

Opening is part of making a source: what is given out is open, and its parameters are known. A source is used by one
thread. It repairs nothing: packets are as the sender made them, with the time of their arrival.

Every source is proven by the same suite, tests/contract/packet_source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from components.capture.core.packets import EncodedPacket, StreamParameters
from components.capture.core.reconnect import Cause
from components.shared.errors import Rejected, Transient
from components.shared.wire.secret import Secret

Transport = Literal["tcp", "udp"]
Reader = Literal["own", "libav"]
"""What reads a camera: our own client, or libav."""


class SourceFailed(Transient):
    """The camera cannot be read now. `cause` is that of the gap which follows."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class SourceRefused(Rejected):
    """The camera cannot be read until somebody changes something: a password, its settings."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """Which camera to read, and how. `login` is `user:password`; `secret` its name, for messages.

    `read_login` reads the login anew, for when a camera refuses the one at hand: it may have been rotated meanwhile.
    """

    camera: str
    url: str
    transport: Transport = "tcp"
    wants_audio: bool = True
    secret: str | None = None
    login: Secret | None = field(default=None, repr=False)
    reader: Reader = "own"
    read_login: Callable[[], Secret | None] | None = field(default=None, repr=False, compare=False)

    def newer_login(self, refused: Secret | None) -> Secret | None:
        """The login as it is now, when it is another one than was refused; None when there is no other."""
        if self.read_login is None:
            return None
        try:
            found = self.read_login()
        except (Transient, Rejected):  # what was refused is all there is: that is what is told
            return None
        return None if found == refused else found


class PacketSource(Protocol):
    """An open stream of packets."""

    @property
    def parameters(self) -> StreamParameters:
        """What is known of its streams; the video's size may be 0 until a keyframe says it."""

    @property
    def packets_missed(self) -> int:
        """How many network packets the source knows to have been lost on the way."""

    def packets(self) -> Iterator[EncodedPacket]:
        """Packets in the order of their arrival; ends when the sender ends the stream in good order.

        Raises SourceFailed when nothing comes for too long or the connection breaks.
        """

    def interrupt(self) -> None:
        """Have `packets` end soon, where the source can; for any thread, at any time."""

    def close(self) -> None:
        """Let go of the connection; may be called twice."""


OpenSource = Callable[[SourceRequest], PacketSource]
"""Opens a source; raises SourceFailed or SourceRefused, with a message for people that names the camera."""

"""Reads a camera over RTSP: our own client, behind the same protocol as libav's.

It looks at the connection every `TICK_NS` (see `pump`) instead of waking for each network packet, which is most of
what reading costs; what a burst holds is read at once when it is much. It knows what the network lost, over TCP too,
has the sender's clock from its reports, and can be interrupted.

Times of packets are the sender's, in ticks of RTP's clock; pictures get decode times by `DecodeOrder`.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from components.capture.core.packets import (
    AAC,
    G711,
    AudioParameters,
    EncodedPacket,
    StreamParameters,
    VideoCodec,
    VideoParameters,
)
from components.capture.core.parameter_sets import find_parameter_sets, picture_size, reorder_depth
from components.capture.core.rtsp.decode_order import DecodeOrder
from components.capture.core.rtsp.description import Media, audio_config, parameter_sets
from components.capture.core.rtsp.dialogue import Message
from components.capture.core.rtsp.lane import Lane
from components.capture.core.rtsp.pictures import Picture, Pictures
from components.capture.core.rtsp.rtp import (
    LongTimes,
    Payload,
    RtpPacket,
    SenderReport,
    Turn,
    parse_rtcp,
    parse_rtp,
    receiver_report,
)
from components.capture.core.rtsp.sounds import AacFrames, G711Frames
from components.capture.packet_source import OpenSource, PacketSource, SourceFailed, SourceRequest
from components.capture.pump import TICK_NS
from components.capture.rtsp_connection import RtspConnection
from components.capture.rtsp_session import Session, Track, close_sockets, open_session
from components.shared.errors import Rejected
from components.shared.runtime.clock import Clock
from components.shared.wire.units import NS_PER_MS, NS_PER_S, MonotonicNs, TimeBase, WallNs

OPEN_S_MAX = 10.0
"""A camera that has not answered a request by then is not there."""

READ_S_MAX = 60.0
"""Longer than it takes to call a stream frozen (30 to 45 s), so that the watch decides."""

UDP_TICK_NS = 20 * NS_PER_MS
"""The system holds little of what comes by UDP."""

REPORT_NS = 5 * NS_PER_S
"""How often receiver reports are sent (RFC 3550, 6.2)."""

DATAGRAM_BYTES = 65_536
DATAGRAMS_MAX = 4_096
"""Taken at once from one socket: several MB, then the others have their turn."""

_CODECS: dict[str, VideoCodec] = {"h264": "h264", "h265": "h265", "hevc": "h265"}
_SOUNDS = {"mpeg4-generic": AAC, "pcma": "pcma", "pcmu": "pcmu"}


def open_rtsp(clock: Clock, open_s_max: float = OPEN_S_MAX, read_s_max: float = READ_S_MAX) -> OpenSource:
    """What opens cameras by our own client."""

    def open_source(request: SourceRequest) -> PacketSource:
        return _RtspSource(open_session(request, clock, open_s_max), request, clock, read_s_max)

    return open_source


class _RtspSource:
    """One camera that plays."""

    def __init__(self, session: Session, request: SourceRequest, clock: Clock, read_s_max: float) -> None:
        self._session = session
        self._connection: RtspConnection = session.connection
        self._clock = clock
        self._read_s_max = read_s_max
        self._where = f"camera {request.camera}"
        self._video = _Video(session.tracks[0])
        self._audio: _Audio | None = None
        dropped = ""
        if len(session.tracks) > 1:
            try:
                self._audio = _Audio(session.tracks[1])
            except Rejected as error:
                dropped = str(error)
        audio = self._audio.parameters if self._audio is not None else None
        self._parameters = StreamParameters(self._video.parameters, audio, dropped)
        now_ns = clock.monotonic_ns()
        self._heard_ns = self._said_ns = self._reported_ns = now_ns
        self._is_over = False
        self._packets: list[EncodedPacket] = []
        self._read_ns: MonotonicNs | None = None  # when what is being taken was read, once it is asked for
        self._ports = _Ports(session) if session.tracks[0].sockets else None
        self._channels: dict[int, tuple[Track, _Video | _Audio | None, bool]] = {}
        for track in session.tracks:
            stream = self._video if track is self._video.track else self._audio
            self._channels[track.channel] = (track, stream, False)
            self._channels[track.channel + 1] = (track, stream, True)
        if self._ports is None:
            video = session.tracks[0]
            lane = (
                self._parameters.video.codec,
                video.channel,
                video.media.payload_type,
                video.sequence,
                self._video.pictures,
            )
            self._connection.set_lane(Lane(*lane, self._take_picture))
        self._connection.wait_for_much()

    @property
    def parameters(self) -> StreamParameters:
        """What the camera's description says of its streams."""
        return self._parameters

    @property
    def packets_missed(self) -> int:
        """How many RTP packets are missing, by their sequence numbers."""
        return sum(track.sequence.missed for track in self._session.tracks)

    @property
    def is_pumped(self) -> bool:
        """Whether all of it comes over one connection that can be waited for together with others."""
        return self._ports is None and not self._connection.is_encrypted

    def packets(self) -> Iterator[EncodedPacket]:
        """See the protocol."""
        while (collected := self.collect(TICK_NS if self._ports is None else UDP_TICK_NS)) is not None:
            yield from collected

    def collect(self, wait_ns: int) -> list[EncodedPacket] | None:
        """The packets that come within `wait_ns`, at once when it is much; None when nothing comes any more."""
        if self._has_ended():
            return None
        packets: list[EncodedPacket] = []
        self._packets = packets
        self._read_ns = None
        has_come = self._receive(wait_ns)
        now_ns = self._clock.monotonic_ns()
        for track, stream, is_control in self._channels.values() if self._ports is not None else ():
            if stream is not None and not is_control:
                self._take_turns(stream, track.sequence.look(now_ns))
        if has_come:
            self._heard_ns = now_ns
        elif now_ns - self._heard_ns > self._read_s_max * NS_PER_S:
            text = f"{self._where}: nothing came from the camera for {self._read_s_max:.0f} s"
            raise SourceFailed("frozen", text)
        if not self._has_ended():
            self._hear_messages()
            self._keep_alive(now_ns)
        if self._has_ended():
            for picture in self._video.pictures.finish():
                self._take_picture(picture)
        return packets

    def fileno(self) -> int:
        """The connection's, for waiting."""
        return self._connection.fileno()

    def interrupt(self) -> None:
        """See the protocol."""
        self._connection.interrupt()

    def close(self) -> None:
        """Tell the camera and let go of the connection."""
        if not self._connection.is_closed and not self._is_over:
            with suppress(SourceFailed):  # it has gone already
                self._connection.say("TEARDOWN", self._session.url, self._session.headers)
        self._connection.close()
        close_sockets(self._session.tracks)

    def _has_ended(self) -> bool:
        return self._is_over

    def _receive(self, wait_ns: int) -> bool:
        """Take what comes within `wait_ns`; whether anything did. Notes that the connection is over."""
        datagrams = 0
        if self._ports is not None:
            datagrams = self._ports.receive(wait_ns, self._take)
            wait_ns = 0
        received_bytes = self._connection.receive(wait_ns, self._take)
        self._is_over = self._is_over or received_bytes is None or self._connection.is_closed
        return bool(datagrams or received_bytes)

    def _take(self, channel: int, data: Payload) -> None:
        """Take a packet that came on a channel."""
        found = self._channels.get(channel)
        if found is None:
            return
        track, stream, is_control = found
        if is_control:
            control = parse_rtcp(data)
            if control.report is not None and stream is self._video:
                self._video.report = control.report
            self._is_over = self._is_over or control.is_goodbye
            return
        packet = parse_rtp(data)
        if packet is None or packet.payload_type != track.media.payload_type or stream is None:
            return
        self._take_turns(stream, track.sequence.feed(packet))

    def _take_turns(self, stream: _Video | _Audio, turns: Sequence[Turn]) -> None:
        for turn, is_after_hole in turns:
            if stream is self._video:
                for picture in self._video.pictures.feed(turn.timestamp, turn.is_marked, turn.payload, is_after_hole):
                    self._take_picture(picture)
            elif self._audio is not None:
                self._packets += self._audio.packets(turn, is_after_hole, self._arrived_ns())

    def _take_picture(self, picture: Picture) -> None:
        self._packets.append(self._video.packet(picture, self._arrived_ns()))

    def _arrived_ns(self) -> MonotonicNs:
        """When what is being taken has come: all that is read at one time has the same."""
        if self._read_ns is None:
            self._read_ns = self._clock.monotonic_ns()
        return self._read_ns

    def _hear_messages(self) -> None:
        messages = self._connection.messages
        while messages:
            message = messages.pop(0)
            if message.method in ("TEARDOWN", "REDIRECT"):
                self._is_over = True
            elif message.status:
                self._hear_answer(message)

    def _hear_answer(self, message: Message) -> None:
        """The answer to a keep-alive. Some cameras know none of the methods: that they answer is enough.

        A camera whose password was changed goes on sending for as long as it likes: what it refuses is said again with
        the next keep-alive, by a newer secret if there is one then. No picture is given up for it.
        """
        if message.status == 401:
            if self._connection.take_challenge(message):
                self._say_alive()
        elif message.status == 454:
            raise SourceFailed("unreachable", f"{self._connection.where} has forgotten the session (454)")

    def _keep_alive(self, now_ns: MonotonicNs) -> None:
        if now_ns - self._said_ns >= self._session.keep_alive_ns:
            self._said_ns = now_ns
            self._say_alive()
        if now_ns - self._reported_ns >= REPORT_NS:
            self._reported_ns = now_ns
            for track in self._session.tracks:
                self._send_report(track)

    def _say_alive(self) -> None:
        session = self._session
        self._connection.say(session.keep_alive_method, session.url, session.headers)

    def _send_report(self, track: Track) -> None:
        report = receiver_report(self._session.own_source, track.sequence)
        if track.sockets is None:
            head = bytes([0x24, track.channel + 1]) + len(report).to_bytes(2, "big")
            self._connection.send(head + report)
        elif track.server_ports is not None:
            with suppress(OSError):  # a report that does not arrive is one of many
                track.sockets[1].sendto(report, (self._connection.peer, track.server_ports[1]))


class _Video:
    """The video stream: packets to pictures with times."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.report: SenderReport | None = None
        codec = _CODECS[track.media.encoding]
        sets = parameter_sets(track.media)
        found = find_parameter_sets(codec, sets)
        size = picture_size(codec, found.sequence[0]) if found else None
        self.parameters = VideoParameters(codec, TimeBase(1, track.media.clock_hz), sets, *(size or (0, 0)))
        self.pictures = Pictures(codec)
        self._sequence = found.sequence if found else ()
        self._order = DecodeOrder(reorder_depth(codec, found.sequence[0]) if found else None)

    def packet(self, picture: Picture, now_ns: MonotonicNs) -> EncodedPacket:
        """A picture with its times."""
        if picture.is_keyframe:
            self._follow_sets(picture.payload)
        dts, pts = self._order.feed(picture.timestamp)
        return EncodedPacket(
            "video", picture.payload, dts, pts, 0, picture.is_keyframe, now_ns, self._sender_wall_ns(pts)
        )

    def _follow_sets(self, payload: bytes) -> None:
        """A camera that changes its picture may change how far pictures are out of order."""
        found = find_parameter_sets(self.parameters.codec, payload)
        if found is not None and found.sequence != self._sequence:
            self._sequence = found.sequence
            self._order.set_depth(reorder_depth(self.parameters.codec, found.sequence[0]))

    def _sender_wall_ns(self, pts: int) -> WallNs | None:
        if self.report is None:
            return None
        since = (pts - self.report.timestamp + (1 << 31)) % (1 << 32) - (1 << 31)
        return WallNs(self.report.wall_ns + self.parameters.time_base.to_ns(since))


class _Audio:
    """The audio stream: packets to frames."""

    def __init__(self, track: Track) -> None:
        """Rejected, with a sentence for people, when it is not recorded."""
        media = track.media
        self.parameters = _audio_parameters(media)
        self._frames = AacFrames(media.format) if self.parameters.codec == AAC else G711Frames(media.channels)
        self._times = LongTimes()

    def packets(self, packet: RtpPacket, is_after_hole: bool, now_ns: MonotonicNs) -> Iterator[EncodedPacket]:
        """The frames that are complete with this packet."""
        for payload, timestamp, samples in self._frames.feed(packet, is_after_hole):
            ticks = self._times.feed(timestamp)
            yield EncodedPacket("audio", payload, ticks, ticks, samples, True, now_ns)


class _Ports:
    """The UDP ports of a session, waited for together."""

    def __init__(self, session: Session) -> None:
        self._camera = session.connection.peer
        self._poll = select.poll()
        self._channels: dict[int, tuple[socket.socket, int]] = {}
        for track in session.tracks:
            for place, each in enumerate(track.sockets or ()):
                self._channels[each.fileno()] = (each, track.channel + place)
                self._poll.register(each, select.POLLIN)

    def receive(self, wait_ns: int, take: Callable[[int, Payload], None]) -> int:
        """Hand on the datagrams of the camera that come within `wait_ns`, and nobody else's; how many they were."""
        received = 0
        for number, _event in self._poll.poll(wait_ns / NS_PER_MS):
            each, channel = self._channels[number]
            for _ in range(DATAGRAMS_MAX):
                try:
                    data, sender = each.recvfrom(DATAGRAM_BYTES)
                except OSError:  # nothing more, or a port that the camera does not listen on
                    break
                if sender[0] == self._camera:
                    take(channel, data)
                    received += 1
        return received


def _audio_parameters(media: Media) -> AudioParameters:
    codec = _SOUNDS.get(media.encoding, media.encoding)
    if codec not in (AAC, *G711):
        raise Rejected(f"the camera sends {codec} audio, which is not AAC or G.711: recorded without sound")
    config = audio_config(media) if codec == AAC else b""
    if codec == AAC and len(config) < 2:
        raise Rejected("the camera sends AAC audio without saying how it is configured: recorded without sound")
    channels = config[1] >> 3 & 0x0F if codec == AAC else media.channels
    return AudioParameters(codec, TimeBase(1, media.clock_hz), config, media.clock_hz, channels or media.channels)

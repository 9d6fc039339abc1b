"""One trial of a source: opened, and read until a keyframe decodes; in a thread of its own, which it may leave behind.

It records nothing and shows nothing to anybody. It is the same in the keeper's own process, for tests, and in a process
of its own, in the product: what reads cameras may crash, and takes memory that the keeper does not have.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.capture.camera_plan import Source
from components.capture.core.packets import TimedPacket
from components.capture.core.segmenter import IsWhole, Segmenter, Step
from components.capture.core.trial import Verdict, failure_of
from components.capture.packet_source import OpenSource, PacketSource, SourceFailed, SourceRefused, SourceRequest
from components.shared.errors import NvrError, Rejected, Transient
from components.shared.runtime.clock import Clock
from components.shared.runtime.secrets import read_secret
from components.shared.wire.units import NS_PER_S

OPENING_NS_MAX = 45 * NS_PER_S
"""As long as an attempt to record has: looking up a host's name has no limit that we could set."""

KEYFRAME_NS_MAX = 30 * NS_PER_S
"""Cameras that save space send keyframes 10 s apart, hardly more."""


class Trial(Protocol):
    """A trial that runs; it ends by itself within 75 s."""

    def look(self) -> Verdict | None:
        """How it ended; None while it runs."""

    def end(self) -> None:
        """Its verdict is not wanted any more; may be called twice, and after its end."""


StartTrial = Callable[[str, Source], Trial]
"""Tries a source for a stream, by its stem. Transient when that cannot be done now."""


@dataclass(frozen=True, slots=True)
class TrialTools:
    """What a trial is made with. `data` is the data root, where secrets lie."""

    data: Path
    open_source: OpenSource
    is_whole: IsWhole
    clock: Clock


class TrialThread:
    """See Trial."""

    def __init__(self, stem: str, source: Source, tools: TrialTools) -> None:
        self._stem = stem
        self._source = source
        self._tools = tools
        self._began_ns = tools.clock.monotonic_ns()
        self._opened_ns: int | None = None
        self._open: PacketSource | None = None
        self._verdict: Verdict | None = None
        self._has_ended = threading.Event()
        threading.Thread(target=self._run, name=f"try-{stem}", daemon=True).start()

    @property
    def is_open(self) -> bool:
        """Whether the camera has answered: from then on a keyframe is waited for."""
        return self._opened_ns is not None

    def look(self) -> Verdict | None:
        """See Trial."""
        if self._verdict is not None:
            return self._verdict
        now_ns, opened_ns = self._tools.clock.monotonic_ns(), self._opened_ns
        if opened_ns is None and now_ns - self._began_ns >= OPENING_NS_MAX:
            return Verdict("unreachable", f"camera {self._stem}: it could not be opened in good time")
        if opened_ns is not None and now_ns - opened_ns >= KEYFRAME_NS_MAX:
            seconds = KEYFRAME_NS_MAX // NS_PER_S
            return Verdict("no_video", f"camera {self._stem}: no keyframe that decodes within {seconds} s")
        return None

    def end(self) -> None:
        """See Trial."""
        self._has_ended.set()
        source = self._open
        if source is not None:
            source.interrupt()

    def _run(self) -> None:
        try:
            self._verdict = self._try()
        except (SourceFailed, SourceRefused) as error:
            self._verdict = Verdict(failure_of(error.cause), str(error))
        except NvrError as error:
            self._verdict = Verdict("no_video", str(error))
        except Exception as error:  # noqa: BLE001 - a source that breaks what reads it is not to be recorded
            self._verdict = Verdict("no_video", f"camera {self._stem}: reading it failed ({type(error).__name__})")

    def _try(self) -> Verdict:
        source = self._tools.open_source(self._request())
        try:
            self._open = source
            self._opened_ns = self._tools.clock.monotonic_ns()
            segmenter = Segmenter(source.parameters.video, 0, self._tools.is_whole)
            for packet in source.packets():
                if self._has_ended.is_set():
                    break
                if packet.kind != "video":
                    continue
                if segmenter.step(TimedPacket(packet, 0, 0, 1)) is Step.BEGIN:
                    return Verdict()
            return Verdict("no_video", f"camera {self._stem}: the camera ended the stream before its first keyframe")
        finally:
            with suppress(SourceFailed):
                source.close()

    def _request(self) -> SourceRequest:
        source, login = self._source, None
        if source.secret is not None:
            try:
                login = read_secret(self._tools.data, source.secret)
            except (Transient, Rejected) as error:
                raise SourceRefused("authentication", f"camera {self._stem}: {error}") from error
        return SourceRequest(
            *(self._stem, source.url, source.transport),
            wants_audio=False,
            secret=source.secret,
            login=login,
            reader=source.reader,
        )

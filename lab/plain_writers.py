"""What most recorders do: a camera's packets into MP4 files of ten seconds, nothing synced. For comparison.

python -m lab.plain_writers FOLDER URL

The stream is read once for each form: `FOLDER/mp4` gets plain MP4, `FOLDER/fmp4` MP4 in a fragment per GOP.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

SEGMENT_S = 10.0
READ_S = 5.0

FORMS: Mapping[str, dict[str, str]] = {
    "mp4": {},
    "fmp4": {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"},
}


def write_for_ever(folder: Path, url: str, options: dict[str, str]) -> None:
    """Record until the camera ends; files are numbered in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=READ_S) as source:
        _write(source, source.streams.video[0], folder, options)


def _write(source: InputContainer, video: VideoStream, folder: Path, options: dict[str, str]) -> None:
    output: OutputContainer | None = None
    began_s, number = 0.0, 0
    for packet in source.demux(video):
        if packet.dts is None or packet.time_base is None:
            continue
        at_s = float(packet.dts * packet.time_base)
        if packet.is_keyframe and (output is None or at_s - began_s >= SEGMENT_S):
            if output is not None:
                output.close()
            number += 1
            began_s = at_s
            output = av.open(str(folder / f"{number:06}.mp4"), "w", format="mp4", options=dict(options))
            stream = output.add_stream_from_template(video)
        if output is not None:
            packet.stream = stream
            output.mux(packet)


def main(folder: Path, url: str) -> None:
    """One thread for each form, until the first of them ends."""
    ended = threading.Event()

    def record(form: str) -> None:
        try:
            write_for_ever(folder / form, url, FORMS[form])
        finally:
            ended.set()

    for form in FORMS:
        threading.Thread(target=record, args=(form,), daemon=True).start()
    ended.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

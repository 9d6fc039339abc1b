"""What is to be done with each stream of a camera, by its document and the decision about its recording."""

from __future__ import annotations

from components.capture.camera_plan import CameraPlan, Wanted
from components.capture.core.schedule import Decision
from components.shared.wire.object_keys import stream_stem
from components.shared.wire.site_config import FOLDER_SCHEME, CameraDocument
from components.shared.wire.units import NS_PER_S


def plan_streams(camera: str, document: CameraDocument, decision: Decision, site_zone: str) -> dict[str, CameraPlan]:
    """The plans by the streams' stems. A camera that is off is not read; its sub stream is recorded if that is asked.

    `site_zone` is the site's time zone. The picture is kept of the sub stream where there is one: it costs less to
    decode.
    """
    is_on = document.mode != "off" or decision.recorded is not None
    source, sub = document.source, document.sub
    snapshot_ns = document.snapshot_s * NS_PER_S
    main = Wanted(decision.recorded, decision.cause, 0 if sub is not None else snapshot_ns)
    plans = {
        stream_stem(camera, "main"): CameraPlan(
            *(source.url, source.secret, source.transport, document.audio, is_on),
            wanted=main,
            reader=source.reader,
            time_zone=(source.time_zone or site_zone) if source.url.startswith(FOLDER_SCHEME) else "",
            is_tried=source.trial,
        )
    }
    if sub is not None:
        wanted = Wanted(decision.recorded, decision.cause) if sub.record else Wanted(None, "policy")
        plans[stream_stem(camera, "sub")] = CameraPlan(
            *(sub.url, source.secret, sub.transport, document.audio, is_on),
            wanted=Wanted(wanted.recorded, wanted.cause, snapshot_ns),
            reader=source.reader,
            is_tried=source.trial,
        )
    return plans

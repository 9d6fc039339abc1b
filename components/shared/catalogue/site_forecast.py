"""All forecasts of a site, read from its catalogues and the room on its disks: for people and for health alike."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from components.shared.catalogue.camera_risk import CameraRisk, read_camera_risks
from components.shared.catalogue.capture import CaptureReader
from components.shared.catalogue.class_forecast import VolumeForecast, forecast_volume, read_class_usage
from components.shared.catalogue.sync import SyncReader
from components.shared.catalogue.upload_forecast import UploadForecast, read_upload_forecast
from components.shared.catalogue.volumes import absence
from components.shared.errors import Transient
from components.shared.runtime.files import disk_errors
from components.shared.wire.recording_config import RetentionSection


@dataclass(frozen=True, slots=True)
class SiteForecast:
    """What becomes of the site if things go on as lately. What has no catalogue yet has no forecast."""

    volumes: tuple[VolumeForecast, ...] = ()
    uploads: UploadForecast | None = None
    cameras: tuple[CameraRisk, ...] = ()


def read_site_forecast(data: Path, retention: RetentionSection, now_ns: int) -> SiteForecast:
    """All forecasts; of volumes only those that are there. Transient when a disk cannot be asked for its room."""
    uploads = None
    try:
        with closing(SyncReader.open(data)) as sync:
            uploads = read_upload_forecast(sync, now_ns)
    except Transient:
        pass  # CloudSync has not made its catalogue yet
    try:
        capture = CaptureReader.open(data)
    except Transient:
        return SiteForecast(uploads=uploads)
    with closing(capture):
        usages = read_class_usage(capture, now_ns)
        volumes = []
        for volume in capture.volumes():
            if absence(volume) is None:
                with disk_errors(volume.root, "ask for room"):
                    found = os.statvfs(volume.root)
                sizes = ((found.f_blocks - found.f_bfree + found.f_bavail), found.f_bavail)
                total_bytes, free_bytes = (blocks * found.f_frsize for blocks in sizes)
                volumes.append(forecast_volume(volume.volume, usages, total_bytes, free_bytes, retention, now_ns))
        return SiteForecast(tuple(volumes), uploads, tuple(read_camera_risks(capture, now_ns)))

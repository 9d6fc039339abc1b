"""Stand-in RTSP cameras on this machine: real enough for a recorder, exact enough for its tests.

`start_cameras` runs them as a process; `read_stamp` and `pattern.read_number` tell which frame an access
unit or a decoded picture is.
"""

from local.cameras.process import CamerasFailedError, Control, RunningCameras, start_cameras
from local.cameras.spec import CameraSpec, default_specs
from local.cameras.stamp import Stamp, read_stamp, read_user_data

__all__ = [
    "CameraSpec",
    "CamerasFailedError",
    "Control",
    "RunningCameras",
    "Stamp",
    "default_specs",
    "read_stamp",
    "read_user_data",
    "start_cameras",
]

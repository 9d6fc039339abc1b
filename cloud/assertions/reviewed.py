"""Exceptions that somebody has looked at: statements that are wider than a rule allows, each with its reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping

ANY_RESOURCE: Mapping[tuple[str, str], str] = {}
"""Role and Sid of statements of `Resource: "*"`: none is needed. An entry that nothing needs any more is a finding."""

ANY_ACTION: Mapping[tuple[str, str], str] = {}
"""Role and Sid of statements with a wildcard in their actions: none is needed."""

NOT_OF_ONE_DEVICE: Mapping[tuple[str, str], str] = {
    ("DeviceRole", "BegunUploads"): (
        "S3 knows no condition on the prefix for this action: a box that is broken into could read the keys of what"
        " other sites are uploading just then, and can neither send, complete nor abort any of it; without the right an"
        " upload that was begun before a crash is sent again from its first byte"
    ),
    ("DeviceRole", "LogGroups"): (
        "log groups belong to all sites: the log manager makes them and looks for its own stream, and can neither write"
        " to others nor read any"
    ),
}
"""Role and Sid of statements of a device's role that are not scoped to its thing."""

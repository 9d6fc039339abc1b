"""What a person at the site asks of HealthMonitor: to send a test alert through the whole way that alerts take."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from components.shared.errors import Rejected
from components.shared.wire.codec import describe_faults

FOLDER = "alerts"
"""Where such requests lie, under the folder of all requests."""


class AlertRequest(BaseModel):
    """Send a test alert. Its subject is the request's id, so that who asked finds it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    action: Literal["test"]


def parse_alert_request(content: bytes) -> AlertRequest:
    """The request in a JSON text; all its faults together are Rejected."""
    try:
        return AlertRequest.model_validate_json(content)
    except ValidationError as error:
        raise Rejected(f"alert request: {describe_faults(error)}") from error

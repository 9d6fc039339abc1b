"""What the cloud asks of a site, and what the site answers: footage of a span is to be uploaded now. As bytes.

    nvr/v1/<thing>/span/pull      a request, cloud to edge
    nvr/v1/<thing>/span/pulled    how far it is, edge to cloud: when it is taken, as it goes on, and at its end

The asker chooses the id. A message to a site that is offline is lost, and so may an answer be: whoever misses one asks
again under the same id, which starts nothing anew and is answered with how far it is. Fields are only ever added, with
a default. It knows nothing of where the footage is.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.shared.errors import Rejected
from components.shared.wire.codec import MESSAGE_BYTES_MAX, describe_faults
from components.shared.wire.object_keys import check_thing

NOTE_CHARS_MAX = 500

PullId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
WallTime = Annotated[int, Field(ge=0, le=2**63 - 1)]
PullState = Literal["working", "done", "refused"]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class SpanPull(_Said):
    """Upload the footage of `[start_ns, end_ns)` of a camera's main stream."""

    v: int = Field(default=1, ge=1)
    id: PullId
    camera: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    start_ns: WallTime
    end_ns: WallTime


class SpanPulled(_Said):
    """How far a request is: its objects and their bytes, and how many of them are in the bucket.

    `note` is for people: why it was refused, what of the span is not at the site, what could not be uploaded.
    """

    v: int = Field(default=1, ge=1)
    id: PullId
    state: PullState
    objects: int = Field(default=0, ge=0)
    uploaded: int = Field(default=0, ge=0)
    size_bytes: int = Field(default=0, ge=0)
    uploaded_bytes: int = Field(default=0, ge=0)
    note: str = Field(default="", max_length=NOTE_CHARS_MAX)


def decode_pull(payload: bytes) -> SpanPull:
    """The request in these bytes; all that is wrong with it is Rejected together."""
    if len(payload) > MESSAGE_BYTES_MAX:
        raise Rejected(f"span/pull: {len(payload)} bytes, at most {MESSAGE_BYTES_MAX} are read")
    try:
        return SpanPull.model_validate_json(payload)
    except ValidationError as error:
        raise Rejected(f"span/pull: {describe_faults(error)}") from error


def id_of_bad_pull(payload: bytes) -> str | None:
    """The id of a request that is bad otherwise, so that its sender can be told; None when it has none."""
    try:
        found = json.loads(payload[:MESSAGE_BYTES_MAX])
        return SpanPulled(id=found["id"], state="refused").id
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def encode_pulled(pulled: SpanPulled) -> bytes:
    """The answer as bytes; it always fits a message."""
    return pulled.model_dump_json().encode()


def pull_topic(thing: str) -> str:
    """The cloud topic on which a site is asked for footage."""
    return f"nvr/v1/{check_thing(thing)}/span/pull"


def pulled_topic(thing: str) -> str:
    """The cloud topic on which it answers."""
    return f"nvr/v1/{check_thing(thing)}/span/pulled"

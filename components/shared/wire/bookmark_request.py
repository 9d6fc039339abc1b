"""What a person at the site asks of Capture: to keep a span of a camera's footage, or not to keep it any more."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from components.shared.errors import Rejected
from components.shared.wire.codec import describe_faults
from components.shared.wire.messages import CameraId

FOLDER = "bookmarks"
"""Where such requests lie, under the folder of all requests."""

NOTE_CHARS_MAX = 200
"""A line for people."""

SPAN_NS_MIN, SPAN_NS_MAX = 0, 2**63 - 1


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class AddBookmark(_Request):
    """Keep `[start_ns, end_ns)` of a camera. The bookmark's id is the request's."""

    action: Literal["add"]
    camera: CameraId
    start_ns: int = Field(ge=SPAN_NS_MIN, le=SPAN_NS_MAX)
    end_ns: int = Field(ge=SPAN_NS_MIN, le=SPAN_NS_MAX)
    note: str = Field(default="", max_length=NOTE_CHARS_MAX)

    @model_validator(mode="after")
    def _check_span(self) -> AddBookmark:
        if self.end_ns <= self.start_ns:
            raise ValueError("a bookmark ends after it begins")
        return self


class RemoveBookmark(_Request):
    """Keep this bookmark's footage no longer than any other."""

    action: Literal["remove"]
    bookmark: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")


BookmarkRequest = Annotated[AddBookmark | RemoveBookmark, Field(discriminator="action")]
_ADAPTER: TypeAdapter[AddBookmark | RemoveBookmark] = TypeAdapter(BookmarkRequest)


def parse_bookmark_request(content: bytes) -> AddBookmark | RemoveBookmark:
    """The request in a JSON text; all its faults together are Rejected."""
    try:
        return _ADAPTER.validate_json(content)
    except ValidationError as error:
        raise Rejected(f"bookmark request: {describe_faults(error)}") from error

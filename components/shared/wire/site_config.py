"""The documents of the device shadows: what a site and its cameras are configured to be.

A document has a `schema` number. Unknown keys are faults, unless the document's schema is newer than this reader's:
then they are ignored and named, because two releases meet in the field. An older one is migrated when it is read, see
`schema_steps`. All faults are reported together. Few
leaves, since every leaf of a shadow carries metadata: a polygon is one text of points, maps are keyed by id.

    site            time zone, recording, motion, uploads, and which cameras exist (id to hash of the camera's document)
    camera-<id>     one camera: name, source without credentials but with the name of its secret, regions
    health          reported only: counts and flags, flat for the fleet index
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from components.shared.errors import Rejected
from components.shared.wire.alert_config import AlertsSection
from components.shared.wire.codec import describe_faults
from components.shared.wire.messages import CameraId
from components.shared.wire.recording_config import (
    CameraRetentionSection,
    ManualSection,
    Mode,
    RecordingSection,
    RetentionSection,
    ScheduleSection,
    UploadPolicy,
)
from components.shared.wire.schema_steps import OLDEST_SCHEMA, STEPS, Kind, early_members, migrated, stated_schema
from components.shared.wire.sync_config import SyncSection

SCHEMA = STEPS[-1].schema
"""The newest schema that this release reads."""

SHADOW_BYTES_MAX = 8_192
"""AWS IoT's limit on the state of a shadow, desired and reported together."""

REPORTED_BYTES_MAX = 1_536
"""What the reported section may take of that: how the document stands, by component."""

DOCUMENT_BYTES_MAX = SHADOW_BYTES_MAX - REPORTED_BYTES_MAX - 64
"""What is left for a document, the sections' names taken off; a longer one is refused before it is sent."""

SITE = "site"
HEALTH = "health"
_CAMERA_PREFIX = "camera-"

_POLYGON = re.compile(r"\d{1,5},\d{1,5}(?: \d{1,5},\d{1,5}){2,31}")
_SECRET_NAME = re.compile(r"[a-z0-9-]{1,64}")
_MILLE = 1000

FOLDER_SCHEME = "folder://"
"""What the URL of a camera begins with whose footage comes as files into a folder of the box."""


def _check_polygon(text: str) -> str:
    if not _POLYGON.fullmatch(text):
        raise ValueError("a region is 3 to 32 points 'x,y x,y x,y' in thousandths of the picture")
    if any(int(part) > _MILLE for point in text.split() for part in point.split(",")):
        raise ValueError("a region's coordinates are thousandths of the picture, 0 to 1000")
    return text


def _check_source_url(text: str) -> str:
    return _check_folder(text) if text.startswith(FOLDER_SCHEME) else _check_url(text)


def _check_folder(text: str) -> str:
    path = text.removeprefix(FOLDER_SCHEME)
    if not path.startswith("/") or path == "/" or "\x00" in path or ".." in path.split("/"):
        raise ValueError("a folder to import from is folder:///ABSOLUTE/PATH, without '..'")
    return text


def _check_url(text: str) -> str:
    if any(character <= " " or character == "\x7f" for character in text):
        raise ValueError("a camera's URL holds neither blanks nor control characters")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from error
    if parts.scheme not in {"rtsp", "rtsps"} or not parts.hostname:
        raise ValueError("a camera's URL is rtsp://HOST[:PORT]/PATH or rtsps://... (or folder:///PATH to import files)")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a camera's URL carries no user or password: name a secret instead")
    if port == 0:
        raise ValueError("port 0 is no port")
    return text


def _check_secret_name(text: str) -> str:
    if not _SECRET_NAME.fullmatch(text):
        raise ValueError("a secret's name is 1 to 64 of a-z, 0-9 and -")
    return text


@lru_cache(maxsize=64)
def _is_time_zone(text: str) -> bool:
    """Whether there is such a time zone; remembered, because listing them takes tens of milliseconds."""
    return text in available_timezones()


def _check_time_zone(text: str) -> str:
    if not _is_time_zone(text):
        raise ValueError("not a name of the time zone database, such as Europe/Berlin or UTC")
    return text


def _shown_as(pattern: str, **more: int) -> Any:
    """What the published JSON Schema says of a text that a function checks: not more than that function."""
    return WithJsonSchema({"type": "string", **more, "pattern": pattern})


_RTSP = "[Rr][Tt][Ss][Pp][Ss]?://"
_IS_POLYGON = _shown_as(r"^\d{1,5},\d{1,5}( \d{1,5},\d{1,5}){2,31}$")
_IS_CAMERA_URL = _shown_as(f"^{_RTSP}", maxLength=512)
_IS_SOURCE_URL = _shown_as(f"^({_RTSP}|folder:///.)", maxLength=512)

Polygon = Annotated[str, AfterValidator(_check_polygon), _IS_POLYGON]
CameraUrl = Annotated[str, Field(max_length=512), AfterValidator(_check_url), _IS_CAMERA_URL]
SourceUrl = Annotated[str, Field(max_length=512), AfterValidator(_check_source_url), _IS_SOURCE_URL]
SecretName = Annotated[str, AfterValidator(_check_secret_name), _shown_as(r"^[a-z0-9-]{1,64}$")]
TimeZoneName = Annotated[str, AfterValidator(_check_time_zone), _shown_as(r"^[A-Za-z0-9_+/-]+$")]
RegionId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
DocumentHash = Annotated[str, Field(pattern=r"^([0-9a-f]{64}|any)$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class MotionSection(_Section):
    """When a picture counts as moving, and how movement becomes a video event."""

    threshold_percent: float = Field(default=3.0, ge=0.01, le=100)
    event_margin_s: int = Field(default=5, ge=0, le=60)
    event_quiet_s: int = Field(default=10, ge=1, le=300)


class HealthSection(_Section):
    """How often the site tells the cloud how it is, and what it alerts people of.

    `prometheus_port` is the port of loopback that it tells Prometheus on; 0 is none.
    """

    telemetry_s: int = Field(default=60, ge=5, le=3600)
    prometheus_port: int = Field(default=9464, ge=0, le=65_535)
    alerts: AlertsSection = AlertsSection()


class SiteDocument(_Section):
    """The `site` shadow. A camera exists if and only if it is named here.

    The value of a camera is the SHA-256 of its document (`document_sha256`), or `any` for whatever its shadow holds.
    """

    schema_number: int = Field(default=OLDEST_SCHEMA, alias="schema", ge=OLDEST_SCHEMA)
    time_zone: TimeZoneName = "UTC"
    recording: RecordingSection = RecordingSection()
    retention: RetentionSection = RetentionSection()
    motion: MotionSection = MotionSection()
    health: HealthSection = HealthSection()
    sync: SyncSection = SyncSection()
    cameras: dict[CameraId, DocumentHash] = Field(default_factory=dict)


class SourceSection(_Section):
    """Where the video comes from. `secret` names the file or secret that holds `user:password`.

    `reader` is what reads it: `libav` helps where a camera speaks RTSP in a way that ours does not understand.

    A URL `folder:///PATH` takes the files that something else puts into that folder (an FTP server, the disk of another
    recorder); `time_zone` is then the one that their names tell their times in, the site's if it is not given.

    A change of this section is tried beside the source that is recorded, which stays until the new one shows a picture;
    without `trial` it is followed at once: for a camera that serves only one connection.
    """

    url: SourceUrl
    secret: SecretName | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    reader: Literal["own", "libav"] = "own"
    time_zone: TimeZoneName | None = None
    trial: bool = True


class SubStreamSection(_Section):
    """The camera's second, smaller stream; `record` keeps it too, otherwise it is only for looking and analysis."""

    url: CameraUrl
    transport: Literal["tcp", "udp"] = "tcp"
    record: bool = False


class CameraMotionSection(_Section):
    """Motion on this camera: the regions that count, those that do not, and a threshold of its own."""

    enabled: bool = True
    threshold_percent: float | None = Field(default=None, ge=0.01, le=100)
    regions: dict[RegionId, Polygon] = Field(default_factory=dict, max_length=8)
    ignore: dict[RegionId, Polygon] = Field(default_factory=dict, max_length=8)


class CameraPictureSection(_Section):
    """Whether this camera's picture is watched for silent failures; `turns` says that it is turned by command (PTZ)."""

    watch: bool = True
    turns: bool = False


class CameraDocument(_Section):
    """The `camera-<id>` shadow. `snapshot_s` is how often a picture is kept; 0 is never.

    `upload` is what of its footage goes to the cloud by itself: all, clips of its events and bookmarks, or none.
    """

    schema_number: int = Field(default=OLDEST_SCHEMA, alias="schema", ge=OLDEST_SCHEMA)
    name: str = Field(min_length=1, max_length=64)
    source: SourceSection
    mode: Mode = "continuous"
    schedule: ScheduleSection = ScheduleSection()
    manual: ManualSection | None = None
    retention: CameraRetentionSection = CameraRetentionSection()
    upload: UploadPolicy = "all"
    sub: SubStreamSection | None = None
    snapshot_s: int = Field(default=30, ge=0, le=3600)
    audio: bool = True
    motion: CameraMotionSection = CameraMotionSection()
    picture: CameraPictureSection = CameraPictureSection()


DocumentT = TypeVar("DocumentT", SiteDocument, CameraDocument)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[DocumentT]):
    """A valid document, and the keys of a newer schema that this release ignored."""

    document: DocumentT
    ignored: tuple[str, ...]


def camera_shadow(camera: str) -> str:
    """The name of a camera's shadow, also the name of its document."""
    return _CAMERA_PREFIX + camera


def camera_of_shadow(shadow: str) -> str | None:
    """The camera whose shadow this is, or None for other shadows."""
    return shadow.removeprefix(_CAMERA_PREFIX) if shadow.startswith(_CAMERA_PREFIX) else None


def parse_site(raw: object) -> Parsed[SiteDocument]:
    """The `site` document in a JSON value; all its faults together are Rejected."""
    return _parse(SITE, SiteDocument, raw)


def parse_camera(camera: str, raw: object) -> Parsed[CameraDocument]:
    """A camera's document in a JSON value; all its faults together are Rejected."""
    return _parse(camera_shadow(camera), CameraDocument, raw)


def check_bytes(name: str, raw: object) -> None:
    """Rejected when the document could not be held by a shadow."""
    length = len(canonical_json(raw))
    if length > DOCUMENT_BYTES_MAX:
        raise Rejected(
            f"document {name} has {length} bytes, at most {DOCUMENT_BYTES_MAX} fit into a shadow's {SHADOW_BYTES_MAX} "
            "beside the reported state"
        )


def canonical_json(raw: object) -> bytes:
    """The one text of a JSON value: sorted keys, no blanks, UTF-8. What is hashed and what is measured."""
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def document_sha256(raw: object) -> str:
    """The hash by which documents are compared, lower-case hex."""
    return hashlib.sha256(canonical_json(raw)).hexdigest()


def _parse(name: str, model: type[DocumentT], raw: object) -> Parsed[DocumentT]:
    if not isinstance(raw, dict):
        raise Rejected(f"document {name}: an object was due, this is {type(raw).__name__}")
    check_bytes(name, raw)
    kind: Kind = "site" if name == SITE else "camera"
    early = early_members(kind, raw)
    if early:
        reasons = "; ".join(f"{path}: needs schema {schema}" for path, schema in early.items())
        raise Rejected(f"document {name}: {reasons}, the document says {stated_schema(raw)}")
    raw = migrated(kind, raw)
    try:
        return Parsed(model.model_validate(raw), ())
    except ValidationError as error:
        schema = stated_schema(raw)
        unknown = [fault["loc"] for fault in error.errors() if fault["type"] == "extra_forbidden"]
        if not (schema is not None and schema > SCHEMA and unknown):
            raise Rejected(f"document {name}: {describe_faults(error)}") from error
    known = _without(raw, unknown)
    try:
        document = model.model_validate(known)
    except ValidationError as error:
        raise Rejected(f"document {name}: {describe_faults(error)}") from error
    return Parsed(document, tuple(".".join(str(part) for part in path) for path in unknown))


def _without(raw: Mapping[str, Any], paths: list[tuple[int | str, ...]]) -> dict[str, Any]:
    """A deep copy of `raw` without the members at `paths`."""
    copy: dict[str, Any] = json.loads(canonical_json(raw))
    for path in paths:
        holder: Any = copy
        for part in path[:-1]:
            holder = holder[part]
        del holder[path[-1]]
    return copy

"""Telemetry as bytes: how a site says its figures to the cloud, briefly.

    nvr/v1/<thing>/telemetry/reported   the site's own figures, and those of its components
    nvr/v1/<thing>/telemetry/detailed   a row per stream, more rarely; many cameras take several messages

Names are those of the table of metrics without their prefix. Rows of one kind share their columns, which are told once
per message, so that a release may add a column and the other side reads what it knows. A sample is never repeated: one
that is lost is followed by the next. It knows nothing of when anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.shared.errors import Rejected
from components.shared.wire.codec import MESSAGE_BYTES_MAX, describe_faults

VERSION = 1

VALUES_MAX = 200
"""Figures of one message: several times those of the table."""

ROWS_MAX = 500
"""Rows of one message: more than fit into one."""

COLUMNS_MAX = 50

DIGITS, DIGITS_BELOW_1 = 2, 4
"""Of a fraction: a disk's write and the way to the cloud take milliseconds, and are told in seconds."""

WALL_NS_MAX = 2**63 - 1

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Figure = Annotated[float, Field(allow_inf_nan=False)]
Cell = Annotated[str, Field(max_length=64)] | Figure
WallTime = Annotated[int, Field(ge=0, le=WALL_NS_MAX)]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Table(_Said):
    """Rows by what they are about, each with a cell per column."""

    columns: list[Name] = Field(max_length=COLUMNS_MAX)
    rows: dict[str, list[Any]] = Field(max_length=ROWS_MAX)

    def row(self, about: str) -> dict[str, str | float]:
        """One row's cells by column; Rejected when it is not one, which says nothing against the others."""
        try:
            cells = _Row(about=about, cells=self.rows[about]).cells
        except ValidationError as error:
            raise Rejected(f"row {about[:64]!r}: {describe_faults(error)}") from error
        if len(cells) != len(self.columns):
            raise Rejected(f"row {about[:64]!r}: {len(cells)} cells for {len(self.columns)} columns")
        return dict(zip(self.columns, cells, strict=True))


class _Row(_Said):
    about: str = Field(min_length=1, max_length=64)
    cells: list[Cell] = Field(max_length=COLUMNS_MAX)


class SiteTelemetry(_Said):
    """The site's figures by their short names; `conditions` counts the subjects of each kind that holds.

    `telemetry_s` is how long it will be until the next: whoever misses it then knows that it is missing.
    """

    v: int = Field(default=VERSION, ge=1)
    wall_ns: WallTime
    telemetry_s: int = Field(default=60, ge=1, le=3600)
    values: dict[Name, Figure] = Field(max_length=VALUES_MAX)
    conditions: dict[Name, int] = Field(default_factory=dict, max_length=VALUES_MAX)
    components: Table = Table(columns=[], rows={})


class CameraTelemetry(_Said):
    """Figures of streams: a row `front` of a main stream, `front~sub` of a sub stream."""

    v: int = Field(default=VERSION, ge=1)
    wall_ns: WallTime
    cameras: Table


def encode_site(telemetry: SiteTelemetry) -> bytes:
    """The message on `telemetry/reported`; Rejected when it is too long to be sent."""
    payload = _compact(telemetry)
    if len(payload) > MESSAGE_BYTES_MAX:
        raise Rejected(f"telemetry of the site has {len(payload)} bytes, the limit is {MESSAGE_BYTES_MAX}")
    return payload


def encode_cameras(wall_ns: int, columns: Sequence[str], rows: Mapping[str, Sequence[str | float]]) -> list[bytes]:
    """The messages on `telemetry/detailed` with all rows in their order: one, or halves of halves until each fits."""
    names = list(rows)
    table = Table(columns=list(columns), rows={name: list(rows[name]) for name in names})
    payload = _compact(CameraTelemetry(wall_ns=wall_ns, cameras=table))
    if len(payload) <= MESSAGE_BYTES_MAX:
        return [payload] if names else []
    if len(names) == 1:
        raise Rejected(f"telemetry of {names[0]} has {len(payload)} bytes, the limit is {MESSAGE_BYTES_MAX}")
    middle = len(names) // 2
    halves = ({name: rows[name] for name in part} for part in (names[:middle], names[middle:]))
    return [message for half in halves for message in encode_cameras(wall_ns, columns, half)]


def decode(payload: bytes) -> SiteTelemetry | CameraTelemetry:
    """The message in these bytes; what is wrong with it as a whole is Rejected together, a bad row when it is read."""
    try:
        raw = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"telemetry: no JSON ({error})") from error
    model = CameraTelemetry if isinstance(raw, dict) and "cameras" in raw else SiteTelemetry
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise Rejected(f"telemetry: {describe_faults(error)}") from error


def _compact(telemetry: BaseModel) -> bytes:
    """JSON without blanks; whole numbers without a fraction, because most are, others with what of it matters."""
    return json.dumps(_plain(telemetry.model_dump()), separators=(",", ":"), ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        rounded = round(value, DIGITS if abs(value) >= 1 else DIGITS_BELOW_1)
        return int(rounded) if rounded.is_integer() else rounded
    return value

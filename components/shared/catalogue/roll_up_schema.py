"""The roll-ups of capture.db: how much of each hour and day of a stream is recorded, and how much a gap of what cause.

They are kept by triggers, so that they change in the same transaction as the segment or gap, whoever writes and of
whatever release. A span that has ended and is shorter than a day counts in each hour and day that it touches; how many
spans and bytes there are counts where a span begins. One that lasts a day or longer is a roll-up of its own, with the
unit 0: a gap of fifty years (a box that begins in 1970) is one row and not half a million. What is open is in none.

Until a file of an older release is counted (`roll_ups_due` in `counter`), its roll-ups are wrong and may be negative;
they never keep anybody from recording. Nothing here looks at all rows, so that a large file is migrated at once.
"""
# ruff: noqa: S608 - statements are put together from constants of this module

from __future__ import annotations

from components.shared.wire.units import NS_PER_S

HOUR_NS = 3_600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
"""Days are UTC days. Also the length from which on a span is a roll-up of its own."""

UNITS_NS = (HOUR_NS, DAY_NS)

ITSELF_NS = 0
"""The unit of a span that is too long for hours and days."""

RECORDED = ""
"""What stands for the cause where there is footage."""

# A span shorter than a day touches at most 25 hours and 2 days.
_STEPS = {HOUR_NS: 25, DAY_NS: 2}
_COLUMNS = "camera, stream, unit_ns, start_ns, cause, duration_ns, spans, size_bytes"


def floor_sql(time: str, unit_ns: int) -> str:
    """The start of the hour or day of a time, before 1970 too (`%` has the sign of what is divided)."""
    return f"({time} - (({time} % {unit_ns}) + {unit_ns}) % {unit_ns})"


def _is_short(row: str) -> str:
    return f"{row}.end_ns IS NOT NULL AND {row}.end_ns - {row}.start_ns < {DAY_NS}"


def _is_long(row: str) -> str:
    return f"{row}.end_ns IS NOT NULL AND {row}.end_ns - {row}.start_ns >= {DAY_NS}"


def _steps(unit_ns: int) -> str:
    numbers = ", ".join(f"({number})" for number in range(_STEPS[unit_ns]))
    return f"(SELECT column1 * {unit_ns} AS after_ns FROM (VALUES {numbers}))"


def _change(row: str, unit_ns: int, told: tuple[str, str], sign: str) -> str:
    """Adds what a row counts (`told`: cause and size) to the roll-ups of one unit, or with `-` takes it away."""
    cause, size = told
    first = floor_sql(f"{row}.start_ns", unit_ns)
    at = f"{first} + after_ns"
    return f"""
        INSERT INTO roll_up ({_COLUMNS})
        SELECT {row}.camera, {row}.stream, {unit_ns}, {at}, {cause},
            {sign}(min({row}.end_ns, {at} + {unit_ns}) - max({row}.start_ns, {at})),
            {sign}(after_ns = 0), {sign}(CASE WHEN after_ns = 0 THEN {size} ELSE 0 END)
        FROM {_steps(unit_ns)} WHERE {_is_short(row)} AND {at} < {row}.end_ns
        ON CONFLICT (camera, stream, unit_ns, start_ns, cause) DO UPDATE SET
            duration_ns = duration_ns + excluded.duration_ns, spans = spans + excluded.spans,
            size_bytes = size_bytes + excluded.size_bytes;"""


def _drop_empty(row: str, unit_ns: int, cause: str) -> str:
    return f"""
        DELETE FROM roll_up WHERE camera = {row}.camera AND stream = {row}.stream AND unit_ns = {unit_ns}
            AND start_ns BETWEEN {floor_sql(f"{row}.start_ns", unit_ns)} AND {row}.end_ns AND cause = {cause}
            AND duration_ns = 0 AND spans = 0 AND size_bytes = 0 AND {_is_short(row)};"""


def _add_long(row: str, cause: str, size: str) -> str:
    return f"""
        INSERT OR REPLACE INTO roll_up ({_COLUMNS})
        SELECT {row}.camera, {row}.stream, {ITSELF_NS}, {row}.start_ns, {cause},
            {row}.end_ns - {row}.start_ns, 1, {size} WHERE {_is_long(row)};"""


def _drop_long(row: str, cause: str) -> str:
    return f"""
        DELETE FROM roll_up WHERE camera = {row}.camera AND stream = {row}.stream AND unit_ns = {ITSELF_NS}
            AND start_ns = {row}.start_ns AND cause = {cause} AND {_is_long(row)};"""


def _trigger(table: str, verb: str, columns: str, cause: str, size: str) -> str:
    old, new = ((cause.format(row), size.format(row)) for row in ("OLD", "NEW"))
    statements = []
    if verb != "INSERT":
        statements += [_change("OLD", unit_ns, old, "-") for unit_ns in UNITS_NS] + [_drop_long("OLD", old[0])]
    if verb != "DELETE":
        statements += [_change("NEW", unit_ns, new, "+") for unit_ns in UNITS_NS] + [_add_long("NEW", *new)]
    if verb != "INSERT":
        statements += [_drop_empty("OLD", unit_ns, old[0]) for unit_ns in UNITS_NS]
    of = f" OF {columns}" if verb == "UPDATE" else ""
    return f"CREATE TRIGGER {table}_rolled_up_{verb} AFTER {verb}{of} ON {table} BEGIN {''.join(statements)} END"


_SEGMENT = ("segment", "camera, stream, start_ns, end_ns, size_bytes", f"'{RECORDED}'", "coalesce({}.size_bytes, 0)")
_GAP = ("gap", "camera, stream, start_ns, end_ns, cause", "{}.cause", "0")

ROLL_UPS = (
    """
    CREATE TABLE roll_up (
        camera TEXT NOT NULL,
        stream TEXT NOT NULL,
        unit_ns INTEGER NOT NULL,
        start_ns INTEGER NOT NULL,
        cause TEXT NOT NULL,
        duration_ns INTEGER NOT NULL,
        spans INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        PRIMARY KEY (camera, stream, unit_ns, start_ns, cause)
    ) STRICT, WITHOUT ROWID
    """,
    *(
        _trigger(table, verb, columns, cause, size)
        for table, columns, cause, size in (_SEGMENT, _GAP)
        for verb in ("INSERT", "UPDATE", "DELETE")
    ),
    "INSERT INTO counter (name, value) VALUES "
    "('roll_ups_due', EXISTS (SELECT 1 FROM segment) OR EXISTS (SELECT 1 FROM gap))",
)


def _recount(unit_ns: int, table: str) -> str:
    cause, size = (f"'{RECORDED}'", "size_bytes") if table == "segment" else ("cause", "0")
    at = f"{floor_sql(f'{table}.start_ns', unit_ns)} + after_ns"
    return f"""
        INSERT INTO roll_up ({_COLUMNS})
        SELECT camera, stream, {unit_ns}, {at}, {cause},
            sum(min({table}.end_ns, {at} + {unit_ns}) - max({table}.start_ns, {at})),
            sum(after_ns = 0), sum(CASE WHEN after_ns = 0 THEN {size} ELSE 0 END)
        FROM {table} CROSS JOIN {_steps(unit_ns)}
        WHERE camera = ?1 AND stream = ?2 AND {table}.start_ns >= ?3 - {DAY_NS} AND {table}.start_ns < ?4
            AND {_is_short(table)} AND {at} < {table}.end_ns AND {at} >= ?3 AND {at} < ?4
        GROUP BY {at}, {cause}"""


def _recount_long(table: str) -> str:
    cause, size = (f"'{RECORDED}'", "size_bytes") if table == "segment" else ("cause", "0")
    return f"""
        INSERT INTO roll_up ({_COLUMNS})
        SELECT camera, stream, {ITSELF_NS}, start_ns, {cause}, end_ns - start_ns, 1, {size} FROM {table}
        WHERE camera = ?1 AND stream = ?2 AND start_ns >= ?3 AND start_ns < ?4 AND {_is_long(table)}"""


RECOUNT = (
    "DELETE FROM roll_up WHERE camera = ?1 AND stream = ?2 AND unit_ns IN "
    f"({ITSELF_NS}, {HOUR_NS}, {DAY_NS}) AND start_ns >= ?3 AND start_ns < ?4",
    *(_recount(unit_ns, table) for unit_ns in UNITS_NS for table in ("segment", "gap")),
    *(_recount_long(table) for table in ("segment", "gap")),
)
"""Counts the stream ?1, ?2 anew from its rows, in the whole days `[?3, ?4)`."""

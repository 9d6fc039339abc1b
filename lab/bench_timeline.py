"""How quick the catalogue is with a year of 32 cameras: the views that people scroll through, and starting again.

Measured on synthetic rows: a month's overview of 16 cameras, an hour's manifest, then the same by ten processes at once
while a recorder writes, and the time from opening a catalogue of half a million segments to being ready to record. In
the quick form the archive is of 33 days, which is that half a million.
"""

from __future__ import annotations

import multiprocessing
import random
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from components.shared.catalogue.capture import CaptureReader, CaptureWriter, RunRow, Volume, open_row
from components.shared.catalogue.database import catalogue_path
from components.shared.catalogue.reconcile import find_strays, repair_rows
from components.shared.catalogue.roll_ups import DAY_NS, HOUR_NS
from components.shared.catalogue.volumes import identify_volumes
from components.shared.errors import NvrError
from components.shared.wire.units import Span, WallNs
from lab.show import Limit, Show, Shown
from lab.synthetic_archive import (
    BASE,
    BEGIN_NS,
    SEGMENT_NS,
    SEGMENTS_A_DAY,
    SIZE_BYTES,
    Size,
    camera_name,
    make_archive,
)

CAMERAS = 32
YEAR, HALF_A_MILLION = Size(CAMERAS, 365 * SEGMENTS_A_DAY), Size(CAMERAS, 33 * SEGMENTS_A_DAY)
OVERVIEW_CAMERAS, OVERVIEW_DAYS = 16, 30
OVERVIEWS, MANIFESTS = 100, 400
READERS = 10
BESIDE_S, QUICK_BESIDE_S = 600.0, 30.0
READ_PAUSE_S = 0.1
"""Ten people who scroll as fast as they can see."""

WRITE_PAUSE_S = 0.05
"""A hundred times as often as 32 cameras close segments."""

DELETE_EVERY = 5
LOCKED = ("locked", "BUSY", "busy")
SEED = 20_251_127

LIMITS: dict[str, Limit] = {
    "overview_30d_16cam_ms": ("max", 20.0),
    "manifest_1h_ms": ("max", 2.0),
    "locked_errors": ("max", 0.0),
    "query_p99_ms": ("max", 100.0),
    "startup_500k_s": ("max", 5.0),
    "queries": ("min", 1_000.0),
    "transactions": ("min", 100.0),
}


def run(quick: bool, work: Path, say: Callable[[str], None]) -> Shown:
    """Make the archives, start on one, look at one alone, then look at it while it is written."""
    half = work / "half-a-million"
    make(half, HALF_A_MILLION, say)
    say("starting")
    figures = {"startup_500k_s": round(start_up(half, HALF_A_MILLION), 3)}
    data, size = half, HALF_A_MILLION
    if not quick:
        data, size = work / "year", YEAR
        make(data, size, say)
        figures["startup_year_s"] = round(start_up(data, size), 3)
    figures["segments"] = float(size.cameras * size.segments_each)
    figures["catalogue_bytes"] = float(catalogue_path(data, "capture").stat().st_size)
    say("looking")
    figures |= look_alone(data, size)
    beside_s = QUICK_BESIDE_S if quick else BESIDE_S
    say(f"{READERS} readers beside a writer for {beside_s:.0f} s")
    figures |= look_beside_a_writer(data, size, beside_s)
    return Shown(figures, LIMITS)


def make(data: Path, size: Size, say: Callable[[str], None]) -> None:
    """An archive with what start-up meets: its newest files, an open segment and a cut-off run per camera."""
    say(f"making {size.cameras * size.segments_each} segments")
    make_archive(data, replace(size, runs_are_endless=True), say)
    writer = CaptureWriter.open(data)
    for number in range(size.cameras):
        camera = camera_name(number)
        newest = writer.manifest(camera, Span(WallNs(size.end_ns - HOUR_NS), size.end_ns))
        for entry in newest:
            path = data / "media" / "main" / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.truncate(SIZE_BYTES)  # a file of that length that takes no room
        writer.open_segment(open_row(camera, "main", size.end_ns, f"run-{number}-0", "main"))
    writer.close()


def start_up(data: Path, size: Size) -> float:
    """The seconds from opening the catalogue to being ready to record, as Capture starts."""
    begun = time.monotonic()
    with closing(CaptureWriter.open(data)) as writer:
        writer.register_volume(Volume("main", data / "media" / "main"))
        marked = [note.what for note in identify_volumes(writer)]
        repairs = [repair.what for repair in repair_rows(writer)]
        strays, failures = find_strays(writer)
        took_s = time.monotonic() - begun
        done = (marked, repairs, strays, failures, len(writer.unended_runs()))
    if done != (["identified"], ["discarded"] * size.cameras, [], [], 0):
        raise RuntimeError(f"start-up did something else than was due: {done}")
    return took_s


def look_alone(data: Path, size: Size) -> dict[str, float]:
    """Medians of one reader."""
    with closing(CaptureReader.open(data)) as reader:
        views = Views(reader, size, random.Random(SEED))
        return {
            "overview_30d_16cam_ms": _median_ms(OVERVIEWS, views.overview),
            "overview_hours_30d_16cam_ms": _median_ms(OVERVIEWS // 10, views.overview_of_hours),
            "manifest_1h_ms": _median_ms(MANIFESTS, views.manifest),
        }


class Views:
    """What people look at: at any place of the archive."""

    def __init__(self, reader: CaptureReader, size: Size, chance: random.Random) -> None:
        self._reader = reader
        self._size = size
        self._chance = chance
        self._days = size.segments_each // SEGMENTS_A_DAY

    def overview(self) -> None:
        """A month of 16 cameras by days."""
        self._overview(DAY_NS)

    def overview_of_hours(self) -> None:
        """A month of 16 cameras by hours."""
        self._overview(HOUR_NS)

    def manifest(self) -> None:
        """All segments of an hour of a camera, with their GOP index."""
        hour = self._chance.randrange(24, self._days * 24)  # the writer deletes those of the first day meanwhile
        start_ns = WallNs(BEGIN_NS + hour * HOUR_NS)
        camera = camera_name(self._chance.randrange(self._size.cameras))
        entries = self._reader.manifest(camera, Span(start_ns, WallNs(start_ns + HOUR_NS)))
        if not 1 <= len(entries) <= HOUR_NS // SEGMENT_NS or len(entries[0].gop_bytes) != 90:
            raise RuntimeError(f"the manifest of {camera} in hour {hour} has {len(entries)} segments")

    def _overview(self, unit_ns: int) -> None:
        start_ns = WallNs(BEGIN_NS + self._chance.randrange(self._days - OVERVIEW_DAYS + 1) * DAY_NS)
        cameras = [camera_name(number) for number in range(OVERVIEW_CAMERAS)]
        window = Span(start_ns, WallNs(start_ns + OVERVIEW_DAYS * DAY_NS))
        found = self._reader.overview(cameras, window, unit_ns, self._size.end_ns)
        accounted_ns = sum(covered.accounted_ns for covered in found)
        if accounted_ns != OVERVIEW_CAMERAS * window.duration_ns:
            raise RuntimeError(f"the overview accounts for {accounted_ns} ns of {len(found)} units")


def look_beside_a_writer(data: Path, size: Size, beside_s: float) -> dict[str, float]:
    """What ten processes that look, and a recorder that writes, wait for each other."""
    stop = threading.Event()
    written: list[int] = []
    with closing(CaptureWriter.open(data)) as writer:
        thread = threading.Thread(target=lambda: written.extend(write(writer, size, stop)))
        thread.start()
        try:
            with ProcessPoolExecutor(READERS, multiprocessing.get_context("spawn")) as pool:
                readers = [pool.submit(read, data, size, beside_s, SEED + number) for number in range(READERS)]
                told = [reader.result() for reader in readers]
        finally:
            stop.set()
            thread.join()
    waits_s = sorted(wait_s for waits, _ in told for wait_s in waits)
    if not written or not waits_s:
        return {}
    transactions, refused = written
    return {
        "queries": float(len(waits_s)),
        "transactions": float(transactions),
        "locked_errors": float(refused + sum(locked for _, locked in told)),
        "query_p50_ms": round(waits_s[len(waits_s) // 2] * 1e3, 3),
        "query_p99_ms": round(waits_s[len(waits_s) * 99 // 100] * 1e3, 3),
        "query_max_ms": round(waits_s[-1] * 1e3, 3),
    }


def read(data: Path, size: Size, seconds: float, seed: int) -> tuple[list[float], int]:
    """One process that looks here and there: how long each look took, and how often the file was locked."""
    waits_s: list[float] = []
    locked = 0
    chance = random.Random(seed)
    with closing(CaptureReader.open(data)) as reader:
        views = Views(reader, size, chance)
        end = time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            try:
                chance.choice((views.manifest, views.manifest, views.manifest, views.overview))()
            except NvrError as error:
                if not any(word in str(error) for word in LOCKED):
                    raise
                locked += 1
            waits_s.append(time.monotonic() - begun)
            time.sleep(READ_PAUSE_S * chance.uniform(0.5, 1.5))
    return waits_s, locked


def write(writer: CaptureWriter, size: Size, stop: threading.Event) -> tuple[int, int]:
    """As recorders write: segments opened and closed, runs counted, old footage deleted. Transactions, and refusals."""
    (model,) = writer.manifest(camera_name(0), Span(BEGIN_NS, WallNs(BEGIN_NS + 1)))
    (whole,) = (row for row in writer.segments(camera_name(0), BEGIN_NS, BEGIN_NS + 1) if row.segment == model.segment)
    assert whole.facts is not None, "it is closed"
    for number in range(size.cameras):
        camera = camera_name(number)
        writer.begin_run(RunRow(f"more-{number}", camera, "main", size.end_ns, None, "h264", 1920, 1080, BASE))
    transactions = refused = 0
    at_ns = size.end_ns
    while not stop.is_set():
        for number in range(size.cameras):
            row = open_row(camera_name(number), "main", at_ns, f"more-{number}", "main")
            facts = replace(whole.facts, start_ns=at_ns, end_ns=WallNs(at_ns + SEGMENT_NS), run=row.run)
            try:
                writer.open_segment(row)
                writer.close_segment(row.segment, facts, whole.part_sha256s)
                writer.update_run(row.run, 10, 10)
                transactions += 3
                if number % DELETE_EVERY == 0:
                    _delete_oldest(writer, camera_name(number))
                    transactions += 2
            except NvrError as error:
                if not any(word in str(error) for word in LOCKED):
                    raise
                refused += 1
            if stop.wait(WRITE_PAUSE_S):
                break
        at_ns = WallNs(at_ns + SEGMENT_NS)
    return transactions, refused


def _delete_oldest(writer: CaptureWriter, camera: str) -> None:
    # Every second segment, so that no hour is without any, and the gaps are not all joined.
    oldest = writer.segments(camera, limit=2, stream="main", state="closed")[1]
    writer.mark_garbage(oldest.segment, "retention")
    writer.drop_garbage(oldest.segment)


def _median_ms(times: int, look: Callable[[], None]) -> float:
    look()
    return round(statistics.median(_seconds(look) for _ in range(times)) * 1e3, 3)


def _seconds(look: Callable[[], None]) -> float:
    begun = time.perf_counter()
    look()
    return time.perf_counter() - begun


SHOW = Show(
    name="timeline",
    purpose="overviews and manifests of a year of 32 cameras, ten readers beside a writer, start-up",
    takes_s=1_200,
    quick_takes_s=58,
    run=run,
)

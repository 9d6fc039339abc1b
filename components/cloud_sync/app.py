"""Puts CloudSync together: a sweep per catalogue, the workers, the answers to configuration documents.

It takes one setting from its recipe, `mediaBucket`. Without it the store refuses every request and says what is to be
done; sweeping goes on, so that nothing is lost meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC
from zoneinfo import ZoneInfo

from components.cloud_sync.footage import Footage
from components.cloud_sync.object_store import ObjectStore
from components.cloud_sync.pacer import Pacer
from components.cloud_sync.s3_store import open_s3
from components.cloud_sync.sweeper import Segments, Sweeper, Thumbnails
from components.cloud_sync.transfer import Transfer
from components.cloud_sync.uploader import Surroundings, Uploader
from components.shared.catalogue.sync import SyncWriter
from components.shared.errors import Rejected, Transient
from components.shared.runtime.bus import Inbox
from components.shared.runtime.component import AppliedReporter, Context, Task
from components.shared.runtime.supervisor import Backoff, supervise
from components.shared.wire.sync_config import SyncSection
from components.shared.wire.topics import CLOUD_SYNC, CONFIG_CHANGED, SEGMENT_ANALYSED, SEGMENT_CLOSED
from components.shared.wire.units import NS_PER_S

BUCKET_SETTING = "mediaBucket"

WORKERS = 2
"""Objects of any size under way at once: one connection rarely fills a link."""

SMALL_WORKERS = 1
"""Beside them: an alert or a thumbnail need not wait for the end of a long segment."""

HINTS_MAX = 64  # any number means "look now"

CONFIG_LOOK_NS = 5 * NS_PER_S  # a lost hint delays an answer by this

LEDGER_BACKOFF = Backoff(schedule_s=(1, 2, 5, 10))
"""A full disk or a catalogue that is being migrated: seen to be over soon after it is."""


def build(context: Context) -> Sequence[Task]:
    """The tasks of CloudSync, uploading to S3. Transient while sync.db or the environment does not allow it."""
    pacer = Pacer(context.clock, context.stop)
    bucket = context.settings.get(BUCKET_SETTING, "")
    return build_with(context, open_s3(bucket, WORKERS + SMALL_WORKERS, pacer), pacer)


def build_with(context: Context, store: ObjectStore, pacer: Pacer) -> Sequence[Task]:
    """The tasks of CloudSync on any store; what it sends passes the pacer."""
    ledger = SyncWriter.open(context.data)
    around = Surroundings(context.clock, context.stop, context.log, context.status, random.SystemRandom().random, pacer)
    transfer = Transfer(store, ledger, context.stop)
    uploader = Uploader(ledger, transfer, Footage(context.data), around)

    def sweep(source: Segments | Thumbnails, hints: Inbox) -> Task:
        sweeper = Sweeper(source, ledger, uploader.queued, context.clock, context.log, context.status)
        return _supervised(context, f"sweep-{source.name}", lambda: sweeper.watch(hints, context.stop))

    closed, analysed = Inbox(HINTS_MAX), Inbox(HINTS_MAX)
    context.bus.subscribe(SEGMENT_CLOSED, closed)
    context.bus.subscribe(SEGMENT_ANALYSED, analysed)
    return [
        sweep(Segments(context.data, context.thing), closed),
        sweep(Thumbnails(context.data, context.thing), analysed),
        *(_supervised(context, f"upload-{number}", uploader.work) for number in range(1, WORKERS + 1)),
        *(
            _supervised(context, f"upload-small-{number}", lambda: uploader.work(small_only=True))
            for number in range(1, SMALL_WORKERS + 1)
        ),
        _supervised(context, "config", _follows(context, pacer, transfer)),
    ]


def _supervised(context: Context, name: str, attempt: Callable[[], object]) -> Task:
    def on_failure(error: Transient | Rejected) -> None:
        context.status.failed(f"{name}: {error}")

    return Task(
        name,
        lambda: supervise(name, attempt, LEDGER_BACKOFF, context.clock, context.stop, context.log, on_failure),
    )


def _follows(context: Context, pacer: Pacer, transfer: Transfer) -> Callable[[], None]:
    """Puts the settings of the site's document in force, and says so.

    Where there is no document nothing limits uploads; one that cannot be read may hold a cap, so that nothing is sent.
    """
    changed = Inbox(HINTS_MAX)
    context.bus.subscribe(CONFIG_CHANGED, changed)
    reporter = AppliedReporter(context.bus, CLOUD_SYNC, context.clock)

    blocks = 0

    def tell_progress() -> None:
        """A part takes minutes under a small cap, and nothing is done at hours of no uploads: neither is being stuck.

        A pause by hand is: somebody may have forgotten it.
        """
        nonlocal blocks
        seen, blocks = blocks, pacer.progress_blocks
        limit = pacer.limit
        if seen != blocks or (limit.is_closed and limit.source == "schedule"):
            context.status.progressed()
        if limit.source == "paused":
            context.status.failed("uploads are paused by the site's document: `./nvr sync resume` ends that")

    def follow() -> None:
        snapshot, is_followed = None, False
        while not context.stop.is_set():
            newer = context.config.poll()
            if newer is not None:
                snapshot, is_followed = newer, True
                site = newer.site.document
                transfer.follow(site.sync)
                pacer.follow(site.sync, ZoneInfo(site.time_zone))
                context.log.info("limit_in_force", bytes_per_s=pacer.limit.bytes_per_s, source=pacer.limit.source)
            elif context.config.site_fault is not None and snapshot is None:
                context.status.failed(
                    f"nothing is uploaded while the limits are not known: {context.config.site_fault}"
                )
            elif not is_followed:
                pacer.follow(SyncSection(), UTC)
                is_followed = True
            if snapshot is not None:
                reporter.report(snapshot)
            tell_progress()
            changed.take(context.clock, context.stop, CONFIG_LOOK_NS)
            changed.drain()

    return follow

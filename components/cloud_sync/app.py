"""Puts CloudSync together: a sweep per catalogue, the workers, the answers to configuration documents.

It takes one setting from its recipe, `mediaBucket`. Without it the store refuses every request and says what is to be
done; sweeping goes on, so that nothing is lost meanwhile.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from datetime import UTC
from zoneinfo import ZoneInfo

from components.cloud_sync.chooser import Chooser
from components.cloud_sync.core.plan import WORKERS
from components.cloud_sync.footage import Footage
from components.cloud_sync.happenings import Happenings, margins_of
from components.cloud_sync.object_store import ObjectStore
from components.cloud_sync.pacer import Pacer
from components.cloud_sync.policies import GoneFootage, Policies
from components.cloud_sync.pull_desk import REQUESTS_MAX, PullDesk
from components.cloud_sync.s3_store import open_s3
from components.cloud_sync.sweeper import Segments, Sweeper, Thumbnails, watch
from components.cloud_sync.transfer import Transfer
from components.cloud_sync.uploader import Surroundings, Uploader
from components.shared.catalogue.sync import SyncWriter
from components.shared.errors import Rejected, Transient
from components.shared.runtime.bus import CloudInbox, Inbox
from components.shared.runtime.component import AppliedReporter, Context, Task
from components.shared.runtime.config import Snapshot
from components.shared.runtime.status import StatusBoard
from components.shared.runtime.supervisor import Backoff, supervise
from components.shared.wire.span_pull import pull_topic
from components.shared.wire.sync_config import SyncSection
from components.shared.wire.topics import CLOUD_SYNC, CONFIG_CHANGED, SEGMENT_ANALYSED, SEGMENT_CLOSED
from components.shared.wire.units import NS_PER_S

BUCKET_SETTING = "mediaBucket"

HINTS_MAX = 64  # any number means "look now"

CONFIG_LOOK_NS = 5 * NS_PER_S  # a lost hint delays an answer by this

LEDGER_BACKOFF = Backoff(schedule_s=(1, 2, 5, 10))
"""A full disk or a catalogue that is being migrated: seen to be over soon after it is."""


def build(context: Context) -> Sequence[Task]:
    """The tasks of CloudSync, uploading to S3. Transient while sync.db or the environment does not allow it."""
    pacer = Pacer(context.clock, context.stop)
    bucket = context.settings.get(BUCKET_SETTING, "")
    return build_with(context, open_s3(bucket, WORKERS, pacer), pacer)


def build_with(context: Context, store: ObjectStore, pacer: Pacer) -> Sequence[Task]:
    """The tasks of CloudSync on any store; what it sends passes the pacer."""
    ledger = SyncWriter.open(context.data)
    around = Surroundings(context.clock, context.stop, context.log, context.status, random.SystemRandom().random, pacer)
    transfer = Transfer(store, ledger, context.stop)
    policies = Policies(context.data, ledger, context.clock, context.log)
    uploader = Uploader(ledger, transfer, Footage(context.data), around)

    def sweeper(source: Segments | Thumbnails) -> Sweeper:
        return Sweeper(source, ledger, uploader.queued, context.clock, context.log, context.status)

    def sweep(name: str, looks: Sequence[Callable[[threading.Event], object]], hints: Inbox) -> Task:
        return _supervised(context, name, lambda: watch(looks, hints, context.clock, context.stop))

    def wake() -> None:
        uploader.queued(())
        uploader.report_backlog()

    happenings = Happenings(context.data)
    chooser = Chooser(context.thing, ledger, happenings, wake, context.clock, context.log)
    gone = GoneFootage(context.data, ledger)
    pictures = sweeper(Thumbnails(context.data, context.thing)).sweep

    def limit(snapshot: Snapshot | None) -> None:
        if snapshot is None:
            pacer.follow(SyncSection(), UTC)
            return
        site = snapshot.site.document
        transfer.follow(site.sync)
        pacer.follow(site.sync, ZoneInfo(site.time_zone))
        context.log.info("limit_in_force", bytes_per_s=pacer.limit.bytes_per_s, source=pacer.limit.source)

    def follow(snapshot: Snapshot) -> None:
        happenings.margins = margins_of(snapshot.site.document.retention)
        if policies.follow(snapshot):
            wake()

    desk = PullDesk(context.thing, ledger, Happenings(context.data), context.bus, wake, context.clock, context.log)
    asked = CloudInbox(REQUESTS_MAX)
    context.bus.subscribe_cloud(pull_topic(context.thing), asked)
    closed, analysed = Inbox(HINTS_MAX), Inbox(HINTS_MAX)
    context.bus.subscribe(SEGMENT_CLOSED, closed)
    context.bus.subscribe(SEGMENT_ANALYSED, analysed)
    return [
        sweep("sweep-capture", [sweeper(Segments(context.data, context.thing)).sweep], closed),
        sweep("sweep-analysis", [pictures, chooser.look, gone.look], analysed),
        *(_supervised(context, f"upload-{number}", uploader.work) for number in range(1, WORKERS + 1)),
        _supervised(context, "pulls", lambda: desk.work(asked, context.stop)),
        _supervised(context, "config", _follows(context, limit, follow, _progress_of(pacer, context.status))),
    ]


def _supervised(context: Context, name: str, attempt: Callable[[], object]) -> Task:
    def on_failure(error: Transient | Rejected) -> None:
        context.status.failed(f"{name}: {error}")

    return Task(
        name,
        lambda: supervise(name, attempt, LEDGER_BACKOFF, context.clock, context.stop, context.log, on_failure),
    )


def _follows(
    context: Context,
    limit: Callable[[Snapshot | None], object],
    follow: Callable[[Snapshot], object],
    tell_progress: Callable[[], object],
) -> Callable[[], None]:
    """Puts what the documents say in force, then says so.

    Where there is no document nothing limits uploads; one that cannot be read may hold a cap, so that nothing is sent.
    """
    changed = Inbox(HINTS_MAX)
    context.bus.subscribe(CONFIG_CHANGED, changed)
    reporter = AppliedReporter(context.bus, CLOUD_SYNC, context.clock)

    snapshot: Snapshot | None = None

    def answer() -> None:
        nonlocal snapshot  # what could not be put in force now is tried again
        is_limited = False
        while not context.stop.is_set():
            newer = context.config.poll()
            snapshot = newer or snapshot
            if snapshot is None and context.config.site_fault is not None:
                context.status.failed(
                    f"nothing is uploaded while the limits are not known: {context.config.site_fault}"
                )
            elif newer is not None or not is_limited:
                limit(snapshot)
                is_limited = True
            if snapshot is not None:
                follow(snapshot)
                reporter.report(snapshot)
            tell_progress()
            changed.take(context.clock, context.stop, CONFIG_LOOK_NS)
            changed.drain()

    return answer


def _progress_of(pacer: Pacer, status: StatusBoard) -> Callable[[], None]:
    """Tells what is no standstill: a part takes minutes under a small cap, and nothing is done at hours of no uploads.

    A pause by hand is one: somebody may have forgotten it.
    """
    blocks = 0

    def tell() -> None:
        nonlocal blocks
        seen, blocks = blocks, pacer.progress_blocks
        limit = pacer.limit
        if seen != blocks or (limit.is_closed and limit.source == "schedule"):
            status.progressed()
        if limit.source == "paused":
            status.failed("uploads are paused by the site's document: `./nvr sync resume` ends that")

    return tell

"""Wires SiteConfig: the configuration, its doors, and four tasks.

The task `edits` never waits for the network. The tasks that do (`shadows`, `secrets`, `health`) are supervised each by
itself, so that one service that does not answer holds up nothing else; a call may be abandoned at a stop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from components.shared.errors import Rejected, Transient
from components.shared.runtime.bus import CloudInbox, Inbox
from components.shared.runtime.component import Context, Task
from components.shared.runtime.seal import PLAIN, Keeping
from components.shared.runtime.secrets import keeping_at
from components.shared.runtime.supervisor import Backoff, supervise
from components.shared.wire import topics
from components.shared.wire.messages import ConfigApplied, StreamChanged
from components.shared.wire.units import NS_PER_S
from components.site_config.aws_client import AwsSession
from components.site_config.configuration import Configuration
from components.site_config.health_report import HealthReport
from components.site_config.journal import JournalFile
from components.site_config.proposals import ProposalFolder
from components.site_config.reporting import Reporting
from components.site_config.secret_keeping import SecretKeeping
from components.site_config.secret_refresh import SecretRefresh
from components.site_config.secret_store import SecretsManagerStore, SecretStore
from components.site_config.shadow_store import IotShadowStore, ShadowStore
from components.site_config.shadow_sync import ShadowSync
from components.site_config.site_edits import SiteEdits

LOOK_NS = NS_PER_S
"""How soon an edit made at the site is in force, and the operator's report up to date."""

HINTS_MAX = 200
"""Deltas of all cameras of a large site at once; a lost one costs a sweep's latency."""

APPLIED_MAX = 2_000
"""Four components answer for every document every minute: a large site, held up for a while."""

SHADOW_BACKOFF = Backoff(schedule_s=(1, 2, 5, 10, 15))
"""After an outage an edit is in the shadow within a quarter of a minute; until then little is asked."""

OTHER_BACKOFF = Backoff(schedule_s=(2, 5, 10, 30, 60))


def build(context: Context) -> Sequence[Task]:
    """The tasks of SiteConfig, on AWS as the environment names it."""
    session = AwsSession()
    shadows, secrets = IotShadowStore(session, context.thing), SecretsManagerStore(session, context.thing)
    return wire(context, shadows, secrets, lambda: keeping_at(context.data))


def wire(
    context: Context,
    shadows: ShadowStore,
    secrets: SecretStore,
    choose_keeping: Callable[[], Keeping] = lambda: Keeping(PLAIN, "in plain files"),
) -> Sequence[Task]:
    """The tasks of SiteConfig on these stores; what the disk holds is in force when this returns."""
    folder = ProposalFolder(context.data)
    folder.make()
    journal_file = JournalFile(context.data)
    configuration = Configuration(context.data, journal_file, context.bus, context.clock, context.log)
    reporting = Reporting(context.data, configuration, context.clock)
    configuration.load(reporting.last_states())
    configuration.settle()

    applied, health_hints, deltas = Inbox(APPLIED_MAX), Inbox(HINTS_MAX), CloudInbox(HINTS_MAX)
    streams = Inbox(HINTS_MAX)
    context.bus.subscribe(topics.STREAM_CHANGED, streams)
    context.bus.subscribe(topics.CONFIG_APPLIED, applied)
    context.bus.subscribe(topics.HEALTH_CHANGED, health_hints)
    context.bus.subscribe_cloud(topics.shadow_delta_filter(context.thing), deltas)

    edits = SiteEdits(configuration, folder, context.clock, context.log)
    sync = ShadowSync(configuration, reporting, shadows, deltas, context.clock, context.stop, context.log)
    keeping = SecretKeeping(context.data, choose_keeping, context.log)
    refresh = SecretRefresh(context.data, configuration, secrets, keeping, context.clock, context.log)
    health = HealthReport(context.data, shadows, health_hints, context.clock, context.stop)

    def look() -> None:
        for message in applied.drain():
            if isinstance(message.body, ConfigApplied):
                reporting.heard(message.body)
        if edits.look():
            context.status.progressed()
        reporting.write()
        # A sweep that is due is work that waits: an exchange that hangs is seen by it, from this other thread.
        context.status.backlog(configuration.unsent() or int(sync.is_overdue()))

    def refresh_secrets() -> None:
        for message in streams.drain():
            if isinstance(message.body, StreamChanged):
                refresh.heard(message.body)
        refresh.attempt()

    def exchange() -> None:
        before = sync.answers
        try:
            sync.attempt()
        finally:
            if sync.answers != before:
                context.status.progressed()

    return [
        Task("edits", partial(_run, context, "edits", look, Backoff(schedule_s=(1, 2, 5)))),
        Task("shadows", partial(_run, context, "shadows", exchange, SHADOW_BACKOFF)),
        Task("secrets", partial(_run, context, "secrets", refresh_secrets, OTHER_BACKOFF)),
        Task("health", partial(_run, context, "health", health.attempt, OTHER_BACKOFF)),
    ]


def _run(context: Context, name: str, attempt: Callable[[], object], backoff: Backoff) -> None:
    def failed(error: Transient | Rejected) -> None:
        context.status.failed(f"{name}: {error}")

    supervise(name, attempt, backoff, context.clock, context.stop, context.log, failed)

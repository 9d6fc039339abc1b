"""The site's configuration in one place: what the cloud wants, what is in force, what was changed here; thread-safe.

Everything that is learnt (a shadow fetched, an edit proposed, a push answered) goes in here; `settle` decides and does
what can be done without the network: journal, last-good files, hints. It may be repeated without harm, and start-up is
nothing but a `settle` of what the journal and the files hold.

Invariants: the journal is durable before anything that follows from it; the files in force are always valid documents;
what was learnt from the cloud is never needed to start.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.shared.errors import Rejected, Transient
from components.shared.runtime.bus import Bus
from components.shared.runtime.clock import Clock
from components.shared.runtime.config import (
    Snapshot,
    config_folder,
    read_snapshot,
    remove_document,
    write_document,
)
from components.shared.runtime.files import Step, disk_errors, no_step
from components.shared.runtime.log import Log
from components.shared.wire.messages import ConfigChanged
from components.shared.wire.site_config import SITE, camera_of_shadow, camera_shadow, document_sha256, parse_site
from components.site_config.core.documents import Desired, DocumentState, Edit, Held, Picture
from components.site_config.core.merge import Decision, Push, decide, effective_site, secret_names, secret_of
from components.site_config.core.propose import Proposal, propose
from components.site_config.core.rebase import Lost
from components.site_config.history import History
from components.site_config.journal import Answer, Journal, JournalFile, LostEdit
from components.site_config.shadow_store import Shadow

SENT_MAX = 4
"""Pushes of one document whose fate is not known; each is followed by a fetch, so that one is the rule."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a document stands, which of its edits was lost, and whether an edit of it waits to be sent."""

    state: DocumentState
    lost: str | None
    unsent: bool


class Configuration:
    """All documents of the site. Any thread may call; every call is short, the longest a few durable writes."""

    def __init__(
        self, data: Path, journal_file: JournalFile, bus: Bus, clock: Clock, log: Log, step: Step = no_step
    ) -> None:
        self._data = data
        self._step = step
        self._journal_file = journal_file
        self._bus = bus
        self._clock = clock
        self._log = log
        self._history = History(data, clock, log, step)
        self._lock = threading.Lock()
        self._desired: dict[str, Desired] = {}
        self._arriving: dict[str, Desired] = {}
        self._in_force: dict[str, Held] = {}
        self._states: dict[str, DocumentState] = {}
        self._journal = Journal()
        self._is_settled = False
        self._cameras: dict[str, str] | None = None
        self._is_cameras_known = False
        self._site_fault: str | None = None
        self._strays: set[str] = set()
        self.is_reachable = False
        """Whether the last exchange with the cloud succeeded."""

    def load(self, last_states: Mapping[str, DocumentState]) -> None:
        """Take over what the disk holds. `last_states` is what was told before; it counts until something is known."""
        with self._lock:
            try:
                self._journal = self._journal_file.load()
            except Rejected as error:
                aside = self._journal_file.set_aside()
                self._log.error("journal_damaged", error=error, kept_as=str(aside))
            try:
                snapshot = read_snapshot(self._data)
            except Rejected as error:
                snapshot = None
                self._site_fault = str(error)
                self._log.error("site_document_damaged", error=error)
            self._in_force = _held_in(snapshot)
            self._strays = {name for name in kept_cameras(self._data) if name not in self._in_force}
            self._states = dict(last_states)
            self._changed()

    def picture(self) -> Picture:
        """Everything that is known now."""
        with self._lock:  # copies: others go on changing theirs
            return Picture(dict(self._desired), dict(self._in_force), self._journal.edits)

    def cameras(self) -> dict[str, str] | None:
        """The cameras that the site names, with the hashes of their documents; None while there is no site."""
        with self._lock:
            if not self._is_cameras_known:  # parsing takes milliseconds, and this is asked every second
                picture = self._picture()
                site = effective_site(replace(picture, desired={**picture.desired, **self._arriving}))
                self._cameras = dict(site.cameras) if site else None
                self._is_cameras_known = True
            return dict(self._cameras) if self._cameras is not None else None

    def secret_names(self) -> tuple[str, ...]:
        """The secrets that the documents refer to."""
        return secret_names(self.picture())

    def secret_of(self, camera: str) -> str | None:
        """The secret that a camera's document in force refers to; None without one."""
        held = self.picture().in_force.get(camera_shadow(camera))
        return None if held is None else secret_of(held.raw)

    def standings(self) -> dict[str, Standing]:
        """How every document stands."""
        with self._lock:
            return {
                name: Standing(state, self._lost_reason(name), name in self._journal.edits)
                for name, state in sorted(self._states.items())
            }

    def unsent(self) -> int:
        """How many documents have edits that are not in their shadow."""
        with self._lock:
            return len(self._journal.edits)

    def fetched(self, name: str, shadow: Shadow | None) -> Desired:
        """A shadow was fetched, None when there is none; it counts once `all_fetched` says so."""
        with self._lock:
            before = self._arriving.get(name) or self._desired.get(name)
            desired = _desired(shadow, before, self._in_force.get(name))
            if before is not None and desired.raw is None and before.raw is not None:
                self._log.warning("desired_state_gone", document=name)
            self._arriving[name] = desired
            self._is_cameras_known &= desired == before
            return desired

    def all_fetched(self) -> None:
        """All that was due has been fetched: from now on it counts, the cameras' documents together with the site's."""
        with self._lock:
            if any(self._desired.get(name) != desired for name, desired in self._arriving.items()):
                self._changed()
            self._desired.update(self._arriving)
            self._arriving.clear()

    def reported(self, name: str, version: int) -> bool:
        """The shadow has this version by a report of ours; whether nobody else has changed it in between."""
        with self._lock:
            known = self._desired.get(name)
            if known is None or version != known.shadow_version + 1:
                return False
            self._desired[name] = replace(known, shadow_version=version)
            return True

    def shadow_version(self, name: str) -> int:
        """The newest version of the shadow that was seen, 0 for none."""
        with self._lock:
            known = self._arriving.get(name) or self._desired.get(name)
            return known.shadow_version if known else 0

    def propose(self, proposal: Proposal) -> Answer:
        """Decide a proposal, durably, once: the same id gets the same answer. `settle` then puts it in force."""
        with self._lock:
            known = self._journal.answers.get(proposal.id)
            if known is not None:
                return known
            self._settle()  # the edit is made on everything that is known
            edits, lost = self._journal.edits, dict(self._journal.lost)
            try:
                if self._site_fault is not None and SITE not in self._in_force:
                    raise Rejected(self._site_fault)  # noqa: TRY301 - a reason to refuse like those of the document
                accepted = propose(self._picture(), proposal)
            except Rejected as error:
                answer = Answer("refused", None, str(error))
                self._log.warning("edit_refused", proposal=proposal.id, document=proposal.document, error=error)
            else:
                edits = accepted.edits
                lost.pop(proposal.document, None)
                answer = Answer("in_force" if self.is_reachable else "pending", accepted.version)
                self._log.info(
                    "edit_accepted", proposal=proposal.id, document=proposal.document, version=accepted.version
                )
            self._keep(Journal(edits, {**self._journal.answers, proposal.id: answer}, lost))
            self._changed()
            return answer

    def answers(self) -> dict[str, Answer]:
        """Decisions whose proposers may not have been told yet."""
        with self._lock:
            return dict(self._journal.answers)

    def answered(self, proposal_id: str) -> None:
        """The proposer was told and the proposal removed: forget it, with the next thing that is written."""
        with self._lock:
            answers = {key: answer for key, answer in self._journal.answers.items() if key != proposal_id}
            self._journal = replace(self._journal, answers=answers)

    def settle(self) -> None:
        """Do what follows from what is known. Transient when the disk does not take it: call again."""
        with self._lock:
            self._settle()

    def pushes(self) -> tuple[Push, ...]:
        """What is to be sent to the shadows, in this order."""
        with self._lock:
            return decide(self._picture()).push if self._journal.edits else ()

    def sending(self, push: Push) -> None:
        """Remember, durably, that this goes out now: if it is found in the shadow later it was ours."""
        with self._lock:
            edit = self._journal.edits.get(push.document)
            if edit is not None and push.sha256 not in edit.sent:
                self._keep_edit(push.document, replace(edit, sent=(*edit.sent, push.sha256)[-SENT_MAX:]))

    def pushed(self, push: Push, raw: Mapping[str, Any], version: int) -> None:
        """The shadow has taken it: its desired state is `raw` now, and nothing sent before can arrive any more."""
        with self._lock:
            self._desired[push.document] = Desired(raw, version, version, push.sha256)
            edit = self._journal.edits.get(push.document)
            if edit is not None:
                self._keep_edit(push.document, replace(edit, base=raw, sent=()))
            self._changed()
            self._log.info("edit_sent", document=push.document, version=version, sha256=push.sha256)

    def _picture(self) -> Picture:
        return Picture(self._desired, self._in_force, self._journal.edits)

    def _settle(self) -> None:
        if not self._is_settled:
            self._do(decide(self._picture()))
            self._is_settled = True

    def _changed(self) -> None:
        self._is_settled = False
        self._is_cameras_known = False

    def _lost_reason(self, name: str) -> str | None:
        lost = self._journal.lost.get(name)
        return lost.reason if lost else None

    def _keep(self, journal: Journal) -> None:
        self._journal_file.save(journal)
        self._journal = journal

    def _keep_edit(self, name: str, edit: Edit) -> None:
        self._keep(replace(self._journal, edits={**self._journal.edits, name: edit}))

    def _do(self, decision: Decision) -> None:
        self._history.lost(decision.lost, self._journal.edits)
        lost = self._still_lost(decision)
        if decision.edits != self._journal.edits or lost != self._journal.lost:
            self._keep(replace(self._journal, edits=decision.edits, lost=lost))
        for item in decision.lost:
            self._log.warning("edit_lost", document=item.document, proposals=list(item.ids), reason=item.reason)
        for name, held in decision.put:
            self._step(f"before put {name}")
            write_document(self._data, name, dict(held.raw), held.version, self._clock)
            self._step(f"after put {name}")
            self._in_force[name] = held
            self._log.info("document_in_force", document=name, version=held.version, sha256=held.sha256)
            self._hint(name, held)
        for name in decision.remove:
            self._step(f"before remove {name}")
            remove_document(self._data, name)
            self._step(f"after remove {name}")
            del self._in_force[name]
            self._log.info("document_removed", document=name)
        self._remove_strays()
        self._set_states(decision)
        self._history.follow(self._in_force, decision.edits)
        self._history.told(decision.states, self._desired)
        self._history.gone(decision.remove)

    def _remove_strays(self) -> None:
        """Remove what a worker that was killed in between has left of a camera that the site does not name."""
        if self._strays and SITE in self._in_force:
            cameras = parse_site(self._in_force[SITE].raw).document.cameras
            for name in sorted(self._strays):
                if camera_of_shadow(name) not in cameras:
                    remove_document(self._data, name)
            self._strays = set()

    def _still_lost(self, decision: Decision) -> dict[str, LostEdit]:
        """What was lost before and still counts, and what is lost now; of a camera that is gone, with the site."""
        kept = {
            name: lost
            for name, lost in self._journal.lost.items()
            if name not in decision.states or decision.states[name].sha256 == lost.sha256
        }
        for item in decision.lost:
            name = item.document if item.document in decision.states else SITE
            if name in decision.states:
                kept[name] = LostEdit(_reason(item), decision.states[name].sha256)
        return kept

    def _set_states(self, decision: Decision) -> None:
        site = effective_site(self._picture())
        names = [SITE, *(camera_shadow(camera) for camera in site.cameras)] if site else list(decision.states)
        states = {}
        for name in names:
            state = decision.states.get(name) or self._states.get(name) or _unfetched(name, self._in_force.get(name))
            before = self._states.get(name)
            if state.state != "in_force" and (before is None or _says(before) != _says(state)):
                self._log.warning(
                    "document_not_in_force", document=name, state=state.state, version=state.version, error=state.error
                )
            states[name] = state
        self._states = states

    def _hint(self, name: str, held: Held) -> None:
        try:
            self._bus.publish(ConfigChanged(document=name, version=held.version, sha256=held.sha256))
        except Transient as error:  # the components look at the files by themselves too
            self._log.debug("hint_not_sent", document=name, error=error)


def kept_cameras(data: Path) -> list[str]:
    """The cameras' documents that lie in the folder, whether the site names them or not."""
    folder = config_folder(data)
    with disk_errors(folder, "list"):
        names = [path.name.removesuffix(".json") for path in folder.glob("*.json")]
    return [name for name in names if camera_of_shadow(name) is not None]


def _held_in(snapshot: Snapshot | None) -> dict[str, Held]:
    if snapshot is None:
        return {}
    held = {SITE: Held(snapshot.site.raw, snapshot.site.version, snapshot.site.sha256)}
    for camera, loaded in snapshot.cameras.items():
        held[camera_shadow(camera)] = Held(loaded.raw, loaded.version, loaded.sha256)
    return held


def _desired(shadow: Shadow | None, before: Desired | None, held: Held | None) -> Desired:
    """What the shadow wants, with the version at which this content was first seen."""
    if shadow is None:
        return Desired(None)
    if shadow.desired is None:
        return Desired(None, 0, shadow.version)  # no version: our own reports would move it
    sha256 = document_sha256(shadow.desired)
    told = shadow.reported or {}
    version = shadow.version
    if before is not None and before.sha256 == sha256:
        version = before.version
    elif held is not None and held.sha256 == sha256:
        version = held.version
    elif told.get("sha256") == sha256 and isinstance(told.get("version"), int):
        version = told["version"]
    return Desired(shadow.desired, version, shadow.version, sha256)


def _unfetched(name: str, held: Held | None) -> DocumentState:
    if held is not None:
        return DocumentState("in_force", held.version, held.sha256)
    return DocumentState("pending", 0, "", f"document {name}: its shadow was not fetched yet")


def _says(state: DocumentState) -> tuple[object, ...]:
    return (state.state, state.sha256, state.error)


def _reason(item: Lost) -> str:
    return f"edit {', '.join(item.ids)} of {item.document} was lost: {item.reason}"

"""The stages of an erasure. Each call does one step, which is saved in the database before the next begins.

LOOK makes the preview. After the second person's confirmation: WAIT until everything is stored, so that no event in
flight brings bytes back; SEARCH for the matching events; TELL the log which parts will go; ERASE them; remove them
from the ARCHIVE; erase in other PLACES; SCRUB the disk. The order of TELL and ERASE is the point of it: a part that is
missing without a record could not be told from tampering, whereas a record whose part is still there is only work to
do. Every stage is idempotent, so a crash repeats at most one step.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, delete, select, update

from tallystick import ids
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.erasure import erasure_list
from tallystick.erasure.personal_data import PersonalData
from tallystick.erasure.records import erasure_records
from tallystick.erasure.redact_events import redact_events
from tallystick.erasure.request import (
    AGAIN,
    ARCHIVE,
    ERASE,
    PLACES,
    PREFIX,
    SCRUB,
    SEARCH,
    TELL,
    ErasurePreview,
    account_of,
    first_person,
    is_erasure,
)
from tallystick.erasure.search import ARCHIVE as ARCHIVED
from tallystick.erasure.search import DONE, SearchBatch, SubjectMatches, search_archive, search_trail
from tallystick.erasure.steps import ErasureRow, add_steps, group_by_parts, is_step, merge_steps, steps_of
from tallystick.erasure.subject import ERASED, Subject, SubjectMatcher
from tallystick.erasure.tables import erasure_steps, erasures
from tallystick.errors import Unavailable
from tallystick.journal import missing_ranges, tail
from tallystick.ledger.tables import logs
from tallystick.merkle.remains import parts_of
from tallystick.outbox import write as outbox
from tallystick.query.scope import Scope
from tallystick.retention import holds, index_set
from tallystick.retention.archive_erasure import ArchiveEraser, require_archive
from tallystick.store import erasing
from tallystick.store.events import EventStore
from tallystick.work import leases

RECORDS_PER_STEP = 8
STEP_SECONDS = 5.0  # the longest that one step reads archived files without changing one


@dataclass(frozen=True)
class ErasureStages:
    """One method for each stage: takes the erasure's row, does one step, returns False when it must wait."""

    database: Database
    store: EventStore
    data_dir: Path
    places: Sequence[PersonalData]
    archive_eraser: ArchiveEraser | None

    def look(self, row: ErasureRow) -> bool:
        """LOOK: search the next batch for the preview; after the last one, count matches outside of the trail."""
        matcher = _matcher(row)
        preview = msgspec.json.decode(row.found, type=ErasurePreview) if row.found else ErasurePreview(SubjectMatches())
        scope = operator_scope(row.org_id)
        batch = self._search_next(row, scope, matcher, preview.trail)
        values: dict[str, Any] = {"place": batch.position}
        if batch.position == DONE:
            preview.searched_through = row.end_index - 1
            preview.places = {place.name: place.count(row.org_id, matcher) for place in self.places}
            with self.database.read() as connection:
                preview.account = account_of(connection, row.org_id, matcher.subject)
            values = {"place": "", "stage": "", "state": "ready"}
        values["found"] = msgspec.json.encode(preview).decode()
        with self.database.write() as connection:
            # If it was cancelled meanwhile the stage differs, and no personal data is written to its row again.
            connection.execute(
                update(erasures)
                .where(is_erasure(row.org_id, row.erasure_id), erasures.c.stage == row.stage)
                .values(values)
            )
        return True

    def wait(self, row: ErasureRow) -> bool:
        """WAIT: until every event below `end_index` is stored, so that none in flight brings bytes back.

        Lost events are waited for as well: a search would not find them, and they may come back.
        """
        with self.database.write() as connection:
            if missing_ranges.read_missing(connection, row.org_id):
                raise Unavailable(
                    "The event store lacks some events of the organization, in which the person may be named. The "
                    "erasure continues when they are there again. The operator can see them with: tallystick doctor",
                    code="events_missing",
                )
            stored = connection.execute(select(logs.c.stored_end).where(logs.c.org_id == row.org_id)).scalar_one()
            if stored < row.end_index:
                return False
            again = row.requested_by == AGAIN
            waits = steps_of(connection, row, erasure_steps.c.entry_id.is_(None))
            _update_row(
                connection, row, stage=(TELL if waits else ERASE) if again else SEARCH, place="", events=0, held=0
            )
        return True

    def search(self, row: ErasureRow) -> bool:
        """SEARCH: find the next batch of events and the parts that they lose."""
        found, scope = SubjectMatches(), operator_scope(row.org_id)
        with self.database.read() as connection:
            before = _holds(connection, row.org_id)
        batch = self._search_next(row, scope, _matcher(row), found)
        with self.database.write() as connection:
            organizations.lock_row(connection, row.org_id)
            if not _is_as_read(connection, row):
                return True
            now = _holds(connection, row.org_id)
            if now != before or (row.place and now != row.holds):
                _start_again(connection, row)
                return True
            add_steps(connection, row, "found", group_by_parts(batch.matches))
            if batch.position == DONE:
                merge_steps(connection, row)
            _update_row(
                connection,
                row,
                place="" if batch.position == DONE else batch.position,
                holds=now,
                held=row.held + found.held,
                **({"stage": TELL} if batch.position == DONE else {}),
            )
        return True

    def record(self, row: ErasureRow, now: int) -> bool:
        """TELL: write the erasure records, except those that were written before."""
        with self.database.write() as connection:
            # Placing a hold locks the same row: a record and a hold on the same event cannot both succeed.
            organizations.lock_row(connection, row.org_id)
            if not _is_as_read(connection, row):
                return True
            if row.requested_by != AGAIN and _holds(connection, row.org_id) != row.holds:
                _start_again(connection, row)
                return True
            untold = steps_of(connection, row, erasure_steps.c.entry_id.is_(None))
            for step in untold[:RECORDS_PER_STEP]:
                entry_id = _write_record(connection, row, step, now)
                connection.execute(update(erasure_steps).where(is_step(step)).values(entry_id=entry_id))
            if len(untold) <= RECORDS_PER_STEP:
                _update_row(connection, row, stage=ERASE)
        return True

    def erase(self, row: ErasureRow) -> bool:
        """ERASE: remove the parts, once every record of the erasure is in the log.

        The erasure list is on disk before: a backup made now and restored later is erased again.
        """
        with self.database.write() as connection:
            steps = steps_of(connection, row)
            if any(outbox.is_waiting(connection, step.entry_id) for step in steps if step.entry_id):
                return False
            if leases.deletions_must_wait(connection):
                return False
        if erasing.failure_of_changes(self.store):
            raise Unavailable(
                "The event store cannot finish an earlier change, and runs no later one before it. The operator can "
                "see the cause with: tallystick doctor",
                code="store_stuck",
            )
        if erasing.changes_are_running(self.store):
            return False
        public_id = ids.encode(PREFIX, row.erasure_id.bytes) if row.requested_by != AGAIN else row.requested_by_name
        lines = [erasure_list.line_of(self.database, row.org_id, public_id, step.parts, step.indexes) for step in steps]
        erasure_list.append(self.data_dir, [line for line in lines if line is not None])
        sets: dict[int, list[int]] = {}
        for step in steps:
            sets.setdefault(step.parts, []).extend(index_set.parse_indexes(step.indexes))
        indexes = sorted(set().union(*sets.values()))
        with leases.deleting(self.database) as may_delete:
            if not may_delete or not tail.remove(self.database, row.org_id, indexes, leases.deletions_must_wait):
                return False
            done_at = redact_events(self.database, self.store, row.org_id, sets)
        with self.database.write() as connection:
            _update_row(connection, row, stage=ARCHIVE, place=str(done_at), events=len(indexes))
        return True

    def archive(self, row: ErasureRow) -> bool:
        """ARCHIVE: rewrite the next archived file that holds erased parts, of this erasure or of any earlier one."""
        scope, (done_at, _, after) = operator_scope(row.org_id), row.place.partition(" ")
        last = ""
        if self.archive_eraser is None:
            require_archive(self.database, scope)
        else:
            left = [step for step in self.archive_eraser.steps(scope) if step.name > after]
            if not after:
                self.archive_eraser.remove_unfinished(scope)
            losses = self._losses(scope) if left else {}
            ends = time.monotonic() + STEP_SECONDS
            for step in left:
                last = step.name
                if self.archive_eraser.erase_parts(scope, step, losses) or time.monotonic() > ends:
                    break
        with self.database.write() as connection:
            if last:
                _update_row(connection, row, place=f"{done_at} {last}")
            else:
                _update_row(connection, row, stage=PLACES)
        return True

    def _losses(self, scope: Scope) -> dict[int, int]:
        """All erased parts (bits) by index, from the records in the log."""
        with self.database.read() as connection:
            size = connection.execute(select(logs.c.size).where(logs.c.org_id == scope.org_id)).scalar_one()
        found: dict[int, int] = {}
        for record in erasure_records(self.database, self.store, scope, size):
            for index in index_set.parse_indexes(record.indexes):
                found[index] = found.get(index, 0) | record.parts
        return found

    def _search_next(
        self, row: ErasureRow, scope: Scope, matcher: SubjectMatcher, found: SubjectMatches
    ) -> SearchBatch:
        """Search the next batch of the trail, or after its last one the next files of the archive."""
        if row.place.startswith(ARCHIVED):
            if self.archive_eraser is not None:
                return search_archive(
                    self.database, self.store, self.archive_eraser, scope, matcher, row.place, row.end_index, found
                )
            require_archive(self.database, scope)
            return SearchBatch()
        batch = search_trail(self.database, self.store, scope, matcher, row.place, row.end_index, found)
        if batch.position == DONE:
            batch.position = ARCHIVED
        return batch

    def erase_elsewhere(self, row: ErasureRow) -> bool:
        """PLACES: erase outside of the trail, then in the request itself."""
        if row.subject:
            for place in self.places:
                place.erase(row.org_id, _matcher(row))
        with self.database.write() as connection:
            mine = (erasure_steps.c.org_id == row.org_id) & (erasure_steps.c.erasure_id == row.erasure_id)
            connection.execute(delete(erasure_steps).where(mine))
            # The erased person may be the admin who requested or confirmed it.
            matcher = _matcher(row)
            names = {name: matcher.redact(getattr(row, name)) for name in ("requested_by_name", "confirmed_by_name")}
            _update_row(connection, row, stage=SCRUB, subject="", found="", **(names if row.subject else {}))
        return True

    def is_purged_from_disk(self, row: ErasureRow) -> bool:
        """SCRUB: whether the event store has deleted every file of its table that held the bytes."""
        return erasing.is_off_the_disk(self.store, int(row.place.partition(" ")[0] or 0))


def record_metadata(text: str, events: int, parts: int, reason: str, erasure: str, by: Sequence[str]) -> dict[str, Any]:
    """The metadata of an erasure record; the verifier reads `indexes` and `parts`.

    `by` are who requested and who confirmed it, and the first of two who confirmed, empty if there was one.
    """
    first = {"first_confirmed_by": by[2]} if by[2] else {}
    return {
        "indexes": text,
        "events": events,
        "parts": ",".join(parts_of(parts)),
        "reason": reason,
        "erasure": erasure,
        "requested_by": by[0],
        **first,
        "confirmed_by": by[1],
    }


def _matcher(row: ErasureRow) -> SubjectMatcher:
    return SubjectMatcher(msgspec.json.decode(row.subject, type=Subject) if row.subject else Subject())


def _holds(connection: Connection, org_id: UUID) -> str:
    return ",".join(hold.public_id for hold in holds.active(connection, operator_scope(org_id)))


def _is_as_read(connection: Connection, row: ErasureRow) -> bool:
    """Whether no other process has gone on with the erasure since its row was read."""
    columns = (erasures.c.stage, erasures.c.place, erasures.c.holds)
    now = connection.execute(select(*columns).where(is_erasure(row.org_id, row.erasure_id))).first()
    return now is not None and tuple(now) == (row.stage, row.place, row.holds)


def _update_row(connection: Connection, row: ErasureRow, **values: Any) -> None:
    """Update the erasure's row, unless its stage has changed: a worker that lost its lease changes nothing."""
    mine = is_erasure(row.org_id, row.erasure_id) & (erasures.c.stage == row.stage)
    connection.execute(update(erasures).where(mine).values(values))


def _start_again(connection: Connection, row: ErasureRow) -> None:
    """Search again, because a hold was placed or released. What is recorded in the trail stays and is erased."""
    mine = (erasure_steps.c.org_id == row.org_id) & (erasure_steps.c.erasure_id == row.erasure_id)
    connection.execute(delete(erasure_steps).where(mine, erasure_steps.c.entry_id.is_(None)))
    _update_row(connection, row, stage=SEARCH, place="", holds="", events=0, held=0)


def _write_record(connection: Connection, row: ErasureRow, step: ErasureRow, now: int) -> int:
    again = row.requested_by == AGAIN
    matcher = _matcher(row)
    agreed = (row.requested_by, row.confirmed_by, first_person(connection, row.org_id, row.erasure_id))
    by = [matcher.redact(who) if row.subject else who for who in agreed]
    if matcher.subject.id in by:
        by = [ERASED if who == matcher.subject.id else who for who in by]
    public_id = row.requested_by_name if again else ids.encode(PREFIX, row.erasure_id.bytes)
    events = len(index_set.parse_indexes(step.indexes))
    return outbox.write(
        connection,
        row.org_id,
        {
            "action": "audit_log.subject_erased",
            "actor": {"type": "system", "id": "tallystick", "name": "Tallystick"},
            "metadata": record_metadata(step.indexes, events, step.parts, row.reason, public_id, by),
        },
        now=now,
    )

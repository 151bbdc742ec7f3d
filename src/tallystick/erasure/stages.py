"""What each stage of an erasure does. Each is one step, kept in the database before the next begins."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tallystick import clock, ids
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.erasure import erasure_list
from tallystick.erasure.places import Place
from tallystick.erasure.records import told
from tallystick.erasure.redact_events import take
from tallystick.erasure.request import (
    AGAIN,
    ARCHIVE,
    ERASE,
    PLACES,
    PREFIX,
    SCRUB,
    SEARCH,
    TELL,
    Preview,
    account_of,
    one,
)
from tallystick.erasure.search import ARCHIVE as ARCHIVED
from tallystick.erasure.search import DONE, Found, Run, look, look_archived
from tallystick.erasure.tables import erasure_steps, erasures
from tallystick.erasure.texts import ERASED, Subject, Texts
from tallystick.errors import Unavailable
from tallystick.ledger.tables import logs
from tallystick.merkle.remains import parts_of
from tallystick.outbox import write as outbox
from tallystick.query.scope import Scope
from tallystick.retention import holds, index_set
from tallystick.retention.archive_reduced import Shelf, refuse_unreachable
from tallystick.store import erasing
from tallystick.store.events import EventStore
from tallystick.work import leases

MOST_TEXT = 50_000  # of one record: an event has room for no more
RECORDS_AT_ONCE = 8
STEP_SECONDS = 5.0  # so long one step may look at files that stay as they are
Erasing = Row[Any]


@dataclass(frozen=True)
class Work:
    """The stages. Each method takes the erasure's row, does one step and says whether it could."""

    database: Database
    store: EventStore
    data_dir: Path
    places: Sequence[Place]
    shelf: Shelf | None

    def look(self, row: Erasing) -> bool:
        """The preview: a run of rows, and at the end the other places."""
        texts = _texts(row)
        preview = msgspec.json.decode(row.found, type=Preview) if row.found else Preview(Found())
        scope = operator_scope(row.org_id)
        run = self._run(row, scope, texts, preview.trail)
        values: dict[str, Any] = {"place": run.place}
        if run.place == DONE:
            preview.searched_through = row.end_index - 1
            preview.places = {place.name: place.found(row.org_id, texts) for place in self.places}
            with self.database.read() as connection:
                preview.account = account_of(connection, row.org_id, texts.subject)
            values = {"place": "", "stage": "", "state": "ready"}
        values["found"] = msgspec.json.encode(preview).decode()
        with self.database.write() as connection:
            # Somebody may have cancelled it meanwhile: then nothing is written of the person again.
            connection.execute(
                update(erasures).where(one(row.org_id, row.erasure_id), erasures.c.stage == row.stage).values(values)
            )
        return True

    def wait(self, row: Erasing) -> bool:
        """Until everything is stored: nothing in flight may bring bytes back."""
        with self.database.write() as connection:
            stored = connection.execute(select(logs.c.stored_end).where(logs.c.org_id == row.org_id)).scalar_one()
            if stored < row.end_index:
                return False
            again = row.requested_by == AGAIN
            waits = _steps(connection, row, erasure_steps.c.entry_id.is_(None))
            _set(connection, row, stage=(TELL if waits else ERASE) if again else SEARCH, place="", events=0, held=0)
        return True

    def search(self, row: Erasing) -> bool:
        """A run of rows: which events lose which parts."""
        found, scope = Found(), operator_scope(row.org_id)
        with self.database.read() as connection:
            before = _holds(connection, row.org_id)
        run = self._run(row, scope, _texts(row), found)
        with self.database.write() as connection:
            organizations.hold_row(connection, row.org_id)
            now = _holds(connection, row.org_id)
            if now != before or (row.place and now != row.holds):
                _start_again(connection, row)
                return True
            _add(connection, row, "found", _by_parts(run.matches))
            if run.place == DONE:
                _merge(connection, row)
            _set(
                connection, row, place="" if run.place == DONE else run.place, holds=now, held=row.held + found.held,
                **({"stage": TELL} if run.place == DONE else {}),
            )  # fmt: skip
        return True

    def tell(self, row: Erasing, now: int) -> bool:
        """Write the records of it; those that stand in the trail already are not written again."""
        with self.database.write() as connection:
            # Whoever places a hold has this row: the record and the hold cannot cross.
            organizations.hold_row(connection, row.org_id)
            if row.requested_by != AGAIN and _holds(connection, row.org_id) != row.holds:
                _start_again(connection, row)
                return True
            untold = _steps(connection, row, erasure_steps.c.entry_id.is_(None))
            for step in untold[:RECORDS_AT_ONCE]:
                entry_id = _write_record(connection, row, step, now)
                connection.execute(update(erasure_steps).where(_step(step)).values(entry_id=entry_id))
            if len(untold) <= RECORDS_AT_ONCE:
                _set(connection, row, stage=ERASE)
        return True

    def erase(self, row: Erasing) -> bool:
        """Take the parts, once every record of it is in the log."""
        with self.database.read() as connection:
            steps = _steps(connection, row)
            if any(outbox.is_waiting(connection, step.entry_id) for step in steps if step.entry_id):
                return False
            if leases.backup_is_running(connection, now=clock.now_us()):
                return False
        if erasing.failing(self.store):
            raise Unavailable(
                "The event store fails to carry out an earlier change, and no later one before it. The operator sees "
                "why with: tallystick doctor",
                code="store_stuck",
            )
        if erasing.is_at_work(self.store):
            return False
        shown_id = ids.encode(PREFIX, row.erasure_id.bytes) if row.requested_by != AGAIN else row.requested_by_name
        lines = [erasure_list.line_of(self.database, row.org_id, shown_id, step.parts, step.indexes) for step in steps]
        erasure_list.append(self.data_dir, [line for line in lines if line is not None])
        sets: dict[int, list[int]] = {}
        for step in steps:
            sets.setdefault(step.parts, []).extend(index_set.parse_indexes(step.indexes))
        done_at = take(self.database, self.store, row.org_id, sets)
        events = len(set().union(*sets.values())) if sets else 0
        with self.database.write() as connection:
            _set(connection, row, stage=ARCHIVE, place=str(done_at), events=events)
        return True

    def archive(self, row: Erasing) -> bool:
        """Archived steps without what the log says is erased, whichever erasure said so: one, or many that stay."""
        scope, (done_at, _, after) = operator_scope(row.org_id), row.place.partition(" ")
        last = ""
        if self.shelf is None:
            refuse_unreachable(self.database, scope)
        else:
            left = [step for step in self.shelf.steps(scope) if step.name > after]
            if not after:
                self.shelf.tidy(scope)
            losses = self._losses(scope) if left else {}
            ends = time.monotonic() + STEP_SECONDS
            for step in left:
                last = step.name
                if self.shelf.lose(scope, step, losses) or time.monotonic() > ends:
                    break
        with self.database.write() as connection:
            if last:
                _set(connection, row, place=f"{done_at} {last}")
            else:
                _set(connection, row, stage=PLACES)
        return True

    def _losses(self, scope: Scope) -> dict[int, int]:
        """What the log tells that events lost, by their indexes."""
        with self.database.read() as connection:
            size = connection.execute(select(logs.c.size).where(logs.c.org_id == scope.org_id)).scalar_one()
        found: dict[int, int] = {}
        for record in told(self.database, self.store, scope, size):
            for index in index_set.parse_indexes(record.indexes):
                found[index] = found.get(index, 0) | record.parts
        return found

    def _run(self, row: Erasing, scope: Scope, texts: Texts, found: Found) -> Run:
        """The next run of rows of the trail, and after the last one what of it is in the archive."""
        if row.place.startswith(ARCHIVED):
            if self.shelf is not None:
                return look_archived(
                    self.database, self.store, self.shelf, scope, texts, row.place, row.end_index, found
                )
            refuse_unreachable(self.database, scope)
            return Run()
        run = look(self.database, self.store, scope, texts, row.place, row.end_index, found)
        if run.place == DONE:
            run.place = ARCHIVED
        return run

    def places_too(self, row: Erasing) -> bool:
        """The other places; then the request itself."""
        if row.subject:
            for place in self.places:
                place.erase(row.org_id, _texts(row))
        with self.database.write() as connection:
            mine = (erasure_steps.c.org_id == row.org_id) & (erasure_steps.c.erasure_id == row.erasure_id)
            connection.execute(delete(erasure_steps).where(mine))
            # An admin who is erased asked or confirmed, too.
            texts = _texts(row)
            names = {name: texts.without(getattr(row, name)) for name in ("requested_by_name", "confirmed_by_name")}
            _set(connection, row, stage=SCRUB, subject="", found="", **(names if row.subject else {}))
        return True

    def is_off_the_disk(self, row: Erasing) -> bool:
        """Whether the store has removed every part of its table that held the bytes."""
        return erasing.is_off_the_disk(self.store, int(row.place.partition(" ")[0] or 0))


def record_metadata(text: str, events: int, parts: int, reason: str, erasure: str, by: Sequence[str]) -> dict[str, Any]:
    """What a record says: the verifier reads indexes and parts."""
    return {
        "indexes": text, "events": events, "parts": ",".join(parts_of(parts)), "reason": reason, "erasure": erasure,
        "requested_by": by[0], "confirmed_by": by[1],
    }  # fmt: skip


def schedule(connection: Connection, org_id: UUID, erasure: str, sets: Sequence[tuple[int, str, bool]]) -> None:
    """Let what an older copy forgot be done again: sets of (parts, indexes, whether the log tells of it)."""
    now = clock.now_us()
    known = select(erasures.c.erasure_id).where(
        erasures.c.org_id == org_id, erasures.c.requested_by == AGAIN, erasures.c.requested_by_name == erasure,
        erasures.c.stage != "",
    )  # fmt: skip
    if connection.execute(known).first() is not None:
        return  # under way already
    erasure_id = ids.new_uuid(now)
    end = max(max(index_set.parse_indexes(text)) for _, text, _ in sets) + 1
    connection.execute(
        insert(erasures).values(
            org_id=org_id, erasure_id=erasure_id, state="confirmed", stage="wait", place="", subject="",
            reason="applied again after a restore", requested_by=AGAIN, requested_by_name=erasure, requested_at=now,
            confirmed_by=AGAIN, confirmed_by_name="", confirmed_at=now, end_index=end, holds="", found="", events=0,
            held=0, waits_for="",
        )
    )  # fmt: skip
    for number, (parts, text, is_told) in enumerate(sets):
        connection.execute(
            insert(erasure_steps).values(
                org_id=org_id, erasure_id=erasure_id, number=number, kind="record", parts=parts, indexes=text,
                entry_id=0 if is_told else None,
            )
        )  # fmt: skip


def _texts(row: Erasing) -> Texts:
    return Texts(msgspec.json.decode(row.subject, type=Subject) if row.subject else Subject())


def _holds(connection: Connection, org_id: UUID) -> str:
    return ",".join(hold.shown_id for hold in holds.active(connection, operator_scope(org_id)))


def _set(connection: Connection, row: Erasing, **values: Any) -> None:
    """Go on; whoever lost the lease meanwhile, and is behind, changes nothing."""
    mine = one(row.org_id, row.erasure_id) & (erasures.c.stage == row.stage)
    connection.execute(update(erasures).where(mine).values(values))


def _steps(connection: Connection, row: Erasing, *conditions: Any) -> Sequence[Erasing]:
    mine = (erasure_steps.c.org_id == row.org_id) & (erasure_steps.c.erasure_id == row.erasure_id)
    statement = select(erasure_steps).where(mine, *conditions).order_by(erasure_steps.c.number)
    return connection.execute(statement).all()


def _step(step: Erasing) -> Any:
    return (
        (erasure_steps.c.org_id == step.org_id)
        & (erasure_steps.c.erasure_id == step.erasure_id)
        & (erasure_steps.c.number == step.number)
    )


def _by_parts(matches: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for index, mask in matches:
        found.setdefault(mask, []).append(index)
    return found


def _add(connection: Connection, row: Erasing, kind: str, sets: dict[int, list[int]]) -> None:
    mine = (erasure_steps.c.org_id == row.org_id) & (erasure_steps.c.erasure_id == row.erasure_id)
    last = connection.execute(select(func.max(erasure_steps.c.number)).where(mine)).scalar()
    number = 0 if last is None else last + 1
    for parts, listed in sorted(sets.items()):
        left = sorted(set(listed))
        while left:
            some = index_set.prefix_within(left, MOST_TEXT)
            left = left[len(some) :]
            connection.execute(
                insert(erasure_steps).values(
                    org_id=row.org_id, erasure_id=row.erasure_id, number=number, kind=kind, parts=parts,
                    indexes=index_set.format_indexes(some),
                )
            )  # fmt: skip
            number += 1


def _merge(connection: Connection, row: Erasing) -> None:
    """What was found becomes as few records as can hold it, without what was told before."""
    sets: dict[int, set[int]] = {}
    told: dict[int, set[int]] = {}
    for step in _steps(connection, row):
        into = sets if step.kind == "found" else told
        into.setdefault(step.parts, set()).update(index_set.parse_indexes(step.indexes))
    mine = (erasure_steps.c.org_id == row.org_id) & (erasure_steps.c.erasure_id == row.erasure_id)
    connection.execute(delete(erasure_steps).where(mine, erasure_steps.c.kind == "found"))
    _add(connection, row, "record", {parts: list(of - told.get(parts, set())) for parts, of in sets.items()})


def _start_again(connection: Connection, row: Erasing) -> None:
    """A hold was placed or released: look anew. What the trail was told of is carried out."""
    mine = (erasure_steps.c.org_id == row.org_id) & (erasure_steps.c.erasure_id == row.erasure_id)
    connection.execute(delete(erasure_steps).where(mine, erasure_steps.c.entry_id.is_(None)))
    _set(connection, row, stage=SEARCH, place="", holds="", events=0, held=0)


def _write_record(connection: Connection, row: Erasing, step: Erasing, now: int) -> int:
    again = row.requested_by == AGAIN
    texts = _texts(row)
    by = [texts.without(who) if row.subject else who for who in (row.requested_by, row.confirmed_by)]
    if texts.subject.id in by:
        by = [ERASED if who == texts.subject.id else who for who in by]
    shown_id = row.requested_by_name if again else ids.encode(PREFIX, row.erasure_id.bytes)
    events = len(index_set.parse_indexes(step.indexes))
    return outbox.write(
        connection,
        row.org_id,
        {
            "action": "audit_log.subject_erased",
            "actor": {"type": "system", "id": "tallystick", "name": "Tallystick"},
            "metadata": record_metadata(step.indexes, events, step.parts, row.reason, shown_id, by),
        },
        now=now,
    )

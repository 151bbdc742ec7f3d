"""The queue of export files on their way to the recipients of a schedule."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, select, update

from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.delivery_queue import (
    AttemptOutcome,
    Claim,
    DeliveryQueue,
    DeliveryResult,
    Lane,
    RowUpdate,
)
from tallystick.destinations.email_queue import EMAIL_BACKOFF
from tallystick.destinations.file_storage import FileStorage
from tallystick.destinations.mime import InvalidEmail
from tallystick.destinations.smtp import EmailNotSent
from tallystick.errors import Forbidden, TallystickError
from tallystick.exports import links, request
from tallystick.exports.exporter import Exporter
from tallystick.exports.request import Export
from tallystick.exports.tables import exports
from tallystick.schedules import runs
from tallystick.schedules.export_email import ExportFile, ExportMailer, store_file
from tallystick.schedules.recipients import may_receive
from tallystick.schedules.schedule import OPEN, OPERATOR_STORAGE, find
from tallystick.schedules.tables import schedule_deliveries, schedule_runs
from tallystick.secret_keys import SecretKeys
from tallystick.work.leases import Lease

CLAIM_SECONDS = 900  # longer than an email can take; after a crash the delivery is attempted again then
KEPT = 400 * DAY_US
SENDING = "sending"  # stands in `way` while an attempt is in progress
FILE_MISSING = DeliveryResult("its file is gone", method="made again")
logger = structlog.get_logger(__name__)


class ExportQueue(DeliveryQueue):
    """Files of schedules, a lane for the emails of each schedule and one for its file in the operator's storage.

    Only the process that holds the lease of the schedules delivers, since it also has the files.
    """

    name = "exports"
    table = schedule_deliveries
    key = ("org_id", "run_id", "address")
    claim_column = "next_at"
    claim_seconds = CLAIM_SECONDS
    given_up_state = "failed"
    problem_length = 300
    backoff = EMAIL_BACKOFF
    max_at_once = 6
    max_of_organization = 2
    max_of_channel = 4
    max_failing = 3

    def __init__(
        self,
        database: Database,
        exporter: Exporter,
        lease: Lease,
        mailer: ExportMailer | None,
        storage: FileStorage | None,
    ) -> None:
        self._database = database
        self._exporter = exporter
        self._lease = lease
        self.mailer = mailer
        self.storage = storage

    def may_work(self, now: int) -> bool:
        return self._lease.hold(now)

    def due(self, connection: Connection, now: int) -> Sequence[Lane]:
        is_stored = schedule_deliveries.c.address == OPERATOR_STORAGE
        wanted = (
            select(
                schedule_deliveries.c.org_id,
                schedule_runs.c.schedule_id,
                is_stored.label("is_stored"),
                func.max(schedule_deliveries.c.attempts).label("attempts"),
            )
            .join(schedule_runs, _same_run())
            .where(_is_due(now))
            .group_by(schedule_deliveries.c.org_id, schedule_runs.c.schedule_id, is_stored)
            .order_by(func.min(schedule_deliveries.c.next_at))
        )
        return [
            Lane(
                row.org_id,
                (row.schedule_id, bool(row.is_stored)),
                has_failed=row.attempts > 0,
                by_email=not row.is_stored,
            )
            for row in connection.execute(wanted)
        ]

    def next_row(self, connection: Connection, lane: Lane, now: int) -> Row[Any] | None:
        # The scheduler begins no run of this organization meanwhile, so that it sees what is being sent.
        organizations.lock_row(connection, lane.org_id)
        schedule_id, is_stored = lane.lane_id
        address = schedule_deliveries.c.address
        # The attempt is recorded for the file that was sent, even if the run gets another file meanwhile.
        return connection.execute(
            select(schedule_deliveries, schedule_runs.c.export_id, schedule_runs.c.until, schedule_runs.c.made_at)
            .join(schedule_runs, _same_run())
            .where(_is_due(now), schedule_runs.c.org_id == lane.org_id, schedule_runs.c.schedule_id == schedule_id)
            .where(address == OPERATOR_STORAGE if is_stored else address != OPERATOR_STORAGE)
            .order_by(schedule_deliveries.c.next_at)
            .limit(1)
        ).first()

    def claim_values(self) -> dict[str, Any]:
        return {"way": SENDING}

    def release_claims(self, connection: Connection, now: int) -> None:
        claimed = update(schedule_deliveries).where(is_sending(now))
        connection.execute(claimed.values(next_at=now, way=""))

    def send(self, claim: Claim, now: int) -> DeliveryResult:
        row = claim.row
        with self._database.read() as connection:
            file = self._load(connection, row, now)
        if isinstance(file, DeliveryResult):
            return file
        try:
            if row.address == OPERATOR_STORAGE:
                if self.storage is None:
                    return DeliveryResult("the operator has not set one (TALLYSTICK_EXPORT_DIR)", permanent=True)
                return DeliveryResult(method=store_file(self.storage, file))
            if self.mailer is None:
                return DeliveryResult("email is not configured (TALLYSTICK_SMTP_URL)", permanent=True)
            return DeliveryResult(
                method=self.mailer.send(file, row.address, now, partial(self._file_link, file, row.address, now))
            )
        except TargetError as error:
            return DeliveryResult(error.detail.rstrip("."))
        except EmailNotSent as error:
            return DeliveryResult(str(error), permanent=error.permanent, unreachable=error.unreachable)
        except (InvalidEmail, OSError, TallystickError) as error:
            if isinstance(error, OSError) and not file.path.exists():
                return FILE_MISSING  # an erasure deleted it after it was looked up
            return DeliveryResult(str(error)[:200], permanent=isinstance(error, InvalidEmail))

    def record(self, connection: Connection, outcome: AttemptOutcome) -> None:
        row, result, now = outcome.claim.row, outcome.result, outcome.at
        organizations.lock_row(connection, row.org_id)
        run = _run(connection, row)
        if run is None:
            return  # deleted with its schedule
        schedule = find(connection, row.org_id, run.schedule_id)
        if schedule is None:
            connection.execute(delete(schedule_runs).where(runs.is_run(row.org_id, row.run_id)))
            return
        if result == FILE_MISSING:
            released = update(schedule_deliveries).where(self.is_claimed(outcome.claim))
            is_released = connection.execute(released.values(next_at=row.next_at, way="")).rowcount
            # Otherwise the run was closed, or the other lane missed the same file and has restarted the run.
            if is_released and run.state == "sending" and run.export_id == row.export_id:
                runs.restart(connection, schedule, run, now)
            return
        updated = self.update_row(connection, outcome)
        if result.problem:
            logger.warning("schedule_not_delivered", schedule=schedule.public_id, problem=result.problem)
            if not updated.is_written:
                return  # its claim expired, and another process knows more
        else:
            runs.mark_served(connection, schedule, run, row.address, until=row.until)
        mine = (schedule_deliveries.c.org_id == row.org_id) & (schedule_deliveries.c.run_id == row.run_id)
        waiting = select(schedule_deliveries.c.address).where(mine, schedule_deliveries.c.state == "waiting").limit(1)
        if connection.execute(waiting).first() is None:
            runs.close(connection, schedule, run, now)

    def update_row(self, connection: Connection, outcome: AttemptOutcome) -> RowUpdate:
        return self.record_attempt(connection, outcome, way=outcome.result.method)

    def after_commit(self, outcome: AttemptOutcome) -> None:
        # A run that is made again, or the next missed period, waits for its export.
        self._exporter.wake()
        if outcome.result.method not in ("attached", "stored"):
            return
        with self._database.read() as connection:
            export = export_of(connection, outcome.claim.row)
        self._exporter.finish_download(export)

    def delete_old(self, connection: Connection, now: int) -> bool:
        old = (schedule_runs.c.finished_at < now - KEPT) & schedule_runs.c.state.not_in(OPEN)
        of_old = schedule_deliveries.c.run_id.in_(select(schedule_runs.c.run_id).where(old))
        connection.execute(delete(schedule_deliveries).where(of_old))
        connection.execute(delete(schedule_runs).where(old))
        return False  # schedules are few, and their runs seldom

    def _load(self, connection: Connection, row: Row[Any], now: int) -> ExportFile | DeliveryResult:
        """The file to send; otherwise why there is none."""
        run = _run(connection, row)
        schedule = None if run is None else find(connection, row.org_id, run.schedule_id)
        if run is None or schedule is None:
            return DeliveryResult("the schedule was deleted", permanent=True)
        recipient = next((one for one in schedule.recipients if one.address == row.address), None)
        if recipient is None or not may_receive(connection, row.org_id, recipient):
            return DeliveryResult("no longer receives it", permanent=True)
        try:
            runs.creator_scope(connection, schedule, now)
        except Forbidden as problem:
            return DeliveryResult(problem.detail.rstrip("."), permanent=True)
        export = export_of(connection, row)
        path = self._exporter.path(export)
        if not export.has_file or not path.exists():
            return FILE_MISSING
        organization = organizations.of_scope(connection, operator_scope(row.org_id)).name
        return ExportFile(schedule, run.run_id, export, path, organization, run.period, run.left_out)

    def _file_link(self, file: ExportFile, address: str, now: int) -> str:
        """The token of a link to the file for this recipient."""
        schedule = file.schedule
        consented = any(one.address == address and one.consent_by for one in schedule.recipients)
        with self._database.write() as connection:
            scope = runs.creator_scope(connection, schedule, now)
            link = links.recipient_link(
                connection, scope, file.export, schedule.schedule_id, address, consented=consented, now=now
            )
        return links.token_of(self.mailer.keys if self.mailer else SecretKeys(""), link)


def is_sending(now: int) -> ColumnElement[bool]:
    """The condition that finds deliveries being attempted at `now` (microseconds)."""
    return and_(
        schedule_deliveries.c.state == "waiting",
        schedule_deliveries.c.way == SENDING,
        schedule_deliveries.c.next_at > now,
    )


def export_of(connection: Connection, run: Row[Any]) -> Export:
    """The export that makes the file of a run, or made that of a claimed delivery."""
    row = connection.execute(select(exports).where(request.is_export(run.org_id, run.export_id))).one()
    return request.export_of(row)


def _run(connection: Connection, row: Row[Any]) -> Row[Any] | None:
    return connection.execute(select(schedule_runs).where(runs.is_run(row.org_id, row.run_id))).first()


def _same_run() -> ColumnElement[bool]:
    return and_(
        schedule_runs.c.org_id == schedule_deliveries.c.org_id, schedule_runs.c.run_id == schedule_deliveries.c.run_id
    )


def _is_due(now: int) -> ColumnElement[bool]:
    return and_(
        schedule_deliveries.c.state == "waiting",
        schedule_deliveries.c.next_at <= now,
        schedule_runs.c.state == "sending",
    )

"""Where else a person may stand, beside the trail: each place finds the texts, and puts `[erased]` there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, func, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from tallystick.alerts.fields import digest
from tallystick.alerts.tables import alert_hits, alert_memory, alert_rules, alerts
from tallystick.cases.tables import case_events, cases
from tallystick.compliance.tables import review_findings, review_reminders, reviews
from tallystick.database.engine import Database
from tallystick.destinations.tables import deliveries, delivery_attempts, destinations
from tallystick.erasure.kept_exports import KeptExports
from tallystick.erasure.replaced_files import MovedAside
from tallystick.erasure.tables import erasures
from tallystick.erasure.texts import Texts
from tallystick.ingest.tables import idempotency_keys
from tallystick.retention.tables import legal_holds
from tallystick.saved.tables import saved_views
from tallystick.schedules.tables import export_schedules, schedule_deliveries, schedule_recipients, schedule_runs

AT_ONCE = 500
JSON = frozenset(
    {"filter", "recipients", "facts", "search", "shape", "message", "left", "settings"}
)  # columns that hold it


class Place(Protocol):
    """Somewhere that an organization's people write, or that keeps what was read."""

    @property
    def name(self) -> str:
        """What a person calls it: `cases`."""

    def found(self, org_id: UUID, texts: Texts) -> int:
        """How many rows, files or whatever it has speak of the person."""

    def erase(self, org_id: UUID, texts: Texts) -> int:
        """Take the person out of them; how many. Doing it again changes nothing."""


@dataclass(frozen=True)
class Rows:
    """Texts in the columns of a table. `only` some of its rows; `drop` deletes a row rather than changing it."""

    name: str
    database: Database
    table: Table
    columns: tuple[str, ...]
    only: ColumnElement[bool] | None = None
    drop: bool = False

    def found(self, org_id: UUID, texts: Texts) -> int:
        with self.database.read() as connection:
            return sum(1 for _ in self._speaking(connection, org_id, texts))

    def erase(self, org_id: UUID, texts: Texts) -> int:
        with self.database.write() as connection:
            rows = list(self._speaking(connection, org_id, texts))
            for key, changed in rows:
                if self.drop:
                    connection.execute(delete(self.table).where(key))
                else:
                    self._change(connection, key, changed)
        return len(rows)

    def _change(self, connection: Connection, key: ColumnElement[bool], changed: dict[str, str]) -> None:
        try:
            with connection.begin_nested():
                connection.execute(update(self.table).where(key).values(changed))
        except IntegrityError:  # what parted two names was the person's
            apart = {name: f"{text} {token_hex(4)}" for name, text in changed.items()}
            connection.execute(update(self.table).where(key).values(apart))

    def _speaking(
        self, connection: Connection, org_id: UUID, texts: Texts
    ) -> Sequence[tuple[ColumnElement[bool], dict[str, str]]]:
        key = list(self.table.primary_key.columns)
        mine = self.table.c.org_id == org_id
        wanted = select(*key, *(self.table.c[name] for name in self.columns if self.table.c[name] not in key))
        found: list[tuple[ColumnElement[bool], dict[str, str]]] = []
        wanted = wanted.where(mine, true() if self.only is None else self.only)
        for row in connection.execute(wanted.execution_options(yield_per=AT_ONCE)):
            changed = {name: self._without(row, name, texts) for name in self.columns}
            changed = {name: text for name, text in changed.items() if text != row._mapping[name]}
            if changed:
                found.append((and_(*(column == row._mapping[column.name] for column in key)), changed))
        return found

    def _without(self, row: Any, name: str, texts: Texts) -> str:
        column: Column[Any] = self.table.c[name]
        take = texts.without_in_json if name in JSON and row._mapping[name] else texts.without
        text = take(row._mapping[name])
        length = getattr(column.type, "length", None)
        return text[:length] if length else text


@dataclass(frozen=True)
class Learnt:
    """What rules remember of the person: digests, which go. Who comes back is somebody new to them."""

    database: Database
    name: str = "what rules learnt"

    def found(self, org_id: UUID, texts: Texts) -> int:
        with self.database.read() as connection:
            return sum(
                connection.execute(select(func.count()).select_from(table).where(where)).scalar_one()
                for table, where in self._mine(connection, org_id, texts)
            )

    def erase(self, org_id: UUID, texts: Texts) -> int:
        with self.database.write() as connection:
            # Who judges now still holds the names: every rule is another, so that it judges again.
            mine = alert_rules.c.org_id == org_id
            connection.execute(update(alert_rules).where(mine).values(version=alert_rules.c.version + 1))
            return sum(
                connection.execute(delete(table).where(where)).rowcount
                for table, where in self._mine(connection, org_id, texts)
            )

    def _mine(self, connection: Connection, org_id: UUID, texts: Texts) -> Sequence[tuple[Table, ColumnElement[bool]]]:
        subject = texts.subject
        names = [name for name in (subject.email, subject.id, *subject.also) if name]
        rules = connection.execute(select(alert_rules.c.rule_id).where(alert_rules.c.org_id == org_id)).scalars().all()
        found = []
        for table in (alert_hits, alert_memory):
            for rule_id in rules:
                known = [digest(rule_id, name) for name in names]
                about = or_(table.c.key.in_(known), table.c.value.in_(known))
                found.append((table, and_(table.c.org_id == org_id, table.c.rule_id == rule_id, about)))
        return found


def places(database: Database, data_dir: Path) -> list[Place]:
    """Those of this version, in the control database and among the kept files."""
    lines = ("title", "issue", "detected", "impact", "root_cause", "resolution", "time_to_fix", "made_by_name")
    return [
        Rows("cases", database, cases, lines),
        Rows("notes", database, case_events, ("note", "added_by")),
        Rows("reviews", database, reviews, ("about", "filter", "conclusion", "opened_by_name", "signed_by_name")),
        Rows("findings", database, review_findings, ("note", "marked_by")),
        Rows("review reminders", database, review_reminders, ("recipients",)),
        Rows("saved views", database, saved_views, ("name", "query", "owner_name")),
        # A schedule whose filter named the person ends when it is due; its recipients go as such.
        Rows("scheduled exports", database, export_schedules, ("name", "filter", "stopped", "by_name", "by_email")),
        Rows("recipients", database, schedule_recipients, ("address",), drop=True),
        Rows("consents", database, schedule_recipients, ("consent_by",)),
        Rows("scheduled runs", database, schedule_runs, ("error",)),
        Rows("deliveries", database, schedule_deliveries, ("address", "problem"), drop=True),
        Learnt(database),  # before the alerts: none is written after it that still names the person
        Rows(
            "alerts",
            database,
            alerts,
            ("rule_name", "group_name", "sentence", "facts", "search", "acknowledged_by", "note"),
        ),
        Rows("alert rules", database, alert_rules, ("name", "shape", "runbook", "made_by")),
        Rows("destinations", database, destinations, ("name", "settings", "last_error", "made_by")),
        Rows("alerts on their way", database, deliveries, ("message", "left", "problem")),
        Rows("delivery attempts", database, delivery_attempts, ("problem",)),
        # A hold in force keeps its words: without them it would hold something else.
        Rows(
            "released holds",
            database,
            legal_holds,
            ("name", "query", "placed_by"),
            legal_holds.c.released_at.is_not(None),
        ),
        KeptExports(database, data_dir),
        Rows("idempotency keys", database, idempotency_keys, ("key",), drop=True),
        Rows(
            "earlier erasures", database, erasures, ("requested_by_name", "confirmed_by_name"), erasures.c.stage == ""
        ),
        MovedAside(data_dir),
    ]


# Whose rows come and go, and leave bytes behind: for a database that does not overwrite what it deletes.
SCRUBBED = (
    "cases", "case_events", "reviews", "review_findings", "review_reminders", "saved_views", "legal_holds",
    "idempotency_keys", "external_ids", "erasures", "erasure_steps", "exports", "export_schedules",
    "schedule_recipients", "schedule_runs", "schedule_deliveries", "outbox", "journal", "set_aside", "alerts",
    "alert_rules", "alert_hits", "alert_memory", "destinations", "deliveries", "delivery_attempts",
)  # fmt: skip

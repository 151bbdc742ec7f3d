"""Personal data outside of the trail: every table and file that may name a person, and its erasure there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, func, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from tallystick.access.revision import bump_revision
from tallystick.access.tables import api_keys, decisions, memberships
from tallystick.actions.changes import next_revision
from tallystick.actions.tables import action_descriptions
from tallystick.alerts.fields import digest
from tallystick.alerts.tables import alert_hits, alert_memory, alert_rules, alerts
from tallystick.cases.tables import case_events, cases
from tallystick.compliance.tables import review_findings, review_reminders, reviews
from tallystick.data_access.tables import data_access_counts
from tallystick.database.engine import Database
from tallystick.destinations.tables import deliveries, delivery_attempts, destinations
from tallystick.erasure.export_files import ExportFiles
from tallystick.erasure.replaced_files import ReplacedFiles
from tallystick.erasure.subject import SubjectMatcher
from tallystick.erasure.tables import erasures
from tallystick.exports.tables import export_links
from tallystick.ingest.tables import idempotency_keys
from tallystick.intake_rules.changes import INTAKE_RULES
from tallystick.intake_rules.tables import intake_rule_lists
from tallystick.invitations.tables import invitations
from tallystick.query.mandatory_filter import NOTHING, MandatoryFilter
from tallystick.retention.tables import legal_holds
from tallystick.saved.tables import saved_views
from tallystick.schedules.tables import export_schedules, schedule_deliveries, schedule_recipients, schedule_runs

BATCH_ROWS = 500
JSON = frozenset(
    {
        "filter",
        "recipients",
        "facts",
        "search",
        "shape",
        "message",
        "left",
        "settings",
        "reader",
        "rules",
        "next_rules",
        "proposal",
        "schema",
    }
)  # columns that hold it


class PersonalData(Protocol):
    """A table or a kind of file of an organization that may name a person."""

    @property
    def name(self) -> str:
        """The name that the preview shows, such as `cases`."""

    def count(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        """The number of rows or files that name the person."""

    def erase(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        """Redact or delete them; returns how many. Idempotent."""


@dataclass(frozen=True)
class TableTexts:
    """Text columns of a table, redacted in place.

    `only` restricts it to some rows; with `drop` a matching row is deleted instead of redacted.
    """

    name: str
    database: Database
    table: Table
    columns: tuple[str, ...]
    only: ColumnElement[bool] | None = None
    drop: bool = False

    def count(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        with self.database.read() as connection:
            return sum(1 for _ in self._matching_rows(connection, org_id, matcher))

    def erase(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        with self.database.write() as connection:
            rows = list(self._matching_rows(connection, org_id, matcher))
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
        except IntegrityError:  # a unique name that differed only by the person's texts: add random digits
            apart = {name: f"{text} {token_hex(4)}" for name, text in changed.items()}
            connection.execute(update(self.table).where(key).values(apart))

    def _matching_rows(
        self, connection: Connection, org_id: UUID, matcher: SubjectMatcher
    ) -> Sequence[tuple[ColumnElement[bool], dict[str, str]]]:
        key = list(self.table.primary_key.columns)
        mine = self.table.c.org_id == org_id
        wanted = select(*key, *(self.table.c[name] for name in self.columns if self.table.c[name] not in key))
        found: list[tuple[ColumnElement[bool], dict[str, str]]] = []
        wanted = wanted.where(mine, true() if self.only is None else self.only)
        for row in connection.execute(wanted.execution_options(yield_per=BATCH_ROWS)):
            changed = {name: self._redacted(row, name, matcher) for name in self.columns}
            changed = {name: text for name, text in changed.items() if text != row._mapping[name]}
            if changed:
                found.append((and_(*(column == row._mapping[column.name] for column in key)), changed))
        return found

    def _redacted(self, row: Any, name: str, matcher: SubjectMatcher) -> str:
        column: Column[Any] = self.table.c[name]
        take = matcher.redact_json if name in JSON and row._mapping[name] else matcher.redact
        text = take(row._mapping[name])
        length = getattr(column.type, "length", None)
        return text[:length] if length else text


@dataclass(frozen=True)
class RuleQueries(TableTexts):
    """Queries of intake rules. One that named the person matches nobody then, so that events are rather kept."""

    def _change(self, connection: Connection, key: ColumnElement[bool], changed: dict[str, str]) -> None:
        super()._change(connection, key, changed)
        # A new revision makes every process read the rules again.
        connection.execute(update(self.table).where(key).values(revision=self.table.c.revision + 1))


@dataclass(frozen=True)
class FilterTexts(TableTexts):
    """Mandatory filters. One that named the person lets nothing be read until a new one is set: without the name, it
    could let through what it kept back."""

    def _change(self, connection: Connection, key: ColumnElement[bool], changed: dict[str, str]) -> None:
        super()._change(connection, key, changed)
        nothing = MandatoryFilter("", NOTHING).stored
        connection.execute(update(self.table).where(key).values(filter_condition=nothing))
        bump_revision(connection)

    def _redacted(self, row: Any, name: str, matcher: SubjectMatcher) -> str:
        return matcher.redact(row._mapping[name])  # not JSON, as other columns of this name


@dataclass(frozen=True)
class RuleMemory:
    """Digests by which alert rules remember the person, which are deleted. To the rules the person is new then."""

    database: Database
    name: str = "rule memory"

    def count(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        with self.database.read() as connection:
            return sum(
                connection.execute(select(func.count()).select_from(table).where(where)).scalar_one()
                for table, where in self._digest_rows(connection, org_id, matcher)
            )

    def erase(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        with self.database.write() as connection:
            # Running evaluators still hold the names in memory: a new version makes them load every rule again.
            mine = alert_rules.c.org_id == org_id
            connection.execute(update(alert_rules).where(mine).values(version=alert_rules.c.version + 1))
            return sum(
                connection.execute(delete(table).where(where)).rowcount
                for table, where in self._digest_rows(connection, org_id, matcher)
            )

    def _digest_rows(
        self, connection: Connection, org_id: UUID, matcher: SubjectMatcher
    ) -> Sequence[tuple[Table, ColumnElement[bool]]]:
        subject = matcher.subject
        names = [name for name in (subject.email, subject.id, *subject.also) if name]
        rules = connection.execute(select(alert_rules.c.rule_id).where(alert_rules.c.org_id == org_id)).scalars().all()
        found = []
        for table in (alert_hits, alert_memory):
            for rule_id in rules:
                known = [digest(rule_id, name) for name in names]
                about = or_(table.c.key.in_(known), table.c.value.in_(known))
                found.append((table, and_(table.c.org_id == org_id, table.c.rule_id == rule_id, about)))
        return found


@dataclass(frozen=True)
class DescriptionTexts(TableTexts):
    """Descriptions of actions, which processes keep in memory until they are told of a change."""

    def erase(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        number = super().erase(org_id, matcher)
        if number:
            with self.database.write() as connection:
                next_revision(connection, org_id)
        return number


def personal_data(database: Database, data_dir: Path) -> list[PersonalData]:
    """Every location of this version, in the control database and in the data directory."""
    lines = ("title", "issue", "detected", "impact", "root_cause", "resolution", "time_to_fix", "made_by_name")
    return [
        TableTexts("cases", database, cases, lines),
        TableTexts("notes", database, case_events, ("note", "added_by")),
        TableTexts("reviews", database, reviews, ("about", "filter", "conclusion", "opened_by_name", "signed_by_name")),
        TableTexts("findings", database, review_findings, ("note", "marked_by")),
        TableTexts("review reminders", database, review_reminders, ("recipients",)),
        TableTexts("saved views", database, saved_views, ("name", "query", "owner_name")),
        # A schedule whose filter named the person stops when it is due next; its recipients are erased separately.
        TableTexts(
            "scheduled exports", database, export_schedules, ("name", "filter", "stopped", "by_name", "by_email")
        ),
        TableTexts("recipients", database, schedule_recipients, ("address",), drop=True),
        TableTexts("links", database, export_links, ("by_name", "by_email", "recipient", "ended_by")),
        TableTexts("consents", database, schedule_recipients, ("consent_by",)),
        TableTexts("scheduled runs", database, schedule_runs, ("error",)),
        TableTexts("deliveries", database, schedule_deliveries, ("address", "problem"), drop=True),
        RuleMemory(database),  # before the alerts, so that no alert written after them still names the person
        TableTexts(
            "alerts",
            database,
            alerts,
            ("rule_name", "group_name", "sentence", "facts", "search", "acknowledged_by", "note"),
        ),
        TableTexts("alert rules", database, alert_rules, ("name", "shape", "runbook", "made_by")),
        TableTexts(
            "destinations", database, destinations, ("name", "settings", "last_error", "made_by", "approved_by")
        ),
        TableTexts("queued alerts", database, deliveries, ("message", "left", "problem")),
        TableTexts("delivery attempts", database, delivery_attempts, ("problem",)),
        # An active hold keeps its query: redacted, it would hold other events.
        TableTexts(
            "released holds",
            database,
            legal_holds,
            ("name", "query", "placed_by"),
            legal_holds.c.released_at.is_not(None),
        ),
        FilterTexts("filters of members", database, memberships, ("filter",)),
        FilterTexts("filters of API keys", database, api_keys, ("filter",)),
        RuleQueries("intake rules", database, intake_rule_lists, ("rules", "next_rules")),
        TableTexts("requested intake rules", database, decisions, ("proposal",), decisions.c.kind == INTAKE_RULES.name),
        DescriptionTexts("actions", database, action_descriptions, ("sentence", "description", "schema")),
        TableTexts("counts of reads", database, data_access_counts, ("reader",)),
        ExportFiles(database, data_dir),
        TableTexts("invitations", database, invitations, ("email", "invited_by_name"), drop=True),
        TableTexts("idempotency keys", database, idempotency_keys, ("key",), drop=True),
        TableTexts("decisions", database, decisions, ("title", "requested_by_name", "first_by_name", "ended_by_name")),
        TableTexts(
            "earlier erasures", database, erasures, ("requested_by_name", "confirmed_by_name"), erasures.c.stage == ""
        ),
        ReplacedFiles(data_dir),
    ]


# Tables whose deleted rows may leave bytes in the database file, for databases that do not overwrite them.
SCRUBBED = (
    "cases", "case_events", "reviews", "review_findings", "review_reminders", "saved_views", "legal_holds",
    "idempotency_keys", "external_ids", "erasures", "erasure_steps", "decisions", "exports", "export_links",
    "export_schedules", "schedule_recipients", "schedule_runs", "schedule_deliveries", "outbox", "journal", "set_aside",
    "alerts", "alert_rules", "alert_hits", "alert_memory", "destinations", "deliveries", "delivery_attempts",
    "intake_rule_lists", "action_descriptions", "invitations", "memberships", "api_keys",
)  # fmt: skip

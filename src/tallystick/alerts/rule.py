"""Alert rules: listing and reading them, and describing what makes them fire."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, select

from tallystick import ids
from tallystick.access.scopes import require, require_whole_trail
from tallystick.alerts.definition import Field, RuleDefinition, duration_words
from tallystick.alerts.tables import alert_rules, alerts
from tallystick.errors import NotFound
from tallystick.query.scope import Scope

PREFIX = "rul"
_definition = msgspec.json.Decoder(RuleDefinition).decode
_destinations = msgspec.json.Decoder(tuple[str, ...]).decode
SINGULAR: dict[Field, str] = {
    "user": "user", "ip": "address", "resource": "resource", "action": "action", "device": "device",
    "session": "session", "country": "country",
}  # fmt: skip
PLURAL: dict[Field, str] = {name: f"{word}s" for name, word in SINGULAR.items()} | {
    "ip": "addresses", "country": "countries",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert rule of an organization. Times in microseconds.

    `destinations` are ids as shown; `detection` is the id of the shipped detection it comes from, or empty. The rule
    evaluates events from index `since` on, once `learnt` says that its baseline is complete. `version` grows when
    its definition changes or it is enabled or disabled.
    """

    org_id: UUID
    rule_id: UUID
    name: str
    definition: RuleDefinition
    severity: str
    runbook: str
    detection: str
    destinations: tuple[str, ...]
    enabled: bool
    muted_until: int | None
    since: int
    learnt: bool
    version: int
    made_by: str
    made_at: int
    last_fired_at: int | None = None

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.rule_id.bytes)

    def is_muted(self, now: int) -> bool:
        return self.muted_until is not None and now < self.muted_until


def require_read(scope: Scope) -> None:
    """Forbidden unless the scope reads the whole trail: rules, alerts and back-tests all tell what events hold."""
    require(scope, "events:read")
    require_whole_trail(scope)


def rule_clause(org_id: UUID, rule_id: UUID) -> ColumnElement[bool]:
    """Returns the SQL clause that selects one rule."""
    return (alert_rules.c.org_id == org_id) & (alert_rules.c.rule_id == rule_id)


def list_rules(connection: Connection, scope: Scope) -> list[Rule]:
    """Lists the organization's rules by name, with the time of each one's last alert. Raises Forbidden."""
    require_read(scope)
    fired = (
        select(alerts.c.rule_id, func.max(alerts.c.fired_at).label("last_fired_at"))
        .where(alerts.c.org_id == scope.org_id)
        .group_by(alerts.c.rule_id)
        .subquery()
    )
    rows = connection.execute(
        select(alert_rules, fired.c.last_fired_at)
        .outerjoin(fired, fired.c.rule_id == alert_rules.c.rule_id)
        .where(alert_rules.c.org_id == scope.org_id)
        .order_by(alert_rules.c.name, alert_rules.c.rule_id)
    )
    return [rule_of(row) for row in rows]


def read_rule(connection: Connection, scope: Scope, public_id: str) -> Rule:
    """Returns the rule of that id; NotFound (`no_such_rule`), also for a rule of another organization."""
    require_read(scope)
    try:
        rule_id = ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise _not_found(public_id) from None
    row = connection.execute(select(alert_rules).where(rule_clause(scope.org_id, rule_id))).first()
    if row is None:
        raise _not_found(public_id)
    last = select(func.max(alerts.c.fired_at)).where(alerts.c.org_id == scope.org_id, alerts.c.rule_id == rule_id)
    return rule_of(row, connection.execute(last).scalar())


def rule_of(row: Row[Any], last_fired_at: int | None = None) -> Rule:
    """Converts a row of `alert_rules`."""
    return Rule(
        row.org_id, row.rule_id, row.name, _definition(row.shape), row.severity, row.runbook, row.detection,
        _destinations(row.destinations), row.enabled, row.muted_until, row.since, row.learnt, row.version, row.made_by,
        row.made_at, row._mapping.get("last_fired_at", last_fired_at),
    )  # fmt: skip


def describe(definition: RuleDefinition) -> str:
    """Describes what makes a rule fire: `5 events that match status:failed of one user within 10 minutes`."""
    is_one = (definition.count == 1 and not definition.distinct) or definition.kind not in ("threshold", "sequence")
    search = f"that match{'es' if is_one else ''} {definition.query}" if definition.query else "of any kind"
    by = f" of one {SINGULAR[definition.group_by]}" if definition.group_by else ""
    within = f" within {duration_words(definition.window_seconds)}" if definition.window_seconds else ""
    match definition.kind:
        case "sequence":
            unless = f", unless one that matches {definition.unless} lies between" if definition.unless else ""
            return f"{_events(definition.count)} {search}{by}, then one that matches {definition.then}{within}{unless}"
        case "first_seen" if definition.new and definition.group_by:
            value, group = SINGULAR[definition.new], SINGULAR[definition.group_by]
            found = f"An event {search} with {_article(value)}"
            if not definition.window_seconds:
                return f"{found} new to its {group}"
            return f"{found} that its {group} did not have for {duration_words(definition.window_seconds)}"
        case "first_seen" if definition.new:
            return f"An event {search} with {_article(SINGULAR[definition.new])} that is new to the organization"
        case "dormant" if definition.group_by:
            return (
                f"An event {search} of {_article(SINGULAR[definition.group_by])} that did nothing for "
                f"{duration_words(definition.window_seconds)}"
            )
        case "off_hours" if definition.group_by:
            return f"An event {search} at an hour at which its {SINGULAR[definition.group_by]} does not act"
        case "silence":
            return f"No event {search}{by} for {duration_words(definition.window_seconds)}"
        case _:
            if definition.distinct:
                counted = f"{definition.count} different {PLURAL[definition.distinct]} in events"
            else:
                counted = _events(definition.count)
            return f"{counted} {search}{by}{within}"


def _events(count: int) -> str:
    return "An event" if count == 1 else f"{count} events"


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeio' else 'a'} {word}"


def _not_found(public_id: str) -> NotFound:
    return NotFound(f"Rule {public_id[:60]!r} not found.", code="no_such_rule")

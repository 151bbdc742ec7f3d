"""Creates, changes, mutes and deletes alert rules; each of these is an event in the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tallystick import ids
from tallystick.access import names, organizations
from tallystick.access.audit import NOWHERE, Caller, differences, record_own_for, resource
from tallystick.access.scopes import require
from tallystick.access.transactions import ScopedTransactions
from tallystick.alerts import rule_state
from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.definition import LONGEST, RuleDefinition, invalid_rule, parse_definition
from tallystick.alerts.detectors import NO_VALUE
from tallystick.alerts.rule import PREFIX, Rule, describe, read_rule, rule_clause
from tallystick.alerts.tables import alert_memory, alert_positions, alert_rules
from tallystick.clock import SECOND_US, optional_rfc3339
from tallystick.destinations import destination
from tallystick.errors import BadRequest, Conflict
from tallystick.events.catalogue import EARLIER_SEVERITIES, SEVERITIES
from tallystick.ledger import log as ledger_log
from tallystick.query.scope import Scope

MOST_RULES = 200
MOST_RUNBOOK = 1000
MOST_DESTINATIONS = 20
BASELINE_KINDS = frozenset({"first_seen", "dormant", "off_hours"})  # they start once their baseline is built


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """The settings of a rule as a caller gives them, not yet validated.

    `definition` has the fields of RuleDefinition; `destinations` are ids as shown; `detection` is the id of the
    shipped detection that the rule comes from, or empty.
    """

    name: str
    definition: Mapping[str, Any]
    severity: str = "medium"
    runbook: str = ""
    destinations: Sequence[str] = ()
    enabled: bool = True
    detection: str = ""


def create(connection: Connection, scope: Scope, settings: RuleSettings, *, now: int, caller: Caller = NOWHERE) -> Rule:
    """Creates a rule, which evaluates the events recorded from now on.

    Raises BadRequest (`bad_rule`, `bad_query`), Conflict (`too_many_rules`), Forbidden.
    """
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    number = select(func.count()).select_from(alert_rules).where(alert_rules.c.org_id == scope.org_id)
    if connection.execute(number).scalar_one() >= MOST_RULES:
        raise Conflict(f"You already have {MOST_RULES} rules, the maximum. Delete some first.", code="too_many_rules")
    rule = insert_rule(connection, scope, settings, now=now)
    _record(connection, scope, "audit_log.alert_rule_created", rule, now, caller, metadata=audit_fields(rule))
    return rule


def insert_rule(connection: Connection, scope: Scope, settings: RuleSettings, *, now: int) -> Rule:
    """Inserts a rule without an event in the audit log, as for the default rules of an organization."""
    definition, values = _validate(connection, scope, settings)
    rule_id = ids.new_uuid(now)
    values |= {
        "org_id": scope.org_id,
        "rule_id": rule_id,
        "detection": settings.detection,
        "muted_until": None,
        "version": 1,
        "made_by": scope.principal.label[:254],
        "made_at": now,
        "changed_at": now,
        **_start_values(connection, scope, definition),
    }
    connection.execute(insert(alert_rules).values(values))
    rule = read_rule(connection, scope, ids.encode(PREFIX, rule_id.bytes))
    _start_silence(connection, rule, now)
    return rule


def change(
    connection: Connection,
    scope: Scope,
    public_id: str,
    given: Mapping[str, Any],
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Rule:
    """Changes the fields of RuleSettings that are given.

    A rule that is enabled, or whose definition changes, starts without state. Raises as `create`, and NotFound.
    """
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    before = read_rule(connection, scope, public_id)
    settings = replace(settings_of(before), **given)
    definition, values = _validate(connection, scope, settings)
    restarts = _restarts(before, settings, definition)
    # The evaluator discards a batch whose rules have other versions now: see write_results.
    version = before.version + (restarts or settings.enabled != before.enabled)
    values |= {"version": version, "changed_at": now}
    if restarts:
        values |= _start_values(connection, scope, definition)
        if before.enabled:
            # Events recorded but not yet evaluated are evaluated by the new definition: no event is left out.
            values["since"] = min(values["since"], _position(connection, scope))
    connection.execute(update(alert_rules).where(rule_clause(before.org_id, before.rule_id)).values(values))
    after = read_rule(connection, scope, public_id)
    if restarts:
        rule_state.delete_state(connection, before.org_id, before.rule_id)
        _start_silence(connection, after, now)
    changes = differences(audit_fields(before), audit_fields(after))
    if changes:
        is_disabled = before.enabled and not after.enabled
        action = "audit_log.alert_rule_disabled" if is_disabled else "audit_log.alert_rule_updated"
        _record(connection, scope, action, after, now, caller, changes=changes)
    return after


async def drop_state(transactions: ScopedTransactions, public_id: str, given: Mapping[str, Any] | None = None) -> None:
    """Deletes the state of a rule in short transactions; call it before `remove`, or before `change` with the same
    `given`, which then have little left to delete. A rule that goes on keeps its state.

    A rule can have millions of hits, and while one transaction deletes them nothing can be recorded on SQLite.
    """
    while await transactions.write(_drop_part, public_id, given):
        pass


def _drop_part(connection: Connection, scope: Scope, public_id: str, given: Mapping[str, Any] | None) -> bool:
    require(scope, "alerts")
    rule = read_rule(connection, scope, public_id)
    if given is not None:
        settings = replace(settings_of(rule), **given)
        if not _restarts(rule, settings, parse_definition(dict(settings.definition))):
            return False
    return rule_state.delete_part(connection, rule.org_id, rule.rule_id)


def _restarts(before: Rule, settings: RuleSettings, definition: RuleDefinition) -> bool:
    """Whether a rule with these settings starts without state."""
    return settings.enabled and (not before.enabled or definition != before.definition)


def mute(
    connection: Connection, scope: Scope, public_id: str, seconds: int, *, now: int, caller: Caller = NOWHERE
) -> Rule:
    """Mutes a rule for so many seconds: it raises alerts but notifies nobody. 0 unmutes it."""
    require(scope, "alerts")
    if not 0 <= seconds <= LONGEST:
        raise invalid_rule("seconds", f"seconds must be 0 to {LONGEST} (366 days).")
    organizations.lock_row(connection, scope.org_id)
    before = read_rule(connection, scope, public_id)
    until = now + seconds * SECOND_US if seconds else None
    connection.execute(
        update(alert_rules).where(rule_clause(before.org_id, before.rule_id)).values(muted_until=until, changed_at=now)
    )
    muted_until = optional_rfc3339(before.muted_until) if before.is_muted(now) else None
    changes = {"muted_until": {"before": muted_until, "after": optional_rfc3339(until)}}
    after = read_rule(connection, scope, public_id)
    _record(connection, scope, "audit_log.alert_rule_updated", after, now, caller, changes=changes)
    return after


def remove(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> None:
    """Deletes a rule and its state; its alerts stay."""
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    rule = read_rule(connection, scope, public_id)
    _record(connection, scope, "audit_log.alert_rule_deleted", rule, now, caller, metadata=audit_fields(rule))
    rule_state.delete_state(connection, rule.org_id, rule.rule_id)
    connection.execute(delete(alert_rules).where(rule_clause(rule.org_id, rule.rule_id)))


def settings_of(rule: Rule) -> RuleSettings:
    """Returns the settings that would create an equal rule."""
    fields = definition_fields(rule.definition)
    return RuleSettings(rule.name, fields, rule.severity, rule.runbook, rule.destinations, rule.enabled, rule.detection)


def definition_fields(definition: RuleDefinition) -> dict[str, Any]:
    """Returns the fields of a definition that differ from their defaults."""
    fields: dict[str, Any] = msgspec.to_builtins(definition)
    return fields


def audit_fields(rule: Rule) -> dict[str, Any]:
    """Returns the fields of a rule as its events in the audit log show them."""
    return {
        "name": rule.name,
        "when": describe(rule.definition),
        "shape": definition_fields(rule.definition),
        "severity": rule.severity,
        "runbook": rule.runbook,
        "destinations": list(rule.destinations),
        "enabled": rule.enabled,
    }


def _validate(connection: Connection, scope: Scope, settings: RuleSettings) -> tuple[RuleDefinition, dict[str, Any]]:
    definition = parse_definition(dict(settings.definition))
    try:
        name = names.name(settings.name)
    except BadRequest as problem:
        raise invalid_rule("name", problem.detail) from None
    severity = EARLIER_SEVERITIES.get(settings.severity, settings.severity)
    if severity not in SEVERITIES:
        raise invalid_rule("severity", f"severity must be one of {', '.join(SEVERITIES)}.")
    if len(settings.runbook) > MOST_RUNBOOK or not settings.runbook.isprintable():
        detail = f"A runbook must be one line of at most {MOST_RUNBOOK} characters: a link, or what to do."
        raise invalid_rule("runbook", detail)
    if len(settings.destinations) > MOST_DESTINATIONS:
        raise invalid_rule("destinations", f"A rule can have at most {MOST_DESTINATIONS} destinations.")
    shown = list(dict.fromkeys(settings.destinations))
    destination.destination_ids(connection, scope, shown)
    values = {
        "name": name,
        "shape": msgspec.json.encode(definition).decode(),
        "severity": severity,
        "runbook": settings.runbook.strip(),
        "destinations": msgspec.json.encode(shown).decode(),
        "enabled": settings.enabled,
    }
    return definition, values


def _start_values(connection: Connection, scope: Scope, definition: RuleDefinition) -> dict[str, Any]:
    """Returns the columns that make a rule start at the end of the log; baseline kinds wait for their baseline."""
    return {"since": ledger_log.read(connection, scope.org_id).size, "learnt": definition.kind not in BASELINE_KINDS}


def _position(connection: Connection, scope: Scope) -> int:
    query = select(alert_positions.c.next_index).where(alert_positions.c.org_id == scope.org_id)
    return connection.execute(query).scalar() or 0


def _start_silence(connection: Connection, rule: Rule, now: int) -> None:
    """Starts the clock of an ungrouped silence rule now: it may fire even if no event ever comes."""
    if rule.enabled and rule.definition.kind == "silence" and rule.definition.group_by is None:
        key = CompiledRule(rule.rule_id, rule.definition).ungrouped_key
        connection.execute(
            insert(alert_memory).values(
                org_id=rule.org_id, rule_id=rule.rule_id, key=key, value=NO_VALUE, at=now, data="null"
            )
        )


def _record(
    connection: Connection, scope: Scope, action: str, rule: Rule, now: int, caller: Caller, **fields: dict[str, Any]
) -> None:
    on = resource("alert_rule", rule.rule_id, PREFIX, rule.name)
    record_own_for(connection, scope, action, on, now=now, caller=caller, **fields)

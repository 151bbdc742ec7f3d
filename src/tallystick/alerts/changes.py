"""Making a rule, changing it, muting it, deleting it. Each is an event in the trail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tallystick import ids
from tallystick.access import names, organizations
from tallystick.access.audit import NOWHERE, Caller, differences, record_own_for, resource
from tallystick.access.scopes import require
from tallystick.alerts import rule_state
from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.definition import LONGEST, SEVERITIES, RuleDefinition, invalid_rule, parse_definition
from tallystick.alerts.detectors import NO_VALUE
from tallystick.alerts.rule import PREFIX, Rule, describe, read_rule, rule_clause
from tallystick.alerts.tables import alert_memory, alert_positions, alert_rules
from tallystick.clock import SECOND_US, rfc3339
from tallystick.destinations import destination
from tallystick.errors import BadRequest, Conflict
from tallystick.ledger import log as ledger_log
from tallystick.query.scope import Scope

MOST_RULES = 200
MOST_RUNBOOK = 1000
MOST_DESTINATIONS = 20
BASELINE_KINDS = frozenset({"first_seen", "dormant", "off_hours"})  # kinds that must know what was usual before


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """A rule as it is asked for, nothing checked yet; `shape` has the fields of `Shape`."""

    name: str
    definition: Mapping[str, Any]
    severity: str = "warning"
    runbook: str = ""
    destinations: Sequence[str] = ()
    enabled: bool = True
    detection: str = ""


def create(connection: Connection, scope: Scope, settings: RuleSettings, *, now: int, caller: Caller = NOWHERE) -> Rule:
    """Make one; it judges what is recorded from now on. BadRequest (`bad_rule`, `bad_query`), Conflict, Forbidden."""
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    number = select(func.count()).select_from(alert_rules).where(alert_rules.c.org_id == scope.org_id)
    if connection.execute(number).scalar_one() >= MOST_RULES:
        raise Conflict(f"You already have {MOST_RULES} rules, the maximum. Delete some first.", code="too_many_rules")
    rule = insert_rule(connection, scope, settings, now=now)
    record_own_for(
        connection,
        scope,
        "audit_log.alert_rule_created",
        _resource(rule),
        now=now,
        caller=caller,
        metadata=audit_fields(rule),
    )
    return rule


def insert_rule(connection: Connection, scope: Scope, settings: RuleSettings, *, now: int) -> Rule:
    """The same for a rule that comes with the organization: nobody is told."""
    definition, values = _validate(connection, scope, settings)
    rule_id = ids.new_uuid(now)
    values |= {
        "org_id": scope.org_id, "rule_id": rule_id, "detection": settings.detection, "muted_until": None, "version": 1,
        "made_by": (scope.principal.email or scope.principal.name)[:254], "made_at": now, "changed_at": now,
        **_start_values(connection, scope, definition),
    }  # fmt: skip
    connection.execute(insert(alert_rules).values(values))
    rule = read_rule(connection, scope, ids.encode(PREFIX, rule_id.bytes))
    _start_silence(connection, rule, now)
    return rule


def change(
    connection: Connection, scope: Scope, shown_id: str, given: Mapping[str, Any], *, now: int, caller: Caller = NOWHERE
) -> Rule:
    """Change what is given, in the names of Wanted. What it judges being changed, or switched on, it begins anew."""
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    before = read_rule(connection, scope, shown_id)
    settings = replace(settings_of(before), **given)
    definition, values = _validate(connection, scope, settings)
    begins = settings.enabled and (not before.enabled or definition != before.definition)
    version = before.version + (begins or settings.enabled != before.enabled)
    values |= {"version": version, "changed_at": now}
    if begins:
        values |= _start_values(connection, scope, definition)
        if before.enabled:
            # What was recorded and not judged yet is judged by the rule as it is now.
            values["since"] = min(values["since"], _position(connection, scope))
    connection.execute(update(alert_rules).where(rule_clause(before.org_id, before.rule_id)).values(values))
    after = read_rule(connection, scope, shown_id)
    if begins:
        rule_state.delete_state(connection, before.org_id, before.rule_id)
        _start_silence(connection, after, now)
    was, is_now = audit_fields(before), audit_fields(after)
    changes = differences(was, is_now)
    if changes:
        off = before.enabled and not after.enabled
        action = "audit_log.alert_rule_disabled" if off else "audit_log.alert_rule_updated"
        record_own_for(connection, scope, action, _resource(after), now=now, caller=caller, changes=changes)
    return after


def mute(
    connection: Connection, scope: Scope, shown_id: str, seconds: int, *, now: int, caller: Caller = NOWHERE
) -> Rule:
    """Let it fire without a word to anybody for so many seconds; 0 ends that."""
    require(scope, "alerts")
    if not 0 <= seconds <= LONGEST:
        raise invalid_rule("seconds", f"seconds must be 0 to {LONGEST} (366 days).")
    organizations.lock_row(connection, scope.org_id)
    before = read_rule(connection, scope, shown_id)
    until = now + seconds * SECOND_US if seconds else None
    connection.execute(
        update(alert_rules).where(rule_clause(before.org_id, before.rule_id)).values(muted_until=until, changed_at=now)
    )
    was = rfc3339(before.muted_until) if before.is_muted(now) and before.muted_until else None
    changes = {"muted_until": {"before": was, "after": rfc3339(until) if until else None}}
    after = read_rule(connection, scope, shown_id)
    record_own_for(
        connection, scope, "audit_log.alert_rule_updated", _resource(after), now=now, caller=caller, changes=changes
    )
    return after


def remove(connection: Connection, scope: Scope, shown_id: str, *, now: int, caller: Caller = NOWHERE) -> None:
    """Delete it; what it found stays."""
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    one = read_rule(connection, scope, shown_id)
    record_own_for(
        connection,
        scope,
        "audit_log.alert_rule_deleted",
        _resource(one),
        now=now,
        caller=caller,
        metadata=audit_fields(one),
    )
    rule_state.delete_state(connection, one.org_id, one.rule_id)
    connection.execute(delete(alert_rules).where(rule_clause(one.org_id, one.rule_id)))


def settings_of(one: Rule) -> RuleSettings:
    """What would make the same rule."""
    return RuleSettings(
        one.name,
        definition_fields(one.definition),
        one.severity,
        one.runbook,
        one.destinations,
        one.enabled,
        one.detection,
    )


def definition_fields(definition: RuleDefinition) -> dict[str, Any]:
    """A shape as it is asked for."""
    given: dict[str, Any] = msgspec.to_builtins(definition)
    return given


def audit_fields(one: Rule) -> dict[str, Any]:
    """A rule as the trail tells of it."""
    return {
        "name": one.name,
        "when": describe(one.definition),
        "shape": definition_fields(one.definition),
        "severity": one.severity,
        "runbook": one.runbook,
        "destinations": list(one.destinations),
        "enabled": one.enabled,
    }


def _validate(connection: Connection, scope: Scope, settings: RuleSettings) -> tuple[RuleDefinition, dict[str, Any]]:
    definition = parse_definition(dict(settings.definition))
    try:
        name = names.name(settings.name)
    except BadRequest as problem:
        raise invalid_rule("name", problem.detail) from None
    if settings.severity not in SEVERITIES:
        raise invalid_rule("severity", f"severity must be one of {', '.join(SEVERITIES)}.")
    if len(settings.runbook) > MOST_RUNBOOK or not settings.runbook.isprintable():
        raise invalid_rule(
            "runbook", f"A runbook must be one line of at most {MOST_RUNBOOK} characters: a link, or what to do."
        )
    if len(settings.destinations) > MOST_DESTINATIONS:
        raise invalid_rule("destinations", f"A rule can have at most {MOST_DESTINATIONS} destinations.")
    shown = list(dict.fromkeys(settings.destinations))
    destination.destination_ids(connection, scope, shown)
    values = {
        "name": name, "shape": msgspec.json.encode(definition).decode(), "severity": settings.severity,
        "runbook": settings.runbook.strip(), "destinations": msgspec.json.encode(shown).decode(),
        "enabled": settings.enabled,
    }  # fmt: skip
    return definition, values


def _start_values(connection: Connection, scope: Scope, definition: RuleDefinition) -> dict[str, Any]:
    """From where on it judges; one that has to learn begins when it has."""
    return {"since": ledger_log.read(connection, scope.org_id).size, "learnt": definition.kind not in BASELINE_KINDS}


def _position(connection: Connection, scope: Scope) -> int:
    mine = select(alert_positions.c.next_index).where(alert_positions.c.org_id == scope.org_id)
    return connection.execute(mine).scalar() or 0


def _start_silence(connection: Connection, rule: Rule, now: int) -> None:
    """One that waits for silence of everything waits from now on."""
    if rule.enabled and rule.definition.kind == "silence" and rule.definition.group_by is None:
        key = CompiledRule(rule.rule_id, rule.definition).ungrouped_key
        connection.execute(
            insert(alert_memory).values(
                org_id=rule.org_id, rule_id=rule.rule_id, key=key, value=NO_VALUE, at=now, data="null"
            )
        )


def _resource(one: Rule) -> dict[str, str]:
    return resource("alert_rule", one.rule_id, PREFIX, one.name)

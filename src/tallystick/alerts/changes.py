"""Making a rule, changing it, muting it, deleting it. Each is an event in the trail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tallystick import ids
from tallystick.access import names, organizations
from tallystick.access.audit import NOWHERE, Caller, differences, resource, tell_of
from tallystick.access.scopes import require
from tallystick.alerts import rule_state
from tallystick.alerts.compiled_rule import Watched
from tallystick.alerts.definition import LONGEST, SEVERITIES, Shape, bad, checked
from tallystick.alerts.judges import NOTHING
from tallystick.alerts.rule import PREFIX, Rule, is_one, show, words
from tallystick.alerts.tables import alert_memory, alert_positions, alert_rules
from tallystick.clock import SECOND_US, rfc3339
from tallystick.destinations import destination
from tallystick.errors import BadRequest, Conflict
from tallystick.ledger import log as ledger_log
from tallystick.query.scope import Scope

MOST_RULES = 200
MOST_RUNBOOK = 1000
MOST_DESTINATIONS = 20
LEARNING = frozenset({"first_seen", "dormant", "off_hours"})  # kinds that must know what was usual before


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rule as it is asked for, nothing checked yet; `shape` has the fields of `Shape`."""

    name: str
    shape: Mapping[str, Any]
    severity: str = "warning"
    runbook: str = ""
    destinations: Sequence[str] = ()
    enabled: bool = True
    detection: str = ""


def create(connection: Connection, scope: Scope, wanted: Wanted, *, now: int, caller: Caller = NOWHERE) -> Rule:
    """Make one; it judges what is recorded from now on. BadRequest (`bad_rule`, `bad_query`), Conflict, Forbidden."""
    require(scope, "alerts")
    organizations.hold_row(connection, scope.org_id)
    number = select(func.count()).select_from(alert_rules).where(alert_rules.c.org_id == scope.org_id)
    if connection.execute(number).scalar_one() >= MOST_RULES:
        raise Conflict(f"There are {MOST_RULES} rules already. Delete some.", code="too_many_rules")
    made = put(connection, scope, wanted, now=now)
    tell_of(connection, scope, "audit_log.alert_rule_created", _on(made), now=now, caller=caller, metadata=said(made))
    return made


def put(connection: Connection, scope: Scope, wanted: Wanted, *, now: int) -> Rule:
    """The same for a rule that comes with the organization: nobody is told."""
    shape, values = _checked(connection, scope, wanted)
    rule_id = ids.new_uuid(now)
    values |= {
        "org_id": scope.org_id, "rule_id": rule_id, "detection": wanted.detection, "muted_until": None, "version": 1,
        "made_by": (scope.principal.email or scope.principal.name)[:254], "made_at": now, "changed_at": now,
        **_begun(connection, scope, shape),
    }  # fmt: skip
    connection.execute(insert(alert_rules).values(values))
    made = show(connection, scope, ids.encode(PREFIX, rule_id.bytes))
    _begin(connection, made, now)
    return made


def change(
    connection: Connection, scope: Scope, shown_id: str, given: Mapping[str, Any], *, now: int, caller: Caller = NOWHERE
) -> Rule:
    """Change what is given, in the names of Wanted. What it judges being changed, or switched on, it begins anew."""
    require(scope, "alerts")
    organizations.hold_row(connection, scope.org_id)
    before = show(connection, scope, shown_id)
    wanted = replace(as_wanted(before), **given)
    shape, values = _checked(connection, scope, wanted)
    begins = wanted.enabled and (not before.enabled or shape != before.shape)
    version = before.version + (begins or wanted.enabled != before.enabled)
    values |= {"version": version, "changed_at": now}
    if begins:
        values |= _begun(connection, scope, shape)
        if before.enabled:
            # What was recorded and not judged yet is judged by the rule as it is now.
            values["since"] = min(values["since"], _position(connection, scope))
    connection.execute(update(alert_rules).where(is_one(before.org_id, before.rule_id)).values(values))
    after = show(connection, scope, shown_id)
    if begins:
        rule_state.forget(connection, before.org_id, before.rule_id)
        _begin(connection, after, now)
    was, is_now = said(before), said(after)
    changes = differences(was, is_now)
    if changes:
        off = before.enabled and not after.enabled
        action = "audit_log.alert_rule_disabled" if off else "audit_log.alert_rule_updated"
        tell_of(connection, scope, action, _on(after), now=now, caller=caller, changes=changes)
    return after


def mute(
    connection: Connection, scope: Scope, shown_id: str, seconds: int, *, now: int, caller: Caller = NOWHERE
) -> Rule:
    """Let it fire without a word to anybody for so many seconds; 0 ends that."""
    require(scope, "alerts")
    if not 0 <= seconds <= LONGEST:
        raise bad("seconds", f"seconds is 0 to {LONGEST}, which is 366 days.")
    organizations.hold_row(connection, scope.org_id)
    before = show(connection, scope, shown_id)
    until = now + seconds * SECOND_US if seconds else None
    connection.execute(
        update(alert_rules).where(is_one(before.org_id, before.rule_id)).values(muted_until=until, changed_at=now)
    )
    was = rfc3339(before.muted_until) if before.is_muted(now) and before.muted_until else None
    changes = {"muted_until": {"before": was, "after": rfc3339(until) if until else None}}
    after = show(connection, scope, shown_id)
    tell_of(connection, scope, "audit_log.alert_rule_updated", _on(after), now=now, caller=caller, changes=changes)
    return after


def remove(connection: Connection, scope: Scope, shown_id: str, *, now: int, caller: Caller = NOWHERE) -> None:
    """Delete it; what it found stays."""
    require(scope, "alerts")
    organizations.hold_row(connection, scope.org_id)
    one = show(connection, scope, shown_id)
    tell_of(connection, scope, "audit_log.alert_rule_deleted", _on(one), now=now, caller=caller, metadata=said(one))
    rule_state.forget(connection, one.org_id, one.rule_id)
    connection.execute(delete(alert_rules).where(is_one(one.org_id, one.rule_id)))


def as_wanted(one: Rule) -> Wanted:
    """What would make the same rule."""
    return Wanted(
        one.name, shape_given(one.shape), one.severity, one.runbook, one.destinations, one.enabled, one.detection
    )


def shape_given(shape: Shape) -> dict[str, Any]:
    """A shape as it is asked for."""
    given: dict[str, Any] = msgspec.to_builtins(shape)
    return given


def said(one: Rule) -> dict[str, Any]:
    """A rule as the trail tells of it."""
    return {
        "name": one.name, "when": words(one.shape), "shape": shape_given(one.shape), "severity": one.severity,
        "runbook": one.runbook, "destinations": list(one.destinations), "enabled": one.enabled,
    }  # fmt: skip


def _checked(connection: Connection, scope: Scope, wanted: Wanted) -> tuple[Shape, dict[str, Any]]:
    shape = checked(dict(wanted.shape))
    try:
        name = names.name(wanted.name)
    except BadRequest as problem:
        raise bad("name", problem.detail) from None
    if wanted.severity not in SEVERITIES:
        raise bad("severity", f"severity is one of {', '.join(SEVERITIES)}.")
    if len(wanted.runbook) > MOST_RUNBOOK or not wanted.runbook.isprintable():
        raise bad("runbook", f"A runbook is one line of at most {MOST_RUNBOOK} characters: a link, or what to do.")
    if len(wanted.destinations) > MOST_DESTINATIONS:
        raise bad("destinations", f"A rule goes to {MOST_DESTINATIONS} destinations at most.")
    shown = list(dict.fromkeys(wanted.destinations))
    destination.destination_ids(connection, scope, shown)
    values = {
        "name": name, "shape": msgspec.json.encode(shape).decode(), "severity": wanted.severity,
        "runbook": wanted.runbook.strip(), "destinations": msgspec.json.encode(shown).decode(),
        "enabled": wanted.enabled,
    }  # fmt: skip
    return shape, values


def _begun(connection: Connection, scope: Scope, shape: Shape) -> dict[str, Any]:
    """From where on it judges; one that has to learn begins when it has."""
    return {"since": ledger_log.read(connection, scope.org_id).size, "learnt": shape.kind not in LEARNING}


def _position(connection: Connection, scope: Scope) -> int:
    mine = select(alert_positions.c.next_index).where(alert_positions.c.org_id == scope.org_id)
    return connection.execute(mine).scalar() or 0


def _begin(connection: Connection, rule: Rule, now: int) -> None:
    """One that waits for silence of everything waits from now on."""
    if rule.enabled and rule.shape.kind == "silence" and rule.shape.group_by is None:
        key = Watched(rule.rule_id, rule.shape).everything
        connection.execute(
            insert(alert_memory).values(
                org_id=rule.org_id, rule_id=rule.rule_id, key=key, value=NOTHING, at=now, data="null"
            )
        )


def _on(one: Rule) -> dict[str, str]:
    return resource("alert_rule", one.rule_id, PREFIX, one.name)

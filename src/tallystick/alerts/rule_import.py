"""Rules out of a file, and those that come with Tallystick."""

from collections.abc import Sequence
from dataclasses import replace
from threading import BoundedSemaphore
from uuid import UUID

from sqlalchemy import Connection, insert, update

from tallystick.access.audit import NOWHERE, Caller
from tallystick.access.scopes import operator_scope, require
from tallystick.alerts import changes
from tallystick.alerts.changes import RuleSettings
from tallystick.alerts.rule import Rule, list_rules
from tallystick.alerts.rule_tests import failures
from tallystick.alerts.rules_file import RuleSpec, read_rules, shipped_detections
from tallystick.alerts.rules_file import find_detection as detection
from tallystick.alerts.tables import alert_positions, alert_rules
from tallystick.errors import BadRequest, TooMany
from tallystick.outbox.write import TALLYSTICK
from tallystick.query.scope import Scope

_AT_ONCE = BoundedSemaphore(1)
WAIT_SECONDS = 10.0


def parse_and_test(text: str) -> list[RuleSpec]:
    """The rules of a file; BadRequest also when one fails its own tests. It takes seconds: no transaction waits for
    it. TooMany."""
    if not _AT_ONCE.acquire(timeout=WAIT_SECONDS):
        raise TooMany("Other rule files are being read. Try again in a moment.", retry_after=10)
    try:
        written = read_rules(text)
        wrong = [problem for one in written for problem in failures(one.name, one.definition, one.tests)]
    finally:
        _AT_ONCE.release()
    if wrong:
        raise BadRequest("Its own tests fail: " + " ".join(wrong)[:2000], code="bad_rules_file")
    return written


def import_rules(
    connection: Connection, scope: Scope, written: Sequence[RuleSpec], *, now: int, caller: Caller = NOWHERE
) -> list[Rule]:
    """Make or change, by name, the rules of a file; all or none.

    Of several that have one name, the first of the file is the first that was made, and so on: what was written of
    an organization can be read there again, and by another.
    """
    require(scope, "alerts")
    there: dict[str, list[Rule]] = {}
    for rule in list_rules(connection, scope):
        there.setdefault(rule.name, []).append(rule)
    taken = []
    for one in written:
        namesakes = there.get(one.name)
        taken.append(_import_one(connection, scope, one, namesakes.pop(0) if namesakes else None, now, caller))
    return taken


def enable_detection(connection: Connection, scope: Scope, name: str, *, now: int, caller: Caller = NOWHERE) -> Rule:
    """A shipped detection as a rule of the organization; as it was left, if it is one already. NotFound."""
    require(scope, "alerts")
    settings = detection(name)
    there = next((one for one in list_rules(connection, scope) if one.detection == settings.id), None)
    if there is not None:
        return changes.change(connection, scope, there.shown_id, {"enabled": True}, now=now, caller=caller)
    return changes.create(connection, scope, _settings_of(settings, enabled=True), now=now, caller=caller)


def postpone_default_rules(connection: Connection, org_id: UUID, *, now: int) -> None:
    """Of an organization whose past is recorded first: nothing is judged until somebody makes a rule."""
    connection.execute(insert(alert_positions).values(org_id=org_id, next_index=0, newest_at=0, pruned_at=now))


def install_default_rules(connection: Connection, org_id: UUID, *, new: bool, now: int) -> None:
    """Give an organization the rules that are on from the start; a new one is judged from its first event on."""
    scope = operator_scope(org_id, TALLYSTICK)
    rule = [
        changes.insert_rule(connection, scope, _settings_of(one, enabled=True), now=now)
        for one in shipped_detections()
        if one.enabled
    ]
    if new:
        mine = alert_rules.c.rule_id.in_([rule.rule_id for rule in rule])
        connection.execute(update(alert_rules).where(alert_rules.c.org_id == org_id, mine).values(since=0))


def _import_one(
    connection: Connection, scope: Scope, one: RuleSpec, there: Rule | None, now: int, caller: Caller
) -> Rule:
    settings = replace(_settings_of(one, enabled=one.enabled), detection="")
    if there is None:
        return changes.create(connection, scope, settings, now=now, caller=caller)
    given = {
        "definition": settings.definition,
        "severity": one.severity,
        "runbook": one.runbook,
        "enabled": one.enabled,
    }
    if one.destinations:
        given["destinations"] = one.destinations
    return changes.change(connection, scope, there.shown_id, given, now=now, caller=caller)


def _settings_of(one: RuleSpec, *, enabled: bool) -> RuleSettings:
    definition = changes.definition_fields(one.definition)
    return RuleSettings(one.name, definition, one.severity, one.runbook, one.destinations, enabled, one.id)

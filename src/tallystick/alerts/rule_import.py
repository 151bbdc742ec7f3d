"""Imports rules from a file, and enables the detections that come with Tallystick."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Connection, insert, update

from tallystick.access.audit import NOWHERE, Caller
from tallystick.access.scopes import operator_scope, require
from tallystick.alerts import changes
from tallystick.alerts.changes import RuleSettings
from tallystick.alerts.rule import Rule, list_rules
from tallystick.alerts.rule_tests import failures
from tallystick.alerts.rules_file import RuleSpec, find_detection, read_rules, shipped_detections
from tallystick.alerts.tables import alert_positions, alert_rules
from tallystick.errors import BadRequest
from tallystick.query.scope import TALLYSTICK, Scope


def parse_and_test(text: str) -> list[RuleSpec]:
    """Parses a file of rules and runs the tests in it.

    Takes up to seconds: call it outside of any transaction. Raises BadRequest (`bad_rules_file`, `bad_rule`,
    `bad_query`), also if a test fails.
    """
    specs = read_rules(text)
    problems = [problem for spec in specs for problem in failures(spec.name, spec.definition, spec.tests)]
    if problems:
        raise BadRequest("Its own tests fail: " + " ".join(problems)[:2000], code="bad_rules_file")
    return specs


def import_rules(
    connection: Connection, scope: Scope, specs: Sequence[RuleSpec], *, now: int, caller: Caller = NOWHERE
) -> list[Rule]:
    """Creates the rules of a file, or changes those that have the same name; all or none.

    If several rules have one name, they are matched in order: the first of the file is the one created first. So an
    export of an organization's rules can be imported there again, and elsewhere.
    """
    require(scope, "alerts")
    existing: dict[str, list[Rule]] = {}
    for rule in list_rules(connection, scope):
        existing.setdefault(rule.name, []).append(rule)
    rules = []
    for spec in specs:
        namesakes = existing.get(spec.name)
        rules.append(_import_one(connection, scope, spec, namesakes.pop(0) if namesakes else None, now, caller))
    return rules


def enable_detection(connection: Connection, scope: Scope, name: str, *, now: int, caller: Caller = NOWHERE) -> Rule:
    """Enables a shipped detection as a rule of the organization; keeps its settings if it was one before.

    Raises NotFound (`no_such_detection`).
    """
    require(scope, "alerts")
    spec = find_detection(name)
    existing = next((rule for rule in list_rules(connection, scope) if rule.detection == spec.id), None)
    if existing is not None:
        return changes.change(connection, scope, existing.public_id, {"enabled": True}, now=now, caller=caller)
    return changes.create(connection, scope, _settings_of(spec, enabled=True), now=now, caller=caller)


def postpone_default_rules(connection: Connection, org_id: UUID, *, now: int) -> None:
    """Keeps the evaluator from installing the default rules, for an organization whose past is recorded first."""
    connection.execute(insert(alert_positions).values(org_id=org_id, next_index=0, newest_at=0, pruned_at=now))


def install_default_rules(connection: Connection, org_id: UUID, *, new: bool, now: int) -> None:
    """Creates the rules that are enabled by default; those of a new organization evaluate its first event too."""
    scope = operator_scope(org_id, TALLYSTICK)
    rules = [
        changes.insert_rule(connection, scope, _settings_of(spec, enabled=True), now=now)
        for spec in shipped_detections()
        if spec.enabled
    ]
    if new:
        clause = (alert_rules.c.org_id == org_id) & alert_rules.c.rule_id.in_([rule.rule_id for rule in rules])
        connection.execute(update(alert_rules).where(clause).values(since=0))


def _import_one(
    connection: Connection, scope: Scope, spec: RuleSpec, existing: Rule | None, now: int, caller: Caller
) -> Rule:
    settings = replace(_settings_of(spec, enabled=spec.enabled), detection="")
    if existing is None:
        return changes.create(connection, scope, settings, now=now, caller=caller)
    given = {
        "definition": settings.definition,
        "severity": spec.severity,
        "runbook": spec.runbook,
        "enabled": spec.enabled,
    }
    if spec.destinations:
        given["destinations"] = spec.destinations
    return changes.change(connection, scope, existing.public_id, given, now=now, caller=caller)


def _settings_of(spec: RuleSpec, *, enabled: bool) -> RuleSettings:
    fields = changes.definition_fields(spec.definition)
    return RuleSettings(spec.name, fields, spec.severity, spec.runbook, spec.destinations, enabled, spec.id)

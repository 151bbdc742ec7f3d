"""Compiles the rules of organizations when they change, a part of them at a time."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from tallystick.actions.catalogues import ActionCatalogues
from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.rule import rule_of
from tallystick.alerts.rule_set import RuleSet
from tallystick.alerts.tables import alert_rules
from tallystick.database.engine import Database
from tallystick.events.action_catalogue import ActionCatalogue
from tallystick.work.stop_signal import TimeSlice

Rows = list[Row[Any]]


class RuleCompiler:
    """Keeps the compiled rules of organizations. A rule is compiled again only if its definition has changed, or the
    descriptions of the organization's actions, in whose sentences words are looked for.

    Not thread-safe.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._catalogues = ActionCatalogues(database)
        self._sets: dict[UUID, tuple[Rows, ActionCatalogue, RuleSet]] = {}  # compiled from these rows
        self._compiled: dict[UUID, dict[UUID, CompiledRule]] = {}  # by organization and rule

    def rules(self, org_id: UUID, turn: TimeSlice) -> tuple[RuleSet | None, bool]:
        """Returns the rules of an organization, and whether they have changed.

        Returns no rules if there are so many new ones that compiling them takes another turn.
        """
        query = select(alert_rules).where(alert_rules.c.org_id == org_id, alert_rules.c.enabled, alert_rules.c.learnt)
        with self._database.read() as connection:
            rows = list(connection.execute(query.order_by(alert_rules.c.rule_id)))
        known, catalogue = self._sets.get(org_id), self._catalogues.of(org_id)
        if known is not None and known[0] == rows and known[1] is catalogue:
            return known[2], False
        if known is not None and known[1] is not catalogue:
            self._compiled.pop(org_id, None)
        compiled = self._compiled.setdefault(org_id, {})
        rules, has_progress = [], False
        for row in rows:
            rule = rule_of(row)
            one = compiled.get(rule.rule_id)
            if one is None or one.definition != rule.definition:
                if has_progress and turn.is_over():
                    return None, True
                has_progress = True
                one = CompiledRule(rule.rule_id, rule.definition, catalogue)
            compiled[rule.rule_id] = one
            rules.append((rule, one))
        self._compiled[org_id] = {rule.rule_id: one for rule, one in rules}
        self._sets[org_id] = rows, catalogue, RuleSet(rules)
        return self._sets[org_id][2], True

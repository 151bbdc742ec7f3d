"""The list of an organization's intake rules in the control database, and when it takes effect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from tallystick import ids
from tallystick.access.scopes import require, require_whole_trail
from tallystick.clock import DAY_US
from tallystick.errors import NotFound
from tallystick.intake_rules.rule import PREFIX, IntakeRule, Rules, conditions_of, decode_rules, encode_rules
from tallystick.intake_rules.strength import keeps_less
from tallystick.intake_rules.tables import intake_rule_lists
from tallystick.query.conditions import Condition
from tallystick.query.scope import Scope
from tallystick.store.expiry import ExpiryClass

Edit = Callable[[Rules], Rules]
"""A change of a list; of one that lacks the rule it changes, it returns the list itself."""


@dataclass(frozen=True, slots=True)
class RuleList:
    """The rules in force, and those that take their place at `next_at` (microseconds); None if nothing is to come."""

    in_force: Rules = ()
    next_rules: Rules | None = None
    next_at: int | None = None

    @property
    def decided(self) -> Rules:
        """The list as people last decided, whether or not it is in force yet."""
        return self.in_force if self.next_rules is None else self.next_rules

    def at(self, now: int) -> "RuleList":
        """The list as it is at `now`."""
        if self.next_at is not None and self.next_rules is not None and self.next_at <= now:
            return RuleList(self.next_rules)
        return self


@dataclass(frozen=True, slots=True)
class KeepClass:
    """The events that a rule in force applies to and no rule before it; `days` is None for those that it drops.

    `condition` does not leave out the rules before it: classes are asked in their order.
    """

    rule: IntakeRule
    condition: Condition

    def cutoff(self, now: int, retention_days: int) -> int:
        """Stored events from before this time (microseconds) are deleted. What a rule drops now stays like the rest."""
        days = retention_days if self.rule.do == "drop" else self.rule.kept_days(retention_days)
        return now - days * DAY_US


def read_rule_list(connection: Connection, org_id: UUID, now: int) -> RuleList:
    """The rules of an organization as of `now`."""
    row = connection.execute(select(intake_rule_lists).where(intake_rule_lists.c.org_id == org_id)).first()
    return RuleList() if row is None else rule_list_of(row).at(now)


def rule_list_of(row: Row[tuple[object, ...]]) -> RuleList:
    """The list of a row, as it was written."""
    next_rules = None if row.next_at is None else decode_rules(row.next_rules)
    return RuleList(decode_rules(row.rules), next_rules, row.next_at)


def show_rules(connection: Connection, scope: Scope, *, now: int) -> RuleList:
    """The rules, for readers of the whole trail."""
    require_whole_trail(scope)
    require(scope, "events:read")
    return read_rule_list(connection, scope.org_id, now)


def find_rule(rules: Rules, public_id: str) -> IntakeRule:
    """The rule of that id; NotFound (`no_intake_rule`)."""
    for rule in rules:
        if rule.id == public_id:
            return rule
    raise NotFound("There is no such intake rule in this organization.", code="no_intake_rule")


def keep_classes(connection: Connection, org_id: UUID, now: int) -> tuple[KeepClass, ...]:
    """What the rules in force mean for events that are stored, in the order of the rules; empty if none keeps less."""
    rules = read_rule_list(connection, org_id, now).in_force
    if all(rule.do == "drop" for rule in rules):
        return ()
    return tuple(map(KeepClass, rules, conditions_of(rules)))


def expiry_classes(classes: Sequence[KeepClass], now: int, retention_days: int) -> list[ExpiryClass]:
    """The classes as the event store finds their expired events at `now`."""
    return [ExpiryClass(one.condition, one.cutoff(now, retention_days)) for one in classes]


def write_rules(connection: Connection, org_id: UUID, edit: Edit, *, retention_days: int, now: int) -> RuleList:
    """Change the list, under the lock of the organization's row.

    What keeps less than the rules in force takes effect a day from now, or when a list that is on its way does and
    does not keep more than that. All else takes effect at once.
    """
    before = read_rule_list(connection, org_id, now)
    wanted = edit(before.decided)
    after = RuleList(wanted)
    if keeps_less(before.in_force, wanted, retention_days):
        is_later = before.next_at is None or keeps_less(before.decided, wanted, retention_days)
        next_at = now + DAY_US if is_later or before.next_at is None else before.next_at
        at_once = edit(before.in_force)
        if keeps_less(before.in_force, at_once, retention_days):
            at_once = before.in_force
        after = RuleList(at_once, wanted, next_at)
    values = {
        "rules": encode_rules(after.in_force),
        "next_rules": "" if after.next_rules is None else encode_rules(after.next_rules),
        "next_at": after.next_at,
    }
    grown = values | {"revision": intake_rule_lists.c.revision + 1}
    mine = intake_rule_lists.c.org_id == org_id
    if not connection.execute(update(intake_rule_lists).where(mine).values(grown)).rowcount:
        connection.execute(insert(intake_rule_lists).values(org_id=org_id, revision=1, **values))
    return after


def new_rule_id(now: int) -> str:
    """An id for a new rule."""
    return ids.encode(PREFIX, ids.new_uuid(now).bytes)

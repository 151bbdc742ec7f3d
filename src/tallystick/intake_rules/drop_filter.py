"""The drop rules of all organizations, compiled in memory, which every request is compared with before the commit."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select

from tallystick import clock
from tallystick.database.engine import Database
from tallystick.events.prepared import Prepared
from tallystick.intake_rules.rule import Rules, conditions_of
from tallystick.intake_rules.rule_list import RuleList, rule_list_of
from tallystick.intake_rules.tables import intake_rule_lists
from tallystick.query.conditions import Query
from tallystick.search.event_block import EventBlock
from tallystick.search.match import Selection, compile_selection
from tallystick.work.background import Background

POLL_SECONDS = 0.5  # a change is seen everywhere within a second


class _CompiledList:
    """The rules that are in force at one time; those after the last drop rule decide nothing here."""

    def __init__(self, rules: Rules) -> None:
        last = max((place for place, rule in enumerate(rules) if rule.do == "drop"), default=-1)
        self.rules = rules[: last + 1]
        self._selections: list[Selection] = [
            compile_selection(Query(condition)) for condition in conditions_of(self.rules)
        ]

    def dropped(self, prepared: Sequence[Prepared]) -> dict[int, str]:
        """The positions of the events whose first matching rule drops them, and its id."""
        block = EventBlock([one.record for one in prepared])
        left, found = block.rows, dict[int, str]()
        for rule, select_rows in zip(self.rules, self._selections, strict=True):
            rows = select_rows(block, left)
            if rule.do == "drop":
                found |= dict.fromkeys(rows, rule.id)
            if rows:
                taken = set(rows)
                left = [row for row in left if row not in taken]
        return found


class _CachedRules:
    """The list of one organization at a revision, with what replaces it at `next_at`."""

    def __init__(self, revision: int, rules: RuleList) -> None:
        self.revision = revision
        self._now = _CompiledList(rules.in_force)
        self._next = None if rules.next_rules is None else _CompiledList(rules.next_rules)
        self._next_at = rules.next_at

    @property
    def may_drop(self) -> bool:
        return bool(self._now.rules or (self._next and self._next.rules))

    def at(self, now: int) -> _CompiledList:
        is_next = self._next is not None and self._next_at is not None and self._next_at <= now
        return self._next if is_next and self._next is not None else self._now


class DropRules(Background):
    """Says which events of a request are dropped; follows the changes of all processes in a thread of its own.

    An organization without a drop rule costs one look into a dictionary.
    """

    def __init__(self, database: Database) -> None:
        super().__init__("intake_rules", idle_seconds=POLL_SECONDS)
        self._database = database
        self._seen = (0, 0)  # number and sum of the revisions of all lists
        self._known: dict[UUID, _CachedRules] = {}
        self._dropping: Mapping[UUID, _CachedRules] = {}

    def dropped(self, org_id: UUID, prepared: Sequence[Prepared]) -> Mapping[int, str]:
        """The position of each event that a rule drops, and the rule's id."""
        rules = self._dropping.get(org_id)
        if rules is None:
            return {}
        compiled = rules.at(clock.now_us())
        return compiled.dropped(prepared) if compiled.rules else {}

    def open(self) -> None:
        """Read the rules, so that the first request finds them."""
        self.step()

    def step(self) -> bool:
        """Read the lists that have changed; False, so that the next look is POLL_SECONDS later."""
        table = intake_rule_lists.c
        with self._database.read() as connection:
            seen = tuple(connection.execute(select(func.count(), func.coalesce(func.sum(table.revision), 0))).one())
            if seen == self._seen:
                return False
            revisions = {row.org_id: row.revision for row in connection.execute(select(table.org_id, table.revision))}
            changed = [org_id for org_id, revision in revisions.items() if self._revision_of(org_id) != revision]
            known = {org_id: rules for org_id, rules in self._known.items() if org_id in revisions}
            for org_id in changed:
                row = connection.execute(select(intake_rule_lists).where(table.org_id == org_id)).first()
                if row is not None:
                    known[org_id] = _CachedRules(row.revision, rule_list_of(row))
        self._known, self._seen = known, (int(seen[0]), int(seen[1]))
        self._dropping = {org_id: rules for org_id, rules in known.items() if rules.may_drop}
        return False

    def _revision_of(self, org_id: UUID) -> int | None:
        known = self._known.get(org_id)
        return None if known is None else known.revision

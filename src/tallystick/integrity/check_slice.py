"""The check of one slice of a log: its stored events, the missing ones, and the tree above them."""

from dataclasses import dataclass
from uuid import UUID

import msgspec

from tallystick.database.engine import Database
from tallystick.erasure.deletions import is_erasing
from tallystick.integrity.check_tree import check_tree
from tallystick.integrity.deletion_records import DeletionRecords, deletions_under_way
from tallystick.integrity.rounds import MAX_PROBLEMS, Problem, Round
from tallystick.ledger import log as ledger_log
from tallystick.merkle.remains import lost_parts
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.merkle.tree import EMPTY, Edge
from tallystick.query.scope import Scope
from tallystick.search.integrity import differences
from tallystick.search.scan import read_unstored
from tallystick.store.copied_columns import highest_index, indexes_held
from tallystick.store.events import EventStore

SLICE = 8 * TILE_WIDTH
MISSING = "the event is missing, and no record explains it"
STILL_STORED = "but it is still stored"


@dataclass(frozen=True, slots=True)
class SliceResult:
    """The result of one pass over the events of a slice; counts are of events."""

    problems: list[Problem]
    checked: int
    expired: int
    erased: int


class LogChecker:
    """Checks one log slice by slice.

    The deletion records are read once, and again whenever something is unexplained: they may be newer.
    """

    def __init__(self, database: Database, store: EventStore, scope: Scope) -> None:
        self._database = database
        self._store = store
        self._scope = scope
        self.deletions = DeletionRecords(database, store, scope)

    def check_next(self, before: Round) -> Round:
        """Check the next slice; returns the round after it."""
        end = min(before.position + SLICE, before.end)
        seen = self._check_events(before.position, end)
        if seen.problems:
            # Events are deleted and erased while they are read, and no transaction spans both databases. A real
            # difference is there both times; an effect of timing is not, since records are read again in between.
            self.deletions.refresh()
            again = self._check_events(before.position, end)
            both = [problem for problem in again.problems if problem in seen.problems]
            seen = SliceResult(both, again.checked, again.expired, again.erased)
        tree = check_tree(self._database, self._scope.org_id, _edge(before), end, self.deletions.purged)
        problems = sorted([*seen.problems, *tree.problems])
        return _add_problems(
            msgspec.structs.replace(
                before,
                position=end,
                edge=None if tree.edge is None else tree.edge.pack(),
                checked=before.checked + seen.checked,
                expired=before.expired + seen.expired,
                erased=before.erased + seen.erased,
            ),
            problems,
        )

    def finish(self, before: Round, *, now: int) -> Round:
        """End the round: compare the root of all entries with the log's, and look for events beyond the log."""
        problems: list[Problem] = []
        edge = _edge(before)
        if edge is not None and edge.root() != before.root:
            source = "the signed one" if before.signed else "the one in the log"
            problems.append(Problem(before.end, f"the first {before.end} entries give a different root than {source}"))
        highest = highest_index(self._store, self._scope)
        size = _log_size(self._database, self._scope.org_id)
        if highest >= size:
            problems.append(Problem(highest, f"an event is stored, but the log has only {size} entries"))
        return msgspec.structs.replace(_add_problems(before, problems), finished_at=now)

    def _check_events(self, first: int, end: int) -> SliceResult:
        # The order matters. A deletion is announced in the control database first and that row is removed last, so
        # reading the announcements before the store means that no deletion in progress is taken for a difference.
        under_way = deletions_under_way(self._database, self._scope)
        with self._database.read() as connection:
            erasing = is_erasing(connection, self._scope.org_id)
            stored_end = ledger_log.read(connection, self._scope.org_id).stored_end
        held = indexes_held(self._store, self._scope, first, end)
        found = differences(self._database, self._store, self._scope, first, end)
        problems = [Problem(one.index, one.problem) for one in found]
        gone = self.deletions.purged
        problems += [
            Problem(index, f"the log says that a purge deleted the event, {STILL_STORED}")
            for index in sorted(held)
            if index in gone and index not in under_way
        ]
        stripped = {index: lost_parts(remains) for index, remains in held.items() if remains}
        problems += [
            Problem(index, f"the event has no {', '.join(parts)}, and no record explains it")
            for index, parts in stripped.items()
            if not self.deletions.explains_loss(index, parts)
        ]
        if not erasing:
            problems += self._unerased_parts(held)
        missing = sorted(set(range(first, min(end, stored_end))) - held.keys())
        expired = 0
        if missing:
            expired, unexplained = self._explain_missing(missing)
            problems += [Problem(index, MISSING) for index in unexplained]
        return SliceResult(sorted(problems), len(held), expired, len(stripped))

    def _unerased_parts(self, held: dict[int, bytes]) -> list[Problem]:
        """Problems of events that still have a part which an erasure record says was removed."""
        left = (
            (index, self.deletions.erased_parts(index).difference(lost_parts(remains)))
            for index, remains in held.items()
        )
        return [
            Problem(index, f"the log says that an erasure removed its {', '.join(sorted(parts))}, {STILL_STORED}")
            for index, parts in left
            if parts
        ]

    def _explain_missing(self, missing: list[int]) -> tuple[int, list[int]]:
        """The number of missing events that have expired, and the indexes of those that no record explains."""
        elsewhere = {index for index, _ in read_unstored(self._database, self._scope, missing[0], missing[-1] + 1)}
        rest = [index for index in missing if index not in elsewhere]
        unexplained = self._unrecorded(rest)
        if unexplained:  # perhaps by a record that is newer than those read
            self.deletions.refresh()
            under_way = deletions_under_way(self._database, self._scope)
            unexplained = [index for index in self._unrecorded(unexplained) if index not in under_way]
        lost = sum(index in self.deletions.lost for index in rest)
        return len(rest) - lost - len(unexplained), unexplained

    def _unrecorded(self, missing: list[int]) -> list[int]:
        """The indexes of the missing events that no record names."""
        deletions = self.deletions
        return [index for index in missing if index not in deletions.purged and index not in deletions.lost]


def _add_problems(before: Round, problems: list[Problem]) -> Round:
    kept = (*before.problems, *problems)[:MAX_PROBLEMS]
    return msgspec.structs.replace(before, found=before.found + len(problems), problems=kept)


def _edge(before: Round) -> Edge | None:
    if before.edge is None:
        return None
    return Edge.unpack(before.position, before.edge) if before.position else EMPTY


def _log_size(database: Database, org_id: UUID) -> int:
    with database.read() as connection:
        return ledger_log.read(connection, org_id).size

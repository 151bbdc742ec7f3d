"""One slice of a log looked at: the stored events, what is missing among them, and the tree above them."""

from dataclasses import dataclass
from uuid import UUID

import msgspec

from tallystick.database.engine import Database
from tallystick.integrity.check_tree import climb
from tallystick.integrity.deletion_records import Explained, erasure_under_way, purges_under_way
from tallystick.integrity.rounds import MOST_KEPT, Problem, Round
from tallystick.ledger import log as ledger_log
from tallystick.merkle.remains import lost_parts
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.merkle.tree import EMPTY, Edge
from tallystick.query.scope import Scope
from tallystick.search.integrity import differences
from tallystick.search.scan import unstored
from tallystick.store.copies import highest_index, indexes_held
from tallystick.store.events import EventStore

SLICE = 8 * TILE_WIDTH


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a slice saw."""

    problems: list[Problem]
    checked: int
    expired: int
    erased: int


class Looker:
    """Looks at one log. What its records explain is read once, and again when something is unexplained."""

    def __init__(self, database: Database, store: EventStore, scope: Scope) -> None:
        self._database = database
        self._store = store
        self._scope = scope
        self.explained = Explained(database, store, scope)

    def look(self, before: Round) -> Round:
        """The round with the next slice looked at. Whatever seems wrong is looked at twice."""
        end = min(before.position + SLICE, before.end)
        seen = self._events(before.position, end)
        if seen.problems:
            self.explained.refresh()
            again = self._events(before.position, end)
            seen = Seen([one for one in again.problems if one in seen.problems], *_counts(again))
        tree = climb(self._database, self._scope.org_id, _edge(before), end, self.explained.purged)
        problems = sorted([*seen.problems, *tree.problems])
        return _with(
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

    def conclude(self, before: Round, *, now: int) -> Round:
        """The round ended: do all entries give the root, and does the store hold nothing beyond the log?"""
        problems: list[Problem] = []
        edge = _edge(before)
        if edge is not None and edge.root() != before.root:
            source = "was signed" if before.signed else "the log says"
            problems.append(Problem(before.end, f"the first {before.end} entries give another root than {source}"))
        highest = highest_index(self._store, self._scope)
        size = _size(self._database, self._scope.org_id)
        if highest >= size:
            problems.append(Problem(highest, f"it is stored, yet the log has {size} entries"))
        return msgspec.structs.replace(_with(before, problems), finished_at=now)

    def _events(self, first: int, end: int) -> Seen:
        # The order matters: who deletes says so first, and takes that back last.
        under_way = purges_under_way(self._database, self._scope)
        erasing = erasure_under_way(self._database, self._scope)
        with self._database.read() as connection:
            stored_end = ledger_log.read(connection, self._scope.org_id).stored_end
        held = indexes_held(self._store, self._scope, first, end)
        found = differences(self._database, self._store, self._scope, first, end)
        problems = [Problem(one.index, one.problem) for one in found]
        gone = self.explained.purged
        problems += [
            Problem(index, "a purge has taken it, as the log says, and yet it is there")
            for index in sorted(held)
            if index in gone and index not in under_way
        ]
        stripped = {index: lost_parts(remains) for index, remains in held.items() if remains}
        problems += [
            Problem(index, f"it lost its {', '.join(parts)}, and no record says why")
            for index, parts in stripped.items()
            if not self.explained.explains_loss(index, parts)
        ]
        if not erasing:
            problems += self._not_taken(held)
        missing = sorted(set(range(first, min(end, stored_end))) - held.keys())
        expired = 0
        if missing:
            expired, unexplained = self._missing(missing)
            problems += [Problem(index, "it is missing, and no record says why") for index in unexplained]
        return Seen(sorted(problems), len(held), expired, len(stripped))

    def _not_taken(self, held: dict[int, bytes]) -> list[Problem]:
        """Parts that erasures took, as the log says, and that are there all the same."""
        left = (
            (index, self.explained.should_lack(index).difference(lost_parts(remains)))
            for index, remains in held.items()
        )
        return [
            Problem(index, f"an erasure has taken its {', '.join(sorted(parts))}, as the log says, and yet it is there")
            for index, parts in left
            if parts
        ]

    def _missing(self, missing: list[int]) -> tuple[int, list[int]]:
        """How many of these records explain, and which nothing explains."""
        elsewhere = {index for index, _ in unstored(self._database, self._scope, missing[0], missing[-1] + 1)}
        rest = [index for index in missing if index not in elsewhere]
        unexplained = [index for index in rest if index not in self.explained.purged]
        if unexplained:  # a purge whose record is younger than what we know
            self.explained.refresh()
            under_way = purges_under_way(self._database, self._scope)
            unexplained = [
                index for index in unexplained if index not in self.explained.purged and index not in under_way
            ]
        return len(rest) - len(unexplained), unexplained


def _with(before: Round, problems: list[Problem]) -> Round:
    kept = (*before.problems, *problems)[:MOST_KEPT]
    return msgspec.structs.replace(before, found=before.found + len(problems), problems=kept)


def _edge(before: Round) -> Edge | None:
    if before.edge is None:
        return None
    return Edge.unpack(before.position, before.edge) if before.position else EMPTY


def _counts(seen: Seen) -> tuple[int, int, int]:
    return seen.checked, seen.expired, seen.erased


def _size(database: Database, org_id: UUID) -> int:
    with database.read() as connection:
        return ledger_log.read(connection, org_id).size

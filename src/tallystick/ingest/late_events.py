"""Which events have expired when they arrive: older than what their organization keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from sqlalchemy import Connection

from tallystick.access import organizations
from tallystick.clock import DAY_US
from tallystick.events.prepared import Prepared
from tallystick.events.record import Record

MatchRecord = Callable[[Record], bool]


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """The times (microseconds) before which the events of an organization expire.

    `classes` are classes of events with a time of their own, the first that an event is in counts; `plan` is that of
    all others. `is_held`: events that no purge deletes.
    """

    plan: int
    classes: Sequence[tuple[MatchRecord, int]] = ()
    is_held: MatchRecord = lambda _record: False

    @property
    def latest(self) -> int:
        """Events at this time or later are kept, whatever class they are in."""
        return max([self.plan, *(before for _, before in self.classes)])

    def has_expired(self, record: Record) -> bool:
        if record.occurred_at >= self.latest:
            return False
        before = next((before for is_member, before in self.classes if is_member(record)), self.plan)
        return record.occurred_at < before and not self.is_held(record)


ReadCutoffs = Callable[[Connection, UUID, int], Cutoffs]
"""The cut-offs of an organization at a time (microseconds)."""


def plan_cutoffs(connection: Connection, org_id: UUID, now: int) -> Cutoffs:
    """The cut-offs by the organization's retention alone."""
    return Cutoffs(now - organizations.retention_days(connection, org_id) * DAY_US)


class ExpiryCheck:
    """Whether events of one organization have expired; what decides is read only if one is older than a day."""

    def __init__(self, connection: Connection, org_id: UUID, now: int, read_cutoffs: ReadCutoffs) -> None:
        self._connection = connection
        self._org_id = org_id
        self._now = now
        self._read_cutoffs = read_cutoffs
        self._recent = now - DAY_US  # no retention is shorter than a day

    @cached_property
    def cutoffs(self) -> Cutoffs:
        return self._read_cutoffs(self._connection, self._org_id, self._now)

    def has_expired(self, prepared: Prepared) -> bool:
        return prepared.occurred_at < self._recent and self.cutoffs.has_expired(prepared.record)

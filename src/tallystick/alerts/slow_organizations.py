"""Organizations whose rules take long to evaluate: an evaluator of their own does it, so that they delay no other."""

import time
from uuid import UUID

from tallystick.database.engine import Database
from tallystick.work.leases import Lease

LEASE = "alerts"
LEASE_SECONDS = 60
# An organization whose turn takes longer, since its rules need much state, is evaluated with the slow ones.
SLOW_SECONDS = 1.0
STAY_SECONDS = 60.0  # for so long its turns must have been quick before it is evaluated with the others again


def evaluation_lease(database: Database) -> Lease:
    """The lease of the process that evaluates."""
    return Lease(database, LEASE, seconds=LEASE_SECONDS)


class SlowOrganizations:
    """What both evaluators of a process share: the lease, and which organizations are slow."""

    def __init__(self, database: Database) -> None:
        self.lease = evaluation_lease(database)
        self._slow_at: dict[UUID, float] = {}  # when each had a slow turn last, by time.monotonic()

    def __contains__(self, org_id: UUID) -> bool:
        return org_id in self._slow_at

    def add(self, org_id: UUID) -> None:
        """The organization turned out slow."""
        self._slow_at[org_id] = time.monotonic()

    def note_turn(self, org_id: UUID, began: float) -> None:
        """A turn that began then has ended: after STAY_SECONDS of quick ones the organization is slow no more."""
        ended = time.monotonic()
        if ended - began > SLOW_SECONDS / 4:
            self._slow_at[org_id] = ended
        elif ended - self._slow_at[org_id] > STAY_SECONDS:
            del self._slow_at[org_id]

"""What waits for a second person on the Retention page, and who that may be."""

from dataclasses import dataclass
from uuid import UUID

from tallystick.access.decisions import Decision, list_decisions, needs_operator
from tallystick.access.organizations import RETENTION, RetentionProposal, retention_proposal
from tallystick.access.role_holders import count_recent_owners, people_with_role
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.erasure.request import ERASURE
from tallystick.errors import BadRequest, Forbidden
from tallystick.query.scope import Scope
from tallystick.retention.change import RetentionPreview, preview_change
from tallystick.retention.holds import RELEASE
from tallystick.store.events import EventStore


@dataclass(frozen=True, slots=True)
class RetentionRequests:
    """The pending requests: of the retention, and of releases by hold.

    `change` is what the requested retention would delete, for owners. `two_owners`: a second person must confirm.
    `needs_operator`: the second person of an erasure is the operator. `owners` and `admins` are the ids of the people
    who may confirm a retention, and a release.
    """

    retention: Decision | None
    releases: dict[UUID, Decision]
    change: RetentionPreview | None
    two_owners: bool
    needs_operator: bool
    owners: frozenset[str]
    admins: frozenset[str]

    @property
    def proposal(self) -> RetentionProposal | None:
        """The retention that is requested."""
        return None if self.retention is None else retention_proposal(self.retention)


def load_requests(database: Database, store: EventStore, scope: Scope) -> RetentionRequests:
    """The requests that are pending, and what the requested retention would do. Blocks."""
    now = now_us()
    with database.read() as connection:
        pending = [one for one in list_decisions(connection, scope, state="pending") if now < one.expires_at]
        two_owners = count_recent_owners(connection, scope.org_id, now) >= 2
        by_operator = needs_operator(connection, scope, ERASURE)
        owners = people_with_role(connection, scope.org_id, RETENTION.roles)
        admins = people_with_role(connection, scope.org_id, RELEASE.roles)
    retention = next((one for one in pending if one.kind == RETENTION.name), None)
    return RetentionRequests(
        retention,
        {one.target_id: one for one in pending if one.kind == RELEASE.name},
        None if retention is None else _preview(database, store, scope, retention, now),
        two_owners,
        by_operator,
        frozenset(owners),
        frozenset(admins),
    )


def _preview(
    database: Database, store: EventStore, scope: Scope, decision: Decision, now: int
) -> RetentionPreview | None:
    wanted = retention_proposal(decision)
    try:
        return preview_change(database, store, scope, wanted.days, wanted.plan, now=now)
    except (BadRequest, Forbidden):  # not an owner, who sees that there is a request, and not what it would delete
        return None

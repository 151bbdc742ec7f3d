"""An organization with Sarah's story and strangers around it, and people of each role."""

import uuid
from dataclasses import dataclass
from typing import Any

from tallystick.access.scopes import Role, person_scope, user_principal
from tallystick.clock import now_us
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.outbox import write as outbox
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tests.fixtures.spine import Spine

SARAH = {"type": "user", "id": "usr_456", "email": "sarah@acme.com", "name": "Sarah Lin"}
JOHN = {"type": "user", "id": "usr_7", "email": "john@acme.com", "name": "John"}
PROJECT = {"type": "project", "id": "prj_88", "name": "api-infrastructure"}
HERE = {"ip_address": "192.168.1.50", "session_id": "ses_1"}


def happened(at: str, action: str, actor: dict[str, Any] = SARAH, **more: Any) -> dict[str, Any]:
    """An event on the day of the story."""
    return {"action": action, "timestamp": f"2024-01-15T{at}Z", "actor": actor, **more}


STORY = [
    happened("14:25:33", "user.login", context=HERE),
    happened("14:28:10", "project.file_updated", context=HERE, resource=PROJECT, description="main.tf"),
    happened("14:30:42", "deployment.started", context=HERE, resource=PROJECT),
    happened(
        "14:30:45", "deployment.failed", context=HERE, resource=PROJECT,
        changes={"error": "Policy violation: S3 encryption required", "resources_planned": 5},
    ),
]  # fmt: skip
OTHERS = [
    happened("14:29:00", "user.login", JOHN, context={"ip_address": "10.0.0.9"}),
    happened("14:29:30", "policy.violation", JOHN, resource={**PROJECT, "name": "API-Infrastructure"}),
    happened("14:29:40", "widget.made", JOHN, resource={"type": "widget", "id": "prj_88"}),
    happened("14:29:50", "user.login", JOHN, context={"ip_address": "192.168.1.50"}),
]


@dataclass
class Scene:
    """What the tests stand on; `events` are the organization's by action."""

    spine: Spine
    scope: Scope

    def person(self, role: Role, name: str = "maya") -> Scope:
        """Somebody of the organization."""
        known = uuid.uuid5(uuid.NAMESPACE_DNS, name)
        return person_scope(self.scope.org_id, user_principal(known, f"{name}@acme.com", name.title()), role)

    def found(self, action: str, scope: Scope | None = None) -> StoredEvent:
        """The newest event of that action."""
        page = self.spine.finder.page(scope or self.scope, Query(), limit=1000, count="none")
        return next(one for one in page.data if event_of(one)["action"] == action)

    def do(self, act: Any, *arguments: Any, **named: Any) -> Any:
        """One act in its own transaction, now."""
        with self.spine.database.write() as connection:
            return act(connection, *arguments, now=now_us(), **named)

    def told(self, scope: Scope) -> list[dict[str, Any]]:
        """What waits for the organization's trail, and waits no longer."""
        with self.spine.database.write() as connection:
            entries = outbox.take(connection, scope.org_id, 1000)
            outbox.delete(connection, entries)
        return [dict(entry.event) for entry in entries]


def scene(spine: Spine, slug: str = "acme", *events: dict[str, Any]) -> Scene:
    """A new organization in which this happened."""
    scope = spine.organization(slug)
    spine.record(scope, *(events or (*STORY, *OTHERS)))
    spine.ship()
    return Scene(spine, scope)


def actions(events: Any) -> list[str]:
    """The actions of events, in their order."""
    return [event_of(getattr(one, "stored", one))["action"] for one in events]

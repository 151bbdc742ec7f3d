"""Two organizations and the people of every test: Alice owns Acme, Bob belongs to it, Charlie owns another."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from argon2 import PasswordHasher

from tallystick.access import organizations, people, sessions
from tallystick.access.audit import Caller
from tallystick.access.members import Member
from tallystick.access.organizations import Organization
from tallystick.access.passwords import HashedPassword
from tallystick.access.scopes import operator_scope, person_scope
from tallystick.access.secret import Secret
from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.errors import TallystickError
from tallystick.outbox import write as outbox
from tallystick.query.scope import Scope

NOW = 1_700_000_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND_US, 3600 * SECOND_US, 86_400 * SECOND_US
PASSWORD = "correct horse battery"
# As an earlier version might have hashed it: thousands of times cheaper to check than a hash made now.
CHEAP = HashedPassword(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD))
OFFICE = Caller("192.0.2.10", "192.0.2.10", "Firefox/128", "web", "req_1")


@dataclass
class Clock:
    """A clock that a test moves."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now

    def pass_by(self, microseconds: int) -> None:
        self.now += microseconds


@dataclass
class Town:
    """Who lives here. `told` gives the actions that an organization would find in its trail."""

    database: Database
    acme: Organization
    other: Organization
    alice: Member
    bob: Member
    charlie: Member
    clock: Clock = field(default_factory=Clock)

    def scope(self, member: Member, organization: Organization | None = None) -> Scope:
        home = organization or (self.other if member is self.charlie else self.acme)
        return person_scope(home.org_id, member.principal, member.role)

    def session(self, member: Member, organization: Organization | None = None, caller: Caller = OFFICE) -> Secret:
        home = organization or (self.other if member is self.charlie else self.acme)
        with self.database.write() as connection:
            return sessions.begin(connection, member.user_id, home.org_id, now=self.clock.now, caller=caller)

    def do(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """One act in its own transaction, now."""
        with self.database.write() as connection:
            return act(connection, *arguments, now=self.clock.now, **named)

    def told(self, organization: Organization, *actions: str) -> list[dict[str, Any]]:
        """What waits for the organization's trail: all, or these actions."""
        with self.database.read() as connection:
            events = [dict(entry.event) for entry in outbox.take(connection, organization.org_id, 1000)]
        return [event for event in events if not actions or event["action"] in actions]


def build(database: Database) -> Town:
    """The town, with nothing waiting in the outbox."""
    with database.write() as connection:
        acme = organizations.create(connection, "acme", "Acme", now=NOW)
        other = organizations.create(connection, "other", "Other", now=NOW)

        def resident(org_id: UUID, email: str, role: str, name: str) -> Member:
            return people.create(connection, operator_scope(org_id), email, role, CHEAP, name=name, now=NOW)

        town = Town(
            database, acme, other,
            alice=resident(acme.org_id, "alice@acme.com", "owner", "Alice"),
            bob=resident(acme.org_id, "bob@acme.com", "member", "Bob"),
            charlie=resident(other.org_id, "charlie@other.org", "owner", "Charlie"),
        )  # fmt: skip
        for org_id in outbox.organizations_waiting(connection):
            outbox.delete(connection, outbox.take(connection, org_id, 1000))
    return town


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What `act(0)` … `act(count - 1)` give, or how they are refused, when as many threads begin together."""
    ready = threading.Barrier(count)

    def run(number: int) -> Any:
        ready.wait()
        try:
            return act(number)
        except TallystickError as problem:
            return problem

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))

"""Incidents in the demo data: a guessed password, somebody raising their own role, a bulk deletion at night.

Each kind repeats every two weeks, so that any two weeks contain all three.
"""

from collections.abc import Iterator
from random import Random

from tallystick.clock import DAY_US, SECOND_US, rfc3339
from tallystick.demo.daily_activity import TimedEvent
from tallystick.demo.people import CHROME, CLI, DMITRI, PRIYA, PROJECTS, TOM, Employee, Event

PERIOD_DAYS = 14
GUESSED_DAY, RAISED_DAY, DELETED_DAY = 3, 8, 12  # days within the period

GUESSER = {"ip_address": "203.0.113.66", "user_agent": "python-requests/2.31.0", "source": "web"}
NIGHT = {"ip_address": "198.51.100.23", "user_agent": CLI.format("2.9.0"), "source": "cli"}


def incident_events(day: int, seed: int) -> list[TimedEvent]:
    """The incident of a day (number of days since 1970); most days have none."""
    rng = Random(f"{seed}/incident/{day}")
    kind = day % PERIOD_DAYS
    if kind == GUESSED_DAY:
        return _events_by("guessed", day, _guessed_password(rng, day), TOM, GUESSER)
    if kind == RAISED_DAY:
        own = {"ip_address": DMITRI.addresses[1], "user_agent": CHROME.format("131.0.0.0"), "source": "web"}
        return _events_by("raised", day, _raised_role(rng, day), DMITRI, own)
    if kind == DELETED_DAY:
        return _events_by("deleted", day, _night_deletion(rng, day), PRIYA, NIGHT)
    return []


def _guessed_password(rng: Random, day: int) -> Iterator[TimedEvent]:
    """A burst of failed sign-ins from one address, then a successful one that views customer data."""
    at_us = _time(day, hours=2, seconds=rng.randrange(3600))
    for attempt in range(1, 47):
        at_us += rng.randint(2, 9) * SECOND_US
        refused = {"reason": "wrong password", "attempt": attempt}
        yield at_us, {"action": "user.login_failed", "changes": refused, "response": {"status": 401}}
    yield at_us + 4 * SECOND_US, {"action": "user.login", "request": {"method": "password"}}
    for place in range(5):
        number = rng.randint(1_000, 1_399)
        customer = {"type": "customer", "id": f"cus_{number}", "name": f"Customer {number}"}
        yield at_us + (20 + 15 * place) * SECOND_US, {"action": "user.data_viewed", "resource": customer}


def _raised_role(rng: Random, day: int) -> Iterator[TimedEvent]:
    """Somebody raises their own role to administrator, uses it, and reverts it."""
    at_us = _time(day, hours=21, seconds=rng.randrange(1800))
    himself = {"type": "user", "id": DMITRI.id, "name": DMITRI.email}
    yield at_us, {"action": "user.login", "request": {"method": "password"}}
    for after, before_role, after_role in ((95, "member", "admin"), (960, "admin", "member")):
        changes = {"role": {"before": before_role, "after": after_role}}
        yield at_us + after * SECOND_US, {"action": "user.role_changed", "resource": himself, "changes": changes}
        if after_role == "admin":
            billing = {"type": "project", "id": "prj_27", "name": "billing-service"}
            yield at_us + 240 * SECOND_US, {"action": "project.secret_viewed", "resource": billing}
            limits = {"type": "policy", "id": "pol_2", "name": "No public ingress"}
            yield at_us + 410 * SECOND_US, {"action": "policy.disabled", "resource": limits}


def _night_deletion(rng: Random, day: int) -> Iterator[TimedEvent]:
    """Files and projects are deleted at night, from an address that was never used before."""
    at_us = _time(day, hours=20, seconds=rng.randrange(3600))  # half past one and later where Priya lives
    yield at_us, {"action": "user.login", "request": {"method": "password"}}
    for project in PROJECTS[-3:]:
        for file in project.files:
            at_us += rng.randint(3, 8) * SECOND_US
            yield at_us, {"action": "project.file_deleted", "description": file, "resource": project.resource}
    for number in range(rng.randint(24, 36)):
        at_us += rng.randint(2, 5) * SECOND_US
        preview = {"type": "project", "id": f"prj_{500 + number}", "name": f"preview-{500 + number}"}
        yield at_us, {"action": "project.deleted", "description": "acme projects delete --force", "resource": preview}


def _time(day: int, *, hours: int, seconds: int) -> int:
    return day * DAY_US + (hours * 3600 + seconds) * SECOND_US


def _events_by(name: str, day: int, steps: Iterator[TimedEvent], person: Employee, context: Event) -> list[TimedEvent]:
    session = {"session_id": f"ses_{name}_{day}"}
    return [
        (
            at_us,
            {
                **step,
                "timestamp": rfc3339(at_us),
                "actor": person.actor,
                "context": context | session,
                "external_id": f"demo-{name}-{day}-{place}",
            },
        )
        for place, (at_us, step) in enumerate(steps)
    ]

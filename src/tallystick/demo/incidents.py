"""Incidents worth finding: a guessed password, someone who raised their own role, a deletion by night.

Each kind comes back every two weeks, so that any fortnight up to now holds all three.
"""

from collections.abc import Iterator
from random import Random

from tallystick.clock import DAY_US, SECOND_US, rfc3339
from tallystick.demo.cast import CHROME, CLI, DMITRI, PRIYA, PROJECTS, TOM, Event, Person
from tallystick.demo.habits import Timed

PERIOD_DAYS = 14
GUESSED_ON, RAISED_ON, DELETED_ON = 3, 8, 12  # days within the period

GUESSER = {"ip_address": "203.0.113.66", "user_agent": "python-requests/2.31.0", "source": "web"}
NIGHT = {"ip_address": "198.51.100.23", "user_agent": CLI.format("2.9.0"), "source": "cli"}


def incident_events(day: int, seed: int) -> list[Timed]:
    """What goes wrong on this day (number of days since 1970); on most days nothing."""
    rng = Random(f"{seed}/incident/{day}")
    kind = day % PERIOD_DAYS
    if kind == GUESSED_ON:
        return _told("guessed", day, _guessed_password(rng, day), TOM, GUESSER)
    if kind == RAISED_ON:
        own = {"ip_address": DMITRI.addresses[1], "user_agent": CHROME.format("131.0.0.0"), "source": "web"}
        return _told("raised", day, _raised_role(rng, day), DMITRI, own)
    if kind == DELETED_ON:
        return _told("deleted", day, _night_deletion(rng, day), PRIYA, NIGHT)
    return []


def _guessed_password(rng: Random, day: int) -> Iterator[Timed]:
    """A burst of failed sign-ins from one address, then one that succeeds, and a look around."""
    at_us = _at(day, hours=2, seconds=rng.randrange(3600))
    for attempt in range(1, 47):
        at_us += rng.randint(2, 9) * SECOND_US
        refused = {"reason": "wrong password", "attempt": attempt}
        yield at_us, {"action": "user.login_failed", "changes": refused, "response": {"status": 401}}
    yield at_us + 4 * SECOND_US, {"action": "user.login", "request": {"method": "password"}}
    for place in range(5):
        number = rng.randint(1_000, 1_399)
        customer = {"type": "customer", "id": f"cus_{number}", "name": f"Customer {number}"}
        yield at_us + (20 + 15 * place) * SECOND_US, {"action": "user.data_viewed", "resource": customer}


def _raised_role(rng: Random, day: int) -> Iterator[Timed]:
    """Someone makes himself an administrator, uses it, and goes back."""
    at_us = _at(day, hours=21, seconds=rng.randrange(1800))
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


def _night_deletion(rng: Random, day: int) -> Iterator[Timed]:
    """Files and projects go, by night, from an address nobody has seen."""
    at_us = _at(day, hours=20, seconds=rng.randrange(3600))  # half past one and later where Priya lives
    yield at_us, {"action": "user.login", "request": {"method": "password"}}
    for project in PROJECTS[-3:]:
        for file in project.files:
            at_us += rng.randint(3, 8) * SECOND_US
            yield at_us, {"action": "project.file_deleted", "description": file, "resource": project.resource}
    for number in range(rng.randint(24, 36)):
        at_us += rng.randint(2, 5) * SECOND_US
        preview = {"type": "project", "id": f"prj_{500 + number}", "name": f"preview-{500 + number}"}
        yield at_us, {"action": "project.deleted", "description": "acme projects delete --force", "resource": preview}


def _at(day: int, *, hours: int, seconds: int) -> int:
    return day * DAY_US + (hours * 3600 + seconds) * SECOND_US


def _told(name: str, day: int, steps: Iterator[Timed], person: Person, context: Event) -> list[Timed]:
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

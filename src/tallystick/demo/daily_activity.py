"""One day of events at Acme: sessions of people in their working hours, runs of service accounts at any time."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from itertools import accumulate, islice
from random import Random
from zoneinfo import ZoneInfo

from tallystick.clock import DAY_US, EPOCH, SECOND_US, rfc3339, to_us
from tallystick.demo.people import PEOPLE, SERVICE_ACCOUNTS, Employee, Event, ServiceAccount
from tallystick.demo.scenes import TRADES, Step, random_hex, random_pause
from tallystick.demo.service_accounts import SERVICE_ACCOUNT_SCENES

TimedEvent = tuple[int, Event]  # when it happened (µs since 1970 UTC), and the event as a client sends it

ACTORS = PEOPLE + SERVICE_ACCOUNTS
ACTIVITY_BY_WEEKDAY = (1.24, 1.24, 1.24, 1.24, 1.24, 0.42, 0.38)  # Monday to Sunday, seven in all
MAX_OFFSET_US = DAY_US  # no event of a day lies further than this outside of the day in UTC


def day_events(day: int, quota: int, seed: int) -> Iterator[TimedEvent]:
    """`quota` events of one day (number of days since 1970), session by session, not sorted by time.

    A larger quota gives the same events and more.
    """
    return islice(_day_sessions(day, seed), quota)


def activity_level(day: int) -> float:
    """The relative number of events of a day; 1 on average over a week."""
    return ACTIVITY_BY_WEEKDAY[(day + 3) % 7]  # day 0 was a Thursday


def _day_sessions(day: int, seed: int) -> Iterator[TimedEvent]:
    weekend = (day + 3) % 7 >= 5
    weights = list(accumulate(member.weight * _weight_factor(member, weekend) for member in ACTORS))
    number = 0
    while True:
        number += 1
        rng = Random(f"{seed}/{day}/{number}")
        member = rng.choices(ACTORS, cum_weights=weights)[0]
        if isinstance(member, Employee):
            steps, context, at_us = (
                _person_session(rng, member),
                _person_context(rng, member),
                _working_time(rng, member, day),
            )
        else:
            steps, context = SERVICE_ACCOUNT_SCENES[member.trade](rng), _service_account_context(rng, member)
            at_us = day * DAY_US + rng.randrange(DAY_US)
        latest = (day + 1) * DAY_US + MAX_OFFSET_US
        for place, (seconds, step) in enumerate(steps):
            at_us = min(at_us + int(seconds * SECOND_US), latest - 1)
            yield (
                at_us,
                {
                    **step,
                    "timestamp": rfc3339(at_us),
                    "actor": member.actor,
                    "context": context | {"request_id": f"req_{random_hex(rng, 12)}"},
                    "external_id": f"demo-{day}-{number}-{place}",
                },
            )


def _weight_factor(member: Employee | ServiceAccount, weekend: bool) -> float:
    """Scales the weight: a person's session has about eight times as many events as a service account's run."""
    if isinstance(member, ServiceAccount):
        return 3.0
    return 0.05 if weekend else 1.0


def _person_session(rng: Random, person: Employee) -> Iterator[Step]:
    scenes, weights = TRADES[person.trade]
    if rng.random() < 0.08:
        wrong = {"action": "user.login_failed", "changes": {"reason": "wrong password"}, "response": {"status": 401}}
        yield 1, wrong
    yield (
        random_pause(rng, 10),
        {"action": "user.login", "request": {"method": "password" if rng.random() < 0.3 else "sso"}},
    )
    for _ in range(rng.randint(2, 7)):
        yield from rng.choices(scenes, weights)[0](rng)
    if rng.random() < 0.02:
        refused = {"type": "page", "name": "billing"}
        yield random_pause(rng, 90), {"action": "access.denied", "resource": refused, "response": {"status": 403}}
    if rng.random() < 0.4:
        yield random_pause(rng, 300), {"action": "user.logout"}


def _person_context(rng: Random, person: Employee) -> Event:
    usual = rng.random() < 0.8
    return {
        "ip_address": person.addresses[0] if usual else rng.choice(person.addresses),
        "user_agent": person.agents[0] if usual else rng.choice(person.agents),
        "session_id": f"ses_{random_hex(rng, 10)}",
        "source": "web",
    }


def _service_account_context(rng: Random, robot: ServiceAccount) -> Event:
    return {"ip_address": rng.choice(robot.addresses), "user_agent": robot.agent, "source": "api"}


def _working_time(rng: Random, person: Employee, day: int) -> int:
    begin, end = person.hours
    seconds = rng.triangular(begin * 3600, end * 3600 - 1800, (begin + 2) * 3600)
    return day * DAY_US + int(seconds * SECOND_US) - _offset_us(person.zone, day)


@cache
def _offset_us(zone: str, day: int) -> int:
    """The UTC offset of a zone at noon of a day, in µs."""
    noon = EPOCH + timedelta(days=day, hours=12)
    local = noon.astimezone(_zone(zone))
    offset = local.utcoffset() or timedelta()
    return to_us(EPOCH + offset)


@cache
def _zone(name: str) -> ZoneInfo:
    """Keeps ZoneInfo objects alive: its own cache is weak, and would read the file again."""
    return ZoneInfo(name)

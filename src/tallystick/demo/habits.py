"""A day at Acme: sittings of people in their working hours and runs of service accounts around the clock."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from itertools import accumulate, islice
from random import Random
from zoneinfo import ZoneInfo

from tallystick.clock import DAY_US, EPOCH, SECOND_US, rfc3339, to_us
from tallystick.demo.cast import PEOPLE, ROBOTS, Event, Person, Robot
from tallystick.demo.machinery import MACHINERY
from tallystick.demo.work import TRADES, Step, hexadecimal, pause

Timed = tuple[int, Event]  # when it happened (µs since 1970 UTC), and the event as a client sends it

MEMBERS = PEOPLE + ROBOTS
BUSINESS = (1.24, 1.24, 1.24, 1.24, 1.24, 0.42, 0.38)  # Monday to Sunday, seven in all
REACH_US = DAY_US  # no event of a day lies further than this outside of the day in UTC


def day_events(day: int, quota: int, seed: int) -> Iterator[Timed]:
    """`quota` events of one day (number of days since 1970), sitting by sitting, not sorted.

    A larger quota gives the same events and more of them.
    """
    return islice(_sittings(day, seed), quota)


def business(day: int) -> float:
    """How much happens on this day; 1 on average over a week."""
    return BUSINESS[(day + 3) % 7]  # day 0 was a Thursday


def _sittings(day: int, seed: int) -> Iterator[Timed]:
    weekend = (day + 3) % 7 >= 5
    weights = list(accumulate(member.weight * _share(member, weekend) for member in MEMBERS))
    number = 0
    while True:
        number += 1
        rng = Random(f"{seed}/{day}/{number}")
        member = rng.choices(MEMBERS, cum_weights=weights)[0]
        if isinstance(member, Person):
            steps, context, at_us = _sitting(rng, member), _person_context(rng, member), _working_time(rng, member, day)
        else:
            steps, context = MACHINERY[member.trade](rng), _robot_context(rng, member)
            at_us = day * DAY_US + rng.randrange(DAY_US)
        latest = (day + 1) * DAY_US + REACH_US
        for place, (seconds, step) in enumerate(steps):
            at_us = min(at_us + int(seconds * SECOND_US), latest - 1)
            yield (
                at_us,
                {
                    **step,
                    "timestamp": rfc3339(at_us),
                    "actor": member.actor,
                    "context": context | {"request_id": f"req_{hexadecimal(rng, 12)}"},
                    "external_id": f"demo-{day}-{number}-{place}",
                },
            )


def _share(member: Person | Robot, weekend: bool) -> float:
    """A sitting of a person holds some eight times the events of a run."""
    if isinstance(member, Robot):
        return 3.0
    return 0.05 if weekend else 1.0


def _sitting(rng: Random, person: Person) -> Iterator[Step]:
    scenes, weights = TRADES[person.trade]
    if rng.random() < 0.08:
        wrong = {"action": "user.login_failed", "changes": {"reason": "wrong password"}, "response": {"status": 401}}
        yield 1, wrong
    yield pause(rng, 10), {"action": "user.login", "request": {"method": "password" if rng.random() < 0.3 else "sso"}}
    for _ in range(rng.randint(2, 7)):
        yield from rng.choices(scenes, weights)[0](rng)
    if rng.random() < 0.02:
        refused = {"type": "page", "name": "billing"}
        yield pause(rng, 90), {"action": "access.denied", "resource": refused, "response": {"status": 403}}
    if rng.random() < 0.4:
        yield pause(rng, 300), {"action": "user.logout"}


def _person_context(rng: Random, person: Person) -> Event:
    usual = rng.random() < 0.8
    return {
        "ip_address": person.addresses[0] if usual else rng.choice(person.addresses),
        "user_agent": person.agents[0] if usual else rng.choice(person.agents),
        "session_id": f"ses_{hexadecimal(rng, 10)}",
        "source": "web",
    }


def _robot_context(rng: Random, robot: Robot) -> Event:
    return {"ip_address": rng.choice(robot.addresses), "user_agent": robot.agent, "source": "api"}


def _working_time(rng: Random, person: Person, day: int) -> int:
    begin, end = person.hours
    seconds = rng.triangular(begin * 3600, end * 3600 - 1800, (begin + 2) * 3600)
    return day * DAY_US + int(seconds * SECOND_US) - _offset_us(person.zone, day)


@cache
def _offset_us(zone: str, day: int) -> int:
    """How far the zone is ahead of UTC at noon of that day."""
    noon = EPOCH + timedelta(days=day, hours=12)
    local = noon.astimezone(_zone(zone))
    offset = local.utcoffset() or timedelta()
    return to_us(EPOCH + offset)


@cache
def _zone(name: str) -> ZoneInfo:
    """Held here, since ZoneInfo itself forgets what nobody holds and reads the file again."""
    return ZoneInfo(name)

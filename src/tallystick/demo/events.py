"""All of Acme's events of ninety days, in the order of time."""

import heapq
from collections.abc import Iterator

from tallystick.clock import DAY_US, SECOND_US
from tallystick.demo.cast import Event
from tallystick.demo.habits import REACH_US, Timed, business, day_events
from tallystick.demo.incidents import incident_events
from tallystick.demo.stories import TOLD_AT_US, johns_apply, sarahs_story

DAYS = 90
HOUR_US = 3600 * SECOND_US
SEED = 11


def acme_events(*, now_us: int, count: int = 50_000, seed: int = SEED, since_us: int | None = None) -> Iterator[Event]:
    """Events as a client sends them, in the order of their timestamps, none later than `now_us`.

    Some `count` of them lie in the ninety days up to now; before those come the events of
    2024-01-15. The story is told again, ending an hour before now. An event has the same
    `external_id` and content for every `now_us`, and a larger `count` only adds to a smaller one.
    With `since_us` only what happened from then on is given, and the story of the last hour.
    """
    first_us = now_us - DAYS * DAY_US if since_us is None else since_us
    if since_us is None:
        yield from (event for _, event in sorted([johns_apply(), *sarahs_story(TOLD_AT_US)], key=_time))
    recent = sarahs_story((now_us // SECOND_US) * SECOND_US - HOUR_US)
    trail = (timed for timed in _trail(first_us, now_us, count, seed) if first_us <= timed[0] <= now_us)
    yield from (event for _, event in heapq.merge(recent, trail, key=_time))


def _trail(first_us: int, now_us: int, count: int, seed: int) -> Iterator[Timed]:
    """Day by day, sorted; holds some three days in memory, for the zones make the days overlap."""
    waiting: list[Timed] = []
    for day in range((first_us - REACH_US) // DAY_US, (now_us + REACH_US) // DAY_US + 1):
        quota = round(count / DAYS * business(day))
        waiting += day_events(day, quota, seed)
        waiting += incident_events(day, seed)
        waiting.sort(key=_time)
        settled_us = (day + 1) * DAY_US - REACH_US
        done = next((place for place, (at_us, _) in enumerate(waiting) if at_us >= settled_us), len(waiting))
        yield from waiting[:done]
        del waiting[:done]
    yield from waiting


def _time(timed: Timed) -> int:
    return timed[0]

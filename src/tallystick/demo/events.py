"""All events of Acme for ninety days, in order of time."""

import heapq
from collections.abc import Iterator

from tallystick.clock import DAY_US, SECOND_US
from tallystick.demo.daily_activity import MAX_OFFSET_US, TimedEvent, activity_level, day_events
from tallystick.demo.incidents import incident_events
from tallystick.demo.people import Event
from tallystick.demo.stories import STORY_TIME_US, johns_apply, sarahs_story

DAYS = 90
HOUR_US = 3600 * SECOND_US
SEED = 11


def acme_events(*, now_us: int, count: int = 50_000, seed: int = SEED, since_us: int | None = None) -> Iterator[Event]:
    """Events as a client sends them, in order of their timestamps, none later than `now_us` (µs since 1970 UTC).

    About `count` of them lie in the ninety days up to now; the events of 2024-01-15 come first, and the story is
    repeated so that it ends an hour before now. An event has the same `external_id` and content for every `now_us`,
    and a larger `count` only adds events. With `since_us`, only events from that time on and the repeated story.
    """
    first_us = now_us - DAYS * DAY_US if since_us is None else since_us
    if since_us is None:
        yield from (event for _, event in sorted([johns_apply(), *sarahs_story(STORY_TIME_US)], key=_time))
    recent = sarahs_story((now_us // SECOND_US) * SECOND_US - HOUR_US)
    trail = (timed for timed in _trail(first_us, now_us, count, seed) if first_us <= timed[0] <= now_us)
    yield from (event for _, event in heapq.merge(recent, trail, key=_time))


def _trail(first_us: int, now_us: int, count: int, seed: int) -> Iterator[TimedEvent]:
    """The generated events, sorted; keeps about three days in memory, because days of different zones overlap."""
    waiting: list[TimedEvent] = []
    for day in range((first_us - MAX_OFFSET_US) // DAY_US, (now_us + MAX_OFFSET_US) // DAY_US + 1):
        quota = round(count / DAYS * activity_level(day))
        waiting += day_events(day, quota, seed)
        waiting += incident_events(day, seed)
        waiting.sort(key=_time)
        settled_us = (day + 1) * DAY_US - MAX_OFFSET_US
        done = next((place for place, (at_us, _) in enumerate(waiting) if at_us >= settled_us), len(waiting))
        yield from waiting[:done]
        del waiting[:done]
    yield from waiting


def _time(timed: TimedEvent) -> int:
    return timed[0]

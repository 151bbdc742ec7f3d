"""What was never seen before: looked up in everything that is kept, and said only where it was looked up."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallystick.cases.threads import Thread, threads_of
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.query.conditions import And, Condition, Query, exactly
from tallystick.query.scope import Scope
from tallystick.search.find import Finder

SECONDS = 1.0


@dataclass(slots=True)
class FirstTimes:
    """`words` by index: why an event is a first. `unanswered`: questions that the time did not suffice for."""

    words: dict[int, list[str]] = field(default_factory=dict)
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class _Question:
    """Is there an event before this one that fulfils the condition? `words` if there is none."""

    stored: StoredEvent
    condition: Condition
    words: str


def first_times(finder: Finder, scope: Scope, events: Sequence[StoredEvent], *, seconds: float = SECONDS) -> FirstTimes:
    """Which of the events (in order of time) are firsts of their actor: at all, from an address, on a resource,
    with an action. What the scope does not show counts as never seen. Blocks, for about `seconds`."""
    found = FirstTimes()
    newcomers: set[int] = set()
    ends = time.monotonic() + seconds
    for question in _questions(events):
        if question.stored.index in newcomers:
            continue  # everything about an actor's first event is a first; saying so once is enough
        if time.monotonic() > ends:
            found.unanswered += 1
            continue
        query = Query(question.condition, None, question.stored.occurred_at)
        page = finder.page(scope, query, limit=1, order="desc", count="none")
        if page.data:
            continue
        if page.partial:
            found.unanswered += 1
            continue
        found.words.setdefault(question.stored.index, []).append(question.words)
        if question.words.startswith("First event"):
            newcomers.add(question.stored.index)
    return found


def _questions(events: Sequence[StoredEvent]) -> Iterator[_Question]:
    """Each once, of the earliest event that it can be asked of; the actors themselves first."""
    asked: set[Condition] = set()
    parts: list[_Question] = []
    for stored in events:
        event = event_of(stored)
        threads = {thread.relation: thread for thread in threads_of(event)}
        actor = threads.get("actor")
        if actor is None:
            continue
        for words, condition in _firsts(event, actor, threads):
            if condition in asked:
                continue
            asked.add(condition)
            question = _Question(stored, condition, words)
            if condition == actor.condition:
                yield question
            else:
                parts.append(question)
    yield from parts


def _firsts(event: dict[str, Any], actor: Thread, threads: dict[Any, Thread]) -> Iterator[tuple[str, Condition]]:
    yield f"First event by {actor.value}", actor.condition
    if address := threads.get("address"):
        yield f"First time from {address.value}", And((actor.condition, address.condition))
    if resource := threads.get("resource"):
        yield f"First time on {resource.value}", And((actor.condition, resource.condition))
    yield f"First {event['action']}", And((actor.condition, exactly("action", event["action"])))

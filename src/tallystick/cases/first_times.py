"""What was never seen before: looked up in everything that is kept, and said only where it was looked up."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallystick.cases.threads import Thread, threads_of
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.events.words import first_present
from tallystick.query.conditions import Condition, Query, exactly
from tallystick.query.scope import Scope
from tallystick.search.find import Finder

SECONDS = 1.0
MOST_QUESTIONS = 120  # about one actor; more are not asked, and counted as such


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
    with an action. What the scope does not show counts as never seen. Blocks, for about `seconds`.

    One reading for each actor, the one with most of the events first.
    """
    found = FirstTimes()
    ends = time.monotonic() + seconds
    asked, found.unanswered = _questions(events)
    for actor, questions in sorted(asked.items(), key=lambda pair: -len(pair[1])):
        left = ends - time.monotonic()
        last = max(question.stored.occurred_at for question in questions)
        query = Query(actor, None, last + 1)
        conditions = [question.condition for question in questions]
        times = finder.earliest(scope, query, conditions, seconds=left) if left > 0 else None
        if times is None:
            found.unanswered += len(questions)
            continue
        newcomer = -1
        for question, at in zip(questions, times, strict=True):
            index = question.stored.index
            # All about an actor's first event is a first; saying so once is enough.
            if index == newcomer or (at is not None and at < question.stored.occurred_at):
                continue
            found.words.setdefault(index, []).append(question.words)
            newcomer = index if question.condition == actor else newcomer
    return found


def _questions(events: Sequence[StoredEvent]) -> tuple[dict[Condition, list[_Question]], int]:
    """By actor, each question once, of the earliest event that it can be asked of; and how many were too many."""
    too_many = 0
    asked: dict[Condition, dict[Condition, _Question]] = {}
    for stored in events:
        event = event_of(stored)
        threads = {thread.relation: thread for thread in threads_of(event)}
        actor = threads.get("actor")
        if actor is None:
            continue
        known = asked.setdefault(actor.condition, {})
        for words, condition in _firsts(event, actor, threads):
            if condition in known:
                continue
            if len(known) < MOST_QUESTIONS:
                known[condition] = _Question(stored, condition, words)
            else:
                too_many += 1
    return {actor: list(known.values()) for actor, known in asked.items()}, too_many


def _firsts(event: dict[str, Any], actor: Thread, threads: dict[Any, Thread]) -> Iterator[tuple[str, Condition]]:
    by = first_present(event.get("actor", {}), "email", "name", "id") or actor.value
    yield f"First event by {by}", actor.condition
    if address := threads.get("address"):
        yield f"First time from {address.value}", address.condition
    if resource := threads.get("resource"):
        on = first_present(event.get("resource", {}), "name", "id") or resource.value
        yield f"First time on {on}", resource.condition
    yield f"First {event['action']}", exactly("action", event["action"])

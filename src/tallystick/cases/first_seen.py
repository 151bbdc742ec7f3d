"""Finds what an actor does for the first time, by searching all events that are kept."""

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
MOST_QUESTIONS = 120  # for one actor; further ones count as unanswered


@dataclass(slots=True)
class FirstSeen:
    """What was seen for the first time: `words` for people, by the index of the event.

    `unanswered` counts what could not be checked in time; nothing is said of these. `lacks_events`: the server has lost
    events, of which an earlier one may be.
    """

    words: dict[int, list[str]] = field(default_factory=dict)
    unanswered: int = 0
    lacks_events: bool = False

    @property
    def gaps(self) -> list[str]:
        """Sentences on what is not known."""
        sentences = []
        if self.unanswered:
            sentences.append("First-time activity could not be checked for every event in time.")
        if self.lacks_events and self.words:
            sentences.append(
                "This server has lost events of the organization. An earlier one may be among them, so that what is "
                "marked as the first time may not be."
            )
        return sentences


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether an earlier event than `stored` meets the condition; `words` are to be said if there is none."""

    stored: StoredEvent
    condition: Condition
    words: str


def find_first_seen(
    finder: Finder, scope: Scope, events: Sequence[StoredEvent], *, seconds: float = SECONDS
) -> FirstSeen:
    """Finds which of these events (in order of time) are their actor's first: at all, from an address, on a resource,
    or with an action. Events that the scope cannot see count as absent. Blocks for about `seconds`.

    One statement for each actor answers all of its questions, the actor with most of them first.
    """
    whole = Query()
    found = FirstSeen(lacks_events=bool(finder.missing(scope, whole) or finder.lost(scope, whole)))
    ends = time.monotonic() + seconds
    by_actor, found.unanswered = _questions(events)
    for actor, questions in sorted(by_actor.items(), key=lambda pair: -len(pair[1])):
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
            # Everything in an actor's first event is new; it is enough to say that the actor is.
            if index == newcomer or (at is not None and at < question.stored.occurred_at):
                continue
            found.words.setdefault(index, []).append(question.words)
            newcomer = index if question.condition == actor else newcomer
    return found


def _questions(events: Sequence[StoredEvent]) -> tuple[dict[Condition, list[_Question]], int]:
    """Returns the questions of each actor, and how many were left out.

    Each question is asked once, for the earliest event: the later ones cannot be the first.
    """
    too_many = 0
    by_actor: dict[Condition, dict[Condition, _Question]] = {}
    for stored in events:
        event = event_of(stored)
        threads = {thread.relation: thread for thread in threads_of(event)}
        actor = threads.get("actor")
        if actor is None:
            continue
        known = by_actor.setdefault(actor.condition, {})
        for words, condition in _candidates(event, actor, threads):
            if condition in known:
                continue
            if len(known) < MOST_QUESTIONS:
                known[condition] = _Question(stored, condition, words)
            else:
                too_many += 1
    return {actor: list(known.values()) for actor, known in by_actor.items()}, too_many


def _candidates(event: dict[str, Any], actor: Thread, threads: dict[Any, Thread]) -> Iterator[tuple[str, Condition]]:
    by = first_present(event.get("actor", {}), "email", "name", "id") or actor.value
    yield f"First event by {by}", actor.condition
    if address := threads.get("address"):
        yield f"First time from {address.value}", address.condition
    if resource := threads.get("resource"):
        on = first_present(event.get("resource", {}), "name", "id") or resource.value
        yield f"First time on {on}", resource.condition
    yield f"First {event['action']}", exactly("action", event["action"])

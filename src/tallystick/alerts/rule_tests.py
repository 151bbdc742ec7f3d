"""The tests that a rule carries: events in the order of recording, and what it should say of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.definition import RuleDefinition
from tallystick.alerts.detectors import Firing, SilenceDetector
from tallystick.alerts.evaluation import evaluate_events
from tallystick.alerts.message_text import group_name, sentence
from tallystick.alerts.rule import Rule
from tallystick.clock import DAY_US, SECOND_US, from_us, to_us
from tallystick.errors import BadRequest, Invalid
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.events.record import Record
from tallystick.outbox.write import TALLYSTICK
from tallystick.query.scope import Principal

MOST_EVENTS = 2000  # of one test
LONGEST = 10 * 366 * DAY_US  # before and after BASE_US
BASE_US = 1_709_546_400 * SECOND_US  # Monday, 2024-03-04 10:00 UTC
_SENDER = Principal("api_key", "key_tests", "tests")
_RULE = UUID(int=2)
_EVENT = frozenset(EventInput.__struct_fields__)


class TestEvent(msgspec.Struct, forbid_unknown_fields=True):
    """One event, or `repeat` of them."""

    action: str
    at: float | datetime = 0.0
    received: float | datetime | None = None
    repeat: int = 1
    every: float = 1.0
    user: str = ""
    ip: str = ""
    by_tallystick: bool = False
    actor: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    status: str | None = None
    category: str | None = None
    description: str | None = None
    resource: dict[str, Any] | None = None
    changes: dict[str, Any] | None = None
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class RuleTest(msgspec.Struct, forbid_unknown_fields=True):
    """Events in the order of recording, and what the rule says of them."""

    name: str
    events: list[TestEvent]
    fires: int | list[str] = 0
    says: str = ""  # the first sentence
    until: float | datetime | None = None


def failures(name: str, definition: RuleDefinition, tests: Sequence[RuleTest]) -> list[str]:
    """What the rule's own tests find wrong, in sentences; nothing when all is well."""
    found = []
    for test in tests:
        try:
            groups, said = _run_test(name, definition, test)
        except Invalid as problem:
            found.append(f"{name}: {test.name}: {problem.detail} {problem.extra.get('errors', [])[:3]}")
            continue
        wanted = test.fires if isinstance(test.fires, int) else list(test.fires)
        got: int | list[str] = len(groups) if isinstance(wanted, int) else groups
        if wanted != got:
            found.append(f"{name}: {test.name}: it should fire {_count_words(wanted)}, and fires {_count_words(got)}.")
        elif test.says and test.says != said:
            found.append(f"{name}: {test.name}: it should say {test.says!r}, and says {said!r}.")
    return found


def _run_test(name: str, definition: RuleDefinition, test: RuleTest) -> tuple[list[str], str]:
    """The groups of its firings in order, and what the first one says."""
    compiled = CompiledRule(_RULE, definition)
    rule = Rule(UUID(int=0), _RULE, name, definition, "warning", "", "", (), True, None, 0, True, 1, "", 0)
    events = list(enumerate(_records(test.events)))
    detector = compiled.new_detector()
    found: list[tuple[Firing, Record | None]] = evaluate_events(rule, compiled, detector, events).firings
    if isinstance(detector, SilenceDetector) and test.until is not None:
        records = dict(events)
        found += [
            (one, records[one.hit.seq] if one.hit else None) for one in detector.find_silent(_time_of(test.until))
        ]
    told = [
        (group_name(rule, record, firing.hit.step if firing.hit else 0), firing, record) for firing, record in found
    ]
    groups = [group for group, _, _ in told]
    return groups, sentence(rule, told[0][1], told[0][2], groups[0]) if told else ""


def _records(events: Sequence[TestEvent]) -> Iterator[Record]:
    for event, by_tallystick, received_at in expand_events(events):
        by = TALLYSTICK if by_tallystick else _SENDER
        made = prepare([event], received_at=received_at, recorded_by=by, redacted_keys=frozenset())
        yield made[0].record


def expand_events(events: Sequence[TestEvent]) -> Iterator[tuple[EventInput, bool, int]]:
    """Each event, whether Tallystick tells it itself, and when it is received (µs). BadRequest: `bad_rules_file`."""
    number = 0
    for event in events:
        if event.repeat < 1:
            raise _bad("repeat must be 1 or more.")
        for place in range(event.repeat):
            number += 1
            if number > MOST_EVENTS:
                raise _bad(f"A test can have at most {MOST_EVENTS} events.")
            at = _check_range(_time_of(event.at) + round(place * event.every * SECOND_US))
            yield _input(event, at), event.by_tallystick, at if event.received is None else _time_of(event.received)


def _input(event: TestEvent, at: int) -> EventInput:
    given = {name: value for name, value in msgspec.structs.asdict(event).items() if name in _EVENT and value}
    if event.user:
        given["actor"] = {"email": event.user} if "@" in event.user else {"id": event.user}
    if event.ip:
        given["context"] = {"ip_address": event.ip, **(event.context or {})}
    try:
        return msgspec.convert(given | {"timestamp": from_us(at)}, EventInput)
    except msgspec.ValidationError as error:
        raise _bad(f"Invalid event: {error}.") from None


def _time_of(given: float | datetime) -> int:
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise _bad("A time in a test needs a time zone: 2024-03-04T10:00:00Z.")
        return _check_range(to_us(given))
    return _check_range(BASE_US + round(given * SECOND_US))


def _check_range(at: int) -> int:
    if abs(at - BASE_US) > LONGEST:
        raise _bad("The events of a test must be within ten years of 2024-03-04.")
    return at


def _count_words(number: int | list[str]) -> str:
    if isinstance(number, list):
        return f"for {', '.join(number)}" if number else "for nobody"
    return f"{number} times" if number != 1 else "once"


def _bad(detail: str) -> BadRequest:
    return BadRequest(detail, code="bad_rules_file")

"""Runs the tests of a rule: events in the order of recording, and the alerts that they should raise."""

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
from tallystick.query.own_records import RESERVED
from tallystick.query.scope import TALLYSTICK, Principal
from tallystick.work.stop_signal import check_stop, until_stop

MOST_EVENTS = 2000  # of one test
LONGEST = 10 * 366 * DAY_US  # before and after BASE_US
BASE_US = 1_709_546_400 * SECOND_US  # Monday, 2024-03-04 10:00 UTC
_SENDER = Principal("api_key", "key_tests", "tests")
_RULE = UUID(int=2)
_EVENT = frozenset(EventInput.__struct_fields__)


class TestEvent(msgspec.Struct, forbid_unknown_fields=True):
    """An event of a test, `repeat` times, `every` seconds apart. `at` is seconds from BASE_US, or a time."""

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
    """A test of a rule: `events` in the order of recording should fire it `fires` times, or for these groups.

    `says` is the expected sentence of the first firing; `until` the time at which a silence rule is checked.
    """

    name: str
    events: list[TestEvent]
    fires: int | list[str] = 0
    says: str = ""
    until: float | datetime | None = None


def failures(name: str, definition: RuleDefinition, tests: Sequence[RuleTest]) -> list[str]:
    """Runs the tests of a rule; returns a sentence for each that fails."""
    problems = []
    for test in tests:
        check_stop()
        try:
            groups, text = _run_test(name, definition, test)
        except Invalid as problem:
            problems.append(f"{name}: {test.name}: {problem.detail} {problem.extra.get('errors', [])[:3]}")
            continue
        expected = test.fires if isinstance(test.fires, int) else list(test.fires)
        actual: int | list[str] = len(groups) if isinstance(expected, int) else groups
        if expected != actual:
            words = f"it should fire {_count_words(expected)}, and fires {_count_words(actual)}"
            problems.append(f"{name}: {test.name}: {words}.")
        elif test.says and test.says != text:
            problems.append(f"{name}: {test.name}: it should say {test.says!r}, and says {text!r}.")
    return problems


def _run_test(name: str, definition: RuleDefinition, test: RuleTest) -> tuple[list[str], str]:
    """Returns the groups of the firings in order, and the sentence of the first."""
    compiled = CompiledRule(_RULE, definition)
    rule = Rule(UUID(int=0), _RULE, name, definition, "warning", "", "", (), True, None, 0, True, 1, "", 0)
    events = list(enumerate(until_stop(_records(test.events))))
    detector = compiled.new_detector()
    firings: list[tuple[Firing, Record | None]] = evaluate_events(rule, compiled, detector, events).firings
    if isinstance(detector, SilenceDetector) and test.until is not None:
        records = dict(events)
        silent = detector.find_silent(_time_of(test.until))
        firings += [(firing, records[firing.hit.seq] if firing.hit else None) for firing in silent]
    groups = [group_name(rule, record, firing.hit.step if firing.hit else 0) for firing, record in firings]
    return groups, sentence(rule, *firings[0], groups[0]) if firings else ""


def _records(events: Sequence[TestEvent]) -> Iterator[Record]:
    for event, by_tallystick, received_at in expand_events(events):
        by = TALLYSTICK if by_tallystick else _SENDER
        prepared = prepare([event], received_at=received_at, recorded_by=by, redacted_keys=frozenset())
        yield prepared[0].record


def expand_events(events: Sequence[TestEvent]) -> Iterator[tuple[EventInput, bool, int]]:
    """Yields each event, whether Tallystick itself recorded it, and when it was received (microseconds).

    Raises BadRequest (`bad_rules_file`).
    """
    number = 0
    for event in events:
        if event.repeat < 1:
            raise _bad("repeat must be 1 or more.")
        for place in range(event.repeat):
            number += 1
            if number > MOST_EVENTS:
                raise _bad(f"A test can have at most {MOST_EVENTS} events.")
            at = _check_range(_time_of(event.at) + round(place * event.every * SECOND_US))
            by_tallystick = event.by_tallystick or event.action.startswith(RESERVED)
            yield _input(event, at), by_tallystick, at if event.received is None else _time_of(event.received)


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

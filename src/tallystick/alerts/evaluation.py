"""Evaluates the next events of one organization with its rules; computes results and writes nothing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.detector_cache import Detectors
from tallystick.alerts.detectors import QUERY, THEN, Detector, Firing, Hit, SequenceDetector, run_detector
from tallystick.alerts.event_reader import EventReader, IndexedRecord, is_evaluated
from tallystick.alerts.fields import EventFields
from tallystick.alerts.rule import Rule
from tallystick.alerts.rule_set import RuleSet
from tallystick.alerts.rule_state import load_state, missing_spans
from tallystick.alerts.summaries import is_late
from tallystick.events.record import Record
from tallystick.query.conditions import Query
from tallystick.work.stop_signal import TimeSlice, check_stop, until_stop

MOST_EVENTS = 5_000
MOST_HITS = 5_000  # of all rules in a batch; its transaction keeps recording waiting
LEAST_BLOCK, LARGEST_BLOCK = 64, 1_000  # events; each block has costs that do not depend on its length
BLOCK_BYTES = 256 << 10
BLOCK_SECONDS = 0.2
Position = tuple[int, int]
"""The next index to evaluate, and the latest time (microseconds) of an event below it."""


@dataclass(slots=True)
class RuleResult:
    """The hits and firings of one rule in a batch; each firing comes with the event that it is about, if kept."""

    rule: Rule
    detector: Detector
    hits: list[Hit]
    firings: list[tuple[Firing, Record | None]] = field(default_factory=list)


@dataclass(slots=True)
class BatchResult:
    """The results of the events first ≤ index < next_index of an organization.

    `newest_at` is the latest time (microseconds) of any event evaluated so far. `versions` holds the id and version
    of every rule that evaluated, `detectors` the detectors of all of them, `hits` how many these were given so far.
    """

    org_id: UUID
    first: int
    next_index: int
    newest_at: int
    versions: set[tuple[UUID, int]]
    results: list[RuleResult]
    detectors: Detectors
    hits: int

    @property
    def firings(self) -> int:
        """How many alerts are written: those in late events are one for each rule."""
        late = [[is_late(firing, record) for firing, record in result.firings] for result in self.results]
        return sum(one.count(False) + any(one) for one in late)

    @property
    def new_hits(self) -> int:
        return sum(len(result.hits) for result in self.results)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of an organization may take: `events` events, the hits of which are found until `time` is over.

    Where rules need so much state that it is not loaded when `limit` is over, the turn is given up: SlowTurn.
    """

    events: int
    time: TimeSlice
    limit: TimeSlice | None = None


class SlowTurn(Exception):
    """A turn takes longer than others can wait for it."""


def evaluate_batch(
    reader: EventReader,
    rules: RuleSet,
    org_id: UUID,
    at: Position,
    cached: tuple[Detectors, int] | None,
    turn: Turn,
) -> BatchResult:
    """Evaluates an organization's next events from its position on. `cached`: detectors that have reached it.

    First all hits are collected, so that each rule loads the state of all its groups with a few statements; then each
    detector processes its hits in index order. Where the turn is over, the batch ends: at least one event is evaluated.
    Raises SlowTurn.
    """
    first, newest_at = at
    known, loaded = cached or ({}, 0)
    events, next_index = reader.read_next(org_id, first, most=turn.events)
    hits, number = _collect_hits(rules, events[: turn.events], turn)
    if number < len(events):
        events = events[:number]
        next_index = events[-1][0] + 1
    records = dict(events)
    detectors = {version: detector for version, detector in known.items() if version in rules.versions}
    results = []
    for place in sorted(hits):
        check_stop()
        if turn.limit is not None and turn.limit.is_over():
            raise SlowTurn
        rule, compiled = rules.rules[place]
        detector = detectors.setdefault((rule.rule_id, rule.version), compiled.new_detector())
        detector.begin_batch()
        if missing := missing_spans(detector, hits[place]):
            with reader.database.read() as connection:
                loaded += load_state(connection, rule, detector, missing, newest_at)
        if isinstance(detector, SequenceDetector):
            _load_sequence_ends(reader, rule, compiled, detector, hits[place], newest_at)
        loaded += len(hits[place])
        results.append(RuleResult(rule, detector, hits[place]))
        _run(results[-1], records, reader)
    newest_at = max((record.occurred_at for _, record in events), default=newest_at)
    return BatchResult(org_id, first, next_index, max(at[1], newest_at), rules.versions, results, detectors, loaded)


def _collect_hits(rules: RuleSet, events: Sequence[IndexedRecord], turn: Turn) -> tuple[dict[int, list[Hit]], int]:
    """Returns the hits by the rule's position, and how many of the events were evaluated.

    Events are evaluated block by block. Blocks are small where many rules match or texts are long, so that no block
    takes long.
    """
    hits: dict[int, list[Hit]] = {}
    found = number = 0
    width = min(max(turn.events // 2, LEAST_BLOCK), LARGEST_BLOCK)
    while number < len(events) and not (number and (turn.time.is_over() or found >= MOST_HITS)):
        began, before = time.monotonic(), found
        block = _block(events, number, width)
        for place, some in rules.hits(block):
            hits.setdefault(place, []).extend(some)
            found += len(some)
        number += len(block)
        # As if the next events hit as often as these, and take as long.
        by_hits = (MOST_HITS - found) * len(block) // max(1, found - before)
        by_time = max(LEAST_BLOCK, int(BLOCK_SECONDS * len(block) / max(0.001, time.monotonic() - began)))
        width = max(1, min(2 * len(block), LARGEST_BLOCK, by_hits, by_time))
    return hits, number


def _block(events: Sequence[IndexedRecord], first: int, width: int) -> Sequence[IndexedRecord]:
    """Returns at most `width` of the events, and no more than BLOCK_BYTES beside the first."""
    size = 0
    for end in range(first, min(first + width, len(events))):
        size += events[end][1].parts_size
        if size > BLOCK_BYTES and end > first:
            return events[first:end]
    return events[first : first + width]


def _run(result: RuleResult, records: dict[int, Record], reader: EventReader | None = None) -> None:
    for firing, hit in run_detector(result.detector, result.hits):
        # The end of a sequence may lie in an earlier batch, where this hit is a late beginning.
        about = firing.hit.seq if firing.hit else hit.seq
        record = records.get(about) or (reader and reader.read_event(result.rule.org_id, about))
        result.firings.append((firing, record or records[hit.seq]))


def _load_sequence_ends(
    reader: EventReader, rule: Rule, compiled: CompiledRule, detector: SequenceDetector, hits: list[Hit], newest_at: int
) -> None:
    """Loads the ends of sequences (`then`) that were evaluated before late beginnings in this batch.

    Ends are not stored as hits: most follow no beginning, and only late events need them. So the event store is
    searched, over no more than the time in which the late beginnings could end.
    """
    late = [hit for hit in hits if hit.step == QUERY and hit.at <= newest_at]
    if not late:
        return
    step = next(step for step in compiled.steps if step.number == THEN)
    first = min(hit.at for hit in late)
    until = min(max(hit.at for hit in late) + rule.definition.window_us, newest_at)
    query = Query(step.condition, first, until + 1)
    for index, record in until_stop(reader.candidates(rule.org_id, query, rule.since, hits[0].seq)):
        if step.match(record) and first <= record.occurred_at <= until and is_evaluated(record):
            hit = compiled.hit(step, index, EventFields(record))
            for key in hit.keys if hit else ():
                detector.hits_by_key[THEN][key].append(hit)  # type: ignore[arg-type]
    for ends in detector.hits_by_key[THEN].values():
        ends.sort()


def evaluate_events(rule: Rule, compiled: CompiledRule, detector: Detector, events: list[IndexedRecord]) -> RuleResult:
    """Evaluates events in index order with a detector whose state is complete, as the tests of a rule do."""
    hits = [hit for index, record in events if is_evaluated(record) for hit in compiled.hits(index, record)]
    result = RuleResult(rule, detector, hits)
    _run(result, dict(events))
    return result

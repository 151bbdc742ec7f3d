"""Evaluates the next events of one organization with its rules; computes results and writes nothing."""

from dataclasses import dataclass, field
from uuid import UUID

from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.detectors import QUERY, THEN, Detector, Firing, Hit, SequenceDetector, run_detector
from tallystick.alerts.evaluator_cache import Detectors
from tallystick.alerts.event_reader import EventReader, IndexedRecord, is_evaluated
from tallystick.alerts.rule import Rule
from tallystick.alerts.rule_state import load_state, missing_spans
from tallystick.events.record import Record
from tallystick.query.conditions import Query

MOST_KINDS = 10_000
EventKind = tuple[str, str, str]
"""Action, category and status of an event."""
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


class RuleSet:
    """The enabled rules of one organization, compiled."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = [(rule, CompiledRule(rule.rule_id, rule.definition)) for rule in rules]
        self.versions = {(rule.rule_id, rule.version) for rule in rules}
        # Most organizations send few kinds of events and most rules name an action, so that the prefilters of all
        # rules are evaluated once for each kind instead of once for each event.
        self._by_kind: dict[EventKind, list[int]] = {}

    def candidates(self, record: Record) -> list[int]:
        """Returns the positions in `rules` of those that may match events of this kind."""
        kind = (record.action, record.category, record.status)
        places = self._by_kind.get(kind)
        if places is None:
            if len(self._by_kind) >= MOST_KINDS:  # actions are the senders' words: bounded, whatever they send
                self._by_kind.clear()
            places = [place for place, (_, compiled) in enumerate(self.rules) if compiled.may_match(record)]
            self._by_kind[kind] = places
        return places


def evaluate_batch(
    reader: EventReader, rules: RuleSet, org_id: UUID, at: Position, cached: tuple[Detectors, int] | None = None
) -> BatchResult:
    """Evaluates an organization's next events from its position on. `cached`: detectors that have reached it.

    First all hits are collected, so that each rule loads the state of all its groups with a few statements; then each
    detector processes its hits in index order.
    """
    first, newest_at = at
    known, loaded = cached or ({}, 0)
    events, next_index = reader.read_next(org_id, first)
    hits: dict[int, list[Hit]] = {}
    for index, record in events:
        if not is_evaluated(record):
            continue
        for place in rules.candidates(record):
            rule, compiled = rules.rules[place]
            if index >= rule.since:
                for hit in compiled.hits(index, record):
                    hits.setdefault(place, []).append(hit)
    records = dict(events)
    detectors = {version: detector for version, detector in known.items() if version in rules.versions}
    results = []
    for place in sorted(hits):
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
        _run(results[-1], records)
    newest_at = max((record.occurred_at for _, record in events), default=newest_at)
    return BatchResult(org_id, first, next_index, max(at[1], newest_at), rules.versions, results, detectors, loaded)


def _run(result: RuleResult, records: dict[int, Record]) -> None:
    for firing, hit in run_detector(result.detector, result.hits):
        # The end of a sequence may lie in an earlier batch; then the alert is about the late event that completed it.
        about = firing.hit.seq if firing.hit else hit.seq
        result.firings.append((firing, records.get(about) or records[hit.seq]))


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
    for index, record in reader.candidates(rule.org_id, query, rule.since, hits[0].seq):
        if step.match(record) and first <= record.occurred_at <= until and is_evaluated(record):
            hit = compiled.hit(step, index, record)
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

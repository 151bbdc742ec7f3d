"""One organization's next events, judged by its rules: what came of it, nothing written yet."""

from dataclasses import dataclass, field
from uuid import UUID

from tallystick.alerts.compiled_rule import Watched
from tallystick.alerts.evaluator_cache import Judges
from tallystick.alerts.judges import QUERY, THEN, Firing, Hit, InOrder, Judge, fired_by
from tallystick.alerts.reading import Numbered, Reader, is_judged
from tallystick.alerts.rule import Rule
from tallystick.alerts.rule_state import load, unknown
from tallystick.events.record import Record
from tallystick.query.conditions import Query

MOST_GATES = 10_000
Gate = tuple[str, str, str]
Position = tuple[int, int]
"""The index to go on from, and the latest time of an event below it."""


@dataclass(slots=True)
class Found:
    """What one rule made of a batch. A firing stands with the event that it tells of."""

    rule: Rule
    judge: Judge
    hits: list[Hit]
    firings: list[tuple[Firing, Record | None]] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What came of the events first ≤ index < next_index; `newest_at` is the latest time among all so far."""

    org_id: UUID
    first: int
    next_index: int
    newest_at: int
    rules: set[tuple[UUID, int]]  # that judged, with their versions
    found: list[Found]
    judges: Judges  # all that stand, those that found nothing too
    hits: int  # that they were given so far


class Rules:
    """The rules of one organization that are on, as compiled once for their version."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = [(rule, Watched(rule.rule_id, rule.shape)) for rule in rules]
        self.versions = {(rule.rule_id, rule.version) for rule in rules}
        self._by_gate: dict[Gate, list[int]] = {}

    def for_event(self, record: Record) -> list[int]:
        """Which of them may match: found once for each action, category and status."""
        gate = (record.action, record.category, record.status)
        places = self._by_gate.get(gate)
        if places is None:
            if len(self._by_gate) >= MOST_GATES:
                self._by_gate.clear()
            places = [place for place, (_, watched) in enumerate(self.rules) if watched.may_match(record)]
            self._by_gate[gate] = places
        return places


def judged(
    reader: Reader, rules: Rules, org_id: UUID, at: Position, standing: tuple[Judges, int] | None = None
) -> Outcome:
    """The next events of an organization from its position on. `standing`: judges that stand there."""
    first, newest_at = at
    known, given = standing or ({}, 0)
    events, next_index = reader.read_on(org_id, first)
    hits: dict[int, list[Hit]] = {}
    for index, record in events:
        if not is_judged(record):
            continue
        for place in rules.for_event(record):
            rule, watched = rules.rules[place]
            if index >= rule.since:
                for hit in watched.hits(index, record):
                    hits.setdefault(place, []).append(hit)
    records = dict(events)
    judges = {version: judge for version, judge in known.items() if version in rules.versions}
    found = []
    for place in sorted(hits):
        rule, watched = rules.rules[place]
        judge = judges.setdefault((rule.rule_id, rule.version), watched.judge())
        judge.begin()
        if missing := unknown(judge, hits[place]):
            with reader.database.read() as connection:
                given += load(connection, rule, judge, missing, newest_at)
        if isinstance(judge, InOrder):
            _load_ends(reader, rule, watched, judge, hits[place], newest_at)
        given += len(hits[place])
        found.append(Found(rule, judge, hits[place]))
        _fill(found[-1], records)
    newest_at = max((record.occurred_at for _, record in events), default=newest_at)
    return Outcome(org_id, first, next_index, max(at[1], newest_at), rules.versions, found, judges, given)


def _fill(found: Found, records: dict[int, Record]) -> None:
    for firing, hit in fired_by(found.judge, found.hits):
        about = firing.hit.seq if firing.hit else hit.seq
        found.firings.append((firing, records.get(about) or records[hit.seq]))


def _load_ends(reader: Reader, rule: Rule, watched: Watched, judge: InOrder, hits: list[Hit], newest_at: int) -> None:
    """For what came late: the ends of a sequence that were judged before it. They are not kept, so the store is
    asked."""
    late = [hit for hit in hits if hit.step == QUERY and hit.at <= newest_at]
    if not late:
        return
    step = next(step for step in watched.steps if step.number == THEN)
    first = min(hit.at for hit in late)
    until = min(max(hit.at for hit in late) + rule.shape.window_us, newest_at)
    query = Query(step.condition, first, until + 1)
    for index, record in reader.matching(rule.org_id, query, rule.since, hits[0].seq):
        if step.match(record) and first <= record.occurred_at <= until and is_judged(record):
            hit = watched.hit(step, index, record)
            for key in hit.keys if hit else ():
                judge.past[THEN][key].append(hit)  # type: ignore[arg-type]
    for one in judge.past[THEN].values():
        one.sort()


def judge_all(rule: Rule, watched: Watched, judge: Judge, events: list[Numbered]) -> Found:
    """Events in index order, by a judge that knows what it needs: for tests of a rule."""
    hits = [hit for index, record in events if is_judged(record) for hit in watched.hits(index, record)]
    found = Found(rule, judge, hits)
    _fill(found, dict(events))
    return found

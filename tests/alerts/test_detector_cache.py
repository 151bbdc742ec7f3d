"""Detectors kept between batches: bounded, never at another position, and none outlives an erasure."""

from uuid import UUID

from tallystick.alerts import detector_cache
from tallystick.alerts.detector_cache import DetectorCache
from tallystick.erasure.personal_data import personal_data
from tallystick.erasure.subject import Subject, SubjectMatcher
from tests.alerts.rule_driver import Watch, failed

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))
FIVE = {"query": "action:user.login_failed", "count": 5, "window_seconds": 600, "group_by": "user"}


def test_detectors_are_kept_for_one_position_and_given_out_once():
    kept = DetectorCache()
    kept.keep(ONE, 10, {}, 5)
    assert kept.take(ONE, 10) == ({}, 5)
    assert kept.take(ONE, 10) == ({}, 0)
    kept.keep(ONE, 10, {}, 5)
    assert kept.take(ONE, 11) == ({}, 0), "another process judged"


def test_oversized_and_least_recently_used_detectors_are_evicted(monkeypatch):
    monkeypatch.setattr(detector_cache, "MOST_HITS", 100)
    monkeypatch.setattr(detector_cache, "MOST_ORGANIZATION_HITS", 60)
    kept = DetectorCache()
    kept.keep(ONE, 1, {}, 61)
    assert kept.take(ONE, 1) == ({}, 0)
    for org_id in (ONE, TWO, THREE):
        kept.keep(org_id, 1, {}, 40)
    assert [kept.take(org_id, 1)[1] for org_id in (ONE, TWO, THREE)] == [0, 40, 40]


def test_events_evaluated_while_a_person_is_erased_are_evaluated_again(sqlite_watch, tmp_path, monkeypatch):
    watch = Watch(sqlite_watch.spine, recording=True)
    scope = watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, **FIVE)
    watch.spine.record(scope, *[failed(number) for number in range(4)])
    watch.settle()
    watch.spine.record(scope, failed(4))
    write = watch.evaluator._write_batches
    erased = []

    def erase_then_write(done, now):
        if not erased:
            texts = SubjectMatcher(Subject("sarah@acme.com"))
            erased.append(sum(one.erase(scope.org_id, texts) for one in personal_data(watch.spine.database, tmp_path)))
        return write(done, now)

    monkeypatch.setattr(watch.evaluator, "_write_batches", erase_then_write)
    assert watch.evaluator.step()
    assert erased
    assert watch.alerts(scope) == [], "five were counted; of one that is erased nothing may be written"
    assert watch.spine.sequencer.recent.read(scope.org_id, watch.spine.size(scope.org_id) - 1, most=1)
    watch.evaluator.step()
    assert not watch.spine.sequencer.recent.read(scope.org_id, watch.spine.size(scope.org_id) - 1, most=1)
    watch.settle()
    assert [one.rule_id for one in watch.alerts(scope) if one.rule_id == rule.rule_id] == []

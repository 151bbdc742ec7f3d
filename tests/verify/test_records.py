"""What is missing is erased or expired by a proven record that may say so, or it is unexplained."""

import json
from pathlib import Path

import pytest

from tallystick.database.engine import Database
from tests.verify.evidence import Trail, erase, found, on_lines, rewrite

OLD = "2023-01-01T00:00:00+00:00"  # the trail is of January 2024; a purge happens 400 days later


@pytest.fixture
def trail(sqlite_database: Database, tmp_path: Path) -> Trail:
    """Thirty events in an organization that keeps them 365 days, which its first event says."""
    made = Trail(sqlite_database, tmp_path)
    made.own("organization.created", changes={"slug": "acme", "plan": "enterprise", "retention_days": 365})
    made.fill(29)
    return made


def test_a_purge_with_its_record_is_expired(trail):
    at = trail.pruned("1-5,9", OLD)
    report = trail.check(trail.bundle(without=[1, 2, 3, 4, 5, 9], records=[0, at]))
    assert report.holds, report.lines()
    assert found(report) == {"verified": "0,6-8,10-30", "expired": "1-5,9"}
    assert list(report.explained) == [f"expired by record {at}"]


def test_a_purge_whose_entries_are_gone_too_is_expired(trail):
    at = trail.pruned("1-5", OLD)
    bundle = trail.bundle(without=[1, 2, 3, 4, 5], records=[0, at])
    assert trail.check(bundle).holds


def test_a_purge_without_a_record_is_unexplained(trail):
    trail.pruned("1-5", OLD)
    report = trail.check(trail.bundle(without=[1, 2, 3, 4, 5]))
    assert not report.holds
    assert found(report)["unexplained"] == "1-5"


def test_an_event_beside_the_purged_ones_is_unexplained(trail):
    at = trail.pruned("1-5", OLD)
    report = trail.check(trail.bundle(without=[1, 2, 3, 4, 5, 6], records=[0, at]))
    assert not report.holds
    assert found(report)["unexplained"] == "6"


def test_a_purge_that_covers_an_index_still_there_afterwards_is_a_problem(trail):
    at = trail.pruned("1-6", OLD)
    report = trail.check(trail.bundle(without=[1, 2, 3, 4, 5], records=[0, at]))
    assert not report.holds
    assert report.problems == [f"the record {at} (audit_log.pruned) says that 6 is gone, yet it is here"]


def test_a_purge_that_covers_an_index_not_below_its_own_explains_nothing(trail):
    at = trail.pruned("1-40", OLD)
    trail.fill(20)
    report = trail.check(trail.bundle(without=range(1, 6), records=[0, at]))
    assert not report.holds
    assert "covers 40, which is not below its own index" in report.problems[0]
    assert found(report)["unexplained"] == "1-5"


def test_a_purge_of_what_was_still_to_be_kept_explains_nothing(trail):
    at = trail.pruned("1-5", "2024-12-31T00:00:00+00:00")
    report = trail.check(trail.bundle(without=range(1, 6), records=[0, at]))
    assert not report.holds
    assert "although events had to be kept for 365 days then" in report.problems[0]
    assert found(report)["unexplained"] == "1-5"


def test_a_shorter_retention_allows_the_purge_from_then_on(trail):
    change = trail.own("audit_log.retention_changed", changes={"retention_days": {"before": 365, "after": 30}})
    at = trail.pruned("1-5", "2024-12-31T00:00:00+00:00")
    report = trail.check(trail.bundle(without=range(1, 6), records=[0, change, at]))
    assert report.holds, report.lines()


def test_a_retention_that_was_shortened_after_the_purge_does_not_allow_it(trail):
    at = trail.pruned("1-5", "2024-12-31T00:00:00+00:00")
    change = trail.own("audit_log.retention_changed", changes={"retention_days": {"before": 365, "after": 30}})
    for records in ([0, change, at], [change, at]):
        assert not trail.check(trail.bundle(without=range(1, 6), records=records)).holds


def test_a_purge_for_which_no_retention_is_proven_explains_nothing(trail):
    at = trail.pruned("1-5", OLD)
    report = trail.check(trail.bundle(without=range(1, 6), records=[at]))
    assert not report.holds
    assert "no record proves how long" in report.problems[0]


def test_lost_events_are_lost_by_their_record_and_the_bundle_does_not_hold(trail):
    at = trail.lost("1-5,9")
    report = trail.check(trail.bundle(without=[1, 2, 3, 4, 5, 9, 10], records=[0, at]))
    assert not report.holds
    assert found(report) == {"verified": "0,6-8,11-30", "lost": "1-5,9", "unexplained": "10"}
    assert list(report.explained) == [f"lost by record {at}"]
    assert any("LOST" in line for line in report.lines())


def test_a_record_of_a_loss_contradicts_no_event_of_which_a_copy_turned_up(trail):
    at = trail.lost("1-5")
    report = trail.check(trail.bundle(without=[1, 2, 3, 4], records=[0, at]))
    assert found(report)["lost"] == "1-4"
    assert report.problems == []


def test_a_loss_that_covers_an_index_not_below_its_own_explains_nothing(trail):
    at = trail.lost("1-40")
    trail.fill(20)
    report = trail.check(trail.bundle(without=range(1, 6), records=[0, at]))
    assert "covers 40, which is not below its own index" in report.problems[0]
    assert found(report)["unexplained"] == "1-5"


def test_what_a_bundle_says_that_it_was_made_without_is_printed_and_explains_nothing(trail):
    def edit(content):
        return json.dumps(json.loads(content) | {"missing": [[1, 2]]}).encode()

    report = trail.check(rewrite(trail.bundle(without=[1, 2]), manifest_json=edit))
    assert "made without events that the server says were missing, among 1-2" in report.facts
    assert found(report)["unexplained"] == "1-2"


def test_a_manifest_with_ranges_that_are_none_is_malformed(trail):
    for wrong in ("1-2", [1, 2], [[2, 1]], [[1, 2, 3]], [["1", "2"]], {}):

        def edit(content, wrong=wrong):
            return json.dumps(json.loads(content) | {"lost": wrong}).encode()

        report = trail.check(rewrite(trail.bundle(), manifest_json=edit))
        assert report.problems == ["ranges of indexes must be lists of a first and a last one"]


def erased_bundle(trail, *parts, records=()):
    bundle = trail.bundle(records=records)
    return rewrite(bundle, events_ndjson=on_lines(lambda lines: erase(lines[7], trail.events[7], *parts)))


def test_an_erasure_with_its_record_is_erased(trail):
    at = trail.erased("3,7-8", "who,target")
    bundle = trail.bundle(records=[at])

    def edit(lines):
        for index in (3, 7, 8):
            erase(lines[index], trail.events[index], "who", "target")

    report = trail.check(rewrite(bundle, events_ndjson=on_lines(edit)))
    assert report.holds, report.lines()
    assert found(report)["erased"] == "3,7-8"
    assert list(report.explained) == [f"erased by record {at}"]


def test_an_erasure_without_a_record_is_unexplained(trail):
    report = trail.check(erased_bundle(trail, "who"))
    assert not report.holds
    assert found(report)["unexplained"] == "7"


def test_an_erasure_of_more_parts_than_its_record_names_is_unexplained(trail):
    at = trail.erased("7", "who")
    report = trail.check(erased_bundle(trail, "who", "details", records=[at]))
    assert not report.holds
    assert found(report)["unexplained"] == "7"


def test_an_erasure_whose_part_is_still_there_is_a_problem(trail):
    at = trail.erased("7", "who,target")
    report = trail.check(erased_bundle(trail, "who", records=[at]))
    assert not report.holds
    assert f"the record {at} (audit_log.subject_erased) says that 7 is gone, yet it is here" in report.problems


def test_a_part_that_survives_an_erasure_cannot_be_changed(trail):
    at = trail.erased("7", "who")
    bundle = erased_bundle(trail, "who", records=[at])
    changed = rewrite(bundle, events_ndjson=on_lines(lambda lines: lines[7].update({"details": "{}"})))
    assert found(trail.check(changed))["altered"] == "7"


@pytest.mark.parametrize("action", ["audit_log.pruned", "audit_log.subject_erased"])
def test_attack_a_customer_records_the_record(trail, action):
    """Anybody with a key could send an event of that name before they were reserved; it is not Tallystick's own."""
    metadata = {"indexes": "1-5", "before": OLD, "parts": "what,target,who,details"}
    at = trail.record({"action": action, "metadata": metadata})
    report = trail.check(trail.bundle(without=range(1, 6), records=[0, at]))
    assert not report.holds
    assert "not recorded by Tallystick itself" in report.problems[0]
    assert found(report)["unexplained"] == "1-5"


def test_attack_a_record_that_is_not_in_the_log(trail):
    at = trail.pruned("1-5", OLD)
    bundle = trail.bundle(without=range(1, 6), records=[0, at])
    widened = rewrite(bundle, records_ndjson=lambda text: text.replace(b"1-5", b"1-9"))
    assert found(trail.check(widened))["unexplained"] == "1-5"
    moved = rewrite(bundle, records_ndjson=lambda text: text.replace(b'"index":30', b'"index":29'))
    assert found(trail.check(moved))["unexplained"] == "1-5"


@pytest.mark.parametrize("indexes", ["", "a", "5-1", "1,,2", "-1", "1-", "99999999999999999999"])
def test_a_record_whose_indexes_cannot_be_read_explains_nothing(trail, indexes):
    at = trail.pruned(indexes, OLD)
    assert not trail.check(trail.bundle(without=[1], records=[0, at])).holds

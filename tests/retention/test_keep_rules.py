"""Keep rules at the purge: which events go earlier, what beats a rule, and what the trail says of it."""

from pathlib import Path

import pytest

from tallystick import clock
from tallystick.clock import DAY_US, SECOND_US
from tallystick.compliance.intake_preview import preview_rule
from tallystick.intake_rules.rule import MOST_RULES, IntakeRule
from tallystick.intake_rules.rule_list import write_rules
from tallystick.integrity import rounds
from tallystick.integrity.checker import Checker
from tallystick.journal import set_aside
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.retention.forecast import forecast
from tallystick.retention.purge import Purger
from tallystick.search.scan import read_unstored
from tests.fixtures.spine import Spine
from tests.intake_rules.lists import drop, keep, set_rules
from tests.retention.test_purge import event, purge, records
from tests.verify.test_purge import Trail

pytestmark = pytest.mark.one_engine
VIEWED = {"action": "project.viewed"}


def sent(spine: Spine, scope: Scope, *events: dict[str, object]) -> list[int]:
    indexes = [one.index for one in spine.record(scope, *events).events]
    spine.ship()
    return indexes


def left(spine: Spine, scope: Scope, indexes: list[int]) -> list[int]:
    return [index for index in indexes if index in spine.indexes(scope.org_id)]


@pytest.mark.both_engines
def test_events_of_a_keep_rule_go_after_its_days_and_the_record_names_the_rule(spine: Spine) -> None:
    scope = spine.organization(days=30)
    set_rules(spine, scope, keep("action:project.viewed", 1, "irl_1"), keep("source:billing", 7, "irl_7"))
    billing = {"context": {"source": "billing"}}
    indexes = sent(
        spine, scope,
        event(2, **VIEWED), event(0, **VIEWED), event(8, **billing), event(6, **billing), event(20), event(31),
    )  # fmt: skip
    purge(spine)
    assert left(spine, scope, indexes) == [indexes[1], indexes[3], indexes[4]]
    (said,) = records(spine, scope)
    assert (said["events"], said["retention_days"]) == (3, 30)
    assert [(one["rule"], one["days"], one["events"]) for one in said["rules"]] == [("irl_1", 1, 1), ("irl_7", 7, 1)]


def test_the_first_rule_that_applies_decides_for_how_long(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    set_rules(sqlite_spine, scope, keep("source:billing", 10, "irl_1"), keep("action:project.*", 1, "irl_2"))
    indexes = sent(sqlite_spine, scope, event(5, context={"source": "billing"}), event(5))
    purge(sqlite_spine)
    assert left(sqlite_spine, scope, indexes) == indexes[:1]


def test_no_rule_keeps_an_event_for_longer_than_the_plan(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=7)
    set_rules(sqlite_spine, scope, keep("action:project.*", 365))
    indexes = sent(sqlite_spine, scope, event(8), event(6))
    purge(sqlite_spine)
    assert left(sqlite_spine, scope, indexes) == indexes[1:]


def test_a_hold_beats_every_rule(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    set_rules(sqlite_spine, scope, keep("action:project.*", 1))
    with sqlite_spine.database.write() as connection:
        holds.place(connection, scope, "Case 7", "user:sarah@acme.com", now=clock.now_us())
    indexes = sent(sqlite_spine, scope, event(2, actor={"email": "sarah@acme.com"}), event(2))
    purge(sqlite_spine)
    assert left(sqlite_spine, scope, indexes) == indexes[:1]


@pytest.mark.parametrize(
    "protected",
    [{"status": "failed"}, {"severity": "high"}, {"action": "user.role_changed"}, {"action": "user.login"}],
    ids=lambda given: next(iter(given.values())),
)
def test_protected_events_are_kept_as_long_as_the_plan_says(sqlite_spine: Spine, protected: dict[str, str]) -> None:
    scope = sqlite_spine.organization(days=30)
    set_rules(sqlite_spine, scope, keep("-user:nobody", 1))
    indexes = sent(sqlite_spine, scope, event(2, **protected), event(2))
    purge(sqlite_spine)
    assert left(sqlite_spine, scope, indexes) == indexes[:1]


def test_our_own_events_are_kept_as_long_as_the_plan_says(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    set_rules(sqlite_spine, scope, keep("-user:nobody", 1), keep("action:audit_log.exported", 1, "irl_2"))
    size = sqlite_spine.size(scope.org_id)
    for action in ("audit_log.exported", "project.viewed"):
        sqlite_spine.record_own(scope, event(2, action=action))
    sqlite_spine.ship()
    purge(sqlite_spine)
    assert left(sqlite_spine, scope, [size, size + 1]) == [size, size + 1]


def test_a_stored_event_that_a_rule_would_drop_now_is_kept_like_the_rest(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    indexes = sent(sqlite_spine, scope, event(20), event(31))
    set_rules(sqlite_spine, scope, drop("action:project.*"), keep("action:project.updated", 1))
    purge(sqlite_spine)
    assert left(sqlite_spine, scope, indexes) == indexes[:1]
    assert "rules" not in records(sqlite_spine, scope)[0]


def test_a_rule_touches_the_events_of_no_other_organization(sqlite_spine: Spine) -> None:
    acme, other = sqlite_spine.organization(days=30), sqlite_spine.organization("other", days=30)
    set_rules(sqlite_spine, acme, keep("action:project.*", 1))
    indexes = sent(sqlite_spine, other, event(2))
    purge(sqlite_spine)
    assert left(sqlite_spine, other, indexes) == indexes


def decide(spine: Spine, scope: Scope, *rules: IntakeRule) -> None:
    with spine.database.write() as connection:
        write_rules(connection, scope.org_id, lambda _rules: rules, retention_days=30, now=clock.now_us())


def test_a_keep_rule_takes_effect_a_day_later_and_its_removal_at_once(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    indexes = sent(sqlite_spine, scope, event(5))
    decide(sqlite_spine, scope, keep("action:project.*", 1))
    purge(sqlite_spine, later=DAY_US - 60 * SECOND_US)
    assert left(sqlite_spine, scope, indexes) == indexes
    decide(sqlite_spine, scope)
    purge(sqlite_spine, later=3 * DAY_US)
    assert left(sqlite_spine, scope, indexes) == indexes
    decide(sqlite_spine, scope, keep("action:project.*", 1))
    purge(sqlite_spine, later=5 * DAY_US)
    assert left(sqlite_spine, scope, indexes) == []


def test_a_rule_that_is_removed_while_a_deletion_is_planned_deletes_nothing(
    sqlite_spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = sqlite_spine.organization(days=30)
    indexes = sent(sqlite_spine, scope, event(5))
    set_rules(sqlite_spine, scope, keep("action:project.*", 1))
    purger = Purger(sqlite_spine.database, sqlite_spine.store)

    def remove(*_: object) -> None:
        decide(sqlite_spine, scope)

    monkeypatch.setattr(purger, "_write_archive", remove)
    purger.step()
    sqlite_spine.sequencer.tick([])
    assert records(sqlite_spine, scope) == []
    purge(sqlite_spine)
    assert left(sqlite_spine, scope, indexes) == indexes


def test_events_that_are_set_aside_go_by_the_same_rules(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    set_rules(sqlite_spine, scope, keep("action:project.viewed", 1, "irl_1"))
    old, young = (one.index for one in sqlite_spine.record(scope, event(2, **VIEWED), event(2)).events)
    unstored = dict(read_unstored(sqlite_spine.database, scope, 0, 100))
    sqlite_spine.ship()
    sqlite_spine.lose(scope, [old, young])
    with sqlite_spine.database.write() as connection:
        for index in (old, young):
            set_aside.put(connection, scope.org_id, index, unstored[index], "refused", clock.now_us())
    purge(sqlite_spine)
    with sqlite_spine.database.read() as connection:
        assert [index for index, _ in set_aside.of_organization(connection, scope.org_id)] == [young]


def test_twenty_rules_with_the_longest_queries_are_purged_by_and_previewed(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    long = " ".join(f"action:a.b{number}" for number in range(72))  # 100 terms, and 1,000 characters, are the most
    rules = [keep(f"{long} user:u{number}*", 2, f"irl_{number}") for number in range(MOST_RULES - 1)]
    set_rules(sqlite_spine, scope, *rules, keep("action:project.*", 1, "irl_last"))
    indexes = sent(sqlite_spine, scope, event(1.5), event(0))
    purge(sqlite_spine)
    assert left(sqlite_spine, scope, indexes) == indexes[1:]
    database, store, now = sqlite_spine.database, sqlite_spine.store, clock.now_us()
    assert preview_rule(database, store, scope, "type:project", "drop", frameworks=None, now=now).events == 0


def test_the_forecast_counts_what_the_rules_let_expire(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    set_rules(sqlite_spine, scope, keep("action:project.viewed", 10))
    sent(sqlite_spine, scope, event(5, **VIEWED), event(1, **VIEWED), event(5), event(25))
    assert forecast(sqlite_spine.database, sqlite_spine.store, scope).expiring.events == 2


def test_what_a_rule_deleted_is_explained_to_every_verifier_and_the_rest_verifies(
    sqlite_spine: Spine, tmp_path: Path
) -> None:
    """A purge record names the cut-off of the plan, which verifiers compare with the retention that the log proves."""
    trail = Trail(sqlite_spine, tmp_path, days=500)
    set_rules(sqlite_spine, trail.scope, keep("action:project.updated", 1))
    proofs = [trail.proof(trail.old[0]), trail.proof(trail.young[0])]
    purge(sqlite_spine)
    report = trail.bundle()
    assert report.holds, report.lines()
    assert {index for first, last in report.found["expired"] for index in range(first, last + 1)} == set(trail.old)
    assert all(map(trail.holds, proofs))


def test_a_purge_by_a_rule_that_is_broken_off_at_any_step_is_no_difference(sqlite_spine: Spine) -> None:
    scope = sqlite_spine.organization(days=30)
    set_rules(sqlite_spine, scope, keep("action:project.updated", 1))
    sent(sqlite_spine, scope, event(2), event(0), event(2))
    checker, now, found = Checker(sqlite_spine.database, sqlite_spine.store), clock.now_us(), []
    for number in range(1, 5):
        Purger(sqlite_spine.database, sqlite_spine.store).step(now + number * 600 * SECOND_US)
        while checker.step(now + number * DAY_US):
            pass
        with sqlite_spine.database.read() as connection:
            found.append(rounds.round_state(connection, scope.org_id).last)
        sqlite_spine.sequencer.tick([])
        sqlite_spine.ship()
    assert [(one.found, one.expired) for one in found if one] == [(0, 0), (0, 2), (0, 2), (0, 2)]

"""The preview of an intake rule: what it would have saved, and what would have missed something."""

from pathlib import Path
from typing import Any

import pytest

from tallystick import clock
from tallystick.access.scopes import narrowed
from tallystick.alerts import changes as alert_rules
from tallystick.alerts.changes import RuleSettings
from tallystick.cases import changes as cases
from tallystick.cases.case_events import add_events, find_events
from tallystick.compliance import intake_preview
from tallystick.compliance.intake_preview import AffectedItem, IntakePreview, preview_rule
from tallystick.errors import BadRequest, Forbidden
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tests.fixtures.spine import Spine
from tests.intake_rules.lists import keep, set_rules
from tests.retention.test_purge import event

VIEWED = {"action": "project.viewed"}


def preview(spine: Spine, scope: Scope, *given: Any, **more: Any) -> IntakePreview:
    return preview_rule(
        spine.database, spine.store, scope, *given, frameworks=None, now=clock.now_us(), **more
    )  # fmt: skip


def filled(spine: Spine, *events: dict[str, object], days: int = 365) -> Scope:
    scope = spine.organization(days=days)
    spine.record(scope, *events)
    spine.ship()
    return scope


def names(found: list[AffectedItem]) -> list[tuple[str, int]]:
    return [(one.name, one.events) for one in found]


def test_a_drop_rule_is_tried_on_thirty_days_and_leaves_out_what_is_protected(sqlite_spine: Spine) -> None:
    scope = filled(
        sqlite_spine, event(1, **VIEWED), event(29, **VIEWED), event(31, **VIEWED), event(1, status="failed"), event(1),
    )  # fmt: skip
    found = preview(sqlite_spine, scope, "action:project.v* status:failed OR action:project.v*", "drop")
    assert (found.events, found.is_partial) == (2, False)
    assert found.end - found.start == intake_preview.PERIOD_DAYS * clock.DAY_US
    assert found.bytes > 2 * 100


def test_a_keep_rule_counts_what_is_older_than_its_days_and_under_no_hold(sqlite_spine: Spine) -> None:
    scope = filled(
        sqlite_spine, event(2, **VIEWED), event(100, **VIEWED), event(0, **VIEWED),
        event(50, **VIEWED, actor={"email": "sarah@acme.com"}),
    )  # fmt: skip
    assert preview(sqlite_spine, scope, "action:project.viewed", "keep", 1).events == 3
    with sqlite_spine.database.write() as connection:
        holds.place(connection, scope, "Case 7", "user:sarah@acme.com", now=clock.now_us())
    assert preview(sqlite_spine, scope, "action:project.viewed", "keep", 1).events == 2


def test_what_an_earlier_rule_decides_is_left_out(sqlite_spine: Spine) -> None:
    scope = filled(sqlite_spine, event(1, **VIEWED), event(1, **VIEWED, context={"source": "billing"}))
    set_rules(sqlite_spine, scope, keep("source:billing", 30))
    assert preview(sqlite_spine, scope, "action:project.viewed", "drop").events == 1
    assert preview(sqlite_spine, scope, "action:project.viewed", "drop", position=1).events == 2


def test_alert_rules_questions_and_cases_that_would_miss_something_are_named_with_their_number(
    sqlite_spine: Spine,
) -> None:
    scope = filled(sqlite_spine, event(1), event(1, **VIEWED))
    viewed, deleted = sqlite_spine.record(scope, event(0, **VIEWED), event(0, action="project.deleted")).events
    sqlite_spine.ship()
    now = clock.now_us()
    with sqlite_spine.database.write() as connection:
        for name, query in (("Views", "action:project.viewed"), ("Failures", "status:failed"), ("Words", "viewed")):
            settings = {"query": query, "count": 2, "window_seconds": 60}
            alert_rules.create(connection, scope, RuleSettings(name, settings), now=now)
        case = cases.open_case(connection, scope, "The leak", now=now)
        events = find_events(sqlite_spine.finder, scope, [viewed.id, deleted.id])
        add_events(connection, scope, case.public_id, events, now=now)
    found = preview(sqlite_spine, scope, "action:project.viewed", "drop")
    assert [one for one in names(list(found.alert_rules)) if one[0] in ("Views", "Failures", "Words")] == [
        ("Views", 2), ("Words", 2),
    ]  # fmt: skip
    assert names(list(found.cases)) == [("The leak", 1)]
    deleted_too = preview(sqlite_spine, scope, "action:project.deleted", "drop")
    assert ("Were there bulk deletions?", 1) in names(list(deleted_too.questions))
    kept = preview(sqlite_spine, scope, "action:project.viewed", "keep", 1)
    assert kept.alert_rules == []
    assert kept.cases == []


def test_a_preview_that_runs_out_of_time_says_so_and_how_far_it_came(
    sqlite_spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.store.windows.FIRST_ROWS", 4)
    monkeypatch.setattr("tallystick.store.windows.LEAST_ROWS", 4)
    monkeypatch.setattr(intake_preview, "BUDGET_SECONDS", 0.0)
    scope = filled(sqlite_spine, *(event(number / 100, **VIEWED) for number in range(1, 20)))
    found = preview(sqlite_spine, scope, "action:project.viewed", "drop")
    assert found.is_partial
    assert 0 < found.events < 19
    assert found.start > clock.now_us() - clock.DAY_US


def test_too_many_conditions_are_cut_and_said(sqlite_spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_preview, "MOST_CONDITIONS", 3)
    scope = filled(sqlite_spine, event(1, **VIEWED))
    assert preview(sqlite_spine, scope, "action:project.viewed", "drop").is_partial


def test_the_events_of_another_organization_are_not_counted(sqlite_spine: Spine) -> None:
    scope, other = filled(sqlite_spine, event(1, **VIEWED)), sqlite_spine.organization("other")
    assert preview(sqlite_spine, other, "action:project.viewed", "drop").events == 0
    assert preview(sqlite_spine, scope, "action:project.viewed", "drop").events == 1


def test_a_rule_that_cannot_be_is_refused_and_a_key_needs_all_scopes(sqlite_spine: Spine, tmp_path: Path) -> None:
    scope = sqlite_spine.organization()
    with pytest.raises(BadRequest):
        preview(sqlite_spine, scope, "deploy", "drop")
    for missing in ("admin", "alerts", "events:read"):
        with pytest.raises(Forbidden):
            preview(sqlite_spine, narrowed(scope, scope.permissions - {missing}), "action:a.b", "drop")

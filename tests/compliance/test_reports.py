"""What a report counts, shows and says is missing."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from tallystick import clock
from tallystick.access import organizations
from tallystick.access.scopes import person_scope, user_principal
from tallystick.clock import DAY_US, rfc3339
from tallystick.compliance import reports
from tallystick.errors import BadRequest, Forbidden, NotFound
from tallystick.exports.tables import exports
from tallystick.ids import new_uuid
from tallystick.render.compliance_pdf import answer_words
from tallystick.render.compliance_report import NO_EVIDENCE, report_json
from tallystick.search.filters import query_from
from tests.compliance.reporting import JANUARY, Desk, answer, event
from tests.erasure.erasure_driver import erase, eraser
from tests.fixtures.spine import Spine
from tests.ingest.test_shipping import refusing
from tests.intake_rules.lists import keep, set_rules
from tests.retention.test_purge import purge

ACCESS = ("CC6.1", "Who signed in")
ROLES = ("CC6.3", "Which roles")


@pytest.fixture
def desk(sqlite_spine: Spine, tmp_path):
    return Desk(sqlite_spine, tmp_path / "data")


@pytest.fixture
def scope(sqlite_spine: Spine):
    return sqlite_spine.organization()


def kinds(report) -> set[str]:
    return {gap.kind for gap in report.gaps}


def test_counts_are_exact_and_agree_with_the_search_behind_them(desk, sqlite_spine, scope):
    sqlite_spine.record(
        scope,
        *[event("user.login", who=f"user{n % 7}@acme.com") for n in range(40)],
        *[event("user.login", status="failed", who="eve@acme.com") for n in range(3)],
        event("user.login", at="2023-12-31T23:59:59.999999Z"),
        event("user.login", at="2024-02-01T00:00:00Z"),
    )
    found = answer(desk.report(scope), *ACCESS)
    assert (found.count, found.success, found.failed, found.users) == (43, 40, 3, 8)
    assert found.by_user[0].count == 6
    assert [one.status for one in found.failures] == ["failed"] * 3
    given = {"q": [found.query], "start": [JANUARY[0]], "end": [JANUARY[1]]}
    page = sqlite_spine.finder.page(scope, query_from(given, now=0), count="exact")
    assert (page.total, page.total_relation) == (found.count, "exact")


def test_the_days_of_a_period_are_those_of_its_zone(desk, sqlite_spine, scope):
    sqlite_spine.record(
        scope,
        event("user.login", at="2023-12-31T23:30:00Z"),  # 2024 in Berlin
        event("user.login", at="2024-01-31T23:30:00Z"),  # February in Berlin
    )
    assert answer(desk.report(scope, tz="Europe/Berlin"), *ACCESS).newest[0].timestamp == "2023-12-31T23:30:00.000000Z"
    assert answer(desk.report(scope), *ACCESS).newest[0].timestamp == "2024-01-31T23:30:00.000000Z"


def test_what_comes_later_changes_nothing(desk, sqlite_spine, scope):
    sqlite_spine.record(scope, event("user.login"))
    asked = desk.ask(scope)
    sqlite_spine.record(scope, *[event("user.login", at="2024-01-16T00:00:00Z") for _ in range(5)])
    first = desk.opened(desk.make(scope, asked))
    assert answer(first, *ACCESS).count == 1
    assert answer(desk.report(scope), *ACCESS).count == 6
    assert desk.opened(desk.done(scope, asked)) == first


def test_one_whose_maker_died_is_made_again_and_says_the_same(desk, sqlite_spine, scope, tmp_path):
    sqlite_spine.record(scope, event("user.login"))
    asked = desk.ask(scope)
    with sqlite_spine.database.write() as connection:  # as a power cut leaves it, half a file beside
        connection.execute(update(exports).values(state="running", run=1, progress=400))
    half = desk.exporter.path(asked).with_name(f"{asked.export_id.hex}.part")
    half.parent.mkdir(parents=True)
    half.write_bytes(b'{"half": ')
    report = desk.opened(Desk(sqlite_spine, tmp_path / "data").make(scope, asked))
    assert answer(report, *ACCESS).count == 1
    assert not half.exists()


def test_where_there_is_no_evidence_it_says_so(desk, sqlite_spine, scope):
    sqlite_spine.record(scope, event("deployment.completed"))
    report = desk.report(scope)
    assert answer_words(answer(report, *ACCESS)) == NO_EVIDENCE
    assert report.unanswered > 5


def test_a_role_raised_for_oneself_stands_out_and_is_linked_one_by_one(desk, sqlite_spine, scope):
    own = {"type": "user", "id": "usr_dmitri", "name": "DMITRI@acme.com"}
    sqlite_spine.record(
        scope,
        event("user.role_changed", who="dmitri@acme.com", resource=own, changes={"role": {"after": "admin"}}),
        event("user.role_changed", who="maya@acme.com", resource=own, changes={"role": {"after": "member"}}),
    )
    own_role, admin = answer(desk.report(scope), *ROLES).exceptions
    assert (own_role.count, own_role.samples[0].user, own_role.all_shown) == (1, "dmitri@acme.com", True)
    assert admin.count == 1


def test_failures_in_a_row_stand_out_by_user_and_hour(desk, sqlite_spine, scope):
    burst = [event("user.login_failed", who="tom@acme.com", at=f"2024-01-15T10:{n:02}:00Z") for n in range(12)]
    spread = [event("user.login_failed", who="ana@acme.com", at=f"2024-01-15T{n:02}:00:00Z") for n in range(12)]
    sqlite_spine.record(scope, *burst, *spread)
    (found,) = answer(desk.report(scope), "CC6.1", "Which sign-ins").exceptions
    assert (found.count, found.unit) == (1, "user and hour")
    (group,) = found.groups
    assert (group.value, group.count, group.start) == ("tom@acme.com", 12, "2024-01-15T10:00:00.000000Z")


def test_users_and_resources_are_counted_as_searches_find_them(desk, sqlite_spine, scope):
    names = ["Tom@Acme.com", "tom@acme.com", "tom@acme.com"]
    burst = [event("user.login_failed", who=names[n % 3], at=f"2024-01-15T10:{n:02}:00Z") for n in range(12)]
    project = {"type": "project", "id": "prj_1"}
    sqlite_spine.record(
        scope,
        *burst,
        event("deployment.completed", resource=project | {"name": "VPC"}),
        event("deployment.approved", resource=project | {"name": "vpc"}),
    )
    report = desk.report(scope)
    found = answer(report, "CC6.1", "Which sign-ins")
    assert [(one.value, one.count) for one in found.by_user] == [("tom@acme.com", 12)]
    assert [(group.value, group.count) for group in found.exceptions[0].groups] == [("tom@acme.com", 12)]
    assert answer(report, "CC8.1", "What was deployed").exceptions[1].groups == ()


def test_a_deployment_without_any_approval_stands_out_by_resource(desk, sqlite_spine, scope):
    vpc, api = ({"type": "project", "name": name} for name in ("vpc", "api"))
    sqlite_spine.record(
        scope,
        event("deployment.completed", resource=vpc),
        event("deployment.completed", resource=vpc),
        event("deployment.completed", resource=api),
        event("deployment.approved", resource=api),
    )
    failed, without = answer(desk.report(scope), "CC8.1", "What was deployed").exceptions
    assert failed.count == 0
    assert [(group.value, group.count) for group in without.groups] == [("vpc", 2)]


def test_what_is_missing_is_said_first(desk, sqlite_spine):
    young = sqlite_spine.organization("young", days=90)
    now = clock.now_us()
    sqlite_spine.record(young, event("user.login", at=rfc3339(now - 5 * DAY_US)))
    start, end = (rfc3339(now + days * DAY_US)[:10] for days in (-200, 10))
    report = desk.report(young, period=(start, end))
    assert [gap.kind for gap in report.gaps] == ["retention", "future", "before_log", "late"]
    assert "90 days" in report.gaps[0].says
    assert kinds(desk.report(sqlite_spine.organization("old", days=36_500))) == {"before_log"}


def test_what_was_set_aside_is_counted_and_said(desk, sqlite_spine, scope):
    with refusing(sqlite_spine):  # type: ignore[attr-defined]
        sqlite_spine.record(
            scope, event("poison.pill", status="failed"), event("user.login"), event("poison.pill", status="failed")
        )
        sqlite_spine.ship()
    report = desk.report(scope)
    assert "2 events were set aside" in next(gap.says for gap in report.gaps if gap.kind == "set_aside")
    found = answer(report, "CC7.2", "What failed")
    assert (found.count, found.failed, found.users, len(found.failures)) == (2, 2, 1, 2)
    assert (report.events, report.failed) == (3, 2)


def test_an_own_record_of_a_purge_is_a_gap_and_no_other_event_of_that_name(desk, sqlite_spine):
    young = sqlite_spine.organization("young", days=90)
    now = clock.now_us()
    period = (rfc3339(now - 150 * DAY_US)[:10], rfc3339(now - DAY_US)[:10])
    sqlite_spine.record_reserved(young, event("audit_log.pruned", rfc3339(now), metadata={"before": rfc3339(now)}))
    assert "pruned" not in kinds(desk.report(young, period=period))
    sqlite_spine.record(young, *[event("user.login", at=rfc3339(now - 100 * DAY_US)) for _ in range(3)])
    sqlite_spine.ship()
    purge(sqlite_spine)
    says = next(gap.says for gap in desk.report(young, period=period).gaps if gap.kind == "pruned")
    assert "3 in total" in says


def test_intake_rules_and_events_that_they_dropped_in_the_period_are_a_gap(desk, sqlite_spine, scope):
    assert "intake_rules" not in kinds(desk.report(scope))
    set_rules(sqlite_spine, scope, keep("action:project.viewed", 1))
    assert "intake_rules" in kinds(desk.report(scope))
    set_rules(sqlite_spine, scope)
    assert "intake_rules" not in kinds(desk.report(scope))
    sqlite_spine.record_own(scope, event("audit_log.events_dropped"))
    sqlite_spine.ship()
    assert "intake_rules" in kinds(desk.report(scope))


def test_a_question_about_tallysticks_own_actions_counts_only_what_tallystick_recorded(desk, sqlite_spine, scope):
    sqlite_spine.record_own(scope, event("audit_log.integrity_failed"))
    sqlite_spine.record_reserved(scope, event("audit_log.integrity_failed"), event("audit_log.integrity_failed"))
    sqlite_spine.ship()
    found = answer(desk.report(scope), "CC7.2", "Which policy violations")
    assert (found.count, found.exceptions[0].count) == (1, 1)


def test_erased_parts_are_a_gap_and_an_erased_person_is_in_no_report(desk, sqlite_spine, scope, tmp_path):
    sqlite_spine.record(scope, event("user.login"), event("user.login", external_id="import/sarah@acme.com/1"))
    sqlite_spine.ship()
    erase(sqlite_spine, scope, eraser(sqlite_spine, tmp_path / "data"))
    report = desk.report(scope)
    says = next(gap.says for gap in report.gaps if gap.kind == "erased")
    assert says.startswith("2 events of the period have parts erased")
    assert "1 of them no longer say what happened" in says
    assert b"sarah" not in report_json(report)
    assert answer(report, *ACCESS).newest[0].user == ""


def test_another_organizations_report_and_events_are_nobody_elses(desk, sqlite_spine, scope):
    charlie = sqlite_spine.organization("charlie")
    sqlite_spine.record(scope, event("user.login"))
    made = desk.make(scope, desk.ask(scope))
    assert answer(desk.report(charlie), *ACCESS).count == 0
    with sqlite_spine.database.read() as connection, pytest.raises(NotFound) as refused:
        reports.read_report(connection, charlie, made.public_id)
    assert refused.value.code == "no_report"


def test_a_member_asks_for_none_and_reads_none(desk, sqlite_spine, scope):
    made = desk.make(scope, desk.ask(scope))
    member = person_scope(scope.org_id, user_principal(new_uuid(clock.now_us()), "john@acme.com", "John"), "member")
    for act in (
        lambda c: desk.ask(member),
        lambda c: reports.read_report(c, member, made.public_id),
        lambda c: reports.list_reports(c, member),
        lambda c: reports.list_frameworks(c, member, None),
    ):
        with sqlite_spine.database.read() as connection, pytest.raises(Forbidden) as refused:
            act(connection)
        assert refused.value.code == "whole_trail_only"


@pytest.mark.parametrize(
    ("framework", "period", "code"),
    [
        ("iso", JANUARY, "no_framework"),
        ("soc2", ("", "2024-01-31"), "bad_report"),
        ("soc2", ("2024-01-31", "2024-01-01"), "bad_parameter"),
        ("soc2", ("2999-01-01", "2999-01-31"), "bad_report"),
        ("soc2", ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"), "bad_report"),
        ("soc2", ("some day", "2024-01-31"), "bad_parameter"),
    ],
)
def test_a_bad_report_is_refused_and_none_is_made(desk, sqlite_spine, scope, framework, period, code):
    with pytest.raises((BadRequest, NotFound)) as refused:
        desk.ask(scope, framework, period)
    assert refused.value.code == code
    with sqlite_spine.database.read() as connection:
        assert reports.list_reports(connection, scope) == []


def test_who_loses_the_role_gets_no_report(desk, sqlite_spine, scope):
    asked = desk.ask(replace(scope, role="owner"))
    sqlite_spine.ship()
    assert desk.exporter.step()
    with sqlite_spine.database.read() as connection:
        assert reports.read_report(connection, scope, asked.public_id).state == "failed"


def test_the_retention_of_a_shorter_plan_is_what_counts(desk, sqlite_spine):
    """A change that is less than a day old still keeps the longer of the two, and the report says that one."""
    scope = sqlite_spine.organization("changing", days=400)
    now = clock.now_us()
    with sqlite_spine.database.write() as connection:
        organizations.set_retention(connection, scope, 200, now=now)
    start, end = (rfc3339(now - days * DAY_US)[:10] for days in (300, 1))
    assert "retention" not in kinds(desk.report(scope, period=(start, end)))

"""Where a person stands beside the trail, and how the place reads afterwards."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from tallystick import clock
from tallystick.access import keys
from tallystick.access.secret import SecretBox
from tallystick.actions.changes import describe_action
from tallystick.actions.tables import action_descriptions
from tallystick.alerts import changes as rules
from tallystick.alerts.tables import alert_rules, alerts
from tallystick.cases import changes
from tallystick.cases.case_events import add_events, find_events, write_note
from tallystick.cases.tables import case_events, cases
from tallystick.destinations import changes as places_of_alerts
from tallystick.destinations.address_guard import Guard
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.tables import deliveries, destinations
from tallystick.erasure.personal_data import personal_data
from tallystick.erasure.subject import Subject, SubjectMatcher
from tallystick.events.action_catalogue import ActionDescription
from tallystick.ingest.tables import idempotency_keys
from tallystick.intake_rules import changes as intake_rules
from tallystick.intake_rules.rule_list import read_rule_list
from tallystick.intake_rules.tables import intake_rule_lists
from tallystick.query.mandatory_filter import NOTHING, MandatoryFilter
from tallystick.retention import holds
from tallystick.retention.tables import legal_holds
from tallystick.saved.saved_views import save_view
from tallystick.saved.tables import saved_views
from tallystick.schedules import changes as schedules
from tallystick.schedules.changes import ScheduleSettings
from tallystick.schedules.tables import export_schedules, schedule_recipients
from tallystick.search.filter_text import parse_filter
from tallystick.secret_keys import SecretKeys
from tests.alerts.rule_driver import Watch
from tests.erasure.erasure_driver import MAYA, ask, by_sarah, erase, eraser, event, join, run, show
from tests.fixtures.spine import Spine

WHO = Subject("sarah@acme.com", also=("Sarah Lin",))


def write(spine: Spine, slug: str):
    scope = replace(spine.organization(slug), principal=MAYA, role="owner")
    now = clock.now_us()
    spine.record(scope, event(), key="sarah@acme.com-1")
    spine.record(scope, event(), key="sarah@acme.com/1")
    (recorded,) = spine.record(scope, by_sarah()).events
    spine.ship()
    join(spine, scope, MAYA)
    with spine.database.write() as connection:
        case = changes.open_case(connection, scope, "Sarah Lin and the rest", now=now)
        changes.write_lines(connection, scope, case.public_id, 1, {"issue": "sarah@acme.com did it"}, now=now)
        found = find_events(spine.finder, scope, [recorded.id])
        add_events(connection, scope, case.public_id, found, now=now)
        write_note(connection, scope, case.public_id, recorded.id, "ask SARAH LIN", now=now)
        save_view(connection, scope, "sarah@acme.com", "user=sarah%40acme.com&q=sarah@acme.com", now=now)
        save_view(connection, scope, "Sarah Lin", "", now=now)
        given = {"user": ["sarah@acme.com"], "q": ["failed\tsarah@acme.com"]}
        wanted = ScheduleSettings("Of Sarah Lin", "daily", filter=given, recipients=["sarah@acme.com"])
        schedules.create(connection, scope, wanted, now=now)
        context = DestinationContext(SecretBox(SecretKeys("secret"), destinations.c.sealed), Guard())
        mail = places_of_alerts.create(
            connection, scope, context, "email", "Sarah Lin's", {"to": ["sarah@acme.com"]}, now=now
        ).destination
        watched = {
            "query": "user:sarah@acme.com -action:idempotent.*",
            "group_by": "user",
            "count": 2,
            "window_seconds": 60,
        }
        alerted = {"query": "user:sarah@acme.com"}
        rules.create(connection, scope, rules.RuleSettings("Of Sarah Lin", watched), now=now)
        rules.create(connection, scope, rules.RuleSettings("Once", alerted, destinations=[mail.public_id]), now=now)
        intake_rules.add_rule(connection, scope, "user:sarah@acme.com", "keep", 3650, now=now)
        sentence = "{actor} asked Sarah Lin"
        described = ActionDescription(
            action="sarah.asked", category="other", status="success", severity="info", sentence=sentence
        )
        describe_action(connection, scope, described, now=now)
        held = holds.place(connection, scope, "Sarah Lin", "nothing", now=now)
        holds.release(connection, scope, held.public_id, now=now)
    spine.record(scope, by_sarah())
    Watch(spine).settle()
    spine.sequencer.tick([])
    spine.ship()
    return scope


def texts_of(spine: Spine, scope) -> list[str]:
    columns = (
        cases.c.title, cases.c.issue, case_events.c.note, saved_views.c.name, saved_views.c.query, legal_holds.c.name,
        idempotency_keys.c.key, export_schedules.c.name, export_schedules.c.filter, schedule_recipients.c.address,
        alerts.c.sentence, alerts.c.group_name, alerts.c.facts, alerts.c.search, alert_rules.c.name,
        alert_rules.c.shape, deliveries.c.message, destinations.c.name, destinations.c.settings,
        action_descriptions.c.sentence,
    )  # fmt: skip
    with spine.database.read() as connection:
        return [
            text
            for column in columns
            for text in connection.execute(
                select(column).where(column.table.c.org_id == scope.org_id).order_by(column)
            ).scalars()
        ]


def test_every_place_is_counted_first_and_rewritten_then(spine: Spine, tmp_path: Path) -> None:
    scope, charlie = write(spine, "acme"), write(spine, "charlie")
    work = eraser(spine, tmp_path)
    public_id = ask(spine, scope, WHO)
    run(spine, work)
    preview = show(spine, scope, public_id).preview
    assert preview is not None
    assert preview.places == {
        "cases": 1, "notes": 1, "reviews": 0, "findings": 0, "review reminders": 0, "saved views": 2,
        "released holds": 1, "export files": 0, "decisions": 0, "idempotency keys": 1, "earlier erasures": 0,
        "scheduled exports": 1, "recipients": 1, "links": 0, "consents": 0, "scheduled runs": 0, "deliveries": 0,
        "replaced files": 0, "alerts": 1, "alert rules": 2, "rule memory": 1, "destinations": 1,
        "queued alerts": 1, "delivery attempts": 0, "counts of reads": 0, "intake rules": 1, "actions": 1,
        "invitations": 0, "requested intake rules": 0, "filters of members": 0, "filters of API keys": 0,
    }  # fmt: skip
    before = texts_of(spine, charlie)
    erase(spine, scope, work, WHO)
    after = texts_of(spine, scope)
    assert after[:3] == ["[erased] and the rest", "[erased] did it", "ask [erased]"]
    assert not any("sarah lin" in text.lower() or "acme.com" in text for text in after if "com-1" not in text)
    assert len({text for text in after if text.startswith("[erased]") and "and" not in text}) >= 2
    assert texts_of(spine, charlie) == before


def test_an_intake_rule_loses_the_name_and_every_process_reads_it_again(spine: Spine, tmp_path: Path) -> None:
    scope = write(spine, "acme")
    for place in personal_data(spine.database, tmp_path):
        place.erase(scope.org_id, SubjectMatcher(WHO))
    with spine.database.read() as connection:
        (rule,) = read_rule_list(connection, scope.org_id, clock.now_us()).in_force
        assert rule.query == "user:[erased]"
        assert connection.execute(select(intake_rule_lists.c.revision)).scalar_one() == 2


def test_doing_it_again_changes_nothing(spine: Spine, tmp_path: Path) -> None:
    scope = write(spine, "acme")
    for place in personal_data(spine.database, tmp_path):
        place.erase(scope.org_id, SubjectMatcher(WHO))
        assert place.count(scope.org_id, SubjectMatcher(WHO)) == 0


def test_a_filter_that_named_the_person_lets_nothing_be_read(spine: Spine, tmp_path: Path) -> None:
    scope = write(spine, "acme")
    limit = parse_filter("-user:sarah@acme.com", now=0)
    with spine.database.write() as connection:
        key, _ = keys.add_key(connection, scope, "Reader", ["events:read"], limit=limit, now=clock.now_us())
    for place in personal_data(spine.database, tmp_path):
        place.erase(scope.org_id, SubjectMatcher(WHO))
    with spine.database.read() as connection:
        assert keys.show_key(connection, scope, key.key_id).limit == MandatoryFilter("-user:[erased]", NOTHING)

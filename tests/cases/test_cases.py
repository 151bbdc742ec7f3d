"""Cases: who sees them, who changes them, and what the trail says of it."""

import pytest

from tallystick.cases import case_events, changes
from tallystick.cases.case import LINES, list_cases, parse_cursor, read_case
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tests.cases.material import Scene, scene
from tests.fixtures.spine import Spine


@pytest.fixture
def here(spine: Spine) -> Scene:
    made = scene(spine)
    made.told(made.scope)
    return made


def read(here, scope, case):
    with here.spine.database.read() as connection:
        return read_case(connection, scope, case.public_id)


def listed(here, scope, **options):
    with here.spine.database.read() as connection:
        return [case.title for case in list_cases(connection, scope, **options)]


def held(here, scope, case):
    with here.spine.database.read() as connection:
        return case_events.list_case_events(connection, scope, case)


def test_a_case_keeps_what_is_written_and_the_trail_says_so(here):
    maya = here.person("owner")
    case = here.do(changes.open_case, maya, "  Deployment\n blocked ")
    assert (case.title, case.state, case.version, dict(case.lines)) == (
        "Deployment blocked", "open", 1, dict.fromkeys(LINES, ""),
    )  # fmt: skip
    after = here.do(changes.write_lines, maya, case.public_id, 1, {"root_cause": "Missing\r\nencryption \0"})
    assert (after.lines["root_cause"], after.version) == ("Missing\nencryption", 2)
    assert read(here, maya, case).lines["root_cause"] == "Missing\nencryption"
    opened, updated = here.told(maya)
    assert opened["action"] == "audit_log.case_opened"
    assert opened["resource"] == {"type": "case", "id": case.public_id, "name": "Deployment blocked"}
    assert opened["actor"]["email"] == "maya@acme.com"
    assert updated["changes"] == {"root_cause": {"before": "", "after": "Missing\nencryption"}}


def test_two_who_write_at_once_do_not_overwrite_each_other_unseen(here):
    case = here.do(changes.open_case, here.person("owner"), "Case")
    here.do(changes.write_lines, here.person("owner"), case.public_id, 1, {"issue": "mine"})
    with pytest.raises(Conflict, match="in the meantime"):
        here.do(changes.write_lines, here.person("admin", "sam"), case.public_id, 1, {"issue": "theirs"})
    assert read(here, here.person("owner"), case).lines["issue"] == "mine"


def test_saving_what_is_there_already_changes_nothing(here):
    case = here.do(changes.open_case, here.person("owner"), "Case")
    here.told(here.scope)
    after = here.do(changes.write_lines, here.person("owner"), case.public_id, 1, {"issue": "", "title": "Case"})
    assert (after.version, here.told(here.scope)) == (1, [])


def test_a_case_is_closed_and_opened_again(here):
    maya = here.person("owner")
    case = here.do(changes.open_case, maya, "Case")
    here.told(maya)
    assert here.do(changes.set_closed, maya, case.public_id, True).state == "closed"
    assert here.do(changes.set_closed, maya, case.public_id, True).state == "closed"
    assert here.do(changes.set_closed, maya, case.public_id, False).state == "open"
    assert [event["action"] for event in here.told(maya)] == ["audit_log.case_closed", "audit_log.case_reopened"]


def test_events_belong_to_a_case_once_with_their_notes(here):
    maya = here.person("owner")
    case = here.do(changes.open_case, maya, "Case")
    event = here.found("deployment.failed")
    shown = case_events.find_events(here.spine.finder, maya, [f"{_id(event)}"] * 2)
    assert here.do(case_events.add_events, maya, case.public_id, shown) == 1
    assert here.do(case_events.add_events, maya, case.public_id, shown) == 0
    here.do(case_events.write_note, maya, case.public_id, _id(event), "here it <b>broke</b>")
    (one,) = held(here, maya, case)
    assert (one.event_id, one.note, one.added_by) == (event.id, "here it <b>broke</b>", "maya@acme.com")
    assert read(here, maya, case).events == 1
    here.do(case_events.remove_event, maya, case.public_id, _id(event))
    assert held(here, maya, case) == []
    told = here.told(maya)
    assert [event["action"] for event in told] == [
        "audit_log.case_opened", "audit_log.case_events_added", "audit_log.case_noted",
        "audit_log.case_event_removed",
    ]  # fmt: skip
    assert told[-1]["changes"]["note"] == {"before": "here it <b>broke</b>", "after": ""}


def test_the_longest_words_fit_into_the_trail(here):
    maya = here.person("owner")
    case = here.do(changes.open_case, maya, "Case")
    for version, letter in enumerate("\U0001f600é", 1):
        words = dict.fromkeys(LINES, letter * changes.MOST_LINE)
        here.do(changes.write_lines, maya, case.public_id, version, words)
    here.spine.sequencer.tick([])
    here.spine.ship()
    assert here.found("audit_log.case_updated") is not None


@pytest.mark.parametrize(
    ("words", "field"),
    [({"title": " "}, "title"), ({"title": "x" * 201}, "title"), ({"impact": "x" * 4001}, "impact")],
)
def test_words_that_do_not_fit_are_refused_by_name(here, words, field):
    case = here.do(changes.open_case, here.person("owner"), "Case")
    with pytest.raises(BadRequest) as said:
        here.do(changes.write_lines, here.person("owner"), case.public_id, 1, words)
    assert (said.value.code, said.value.extra["field"]) == ("bad_case", field)


def test_a_member_sees_the_own_cases_alone(here):
    mayas = here.do(changes.open_case, here.person("owner"), "Maya's")
    johns = here.do(changes.open_case, here.person("member", "john"), "John's")
    assert listed(here, here.person("member", "john")) == ["John's"]
    assert listed(here, here.person("auditor", "ann")) == ["John's", "Maya's"]
    assert read(here, here.person("admin", "sam"), johns).title == "John's"
    for act in (changes.write_lines, changes.set_closed):
        arguments = (1, {"issue": "x"}) if act is changes.write_lines else (True,)
        with pytest.raises(NotFound, match="Case not found"):
            here.do(act, here.person("member", "john"), mayas.public_id, *arguments)


def test_a_member_cannot_take_another_persons_event_into_a_case(here):
    john = here.person("member", "john")
    assert _id(here.found("widget.made", john))
    with pytest.raises(NotFound):
        case_events.find_events(here.spine.finder, john, [_id(here.found("deployment.failed"))])


def test_an_auditor_reads_and_never_changes(here):
    maya, ann = here.person("owner"), here.person("auditor", "ann")
    case = here.do(changes.open_case, maya, "Case")
    event = here.found("deployment.failed")
    here.do(case_events.add_events, maya, case.public_id, [event])
    here.told(maya)
    for act, *arguments in (
        (changes.open_case, "Mine"),
        (changes.write_lines, case.public_id, 1, {"issue": "x"}),
        (changes.set_closed, case.public_id, True),
        (case_events.add_events, case.public_id, [event]),
        (case_events.write_note, case.public_id, _id(event), "x"),
        (case_events.remove_event, case.public_id, _id(event)),
    ):
        with pytest.raises(Forbidden) as said:
            here.do(act, ann, *arguments)
        assert said.value.code == "read_only"
    assert here.told(maya) == []
    assert len(held(here, ann, read(here, ann, case))) == 1


def test_charlie_sees_no_case_of_ours_and_changes_none(here, spine):
    theirs = scene(spine, "charlie")
    case = here.do(changes.open_case, here.person("owner"), "Ours")
    charlie = theirs.person("owner", "charlie")
    assert listed(theirs, charlie) == []
    with pytest.raises(NotFound):
        read(theirs, charlie, case)
    for act, *arguments in (
        (changes.write_lines, 1, {"issue": "x"}),
        (changes.set_closed, True),
        (case_events.add_events, [theirs.found("deployment.failed")]),
        (case_events.write_note, "evt_x", "x"),
        (case_events.remove_event, "evt_x"),
    ):
        with pytest.raises(NotFound):
            theirs.do(act, charlie, case.public_id, *arguments)
    with pytest.raises(NotFound):
        case_events.find_events(theirs.spine.finder, charlie, [_id(here.found("deployment.failed"))])
    assert held(theirs, charlie, case) == []


def test_cases_are_listed_by_their_last_change_and_by_state(here):
    maya = here.person("owner")
    first, second = (here.do(changes.open_case, maya, title) for title in ("First", "Second"))
    assert listed(here, maya) == ["Second", "First"]
    here.do(changes.set_closed, maya, first.public_id, True)
    assert listed(here, maya) == ["First", "Second"]
    assert (listed(here, maya, state="open"), listed(here, maya, state="closed")) == (["Second"], ["First"])
    assert listed(here, maya, before=parse_cursor(read(here, maya, first).cursor)) == ["Second"]
    assert second.state == "open"


def _id(stored) -> str:
    return case_events.CaseEvent(stored.id, stored.occurred_at, "", "").public_id

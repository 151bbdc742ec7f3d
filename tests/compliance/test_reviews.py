"""Reviews: opened, noted, signed; and what was signed is what stands in the trail."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import update

from tallystick import clock
from tallystick.access.scopes import person_scope, user_principal
from tallystick.compliance import review_changes
from tallystick.compliance.review import list_findings, list_reviews, read_review
from tallystick.compliance.signing import content_of, matches_signature
from tallystick.compliance.tables import reviews
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tallystick.events.output import event_of
from tallystick.ids import new_uuid
from tallystick.integrity.missing_events import MissingEvents
from tallystick.query.conditions import Query, exactly
from tests.compliance.reporting import CALLER, Desk, answer, event
from tests.erasure.erasure_driver import erase, eraser
from tests.fixtures.spine import Spine

JANUARY = {"start": ["2024-01-01"], "end": ["2024-01-31"]}


class Reviewer:
    """Acts under one scope, as the doors do."""

    def __init__(self, spine: Spine, scope) -> None:
        self.spine = spine
        self.scope = scope

    def open(self, given=JANUARY, *, now: int | None = None, **more):
        now = clock.now_us() if now is None else now
        made = review_changes.draft_review(self.scope, given, about=more.pop("about", ""), now=now)
        with self.spine.database.write() as connection:
            return review_changes.open_review(connection, self.scope, made, now=now, caller=CALLER, **more)

    def mark(self, review, event_id: str, severity: str = "high", note: str = "Look"):
        (found,) = review_changes.find_events(self.spine.finder, self.scope, review, [event_id])
        with self.spine.database.write() as connection:
            review_changes.mark_event(
                connection, self.scope, review.public_id, found, severity, note, now=clock.now_us(), caller=CALLER
            )

    def sign(self, review, conclusion: str = "All explained."):
        return review_changes.count_and_sign(
            self.spine.database, self.spine.store, self.scope, review.public_id, conclusion,
            now=clock.now_us(), caller=CALLER,
        )  # fmt: skip

    def read(self, review):
        with self.spine.database.read() as connection:
            one = read_review(connection, self.scope, review.public_id)
            return one, list_findings(connection, self.scope, one)


@pytest.fixture
def acme(spine: Spine):
    return spine.organization("acme")


@pytest.fixture
def ann(spine: Spine, acme) -> Reviewer:
    return Reviewer(spine, acme)


def test_a_review_that_is_signed_while_events_are_missing_says_so_in_the_trail(spine: Spine, acme, ann) -> None:
    spine.record(acme, *[{"action": "user.login"}] * 3)
    spine.ship()
    spine.lose(acme, [2])
    MissingEvents(spine.database, spine.store).step()
    ann.sign(ann.open())
    (signed,) = told(spine, acme, "audit_log.review_signed")
    assert signed["metadata"]["missing"] == "2"


def told(spine: Spine, scope, action: str) -> list[dict]:
    spine.sequencer.tick([])
    spine.ship()
    found = spine.finder.page(scope, Query(exactly("action", action)), order="asc").data
    return [event_of(one) for one in found]


def test_the_trail_holds_the_digest_of_exactly_what_was_signed(spine: Spine, ann: Reviewer):
    sent = spine.record(ann.scope, event("user.login"), event("deployment.failed", at="2024-02-01T00:00:00Z")).events
    spine.ship()
    review = ann.open(about="soc2 CC6.1")
    ann.mark(review, sent[0].id)
    signed = ann.sign(review)
    one, findings = ann.read(signed)
    content = content_of(one, findings)
    (act,) = told(spine, ann.scope, "audit_log.review_signed")
    assert act["metadata"]["sha256"] == one.sha256 == sha256(content).hexdigest()
    assert act["resource"]["id"] == one.public_id
    said = msgspec.json.decode(content)
    assert (said["events"], said["position"], said["conclusion"]) == (1, 3, "All explained.")
    assert said["findings"][0]["event"] == sent[0].id
    assert [name["action"] for name in told(spine, ann.scope, "audit_log.review_*")] == []
    assert len(told(spine, ann.scope, "audit_log.review_finding_marked")) == 1


def test_what_is_signed_is_not_changed_any_more(spine: Spine, ann: Reviewer):
    (sent,) = spine.record(ann.scope, event("user.login")).events
    spine.ship()
    review = ann.open()
    before = ann.read(ann.sign(review))
    for act in (
        lambda: ann.mark(review, sent.id),
        lambda: ann.sign(review, "Another conclusion."),
        lambda: _write(ann, review_changes.write_conclusion, review, "Another."),
        lambda: _write(ann, review_changes.withdraw, review, now=clock.now_us()),
        lambda: _write(ann, review_changes.unmark_event, review, sent.id, now=clock.now_us()),
    ):
        with pytest.raises(Conflict) as refused:
            act()
        assert refused.value.code == "review_over"
    assert ann.read(review) == before


def test_two_who_sign_at_once_sign_it_once(spine: Spine, ann: Reviewer):
    review = ann.open()
    with spine.database.write() as connection:
        review_changes.sign(connection, ann.scope, review.public_id, "Mine.", 1, 0, now=clock.now_us())
    with spine.database.write() as connection, pytest.raises(Conflict):
        review_changes.sign(connection, ann.scope, review.public_id, "Yours.", 1, 0, now=clock.now_us())
    assert ann.read(review)[0].conclusion == "Mine."


def test_a_correction_is_another_review_and_both_lead_to_each_other(spine: Spine, ann: Reviewer):
    first = ann.sign(ann.open())
    with pytest.raises(Conflict, match="signed review"):
        ann.open(corrects=ann.open().public_id)
    second = ann.sign(ann.open(corrects=first.public_id))
    assert ann.read(first)[0].corrected_by == second.review_id
    assert second.corrects == first.review_id


def test_what_is_changed_behind_its_back_is_seen(spine: Spine, ann: Reviewer):
    signed = ann.sign(ann.open())
    assert matches_signature(*ann.read(signed))
    with spine.database.write() as connection:
        connection.execute(update(reviews).values(conclusion="Something else."))
    assert not matches_signature(*ann.read(signed))


def test_a_review_looks_back_and_needs_both_ends(ann: Reviewer):
    now = clock.now_us()
    assert ann.open({"start": ["2024-01-01"], "end": ["2999-01-01"]}, now=now).end == now
    for given in ({"start": ["2024-01-01"]}, {"end": ["2024-01-31"]}, {"start": ["2999-01-01"], "end": ["2999-01-02"]}):
        with pytest.raises(BadRequest) as refused:
            ann.open(given)
        assert refused.value.code == "bad_review"
    with pytest.raises(BadRequest, match="status"):
        ann.open({**JANUARY, "q": ["statsu:failed"]})
    with pytest.raises(BadRequest, match="time zone"):
        ann.open({**JANUARY, "tz": ["Nowhere/At_all"]})


def test_only_its_own_events_are_noted_and_an_empty_conclusion_is_none(spine: Spine, ann: Reviewer):
    inside, outside = spine.record(ann.scope, event("user.login"), event("user.logout")).events
    spine.ship()
    review = ann.open({**JANUARY, "q": ["action:user.login"]})
    ann.mark(review, inside.id, "fine", "first")
    ann.mark(review, inside.id, "low", "second")
    assert [(one.severity, one.note) for one in ann.read(review)[1]] == [("low", "second")]
    for event_id in (outside.id, "evt_nothing", "' OR 1=1"):
        with pytest.raises(BadRequest) as refused:
            ann.mark(review, event_id)
        assert refused.value.code == "bad_finding"
    for severity, note in (("awful", ""), ("low", "x" * 2001)):
        with pytest.raises(BadRequest):
            ann.mark(review, inside.id, severity, note)
    with pytest.raises(BadRequest, match="Write a conclusion"):
        ann.sign(review, " \n ")


def test_a_stranger_and_a_member_get_nothing(spine: Spine, ann: Reviewer):
    (sent,) = spine.record(ann.scope, event("user.login")).events
    spine.ship()
    review = ann.open()
    charlie = Reviewer(spine, replace(spine.organization("charlie"), role="owner"))
    for act in (
        lambda: charlie.read(review),
        lambda: charlie.sign(review),
        lambda: charlie.open(corrects=review.public_id),
    ):
        with pytest.raises(NotFound) as refused:
            act()
        assert refused.value.code == "no_review"
    with pytest.raises(BadRequest):
        charlie.mark(charlie.open(), sent.id)
    member = user_principal(new_uuid(clock.now_us()), "john@acme.com", "John")
    john = Reviewer(spine, person_scope(ann.scope.org_id, member, "member"))
    for act in (lambda: john.read(review), john.open, lambda: john.sign(review), lambda: john.mark(review, sent.id)):
        with pytest.raises(Forbidden) as forbidden:
            act()
        assert forbidden.value.code == "whole_trail_only"
    auditor = Reviewer(spine, person_scope(ann.scope.org_id, member, "auditor"))
    assert auditor.sign(review).signed_by_name == "john@acme.com"


def test_reviews_stand_in_the_reports_of_their_period(spine: Spine, ann: Reviewer, tmp_path: Path):
    (sent,) = spine.record(ann.scope, event("user.login")).events
    spine.ship()
    half = {"start": ["2024-01-01"], "end": ["2024-01-16"]}
    review = ann.open(half, about="soc2 CC6.1")
    ann.mark(review, sent.id, "medium", "Asked Sarah.")
    ann.sign(review, "One login, explained.")
    ann.open()  # not signed
    desk = Desk(spine, tmp_path / "data")
    report = desk.report(ann.scope)
    (line,) = report.reviews
    assert (line.conclusion, line.events, line.findings[0].note) == ("One login, explained.", 1, "Asked Sarah.")
    assert next(one.reviews for one in report.controls if one.id == "CC6.1") == (review.public_id,)
    assert [(part.start, part.end) for part in report.not_reviewed] == [
        ("2024-01-17T00:00:00.000000Z", "2024-02-01T00:00:00.000000Z")
    ]
    ann.sign(ann.open())
    assert desk.report(ann.scope).not_reviewed == ()
    assert answer(report, "CC6.1", "Who signed in").count == 1


def test_an_erasure_reaches_what_reviews_keep_and_the_page_can_tell(spine: Spine, ann: Reviewer, tmp_path: Path):
    (sent,) = spine.record(ann.scope, event("user.login", who="sarah@acme.com")).events
    spine.ship()
    review = ann.open({**JANUARY, "user": ["sarah@acme.com"]})
    ann.mark(review, sent.id, "low", "Ask sarah@acme.com")
    ann.sign(review, "sarah@acme.com explained it.")
    spine.sequencer.tick([])
    spine.ship()
    erase(spine, ann.scope, eraser(spine, tmp_path))
    one, findings = ann.read(review)
    assert (one.conclusion, findings[0].note) == ("[erased] explained it.", "Ask [erased]")
    assert one.filter == {"user": ["[erased]"]}
    assert not matches_signature(one, findings)


def test_the_list_goes_on_and_knows_its_states(spine: Spine, ann: Reviewer):
    made = [ann.open() for _ in range(3)]
    ann.sign(made[0])
    with spine.database.read() as connection:
        newest = list_reviews(connection, ann.scope, limit=2)
        rest = list_reviews(connection, ann.scope, before=newest[-1].public_id)
        signed = list_reviews(connection, ann.scope, state="signed")
    assert [one.review_id for one in (*newest, *rest)] == [one.review_id for one in reversed(made)]
    assert [one.review_id for one in signed] == [made[0].review_id]


def _write(ann: Reviewer, act, review, *arguments, **named):
    with ann.spine.database.write() as connection:
        return act(connection, ann.scope, review.public_id, *arguments, **named)

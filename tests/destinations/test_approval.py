"""Nothing leaves the organization before an owner approves the place, and another place asks again."""

import pytest
from sqlalchemy import select

from tallystick.access.scopes import api_key_scope, person_scope
from tallystick.destinations import changes
from tallystick.destinations.approval import approve
from tallystick.destinations.message_queue import MessageQueue
from tallystick.destinations.tables import deliveries
from tallystick.errors import Conflict, Forbidden
from tallystick.ids import new_uuid
from tallystick.outbox import write as outbox
from tests.destinations.destination_driver import LOCAL, DeliveryDriver, owner_of
from tests.destinations.mail_server import open_mailbox

EVERYTHING = frozenset({"events:read", "alerts", "admin", "exports"})


class Approvals:
    """An organization with an owner, an admin, a key, and what each of them does with destinations."""

    def __init__(self, at: DeliveryDriver) -> None:
        self.at = at
        self.owner = owner_of(at)
        self.admin = person_scope(at.scope.org_id, self.owner.principal, "admin")
        self.key = api_key_scope(at.scope.org_id, new_uuid(at.now), "key", EVERYTHING)

    def create(self, scope, url: str, **settings: object):
        with self.at.database.write() as connection:
            return changes.create(
                connection, scope, self.at.context, "webhook", "Hook", {"url": url, **settings}, now=self.at.now
            )

    def change(self, scope, made, **given: object):
        with self.at.database.write() as connection:
            return changes.change(
                connection, scope, self.at.context, made.destination.public_id, given, now=self.at.now
            )

    def approve(self, scope, made, revision: str | None = None):
        with self.at.database.write() as connection:
            return approve(connection, scope, made.destination.public_id, revision, now=self.at.now)


@pytest.fixture
def approvals(at) -> Approvals:
    return Approvals(at)


@pytest.mark.parametrize("who", ["admin", "key"])
def test_to_what_no_owner_approved_nothing_is_sent_not_even_a_test(approvals, receiver, who):
    scope, at = getattr(approvals, who), approvals.at
    made = approvals.create(scope, receiver.url)
    assert made.destination.shown_state == "waiting_for_approval"
    at.put(made)
    with at.database.write() as connection, pytest.raises(Conflict, match="owner's approval"):
        changes.send_test(connection, scope, made.destination.public_id, now=at.now)
    at.go()
    assert receiver.requests == []


@pytest.mark.parametrize("who", ["admin", "key"])
def test_nobody_but_an_owner_approves(approvals, receiver, who):
    made = approvals.create(approvals.key, receiver.url)
    with pytest.raises(Forbidden, match="Only an owner"):
        approvals.approve(getattr(approvals, who), made)


def test_an_owners_approval_lets_messages_go_and_is_recorded_under_the_name(approvals, receiver):
    at, made = approvals.at, approvals.create(approvals.key, receiver.url)
    approved = approvals.approve(approvals.owner, made, made.destination.revision)
    assert (approved.shown_state, approved.approved_by) == ("ok", "maya@acme.com")
    at.put(made)
    at.go()
    assert len(receiver.requests) == 1
    assert "audit_log.destination_approved" in at.told()


def test_what_an_owner_creates_is_approved(approvals, receiver):
    made = approvals.create(approvals.owner, receiver.url)
    assert (made.destination.approval, made.destination.approved_by) == ("approved", "maya@acme.com")


@pytest.mark.parametrize(
    ("path", "headers"), [("/another", {}), ("", {"X-Tenant": "another"})], ids=["another URL", "another header"]
)
def test_another_place_asks_again(approvals, receiver, path, headers):
    made = approvals.create(approvals.owner, receiver.url)
    after = approvals.change(approvals.key, made, settings={"url": receiver.url + path, "headers": headers})
    assert after.shown_state == "waiting_for_approval"
    approvals.at.put(made)
    approvals.at.go()
    assert receiver.requests == []


def test_another_name_and_the_same_settings_do_not_ask_again(approvals, receiver):
    made = approvals.create(approvals.owner, receiver.url)
    assert approvals.change(approvals.key, made, name="Other", settings={"url": receiver.url}).approval == "approved"


def test_what_waited_when_the_place_changed_goes_after_the_approval(approvals, receiver):
    at, made = approvals.at, approvals.create(approvals.owner, receiver.url)
    at.put(made)
    approvals.change(approvals.key, made, settings={"url": receiver.url + "/other"})
    at.go()
    assert receiver.requests == []
    approvals.approve(approvals.owner, made)
    at.go()
    assert at.state(made) == ["sent"]


def test_a_place_that_changes_while_a_message_is_on_its_way_gets_none(approvals, receiver):
    at, made = approvals.at, approvals.create(approvals.owner, receiver.url)
    at.put(made)
    queue = MessageQueue(at.database, at.context)
    with at.database.write() as connection:
        (lane,) = queue.due(connection, at.now)
        claim = queue.claim(connection, lane, at.now)
    approvals.change(approvals.key, made, settings={"url": receiver.url + "/other"})
    assert queue.send(claim, at.now) is None
    assert receiver.requests == []


def test_an_approval_is_for_what_the_owner_saw(approvals, receiver):
    made = approvals.create(approvals.key, receiver.url)
    approvals.change(approvals.key, made, settings={"url": receiver.url + "/evil"})
    with pytest.raises(Conflict, match="Look at it again"):
        approvals.approve(approvals.owner, made, made.destination.revision)


def test_mail_to_members_goes_at_once_and_to_others_with_an_approval(spine):
    with open_mailbox() as (mailbox, port):
        at = DeliveryDriver(spine, LOCAL, port)
        approvals = Approvals(at)
        with at.database.write() as connection:
            inside, outside = (
                changes.create(connection, approvals.key, at.context, "email", "Mail", {"to": to}, now=at.now)
                for to in (["maya@acme.com"], ["maya@acme.com", "tom@partner.example"])
            )
        at.put(inside)
        at.put(outside)
        at.go()
        assert [recipients for recipients, _ in mailbox.messages] == [["maya@acme.com"]]
        approvals.approve(approvals.owner, outside)
        at.put(outside, "alr_2")
        at.go()
        assert sorted(address for to, _ in mailbox.messages for address in to) == [
            "maya@acme.com", "maya@acme.com", "tom@partner.example",
        ]  # fmt: skip


def test_addresses_go_out_and_come_back_and_the_trail_says_what_that_means_for_the_approval(approvals):
    at, inside, outside = approvals.at, ["maya@acme.com"], ["tom@partner.example"]
    with at.database.write() as connection:
        made = changes.create(connection, approvals.key, at.context, "email", "Mail", {"to": inside}, now=at.now)
    for to, approval in (
        (outside, {"before": None, "after": "waiting"}),
        (inside, {"before": "waiting", "after": None}),
    ):
        approvals.change(approvals.key, made, settings={"to": to})
        with at.database.write() as connection:
            *_, last = outbox.take(connection, at.scope.org_id, 1000)
        assert last.event["changes"]["approval"] == approval


def test_a_message_for_a_place_that_waits_is_not_kept(approvals, receiver):
    at, made = approvals.at, approvals.create(approvals.key, receiver.url)
    at.put(made)
    with at.database.read() as connection:
        assert connection.execute(select(deliveries)).all() == []

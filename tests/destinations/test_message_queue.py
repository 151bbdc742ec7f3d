"""What goes to destinations: signed, tried again, given up, never held up by another that is dead."""

import asyncio
import json
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook

from tallystick.access.scopes import person_scope
from tallystick.access.tables import memberships
from tallystick.clock import SECOND_US
from tallystick.destinations import changes, http_client, message_queue
from tallystick.destinations.address_guard import Guard
from tallystick.destinations.destination import list_deliveries, list_destinations, show
from tallystick.destinations.kinds.slack import slack_body
from tallystick.destinations.kinds.webhook import webhook_headers
from tallystick.destinations.message_queue import PAUSES
from tallystick.destinations.tables import deliveries, mails
from tallystick.destinations.tables import destinations as destinations_table
from tallystick.errors import BadRequest, Conflict, NotFound
from tallystick.outbox.write import outbox
from tests.destinations.destination_driver import HOUR, DeliveryDriver, message, owner_of
from tests.destinations.mail_server import certificate, open_mailbox
from tests.destinations.receiver import open_receiver
from tests.fixtures.waiting import wait_until


def test_the_signature_is_that_of_the_specification():
    """The vector of the reference implementations (standardwebhooks 1.1.0, tests)."""
    vector = message("msg_p5jXN8AQM9LWM0D4loKWxJek")
    headers = webhook_headers(
        vector, b'{"test": 2432232314}', ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], at=1614265330 * SECOND_US
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_is_verified_by_a_foreign_library_with_each_secret_of_a_rotation(at, receiver):
    made = at.make(receiver.url, headers={"Authorization": "Bearer hidden"})
    with at.database.write() as connection:
        fresh = changes.rotate(connection, at.scope, at.context, made.destination.public_id, now=at.now)
    at.put(made)
    at.go()
    ((headers, body),) = receiver.requests
    for secret in (made.secret, fresh.secret):
        said = Webhook(secret).verify(body.decode(), headers)
        assert said == {"type": "alert.fired", "timestamp": "2024-01-15T14:30:45.000000Z", "data": {"id": "alr_1"}}
    assert headers["authorization"] == "Bearer hidden"
    at.put(made, "alr_2")
    at.go(25 * HOUR)
    headers, body = receiver.requests[-1]
    assert " " not in headers["webhook-signature"], "the old secret signs for a day"
    assert at.state(made) == ["sent", "sent"]


def test_the_same_id_goes_once(at, receiver):
    made = at.make(receiver.url)
    at.put(made)
    at.put(made)
    at.go()
    assert len(receiver.requests) == 1


def test_a_rule_that_fires_without_end_leaves_room_to_others_and_no_end_of_messages_waits(at, receiver, monkeypatch):
    monkeypatch.setattr("tallystick.destinations.message_queue.MOST_WAITING", 8)
    made = at.make(receiver.url)

    def put(source: str, *names: str) -> None:
        org_id, destination_id = made.destination.org_id, made.destination.destination_id
        with at.database.write() as connection:
            new = [message_queue.NewMessage(destination_id, message(name), source) for name in names]
            message_queue.enqueue_all(connection, org_id, new, now=at.now)

    put("rul_loud", *(f"loud_{number}" for number in range(15)))
    put("rul_loud", *(f"loud_{number}" for number in range(10, 20)))
    put("rul_quiet", "quiet")
    at.put(made, "test")
    assert sorted(at.state(made)) == ["given_up"] * 16 + ["waiting"] * 6
    at.go()
    assert {json.loads(body)["data"]["id"] for _, body in receiver.requests} >= {"loud_0", "quiet", "test"}
    assert sorted(at.state(made)) == ["given_up"] * 16 + ["sent"] * 6


def test_a_failure_is_tried_again_with_the_same_id_and_told_once_when_it_lasts(at, receiver):
    made = at.make(receiver.url)
    receiver.status = 500
    at.put(made)
    at.go()
    for seconds in PAUSES:
        at.go(round(seconds * 1.11) * SECOND_US)
    assert at.state(made) == ["given_up"]
    assert {headers["webhook-id"] for headers, _ in receiver.requests} == {"alr_1"}
    assert len(receiver.requests) == len(PAUSES) + 1
    assert at.told().count("audit_log.destination_failed") == 1
    assert at.health(made).state == "failing"
    receiver.status = 204
    with at.database.write() as connection:
        shown = list_deliveries(connection, at.health(made))[0].public_id
        changes.retry(connection, at.scope, made.destination.public_id, shown, now=at.now)
    at.go()
    assert at.state(made) == ["sent"]
    assert at.health(made).state == "ok"
    assert at.told().count("audit_log.destination_recovered") == 1


def test_retry_after_is_honoured_and_what_waits_waits_too(at, receiver):
    made = at.make(receiver.url)
    receiver.status, receiver.headers = 429, {"Retry-After": "120"}
    at.put(made)
    at.put(made, "alr_2")
    at.go()
    at.go(100 * SECOND_US)
    assert len(receiver.requests) == 1, "one attempt asks for all"
    receiver.status, receiver.headers = 204, {}
    at.go(40 * SECOND_US)
    assert at.state(made) == ["sent", "sent"]


def test_what_is_gone_is_switched_off_until_somebody_switches_it_on(at, receiver):
    made = at.make(receiver.url)
    receiver.status = 410
    at.put(made)
    at.go()
    assert (at.health(made).enabled, at.health(made).state) == (False, "disabled")
    at.put(made, "alr_2")
    with at.database.write() as connection, pytest.raises(Conflict):
        changes.send_test(connection, at.scope, made.destination.public_id, now=at.now)
    with at.database.write() as connection:
        changes.change(connection, at.scope, at.context, made.destination.public_id, {"enabled": True}, now=at.now)
    assert at.health(made).state == "ok"


def test_a_redirect_is_a_failure_and_is_not_followed(at, receiver):
    with open_receiver() as elsewhere:
        made = at.make(receiver.url)
        receiver.status, receiver.headers = 302, {"Location": elsewhere.url}
        at.put(made)
        at.go()
        assert at.health(made).last_error == "The destination answered 302."
        assert elsewhere.requests == []


def test_an_answer_that_drips_ends_and_holds_up_nobody_else(at, receiver, monkeypatch):
    monkeypatch.setattr(http_client, "MAX_SECONDS", 3.0)
    with open_receiver() as slow:
        slow.drips = True
        dead, alive = at.make(slow.url), at.make(receiver.url)
        at.put(dead)
        at.put(alive)
        assert at.worker.step(at.now)
        wait_until(lambda: receiver.requests)
        assert at.state(dead) == ["waiting"]
        at.worker.wait_for_attempts()
        at.go()
        assert at.state(alive) == ["sent"]
        assert "did not answer within" in at.health(dead).last_error


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1/", "https://[::1]:1/x", "https://localhost:1/", "https://10.0.0.8/x"]
)
def test_private_addresses_are_refused_unless_the_operator_allows_them(spine, url):
    at = DeliveryDriver(spine, Guard())
    made = at.make(url)
    at.put(made)
    at.go()
    at.worker.close()
    assert "is on a private address" in at.health(made).last_error
    assert at.state(made) == ["waiting"]


def test_slack_gets_blocks_in_which_nothing_is_markup(at, receiver):
    made = at.make("https://hooks.slack.com/services/T0/B0/abcdwxyz", kind="slack")
    assert made.destination.settings == {"url": "https://hooks.slack.com/…wxyz"}
    said = json.loads(slack_body(message(sentence="<!channel> & <https://evil|x>", title="T" * 400)))
    assert said["blocks"][1]["text"]["type"] == said["blocks"][2]["text"]["type"] == "plain_text"
    assert "&lt;!channel&gt; &amp; &lt;https://evil|x&gt;" in said["text"]
    assert len(said["blocks"][0]["text"]["text"]) == 150
    assert "<https://audit.example/alerts/alr_1|Show the events>" in said["blocks"][3]["text"]["text"]


def test_no_service_that_takes_slacks_messages_finds_markup_or_a_mention_in_the_text_of_an_event():
    hostile = "*bold* `code` :rotating_light: @channel .@here (@everyone) eve@evil.test"
    links = (("Show <!here>", "https://audit.example/a"), ("What to do", "https://evil.test/|<!channel>x`*&y=1"))
    said = json.loads(slack_body(message(title=hostile, sentence=hostile, facts=(("User", hostile),), links=links)))
    assert (said["mrkdwn"], said["link_names"]) == (False, False)
    assert all(block["text"] | {"emoji": False} == block["text"] for block in said["blocks"][:3])
    assert "＠channel .＠here (＠everyone) eve@evil.test" in said["text"]
    assert said["blocks"][3]["text"]["text"] == (
        "<https://audit.example/a|Show &lt;!here&gt;> · <https://evil.test/%7C%3C!channel%3Ex%60*&amp;y=1|What to do>"
    )


def test_mail_is_the_notification_and_goes_again_only_to_who_has_not_got_it(spine):
    with open_mailbox() as (mailbox, port):
        at = DeliveryDriver(spine, port=port)
        owner = owner_of(at)
        with at.database.write() as connection:
            made = changes.create(
                connection, owner, at.context, "email", "Ops", {"to": ["a@example.com", "b@example.com"]}, now=at.now
            )
        mailbox.refused = {"b@example.com"}
        at.put(made, sentence="<script>alert(1)</script> failed.")
        at.go()
        mailbox.refused = set()
        assert [recipients for recipients, _ in mailbox.messages] == [["a@example.com"]]
        first = message_from_bytes(mailbox.messages[0][1], policy=default)
        text = first.get_body(("plain",)).get_content()
        assert "Notification: Deployment Failed" in text
        assert "Project:    api-infrastructure" in text
        assert "<script>" not in first.get_body(("html",)).get_content()
        with at.database.write() as connection:
            shown = list_deliveries(connection, at.health(made))[0].public_id
            changes.retry(connection, owner, made.destination.public_id, shown, now=at.now)
        at.go()
        at.worker.close()
        assert [recipients for recipients, _ in mailbox.messages] == [["a@example.com"], ["b@example.com"]]
        assert at.state(made) == ["sent"]


def test_only_an_owner_sends_mail_out_of_the_organization(at):
    owner = owner_of(at)
    admin = person_scope(at.scope.org_id, owner.principal, "admin")
    with at.database.write() as connection:
        out = changes.create(connection, admin, at.context, "email", "Out", {"to": ["x@else.com"]}, now=at.now)
        inside = changes.create(connection, admin, at.context, "email", "In", {"to": ["maya@acme.com"]}, now=at.now)
        own = changes.create(connection, owner, at.context, "email", "Own", {"to": ["x@else.com"]}, now=at.now)
    approvals = [made.destination.approval for made in (out, inside, own)]
    assert approvals == ["waiting", "", "approved"]


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("pigeon", {}, "kind must be one of"),
        ("webhook", {}, "url must be the address"),
        ("webhook", {"url": "http://example.com/"}, "https://"),
        ("webhook", {"url": "ftp://example.com/"}, "url must be the address"),
        ("webhook", {"url": "https://user:pass@example.com/"}, "Use a header"),
        ("webhook", {"url": "https://example.com/\r\nX: y"}, "url must be the address"),
        ("webhook", {"url": "https://example.com/", "headers": {"X-A": "b\r\nc"}}, "is not valid"),
        ("webhook", {"url": "https://example.com/", "headers": {"Host": "b"}}, "header 'Host' is not allowed"),
        ("webhook", {"url": "https://example.com/", "to": []}, "does not take 'to'"),
        ("email", {"to": []}, "1 to 20"),
        ("email", {"to": ["nobody"]}, "email address"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(at, kind, settings, said):
    with at.database.write() as connection, pytest.raises(BadRequest, match=said):
        changes.create(connection, at.scope, at.context, kind, "Bad", settings, now=at.now)


def test_no_secret_is_kept_in_the_open_nor_told(at, receiver):
    made = at.make(f"{receiver.url}?token=hunter2", headers={"X-Key": "hunter3"})
    with at.database.read() as connection:
        rows = connection.execute(select(destinations_table)).all()
        events = connection.execute(select(outbox.c.event)).all()
    everything = repr(rows) + repr(events) + repr(at.health(made))
    assert not any(word in everything for word in ("hunter2", "hunter3", made.secret))


def test_another_organization_gets_nothing(at, receiver, spine):
    made = at.make(receiver.url)
    charlie = spine.organization("charlie")
    with at.database.write() as connection:
        assert list_destinations(connection, charlie) == []
        for act in (
            lambda: show(connection, charlie, made.destination.public_id),
            lambda: changes.send_test(connection, charlie, made.destination.public_id, now=at.now),
            lambda: changes.remove(connection, charlie, made.destination.public_id, now=at.now),
            lambda: changes.rotate(connection, charlie, at.context, made.destination.public_id, now=at.now),
            lambda: changes.change(connection, charlie, at.context, made.destination.public_id, {}, now=at.now),
        ):
            with pytest.raises(NotFound):
                act()


def test_who_left_gets_no_mail_and_whom_an_owner_allowed_does(spine):
    with open_mailbox() as (mailbox, port):
        at = DeliveryDriver(spine, port=port)
        owner = owner_of(at)
        given = {"to": ["maya@acme.com", "out@example.com"]}
        with at.database.write() as connection:
            made = changes.create(connection, owner, at.context, "email", "Ops", given, now=at.now)
            connection.execute(update(memberships).values(disabled_at=at.now))
        at.put(made)
        at.go()
        at.worker.close()
        assert [recipients for recipients, _ in mailbox.messages] == [["out@example.com"]]


def test_what_comes_while_a_destination_is_dead_waits_with_the_rest(at, receiver):
    made = at.make(receiver.url)
    receiver.status = 500
    at.put(made)
    at.go()
    at.put(made, "alr_2")
    at.go()
    assert len(receiver.requests) == 1
    receiver.status = 204
    at.go(6 * SECOND_US)
    assert at.state(made) == ["sent", "sent"]


def test_owners_are_told_by_mail_once(at, receiver):
    owner_of(at)
    made = at.make(receiver.url)
    receiver.status = 500
    at.put(made)
    at.go()
    for seconds in PAUSES[:6]:
        at.go(round(seconds * 1.11) * SECOND_US)
    with at.database.read() as connection:
        told = connection.execute(select(mails.c.recipient, mails.c.subject)).all()
    assert [tuple(one) for one in told] == [("maya@acme.com", "Alerts are not reaching Ops")]


def test_over_tls_the_certificate_and_its_name_are_verified(sqlite_spine, tmp_path, monkeypatch):
    context, believed = certificate(tmp_path)
    at = DeliveryDriver(sqlite_spine)
    with open_receiver(context) as receiver:
        url = receiver.url.replace("http://127.0.0.1", "https://localhost")
        named, by_address = at.make(url), at.make(url.replace("localhost", "127.0.0.1"))
        at.put(named)
        at.go()
        assert "SSLError" in at.health(named).last_error, "nobody believed signed it"
        monkeypatch.setenv("SSL_CERT_FILE", str(believed))
        at.put(by_address)
        at.go(HOUR)
        at.worker.close()
        assert at.state(named) == ["sent"]
        assert "SSLError" in at.health(by_address).last_error, "it is signed for another name"
    assert len(receiver.requests) == 1


class InTransactions:
    """Counts how many deliveries each transaction leaves."""

    def __init__(self, at):
        self.at, self.left = at, []

    async def write(self, function, *arguments):
        with self.at.database.write() as connection:
            found = function(connection, self.at.scope, *arguments)
            self.left.append(len(connection.execute(select(deliveries)).all()))
        return found


def test_deliveries_are_deleted_in_short_transactions(at, receiver, monkeypatch):
    monkeypatch.setattr("tallystick.database.deletion.MOST_DELETED", 2)
    made, transactions = at.make(receiver.url), InTransactions(at)
    for number in range(3):
        at.put(made, f"alr_{number}")
    at.go()
    asyncio.run(changes.drop_deliveries(transactions, made.destination.public_id))
    assert transactions.left == [3, 1, 0], "the attempts first, then the deliveries"


def test_old_deliveries_go_a_part_in_each_step(at, receiver, monkeypatch):
    monkeypatch.setattr("tallystick.database.deletion.MOST_DELETED", 2)
    made = at.make(receiver.url)
    for number in range(3):
        at.put(made, f"alr_{number}")
    at.go()
    left = []
    for _ in range(3):
        at.worker.step(at.now + 31 * 24 * HOUR)
        left.append(len(at.state(made)))
    assert left == [1, 0, 0]

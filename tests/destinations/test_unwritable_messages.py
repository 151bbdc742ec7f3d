"""One message that cannot be written, or that its receiver refuses, silences no other."""

import pytest

from tallystick.clock import SECOND_US
from tallystick.destinations import changes, mime
from tallystick.destinations.kinds import webhook
from tallystick.destinations.kinds.email import EmailKind
from tallystick.destinations.kinds.webhook import WebhookKind
from tests.destinations.destination_driver import HOUR, DeliveryDriver, owner_of
from tests.destinations.mail_server import open_mailbox
from tests.destinations.test_mime import HOSTILE, head_of, subject_of, text_of

PLAIN_TITLE = "Alert (threshold)"


@pytest.fixture
def mailed(sqlite_spine):
    """A driver, a mailbox, and a destination of mail to two addresses."""
    with open_mailbox() as (mailbox, port):
        at = DeliveryDriver(sqlite_spine, port=port)
        owner = owner_of(at)
        settings = {"to": ["a@example.com", "b@example.com"]}
        with at.database.write() as connection:
            made = changes.create(connection, owner, at.context, "email", "Ops", settings, now=at.now)
        yield at, mailbox, made
        at.worker.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_an_alert_about_any_user_name_arrives_at_once_and_so_does_the_next(mailed, name):
    at, mailbox, made = mailed
    at.put(made, "alr_1", sentence=f"2 events of {name} within 10 minutes.".encode(errors="replace").decode())
    at.put(made, "alr_2", sentence="2 events of sarah@acme.com within 10 minutes.")
    at.go()
    assert at.state(made) == ["sent", "sent"]
    subjects = [subject_of(content) for _, content in mailbox.messages]
    assert len(subjects) == 4
    assert "Deployment Failed: 2 events of sarah@acme.com within 10 minutes." in subjects
    for _, content in mailbox.messages:
        assert not {name for name, _ in head_of(content)} & {"Reply-To", "Bcc", "X-Other"}


def test_a_mail_that_cannot_be_written_goes_with_a_plain_subject_and_its_facts(mailed, monkeypatch):
    at, mailbox, made = mailed

    def fail(*_: object) -> bytes:
        raise UnicodeEncodeError("ascii", "ü", 0, 1, "ordinal not in range")

    monkeypatch.setattr(mime, "_body", fail)
    at.put(made, plain_title=PLAIN_TITLE)
    at.go()
    assert at.state(made) == ["sent"]
    assert {subject_of(content) for _, content in mailbox.messages} == {PLAIN_TITLE}
    assert all("Project:    api-infrastructure" in text_of(content) for _, content in mailbox.messages)


def test_a_mail_whose_template_fails_goes_with_its_facts_in_ascii(mailed, monkeypatch):
    at, mailbox, made = mailed
    write = EmailKind.write

    def fail_first(kind, message):
        if message.title != PLAIN_TITLE:
            raise ValueError(message.title)
        return write(kind, message)

    monkeypatch.setattr(EmailKind, "write", fail_first)
    at.put(made, plain_title=PLAIN_TITLE, facts=(("User", "Ünïcode"),))
    at.go()
    assert at.state(made) == ["sent"]
    assert "User:    \\xdcn\\xefcode" in text_of(mailbox.messages[0][1])


def test_a_webhook_that_cannot_be_encoded_goes_in_ascii(at, receiver, monkeypatch):
    encode = webhook._encode

    def fail_for_names(body):
        if "name" in body["data"]:
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed")
        return encode(body)

    monkeypatch.setattr(webhook, "_encode", fail_for_names)
    made = at.make(receiver.url)
    at.put(made, data={"name": "x"})
    at.go()
    assert at.state(made) == ["sent"]
    assert b'"data":{"id":"alr_1"}' in receiver.requests[0][1]


def test_what_cannot_be_written_at_all_is_given_up_at_once_and_its_destination_says_so(at, receiver, monkeypatch):
    write = WebhookKind.write

    def fail(kind, message):
        if message.id == "alr_1":
            raise ValueError("broken")
        return write(kind, message)

    monkeypatch.setattr(WebhookKind, "write", fail)
    made = at.make(receiver.url)
    at.put(made)
    at.go()
    assert at.state(made) == ["given_up"]
    assert (at.health(made).state, at.health(made).given_up) == ("failing", 1)
    assert at.health(made).last_error == "The message cannot be written: ValueError."
    assert at.told().count("audit_log.destination_failed") == 1
    at.put(made, "alr_2")
    at.go()
    assert sorted(at.state(made)) == ["given_up", "sent"]


def test_a_mail_server_that_refuses_the_text_of_an_event_gets_the_alert_without_it(mailed):
    at, mailbox, made = mailed
    mailbox.refuses = b"GTUBE"
    at.put(made, sentence="GTUBE failed to sign in.", plain_title=PLAIN_TITLE)
    at.go()
    assert at.state(made) == ["sent"]
    assert {subject_of(content) for _, content in mailbox.messages} == {PLAIN_TITLE}
    assert all("https://audit.example/alerts/alr_1" in text_of(content) for _, content in mailbox.messages)


@pytest.mark.parametrize("status", [400, 403, 413, 500])
def test_a_message_that_the_receiver_refuses_holds_up_no_other(at, receiver, status):
    """As a filter in front of a webhook may: whoever causes that one must not silence the alerts after it."""
    receiver.refuses, receiver.refusal = b"<script>", status
    made = at.make(receiver.url)
    at.put(made, "alr_1", data={"name": "<script>"})
    at.go()
    at.put(made, "alr_2", data={"name": "sarah"})
    at.go(6 * SECOND_US)
    assert sorted(at.state(made)) == ["sent", "waiting"]
    for _ in range(20):
        at.go(HOUR // 2)
    at.put(made, "alr_3", data={"name": "sarah"})
    at.go()
    at.go(301 * SECOND_US)
    assert at.state(made)[0] == "sent", "it waited five minutes at most"


@pytest.mark.parametrize("kind", ["webhook", "slack"])
def test_a_receiver_that_refuses_the_text_of_an_event_gets_the_alert_without_it(at, receiver, kind):
    receiver.refuses = b"<script>" if kind == "webhook" else b"script"
    made = at.make(receiver.url, kind=kind)
    at.put(made, "alr_1", data={"name": "<script>"}, facts=(("User", "<script>"),), plain_title=PLAIN_TITLE)
    at.go()
    at.go(6 * SECOND_US)
    assert at.state(made) == ["waiting"]
    at.go(340 * SECOND_US)
    assert at.state(made) == ["sent"]
    assert b"alr_1" in receiver.requests[-1][1]


def test_an_error_of_our_own_with_one_message_holds_up_no_other(at, receiver, monkeypatch):
    send = WebhookKind.send

    def fail(kind, target, message, content):
        if message.id == "alr_1":
            raise RuntimeError("broken")
        return send(kind, target, message, content)

    monkeypatch.setattr(WebhookKind, "send", fail)
    made = at.make(receiver.url)
    at.put(made, "alr_1")
    at.put(made, "alr_2")
    at.go()
    at.go(6 * SECOND_US)
    assert sorted(at.state(made)) == ["sent", "waiting"]

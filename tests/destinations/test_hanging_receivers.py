"""Destinations and mail servers that hang, in every way: all other messages and emails go on meanwhile."""

import socket
import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select

from tallystick.clock import SECOND_US, now_us
from tallystick.destinations import changes, email_queue, http_client, smtp
from tallystick.destinations.delivery_queue import Lane
from tallystick.destinations.delivery_worker import DeliveryWorker, MailServerRest, choose_lanes
from tallystick.destinations.email_queue import MAX_READ, EmailQueue
from tallystick.destinations.email_templates import Email
from tallystick.destinations.message_queue import MessageQueue
from tallystick.destinations.smtp import EmailNotSent, parse_mail_server, send_email
from tallystick.destinations.tables import mails
from tallystick.ids import new_uuid
from tests.destinations.destination_driver import DeliveryDriver, owner_of
from tests.destinations.hanging_server import open_hanging
from tests.destinations.mail_server import open_mailbox
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until

EMAIL = Email("Subject", "text", "<p>text</p>")
SENDER, OWNER = "audit@example.com", "maya@acme.com"
CONTENT = b"Subject: x\r\n\r\ntext\r\n"
GREETING, EHLO, OK = b"220 mail ESMTP\r\n", b"250 mail\r\n", b"250 OK\r\n"
# What a mail server says before it hangs: nothing, a part of a greeting, everything up to the end of the message.
HANGS = {
    "says nothing": ("smtp", (), b""),
    "answers a byte at a time": ("smtp", (b"220-",), b"x"),
    "hangs in the TLS handshake": ("smtps", (), b""),
    "drips into the TLS handshake": ("smtps", (), b"\x16"),
    "hangs after STARTTLS": ("smtp+starttls", (GREETING, b"250-mail\r\n250 STARTTLS\r\n", b"220 go ahead\r\n"), b""),
    "hangs after the greeting": ("smtp", (GREETING,), b""),
    "hangs at the recipient": ("smtp", (GREETING, EHLO, OK), b""),
    "hangs at the content": ("smtp", (GREETING, EHLO, OK, OK, b"354 go on\r\n"), b""),
}


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(smtp, "MIN_SECONDS", 1.0)
    monkeypatch.setattr(smtp, "QUIT_SECONDS", 0.2)


@contextmanager
def running(*workers):
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()


def put_email(at, recipient=OWNER):
    with at.database.write() as connection:
        email_queue.enqueue(connection, at.scope.org_id, recipient, EMAIL, now=at.now)


@pytest.mark.parametrize("way", HANGS)
def test_a_mail_server_that_hangs_is_given_up_in_time(way, short_waits):
    scheme, answers, drip = HANGS[way]
    with open_hanging(*answers, drip=drip) as hanging:
        server = parse_mail_server(f"{scheme}://127.0.0.1:{hanging.port}", SENDER)
        with pytest.raises(EmailNotSent) as failed:
            send_email(server, OWNER, CONTENT)
    assert not failed.value.permanent


@pytest.mark.parametrize("way", HANGS)
def test_while_the_mail_server_hangs_webhooks_go_on(sqlite_spine, receiver, way):
    scheme, answers, drip = HANGS[way]
    with open_hanging(*answers, drip=drip) as hanging:
        at = DeliveryDriver(sqlite_spine, port=hanging.port)
        server = parse_mail_server(f"{scheme}://127.0.0.1:{hanging.port}", SENDER)
        email_worker = DeliveryWorker(at.database, EmailQueue(server), MailServerRest())
        for number in range(20):
            put_email(at, f"person{number}@acme.com")
        other = DeliveryDriver(sqlite_spine, slug="other")
        made = other.make(receiver.url)
        with running(email_worker, at.worker):
            wait_until(lambda: hanging.accepted)
            other.put(made)
            at.worker.wake()
            wait_until(lambda: receiver.requests)


def test_alerts_by_mail_of_many_organizations_leave_places_for_webhooks(sqlite_spine, receiver):
    """While the mail server hangs, they all hang."""
    with open_hanging() as hanging:
        at = DeliveryDriver(sqlite_spine, port=hanging.port)
        for number in range(6):
            slow = DeliveryDriver(sqlite_spine, slug=f"slow{number}")
            owner = owner_of(slow)
            for _ in range(MessageQueue.max_of_organization):
                with slow.database.write() as connection:
                    made = changes.create(
                        connection, owner, slow.context, "email", "Ops", {"to": [OWNER]}, now=slow.now
                    )
                slow.put(made)
        with running(at.worker):
            wait_until(lambda: len(hanging.accepted) == MessageQueue.max_of_channel)
            other = DeliveryDriver(sqlite_spine, slug="other")
            other.put(other.make(receiver.url))
            at.worker.wake()
            wait_until(lambda: receiver.requests)


def test_ten_hanging_webhooks_of_one_organization_leave_places_for_the_others(sqlite_spine, receiver):
    with open_hanging(b"HTTP/1.1 200 OK\r\nX-Long: ", drip=b"a") as hanging:
        at = DeliveryDriver(sqlite_spine)
        for _ in range(10):
            at.put(at.make(f"http://127.0.0.1:{hanging.port}/"))
        with running(at.worker):
            wait_until(lambda: len(hanging.accepted) == MessageQueue.max_of_organization)
            for number in range(3):
                other = DeliveryDriver(sqlite_spine, slug=f"other{number}")
                other.put(other.make(receiver.url), f"alr_{number}")
            at.worker.wake()
            wait_until(lambda: len(receiver.requests) == 3)
            assert len(hanging.accepted) == MessageQueue.max_of_organization


@pytest.mark.parametrize("answers", [(), (b"HTTP/1.1 200 OK\r\n",), (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,)])
def test_a_stop_does_not_wait_for_a_webhook_that_hangs(sqlite_spine, answers, monkeypatch):
    monkeypatch.setattr(http_client, "MAX_SECONDS", 10 * PATIENCE_SECONDS)
    with open_hanging(*answers) as hanging:
        at = DeliveryDriver(sqlite_spine)
        made = at.make(f"http://127.0.0.1:{hanging.port}/")
        at.put(made)
        at.worker.start()
        wait_until(lambda: hanging.accepted)
        stopping = threading.Thread(target=at.worker.stop)
        stopping.start()
        stopping.join(PATIENCE_SECONDS)
        assert not stopping.is_alive()
    assert at.state(made) == ["waiting"], "its claim holds it until it expires"


def test_a_name_server_that_hangs_holds_up_no_mail_but_that_one(monkeypatch, short_waits):
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(60))
    with pytest.raises(EmailNotSent) as failed:
        send_email(parse_mail_server("smtp://mail.example", SENDER), OWNER, CONTENT)
    ended.set()
    assert failed.value.unreachable


def test_a_message_that_was_accepted_is_not_sent_again_when_the_goodbye_hangs(monkeypatch):
    monkeypatch.setattr(smtp, "QUIT_SECONDS", 0.2)
    answers = (GREETING, EHLO, OK, OK, b"354 go on\r\n", b"", b"", b"", b"250 accepted\r\n")
    with open_hanging(*answers) as hanging:
        send_email(parse_mail_server(f"smtp://127.0.0.1:{hanging.port}", SENDER), OWNER, CONTENT)
        assert hanging.received[-1] == b".\r\n"


def test_a_thousand_emails_of_one_organization_do_not_hide_those_of_another(database):
    now = now_us()
    many, one = new_uuid(now), new_uuid(now)
    with database.write() as connection:
        for number in range(1000):
            email_queue.enqueue(connection, many, f"p{number}@acme.com", EMAIL, now=now - 10 * SECOND_US)
        email_queue.enqueue(connection, one, OWNER, EMAIL, now=now)
    with open_mailbox() as (mailbox, port):
        worker = DeliveryWorker(database, EmailQueue(parse_mail_server(f"smtp://127.0.0.1:{port}", SENDER)))
        worker.step(now)
        worker.wait_for_attempts()
        assert [OWNER] in [recipients for recipients, _ in mailbox.messages]
        with database.read() as connection:
            assert len(worker.queue.due(connection, now)) <= MAX_READ + 1
        worker.close()
    with database.read() as connection:
        sent = select(func.count()).select_from(mails).where(mails.c.state == "sent")
        assert connection.execute(sent).scalar_one() == EmailQueue.max_of_organization + 1


class Limits(MessageQueue):
    """A queue of which only the limits count."""

    max_at_once, max_of_organization, max_of_channel, max_failing = 6, 4, 5, 2

    def __init__(self) -> None:
        pass


A, B, C = (new_uuid(second * SECOND_US) for second in (1, 2, 3))


def lanes(*given):
    """Lanes of organizations by their letters: `f` after it for one that failed, `m` for one by email."""
    named = {"A": A, "B": B, "C": C}
    return [Lane(named[text[0]], object(), has_failed="f" in text, by_email="m" in text) for text in given]


@pytest.mark.parametrize(
    ("busy", "due", "chosen"),
    [
        ((), "A A A A A A A B", "AABAA"),
        ((), "A A A A B B B B", "ABABA"),
        (("A", "A", "A"), "A A A A B C", "BC"),
        (("A", "A", "A", "A"), "A A A A", ""),
        (("A", "B", "A", "B", "A", "B"), "C", ""),
        ((), "Af Af Af Bf B", "ABB"),
        (("Af", "Bf"), "Af Bf Cf C", "C"),
        ((), "Am Am Am Bm Bm Bm C C", "ABCABC"),
        (("Am", "Am", "Bm", "Bm"), "Cm Cm A B", "CA"),
    ],
)
def test_organizations_take_turns_within_the_limits(busy, due, chosen):
    found = choose_lanes(Limits(), lanes(*busy), lanes(*due.split()))
    letters = {A: "A", B: "B", C: "C"}
    assert sorted(letters[lane.org_id] for lane in found) == sorted(chosen)

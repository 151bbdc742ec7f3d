"""Mail: sent through a real server, tried again, given up, and nothing of it kept."""

import email
from email.policy import default
from urllib.parse import quote

import pytest
from sqlalchemy import select

from tallystick.clock import DAY_US, SECOND_US, now_us
from tallystick.database.engine import Database
from tallystick.destinations import email_queue
from tallystick.destinations.delivery_worker import DeliveryWorker
from tallystick.destinations.email_queue import CLAIM_SECONDS, EmailQueue
from tallystick.destinations.email_templates import Email
from tallystick.destinations.smtp import parse_mail_server
from tallystick.destinations.tables import mails
from tallystick.ids import new_uuid
from tests.destinations.mail_server import certificate, open_mailbox

SENDER, OWNER = "audit@example.com", "maya@acme.com"
EMAIL = Email("3 events go", "<b>Acme & Söhne</b> keeps 7 days.\n", "<p>Acme &amp; Söhne keeps 7 days.</p>\n")
PASSWORD = "s3cret p@ss"


def put(database: Database, recipient: str = OWNER, mail: Email = EMAIL, *, now: int | None = None):
    org_id = new_uuid(now_us())
    with database.write() as connection:
        email_queue.enqueue(connection, org_id, recipient, mail, now=now or now_us())
    return org_id


class Sender:
    """A worker with the queue of emails; a step sends what is due, and records how that went."""

    def __init__(self, database: Database, url: str) -> None:
        self.queue = EmailQueue(parse_mail_server(url, SENDER))
        self.worker = DeliveryWorker(database, self.queue)

    def step(self, now: int | None = None) -> bool:
        now = now_us() if now is None else now
        worked = self.worker.step(now)
        self.worker.wait_for_attempts()
        self.worker.step(now)
        return worked


def rows(database: Database):
    with database.read() as connection:
        return connection.execute(select(mails).order_by(mails.c.made_at)).all()


def test_a_mail_arrives_in_plain_text_and_in_html(database):
    put(database)
    with open_mailbox() as (mailbox, port):
        assert Sender(database, f"smtp://127.0.0.1:{port}").step()
        assert not Sender(database, f"smtp://127.0.0.1:{port}").step()
    [(recipients, content)] = mailbox.messages
    message = email.message_from_bytes(content, policy=default)
    assert recipients == [OWNER]
    assert (message["To"], message["Subject"]) == (OWNER, "3 events go")
    assert message["From"].addresses[0].addr_spec == SENDER
    plain, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "<b>Acme & Söhne</b> keeps 7 days." in plain
    assert "<p>Acme &amp; Söhne keeps 7 days.</p>" in html


def test_nothing_of_a_mail_is_kept_once_it_is_sent(database):
    put(database)
    with open_mailbox() as (_mailbox, port):
        Sender(database, f"smtp://127.0.0.1:{port}").step()
    [row] = rows(database)
    assert (row.state, row.recipient, row.subject, row.text, row.html) == ("sent", "", "", "", "")


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_a_mail_goes_encrypted_with_user_and_password(sqlite_database, tmp_path, monkeypatch, scheme):
    context, believed = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(believed))
    put(sqlite_database)
    kind = {"tls": context} if scheme == "smtps" else {"starttls": context}
    with open_mailbox(**kind, auth=scheme == "smtp+starttls") as (mailbox, port):
        # A server that speaks TLS from the first byte on does not know that it does, and takes no password.
        login = f"maya:{quote(PASSWORD)}@" if scheme == "smtp+starttls" else ""
        assert Sender(sqlite_database, f"{scheme}://{login}localhost:{port}").step()
        assert len(mailbox.messages) == 1
        assert mailbox.logins == ([(b"maya", PASSWORD.encode())] if login else [])


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_no_mail_goes_to_a_server_that_cannot_prove_who_it_is(sqlite_database, tmp_path, scheme):
    context, _ = certificate(tmp_path)
    put(sqlite_database)
    with open_mailbox(**({"tls": context} if scheme == "smtps" else {"starttls": context})) as (mailbox, port):
        Sender(sqlite_database, f"{scheme}://localhost:{port}").step()
        assert mailbox.messages == []
    [row] = rows(sqlite_database)
    assert row.state == "waiting"


def test_no_mail_goes_in_the_clear_where_encryption_is_asked_for(sqlite_database):
    put(sqlite_database)
    with open_mailbox() as (mailbox, port):
        Sender(sqlite_database, f"smtp+starttls://localhost:{port}").step()
        assert mailbox.messages == []


def test_a_server_that_is_away_is_asked_again_later_and_given_up_after_a_day(database):
    began = now_us()
    put(database, now=began)
    away = Sender(database, "smtp://127.0.0.1:1")
    assert away.step(began)
    assert not away.step(began + 59 * SECOND_US)
    now, attempts = began, 1
    while rows(database)[0].state == "waiting":
        now = rows(database)[0].next_at
        assert away.step(now)
        attempts += 1
    assert rows(database)[0].state == "given_up"
    assert now - began <= DAY_US + 3600 * SECOND_US
    assert 20 < attempts < 40
    assert rows(database)[0].text == ""


@pytest.mark.parametrize(("answer", "state"), [("451 later", "waiting"), ("554 never", "given_up")])
def test_a_refusal_for_good_ends_it_and_another_does_not(sqlite_database, answer, state):
    put(sqlite_database)
    with open_mailbox() as (mailbox, port):
        mailbox.answer = answer
        Sender(sqlite_database, f"smtp://127.0.0.1:{port}").step()
    assert rows(sqlite_database)[0].state == state


def test_a_wrong_password_stands_in_no_log_and_no_row(sqlite_database, tmp_path, monkeypatch, capsys):
    context, believed = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(believed))
    put(sqlite_database)
    with open_mailbox(starttls=context, auth=True) as (_mailbox, port):
        Sender(sqlite_database, f"smtp+starttls://maya:hunter2hunter2@localhost:{port}").step()
    [row] = rows(sqlite_database)
    said = capsys.readouterr()
    assert "rejected the user name or password" in row.problem
    assert "hunter2" not in repr(row) + said.out + said.err
    assert "hunter2" not in repr(parse_mail_server("smtp://maya:hunter2@localhost", SENDER))


def test_of_two_processes_one_sends_a_mail_and_one_that_dies_lets_the_other_send_it_later(database):
    put(database)
    now = now_us()
    dead = Sender(database, "smtp://127.0.0.1:1")
    with database.write() as connection:
        [lane] = dead.queue.due(connection, now)
        assert dead.queue.claim(connection, lane, now)
    with open_mailbox() as (mailbox, port):
        other = Sender(database, f"smtp://127.0.0.1:{port}")
        assert not other.step(now)
        assert other.step(now + (CLAIM_SECONDS + 1) * SECOND_US)
        assert len(mailbox.messages) == 1


def test_a_clock_that_was_ahead_and_is_set_back_keeps_no_mail_waiting(sqlite_database):
    ahead = now_us() + DAY_US
    put(sqlite_database, now=ahead)
    dead = Sender(sqlite_database, "smtp://127.0.0.1:1")
    with sqlite_database.write() as connection:
        [lane] = dead.queue.due(connection, ahead)
        assert dead.queue.claim(connection, lane, ahead)
    with open_mailbox() as (mailbox, port):
        assert Sender(sqlite_database, f"smtp://127.0.0.1:{port}").step()
        assert len(mailbox.messages) == 1


def test_a_mail_of_a_transaction_that_is_undone_is_not_sent(database):
    with pytest.raises(RuntimeError), database.write() as connection:
        email_queue.enqueue(connection, new_uuid(now_us()), OWNER, EMAIL, now=now_us())
        raise RuntimeError
    assert rows(database) == []

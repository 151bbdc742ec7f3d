"""What counts as an unreachable mail server, which all email rests for, and what concerns one message alone."""

import socket
import threading
from contextlib import contextmanager

import pytest

from tallystick.destinations.smtp import EmailNotSent, parse_mail_server, send_email
from tests.destinations.mail_server import certificate, open_mailbox

SENDER, OWNER = "audit@example.com", "maya@acme.com"


def server_at(port: int, scheme: str = "smtp"):
    return parse_mail_server(f"{scheme}://localhost:{port}", SENDER)


@contextmanager
def open_script(*answers: bytes):
    """The port of a mail server that gives these answers to one client, one for each line, and then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            client, _ = listening.accept()
            with client, client.makefile("rb") as lines:
                for place, text in enumerate(answers):
                    if place:
                        lines.readline()
                    client.sendall(text)
                lines.readline()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)


def failure(server, content: bytes = b"Subject: x\r\n\r\ntext\r\n") -> EmailNotSent:
    with pytest.raises(EmailNotSent) as caught:
        send_email(server, OWNER, content)
    return caught.value


def test_a_server_that_takes_no_connection_is_unreachable():
    assert failure(server_at(1)).unreachable


def test_a_server_whose_certificate_is_not_trusted_is_unreachable(tmp_path):
    context, _ = certificate(tmp_path)
    with open_mailbox(tls=context) as (_mailbox, port):
        assert failure(server_at(port, "smtps")).unreachable


def test_a_server_that_hangs_up_after_its_greeting_is_unreachable():
    with open_script(b"220 hello\r\n") as port:
        assert failure(server_at(port)).unreachable


def test_a_server_that_hangs_up_on_one_message_is_reachable():
    with open_script(b"220 hello\r\n", b"250 localhost\r\n") as port:
        problem = failure(server_at(port))
    assert not problem.unreachable
    assert not problem.permanent
    assert "broke off" in str(problem)

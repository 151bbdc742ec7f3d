"""Emails as bytes: whatever text others chose, the headers are those that Tallystick writes."""

import email
import re
from base64 import b64decode
from email.message import EmailMessage
from email.policy import compat32, default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.clock import now_us
from tallystick.destinations import mime
from tallystick.destinations.email_templates import Email
from tallystick.destinations.mime import Attachment, InvalidEmail, write_email
from tallystick.display_text import display_block, display_line

SENDER, OWNER = "audit@example.com", "maya@acme.com"
OURS = ["From", "To", "Date", "Message-ID", "Auto-Submitted", "Subject", "MIME-Version", "Content-Type"]
PLAIN = [*OURS, "Content-Transfer-Encoding"]
INJECTED = "=?utf-8?q?=0d=0aReply-To:_a@evil.test=0d=0aContent-Type:_text/html=0d=0a=0d=0a<h1>Reset</h1>?="
HOSTILE = [
    INJECTED, f"2 events of {INJECTED} within 10 minutes.", "😀_=?us-ascii?q?=ff?=", "=?utf-8?b?DQpCY2M6IGE=?=",
    "=?", "?=", "=?utf-8?q?=00?=", "x\r\nBcc: eve@evil.example", "x\nX-Other: 1", "x\r y", "x\x00", "x\u2028Bcc: y",
    "\ud800 half",
    "", " ", "a" * 3000, "ü" * 3000, "😀" * 400, "=?" * 90, "\u202eright to left", "\r\n\r\n<h1>body</h1>",
    "é\x0bx\x0cy\x1cz\x85",
]  # fmt: skip
BODIES = [
    *HOSTILE,
    "a\rb\rc",
    "\r\r\n\n\r",
    "." * 1000,
    ".\r\n.\r\n",
    "From me\n",
    "--===============1==--\n",
    "Ω" * 5000,
]
# Texts of what a header could trip over, beside any other text.
PIECES = st.sampled_from(
    ["=?", "?=", "=?utf-8?q?", "=0d=0a", "\r\n", "\r", "\n", " ", "Bcc: a@b.c", "\0", "😀", "\ud800"]
)
TEXTS = st.text(max_size=60) | st.lists(PIECES | st.text(st.characters(codec=None), max_size=5), max_size=12).map(
    "".join
)


def written(subject: str = "Subject", text: str = "text", recipient: str = OWNER, **more: object) -> bytes:
    return write_email(SENDER, recipient, Email(subject, text, f"<p>{text}</p>"), at=now_us(), **more)  # type: ignore[arg-type]


def head_of(content: bytes) -> list[tuple[str, str]]:
    """The headers, taken apart by hand: no header of the email package has a say in it."""
    head, _, _ = content.partition(b"\r\n\r\n")
    assert all(byte in (0x0D, 0x0A) or 0x20 <= byte < 0x7F for byte in head)
    unfolded = re.sub(r"\r\n ", " ", head.decode("ascii"))
    assert not re.search(r"[\r\n]", unfolded.replace("\r\n", ""))
    return [(name, value) for name, _, value in (line.partition(": ") for line in unfolded.split("\r\n"))]


def subject_of(content: bytes) -> str:
    """The subject, whose words are decoded by hand."""
    value = dict(head_of(content))["Subject"]
    if "=?" not in value:
        return value
    words = value.split(" ")
    assert all(re.fullmatch(r"=\?utf-8\?b\?[A-Za-z0-9+/=]+\?=", word) and len(word) <= 75 for word in words)
    return "".join(b64decode(word[10:-2]).decode() for word in words)


def assert_ours(content: bytes, subject: str) -> None:
    assert [name for name, _ in head_of(content)] == OURS
    assert all("=?" not in value for name, value in head_of(content) if name != "Subject")
    assert subject_of(content) == (display_line(subject, 180) or "(no subject)")
    parsed = email.message_from_bytes(content, policy=compat32)
    assert parsed.keys() == OURS
    assert [part.get_content_type() for part in parsed.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert all(len(line) <= 998 and not re.search(rb"[\r\n\0]", line) for line in content.split(b"\r\n"))


def text_of(content: bytes, kind: str = "text/plain") -> str:
    parsed = email.message_from_bytes(content, policy=compat32)
    [part] = [part for part in parsed.walk() if part.get_content_type() == kind]
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("subject", HOSTILE)
def test_a_hostile_subject_adds_no_header_and_no_body(subject):
    content = written(subject, "the text")
    assert_ours(content, subject)
    assert text_of(content) == "the text\n"


@given(TEXTS)
def test_whatever_a_subject_is_the_headers_are_ours_and_the_body_is_whole(subject):
    content = written(subject, "the text")
    assert_ours(content, subject)
    assert text_of(content) == "the text\n"


@pytest.mark.parametrize("text", BODIES)
def test_a_hostile_text_stays_in_the_body(text):
    content = written("Subject", text)
    assert_ours(content, "Subject")
    assert text_of(content).rstrip("\n") == display_block(text).rstrip("\n")
    assert text_of(content, "text/html").rstrip("\n") == display_block(f"<p>{text}</p>").rstrip("\n")


@given(TEXTS, TEXTS)
def test_whatever_subject_and_text_are_each_arrives_as_it_is_shown(subject, text):
    content = written(subject, text)
    assert_ours(content, subject)
    assert text_of(content).rstrip("\n") == display_block(text).rstrip("\n")


@pytest.mark.parametrize(
    "name", ["Team 👩\u200d💻", "می\u200cخواهم", "Acme\u00a0SA", "Ünïcode", "3 events go", "a?=b =? c"]
)
def test_a_subject_is_read_as_it_was_written(name):
    assert email.message_from_bytes(written(name), policy=default)["Subject"] == name


@pytest.mark.parametrize(
    "recipient",
    [
        "maya@acme.com\r\nBcc: eve@evil.example", "maya@acme.com, eve@evil.example", "", "maya", "maya@", "@acme.com",
        "=?utf-8?q?a=0d=0aBcc=3a_eve?=@acme.com", "maya@acme.com>", "<maya@acme.com", "ma ya@acme.com", "mäya@acme.com",
        '"maya\r\nBcc: x"@acme.com', "maya@acme.com\0", "maya@acme.com\u2028", "maya\ud800@acme.com", "a@b@acme.com",
    ],
)  # fmt: skip
def test_a_recipient_that_could_add_a_header_is_refused(recipient):
    with pytest.raises(InvalidEmail):
        written(recipient=recipient)


@given(TEXTS)
def test_whatever_a_recipient_is_it_is_one_address_or_refused(text):
    for recipient in (text, f"{text}@acme.com", f"maya@{text}"):
        try:
            content = written(recipient=recipient)
        except InvalidEmail:
            continue
        assert_ours(content, "Subject")
        assert dict(head_of(content))["To"] == recipient


def test_a_message_that_cannot_be_written_goes_with_a_plain_subject_and_its_text(monkeypatch):
    def fail(*_: object, **__: object) -> bytes:
        raise UnicodeEncodeError("ascii", "ü", 0, 1, "ordinal not in range")

    monkeypatch.setattr(EmailMessage, "as_bytes", fail)
    mail = Email("Sübject", "Fäct: 1\n", "<p>html</p>", plain_subject="Alert (threshold)")
    content = write_email(SENDER, OWNER, mail, at=now_us())
    assert [name for name, _ in head_of(content)] == PLAIN
    assert subject_of(content) == "Alert (threshold)"
    assert email.message_from_bytes(content, policy=default).get_content() == "Fäct: 1\n"


def test_a_header_that_is_not_ours_is_found_before_the_message_leaves(monkeypatch):
    """As on an interpreter whose email package writes line breaks of a subject out."""
    monkeypatch.setattr(mime, "_encode_subject", lambda subject: subject)
    content = written("x\r\nReply-To: eve@evil.example", "the text")
    with pytest.raises(InvalidEmail):
        write_email(SENDER, OWNER, Email("x\r\nBcc: y", "", "", plain_subject="x\r\nBcc: y"), at=now_us())
    assert subject_of(content) == "Message from Tallystick"
    assert b"Reply-To" not in content


@pytest.mark.parametrize("name", ['a".csv', "a\r\nX: y", "=?utf-8?q?=0d=0a?=", "../a.csv", "ä.csv", ""])
def test_the_name_of_an_attachment_is_plain_or_there_is_none(name):
    with pytest.raises(InvalidEmail):
        written(attachment=Attachment(name, "text/csv", b"1"))


def test_an_attachment_arrives_byte_by_byte():
    content = written(attachment=Attachment("audit-log.csv", "text/csv", b"\0\r\r\n\xff" * 500))
    [part] = email.message_from_bytes(content, policy=default).iter_attachments()
    assert part.get_payload(decode=True) == b"\0\r\r\n\xff" * 500
    assert (part.get_filename(), part.get_content_type()) == ("audit-log.csv", "text/csv")

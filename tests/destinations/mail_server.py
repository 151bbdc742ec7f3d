"""A real mail server: what it took, and what it is to refuse."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fixtures.network import find_free_port


class Mailbox:
    """Takes mail, or answers `answer` to each; `messages` are what was taken, with the recipients.

    It takes none for those that are `refused`, none of more than `most` bytes, and none with what it `refuses`.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], bytes]] = []
        self.answer = "250 OK"
        self.refused: set[str] = set()
        self.most = 1 << 25
        self.refuses: bytes | None = None
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 nobody here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if len(envelope.content or b"") > self.most:
            return "552 too large"
        if self.refuses is not None and self.refuses in (envelope.content or b""):
            return "554 looks like spam"
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.messages.append((list(envelope.rcpt_tos), envelope.content))
        return self.answer

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"s3cret p@ss", handled=False)


@contextmanager
def open_mailbox(
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    auth: bool = False,
    size: int | None = None,
) -> Iterator[tuple[Mailbox, int]]:
    """The mailbox and its port, on this machine; `size` is what it announces to take."""
    mailbox = Mailbox()
    options = {"authenticator": mailbox.login, "auth_required": True, "auth_require_tls": True} if auth else {}
    options |= {} if size is None else {"data_size_limit": size}
    controller = Controller(
        mailbox, hostname="127.0.0.1", port=find_free_port(), ssl_context=tls, tls_context=starttls,
        require_starttls=starttls is not None, server_hostname="localhost", **options,
    )  # fmt: skip
    controller.start()
    try:
        yield mailbox, controller.port
    finally:
        controller.stop()


def certificate(home: Path, name: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate of its own, and the file that lets it be believed."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    held, believed = home / f"{name}.pem", home / f"{name}.crt"
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    held.write_bytes(private + public)
    believed.write_bytes(public)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(held)
    return context, believed

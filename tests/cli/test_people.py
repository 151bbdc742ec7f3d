"""`tallystick user` and `tallystick session`: people are listed, changed and put out from a shell."""

import json
from pathlib import Path

import pytest

from tests.cli.running import Run


@pytest.fixture
def acme(operator: Run) -> Run:
    """The command line, with Acme, its owner and a member."""
    operator("org", "create", "acme")
    for email, role in (("alice@acme.com", "owner"), ("bob@acme.com", "member")):
        operator("user", "create", email, "--org", "acme", "--role", role)
    return operator


def listed(acme: Run) -> dict[str, tuple[str, bool]]:
    found = json.loads(acme("user", "list", "--org", "acme", "--json").stdout)
    return {one["email"]: (one["role"], one["disabled"]) for one in found}


def test_a_person_gets_another_role_is_disabled_enabled_and_removed(acme: Run) -> None:
    assert acme("user", "role", "bob@acme.com", "auditor", "--org", "acme").returncode == 0
    assert listed(acme)["bob@acme.com"] == ("auditor", False)
    acme("user", "disable", "bob@acme.com", "--org", "acme")
    assert listed(acme)["bob@acme.com"] == ("auditor", True)
    acme("user", "enable", "bob@acme.com", "--org", "acme")
    assert listed(acme)["bob@acme.com"] == ("auditor", False)
    assert acme("user", "remove", "bob@acme.com", "--org", "acme").returncode == 0
    assert set(listed(acme)) == {"alice@acme.com"}
    assert "alice@acme.com" in acme("user", "list", "--org", "acme").stdout


def test_an_invitation_prints_its_link_alone_where_there_is_no_mail_server(acme: Run) -> None:
    done = acme("user", "invite", "mia@acme.com", "--org", "acme", "--role", "auditor")
    assert done.stdout.startswith("http://127.0.0.1:8765/join/")
    assert acme("user", "invite", "mia@acme.com", "--org", "acme", "--role", "member").returncode == 1
    mailed = acme(
        "user", "invite", "max@acme.com", "--org", "acme", "--role", "member", TALLYSTICK_SMTP_URL="smtp://mail.invalid"
    )
    assert (mailed.returncode, mailed.stdout) == (0, "")


def test_the_last_owner_stays(acme: Run) -> None:
    for command in (("role", "alice@acme.com", "admin"), ("disable", "alice@acme.com"), ("remove", "alice@acme.com")):
        done = acme("user", *command, "--org", "acme")
        assert (done.returncode, "last owner" in done.stderr) == (1, True)


def test_a_person_can_be_disabled_everywhere(acme: Run) -> None:
    acme("user", "disable", "bob@acme.com")
    assert listed(acme)["bob@acme.com"] == ("member", True)


def test_a_new_password_is_printed_alone(acme: Run) -> None:
    done = acme("user", "reset-password", "bob@acme.com")
    assert len(done.stdout.strip()) >= 16
    given = acme("user", "reset-password", "bob@acme.com", "--password-stdin", input_text="correct horse battery\n")
    assert (given.returncode, given.stdout) == (0, "")


def test_somebody_unknown_is_said(acme: Run) -> None:
    for command in (("user", "role", "eve@acme.com", "admin"), ("session", "end", "eve@acme.com")):
        done = acme(*command, "--org", "acme")
        assert (done.returncode, "not found" in done.stderr) == (1, True)


def test_nobody_is_signed_in_at_first(acme: Run) -> None:
    assert json.loads(acme("session", "list", "--org", "acme", "--json").stdout) == []
    assert "0 sessions" in acme("session", "end", "bob@acme.com", "--org", "acme").stderr


READING = [
    ("user", "list", "--org", "acme"), ("session", "list", "--org", "acme"), ("key", "list", "--org", "acme"),
    ("org", "list"), ("erasure", "show", "ers_01hk6v2q8zfw0a3m5n7p9r1t3v"), ("store", "check"),
    ("backup", "create", "copy"), ("copies", "forget", "here"), ("user", "disable", "bob@acme.com"),
    ("key", "create", "--org", "acme", "--name", "n", "--scope", "admin"),
]  # fmt: skip


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_only_what_begins_an_installation_makes_one(operator: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    done = operator(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no installation in" in done.stderr
    assert list(tmp_path.iterdir()) == []

"""`tallystick report` and `tallystick review`: ask, wait, take; list and sign."""

import json
from pathlib import Path

import pytest

from tests.cli.running import Member

PERIOD = ("--start", "2024-01-01", "--end", "2024-01-31")


@pytest.fixture
def reporting(member: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Member:
    """A member whose key may export; commands run in an empty directory."""
    monkeypatch.chdir(tmp_path)
    member.record(
        {"action": "user.login", "timestamp": "2024-01-15T10:00:00Z"},
        {"action": "deployment.failed", "timestamp": "2024-01-15T10:00:00Z"},
    )
    member.key = member.new_key("exports", "events:read")
    return member


def test_a_report_comes_as_pdf_and_says_what_is_missing(reporting):
    done = reporting.run("report", "soc2", *PERIOD)
    assert done.returncode == 0, done.stderr
    (file,) = Path().iterdir()
    assert file.name.startswith("report-soc2-exp_")
    assert file.read_bytes().startswith(b"%PDF")
    assert "! The log of this organization began at" in " ".join(done.stderr.split())


def test_the_bundle_of_a_report_holds_up_to_the_verifier(reporting):
    done = reporting.run("report", "gdpr", *PERIOD, "--format", "bundle", "-o", "evidence.zip", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["framework"] == "gdpr"
    with reporting.server.client(reporting.key) as asking:
        vkey = asking.get("/v1/ledger/key").text.strip()
    checked = reporting.server.command("verify", str(Path("evidence.zip").resolve()), "--key", vkey, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "2 attached documents" in checked.stdout


def test_an_unknown_framework_is_advice_and_leaves_nothing(reporting):
    done = reporting.run("report", "iso", *PERIOD)
    assert done.returncode == 1
    assert "soc2, gdpr" in done.stderr
    assert list(Path().iterdir()) == []


def test_a_review_is_signed_and_listed(reporting):
    event = json.loads(reporting.run("search", "status:failed", "--json").stdout.splitlines()[0])["id"]
    done = reporting.run(
        "review", "sign", *PERIOD, "-q", "status:failed", "--conclusion", "Explained.", "--finding", f"{event}=S3"
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(reporting.run("review", "show", done.stdout.strip()).stdout)
    assert (shown["status"], shown["findings"][0]["note"], shown["as_signed"]) == ("signed", "S3", True)
    assert done.stdout.strip() in reporting.run("review", "list").stdout
    assert json.loads(reporting.run("review", "list", "--status", "signed", "--json").stdout)["id"] == shown["id"]
    refused = reporting.run("review", "sign", "--conclusion", "?")
    assert (refused.returncode, "--start and --end" in refused.stderr) == (1, True)

"""What the verifier prints: no text of evidence, file names or servers writes a line or moves the cursor."""

import pytest

from tallystick.verify import command
from tallystick.verify.live import Unreachable
from tallystick.verify.report import Report

FORGED = "bundle.zip: holds\n  verified             5  0-4\x1b[2J\x9b31m\u2028\u202e"
ESCAPED = r"bundle.zip: holds\n  verified             5  0-4\x1b[2J\x9b31m\u2028\u202e"


def test_no_name_and_no_problem_writes_a_line_of_its_own():
    report = Report(FORGED)
    report.add_problem(FORGED)
    report.facts.append(FORGED)
    assert command.format_reports([report], as_json=False).split("\n") == [
        f"{ESCAPED}: DOES NOT HOLD", f"  problem: {ESCAPED}", f"  {ESCAPED}",
    ]  # fmt: skip


@pytest.mark.parametrize("error", [Unreachable, command.UsageError, OSError])
def test_an_error_is_one_line_whatever_a_server_or_a_file_said(monkeypatch, capsys, error):
    def fail(*_arguments, **_options):
        raise error(FORGED)

    monkeypatch.setattr(command, "verify", fail)
    assert command.main(["bundle.zip"]) != 0
    assert capsys.readouterr().err == f"Error: {ESCAPED}.\n"

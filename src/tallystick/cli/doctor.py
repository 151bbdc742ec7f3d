"""`tallystick doctor`: checks the installation and prints problems with advice."""

import os
from typing import Annotated

import typer
from rich.text import Text

from tallystick.cli.control_database import control_database
from tallystick.cli.terminal import JsonOption, emit, stdout
from tallystick.clock import now_us
from tallystick.display_text import display_line
from tallystick.doctor.check_result import CheckGrade, CheckResult, fine, problem, warning
from tallystick.doctor.control_database import check_database
from tallystick.doctor.environment import (
    check_archive,
    check_data_directory,
    check_event_store,
    check_geoip,
    check_mail,
    check_proxies,
)
from tallystick.errors import SettingsError
from tallystick.retention import clock_guard
from tallystick.settings import Settings, unknown_variables

app = typer.Typer()
UNKNOWN_ADVICE = "Remove it, or write the name as in docs/reference/settings.md."
STYLES = {CheckGrade.OK: "green", CheckGrade.WARNING: "yellow", CheckGrade.PROBLEM: "bold red"}


@app.command()
def doctor(
    accept_clock: Annotated[
        bool, typer.Option("--accept-clock", help="Confirm that the clock is right, so that the purge continues.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check settings, data directory, databases, clock, logs, pending work, and the last backup.

    For each problem it says what to do. It also works while the server is running. The exit status is 1 if there is a
    problem; warnings do not count.
    """
    if accept_clock:
        with control_database() as database, database.write() as connection:
            clock_guard.accept_clock(connection, now_us())
    found = _run_checks()
    if json:
        emit(found)
    else:
        for finding in found:
            _print_result(finding)
    if any(finding.grade is CheckGrade.PROBLEM for finding in found):
        raise typer.Exit(1)


def _run_checks() -> list[CheckResult]:
    try:
        settings = Settings.load(os.environ, make=False)
    except SettingsError as error:
        return [problem("settings", error.detail, "Fix this first; nothing else can be checked until then.")]
    return [
        fine("settings", "Valid."),
        *(warning("settings", sentence, UNKNOWN_ADVICE) for sentence in unknown_variables(os.environ)),
        *check_data_directory(settings),
        *check_database(settings),
        *check_event_store(settings),
        *check_proxies(settings),
        *check_archive(settings),
        *check_geoip(settings),
        *check_mail(settings),
    ]


def _print_result(finding: CheckResult) -> None:
    line = Text.assemble((f"{finding.grade.value:<8}", STYLES[finding.grade]), f"{finding.name}: ")
    line.append(display_line(finding.words))
    stdout.print(line, soft_wrap=True)
    if finding.advice:
        stdout.print(Text(f"{'':<8}→ {display_line(finding.advice)}"), soft_wrap=True)

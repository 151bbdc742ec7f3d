"""`tallystick doctor`: is everything as it has to be?"""

import os
from typing import Annotated

import typer
from rich.text import Text

from tallystick.cli.control import control_database
from tallystick.cli.terminal import emit, results, visible
from tallystick.clock import now_us
from tallystick.doctor.finding import Finding, Grade, fine, problem
from tallystick.doctor.machine import look_at_archive, look_at_data, look_at_mail, look_at_store
from tallystick.doctor.records import look_at_database
from tallystick.errors import SettingsError
from tallystick.retention import clock_guard
from tallystick.settings import Settings

app = typer.Typer()
STYLES = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.PROBLEM: "bold red"}


@app.command()
def doctor(
    accept_clock: Annotated[
        bool, typer.Option("--accept-clock", help="Confirm that the clock is right, so that the purge continues.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check settings, data directory, databases, clock, logs, pending work, and the last backup.

    For each problem it says what to do. It also works while the server is running. The exit status is 1 if there is a
    problem; warnings do not count.
    """
    if accept_clock:
        with control_database() as database, database.write() as connection:
            clock_guard.accept_clock(connection, now_us())
    found = _look()
    if json:
        emit(found)
    else:
        for finding in found:
            _print(finding)
    if any(finding.grade is Grade.PROBLEM for finding in found):
        raise typer.Exit(1)


def _look() -> list[Finding]:
    try:
        settings = Settings.load(os.environ, make=False)
    except SettingsError as error:
        return [problem("settings", error.detail, "Fix this first; nothing else can be checked until then.")]
    return [
        fine("settings", "Valid."),
        *look_at_data(settings),
        *look_at_database(settings),
        *look_at_store(settings),
        *look_at_archive(settings),
        *look_at_mail(settings),
    ]


def _print(finding: Finding) -> None:
    line = Text.assemble((f"{finding.grade.value:<8}", STYLES[finding.grade]), f"{finding.name}: ")
    line.append(visible(finding.words))
    results.print(line, soft_wrap=True)
    if finding.advice:
        results.print(Text(f"{'':<8}→ {visible(finding.advice)}"), soft_wrap=True)

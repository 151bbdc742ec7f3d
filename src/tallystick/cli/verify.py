"""`tallystick verify`: verifies bundles and proofs offline, or a server from outside."""

from typing import Annotated

import typer

from tallystick.cli.terminal import CommandFailed, fail, say
from tallystick.verify.command import DESCRIPTION, FAILS, OPTIONS, USAGE, UsageError, format_reports
from tallystick.verify.command import verify as check
from tallystick.verify.live import Unreachable

app = typer.Typer()


@app.command(help=DESCRIPTION)
def verify(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE…", help=OPTIONS["files"])] = None,
    key: Annotated[list[str] | None, typer.Option(metavar="VKEY", help=OPTIONS["key"])] = None,
    checkpoint: Annotated[str, typer.Option(metavar="FILE", help=OPTIONS["checkpoint"])] = "",
    url: Annotated[str, typer.Option(metavar="URL", help=OPTIONS["url"])] = "",
    event: Annotated[list[str] | None, typer.Option(metavar="ID", help=OPTIONS["event"])] = None,
    save: Annotated[str, typer.Option(metavar="FILE", help=OPTIONS["save"])] = "",
    json: Annotated[bool, typer.Option("--json", help=OPTIONS["json"])] = False,
) -> None:
    try:
        reports = check(files or [], key or [], checkpoint=checkpoint, url=url, events=event or [], save=save)
    except UsageError as error:
        fail(f"{error}.")
        raise typer.Exit(USAGE) from None
    except Unreachable as error:
        raise CommandFailed(f"{error}.") from None
    say(format_reports(reports, as_json=json))
    if not all(report.holds for report in reports):
        raise typer.Exit(FAILS)

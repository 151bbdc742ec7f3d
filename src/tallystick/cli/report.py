"""`tallystick report`: requests a compliance report, waits for it and downloads it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tallystick.cli.client import Client
from tallystick.cli.export import download, wait_until_finished, write_atomically
from tallystick.cli.terminal import JsonOption, emit, note

app = typer.Typer()

PATH = "/v1/reports"
EXPORTS = "/v1/exports"
SUFFIXES = {"bundle": "zip"}


class ReportFormat(StrEnum):
    """A downloadable format of a report."""

    pdf = "pdf"
    json = "json"
    bundle = "bundle"


@app.command()
def report(
    framework: Annotated[str, typer.Argument(metavar="FRAMEWORK", help="soc2, gdpr, or your own framework.")],
    start: Annotated[str, typer.Option(help="Start date or time, inclusive.")],
    end: Annotated[str, typer.Option(help="End time (exclusive), or last date (inclusive).")],
    tz: Annotated[str, typer.Option(help="Time zone of dates, and of the times in the PDF. Defaults to UTC.")] = "",
    kind: Annotated[
        ReportFormat, typer.Option("--format", "-f", help="pdf, json, or bundle (the evidence).")
    ] = ReportFormat.pdf,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")] = None,
    json: JsonOption = False,
) -> None:
    """Create a compliance report for a period: gaps, controls, questions and their evidence.

    The key needs the scope exports. The bundle contains every event behind the numbers with its proof, the report as
    PDF and JSON, and its reviews. Check it with `tallystick verify`.

    For example: tallystick report soc2 --start 2024-01-01 --end 2024-03-31
    """
    client = Client.from_environment()
    request = {"framework": framework, "start": start, "end": end, **({"tz": tz} if tz else {})}
    report_info = wait_until_finished(client, PATH, client.send("POST", PATH, request)["id"], "Creating the report")
    target = output or Path(f"report-{framework}-{report_info['id']}.{SUFFIXES.get(kind, kind)}")
    if kind == ReportFormat.bundle:
        evidence = client.send("POST", f"{PATH}/{report_info['id']}/evidence", None)
        bundle = wait_until_finished(client, EXPORTS, evidence["id"], "Creating the bundle")
        write_atomically(
            target, lambda file: download(client, f"{EXPORTS}/{bundle['id']}/download", bundle["sha256"], file)
        )
    else:
        path = f"{PATH}/{report_info['id']}/{'content' if kind == ReportFormat.json else 'pdf'}"
        digest = report_info["sha256"] if kind == ReportFormat.json else ""
        write_atomically(target, lambda file: download(client, path, digest, file))
    if json:
        emit(report_info)
    note(f"{framework}, {report_info['rows']:,} events in the period: {target}")
    _print_gaps(client, report_info)


def _print_gaps(client: Client, report_info: dict[str, Any]) -> None:
    """Prints the gaps of the report, as every format of a report begins with them."""
    content = client.get(f"{PATH}/{report_info['id']}/content", {})
    for gap in content["gaps"]:
        note(f"! {gap['says']}")

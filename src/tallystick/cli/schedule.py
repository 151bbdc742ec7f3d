"""`tallystick schedule`: exports that go out each day, week or month."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.cli.client import Client
from tallystick.cli.control_database import CLI_CALLER, control_database
from tallystick.cli.export import (
    ColumnsOption,
    CsvColumnChoice,
    CsvDialectChoice,
    DialectOption,
    ExportFormat,
    FilterOption,
)
from tallystick.cli.terminal import JsonOption, counted, emit, id_argument, note, print_table, say
from tallystick.clock import now_us
from tallystick.schedules import changes

app = typer.Typer()
schedule = typer.Typer(no_args_is_help=True, help="Send exports every day, week or month.")
app.add_typer(schedule, name="schedule")

PATH = "/v1/export-schedules"
ScheduleId = Annotated[str, id_argument("SCHEDULE")]


class Frequency(StrEnum):
    """How often a scheduled export runs."""

    daily = "daily"
    weekly = "weekly"
    monthly = "monthly"


class ExportMode(StrEnum):
    """Which events each file of a scheduled export contains."""

    new = "new"
    period = "period"


@schedule.command()
def create(
    frequency: Annotated[Frequency, typer.Argument(help="How often to send it.")],
    to: Annotated[list[str] | None, typer.Option(help="Email address of a recipient. Can be repeated.")] = None,
    kind: Annotated[ExportFormat, typer.Option("--format", "-f", help="Format of the file.")] = ExportFormat.csv,
    at: Annotated[str, typer.Option(help="Local time.")] = "07:00",
    weekday: Annotated[str, typer.Option(help="Day of a weekly schedule, such as monday.")] = "",
    day: Annotated[int | None, typer.Option(help="Day of a monthly schedule. 31 is the last day of the month.")] = None,
    timezone: Annotated[str, typer.Option(help="Time zone, such as Europe/Berlin.")] = "UTC",
    mode: Annotated[
        ExportMode,
        typer.Option(help="new: events since the last file, each once. period: the previous day, week or month."),
    ] = ExportMode.new,
    from_now: Annotated[bool, typer.Option("--from-now", help="Leave out events recorded so far.")] = False,
    to_directory: Annotated[
        bool, typer.Option("--to-directory", help="Also save the file in the operator's directory.")
    ] = False,
    name: Annotated[str, typer.Option(help="Name.")] = "",
    query: Annotated[str, typer.Option("--query", "-q", help="Search query, as in tallystick search.")] = "",
    user: FilterOption = None,
    action: FilterOption = None,
    status: FilterOption = None,
    category: FilterOption = None,
    resource: FilterOption = None,
    resource_type: FilterOption = None,
    ip: FilterOption = None,
    columns: ColumnsOption = CsvColumnChoice.default,
    dialect: DialectOption = CsvDialectChoice.standard,
    json: JsonOption = False,
) -> None:
    """Schedule an export of matching events. The key needs the scope exports.

    For example: tallystick schedule create weekly --weekday monday --at 07:30 --to you@example.com --status failed
    """
    given: dict[str, Any] = {
        "q": query, "user": user, "action": action, "status": status, "category": category, "resource": resource,
        "resource_type": resource_type, "ip": ip,
    }  # fmt: skip
    wanted = {
        "frequency": frequency.value, "recipients": to or [], "format": kind.value, "at": at, "timezone": timezone,
        "weekday": weekday.lower() or None, "day": day, "mode": mode.value, "past": not from_now,
        "columns": columns.value, "dialect": dialect.value, "to_directory": to_directory, "name": name,
        "filter": {key: value for key, value in given.items() if value},
    }  # fmt: skip
    _print_schedule(Client.from_environment().send("POST", PATH, wanted), json)


@schedule.command("list")
def list_schedules(json: JsonOption = False) -> None:
    """List scheduled exports, newest first."""
    found: list[dict[str, Any]] = Client.from_environment().get(PATH, {})["data"]
    if json:
        for one in found:
            emit(one)
    else:
        titles = ("Schedule", "Name", "When", "Format", "To", "Next", "Last")
        print_table(titles, map(_row, found), whole=("Schedule",))
    note(f"{counted(len(found), 'schedule')}.")


@schedule.command()
def show(public_id: ScheduleId) -> None:
    """Show one as JSON."""
    emit(Client.from_environment().get(f"{PATH}/{public_id}", {}))


@schedule.command()
def runs(public_id: ScheduleId) -> None:
    """List the latest runs of a schedule as JSON, one per line."""
    for one in Client.from_environment().get(f"{PATH}/{public_id}/runs", {})["data"]:
        emit(one)


@schedule.command()
def run(public_id: ScheduleId, json: JsonOption = False) -> None:
    """Run a schedule now, in addition to its regular times."""
    _print_schedule(Client.from_environment().send("POST", f"{PATH}/{public_id}/run", None), json)


@schedule.command()
def pause(public_id: ScheduleId, json: JsonOption = False) -> None:
    """Pause a schedule."""
    _print_schedule(Client.from_environment().send("PATCH", f"{PATH}/{public_id}", {"enabled": False}), json)


@schedule.command()
def resume(public_id: ScheduleId, json: JsonOption = False) -> None:
    """Resume a schedule. One that had ended then contains what this key can see."""
    _print_schedule(Client.from_environment().send("PATCH", f"{PATH}/{public_id}", {"enabled": True}), json)


@schedule.command()
def consent(public_id: ScheduleId, org: Annotated[str, typer.Option(help="The organization's short name.")]) -> None:
    """Approve recipients outside the organization, as the operator. Owners do it on the page Exports."""
    with control_database() as database, database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, org).org_id)
        changes.consent(connection, scope, public_id, now=now_us(), caller=CLI_CALLER)
    note(f"Recipients of {public_id} get the next file.")


@schedule.command()
def delete(public_id: ScheduleId) -> None:
    """Delete a schedule. Files already sent are not affected."""
    Client.from_environment().send("DELETE", f"{PATH}/{public_id}", None)
    note(f"Deleted {public_id}.")


def _print_schedule(item: dict[str, Any], json: bool) -> None:
    if json:
        emit(item)
        return
    say(item["id"])
    waiting = [who["address"] for who in item["recipient_states"] if who["status"] == "waiting_for_consent"]
    if waiting:
        note(f"Waiting for an owner's approval: {', '.join(waiting)}.")
    if item["next_run_at"]:
        note(f"Next: {item['next_run_at'][:16].replace('T', ' ')} UTC.")


def _row(item: dict[str, Any]) -> list[str]:
    when = f"{item['frequency']} {item['weekday'] or item['day'] or ''} {item['at']} {item['timezone']}"
    last = item["last_run"]
    following = (item["next_run_at"] or "").replace("T", " ")[:16] or ("ended" if item["stopped"] else "paused")
    cells = (
        item["id"], item["name"], " ".join(when.split()), item["format"],
        ", ".join(item["recipients"]) + (" and the directory" if item["to_directory"] else ""), following,
        last["status"] if last else "not run yet",
    )  # fmt: skip
    return list(map(str, cells))

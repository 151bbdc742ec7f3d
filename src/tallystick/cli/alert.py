"""`tallystick alert`: lists alerts, manages alert rules, runs back-tests and rule tests."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tallystick.alerts.rule_tests import failures
from tallystick.alerts.rules_file import read_rules
from tallystick.cli.client import Client
from tallystick.cli.terminal import JsonOption, counted, emit, id_argument, note, print_table, say
from tallystick.display_text import display_line

app = typer.Typer()
alert = typer.Typer(no_args_is_help=True, help="Manage alert rules and alerts.")
app.add_typer(alert, name="alert")

RULES, ALERTS, DETECTIONS = "/v1/alert-rules", "/v1/alerts", "/v1/detections"
RuleId = Annotated[str, id_argument("RULE")]
RulesFile = Annotated[Path, typer.Argument(metavar="FILE", help="YAML file with rules.", exists=True, dir_okay=False)]


@alert.command("list")
def list_alerts(
    state: Annotated[str, typer.Option(help="open or acknowledged.")] = "",
    rule: Annotated[str, typer.Option(help="ID of a rule.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number to show.")] = 50,
    json: JsonOption = False,
) -> None:
    """List alerts, newest first."""
    asked: dict[str, str | int] = {name: value for name, value in (("state", state), ("rule", rule)) if value}
    found: list[dict[str, Any]] = Client.from_environment().get(ALERTS, asked | {"limit": limit})["data"]
    if json:
        for one in found:
            emit(one)
    else:
        titles = ("Alert", "Fired", "Severity", "Rule", "What happened", "Status")
        rows = ([one["id"], one["fired_at"].replace("T", " ")[:19], one["severity"], one["rule"]["name"],
                 one["sentence"], one["state"]] for one in found)  # fmt: skip
        print_table(titles, rows, whole=("Alert", "Fired"))
    note(f"{counted(len(found), 'alert')}.")


@alert.command()
def show(public_id: Annotated[str, id_argument("ALERT")]) -> None:
    """Show one as JSON."""
    emit(Client.from_environment().get(f"{ALERTS}/{public_id}", {}))


@alert.command()
def acknowledge(
    public_id: Annotated[str, id_argument("ALERT")],
    said: Annotated[str, typer.Option("--note", help="A note to keep with the alert.")] = "",
) -> None:
    """Acknowledge an alert."""
    Client.from_environment().send("POST", f"{ALERTS}/{public_id}/acknowledge", {"note": said})
    note(f"Acknowledged {public_id}.")


@alert.command()
def rules(json: JsonOption = False) -> None:
    """List the rules of the organization by name."""
    found: list[dict[str, Any]] = Client.from_environment().get(RULES, {})["data"]
    if json:
        for one in found:
            emit(one)
    else:
        rows = ([one["id"], one["name"], one["words"], one["severity"], _rule_state(one)] for one in found)
        print_table(("Rule", "Name", "Fires on", "Severity", "Status"), rows, whole=("Rule",))
    note(f"{counted(len(found), 'rule')}.")


@alert.command()
def detections(json: JsonOption = False) -> None:
    """List the built-in rules and whether they are on."""
    found: list[dict[str, Any]] = Client.from_environment().get(DETECTIONS, {})["data"]
    if json:
        for one in found:
            emit(one)
    else:
        rows = ([one["id"], "on" if one["enabled"] else "off", one["severity"], one["about"]] for one in found)
        print_table(("Detection", "Status", "Severity", "About"), rows, whole=("Detection",))
    note(f"{counted(len(found), 'detection')}.")


@alert.command()
def enable(which: Annotated[str, id_argument("DETECTION|RULE")]) -> None:
    """Turn a detection or a rule on."""
    client = Client.from_environment()
    if which.startswith("rul_"):
        one = client.send("PATCH", f"{RULES}/{which}", {"enabled": True})
    else:
        one = client.send("POST", f"{DETECTIONS}/{which}/enable", None)
    say(one["id"])


@alert.command()
def disable(public_id: RuleId) -> None:
    """Turn a rule off. This is recorded."""
    Client.from_environment().send("PATCH", f"{RULES}/{public_id}", {"enabled": False})
    note(f"{public_id} is off.")


@alert.command()
def mute(
    public_id: RuleId,
    hours: Annotated[float, typer.Option(min=0, help="Number of hours. 0 unmutes the rule.")] = 24.0,
) -> None:
    """Mute a rule: it still creates alerts, but sends nothing."""
    Client.from_environment().send("POST", f"{RULES}/{public_id}/mute", {"seconds": round(hours * 3600)})
    note(f"{public_id} is muted." if hours else f"{public_id} is not muted.")


@alert.command()
def delete(public_id: RuleId) -> None:
    """Delete a rule. Its alerts are kept."""
    Client.from_environment().send("DELETE", f"{RULES}/{public_id}", None)
    note(f"Deleted {public_id}.")


@alert.command()
def backtest(
    public_id: RuleId,
    start: Annotated[str, typer.Option(help="Start of the period. Defaults to the last 30 days.")] = "",
    end: Annotated[str, typer.Option(help="End of the period.")] = "",
    json: JsonOption = False,
) -> None:
    """Show what a rule would have caught in the past."""
    found = Client.from_environment().send("POST", f"{RULES}/{public_id}/backtest", {"start": start, "end": end})
    if json:
        emit(found)
        return
    print_table(("Day", "Alerts"), ([day, str(number)] for day, number in found["per_day"].items()))
    for one in found["groups"]:
        say(f"{one['firings']:>6}  {display_line(one['group'] or 'everything')}")
    note(
        f"{counted(found['firings'], 'alert')} from {counted(found['matching_events'], 'matching event')}, "
        f"in {found['seconds']} s."
    )


@alert.command("import")
def import_rules(file: RulesFile) -> None:
    """Import rules from a YAML file. Existing rules with the same name are updated."""
    taken = Client.from_environment().send_text("POST", f"{RULES}/import", file.read_text(), "application/yaml")
    for one in taken["data"]:
        say(one["id"])
    note(f"Imported {counted(len(taken['data']), 'rule')}.")


@alert.command("export")
def export_rules() -> None:
    """Print the rules of the organization as YAML."""
    say(Client.from_environment().text(RULES, accept="application/yaml").rstrip())


@alert.command()
def test(file: RulesFile) -> None:
    """Run the tests in a rules file. No server is needed."""
    read = read_rules(file.read_text())
    wrong = [problem for one in read for problem in failures(one.name, one.definition, one.tests)]
    for problem in wrong:
        say(display_line(problem))
    number = sum(len(one.tests) for one in read)
    note(f"{counted(len(read), 'rule')}, {counted(number, 'test')}, {len(wrong)} failed.")
    if wrong:
        raise typer.Exit(1)


def _rule_state(rule: dict[str, Any]) -> str:
    if not rule["enabled"]:
        return "off"
    return "muted" if rule["muted_until"] else "learning" if rule["learning"] else "on"

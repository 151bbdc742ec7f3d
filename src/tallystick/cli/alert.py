"""`tallystick alert`: rules, what they found, what they would have found."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tallystick.alerts.rule_tests import failures
from tallystick.alerts.rules_file import read_rules
from tallystick.cli.client import Client
from tallystick.cli.terminal import emit, id_of, listing, note, say, visible

app = typer.Typer()
alert = typer.Typer(no_args_is_help=True, help="Rules that watch the trail, and what they found.")
app.add_typer(alert, name="alert")

RULES, ALERTS, DETECTIONS = "/v1/alert-rules", "/v1/alerts", "/v1/detections"
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON, one a line.")]
Rule = Annotated[str, id_of("RULE")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="Rules as YAML.", exists=True, dir_okay=False)]


@alert.command("list")
def list_alerts(
    state: Annotated[str, typer.Option(help="open or acknowledged.")] = "",
    rule: Annotated[str, typer.Option(help="The id of a rule.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    json: Json = False,
) -> None:
    """What rules found, newest first."""
    asked: dict[str, str | int] = {name: value for name, value in (("state", state), ("rule", rule)) if value}
    found: list[dict[str, Any]] = Client.from_environment().get(ALERTS, asked | {"limit": limit})["data"]
    if json:
        for one in found:
            emit(one)
    else:
        titles = ("Alert", "Fired", "Severity", "Rule", "What happened", "State")
        rows = ([one["id"], one["fired_at"].replace("T", " ")[:19], one["severity"], one["rule"]["name"],
                 one["sentence"], one["state"]] for one in found)  # fmt: skip
        listing(titles, (list(map(visible, row)) for row in rows), whole=("Alert",))
    note(f"{len(found)} alerts.")


@alert.command()
def show(shown_id: Annotated[str, id_of("ALERT")]) -> None:
    """One of them, as JSON."""
    emit(Client.from_environment().get(f"{ALERTS}/{shown_id}", {}))


@alert.command()
def acknowledge(
    shown_id: Annotated[str, id_of("ALERT")],
    said: Annotated[str, typer.Option("--note", help="What you say to it.")] = "",
) -> None:
    """Say that somebody looks after it."""
    Client.from_environment().send("POST", f"{ALERTS}/{shown_id}/acknowledge", {"note": said})
    note(f"{visible(shown_id)} is acknowledged.")


@alert.command()
def rules(json: Json = False) -> None:
    """The rules of the organization, by name."""
    found: list[dict[str, Any]] = Client.from_environment().get(RULES, {})["data"]
    if json:
        for one in found:
            emit(one)
    else:
        rows = ([one["id"], one["name"], one["words"], one["severity"], _standing(one)] for one in found)
        listing(("Rule", "Name", "Fires on", "Severity", "State"), (list(map(visible, row)) for row in rows),
                whole=("Rule",))  # fmt: skip
    note(f"{len(found)} rules.")


@alert.command()
def detections(json: Json = False) -> None:
    """The rules that come with Tallystick, and which of them are on."""
    found: list[dict[str, Any]] = Client.from_environment().get(DETECTIONS, {})["data"]
    if json:
        for one in found:
            emit(one)
    else:
        rows = ([one["id"], "on" if one["enabled"] else "off", one["severity"], one["about"]] for one in found)
        listing(("Detection", "State", "Severity", "About"), rows, whole=("Detection",))
    note(f"{len(found)} detections.")


@alert.command()
def enable(which: Annotated[str, id_of("DETECTION|RULE")]) -> None:
    """Switch a detection or a rule on."""
    client = Client.from_environment()
    if which.startswith("rul_"):
        one = client.send("PATCH", f"{RULES}/{which}", {"enabled": True})
    else:
        one = client.send("POST", f"{DETECTIONS}/{which}/enable", None)
    say(one["id"])


@alert.command()
def disable(shown_id: Rule) -> None:
    """Switch a rule off; the trail tells of it."""
    Client.from_environment().send("PATCH", f"{RULES}/{shown_id}", {"enabled": False})
    note(f"{visible(shown_id)} is off.")


@alert.command()
def mute(
    shown_id: Rule,
    hours: Annotated[float, typer.Option(min=0, help="For how long; 0 ends it.")] = 24.0,
) -> None:
    """Let a rule fire without telling anybody."""
    Client.from_environment().send("POST", f"{RULES}/{shown_id}/mute", {"seconds": round(hours * 3600)})
    note(f"{visible(shown_id)} is muted." if hours else f"{visible(shown_id)} is not muted.")


@alert.command()
def delete(shown_id: Rule) -> None:
    """Delete a rule; what it found stays."""
    Client.from_environment().send("DELETE", f"{RULES}/{shown_id}", None)
    note(f"{visible(shown_id)} is deleted.")


@alert.command()
def backtest(
    shown_id: Rule,
    start: Annotated[str, typer.Option(help="From when on; the last 30 days if it is left out.")] = "",
    end: Annotated[str, typer.Option(help="Until when.")] = "",
    json: Json = False,
) -> None:
    """What a rule would have found in the past."""
    found = Client.from_environment().send("POST", f"{RULES}/{shown_id}/backtest", {"start": start, "end": end})
    if json:
        emit(found)
        return
    listing(("Day", "Firings"), ([day, str(number)] for day, number in found["per_day"].items()))
    for one in found["groups"]:
        say(f"{one['firings']:>6}  {visible(one['group'] or 'everything')}")
    note(f"{found['firings']} firings on {found['matching_events']} events that match, in {found['seconds']} s.")


@alert.command("import")
def import_rules(file: File) -> None:
    """Take rules from a YAML file: those of the same name are changed."""
    taken = Client.from_environment().send_text("POST", f"{RULES}/import", file.read_text(), "application/yaml")
    for one in taken["data"]:
        say(one["id"])
    note(f"{len(taken['data'])} rules.")


@alert.command("export")
def export_rules() -> None:
    """Print the rules of the organization as YAML."""
    say(Client.from_environment().text(RULES, accept="application/yaml").rstrip())


@alert.command()
def test(file: File) -> None:
    """Run the tests that the rules of a file carry; no server is needed."""
    read = read_rules(file.read_text())
    wrong = [problem for one in read for problem in failures(one.name, one.definition, one.tests)]
    for problem in wrong:
        say(visible(problem))
    number = sum(len(one.tests) for one in read)
    note(f"{len(read)} rules, {number} tests, {len(wrong)} of them fail.")
    if wrong:
        raise typer.Exit(1)


def _standing(one: dict[str, Any]) -> str:
    if not one["enabled"]:
        return "off"
    return "muted" if one["muted_until"] else "learning" if one["learning"] else "on"

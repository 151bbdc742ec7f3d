"""`tallystick demo`: runs the server with the demo organization."""

import os
import sys
import time
from functools import partial
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tallystick.access.scopes import operator_scope
from tallystick.alerts.rule import list_rules
from tallystick.alerts.rule_import import install_default_rules, postpone_default_rules
from tallystick.app import Services
from tallystick.cli.serve import Host, Port
from tallystick.cli.server_process import DEFAULT_HOST, DEFAULT_PORT, run_server
from tallystick.cli.terminal import say, stderr
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.demo.load import load_until_now
from tallystick.demo.organization import Acme, ensure_acme
from tallystick.settings import Settings

app = typer.Typer()


@app.command()
def demo(
    events: Annotated[int, typer.Option(min=0, help="Approximate number of events in the ninety days.")] = 50_000,
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
) -> None:
    """Run the server with a demo organization, whose data is brought up to date at each start.

    It contains ninety days of realistic activity, with incidents to find.
    """

    async def work(parts: Services) -> None:
        now = now_us()
        acme = await parts.database.run(
            partial(
                ensure_acme,
                parts.database,
                parts.settings.data_dir,
                now,
                prepare=partial(postpone_default_rules, now=now),
            )
        )
        _greet(parts.settings, acme)
        await _load_events(parts, acme, now, events)

    run_server(Settings.load(os.environ), host, port, work)


def _greet(settings: Settings, acme: Acme) -> None:
    url = settings.public_url
    say(
        f"""
The demo organization Acme is ready at {url}

  Sign in   {url}/sign-in
  Email     {acme.email}
  Password  {acme.password}
  API key   {acme.api_key}

Click a row to open its details. Search for deploy, john@, vpc-prod or failed.
Who broke api-infrastructure an hour ago? {url}/audit-logs?resource=api-infrastructure

  curl -H "Authorization: Bearer {acme.api_key}" "{url}/v1/audit-logs?start=2024-01-01&end=2024-01-31"
  TALLYSTICK_URL={url} TALLYSTICK_API_KEY={acme.api_key} {sys.argv[0]} tail

Press Ctrl-C to stop. The data stays in {settings.data_dir}.
"""
    )


async def _load_events(parts: Services, acme: Acme, now: int, events: int) -> None:
    began = time.monotonic()
    columns = (TextColumn("Loading events"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        task = progress.add_task("load", total=None if acme.loaded_through else events)
        loaded = await load_until_now(
            parts.recorder, parts.authenticator, acme, parts.settings.data_dir, now=now, count=events,
            advance=lambda number: progress.advance(task, number),
            enable_rules=lambda: parts.database.run(_enable_rules, parts.database, acme, now),
        )  # fmt: skip
    say(f"Added {loaded:,} events in {time.monotonic() - began:.1f} s. The demo data is up to date.")


def _enable_rules(database: Database, acme: Acme, now: int) -> None:
    """Enables the default alert rules if the organization has none."""
    with database.write() as connection:
        if not list_rules(connection, operator_scope(acme.org_id)):
            install_default_rules(connection, acme.org_id, new=False, now=now)

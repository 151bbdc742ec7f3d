"""`tallystick serve`: runs the server."""

import os
from typing import Annotated

import structlog
import typer

from tallystick.access import setup_link
from tallystick.app import Services
from tallystick.cli.server_process import DEFAULT_HOST, DEFAULT_PORT, run_server
from tallystick.cli.terminal import say
from tallystick.clock import now_us
from tallystick.settings import Settings, unknown_variables

app = typer.Typer()
logger = structlog.get_logger(__name__)

Host = Annotated[str, typer.Option(help="Address to listen on. 0.0.0.0 listens on all addresses of this machine.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]


@app.command()
def serve(host: Host = DEFAULT_HOST, port: Port = DEFAULT_PORT) -> None:
    """Run the server (API, web pages and background work) until SIGTERM or Ctrl-C.

    As long as there is no organization, it prints a link to create the first one. The link works once and for one day.
    """
    run_server(Settings.load(os.environ), host, port, _greet)


async def _greet(parts: Services) -> None:
    for sentence in unknown_variables(os.environ):
        logger.warning("unknown_setting", problem=sentence)
    url = parts.settings.public_url
    token = await parts.database.run(_first_link, parts)
    words = f"Tallystick is listening on {url}"
    if token is not None:
        words += f"\nNo organization yet. Create the first one here: {url}/set-up/{token}"
    try:
        say(words)
    except OSError as error:  # standard output may go to a file on a full disk
        logger.warning("address_not_printed", error=str(error))


def _first_link(parts: Services) -> str | None:
    with parts.database.write() as connection:
        return setup_link.make(connection, now=now_us())

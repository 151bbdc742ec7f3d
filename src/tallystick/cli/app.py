"""The command `tallystick`: finds a command's module, runs it, turns what is expected to fail into advice."""

import sys
from importlib import import_module
from typing import Annotated

import typer

import tallystick
from tallystick.cli.terminal import CommandFailed, fail, say
from tallystick.errors import TallystickError

# Command → its module here, and the line that the list of commands shows.
COMMANDS = {
    "serve": ("serve", "Run the server: API, web pages and background work, until SIGTERM or Ctrl-C."),
    "demo": ("demo", "Run the server with the demo organization, made once and brought up to now at each start."),
    "org": ("org", "Make and list organizations; say how long their events are kept."),
    "user": ("user", "Add people to organizations."),
    "key": ("key", "Make API keys."),
    "import": ("import_logs", "Send real logs, and say how many events were new, known already and refused."),
    "send": ("send", "Record one event and print its id."),
    "search": ("search", "Find events, newest first."),
    "export": ("export", "Export what filters find to a file, of any size, and check its SHA-256."),
    "schedule": ("schedule", "Let exports go out each day, week or month."),
    "alert": ("alert", "Rules that watch the trail, and what they found."),
    "destination": ("destination", "Where alerts go: webhooks, Slack, mail."),
    "report": ("report", "Make a compliance report for a period: what is missing, then control, question, evidence."),
    "review": ("review", "List reviews of the trail, look at one, sign one."),
    "verify": ("verify", "Check a bundle or a proof offline, or a server from outside, by keys of your own."),
    "archive": ("archive", "Bring archived events back into a search."),
    "backup": ("backup", "Copy everything, and restore a copy."),
    "doctor": ("doctor", "Look at settings, data directory, databases, clock, logs, what waits, and the last backup."),
    "tail": ("tail", "Show the last events, then each new one as it is recorded, until interrupted."),
}
ABOUT = """Tallystick records who did what and when, finds it in milliseconds, and can prove that nothing was changed.

Begin with "tallystick demo". serve, demo, org, user, key, backup and doctor work on the data of this machine's
settings; import, send, search, export, schedule, alert, destination, report, review and tail speak to the server at
TALLYSTICK_URL with the key in TALLYSTICK_API_KEY.
"""


def main() -> None:
    """Run the command line and exit with 0, 1 (failed) or 2 (usage)."""
    try:
        assemble(sys.argv[1:])()
    except (CommandFailed, TallystickError) as error:
        sys.exit(fail(error.detail))
    except UnicodeError:
        sys.exit(fail("What was to be read is no text in UTF-8."))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(fail(f"{where}{error.strerror or error}."))


def assemble(arguments: list[str]) -> typer.Typer:
    """The command line with the command that is called; with the names of all where none is.

    Only that command's module is imported: the server's parts take two seconds that a client should not wait for.
    """
    called = next((argument for argument in arguments if not argument.startswith("-")), "")
    root = typer.Typer(
        help=ABOUT, no_args_is_help=True, add_completion=False, rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )  # fmt: skip
    root.callback()(_options)
    if called in COMMANDS:
        root.add_typer(import_module(f"tallystick.cli.{COMMANDS[called][0]}").app)
        return root
    for name, (_, line) in COMMANDS.items():
        root.command(name, help=line)(_nothing)
    return root


def _tell_version(asked: bool) -> None:
    if asked:
        say(f"tallystick {tallystick.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    pass


def _nothing() -> None:
    pass

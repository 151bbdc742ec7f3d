"""The command `tallystick`: imports and runs the module of a command, and prints expected errors with advice."""

import os
import re
import sys
from importlib import import_module
from typing import Annotated

import typer
from typer.exceptions import TyperException

import tallystick
from tallystick.cli.terminal import CommandFailed, NoInstallation, any_of, fail, say
from tallystick.errors import TallystickError

# Command → module in this package, and its line in the list of commands.
COMMANDS = {
    "serve": ("serve", "Run the server (API, web pages and background work) until SIGTERM or Ctrl-C."),
    "demo": ("demo", "Run the server with a demo organization, whose data is brought up to date at each start."),
    "org": ("org", "Create and list organizations, and set their retention."),
    "user": ("user", "Add, change and remove people of organizations."),
    "session": ("session", "List and end sessions of people in browsers."),
    "key": ("key", "Create, list, change, rotate and revoke API keys."),
    "secret": ("secret", "Rotate the secret key, which encrypts the stored secrets."),
    "erasure": ("erasure", "Show and confirm erasures, where an organization has no two people for it."),
    "import": ("import_logs", "Import log files, and report how many events were new, known already, or refused."),
    "send": ("send", "Record one event and print its id."),
    "search": ("search", "Find events, newest first."),
    "export": ("export", "Export matching events to a file of any size, and check its SHA-256."),
    "schedule": ("schedule", "Send exports every day, week or month."),
    "alert": ("alert", "Manage alert rules and alerts."),
    "action": ("action", "Describe your organization's own actions."),
    "destination": ("destination", "Manage where alerts are sent: webhooks, Slack, email."),
    "report": ("report", "Create a compliance report for a period: gaps, controls, questions and their evidence."),
    "review": ("review", "List, show and sign reviews of the audit log."),
    "verify": ("verify", "Verify a bundle or a proof offline, or a running server, with a key that you already have."),
    "store": ("store", "Check or rebuild the event store, bring lost events back, or accept another store."),
    "archive": ("archive", "Make archived events searchable again."),
    "backup": ("backup", "Create and restore backups."),
    "restore": ("restore", "Bring everything back from continuous copies, as of any moment that they cover."),
    "copies": ("copies", "Note what became of continuous copies that are not made any more."),
    "doctor": ("doctor", "Check settings, data directory, databases, clock, logs, pending work, and the last backup."),
    "tail": ("tail", "Show the latest events, then new ones as they are recorded, until interrupted."),
}
SEARCHING = ("search", "tail")  # their arguments are words to search for
# How Typer refuses a value that is none of an option's.
_NOT_ONE_OF = re.compile("(?:Value error, )?(?P<given>'.*') is not one of (?P<choices>'.+')[.]", re.DOTALL)
ABOUT = """Tallystick records who did what and when, finds it in milliseconds, and can prove that nothing was changed.

Start with "tallystick demo". serve, demo, org, user, session, key, secret, erasure, store, backup, restore, copies and
doctor use the data directory and databases of this machine; import, send, search, export, schedule, alert, action,
destination, report, review and tail call the server at TALLYSTICK_URL with the API key in TALLYSTICK_API_KEY.
"""


def main() -> None:
    """Run the command line and exit with 0, 1 (failed) or 2 (usage)."""
    # Nothing that Tallystick writes is for other accounts of the machine, whatever the environment says: in the data
    # directory, in backups and archives, in files to download; by native code of the event store and SQLite too.
    os.umask(0o077)
    arguments = sys.argv[1:]
    try:
        sys.exit(assemble(arguments)(standalone_mode=False) or 0)
    except TyperException as error:
        if error.format_message():  # else the help was shown
            fail(_advice(error, arguments))
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(1)
    except NoInstallation as error:
        fail(error.detail)
        sys.exit(2)
    except (CommandFailed, TallystickError) as error:
        sys.exit(fail(error.detail))
    except UnicodeError:
        sys.exit(fail("The input is not valid UTF-8."))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(fail(f"{where}{error.strerror or error}."))


def assemble(arguments: list[str]) -> typer.Typer:
    """The command line with the command named in `arguments`, or with every command's name and help line if none is.

    Only that command's module is imported: importing the server takes two seconds, which client commands avoid.
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
        root.command(name, help=line)(_placeholder)
    return root


def _advice(error: TyperException, arguments: list[str]) -> str:
    """What is wrong with the arguments, and what to write instead."""
    option, parameter = getattr(error, "option_name", ""), getattr(error, "param", None)
    word = next((given for given in arguments if option and given[:2] == option), "")
    path = getattr(getattr(error, "ctx", None), "command_path", "tallystick")
    if word and arguments[0] in SEARCHING:
        said = f"There is no option {option}. To search for a word that begins with '-', put -- before it:"
        return f"{said} {path} -- {word}"
    if parameter is not None and (found := _NOT_ONE_OF.fullmatch(error.message)):
        choices = any_of(re.findall("'([^']+)'", found["choices"]))
        name = max(parameter.opts, key=len).lstrip("-").replace("_", " ")
        return f"Unknown {name} {found['given']}. Choose {choices}."
    return f"{error.format_message().rstrip('.')}. See: {path} --help"


def _print_version(asked: bool) -> None:
    if asked:
        say(f"tallystick {tallystick.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def _placeholder() -> None:
    pass

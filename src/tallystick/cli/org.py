"""`tallystick org`: creates and lists organizations, changes retention, and operates their logs."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from tallystick.access import organizations
from tallystick.access.organizations import Organization
from tallystick.access.scopes import operator_scope
from tallystick.backup.data_dir_lock import lock_data_dir
from tallystick.backup.restart_log import restart_frozen_log
from tallystick.cli.control_database import CLI_CALLER, control_database, installed_settings
from tallystick.cli.terminal import CommandFailed, JsonOption, emit, note, print_table, say
from tallystick.clock import now_us, rfc3339
from tallystick.data_access.setting import set_view_recording
from tallystick.ledger import log
from tallystick.ledger.keys import Keyring
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore

app = typer.Typer()
org = typer.Typer(no_args_is_help=True, help="Create and list organizations, and set their retention.")
app.add_typer(org, name="org")


class Plan(StrEnum):
    """A plan of an organization."""

    free = "free"
    pro = "pro"
    enterprise = "enterprise"


class ViewChoice(StrEnum):
    """How much of what people look at is recorded."""

    off = "off"
    usual = "usual"
    every = "every"


@org.command()
def create(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Short name in lower case, such as acme.")],
    name: Annotated[str, typer.Option(help="Display name. Defaults to the short name.")] = "",
    plan: Annotated[Plan, typer.Option(help="Sets how long events are kept: 7, 90 or 365 days.")] = Plan.enterprise,
    retention_days: Annotated[int | None, typer.Option(help="Keep events for this many days instead.")] = None,
    json: JsonOption = False,
) -> None:
    """Create an organization and its log."""
    now = now_us()
    with control_database(begin=True) as database, database.write() as connection:
        made = organizations.create(connection, slug, name, plan, retention_days, now=now, caller=CLI_CALLER)
        log.create(connection, made.org_id, now=now)
    if json:
        emit(_organization_json(made))
        return
    say(f"{made.slug}  {made.public_id}  {made.plan}, events kept {made.retention_days:,} days")
    note(f"Next: tallystick user create EMAIL --org {made.slug} --role owner")


@org.command("list")
def list_organizations(json: JsonOption = False) -> None:
    """List all organizations."""
    with control_database() as database, database.read() as connection:
        found = organizations.list_all(connection)
    if json:
        emit([_organization_json(organization) for organization in found])
        return
    if not found:
        note("No organizations yet. Create one: tallystick org create SLUG")
        return
    rows = ((one.slug, one.name, one.plan, str(one.retention_days), one.public_id) for one in found)
    print_table(("Slug", "Name", "Plan", "Days kept", "Id"), rows, whole=("Slug", "Id"))


@org.command()
def retention(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The organization's short name.")],
    days: Annotated[int, typer.Argument(metavar="DAYS", help="Number of days to keep events.")],
    json: JsonOption = False,
) -> None:
    """Change how long events are kept. A shorter retention takes effect a day later."""
    _set_retention(slug, days, None, json)


@org.command()
def plan(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The organization's short name.")],
    plan: Annotated[Plan, typer.Argument(metavar="PLAN", help="free, pro or enterprise: 7, 90 or 365 days.")],
    json: JsonOption = False,
) -> None:
    """Change the plan and its retention. A shorter retention takes effect a day later."""
    _set_retention(slug, None, plan, json)


@org.command("views")
def set_views(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The organization's short name.")],
    record: Annotated[
        ViewChoice,
        typer.Argument(
            metavar="RECORD",
            help="off, usual (what rested, the same once in ten minutes) or every (each view that rested).",
        ),
    ],
) -> None:
    """Set how much of what people look at is recorded in the trail.

    Requests of API keys are counted by the day, and exports and streams are recorded, whatever is set here.
    """
    with control_database() as database, database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, slug).org_id)
        set_view_recording(connection, scope, record, now=now_us(), caller=CLI_CALLER)
    say(f"{slug}: views are recorded: {record}")


def _set_retention(slug: str, days: int | None, plan: Plan | None, json: bool) -> None:
    with control_database() as database, database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, slug).org_id)
        before = organizations.of_scope(connection, scope)
        changed = organizations.set_retention(connection, scope, days, plan=plan, now=now_us(), caller=CLI_CALLER)
    if json:
        emit(_organization_json(changed))
        return
    say(f"{changed.slug}: {changed.plan}, events are kept {changed.retention_days:,} days")
    if changed.retention_days < before.retention_days:
        note(
            f"What is older goes a day from now, unless the time is made longer before: "
            f"tallystick org retention {slug} {before.retention_days}. The page Retention says how many events go."
        )


@org.command("rotate-signing-key")
def rotate_signing_key(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The organization's short name.")],
    lost_key: Annotated[
        bool,
        typer.Option("--lost-key", help="The present key cannot be decrypted any more, and signs nothing again."),
    ] = False,
) -> None:
    """Rotate the signing key of the log. The previous key also signs for another 30 days.

    If the secret key that encrypted the signing key is lost for good, --lost-key makes a new one. The trail then
    records both keys and how far the lost one has signed. Whoever has only its line can verify nothing signed later.
    """
    settings = installed_settings()
    keyring = Keyring(settings.secret_keys, settings.public_host)
    with control_database() as database, database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, slug).org_id)
        rotate = keyring.replace_lost if lost_key else keyring.rotate
        made = rotate(connection, scope, now=now_us(), caller=CLI_CALLER)
    say(made.vkey)
    also = "The lost key signs nothing any more." if lost_key else "The previous key also signs for another 30 days."
    note(f"Give this line to everyone who verifies the log. {also}")


@org.command("restart-log")
def restart_log(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The organization's short name.")],
    accept_tree: Annotated[
        bool, typer.Option("--accept-tree", help="Continue even though the tree is not the one that was signed here.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Continue a frozen log after an older copy was restored. Stop all servers first.

    Tree and indexes go on under a new name; the first record under it says what the old one was and how far it had been
    signed. Whoever checks the log needs its new key line. Events that the tree does not know are moved out of the event
    store into a file in the data directory.
    """
    settings = installed_settings()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = EventStore(settings.events_url)
    try:
        with control_database() as database, lock_data_dir(settings.data_dir):
            store.open()
            done = restart_frozen_log(
                database, store, settings.data_dir, slug, settings.public_host,
                caller=CLI_CALLER, redacted_keys=settings.redacted_keys, accept_tree=accept_tree,
            )  # fmt: skip
    except StoreError as error:
        raise CommandFailed(f"The event store cannot be used: {error}") from None
    finally:
        store.close()
    if json:
        emit(asdict(done))
        return
    say(f"{slug}: the log continues from {done.size:,} entries as {done.new_origin}")
    if done.signed > done.size:
        say(f"{done.signed - done.size:,} entries that were signed as {done.old_origin} are lost")
    if done.trimmed:
        say(f"{done.trimmed:,} events that are not in the log were moved to {done.trimmed_to}")
    note("Start the server, then give everyone who verifies the log its new key line.")


def _organization_json(organization: Organization) -> dict[str, Any]:
    return {
        "id": organization.public_id,
        "slug": organization.slug,
        "name": organization.name,
        "plan": organization.plan,
        "retention_days": organization.retention_days,
        "created_at": rfc3339(organization.created_at),
    }

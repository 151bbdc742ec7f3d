"""`tallystick store`: which event store belongs to the control database, damage in it, lost events, and its rebuild."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
import typer

from tallystick.backup.create import expected_events
from tallystick.cli.control_database import control_database, installed_settings
from tallystick.cli.store_access import LOOK_SECONDS, is_open_elsewhere, opened_store, progress_bar, wait_for_server
from tallystick.cli.terminal import CommandFailed, JsonOption, counted, emit, note, say
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.ingest.rebuild_requests import DONE, RebuildRow, read_rebuild, request_rebuild
from tallystick.ingest.shipper import Shipper
from tallystick.ingest.store_identity import (
    OTHER_STORE,
    OTHER_STORE_ADVICE,
    StoreIdentity,
    adopt_next,
    does_belong,
    replace_lost_store,
)
from tallystick.integrity.loss_acceptance import AcceptedLoss
from tallystick.integrity.missing_events import new_rebuilder
from tallystick.integrity.range_restore import RestoredLog
from tallystick.integrity.store_requests import (
    AcceptLossCommand,
    RestoreRangeCommand,
    StoreCommand,
    cancel_command_request,
    carry_out,
    read_command_request,
    request_command,
)
from tallystick.journal.missing_ranges import RESTORE_COMMAND, IndexRange, format_missing
from tallystick.settings import Settings
from tallystick.store.events import EventStore
from tallystick.store.merged_parts import restore_part
from tallystick.store.read_back import active_parts, broken_parts, detach_part
from tallystick.work.disk_space import store_disk

SERVER_ADVICE = (
    "On its machine, create the empty file flags/force_restore_data in ClickHouse's data directory, writable for "
    "ClickHouse, and restart ClickHouse: it moves the broken parts to the folder `detached` of the table."
)
app = typer.Typer()
store = typer.Typer(
    no_args_is_help=True, help="Check or rebuild the event store, bring lost events back, or accept another store."
)
app.add_typer(store, name="store")


@store.callback()
def _group() -> None:
    pass


@store.command()
def adopt() -> None:
    """Accept the event store of the settings as it is, in place of the one that the server used before.

    Events that it does not have are missing from then on. If it is embedded, a server on another data directory ends.
    """
    settings = installed_settings()
    with control_database() as database, database.write() as connection:
        adopt_next(connection, settings.data_dir, embedded=settings.events_url.startswith("chdb:"))
    say(
        "The event store of these settings is accepted: a running server goes on with it now, otherwise the next start."
    )


@store.command("restore-range")
def restore_range(
    source: Annotated[
        str,
        typer.Argument(
            metavar="COPY",
            help="A backup, continuous copies (also s3://…), bundles, another node's data directory, or a store's URL.",
        ),
    ],
    org: Annotated[str, typer.Option("--org", metavar="SLUG", help="Of this organization alone.")] = "",
    only: Annotated[
        str, typer.Option("--range", metavar="FIRST-LAST", help="Of these indexes alone, with --org.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Bring missing events back from a copy, with or without a running server.

    Each event is compared with the log before it is written. What was purged or erased since the copy was made does
    not come back. If it is interrupted, run the same command again. The exit status is 1 if events are missing still.
    """
    settings = installed_settings()
    if only and not org:
        raise CommandFailed("--range needs --org: each organization has its own indexes.")
    copy = source if "://" in source else str(Path(source).absolute())
    command = RestoreRangeCommand(copy, org, index_range(only) if only else None)
    done = _carry_out(settings, command, "restore", list[RestoredLog])
    if json:
        emit(done)
    elif not done:
        say("No event is missing.")
    for log in () if json else done:
        say(_in_words(log))
    if left := [log for log in done if log.left]:
        one = f"--org {left[0].slug} {left[0].left[0].first}-{left[0].left[0].last}"
        note(f"Try every other copy. What none of them has can be accepted as lost: tallystick store accept-loss {one}")
        raise typer.Exit(1)


@store.command("accept-loss")
def accept_loss(
    indexes: Annotated[str, typer.Argument(metavar="FIRST-LAST", help="Range of indexes, as doctor names it.")],
    org: Annotated[str, typer.Option("--org", metavar="SLUG", help="The organization.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Accept missing events as lost for good, where no copy has them; with or without a running server.

    Try tallystick store restore-range first. Only what is missing now becomes lost. The trail records it as
    audit_log.events_lost, which never expires, and every proof over the range says so. It cannot be undone.
    """
    settings, pair = installed_settings(), index_range(indexes)
    if not yes:
        typer.confirm(
            f"Record for good that no copy has the missing events of {org} at {indexes}?", abort=True, err=True
        )
    done = _carry_out(settings, AcceptLossCommand(org, pair), "acceptance", AcceptedLoss)
    if json:
        emit(done)
        return
    say(f"{org}: {counted(done.lost, 'event')} accepted as lost. {done.still_missing:,} are missing still.")


Result = TypeVar("Result")


def _carry_out(settings: Settings, command: StoreCommand, what: str, kind: type[Result]) -> Result:
    """Carry the command out here, or let the server do it that has the embedded store open."""
    with control_database() as database:
        if is_open_elsewhere(settings):
            with database.write() as connection:
                request_id = request_command(connection, command)
            row = wait_for_server(
                database, settings, what,
                lambda connection: read_command_request(connection, request_id),
                lambda connection, why: cancel_command_request(connection, request_id, why),
            )  # fmt: skip
            return msgspec.json.decode(row.detail, type=kind)
        with progress_bar() as progress, opened_store(settings) as events:
            events.open()
            if isinstance(command, RestoreRangeCommand):
                replace_lost_store(database, events, settings.data_dir)
            elif not does_belong(database, events.identities(), settings.data_dir if events.embedded else None):
                raise CommandFailed(f"{OTHER_STORE} {OTHER_STORE_ADVICE}")
            done = carry_out(database, events, settings, command, lambda done, total: progress("events", done, total))
            return msgspec.convert(done, type=kind, from_attributes=True)


def _in_words(log: RestoredLog) -> str:
    words = f"{log.slug}: {log.restored:,} of {counted(log.missing, 'missing event')} came back."
    if log.differing:
        words += f" The copy of {log.differing:,} does not match the log."
    if log.left:
        ranges = format_missing([(gap.first, gap.last) for gap in log.left])
        words += f" {log.still_missing:,} are missing still, at {ranges}"
    return words


def index_range(text: str) -> IndexRange:
    """The range of indexes in a text such as 3-120 or 7; CommandFailed for any other."""
    found = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", text)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise CommandFailed(f"{text} is no range of indexes. Write it as in 3-120.")
    return int(found[1]), int(found[2] or found[1])


@store.command()
def check(
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Take damaged data parts out, so that all other events can be read.")
    ] = False,
) -> None:
    """Read all files of the event store, and name the data parts that are damaged.

    Stop the server first if the event store is embedded. A part that was merged a moment ago is replaced by the parts
    that it was merged from, if they are still there. The events of any other part that is set aside are missing from
    then on, until store restore-range brings them back from a copy. The files stay in the folder `detached` of the
    table.
    The exit status is 1 if damaged parts are left.
    """
    settings = installed_settings()
    with opened_store(settings) as events:
        if refused := events.refused_parts():
            _take_refused_aside(events, refused, set_aside=set_aside)
        parts = sorted(active_parts(events))
        damaged, restored = broken_parts(events, parts), list[str]()
        for part in damaged if set_aside else ():
            if events.embedded and restore_part(events, part):
                restored.append(part)
            else:
                detach_part(events, part)
    parts, lost = sorted({*parts, *refused}), sorted({*damaged, *refused} - set(restored))
    if restored:
        say(f"Damaged parts were replaced by the parts that they had been merged from: {', '.join(restored)}.")
    if not lost and not restored:
        say(f"All {len(parts):,} data parts are whole.")
    if not lost:
        return
    named = f"{len(lost):,} of {len(parts):,} data parts are damaged: {', '.join(lost)}."
    if not set_aside:
        raise CommandFailed(f"{named} To take them out: tallystick store check --set-aside")
    say(
        f"{named} They are set aside. Now start the server, which says which events are missing, and bring them back: "
        f"{RESTORE_COMMAND}"
    )


def _take_refused_aside(events: EventStore, refused: Sequence[str], *, set_aside: bool) -> None:
    """Let the engine load the table without its broken parts; CommandFailed without `set_aside`, or of a server."""
    if not events.embedded:
        raise CommandFailed(f"The ClickHouse server refuses the table events. {SERVER_ADVICE}")
    if not set_aside:
        raise CommandFailed(
            f"The engine refuses the table of events, since data parts lack files or have damaged ones: "
            f"{', '.join(refused)}. To take them out: tallystick store check --set-aside"
        )
    events.set_refused_parts_aside()


@store.command()
def rebuild() -> None:
    """Compute all columns and indexes of the event store anew from the events themselves.

    After an upgrade a server does this by itself. Needs as much free disk space as the events take. A running server
    does it beside recording and searching; this command waits for it, and can be interrupted and repeated. Without one,
    it is done here.
    """
    settings = installed_settings()
    with control_database() as database:
        with database.write() as connection:
            rebuild_id = request_rebuild(connection)
        with progress_bar() as progress:
            if is_open_elsewhere(settings):
                row = _wait_for_rebuild(database, settings, rebuild_id, progress)
            else:
                row = _rebuild_here(database, settings, rebuild_id, progress)
    say(f"The event store is rebuilt: {row.events:,} events.")


def _wait_for_rebuild(database: Database, settings: Settings, rebuild_id: UUID, progress: Any) -> RebuildRow:
    while True:
        row = _tell(database, rebuild_id, progress)
        if row.state == DONE:
            return row
        if not is_open_elsewhere(settings):
            raise CommandFailed("The server has stopped. It continues the rebuild when it starts again.")
        time.sleep(LOOK_SECONDS)


def _rebuild_here(database: Database, settings: Settings, rebuild_id: UUID, progress: Any) -> RebuildRow:
    """Rebuild in this process; wait while a server on the same ClickHouse server does it."""
    with opened_store(settings) as events:
        events.open()
        identity = StoreIdentity(database, events, settings.data_dir, expected_events)
        if identity.check() is None:
            raise CommandFailed(f"{OTHER_STORE} {OTHER_STORE_ADVICE}")
        shipper = Shipper(database, events, identity, disk=store_disk(settings))
        worker = new_rebuilder(shipper, events.with_readers(1, any_version=True))
        try:
            while (row := _tell(database, rebuild_id, progress)).state != DONE:
                if shipper.may_work(now_us()) and worker.step():
                    continue
                if row.detail and events.embedded:
                    raise CommandFailed(f"The rebuild cannot go on: {row.detail}")
                time.sleep(LOOK_SECONDS)
        finally:
            shipper.close()
    return row


def _tell(database: Database, rebuild_id: UUID, progress: Any) -> RebuildRow:
    with database.read() as connection:
        row = read_rebuild(connection, rebuild_id)
    progress(row.detail or "events", row.events, row.of_events)
    return row

"""Checks of the control database: clock, secret key, logs, journal, background work and the last backup."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from tallystick.access.tables import organizations
from tallystick.backup import request
from tallystick.backup.secret_rotation import LOST, PREVIOUS, count_sealed
from tallystick.clock import DAY_US, SECOND_US, now_us, rfc3339
from tallystick.copies import progress
from tallystick.copies.copies_until import left_places
from tallystick.copies.place_writer import refuse_lost_data
from tallystick.database.damage import RESTORE, is_damage
from tallystick.database.engine import Database
from tallystick.database.migrate import newest, revision_of
from tallystick.database.postgresql import COMMAND
from tallystick.doctor.check_result import CheckResult, fine, problem, warning
from tallystick.erasure.tables import erasures
from tallystick.errors import SettingsError
from tallystick.ingest.rebuild_requests import unfinished_rebuild
from tallystick.integrity.damaged_parts import read_damaged
from tallystick.integrity.rounds import count_differences
from tallystick.journal import batches, set_aside
from tallystick.journal.lost_events import count_lost
from tallystick.journal.missing_ranges import RESTORE_COMMAND, count_missing, format_missing, read_missing
from tallystick.journal.tables import journal
from tallystick.ledger.high_water import HighWaterMarks
from tallystick.ledger.tables import checkpoints, logs
from tallystick.retention import clock_guard
from tallystick.retention.tables import prunings
from tallystick.secret_keys import PREVIOUS_FILE
from tallystick.settings import Settings
from tallystick.work.leases import leases

Check = Callable[[Connection, Settings], Iterator[CheckResult]]
CLOCK_TOLERANCE_US = 5 * SECOND_US
MISSING_ADVICE = (
    "Leave the disk as it is. Continuous copies, a backup, an archive, a bundle or another node may have them: "
    f"{RESTORE_COMMAND}. Until they are there again, answers about this organization are partial. If no copy has them: "
    "tallystick store accept-loss --org SLUG FIRST-LAST"
)
DAMAGED_ADVICE = (
    "Recording continues; what reads this part fails. Check the disk. Then stop the server and take the part out, so "
    "that all other events can be read: tallystick store check --set-aside. Its events come back from a copy: "
    f"{RESTORE_COMMAND}"
)
REBUILD_ADVICE = "Clear what it waits for; it goes on by itself. The server's log has each failure."
JOURNAL_DELAY_US = COPIES_DELAY_US = 300 * SECOND_US


def check_database(settings: Settings) -> Iterator[CheckResult]:
    """Checks that the control database answers and has the current schema, then runs CHECKS on its content."""
    name = "control database"
    try:
        refuse_lost_data(settings)
    except SettingsError as error:
        yield problem(name, error.detail, RESTORE)
        return
    if does_not_exist(settings):
        yield warning(name, "Does not exist yet.", "The server creates it when it first starts.")
        return
    database = Database(settings.database_url, pool_size=1, patience=COMMAND)
    try:
        began = time.monotonic()
        with database.read() as connection:
            there = revision_of(connection)
            if there != newest():
                words = f"The tables are at version {there}; this program needs {newest()}."
                yield problem(
                    name,
                    words,
                    "Start this version of the server once to migrate. If the database is newer, use a newer server.",
                )
                return
            yield fine(name, f"Answers in {(time.monotonic() - began) * 1000:,.0f} ms; its tables are up to date.")
            for look in CHECKS:
                yield from look(connection, settings)
    except SQLAlchemyError as error:
        damaged = isinstance(error, DatabaseError) and is_damage(error)
        advice = RESTORE if damaged else "Check TALLYSTICK_DATABASE_URL and that it is up."
        yield problem(name, f"{'Damaged' if damaged else 'Not usable'}: {str(error)[:300]}", advice)
    finally:
        database.close()


def does_not_exist(settings: Settings) -> bool:
    """Whether the control database is a SQLite file that does not exist yet: connecting would make it."""
    url = make_url(settings.database_url)
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


def _check_clock(connection: Connection, _settings: Settings) -> Iterator[CheckResult]:
    now, name = now_us(), "clock"
    if connection.dialect.name == "postgresql":
        theirs = int(connection.execute(text("SELECT extract(epoch FROM clock_timestamp()) * 1000000")).scalar_one())
        if abs(theirs - now) > CLOCK_TOLERANCE_US:
            words = f"The clocks of this machine and of PostgreSQL are {abs(theirs - now) / 1e6:,.0f} s apart."
            yield problem(name, words, "Synchronize both with NTP.")
            return
    last = max(
        connection.execute(select(func.max(journal.c.received_to))).scalar() or 0,
        connection.execute(select(func.max(checkpoints.c.made_at))).scalar() or 0,
    )
    if last > now + CLOCK_TOLERANCE_US:
        yield problem(name, f"The clock is behind the last commit at {rfc3339(last)}.", "Synchronize it with NTP.")
    elif (doubt := clock_guard.doubted_times(connection)) is not None:
        words = (
            f"The clock jumped from {rfc3339(doubt[0])} to {rfc3339(doubt[1])}. The purge waits until it has run "
            "normally for a day."
        )
        yield problem(
            name, words, "If the time is wrong, correct the clock. If it is right: tallystick doctor --accept-clock"
        )
    else:
        yield fine(name, f"Reads {rfc3339(now)}.")


def _check_secret_key(connection: Connection, settings: Settings) -> Iterator[CheckResult]:
    if not settings.secret_key:
        return  # reported by the check of the data directory
    name, counts = "secret key", count_sealed(connection, settings.secret_keys)
    if counts[LOST]:
        words = (
            f"Cannot decrypt {counts[LOST]:,} of {counts.total():,} stored secrets: nothing is signed with these keys, "
            "nothing is sent to these destinations."
        )
        advice = (
            "Give the server the secret.key (or TALLYSTICK_SECRET_KEY) that it had before. After a rotation, give it "
            "as TALLYSTICK_SECRET_KEY_OLD and run: tallystick secret rotate"
        )
        yield problem(name, words, advice)
    if counts[PREVIOUS]:
        words = f"{counts[PREVIOUS]:,} of {counts.total():,} stored secrets are still encrypted with the previous key."
        yield warning(name, words, "Run, with the server stopped if it keeps the key itself: tallystick secret rotate")
    elif settings.secret_keys.previous and not counts[LOST]:
        words = "The previous key encrypts nothing here any more, but links that it signed are still accepted."
        advice = f"Keep it with the backups that need it, and remove TALLYSTICK_SECRET_KEY_OLD or {PREVIOUS_FILE}."
        yield warning(name, words, advice)
    elif not counts[LOST]:
        yield fine(name, f"Decrypts all {counts.total():,} stored secrets.")


def _check_logs(connection: Connection, settings: Settings) -> Iterator[CheckResult]:
    marks = HighWaterMarks(settings.data_dir)
    marks.load()
    found = connection.execute(
        select(organizations.c.slug, logs.c.origin_id, logs.c.size, logs.c.frozen_reason).join(
            organizations, organizations.c.org_id == logs.c.org_id
        )
    ).all()
    wrong = 0
    for row in found:
        mark = marks.of(row.origin_id)
        if row.frozen_reason is not None:
            wrong += 1
            advice = f"Restore the newest backup. If there is none: tallystick org restart-log {row.slug}"
            yield problem("log", f"{row.slug} is frozen: {row.frozen_reason}", advice)
        elif mark is not None and mark.size > row.size:
            wrong += 1
            words = f"{row.slug} has {row.size} entries, but {mark.size} were signed: this is an older copy."
            yield problem(
                "log", words, "Restore the newest backup. Otherwise the server freezes this log when it starts."
            )
    if not wrong:
        yield fine("log", f"{len(found)} checked; none is frozen, none is behind what was signed.")
    if differences := count_differences(connection):
        advice = (
            "The Integrity page and the server's log list them. Leave the disk as it is, and compare with a backup."
        )
        yield problem("integrity", f"The last check found {differences} differences.", advice)


def _check_missing_events(connection: Connection, _settings: Settings) -> Iterator[CheckResult]:
    names = {row.org_id: row.slug for row in connection.execute(select(organizations.c.org_id, organizations.c.slug))}
    for org_id, events in count_missing(connection).items():
        ranges = read_missing(connection, org_id)
        since, pairs = rfc3339(min(one.noticed_at for one in ranges)), [(one.first, one.last) for one in ranges]
        words = f"{names[org_id]} lacks {events:,} events since {since}: indexes {format_missing(pairs)}."
        yield problem("missing events", words, MISSING_ADVICE)
    for org_id, events in count_lost(connection).items():
        yield fine("lost events", f"{names[org_id]} has lost {events:,} events for good, as its trail says.")
    for part in read_damaged(connection):
        words = f"The data part {part.part} is damaged since {rfc3339(part.noticed_at)}: {part.problem[:200]}"
        yield problem("damaged events", words, DAMAGED_ADVICE)


def _check_store_rebuild(connection: Connection, _settings: Settings) -> Iterator[CheckResult]:
    row = unfinished_rebuild(connection)
    if row is None:
        return
    words = f"The event store is being rebuilt: {row.events:,} of {row.of_events:,} events are copied."
    if row.detail:
        yield warning("store rebuild", f"{words} It waits: {row.detail}", REBUILD_ADVICE)
    else:
        yield warning("store rebuild", words, "Let the server run; the rebuild goes on after each start.")


def _check_journal(connection: Connection, _settings: Settings) -> Iterator[CheckResult]:
    events, size = batches.size(connection)
    oldest = connection.execute(select(func.min(journal.c.received_from))).scalar()
    words = f"{events:,} events ({size / 1e6:,.1f} MB) are in it."
    if oldest is not None and oldest < now_us() - JOURNAL_DELAY_US:
        yield warning("journal", f"{words} The oldest has waited since {rfc3339(oldest)}.", "Check the event store.")
    else:
        yield fine("journal", words)
    if aside := sum(set_aside.counts(connection).values()):
        words = f"{aside:,} events were rejected by the event store and are kept in the control database."
        yield warning("set aside", words, "For the reasons see the table set_aside and the server's log.")


def _check_background_work(connection: Connection, _settings: Settings) -> Iterator[CheckResult]:
    late = now_us() - DAY_US
    purges = connection.execute(select(func.count()).where(prunings.c.made_at < late)).scalar_one()
    if purges:
        words = f"{purges} recorded deletions have been pending for more than a day."
        yield warning("retention", words, "Check that a server is running, and its log for purge_failed.")
    working = select(func.count()).where(erasures.c.stage != "", erasures.c.confirmed_at < late)
    if count := connection.execute(working).scalar_one():
        words = f"{count} confirmed erasures have been pending for more than a day."
        yield warning("erasure", words, "Check that a server is running, and its log for erasure_failed.")
    ahead = connection.execute(select(leases.c.name).where(leases.c.until > now_us() + DAY_US)).scalars().all()
    if ahead:
        words = f"A process with a wrong clock has held {', '.join(sorted(ahead))} for more than a day."
        yield problem(
            "leases",
            words,
            "With SQLite, restart the server. With PostgreSQL, delete these rows from the table leases.",
        )
    if not (purges or count or ahead):
        yield fine("background work", "Nothing is stuck.")


def _check_backup(connection: Connection, settings: Settings) -> Iterator[CheckResult]:
    last = request.last_finished_at(connection)
    if last is None and settings.copies_dir is not None:
        yield fine("backup", "No backup; continuous copies are made.")
    elif last is None:
        yield warning("backup", "No backup yet.", "Run once a day: tallystick backup create DIR")
    elif last < now_us() - 2 * DAY_US and settings.copies_dir is None:
        yield warning("backup", f"Last backup: {rfc3339(last)}.", "Run once a day: tallystick backup create DIR")
    else:
        yield fine("backup", f"Last backup: {rfc3339(last)}.")


def _check_copies(connection: Connection, settings: Settings) -> Iterator[CheckResult]:
    name, state = "copies", progress.read_state(connection)
    for place in left_places(connection):
        yield warning(
            name,
            f"Copies are left in {place}, which is not used any more. They hold what was erased and purged since.",
            f"When you need them no more, delete them there, then run: tallystick copies forget {place}",
        )
    if settings.copies_dir is None:
        yield fine(name, "No continuous copies are made (TALLYSTICK_COPIES_DIR).")
        return
    if state is None:
        yield warning(name, "There are no copies yet.", "The server makes them while it runs.")
        return
    copied = f"Every event until {rfc3339(state.copied_at)} is in {state.place}" if state.generation else "No full copy"
    words = f"{copied}; the last round failed: {state.problem}" if state.problem else f"{copied}."
    late = max(COPIES_DELAY_US, 5 * settings.copies_seconds * SECOND_US)
    # A time that is far ahead is of a clock that was set back since.
    if not state.generation or abs(now_us() - state.copied_at) > late:
        advice = "Mend what it names. Otherwise check that a server runs and reaches this place, and its log for "
        advice += "copies_failed."
        yield problem(name, words, advice)
    else:
        yield fine(name, words)


CHECKS: tuple[Check, ...] = (
    _check_clock,
    _check_secret_key,
    _check_logs,
    _check_missing_events,
    _check_store_rebuild,
    _check_journal,
    _check_background_work,
    _check_backup,
    _check_copies,
)

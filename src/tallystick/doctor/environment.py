"""Checks of the data directory, the disk, the event store, the archive and the mail server."""

import smtplib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
from maxminddb import InvalidDatabaseError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from tallystick.access.client_address import read_address, within
from tallystick.access.scopes import operator_scope
from tallystick.access.secret import doctor_token
from tallystick.backup.create import expected_events
from tallystick.backup.data_dir_lock import is_locked, lock_data_dir, server_address
from tallystick.backup.file_modes import open_to_others
from tallystick.backup.restore import refuse_interrupted
from tallystick.clock import DAY_US, SECOND_US, from_us, now_us
from tallystick.database.engine import Database
from tallystick.database.postgresql import COMMAND
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.storage_settings import archive_storage
from tallystick.doctor.check_result import CheckResult, fine, problem, warning
from tallystick.doctor.control_database import DAMAGED_ADVICE, does_not_exist
from tallystick.errors import SettingsError
from tallystick.http.unknown_proxies import recent_peers
from tallystick.ingest.geoip import GeoIPFile, problem_of
from tallystick.ingest.store_identity import (
    OTHER_NODE,
    OTHER_NODE_ADVICE,
    OTHER_STORE,
    OTHER_STORE_ADVICE,
    does_belong,
)
from tallystick.ledger.tables import logs
from tallystick.retention.archive import has_marker
from tallystick.secret_keys import KEPT_FILE
from tallystick.settings import Settings
from tallystick.store import erasing, transfer
from tallystick.store.errors import StoreError, TableRefused
from tallystick.store.events import EventStore
from tallystick.work.disk_space import recording_disk, store_disk

TIMEOUT_SECONDS = 5
SHOWN_PEERS = 3
SHOWN_PATHS = 3
OUTDATED_US = 90 * DAY_US  # a file for countries and networks
STUCK = "A change of its table fails and blocks later ones"
STUCK_ADVICE = (
    "Its table system.mutations says why (latest_fail_reason): an erasure or a purge waits. Make room, or restore; "
    "KILL MUTATION takes the change back, and the server tries it anew."
)


def check_data_directory(settings: Settings) -> Iterator[CheckResult]:
    """Checks that the data directory exists, is private, has no unfinished restore, and that the disk has space."""
    name, place = "data directory", settings.data_dir
    if not place.is_dir():
        yield problem(name, f"{place} does not exist.", "Create it, or set TALLYSTICK_DATA_DIR.")
        return
    loose = list(open_to_others(settings))
    if not settings.secret_key:
        yield problem(
            name,
            f"{place / KEPT_FILE} does not exist.",
            "The server creates it only when it first starts. Restore it from where you keep it; if it is lost: "
            "tallystick secret recreate",
        )
    if kept := [path for path in loose if path.name.startswith(KEPT_FILE)]:
        yield problem(name, f"Other users can read {_named(kept)}.", f"chmod 600 {kept[0]}")
    elif loose:
        words = f"Other users have rights to {_named(loose)}."
        yield warning(name, words, f"The server takes them away when it starts. By hand: chmod -R go= {loose[0]}")
    else:
        yield fine(name, f"Only its owner can read {place}.")
    try:
        refuse_interrupted(place)
    except SettingsError as half:
        yield problem("restore", half.detail, "Run the restore again.")
    yield from _check_disks(settings)


def _check_disks(settings: Settings) -> Iterator[CheckResult]:
    """Checks the space on the disks of the data directory, the control database and the embedded event store."""
    disk, whole = recording_disk(settings), store_disk(settings)
    free = whole.free()
    words = f"{free / 1e9:,.1f} GB are free on the disk of {whole.fullest}."
    if not disk.may_record():
        yield problem("disk", words, "Recording is refused until there is more space. Free some up.")
    elif not disk.may_work():
        advice = f"Below {disk.least_for_recording / 1e9:,.1f} GB recording is refused. Free up space."
        yield warning("disk", f"{words} New events are not searchable, and exports, backups and archives wait.", advice)
    elif not whole.may_work():
        advice = "Free up space there. Events are recorded into the journal meanwhile."
        yield warning("disk", f"{words} New events are not searchable.", advice)
    else:
        yield fine("disk", words)


def _named(paths: Sequence[Path]) -> str:
    """The first of the paths, and how many there are beside."""
    more = len(paths) - SHOWN_PATHS
    return ", ".join(map(str, paths[:SHOWN_PATHS])) + (f" and {more:,} more" if more > 0 else "")


def check_event_store(settings: Settings) -> Iterator[CheckResult]:
    """Checks the event store directly, or through the running server if it holds an embedded event store."""
    name = "event store"
    if settings.events_url.startswith("chdb:") and is_locked(settings.data_dir):
        yield _check_through_server(settings)
        return
    if settings.events_url.startswith("chdb:"):
        if not (folder := urlsplit(settings.events_url).path) or not Path(unquote(folder)).is_dir():
            nothing_yet = warning(name, "Does not exist yet.", "The server creates it when it first starts.")
            yield _check_identity(settings, None) or nothing_yet
            return
        with lock_data_dir(settings.data_dir):
            yield _check_opened_store(settings)
        return
    yield _check_opened_store(settings)


def _check_opened_store(settings: Settings) -> CheckResult:
    store = EventStore(settings.events_url)
    try:
        store.ping()
        store.check_version()
        if belonging := _check_identity(settings, store):
            return belonging
        store.version()
        if why := erasing.failure_of_changes(store):
            return problem("event store", f"{STUCK}: {why[:300]}", STUCK_ADVICE)
        if count := missing_events(settings, store):
            advice = "The Integrity page lists them; a backup may contain them."
            return problem("event store", f"{count:,} events that are in the logs are missing from it.", advice)
        return fine("event store", "Answers; no server is running here." if store.embedded else "Answers.")
    except SettingsError as error:
        return problem("event store", error.detail, "See docs/operate/run.md.")
    except TableRefused as error:
        return problem("event store", f"Damaged: {str(error)[:300]}", DAMAGED_ADVICE)
    except StoreError as error:
        advice = "Check TALLYSTICK_EVENTS_URL and that it is running. Until then, events are recorded in the journal."
        return problem("event store", f"No answer: {str(error)[:300]}", advice)
    finally:
        store.close()


def _check_identity(settings: Settings, store: EventStore | None) -> CheckResult | None:
    """The result if the event store (None: there is none) is not the one of the control database; else None."""
    if does_not_exist(settings):
        return None
    database = Database(settings.database_url, pool_size=1, patience=COMMAND)
    try:
        data_dir = settings.data_dir if settings.events_url.startswith("chdb:") else None
        if does_belong(database, store.identities() if store is not None else (), data_dir):
            return None
        return problem("event store", OTHER_STORE, OTHER_STORE_ADVICE)
    except SettingsError:
        return problem("event store", OTHER_NODE, OTHER_NODE_ADVICE)
    except SQLAlchemyError:  # reported by the check of the control database
        return None
    finally:
        database.close()


def missing_events(settings: Settings, store: EventStore) -> int:
    """The number of events that the logs have and the event store lacks.

    Expected counts are read before and after counting, and the lower one is used, so that events recorded or deleted
    during the check are not reported.
    """
    database = Database(settings.database_url, pool_size=1, patience=COMMAND)
    try:
        with database.read() as connection:
            ends = {row.org_id: row.stored_end for row in connection.execute(select(logs.c.org_id, logs.c.stored_end))}
            least = expected_events(connection)
        there = {org_id: transfer.count_below(store, operator_scope(org_id), end) for org_id, end in ends.items()}
        with database.read() as connection:
            later = expected_events(connection)
        return sum(max(min(least[one], later[one]) - there[one], 0) for one in ends)
    except SQLAlchemyError:  # reported by the check of the control database
        return 0
    finally:
        database.close()


def _check_through_server(settings: Settings) -> CheckResult:
    address = server_address(settings.data_dir) or settings.public_url
    url = f"{address}/readyz"
    try:
        answer = httpx.get(url, timeout=TIMEOUT_SECONDS)
        checks = answer.json().get("checks", {})
        own = {"Authorization": f"Bearer {doctor_token(settings.secret_keys)}"}
        metrics = httpx.get(f"{address}/metrics", headers=own, timeout=TIMEOUT_SECONDS).text
    except (httpx.HTTPError, ValueError, AttributeError):
        advice = "Wait until it has started. If this continues, check the server's log."
        return warning("event store", f"A server is running, but {url} does not answer.", advice)
    if not checks.get("events"):
        return problem(
            "event store",
            "The server reports that it does not answer, is damaged or is being rebuilt.",
            "If a damaged part is named above, begin there. Otherwise look for store_failed and store_probe_failed in "
            "the server's log.",
        )
    if "\ntallystick_store_is_other 1" in metrics:
        return problem("event store", OTHER_STORE, OTHER_STORE_ADVICE)
    if "\ntallystick_store_changes_failing 1" in metrics:
        return problem("event store", f"{STUCK}.", STUCK_ADVICE)
    return fine("event store", "Answers the running server.")


def check_proxies(settings: Settings) -> Iterator[CheckResult]:
    """Checks that the server trusts the proxies through which requests come."""
    seen = {peer: read_address(peer) for peer in recent_peers(settings.data_dir, time.time())}
    unknown = [peer for peer, hop in seen.items() if hop is not None and not within(hop, settings.trusted_proxies)]
    if unknown:
        peers = ", ".join(unknown[:SHOWN_PEERS])
        peers += f" and {len(unknown) - SHOWN_PEERS} others" if len(unknown) > SHOWN_PEERS else ""
        yield warning(
            "proxies",
            f"In the last day, requests with X-Forwarded-For came from {peers}, which the server does not trust: all "
            "clients behind it count as one address.",
            "If it is your proxy, add it to TALLYSTICK_TRUSTED_PROXIES. If not, somebody wrote the header: ignore it.",
        )
    else:
        yield fine("proxies", "In the last day, no request came through a proxy that is not trusted.")


def check_archive(settings: Settings) -> Iterator[CheckResult]:
    """Checks that the archive is reachable and is the one that was written to before."""
    objects = archive_storage(settings)
    if objects is None:
        yield fine("archive", "Archiving is off.")
        return
    try:
        begun = has_marker(objects)
    except TargetError as error:
        yield problem("archive", error.detail, "Nothing is deleted until the archive can be written.")
        return
    yield fine("archive", f"{objects.where} answers." if begun else f"{objects.where} is still empty.")


def check_geoip(settings: Settings) -> Iterator[CheckResult]:
    """Checks that the files of TALLYSTICK_GEOIP can be opened and are not outdated."""
    name = "countries and networks"
    if not settings.geoip:
        yield fine(name, "No file is configured (TALLYSTICK_GEOIP); none are filled in.")
    for path in settings.geoip:
        try:
            file = GeoIPFile(path)
        except (OSError, InvalidDatabaseError) as error:
            yield problem(name, f"{path} {problem_of(error)}", "The server does not start with it.")
            continue
        words = f"{path} is {file.kind}, built {from_us(file.built_at * SECOND_US):%Y-%m-%d}."
        if now_us() - file.built_at * SECOND_US > OUTDATED_US:
            yield warning(name, words, "Download a new one: addresses change hands. A running server notices it.")
        else:
            yield fine(name, words)


def check_mail(settings: Settings) -> Iterator[CheckResult]:
    """Checks that the mail server accepts a connection, with STARTTLS if that is configured."""
    if settings.smtp_url is None:
        yield fine("mail", "Email is not configured (TALLYSTICK_SMTP_URL).")
        return
    parts = urlsplit(settings.smtp_url)
    host = parts.hostname or "localhost"
    try:
        if parts.scheme == "smtps":
            with smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT_SECONDS) as secure:
                secure.ehlo()
        else:
            with smtplib.SMTP(
                host, parts.port or (587 if parts.scheme == "smtp+starttls" else 25), timeout=TIMEOUT_SECONDS
            ) as mail:
                mail.ehlo()
                if parts.scheme == "smtp+starttls" and not mail.has_extn("starttls"):
                    yield problem("mail", f"{host} does not offer STARTTLS.", "Use another port, or smtps://.")
                    return
    except (OSError, smtplib.SMTPException) as error:
        yield problem("mail", f"{host} does not answer ({error}).", "Check TALLYSTICK_SMTP_URL.")
        return
    yield fine("mail", f"{host} answers.")

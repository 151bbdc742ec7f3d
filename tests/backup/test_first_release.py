"""What the first release wrote (commit 759de3b) is opened by this version: a backup, a bundle, a cursor, the journal.

`first_release/first_release.zip` was written by a server of that commit, with 60 events of two people.
"""

import io
import json
import shutil
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tallystick import clock
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.api.answers import encode
from tallystick.api.event_schema import event_response
from tallystick.api.parameters import Parameters
from tallystick.backup.restore import restore_backup
from tallystick.database.engine import Database
from tallystick.database.migrate import newest, revision_of
from tallystick.journal.batches import decode_batch
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.filters import query_from
from tallystick.search.find import Finder
from tallystick.search.integrity import differences
from tallystick.settings import Settings
from tallystick.settings import table as settings_table
from tallystick.store.events import EventStore
from tallystick.store.schema import STORE_VERSION
from tallystick.verify.bundle import check_bundle
from tallystick.verify.notes import Key
from tallystick.verify.report import Report

WRITTEN = Path(__file__).parent / "first_release" / "first_release.zip"
SETTINGS = (
    "ALLOWED_TARGETS", "ARCHIVE_DIR", "COMPLIANCE_DIR", "DATABASE_URL", "DATA_DIR", "EVENTS_CACHE_MB", "EVENTS_CLIENTS",
    "EVENTS_MEMORY_MB", "EVENTS_THREADS", "EVENTS_URL", "EXPORT_DIR", "LOG_LEVEL", "MAIL_FROM", "PUBLIC_URL",
    "RATE_LIMIT", "REDACTED_KEYS", "S3_ACCESS_KEY", "S3_ENDPOINT", "S3_REGION", "S3_SECRET_KEY", "SECRET_KEY",
    "SMTP_URL", "SUPPORT_CONTACT", "TRUSTED_PROXIES",
)  # fmt: skip
RENAMED: dict[str, str] = {}  # as docs/operate/upgrade.md lists them


@dataclass
class Restored:
    """The backup of the first release, restored by this version, and what its server said."""

    database: Database
    store: EventStore
    finder: Finder
    scope: Scope
    said: dict[str, Any]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with all that the first release wrote."""
    folder = tmp_path_factory.mktemp("written")
    with zipfile.ZipFile(WRITTEN) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def said(written: Path) -> dict[str, Any]:
    """What the server of the first release answered."""
    found: dict[str, Any] = json.loads((written / "written.json").read_text())
    return found


@pytest.fixture(scope="module")
def restored(
    written: Path, said: dict[str, Any], store: EventStore, events_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restored]:
    data_dir = tmp_path_factory.mktemp("restored")
    shutil.copy(written / "secret.key", data_dir)
    settings = Settings.load({"TALLYSTICK_DATA_DIR": str(data_dir), "TALLYSTICK_EVENTS_URL": events_url})
    restore_backup(settings, written / "backup", lambda _step, _done, _total: None)
    database = Database(settings.database_url)
    with database.read() as connection:
        scope = operator_scope(organizations.by_slug(connection, "acme").org_id)
    finder = Finder(database, store)
    yield Restored(database, store, finder, scope, said)
    finder.close()
    database.close()


def without_sentence(event: dict[str, Any]) -> dict[str, Any]:
    """An event as the API answers it, without what this version words."""
    return {name: value for name, value in event.items() if name not in ("summary", "known")}


def test_a_backup_is_restored_with_every_event_as_it_was(restored: Restored) -> None:
    found = restored.finder.page(restored.scope, Query(), limit=1000, order="recorded").data
    shown = [without_sentence(json.loads(encode(event_response(event)))) for event in found]
    assert shown[: len(restored.said["events"])] == list(map(without_sentence, restored.said["events"]))
    assert list(differences(restored.database, restored.store, restored.scope, 0, len(found))) == []


def test_the_restored_databases_have_the_versions_of_this_program(restored: Restored) -> None:
    with restored.database.read() as connection:
        assert revision_of(connection) == newest()
    assert restored.store.version().version == STORE_VERSION


def test_what_is_computed_from_the_parts_is_computed_by_this_version(restored: Restored) -> None:
    found = restored.finder.page(restored.scope, query_from({"q": ["STRAßE"]}, now=clock.now_us()), limit=100).data
    assert len(found) == sum("Straße" in json.dumps(one, ensure_ascii=False) for one in restored.said["events"])


def test_a_cursor_continues_where_its_page_ended(restored: Restored) -> None:
    given = {"q": ["john"], "limit": ["20"]}
    query, question = query_from({"q": ["john"]}, now=clock.now_us()), Parameters(given).question()
    cursor, ids = restored.said["cursor"], []
    while cursor is not None:
        page = restored.finder.page(restored.scope, query, limit=20, cursor=cursor, question=question)
        ids += [json.loads(encode(event_response(event)))["id"] for event in page.data]
        cursor = page.next_cursor
    assert ids == restored.said["after_cursor"]


def test_a_bundle_is_verified(written: Path, said: dict[str, Any]) -> None:
    report = Report("bundle")
    check_bundle(io.BytesIO((written / "bundle.zip").read_bytes()), [Key.read(said["vkey"])], report)
    assert report.holds, report


def test_a_batch_of_the_journal_is_read(said: dict[str, Any]) -> None:
    row = SimpleNamespace(first_index=7, events=1, body=b64decode(said["journal"]))
    (record,) = decode_batch(UUID(int=1), row).records
    assert (record.id, record.action, record.actor_email, record.paths, record.values) == (
        bytes(range(16)), "user.login", "a@b.c", ("metadata.n",), ("7",),
    )  # fmt: skip
    assert msgspec.json.decode(record.what) == {"action": "user.login"}


def test_every_setting_has_its_name_still_or_the_new_one_is_listed() -> None:
    names = {name for name, _shown, _meaning in settings_table()}
    assert {RENAMED.get(name, f"TALLYSTICK_{name}") for name in SETTINGS} <= names

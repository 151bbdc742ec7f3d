"""What the doctor says: one thing made wrong after the other."""

import dataclasses
import os
from uuid import uuid4

import pytest
from sqlalchemy import update

from tallystick.access import organizations
from tallystick.backup.data_dir_lock import lock_data_dir, server_address, write_address
from tallystick.backup.restore import MARKER_FILE
from tallystick.cli.doctor import _run_checks
from tallystick.clock import DAY_US, SECOND_US, now_us
from tallystick.database.engine import Database
from tallystick.doctor.check_result import CheckGrade
from tallystick.doctor.control_database import check_database
from tallystick.doctor.environment import (
    check_archive,
    check_data_directory,
    check_event_store,
    check_geoip,
    check_mail,
    missing_events,
)
from tallystick.errors import Unavailable
from tallystick.ingest.rebuild_requests import request_rebuild
from tallystick.ingest.store_identity import OTHER_NODE, OTHER_STORE, adopt_next
from tallystick.ingest.tables import store_identity, store_rebuilds
from tallystick.integrity.tables import damaged_parts
from tallystick.journal.missing_ranges import IndexGap, replace_missing
from tallystick.ledger import log as ledger_log
from tallystick.ledger.high_water import HighWaterMark, HighWaterMarks
from tallystick.ledger.keys import Keyring
from tallystick.retention import clock_guard
from tallystick.retention.tables import clock_witness
from tallystick.settings import Settings
from tallystick.store import erasing, expiry
from tallystick.store.errors import StoreError
from tests.erasure.erasure_driver import ask, by_sarah, confirm, eraser, run, show
from tests.fixtures.mmdb import write_mmdb


@pytest.fixture(autouse=True)
def private_umask():
    """New files are for their owner alone, as the command line sees to."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def settings(tmp_path, database_url):
    (tmp_path / "data").mkdir(mode=0o700)
    environ = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": database_url, "SECRET_KEY": "k" * 40}
    return Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()})


@pytest.fixture
def log(settings):
    """The log of an organization with a signing key."""
    database = Database(settings.database_url)
    with database.write() as connection:
        made = organizations.create(connection, "acme", "", "enterprise", None, now=now_us())
        ledger_log.create(connection, made.org_id, now=now_us())
        Keyring(settings.secret_keys, "localhost").prepare(connection, made.org_id, now=now_us())
        found = ledger_log.read(connection, made.org_id)
    database.close()
    return found


def said(findings, grade=CheckGrade.PROBLEM):
    return [finding.name for finding in findings if finding.grade is grade]


def change(settings, work):
    database = Database(settings.database_url)
    with database.write() as connection:
        work(connection)
    database.close()


def test_a_sound_installation_has_no_problem_and_no_backup_yet(settings, log):
    found = [
        *check_data_directory(settings),
        *check_database(settings),
        *check_event_store(settings),
        *check_mail(settings),
    ]
    assert said(found) == []
    assert said(found, CheckGrade.WARNING) == ["backup", "event store"]


def test_a_frozen_log_comes_with_its_reason_and_what_to_do(settings, log):
    change(settings, lambda connection: ledger_log.freeze(connection, log.org_id, "it is older"))
    (finding,) = [one for one in check_database(settings) if one.grade is CheckGrade.PROBLEM]
    assert "it is older" in finding.words
    assert "tallystick org restart-log acme" in finding.advice


def test_a_log_with_fewer_entries_than_were_signed_is_a_problem(settings, log):
    marks = HighWaterMarks(settings.data_dir)
    marks.open()
    marks.append([HighWaterMark(log.origin_id, 5, bytes(32))])
    assert said(check_database(settings)) == ["log"]


def test_marks_that_the_server_is_writing_are_left_alone(settings, log):
    path = settings.data_dir / "ledger.marks"
    path.write_text(f"{log.origin_id} 5 half of a li")
    said(check_database(settings))
    assert path.read_text().endswith("half of a li")


def test_another_secret_is_a_problem(settings, log):
    environ = {"DATA_DIR": str(settings.data_dir), "DATABASE_URL": settings.database_url, "SECRET_KEY": "x" * 40}
    other = Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()})
    assert said(check_database(other)) == ["secret key"]


def test_a_clock_that_leapt_is_a_problem_until_it_is_accepted(settings, log):
    now = now_us()
    change(settings, lambda connection: clock_guard.accept_clock(connection, now))
    values = {"doubted_at": now + 400 * DAY_US, "doubted_through": now + 400 * DAY_US}
    change(settings, lambda connection: connection.execute(update(clock_witness).values(values)))
    assert said(check_database(settings)) == ["clock"]
    change(settings, lambda connection: clock_guard.accept_clock(connection, now))
    assert said(check_database(settings)) == []


def test_what_others_may_read_and_half_a_restore_are_problems(settings):
    (settings.data_dir / "secret.key").write_text("k")
    (settings.data_dir / "secret.key").chmod(0o644)
    (settings.data_dir / MARKER_FILE).write_bytes(
        b'{"backup_id":"01890000-0000-7000-8000-000000000000","directory":"/copies/1","aside":"","moved":true}'
    )
    assert said(check_data_directory(settings)) == ["data directory", "restore"]


def test_a_mail_server_that_does_not_answer_is_a_problem(settings, tmp_path, free_port):
    environ = {"TALLYSTICK_DATA_DIR": str(tmp_path), "TALLYSTICK_SMTP_URL": f"smtp://127.0.0.1:{free_port}"}
    assert said(check_mail(Settings.load(environ))) == ["mail"]


def test_looking_makes_nothing(tmp_path, monkeypatch):
    """Also no data directory and no secret key, which would hide that the real ones are lost."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALLYSTICK_DATA_DIR", str(tmp_path / "data"))
    found = _run_checks()
    assert said(found) == ["data directory"]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "data").mkdir(mode=0o700)
    assert "secret.key does not exist" in "".join(one.words for one in _run_checks() if one.grade is CheckGrade.PROBLEM)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_store_with_fewer_events_than_the_log_says_is_a_problem(sqlite_spine, monkeypatch, tmp_path):
    scope = sqlite_spine.organization()
    sent = sqlite_spine.record(scope, *({"action": "project.updated"} for _ in range(5))).events
    sqlite_spine.ship()
    settings = Settings.load(
        {"TALLYSTICK_DATA_DIR": str(tmp_path), "TALLYSTICK_DATABASE_URL": f"sqlite:///{tmp_path}/tallystick.db"}
    )
    assert missing_events(settings, sqlite_spine.store) == 0
    expiry.delete_indexes(sqlite_spine.store, scope, [sent[1].index, sent[3].index])
    assert missing_events(settings, sqlite_spine.store) == 2


def test_a_new_event_store_is_a_problem_with_what_to_do(settings, log):
    change(settings, lambda connection: adopt_next(connection, settings.data_dir, embedded=True))
    change(settings, lambda connection: connection.execute(update(store_identity).values(store_id=uuid4())))
    (finding,) = check_event_store(settings)  # the folder of the store does not exist
    assert finding.words == OTHER_STORE
    assert "tallystick store adopt" in finding.advice


def test_an_event_store_of_another_node_is_a_problem(settings, log, tmp_path):
    change(settings, lambda connection: adopt_next(connection, tmp_path / "other", embedded=True))
    (finding,) = check_event_store(settings)
    assert finding.words == OTHER_NODE


def test_a_change_that_the_store_fails_to_carry_out_is_told_with_its_reason(sqlite_spine, tmp_path):
    scope, store = sqlite_spine.organization(), sqlite_spine.store
    sqlite_spine.record(scope, by_sarah())
    sqlite_spine.ship()
    org = {"org": str(scope.org_id)}
    wrong = "ALTER TABLE events UPDATE action = toString(throwIf(1, 'no room for it')) WHERE org_id = {org:UUID}"
    work = eraser(sqlite_spine, tmp_path)
    public_id = ask(sqlite_spine, scope)
    run(sqlite_spine, work)
    confirm(sqlite_spine, scope, public_id)
    try:
        with pytest.raises(StoreError):
            store.change(wrong, org)
        assert "no room for it" in erasing.failure_of_changes(store)
        with pytest.raises(Unavailable):
            run(sqlite_spine, work)
        assert "tallystick doctor" in show(sqlite_spine, scope, public_id).waits_for
    finally:
        store.change("KILL MUTATION WHERE database = currentDatabase() AND table = 'events'")
    assert erasing.failure_of_changes(store) == ""
    run(sqlite_spine, work, later=61 * SECOND_US)
    assert show(sqlite_spine, scope, public_id).waits_for == ""


def test_missing_events_are_named_by_their_indexes(settings, log):
    gaps = [IndexGap(3, 3, 1), IndexGap(7, 9, 3)]
    change(settings, lambda connection: replace_missing(connection, log.org_id, gaps, now=now_us(), by="start"))
    (finding,) = [one for one in check_database(settings) if one.grade is CheckGrade.PROBLEM]
    assert "acme lacks 4 events" in finding.words
    assert "indexes 3, 7-9." in finding.words
    assert "store restore-range" in finding.advice


def test_a_damaged_part_is_named(settings, log):
    values = {"part": "2026_1_1_0", "problem": "Checksum doesn't match", "noticed_at": now_us()}
    change(settings, lambda connection: connection.execute(damaged_parts.insert().values(values)))
    (finding,) = [one for one in check_database(settings) if one.grade is CheckGrade.PROBLEM]
    assert "2026_1_1_0" in finding.words


def test_a_rebuild_of_the_event_store_is_told_with_its_progress_and_for_what_it_waits(settings, log):
    change(settings, request_rebuild)
    changed = {"state": "running", "events": 40, "of_events": 1200, "detail": "3.0 GB of free disk space are needed."}
    change(settings, lambda connection: connection.execute(update(store_rebuilds).values(changed)))
    (finding,) = [one for one in check_database(settings) if one.name == "store rebuild"]
    assert finding.grade is CheckGrade.WARNING
    assert "40 of 1,200 events" in finding.words
    assert "3.0 GB" in finding.words


def test_a_geoip_database_is_named_with_its_age_and_a_broken_one_is_a_problem(settings, tmp_path):
    (none,) = check_geoip(settings)
    old = write_mmdb(
        tmp_path / "old.mmdb", {"203.0.113.0/24": {"country_code": "DE"}}, kind="Lite", built=1_700_000_000
    )
    new = write_mmdb(tmp_path / "new.mmdb", {"203.0.113.0/24": {"country_code": "DE"}}, built=now_us() // SECOND_US)
    (tmp_path / "broken.mmdb").write_bytes(b"not a database")
    files = (old, new, tmp_path / "broken.mmdb")
    found = list(check_geoip(dataclasses.replace(settings, geoip=files)))
    assert [none.grade, *(one.grade for one in found)] == [
        CheckGrade.OK, CheckGrade.WARNING, CheckGrade.OK, CheckGrade.PROBLEM,
    ]  # fmt: skip
    assert found[0].words == f"{old} is Lite, built 2023-11-14."


def test_an_archive_that_is_out_of_reach_is_a_problem(tmp_path, free_port):
    environ = {
        "DATA_DIR": str(tmp_path), "ARCHIVE_DIR": "s3://kept", "S3_ENDPOINT": f"http://127.0.0.1:{free_port}",
        "S3_ACCESS_KEY": "AK", "S3_SECRET_KEY": "not-to-be-seen",
    }  # fmt: skip
    settings = Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()})
    (refused,) = check_archive(settings)
    assert "TALLYSTICK_ALLOWED_TARGETS" in refused.words
    (empty,) = check_archive(dataclasses.replace(settings, archive_dir=tmp_path / "none"))
    assert empty.grade is CheckGrade.OK
    assert not (tmp_path / "none").exists()


def test_a_server_is_asked_where_it_listens_and_not_at_the_public_url(settings, free_port):
    with lock_data_dir(settings.data_dir):
        write_address(settings.data_dir, f"http://127.0.0.1:{free_port}", "mark")
        (finding,) = check_event_store(settings)
    assert f"http://127.0.0.1:{free_port}/readyz does not answer" in finding.words


def test_an_address_is_that_of_the_server_that_runs_now(settings):
    with lock_data_dir(settings.data_dir):
        write_address(settings.data_dir, "http://127.0.0.1:1234", "mark")
        assert server_address(settings.data_dir) == "http://127.0.0.1:1234"
    assert server_address(settings.data_dir) is None
    with lock_data_dir(settings.data_dir):
        assert server_address(settings.data_dir) is None

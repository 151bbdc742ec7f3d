"""Settings are read once, checked at once, and explain themselves."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path

import pytest

from tallystick import setting_values, settings
from tallystick.errors import SettingsError
from tallystick.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory, so that no file of this tree is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_any_setting_everything_lives_in_the_data_directory(here):
    loaded = Settings.load({})
    data = here / "data"
    assert (loaded.data_dir, loaded.database_url, loaded.events_url, loaded.public_url) == (
        data,
        f"sqlite:///{data}/tallystick.db",
        f"chdb://{data}/events",
        "http://127.0.0.1:8765",
    )


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(here):
    (here / "tallystick.toml").write_text('public_url = "https://file.example"\nrate_limit = 7\nlog_level = "error"\n')
    loaded = Settings.load({"TALLYSTICK_PUBLIC_URL": "https://audit.example/"})
    assert (loaded.public_url, loaded.rate_limit, loaded.log_level) == ("https://audit.example", 7, "error")


def test_a_proxy_of_ipv4_may_be_written_as_ipv6():
    for name in ("TALLYSTICK_TRUSTED_PROXIES", "TALLYSTICK_ALLOWED_TARGETS"):
        loaded = Settings.load({name: "::ffff:10.0.0.0/104, ::ffff:192.0.2.7"})
        networks = loaded.trusted_proxies or loaded.allowed_targets
        assert networks == (ip_network("10.0.0.0/8"), ip_network("192.0.2.7"))


def test_a_list_in_the_file_is_read_like_text_with_commas(here):
    (here / "tallystick.toml").write_text('trusted_proxies = ["10.0.0.0/8", "::1"]\n')
    in_environment = Settings.load({"TALLYSTICK_TRUSTED_PROXIES": "10.0.0.0/8,::1"}).trusted_proxies
    assert Settings.load({}).trusted_proxies == in_environment == (ip_network("10.0.0.0/8"), ip_network("::1"))


def test_allowed_targets_are_networks_and_host_names(here):
    loaded = Settings.load({"TALLYSTICK_ALLOWED_TARGETS": "127.0.0.1, 10.1.0.0/16, Mail.internal"})
    assert loaded.allowed_targets == (ip_network("127.0.0.1"), ip_network("10.1.0.0/16"), "mail.internal")


def test_further_redacted_keys_join_the_built_in_ones(here):
    keys = Settings.load({"TALLYSTICK_REDACTED_KEYS": "National-ID, iban"}).redacted_keys
    assert {"nationalid", "iban", "password", "setcookie"} <= keys


def test_keys_are_compared_without_case_hyphen_and_underscore():
    assert setting_values.normalised("X-API_Key") == "xapikey"


def test_evidence_is_not_among_the_redacted_keys():
    assert not {"secretid", "passwordpolicy", "tokenid", "accesskeyid"} & set(setting_values.REDACTED_KEYS)


def test_built_in_redacted_keys_are_written_as_they_are_compared():
    assert [key for key in setting_values.REDACTED_KEYS if setting_values.normalised(key) != key] == []


def test_the_secret_key_is_made_once_and_is_for_its_owner_only(here):
    first = Settings.load({}).secret_key
    kept = here / "data" / "secret.key"
    assert (first, stat.S_IMODE(kept.stat().st_mode), len(first)) == (Settings.load({}).secret_key, 0o600, 64)


def test_a_data_directory_that_is_made_is_for_its_owner_only(here):
    Settings.load({})
    assert stat.S_IMODE((here / "data").stat().st_mode) == 0o700


def test_a_new_secret_key_survives_a_power_cut_once_it_is_used(here, monkeypatch):
    synced: list[set[str]] = []  # what a folder held when it was forced to the disk

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            synced.append(set(os.listdir(descriptor)))

    monkeypatch.setattr("tallystick.durable.os.fsync", sync)
    assert Settings.load({}).secret_key
    assert any("secret.key" in names for names in synced)


def test_processes_that_start_together_get_one_secret_key(here):
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: Settings.load({}).secret_key, range(64)))
    assert (len(keys), [path.name for path in (here / "data").iterdir()]) == (1, ["secret.key"])


@pytest.mark.parametrize("content", [b"", b"\n", b"short\n", b"\xff\xfe"])
@pytest.mark.parametrize("name", ["secret.key", "secret.key.old"])
def test_a_key_file_without_a_key_is_refused_by_name(here, name, content):
    """An empty key would be one that everybody knows."""
    Settings.load({})
    (here / "data" / name).write_bytes(content)
    with pytest.raises(SettingsError, match=f"data/{name} holds no secret key"):
        Settings.load({})


def test_a_given_secret_key_touches_no_disk(here):
    assert Settings.load({"TALLYSTICK_SECRET_KEY": SECRET}).secret_key == SECRET
    assert list(here.iterdir()) == []


def test_postgresql_asks_for_a_secret_key_that_all_nodes_share(here):
    with pytest.raises(SettingsError, match=r"^TALLYSTICK_SECRET_KEY: required with PostgreSQL.*openssl rand"):
        Settings.load({"TALLYSTICK_DATABASE_URL": "postgresql://db/tallystick"})


def test_the_short_scheme_of_postgresql_is_understood(here):
    given = {"TALLYSTICK_DATABASE_URL": "postgres://u:p@db/tallystick", "TALLYSTICK_SECRET_KEY": SECRET}
    assert Settings.load(given).database_url == "postgresql://u:p@db/tallystick"


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("DATA_DIR", "/tmp/a?b", "without \\?"),
        ("DATABASE_URL", "mysql://db/x", "postgresql://"),
        ("EVENTS_URL", "http://db", "clickhouse://"),
        ("PUBLIC_URL", "audit.example.com", "https://audit.example.com"),
        ("PUBLIC_URL", "https://example.com/audit", "only scheme"),
        ("SECRET_KEY", "short", "at least 32"),
        ("SMTP_URL", "mail.example.com", "smtp://"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "CIDRs"),
        ("ALLOWED_TARGETS", "not a_host!", "host name"),
        ("RATE_LIMIT", "-1", "from 0"),
        ("RATE_LIMIT", "²", "whole number"),
        ("EVENTS_MEMORY_MB", "lots", "from 200"),
        ("EVENTS_CLIENTS", "1", "from 2"),
        ("LOG_LEVEL", "loud", "debug, info, warning, error"),
    ],
)
def test_a_bad_value_names_the_setting_and_what_to_write(here, name, value, advice):
    with pytest.raises(SettingsError, match=f"^TALLYSTICK_{name}: .*{advice}"):
        Settings.load({f"TALLYSTICK_{name}": value})


def test_an_unknown_name_in_the_file_is_refused_with_the_nearest_one(here):
    path = here / "tallystick.toml"
    path.write_text("rate_limits = 5\n")
    with pytest.raises(SettingsError, match="unknown setting rate_limits; did you mean rate_limit"):
        Settings.load({}, path)


def test_a_broken_or_missing_file_is_named(here):
    (here / "bad.toml").write_text("= nothing")
    with pytest.raises(SettingsError, match=r"bad\.toml: invalid TOML"):
        Settings.load({}, here / "bad.toml")
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read"):
        Settings.load({}, here / "none.toml")


def test_a_data_directory_that_cannot_be_made_is_named(here):
    (here / "data").write_text("a file")
    with pytest.raises(SettingsError, match="TALLYSTICK_DATA_DIR"):
        Settings.load({})


def test_no_secret_stands_in_the_repr(here):
    shown = repr(
        Settings.load(
            {
                "TALLYSTICK_SECRET_KEY": SECRET,
                "TALLYSTICK_DATABASE_URL": "postgresql://tally:hush1@db/x",
                "TALLYSTICK_EVENTS_URL": "clickhouses://tally:hush2@ch:8443/x",
                "TALLYSTICK_SMTP_URL": "smtp+starttls://tally:hush3@mail:587",
            }
        )
    )
    assert [word for word in (SECRET, "hush1", "hush2", "hush3") if word in shown] == []
    assert "postgresql://tally:***@db/x" in shown


def test_the_table_names_every_setting_with_default_and_meaning():
    rows = settings.table()
    assert rows[0] == (
        "TALLYSTICK_DATA_DIR",
        "./data",
        "Directory for all embedded data: SQLite, the event store, the secret key.",
    )
    assert [row for row in rows if not all(row)] == []


def test_a_relative_data_directory_is_taken_from_where_the_command_runs(here):
    assert Settings.load({"TALLYSTICK_DATA_DIR": "elsewhere"}).data_dir == Path(here / "elsewhere")


def test_an_archive_is_a_directory_or_a_bucket_with_its_keys(here):
    assert Settings.load({"TALLYSTICK_ARCHIVE_DIR": "kept"}).archive_dir == here / "kept"
    keys = {"TALLYSTICK_S3_ACCESS_KEY": "AK", "TALLYSTICK_S3_SECRET_KEY": "do-not-show"}
    loaded = Settings.load({"TALLYSTICK_ARCHIVE_DIR": "s3://audit-archive/acme/", **keys})
    assert loaded.archive_dir == "s3://audit-archive/acme"
    assert "do-not-show" not in repr(loaded)
    for wrong in ("s3://AK:secret@bucket/x", "s3://", "s3://b?x=1", "https://bucket/x"):
        with pytest.raises(SettingsError, match="TALLYSTICK_ARCHIVE_DIR"):
            Settings.load({"TALLYSTICK_ARCHIVE_DIR": wrong, **keys})
    with pytest.raises(SettingsError, match="TALLYSTICK_S3_SECRET_KEY"):
        Settings.load({"TALLYSTICK_ARCHIVE_DIR": "s3://bucket"})


def test_a_variable_that_is_no_setting_is_named_with_the_closest_one_that_is():
    given = {"TALLYSTICK_PUBLICURL": "x", "TALLYSTICK_URL": "x", "TALLYSTICK_RATE_LIMIT": "7", "PATH": "x"}
    said = settings.unknown_variables(given)
    assert said == [
        "TALLYSTICK_PUBLICURL is no setting of this version and has no effect. Did you mean TALLYSTICK_PUBLIC_URL?"
    ]

"""Settings: from `TALLYSTICK_…` in the environment, else `tallystick.toml`, else the default.

Each setting is declared once, with its default, its meaning and how its text is read;
`table()` and docs/reference/settings.md come from the same declarations.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tallystick.errors import SettingsError
from tallystick.secret_keys import KEPT_FILE, SecretKeys, holds_secrets, read_or_create_key, read_previous_key
from tallystick.setting_values import (
    SECRET_LENGTH,
    Network,
    read_archive,
    read_database_url,
    read_endpoint,
    read_events_url,
    read_folder,
    read_mail_from,
    read_mmdb_files,
    read_networks,
    read_one_of,
    read_optional,
    read_path,
    read_public_url,
    read_reader_networks,
    read_redacted_keys,
    read_secret,
    read_smtp_url,
    read_targets,
    read_text,
    read_whole_number,
)

PREFIX = "TALLYSTICK_"
TOML_NAME = "tallystick.toml"
CLIENT_VARIABLES = frozenset({"TALLYSTICK_URL", "TALLYSTICK_API_KEY"})  # which commands read that call a server
MASKED = "***"


def _setting(default: str, meaning: str, read: Callable[[str], Any], *, shown: str | None = None) -> Any:
    """Declare a setting: its default as text, the default as the documentation shows it, its meaning, its reader."""
    return field(
        metadata={"default": default, "shown": default if shown is None else shown, "meaning": meaning, "read": read}
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """Every setting, read and checked. The `repr` shows no secret."""

    data_dir: Path = _setting(
        "./data", "Directory for all embedded data: SQLite, the event store, the secret key.", read_path
    )
    database_url: str = _setting(
        "", "The control database: SQLite, or `postgresql://user:password@host/name`.", read_database_url,
        shown="SQLite in the data directory",
    )  # fmt: skip
    events_url: str = _setting(
        "",
        "The event store: embedded (`chdb:///path`), or one ClickHouse server: `clickhouse://…`, or `clickhouses://…` "
        "for TLS.",
        read_events_url, shown="`chdb://<data directory>/events`",
    )  # fmt: skip
    public_url: str = _setting(
        "http://127.0.0.1:8765",
        "URL at which people reach the server. With https, cookies are `__Host-` and Secure.",
        read_public_url,
    )
    secret_key: str = _setting(
        "", f"At least {SECRET_LENGTH} random characters that encrypt stored secrets. Required with PostgreSQL.",
        read_secret, shown="created once, kept in the data directory (0600)",
    )  # fmt: skip
    secret_key_old: str = _setting(
        "", "The previous secret key, until `tallystick secret rotate` has encrypted the stored secrets with the new "
        "one. Links that it signed work as long as it is given.",
        read_secret, shown="none; `secret.key.old` of the data directory, if the key is kept there",
    )  # fmt: skip
    smtp_url: str | None = _setting(
        "",
        "Mail server, `smtps://` or `smtp+starttls://user:password@host:port`; `smtp://` sends unencrypted.",
        read_smtp_url,
        shown="none; no email is sent",
    )
    mail_from: str = _setting(
        "", "Sender address of emails.", read_mail_from, shown="tallystick@ and the host of the public URL"
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        "",
        "CIDRs of proxies whose `X-Forwarded-For` is trusted. Both addresses are stored.",
        read_networks,
        shown="none",
    )
    allowed_targets: tuple[Network | str, ...] = _setting(
        "",
        "CIDRs and hosts with private or loopback addresses that outgoing requests can reach, such as an S3 server.",
        read_targets,
        shown="none",
    )
    geoip: tuple[Path, ...] = _setting(
        "",
        "Your `.mmdb` file, or several: fills in [country and network of addresses](../operate/geoip.md) at recording.",
        read_mmdb_files, shown="none; nothing is filled in",
    )  # fmt: skip
    support_contact: str | None = _setting(
        "",
        "Contact for longer retention: an email address or a URL, such as `support@example.com`.",
        read_optional,
        shown="none",
    )
    archive_dir: Path | str | None = _setting(
        "", "A directory, or `s3://bucket/prefix`: expired events are written there, with their proofs, "
        "before they are deleted.",
        read_archive, shown="none; nothing is archived",
    )  # fmt: skip
    export_dir: Path | str | None = _setting(
        "", "A directory, or `s3://bucket/prefix`, where scheduled exports can save their files.", read_archive,
        shown="none; they are sent only by email",
    )  # fmt: skip
    copies_dir: Path | str | None = _setting(
        "", "A directory on another disk, or `s3://bucket/prefix`, for continuous copies of everything.", read_archive,
        shown="none; no copies are made",
    )  # fmt: skip
    copies_seconds: int = _setting("10", "Seconds between two copies of new events.", read_whole_number(1, 3600))
    copies_days: int = _setting(
        "7", "Days for which copies are kept: a restore to any moment of them is possible.", read_whole_number(1, 3650)
    )
    s3_endpoint: str = _setting(
        "https://s3.amazonaws.com", "The S3 server of buckets named here, Amazon's or another's.", read_endpoint
    )
    s3_region: str = _setting("us-east-1", "The region of these buckets.", read_text)
    s3_access_key: str = _setting("", "The access key for these buckets.", read_text, shown="none")
    s3_secret_key: str = _setting("", "The secret key for these buckets.", read_text, shown="none")
    compliance_dir: Path | None = _setting(
        "", "A directory of TOML files with your own questions for compliance reports.", read_folder,
        shown="none; reports use the built-in questions",
    )  # fmt: skip
    redacted_keys: frozenset[str] = _setting(
        "", "Additional keys whose values are replaced by `[redacted]`; case, `-` and `_` are ignored.",
        read_redacted_keys, shown="none beyond the built-in list",
    )  # fmt: skip
    rate_limit: int = _setting(
        "1000",
        "Requests per second for each key. Bursts can be twice that. 0 means no limit.",
        read_whole_number(0, 1_000_000),
    )
    live_viewers: int = _setting(
        "500",
        "Live views that can be open at once. One organization can have a fifth of them, one key or person a tenth.",
        read_whole_number(10, 1_000_000),
    )
    events_memory_mb: int = _setting(
        "1000",
        "Megabytes of memory that the embedded event store can use for queries and inserts.",
        read_whole_number(200, 1_000_000),
    )
    events_cache_mb: int = _setting(
        "250", "Megabytes for all caches of the embedded event store.", read_whole_number(10, 1_000_000)
    )
    events_threads: int = _setting(
        "2", "Threads that one statement of the event store can use.", read_whole_number(1, 256)
    )
    events_clients: int = _setting(
        "4", "Searches that run concurrently at most; fewer where there are few cores.", read_whole_number(2, 64)
    )
    metrics_networks: tuple[Network, ...] = _setting(
        "127.0.0.0/8 ::1/128", "CIDRs of the machines that can read `/metrics` without a token, or `all`, or `none`.",
        read_reader_networks, shown="this machine",
    )  # fmt: skip
    metrics_token: str = _setting("", "Bearer token with which others can read `/metrics`.", read_secret, shown="none")
    least_free_mb: int = _setting(
        "1024",
        "Megabytes that stay free on the disks of the data directory, of SQLite and of the embedded event store. Below "
        "that, new events are recorded but not searchable, and exports, backups and archives wait; below a quarter of "
        "it, recording is refused, except where only the event store's disk is full.",
        read_whole_number(4, 1_000_000_000),
    )
    journal_tail_hours: int = _setting(
        "24",
        "Hours for which the control database keeps what the event store has taken, so that what the store loses comes "
        "back by itself.",
        read_whole_number(1, 8760),
    )
    journal_tail_mb: int = _setting(
        "512", "Megabytes that it keeps of this at most; the oldest go first.", read_whole_number(1, 1_000_000)
    )
    exports_mb: int = _setting(
        "10000",
        "Megabytes that the export files of one organization can have, reports and evidence included; never more than "
        "a tenth of what is free on the disk.",
        read_whole_number(1, 1_000_000_000),
    )
    session_idle_minutes: int = _setting(
        "720", "Minutes after which somebody who does nothing is signed out.", read_whole_number(1, 525_600)
    )
    session_hours: int = _setting(
        "168", "Hours after which everybody has to sign in again.", read_whole_number(1, 8760)
    )
    access_log: str = _setting(
        "off", "Whether each request is logged, on or off: method, route, status, address and time.",
        read_one_of("on", "off"),
    )  # fmt: skip
    log_level: str = _setting(
        "info", "Log level: debug, info, warning or error.", read_one_of("debug", "info", "warning", "error")
    )
    secret_keys: SecretKeys  # of `secret_key` and `secret_key_old`, or kept in the data directory

    @classmethod
    def load(cls, environ: Mapping[str, str], toml_path: Path | None = None, *, make: bool = True) -> "Settings":
        """Read all settings; `toml_path` None means `tallystick.toml` here, if there is one.

        Makes the secret key in the data directory if none is given and SQLite is used; without `make` it is empty then.
        Raises SettingsError that names the setting and says what to write.
        """
        from_file = _read_toml(toml_path)
        values: dict[str, Any] = {}
        for declared in _declared():
            name = PREFIX + declared.name.upper()
            text = environ.get(name, from_file.get(declared.name, "")).strip() or declared.metadata["default"]
            try:
                values[declared.name] = declared.metadata["read"](text)
            except ValueError as problem:
                raise SettingsError(f"{name}: {problem}.") from None
        data_dir: Path = values["data_dir"]
        values["database_url"] = values["database_url"] or f"sqlite:///{data_dir / 'tallystick.db'}"
        values["events_url"] = values["events_url"] or f"chdb://{data_dir / 'events'}"
        values["mail_from"] = values["mail_from"] or f"tallystick@{urlsplit(values['public_url']).hostname}"
        for place in ("archive_dir", "export_dir", "copies_dir"):
            if isinstance(values[place], str) and not (values["s3_access_key"] and values["s3_secret_key"]):
                raise SettingsError(
                    f"{PREFIX}{place.upper()}: a bucket needs {PREFIX}S3_ACCESS_KEY and {PREFIX}S3_SECRET_KEY too."
                )
        previous, is_kept = [values["secret_key_old"]], not values["secret_key"]
        if is_kept:
            values["secret_key"], kept_before = _kept_keys(data_dir, values["database_url"], make)
            previous.append(kept_before)
        others = tuple(key for key in previous if key not in ("", values["secret_key"]))
        return cls(secret_keys=SecretKeys(values["secret_key"], others, is_kept=is_kept), **values)

    @property
    def public_host(self) -> str:
        """The host of `public_url`, without a port."""
        return urlsplit(self.public_url).hostname or "localhost"

    def masked_values(self) -> dict[str, str]:
        """The settings by name, without their secrets."""
        optional = {
            name: MASKED if getattr(self, name) else "" for name in ("s3_secret_key", "metrics_token", "secret_key_old")
        }
        hidden = {"secret_key": MASKED, **optional} | {
            name: _masked(getattr(self, name) or "") for name in ("database_url", "events_url", "smtp_url")
        }
        return {item.name: str(hidden.get(item.name, getattr(self, item.name))) for item in _declared()}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.masked_values().items())})"


def _declared() -> list[Field[Any]]:
    """The declared settings, in order."""
    return [item for item in fields(Settings) if item.metadata]


def table() -> list[tuple[str, str, str]]:
    """Every setting in order: its name in the environment, its default as shown, its meaning."""
    return [(PREFIX + item.name.upper(), item.metadata["shown"], item.metadata["meaning"]) for item in _declared()]


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable with our prefix that is no setting: misspelled, or of another version."""
    known = {PREFIX + item.name.upper() for item in _declared()} | CLIENT_VARIABLES
    sentences = []
    for name in sorted(name for name in environ if name.startswith(PREFIX) and name not in known):
        close = difflib.get_close_matches(name, sorted(known), 1)
        advice = f" Did you mean {close[0]}?" if close else ""
        sentences.append(f"{name} is no setting of this version and has no effect.{advice}")
    return sentences


def _masked(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.split(':')[0]}:{MASKED}@{host}").geturl()


def _read_toml(path: Path | None) -> dict[str, str]:
    """The file's settings as text; a name is the one of the environment without prefix, in lower case."""
    if path is None:
        path = Path(TOML_NAME)
        if not path.is_file():
            return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise SettingsError(f"{path}: cannot be read ({problem.strerror}). Give the path of a TOML file.") from None
    except ValueError as problem:
        raise SettingsError(
            f'{path}: invalid TOML ({problem}). Use lines such as data_dir = "/var/lib/tallystick".'
        ) from None
    known = [item.name for item in _declared()]
    for name in content:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            advice = f"did you mean {close[0]}?" if close else "known are " + ", ".join(known) + "."
            raise SettingsError(f"{path}: unknown setting {name}; {advice}")
    return {
        name: " ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in content.items()
    }


def _kept_keys(data_dir: Path, database_url: str, make: bool) -> tuple[str, str]:
    """The secret key that this data directory keeps, made at the first call, and the previous one or an empty text."""
    if not database_url.startswith("sqlite"):
        raise SettingsError(
            f"{PREFIX}SECRET_KEY: required with PostgreSQL, and the same on every node. "
            "Use the output of: openssl rand -hex 32."
        )
    lost = data_dir / KEPT_FILE
    if make and not lost.exists() and holds_secrets(Path(database_url.removeprefix("sqlite:///"))):
        raise SettingsError(
            f"{lost} does not exist, but {database_url} has secrets that were encrypted with it: the keys that sign, "
            "and those of destinations. Put the file back from where you keep it. If there is no copy, go on without "
            "these secrets: tallystick secret recreate says which they are."
        )
    try:
        return read_or_create_key(data_dir, make=make), read_previous_key(data_dir)
    except ValueError as problem:
        raise SettingsError(f"{problem} Put the key back from where you keep it.") from None
    except OSError as problem:
        raise SettingsError(
            f"{PREFIX}DATA_DIR: {data_dir} cannot be used ({problem.strerror}). "
            "Choose a directory that this user can write to."
        ) from None

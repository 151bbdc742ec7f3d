"""Reads the text of settings.

Each function returns the value, or raises ValueError with what to write instead.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

SECRET_LENGTH = 32

Network = IPv4Network | IPv6Network
_MAPPED_BITS = 96  # of ::ffff:0:0/96, the addresses of IPv4 in the form of IPv6

# Whole names, after `normalised`: `secretId` and `password_policy` are evidence and stay.
REDACTED_KEYS = (
    "password", "passwd", "passphrase", "newpassword", "oldpassword", "currentpassword", "passwordhash",
    "secret", "clientsecret", "secretkey", "secretaccesskey", "secretstring", "privatekey", "signingkey",
    "token", "accesstoken", "refreshtoken", "idtoken", "authtoken", "bearertoken", "sessiontoken", "securitytoken",
    "apikey", "xapikey", "authorization", "proxyauthorization", "cookie", "setcookie",
)  # fmt: skip


def normalised(key: str) -> str:
    """A key of the details as the redaction list is compared: without case, `-` and `_`."""
    return key.lower().replace("-", "").replace("_", "")


def read_text(text: str) -> str:
    return text


def read_optional(text: str) -> str | None:
    return text or None


def read_path(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if set("?#%") & set(str(path)):
        raise ValueError("use a path without ? # or %, because it becomes part of a URL")
    return path


def read_archive(text: str) -> Path | str | None:
    """A directory as its path, a bucket as its URL."""
    if "://" not in text:
        return Path(text).expanduser().absolute() if text else None
    url = urlsplit(text)
    if url.scheme != "s3" or not url.hostname or url.query or url.fragment or "@" in url.netloc or ":" in url.netloc:
        raise ValueError("use a directory, or s3://bucket/prefix; the server and keys are separate settings")
    return f"s3://{url.netloc}/{url.path.strip('/')}"


def read_endpoint(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.path.strip("/") or url.query or "@" in url.netloc:
        raise ValueError("use only scheme, host and port, such as https://s3.eu-central-1.amazonaws.com")
    return f"{url.scheme}://{url.netloc}"


def read_folder(text: str) -> Path | None:
    return Path(text).expanduser().absolute() if text else None


def read_mmdb_files(text: str) -> tuple[Path, ...]:
    """Paths of MaxMind DB files, separated by commas or blanks; a path may have blanks too."""
    names = [name for name in re.split(r"(?<=\.mmdb)[\s,]+", text.strip(" ,")) if name]
    if not all(name.endswith(".mmdb") for name in names):
        raise ValueError("use files in the MaxMind DB format, whose names end in .mmdb")
    return tuple(Path(name).expanduser().absolute() for name in names)


def read_url(*schemes: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text and urlsplit(text).scheme not in schemes:
            raise ValueError("use a URL that begins with " + " or ".join(f"{scheme}://" for scheme in schemes))
        return text

    return read


def read_events_url(text: str) -> str:
    """The URL of an event store, with a valid port and options that the driver knows, each of its type."""
    read_url("chdb", "clickhouse", "clickhouses")(text)
    if urlsplit(text).scheme != "chdb":
        _ = urlsplit(text).port  # ValueError for one that is no number
        events_url_options(text)
    elif urlsplit(text).query:
        raise ValueError("the embedded event store has no options: leave out the part from ? on")
    return text


def events_url_options(url: str) -> dict[str, str | int | bool]:
    """The options in the URL of a ClickHouse server (`?connect_timeout=5&verify=false`), each of its type."""
    options: dict[str, str | int | bool] = {}
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if name not in EVENTS_OPTIONS:
            close = get_close_matches(name, EVENTS_OPTIONS, 1)
            advice = f"did you mean {close[0]}?" if close else f"known are {', '.join(EVENTS_OPTIONS)}"
            raise ValueError(f"unknown option {name}; {advice}")
        if name in options:
            raise ValueError(f"the option {name} is given twice")
        try:
            options[name] = EVENTS_OPTIONS[name](value)
        except ValueError as problem:
            raise ValueError(f"option {name}: {problem}") from None
    return options


def _read_switch(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError("use true or false")
    return text.lower() in ("true", "1")


def _read_filled(text: str) -> str:
    if not text:
        raise ValueError("give a value, or leave the option out")
    return text


def read_database_url(text: str) -> str:
    """SQLAlchemy drivers may be named (`postgresql+psycopg://`); the product chooses its own all the same."""
    if text and urlsplit(text).scheme.split("+")[0] not in ("sqlite", "postgresql", "postgres"):
        raise ValueError("use postgresql://user:password@host/name, or leave it out for SQLite in the data directory")
    return text.replace("postgres://", "postgresql://", 1) if text.startswith("postgres://") else text


def read_public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise ValueError("use only scheme, host and port, such as https://audit.example.com")
    return f"{parts.scheme}://{parts.netloc}"


def read_smtp_url(text: str) -> str | None:
    url = read_url("smtp", "smtps", "smtp+starttls")(text)
    if url and not urlsplit(url).hostname:
        raise ValueError("include the host: smtp+starttls://user:password@mail.example.com:587")
    return url or None


def read_mail_from(text: str) -> str:
    name, at, host = text.rpartition("@")
    if text and not (name and at and host and text.isascii() and text.isprintable() and not set(text) & set(" <>,;")):
        raise ValueError("use a plain email address, such as audit@example.com")
    return text


def read_items(text: str) -> list[str]:
    return [item for item in text.replace(",", " ").split() if item]


def parse_network(text: str) -> Network:
    """The network in `text`; raises ValueError.

    IPv4 in the form of IPv6 (`::ffff:203.0.113.0/120`) becomes IPv4, as the addresses of clients do before they are
    compared with networks.
    """
    network = ip_network(text)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((int(mapped), network.prefixlen - _MAPPED_BITS))


def read_network(text: str) -> Network:
    try:
        return parse_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a network; use CIDRs such as 10.0.0.0/8, separated by commas") from None


def read_networks(text: str) -> tuple[Network, ...]:
    return tuple(read_network(item) for item in read_items(text))


def read_reader_networks(text: str) -> tuple[Network, ...]:
    return read_networks({"none": "", "all": "0.0.0.0/0 ::/0"}.get(text.lower(), text))


def read_targets(text: str) -> tuple[Network | str, ...]:
    """CIDRs as networks, everything else as a host name in lower case."""
    return tuple(
        read_network(item) if "/" in item or ":" in item else read_host_or_address(item) for item in read_items(text)
    )


def read_host_or_address(text: str) -> Network | str:
    try:
        return parse_network(text)
    except ValueError:
        if not all(part and part.replace("-", "").isalnum() for part in text.split(".")):
            raise ValueError(f"{text!r} is neither a CIDR nor a host name") from None
        return text.lower()


def read_redacted_keys(text: str) -> frozenset[str]:
    return frozenset(REDACTED_KEYS) | {normalised(item) for item in read_items(text)}


def read_whole_number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise ValueError(f"use a whole number from {low} to {high}")
        return int(text)

    return read


def read_one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError("use one of " + ", ".join(choices))
        return text.lower()

    return read


def read_secret(text: str) -> str:
    if text and len(text) < SECRET_LENGTH:
        raise ValueError(f"use at least {SECRET_LENGTH} random characters, such as the output of: openssl rand -hex 32")
    return text


EVENTS_OPTIONS: dict[str, Callable[[str], str | int | bool]] = {
    "connect_timeout": read_whole_number(1, 600),
    "send_receive_timeout": read_whole_number(1, 3600),
    "verify": _read_switch,
    "ca_cert": _read_filled,
    "client_cert": _read_filled,
    "client_cert_key": _read_filled,
    "server_host_name": _read_filled,
    "http_proxy": _read_filled,
    "https_proxy": _read_filled,
    "proxy_path": _read_filled,
}

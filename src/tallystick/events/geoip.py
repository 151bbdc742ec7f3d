"""Country and network of an address, as the records of GeoIP databases give them, and events that get them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from tallystick.events.incoming import Context

LONGEST = 1024  # characters, as of any name that a sender gives


class AddressFacts(NamedTuple):
    """Where an address is: fields of an event's `context`, each empty if unknown."""

    country: str = ""  # ISO 3166-1, two letters, upper case
    network: str = ""  # `AS3320 Deutsche Telekom AG`


FindAddress = Callable[[str], AddressFacts]
UNKNOWN = AddressFacts()
# The names of a field in the databases of MaxMind, DB-IP, IPinfo, IPLocate and IP2Location.
_COUNTRY = (("country", "iso_code"), ("country_code",), ("country",))
_NUMBER = (("autonomous_system_number",), ("traits", "autonomous_system_number"), ("asn",))
_ORGANIZATION = (
    ("autonomous_system_organization",), ("traits", "autonomous_system_organization"), ("as_name",), ("as_org",),
    ("org",),
)  # fmt: skip


def facts_of(record: object) -> AddressFacts:
    """The facts of a database's record. A value that a sender could not give either is left out."""
    country = next(filter(_is_country, (_text(record, path) for path in _COUNTRY)), "")
    number = _text(record, next((path for path in _NUMBER if _text(record, path)), ()))
    organization = _text(record, next((path for path in _ORGANIZATION if _text(record, path)), ()))
    network = " ".join(filter(None, (f"AS{number}" if number.isdigit() else number, organization)))
    return AddressFacts(country.upper(), network if len(network) <= LONGEST else "")


def enrich(context: Context, find_address: FindAddress) -> tuple[Context, list[str] | None]:
    """The context with country and network of its address where it lacks them, and the paths of what was added.

    The given context stays as it was sent: its digest does not depend on what a database says at the time.
    """
    if not context.ip_address or (context.country and context.network):
        return context, None
    found = find_address(context.ip_address)._asdict()
    added = {name: value for name, value in found.items() if value and not getattr(context, name)}
    return (replace(context, **added), [f"context.{name}" for name in added]) if added else (context, None)


def _text(record: object, path: tuple[str, ...]) -> str:
    """The text or whole number at a path of a record; empty if there is none, or it cannot be stored."""
    value = record if path else None
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return str(value)
    text = value.strip() if isinstance(value, str) else ""
    return text if "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text) else ""


def _is_country(code: str) -> bool:
    return len(code) == 2 and code.isascii() and code.isalpha()

"""Country and network of an address, as the records of GeoIP databases give them, and events that get them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from tallystick.events.context_values import is_country
from tallystick.events.incoming import Context

LONGEST = 1024  # characters, as of any name that a sender gives


class AddressFacts(NamedTuple):
    """Where an address is: fields of an event's `context`, each empty if unknown."""

    country: str = ""  # ISO 3166-1, two letters, upper case
    network: str = ""  # `AS3320 Deutsche Telekom AG`


FindAddress = Callable[[str], AddressFacts]
UNKNOWN = AddressFacts()
# The names of a field in the databases of MaxMind, DB-IP, IPinfo, IPLocate and IP2Location. MaxMind's `country` is an
# object with `iso_code`, and some of its databases have the network within `traits`.
_NUMBERS = ("autonomous_system_number", "asn")
_ORGANIZATIONS = ("autonomous_system_organization", "as_name", "as_org", "org")


def facts_of(record: object) -> AddressFacts:
    """The facts of a database's record. A value that a sender could not give either is left out."""
    if not isinstance(record, Mapping):
        return UNKNOWN
    country, traits = record.get("country"), record.get("traits")
    network = {**traits, **record} if isinstance(traits, Mapping) else record
    code = _text(country.get("iso_code") if isinstance(country, Mapping) else country)
    if not code or not is_country(code):
        code = _text(record.get("country_code"))
    number, organization = _first(network, _NUMBERS), _first(network, _ORGANIZATIONS)
    if number.isdigit():
        number = f"AS{number}"
    name = f"{number} {organization}" if number and organization else number or organization
    return AddressFacts(code.upper() if is_country(code) else "", name if len(name) <= LONGEST else "")


def enrich(context: Context, find_address: FindAddress) -> tuple[Context, list[str] | None]:
    """The context with country and network of its address where it lacks them, and the paths of what was added.

    The given context stays as it was sent: its digest does not depend on what a database says at the time.
    """
    if not context.ip_address or (context.country and context.network):
        return context, None
    country, network = find_address(context.ip_address)
    added = {}
    if country and not context.country:
        added["country"] = country
    if network and not context.network:
        added["network"] = network
    return (replace(context, **added), [f"context.{name}" for name in added]) if added else (context, None)


def _first(record: Mapping[str, object], names: tuple[str, ...]) -> str:
    for name in names:
        if text := _text(record.get(name)):
            return text
    return ""


def _text(value: object) -> str:
    """A text or whole number as text; empty for anything else, and for what cannot be stored."""
    if isinstance(value, str):
        text = value.strip()
        return text if "\0" not in text and _is_unicode(text) else ""
    is_number = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return str(value) if is_number else ""


def _is_unicode(text: str) -> bool:
    """Whether the text has no lone surrogate, which UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

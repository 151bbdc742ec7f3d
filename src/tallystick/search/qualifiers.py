"""Values of qualifiers and filters: validated, and turned into conditions."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeVar, get_args

from tallystick.events.catalogue import CATEGORIES, EARLIER_SEVERITIES, SEVERITIES, STATUSES
from tallystick.events.incoming import ActorType, Channel, Mode
from tallystick.query.case_folding import fold
from tallystick.query.conditions import AtPath, Between, Condition, Equals, Field, InNetwork, Or
from tallystick.query.values import event_id_span as id_span
from tallystick.query.values import fits, pieces_of
from tallystick.search.dates import FORMS, Clock, DateOrTime

FIELDS: dict[str, Field] = {
    "user": "user", "action": "action", "category": "category", "status": "status", "resource": "resource",
    "type": "resource_type", "id": "id", "session": "session", "request": "request", "trace": "trace",
    "external_id": "external_id", "severity": "severity", "actor_type": "actor_type", "for": "on_behalf_of",
    "recorded_by": "recorded_by", "reason": "status_reason", "original": "original_action",
    "user_agent": "user_agent", "source": "source", "channel": "channel", "account": "account", "region": "region",
    "country": "country", "network": "network", "auth": "auth_method", "credential": "credential", "tool": "tool",
    "model": "model", "mode": "mode",
}  # fmt: skip
NAMES = (*FIELDS, "ip", "after", "before", "on")
PARTS = ("changes", "request", "response", "metadata")

# A value that can be read, for whoever wrote the name and nothing behind it.
EXAMPLES = {
    "user": "sarah@acme.com", "action": "deployment.*", "category": CATEGORIES[0], "status": "failed",
    "resource": "api-infrastructure", "type": "project", "id": "evt_*", "session": "ses_*", "request": "req_*",
    "trace": "4bf92f35*", "external_id": "ci-4711", "severity": "high", "actor_type": "agent",
    "for": "sarah@acme.com", "recorded_by": "key_*", "reason": "*encryption*", "original": "terraform apply",
    "user_agent": "curl/*", "source": "billing", "channel": "mcp", "account": "123456789012",
    "region": "eu-central-1", "country": "DE", "network": "AS3320*", "auth": "passkey", "credential": "AKIA*",
    "tool": "terraform.apply", "model": "*", "mode": "autonomous",
    "ip": "10.0.0.0/8", "after": "2024-01-01", "before": "2024-01-31", "on": "2024-01-15",
}  # fmt: skip

Some = TypeVar("Some")

_KNOWN: dict[Field, Sequence[str]] = {
    "category": CATEGORIES, "status": STATUSES, "severity": SEVERITIES, "actor_type": get_args(ActorType),
    "channel": get_args(Channel), "mode": get_args(Mode),
}  # fmt: skip
_OTHER_WORDS = {
    "failure": "failed", "fail": "failed", "failing": "failed", "error": "failed", "errors": "failed",
    "denied": "failed", "ok": "success", "succeeded": "success", "successful": "success", "passed": "success",
    "auth": "authentication", "login": "authentication", "signin": "authentication", **EARLIER_SEVERITIES,
    "ai": "agent", "bot": "agent", "person": "user", "human": "user", "key": "api_key", "service": "service_account",
}  # fmt: skip
_SOME_OCTETS = re.compile(r"(?:[0-9]{1,3}\.){1,3}\*")


class BadValue(Exception):
    """`detail` says what is wrong with a value; `suggestion` is a valid one."""

    def __init__(self, detail: str, suggestion: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.suggestion = suggestion


def condition_of(name: str, value: str, clock: Clock) -> Condition:
    """The condition of `name:value`; `name` is one of NAMES, `value` is not empty. Raises BadValue."""
    if name == "ip":
        return InNetwork((_network(value),))
    if name in ("after", "before", "on"):
        return _period(name, value, clock)
    field, pattern = FIELDS[name], fold(value)
    if field in _KNOWN:
        return Equals(field, _expand_pattern(name, pattern, _KNOWN[field]))
    if field == "id" and id_span(pattern) is None:
        begun = pattern.partition("*")[0][:29] + "*"
        raise BadValue(
            "An event ID is `evt_` and 26 letters and digits. For a partial ID, write the beginning and `*`.",
            begun if id_span(begun) else "evt_*",
        )
    return Equals(field, (pattern,))


def any_of(conditions: Iterable[Condition]) -> Condition:
    """Any of these conditions of one qualifier; equal fields, paths and networks are merged into one condition."""
    found = list(conditions)
    first = found[0]
    if len(found) == 1:
        return first
    if all(isinstance(each, InNetwork) for each in found):
        return InNetwork(_distinct(n for each in found if isinstance(each, InNetwork) for n in each.networks))
    if isinstance(first, Equals) and all(isinstance(e, Equals) and e.field == first.field for e in found):
        return Equals(first.field, _distinct(p for e in found if isinstance(e, Equals) for p in e.patterns))
    if isinstance(first, AtPath) and all(isinstance(e, AtPath) and e.path == first.path for e in found):
        return AtPath(first.path, _distinct(n for e in found if isinstance(e, AtPath) for n in e.needles))
    return Or(_distinct(found))


def closest_match(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if any is close."""
    return next(iter(get_close_matches(word, list(known), 1, 0.6)), None)


def _expand_pattern(name: str, pattern: str, known: Sequence[str]) -> tuple[str, ...]:
    """The known values that a pattern matches. They are few, so any other value is a mistake."""
    pieces = pieces_of(pattern)
    found = tuple(value for value in known if fits(value, pieces))
    if not found:
        near = _OTHER_WORDS.get(pattern) or closest_match(pattern, known)
        begun = next((value for value in known if value[:3] == pattern[:3]), known[-1])
        meant = near if near and near in known else begun
        raise BadValue(f"Unknown {name} `{_short(pattern)}`. Use one of {', '.join(known)}.", meant)
    return found


def _network(value: str) -> IPv4Network | IPv6Network:
    text = value.strip()
    if text == "*":
        return IPv6Network("::/0")
    try:
        if _SOME_OCTETS.fullmatch(text):
            octets = text.split(".")[:-1]
            return ip_network(".".join(octets + ["0"] * (4 - len(octets))) + f"/{8 * len(octets)}")
        address, slash, width = text.partition("/")
        return ip_network(address.partition("%")[0] + slash + width, strict=False)
    except ValueError:
        raise BadValue(
            f"`{_short(value)}` is not a valid address or network. Write `192.0.2.7`, `10.0.0.0/8`, `10.1.*` "
            "or `2001:db8::/32`.",
            EXAMPLES["ip"],
        ) from None


def _period(name: str, value: str, clock: Clock) -> Between:
    try:
        moment = clock.read(value)
    except ValueError:
        raise BadValue(f"`{_short(value)}` is not a valid date or time. Write {FORMS}.", clock.near(value)) from None
    if name == "on":
        return _day(moment, value, clock)
    return Between(start=moment.first) if name == "after" else Between(end=moment.before)


def _day(moment: DateOrTime, value: str, clock: Clock) -> Between:
    if not moment.is_day:
        raise BadValue("`on:` takes a whole day. For a time, use `after:` and `before:`.", clock.near(value))
    return Between(moment.first, moment.after)


def _distinct(values: Iterable[Some]) -> tuple[Some, ...]:
    return tuple(dict.fromkeys(values))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"

"""Descriptions of an export's filter and period in words."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from tallystick.clock import zone_of

NAMES = {
    "user": "User", "action": "Action", "status": "Status", "category": "Category", "resource": "Resource",
    "resource_type": "Resource type", "ip": "IP address", "actor_type": "Kind of actor", "severity": "Severity",
    "q": "Search",
}  # fmt: skip
# Titles of the frameworks that come with Tallystick; your own are shown by their ids.
FRAMEWORKS = {"soc2": "SOC 2", "gdpr": "GDPR"}

Filter = Mapping[str, Sequence[str]]


def describe_filter(given: Filter) -> str:
    """The filter in words, without the period: `User: john@acme.com or sarah@acme.com · Status: failed`."""
    said = [f"{words}: {' or '.join(given[name])}" for name, words in NAMES.items() if given.get(name)]
    said += [framework_words(name) for name in given.get("framework", ())]
    return " · ".join(said) or "All events"


def framework_words(name: str) -> str:
    """The title of a framework by its id: `SOC 2` for `soc2`."""
    return FRAMEWORKS.get(name, name)


def control_words(about: str) -> str:
    """A control as people write it: `SOC 2 · CC6.3` for `soc2 CC6.3`; other text stays as it is."""
    framework, _, control = about.partition(" ")
    return f"{FRAMEWORKS[framework]} · {control}" if framework in FRAMEWORKS and control else about


def describe_period(given: Filter, first: int = 0) -> str:
    """The period as it was requested: `1 Nov 2026 to 7 Nov 2026 (Europe/Berlin)`, `since 21 Nov 2026, 23:00 UTC`.

    Without a start and an end, `first` is the log index from which on events are exported.
    """
    start, end = ("".join(given.get(name, ())[:1]) for name in ("start", "end"))
    name = "".join(given.get("tz", ())[:1])
    if not start and not end:
        return f"from log index {first:,} on" if first else "any time"
    try:
        zone = zone_of(name or "UTC")
    except ValueError:  # an erasure may have taken a part of the name, or this host lacks the zone
        zone = zone_of("UTC")
    has_time = any(len(text) > len("2026-11-21") for text in (start, end))
    since, until = (_bound_words(text, zone) for text in (start, end))
    said = f"{since} to {until}" if start and end else f"since {since}" if start else f"until {until}"
    if not name or name.upper() == "UTC":
        return f"{said} UTC" if has_time else said
    return f"{said} ({name})"


def _bound_words(text: str, zone: tzinfo) -> str:
    """`21 Nov 2026, 23:00` for a time, `21 Nov 2026` for a date; other text, such as `7d`, as it is."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(zone)
    except (ValueError, OverflowError):
        return text
    day = f"{moment.day} {moment:%b %Y}"
    return f"{day}, {moment:%H:%M}" if len(text) > len("2026-11-21") else day

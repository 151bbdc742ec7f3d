"""An export's filter for people."""

from collections.abc import Mapping, Sequence

NAMES = {
    "user": "User", "action": "Action", "status": "Status", "category": "Category", "resource": "Resource",
    "resource_type": "Resource type", "ip": "IP address", "q": "Search", "framework": "Framework",
}  # fmt: skip

Filter = Mapping[str, Sequence[str]]


def filter_words(given: Filter) -> str:
    """What is filtered by, without the period: `User: john@acme.com or sarah@acme.com · Status: failed`."""
    said = [f"{words}: {' or '.join(given[name])}" for name, words in NAMES.items() if given.get(name)]
    return " · ".join(said) or "Everything"


def period_words(given: Filter, first: int = 0) -> str:
    """From when to when, as it was asked for, and from which index of the log on."""
    start, end = ("".join(given.get(name, ())[:1]) for name in ("start", "end"))
    zone = "".join(given.get("tz", ())[:1])
    if not start and not end:
        return f"recorded from index {first:,} on" if first else "all that is kept"
    said = f"from {start} to {end}" if start and end else f"from {start}" if start else f"until {end}"
    return f"{said} ({zone})" if zone else said

"""The content of the detail panel: every value of an event, with its links."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote

from ua_parser import parse

from tallystick.clock import exact_time
from tallystick.erasure.records import ErasureRecord
from tallystick.events.changes import Change, changes_of
from tallystick.events.details import searched_text
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.events.words import actor_words, first_present, resource_words
from tallystick.query.own_records import is_own_record
from tallystick.web.event_row import EventRow, event_row
from tallystick.web.filter_links import NO_LINKS, FilterLinks, filter_links, path_links
from tallystick.web.filters import CATEGORIES, PATH, Filters

MOST_CHANGES = 200
PART_LABELS = {
    "what": "the action and how it was recorded",
    "target": "the resource",
    "who": "the actor, and where it came from",
    "details": "the description and all details",
}
AGENT_MODES = {"interactive": "Interactive, with a person present", "autonomous": "Autonomous, without a person"}
# Label, qualifier and place in the context.
CONTEXT_FACTS = (
    ("Channel", "channel", "channel"),
    ("Source", "source", "source"),
    ("Account", "account", "account"),
    ("Region", "region", "region"),
    ("Signed in with", "auth", "auth_method"),
    ("Credential", "credential", "credential_id"),
    ("Model", "model", "model"),
    ("Agent session", "session", "agent_session_id"),
)
LONGEST_USER_AGENT = 512
_SYSTEMS = {"Mac OS X": "macOS"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value. `copy_text` is what Copy copies, `note` a line below it; `is_code` for ids and the like."""

    label: str
    value: str
    copy_text: str
    links: FilterLinks = NO_LINKS
    is_code: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChangeFact:
    """A change, and the links of its new value (or of the old one, if it was removed)."""

    change: Change
    links: FilterLinks


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A part of the event as JSON; `is_open` if it is short enough to be shown unfolded."""

    title: str
    value: Mapping[str, Any]
    text: str

    @property
    def is_open(self) -> bool:
        return self.text.count("\n") <= 24


@dataclass(frozen=True, slots=True)
class EventPanel:
    """The content of the panel for one event."""

    row: EventRow
    summary: str
    facts: list[Fact]
    more: list[Fact]
    changes: list[ChangeFact]
    changes_left: int
    documents: list[JsonDocument]
    json: str
    curl: str


def event_panel(
    stored: StoredEvent, filters: Filters, public_url: str, erasures: Sequence[ErasureRecord] = ()
) -> EventPanel:
    """The panel of an event; times in the zone of `filters`, which the links extend.

    `erasures` are the records of the erasures that removed parts of the event.
    """
    event = event_of(stored)
    row = event_row(stored, filters.zone)
    reader = _FactReader(event, filters, f"{PATH}/{row.id}")
    changes = list(changes_of(event.get("changes", {})))
    return EventPanel(
        row=row,
        summary=event["summary"],
        facts=[*reader.facts(stored, row), *_erasure_facts(event, erasures)],
        more=reader.more(stored),
        changes=[ChangeFact(change, reader.of_change(change)) for change in islice(changes, MOST_CHANGES)],
        changes_left=max(0, len(changes) - MOST_CHANGES),
        documents=[
            JsonDocument(name.capitalize(), event[name], _pretty(event[name]))
            for name in ("request", "response", "metadata")
            if event.get(name)
        ],
        json=_pretty(event),
        curl=f'curl -H "Authorization: Bearer $API_KEY" \\\n  "{public_url}/v1/audit-logs/{quote(row.id)}"',
    )


@dataclass(frozen=True, slots=True)
class _FactReader:
    """Extracts labelled values from an event; leaves out those that it does not have."""

    event: Mapping[str, Any]
    filters: Filters
    path: str

    def facts(self, stored: StoredEvent, row: EventRow) -> list[Fact]:
        """The values that answer who did what, when, and from where."""
        event, context = self.event, self.event.get("context", {})
        actor = event.get("actor", {})
        behalf, agent = actor.get("on_behalf_of", {}), context.get("user_agent", "")
        skew = " (ahead of this server's clock)" if event.get("clock_skew") else ""
        known = "" if event.get("known", True) else " (not in the catalogue)"
        time = exact_time(stored.occurred_at, self.filters.zone) + skew
        words = user_agent_text(agent) if agent else ""
        return _without_empty(
            Fact("Event ID", row.id, row.id, is_code=True),
            Fact("Timestamp", time, event["timestamp"]),
            self.fact("User", "user", actor_words(actor), first_present(actor, "email", "id", "name")),
            self.fact("On behalf of", "user", actor_words(behalf), first_present(behalf, "email", "id", "name")),
            self.fact("Agent mode", "mode", AGENT_MODES.get(context.get("mode", ""), ""), context.get("mode", "")),
            self.fact("Tool", "tool", context.get("tool", ""), is_code=True),
            self.fact("Action", "action", event["action"] and event["action"] + known, event["action"], is_code=True),
            Fact("Description", event.get("description", ""), event.get("description", "")),
            *self._resources(event.get("resources") or [event.get("resource", {})]),
            self.fact("IP Address", "ip", row.ip_address, is_code=True),
            self.fact("Country", "country", context.get("country", "")),
            self.fact("Network", "network", context.get("network", "")),
            Fact("User agent", words or agent, agent, note=agent if words else ""),
            self.fact("Status", "status", row.status_words, row.status),
            self.fact("Reason", "reason", event.get("status_reason", "")),
            self.fact("Severity", "severity", event.get("severity", "").capitalize(), event.get("severity", "")),
            Fact("Filled in by the server", _filled_in(event), ", ".join(event.get("enriched", ()))),
            Fact("Redacted", ", ".join(event.get("redacted", ())), ", ".join(event.get("redacted", ())), is_code=True),
        )

    def _resources(self, resources: Sequence[Mapping[str, Any]]) -> list[Fact]:
        """One fact for each resource, with the part that it has in the event."""
        facts: list[Fact] = []
        for resource in resources:
            role = f" ({resource['role']})" if resource.get("role") else ""
            label = "Resource" if not facts else "Also"
            words = resource_words(resource) + role
            facts.append(self.fact(label, "resource", words, first_present(resource, "name", "id")))
        return facts

    def more(self, stored: StoredEvent) -> list[Fact]:
        """The values for following a trace or checking an event's origin."""
        event, context = self.event, self.event.get("context", {})
        recorded_by = event.get("recorded_by", {})
        recorder_words = "Tallystick itself" if is_own_record(stored.what) else actor_words(recorded_by)
        category, trace = event["category"], context.get("trace_id", "")
        external, received = event.get("external_id", ""), exact_time(stored.received_at, self.filters.zone)
        return _without_empty(
            self.fact("Category", "category", CATEGORIES.get(category, category), category),
            self.fact("Resource type", "resource_type", event.get("resource", {}).get("type", "")),
            *(self.fact(label, name, context.get(key, "")) for label, name, key in CONTEXT_FACTS),
            self.fact("Original action", "original", event.get("original_action", ""), is_code=True),
            self.fact("Session ID", "session", context.get("session_id", ""), is_code=True),
            self.fact("Request ID", "request", context.get("request_id", ""), is_code=True),
            self.fact("Trace ID", "trace", trace, is_code=True),
            self.fact("External ID", "external_id", external, is_code=True),
            Fact("Received", received, event["received_at"]),
            self.fact("Recorded by", "recorded_by", recorder_words, recorded_by.get("id", "")),
            Fact("Ledger index", f"{stored.index:,}", str(stored.index)),
        )

    def fact(self, label: str, name: str, value: str, exact: str | None = None, *, is_code: bool = False) -> Fact:
        """A value with filter links; `exact` is the value to filter by and copy, if it is not the shown one."""
        exact_value = value if exact is None else exact
        return Fact(label, value, exact_value, filter_links(self.filters, self.path, name, exact_value), is_code)

    def of_change(self, change: Change) -> FilterLinks:
        """The filter links of a change's value; none for an object, a list and null, which no search finds."""
        text = searched_text(change.value)
        return path_links(self.filters, self.path, ("changes", *change.keys), text) if text else NO_LINKS


def _filled_in(event: Mapping[str, Any]) -> str:
    """Which values the sender did not give: `Country and network, from the address`."""
    words = " and ".join(path.removeprefix("context.") for path in event.get("enriched", ()))
    return f"{words.capitalize()}, from the address" if words else ""


def _erasure_facts(event: Mapping[str, Any], erasures: Sequence[ErasureRecord]) -> list[Fact]:
    """The erased parts, and the records of their erasures."""
    parts = event.get("erased", ())
    if not parts:
        return []
    words = ", ".join(PART_LABELS[part] for part in parts)
    note = "; ".join(f"by log record {one.index:,}: {one.reason}" for one in erasures)
    return [Fact("Erased", words, words, note=note)]


def _without_empty(*facts: Fact) -> list[Fact]:
    return [fact for fact in facts if fact.value]


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


@lru_cache(maxsize=4096)
def user_agent_text(text: str) -> str:
    """Browser or client with its version, and operating system; "" if neither is known."""
    read = parse(text[:LONGEST_USER_AGENT])
    agent, system = read.user_agent, read.os
    client = " ".join(filter(None, (agent.family, agent.major))) if agent and agent.family != "Other" else ""
    system_name = system.family if system and system.family != "Other" else ""
    where = _SYSTEMS.get(system_name, system_name)
    if where and system and where not in ("macOS", "Linux") and system.major:
        where += f" {system.major}"
    return " on ".join(filter(None, (client, where)))

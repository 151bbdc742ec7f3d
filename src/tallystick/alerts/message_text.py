"""The text of an alert: its sentence, its facts, and the query parameters that find its events."""

from datetime import UTC

from tallystick.alerts.definition import Field, duration_words
from tallystick.alerts.detectors import QUERY, Firing
from tallystick.alerts.fields import display_name, mask_secrets
from tallystick.alerts.rule import Rule
from tallystick.clock import SECOND_US, rfc3339, second_words
from tallystick.display_text import display_line
from tallystick.events.record import Record
from tallystick.events.summary import quote_name
from tallystick.query.values import literal_pattern

MOST_TEXT = 200
# Types of resources that are labels of facts. A sender chooses the type: any other one as a label could state a fact of
# its own (`Severity: none`) or repeat one of ours (`User: …`).
LABELLED_TYPES = frozenset({
    "api_key", "deployment", "integration", "organization", "policy", "project", "role", "service_account", "team",
    "webhook", "workflow",
})  # fmt: skip
NAMES = ("user", "resource", "group", "value")  # placeholders for what a sender named
PARAMETERS: tuple[Field, ...] = ("user", "ip", "resource", "action")


def group_name(rule: Rule, record: Record | None, step: int = QUERY) -> str:
    """Returns the display name of an event's group, at most 1024 characters; empty for a rule without groups."""
    definition = rule.definition
    field = definition.group_by if step == QUERY else definition.then_group_by or definition.group_by
    return display_name(field, record)[:1024] if field and record else ""


def sentence(rule: Rule, firing: Firing, record: Record | None, group: str) -> str:
    """Returns the sentence that describes a firing: the rule's own (`says`), or a general one for its kind."""
    text = rule.definition.says or _default_sentence(rule, group)
    for name, value in _placeholders(rule, firing, record, group).items():
        text = text.replace("{" + name + "}", value)
    return text


def facts(firing: Firing, record: Record | None, group: str) -> list[tuple[str, str]]:
    """Returns labels and values to show with an alert, those without a value left out.

    `record` is the event that the alert is about: what was done, by whom, on what. Several events add their number
    and period.
    """
    found: list[tuple[str, str]] = []
    if record is not None:
        found.append(_resource_fact(record))
    found.append(("Time", second_words(firing.at, UTC)))
    if record is not None:
        found += [("User", display_name("user", record)), ("Action", record.action), ("IP address", record.ip_address)]
        found.append(("For", mask_secrets(record.behalf_email or record.behalf_name or record.behalf_id)))
        if record.status == "failed":
            found.append(("Reason", mask_secrets(record.status_reason)))
    if group and group not in (text for _, text in found):
        found.append(("About", group))
    if firing.number > 1:
        found.append(("Events", f"{firing.number:,}, {_period(firing)}"))
    return [(display_line(label, MOST_TEXT), display_line(text, MOST_TEXT)) for label, text in found if text]


def _resource_fact(record: Record) -> tuple[str, str]:
    """`Project: api-infrastructure`, or `Resource: secrets (vault)` for a type of the sender's own."""
    name, kind = display_name("resource", record), record.resource_type
    if kind in LABELLED_TYPES:
        return kind.replace("_", " ").capitalize(), name
    return "Resource", f"{display_line(name, MOST_TEXT // 2)} ({display_line(kind)})" if name and kind else name


def search_parameters(rule: Rule, firing: Firing, group: str) -> dict[str, str]:
    """Returns the query parameters of the audit log that find the events of a firing, and similar ones between them."""
    definition = rule.definition
    found = {"start": rfc3339(firing.first_at), "end": rfc3339(firing.last_at + 1)}
    if definition.kind == "sequence":
        if definition.query and definition.then:
            found["q"] = f"({definition.query}) OR ({definition.then})"
    elif definition.query:
        found["q"] = definition.query
    if group and definition.group_by in PARAMETERS and definition.then_group_by in (None, definition.group_by):
        found[definition.group_by] = literal_pattern(group)
    return found


def _default_sentence(rule: Rule, group: str) -> str:
    definition = rule.definition
    of = " of {group}" if group else ""
    match definition.kind:
        case "sequence":
            return "{count} events" + of + " in the order that the rule describes."
        case "first_seen":
            return (
                "{group} had never been seen with {value} before." if group else "{value} was seen for the first time."
            )
        case "dormant":
            return "{group} was active again after more than {window} without an event."
        case "off_hours":
            return "{group} was active at {time}, an unusual hour."
        case "silence":
            return "Nothing" + (" of {group}" if group else "") + " was recorded for {window}."
        case _ if definition.count == 1:
            return "{user} did {action}" + ("." if not group or definition.group_by == "user" else " ({group}).")
        case _:
            return "{count} events" + of + " within {window}."


def _placeholders(rule: Rule, firing: Firing, record: Record | None, group: str) -> dict[str, str]:
    definition = rule.definition
    given = {
        "count": f"{firing.number:,}",
        "window": duration_words(definition.window_seconds),
        "group": group or "everybody",
        "time": second_words(firing.at, UTC),
        "value": "",
        "user": "somebody",
        "resource": "something",
        "ip": "an unknown address",
        "action": "",
        "description": "",
    }
    if record is not None:
        given |= {
            "user": display_name("user", record) or given["user"],
            "resource": display_name("resource", record) or given["resource"],
            "ip": record.ip_address or given["ip"],
            "action": record.action,
            "description": mask_secrets(record.description),
            "value": display_name(value, record) if (value := definition.new or definition.distinct) else "",
        }
    # Braces in a value would be taken for placeholders.
    shown = {name: display_line(text, MOST_TEXT).replace("{", "(") for name, text in given.items()}
    return shown | {name: quote_name(shown[name]) for name in NAMES}


def _period(firing: Firing) -> str:
    if firing.last_at - firing.first_at < SECOND_US:
        return "at once"
    return f"{second_words(firing.first_at, UTC)} to {second_words(firing.last_at, UTC)}"

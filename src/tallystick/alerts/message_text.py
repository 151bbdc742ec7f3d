"""What an alert says: a sentence, facts, the filters that find its events."""

from datetime import UTC

from tallystick.alerts.definition import Field, span_words
from tallystick.alerts.fields import masked, shown
from tallystick.alerts.judges import QUERY, Firing
from tallystick.alerts.rule import Rule
from tallystick.clock import SECOND_US, rfc3339, second_words
from tallystick.events.record import Record

LONGEST_SAID = 200
PARAMETERS: tuple[Field, ...] = ("user", "ip", "resource", "action")


def group_of(rule: Rule, record: Record | None, step: int = QUERY) -> str:
    """How people call the group of an event; "" where the rule has none."""
    shape = rule.shape
    field = shape.group_by if step == QUERY else shape.then_group_by or shape.group_by
    return shown(field, record)[:1024] if field and record else ""


def sentence(rule: Rule, firing: Firing, record: Record | None, group: str) -> str:
    """What happened, for people: as the rule says it, or in general words."""
    said = rule.shape.says or _general(rule, group)
    for slot, text in _slots(rule, firing, record, group).items():
        said = said.replace("{" + slot + "}", text)
    return said


def facts(firing: Firing, record: Record | None, group: str) -> list[tuple[str, str]]:
    """What to know first: of one event what it is about, of several who, how many, from when to when."""
    found: list[tuple[str, str]] = []
    if record is not None:
        kind = record.resource_type.replace("_", " ").capitalize() or "Resource"
        found.append((kind, shown("resource", record)))
    found.append(("Time", second_words(firing.at, UTC)))
    if record is not None:
        found += [("User", shown("user", record)), ("Action", record.action), ("IP address", record.ip_address)]
    if group and group not in (text for _, text in found):
        found.append(("About", group))
    if firing.number > 1:
        found.append(("Events", f"{firing.number:,}, {_period(firing)}"))
    return [(label, text[:LONGEST_SAID]) for label, text in found if text]


def search(rule: Rule, firing: Firing, group: str) -> dict[str, str]:
    """The parameters of the audit log that show the events it is about, and those like them."""
    shape = rule.shape
    found = {"start": rfc3339(firing.first_at), "end": rfc3339(firing.last_at + 1)}
    if shape.kind == "sequence":
        if shape.query and shape.then:
            found["q"] = f"({shape.query}) OR ({shape.then})"
    elif shape.query:
        found["q"] = shape.query
    if group and shape.group_by in PARAMETERS and shape.then_group_by in (None, shape.group_by):
        found[shape.group_by] = group
    return found


def _general(rule: Rule, group: str) -> str:
    shape = rule.shape
    of = " of {group}" if group else ""
    match shape.kind:
        case "sequence":
            return "{count} events" + of + " came in the order that the rule looks for."
        case "first_seen":
            return "{group} had never been seen with {value} before."
        case "dormant":
            return "{group} acted after more than {window} without an event."
        case "off_hours":
            return "{group} acted at {time}, when it usually does not."
        case "silence":
            return "Nothing" + (" of {group}" if group else "") + " was recorded for {window}."
        case _ if shape.count == 1:
            return "{user} did {action}" + ("." if not group or shape.group_by == "user" else " ({group}).")
        case _:
            return "{count} events" + of + " within {window}."


def _slots(rule: Rule, firing: Firing, record: Record | None, group: str) -> dict[str, str]:
    shape = rule.shape
    given = {
        "count": f"{firing.number:,}",
        "window": span_words(shape.window_seconds),
        "group": group or "everybody",
        "time": second_words(firing.at, UTC),
        "value": "", "user": "somebody", "resource": "something", "ip": "an unknown address", "action": "",
        "description": "",
    }  # fmt: skip
    if record is not None:
        given |= {
            "user": shown("user", record) or given["user"],
            "resource": shown("resource", record) or given["resource"],
            "ip": record.ip_address or given["ip"],
            "action": record.action,
            "description": masked(record.description),
            "value": shown(shape.new, record) if shape.new else "",
        }
    return {name: text[:LONGEST_SAID].replace("{", "(") for name, text in given.items()}


def _period(firing: Firing) -> str:
    if firing.last_at - firing.first_at < SECOND_US:
        return "at once"
    return f"{second_words(firing.first_at, UTC)} to {second_words(firing.last_at, UTC)}"

"""An event of an importer as the API takes it: with a time, and with a valid name of its action."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tallystick.events.importers.own_export import rename_reserved_action
from tallystick.events.incoming import MAX_ACTION

LONGEST_ORIGINAL = 200
# Names of an event's time in other logs, the first of them counts, without case, `-`, `_`, `@` and `.`.
_TIMES = (
    "timestamp", "eventtime", "eventtimestamp", "eventdatetime", "time", "datetime", "ts", "occurredat", "published",
    "activitydatetime", "timegenerated", "createdat", "created", "createddatetime", "date", "loggedat", "logtime",
    "starttime", "requesttime", "utctime", "timestamputc", "epoch",
)  # fmt: skip
_MARKS = str.maketrans("", "", "-_@. ")
_ACTION = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATOR = re.compile(r"[.:/\\>]+")
_NOT_WORD = re.compile(r"[^a-z0-9_]+")
_NUMBER = re.compile(r"-?\d{9,20}(?:\.\d+)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_TIME = (
    "the event has no time; an import never takes the present for it. Give it a `timestamp`, such as "
    "2024-01-15T14:30:45Z"
)


def sendable_event(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it is sent. Raises ValueError if it has no time.

    The time is read under the names that it has in other logs, also as seconds, milliseconds, microseconds or
    nanoseconds since 1970; what stands under a second such name goes to `metadata`. An action that is not of the form
    `noun.verb` gets that form, and its own name becomes `original_action`.
    """
    return _with_action(_with_time(event))


def _with_time(event: dict[str, Any]) -> dict[str, Any]:
    given = event.get("timestamp")
    others = {name: value for name in event if name != "timestamp" and (value := _time_rank(name)) is not None}
    if given in (None, ""):
        present = [name for name in sorted(others, key=others.__getitem__) if event[name] not in (None, "")]
        if not present:
            raise ValueError(NO_TIME)
        given = event[present[0]]
        others.pop(present[0])
        event = {name: value for name, value in event.items() if name != present[0]}
    sent = {name: value for name, value in event.items() if name not in others} | {"timestamp": _read_time(given)}
    metadata = sent.get("metadata") or {}
    if others and isinstance(metadata, dict):
        sent["metadata"] = {name: event[name] for name in others} | metadata
    return sent


def _time_rank(name: str) -> int | None:
    folded = name.lower().translate(_MARKS)
    return _TIMES.index(folded) if folded in _TIMES else None


def _read_time(value: object) -> object:
    """Numbers as RFC 3339, by their size; anything else as it is: the server says what is wrong with it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
        return value
    seconds = Decimal(str(value).strip())
    for limit, unit in ((10**17, 10**9), (10**14, 10**6), (10**11, 10**3)):
        if abs(seconds) >= limit:
            seconds /= unit
            break
    try:
        return (_EPOCH + timedelta(microseconds=int(seconds * 10**6))).isoformat()
    except OverflowError:
        return value


def _with_action(event: dict[str, Any]) -> dict[str, Any]:
    given = event.get("action")
    name = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(name, str) or (len(name) <= MAX_ACTION and _ACTION.fullmatch(name)):
        return event
    sent = rename_reserved_action(event | {"action": action_of(name, _kind_of_resource(event))})
    original = event.get("original_action")
    if not original:
        return sent | {"original_action": name[:LONGEST_ORIGINAL]}
    metadata = event.get("metadata") or {}
    if original != name and isinstance(metadata, dict):
        sent["metadata"] = {"action": name} | metadata
    return sent


def action_of(name: str, noun: str = "") -> str:
    """A source's own name of an action as `noun.verb`: `iam:CreateUser` becomes `iam.create_user`.

    One without a noun gets `noun`, or `event`: `Add member to role` becomes `event.add_member_to_role`.
    """
    plain = unicodedata.normalize("NFKD", name[: 8 * MAX_ACTION])
    words = (_snake(part) for part in _SEPARATOR.split(plain))
    parts = [word for word in words if word] or ["unnamed"]
    if len(parts) == 1:
        parts.insert(0, _snake(noun) or "event")
    cut = ".".join(parts)[:MAX_ACTION].strip("._")
    return cut if "." in cut else f"event.{cut}"[:MAX_ACTION]


def _kind_of_resource(event: dict[str, Any]) -> str:
    resource = event.get("resource")
    kind = resource.get("type") if isinstance(resource, dict) else None
    return kind[: MAX_ACTION // 2] if isinstance(kind, str) else ""


def _snake(text: str) -> str:
    plain = "".join(letter for letter in text if not unicodedata.combining(letter))
    return _NOT_WORD.sub("_", _WORD_START.sub("_", plain).lower()).strip("_")

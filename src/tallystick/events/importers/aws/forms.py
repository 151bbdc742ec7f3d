"""The records in a JSON value, in every form in which CloudTrail's records are handed on.

A record itself; a list of them; `lookup-events` with the record as a text (`CloudTrailEvent`, API reference
LookupEvents); an event of EventBridge (`detail`, its user guide, "AWS service events delivered via CloudTrail"); a
message of CloudWatch Logs, SNS or SQS that holds one; the column `eventJson` of a query of CloudTrail Lake; what
Elasticsearch (`_source`) and Splunk (`_raw`) export.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

# Names of lists of records: a log file's, `lookup-events`', those of CloudWatch Logs, of SQS and of CloudTrail Lake.
LISTS = frozenset({"Records", "Events", "records", "events", "logEvents", "Messages", "QueryResultRows"})
_TEXTS = ("CloudTrailEvent", "cloudTrailEvent", "Message", "message", "Body", "body", "eventJson", "_raw")
_OBJECTS = ("detail", "Sns", "_source", "result")
_MOST_LAYERS = 5
_decode = msgspec.json.decode


class OtherKindError(ValueError):
    """The value is whole, but no record of CloudTrail."""


def records_of(value: Any, layers: int = _MOST_LAYERS) -> Iterator[dict[str, Any]]:
    """The records in a value of a file. Raises OtherKindError if it is none and holds none."""
    if not isinstance(value, dict) or not layers:
        raise OtherKindError("not a CloudTrail record")
    if _is_record(value):
        yield value
        return
    inner = [text for name in _TEXTS if isinstance(text := value.get(name), str) and text.lstrip()[:1] == "{"]
    if inner:
        value = _parsed(inner[0])
        yield from records_of(value, layers - 1)
    elif objects := [one for name in _OBJECTS if isinstance(one := value.get(name), dict)]:
        yield from records_of(objects[0], layers - 1)
    elif lists := [one for name in LISTS if isinstance(one := value.get(name), list)]:
        for one in lists[0]:
            yield from records_of(one, layers - 1)
    elif "digestStartTime" in value:
        raise OtherKindError("a digest file of CloudTrail, which holds no records")
    else:
        raise OtherKindError("not a CloudTrail record")


def _is_record(value: dict[str, Any]) -> bool:
    """Whether it is a record; a notification of S3 has the same names, but tells of an object of a bucket."""
    is_call = "eventName" in value and not value.keys().isdisjoint(("eventTime", "eventID", "userIdentity"))
    return (is_call or isinstance(value.get("insightDetails"), dict)) and "s3" not in value


def _parsed(text: str) -> Any:
    try:
        return _decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None

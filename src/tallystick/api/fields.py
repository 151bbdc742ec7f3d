"""Types of the fields that many answers and bodies have, and the base classes of both."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from tallystick.journal.missing_ranges import IndexRange
from tallystick.query.scope import Principal
from tallystick.render.csv_lines import COLUMNS, DIALECTS
from tallystick.schedules.changes import FILTERS as SCHEDULE_NAMES
from tallystick.search.filters import NAMES


class ResponseBody(Struct, forbid_unknown_fields=True):
    """A JSON object that the API answers with. Its class name, without `Response`, is the name of its schema."""


class RequestBody(Struct, forbid_unknown_fields=True):
    """A JSON object that the API takes; unknown fields are refused."""


def index_pairs(ranges: Sequence[IndexRange]) -> list[list[int]] | UnsetType:
    """The ranges as an answer has them; UNSET, which leaves the field out, if there are none."""
    return [list(pair) for pair in ranges] or UNSET


def doc(description: str, **schema: Any) -> Meta:
    """What the OpenAPI document says of a field, with further members of its schema; nothing is checked by it."""
    return Meta(description=description, extra_json_schema=schema or None)


def given_fields(body: Struct) -> dict[str, Any]:
    """The fields of a body that the client sent."""
    values = ((name, getattr(body, name)) for name in body.__struct_fields__)
    return {name: value for name, value in values if value is not UNSET}


Time = Annotated[
    str,
    Meta(
        description="Time, RFC 3339 in UTC with microseconds.",
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        extra_json_schema={"format": "date-time"},
    ),
]
EventId = Annotated[str, Meta(description="Id of the event.", pattern="^evt_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
Count = Annotated[int, Meta(ge=0)]
LogIndex = Annotated[Count, doc("Position in the organization's log, counted from 0 without gaps.")]
SearchableThrough = Annotated[
    int, Meta(description="Every event up to this index could be found; -1 if there is none.", ge=-1)
]
IndexPair = Annotated[list[Count], Meta(description="First and last index of a range.", min_length=2, max_length=2)]
MissingRanges = Annotated[
    list[IndexPair] | UnsetType,
    doc("Ranges of indexes that the event store lacks, among them events that belong here; absent if there are none."),
]
LostRanges = Annotated[
    list[IndexPair] | UnsetType,
    doc(
        "Ranges of indexes whose events this server has lost for good (`audit_log.events_lost`), among them events "
        "that belong here; absent if there are none."
    ),
]
LogSize = Annotated[
    int, Meta(description="Size of the log at the request: only events with a lower index are included.", ge=0)
]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
# A filter as it is kept: every value is a list.
StoredFilter = Annotated[
    dict[str, list[str]], doc("Filters by parameter name of finding events, each with its values.")
]
CSV_COLUMNS = (
    "Columns of a CSV file: `default` are the seven of a summary; `all` adds the id, the index, the description and "
    "all other fields behind them."
)
CSV_DIALECT = (
    "`excel` is for Excel: a byte order mark, and a first line that names the separator, the comma. "
    "`excel-semicolon` is for versions that cut at semicolons, or take no byte order mark before such a line."
)
CsvColumnsField = Annotated[str, doc(CSV_COLUMNS, enum=list(COLUMNS))]
CsvDialectField = Annotated[str, doc(CSV_DIALECT, enum=list(DIALECTS))]
_FILTERS = "Filters by parameter name of finding events: one value, or a list of which one must match. Without, all."
FilterInput = Annotated[dict[str, str | list[str]], doc(_FILTERS, propertyNames={"enum": list(NAMES)})]
# A schedule decides the period by itself.
ScheduleFilterInput = Annotated[dict[str, str | list[str]], doc(_FILTERS, propertyNames={"enum": list(SCHEDULE_NAMES)})]
TimeOfDay = Annotated[str, doc("Local time, `HH:MM`.", pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class PrincipalReference(ResponseBody):
    """The person or API key that did something."""

    type: Annotated[str, doc("`user`, `api_key` or `system`.")]
    id: Annotated[str, doc("Id of the person or key.")]
    name: Annotated[str, doc("Name at the time.")]

    @classmethod
    def of(cls, principal: Principal) -> "PrincipalReference":
        return cls(type=principal.kind, id=principal.id, name=principal.name)


class NamedReference(ResponseBody):
    """The person or API key that did something, by id and name."""

    id: Annotated[str, doc("Id of the person (`usr_…`) or key (`key_…`).")]
    name: Annotated[str, doc("Name at the time.")]

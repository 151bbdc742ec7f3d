"""The operations of scheduled exports."""

from functools import partial
from typing import Any

from tallystick.api.document.answers import body_of, json_of, operation
from tallystick.api.document.schemas import TIME, fields, listed, ref, text
from tallystick.render.writers import FORMATS
from tallystick.schedules.changes import FILTERS
from tallystick.schedules.schedule import MODES
from tallystick.work.calendar import FREQUENCIES, WEEKDAYS

_of = partial(operation, "Export")
_WHEN = TIME | {"type": ["string", "null"]}
_MAYBE: dict[str, Any] = {"type": ["integer", "null"], "minimum": 0}
_ID = {
    "name": "id", "in": "path", "required": True, "description": "The id of a schedule.", "schema": {"type": "string"},
    "example": "sch_01hk6v2q8zfw0a3m5n7p9r1t3v",
}  # fmt: skip
_VALUES = {"type": "array", "items": {"type": "string"}}
_FLAG = {"type": "boolean"}
_ADDRESSES: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "maxItems": 20}
_GIVEN: dict[str, Any] = {
    "name": text("What it is called, at most 100 characters; it stands in the subject of the mail."),
    "frequency": text("How often.", enum=list(FREQUENCIES)),
    "recipients": _ADDRESSES | {
        "description": "E-mail addresses. Those outside the organization get nothing before an owner consents."
    },
    "format": text("The form of the file.", enum=list(FORMATS)),
    "at": text("The local time. One that clocks leave out is run when they go on, one that comes twice once.",
               pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$"),
    "weekday": {
        "description": "Of a weekly one: a name, or 0 for Monday to 6.",
        "oneOf": [{"type": "string", "enum": list(WEEKDAYS)}, {"type": "integer", "minimum": 0, "maximum": 6},
                  {"type": "null"}],
    },
    "day": {
        "type": ["integer", "null"], "minimum": 1, "maximum": 31,
        "description": "Of a monthly one; where the month is shorter, its last day.",
    },
    "timezone": text("As the IANA calls it, such as Europe/Berlin."),
    "filter": {
        "type": "object",
        "description": "The filters of finding events: a text, or a list of which one must match. None: all.",
        "properties": {name: {"oneOf": [{"type": "string"}, _VALUES]} for name in FILTERS},
        "additionalProperties": False,
    },
    "mode": text("`new`: what was recorded since the last file, each event once. `period`: the day, week or month "
                 "before. It cannot be changed.", enum=list(MODES)),
    "enabled": _FLAG | {"description": "Whether it runs by the calendar."},
    "to_directory": _FLAG | {
        "description": "Put the file into the operator's directory or bucket, TALLYSTICK_EXPORT_DIR; takes `admin`."
    },
}  # fmt: skip
_PAST = _FLAG | {"description": "Mode `new`: the first file holds what was recorded before, too."}

SCHEDULED_SCHEMAS: dict[str, Any] = {
    "ScheduleInput": fields(
        _GIVEN | {"past": _PAST}, optional=tuple(name for name in (*_GIVEN, "past") if name != "frequency")
    ),
    "ScheduleChange": fields(_GIVEN, optional=tuple(_GIVEN)),
    "ScheduleRun": fields(
        {
            "id": text("`run_` and 26 characters."),
            "status": text("How it went.", enum=["running", "delivered", "partly_delivered", "failed"]),
            "asked": _FLAG | {"description": "By somebody, beside the calendar."},
            "export": {"type": ["string", "null"], "description": "The export that it made."},
            "rows": _MAYBE,
            "error": {"type": ["string", "null"]},
            "started_at": TIME,
            "finished_at": _WHEN,
        }
    ),
    "ScheduleRuns": fields({"data": listed(ref("ScheduleRun"))}),
    "Schedule": fields(
        {
            "id": text("`sch_` and 26 characters."),
            "name": text("What it is called."),
            "frequency": _GIVEN["frequency"],
            "at": text("The local time."),
            "weekday": {"enum": [*WEEKDAYS, None], "description": "Of a weekly one."},
            "day": _MAYBE,
            "timezone": text("Its zone."),
            "format": _GIVEN["format"],
            "filter": {"type": "object", "additionalProperties": _VALUES},
            "mode": _GIVEN["mode"],
            "recipients": {"type": "array", "items": {"type": "string"}},
            "recipient_states": listed(
                fields(
                    {
                        "address": text("The address."),
                        "status": text("Its state.", enum=["active", "waiting_for_consent", "unsubscribed"]),
                    }
                )
            ),
            "to_directory": _FLAG,
            "enabled": _FLAG,
            "stopped": {"type": ["string", "null"], "description": "Why it ended by itself."},
            "next_run_at": _WHEN,
            "last_run": {"oneOf": [ref("ScheduleRun"), {"type": "null"}]},
            "created_by": fields({"type": text("`user` or `api_key`."), "id": text("Its id."), "name": text("Who.")}),
            "created_at": TIME,
        }
    ),
    "Schedules": fields({"data": listed(ref("Schedule"))}),
}


SCHEDULING: dict[str, Any] = {
    "/v1/export-schedules": {
        "get": _of(
            "listSchedules", "All scheduled exports", "Newest first.", {"200": json_of("The schedules.", "Schedules")}
        ),
        "post": _of(
            "makeSchedule", "Schedule an export", "A file goes out each day, week or month: as an attachment where the "
            "mail server takes it, else as a link that ends. It holds what whoever schedules it may see.",
            {"201": json_of("Made.", "Schedule")}, 408, 409, 413, 415, requestBody=body_of("ScheduleInput"),
        ),
    },
    "/v1/export-schedules/{id}": {
        "get": _of(
            "showSchedule", "One scheduled export", "With its next run and its last.",
            {"200": json_of("The schedule.", "Schedule")}, 404, parameters=[_ID],
        ),
        "patch": _of(
            "changeSchedule", "Change it", "What is left out stays. `enabled` pauses and resumes it; whoever resumes "
            "one that ended by itself takes it over: from then on it holds what they may see.",
            {"200": json_of("Changed.", "Schedule")}, 404, 408, 409, 413, 415, requestBody=body_of("ScheduleChange"),
            parameters=[_ID],
        ),
        "delete": _of(
            "deleteSchedule", "Delete it", "What it sent stays sent, and its files are kept as other exports are.",
            {"204": {"description": "Deleted."}}, 404, parameters=[_ID],
        ),
    },
    "/v1/export-schedules/{id}/runs": {
        "get": _of(
            "listScheduleRuns", "Its last runs", "Newest first, a hundred at most.",
            {"200": json_of("The runs.", "ScheduleRuns")}, 404, parameters=[_ID],
        )
    },
    "/v1/export-schedules/{id}/run": {
        "post": _of(
            "runSchedule", "Run it now", "Sends what is new, or the last period again. The calendar stays as it is.",
            {"202": json_of("It runs.", "Schedule")}, 404, 409, parameters=[_ID],
        )
    },
    "/v1/export-schedules/{id}/consent": {
        "post": _of(
            "consentToSchedule", "Let it go outside", "An owner, or a key with `admin` that an owner made, consents to "
            "the recipients outside the organization that wait for it.",
            {"200": json_of("It goes to them from now on.", "Schedule")}, 404, parameters=[_ID],
        )
    },
}  # fmt: skip

"""The operations of compliance: reports and reviews."""

from functools import partial
from typing import Any

from tallystick.api.document.answers import body_of, json_of, operation
from tallystick.api.document.schemas import COUNT, EVENT_ID, FLAG, INDEX, TIME, fields, listed, ref, text
from tallystick.compliance.review import SEVERITIES
from tallystick.compliance.review_changes import MOST_ABOUT, MOST_CONCLUSION, MOST_NOTE

_of = partial(operation, "Comply")
_WHEN = TIME | {"type": ["string", "null"]}
_MAYBE: dict[str, Any] = {"type": ["integer", "null"], "minimum": 0}
_NULLABLE: dict[str, Any] = {"type": ["string", "null"]}
_SHA256: dict[str, Any] = {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}
_VALUES = {"type": "array", "items": {"type": "string"}}
_FILTER = {"type": "object", "additionalProperties": _VALUES}
_REPORT_EXAMPLE, _REVIEW_EXAMPLE = "exp_01hk6v2q8zfw0a3m5n7p9r1t3v", "rev_01hk6v2q8zfw0a3m5n7p9r1t3v"


def _id(what: str, example: str, name: str = "id") -> dict[str, Any]:
    return {
        "name": name, "in": "path", "required": True, "description": f"The id of {what}.",
        "schema": {"type": "string"}, "example": example,
    }  # fmt: skip


def _paging(most: int, example: str) -> list[dict[str, Any]]:
    return [
        {"name": "limit", "in": "query", "description": "So many at most.",
         "schema": {"type": "integer", "minimum": 1, "maximum": most, "default": 50}},
        {"name": "before", "in": "query", "description": "Those that are older than this one.",
         "schema": {"type": "string"}, "example": example},
    ]  # fmt: skip


_STATUS = {
    "name": "status", "in": "query", "description": "Only those.",
    "schema": {"type": "string", "enum": ["open", "signed", "withdrawn"]},
}  # fmt: skip
_PERIOD = fields({"start": TIME, "end": TIME, "tz": text("The zone of its dates.")})
_SEVERITY = text("How grave; `fine` says that it was looked at.", enum=list(SEVERITIES))
_SIGNER = fields({"type": text("`user` or `api_key`."), "id": text("Its id."), "name": text("Who.")})
_FINDING_INPUT = {
    "event": text("The id of an event that the review's period and query find."),
    "severity": _SEVERITY,
    "note": text("What is noted.", maxLength=MOST_NOTE),
}
_REVIEW: dict[str, Any] = {
    "id": text("`rev_` and 26 characters."),
    "status": text("A signed one is not changed.", enum=["open", "signed", "withdrawn"]),
    "about": _NULLABLE | {"description": "The control it is about, as in reports: `soc2 CC6.3`."},
    "corrects": _NULLABLE | {"description": "The earlier review that it puts right."},
    "corrected_by": _NULLABLE | {"description": "The signed review that puts it right."},
    "period": _PERIOD,
    "filter": _FILTER,
    "findings": COUNT | {"description": "How many."},
    "opened_by": fields({"id": text("Its id."), "name": text("Who.")}),
    "opened_at": TIME,
    "overdue": FLAG | {"description": "Open for more than seven days."},
    "conclusion": text("What was concluded."),
    "signed_by": {"oneOf": [_SIGNER, {"type": "null"}]},
    "signed_at": _WHEN,
    "position": _MAYBE | {"description": "The log's entries that were searched: what is below it was looked at."},
    "events": _MAYBE | {"description": "How many events there were below the position, exactly."},
    "sha256": _SHA256 | {"description": "Of what was signed, as the trail's `audit_log.review_signed` has it."},
}
_FRAMEWORK_EXCEPTION = {
    "says": text("What it is."), "query": text("Where it is looked for."),
    "own": FLAG | {"description": "Only where the actor is the resource."},
    "per": _NULLABLE | {"description": "Only where one value of this has `at_least` events within an hour."},
    "at_least": COUNT, "without": text("Only resources of which this finds nothing."),
}  # fmt: skip
_QUESTION = {
    "asks": text("The question."), "query": text("The search whose events answer it."),
    "exceptions": listed(fields(_FRAMEWORK_EXCEPTION)),
}  # fmt: skip
_CONTROL = {
    "id": text("As auditors call it."), "title": text("In a few words."), "about": text("In a sentence."),
    "questions": listed(fields(_QUESTION)),
}  # fmt: skip

REPORTED_SCHEMAS: dict[str, Any] = {
    "Framework": fields(
        {
            "id": text("What a report is asked for by."), "title": text("Its name."), "about": text("In a sentence."),
            "controls": listed(fields(_CONTROL)),
            "sources": listed(fields({"name": text("A file."), "sha256": text("Of the file.")})),
        }
    ),
    "Frameworks": fields(
        {
            "data": listed(ref("Framework")),
            "problems": listed(text("A file that cannot be used, the line, and why.")),
        }
    ),
    "ReportInput": fields(
        {
            "framework": text("The id of a framework."),
            "start": text("Date or time, inclusive.", minLength=1),
            "end": text("Time (exclusive), or last date (inclusive).", minLength=1),
            "tz": text("The zone of bare dates, and of the times in the PDF; else UTC."),
        },
        optional=("tz",),
    ),
    "Report": fields(
        {
            "id": text("`exp_` and 26 characters: a report is an export."),
            "framework": text("The id of its framework."),
            "start": text("As it was asked for."),
            "end": text("As it was asked for."),
            "tz": text("The zone."),
            "position": COUNT | {"description": "The log's size when it was asked for: only what is below is in it."},
            "status": text("How it stands.", enum=["queued", "running", "completed", "failed", "cancelled"]),
            "gone": {"enum": ["expired", "deleted", "erased", "lost", None], "description": "Why it is gone."},
            "progress": {"type": "number", "minimum": 0, "maximum": 1},
            "rows": _MAYBE | {"description": "The events of the period."},
            "bytes": _MAYBE,
            "sha256": _SHA256 | {"description": "Of its content, as `audit_log.report_generated` has it."},
            "error": _NULLABLE,
            "requested_by": _SIGNER,
            "requested_at": TIME,
            "finished_at": _WHEN,
            "expires_at": _WHEN,
        }
    ),
    "Reports": fields({"data": listed(ref("Report"))}),
    "ReportContent": {
        "type": "object",
        "description": "What is missing first, then control by control; the guide says all of it.",
        "properties": {"format": text("`tallystick-report/v1`."), "gaps": listed({"type": "object"}),
                       "controls": listed({"type": "object"}), "reviews": listed({"type": "object"})},
        "required": ["format", "gaps", "controls", "reviews"],
    },
    "ReviewInput": fields(
        {
            "period": fields(
                {
                    "start": text("Date or time, inclusive.", minLength=1),
                    "end": text("Time (exclusive), or last date (inclusive); at most now.", minLength=1),
                    "tz": text("The zone of bare dates; else UTC."),
                },
                optional=("tz",),
            ),
            "query": text("Which events; without it all of the period."),
            "findings": listed(fields(_FINDING_INPUT, optional=("severity", "note")), maxItems=500),
            "conclusion": text("With one it is signed at once.", maxLength=MOST_CONCLUSION),
            "about": text("The control it is about, such as `soc2 CC6.3`.", maxLength=MOST_ABOUT),
            "corrects": text("The signed review that it puts right."),
        },
        optional=("query", "findings", "conclusion", "about", "corrects"),
    ),
    "FindingInput": fields(_FINDING_INPUT, optional=("severity", "note")),
    "SignInput": fields({"conclusion": text("What is concluded.", minLength=1, maxLength=MOST_CONCLUSION)}),
    "Finding": fields(
        {
            "event": EVENT_ID, "index": INDEX, "severity": _SEVERITY, "note": text("What was noted."),
            "marked_by": text("Who noted it."), "marked_at": TIME,
        }
    ),
    "ReviewInList": fields(_REVIEW),
    "Reviews": fields({"data": listed(ref("ReviewInList"))}),
    "Review": fields(
        _REVIEW
        | {
            "findings": listed(ref("Finding")),
            "as_signed": {
                "type": ["boolean", "null"],
                "description": "Whether it is still what was signed; an erasure of personal data changes it.",
            },
        }
    ),
    "ReviewContent": {"type": "object", "description": "The exact text whose SHA-256 was signed."},
    "ReminderInput": fields(
        {
            "weekday": {"type": "integer", "minimum": 0, "maximum": 6, "description": "0 is Monday."},
            "at": text("A time of day.", pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$"),
            "recipients": listed(text("The e-mail address of an owner, admin or auditor."), minItems=1, maxItems=20),
            "tz": text("The zone; else UTC."),
        },
        optional=("tz",),
    ),
    "ReviewReminder": fields(
        {
            "reminder": {
                "oneOf": [
                    fields(
                        {
                            "weekday": COUNT, "at": text("Time of day."), "tz": text("The zone."),
                            "recipients": listed(text("Who is told.")), "next_at": TIME, "told_at": _WHEN,
                        }
                    ),
                    {"type": "null"},
                ]
            },
            "open": COUNT | {"description": "Reviews that wait for a signature."},
            "overdue": listed(text("Those of them that have waited for more than seven days.")),
            "none_this_week": FLAG | {"description": "A reminder is set, and nothing was signed for seven days."},
            "last_signed_at": _WHEN,
        }
    ),
}  # fmt: skip


_SENT = (408, 413, 415)
_OF_REPORT = [_id("a report", _REPORT_EXAMPLE)]
_OF_REVIEW = [_id("a review", _REVIEW_EXAMPLE)]
_OF_FINDING = [*_OF_REVIEW, _id("an event", "evt_01hk6v2q8zfw0a3m5n7p9r1t3v", "event_id")]
_PDF = {
    "200": {
        "description": "The document.",
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_REVIEWED = {"200": json_of("The review.", "Review")}

REPORTING: dict[str, Any] = {
    "/v1/frameworks": {
        "get": _of(
            "listFrameworks", "What reports ask", "Framework, control, question, search; and what is wrong with files "
            "of the operator's own.", {"200": json_of("The frameworks.", "Frameworks")},
        )
    },
    "/v1/reports": {
        "get": _of(
            "listReports", "All reports", "Newest first.", {"200": json_of("The reports.", "Reports")}, 404,
            parameters=_paging(1000, _REPORT_EXAMPLE),
        ),
        "post": _of(
            "askReport", "Ask for a report", "Of a period of the log as it is now; made in the background, as exports.",
            {"202": json_of("It waits.", "Report")}, 404, 409, *_SENT, requestBody=body_of("ReportInput"),
        ),
    },
    "/v1/reports/{id}": {
        "get": _of("showReport", "One report", "How it stands.", {"200": json_of("The report.", "Report")}, 404,
                          parameters=_OF_REPORT),
    },
    "/v1/reports/{id}/content": {
        "get": _of(
            "readReport", "What it says", "As it was made.", {"200": json_of("The report.", "ReportContent")}, 404, 409,
            parameters=_OF_REPORT,
        ),
    },
    "/v1/reports/{id}/pdf": {
        "get": _of("printReport", "The report as a PDF", "The same, to read and print.", _PDF, 404, 409,
                          parameters=_OF_REPORT),
    },
    "/v1/reports/{id}/evidence": {
        "post": _of(
            "askEvidence", "Bundle its evidence", "The events that it counts with their proofs, and the report and its "
            "reviews beside them: an export.", {"202": json_of("It waits.", "Export")}, 404, 409, parameters=_OF_REPORT,
        ),
    },
    "/v1/reviews": {
        "get": _of("listReviews", "All reviews", "Newest first.", {"200": json_of("The reviews.", "Reviews")}, 404,
                          parameters=[*_paging(200, _REVIEW_EXAMPLE), _STATUS]),
        "post": _of(
            "openReview", "Review a period", "Opens a review; with a conclusion the key signs it at once.",
            {"201": json_of("The review.", "Review")}, 404, 409, *_SENT, requestBody=body_of("ReviewInput"),
        ),
    },
    "/v1/reviews/{id}": {
        "get": _of("showReview", "One review", "With its findings.", _REVIEWED, 404, parameters=_OF_REVIEW)
    },
    "/v1/reviews/{id}/content": {
        "get": _of("readReview", "What was signed", "The text whose SHA-256 stands in the trail.",
                          {"200": json_of("The text.", "ReviewContent")}, 404, 409, parameters=_OF_REVIEW)
    },
    "/v1/reviews/{id}/findings": {
        "post": _of(
            "markFinding", "Note a finding", "At an event of the review, in place of what was noted there.",
            {"201": json_of("The review.", "Review")}, 404, 409, *_SENT, parameters=_OF_REVIEW,
            requestBody=body_of("FindingInput"),
        )
    },
    "/v1/reviews/{id}/findings/{event_id}": {
        "delete": _of("unmarkFinding", "Take a finding away", "While the review is open.", _REVIEWED, 404, 409,
                             parameters=_OF_FINDING)
    },
    "/v1/reviews/{id}/sign": {
        "post": _of(
            "signReview", "Sign", "With a conclusion. The trail holds its SHA-256, and nothing of it changes any more.",
            _REVIEWED, 404, 409, *_SENT, parameters=_OF_REVIEW, requestBody=body_of("SignInput"),
        )
    },
    "/v1/reviews/{id}/withdraw": {
        "post": _of("withdrawReview", "Withdraw", "Gives an open review up; it stays in the list.", _REVIEWED,
                           404, 409, parameters=_OF_REVIEW)
    },
    "/v1/review-reminder": {
        "get": _of("showReminder", "The weekly reminder", "Who is reminded when, and what waits.",
                          {"200": json_of("It.", "ReviewReminder")}),
        "put": _of(
            "setReminder", "Remind people", "Each week, by mail, while a review waits or none was signed. Takes a key "
            "with `admin`.", {"200": json_of("Set.", "ReviewReminder")}, *_SENT, requestBody=body_of("ReminderInput"),
        ),
        "delete": _of("removeReminder", "Remind nobody", "Takes a key with `admin`.",
                             {"200": json_of("Removed.", "ReviewReminder")}),
    },
}  # fmt: skip

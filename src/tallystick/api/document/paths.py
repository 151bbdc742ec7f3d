"""The operations, path by path."""

from typing import Any

from tallystick.api.document.answers import json_of, problems
from tallystick.api.document.parameters import EVENT_ID, FACET, FILTERS, HISTOGRAM, LIVE, PAGING, RECORD, RELATED
from tallystick.api.document.schemas import ref

Operation = dict[str, Any]
READING = (400, 401, 403, 429, 500, 503)
OPEN: list[Any] = []


def _text(description: str, media_type: str) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


_RECORD: Operation = {
    "tags": ["Record"],
    "operationId": "recordEvents",
    "summary": "Record events",
    "description": 'One event, `{"events": […]}`, a list, or NDJSON with an event on each line; at most 1,000 events '
    "and 10 MiB unpacked. All are recorded or none. 201 means: on disk, ordered, in the log. The new events of one "
    "request get consecutive indexes, in order.",
    "parameters": RECORD,
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": ref("Recording")},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One event on each line."}},
        },
    },
    "responses": {
        "201": json_of("Recorded.", "Recorded"),
        "202": json_of("Recorded, but after 10 seconds queries do not see it yet.", "Recorded"),
    } | problems(400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503),
}  # fmt: skip

_FIND: Operation = {
    "tags": ["Find"],
    "operationId": "findEvents",
    "summary": "Find events",
    "description": "Newest first. With `Accept: text/csv` or `application/x-ndjson` the whole result is streamed; then "
    "`limit` may cut it and `order` may be `desc` or `asc`, and `cursor`, `offset` and `after` are refused.",
    "parameters": [*FILTERS, *PAGING],
    "responses": {
        "200": {
            "description": "What was found.",
            "content": {
                "application/json": {"schema": ref("Page")},
                "text/csv": {"schema": {"type": "string"}},
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        }
    } | problems(400, 401, 403, 406, 429, 500, 503),
}  # fmt: skip

_SHOW: Operation = {
    "tags": ["Find"],
    "operationId": "showEvent",
    "summary": "One event",
    "description": "Whole, also the moment after it was recorded.",
    "parameters": [EVENT_ID],
    "responses": {"200": json_of("The event.", "Event")} | problems(400, 401, 403, 404, 429, 500, 503),
}

_RELATED: Operation = {
    "tags": ["Find"],
    "operationId": "showRelated",
    "summary": "What happened around an event",
    "description": "One timeline of the events that have its actor, resource, session, address or request, the event "
    "itself among them, oldest first. Of more than `limit` on either side these are the nearest, and `more_before` and "
    "`more_after` say that there are others; `partial`, that the time did not suffice to read all of the span.",
    "parameters": [EVENT_ID, *RELATED],
    "responses": {"200": json_of("The timeline.", "Related")} | problems(400, 401, 403, 404, 429, 500, 503),
}

_HISTOGRAM: Operation = {
    "tags": ["Find"],
    "operationId": "showHistogram",
    "summary": "Counts over time",
    "description": "How many events the filters find in each interval, by status.",
    "parameters": [*FILTERS, *HISTOGRAM],
    "responses": {"200": json_of("The counts.", "Histogram")} | problems(*READING),
}

_FACETS: Operation = {
    "tags": ["Find"],
    "operationId": "showFacets",
    "summary": "The values that occur most",
    "description": "Which values of one field the events have that the filters find, and how many of each.",
    "parameters": [*FACET, *FILTERS],
    "responses": {"200": json_of("The values.", "Facets")} | problems(*READING),
}

_LIVE: Operation = {
    "tags": ["Find"],
    "operationId": "followEvents",
    "summary": "Follow events",
    "description": "Server-sent events, without end: `event: event` with an event as data, `event: position` with "
    '`{"through": index}` at the beginning, between, and every 15 seconds, `event: problem` before the server ends it. '
    "The id of each is the index from which `Last-Event-ID` or `after` goes on, without loss or double.",
    "parameters": [*LIVE, *FILTERS],
    "responses": {"200": _text("The events as they are recorded.", "text/event-stream")} | problems(*READING),
}

_ACTIONS: Operation = {
    "tags": ["Find"],
    "operationId": "listActions",
    "summary": "The actions",
    "description": "Those of the catalogue, and those that were recorded without being in it.",
    "responses": {"200": json_of("All actions by name.", "Actions")} | problems(*READING),
}

_HEALTH: Operation = {
    "tags": ["Operate"], "operationId": "showHealth", "summary": "Alive", "security": OPEN,
    "description": "The process answers.",
    "responses": {"200": json_of("It does.", "Health")},
}  # fmt: skip
_READINESS: Operation = {
    "tags": ["Operate"], "operationId": "showReadiness", "summary": "Ready", "security": OPEN,
    "description": "Control database, event store and disk are as they have to be. Recording goes on without the event "
    "store: let `/healthz` decide where events are sent to, if it shall.",
    "responses": {"200": json_of("It is ready.", "Readiness")} | problems(503),
}  # fmt: skip
_METRICS: Operation = {
    "tags": ["Operate"], "operationId": "showMetrics", "summary": "Metrics", "security": OPEN,
    "description": "In Prometheus' text format.",
    "responses": {"200": _text("The metrics.", "text/plain")},
}  # fmt: skip
_OPENAPI: Operation = {
    "tags": ["Reference"], "operationId": "showOpenapi", "summary": "OpenAPI", "security": OPEN,
    "description": "This document.",
    "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object"}}}}},
}  # fmt: skip
_DOCS: Operation = {
    "tags": ["Reference"], "operationId": "showDocs", "summary": "Documentation", "security": OPEN,
    "description": "This document as a page.",
    "responses": {"200": _text("The page.", "text/html")},
}  # fmt: skip
_STYLESHEET: Operation = {
    "tags": ["Reference"], "operationId": "showDocsStylesheet", "summary": "Its stylesheet", "security": OPEN,
    "description": "How that page looks.",
    "responses": {"200": _text("The stylesheet.", "text/css")},
}  # fmt: skip

PATHS: dict[str, Any] = {
    "/v1/audit-logs": {"post": _RECORD, "get": _FIND},
    "/v1/audit-logs/{id}": {"get": _SHOW},
    "/v1/audit-logs/{id}/related": {"get": _RELATED},
    "/v1/audit-logs/histogram": {"get": _HISTOGRAM},
    "/v1/audit-logs/facets": {"get": _FACETS},
    "/v1/audit-logs/live": {"get": _LIVE},
    "/v1/actions": {"get": _ACTIONS},
    "/healthz": {"get": _HEALTH},
    "/readyz": {"get": _READINESS},
    "/metrics": {"get": _METRICS},
    "/openapi.json": {"get": _OPENAPI},
    "/docs": {"get": _DOCS},
    "/docs/docs.css": {"get": _STYLESHEET},
}

"""The OpenAPI 3.1 document of the API, written by hand.

Promises: it names every route that there is and no other, and every parameter that a route takes
(tests hold both); what it says of an answer is true of every answer (schemathesis holds that).
"""

from typing import Any

import tallystick
from tallystick.api.document.answers import ANSWERS
from tallystick.api.document.keeping import KEEPING, KEPT_SCHEMAS
from tallystick.api.document.paths import PATHS
from tallystick.api.document.proving import PROVING
from tallystick.api.document.schemas import SCHEMAS

INTRODUCTION = """\
Tallystick records who did what and when, finds it, and enters each event into a log that only grows.

Send `Authorization: Bearer <key>`; the key decides the organization. Times are RFC 3339 in UTC. A filter
that is given several times finds events that match either value; different filters must all match.
An unknown parameter is an error: a filter that is silently left out would show other events than were
asked for. Errors are `application/problem+json` with a stable `code`."""

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Tallystick",
        "version": tallystick.__version__,
        "description": INTRODUCTION,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/"}],
    "security": [{"key": []}],
    "tags": [
        {"name": "Record", "description": "Bring events in."},
        {"name": "Find", "description": "Read the trail, count it, follow it."},
        {"name": "Prove", "description": "Check that nothing was changed, without believing the server."},
        {"name": "Keep", "description": "How long events are kept, and what must stay. Takes a key with `admin`."},
        {"name": "Operate", "description": "For load balancers and monitoring. No key is needed."},
        {"name": "Reference", "description": "This description. No key is needed."},
    ],
    "paths": PATHS | PROVING | KEEPING,
    "components": {
        "schemas": SCHEMAS | KEPT_SCHEMAS,
        "responses": ANSWERS,
        "securitySchemes": {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key: `tsk_` and 36 letters and digits. Recording takes one with the scope "
                "`events:write`, retention and holds one with `admin`, everything else one with `events:read`.",
            }
        },
    },
}

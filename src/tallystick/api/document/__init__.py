"""The OpenAPI 3.1 document of the API, written by hand.

Promises: it names every route that there is and no other, and every parameter that a route takes
(tests hold both); what it says of an answer is true of every answer (schemathesis holds that).
"""

from typing import Any

import tallystick
from tallystick.api.document.alerting import ALERTING
from tallystick.api.document.answers import ANSWERS
from tallystick.api.document.checking import CHECKING
from tallystick.api.document.destining import DESTINING
from tallystick.api.document.erasing import ERASING
from tallystick.api.document.exporting import EXPORTING
from tallystick.api.document.keeping import KEEPING
from tallystick.api.document.paths import PATHS
from tallystick.api.document.proving import PROVING
from tallystick.api.document.reporting import REPORTING
from tallystick.api.document.scheduling import SCHEDULING
from tallystick.api.document.shapes import SHAPES

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
        {"name": "Export", "description": "Take events away as files. Takes a key with `exports`."},
        {
            "name": "Alert",
            "description": "Rules that watch, what they found, where it goes. Takes a key with `alerts`.",
        },
        {"name": "Comply", "description": "Reports for auditors, and reviews that are signed. Most take `exports`."},
        {"name": "Operate", "description": "For load balancers and monitoring. No key is needed."},
        {"name": "Reference", "description": "This description. No key is needed."},
    ],
    "paths": PATHS | PROVING | CHECKING | KEEPING | ERASING | EXPORTING | SCHEDULING | ALERTING | DESTINING | REPORTING,
    "components": {
        "schemas": SHAPES,
        "responses": ANSWERS,
        "securitySchemes": {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key: `tsk_` and 36 letters and digits. Recording takes one with the scope "
                "`events:write`, exports, reports and reviews one with `exports`, retention, holds, erasures and the "
                "integrity check one with `admin`, everything else one with `events:read`.",
            }
        },
    },
}

"""The operations of destinations."""

from functools import partial
from typing import Any

from tallystick.api.document.answers import body_of, json_of, operation
from tallystick.api.document.schemas import TIME, fields, listed, ref, text
from tallystick.destinations.destination import KINDS

_of = partial(operation, "Alert")
_WHEN = TIME | {"type": ["string", "null"]}
_WORDS = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_FLAG = {"type": "boolean"}
_ID = {
    "name": "id", "in": "path", "required": True, "description": "The id of a destination.",
    "schema": {"type": "string"}, "example": "dst_01hk6v2q8zfw0a3m5n7p9r1t3v",
}  # fmt: skip
_DELIVERY = _ID | {"name": "delivery", "description": "The id of a delivery.",
                   "example": "dlv_01hk6v2q8zfw0a3m5n7p9r1t3v"}  # fmt: skip
_SETTINGS = {
    "type": "object",
    "description": "`webhook`: `url`, and `headers` by name. `slack`: the `url` of an incoming webhook. `email`: `to`, "
    "a list of addresses; those outside the organization take an owner.",
}
_SHOWN: dict[str, Any] = {
    "id": text("`dst_` and 26 characters."), "kind": text("What it is.", enum=list(KINDS)), "name": text("Its name."),
    "settings": _SETTINGS | {"description": "What may be shown of them: no header's value, no secret address."},
    "enabled": _FLAG, "state": text("How it fares.", enum=["ok", "failing", "disabled"]),
    "consecutive_failures": _COUNT, "last_error": _WORDS, "last_success_at": _WHEN, "last_failure_at": _WHEN,
    "waiting": _COUNT, "given_up": _COUNT, "created_by": text("Who made it."), "created_at": TIME,
}  # fmt: skip
_SECRET = _WORDS | {"description": "Signs what a webhook gets. It is shown here and never again."}

DESTINED_SCHEMAS: dict[str, Any] = {
    "DestinationInput": fields(
        {"kind": text("What it is.", enum=list(KINDS)), "settings": _SETTINGS, "name": text("Its name.")},
        optional=("settings", "name"),
    ),
    "DestinationChange": fields(
        {"name": text("Its name."), "settings": _SETTINGS, "enabled": _FLAG}, optional=("name", "settings", "enabled")
    ),
    "Destination": fields(_SHOWN),
    "DestinationMade": fields(_SHOWN | {"secret": _SECRET}),
    "Destinations": fields({"data": listed(ref("Destination"))}),
    "DeliveryBegun": fields({"delivery": text("The id of the delivery.")}),
    "Deliveries": fields(
        {
            "data": listed(
                fields(
                    {
                        "id": text("`dlv_` and 26 characters."),
                        "message": text("The id of what is sent: that of an alert."),
                        "state": text("How it stands.", enum=["waiting", "sent", "given_up"]), "problem": _WORDS,
                        "created_at": TIME, "next_attempt_at": _WHEN, "finished_at": _WHEN,
                        "attempts": listed(
                            fields(
                                {
                                    "at": TIME, "outcome": text("sent or failed."),
                                    "http_status": {"type": ["integer", "null"]}, "milliseconds": _COUNT,
                                    "problem": _WORDS,
                                }
                            )
                        ),
                    }
                )
            )
        }
    ),
}  # fmt: skip

_BEGUN = {"202": json_of("It goes out at once.", "DeliveryBegun")}
DESTINING: dict[str, Any] = {
    "/v1/destinations": {
        "get": _of("listDestinations", "All destinations", "By name, with how they fare.",
                   {"200": json_of("The destinations.", "Destinations")}),
        "post": _of("makeDestination", "Make a destination", "A place that alerts go. Webhooks are signed as Standard "
                    "Webhooks have it. No request goes to a private address that the operator did not allow.",
                    {"201": json_of("Made.", "DestinationMade")}, 408, 409, 413, 415,
                    requestBody=body_of("DestinationInput")),
    },
    "/v1/destinations/{id}": {
        "get": _of("showDestination", "One destination", "With how it fares.",
                   {"200": json_of("The destination.", "Destination")}, 404, parameters=[_ID]),
        "patch": _of("changeDestination", "Change it", "What is left out stays; `settings` are given whole. Switched "
                     "on, what waits goes at once.", {"200": json_of("Changed.", "Destination")}, 404, 408, 413, 415,
                     requestBody=body_of("DestinationChange"), parameters=[_ID]),
        "delete": _of("deleteDestination", "Delete it", "With what waits for it.",
                      {"204": {"description": "Deleted."}}, 404, parameters=[_ID]),
    },
    "/v1/destinations/{id}/test": {
        "post": _of("testDestination", "Try it", "Sends a message that says it is a test.", _BEGUN, 404, 409,
                    parameters=[_ID])
    },
    "/v1/destinations/{id}/rotate": {
        "post": _of("rotateDestination", "New secret", "The one before signs beside it for a day.",
                    {"200": json_of("With the new secret.", "DestinationMade")}, 404, 409, parameters=[_ID])
    },
    "/v1/destinations/{id}/deliveries": {
        "get": _of("listDeliveries", "What went there", "The last hundred, newest first, with every attempt.",
                   {"200": json_of("The deliveries.", "Deliveries")}, 404, parameters=[_ID])
    },
    "/v1/destinations/{id}/deliveries/{delivery}/retry": {
        "post": _of("retryDelivery", "Send it again", "What was given up, or waits.", _BEGUN, 404,
                    parameters=[_ID, _DELIVERY])
    },
}  # fmt: skip

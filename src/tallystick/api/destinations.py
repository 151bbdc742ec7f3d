"""Destinations of alerts and their deliveries: /v1/destinations."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection

from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, RequestBody, ResponseBody, Time, doc, given_fields
from tallystick.api.operation import operation
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.destinations import changes
from tallystick.destinations import destination as stored_destinations
from tallystick.destinations.changes import NewSecret
from tallystick.destinations.destination import Attempt, Delivery, Destination, show
from tallystick.destinations.kinds.registry import KINDS, kind_names
from tallystick.query.scope import Scope

PATH = "/v1/destinations"
_operation = partial(operation, "Alerts", "alerts")

Kind = Annotated[str, doc("Kind of destination.", enum=kind_names())]
Settings = Annotated[dict[str, Any], doc(" ".join(kind.summary for kind in KINDS))]


class DestinationInput(RequestBody):
    """A destination as sent."""

    kind: Kind
    settings: Settings | UnsetType = UNSET
    name: Annotated[str, doc("Name. Default: made from the kind.")] = ""


class DestinationChange(RequestBody):
    """Changes to a destination. Fields that are left out keep their value; `settings` are replaced as a whole."""

    name: Annotated[str, doc("Name.")] | UnsetType = UNSET
    settings: Settings | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class DestinationResponse(ResponseBody):
    """A destination."""

    id: Annotated[str, doc("`dst_` and 26 characters.")]
    kind: Kind
    name: Annotated[str, doc("Name.")]
    settings: Annotated[
        dict[str, Any], doc("Its settings without secrets: values of headers and secret addresses are left out.")
    ]
    enabled: bool
    state: Annotated[
        str,
        doc(
            "`waiting_for_approval` until an owner approves a destination outside the organization on the page Alerts; "
            "nothing is sent before. `disabled` after too many failures, or by a person.",
            enum=["ok", "failing", "disabled", "waiting_for_approval"],
        ),
    ]
    approved_by: Annotated[str | None, doc("The owner who approved it, or the operator; null if nobody had to.")]
    approved_at: Time | None
    consecutive_failures: Count
    last_error: str | None
    last_success_at: Time | None
    last_failure_at: Time | None
    waiting: Annotated[Count, doc("Number of deliveries that wait.")]
    given_up: Annotated[Count, doc("Number of deliveries that failed for good.")]
    created_by: Annotated[str, doc("Who created it.")]
    created_at: Time

    @staticmethod
    def fields_of(destination: Destination) -> dict[str, Any]:
        """The values of the fields, by name."""
        return {
            "id": destination.public_id,
            "kind": destination.kind,
            "name": destination.name,
            "settings": dict(destination.settings),
            "enabled": destination.enabled,
            "state": destination.shown_state,
            "approved_by": destination.approved_by or None,
            "approved_at": optional_rfc3339(destination.approved_at),
            "consecutive_failures": destination.failures,
            "last_error": destination.last_error or None,
            "last_success_at": optional_rfc3339(destination.last_success_at),
            "last_failure_at": optional_rfc3339(destination.last_failure_at),
            "waiting": destination.waiting,
            "given_up": destination.given_up,
            "created_by": destination.made_by,
            "created_at": rfc3339(destination.made_at),
        }

    @classmethod
    def of(cls, destination: Destination) -> "DestinationResponse":
        return cls(**cls.fields_of(destination))


class DestinationSecretResponse(DestinationResponse):
    """A destination with its new secret."""

    secret: Annotated[str | None, doc("Secret that signs webhooks; shown only in this answer. Null for other kinds.")]

    @classmethod
    def of_secret(cls, created: NewSecret) -> "DestinationSecretResponse":
        return cls(**cls.fields_of(created.destination), secret=created.secret)


class DestinationsResponse(ResponseBody):
    """Destinations by name."""

    data: list[DestinationResponse]


class DeliveryAttempt(ResponseBody):
    """One attempt to deliver a message."""

    at: Time
    outcome: Annotated[str, doc("`sent` or `failed`.")]
    http_status: int | None
    milliseconds: Count
    problem: str | None

    @classmethod
    def of(cls, attempt: Attempt) -> "DeliveryAttempt":
        return cls(
            at=rfc3339(attempt.at),
            outcome=attempt.outcome,
            http_status=attempt.status,
            milliseconds=attempt.milliseconds,
            problem=attempt.problem or None,
        )


class DeliveryResponse(ResponseBody):
    """The delivery of one message."""

    id: Annotated[str, doc("`dlv_` and 26 characters.")]
    message: Annotated[str, doc("Id of the message: that of its alert.")]
    state: Annotated[str, Meta(extra_json_schema={"enum": ["waiting", "sent", "given_up"]})]
    problem: str | None
    created_at: Time
    next_attempt_at: Time | None
    finished_at: Time | None
    attempts: list[DeliveryAttempt]

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryResponse":
        return cls(
            id=delivery.public_id,
            message=delivery.message_id,
            state=delivery.state,
            problem=delivery.problem or None,
            created_at=rfc3339(delivery.made_at),
            next_attempt_at=rfc3339(delivery.next_at) if delivery.state == "waiting" else None,
            finished_at=optional_rfc3339(delivery.finished_at),
            attempts=[DeliveryAttempt.of(attempt) for attempt in delivery.attempts],
        )


class DeliveriesResponse(ResponseBody):
    """Deliveries, newest first."""

    data: list[DeliveryResponse]


class DeliveryStarted(ResponseBody):
    """A delivery that was started."""

    delivery: Annotated[str, doc("Id of the delivery.")]


@post(PATH, opt=_operation(body=DestinationInput, problems=(409,)))
async def make_destination(
    request: Request[Any, Any, Any], services: ApiServices
) -> Response[DestinationSecretResponse]:
    """Create a destination.

    Every webhook and Slack channel, and every email address that belongs to no member, waits for an owner's approval.
    Webhooks are signed as Standard Webhooks specifies; the secret is only in this answer. Requests go to private
    addresses only if the operator allowed them.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(DestinationInput, "destination", "bad_destination")
    name = body.name or f"{body.kind} destination".capitalize()[:100]
    settings = {} if body.settings is UNSET else body.settings
    created = await authorized.write(
        changes.create, services.destination_context, body.kind, name, settings, **authorized.context
    )
    return answer(DestinationSecretResponse.of_secret(created))


@get(PATH, opt=_operation())
async def list_destinations(request: Request[Any, Any, Any], services: ApiServices) -> Response[DestinationsResponse]:
    """List destinations.

    By name, with the state of their deliveries.
    """
    authorized = await authorize(request, services)
    destinations = await authorized.read(stored_destinations.list_destinations)
    return answer(DestinationsResponse([DestinationResponse.of(destination) for destination in destinations]))


@get(PATH + "/{id:str}", opt=_operation())
async def show_destination(request: Request[Any, Any, Any], services: ApiServices) -> Response[DestinationResponse]:
    """Get a destination."""
    authorized = await authorize(request, services)
    return answer(DestinationResponse.of(await authorized.read(show, authorized.id)))


@patch(PATH + "/{id:str}", opt=_operation(body=DestinationChange))
async def change_destination(request: Request[Any, Any, Any], services: ApiServices) -> Response[DestinationResponse]:
    """Change a destination.

    Fields that are left out keep their value; `settings` are replaced as a whole. Enabling it sends what waits at
    once. Another address outside the organization waits for an owner's approval again.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(DestinationChange, "destination", "bad_destination")
    changed = await authorized.write(
        changes.change, services.destination_context, authorized.id, given_fields(body), **authorized.context
    )
    services.delivery_worker.wake()
    return answer(DestinationResponse.of(changed))


@delete(PATH + "/{id:str}", opt=_operation())
async def delete_destination(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Delete a destination.

    Deliveries that wait for it are deleted too.
    """
    authorized = await authorize(request, services)
    await changes.drop_deliveries(authorized, authorized.id)
    await authorized.write(changes.remove, authorized.id, **authorized.context)


@post(PATH + "/{id:str}/test", status_code=202, opt=_operation(problems=(409,)))
async def test_destination(request: Request[Any, Any, Any], services: ApiServices) -> Response[DeliveryStarted]:
    """Send a test message."""
    authorized = await authorize(request, services)
    delivery = await authorized.write(changes.send_test, authorized.id, **authorized.context)
    services.delivery_worker.wake()
    return answer(DeliveryStarted(delivery))


@post(PATH + "/{id:str}/rotate", status_code=200, opt=_operation(problems=(409,)))
async def rotate_destination(
    request: Request[Any, Any, Any], services: ApiServices
) -> Response[DestinationSecretResponse]:
    """Replace the secret of a webhook.

    The previous secret signs beside the new one for a day.
    """
    authorized = await authorize(request, services)
    created = await authorized.write(changes.rotate, services.destination_context, authorized.id, **authorized.context)
    return answer(DestinationSecretResponse.of_secret(created))


@get(PATH + "/{id:str}/deliveries", opt=_operation())
async def list_deliveries(request: Request[Any, Any, Any], services: ApiServices) -> Response[DeliveriesResponse]:
    """List the deliveries of a destination.

    The last hundred, newest first, with every attempt.
    """
    authorized = await authorize(request, services)
    deliveries = await authorized.read(_deliveries, authorized.id)
    return answer(DeliveriesResponse([DeliveryResponse.of(delivery) for delivery in deliveries]))


@post(PATH + "/{id:str}/deliveries/{delivery:str}/retry", status_code=202, opt=_operation(problems=(409,)))
async def retry_delivery(request: Request[Any, Any, Any], services: ApiServices) -> Response[DeliveryStarted]:
    """Retry a delivery.

    Sends a message that failed for good or that waits for its next attempt.
    """
    authorized = await authorize(request, services)
    delivery = authorized.path("delivery")
    await authorized.write(changes.retry, authorized.id, delivery, **authorized.context)
    services.delivery_worker.wake()
    return answer(DeliveryStarted(delivery))


def _deliveries(connection: Connection, scope: Scope, public_id: str) -> list[Delivery]:
    return stored_destinations.list_deliveries(connection, show(connection, scope, public_id))

"""Destinations: made, tried, changed, deleted, and how what went to them fared: /v1/destinations."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection

from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.clock import rfc3339
from tallystick.destinations import changes, destination
from tallystick.destinations.changes import CreatedDestination
from tallystick.destinations.destination import Delivery, Destination, show
from tallystick.query.scope import Scope

PATH = "/v1/destinations"


class DestinationInput(msgspec.Struct, forbid_unknown_fields=True):
    """A destination as it is asked for."""

    kind: str
    settings: dict[str, Any] = {}
    name: str = ""


class DestinationChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is to change; what is left out stays."""

    name: str | UnsetType = UNSET
    settings: dict[str, Any] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


@post(PATH, name="api.make_destination")
async def make_destination(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Makes one; the secret of a webhook is in this answer alone."""
    authorized = await authorize(request, services, "alerts")
    wanted = await authorized.body(DestinationInput, "destination", "bad_destination")
    name = wanted.name or f"{wanted.kind} destination".capitalize()[:100]
    made: CreatedDestination = await authorized.write(
        changes.create, services.posts, wanted.kind, name, wanted.settings, **authorized.context
    )
    return answer(shown(made.destination) | {"secret": made.secret}, status=201)


@get(PATH, name="api.list_destinations")
async def list_destinations(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Those of the organization, by name."""
    authorized = await authorize(request, services, "alerts")
    return answer({"data": [shown(one) for one in await authorized.read(destination.list_destinations)]})


@get(PATH + "/{id:str}", name="api.show_destination")
async def show_destination(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """One of them."""
    authorized = await authorize(request, services, "alerts")
    return answer(shown(await authorized.read(show, authorized.id)))


@patch(PATH + "/{id:str}", name="api.change_destination", status_code=200)
async def change_destination(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Changes what is given; `settings` are given whole."""
    authorized = await authorize(request, services, "alerts")
    given = await authorized.body(DestinationChange, "destination", "bad_destination")
    said = {name: value for name, value in msgspec.structs.asdict(given).items() if value is not UNSET}
    changed = await authorized.write(changes.change, services.posts, authorized.id, said, **authorized.context)
    services.courier.wake()
    return answer(shown(changed))


@delete(PATH + "/{id:str}", name="api.delete_destination", status_code=204)
async def delete_destination(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Deletes it with what waits for it."""
    authorized = await authorize(request, services, "alerts")
    await authorized.write(changes.remove, authorized.id, **authorized.context)


@post(PATH + "/{id:str}/test", name="api.test_destination", status_code=202)
async def test_destination(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Sends a message that says it is a test."""
    authorized = await authorize(request, services, "alerts")
    delivery = await authorized.write(changes.send_test, authorized.id, **authorized.context)
    services.courier.wake()
    return answer({"delivery": delivery}, status=202)


@post(PATH + "/{id:str}/rotate", name="api.rotate_destination", status_code=200)
async def rotate_destination(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Gives a webhook a new secret; the one before signs beside it for a day."""
    authorized = await authorize(request, services, "alerts")
    made: CreatedDestination = await authorized.write(
        changes.rotate, services.posts, authorized.id, **authorized.context
    )
    return answer(shown(made.destination) | {"secret": made.secret})


@get(PATH + "/{id:str}/deliveries", name="api.list_deliveries")
async def list_deliveries(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """What went there last, with every attempt."""
    authorized = await authorize(request, services, "alerts")
    return answer({"data": [delivery_shown(one) for one in await authorized.read(_deliveries, authorized.id)]})


@post(PATH + "/{id:str}/deliveries/{delivery:str}/retry", name="api.retry_delivery", status_code=202)
async def retry_delivery(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Sends again what was given up."""
    authorized = await authorize(request, services, "alerts")
    delivery = str(request.path_params["delivery"])
    await authorized.write(changes.retry, authorized.id, delivery, **authorized.context)
    services.courier.wake()
    return answer({"delivery": delivery}, status=202)


def shown(one: Destination) -> dict[str, Any]:
    """A destination as the API answers it: no secret."""
    return {
        "id": one.shown_id, "kind": one.kind, "name": one.name, "settings": dict(one.settings), "enabled": one.enabled,
        "state": one.state, "consecutive_failures": one.failures, "last_error": one.last_error or None,
        "last_success_at": _time(one.last_success_at), "last_failure_at": _time(one.last_failure_at),
        "waiting": one.waiting, "given_up": one.given_up, "created_by": one.made_by,
        "created_at": rfc3339(one.made_at),
    }  # fmt: skip


def delivery_shown(one: Delivery) -> dict[str, Any]:
    """A delivery as the API answers it."""
    return {
        "id": one.shown_id, "message": one.message_id, "state": one.state, "problem": one.problem or None,
        "created_at": rfc3339(one.made_at), "next_attempt_at": rfc3339(one.next_at) if one.state == "waiting" else None,
        "finished_at": _time(one.finished_at),
        "attempts": [
            {"at": rfc3339(attempt.at), "outcome": attempt.outcome, "http_status": attempt.status,
             "milliseconds": attempt.milliseconds, "problem": attempt.problem or None}
            for attempt in one.attempts
        ],
    }  # fmt: skip


def _deliveries(connection: Connection, scope: Scope, shown_id: str) -> list[Delivery]:
    return destination.list_deliveries(connection, show(connection, scope, shown_id))


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)

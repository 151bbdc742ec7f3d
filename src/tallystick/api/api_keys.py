"""API keys: /v1/api-keys."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET, Meta, UnsetType

from tallystick import ids
from tallystick.access import keys
from tallystick.access.key_changes import KeyChange, change_key
from tallystick.access.keys import MOST_NETWORKS, MOST_OVERLAP_US, ApiKey
from tallystick.access.scopes import PERMISSIONS
from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import RequestBody, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.clock import HOUR_US, now_us, optional_rfc3339, rfc3339, to_us
from tallystick.search.filter_text import LONGEST, parse_filter

PATH = "/v1/api-keys"
DEFAULT_OVERLAP_HOURS = 24
_act = partial(operation, "API keys", "admin")
# A key makes none that may do more than itself: what it may do itself counts here.
_make = partial(_act, optional={name: "The new key can have this scope." for name in PERMISSIONS if name != "admin"})

Name = Annotated[str, doc("What the key is for. Events that it records carry this name.", minLength=1, maxLength=100)]
Scopes = Annotated[list[str], doc("What it may do.", items={"type": "string", "enum": sorted(PERMISSIONS)}, minItems=1)]
Networks = Annotated[
    list[str], doc("Addresses and networks (CIDR) that it can be used from; empty: anywhere.", maxItems=MOST_NETWORKS)
]
KeyFilter = Annotated[
    str,
    doc("It reads only what this search of qualifiers and equal values finds, such as `category:deployments`.",
        maxLength=LONGEST),
]  # fmt: skip
ForOthers = Annotated[
    bool, doc("It records what others did: an event without an actor is then of type `anonymous`, instead of the key.")
]
KeyId = Annotated[str, doc("`key_` and 26 characters.")]
KeyText = Annotated[str, doc("The key itself. It is shown only in this answer.", pattern="^tsk_[0-9A-Za-z]{36}$")]


class ApiKeyInput(RequestBody):
    """An API key as requested."""

    name: Name
    scopes: Scopes
    expires_at: Annotated[Annotated[datetime, Meta(tz=True)] | None, doc("When it ends. Default: never.")] = None
    allowed_networks: Networks | None = None
    filter: KeyFilter | None = None
    records_for_others: ForOthers = False


class ApiKeyChange(RequestBody):
    """What to change of an API key; what is left out stays."""

    name: Name | UnsetType = UNSET
    scopes: Annotated[Scopes | UnsetType, doc("Fewer than it has: a key never gets more.")] = UNSET
    expires_at: Annotated[Annotated[datetime, Meta(tz=True)] | UnsetType | None, doc("When it ends; null: never.")] = (
        UNSET
    )
    allowed_networks: Networks | UnsetType = UNSET
    filter: Annotated[KeyFilter | UnsetType | None, doc("What it reads; null: all events.")] = UNSET
    records_for_others: ForOthers | UnsetType = UNSET


class RotationInput(RequestBody):
    """How an API key is rotated."""

    overlap_hours: Annotated[
        int,
        doc("For how long the old key can still be used; 0 ends it at once.", minimum=0,
            maximum=MOST_OVERLAP_US // HOUR_US),
    ] = DEFAULT_OVERLAP_HOURS  # fmt: skip


class ApiKeyResponse(ResponseBody):
    """An API key, without its text."""

    id: KeyId
    name: Name
    scopes: Scopes
    last4: Annotated[str, doc("The last four characters of the key.")]
    state: Annotated[
        str,
        doc("`ending` is a key that was rotated and can be used until `expires_at`.",
            enum=["active", "ending", "expired", "revoked"]),
    ]  # fmt: skip
    allowed_networks: Networks
    filter: Annotated[KeyFilter | None, doc("It reads only what this finds; null: all events.")]
    records_for_others: ForOthers
    created_by: Annotated[str, doc("Who made it: e-mail address, id of a key, or `operator`.")]
    created_at: Time
    expires_at: Annotated[Time | None, doc("When it ends; null: never.")]
    last_used_at: Annotated[Time | None, doc("When it was used last, exact to a minute; null: never.")]
    last_used_address: Annotated[str | None, doc("The address that it was used from then.")]
    revoked_at: Annotated[Time | None, doc("When it was revoked.")]
    replaced_by: Annotated[KeyId | None, doc("The key that took its place when it was rotated.")]

    @classmethod
    def fields_of(cls, key: ApiKey, now: int) -> dict[str, Any]:
        """The fields of the answer for a key."""
        return {
            "id": key.public_id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "last4": key.last4,
            "state": key.state(now),
            "allowed_networks": [str(network) for network in key.allowed_networks],
            "filter": None if key.limit is None else key.limit.text,
            "records_for_others": key.records_for_others,
            "created_by": key.created_by,
            "created_at": rfc3339(key.created_at),
            "expires_at": optional_rfc3339(key.expires_at),
            "last_used_at": optional_rfc3339(key.last_used_at),
            "last_used_address": key.last_used_address or None,
            "revoked_at": optional_rfc3339(key.revoked_at),
            "replaced_by": None if key.replaced_by is None else ids.encode("key", key.replaced_by.bytes),
        }


class ApiKeysResponse(ResponseBody):
    """The API keys of the organization, newest first."""

    data: list[ApiKeyResponse]


class NewApiKeyResponse(ApiKeyResponse):
    """An API key that was just made."""

    key: KeyText


@get(PATH, opt=_act())
async def list_api_keys(request: Request[Any, Any, Any], services: ApiServices) -> Response[ApiKeysResponse]:
    """List API keys.

    All of the organization, newest first, also those that have ended.
    """
    authorized = await authorize(request, services)
    found, now = await authorized.read(keys.list_keys), now_us()
    return answer(ApiKeysResponse([ApiKeyResponse(**ApiKeyResponse.fields_of(key, now)) for key in found]))


@post(PATH, opt=_make(body=ApiKeyInput))
async def create_api_key(request: Request[Any, Any, Any], services: ApiServices) -> Response[NewApiKeyResponse]:
    """Create an API key.

    Its text is in this answer and can never be read again. A key creates no key that may do more than itself.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ApiKeyInput, "API key", "bad_api_key_input")
    expires_at = None if body.expires_at is None else to_us(body.expires_at)
    made, text = await authorized.write(
        keys.add_key, body.name, body.scopes, expires_at=expires_at, allowed_networks=body.allowed_networks or (),
        limit=parse_filter(body.filter or "", now=now_us()), records_for_others=body.records_for_others,
        **authorized.context,
    )  # fmt: skip
    return answer(NewApiKeyResponse(**ApiKeyResponse.fields_of(made, now_us()), key=str(text)))


@get(PATH + "/{id:str}", opt=_act())
async def show_api_key(request: Request[Any, Any, Any], services: ApiServices) -> Response[ApiKeyResponse]:
    """Get an API key."""
    authorized = await authorize(request, services)
    key = await authorized.read(keys.show_key, keys.parse_key_id(authorized.id))
    return answer(ApiKeyResponse(**ApiKeyResponse.fields_of(key, now_us())))


@patch(PATH + "/{id:str}", opt=_make(body=ApiKeyChange, problems=(409,)))
async def change_api_key(request: Request[Any, Any, Any], services: ApiServices) -> Response[ApiKeyResponse]:
    """Change an API key.

    Its name, fewer scopes, other networks, another expiry, another filter: every server obeys within a second. A key
    that may do more than the one that is used cannot be changed with it.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ApiKeyChange, "API key", "bad_api_key_input")
    key = await authorized.write(change_key, keys.parse_key_id(authorized.id), _change_of(body), **authorized.context)
    return answer(ApiKeyResponse(**ApiKeyResponse.fields_of(key, now_us())))


def _change_of(body: ApiKeyChange) -> KeyChange:
    expires_at, text = body.expires_at, body.filter
    return KeyChange(
        name=None if body.name is UNSET else body.name,
        scopes=None if body.scopes is UNSET else body.scopes,
        allowed_networks=None if body.allowed_networks is UNSET else body.allowed_networks,
        expires_at="unchanged" if expires_at is UNSET else None if expires_at is None else to_us(expires_at),
        limit="unchanged" if text is UNSET else parse_filter(text or "", now=now_us()),
        records_for_others=None if body.records_for_others is UNSET else body.records_for_others,
    )


@post(PATH + "/{id:str}/rotate", opt=_make(body=RotationInput, body_is_required=False, problems=(409,)))
async def rotate_api_key(request: Request[Any, Any, Any], services: ApiServices) -> Response[NewApiKeyResponse]:
    """Rotate an API key.

    A new key takes its place, with the same name, scopes, networks and lifetime; the old one can be used for
    `overlap_hours` more.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(RotationInput, "rotation", "bad_api_key_input", empty=b"{}")
    made, text = await authorized.write(
        keys.rotate_key, keys.parse_key_id(authorized.id), body.overlap_hours * HOUR_US, **authorized.context
    )
    return answer(NewApiKeyResponse(**ApiKeyResponse.fields_of(made, now_us()), key=str(text)))


@delete(PATH + "/{id:str}", opt=_act())
async def revoke_api_key(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Revoke an API key.

    For good: every server refuses it within a second. It stays in the list.
    """
    authorized = await authorize(request, services)
    await authorized.write(keys.revoke_key, keys.parse_key_id(authorized.id), **authorized.context)

"""The API keys page: the keys of the organization, and the form that creates one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from litestar import Response, get, post

from tallystick.access import keys
from tallystick.access.key_changes import KeyChange, change_key
from tallystick.access.keys import ApiKey
from tallystick.access.secret import Secret
from tallystick.clock import DAY_US, HOUR_US, now_us, second_words
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict, Forbidden
from tallystick.query.scope import Permission, Scope
from tallystick.search.filter_text import parse_filter
from tallystick.search.tokens import QueryMistake
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import DatabaseDep, FrameDep, Injected, PoolsDep, SettingsDep, UserScopeDep, WebRequest
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import ADMINS
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect
from tallystick.work.request_pools import RequestPools

PATH = "/api-keys"
SCOPES: Mapping[Permission, str] = {
    "events:write": "Record events",
    "events:read": "Search and read events",
    "exports": "Export events",
    "alerts": "Manage alert rules and destinations",
    "admin": "Manage retention, actions, keys and other settings",
}
FIELDS = ("name", "expires", "networks", "filter")
LIFETIMES = {"": "Never", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}
_FIELDS = {"name": "name", "scopes": "scopes", "expires_at": "expires", "allowed_networks": "networks",
           "filter": "filter"}  # fmt: skip
OVERLAPS = {"24": "for 24 hours", "168": "for 7 days", "0": "no longer"}


@dataclass(frozen=True, slots=True)
class KeyForm:
    """The state of the form: typed values, ticked scopes, the errors, and a key that was just made with its text."""

    typed: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(FIELDS, ""))
    scopes: tuple[str, ...] = ("events:write",)
    problems: Mapping[str, str] = field(default_factory=dict)
    made: tuple[ApiKey, Secret] | None = None


@dataclass(frozen=True, slots=True)
class ApiKeysPage:
    """Renders the API keys page, also after a form."""

    scope: Scope
    frame: PageFrame
    database: Database
    pools: RequestPools
    zone: tzinfo
    url: str

    async def show(self, form: KeyForm, *, status: int = 200) -> Response[str]:
        """The rendered page, with the form in this state."""
        found, now = await self.pools.short.run(self.scope, _load, self.database, self.scope), now_us()
        return html(
            "api_keys.html",
            status=status,
            frame=self.frame.at("api-keys"),
            current=[key for key in found if key.state(now) in ("active", "ending")],
            ended=[key for key in found if key.state(now) not in ("active", "ending")],
            now=now,
            form=form,
            scopes=SCOPES,
            lifetimes=LIFETIMES,
            overlaps=OVERLAPS,
            url=self.url,
            at=lambda moment: second_words(moment, self.zone),
        )


ApiKeysPageDep = Injected[ApiKeysPage]


async def provide_api_keys_page(
    request: WebRequest, user_scope: UserScopeDep, frame: FrameDep, database: DatabaseDep, pools: PoolsDep,
    settings: SettingsDep,
) -> ApiKeysPage:  # fmt: skip
    """The API keys page of this request."""
    return ApiKeysPage(user_scope, frame, database, pools, filters_of(request).zone, settings.public_url)


@get(PATH, name="web.api_keys", opt=ADMINS)
async def show_api_keys_page(api_keys_page: ApiKeysPageDep) -> Response[str]:
    """The page."""
    return await api_keys_page.show(KeyForm())


@post(PATH, name="web.api_keys.create", status_code=200, opt=ADMINS)
async def create_key(form_request: FormRequestDep, api_keys_page: ApiKeysPageDep) -> Response[str]:
    """Creates a key; the page that answers is the only one that ever shows its text."""
    typed, scopes = form_request.texts(*FIELDS), tuple(form_request.all("scope"))
    days = typed["expires"]
    lifetime = int(days) * DAY_US if days in LIFETIMES and days else None
    try:
        made = await form_request.write(
            keys.add_key, typed["name"], scopes,
            expires_at=None if lifetime is None else now_us() + lifetime,
            allowed_networks=typed["networks"].replace(",", " ").split(),
            limit=parse_filter(typed["filter"], now=now_us()), records_for_others=form_request.text("others") == "1",
            **form_request.context,
        )  # fmt: skip
    except (BadRequest, Forbidden) as problem:
        given = "filter" if isinstance(problem, QueryMistake) else str(problem.extra.get("field", ""))
        problems = {_FIELDS.get(given, "name"): problem.detail}
        return await api_keys_page.show(KeyForm(typed, scopes, problems), status=problem.status)
    return await api_keys_page.show(KeyForm(made=made))


@post(PATH + "/{key_id:str}/rotate", name="web.api_keys.rotate", status_code=200, opt=ADMINS)
async def rotate_key(key_id: str, form_request: FormRequestDep, api_keys_page: ApiKeysPageDep) -> Response[str]:
    """Makes a key in place of another one, and shows its text once."""
    hours = form_request.text("overlap")
    overlap = int(hours) * HOUR_US if hours in OVERLAPS else DAY_US
    try:
        made = await form_request.write(keys.rotate_key, keys.parse_key_id(key_id), overlap, **form_request.context)
    except (Conflict, Forbidden) as problem:
        return await api_keys_page.show(KeyForm(problems={"list": problem.detail}), status=problem.status)
    return await api_keys_page.show(KeyForm(made=made))


@post(PATH + "/{key_id:str}/change", name="web.api_keys.change", status_code=200, opt=ADMINS)
async def change_key_form(key_id: str, form_request: FormRequestDep, api_keys_page: ApiKeysPageDep) -> Response[str]:
    """Changes the name, the networks and the filter of a key, and takes scopes away."""
    typed = form_request.texts("name", "networks", "filter")
    try:
        change = KeyChange(
            name=typed["name"], scopes=tuple(form_request.all("scope")),
            allowed_networks=typed["networks"].replace(",", " ").split(),
            limit=parse_filter(typed["filter"], now=now_us()),
            records_for_others=form_request.text("others") == "1",
        )  # fmt: skip
        await form_request.write(change_key, keys.parse_key_id(key_id), change, **form_request.context)
    except (BadRequest, Conflict, Forbidden) as problem:
        return await api_keys_page.show(KeyForm(problems={"list": problem.detail}), status=problem.status)
    return redirect(PATH)


@post(PATH + "/{key_id:str}/revoke", name="web.api_keys.revoke", status_code=303, opt=ADMINS)
async def revoke_key(key_id: str, form_request: FormRequestDep) -> Response[str]:
    """Revokes a key for good."""
    await form_request.write(keys.revoke_key, keys.parse_key_id(key_id), **form_request.context)
    return redirect(PATH)


def _load(database: Database, scope: Scope) -> list[ApiKey]:
    with database.read() as connection:
        return keys.list_keys(connection, scope)

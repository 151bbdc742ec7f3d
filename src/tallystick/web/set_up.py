"""Set-up of the first organization and its owner, through a link that the server prints."""

import re
from typing import Any

from litestar import Response, get, post

from tallystick.access import sessions, setup_link
from tallystick.access.audit import Caller
from tallystick.access.passwords import LEAST_CHARACTERS
from tallystick.access.secret import Secret
from tallystick.access.setup_link import FirstOwner
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Unavailable
from tallystick.ledger import log
from tallystick.web.dependencies import (
    DatabaseDep,
    FormReaderDep,
    RecorderDep,
    RequestCallerDep,
    SettingsDep,
    SignInDep,
)
from tallystick.web.filters import PATH
from tallystick.web.sign_in import remember_device, set_session_cookie
from tallystick.web.templating import html, redirect

FIELDS = ("organization", "slug", "name", "email")


@get("/set-up/{token:str}", name="web.set_up")
async def show_set_up(token: str, database: DatabaseDep) -> Response[str]:
    """The set-up form; 404 if the link was used or has expired."""
    await database.run(_check_link, database, token)
    return _page(dict.fromkeys(FIELDS, ""))


@post("/set-up/{token:str}", name="web.set_up.post")
async def set_up(
    token: str,
    form_reader: FormReaderDep,
    request_caller: RequestCallerDep,
    settings: SettingsDep,
    database: DatabaseDep,
    sign_in: SignInDep,
    recorder: RecorderDep,
) -> Response[str]:
    """Creates the organization, its log and its owner, and signs the owner in."""
    await database.run(_check_link, database, token)
    form = await form_reader()
    fields = {name: str(form.get(name, "")).strip() for name in FIELDS}
    try:
        owner = FirstOwner(
            slug=fields["slug"] or slug_of(fields["organization"]),
            organization=fields["organization"],
            email=fields["email"],
            name=fields["name"],
            password=await sign_in.hashed(str(form.get("password", ""))),
        )
        cookie = await database.run(_create_organization, database, token, owner, request_caller)
    except (BadRequest, Unavailable) as problem:
        return _page(fields, problem.detail, problem.status)
    recorder.own_actions_waiting()
    return remember_device(set_session_cookie(redirect(PATH), cookie, settings), owner.email, settings)


def slug_of(name: str) -> str:
    """A short name derived from an organization's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-") or "main"


def _check_link(database: Database, token: str) -> None:
    with database.read() as connection:
        setup_link.check(connection, token, now=now_us())


def _create_organization(database: Database, token: str, owner: FirstOwner, caller: Caller) -> Secret:
    now = now_us()
    with database.write() as connection:
        organization, member = setup_link.use(connection, token, owner, now=now, caller=caller)
        log.create(connection, organization.org_id, now=now)
        return sessions.begin(connection, member.user_id, organization.org_id, now=now, caller=caller)


def _page(fields: dict[str, Any], problem: str = "", status: int = 200) -> Response[str]:
    return html("set_up.html", status=status, problem=problem, shortest=LEAST_CHARACTERS, **fields)

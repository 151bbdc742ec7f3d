"""The Integrity page: checks, the signed checkpoint and keys, and the verifier to download."""

import io
import zipfile
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from litestar import Response, get, post
from litestar.response import Response as Raw

from tallystick import verify
from tallystick.access.scopes import require
from tallystick.clock import second_words
from tallystick.database.engine import Database
from tallystick.errors import NotFound, Unavailable
from tallystick.integrity.overview import Overview, overview, request_check
from tallystick.integrity.publish import set_public
from tallystick.integrity.rounds import Round
from tallystick.ledger.prover import Prover
from tallystick.query.scope import Scope
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    CheckerDep,
    DatabaseDep,
    FrameDep,
    ProverDep,
    SettingsDep,
    UserScopeDep,
    WebRequest,
)
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import ADMINS, OWNERS, WHOLE_TRAIL
from tallystick.web.templating import html, redirect

PATH = "/integrity"
VERIFIER_NAME = "tallystick-verify.pyz"
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = "from tallystick.verify.__main__ import run\n\nrun()\n"


@dataclass(frozen=True, slots=True)
class SigningKeyRow:
    """A current signing key; `until` is the end of its use as text, for a key that was rotated."""

    vkey: str
    until: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """An integrity check of the log, with its progress."""

    found: Round
    began: str
    ended: str
    asked_by: str
    percent: int


@get(PATH, name="web.integrity", opt=WHOLE_TRAIL)
async def show_integrity(
    request: WebRequest,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    prover: ProverDep,
    settings: SettingsDep,
) -> Response[str]:
    """The Integrity page. Raises Forbidden for members, who see only part of the trail."""
    zone = filters_of(request).zone
    found, keys, sealed = await database.run(_load, database, prover, user_scope, zone)
    signed = found.checkpoint
    public_url = settings.public_url.rstrip("/")
    return html(
        "integrity.html",
        frame=frame.at("integrity"),
        found=found,
        keys=keys,
        sealed=sealed,
        signed_at=second_words(signed.made_at, zone) if signed else "",
        signed_since=second_words(found.signed_since, zone),
        public_since=second_words(found.public_since, zone),
        public_url=f"{public_url}/log/{found.origin_id}",
        url=public_url,
        verifier=VERIFIER_NAME,
        may_check="admin" in user_scope.permissions,
        is_owner=user_scope.role == "owner",
        **_check_values(found, zone),
    )


@get(PATH + "/check", name="web.integrity.check", opt=WHOLE_TRAIL)
async def show_check(request: WebRequest, user_scope: UserScopeDep, database: DatabaseDep) -> Response[str]:
    """The progress of the running check, as a fragment."""
    state = await database.run(_overview, database, user_scope)
    return html("integrity_check.html", found=state, **_check_values(state, filters_of(request).zone))


@post(PATH + "/check", name="web.integrity.start", opt=ADMINS)
async def start_check(form_request: FormRequestDep, checker: CheckerDep) -> Response[str]:
    """Starts a check now."""
    await form_request.write(request_check, **form_request.context)
    checker.wake()
    return redirect(PATH)


@post(PATH + "/public", name="web.integrity.public", opt=OWNERS)
async def publish_log(form_request: FormRequestDep) -> Response[str]:
    """Makes the log readable for everybody, or private again; only for owners."""
    await form_request.write(set_public, form_request.text("public") == "yes", **form_request.context)
    return redirect(f"{PATH}#public")


@get(PATH + "/checkpoint", name="web.integrity.checkpoint", opt=WHOLE_TRAIL)
async def download_checkpoint(user_scope: UserScopeDep, database: DatabaseDep) -> Response[str]:
    """The last signed checkpoint as a file."""
    state = await database.run(_overview, database, user_scope)
    if state.checkpoint is None:
        raise NotFound("No checkpoint yet. The first one is signed within a second of the first event.", code="no_log")
    name = f"{state.origin_id[:8]}-{state.checkpoint.size}.checkpoint"
    return Response(
        state.checkpoint.note,
        media_type="text/plain",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@get(f"{PATH}/{VERIFIER_NAME}", name="web.integrity.verifier", opt=WHOLE_TRAIL)
async def download_verifier(user_scope: UserScopeDep) -> Raw[bytes]:
    """The stand-alone verifier as one file, of this server's version."""
    require(user_scope, "events:read")
    headers = {"Content-Disposition": f'attachment; filename="{VERIFIER_NAME}"'}
    return Raw(verifier_file(), media_type="application/octet-stream", headers=headers)


def _overview(database: Database, scope: Scope) -> Overview:
    with database.read() as connection:
        return overview(connection, scope)


def _load(database: Database, prover: Prover, scope: Scope, zone: tzinfo) -> tuple[Overview, list[SigningKeyRow], str]:
    """The overview, the signing keys, and the reason if there are no keys."""
    found = _overview(database, scope)
    try:
        keys = [SigningKeyRow(vkey, second_words(until, zone)) for vkey, until in prover.keys(scope)]
    except Unavailable as problem:
        return found, [], problem.detail
    return found, keys, ""


def _check_values(found: Overview, zone: tzinfo) -> dict[str, Any]:
    return {
        "running": _check_row(found.running, zone),
        "last": _check_row(found.last, zone),
    }


def _check_row(check: Round | None, zone: tzinfo) -> CheckRow | None:
    if check is None:
        return None
    asked_by = "" if check.asked_by is None else check.asked_by.label
    percent = 100 * check.position // check.end if check.end else 0
    return CheckRow(
        check, second_words(check.started_at, zone), second_words(check.finished_at, zone), asked_by, percent
    )


@cache
def verifier_file() -> bytes:
    """The verifier as a zipapp. It needs Python 3.11 and `cryptography`; its bytes are the same on every server."""
    folder = Path(verify.__file__).parent
    files = {"__main__.py": _MAIN, "tallystick/__init__.py": ""}
    files |= {f"tallystick/verify/{path.name}": path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    target = io.BytesIO(_SHEBANG)
    target.seek(0, io.SEEK_END)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name], zipfile.ZIP_DEFLATED)
    return target.getvalue()

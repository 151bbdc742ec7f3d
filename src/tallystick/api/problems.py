"""Errors as `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from sqlalchemy.exc import DatabaseError

from tallystick.api.answers import encode, encoded_answer
from tallystick.database.damage import DISK_FULL, is_damage, is_full_disk, log_damage
from tallystick.database.postgresql import is_outage
from tallystick.errors import Damaged, TallystickError, Unavailable
from tallystick.http.head_requests import allowed_methods
from tallystick.store.errors import StoreDamaged, StoreError, StoreTimeout, StoreUpgrading

MEDIA_TYPE = "application/problem+json"
logger = structlog.get_logger()

# What Litestar refuses by itself.
_ROUTING = {
    400: ("bad_request", "The request cannot be read. See /docs for the API reference."),
    404: ("no_such_path", "There is no endpoint at this path. See /docs for the API reference."),
    405: ("method_not_allowed", "This path does not support this method; `Allow` lists those it supports. See /docs."),
}
_BROKEN = "Something failed on the server. Try again; if it persists, give the operator this request_id."


def problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The answer for any error. An unexpected one is logged and answered without its text."""
    if isinstance(error, StoreError):
        error = _store_problem(request, error)
    elif isinstance(error, DatabaseError) and is_damage(error):
        log_damage(error)
        error = Damaged(
            "The control database is damaged. Trying again does not help: the operator has to restore it.",
            code="database_damaged",
        )
    elif is_full_disk(error):
        logger.error("control_database_disk_full", path=_template(request))
        error = Unavailable(DISK_FULL, code="disk_full", retry_after=30)
    elif is_outage(error):
        logger.error("control_database_failed", path=_template(request), error=str(error)[:500])
        error = Unavailable(
            "The control database does not respond. Send the same request again later.",
            code="database_down",
            retry_after=2,
        )
    if isinstance(error, Unavailable | Damaged) or (isinstance(error, TallystickError) and error.status < 500):
        return _known_problem(request, error)
    if isinstance(error, HTTPException) and error.status_code < 500:
        return _routing_problem(error)
    return _unknown_problem(request, error)


HANDLERS: ExceptionHandlersMap = {Exception: problem, HTTPException: problem}


def problem_members(
    status: int, code: str, title: str, detail: str, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The members of a problem; its `type` links to the explanation of the code."""
    members = {"type": f"/docs#{code}", "title": title, "status": status, "code": code, "detail": detail}
    return members | dict(extra or {})


def _known_problem(request: Request[Any, Any, Any], error: TallystickError) -> Response[Any]:
    headers, extra = {}, dict(error.extra)
    if "page" in extra:  # a path, which becomes a link
        extra["page"] = request.app.state.public_url.rstrip("/") + extra["page"]
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if error.status == 401:
        rejected = "" if error.code == "no_api_key" else ' error="invalid_token"'
        headers["WWW-Authenticate"] = f"Bearer{rejected}"
    if error.code == "unsupported_encoding":
        headers["Accept-Encoding"] = "gzip, zstd, identity"
    content = problem_members(error.status, error.code, error.title, error.detail, extra)
    return _answer(content, headers)


def _routing_problem(error: HTTPException) -> Response[Any]:
    status = error.status_code
    phrase = HTTPStatus(status).phrase
    code, detail = _ROUTING.get(status, (phrase.lower().replace(" ", "_"), f"{phrase}. See /docs."))
    given = {name.lower(): value for name, value in (error.headers or {}).items()}
    headers = {"Allow": allowed_methods(given["allow"])} if "allow" in given else {}
    return _answer(problem_members(status, code, phrase, detail), headers)


def _store_problem(request: Request[Any, Any, Any], error: StoreError) -> TallystickError:
    logger.warning("event_store_failed", path=_template(request), error=str(error)[:500])
    if isinstance(error, StoreDamaged):
        return Damaged(
            "The event store holds damaged data, and this answer would need it. Recording continues. Trying again does "
            "not help: the operator finds the data part and what to do with tallystick doctor."
        )
    if isinstance(error, StoreUpgrading):
        return Unavailable(
            "The event store was made by an earlier version of Tallystick and is being rebuilt for this one. Recording "
            "continues; search again when the rebuild is finished. The operator sees how far it is with tallystick "
            "doctor.",
            code="store_upgrading",
            retry_after=60,
        )
    if isinstance(error, StoreTimeout):
        return Unavailable(
            "The event store took too long. Narrow the time range with start and end, or try again.",
            code="query_timeout",
            retry_after=2,
        )
    return Unavailable(
        "The event store does not respond. Recording continues; try again later.", code="store_down", retry_after=5
    )


def _unknown_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    request_id = request.scope["request_id"]  # type: ignore[typeddict-item]
    path = _template(request)
    logger.error("request_failed", request_id=request_id, method=request.method, path=path, exc_info=error)
    content = problem_members(500, "internal", "Internal error", _BROKEN, {"request_id": request_id})
    return _answer(content, {})


def _answer(members: Mapping[str, Any], headers: Mapping[str, str]) -> Response[Any]:
    return encoded_answer(encode(members), MEDIA_TYPE, status=members["status"], headers=headers)


def _template(request: Request[Any, Any, Any]) -> str:
    return str(request.scope.get("path_template", ""))

"""Error pages."""

from urllib.parse import quote

import structlog
from litestar import Response
from litestar.exceptions import HTTPException
from sqlalchemy.exc import DatabaseError

from tallystick.database.damage import DISK_FULL, is_damage, is_full_disk, log_damage
from tallystick.database.postgresql import is_outage
from tallystick.errors import TallystickError
from tallystick.http.head_requests import allowed_methods
from tallystick.store.errors import StoreDamaged, StoreError, StoreUpgrading
from tallystick.web.dependencies import WebRequest
from tallystick.web.filters import PATH
from tallystick.web.templating import HEADERS, html, redirect

logger = structlog.get_logger()

REFUSED = "Nothing was changed"
REFUSALS = (400, 403, 408, 413, 415)  # of a form
TITLES = {
    400: "Invalid address",
    403: "Access denied",
    404: "Page not found",
    405: "Method not allowed",
    408: "The request took too long",
    413: "The request is too large",
    415: "Unknown kind of request",
    429: "Too many requests",
    503: "Temporarily unavailable",
}
DETAILS = {
    404: "The address may be wrong, or the page was removed.",
    405: "This address does not accept this kind of request.",
}
ADVICE = {
    403: "Your role decides what you can see. The person who sent you the link may have more access than you.",
    404: "If you followed a link to an event, it may be older than your organization's retention.",
}
STORE_DOWN = "The event store is not responding. Events are still recorded and nothing is lost. Try again in a moment."
STORE_DAMAGED = (
    "Some stored events are damaged and cannot be read. New events are still recorded. Trying again does not help: "
    "tell the operator of this server."
)
STORE_UPGRADING = (
    "The stored events are being prepared for a new version of this server, which can take hours. New events are still "
    "recorded and nothing is lost. Try again later."
)
STORE_PROBLEMS: dict[type[StoreError], str] = {StoreDamaged: STORE_DAMAGED, StoreUpgrading: STORE_UPGRADING}
DATABASE_DOWN = "The control database is not responding. Try again in a moment. If this continues, tell the operator."
DATABASE_DAMAGED = "The control database is damaged. Trying again does not help: tell the operator of this server."
BROKEN = (
    "Something failed on the server; its log has the details. Try again in a moment. "
    "If this continues, tell the operator."
)


def show_error(request: WebRequest, problem: Exception) -> Response[str]:
    """The error page for an exception; for somebody who is not signed in, a redirect to the sign-in page."""
    status, detail = _status_and_detail(problem)
    if status == 401:
        return _to_sign_in(request)
    if status == 500:
        logger.error("page_failed", path=request.url.path, exc_info=problem)
    retry = getattr(problem, "retry_after", None)
    headers = HEADERS | ({"Retry-After": str(retry)} if retry else {})
    given = {name.lower(): value for name, value in (getattr(problem, "headers", None) or {}).items()}
    headers |= {"Allow": allowed_methods(given["allow"])} if "allow" in given else {}
    changes = request.method != "GET" and status in REFUSALS
    title = REFUSED if changes else TITLES.get(status, "Something went wrong")
    again = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    may_help = request.method == "GET" and status in (429, 500, 503)
    return html(
        "error.html",
        status=status,
        headers=headers,
        title=title,
        detail=detail,
        number=status,
        again=again if may_help and not again.startswith("//") else "",
        advice="" if changes else ADVICE.get(status, ""),
    )


def wants_page(request: WebRequest) -> bool:
    """Whether an unmatched request came from a browser: it accepts HTML and is not for the API."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/")


def _status_and_detail(problem: Exception) -> tuple[int, str]:
    if isinstance(problem, StoreError):
        logger.warning("event_store_failed", error=str(problem)[:500])
        return 503, next((text for kind, text in STORE_PROBLEMS.items() if isinstance(problem, kind)), STORE_DOWN)
    if isinstance(problem, DatabaseError) and is_damage(problem):
        log_damage(problem)
        return 503, DATABASE_DAMAGED
    if is_full_disk(problem):
        logger.error("control_database_disk_full")
        return 503, DISK_FULL
    if is_outage(problem):
        logger.error("control_database_failed", error=str(problem)[:500])
        return 503, DATABASE_DOWN
    if isinstance(problem, TallystickError) and problem.status != 500:
        return problem.status, problem.detail
    if isinstance(problem, HTTPException) and problem.status_code < 500:
        return problem.status_code, DETAILS.get(problem.status_code, problem.detail)
    return 500, BROKEN


def _to_sign_in(request: WebRequest) -> Response[str]:
    if "hx-request" in request.headers:  # htmx would put the sign-in page into a fragment; the script reloads instead
        return html("plain_problem.html", status=401, headers=HEADERS, detail="Your session has ended. Sign in again.")
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = "" if request.method != "GET" or path in ("/", PATH) else f"?next={quote(path, safe='')}"
    return redirect(f"/sign-in{wanted}")

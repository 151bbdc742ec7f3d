"""Unsubscribing from a scheduled export by a link in its mail, without a session (RFC 8058)."""

from litestar import Response, get, post

from tallystick.access.rate_limit import RateLimit
from tallystick.clock import now_us
from tallystick.schedules import unsubscribe as unsubscribe_link
from tallystick.schedules.unsubscribe import Subscription
from tallystick.web.dependencies import DatabaseDep, RecorderDep, RequestCallerDep, SettingsDep
from tallystick.web.templating import html

PATH = "/unsubscribe/{token:str}"
# Limits the guessing of links: one request per second and address, 20 at once.
_POSTS = RateLimit(1, 20, detail="Too many unsubscribe requests from this address. Wait and try again.")


@get(PATH, name="web.unsubscribe")
async def show_unsubscribe(token: str, database: DatabaseDep, settings: SettingsDep) -> Response[str]:
    """The confirmation form. A GET changes nothing, because mail programs open links before people do."""

    def look() -> Subscription:
        with database.read() as connection:
            return unsubscribe_link.read_token(connection, settings.secret_keys, token)

    return html("unsubscribe.html", one=await database.run(look))


@post(PATH, name="web.unsubscribe.post", status_code=200)
async def unsubscribe(
    token: str, request_caller: RequestCallerDep, database: DatabaseDep, settings: SettingsDep, recorder: RecorderDep
) -> Response[str]:
    """Unsubscribes. Needs only the link: no cookie is read, so a cross-site request gains nothing."""

    _POSTS.take(request_caller.address)

    def act() -> Subscription:
        with database.write() as connection:
            unsubscribe_link.unsubscribe(connection, settings.secret_keys, token, now=now_us(), caller=request_caller)
            return unsubscribe_link.read_token(connection, settings.secret_keys, token)

    subscription = await database.run(act)
    recorder.own_actions_waiting()
    return html("unsubscribe.html", one=subscription)

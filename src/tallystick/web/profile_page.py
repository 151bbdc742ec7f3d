"""The profile page: what people change of their own account, and where they are signed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from litestar import Response, get, post

from tallystick import ids
from tallystick.access import profile, sessions
from tallystick.access.passwords import LEAST_CHARACTERS
from tallystick.access.sessions import Session, SessionLimits
from tallystick.clock import now_us, second_words, zone_of
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict, NotFound, TooMany
from tallystick.settings import Settings
from tallystick.web.dependencies import DatabaseDep, FrameDep, Injected, SessionDep, SettingsDep, SignInDep
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect

PATH = "/profile"
APPEARANCES = {"system": "As the device", "light": "Light", "dark": "Dark"}
FIELDS = ("name", "zone", "appearance")
SAVED = {"profile": "Saved.", "password": "Your password was changed, and your other sessions were ended.",
         "sessions": "Signed out everywhere else."}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProfilePage:
    """Renders the profile page, also after a form that was refused."""

    session: Session
    frame: PageFrame
    database: Database
    settings: Settings

    async def show(
        self, problems: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None, *, status: int = 200,
        saved: str = "",
    ) -> Response[str]:  # fmt: skip
        """The rendered page; `problems` are by the name of a field, `saved` is what was done just now."""
        found = await self.database.run(self._load)
        zone = zone_of(self.frame.zone)
        return html(
            "profile.html", status=status, frame=self.frame.at("profile"), problems=problems or {},
            typed=typed or {name: getattr(found["profile"], name) for name in FIELDS}, saved=SAVED.get(saved, ""),
            appearances=APPEARANCES, zones=sorted(available_timezones()),
            shortest=LEAST_CHARACTERS, own=self.session, at=lambda moment: second_words(moment, zone),
            has_mail=self.settings.smtp_url is not None, **found,
        )  # fmt: skip

    def _load(self) -> dict[str, Any]:
        scope, limits = self.session.scope, SessionLimits.of(self.settings)
        with self.database.read() as connection:
            return {
                "profile": profile.read_profile(connection, scope),
                "sessions": sessions.list_own(connection, scope, now_us(), limits),
            }


ProfilePageDep = Injected[ProfilePage]


async def provide_profile_page(
    session: SessionDep, frame: FrameDep, database: DatabaseDep, settings: SettingsDep
) -> ProfilePage:
    """The profile page of this request."""
    return ProfilePage(session, frame, database, settings)


@get(PATH, name="web.profile", opt=EVERY_ROLE)
async def show_profile(profile_page: ProfilePageDep, saved: str = "") -> Response[str]:
    """The page."""
    return await profile_page.show(saved=saved)


@post(PATH, name="web.profile.change", status_code=303, opt=EVERY_ROLE)
async def change_profile(form_request: FormRequestDep, profile_page: ProfilePageDep) -> Response[str]:
    """Changes name, zone and appearance."""
    typed = form_request.texts(*FIELDS)
    try:
        await form_request.write(profile.change_profile, **typed, **form_request.context)
    except BadRequest as problem:
        problems = {str(problem.extra.get("field", "name")): problem.detail}
        return await profile_page.show(problems, typed, status=problem.status)
    return redirect(f"{PATH}?saved=profile")


@post(PATH + "/password", name="web.profile.password", status_code=303, opt=EVERY_ROLE)
async def change_password(
    form_request: FormRequestDep, profile_page: ProfilePageDep, session: SessionDep, sign_in: SignInDep
) -> Response[str]:
    """Changes the password, after the current one was asked for; the person's other sessions end."""
    try:
        kept = await form_request.read(profile.password_hash_of)
        await sign_in.confirm_password(session, form_request.text("current"), caller=form_request.caller)
        fresh = await sign_in.hashed(form_request.text("password"))
        await form_request.write(profile.change_password, session.session_id, kept, fresh, **form_request.context)
    except (BadRequest, Conflict, TooMany) as problem:
        problems = {str(problem.extra.get("field", "current")): problem.detail}
        return await profile_page.show(problems, status=problem.status)
    return redirect(f"{PATH}?saved=password")


@post(PATH + "/sessions/end", name="web.profile.end_others", status_code=303, opt=EVERY_ROLE)
async def end_other_sessions(form_request: FormRequestDep, session: SessionDep) -> Response[str]:
    """Signs the person out everywhere else."""
    await form_request.write(sessions.end_others, session.session_id, **form_request.context)
    return redirect(f"{PATH}?saved=sessions")


@post(PATH + "/sessions/{session_id:str}/end", name="web.profile.end_session", status_code=303, opt=EVERY_ROLE)
async def end_session(session_id: str, form_request: FormRequestDep) -> Response[str]:
    """Ends one of the own sessions."""
    try:
        parsed = UUID(bytes=ids.decode("ses", session_id))
    except ValueError:
        raise NotFound("Session not found.", code="no_session") from None
    await form_request.write(sessions.revoke_own, parsed, **form_request.context)
    return redirect(f"{PATH}?saved=sessions")

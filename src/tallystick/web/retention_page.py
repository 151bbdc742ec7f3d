"""The Retention page: how long events are kept, what expires soon, legal holds, and erasures."""

from dataclasses import dataclass, field
from datetime import tzinfo

from litestar import Response, get

from tallystick.access.organizations import MOST_DAYS, PLANS, Organization, of_scope
from tallystick.access.scopes import require_whole_trail
from tallystick.clock import now_us, second_words
from tallystick.data_access.setting import ViewRecording, read_view_recording
from tallystick.database.engine import Database
from tallystick.destinations.email_queue import EmailState, last_email
from tallystick.erasure import request as erasures
from tallystick.erasure.request import Erasure
from tallystick.errors import BadRequest, Forbidden
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.retention.archive import ArchiveState, archive_state
from tallystick.retention.change import RetentionPreview, preview_change
from tallystick.retention.forecast import WITHIN_DAYS, Forecast, forecast
from tallystick.retention.holds import Hold
from tallystick.retention.warning import WarningSetting, warning_setting
from tallystick.settings import Settings
from tallystick.store.events import EventStore
from tallystick.store.expiry import ExpiryCount
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    DatabaseDep,
    FrameDep,
    Injected,
    PoolsDep,
    SettingsDep,
    StoreDep,
    ViewerDep,
    WebRequest,
)
from tallystick.web.page_access import WHOLE_TRAIL
from tallystick.web.page_frame import PageFrame
from tallystick.web.retention_requests import RetentionRequests, load_requests
from tallystick.web.retention_text import deletion_text, event_count_text, expiry_text, late_text, release_text
from tallystick.web.templating import html
from tallystick.web.viewer import Viewer
from tallystick.work.request_pools import RequestPools

PATH = "/retention"
VIEW_CHOICES: dict[ViewRecording, str] = {"off": "Off", "usual": "Once in ten minutes", "every": "Every view"}
VIEW_RECORDING: dict[ViewRecording, str] = {
    "off": "What people look at is not recorded.",
    "usual": "Searches shown for five seconds and opened events are recorded, the same one once in ten minutes.",
    "every": "Searches shown for five seconds and opened events are recorded, each time.",
}
# Names of the forms in the query string: a preview is a GET, and changes nothing.
CHANGE, HOLD, RELEASE = "change", "hold", "release"


@dataclass(frozen=True, slots=True)
class RetentionForms:
    """The state of the page's forms: the one that is previewed (`look`), the typed values, and the errors."""

    look: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RetentionContent:
    """The data of the Retention page."""

    organization: Organization
    found: Forecast
    holds: list[Hold]
    erasures: list[Erasure]
    wish: WarningSetting
    last_mail: EmailState | None
    archive: ArchiveState
    views: ViewRecording
    change: RetentionPreview | None = None
    would_hold: tuple[int, bool] | None = None
    would_free: ExpiryCount | None = None
    requests: RetentionRequests | None = None
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetentionPage:
    """Renders the Retention page, also after an invalid form."""

    zone: tzinfo
    viewer: Viewer
    frame: PageFrame
    database: Database
    pools: RequestPools
    store: EventStore
    settings: Settings

    async def show(self, forms: RetentionForms, *, status: int = 200) -> Response[str]:
        """The rendered page, with the forms in this state."""
        scope = self.viewer.scope
        loaded = await self.pools.searches.run(scope, _load, self.database, self.store, scope, forms)
        if loaded.would_hold:  # a number of events of any search
            typed = forms.typed
            searched = {"q": typed.get("query", ""), "start": typed.get("start", ""), "end": typed.get("end", "")}
            self.viewer.note_page("legal_hold", "new", **{name: [text] for name, text in searched.items()})
        return _page(self, loaded, forms, status)


RetentionPageDep = Injected[RetentionPage]


async def provide_retention_page(
    request: WebRequest,
    viewer: ViewerDep,
    frame: FrameDep,
    database: DatabaseDep,
    pools: PoolsDep,
    store: StoreDep,
    settings: SettingsDep,
) -> RetentionPage:
    """The Retention page of this request."""
    return RetentionPage(filters_of(request).zone, viewer, frame, database, pools, store, settings)


@get(PATH, name="web.retention", opt=WHOLE_TRAIL)
async def show_retention(request: WebRequest, retention_page: RetentionPageDep) -> Response[str]:
    """The page; with the fields of a form in the URL, a preview of it. Raises Forbidden for members."""
    names = ("plan", "days", "name", "query", "start", "end", "hold")
    typed = {name: request.query_params[name] for name in names if name in request.query_params}
    forms = RetentionForms(request.query_params.get("look", ""), typed)
    return await retention_page.show(forms)


def _page(page: RetentionPage, loaded: RetentionContent, forms: RetentionForms, status: int) -> Response[str]:
    zone, settings, scope = page.zone, page.settings, page.viewer.scope
    status = 400 if loaded.problems and status == 200 else status
    found, support = loaded.found, settings.support_contact or ""
    return html(
        "retention.html",
        status=status,
        frame=page.frame.at("retention"),
        loaded=loaded,
        found=found,
        typed=forms.typed,
        look=forms.look,
        problems=loaded.problems,
        soon=expiry_text(found.expiring, WITHIN_DAYS),
        late=late_text(found.waiting),
        gone=deletion_text(loaded.change) if loaded.change else (),
        freed=release_text(loaded.would_free) if loaded.would_free else (),
        would_hold=event_count_text(*loaded.would_hold) if loaded.would_hold else "",
        plans=[plan for plan in PLANS if PLANS[plan] <= PLANS[found.plan]],
        plan_days=PLANS,
        most_days=MOST_DAYS,
        archives=settings.archive_dir is not None,
        mails=settings.smtp_url is not None,
        support=support,
        support_url=f"mailto:{support}" if "@" in support and "://" not in support else _web_url(support),
        may_admin="admin" in scope.permissions,
        is_owner=scope.role == "owner",
        requests=loaded.requests,
        would_set=deletion_text(loaded.requests.change) if loaded.requests and loaded.requests.change else (),
        proposal=loaded.requests.proposal if loaded.requests else None,
        view_choices=VIEW_CHOICES,
        view_recording=VIEW_RECORDING,
        me=scope.principal.id,
        at=lambda moment: second_words(moment, zone),
    )


def _load(database: Database, store: EventStore, scope: Scope, forms: RetentionForms) -> RetentionContent:
    require_whole_trail(scope)
    expiry = forecast(database, store, scope)
    with database.read() as connection:
        erasure_list = erasures.list_erasures(connection, scope, most=100) if "admin" in scope.permissions else []
        loaded = RetentionContent(
            of_scope(connection, scope),
            expiry,
            holds.list_holds(connection, scope, most=200),
            erasure_list,
            warning_setting(connection, scope.org_id),
            last_email(connection, scope.org_id),
            archive_state(connection, scope),
            read_view_recording(connection, scope.org_id),
        )
    if "admin" in scope.permissions:
        loaded.requests = load_requests(database, store, scope)
    loaded.problems = dict(forms.problems)
    try:
        if forms.look == CHANGE:
            loaded.change = preview_change(database, store, scope, *plan_and_days(forms.typed), now=now_us())
        elif forms.look == HOLD:
            typed = [forms.typed.get(name, "") for name in ("query", "start", "end")]
            loaded.would_hold = holds.count(store, scope, *typed, now=now_us())
        elif forms.look == RELEASE:
            loaded.would_free = holds.count_freed(database, store, scope, forms.typed.get("hold", ""), now=now_us())
    except (BadRequest, Forbidden) as problem:
        loaded.problems.setdefault(forms.look, problem.detail)
    return loaded


def plan_and_days(typed: dict[str, str]) -> tuple[int | None, str]:
    """Days and plan of the form; only enterprise chooses days. Raises BadRequest (`bad_retention`)."""
    plan, days = typed.get("plan", ""), typed.get("days", "").strip()
    if plan != "enterprise" or not days:
        return None, plan
    if not (days.isascii() and days.isdigit() and len(days) <= 6):
        raise BadRequest(f"Enter a number of days, up to {MOST_DAYS}.", code="bad_retention", field="retention_days")
    return int(days), plan


def _web_url(text: str) -> str:
    return text if text.startswith(("https://", "http://")) else ""

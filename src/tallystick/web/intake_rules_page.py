"""The Intake rules page: the list in its order, what waits for a second owner, and a new rule with its preview."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from litestar import Response, get, post
from sqlalchemy import Connection

from tallystick.access import organizations
from tallystick.access.audit import Caller
from tallystick.access.decisions import Decision
from tallystick.access.role_holders import count_recent_owners, people_with_role
from tallystick.clock import DAY_US, now_us, second_words
from tallystick.compliance.intake_preview import AffectedItem, IntakePreview, preview_rule
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict, Forbidden
from tallystick.ingest.dropped_events import read_drops
from tallystick.intake_rules import changes
from tallystick.intake_rules.changes import INTAKE_RULES, RulesProposal, pending_rules, rules_proposal
from tallystick.intake_rules.rule import MOST_RULES, MOST_TEXT, IntakeRule
from tallystick.intake_rules.rule_list import RuleList, show_rules
from tallystick.intake_rules.strength import keeps_less
from tallystick.query.scope import Scope
from tallystick.retention.decide import cancel_request, confirm_request
from tallystick.store.events import EventStore
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
from tallystick.web.exports_page import size_text
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import ADMINS, OWNERS, WHOLE_TRAIL
from tallystick.web.page_frame import PageFrame
from tallystick.web.retention_text import event_count_text
from tallystick.web.templating import html, redirect
from tallystick.web.viewer import Viewer
from tallystick.work.request_pools import RequestPools

PATH = INTAKE_RULES.page
NEW, LIST = "new", "list"
FIELDS = ("query", "do", "days")


@dataclass(frozen=True, slots=True)
class DroppedHour:
    """What one rule dropped in one hour; `hour` is its beginning, in microseconds."""

    hour: int
    query: str
    events: int
    bytes: int


@dataclass(slots=True)
class IntakeRulesContent:
    """The data of the Intake rules page. `owners` are the ids of the people who may confirm the pending request."""

    rules: RuleList
    retention_days: int
    pending: Decision | None
    two_owners: bool
    owners: frozenset[str]
    drops: list[DroppedHour]
    preview: IntakePreview | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def proposal(self) -> RulesProposal | None:
        """The list that is requested, and the one before."""
        return None if self.pending is None else rules_proposal(self.pending)

    def is_in_force(self, rule: IntakeRule) -> bool:
        """Whether the rule is in force as the list shows it."""
        return rule in self.rules.in_force

    @property
    def shortens(self) -> bool:
        """Whether the previewed rule keeps events for a shorter time, which a second owner may have to confirm."""
        found = self.preview
        if found is None:
            return False
        rule = IntakeRule("new", found.query, found.do, found.days, "", 0)
        return keeps_less(self.rules.decided, (*self.rules.decided, rule), self.retention_days)


@dataclass(frozen=True, slots=True)
class IntakeRulesPage:
    """Renders the Intake rules page, also after an invalid form."""

    zone: tzinfo
    viewer: Viewer
    frame: PageFrame
    database: Database
    pools: RequestPools
    store: EventStore
    frameworks: Path | None

    async def show(self, typed: dict[str, str], problems: dict[str, str], *, status: int = 200) -> Response[str]:
        """The rendered page; with a typed query, and without a problem, a preview of that rule."""
        scope = self.viewer.scope
        loaded = await self.pools.searches.run(
            scope, _load, self.database, self.store, scope, typed, dict(problems), self.frameworks
        )
        return html(
            "intake_rules.html",
            status=400 if loaded.problems and status == 200 else status,
            frame=self.frame.at("intake-rules"),
            loaded=loaded,
            typed=typed,
            problems=loaded.problems,
            is_owner=scope.role == "owner",
            me=scope.principal.id,
            most_rules=MOST_RULES,
            most_text=MOST_TEXT,
            saved=_saved_text(loaded.preview, self.zone) if loaded.preview else "",
            affected=_affected_text(loaded.preview) if loaded.preview else [],
            size=size_text,
            at=lambda moment: second_words(moment, self.zone),
        )


IntakeRulesPageDep = Injected[IntakeRulesPage]


async def provide_intake_rules_page(
    request: WebRequest,
    viewer: ViewerDep,
    frame: FrameDep,
    database: DatabaseDep,
    pools: PoolsDep,
    store: StoreDep,
    settings: SettingsDep,
) -> IntakeRulesPage:
    """The Intake rules page of this request."""
    zone = filters_of(request).zone
    return IntakeRulesPage(zone, viewer, frame, database, pools, store, settings.compliance_dir)


@get(PATH, name="web.intake_rules", opt=WHOLE_TRAIL)
async def show_intake_rules(request: WebRequest, intake_rules_page: IntakeRulesPageDep) -> Response[str]:
    """The page; with the fields of the form in the URL, a preview of the rule. Raises Forbidden for members."""
    typed = {name: request.query_params[name] for name in FIELDS if name in request.query_params}
    return await intake_rules_page.show(typed, {})


@post(PATH, name="web.intake_rules.add", opt=OWNERS)
async def add_intake_rule(form_request: FormRequestDep, intake_rules_page: IntakeRulesPageDep) -> Response[str]:
    """Adds a rule, or asks a second owner to confirm it."""
    typed = form_request.texts(*FIELDS)

    def add(connection: Connection, scope: Scope, *, now: int, caller: Caller) -> None:
        changes.add_rule(connection, scope, typed["query"], typed["do"], _days_of(typed), now=now, caller=caller)

    try:
        await form_request.write(add, **form_request.context)
    except (BadRequest, Conflict, Forbidden) as problem:
        return await intake_rules_page.show(typed, {NEW: problem.detail}, status=problem.status)
    return redirect(PATH)


@post(PATH + "/{intake_rule_id:str}/{change:str}", name="web.intake_rules.change", opt=OWNERS)
async def change_intake_rule(
    intake_rule_id: str, change: str, form_request: FormRequestDep, intake_rules_page: IntakeRulesPageDep
) -> Response[str]:
    """Moves a rule, changes its days, or removes it; or asks a second owner to confirm that."""
    typed = form_request.texts("days", "position")

    def make(connection: Connection, scope: Scope, *, now: int, caller: Caller) -> None:
        if change == "remove":
            changes.remove_rule(connection, scope, intake_rule_id, now=now, caller=caller)
            return
        days = _days_of({"do": "keep", "days": typed["days"]}) if change == "days" else None
        position = _number("position", typed["position"]) if change == "move" else None
        changes.change_rule(connection, scope, intake_rule_id, days, position, now=now, caller=caller)

    try:
        await form_request.write(make, **form_request.context)
    except (BadRequest, Conflict, Forbidden) as problem:
        return await intake_rules_page.show({}, {LIST: problem.detail}, status=problem.status)
    return redirect(PATH)


@post(PATH + "/requests/{request_id:str}/{decision:str}", name="web.intake_rules.request", opt=ADMINS)
async def decide_intake_rules(
    request_id: str, decision: str, form_request: FormRequestDep, intake_rules_page: IntakeRulesPageDep
) -> Response[str]:
    """Confirms a requested list as a second owner, or cancels the request."""
    decide = {"confirm": confirm_request, "cancel": cancel_request}.get(decision)
    if decide is None:
        raise BadRequest("Confirm or cancel the request.", code="bad_request")
    try:
        await form_request.write(decide, request_id, **form_request.context)
    except (Conflict, Forbidden) as problem:
        return await intake_rules_page.show({}, {LIST: problem.detail}, status=problem.status)
    return redirect(PATH)


def _load(
    database: Database,
    store: EventStore,
    scope: Scope,
    typed: dict[str, str],
    problems: dict[str, str],
    frameworks: Path | None,
) -> IntakeRulesContent:
    now = now_us()
    with database.read() as connection:
        rules = show_rules(connection, scope, now=now)
        queries = {rule.id: rule.query for rule in (*rules.in_force, *rules.decided)}
        loaded = IntakeRulesContent(
            rules,
            organizations.of_scope(connection, scope).retention_days,
            pending_rules(connection, scope, now),
            count_recent_owners(connection, scope.org_id, now) >= 2,
            frozenset(people_with_role(connection, scope.org_id, INTAKE_RULES.roles)),
            [
                DroppedHour(hour, queries.get(rule_id, "a rule that was removed"), events, size)
                for hour, rule_id, events, size in read_drops(connection, scope.org_id, now - DAY_US)
            ],
            problems=problems,
        )
    if "query" in typed and not problems and "admin" in scope.permissions:
        try:
            loaded.preview = preview_rule(
                database, store, scope, typed["query"], typed.get("do", ""), _days_of(typed),
                frameworks=frameworks, now=now,
            )  # fmt: skip
        except BadRequest as problem:
            loaded.problems[NEW] = problem.detail
    return loaded


def _days_of(typed: dict[str, str]) -> int | None:
    """The days of the form, which count only for a rule that keeps. Raises BadRequest (`bad_intake_rule`)."""
    return None if typed.get("do") == "drop" else _number("days", typed.get("days", ""))


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise BadRequest(f"Enter a number of {name}." if name == "days" else "Enter a position.",
                         code="bad_intake_rule", field=name)  # fmt: skip
    return int(text)


def _saved_text(found: IntakePreview, zone: tzinfo) -> str:
    count, size = event_count_text(found.events, not found.is_partial), size_text(found.bytes)
    if not found.events and not found.is_partial:
        count = "No events"
    if found.do == "drop":
        period = f"From {second_words(found.start, zone)} to now"
        return f"{period}, this rule would have dropped {count[:1].lower()}{count[1:]} ({size})."
    days = f"{found.days:,} day{'' if found.days == 1 else 's'}"
    verb = "is" if found.events == 1 else "are"
    return f"{count} ({size}) recorded so far {verb} older than {days}, and would be deleted."


def _affected_text(found: IntakePreview) -> list[tuple[str, Sequence[AffectedItem]]]:
    """Headings with what stands below them."""
    is_drop = found.do == "drop"
    parts = [
        ("Alert rules that would not have seen them", found.alert_rules),
        ("Report questions that would not have counted them" if is_drop else "Report questions that count them",
         found.questions),
        ("Cases that contain some of them", found.cases),
    ]  # fmt: skip
    return [(heading, items) for heading, items in parts if items]

"""The Alerts page: alerts, rules, detections and destinations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from urllib.parse import urlencode

from litestar import Response, get, post

from tallystick.access.csrf import form_token
from tallystick.alerts import alert as alerts
from tallystick.alerts import changes, rule_import
from tallystick.alerts.alert import Alert
from tallystick.alerts.rule import Rule, describe, list_rules
from tallystick.alerts.rules_file import RuleSpec, shipped_detections
from tallystick.clock import now_us, second_words
from tallystick.database.engine import Database
from tallystick.destinations import changes as destination_changes
from tallystick.destinations.approval import approve
from tallystick.destinations.destination import Destination, list_destinations
from tallystick.destinations.kinds.registry import kind_of
from tallystick.errors import BadRequest, Conflict, Forbidden
from tallystick.query.scope import Scope
from tallystick.web import destination_form
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    DatabaseDep,
    DeliveryWorkerDep,
    DestinationContextDep,
    FinderDep,
    FrameDep,
    Injected,
    PoolsDep,
    SessionTokenDep,
    UserScopeDep,
    ViewerDep,
    WebRequest,
)
from tallystick.web.event_row import EventRow, event_row
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import ADMINS, OWNERS, WHOLE_TRAIL
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect
from tallystick.web.viewer import Viewer

PATH = "/alerts"
SHOWN = 10
DAY_SECONDS = 86_400
TONES = {"info": "gone", "low": "busy", "medium": "warn", "high": "bad", "critical": "bad"}
HEALTH = {
    "waiting_for_approval": ("Waiting for approval", "warn"),
    "ok": ("Arrives", "good"),
    "failing": ("Fails", "bad"),
    "disabled": ("Off", "gone"),
}


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert of the list. `tone` is the CSS class of its severity, `occurred` the time of its last event,
    `events_href` the URL of its events in Audit Logs.
    """

    alert: Alert
    tone: str
    occurred: str
    events_href: str


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule of the list, with its state and the CSS class of the state."""

    rule: Rule
    words: str
    destinations: tuple[str, ...]
    last_fired: str
    state: str
    tone: str
    link: str  # URL of its runbook


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """A destination as the page shows it: where it sends, and its state in words with the look of it.

    `delivered` is the time of the last successful delivery, or empty.
    """

    destination: Destination
    kind: str
    description: str
    signs: bool
    state: str
    tone: str
    delivered: str


@dataclass(frozen=True, slots=True)
class AlertsContent:
    """The data of the Alerts page."""

    alerts: list[Alert]
    rules: list[Rule]
    destinations: list[Destination]
    detections: list[RuleSpec]


@dataclass(frozen=True, slots=True)
class AlertsPage:
    """Renders the Alerts page, also after an invalid form, with the error and the submitted values."""

    viewer: Viewer
    frame: PageFrame
    database: Database
    token: str
    request: WebRequest

    async def show(
        self, problem: str = "", typed: Mapping[str, str] | None = None, *, status: int = 200, secret: str = ""
    ) -> Response[str]:
        """The rendered page; `secret` is the signing secret of a destination that was just created."""
        zone = filters_of(self.request).zone
        query = self.request.query_params
        state, before, order = query.get("state", "open"), query.get("before", ""), query.get("order", "")
        scope = self.viewer.scope
        loaded = await self.database.run(_load, self.database, scope, state, before, order == "severity")
        if loaded.alerts:
            self.viewer.note_page("alerts", before=[before])
        names = {one.public_id: one.name for one in loaded.destinations}
        alerts_found = loaded.alerts
        return html(
            "alerts.html",
            status=status,
            frame=self.frame.at("alerts"),
            form_token=form_token(self.token),
            alerts=[alert_row(one, zone) for one in alerts_found[:SHOWN]],
            more=alerts_found[SHOWN - 1].public_id if len(alerts_found) > SHOWN else "",
            continued=bool(before),
            state=state,
            order=order,
            rules=[_rule_row(one, names, zone) for one in loaded.rules],
            detections=[(one, describe(one.definition)) for one in loaded.detections],
            destinations=[_destination_row(one, zone) for one in loaded.destinations],
            kinds=destination_form.kind_choices(),
            inputs=destination_form.input_fields(typed or {}),
            may="alerts" in scope.permissions,
            role=scope.role,
            problem=problem,
            secret=secret,
            typed=typed or {"kind": "", "name": ""},
            is_open=bool(typed),
        )


AlertsPageDep = Injected[AlertsPage]


async def provide_alerts_page(
    request: WebRequest,
    viewer: ViewerDep,
    frame: FrameDep,
    database: DatabaseDep,
    session_token: SessionTokenDep,
) -> AlertsPage:
    """The Alerts page of this request."""
    return AlertsPage(viewer, frame, database, session_token, request)


@get(PATH, name="web.alerts", opt=WHOLE_TRAIL)
async def show_alerts(alerts_page: AlertsPageDep) -> Response[str]:
    """The Alerts page."""
    return await alerts_page.show()


@get(PATH + "/{alert_id:str}", name="web.alert", opt=WHOLE_TRAIL)
async def show_alert(
    request: WebRequest,
    alert_id: str,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    pools: PoolsDep,
    finder: FinderDep,
    session_token: SessionTokenDep,
    viewer: ViewerDep,
) -> Response[str]:
    """The page of one alert, with its events."""
    zone = filters_of(request).zone

    def load() -> tuple[Alert, list[EventRow]]:
        with database.read() as connection:
            alert = alerts.read_alert(connection, user_scope, alert_id)
        events = finder.several(user_scope, alert.event_ids)
        return alert, [event_row(events[raw], zone, ()) for raw in alert.event_ids if raw in events]

    alert, rows = await pools.searches.run(user_scope, load)
    viewer.note_page("alert", alert_id)
    return html(
        "alert.html",
        frame=frame.at("alerts"),
        form_token=form_token(session_token),
        row=alert_row(alert, zone),
        rows=rows,
        gone=len(alert.event_ids) - len(rows),
        fired=second_words(alert.fired_at, zone),
        acknowledged=second_words(alert.acknowledged_at, zone),
        may="alerts" in user_scope.permissions,
    )


@post(PATH + "/{alert_id:str}", name="web.alert.acknowledge", status_code=303, opt=ADMINS)
async def acknowledge_alert(alert_id: str, form_request: FormRequestDep) -> Response[str]:
    """Acknowledges an alert."""
    await form_request.write(
        alerts.acknowledge, alert_id, note=form_request.text("note").strip(), **form_request.context
    )
    back = form_request.text("back")
    return redirect(PATH if back == "list" else f"{PATH}/{alert_id}")


@post(PATH + "/rules/{rule_id:str}", name="web.alerts.rule", status_code=303, opt=ADMINS)
async def change_rule(rule_id: str, form_request: FormRequestDep) -> Response[str]:
    """Switches a rule on or off, mutes or unmutes it, sets its destinations, or deletes it; `act` says which."""
    match form_request.text("act"):
        case "on" | "off" as act:
            given = {"enabled": act == "on"}
            await changes.drop_state(form_request, rule_id, given)
            await form_request.write(changes.change, rule_id, given, **form_request.context)
        case "mute" | "unmute" as act:
            await form_request.write(changes.mute, rule_id, DAY_SECONDS if act == "mute" else 0, **form_request.context)
        case "send":
            await form_request.write(
                changes.change, rule_id, {"destinations": form_request.all("destinations")}, **form_request.context
            )
        case "delete":
            await changes.drop_state(form_request, rule_id)
            await form_request.write(changes.remove, rule_id, **form_request.context)
            return redirect(f"{PATH}#rules")
        case _:
            raise BadRequest(
                "A rule takes on, off, mute, unmute, send or delete.", code="bad_parameter", parameter="act"
            )
    return redirect(f"{PATH}#{rule_id}")


@post(PATH + "/detections/{detection_id:str}", name="web.alerts.detection", status_code=303, opt=ADMINS)
async def enable_detection(detection_id: str, form_request: FormRequestDep) -> Response[str]:
    """Enables a detection, which creates its rule."""
    rule = await form_request.write(rule_import.enable_detection, detection_id, **form_request.context)
    return redirect(f"{PATH}#{rule.public_id}")


@post(PATH + "/destinations", name="web.alerts.place", status_code=303, opt=ADMINS)
async def create_destination(
    form_request: FormRequestDep, alerts_page: AlertsPageDep, destination_context: DestinationContextDep
) -> Response[str]:
    """Creates a destination; the next page shows its signing secret once."""
    typed = form_request.texts(*destination_form.input_names())
    kind, settings = typed["kind"], destination_form.settings_of(typed)
    name = typed["name"] or kind.capitalize()
    try:
        created = await form_request.write(
            destination_changes.create, destination_context, kind, name, settings, **form_request.context
        )
    except (BadRequest, Conflict, Forbidden) as problem:
        return await alerts_page.show(problem.detail, typed, status=problem.status)
    if created.secret:
        return await alerts_page.show(secret=created.secret)
    return redirect(f"{PATH}#destinations")


@post(PATH + "/destinations/{destination_id:str}", name="web.alerts.place.change", status_code=303, opt=ADMINS)
async def change_destination(
    destination_id: str,
    form_request: FormRequestDep,
    alerts_page: AlertsPageDep,
    destination_context: DestinationContextDep,
    delivery_worker: DeliveryWorkerDep,
) -> Response[str]:
    """Tests, switches on or off, rotates or deletes a destination; `act` says which."""
    secret = ""
    match form_request.text("act"):
        case "test":
            await form_request.write(destination_changes.send_test, destination_id, **form_request.context)
        case "on" | "off" as act:
            given = {"enabled": act == "on"}
            await form_request.write(
                destination_changes.change, destination_context, destination_id, given, **form_request.context
            )
        case "rotate":
            rotated = await form_request.write(
                destination_changes.rotate, destination_context, destination_id, **form_request.context
            )
            secret = rotated.secret or ""
        case "delete":
            await destination_changes.drop_deliveries(form_request, destination_id)
            await form_request.write(destination_changes.remove, destination_id, **form_request.context)
        case _:
            raise BadRequest(
                "A destination takes test, on, off, rotate or delete.", code="bad_parameter", parameter="act"
            )
    delivery_worker.wake()
    return await alerts_page.show(secret=secret) if secret else redirect(f"{PATH}#destinations")


@post(PATH + "/destinations/{destination_id:str}/approve", name="web.alerts.place.approve", status_code=303, opt=OWNERS)
async def approve_destination(
    destination_id: str, form_request: FormRequestDep, delivery_worker: DeliveryWorkerDep
) -> Response[str]:
    """Approves a destination outside the organization, as an owner who saw it on the page."""
    await form_request.write(approve, destination_id, form_request.text("revision"), **form_request.context)
    delivery_worker.wake()
    return redirect(f"{PATH}#{destination_id}")


def alert_row(alert: Alert, zone: tzinfo) -> AlertRow:
    """The row of an alert; times in `zone`."""
    search = dict(alert.search)
    if "start" in search:
        search = {"range": "custom", **search}
    return AlertRow(alert, TONES[alert.severity], second_words(alert.at, zone), f"/audit-logs?{urlencode(search)}")


def _destination_row(destination: Destination, zone: tzinfo) -> DestinationRow:
    kind = kind_of(destination.kind)
    state, tone = HEALTH[destination.shown_state]
    delivered = second_words(destination.last_success_at, zone)
    return DestinationRow(
        destination, kind.label, kind.describe(destination.settings), kind.signs, state, tone, delivered
    )


def _rule_row(rule: Rule, names: Mapping[str, str], zone: tzinfo) -> RuleRow:
    link = rule.runbook if rule.runbook.startswith("https://") else ""
    destinations = tuple(names[public_id] for public_id in rule.destinations if public_id in names)
    state, tone = ("On", "good") if rule.enabled else ("Off", "gone")
    if rule.enabled and rule.is_muted(now_us()):
        state, tone = f"Muted until {second_words(rule.muted_until, zone)}", "gone"
    elif rule.enabled and not rule.learnt:
        state, tone = "Learning", "busy"
    return RuleRow(
        rule, describe(rule.definition), destinations, second_words(rule.last_fired_at, zone), state, tone, link
    )


def _load(database: Database, scope: Scope, state: str, before: str, by_severity: bool) -> AlertsContent:
    with database.read() as connection:
        rules = list_rules(connection, scope)
        enabled_detections = {rule.detection for rule in rules}
        return AlertsContent(
            alerts.list_alerts(
                connection,
                scope,
                state="open" if state == "open" else None,
                before=before or None,
                limit=SHOWN + 1,
                by_severity=by_severity,
            ),
            rules,
            list_destinations(connection, scope),
            [detection for detection in shipped_detections() if detection.id not in enabled_detections],
        )

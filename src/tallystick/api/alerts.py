"""Alerts, the firings of alert rules: /v1/alerts."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get, post

from tallystick import ids
from tallystick.alerts import alert as alerts
from tallystick.alerts.alert import STATES, Alert
from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, RequestBody, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.api.query_parameters import ALERTS as PARAMETERS
from tallystick.api.query_parameters import DEFAULT_LISTED
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.events.catalogue import SEVERITIES

PATH = "/v1/alerts"
_operation = partial(operation, "Alerts", "alerts", "events:read")


class AlertNote(RequestBody):
    """A note on an alert."""

    note: Annotated[str, doc("The note.")] = ""


class AlertRuleReference(ResponseBody):
    """The rule that raised an alert."""

    id: Annotated[str, doc("Id of the rule.")]
    name: Annotated[str, doc("Name of the rule at the time.")]
    detection: Annotated[str | None, doc("Id of the detection that the rule was made from.")]


class AlertResponse(ResponseBody):
    """An alert: one firing of a rule."""

    id: Annotated[str, doc("`alr_` and 26 characters. Also the `webhook-id` of its messages.")]
    rule: AlertRuleReference
    severity: Annotated[str, doc("Severity.", enum=list(SEVERITIES))]
    group: Annotated[str | None, doc("Value of the rule's `group_by` field.")]
    sentence: Annotated[str, doc("What happened, as a sentence.")]
    count: Count
    more: Annotated[Count, doc("Number of further events of the group within the cool-down.")]
    first_event: Time
    last_event: Time
    event_ids: Annotated[list[str], doc("Ids of its events, oldest first: the newest 100.")]
    fired_at: Time
    filter: Annotated[dict[str, str], doc("Parameters for finding its events and similar ones.")]
    state: Annotated[str, doc("Whether somebody acknowledged it.", enum=list(STATES))]
    muted: Annotated[bool, doc("The rule was muted, so that no message was sent.")]
    acknowledged_by: str | None
    acknowledged_at: Time | None
    note: str | None

    @classmethod
    def of(cls, alert: Alert) -> "AlertResponse":
        return cls(
            id=alert.public_id,
            rule=AlertRuleReference(alert.rule_public_id, alert.rule_name, alert.detection or None),
            severity=alert.severity,
            group=alert.group or None,
            sentence=alert.sentence,
            count=alert.number,
            more=alert.more,
            first_event=rfc3339(alert.first_at),
            last_event=rfc3339(alert.last_at),
            event_ids=[ids.encode("evt", raw) for raw in alert.event_ids],
            fired_at=rfc3339(alert.fired_at),
            filter=dict(alert.search),
            state=alert.state,
            muted=alert.muted,
            acknowledged_by=alert.acknowledged_by or None,
            acknowledged_at=optional_rfc3339(alert.acknowledged_at),
            note=alert.note or None,
        )


class AlertsResponse(ResponseBody):
    """Alerts, in the order that was asked for."""

    data: list[AlertResponse]
    next_before: Annotated[str | None, doc("`before` of the next page; null at the end.")]


@get(PATH, opt=_operation(parameters=PARAMETERS))
async def list_alerts(request: Request[Any, Any, Any], services: ApiServices) -> Response[AlertsResponse]:
    """List alerts.

    Newest first or most severe first, in pages.
    """
    authorized = await authorize(request, services)
    limit = authorized.parameters.integer("limit", 1, alerts.MOST) or DEFAULT_LISTED
    state, rule, before = (authorized.parameters.single(name) or None for name in ("state", "rule", "before"))
    by_severity = authorized.parameters.choice("order", ("newest", "severity")) == "severity"
    found = await authorized.read(
        alerts.list_alerts, state=state, rule=rule, before=before, limit=limit + 1, by_severity=by_severity
    )
    next_before = found[limit - 1].public_id if len(found) > limit else None
    return answer(AlertsResponse([AlertResponse.of(alert) for alert in found[:limit]], next_before))


@get(PATH + "/{id:str}", opt=_operation())
async def show_alert(request: Request[Any, Any, Any], services: ApiServices) -> Response[AlertResponse]:
    """Get an alert."""
    authorized = await authorize(request, services)
    return answer(AlertResponse.of(await authorized.read(alerts.read_alert, authorized.id)))


@post(PATH + "/{id:str}/acknowledge", status_code=200, opt=_operation(body=AlertNote, body_is_required=False))
async def acknowledge_alert(request: Request[Any, Any, Any], services: ApiServices) -> Response[AlertResponse]:
    """Acknowledge an alert.

    Records that somebody handles it, with an optional note.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(AlertNote, "note", "bad_note", empty=b"{}")
    alert = await authorized.write(alerts.acknowledge, authorized.id, note=body.note, **authorized.context)
    return answer(AlertResponse.of(alert))
